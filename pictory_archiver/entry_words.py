"""A video in words: as a row of a list, and all that is known of it. Pure; every text of upstream is made harmless."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo

import msgspec

from .entry import Entry, EntryFile, Standing
from .models import INPUTS, OUTPUTS, Status
from .report import count, duration, size
from .table import Column
from .text import harmless_json, printable

MARKS = {Standing.COMPLETE: "✓", Standing.INCOMPLETE: "!", Standing.PENDING: "…"}
GONE = "†"
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

TITLE = 16
"""Columns of the titles of what is known of a video."""

SHOWN_PARTS = 40


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


def portrait(entry: Entry, parts: Mapping[str, Entry], rates: Mapping[str, float], zone: tzinfo) -> Iterator[str]:
    """All that is known of a video, for a person. `parts` are the `shown_parts`, as far as the archive has them."""
    yield printable(entry.id, LONGEST)
    if entry.prompt:
        yield ""
        yield from (f"  {printable(line, LONGEST)}".rstrip() for line in entry.prompt.splitlines())
    yield ""
    yield from (f"{title:{TITLE}}{words}" for title, words in _told(entry, rates, zone))
    yield from _film(entry, parts, zone)
    yield from _files(entry)
    if entry.request is not None:
        yield ""
        yield "The request that would generate it again"
        yield f"  {harmless_json(msgspec.json.encode(entry.request).decode())}"


def _told(entry: Entry, rates: Mapping[str, float], zone: tzinfo) -> Iterator[tuple[str, str]]:
    made = in_zone(made_at(entry), zone)
    yield "Made", f"{made:%Y-%m-%d %H:%M:%S} ({made.tzinfo})" if made else "not known when"
    yield "Model", printable(entry.model) or "not known"
    pixels = f"{entry.width} × {entry.height}" if entry.width and entry.height else ""
    yield "Picture", ", ".join(filter(None, (pixels, printable(entry.aspect_ratio)))) or "not known"
    yield "Length", "not known" if entry.duration_seconds is None else length(entry.duration_seconds)
    yield "Credits", _credits(entry, rates)
    yield "Account", printable(entry.account)
    yield "Status", _status(entry)
    if entry.accepted:
        yield "Accepted", f"the loss of {printable(', '.join(entry.accepted))}"
    if entry.gone_upstream:
        yield "Upstream", f"gone since {printable(entry.gone_upstream)}: the archive keeps what it has"
    if entry.archived_at:
        yield "Archived", printable(entry.archived_at)
    if entry.sidecar:
        yield "Sidecar", printable(entry.sidecar, LONGEST)


def _status(entry: Entry) -> str:
    lacking = [file for file in entry.files if file.status not in (Status.STORED, Status.LINKED, Status.SKIPPED)]
    if entry.status is Standing.PENDING:
        return "in the making: the list has no address of the video yet"
    names = ", ".join(str(file.slot) for file in lacking)
    return str(entry.status) + (f", without {names}" if names else "")


def _credits(entry: Entry, rates: Mapping[str, float]) -> str:
    rate = rate_of(entry.model, rates)
    if rate is None:
        return "not known: the setting stats.credits_per_second has no rate for its model"
    if entry.duration_seconds is None:
        return "not known"
    return f"about {entry.duration_seconds * rate:,.1f}: an estimate, at {rate:g} a second"


def rate_of(model: str, rates: Mapping[str, float]) -> float | None:
    """The credits that a model takes a second; capitals do not matter."""
    return next((rate for name, rate in rates.items() if name.casefold() == model.casefold()), None)


def shown_parts(entry: Entry) -> tuple[int, tuple[str, ...]]:
    """Those parts of its film that are told of a video: how many come before them, and their ids."""
    if not entry.chain:
        return 0, ()
    own = entry.chain.index(entry.id)
    first = max(0, min(own - SHOWN_PARTS // 2, len(entry.chain) - SHOWN_PARTS))
    return first, entry.chain[first : first + SHOWN_PARTS]


def _film(entry: Entry, parts: Mapping[str, Entry], zone: tzinfo) -> Iterator[str]:
    if not entry.chain:
        return
    yield ""
    own = entry.chain.index(entry.id)
    yield f"Part {own + 1:,} of {len(entry.chain):,} of a film"
    first, shown = shown_parts(entry)
    if first:
        yield f"    … {first:,} before"
    for number, part in enumerate(shown, start=first + 1):
        made = in_zone(made_at(parts[part]), zone) if part in parts else None
        words = ("undated" if made is None else f"{made:{DATE}}") if part in parts else "not in this archive"
        yield f"  {'>' if part == entry.id else ' '} {number:<4}{printable(part, LONGEST)}  {words}"
    if left := len(entry.chain) - first - len(shown):
        yield f"    … {left:,} more"
    others = [each for each in entry.continued_by if each not in entry.chain[own + 1 : own + 2]]
    if others:
        yield f"Continued by {count(len(others), 'other video')}, too"
        yield from (f"      {printable(each, LONGEST)}" for each in others[:SHOWN_PARTS])
        if others[SHOWN_PARTS:]:
            yield f"    … {len(others) - SHOWN_PARTS:,} more"


def _files(entry: Entry) -> Iterator[str]:
    for title, kinds in (("Files", OUTPUTS), ("Made from", INPUTS)):
        files = [file for file in entry.files if file.kind in kinds]
        if files:
            yield ""
            yield title
            yield from (line for file in files for line in _file(file))


def _file(file: EntryFile) -> Iterator[str]:
    name = f"  {file.slot!s:{TITLE - 2}}"
    if file.status is Status.LINKED:
        where = printable(file.path, LONGEST) if file.path else "not held there"
        yield f"{name}{where}"
        yield f"{'':{TITLE}}the {file.asset} of {printable(file.video_id or '', LONGEST)}"
    elif file.path:
        yield f"{name}{printable(file.path, LONGEST)}"
        yield f"{'':{TITLE}}{file.bytes or 0:,} bytes  SHA-256 {printable(file.sha256 or 'not known')}"
    else:
        yield f"{name}{file.status}" + (f": {printable(file.error, 500)}" if file.error else "")
        if file.url:
            yield f"{'':{TITLE}}{printable(file.url, 2000)}"
