"""Runs a coroutine to its end, or until a signal asks for it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from .errors import Stopped

PATIENCE_SECONDS = 8.0

T = TypeVar("T")


def run_until_signal(work: Coroutine[Any, Any, T]) -> T:
    """The result of the coroutine. SIGINT and SIGTERM cancel it and raise `Stopped`.

    The process ends at once with a second signal, and some seconds after the first where a disk or a resolver of
    names does not come back. Both are as safe as a kill.
    """

    async def main() -> T:
        task = asyncio.ensure_future(work)
        received: list[int] = []

        def stop(number: int) -> None:
            if received:
                os._exit(128 + number)
            received.append(number)
            task.cancel()
            loop.call_later(PATIENCE_SECONDS, os._exit, 128 + number)

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, stop, int(number))
            except NotImplementedError:  # Windows
                signal.signal(number, lambda number, _: loop.call_soon_threadsafe(stop, number))
        try:
            return await task
        except asyncio.CancelledError:
            if received:
                raise Stopped(received[0]) from None
            raise

    return asyncio.run(main())
