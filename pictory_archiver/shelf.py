"""The catalogue in a thread of its own, and the batch of finished videos that waits to be recorded."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from .catalogue import Catalogue, Known
from .threads import Threads

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

BATCH_OF_VIDEOS = 50
BATCH_SECONDS = 1.0


class Shelf:
    """Asks the catalogue on behalf of the event loop. A batch that a crash swallows is found again on the disk."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._threads = Threads(1, "catalogue")
        self._waiting: list[Known] = []
        self._oldest = 0.0
        self.catalogue = catalogue

    async def ask(self, step: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """What a method of the catalogue answers."""
        return await self._threads.hop(step, *arguments)

    async def add(self, known: Known) -> None:
        """Records a video whose sidecar is written, with the next batch."""
        if not self._waiting:
            self._oldest = time.monotonic()
        self._waiting.append(known)
        if len(self._waiting) >= BATCH_OF_VIDEOS or time.monotonic() - self._oldest >= BATCH_SECONDS:
            await self.flush()

    async def flush(self) -> None:
        """Records what waits."""
        batch, self._waiting = self._waiting, []
        if batch:
            await self.ask(self.catalogue.record, batch)

    def close(self) -> None:
        """Lets go of the thread and the file."""
        self._threads.close()
        self.catalogue.close()
