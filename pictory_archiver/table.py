"""Tables for a terminal: columns that stand below each other, whatever script is in them. Pure.

Widths are those that a terminal gives to characters: none to combining marks, two to CJK and most emoji, and one
picture to what a sequence of several makes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from msgspec import Struct
from wcwidth import iter_graphemes, width

from .text import ELLIPSIS

GAP = "  "
SAMPLE = 200
"""So many rows tell how wide columns are. A longer cell further down shifts the rest of its line."""


class Column(Struct, frozen=True):
    """A column: its title, and on which side its cells stand. No cell takes more than `limit`."""

    title: str
    is_right: bool = False
    limit: int = 60


def lines(columns: Sequence[Column], rows: Iterable[Sequence[str]], room: int | None = None) -> Iterator[str]:
    """The titles and a line for each row. The last column takes what is left of `room` (None: what it needs).

    Cells have to be harmless (`text.printable`).
    """
    rows = iter(rows)
    sample = [_cut(columns, row) for row in islice(rows, SAMPLE)]
    titles = [column.title for column in columns]
    widths = [max(map(width, cells)) for cells in zip(titles, *sample, strict=True)]
    for row in chain([titles], sample, (_cut(columns, row) for row in rows)):
        *cells, last = row
        if room is not None:
            # A joiner at a cell's edge makes the whole narrower than its parts: what counts is the sum of these.
            taken = sum(max(width(cell), widest) + len(GAP) for cell, widest in zip(cells, widths, strict=False))
            last = cut(last, max(room - taken, 1))
        elif columns[-1].is_right:
            last = _padded(last, widths[-1], is_right=True)
        padded = (
            _padded(cell, widest, is_right=column.is_right)
            for column, cell, widest in zip(columns, cells, widths, strict=False)
        )
        yield GAP.join([*padded, last]).rstrip()


def cut(text: str, columns: int) -> str:
    """The text within so many columns; what was cut off shows as `…`."""
    if width(text) <= columns:
        return text
    shown: list[str] = []
    taken = 0
    for grapheme in iter_graphemes(text):
        taken += width(grapheme)
        if taken >= columns:
            break
        shown.append(grapheme)
    return "".join(shown) + ELLIPSIS


def _cut(columns: Sequence[Column], row: Sequence[str]) -> list[str]:
    """A row whose cells, but for the last one, keep to their limits."""
    return [*(cut(cell, column.limit) for column, cell in zip(columns, row[:-1], strict=False)), row[-1]]


def _padded(text: str, columns: int, *, is_right: bool) -> str:
    blanks = " " * (columns - width(text))
    return blanks + text if is_right else text + blanks
