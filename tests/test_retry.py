"""When a request is made again, with time and chance handed in: no test here waits."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections.abc import Awaitable, Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictory_archiver.errors import BrokenBody, Forbidden, HttpStatus, Unacceptable, Unreachable, WebError
from pictory_archiver.events import Event, Retrying
from pictory_archiver.retry import BUDGET_FLOOR, BUDGET_SHARE, Retrier
from pictory_archiver.settings import Retry

FINAL = [
    Unacceptable("too large"),
    Forbidden("a private address"),
    *map(HttpStatus, (204, 302, 400, 401, 403, 404, 410)),
]
PASSING = [Unreachable("cut off"), BrokenBody("no JSON"), *map(HttpStatus, (408, 429, 500, 502, 503, 504, 599))]


def named(error: WebError) -> str:
    return f"{type(error).__name__}: {error}"


class Time:
    """A clock that moves only when everybody sleeps, and then to the end of the shortest nap."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []
        self._ends: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        end = self.now + seconds
        self._ends.append(end)
        rounds = 0
        while rounds < 10 or min(self._ends) < end:  # whoever is awake does what it has to do
            rounds += 1
            await asyncio.sleep(0)
        self._ends.remove(end)
        self.now = max(self.now, end)


class Server:
    """Answers with these errors, one after the other, and then with `ok`. It notes when it was asked."""

    def __init__(self, time: Time, errors: Iterable[WebError]) -> None:
        self._time = time
        self._errors = iter(errors)
        self.asked: list[float] = []

    async def __call__(self) -> str:
        self.asked.append(self._time.now)
        error = next(self._errors, None)
        if error is not None:
            raise error
        return "ok"


class Bench:
    """A retrier with its time, its chance and what it tells."""

    def __init__(self, seed: int = 1, **policy: float) -> None:
        self.time = Time()
        self.events: list[Event] = []
        self.retrier = Retrier(
            Retry(**policy),  # type: ignore[arg-type] # a bound on whole numbers and seconds alike
            self.events.append,
            sleep=self.time.sleep,
            clock=self.time,
            rng=random.Random(seed),
        )

    def server(self, *errors: WebError) -> Server:
        return Server(self.time, errors)

    def dead(self, error: WebError) -> Server:
        return Server(self.time, itertools.repeat(error))

    async def ask(self, attempt: Callable[[], Awaitable[str]], *, host: str = "one.example") -> str:
        return await self.retrier.run(attempt, host=host, what="a page")


async def test_a_success_is_handed_on_without_a_wait() -> None:
    bench = Bench()
    server = bench.server()
    assert await bench.ask(server) == "ok"
    assert (len(server.asked), bench.time.naps, bench.events) == (1, [], [])


@pytest.mark.parametrize("error", PASSING, ids=named)
async def test_what_may_pass_is_tried_again(error: WebError) -> None:
    bench = Bench()
    server = bench.server(error, error)
    assert await bench.ask(server) == "ok"
    assert len(server.asked) == 3


@pytest.mark.parametrize("error", FINAL, ids=named)
async def test_what_will_not_pass_is_raised_at_once(error: WebError) -> None:
    bench = Bench()
    server = bench.server(error)
    with pytest.raises(WebError) as caught:
        await bench.ask(server)
    assert caught.value is error
    assert (len(server.asked), bench.time.naps) == (1, [])


async def test_an_error_of_our_own_is_never_tried_again() -> None:
    bench = Bench()
    calls = []

    async def attempt() -> str:
        calls.append(1)
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await bench.ask(attempt)
    assert len(calls) == 1


async def test_being_cancelled_is_no_reason_to_try_again() -> None:
    bench = Bench()
    calls = []

    async def attempt() -> str:
        calls.append(1)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await bench.ask(attempt)
    assert len(calls) == 1


