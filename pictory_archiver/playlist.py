"""Videos as a playlist: extended M3U in UTF-8, with plain paths, as every player reads it. Pure."""

from __future__ import annotations

import re

from .entry import Entry
from .text import printable

HEADER = b"#EXTM3U\n#EXTENC:UTF-8\n"
TITLE = 120

_BREAKS = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]")
_ORDINARY = re.compile(r"(?:[A-Za-z0-9_./][^:/]*|)/|[A-Za-z]:/")
"""How a path begins that is taken for one: not for a comment (`#`), an option, or the scheme of a URL."""


def lines(entry: Entry, prefix: str) -> bytes | None:
    """The two lines of a video, whose path goes behind a prefix; None where no line can name it."""
    path = f"{prefix}{entry.path}"
    if entry.path is None or _BREAKS.search(path):
        return None
    if not _ORDINARY.match(path):
        path = f"./{path}"
    seconds = -1 if entry.duration_seconds is None else max(round(entry.duration_seconds), 1)
    title = printable(" ".join(entry.prompt.split()), TITLE) or printable(entry.id, TITLE)
    return f"#EXTINF:{seconds},{title}\n{path}\n".encode("utf-8", "surrogateescape")
