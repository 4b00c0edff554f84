"""Is this a whole MP4, JPEG or PNG? Decided while the bytes pass; none are kept.

* The first `HEAD` bytes say what a file is. What is not of the wanted family is `Unacceptable`: it would be the same
  the next time. What is of that family but ends early or contradicts itself is a `BrokenBody`.
* MP4, and what is built alike: boxes tile the file exactly; `ftyp` comes first (padding aside), there is a `moov`,
  and where that tells of tracks, an `mdat`. Only an `mdat` may say "to the end of the file".
* JPEG: segments from SOI on, a scan, EOI. PNG: IHDR, IDAT, IEND, each chunk with its right CRC.
  What follows EOI or IEND does no harm: viewers pass over it.
* Other known types are taken by their first bytes alone.

Each walk is a generator that reads a `_Stream` from start to end as if all of it were there. Where the bytes at hand
are used up it yields, until more are fed. So the outcome cannot depend on how a file was cut into blocks.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Generator
from typing import TypeVar

from .errors import BrokenBody, Unacceptable
from .media_types import HEAD, Family, MediaType, sniff, stranger

LEAST = 16  # a file of fewer bytes is not of any type, whatever it begins like

T = TypeVar("T")
Steps = Generator[None, None, T]

_WANTED_NAMES = {Family.MP4: "an MP4", Family.JPEG: "a JPEG", Family.PNG: "a PNG"}


class MediaCheck:
    """Takes a file block by block and raises `BrokenBody` or `Unacceptable` unless it is a whole one of a family."""

    def __init__(self, family: Family | None) -> None:
        """`family` None: any known image or video type."""
        self._wanted = family
        self._head = bytearray()
        self._type: MediaType | None = None
        self._stream = _Stream()
        self._walk: Steps[None] | None = None
        self._whole = False
        self._problem: BrokenBody | None = None

    def feed(self, data: bytes | memoryview) -> None:
        """The next block. Raises as soon as it is sure that the file will not do."""
        block = memoryview(data)
        if self._walk is None:
            missing = HEAD - len(self._head)
            self._head += block[:missing]
            if len(self._head) < HEAD:
                return
            self._begin()
            block = block[missing:]
        self._go_on(block)

    def finish(self) -> None:
        """There is no more. Raises unless the file is whole."""
        if self._walk is None:
            self._begin()
        self._stream.ended = True
        self._go_on(memoryview(b""))

    def _begin(self) -> None:
        head = bytes(self._head)
        self._type = sniff(head)
        if len(head) < LEAST and not stranger(head):
            raise BrokenBody(f"a file of {len(head)} bytes")
        if self._type is None or self._wanted not in (None, self._type.family):
            found = self._type.name if self._type else stranger(head) or "something unknown"
            wanted = _WANTED_NAMES[self._wanted] if self._wanted else "an image or a video"
            raise Unacceptable(f"{found}, not {wanted}")
        self._walk = _WALKS[self._type.family](self._stream)
        self._go_on(memoryview(head))

    def _go_on(self, block: memoryview) -> None:
        if self._problem is not None:
            raise self._problem
        if self._walk is None or self._whole:
            return
        self._stream.chunk = block
        try:
            next(self._walk)
        except StopIteration:
            self._whole = True
        except BrokenBody as problem:
            self._problem = problem
            raise
        finally:
            self._stream.chunk = memoryview(b"")


class AnyMediaCheck(MediaCheck):
    """The check of an input: any known image or video type, whole as far as its family can be checked."""

    def __init__(self) -> None:
        super().__init__(None)

    @property
    def media_type(self) -> MediaType:
        """What the file is; known once `finish` has returned."""
        assert self._type is not None  # noqa: S101
        return self._type


class _Stream:
    """The bytes at hand, for a walk to read. Its methods yield where more are needed.

    A walk must not hold a piece (`del`) when it asks for the next one: the block behind it would stay in memory.
    """

    def __init__(self) -> None:
        self.chunk = memoryview(b"")
        self.ended = False

    def some(self, limit: int | None = None) -> Steps[memoryview]:
        """Bytes that come next, at most `limit`; none only at the end of the file."""
        while not self.chunk and not self.ended:
            yield
        piece = self.chunk[:limit]
        self.chunk = self.chunk[len(piece) :]
        return piece

    def take(self, count: int) -> Steps[bytes]:
        """The next `count` bytes; fewer only at the end of the file."""
        taken = bytearray()
        while len(taken) < count and (piece := (yield from self.some(count - len(taken)))):
            taken += piece
            del piece
        return bytes(taken)

    def need(self, count: int, of: str) -> Steps[bytes]:
        """The next `count` bytes. Raises `BrokenBody` where the file ends before them."""
        taken = yield from self.take(count)
        if len(taken) < count:
            raise _cut_off(of)
        return taken

    def body(self, count: int, of: str, see: Callable[[memoryview], object] | None = None) -> Steps[None]:
        """Pass over `count` bytes, shown to `see` piece by piece. Raises `BrokenBody` where the file ends first."""
        while count:
            piece = yield from self.some(count)
            if not piece:
                raise _cut_off(of)
            if see is not None:
                see(piece)
            count -= len(piece)
            del piece


_BOX_TYPE = re.compile(rb"[\xa9 -~][ -~]{3}")


def _walk_boxes(stream: _Stream) -> Steps[None]:
    seen: set[bytes] = set()
    tracks = _Finder(b"trak")
    while header := (yield from stream.take(8)):
        if len(header) < 8:
            raise _cut_off("an MP4")
        size, box_type, read = int.from_bytes(header[:4]), header[4:], 8
        if not _BOX_TYPE.fullmatch(box_type):
            raise BrokenBody("an MP4 with bytes that are no box")
        if size == 0 and box_type == b"mdat":
            seen.add(box_type)
            while (yield from stream.some()):
                pass
            break
        if size == 1:
            size, read = int.from_bytes((yield from stream.need(8, "an MP4"))), 16
        if size < read:
            raise BrokenBody("an MP4 with a box of an impossible size")
        if box_type in _REQUIRED:
            seen.add(box_type)
        yield from stream.body(size - read, "an MP4", tracks.look if box_type == b"moov" else None)
    if b"moov" not in seen:
        raise BrokenBody("an MP4 without its index (moov)")
    if tracks.found and b"mdat" not in seen:
        raise BrokenBody("an MP4 without its media data (mdat)")


_REQUIRED = (b"moov", b"mdat")


class _Finder:
    """Looks for a word in a stream of pieces."""

    def __init__(self, word: bytes) -> None:
        self._word = word
        self._edge = b""
        self.found = False

    def look(self, piece: memoryview) -> None:
        if not self.found:
            text = self._edge + bytes(piece)
            self.found = self._word in text
            self._edge = text[1 - len(self._word) :]


_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_BARE_MARKERS = frozenset((0x01, *range(0xD0, 0xD8)))
_SCAN_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def _walk_segments(stream: _Stream) -> Steps[None]:
    yield from stream.need(2, "a JPEG")
    scans = 0
    marker = yield from _next_marker(stream)
    while marker != _EOI:
        if marker in (0, _SOI):
            raise BrokenBody("a JPEG with a marker out of place")
        if marker not in _BARE_MARKERS:
            length = int.from_bytes((yield from stream.need(2, "a JPEG")))
            if length < 2:
                raise BrokenBody("a JPEG with a segment of an impossible size")
            yield from stream.body(length - 2, "a JPEG")
        if marker == _SOS:
            scans += 1
            marker = yield from _marker_after_scan(stream)
        else:
            marker = yield from _next_marker(stream)
    if not scans:
        raise BrokenBody("a JPEG without a picture")


def _next_marker(stream: _Stream) -> Steps[int]:
    if (yield from stream.need(1, "a JPEG")) != b"\xff":
        raise BrokenBody("a JPEG with bytes between its segments")
    return (yield from _marker_code(stream))


def _marker_code(stream: _Stream) -> Steps[int]:
    """The byte after 0xFF; more 0xFF are fill bytes."""
    while (code := (yield from stream.need(1, "a JPEG"))) == b"\xff":
        pass
    return code[0]


def _marker_after_scan(stream: _Stream) -> Steps[int]:
    """The next marker behind a scan's data, in which 0xFF is followed by zero or is a restart marker."""
    while True:
        piece = yield from stream.some()
        if not piece:
            raise _cut_off("a JPEG")
        if found := _SCAN_MARKER.search(piece):
            stream.chunk = piece[found.end() :]
            return piece[found.end() - 1]
        marker_begun = piece[-1] == 0xFF
        del piece
        if marker_begun:
            code = yield from _marker_code(stream)
            if code and not 0xD0 <= code <= 0xD7:
                return code


