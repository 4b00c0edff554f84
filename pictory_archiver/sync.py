"""The main job: makes an archive complete. `_Run.go` is the journey, readable from top to bottom.

A video comes from the listing as soon as the window has room → the plan compares it with what is known and with the
disk → its files go into the pool, each is staged, verified and committed, or is a value that says why not → the last
one done, its sidecar is written → the catalogue follows, in batches. No way back but one: where URLs were denied, a
fresh listing gives new ones, once.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from pathlib import Path

import msgspec

from .addresses import is_signed
from .api import videos_url
from .catalogue import Known
from .conclusion import Outcome, conclude
from .download import Job
from .errors import ArchiverError, KeyRefused, ListingError, NoRoom, StorageError
from .events import Observer, PhaseStarted, VideoDone, VideoPlanned, VideosHeld, Warned, silent
from .inputs import settle_inputs
from .key import Key
from .listing import walk
from .models import INPUTS, Asset, OddItem, Page, Slot, Status
from .plan import Origin, compose, wanted_kinds
from .planner import Planned, Planner
from .pool import Pool
from .report import Report, count
from .selection import Selection
from .settings import Settings
from .sidecar import Sidecar, say_the_same, timestamp
from .tally import Tally
from .workshop import RELEASE, Workshop, open_workshop, utc_now

WINDOW_PER_WORKER = 2
KEPT_ODD_ITEMS = 1000


async def sync_archive(
    root: Path,
    settings: Settings,
    key: Key,
    *,
    selection: Selection = Selection(),
    must_exist: bool = False,
    allowed_origins: frozenset[str] = frozenset(),
    observer: Observer = silent,
) -> Report:
    """Makes the archive in `root` complete, and says what came of it. With `must_exist` no new one is made.

    A listing that failed and files that could not be had are facts of the report, with its `exit_status`. Raises
    `ConfigError`, `ArchiveBusy` and `StorageError`. Cancelling it is safe: the next run goes on.
    """
    tally = Tally(observer)
    async with open_workshop(
        root, settings, key, allowed_origins=allowed_origins, observer=tally, must_exist=must_exist
    ) as shop:
        run = await shop.shelf.ask(shop.shelf.catalogue.logbook.begin_run, timestamp(tally.started))
        return await _Run(shop, settings, selection, key, tally, run).go()


class _Run:
    """One run over one archive."""

    def __init__(
        self, shop: Workshop, settings: Settings, selection: Selection, key: Key, tally: Tally, number: int
    ) -> None:
        self._shop = shop
        self._settings = settings
        self._selection = selection
        self._key = key
        self._tally = tally
        self._number = number
        self._wanted = wanted_kinds(settings.download.assets)
        self._workers = settings.download.workers
        self._origin = Origin(settings.account, videos_url(settings.api), RELEASE)
        self._planner = Planner(
            shop.shelf,
            shop.store,
            settings.layout,
            account=settings.account,
            zone=shop.archive.marker.time_zone,
            wanted=self._wanted,
        )
        self._odd: list[OddItem] = []
        self._denied: dict[str, set[Slot]] = {}
        self._live_urls: dict[tuple[str, Slot], str] = {}
        self._fetching = 0
        self._stopped_early = False
        self._error: ArchiverError | None = None

    async def go(self) -> Report:
        """The journey."""
        try:
            async with self._pool() as pool:
                await self._crawl(pool)
            async with self._pool() as pool:
                await self._revisit_denied(pool)
            await self._settle_inputs()
            await self._doubt_emptiness()
        except NoRoom as error:
            self._error = error
        finally:
            with contextlib.suppress(StorageError):
                await self._shop.shelf.flush()
        return await self._conclude()

    def _pool(self) -> Pool:
        return Pool(workers=self._workers, window=WINDOW_PER_WORKER * self._workers)

    # The listing, and what it feeds

    async def _crawl(self, pool: Pool) -> None:
        """Feeds the pool with every listed video that needs anything. A listing that fails ends here, as a fact."""
        try:
            async for page in walk(self._shop.api.page, self._tally):
                await self._shop.remember_key(self._key)
                self._note(page)
                chosen = [video for video in page.videos if self._selection.admits(video)]
                planned = self._within_limit(await self._planner.plan(chosen))
                await self._record(planned)
                for each in planned:
                    await self._take(pool, each)
                if self._stopped_early or self._selection.ends_before(page.videos):
                    return
        except (ListingError, KeyRefused) as error:
            self._error = error

    def _note(self, page: Page) -> None:
        self._tally.odd_items += len(page.odd)
        self._odd += page.odd[: KEPT_ODD_ITEMS - len(self._odd)]

    def _within_limit(self, planned: list[Planned]) -> list[Planned]:
        """The plans of a page up to the one that goes beyond the limit of videos to fetch."""
        for position, each in enumerate(planned):
            if each.plan.tasks:
                if self._fetching == self._selection.limit:
                    self._stopped_early = True
                    return planned[:position]
                self._fetching += 1
        return planned

    async def _record(self, planned: list[Planned]) -> None:
        """Lets the catalogue know of videos and their places before the first of their files is there."""
        changed = [each for each in planned if not each.catalogue_is_true]
        same = [each.plan.video.id for each in planned if each.catalogue_is_true]
        catalogue = self._shop.shelf.catalogue
        if changed:
            await self._shop.shelf.ask(catalogue.record, [self._known(each) for each in changed])
        if same:
            await self._shop.shelf.ask(catalogue.touch, same, self._number)

    def _known(self, planned: Planned) -> Known:
        return Known(
            place=planned.place,
            sidecar=planned.before or self._compose(planned, {}),
            created=planned.plan.video.created,
            sidecar_bytes=planned.sidecar_bytes,
            listed_run=self._number,
        )

    async def _take(self, pool: Pool, planned: Planned) -> None:
        """Starts the journey of a video, where it needs one."""
        plan, tally = planned.plan, self._tally
        if plan.unsettled:
            inputs = (source for source in plan.video.sources if source.slot.kind in INPUTS and is_signed(source.url))
            self._live_urls |= {(plan.video.id, source.slot): source.url for source in inputs}
        as_it_stands = self._compose(planned, {})
        if not plan.tasks and _is_true(planned, as_it_stands):
            tally(VideosHeld(1) if as_it_stands.complete else VideoDone(plan.video.id, complete=False))
            return
        if planned.sidecar_bytes is None:
            tally.new += 1
        elif plan.tasks:
            tally.retried += 1
        else:
            tally.updated += 1
        tally(VideoPlanned(plan.video.id, len(plan.tasks), plan.reason))
        await pool.admit(partial(self._archive_video, pool, planned))

    async def _archive_video(self, pool: Pool, planned: Planned) -> None:
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
        await self._write_sidecar(planned, fetched)

    async def _write_sidecar(self, planned: Planned, fetched: dict[Slot, Asset]) -> None:
        sidecar = self._compose(planned, fetched)
        if not _is_true(planned, sidecar):
            await self._shop.write_sidecar(self._known(planned), sidecar)
        self._tally(VideoDone(sidecar.id, sidecar.complete))

    def _compose(self, planned: Planned, fetched: dict[Slot, Asset]) -> Sidecar:
        return compose(planned.plan, planned.before, fetched, origin=self._origin, now=utc_now())

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
                    await pool.admit(partial(self._archive_video, pool, narrowed))
                if not denied:
                    return
        except (ListingError, KeyRefused) as error:
            self._tally(Warned(f"no fresh links for files that were denied: {error}"))

    async def _settle_inputs(self) -> None:
        """After a listing that failed the inputs wait: they may be files of videos that it did not come to."""
        if self._error or self._wanted.isdisjoint(INPUTS):
            return
        self._tally(PhaseStarted("first frames, references and other inputs"))
        self._tally.linked = await settle_inputs(
            self._shop, run=self._number, live_urls=self._live_urls, workers=self._workers
        )

    async def _doubt_emptiness(self) -> None:
        """An empty listing over an archive that holds videos is no sound one."""
        held, _ = await self._shop.shelf.ask(self._shop.shelf.catalogue.count_videos)
        if held and not self._error and not self._tally.listed:
            self._error = ListingError(
                f"the account lists no videos, but this archive holds {count(held, 'video')}",
                hint="is it the right key? What is here is kept as it is",
            )

    async def _conclude(self) -> Report:
        outcome = Outcome(
            run=self._number,
            error=self._error,
            is_whole=self._error is None and not self._stopped_early and self._selection.is_everything,
            selection=self._selection.words(),
            wanted=self._wanted,
            odd=tuple(self._odd),
        )
        return await conclude(self._shop, self._settings, self._tally, outcome)


def _is_true(planned: Planned, sidecar: Sidecar) -> bool:
    """Whether the sidecar on the disk already says this."""
    return planned.sidecar_bytes is not None and planned.before is not None and say_the_same(sidecar, planned.before)
