"""Bytes that are computed where they are read: a body of any size costs no memory and answers any range.

A `Body` is a row of parts: plain bytes, `Noise` (pseudo-random, different at every offset and for every key) and
`Repeat` (one unit again and again). Offsets and sizes are bytes; a range is [start, stop).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b, md5
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from hashlib import _Hash

BLOCK = 64 * 1024
STAMP = 32
PATTERN = random.Random(0).randbytes(2 * BLOCK)  # noqa: S311  noise for test files, no secret
ENDLESS = 2**62
MULTIPART = 8 * 1024 * 1024


class Noise(Struct, frozen=True):
    """`size` pseudo-random bytes for a key of at most 64 bytes.

    Each block starts with a stamp of key and number, so that a shifted, repeated or foreign block never goes
    unnoticed; the rest is a window into one common pattern, which makes it cheap.
    """

    key: bytes
    size: int

    def read(self, start: int, stop: int) -> bytes:
        pieces = []
        while start < stop:
            number, offset = divmod(start, BLOCK)
            piece = self._block(number)[offset : offset + stop - start]
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)

    def _block(self, number: int) -> bytes:
        stamp = blake2b(number.to_bytes(8, "big"), key=self.key, digest_size=STAMP).digest()
        shift = int.from_bytes(stamp[:2], "big")
        return stamp + PATTERN[shift : shift + BLOCK - STAMP]


class Repeat(Struct, frozen=True):
    """`unit` again and again, cut off at `size` bytes."""

    unit: bytes
    size: int

    def read(self, start: int, stop: int) -> bytes:
        offset = start % len(self.unit)
        times = -(-(offset + stop - start) // len(self.unit))
        return (self.unit * times)[offset : offset + stop - start]


Part = bytes | Noise | Repeat


class Body:
    """A sequence of bytes that can be read by range."""

    __slots__ = ("_start", "_stop", "parts", "size")

    def __init__(self, *parts: Part, start: int = 0, stop: int | None = None) -> None:
        total = sum(_size(part) for part in parts)
        self.parts = parts
        self._start = min(start, total)
        self._stop = total if stop is None else max(self._start, min(stop, total))
        self.size = self._stop - self._start

    def cut(self, start: int, stop: int | None = None) -> Body:
        """The range [start, stop) as a body of its own."""
        stop = self.size if stop is None else min(stop, self.size)
        return Body(*self.parts, start=self._start + start, stop=self._start + stop)

    def blocks(self, size: int = BLOCK) -> Iterator[bytes]:
        """All bytes in order, in pieces of at most `size` bytes."""
        before = 0
        for part in self.parts:
            start = max(self._start - before, 0)
            stop = min(self._stop - before, _size(part))
            before += _size(part)
            while start < stop:
                piece = _read(part, start, min(stop, start + size))
                yield piece
                start += len(piece)

    def read(self) -> bytes:
        """All bytes at once: for small bodies."""
        return b"".join(self.blocks())


class File(Struct, frozen=True):
    """An object on the CDN. `modified` is seconds since the epoch."""

    body: Body
    content_type: str
    modified: int

    @property
    def etag(self) -> str:
        """As S3 does it: the quoted MD5, and above 8 MiB, as uploaded in parts, a digest with their number."""
        first, *rest = self.body.parts
        if self.body.size > MULTIPART:
            identity = b"".join(part.key for part in rest if isinstance(part, Noise))
            parts = -(-self.body.size // MULTIPART)
            return f'"{md5(identity, usedforsecurity=False).hexdigest()}-{parts}"'
        state = _md5_of(first).copy() if isinstance(first, bytes) else md5(usedforsecurity=False)
        for part in rest:
            state.update(_read(part, 0, _size(part)))
        return f'"{state.hexdigest()}"'


@lru_cache(maxsize=64)
def _md5_of(start: bytes) -> _Hash:
    """The state after the part that many files share, so that each file costs only its own bytes."""
    return md5(start, usedforsecurity=False)


def _size(part: Part) -> int:
    return len(part) if isinstance(part, bytes) else part.size


def _read(part: Part, start: int, stop: int) -> bytes:
    return part[start:stop] if isinstance(part, bytes) else part.read(start, stop)