@pytest.mark.parametrize("tries", [1, 2, 5, 20])
async def test_the_last_error_is_raised_after_so_many_tries(tries: int) -> None:
    bench = Bench(tries=tries)
    errors = [Unreachable(str(number)) for number in range(30)]
    server = bench.server(*errors)
    with pytest.raises(Unreachable) as caught:
        await bench.ask(server)
    assert caught.value is errors[tries - 1]
    assert (len(server.asked), len(bench.time.naps)) == (tries, tries - 1)


async def test_each_new_attempt_is_told_before_the_wait() -> None:
    bench = Bench()
    await bench.ask(bench.server(Unreachable("cut off"), HttpStatus(503)))
    first, second = bench.time.naps
    assert bench.events == [
        Retrying(what="a page", error="cut off", attempt=1, wait=first),
        Retrying(what="a page", error="HTTP 503", attempt=2, wait=second),
    ]


@given(
    seed=st.integers(0, 2**32),
    least=st.floats(0, 60),
    most=st.floats(0, 3600),
    tries=st.integers(2, 20),
)
def test_waits_grow_within_their_bounds(seed: int, least: float, most: float, tries: int) -> None:
    bench = Bench(seed, tries=tries, min_wait_seconds=least, max_wait_seconds=most)
    with pytest.raises(Unreachable):
        asyncio.run(bench.ask(bench.dead(Unreachable("cut off"))))
    naps = bench.time.naps
    assert len(naps) == tries - 1
    assert naps == sorted(naps)
    for number, nap in enumerate(naps, start=1):
        assert min(least, most) <= nap <= min(most, least * 2 ** (number + 1))


async def test_two_workers_do_not_march_in_step() -> None:
    naps = []
    for seed in range(20):
        bench = Bench(seed)
        await bench.ask(bench.server(Unreachable("cut off")))
        naps += bench.time.naps
    assert len(set(naps)) == len(naps)
    assert max(naps) - min(naps) > 1


# Retry-After


@pytest.mark.parametrize("status", [429, 503, 500])
@pytest.mark.parametrize("asked", [61.0, 300.0, 900.0])
async def test_a_pause_that_the_server_names_is_kept(status: int, asked: float) -> None:
    bench = Bench()
    server = bench.server(HttpStatus(status, retry_after=asked))
    assert await bench.ask(server) == "ok"
    assert server.asked == [1000.0, 1000.0 + asked]


@pytest.mark.parametrize("asked", [0.0, 0.5])
async def test_a_pause_of_no_length_does_not_make_the_wait_shorter(asked: float) -> None:
    bench = Bench()
    with pytest.raises(HttpStatus):
        await bench.ask(bench.dead(HttpStatus(429, retry_after=asked)))
    assert len(bench.time.naps) == 4
    assert all(nap >= 1.0 for nap in bench.time.naps)


@pytest.mark.parametrize("error", [HttpStatus(429, retry_after=900.5), HttpStatus(503, retry_after=1e12)], ids=named)
async def test_a_pause_that_is_too_long_ends_it(error: HttpStatus) -> None:
    bench = Bench()
    server = bench.server(error)
    with pytest.raises(HttpStatus) as caught:
        await bench.ask(server)
    assert caught.value is error
    assert (len(server.asked), bench.time.naps) == (1, [])


async def test_a_long_pause_leaves_no_trace_in_the_waits_after_it() -> None:
    bench = Bench(max_wait_seconds=60.0)
    await bench.ask(bench.server(HttpStatus(503, retry_after=800.0), HttpStatus(500), HttpStatus(500)))
    assert bench.time.naps == [800.0, 60.0, 60.0]


# The pause of a host


@pytest.mark.parametrize("status", [429, 503])
async def test_a_named_pause_holds_for_everybody_who_talks_to_that_host(status: int) -> None:
    bench = Bench()
    limited, neighbour, stranger = bench.server(HttpStatus(status, retry_after=120.0)), bench.server(), bench.server()

    async def late(server: Server, host: str) -> str:
        await asyncio.sleep(0)  # the first answer is there by now
        return await bench.ask(server, host=host)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.ask(limited))
        tasks.create_task(late(neighbour, "one.example"))
        tasks.create_task(late(stranger, "two.example"))
    assert limited.asked == [1000.0, 1120.0]
    assert neighbour.asked == [1120.0]
    assert stranger.asked == [1000.0]


