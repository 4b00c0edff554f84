"""The repair of an archive: what a check finds damaged or lost is fetched again, by the downloader of `sync`.

A damaged video comes from the survey → its sidecar is taken from what can be believed, the one on the disk or the
catalogue → each bad file is copied from a twin in the archive, or fetched from the address in the sidecar → what fails
waits for one listing with fresh URLs → the sidecar is written where it says anything new. A file is replaced only by a
whole one, and what it was goes to quarantine. What cannot be had stays as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from pathlib import Path

import msgspec

from . import disk
from .archive import JOURNAL
from .catalogue import DamagedCatalogue
from .errors import ArchiverError, KeyRefused, ListingError, Stopped, StorageError
from .events import Observer, PhaseStarted, silent
from .findings import Finding
from .key import Key
from .listing import walk
from .mending import Case, Mender
from .named import find_video
from .pool import Pool
from .repair_report import Repair, Results, exit_status, verdict
from .settings import Settings
from .sidecar import timestamp
from .subset import EVERYTHING
from .survey import Examined, Survey
from .tally import Tally
from .verify import STOPPED, WORKERS, expected_reading
from .workshop import Workshop, connected_api, open_workshop, utc_now

WINDOW_PER_WORKER = 2
JOURNALED = 1000
NO_KEY = "without an API key, Pictory was not asked for a fresh link"
NOT_LISTED = "the account does not list the video any more"
TOO_EARLY = "the repair ended before it was come to"
UNREADABLE = "make it readable, and run it again"


async def repair_archive(
    root: Path,
    settings: Settings,
    key: Key | None,
    *,
    videos: tuple[str, ...] = (),
    quick: bool = False,
    workers: int = WORKERS,
    seconds: float | None = None,
    allowed_origins: frozenset[str] = frozenset(),
    observer: Observer = silent,
) -> Repair:
    """Mends what can be mended, and says what came of it.

    Every byte is read first, or with `quick` sizes are compared; of these `videos` alone (ids, beginnings of ids, or
    paths) where any are named. Without a key, files are fetched only from the addresses in the sidecars.

    What is left damaged, a listing that failed and a disk that is full are facts of the answer, with its
    `exit_status`. Raises `ConfigError`, `ArchiveBusy`, and `StorageError` where there is nothing to report on.
    """
    repair = Repairing(
        root,
        settings,
        key,
        videos=videos,
        quick=quick,
        workers=workers,
        seconds=seconds,
        allowed_origins=allowed_origins,
        observer=observer,
    )
    return await repair.run()


class Repairing:
    """One repair. `so_far` is what it came to, also where it was stopped in the middle."""

    def __init__(
        self,
        root: Path,
        settings: Settings,
        key: Key | None,
        *,
        videos: tuple[str, ...],
        quick: bool,
        workers: int,
        seconds: float | None,
        allowed_origins: frozenset[str],
        observer: Observer,
    ) -> None:
        self._root = root
        self._settings = settings
        self._key = key
        self._names = videos
        self._quick = quick
        self._workers = workers
        self._seconds = seconds
        self._allowed_origins = allowed_origins
        self._tally = Tally(observer)
        self._results = Results()
        self._survey: Survey | None = None
        self._begun: dict[str, Examined] = {}
        self._waiting: dict[str, Case] = {}
        self._quarantine: str | None = None
        self._time_up = False
        self._error: ArchiverError | None = None

    async def run(self) -> Repair:
        """The repair, from the survey to the line in the journal."""
        try:
            return await self._attempt(distrust=False)
        except DamagedCatalogue:
            return await self._attempt(distrust=True)

    def so_far(self, error: ArchiverError | None) -> Repair:
        """What was done until now; `error` is what ended the repair, or its listing, early."""
        survey, results = self._survey, self._results
        repair = Repair(
            archive=str(self._root),
            account=self._settings.account,
            started_at=timestamp(self._tally.started),
            ended_at=timestamp(utc_now()),
            seconds=round(self._tally.seconds, 3),
            error=STOPPED if isinstance(error, Stopped) else str(error) if error else None,
            hint=error.hint if error else None,
            mode="quick" if self._quick else "full",
            selection=self._names,
            time_up=self._time_up,
            videos=survey.videos if survey else 0,
            files=survey.files if survey else 0,
            files_read=survey.files_read if survey else 0,
            bytes_read=survey.bytes_read if survey else 0,
            bytes_received=self._tally.bytes_received,
            mended_count=results.mended_count,
            replaced_count=results.replaced_count,
            mended=tuple(results.mended),
            left_count=results.left_count,
            left=tuple(results.left),
            quarantine=self._quarantine,
        )
        repair = msgspec.structs.replace(repair, exit_status=exit_status(repair, error.exit_status if error else None))
        return msgspec.structs.replace(repair, verdict=verdict(repair))

    async def _attempt(self, *, distrust: bool) -> Repair:
        async with open_workshop(
            self._root,
            self._settings,
            command="repair",
            allowed_origins=self._allowed_origins,
            observer=self._tally,
            must_exist=True,
            distrust_catalogue=distrust,
        ) as shop:
            mender = Mender(shop, self._results)
            try:
                async with asyncio.timeout(self._seconds) as limit:
                    await self._journey(shop, mender)
                await shop.shelf.flush()
            except TimeoutError:
                if not limit.expired():
                    raise
                self._time_up = True
            except DamagedCatalogue:
                raise
            except StorageError as error:
                self._error = error
            finally:
                self._leave_the_rest(mender)
                if shop.store.quarantine.files:
                    self._quarantine = str(shop.store.quarantine.folder)
                with contextlib.suppress(StorageError):
                    await shop.shelf.flush()
            repair = self.so_far(self._error)
            with contextlib.suppress(StorageError) if self._error else contextlib.nullcontext():
                await asyncio.to_thread(self._note, repair)
            return repair

    async def _journey(self, shop: Workshop, mender: Mender) -> None:
        """From the survey to the last file that a fresh link brought. Raises `StorageError`."""
        await shop.shelf.ask(shop.shelf.catalogue.check)  # what it says of a lost sidecar will be written
        only = await self._chosen(shop)
        catalogue, workers = shop.shelf.catalogue, self._settings.download.workers
        self._survey = Survey(
            shop.archive,
            shop.shelf,
            quick=self._quick,
            only=only,
            workers=self._workers,
            observer=self._tally,
        )
        if only is None:
            self._tally(await shop.shelf.ask(expected_reading, catalogue, self._quick, EVERYTHING))
        async with (
            Pool(WINDOW_PER_WORKER * workers) as pool,
            contextlib.aclosing(self._survey.examined()) as examined,
        ):
            async for each in examined:
                if isinstance(each, Finding):
                    if each.is_damage and only is None:
                        self._results.leave(each, UNREADABLE)
                elif each.is_damaged:
                    await pool.admit(partial(self._begin, mender, each))
                else:
                    await mender.know(each)
        await self._ask_for_fresh_links(shop, mender)

    async def _chosen(self, shop: Workshop) -> frozenset[str] | None:
        """The ids of the videos that are asked for; None: of all. Raises `ConfigError`."""
        if not self._names:
            return None
        found = [await shop.shelf.ask(find_video, shop.shelf.catalogue, name) for name in self._names]
        return frozenset(known.sidecar.id for known in found)

    async def _begin(self, mender: Mender, examined: Examined) -> None:
        name = str(examined.place.sidecar)
        self._begun[name] = examined
        case = await mender.begin(examined)
        if case is not None:
            self._waiting[case.truth.id] = case
        del self._begun[name]

    def _leave_the_rest(self, mender: Mender) -> None:
        """What was found, and not come to before the end."""
        for case in self._waiting.values():
            mender.give_up(case, TOO_EARLY)
        for examined in self._begun.values():
            for finding in examined.findings:
                if finding.is_damage:
                    self._results.leave(finding, TOO_EARLY)
        self._waiting, self._begun = {}, {}

    async def _ask_for_fresh_links(self, shop: Workshop, mender: Mender) -> None:
        """Lists once, down to the oldest video that lacks a file, and tries those with their fresh URLs."""
        why, waiting = NO_KEY, self._waiting
        if waiting and self._key is not None:
            why = NOT_LISTED
            self._tally(PhaseStarted("asking for fresh links"))
            try:
                await self._list(shop, self._key, mender)
            except (ListingError, KeyRefused) as error:
                self._error, why = error, "Pictory could not be asked for a fresh link"
        while waiting:
            mender.give_up(waiting.popitem()[1], why)

    async def _list(self, shop: Workshop, key: Key, mender: Mender) -> None:
        workers = self._settings.download.workers
        async with (
            connected_api(self._settings, key, shop.retrier) as api,
            Pool(WINDOW_PER_WORKER * workers) as pool,
        ):
            async for page in walk(api.page, silent):
                for video in page.videos:
                    case = self._waiting.pop(video.id, None)
                    if case is not None:
                        await pool.admit(partial(mender.again, case, video))
                if not self._waiting:
                    return

    def stopped(self, error: Stopped) -> Repair:
        """What it came to where a signal stopped it. The journal tells of it, as far as the disk lets it."""
        repair = self.so_far(error)
        if self._survey is not None:
            with contextlib.suppress(StorageError):
                self._note(repair)
        return repair

    def _note(self, repair: Repair) -> None:
        """A line in the journal, with the first of the files by name."""
        brief = msgspec.structs.replace(repair, mended=repair.mended[:JOURNALED], left=repair.left[:JOURNALED])
        line = msgspec.json.encode({"type": "repair", **msgspec.to_builtins(brief)}) + b"\n"
        disk.append_line(disk.find(self._root.resolve(), JOURNAL), line)
