"""What `serve` gives away: the library, made from the catalogue as it stands, and the files that the catalogue names.

Nothing else of the archive can be asked for: a path is looked up in the catalogue before the disk is touched, and no
link is followed. Blocks; one thread at a time uses a `Shelves`.
"""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from pathlib import PurePosixPath
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from . import disk
from .archive import Archive
from .catalogue import Catalogue, DamagedCatalogue
from .edition import Edition
from .errors import StorageError
from .library import ICON, STATE, Pages
from .models import Place, Status
from .page_file import icon, index_html
from .rebuild import catalogue_path, for_reading
from .settings import MIB
from .settings import Catalogue as Settings
from .sidecar import timestamp
from .tree import INDEX, LIBRARY

KEPT_BYTES = 32 * MIB
LONGEST_PATH = 4096

HTML, SCRIPT, SVG = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml"
_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".3gp": "video/3gpp",
    ".webm": "video/webm",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".json": "application/json",
}
ANY_TYPE = "application/octet-stream"

T = TypeVar("T")


class Made(Struct, frozen=True):
    """A file of the library. `is_final`: what is under this path never changes."""

    data: bytes
    content_type: str
    is_final: bool = False


class Held(Struct, frozen=True):
    """A file of a video: an open descriptor of it, which is the caller's to close, and its size in bytes. `etag` is the
    digest that the file should have."""

    descriptor: int
    size: int
    content_type: str
    etag: str | None


class Shelves:
    """The library and the files of one archive, for reading. The catalogue is opened anew where it was replaced."""

    def __init__(self, archive: Archive, settings: Settings) -> None:
        self._archive = archive
        self._settings = settings
        self._opened = contextlib.ExitStack()
        self._catalogue: Catalogue | None = None
        self._identity: tuple[int, int] | None = None
        self._pages: Pages | None = None
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def close(self) -> None:
        """Lets go of the catalogue."""
        self._opened.close()
        self._catalogue = self._pages = None

    def get(self, raw_path: str, now: datetime) -> Made | Held | None:
        """What lies under the path of a URL, as it was sent; None where there is nothing for anybody.

        Raises `StorageError` where the archive cannot be read any more.
        """
        path = _parsed(raw_path)
        if path is None:
            return None
        if path in (PurePosixPath(), INDEX):
            return Made(index_html(), HTML)
        if path == ICON:
            return Made(icon(), SVG)
        if path == STATE:
            return Made(self._with_catalogue(lambda catalogue: self._state(catalogue, now)), SCRIPT)
        if path.parent == LIBRARY:
            data = self._with_catalogue(lambda catalogue: self._chunk(catalogue, path.name))
            return None if data is None else Made(data, SCRIPT, is_final=True)
        return self._with_catalogue(lambda catalogue: self._held(catalogue, path))

    def _state(self, catalogue: Catalogue, now: datetime) -> bytes:
        pages = self._pages = Pages(self._archive, catalogue, former=self._edition())
        return pages.state_file(pages.state(now), timestamp(now))

    def _edition(self) -> Edition | None:
        return self._pages.edition if self._pages else None

    def _chunk(self, catalogue: Catalogue, name: str) -> bytes | None:
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name]
        if self._pages is None or self._pages.edition.chunk(name) is None:
            self._pages = Pages(self._archive, catalogue, former=self._edition())
        chunk = self._pages.edition.chunk(name)
        if chunk is None:
            return None
        data = self._kept[name] = self._pages.script(chunk, name)
        while sum(map(len, self._kept.values())) > KEPT_BYTES and len(self._kept) > 1:
            self._kept.popitem(last=False)
        return data

    def _held(self, catalogue: Catalogue, path: PurePosixPath) -> Held | None:
        """A file that the catalogue names, if it is there."""
        folder = "" if path.parent == PurePosixPath() else str(path.parent)
        place = Place(folder, path.name.partition(".")[0])
        for known in catalogue.at([place]):
            stored = {asset.path: asset for asset in known.sidecar.assets if asset.status is Status.STORED}
            if path.name in stored:
                return self._open(path, stored[path.name].sha256)
            if path == known.place.sidecar and known.sidecar_bytes is not None:
                return self._open(path, None)
        return None

    def _open(self, path: PurePosixPath, etag: str | None) -> Held | None:
        try:
            descriptor = disk.opener(str(disk.find(self._archive.root, path)), os.O_RDONLY)
        except (OSError, StorageError):
            return None
        content_type = _TYPES.get(path.suffix.lower(), ANY_TYPE)
        return Held(descriptor, os.fstat(descriptor).st_size, content_type, etag)

    def _with_catalogue(self, step: Callable[[Catalogue], T]) -> T:
        """What a step finds in the catalogue; a damaged one is rebuilt in memory, once."""
        try:
            return step(self._current(distrust=False))
        except DamagedCatalogue:
            return step(self._current(distrust=True))

    def _current(self, *, distrust: bool) -> Catalogue:
        identity = self._identify()
        if self._catalogue is None or distrust or identity != self._identity:
            self.close()
            self._opened = contextlib.ExitStack()
            reading = for_reading(self._archive, self._settings, distrust=distrust)
            self._catalogue = self._opened.enter_context(reading)
            self._identity = identity
        return self._catalogue

    def _identify(self) -> tuple[int, int] | None:
        """Which file the catalogue is; None where there is none."""
        try:
            status = catalogue_path(self._archive, self._settings).lstat()
        except (OSError, StorageError):
            return None
        return status.st_dev, status.st_ino


def _parsed(raw_path: str) -> PurePosixPath | None:
    """The path that a URL names; None for one that could be read in more than one way."""
    if len(raw_path) > LONGEST_PATH or not raw_path.startswith("/"):
        return None
    if raw_path == "/":
        return PurePosixPath()
    parts = []
    for raw in raw_path.removeprefix("/").split("/"):
        try:
            part = unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            return None
        if part in ("", ".", "..") or any(each == "/" or each < " " or each == "\x7f" for each in part):
            return None
        parts.append(part)
    return PurePosixPath(*parts)
