"""An archive whose marker was lost or damaged becomes one again: its sidecars are the proof of it. Blocks.

Somebody copied the folders that can be seen and not the hidden one, or a program that keeps folders alike left it out.
Nothing is taken for an archive that holds no sidecar, and nothing is written before every sidecar was looked at.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

from msgspec import Struct

from . import disk
from .archive import MARKER, README, Archive, DamagedMarker, NoArchive, holding, make_marker
from .errors import StorageError
from .quarantine import Quarantine
from .readme import zone_in_readme
from .settings import KIB, Layout
from .sidecar import Sidecar
from .tree import read_regular, sidecars_below

MAX_README = 64 * KIB


class Renewed(Struct, frozen=True):
    """A marker that was made anew, since it was lost or damaged: for folders of which time zone, and what told it.

    `quarantine` is the folder, relative to the archive, where the damaged one was put.
    """

    was: Literal["lost", "damaged"]
    time_zone: str
    time_zone_from: Literal["README.txt", "layout.time_zone"]
    quarantine: str | None = None


@contextlib.contextmanager
def hold_or_renew(
    root: Path, layout: Layout, *, now: datetime, command: str
) -> Iterator[tuple[Archive, Renewed | None]]:
    """The archive for writing, held against other runs; and its marker, where that had to be made anew.

    Raises `StorageError` where neither a marker nor a sidecar says that it is an archive, `ArchiveBusy`, and
    `ConfigError` for a newer format. Nothing is written then.
    """
    try:
        Archive.open(root)
    except (NoArchive, DamagedMarker) as problem:
        _refuse_without_sidecars(root, problem)
    with holding(root, now=now, command=command) as root:
        renewed = None
        try:
            archive = Archive.open(root)
        except (NoArchive, DamagedMarker) as problem:
            renewed = _renew(root, layout, problem, now)
            archive = Archive.open(root)
        yield archive, renewed


def _refuse_without_sidecars(root: Path, problem: StorageError) -> None:
    """Raises the problem again where no sidecar speaks for an archive; `ConfigError` where one is of a newer format."""
    is_ours = False
    for found in sidecars_below(root):
        is_ours |= isinstance(found.says, Sidecar)
    if is_ours:
        return
    if isinstance(problem, DamagedMarker):
        hint = "restore this small file from a backup"
        raise StorageError(f"{problem}, and no sidecar is here that can be read", hint=hint)
    hint = "is the disk mounted? `sync` makes a new one"
    raise StorageError(f"{problem}, and no sidecar of one is here that can be read", hint=hint)


def _renew(root: Path, layout: Layout, problem: StorageError, now: datetime) -> Renewed:
    quarantine = Quarantine(root, now)
    if isinstance(problem, DamagedMarker):
        quarantine.keep(root / MARKER)
    with disk.storage_errors(root / README):
        told = zone_in_readme(read_regular(root / README, MAX_README) or b"")
    zone = told or layout.time_zone
    make_marker(root, time_zone=zone, now=now)
    return Renewed(
        was="damaged" if isinstance(problem, DamagedMarker) else "lost",
        time_zone=zone,
        time_zone_from="README.txt" if told else "layout.time_zone",
        quarantine=str(quarantine.folder) if quarantine.files else None,
    )
