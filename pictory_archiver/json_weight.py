"""How many values a JSON text holds, counted without making them, and how deep they are nested. Pure.

A text of 32 MiB that opens a list with every second byte becomes gigabytes of objects. What comes from outside is
counted before it is read.
"""

from __future__ import annotations

import re
from typing import Any

MAX_DEPTH = 200
"""Levels of lists and objects within one field of an item."""

_OPENING = (b"[", b"{")
_MARKS = (b",", *_OPENING)
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A string, also one that is cut off: so the text is passed over once, whatever it is."""


def holds_more_values_than(limit: int, data: bytes) -> bool:
    """Whether a JSON text holds more values than `limit`, by what opens and separates them."""
    if len(data) <= limit or _marks(data, 0, len(data)) <= limit:
        return False
    found = end = 0
    for text in _TEXT.finditer(data):
        found += _marks(data, end, text.start())
        end = text.end()
        if found > limit:
            return True
    return found + _marks(data, end, len(data)) > limit


def _marks(data: bytes, start: int, end: int) -> int:
    return sum(data.count(mark, start, end) for mark in _MARKS)


def is_nested_deeper_than(limit: int, data: bytes, value: Any) -> bool:
    """Whether a value that was read from this text has more levels. A text with few brackets costs nothing."""
    if sum(data.count(mark) for mark in _OPENING) <= limit:
        return False
    level = [value]
    for _ in range(limit + 1):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, list | dict)
        ]
        if not level:
            return False
    return True
