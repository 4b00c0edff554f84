"""Hops from the event loop to threads, for steps that block on the disk."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Threads:
    """A bounded set of threads. A cancelled caller still waits for its step: it may have a file open.

    Steps that end at about the same time wake the event loop once: to wake it costs as much as a short step.
    """

    def __init__(self, count: int, name: str) -> None:
        self.executor = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._ended: deque[tuple[_Step[Any], Any, BaseException | None]] = deque()
        self._is_called = False

    def start(self, step: Callable[[*Ts], T], *arguments: *Ts) -> asyncio.Future[T]:
        """Begins a step. Who waits for it waits to its end, also where the task is cancelled meanwhile."""
        future: _Step[T] = _Step(loop=asyncio.get_running_loop())
        self.executor.submit(self._run, future, step, arguments)
        return future

    async def hop(self, step: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """The result of a step."""
        return await self.start(step, *arguments)

    def close(self) -> None:
        """Lets the threads end. Every step was waited for, so this does not block."""
        self.executor.shutdown(wait=False)

    def _run(self, future: _Step[Any], step: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        try:
            self._ended.append((future, step(*arguments), None))
        except BaseException as error:  # noqa: BLE001 - it is raised where the step is waited for
            self._ended.append((future, None, error))
        if not self._is_called:
            self._is_called = True
            future.get_loop().call_soon_threadsafe(self._hand_back)

    def _hand_back(self) -> None:
        self._is_called = False  # before the first is taken: what ends from now on calls again
        while self._ended:
            future, result, error = self._ended.popleft()
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)


class _Step(asyncio.Future[T]):
    """What becomes of a step in a thread. Cancellation comes to the task that waits for it once the step has ended."""

    def cancel(self, msg: Any | None = None) -> bool:  # noqa: ARG002 - the name is asyncio's
        """Never: there is no calling back from a thread."""
        return False
