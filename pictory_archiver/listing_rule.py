"""When a listing has to go to its end, when it may stop before, and when it is not believed. Pure.

docs/listing.md states the rule as an invariant and says why it holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from msgspec import Struct

from .plan import LOOK_BACK

FULL_EVERY = timedelta(days=7)
SLACK = timedelta(hours=12)
"""A full listing is made early rather than late: the next nightly run may be a little more than a day away."""

MOST_DUE = 10_000
FEW_HELD = 10


class Past(Struct, frozen=True):
    """What the earlier sound listings of an archive tell. Times are UTC.

    `last` is the start of the newest one, `last_full` that of the newest full one, of its first part;
    `odd_items` says that items could not be read since then.
    """

    last: datetime | None = None
    last_full: datetime | None = None
    odd_items: bool = False


class Sight(Struct, frozen=True):
    """What counts of a listed video: whether an earlier sound listing held it, and when it was made."""

    is_confirmed: bool
    created: datetime | None


def why_full(past: Past, now: datetime, *, asked: bool, due: int) -> str | None:
    """Why a listing has to reach its last page; None: it need not. `due` counts the videos that wait for a listing."""
    if asked:
        return "asked for"
    if past.last is None or past.last_full is None:
        return "no listing is known to have reached its end"
    if past.last > now or past.last_full > now:
        return "the clock went back"
    if now - past.last_full >= FULL_EVERY - SLACK:
        return "the last full one is a week old"
    if past.odd_items:
        return "an item could not be read"
    if due > MOST_DUE:
        return "many videos wait for fresh links"
    return None


def may_resume(began: datetime, now: datetime) -> bool:
    """Whether a full listing that an earlier run began is worth its other part: it is to say what is listed now."""
    return timedelta() <= now - began < FULL_EVERY


def horizon(started: datetime) -> datetime:
    """A video that was made before this and was not in the listing that started then does not turn up any more, unless
    its job took longer than the look-back."""
    return started - LOOK_BACK


def may_stop(page: Collection[Sight], before: datetime, *, odd_items: bool, due: Iterable[str]) -> bool:
    """Whether nothing new can come behind this page: it has a video, it has none but such that a sound listing held
    and that were made before the horizon, and no video that is due lies behind it."""
    return (
        bool(page)
        and not odd_items
        and not any(True for _ in due)
        and all(sight.is_confirmed and sight.created is not None and sight.created < before for sight in page)
    )


def doubt(*, held: int, lacking: int, listed: int) -> str | None:
    """Why a full listing is not believed; None: it is. `held` videos were listed before, it lacks some of them."""
    if held and not listed:
        return f"the account lists no videos, but this archive holds {_videos(held)}"
    if held >= FEW_HELD and lacking * 2 > held:
        return f"the listing lacks {lacking:,} of the {_videos(held)} of this archive"
    return None


def _videos(number: int) -> str:
    return f"{number:,} video" + ("" if number == 1 else "s")
