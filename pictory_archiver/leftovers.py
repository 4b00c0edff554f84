"""What earlier runs left of files on their way. Each folder is looked at once, in a thread, before its first new file.

Nearly always there is nothing, and no file of the folder has to ask the disk for a beginning of its own.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path, PurePosixPath

from . import disk
from .layout import PARTIAL
from .threads import Threads

KEPT_FOLDERS = 256


class Leftovers:
    """The names of partials, and of what lies beside them, in the folders below a root."""

    def __init__(self, threads: Threads, root: Path) -> None:
        self._threads = threads
        self._root = root
        self._looks: dict[str, asyncio.Future[frozenset[str]]] = {}

    async def has(self, folder: str, partial_name: str) -> bool:
        """Whether anything is left of this partial. Raises `StorageError` where the folder is behind a link."""
        look = self._looks.get(folder)
        if look is None:
            if len(self._looks) >= KEPT_FOLDERS:
                self._looks.clear()
            look = self._looks[folder] = self._threads.start(self._look, folder)
        names = look.result() if look.done() else await look
        return any(name.startswith(partial_name) for name in names)

    def forget(self, folder: str) -> None:
        """Has a folder looked at again, for this run has left something in it. May be called from any thread."""
        self._looks.pop(folder, None)

    def _look(self, folder: str) -> frozenset[str]:
        path = disk.find(self._root, PurePosixPath(folder) / "…").parent
        try:
            with os.scandir(path) as entries:
                return frozenset(entry.name for entry in entries if PARTIAL in entry.name)
        except OSError:
            return frozenset()
