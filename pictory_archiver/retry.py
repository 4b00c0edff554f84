"""When a request is made again: the one owner of retries.

Rules: at most `tries` attempts for errors that say they are retryable; the n-th wait is drawn between the wait
before it and a ceiling that doubles, so waits grow and no two workers march in step; a server's Retry-After makes
the wait longer, never shorter, up to a limit beyond which the error stands. A host that answered 429, or named a
pause, is left alone by everybody until the pause is over, also where the attempt was the last. All retries of a run
share one budget, so that a dead service is not hammered.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState
from tenacity.retry import retry_base
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from .errors import HttpStatus, WebError
from .events import Event, Observer, Retrying
from .settings import Retry

T = TypeVar("T")

BUDGET_FLOOR = 20
BUDGET_SHARE = 0.10
TOO_MANY_REQUESTS = 429


class Retrier:
    """Makes attempts on behalf of a run. `sleep`, `clock` (seconds, monotonic) and `rng` can be handed in."""

    def __init__(
        self,
        policy: Retry,
        observer: Observer,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self._policy = policy
        self._observer = observer
        self._sleep = sleep
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._requests = 0
        self._retries = 0
        self._paused_until: dict[str, float] = {}

    async def run(self, attempt: Callable[[], Awaitable[T]], *, host: str, what: str) -> T:
        """The result of the first attempt that succeeds. Raises the last attempt's `WebError`.

        `host` is the one that a 429 pauses for every caller; `what` names the request for a person.
        """
        self._requests += 1

        async def when_allowed() -> T:
            await self.wait_for(host)
            try:
                return await attempt()
            except WebError as error:
                if error.retryable and not self._asks_too_much(error):
                    self._pause(host, error.retry_after or 0.0)
                raise

        try:
            return await when_allowed()
        except WebError as error:
            failed = [error]

        async def from_the_first_on() -> T:
            """The attempts as tenacity counts them; it is called in where the first one, made above, has failed."""
            if failed:
                raise failed.pop()
            return await when_allowed()

        retrying = AsyncRetrying(
            sleep=self._sleep,
            retry=_Worthwhile(self),
            stop=_TriedOut(self._policy.tries),
            wait=_GrowingWait(self._policy, self._rng),
            before_sleep=lambda state: self._before_sleep(state, host, what),
            reraise=True,
        )
        return await retrying(from_the_first_on)

    async def wait_for(self, host: str) -> None:
        """Waits until the host may be asked. Attempts are begun behind it; one that waits for its turn after that asks
        once more, for the host may have been paused meanwhile."""
        while (left := self._paused_until.get(host, 0.0) - self._clock()) > 0:
            await self._sleep(left)

    def may_retry(self, error: WebError) -> bool:
        """Whether this error is worth another attempt, and the run's budget still has one."""
        if not error.retryable or self._asks_too_much(error):
            return False
        return self._retries < max(BUDGET_FLOOR, BUDGET_SHARE * self._requests)

    def _before_sleep(self, state: RetryCallState, host: str, what: str) -> None:
        self._retries += 1
        error = _error_of(state)
        wait = state.upcoming_sleep
        if isinstance(error, HttpStatus) and error.status == TOO_MANY_REQUESTS:
            self._pause(host, wait)
        event: Event = Retrying(what=what, error=str(error), attempt=state.attempt_number, wait=wait)
        self._observer(event)

    def _asks_too_much(self, error: WebError) -> bool:
        return (error.retry_after or 0.0) > self._policy.max_retry_after_seconds

    def _pause(self, host: str, seconds: float) -> None:
        self._paused_until[host] = max(self._paused_until.get(host, 0.0), self._clock() + seconds)


def _error_of(state: RetryCallState) -> WebError:
    outcome = state.outcome
    error = outcome.exception() if outcome else None
    if not isinstance(error, WebError):
        raise TypeError("only a failed request is retried")
    return error


class _Worthwhile(retry_base):
    def __init__(self, owner: Retrier) -> None:
        self._owner = owner

    def __call__(self, retry_state: RetryCallState) -> bool:
        outcome = retry_state.outcome
        error = outcome.exception() if outcome else None
        return isinstance(error, WebError) and self._owner.may_retry(error)


class _TriedOut(stop_base):
    def __init__(self, tries: int) -> None:
        self._tries = tries

    def __call__(self, retry_state: RetryCallState) -> bool:
        return retry_state.attempt_number >= self._tries


class _GrowingWait(wait_base):
    def __init__(self, policy: Retry, rng: random.Random) -> None:
        self._policy = policy
        self._rng = rng

    def __call__(self, retry_state: RetryCallState) -> float:
        asked = _error_of(retry_state).retry_after or 0.0
        floor = max(self._policy.min_wait_seconds, retry_state.upcoming_sleep)
        ceiling = self._policy.min_wait_seconds * 2.0 ** (retry_state.attempt_number + 1)
        drawn = self._rng.uniform(floor, max(floor, ceiling))
        return max(asked, min(drawn, self._policy.max_wait_seconds))