async def test_too_many_requests_pauses_the_host_also_without_a_named_pause() -> None:
    bench = Bench()
    limited, neighbour = bench.server(HttpStatus(429)), bench.server()

    async def late() -> str:
        await asyncio.sleep(0)
        return await bench.ask(neighbour)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.ask(limited))
        tasks.create_task(late())
    assert neighbour.asked[0] >= 1001.0


async def test_trouble_without_a_named_pause_is_no_matter_for_others() -> None:
    bench = Bench()
    broken, neighbour = bench.server(HttpStatus(500)), bench.server()

    async def late() -> str:
        await asyncio.sleep(0)
        return await bench.ask(neighbour)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.ask(broken))
        tasks.create_task(late())
    assert neighbour.asked == [1000.0]


async def test_the_pause_of_a_host_holds_where_nobody_tries_again() -> None:
    bench = Bench(tries=1)
    with pytest.raises(HttpStatus):
        await bench.ask(bench.server(HttpStatus(429, retry_after=120.0)))
    neighbour = bench.server()
    await bench.ask(neighbour)
    assert neighbour.asked == [1120.0]


async def test_a_pause_named_with_a_final_answer_is_no_matter_for_others() -> None:
    bench = Bench()
    with pytest.raises(HttpStatus):
        await bench.ask(bench.server(HttpStatus(404, retry_after=120.0)))
    neighbour = bench.server()
    await bench.ask(neighbour)
    assert neighbour.asked == [1000.0]


async def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    bench = Bench(tries=1)

    async def under_way() -> str:
        with pytest.raises(HttpStatus):  # meanwhile somebody else is told more
            await bench.ask(bench.server(HttpStatus(429, retry_after=300.0)))
        raise HttpStatus(429, retry_after=2.0)

    with pytest.raises(HttpStatus):
        await bench.ask(under_way)
    neighbour = bench.server()
    await bench.ask(neighbour)
    assert neighbour.asked == [1300.0]


async def test_nobody_waits_for_a_pause_that_is_too_long() -> None:
    bench = Bench()
    with pytest.raises(HttpStatus):
        await bench.ask(bench.server(HttpStatus(429, retry_after=86_400.0)))
    neighbour = bench.server()
    await bench.ask(neighbour)
    assert neighbour.asked == [1000.0]


# The budget


@settings(max_examples=25)
@given(requests=st.integers(1, 600), seed=st.integers(0, 2**16))
def test_all_retries_of_a_run_share_one_budget(requests: int, seed: int) -> None:
    bench = Bench(seed)
    server = bench.dead(Unreachable("dead"))

    async def run() -> None:
        for _ in range(requests):
            with pytest.raises(Unreachable):
                await bench.ask(server)

    asyncio.run(run())
    retries = len(server.asked) - requests
    assert retries == min(4 * requests, max(BUDGET_FLOOR, math.ceil(BUDGET_SHARE * requests)))


async def test_workers_side_by_side_do_not_overdraw_the_budget() -> None:
    bench = Bench()
    server = bench.dead(Unreachable("dead"))
    outcomes = await asyncio.gather(*(bench.ask(server) for _ in range(100)), return_exceptions=True)
    assert all(isinstance(outcome, Unreachable) for outcome in outcomes)
    assert len(server.asked) == 100 + BUDGET_FLOOR


async def test_successes_earn_retries() -> None:
    bench = Bench()
    for _ in range(1000):
        await bench.ask(bench.server())
    dead = bench.dead(Unreachable("dead"))
    for _ in range(100):
        with pytest.raises(Unreachable):
            await bench.ask(dead)
    assert len(dead.asked) == 100 + 110
