"""Videos as a table for spreadsheets: CSV in UTF-8 with a byte order mark, lines that end in CRLF. Pure.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and a formula can send away what is in
the others. The texts are upstream's, so an apostrophe goes before every such beginning: also one behind blanks or in a
full-width form, and behind a line break, a tab or a semicolon within a cell, for a spreadsheet that was told of other
separators begins a cell there.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from datetime import tzinfo
from types import SimpleNamespace

from .entry import Entry
from .entry_words import in_zone, made_at
from .models import Kind, Status
from .text import harmless

FORMULA = frozenset("=+-@")
SEPARATORS = re.compile("([;\t\r\n])")

COLUMNS = (
    *("id", "made", "created_at", "prompt", "model", "aspect_ratio", "width", "height", "duration_seconds", "status"),
    *("not_held", "gone_upstream", "bytes", "path", "sha256", "thumbnail", "preview", "last_frame", "sidecar"),
    *("continues", "film_part", "film_parts", "account", "archived_at"),
)


def header() -> bytes:
    """The byte order mark, and the line that names the columns."""
    return b"\xef\xbb\xbf" + _line(COLUMNS)


def line(entry: Entry, zone: tzinfo) -> bytes:
    """The line of a video; `made` is in this time zone."""
    made = in_zone(made_at(entry), zone)
    video = entry.file(Kind.VIDEO)
    lacking = (each for each in entry.files if each.status not in (Status.STORED, Status.LINKED, Status.SKIPPED))
    seconds = entry.duration_seconds
    return _line(
        (
            entry.id,
            f"{made:%Y-%m-%d %H:%M:%S}" if made else None,
            entry.created_at,
            entry.prompt,
            entry.model,
            entry.aspect_ratio,
            entry.width,
            entry.height,
            int(seconds) if seconds is not None and seconds.is_integer() else seconds,
            entry.status,
            ", ".join(str(each.slot) for each in lacking),
            entry.gone_upstream,
            entry.bytes,
            entry.path,
            video.sha256 if video else None,
            *(_path(entry, kind) for kind in (Kind.THUMBNAIL, Kind.PREVIEW, Kind.LAST_FRAME)),
            entry.sidecar,
            entry.continues,
            entry.chain.index(entry.id) + 1 if entry.chain else None,
            len(entry.chain) or None,
            entry.account,
            entry.archived_at,
        )
    )


def neutral(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    first, *others = SEPARATORS.split(text)
    begins_oddly = text[:1] in ("\t", "\r", "\n") if text else False
    cells = [("'" if begins_oddly or _is_formula(first) else "") + first]
    cells += [f"'{part}" if _is_formula(part) else part for part in others]
    return "".join(cells)


def _is_formula(cell: str) -> bool:
    """Whether what a cell begins with, less blanks and what cannot be seen, makes a formula of it."""
    for character in cell:
        if unicodedata.category(character)[0] not in "ZC":
            return unicodedata.normalize("NFKC", character)[:1] in FORMULA
    return False


def _line(cells: tuple[object, ...]) -> bytes:
    parts: list[str] = []
    writer = csv.writer(SimpleNamespace(write=parts.append), lineterminator="\r\n")
    writer.writerow([harmless(neutral(cell)) if isinstance(cell, str) else cell for cell in cells])
    return "".join(parts).encode()


def _path(entry: Entry, kind: Kind) -> str | None:
    file = entry.file(kind)
    return file.path if file else None
