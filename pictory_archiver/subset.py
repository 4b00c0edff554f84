"""A part of the videos that is another one on another day, so that a regular job reads all of them in time. Pure.

The videos fall into slices by a digest of their id. The day says which slice is read. Each month moves on by 31 slices
and each day by one, so a job on the same day of every month, and one on every day, both come to each slice: the number
of slices is never a multiple of 31. The day is a local one, as schedulers have it: in UTC, the first of the month can
be the last day of another one, now the 28th and now the 31st.
"""

from __future__ import annotations

import hashlib
from datetime import date
from math import ceil

from msgspec import Struct

MOST_SLICES = 1000
_STEP = 31


class Subset(Struct, frozen=True):
    """Slice `number` (from 1) of so many `slices`."""

    number: int = 1
    slices: int = 1

    def holds(self, video_id: str) -> bool:
        """Whether a video belongs to this slice."""
        if self.slices == 1:
            return True
        digest = hashlib.sha256(video_id.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8]) % self.slices == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.slices}"

    @classmethod
    def parse(cls, text: str) -> Subset:
        """The slice that is written like this. Raises `ValueError`."""
        number, _, slices = text.partition("/")
        subset = cls(int(number), int(slices))
        if not 1 <= subset.number <= subset.slices:
            raise ValueError(f"{text} is no slice")
        return subset


EVERYTHING = Subset()


def subset_of(percent: float, day: date) -> Subset:
    """The slice of a local day, of at most so many percent of the videos (above 0)."""
    slices = min(max(ceil(100 / percent), 1), MOST_SLICES)
    if slices % _STEP == 0:
        slices += 1
    position = _STEP * (12 * day.year + day.month) + day.day
    return Subset(position % slices + 1, slices)
