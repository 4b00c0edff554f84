"""Bytes a second for all downloads together, so that a run leaves something of the line to others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiolimiter import AsyncLimiter

from .settings import KIB

BURST_SECONDS = 0.1
LEAST_PER_FILE = 32 * KIB
"""Bytes a second: with less for each, fewer files are under way. A server cuts a connection that is hardly read."""


class Pace:
    """Hands out bytes, first come first served, at `rate` bytes a second; 0: as many as come."""

    def __init__(self, rate: int) -> None:
        self._is_limited = rate > 0
        self._burst = max(rate * BURST_SECONDS, 1.0)
        self._bucket = AsyncLimiter(self._burst, self._burst / max(rate, 1))
        self._turn = asyncio.Lock()  # the bucket by itself serves the smallest wish first
        self._files = asyncio.Semaphore(max(rate // LEAST_PER_FILE, 1))

    @contextlib.asynccontextmanager
    async def file(self) -> AsyncIterator[None]:
        """One file, as soon as there is enough of the rate for it."""
        async with self._files if self._is_limited else contextlib.nullcontext():
            yield

    async def take(self, count: int) -> None:
        """Waits until `count` more bytes are in time."""
        left = float(count if self._is_limited else 0)
        while left > 0:
            piece = min(left, self._burst)  # more than the bucket holds is an error there
            async with self._turn:
                await self._bucket.acquire(piece)
            left -= piece
