"""The main job: makes an archive complete. `_Run._journey` is the journey, readable from top to bottom.

A video comes from the listing as soon as the window has room → the plan compares it with what is known and with the
disk → its files go into the pool, each is staged, verified and committed, or is a value that says why not → the last
one done, its sidecar is written → the catalogue follows, in batches. No way back but one: where URLs were denied, a
fresh listing gives new ones, once. What is due and needs no listing is taken from the catalogue.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from msgspec import structs

from .api import PictoryApi, videos_url
from .catalogue import DamagedCatalogue
from .conclusion import Outcome, conclude, note_stop, update_library
from .course import Course, Leg, meet_a_known_video, take_bearings
from .errors import ArchiverError, KeyRefused, ListingError, StorageError
from .events import Observer, PhaseStarted, Warned, silent
from .inputs import settle_inputs
from .journey import Journeys
from .judgement import believe
from .key import Key
from .listing import walk
from .models import INPUTS, Page
from .plan import Origin, wanted_kinds
from .planner import Planned, Planner, Policy
from .pool import Pool
from .report import Report
from .selection import Selection
from .settings import Settings
from .sidecar import timestamp
from .tally import Tally
from .way import Way
from .workshop import RELEASE, Workshop, connected_api, open_workshop

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
        async with (
            open_workshop(
                root,
                settings,
                command="sync",
                allowed_origins=allowed_origins,
                observer=tally,
                must_exist=way.must_exist,
                distrust_catalogue=distrust,
            ) as shop,
            connected_api(settings, key, shop.retrier) as api,
        ):
            run = await shop.shelf.ask(shop.shelf.catalogue.logbook.begin_run, timestamp(tally.started))
            return await _Run(shop, api, settings, selection, way, key, tally, run).go()

    try:
        return await attempt(distrust=False)
    except DamagedCatalogue:
        return await attempt(distrust=True)


class _Run:
    """One run over one archive."""

    def __init__(
        self,
        shop: Workshop,
        api: PictoryApi,
        settings: Settings,
        selection: Selection,
        way: Way,
        key: Key,
        tally: Tally,
        number: int,
    ) -> None:
        self._shop = shop
        self._api = api
        self._settings = settings
        self._selection = selection
        self._way = way
        self._key = key
        self._tally = tally
        self._number = number
        self._wanted = wanted_kinds(settings.download.assets)
        self._workers = settings.download.workers
        self._policy = Policy(
            wanted=self._wanted,
            now=tally.started,
            run=number,
            keep_deleted=settings.download.respect_local_deletions,
            again=way.full,
            refresh=way.refresh,
        )
        self._planner = Planner(
            shop.shelf,
            shop.store,
            settings.layout,
            self._policy,
            account=settings.account,
            zone=shop.archive.marker.time_zone,
        )
        origin = Origin(settings.account, videos_url(settings.api), RELEASE)
        self._journeys = Journeys(shop, self._policy, origin, tally)
        self._course: Course | None = None
        self._kept_odd_items = 0
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
            await self._leave()
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
        return Pool(WINDOW_PER_WORKER * self._workers)

    # The listing, and what it feeds

    async def _chart(self) -> Course:
        """The course of this run's listing. Another key has to prove first that it is about the same account."""
        api, shelf = self._api, self._shop.shelf
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
            full=self._way.full or self._way.refresh or self._way.accept_listing,
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
                    await self._journeys.start(pool, each, course.leg())
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
            await self._shop.shelf.ask(catalogue.record, [self._journeys.known(each) for each in changed])
        same, resume_point = course.saw(page, planned), course.resume_point()
        if same or resume_point:
            await self._shop.shelf.ask(catalogue.note, same, self._number, resume_point)

    async def _revisit_denied(self, pool: Pool) -> None:
        """Lists once more, down to the oldest video with a denied file, and tries those with their fresh URLs."""
        denied = set(self._journeys.denied)
        if not denied or self._error:
            return
        self._tally(PhaseStarted("asking for fresh links, some were denied"))
        await self._shop.shelf.flush()
        try:
            async for page in walk(self._api.page, silent):
                again = [video for video in page.videos if video.id in denied]
                for planned in await self._planner.plan(again):
                    denied.remove(planned.plan.video.id)
                    await self._journeys.start_again(pool, planned)
                if not denied:
                    return
        except (ListingError, KeyRefused) as error:
            self._tally(Warned(f"no fresh links for files that were denied: {error}"))

    async def _fetch_due(self, pool: Pool) -> None:
        """Tries what is due, was not listed in this run, and needs no listing: its address is good without."""
        await self._shop.shelf.flush()
        async for planned in self._planner.plan_due():
            await self._journeys.start(pool, planned, Leg(None))

    async def _settle_inputs(self) -> None:
        """After a listing that failed the inputs wait: they may be files of videos that it did not come to."""
        if self._error or self._wanted.isdisjoint(INPUTS):
            return
        self._tally(PhaseStarted("first frames, references and other inputs"))
        self._tally.linked = await settle_inputs(
            self._shop,
            self._policy,
            since_run=0 if self._selection.is_everything else self._number,
            live_urls=self._journeys.live_urls,
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
        report = await conclude(self._shop, self._settings, self._tally, outcome)
        if isinstance(self._error, KeyRefused | StorageError) or not self._settings.library.update:
            return report
        return structs.replace(report, library=await update_library(self._shop, self._settings, self._tally))
