"""The catalogue: found and opened, or made anew from sidecars and journal, without any request to the network."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path, PurePosixPath

import msgspec
from msgspec import Struct

from . import disk
from .archive import CATALOGUE, JOURNAL, Archive, hold
from .catalogue import Catalogue, DamagedCatalogue, Known
from .catalogue_rows import moment
from .database import rollback_of
from .disk import put_in_place, refuse_link, storage_errors
from .journal import last_lines
from .listing_page import created_of
from .logbook import Run
from .models import Place
from .settings import Catalogue as Settings
from .sidecar import Sidecar

BATCH = 500
KEPT_RUNS = 100


def catalogue_path(archive: Archive, settings: Settings) -> Path:
    """Where the catalogue lies: in the archive, or in the folder of the settings under a name of the archive's own."""
    if settings.folder is None:
        return disk.find(archive.root, CATALOGUE)
    name = hashlib.sha256(archive.marker.key_salt.encode()).hexdigest()[:16]
    return Path(settings.folder) / f"{name}.sqlite3"


def open_or_rebuild(archive: Archive, settings: Settings, *, distrust: bool = False) -> tuple[Catalogue, bool]:
    """The catalogue of a held archive, and whether a damaged one was set aside and rebuilt. Raises `StorageError`.

    One that is to be distrusted counts as damaged. After a run that did not come to its end all of it is checked.
    """
    path = _made_path(archive, settings)
    existed = os.path.lexists(path)
    if existed:
        refuse_link(path)
        with contextlib.suppress(DamagedCatalogue):
            if not distrust:
                return _open_sound(path), False
    return rebuild(archive, path), existed


def _made_path(archive: Archive, settings: Settings) -> Path:
    """The path of the catalogue, in a folder that is there."""
    path = catalogue_path(archive, settings)
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _open_sound(path: Path) -> Catalogue:
    catalogue = Catalogue.open(path)
    try:
        runs = catalogue.logbook.last_runs(1)
        if not runs or runs[0].ended is None:
            catalogue.check()
    except BaseException:
        catalogue.close()
        raise
    return catalogue


def rebuild(archive: Archive, path: Path) -> Catalogue:
    """A new catalogue at this path. It is made under another name, for a crash would leave a part of the videos."""
    partial = path.with_name(f"{path.name}.partial")
    with storage_errors(path):
        partial.unlink(missing_ok=True)
        rollback_of(partial).unlink(missing_ok=True)
    with contextlib.closing(Catalogue.create(partial)) as catalogue:
        fill(catalogue, archive)
    with storage_errors(path):
        if os.path.lexists(path):
            path.replace(path.with_name(f"{path.name}.damaged"))
        # It belongs to the damaged file, and would be played into the new one.
        rollback_of(path).unlink(missing_ok=True)
        put_in_place(partial, path)
    return Catalogue.open(path)


class Indexed(Struct, frozen=True):
    """What a catalogue was made from: videos, how many of them are complete, and sidecars that are damaged."""

    videos: int
    complete: int
    broken: tuple[PurePosixPath, ...]


def reindex_archive(root: Path, settings: Settings, now: datetime) -> Indexed:
    """Makes the catalogue anew. Raises `ArchiveBusy`, `StorageError`, `ConfigError`."""
    with hold(
        root, time_zone=Archive.open(root).marker.time_zone, now=now, must_exist=True, command="reindex"
    ) as archive:
        broken = tuple(path for path, found in archive.sidecars() if not isinstance(found, Sidecar))
        with contextlib.closing(rebuild(archive, _made_path(archive, settings))) as catalogue:
            videos, complete = catalogue.count_videos()
    return Indexed(videos, complete, broken)


@contextlib.contextmanager
def for_reading(archive: Archive, settings: Settings) -> Iterator[Catalogue]:
    """The catalogue for looking only; a lost or damaged one is rebuilt in memory, and nothing is written."""
    try:
        catalogue = Catalogue.open_read_only(catalogue_path(archive, settings))
    except DamagedCatalogue:
        catalogue = Catalogue.in_memory()
        fill(catalogue, archive)
    try:
        yield catalogue
    finally:
        catalogue.close()


def fill(catalogue: Catalogue, archive: Archive) -> None:
    """Records every readable sidecar, and the last runs of the journal. Of two sidecars for one id the higher revision
    counts. No listing counts any more: the next one is full."""
    batch: dict[str, Known] = {}
    for path, sidecar in archive.videos():
        earlier = batch.get(sidecar.id) or catalogue.known([sidecar.id]).get(sidecar.id)
        if earlier is None or earlier.sidecar.revision < sidecar.revision:
            batch[sidecar.id] = Known(
                place=Place.of(path),
                sidecar=sidecar,
                created=created_of(sidecar.video),
                sidecar_bytes=(archive.root / path).stat().st_size,
                listed_run=0,
            )
        if len(batch) >= BATCH:
            catalogue.record(batch.values())
            batch.clear()
    catalogue.record(batch.values())
    for number, told in enumerate(_runs_of_journal(archive.root / JOURNAL), start=1):
        run = Run(number, told.started_at, told.ended_at, told.exit_status, told.verdict)
        catalogue.logbook.end_run(run, None)


class _RunLine(Struct, tag_field="type", tag="run"):
    """What counts of a run's line in the journal."""

    started_at: str
    ended_at: str
    exit_status: int
    verdict: str


def _runs_of_journal(path: Path) -> Iterator[_RunLine]:
    """The newest runs, oldest first. A line that makes no sense is passed over."""
    runs = (line for line in last_lines(path) if b'"type":"run"' in line)
    for line in reversed(list(islice(runs, KEPT_RUNS))):
        with contextlib.suppress(ValueError, RecursionError):
            told = msgspec.json.decode(line, type=_RunLine)
            for time in (told.started_at, told.ended_at):
                moment(time)
            yield told
