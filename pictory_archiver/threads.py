"""Hops from the event loop to threads, for steps that block on the disk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Threads:
    """A bounded set of threads. A cancelled caller still waits for its step: it may have a file open."""

    def __init__(self, count: int, name: str) -> None:
        self.executor = ThreadPoolExecutor(count, thread_name_prefix=name)

    def start(self, step: Callable[[*Ts], T], *arguments: *Ts) -> asyncio.Future[T]:
        """Begins a step; hand the future to `outlive`."""
        return asyncio.get_running_loop().run_in_executor(self.executor, step, *arguments)

    async def hop(self, step: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """The result of a step."""
        return await outlive(self.start(step, *arguments))

    def close(self) -> None:
        """Lets the threads end. Every step was waited for, so this does not block."""
        self.executor.shutdown(wait=False)


async def outlive(future: asyncio.Future[T]) -> T:
    """The future's result. Cancellation is passed on only once the future is done, however often it comes."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError as error:
        cancelled = error
    while not future.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([future])
    future.exception()  # looked at, or asyncio would report it as never retrieved
    raise cancelled
