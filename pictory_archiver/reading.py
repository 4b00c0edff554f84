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

BLOCK = MIB
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that say nothing of the file."""


class ReadingEnded(Exception):
    """The reading was called off."""


class Reader:
    """Looks at files for one check. May be used by several threads at once; `bytes` is what all of them have read."""

    def __init__(self) -> None:
        self.bytes = 0
        self._lock = threading.Lock()
        self._local = threading.local()
        self._ended = threading.Event()

    def end(self) -> None:
        """Has every reading end with `ReadingEnded`, at its next block."""
        self._ended.set()

    def look(self, path: Path, *, read: bool) -> Seen:
        """The file as it is, with its digest where it is to be read. Raises `ReadingEnded`, `StorageError`."""
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return Seen(None)
        except OSError as error:
            return Seen(0, trouble=_words(path, error))
        if not stat.S_ISREG(status.st_mode):
            return Seen(None, trouble="something else lies in its place (a link, or a folder)")
        if not read:
            return Seen(status.st_size)
        try:
            return self._read(path)
        except OSError as error:
            return Seen(status.st_size, trouble=_words(path, error))

    def _read(self, path: Path) -> Seen:
        digest = hashlib.sha256()
        size = 0
        view = self._buffer()
        with open(path, "rb", buffering=0, opener=disk.opener) as file:
            while count := file.readinto(view):
                digest.update(view[:count])
                size += count
                with self._lock:
                    self.bytes += count
                if self._ended.is_set():
                    raise ReadingEnded
        return Seen(size, digest.hexdigest())

    def _buffer(self) -> memoryview:
        view: memoryview | None = getattr(self._local, "view", None)
        if view is None:
            view = self._local.view = memoryview(bytearray(BLOCK))
        return view


def _words(path: Path, error: OSError) -> str:
    """What to say of a file that cannot be read. Raises `StorageError` for what is not the file's fault."""
    if error.errno in _OURS:
        with disk.storage_errors(path):
            raise error
    return f"it cannot be read: {os.strerror(error.errno) if error.errno else type(error).__name__}"
