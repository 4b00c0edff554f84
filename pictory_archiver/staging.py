"""A media file on its way: taken in batches, hashed and checked as it passes, renamed when it is whole.

One hop to a thread writes, hashes and checks a batch while the next one arrives. A small file makes its whole way in
a single hop at `commit`. Nothing gets its final name unless its structure is whole and its bytes are on the disk.

A partial may outlive the run: beside `<name>.partial` lies `<name>.partial.json` with the entity tag, the total, an
offset that is known to be on the disk, and the digest of what lies before it. That is hashed again before the transfer
goes on: bytes that are not the ones that came over the network are never built upon.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path, PurePosixPath

import msgspec
from msgspec import Struct

from . import disk
from .errors import StorageError, WebError
from .leftovers import Leftovers
from .quarantine import Quarantine
from .settings import KIB, MIB
from .sink import Check, Committed, Sink
from .space import Space
from .threads import Threads

BATCH = MIB
MAX_POINT = 64 * KIB


class ResumePoint(Struct, frozen=True):
    """What a partial is a part of: the strong entity tag and the whole size; and what of it is surely on the disk."""

    address: str
    etag: str
    total: int
    offset: int
    sha256: str


class Site(Struct, frozen=True):
    """What all files on their way into one archive share. Media are written in batches of so many bytes."""

    root: Path
    threads: Threads
    folders: disk.Folders
    leftovers: Leftovers
    space: Space
    quarantine: Quarantine
    batch: int


class Staged:
    """A file on its way. Not for use by two tasks at once.

    `size` counts the bytes taken so far, `marked` those of them that a later run can go on from.
    """

    def __init__(self, site: Site, folder: str, partial_name: str, make_check: Callable[[], Check]) -> None:
        self._site = site
        self._folder = folder
        self._name = partial_name
        self._path = Path(site.root, folder, partial_name)
        self._make_check = make_check
        self._sink: Sink | None = None
        self._batch: list[bytes] = []
        self._batched = 0
        self._flushing: asyncio.Future[Sink] | None = None
        self.size = 0
        self.marked = 0

    async def reopen(self) -> ResumePoint | None:
        """Takes up what an earlier run left; what cannot be taken up is removed, and the answer is None.

        Raises `NoRoom` where the disk has no room for any file.
        """

        if not await self._site.leftovers.has(self._folder, self._name):
            await self.expect(0)
            return None

        def step() -> ResumePoint | None:
            self._site.space.ask(0)
            disk.find(self._site.root, PurePosixPath(self._folder, self._name))
            point = self._read_point()
            if point is not None:
                self.marked = point.offset
                sink = self._sink = Sink(self._path, self._make_check())
                if sink.reopen(point.offset) and sink.digest == point.sha256:
                    return point
                sink.close()
            self._sink, self.marked = None, 0
            self._remove()
            return None

        point = await self._site.threads.hop(step)
        self.size = self.marked
        return point

    async def expect(self, count: int) -> None:
        """Raises `NoRoom` where so many more bytes have no room. A single batch is seen to when it is written."""
        is_seen_to = 0 < count <= self._site.batch
        if not is_seen_to and not self._site.space.surely_has(count):
            await self._site.threads.hop(self._site.space.ask, count)

    async def write(self, chunk: bytes) -> None:
        """Takes bytes. Raises `StorageError`, or what the structure check found in earlier ones."""
        self._batch.append(chunk)
        self._batched += len(chunk)
        self.size += len(chunk)
        if self._batched >= self._site.batch:
            await self._settle()
            self._flushing = self._site.threads.start(self._absorb, self._take_batch())

    async def mark(self, address: str, etag: str, total: int) -> None:
        """Makes every byte taken so far durable, and writes down how a later run can go on. Raises `StorageError`."""
        await self._settle()

        def step() -> None:
            sink = self._absorb(self._take_batch())
            sink.sync()
            point = ResumePoint(address=address, etag=etag, total=total, offset=sink.size, sha256=sink.digest)
            disk.write_file(self._beside(".json"), msgspec.json.encode(point), partial=self._beside(".next"))
            self.marked = sink.size
            self._site.leftovers.forget(self._folder)

        await self._site.threads.hop(step)

    async def commit(self, name: Callable[[Check], str], modified: datetime | None) -> Committed:
        """Puts the file under its final name: its bytes are durable, its name is with `Store.settle`. `name` is asked
        for once the check has passed.

        Raises what the check found where the file is not whole, and `StorageError`.
        """
        await self._settle()

        def step() -> Committed:
            sink = self._absorb(self._take_batch())
            sink.check.finish()
            committed = sink.commit(self._path.with_name(name(sink.check)), modified, self._site.quarantine)
            self._sink = None
            if self.marked:
                self.marked = 0
                self._remove()
            return committed

        return await self._site.threads.hop(step)

    async def restart(self) -> None:
        """Forgets every byte taken so far, and removes every trace of the file."""
        self.marked = 0
        await self.close()
        self._take_batch()
        self.size = 0

    async def close(self) -> None:
        """Lets go of the file. What `mark` made resumable stays for a later run, anything else is removed."""
        with contextlib.suppress(StorageError, WebError):
            await self._settle()

        def step(sink: Sink) -> None:
            sink.close()
            if not self.marked:
                self._remove()

        sink, self._sink = self._sink, None
        if sink is not None:
            await self._site.threads.hop(step, sink)

    def _read_point(self) -> ResumePoint | None:
        try:
            with open(self._beside(".json"), "rb", opener=disk.opener) as file:
                return msgspec.json.decode(file.read(MAX_POINT), type=ResumePoint)
        except (OSError, ValueError, RecursionError):
            return None

    def _beside(self, suffix: str) -> Path:
        return Path(f"{self._path}{suffix}")

    def _remove(self) -> None:
        for path in (self._beside(".json"), self._beside(".next"), self._path):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _absorb(self, batch: list[bytes]) -> Sink:
        self._site.space.take(sum(map(len, batch)))
        if self._sink is None:
            self._site.folders.make(self._folder)
            self._sink = Sink(self._path, self._make_check())
        self._sink.absorb(batch)
        return self._sink

    def _take_batch(self) -> list[bytes]:
        batch, self._batch, self._batched = self._batch, [], 0
        return batch

    async def _settle(self) -> None:
        flushing, self._flushing = self._flushing, None
        if flushing is not None:
            await flushing
