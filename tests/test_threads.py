"""Hops to threads: what a step gives or raises arrives where it is waited for, and nobody leaves before it ended."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from pictory_archiver.threads import Threads


@pytest.fixture
def threads() -> Iterator[Threads]:
    with closing(Threads(3, "test")) as made:
        yield made


def doubled(number: int) -> int:
    """Fails for each seventh."""
    if number % 7 == 0:
        raise ValueError(number)
    return 2 * number


async def test_each_step_gives_what_it_gave_however_many_end_together(threads: Threads) -> None:
    found = await asyncio.gather(*(threads.hop(doubled, number) for number in range(2000)), return_exceptions=True)
    for number, each in enumerate(found):
        assert each == 2 * number or (isinstance(each, ValueError) and each.args == (number,) and number % 7 == 0)


async def test_not_more_steps_run_at_once_than_there_are_threads(threads: Threads) -> None:
    at_work, most = 0, 0
    lock, all_there = threading.Lock(), threading.Barrier(3)

    def step() -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        all_there.wait()
        with lock:
            at_work -= 1

    await asyncio.gather(*(threads.hop(step) for _ in range(30)))
    assert most == 3


@pytest.mark.parametrize("fails", [False, True])
async def test_who_is_cancelled_leaves_once_the_step_has_ended(threads: Threads, *, fails: bool) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def step() -> None:
        begun.set()
        may_end.wait()
        ended.set()
        if fails:
            raise OSError

    hopping = asyncio.create_task(threads.hop(step))
    await threads.hop(begun.wait)
    for _ in range(3):
        hopping.cancel()
        await asyncio.sleep(0.01)
        assert not hopping.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await hopping
    assert ended.is_set()
    del hopping
    gc.collect()
    assert not told


async def test_several_may_wait_for_one_step(threads: Threads) -> None:
    async def wait_for(step: asyncio.Future[bool]) -> bool:
        return await step

    may_end = threading.Event()
    step = threads.start(may_end.wait)
    first, second = asyncio.create_task(wait_for(step)), asyncio.create_task(wait_for(step))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second
    assert await step
