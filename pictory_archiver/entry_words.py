"""A video in words: as a row of a list. Pure; every text of upstream is made harmless."""

from __future__ import annotations

from datetime import datetime, tzinfo

from .entry import Entry, Standing
from .report import duration, size
from .table import Column
from .text import printable

MARKS = {Standing.COMPLETE: "✓", Standing.INCOMPLETE: "!", Standing.PENDING: "…"}
GONE = "†"
LEGEND = "✓ complete, ! incomplete, … in the making, † gone upstream"
DATE = "%Y-%m-%d %H:%M"

COLUMNS = (
    Column("DATE"),
    Column("LENGTH", is_right=True),
    Column("SIZE", is_right=True),
    Column("MODEL", limit=16),
    Column("RATIO", limit=7),
    Column(""),
    Column("ID", limit=34),
    Column("PROMPT"),
)
ID = 6
"""Which of the columns that is."""

LONGEST = 100_000
"""More characters of a prompt than Pictory takes."""


def row(entry: Entry, zone: tzinfo, short_id: str) -> list[str]:
    """The cells of a list in a terminal."""
    mark = MARKS[entry.status] + (GONE if entry.gone_upstream else "")
    return [*_facts(entry, zone), mark, printable(short_id), printable(entry.prompt, 1000)]


def full_row(entry: Entry, zone: tzinfo) -> list[str]:
    """The cells of a list for other programs: nothing is cut off, and no cell holds a tab."""
    status = str(entry.status) + (", gone" if entry.gone_upstream else "")
    return [*_facts(entry, zone), status, printable(entry.id, LONGEST), printable(entry.prompt, LONGEST)]


def _facts(entry: Entry, zone: tzinfo) -> list[str]:
    made = in_zone(made_at(entry), zone)
    return [
        f"{made:{DATE}}" if made else "undated",
        length(entry.duration_seconds),
        size(entry.bytes) if entry.bytes else "-",
        printable(entry.model) or "-",
        printable(entry.aspect_ratio) or "-",
    ]


def made_at(entry: Entry) -> datetime | None:
    """When a video was made."""
    return None if entry.created_at is None else datetime.fromisoformat(entry.created_at)


def length(seconds: float | None) -> str:
    """How long a video is: `8 s`, `2 min 05 s`, `-` where that is not known."""
    if seconds is None:
        return "-"
    return f"{round(seconds, 1):g} s" if seconds < 60 else duration(seconds)


def in_zone(moment: datetime | None, zone: tzinfo) -> datetime | None:
    """A time in a time zone; in its own where it would fall out of the calendar."""
    try:
        return moment and moment.astimezone(zone)
    except OverflowError:
        return moment
