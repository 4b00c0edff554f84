"""The blocking half of a file on its way: an open partial, what passed through it, and its final name.

Nothing gets that name unless its bytes are on the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from msgspec import Struct

from . import disk
from .errors import StorageError, WebError
from .quarantine import Quarantine
from .settings import MIB
from .space import Space

READ_BLOCK = MIB


class Check(Protocol):
    """Decides whether bytes are a whole file of a type. Both methods raise `WebError`s."""

    def feed(self, data: bytes) -> None: ...
    def finish(self) -> None: ...


class Committed(Struct, frozen=True):
    """A file under its final name."""

    path: Path
    bytes: int
    sha256: str


class Sink:
    """One open partial, its digest and its check."""

    def __init__(self, path: Path, check: Check | None) -> None:
        self._path = path
        self._digest = hashlib.sha256()
        self._descriptor: int | None = None
        self._check = check
        self.size = 0

    @property
    def check(self) -> Check:
        assert self._check is not None  # noqa: S101 - only clones have no check, and they never ask
        return self._check

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def reopen(self, offset: int) -> bool:
        """Goes on behind the first `offset` bytes of an earlier partial; False where they are not there, or bad."""
        descriptor = disk.open_existing(self._path)
        if descriptor is None:
            return False
        try:
            while self.size < offset and (block := os.read(descriptor, min(READ_BLOCK, offset - self.size))):
                self._take(block)
            usable = self.size == offset
            if usable:
                os.ftruncate(descriptor, offset)
                os.lseek(descriptor, offset, os.SEEK_SET)
        except (OSError, WebError):
            usable = False
        if usable:
            self._descriptor = descriptor
        else:
            os.close(descriptor)
        return usable

    def absorb(self, batch: list[bytes]) -> None:
        descriptor = self._open()
        data = batch[0] if len(batch) == 1 else b"".join(batch)  # one call of each, and one wait for the interpreter
        with disk.storage_errors(self._path):
            disk.write_all(descriptor, data)
        self._take(data)

    def copy(self, source: BinaryIO, space: Space) -> None:
        """Takes every byte of an open file; its blocks are shared where the file system can."""
        descriptor = self._open()
        shared = _share_blocks(source.fileno(), descriptor)
        if not shared:
            space.ask(os.fstat(source.fileno()).st_size)
        with disk.storage_errors(self._path):
            while block := source.read(READ_BLOCK):
                if not shared:
                    space.take(len(block))
                    disk.write_all(descriptor, block)
                self._take(block)

    def sync(self) -> None:
        with disk.storage_errors(self._path):
            os.fsync(self._open())

    def commit(self, final: Path, modified: datetime | None, quarantine: Quarantine) -> Committed:
        try:
            self.sync()
            self.close()
            disk.set_time(self._path, modified)
            quarantine.keep(final, instead=(self.size, self.digest))
            with disk.storage_errors(final):
                disk.rename(self._path, final)
        except StorageError:
            self.discard()
            raise
        return Committed(final, self.size, self.digest)

    def discard(self) -> None:
        self.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _open(self) -> int:
        if self._descriptor is None:
            self._descriptor = disk.open_new(self._path)
        return self._descriptor

    def _take(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        if self._check is not None:
            self._check.feed(chunk)
        self.size += len(chunk)


def clone(
    source: Path, target: Path, space: Space, quarantine: Quarantine, *, sha256: str, modified: datetime | None
) -> Committed | None:
    """A copy of a file under another final name, hashed again. Blocks.

    None where the source is not there, or is not what `sha256` says any more. Raises `StorageError`.
    """
    try:
        reading = open(source, "rb", opener=disk.opener)  # noqa: SIM115 - `Path.open` takes no opener
    except OSError:
        return None
    sink = Sink(target.with_name(f"{target.name}.partial"), None)
    try:
        with reading:
            sink.copy(reading, space)
    except StorageError:
        sink.discard()
        raise
    if sink.digest != sha256:
        sink.discard()
        return None
    return sink.commit(target, modified, quarantine)


def _share_blocks(source: int, target: int) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    clone_request = 0x40049409  # FICLONE in linux/fs.h
    try:
        fcntl.ioctl(target, clone_request, source)
    except OSError:
        return False
    return True
