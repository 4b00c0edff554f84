"""An edition of the offline library: which videos each of its chunks holds, and what the chunks are called. Pure.

A chunk holds the videos of one month, at most 400, counted from the oldest: videos that are added at the newest end
leave all chunks but the last one as they are. The name of a chunk follows from all that is in it, so that a chunk of
that name need not be written again, and no page can meet a chunk of another edition under the name that it knows.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from itertools import groupby

from msgspec import Struct, structs

from .chains import Chains
from .layout import zone_of
from .models import Place

DATA_VERSION = 1
"""Of what is in a chunk, given the same videos. Another one, and every chunk is written anew."""

VIDEOS_PER_CHUNK = 400
UNDATED = "undated"
CHUNK_NAME = re.compile(r"(?:cards|details)\.(?:\d{4,5}-\d\d|undated)\.\d{2,6}\.[0-9a-f]{32}\.js", re.ASCII)


class Stamp(Struct, frozen=True):
    """By what a video is told to be as it was: `state` is another one where anything in its sidecar is. `created` is
    ISO 8601, UTC; empty where there is no date."""

    id: str
    created: str
    place: Place
    state: str


class Chunk(Struct, frozen=True):
    """A part of an edition. `days` are the dates of its videos in the archive's time zone ("" for none), newest first,
    each with how many they are; `ids` are the videos in this order."""

    cards: str
    details: str
    days: tuple[tuple[str, int], ...]
    ids: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, str]:
        """The names of its files."""
        return self.cards, self.details

    @property
    def count(self) -> int:
        """How many videos it holds."""
        return sum(number for _, number in self.days)


class Edition(Struct, frozen=True):
    """The chunks, newest first, and what is the same for the same chunks: their digest. With the same `basis` all would
    be the same."""

    chunks: tuple[Chunk, ...]
    digest: str
    basis: str = ""

    def without_ids(self) -> Edition:
        """The same as it is written down: names, days and the digest."""
        return structs.replace(self, chunks=tuple(structs.replace(chunk, ids=()) for chunk in self.chunks))

    def chunk(self, name: str) -> Chunk | None:
        """The chunk that has a file of this name."""
        return next((chunk for chunk in self.chunks if name in chunk.files), None)


def basis_of(state: int, time_zone: str) -> str:
    """What an edition is drawn up from, in short: the state of a catalogue, and the rules."""
    return f"{state} {DATA_VERSION} {VIDEOS_PER_CHUNK} {time_zone}"


def draw_up(
    stamps: Iterable[Stamp],
    chains: Chains,
    linked: Mapping[str, Sequence[str]],
    time_zone: str,
    *,
    find: Callable[[Sequence[str]], Iterable[Stamp]],
    is_settled: Callable[[Chunk], bool] = lambda _: False,
) -> Edition:
    """The edition of these videos, which come with the oldest first. It holds few of them at a time.

    `linked` names by id the videos whose files a video shows as its inputs; `find` gives the stamps of those. Each
    chunk is told to `is_settled`, the oldest first: where nobody has to write it any more, its ids are not kept.
    """
    dated: list[Chunk] = []
    undated: list[Chunk] = []
    numbers: Counter[str] = Counter()
    for month, part in _parts(stamps, zone_of(time_zone)):
        numbers[month] += 1
        others = sorted({other for _, stamp in part for other in linked.get(stamp.id, ())})
        by_id = {stamp.id: stamp for stamp in find(others)} if others else {}
        chunk = _chunk(month, numbers[month], part, _inputs(part, by_id, chains, linked))
        (undated if month == UNDATED else dated).append(structs.replace(chunk, ids=()) if is_settled(chunk) else chunk)
    chunks = (*reversed(dated), *reversed(undated))
    digest = hashlib.blake2b(" ".join(chunk.cards for chunk in chunks).encode(), digest_size=16)
    return Edition(chunks, digest.hexdigest())


def _parts(stamps: Iterable[Stamp], zone: tzinfo) -> Iterator[tuple[str, list[tuple[str, Stamp]]]]:
    """The videos of each chunk with their dates, the newest first, under the month of the chunk."""
    open_parts: dict[str, list[tuple[str, Stamp]]] = {}
    latest = ""
    for stamp in stamps:
        day = _day(stamp, zone)
        if day[:7] > latest:  # never less, but for a minute of a night in which the clocks are set back over midnight
            if latest in open_parts:
                yield latest, _newest_first(open_parts.pop(latest))
            latest = day[:7]
        month = latest if day else UNDATED
        open_parts.setdefault(month, []).append((day, stamp))
        if len(open_parts[month]) == VIDEOS_PER_CHUNK:
            yield month, _newest_first(open_parts.pop(month))
    for month, part in open_parts.items():
        yield month, _newest_first(part)


def _newest_first(part: list[tuple[str, Stamp]]) -> list[tuple[str, Stamp]]:
    return sorted(part, key=lambda each: (each[0], each[1].created, each[1].id), reverse=True)


def _chunk(month: str, number: int, part: list[tuple[str, Stamp]], inputs: Iterator[bytes]) -> Chunk:
    digest = hashlib.blake2b(str(DATA_VERSION).encode(), digest_size=16)
    for each in inputs:
        digest.update(each)
    name = f"{month}.{number:02}.{digest.hexdigest()}.js"
    days = tuple((day, sum(1 for _ in group)) for day, group in groupby(part, key=lambda each: each[0]))
    return Chunk(f"cards.{name}", f"details.{name}", days, tuple(stamp.id for _, stamp in part))


def _inputs(
    part: list[tuple[str, Stamp]], by_id: Mapping[str, Stamp], chains: Chains, linked: Mapping[str, Sequence[str]]
) -> Iterator[bytes]:
    """All that the content of a chunk follows from."""
    for day, stamp in part:
        yield f"{day}\0".encode()
        yield _bytes_of(stamp)
        yield repr((chains.through(stamp.id), chains.continued_by(stamp.id))).encode()
        for other in linked.get(stamp.id, ()):
            yield _bytes_of(by_id[other]) if other in by_id else b"\0"


def _bytes_of(stamp: Stamp) -> bytes:
    return repr((stamp.id, stamp.created, stamp.place.folder, stamp.place.stem, stamp.state)).encode()


def _day(stamp: Stamp, zone: tzinfo) -> str:
    """The date of a video in the zone; empty without one, and where the calendar of the zone ends before it."""
    if not stamp.created:
        return ""
    try:
        return datetime.fromisoformat(stamp.created).astimezone(zone).date().isoformat()
    except OverflowError:
        return ""
