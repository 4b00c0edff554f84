"""When a file that could not be had is tried again. Pure.

A file counts as tried once a day at most: runs that follow each other within a day all try it, and count as one. After
that come pauses, since what is lost for good costs a request each time: 1 day, 7 days, 30 days. After five counted
tries a file is `rejected`, and due no more (`sync --full` still tries it). What was never tried is always due.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct

PAUSES = (timedelta(), timedelta(days=1), timedelta(days=7), timedelta(days=30))
MOST_TRIES = len(PAUSES) + 1
SLACK = timedelta(hours=4)
"""A nightly run does not begin at the same second each night."""

DAY = timedelta(days=1)


class Tries(Struct, frozen=True):
    """The tries for one file. `counted` of them, the last one at `last` (UTC), in `run`; `signed`: its URL carries a
    signature, so that only a fresh listing gives one that works."""

    counted: int = 0
    last: datetime | None = None
    run: int = 0
    signed: bool = False

    @property
    def due(self) -> datetime | None:
        """When it is to be tried again; None: at once."""
        if self.last is None or self.counted <= 1:
            return None
        return self.last + PAUSES[min(self.counted, len(PAUSES)) - 1] - SLACK

    def is_due(self, now: datetime) -> bool:
        """Whether a run tries it. A last try that lies ahead of the clock says nothing."""
        return self.due is None or self.last is None or not self.last <= now < self.due

    def failed(self, now: datetime, run: int) -> Tries:
        """After another try that failed, in this run."""
        new = self.last is None or now - self.last >= DAY - SLACK
        return Tries(self.counted + new, now if new or self.last is None else min(now, self.last), run, self.signed)

    @property
    def are_over(self) -> bool:
        """Whether it is given up."""
        return self.counted >= MOST_TRIES
