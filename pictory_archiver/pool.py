"""A bounded window of journeys.

`admit` makes the feeder wait while the window is full, so memory stays flat however long the feed is. Journeys are
joined where the `async with` ends; the first exception of one cancels the others and leaves as itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

from .errors import ArchiverError


class Pool:
    """At most `window` journeys are under way."""

    def __init__(self, window: int) -> None:
        self._window = asyncio.Semaphore(window)
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Pool:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._tasks.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            raise _first(group) from None

    async def admit(self, journey: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Starts a journey as soon as the window has room for it."""
        await self._window.acquire()

        async def guarded() -> None:
            try:
                await journey()
            finally:
                self._window.release()

        self._tasks.create_task(guarded())


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """One of our own errors where there is one: several journeys may fail on the same full disk."""
    leaves = _leaves(group)
    return next((leaf for leaf in leaves if isinstance(leaf, ArchiverError)), leaves[0])


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
