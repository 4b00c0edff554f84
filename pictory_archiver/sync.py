"""The main job: makes an archive complete. `_Run._journey` is the journey, readable from top to bottom.

A video comes from the listing as soon as the window has room → the plan compares it with what is known and with the
disk → its files go into the pool, each is staged, verified and committed, or is a value that says why not → the last
one done, its sidecar is written → the catalogue follows, in batches. No way back but one: where URLs were denied, a
fresh listing gives new ones, once. What is due and needs no listing is taken from the catalogue.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from pathlib import Path

import msgspec

from .addresses import is_signed
from .api import videos_url
from .catalogue import DamagedCatalogue, Known
from .conclusion import Outcome, conclude, note_stop
from .course import Course, Leg, meet_a_known_video, take_bearings
from .download import Job
from .errors import ArchiverError, KeyRefused, ListingError, StorageError
from .events import Observer, PhaseStarted, VideoDone, VideoPlanned, VideosHeld, Warned, silent
from .inputs import settle_inputs
from .judgement import believe
from .key import Key
from .listing import walk
from .models import INPUTS, Asset, Page, Slot, Status
from .plan import Origin, compose, rejected, wanted_kinds
from .planner import Planned, Planner, Policy
from .pool import Pool
from .report import Report
from .selection import Selection
from .settings import Settings
from .sidecar import Sidecar, say_the_same, timestamp
from .tally import Tally
from .tries import Tries
from .way import Way
from .workshop import RELEASE, Workshop, open_workshop, utc_now

WINDOW_PER_WORKER = 2
KEPT_ODD_ITEMS = 1000


async def sync_archive(
    root: Path,
    settings: Settings,
    key: Key,
    *,
    selection: Selection = Selection(),
    way: Way = Way(),
    allowed_origins: frozenset[str] = frozenset(),
    observer: Observer = silent,
) -> Report:
    """Makes the archive in `root` complete, and says what came of it.

    A listing that failed, files that could not be had and a disk that is full are facts of the report, with its
    `exit_status`. Raises `ConfigError`, `ArchiveBusy`, and `StorageError` where there is nothing to report on.
    Cancelling it is safe: the next run goes on.
    """
    tally = Tally(observer)

    async def attempt(*, distrust: bool) -> Report:
        async with open_workshop(
            root,
            settings,
            key,
            allowed_origins=allowed_origins,
            observer=tally,
            must_exist=way.must_exist,
            distrust_catalogue=distrust,
        ) as shop:
            run = await shop.shelf.ask(shop.shelf.catalogue.logbook.begin_run, timestamp(tally.started))
            return await _Run(shop, settings, selection, way, key, tally, run).go()

    try:
        return await attempt(distrust=False)
    except DamagedCatalogue:
        return await attempt(distrust=True)


class _Run:
    """One run over one archive."""

    def __init__(
        self,
        shop: Workshop,
        settings: Settings,
        selection: Selection,
        way: Way,
        key: Key,
        tally: Tally,
        number: int,
    ) -> None:
        self._shop = shop
        self._settings = settings
        self._selection = selection
        self._way = way
        self._key = key
        self._tally = tally
        self._number = number
        self._wanted = wanted_kinds(settings.download.assets)
        self._workers = settings.download.workers
        self._origin = Origin(settings.account, videos_url(settings.api), RELEASE)
        self._policy = Policy(
            wanted=self._wanted,
            now=tally.started,
            run=number,
            keep_deleted=settings.download.respect_local_deletions,
            again=way.full,
        )
        self._planner = Planner(
            shop.shelf,
            shop.store,
            settings.layout,
            self._policy,
            account=settings.account,
            zone=shop.archive.marker.time_zone,
        )
        self._course: Course | None = None
        self._kept_odd_items = 0
        self._denied: dict[str, set[Slot]] = {}
        self._live_urls: dict[tuple[str, Slot], str] = {}
        self._fetching = 0
        self._stopped_early = False
        self._is_sound = False
        self._time_up = False
        self._error: ArchiverError | None = None

    async def go(self) -> Report:
        """The journey, within its time, and what it came to."""
        try:
            async with asyncio.timeout(self._way.seconds) as limit:
                await self._journey()
        except TimeoutError:
            if not limit.expired():
                raise
            self._time_up = True
        except DamagedCatalogue:
            raise
        except (ListingError, KeyRefused, StorageError) as error:
            self._error = error
        except asyncio.CancelledError:
            with contextlib.suppress(StorageError):
                await self._leave()
                await note_stop(self._shop, self._tally, self._number)
            raise
        with contextlib.suppress(StorageError):
            await self._leave()
        return await self._conclude()

    async def _journey(self) -> None:
        """From the first page to the last input. Raises what ends a run early."""
        course = self._course = await self._chart()
        async with self._pool() as pool:
            try:
                await self._crawl(course, pool)
            except (ListingError, KeyRefused) as error:  # what was listed before goes on
                self._error = error
        if self._selection.is_everything and not self._error:
            async with self._pool() as pool:
                await self._fetch_due(pool)
        async with self._pool() as pool:
            await self._revisit_denied(pool)
        await self._settle_inputs()
        if not self._error and not self._stopped_early:
            await self._shop.shelf.flush()
            await believe(self._shop, course, self._number, self._key, accept=self._way.accept_listing)
            self._is_sound = course.kind != "filtered"

    async def _leave(self) -> None:
        """Writes down what is settled, and where a listing that is not done goes on."""
        catalogue = self._shop.shelf.catalogue
        await self._shop.shelf.flush()
        if self._course and not self._is_sound:
            await self._shop.shelf.ask(catalogue.note, [], self._number, self._course.resume_point())

    def _pool(self) -> Pool:
        return Pool(workers=self._workers, window=WINDOW_PER_WORKER * self._workers)

    # The listing, and what it feeds

    async def _chart(self) -> Course:
        """The course of this run's listing. Another key has to prove first that it is about the same account."""
        api, shelf = self._shop.api, self._shop.shelf
        bearings = await shelf.ask(take_bearings, shelf.catalogue, self._policy)
        is_foreign = not self._shop.archive.knows(self._key)
        if is_foreign and not self._way.accept_listing and (await shelf.ask(shelf.catalogue.count_videos))[0]:
            await meet_a_known_video(api.page, shelf)
        course = Course(
            api.page,
            self._tally,
            bearings,
            run=self._number,
            now=self._tally.started,
            is_filtered=not self._selection.is_everything,
            full=self._way.full or self._way.accept_listing,
            may_resume=not is_foreign,
            clock=lambda: api.clock,
        )
        if course.kind == "full":
            await shelf.ask(shelf.catalogue.check)
        return course

    async def _crawl(self, course: Course, pool: Pool) -> None:
        """Feeds the pool with every listed video that needs anything."""
        async with contextlib.aclosing(course.listing()) as pages:
            async for page in pages:
                await self._shop.remember_first_key(self._key)
                await self._note_odd(page)
                chosen = [video for video in page.videos if self._selection.admits(video)]
                planned = self._within_limit(await self._planner.plan(chosen))
                await self._record(course, page, planned)
                for each in planned:
                    await self._take(pool, each, course.leg())
                if self._stopped_early or self._selection.ends_before(page.videos):
                    return

    async def _note_odd(self, page: Page) -> None:
        """Before the listing goes on: a run that resumes it does not come to this page."""
        self._tally.odd_items += len(page.odd)
        odd = page.odd[: KEPT_ODD_ITEMS - self._kept_odd_items]
        if odd:
            self._kept_odd_items += len(odd)
            await self._shop.shelf.ask(self._shop.shelf.catalogue.logbook.note_odd_items, odd, self._number)

    def _within_limit(self, planned: list[Planned]) -> list[Planned]:
        """The plans of a page up to the one that goes beyond the limit of videos to fetch."""
        for position, each in enumerate(planned):
            if each.plan.tasks:
                if self._fetching == self._selection.limit:
                    self._stopped_early = True
                    return planned[:position]
                self._fetching += 1
        return planned

    async def _record(self, course: Course, page: Page, planned: list[Planned]) -> None:
        """Lets the catalogue know of videos and their places before the first of their files is there."""
        catalogue = self._shop.shelf.catalogue
        changed = [each for each in planned if not each.catalogue_is_true]
        if changed:
            await self._shop.shelf.ask(catalogue.record, [self._known(each) for each in changed])
        same, resume_point = course.saw(page, planned), course.resume_point()
        if same or resume_point:
            await self._shop.shelf.ask(catalogue.note, same, self._number, resume_point)

    def _known(self, planned: Planned) -> Known:
        known = planned.known
        return Known(
            place=planned.place,
            sidecar=planned.before or self._compose(planned, {}),
            created=planned.plan.video.created,
            sidecar_bytes=planned.sidecar_bytes,
            listed_run=self._number if planned.is_listed or not known else known.listed_run,
            confirmed=known.confirmed if known else None,
            absent=known.absent if known and not planned.is_listed else None,
            tries=planned.tries,
        )

    async def _take(self, pool: Pool, planned: Planned, leg: Leg) -> None:
        """Starts the journey of a video, where it needs one."""
        plan, tally = planned.plan, self._tally
        if plan.unsettled and planned.is_listed:
            inputs = (source for source in plan.video.sources if source.slot.kind in INPUTS and is_signed(source.url))
            self._live_urls |= {(plan.video.id, source.slot): source.url for source in inputs}
        as_it_stands = self._compose(planned, {})
        if not plan.tasks and _is_true(planned, as_it_stands):
            if planned.known and planned.tries != planned.known.tries:
                await self._shop.shelf.add(self._known(planned))
            tally(VideosHeld(1) if as_it_stands.complete else VideoDone(plan.video.id, complete=False))
            return
        if planned.is_new:
            tally.new += 1
        elif plan.tasks:
            tally.retried += 1
        else:
            tally.updated += 1
        tally(VideoPlanned(plan.video.id, len(plan.tasks), plan.reason))
        leg.unsettled += 1
        await pool.admit(partial(self._archive_video, pool, planned, leg))

    async def _archive_video(self, pool: Pool, planned: Planned, leg: Leg) -> None:
        """Fetches the outputs of one video, then writes its sidecar."""
        plan = planned.plan
        async with asyncio.TaskGroup() as files:
            fetching = [
                files.create_task(
                    pool.work(
                        partial(
                            self._shop.downloader.fetch,
                            Job(plan.video.id, task.source, planned.place, plan.video.created),
                        )
                    )
                )
                for task in plan.tasks
            ]
        fetched = {task.result().slot: task.result() for task in fetching}
        denied = {slot for slot, asset in fetched.items() if asset.status is Status.DENIED}
        if denied:
            self._denied[plan.video.id] = denied
        await self._write_sidecar(self._with_tries(planned, fetched), fetched)
        leg.unsettled -= 1

    def _with_tries(self, planned: Planned, fetched: dict[Slot, Asset]) -> Planned:
        """Counts the tries that failed; what failed too often is given up from here on."""
        tries = dict(planned.tries)
        for slot, asset in fetched.items():
            if asset.held:
                tries.pop(slot, None)
                continue
            tries[slot] = tries.get(slot, Tries()).failed(self._policy.now, self._number)
            if tries[slot].are_over:
                fetched[slot] = rejected(asset)
        return msgspec.structs.replace(planned, tries=tries)

    async def _write_sidecar(self, planned: Planned, fetched: dict[Slot, Asset]) -> None:
        sidecar = self._compose(planned, fetched)
        if not _is_true(planned, sidecar):
            await self._shop.write_sidecar(self._known(planned), sidecar)
        else:
            await self._shop.shelf.add(self._known(planned))
        self._tally(VideoDone(sidecar.id, sidecar.complete))

    def _compose(self, planned: Planned, fetched: dict[Slot, Asset]) -> Sidecar:
        return compose(
            planned.plan,
            planned.before,
            fetched,
            origin=self._origin,
            now=utc_now(),
            is_listed=planned.is_listed,
        )

    async def _revisit_denied(self, pool: Pool) -> None:
        """Lists once more, down to the oldest video with a denied file, and tries those with their fresh URLs."""
        denied, self._denied = self._denied, {}
        if not denied or self._error:
            return
        self._tally(PhaseStarted("asking for fresh links, some were denied"))
        await self._shop.shelf.flush()
        try:
            async for page in walk(self._shop.api.page, silent):
                again = [video for video in page.videos if video.id in denied]
                for planned in await self._planner.plan(again):
                    slots = denied.pop(planned.plan.video.id)
                    tasks = tuple(task for task in planned.plan.tasks if task.source.slot in slots)
                    narrowed = msgspec.structs.replace(planned, plan=msgspec.structs.replace(planned.plan, tasks=tasks))
                    await pool.admit(partial(self._archive_video, pool, narrowed, Leg(None)))
                if not denied:
                    return
        except (ListingError, KeyRefused) as error:
            self._tally(Warned(f"no fresh links for files that were denied: {error}"))

    async def _fetch_due(self, pool: Pool) -> None:
        """Tries what is due, was not listed in this run, and needs no listing: its address is good without."""
        await self._shop.shelf.flush()
        async for planned in self._planner.plan_due():
            await self._take(pool, planned, Leg(None))

    async def _settle_inputs(self) -> None:
        """After a listing that failed the inputs wait: they may be files of videos that it did not come to."""
        if self._error or self._wanted.isdisjoint(INPUTS):
            return
        self._tally(PhaseStarted("first frames, references and other inputs"))
        self._tally.linked = await settle_inputs(
            self._shop,
            self._policy,
            since_run=0 if self._selection.is_everything else self._number,
            live_urls=self._live_urls,
            workers=self._workers,
        )

    async def _conclude(self) -> Report:
        outcome = Outcome(
            run=self._number,
            error=self._error,
            time_up=self._time_up,
            course=self._course,
            is_sound=self._is_sound,
            selection=self._selection.words(),
            wanted=self._wanted,
        )
        return await conclude(self._shop, self._settings, self._tally, outcome)


def _is_true(planned: Planned, sidecar: Sidecar) -> bool:
    """Whether the sidecar on the disk already says this."""
    return planned.sidecar_bytes is not None and planned.before is not None and say_the_same(sidecar, planned.before)
