"""Files read to their end, for their digest, in threads. Reads only; no link is followed."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from pathlib import Path

from . import disk
from .findings import Seen
from .settings import MIB

BLOCK = MIB // 4
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that say nothing of the file."""


class ReadingEnded(Exception):
    """The reading was called off."""


class Reader:
    """Looks at files for one check. May be used by several threads at once; `bytes` is what all of them have read."""

    def __init__(self) -> None:
        self.bytes = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def end(self) -> None:
        """Has every reading end with `ReadingEnded`, at its next block."""
        self._ended.set()

    def look(self, path: str, *, read: bool) -> Seen:
        """The file as it is, with its digest where it is to be read. Raises `ReadingEnded`, `StorageError`."""
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return Seen(None)
        except OSError as error:
            return Seen(0, trouble=_words(path, error))
        if not stat.S_ISREG(status.st_mode):
            return Seen(None, trouble="something else lies in its place (a link, or a folder)")
        if not read:
            return Seen(status.st_size)
        try:
            return self._read(path, min(status.st_size + 1, BLOCK))
        except OSError as error:
            return Seen(status.st_size, trouble=_words(path, error))

    def _read(self, path: str, block_size: int) -> Seen:
        digest = hashlib.sha256()
        size = 0
        descriptor = disk.opener(path, os.O_RDONLY)
        try:
            while block := os.read(descriptor, block_size):
                digest.update(block)
                size += len(block)
                with self._lock:
                    self.bytes += len(block)
                if self._ended.is_set():
                    raise ReadingEnded
        finally:
            os.close(descriptor)
        return Seen(size, digest.hexdigest())


def _words(path: str, error: OSError) -> str:
    """What to say of a file that cannot be read. Raises `StorageError` for what is not the file's fault."""
    if error.errno in _OURS:
        with disk.storage_errors(Path(path)):
            raise error
    return f"it cannot be read: {os.strerror(error.errno) if error.errno else type(error).__name__}"
