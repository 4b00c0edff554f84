"""The one place that writes files of an archive: media through `staging`, small files whole, lines appended."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TypeVar

import aiofiles

from . import disk
from .leftovers import Leftovers
from .quarantine import Quarantine
from .settings import MIB
from .sink import Check, Committed, clone
from .space import Space
from .staging import BATCH, Site, Staged
from .threads import Threads

P = TypeVar("P", str, PurePosixPath)

THREADS = 6
"""More of them would only stand in the way of the event loop: each waits for it, and it for each, at every call."""


class Store:
    """The files of one archive. Paths are relative to `root`.

    Media are written in batches of so many bytes, and leave `reserve` bytes of the disk free. What they replace goes
    to `quarantine`.
    """

    def __init__(self, root: Path, *, batch: int = BATCH, reserve: int = 0) -> None:
        self.root = root
        self.quarantine = Quarantine(root, datetime.now(UTC))
        self._threads = Threads(THREADS, "disk")
        self._space = Space(root, reserve)
        self._folders = disk.Folders(root)
        leftovers = Leftovers(self._threads, root)
        self._site = Site(root, self._threads, self._folders, leftovers, self._space, self.quarantine, batch)

    def close(self) -> None:
        """Lets go of the threads."""
        self._threads.close()

    def stage(self, folder: str, partial_name: str, make_check: Callable[[], Check]) -> Staged:
        """A new file on its way into a folder (a POSIX path). Touches nothing yet."""
        return Staged(self._site, folder, partial_name, make_check)

    async def write(self, path: PurePosixPath, data: bytes, *, keep: bool = False, after_files: bool = False) -> None:
        """Writes a small file whole, atomically and durably; `keep`: what it replaces goes to quarantine.

        `after_files`: first the names of the files beside it are made durable. Raises `StorageError`.
        """

        def step() -> None:
            final = self._folders.make(_folder_of(path)) / path.name
            if after_files:
                self._settle(final.parent)
            if keep:
                self.quarantine.keep(final, instead=(len(data), hashlib.sha256(data).hexdigest()))
            disk.write_file(final, data)

        await self._threads.hop(step)

    async def settle(self, folder: str) -> None:
        """Makes the names of the files in a folder (a POSIX path) durable. Raises `StorageError`."""
        await self._threads.hop(lambda: self._settle(self._folders.make(folder)))

    def _settle(self, folder: Path) -> None:
        with disk.storage_errors(folder):
            disk.sync_folder(folder)

    async def put_aside(self, path: PurePosixPath, *, instead: tuple[int, str] | None = None) -> None:
        """Moves a file into quarantine, if there is one; one that is what is there `instead` (size, SHA-256) is only
        removed. Raises `StorageError`."""
        await self._threads.hop(lambda: self.quarantine.put(disk.find(self.root, path), instead=instead))

    async def append(self, path: PurePosixPath, line: bytes) -> None:
        """Adds a line to a file that only grows. Raises `StorageError`."""

        def step() -> None:
            disk.append_line(disk.find(self.root, path), line)

        await self._threads.hop(step)

    async def read(self, path: PurePosixPath, *, limit: int = 64 * MIB) -> bytes | None:
        """The bytes of a small file, at most `limit` of them; None where there is none."""
        try:
            async with aiofiles.open(
                disk.find(self.root, path), "rb", opener=disk.opener, executor=self._threads.executor
            ) as file:
                return await file.read(limit)
        except OSError:
            return None

    async def sizes(self, paths: Iterable[P]) -> dict[P, int | None]:
        """The size of each file in bytes, None where there is none; no file is opened."""
        root = f"{self.root}{os.sep}"

        def step() -> dict[P, int | None]:
            return {path: disk.size_of(f"{root}{path}") for path in paths}

        return await self._threads.hop(step)

    async def clone(
        self, source: PurePosixPath, target: PurePosixPath, *, sha256: str, modified: datetime | None
    ) -> Committed | None:
        """A copy of a file of this archive, sharing its blocks where the file system can.

        None where the source is not there, or is not what `sha256` says any more. Raises `StorageError`.
        """

        def step() -> Committed | None:
            folder = self._folders.make(_folder_of(target))
            held = disk.find(self.root, source)
            return clone(held, folder / target.name, self._space, self.quarantine, sha256=sha256, modified=modified)

        return await self._threads.hop(step)


def _folder_of(path: PurePosixPath) -> str:
    return str(path).rpartition("/")[0]