def _walk_chunks(stream: _Stream) -> Steps[None]:
    yield from stream.need(8, "a PNG")
    seen: set[bytes] = set()
    chunk_type = b""
    while chunk_type != b"IEND":
        header = yield from stream.need(8, "a PNG")
        length, chunk_type = int.from_bytes(header[:4]), header[4:]
        if not chunk_type.isalpha() or length > 0x7FFF_FFFF or (chunk_type == b"IHDR") == bool(seen):
            raise BrokenBody("a PNG with a chunk that makes no sense")
        seen.add(chunk_type if chunk_type in (b"IHDR", b"IDAT") else b"other")
        sum_ = _Crc(chunk_type)
        yield from stream.body(length, "a PNG", sum_.look)
        if int.from_bytes((yield from stream.need(4, "a PNG"))) != sum_.value:
            raise BrokenBody("a PNG with a damaged chunk")
    if b"IDAT" not in seen:
        raise BrokenBody("a PNG without a picture")


class _Crc:
    """A checksum over a stream of pieces."""

    def __init__(self, start: bytes) -> None:
        self.value = zlib.crc32(start)

    def look(self, piece: memoryview) -> None:
        self.value = zlib.crc32(piece, self.value)


def _walk_anything(stream: _Stream) -> Steps[None]:
    while (yield from stream.some()):
        pass


_WALKS: dict[Family, Callable[[_Stream], Steps[None]]] = {
    Family.MP4: _walk_boxes,
    Family.JPEG: _walk_segments,
    Family.PNG: _walk_chunks,
    Family.OTHER: _walk_anything,
}


def _cut_off(what: str) -> BrokenBody:
    return BrokenBody(f"{what} that ends too early")
