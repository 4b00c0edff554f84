"""`reindex`: the catalogue made anew, and the marker where that was lost, without a key or a network. Blocks."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path
from typing import Literal

from msgspec import Struct

from .adoption import Renewed, hold_or_renew
from .catalogue import Catalogue
from .errors import StorageError
from .events import Observer, ReadingStarted, silent
from .rebuild import Filled, made_path, rebuild
from .settings import Settings

KEPT = 1000


class Damaged(Struct, frozen=True):
    """A sidecar that cannot be read, or a folder, and why."""

    path: str
    problem: str


class Extra(Struct, frozen=True):
    """A sidecar that does not count, since the one at `counts` is of the same video."""

    path: str
    video_id: str
    counts: str


class Reindexed(Struct, frozen=True, kw_only=True):
    """What `reindex` came to. `damaged` and `extra` hold the first 1,000 of their kind; `marker` is null where the
    archive had one."""

    format: Literal["pictory-archiver/reindex"] = "pictory-archiver/reindex"
    version: Literal[1] = 1
    collection: Literal["videos"] = "videos"
    archive: str
    videos: int
    complete: int
    damaged_count: int
    damaged: tuple[Damaged, ...]
    extra_count: int
    extra: tuple[Extra, ...]
    marker: Renewed | None


def reindex_archive(root: Path, settings: Settings, now: datetime, *, observer: Observer = silent) -> Reindexed:
    """Makes the catalogue anew, from the archive's own files alone.

    Raises `ArchiveBusy`, `StorageError`, and `ConfigError` for what a newer release wrote.
    """
    with hold_or_renew(root, settings.layout, now=now, command="reindex") as (archive, renewed):
        path = made_path(archive, settings.catalogue)
        with contextlib.ExitStack() as stack:
            former = _former(path)
            if former is not None:
                stack.callback(former.close)
                observer(ReadingStarted(former.count_videos()[0], 0))
            catalogue, filled = rebuild(archive, path, former=former, observer=observer)
        with contextlib.closing(catalogue):
            videos, complete = catalogue.count_videos()
            return Reindexed(
                archive=str(archive.root),
                videos=videos,
                complete=complete,
                damaged_count=len(filled.broken),
                damaged=tuple(Damaged(str(where), problem) for where, problem in filled.broken[:KEPT]),
                extra_count=len(filled.extra),
                extra=_extra(catalogue, filled),
                marker=renewed,
            )


def _former(path: Path) -> Catalogue | None:
    """The catalogue that is to be replaced, where it is whole. Raises `ConfigError` for a newer format."""
    if path.is_symlink() or not path.exists():
        return None
    with contextlib.suppress(StorageError), contextlib.ExitStack() as stack:
        former = Catalogue.open(path)
        stack.callback(former.close)
        former.check()
        stack.pop_all()
        return former
    return None


def _extra(catalogue: Catalogue, filled: Filled) -> tuple[Extra, ...]:
    kept = filled.extra[:KEPT]
    places = catalogue.outlines(list({video_id for _, video_id in kept}))
    return tuple(Extra(str(where), video_id, str(places[video_id].place.sidecar)) for where, video_id in kept)
