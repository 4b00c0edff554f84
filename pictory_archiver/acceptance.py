"""Losses that are taken as known: they stay in the ledger, and spoil no exit status any more."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from . import disk
from .archive import JOURNAL, Archive, hold
from .catalogue import Catalogue, Known
from .errors import ConfigError
from .models import OUTPUTS, Asset, Kind, Status
from .named import find_video
from .plan import is_overdue
from .rebuild import open_or_rebuild
from .settings import Catalogue as Settings
from .sidecar import render, timestamp
from .strays import find_strays
from .text import printable

_LOST = (Status.MISSING, Status.DENIED, Status.FAILED, Status.REJECTED)


class Accepted(Struct, frozen=True):
    """A video, and the files of it whose loss was accepted; in the journal, with the time (UTC)."""

    time: str
    video_id: str
    files: tuple[str, ...]


def accept_losses(
    root: Path, settings: Settings, names: Iterable[str], kinds: Iterable[Kind], now: datetime
) -> Iterator[Accepted]:
    """Accepts the loss of files of these videos: of these kinds, or of every output where none is named.

    A name is an id, the unique beginning of one, or the path of a file of the video. Nothing is written where one of
    them names no lost file. Raises `ConfigError`, `ArchiveBusy`, `StorageError`.
    """
    wanted = frozenset(kinds) or frozenset(OUTPUTS)
    archive = Archive.open(root)
    with hold(root, time_zone=archive.marker.time_zone, now=now, must_exist=True, command="accept") as archive:
        catalogue, _ = open_or_rebuild(archive, settings)
        with contextlib.closing(catalogue):
            chosen = [_in_place(archive, catalogue, find_video(catalogue, name)) for name in names]
            lost = [(known, _losses(known, wanted, now)) for known in chosen]
            for known, files in lost:
                yield _accept(archive, catalogue, known, files, now)


def _in_place(archive: Archive, catalogue: Catalogue, known: Known) -> Known:
    """The video, where it was moved at the place where it is now."""
    if known.sidecar_bytes is None or disk.size_of(disk.find(archive.root, known.place.sidecar)) is not None:
        return known
    place = find_strays(archive.root, catalogue).get(known.sidecar.id, known.place)
    return msgspec.structs.replace(known, place=place)


def _losses(known: Known, wanted: frozenset[Kind], now: datetime) -> tuple[str, ...]:
    """The lost files, also those accepted before. Raises `ConfigError` where there are none."""
    assets = [asset for asset in known.sidecar.assets if asset.kind in wanted]
    lost = tuple(str(asset.slot) for asset in assets if _is_lost(known, asset, now))
    if not lost:
        untried = any(asset.status is Status.PENDING for asset in assets)
        raise ConfigError(
            f"nothing of {printable(known.sidecar.id)} that was asked for is lost",
            hint="it was not tried yet: run sync" if untried else "`status` names what is",
        )
    return lost


def _is_lost(known: Known, asset: Asset, now: datetime) -> bool:
    if asset.status is Status.PENDING:
        gone = known.sidecar.gone_upstream is not None
        return gone or (asset.url is None and is_overdue(known.created, now))
    return asset.status in _LOST


def _accept(archive: Archive, catalogue: Catalogue, known: Known, files: tuple[str, ...], now: datetime) -> Accepted:
    """The sidecar first, for it is the truth."""
    before = known.sidecar
    accepted = tuple(dict.fromkeys((*before.accepted, *files)))
    sidecar = msgspec.structs.replace(before, accepted=accepted, archived_at=timestamp(now))
    data = render(sidecar)
    folder = disk.make_folder(archive.root, known.place.sidecar.parent)
    disk.write_file(folder / known.place.sidecar.name, data)
    catalogue.record([known.written(sidecar, data)])
    told = Accepted(timestamp(now), before.id, files)
    line = msgspec.json.encode({"type": "acceptance", **msgspec.to_builtins(told)})
    disk.append_line(disk.find(archive.root, JOURNAL), line + b"\n")
    return told
