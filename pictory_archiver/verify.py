"""The check of an archive: every file against its sidecar. It needs no lock, no key and no network, and writes nothing
but, where it can, a line in the journal."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import time
from pathlib import Path

import msgspec

from . import disk
from .archive import JOURNAL, Archive
from .catalogue import Catalogue, DamagedCatalogue
from .errors import ArchiverError, Stopped, StorageError
from .events import Found, Observer, ReadingStarted, silent
from .findings import Finding, What
from .models import Status
from .rebuild import catalogue_path, fill
from .settings import Settings
from .shelf import Shelf
from .sidecar import timestamp
from .subset import EVERYTHING, Subset, subset_of
from .survey import Examined, Survey
from .threads import Threads
from .verification import Collected, Verification, exit_status, verdict

WORKERS = min(max(os.cpu_count() or 1, 4), 8)
STOPPED = "a signal stopped it"


async def verify_archive(
    root: Path,
    settings: Settings = Settings(),
    *,
    quick: bool = False,
    percent: float | None = None,
    workers: int = WORKERS,
    seconds: float | None = None,
    observer: Observer = silent,
) -> Verification:
    """Compares an archive with its sidecars, and says what came of it.

    Every byte is read; or with `quick` none, sizes are compared; or with `percent` those of about so many percent of
    the videos, other ones on each day. It ends after `seconds`. Files are read by so many `workers` at once.

    Damage, and a disk that failed, are facts of the answer, with its `exit_status`. Raises `ConfigError` for what a
    newer release wrote, and `StorageError` where there is no archive, or nothing of it can be looked at.
    """
    check = Check(
        root,
        settings,
        quick=quick,
        percent=percent,
        workers=workers,
        seconds=seconds,
        observer=observer,
    )
    return await check.run()


class Check:
    """One check. `so_far` is what it came to, also where it was stopped in the middle."""

    def __init__(
        self,
        root: Path,
        settings: Settings,
        *,
        quick: bool,
        percent: float | None,
        workers: int,
        seconds: float | None,
        observer: Observer,
    ) -> None:
        """Raises `ConfigError`, `StorageError`."""
        self._archive = Archive.open(root)
        self._settings = settings
        self._quick = quick
        self._started = datetime.datetime.now(datetime.UTC)
        self._clock = time.monotonic()
        self._subset = EVERYTHING if percent is None else subset_of(percent, self._started.astimezone().date())
        self._workers = workers
        self._seconds = seconds
        self._observer = observer
        self._collected = Collected()
        self._survey: Survey | None = None
        self._time_up = False
        self._is_noted = False

    async def run(self) -> Verification:
        """The check, from its start to the line in the journal."""
        error: StorageError | None = None
        try:
            async with asyncio.timeout(self._seconds) as limit:
                try:
                    await self._look(distrust=False)
                except DamagedCatalogue:
                    await self._look(distrust=True)
        except TimeoutError:
            if not limit.expired():
                raise
            self._time_up = True
        except StorageError as caught:
            if self._survey is None or not self._survey.videos:
                raise
            error = caught
        found = self.so_far(error)
        await asyncio.to_thread(self.note, found)
        return found

    def so_far(self, error: ArchiverError | None) -> Verification:
        """What was found until now; `error` is what ended the check early."""
        survey, collected = self._survey, self._collected
        found = Verification(
            archive=str(self._archive.root),
            account=self._settings.account,
            started_at=timestamp(self._started),
            ended_at=timestamp(datetime.datetime.now(datetime.UTC)),
            seconds=round(time.monotonic() - self._clock, 3),
            error=STOPPED if isinstance(error, Stopped) else str(error) if error else None,
            hint=error.hint if error else None,
            mode="quick" if self._quick else "full" if self._subset == EVERYTHING else "subset",
            subset=None if self._subset == EVERYTHING else str(self._subset),
            time_up=self._time_up,
            videos=survey.videos if survey else 0,
            incomplete=survey.incomplete if survey else 0,
            files=survey.files if survey else 0,
            files_read=survey.files_read if survey else 0,
            bytes_read=survey.bytes_read if survey else 0,
            damaged_videos=collected.damaged_videos,
            damage_count=collected.damage_count,
            damage=tuple(collected.damage),
            note_count=collected.note_count,
            notes=tuple(collected.notes),
        )
        found = msgspec.structs.replace(found, exit_status=exit_status(found, error.exit_status if error else None))
        return msgspec.structs.replace(found, verdict=verdict(found))

    async def _look(self, *, distrust: bool) -> None:
        """One look through the archive, with a catalogue made from the sidecars where its own is not to be trusted."""
        self._collected = Collected()
        catalogue, note = await self._opened(distrust=distrust)
        shelf = Shelf(catalogue)
        try:
            if note is not None:
                self._collected.add([note])
                self._observer(Found(note.what, note.path, note.detail, is_damage=False))
            survey = self._survey = Survey(
                self._archive,
                shelf,
                quick=self._quick,
                subset=self._subset,
                workers=self._workers,
                observer=self._observer,
            )
            self._observer(await shelf.ask(expected_reading, catalogue, self._quick, self._subset))
            async with contextlib.aclosing(survey.examined()) as examined:
                async for each in examined:
                    self._collected.add(each.findings if isinstance(each, Examined) else [each])
            if self._collected.damage_count:
                await shelf.ask(catalogue.check)  # or it is the catalogue that is damaged, and not what it speaks of
        finally:
            shelf.close()

    async def _opened(self, *, distrust: bool) -> tuple[Catalogue, Finding | None]:
        threads = Threads(1, "catalogue")
        try:
            return await threads.hop(self._open, distrust)
        finally:
            threads.close()

    def _open(self, distrust: bool) -> tuple[Catalogue, Finding | None]:  # noqa: FBT001 - handed to a thread
        path = catalogue_path(self._archive, self._settings.catalogue)
        problem = "it is damaged"
        if not distrust:
            try:
                return Catalogue.open_read_only(path), None
            except DamagedCatalogue as error:
                problem = "it is not there" if not path.exists() else str(error)
        catalogue = Catalogue.in_memory()
        try:
            fill(catalogue, self._archive)
        except BaseException:
            catalogue.close()
            raise
        where = str(path.relative_to(self._archive.root)) if self._settings.catalogue.folder is None else str(path)
        detail = f"{problem}; sidecars were believed alone (`reindex` makes it anew)"
        return catalogue, Finding(what=What.STALE_CATALOGUE, path=where, detail=detail)

    def note(self, found: Verification) -> None:
        """The line in the journal, where the archive can be written to. One for each check; blocks."""
        if self._is_noted:
            return
        self._is_noted = True
        brief = msgspec.structs.replace(found, damage=(), notes=())
        line = msgspec.json.encode({"type": "verification", **msgspec.to_builtins(brief)}) + b"\n"
        with contextlib.suppress(StorageError):
            disk.append_line(disk.find(self._archive.root, JOURNAL), line)


def expected_reading(catalogue: Catalogue, quick: bool, subset: Subset) -> ReadingStarted:  # noqa: FBT001
    """How much there is to look at, as far as the catalogue knows."""
    videos, _ = catalogue.count_videos()
    stored = sum(size for (_, status), (_, size) in catalogue.count_assets().items() if status == Status.STORED)
    return ReadingStarted(videos, 0 if quick else stored // subset.slices)
