"""Which of many texts were met before, in some bytes for each. Pure.

Of a text its hash is remembered: 64 bits, made with a key that each process draws at random. That a new text is taken
for one that was met has a chance of one in 37 million among a million texts; it is another text the next time, and
cannot be brought about from outside.
"""

from __future__ import annotations

from array import array

_BITS = 2**64 - 1
_LEAST_PLACES = 1024


class Marks:
    """The marks of texts: a table of hashes, at most half full, in which each is sought from its own place on."""

    def __init__(self) -> None:
        self._count = 0
        self._places = _empty(_LEAST_PLACES)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, text: str) -> bool:
        return self._places[_place(self._places, _hash(text))] != 0

    def add(self, text: str) -> bool:
        """Remembers a text. → whether it is new"""
        mark = _hash(text)
        place = _place(self._places, mark)
        if self._places[place]:
            return False
        self._places[place] = mark
        self._count += 1
        if self._count * 2 > len(self._places):
            self._grow()
        return True

    def _grow(self) -> None:
        larger = _empty(2 * len(self._places))
        for mark in self._places:
            if mark:
                larger[_place(larger, mark)] = mark
        self._places = larger


def _empty(places: int) -> array[int]:
    return array("Q", bytes(8 * places))


def _hash(text: str) -> int:
    return hash(text) & _BITS or 1  # 0 marks an empty place


def _place(places: array[int], mark: int) -> int:
    """Where a mark is, or would be. The number of places is a power of two."""
    last = len(places) - 1
    place = mark & last
    while places[place] not in (0, mark):
        place = (place + 1) & last
    return place
