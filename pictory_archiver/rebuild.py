"""The catalogue: found and opened, or made anew from sidecars and journal, without any request to the network."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath

import msgspec
from msgspec import Struct

from . import disk
from .archive import CATALOGUE, JOURNAL, Archive
from .catalogue import Catalogue, DamagedCatalogue, Known
from .catalogue_rows import moment
from .database import rollback_of
from .disk import put_in_place, refuse_link, storage_errors
from .events import Observer, VideosChecked, silent
from .journal import last_lines
from .listing_page import created_of
from .logbook import Run
from .models import Place, Status
from .settings import Catalogue as Settings
from .sidecar import BrokenSidecar, Sidecar
from .tree import OnDisk, sidecars_below

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
    path = made_path(archive, settings)
    existed = os.path.lexists(path)
    if existed:
        refuse_link(path)
        with contextlib.suppress(DamagedCatalogue):
            if not distrust:
                return _open_sound(path), False
    return rebuild(archive, path)[0], existed


def made_path(archive: Archive, settings: Settings) -> Path:
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


def rebuild(
    archive: Archive, path: Path, *, former: Catalogue | None = None, observer: Observer = silent
) -> tuple[Catalogue, Filled]:
    """A new catalogue at this path. It is made under another name, for a crash would leave a part of the videos.

    `former` is the one at this path, where it is whole: it is closed and replaced. A damaged one is set aside.
    """
    partial = path.with_name(f"{path.name}.partial")
    with storage_errors(path):
        partial.unlink(missing_ok=True)
        rollback_of(partial).unlink(missing_ok=True)
    try:
        with contextlib.closing(Catalogue.create(partial)) as catalogue:
            filled = fill(catalogue, archive, former=former, observer=observer)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    with storage_errors(path):
        disk.sync_file(partial)
        if former is not None:
            former.close()
        elif os.path.lexists(path):
            path.replace(path.with_name(f"{path.name}.damaged"))
        # It belongs to the damaged file, and would be played into the new one.
        rollback_of(path).unlink(missing_ok=True)
        put_in_place(partial, path)
    return Catalogue.open(path), filled


@contextlib.contextmanager
def for_reading(archive: Archive, settings: Settings, *, distrust: bool = False) -> Iterator[Catalogue]:
    """The catalogue for looking only; a lost or damaged one is rebuilt in memory, and nothing is written.

    One that is to be distrusted counts as damaged.
    """
    catalogue = None
    if not distrust:
        with contextlib.suppress(DamagedCatalogue):
            catalogue = Catalogue.open_read_only(catalogue_path(archive, settings))
    if catalogue is None:
        catalogue = Catalogue.in_memory()
        fill(catalogue, archive)
    try:
        yield catalogue
    finally:
        catalogue.close()


class Filled(Struct, frozen=True):
    """What a catalogue was filled with: sidecars that could not be read, each with why, and those that do not count,
    since another one of the same video does, each with that video's id."""

    broken: list[tuple[PurePosixPath, str]]
    extra: list[tuple[PurePosixPath, str]]


def fill(
    catalogue: Catalogue, archive: Archive, *, former: Catalogue | None = None, observer: Observer = silent
) -> Filled:
    """Records every readable sidecar, and the last runs of the journal. No listing counts any more: the next one is
    full. What a `former` catalogue knows of a video whose sidecar cannot be read is taken over.

    Of two sidecars for one id one counts that has files, of these that of the higher revision, then the one with more
    of its files, then the first by its path.
    """
    filled = Filled([], [])
    batch: dict[str, Known] = {}
    for found in sidecars_below(archive.root):
        if isinstance(found.says, BrokenSidecar):
            if found.is_ours:
                filled.broken.append((found.path, str(found.says)))
            continue
        known = known_by(found, found.says)
        earlier = batch.get(known.sidecar.id)
        batch[known.sidecar.id] = known if earlier is None else _that_counts(archive.root, earlier, known, filled)
        if len(batch) >= BATCH:
            _record(catalogue, archive.root, batch, filled)
            observer(VideosChecked(len(batch)))
            batch = {}
    _record(catalogue, archive.root, batch, filled)
    observer(VideosChecked(len(batch)))
    if former is not None:
        _take_over(catalogue, former, [path for path, _ in filled.broken])
    for number, told in enumerate(_runs_of_journal(archive.root / JOURNAL), start=1):
        run = Run(number, told.started_at, told.ended_at, told.exit_status, told.verdict)
        catalogue.logbook.end_run(run, None)
    return filled


def known_by(found: OnDisk, sidecar: Sidecar) -> Known:
    """What a sidecar says, as the catalogue knows it. One that is gone upstream was absent from an unknown listing."""
    return Known(
        place=Place.of(found.path),
        sidecar=sidecar,
        created=created_of(sidecar.video),
        sidecar_bytes=found.bytes,
        sidecar_sha256=found.sha256,
        listed_run=0,
        absent=0 if sidecar.gone_upstream else None,
    )


def _record(catalogue: Catalogue, root: Path, batch: dict[str, Known], filled: Filled) -> None:
    for video_id, earlier in catalogue.known(list(batch)).items():
        batch[video_id] = _that_counts(root, earlier, batch[video_id], filled)
    catalogue.record(batch.values())


def _that_counts(root: Path, one: Known, other: Known, filled: Filled) -> Known:
    """Which of two sidecars of a video counts, in the order of their paths; the other one is noted."""
    counts, extra = (other, one) if standing(root, other) > standing(root, one) else (one, other)
    filled.extra.append((extra.place.sidecar, extra.sidecar.id))
    return counts


def standing(root: Path, known: Known) -> tuple[bool, int, int]:
    """How well a sidecar stands beside another one of its video, by its files and its revision."""
    stored = [asset for asset in known.sidecar.assets if asset.status is Status.STORED and asset.path]
    there = sum(disk.size_of(root / known.place.path(asset.path or "")) == asset.bytes for asset in stored)
    return bool(there) or not stored, known.sidecar.revision, there


def _take_over(catalogue: Catalogue, former: Catalogue, broken: list[PurePosixPath]) -> None:
    """Records what was known of the videos of these sidecars, unless a readable one was found elsewhere."""
    for start in range(0, len(broken), BATCH):
        known: list[Known] = []
        with contextlib.suppress(DamagedCatalogue):
            known = former.at([Place.of(path) for path in broken[start : start + BATCH]])
        found_elsewhere = catalogue.known([each.sidecar.id for each in known])
        catalogue.record(
            msgspec.structs.replace(
                each, listed_run=0, confirmed=None, absent=0 if each.sidecar.gone_upstream else None, tries={}
            )
            for each in known
            if each.sidecar.id not in found_elsewhere
        )


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
