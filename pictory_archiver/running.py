"""Work that is done to its end, or until a signal asks for it: a coroutine, or steps that tell what they have done."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import threading
from collections.abc import Coroutine, Iterator
from types import FrameType
from typing import Any, TypeVar

from .errors import Stopped
from .events import Event, Observer

PATIENCE_SECONDS = 8.0
OBJECTS_PER_COLLECTION = 10_000

T = TypeVar("T")


def run_until_signal(work: Coroutine[Any, Any, T]) -> T:
    """The result of the coroutine. SIGINT and SIGTERM cancel it and raise `Stopped`.

    The process ends at once with a second signal, and some seconds after the first where a disk or a resolver of
    names does not come back. Both are as safe as a kill. Afterwards the former handlers are in place again.
    """
    _ease_collector()
    stopping = _Stopping()
    former = {number: signal.signal(number, stopping.stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        result = asyncio.run(stopping.cancelled_by_signal(work))
    except asyncio.CancelledError:
        if not stopping.received:
            raise
    finally:
        for number, handler in former.items():
            signal.signal(number, handler or signal.SIG_DFL)
        stopping.calm()
    if stopping.received:
        raise Stopped(stopping.received)
    return result


def _ease_collector() -> None:
    """Has Python's collector of garbage look rarely, and not at what was loaded until now: that stays to the end. The
    records of a page are many and hold no cycles, so that it would look through them again and again, for nothing."""
    gc.freeze()
    gc.set_threshold(OBJECTS_PER_COLLECTION)


@contextlib.contextmanager
def stopped_between_steps(observer: Observer) -> Iterator[Observer]:
    """An observer for work without a loop: a SIGINT or SIGTERM is raised as `Stopped` once the step is told of.

    As for `run_until_signal`, the process ends at once with a second signal, and some seconds after the first.
    """
    stopping = _Stopping()
    former = {number: signal.signal(number, stopping.stop) for number in (signal.SIGINT, signal.SIGTERM)}

    def observe(event: Event) -> None:
        observer(event)
        if stopping.received:
            raise Stopped(stopping.received)

    try:
        yield observe
    finally:
        for number, handler in former.items():
            signal.signal(number, handler or signal.SIG_DFL)
        stopping.calm()


class _Stopping:
    """What a signal does to the task of a run. `received` is the signal's number, 0 before one came."""

    def __init__(self) -> None:
        self.received = 0
        self._impatience: threading.Timer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    async def cancelled_by_signal(self, work: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result; cancelled once a signal was there."""
        self._task = task = asyncio.create_task(work)
        self._loop = asyncio.get_running_loop()
        if self.received:
            task.cancel()
        try:
            return await task
        finally:
            self._loop = None

    def stop(self, number: int, _frame: FrameType | None) -> None:
        """The handler. Python runs it between two steps of the main thread: it only leaves word with the loop."""
        if self.received:
            os._exit(128 + number)
        self.received = number
        self._impatience = threading.Timer(PATIENCE_SECONDS, os._exit, (128 + number,))
        self._impatience.daemon = True
        self._impatience.start()
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)

    def calm(self) -> None:
        """The process has come back: nothing needs to end it."""
        if self._impatience is not None:
            self._impatience.cancel()
