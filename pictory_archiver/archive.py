"""An archive as a folder: where it is, what marks it as one, who holds it, and reading it.

The marker `.pictory-archiver/archive.json` is what makes a folder an archive. One writing run holds it at a time, by
a lock of the operating system that a crash cannot leave behind. Reading takes no lock.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from . import disk
from .errors import ConfigError, StorageError
from .events import Observer, Warned, silent
from .key import Key
from .layout import zone_of
from .lock import exclusively
from .sidecar import BrokenSidecar, Sidecar, schema, timestamp
from .tree import (
    CATALOGUE,
    HIDDEN,
    INDEX,
    JOURNAL,
    LIBRARY,
    LITTER,
    LOCK,
    MANIFEST,
    MARKER,
    MAX_SIDECAR,
    README,
    SCHEMA,
    holds_sidecars,
    is_litter,
    sidecars_below,
)

FORMAT: Literal["pictory-archiver/archive"] = "pictory-archiver/archive"
VERSION: Literal[1] = 1
REINDEX = "sidecars of one are here: `reindex` makes it an archive again"

MAX_MARKER = 64 * 1024

__all__ = [
    "CATALOGUE",
    "HIDDEN",
    "INDEX",
    "JOURNAL",
    "LIBRARY",
    "LITTER",
    "LOCK",
    "MANIFEST",
    "MARKER",
    "MAX_SIDECAR",
    "README",
    "SCHEMA",
    "Archive",
    "DamagedMarker",
    "Marker",
    "NoArchive",
    "find",
    "hold",
    "holding",
    "is_archive",
    "is_litter",
    "make_marker",
    "refuse_missing",
    "refuse_other_folders",
    "render_marker",
]


class Marker(Struct, frozen=True, kw_only=True):
    """What makes a folder an archive. `key_fingerprint` is salted; `time_zone` is that of the folders."""

    format: Literal["pictory-archiver/archive"] = FORMAT
    version: Literal[1] = VERSION
    created_at: str
    time_zone: str
    key_salt: Annotated[str, Meta(pattern="^([0-9a-f]{2})+$")]
    key_fingerprint: str | None = None

    def __post_init__(self) -> None:
        zone_of(self.time_zone)


class _Header(Struct):
    format: str
    version: int


class NoArchive(StorageError):
    """A folder has no marker, or is not there."""


class DamagedMarker(StorageError):
    """The marker cannot be read as one."""


class Archive:
    """An archive on the disk, for reading."""

    def __init__(self, root: Path, marker: Marker) -> None:
        self.root = root
        self.marker = marker

    @classmethod
    def open(cls, root: Path) -> Archive:
        """The archive in this folder. Raises `StorageError` where there is none, `ConfigError` for a newer format."""
        path = disk.find(root, MARKER)
        try:
            with open(path, "rb", opener=disk.opener) as file:
                marker = _parse_marker(file.read(MAX_MARKER))
        except FileNotFoundError:
            hint = REINDEX if holds_sidecars(root) else "is the disk mounted? `sync` makes a new one"
            raise NoArchive(f"{root} is no archive", hint=hint) from None
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}", hint="check the disk") from None
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            hint = "restore this small file from a backup, or have `reindex` make it anew"
            raise DamagedMarker(f"{path} is damaged: {error}", hint=hint) from None
        return cls(root.resolve(), marker)

    def knows(self, key: Key) -> bool:
        """Whether this key is the one that the archive was last made with. Of a new archive, and of one whose marker
        was lost, none is known."""
        return self.marker.key_fingerprint == self.fingerprint(key)

    def fingerprint(self, key: Key) -> str:
        """What the marker keeps of a key."""
        return key.fingerprint(bytes.fromhex(self.marker.key_salt))

    def sidecars(self) -> Iterator[tuple[PurePosixPath, Sidecar | BrokenSidecar]]:
        """Every sidecar with its path, folder by folder; what is damaged comes as the error that says so."""
        for found in sidecars_below(self.root):
            yield found.path, found.says

    def videos(self) -> Iterator[tuple[PurePosixPath, Sidecar]]:
        """Every video that the archive holds something of, with the path of its sidecar."""
        for path, found in self.sidecars():
            if isinstance(found, Sidecar):
                yield path, found


def _parse_marker(data: bytes) -> Marker:
    """Raises `ConfigError` for a newer format, whatever else it holds."""
    header = msgspec.json.decode(data, type=_Header)
    if header.format == FORMAT and header.version > VERSION:
        raise ConfigError(
            f"the archive has format version {header.version}; this release knows up to {VERSION}",
            hint="update pictory-archiver; nothing was changed",
        )
    return msgspec.json.decode(data, type=Marker)


def find(start: Path) -> Path | None:
    """The archive that a folder is in: itself or a parent; None where there is none."""
    for folder in (start, *start.parents):
        if os.path.isfile(folder / MARKER):  # noqa: PTH113 - a folder that may not be entered is none, and no error
            return folder
    return None


def is_archive(root: Path) -> bool:
    """True where the folder is marked as an archive. Raises `StorageError` where that cannot be seen."""
    with disk.storage_errors(root):
        return (root / MARKER).exists()


@contextlib.contextmanager
def hold(
    root: Path,
    *,
    time_zone: str,
    now: datetime,
    must_exist: bool = False,
    command: str = "sync",
    observer: Observer = silent,
) -> Iterator[Archive]:
    """The archive for writing, made where the folder is missing or empty, and held against other runs.

    With `must_exist` none is made. `command` is what another run will call this one. Raises `ConfigError` where the
    folder holds something else, `ArchiveBusy`, `StorageError`.
    """
    if must_exist:
        refuse_missing(root)
    refuse_other_folders(root)
    disk.make_root(root)
    with holding(root, now=now, command=command, observer=observer) as root:
        if not is_archive(root):
            make_marker(root, time_zone=time_zone, now=now)
        yield Archive.open(root)


@contextlib.contextmanager
def holding(root: Path, *, now: datetime, command: str, observer: Observer = silent) -> Iterator[Path]:
    """Holds a folder that is there against other runs, whether it is marked as an archive or not. → its real path

    Raises `ArchiveBusy`, `StorageError`.
    """
    root = root.resolve()
    disk.make_folder(root, HIDDEN)
    with exclusively(disk.find(root, LOCK), root, command=command, now=now) as stand_in:
        if stand_in:
            observer(Warned(_words_on_locks(root, stand_in)))
        yield root


def make_marker(root: Path, *, time_zone: str, now: datetime) -> None:
    """Marks a folder as an archive that no key is known of; the marker comes last. Raises `StorageError`."""
    marker = Marker(created_at=timestamp(now), time_zone=time_zone, key_salt=secrets.token_hex(16))
    disk.write_file(root / SCHEMA, msgspec.json.format(msgspec.json.encode(schema()), indent=2) + b"\n")
    disk.write_file(root / MARKER, render_marker(marker))


def _words_on_locks(root: Path, stand_in: Path) -> str:
    return (
        f"the disk of {root} has no locks; {stand_in} keeps your runs on this computer apart. Never run it on another "
        "computer at the same time"
    )


def render_marker(marker: Marker) -> bytes:
    """The marker as it lies on the disk."""
    return msgspec.json.format(msgspec.json.encode(marker), indent=2) + b"\n"


def refuse_missing(root: Path) -> None:
    """Raises `StorageError` where the folder holds no archive."""
    if not is_archive(root):
        hint = REINDEX if holds_sidecars(root) else "without --must-exist, `sync` makes a new one"
        raise NoArchive(f"{root} holds no archive (is the disk mounted?)", hint=hint)


def refuse_other_folders(root: Path) -> None:
    """Raises `ConfigError` where the folder holds something and is no archive."""
    if is_archive(root):
        return
    with disk.storage_errors(root):
        try:
            names = sorted(
                path.name for path in root.iterdir() if not is_litter(path.name) and path.name != str(HIDDEN)
            )
        except FileNotFoundError:
            return
        except NotADirectoryError:
            raise ConfigError(f"{root} is a file, not a folder", hint="name a folder for the archive") from None
    if names:
        hint = REINDEX if holds_sidecars(root) else "name an empty folder, or one that is not there yet"
        raise ConfigError(f"{root} is not empty and holds no archive (it holds {names[0]!r})", hint=hint)
