"""Videos for other programs: one format each, written video by video. Pure."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import tzinfo
from pathlib import Path

import msgspec
from msgspec import Struct

from . import playlist, spreadsheet
from .entry import Entry
from .report import count
from .text import harmless_json

NOT_HELD = "not held"
NOT_NAMED = "no line of a playlist can hold the path"
NO_PROMPT = "no prompt"


class Format(Struct, frozen=True):
    """A format: what it begins with, and what a video is in it; a text in its place says why it is left out."""

    line: Callable[[Entry], bytes | str]
    header: bytes = b""


class Written:
    """What was written: how many videos, and how many were left out, by why."""

    def __init__(self) -> None:
        self.videos = 0
        self.left_out: Counter[str] = Counter()

    def data(self, form: Format, entries: Iterable[Entry]) -> Iterator[bytes]:
        """The bytes of videos, as they come; what the format begins with comes with the first of them."""
        header = form.header
        for entry in entries:
            line = form.line(entry)
            if isinstance(line, str):
                self.left_out[line] += 1
            else:
                self.videos += 1
                yield header + line
                header = b""
        yield header

    def words(self) -> Iterator[str]:
        """What was left out, for a person."""
        for why, number in sorted(self.left_out.items()):
            yield f"{count(number, 'video')} left out: {why}"


def csv(zone: tzinfo) -> Format:
    """A table for spreadsheets, with local times of this time zone."""
    return Format(lambda entry: spreadsheet.line(entry, zone), spreadsheet.header())


def jsonl() -> Format:
    """A line of JSON for each video."""
    return Format(_json)


def m3u(root: Path, folder: Path | None) -> Format:
    """A playlist of what the archive in `root` holds, for a file in this folder; None: for one in `root`."""
    prefix = _way(folder or root, root)

    def line(entry: Entry) -> bytes | str:
        if entry.path is None:
            return NOT_HELD
        return playlist.lines(entry, prefix) or NOT_NAMED

    return Format(line, playlist.HEADER)


def requests() -> Format:
    """The body of a request for each video, that would generate it again."""
    return Format(lambda entry: NO_PROMPT if entry.request is None else _json(entry.request))


def _json(record: object) -> bytes:
    return harmless_json(msgspec.json.encode(record).decode()).encode() + b"\n"


def _way(start: Path, root: Path) -> str:
    """What leads from a folder to the files of an archive, ending in `/`; empty where that is the archive's own."""
    try:
        way = os.path.relpath(root, start)
    except ValueError:  # another drive of Windows
        way = str(root)
    return "" if way == os.curdir else f"{way.replace(os.sep, '/')}/"
