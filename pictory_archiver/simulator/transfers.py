"""Actions on the transfer of a file: its length, its speed, its ranges, its size and what is in it."""

from __future__ import annotations

import re
from functools import lru_cache
from zlib import Z_FULL_FLUSH, compressobj, crc32

from msgspec.structs import replace

from .action import Action, Scene
from .bodies import ENDLESS, Body, Repeat
from .clips import without_moov
from .videos import SUFFIXES, Place
from .wire import Ending, Framing, Reply

MEBIBYTE = 2**20


class Cut(Action, frozen=True):
    """The right Content-Length, but the connection closes after `at` bytes; negative: from the end."""

    at: int

    def apply(self, scene: Scene, /) -> Reply:
        return _stopped(scene.honest(), self.at, Ending.CLOSE)


class CutChunked(Action, frozen=True):
    """Chunked, and closed after `at` bytes without a last chunk; negative: from the end."""

    at: int

    def apply(self, scene: Scene, /) -> Reply:
        return replace(_stopped(scene.honest(), self.at, Ending.CLOSE), framing=Framing.CHUNKED)


class NoLength(Action, frozen=True):
    """No Content-Length: the body ends where the connection does, after `at` bytes or after all."""

    at: int | None = None

    def apply(self, scene: Scene, /) -> Reply:
        return replace(_stopped(scene.honest(), self.at, Ending.CLOSE), framing=Framing.CLOSE)


class WrongLength(Action, frozen=True):
    """The whole body under a Content-Length that is off by `delta`."""

    delta: int

    def apply(self, scene: Scene, /) -> Reply:
        reply = scene.honest()
        return replace(reply, length=max(reply.body.size + self.delta, 0), ending=Ending.CLOSE)


class Empty(Action, frozen=True):
    """200 and no byte."""

    def apply(self, scene: Scene, /) -> Reply:
        return replace(scene.honest(range=None), body=Body())


class Endless(Action, frozen=True):
    """The body and then noise for ever, without a length."""

    def apply(self, scene: Scene, /) -> Reply:
        reply = scene.honest(range=None)
        noise = Repeat(b"endless " * 8192, ENDLESS)
        return replace(reply, body=Body(*reply.body.parts, noise), framing=Framing.CLOSE, ending=Ending.CLOSE)


class Reset(Action, frozen=True):
    """The connection is reset (RST) instead of an answer, or after `at` bytes; negative: from the end."""

    at: int | None = None

    def apply(self, scene: Scene, /) -> Reply:
        if self.at is None:
            return Reply(status=0, ending=Ending.RESET)
        return _stopped(scene.honest(), self.at, Ending.RESET)


class Delay(Action, frozen=True):
    """The honest answer, late."""

    seconds: float

    def apply(self, scene: Scene, /) -> Reply:
        return replace(scene.honest(), delay=self.seconds)


class Drip(Action, frozen=True):
    """The honest answer, `size` bytes every `seconds`."""

    size: int = 1
    seconds: float = 10.0

    def apply(self, scene: Scene, /) -> Reply:
        return replace(scene.honest(), pace=(self.size, self.seconds))


class Stall(Action, frozen=True):
    """Nothing more after `at` bytes (0: after the headers; None: not even these) until the client leaves."""

    at: int | None = 0

    def apply(self, scene: Scene, /) -> Reply:
        if self.at is None:
            return Reply(status=0, ending=Ending.STALL)
        return _stopped(scene.honest(), self.at, Ending.STALL)


class IgnoreRange(Action, frozen=True):
    """200 and everything, to a request for a range."""

    def apply(self, scene: Scene, /) -> Reply:
        return scene.honest(range=None)


class Unasked206(Action, frozen=True):
    """206 and the first half, to a request for everything."""

    def apply(self, scene: Scene, /) -> Reply:
        half = scene.honest(range=None).body.size // 2
        return scene.honest(range=f"bytes=0-{half - 1}", if_range=None)


class BadContentRange(Action, frozen=True):
    """A 206 whose Content-Range is off by these deltas, or missing."""

    start_delta: int = 0
    total_delta: int = 0
    missing: bool = False

    def apply(self, scene: Scene, /) -> Reply:
        reply = scene.honest()
        headers = dict(reply.headers)
        if reply.status != 206:
            return reply
        start, last, total = map(int, re.findall(r"\d+", headers.pop("Content-Range")))
        if not self.missing:
            first = start + self.start_delta
            headers["Content-Range"] = f"bytes {first}-{last + self.start_delta}/{total + self.total_delta}"
        return replace(reply, headers=headers)


class WrongEtagOnRange(Action, frozen=True):
    """A 206 with the ETag of another object."""

    def apply(self, scene: Scene, /) -> Reply:
        reply = scene.honest()
        if reply.status != 206:
            return reply
        return replace(reply, headers={**reply.headers, "ETag": '"00000000000000000000000000000000"'})


class GzipBomb(Action, frozen=True):
    """`Content-Encoding: gzip` and a body a thousandth of the `size` (whole MiB) that it expands to."""

    size: int = 1024 * MEBIBYTE

    def apply(self, scene: Scene, /) -> Reply:
        reply = scene.honest(range=None)
        headers = {**reply.headers, "Content-Encoding": "gzip"}
        return replace(reply, headers=headers, body=_zeros(max(self.size // MEBIBYTE, 1)))


class HeaderBomb(Action, frozen=True):
    """The honest answer under `count` more headers of `size` bytes each."""

    count: int = 1
    size: int = MEBIBYTE

    def apply(self, scene: Scene, /) -> Reply:
        reply = scene.honest()
        bomb = {f"X-Bomb-{number}": "x" * self.size for number in range(self.count)}
        return replace(reply, headers={**reply.headers, **bomb})


class Informational(Action, frozen=True):
    """`count` informational responses before the honest one."""

    count: int = 10_000
    status: int = 103

    def apply(self, scene: Scene, /) -> Reply:
        return replace(scene.honest(), prelude=b"HTTP/1.1 %d Early Hints\r\n\r\n" % self.status * self.count)


class Swap(Action, frozen=True):
    """The bytes of the same video's file of another `kind`, under the label of the one asked for."""

    kind: str

    def apply(self, scene: Scene, /) -> Reply:
        reply = scene.honest(range=None)
        number = scene.request.video
        file = None if number is None else scene.origin.world.file(Place(self.kind, number))
        return reply if file is None else replace(reply, body=file.body)

    def __post_init__(self) -> None:
        if self.kind not in SUFFIXES:
            raise ValueError(f"kind: one of {', '.join(SUFFIXES)}")


class Truncate(Action, frozen=True):
    """A file without what makes it whole (MP4: moov, PNG: IEND, JPEG: EOI) under a matching Content-Length."""

    def apply(self, scene: Scene, /) -> Reply:
        reply = scene.honest(range=None)
        data = reply.body.read()
        if reply.headers["Content-Type"] == "video/mp4":
            return replace(reply, body=Body(without_moov(data)))
        tail = {"image/png": 12, "image/jpeg": 2}.get(reply.headers["Content-Type"], 1)
        return replace(reply, body=Body(data[:-tail]))


def _stopped(reply: Reply, at: int | None, ending: Ending) -> Reply:
    stop = at if at is None or at >= 0 else max(reply.body.size + at, 0)
    return replace(reply, stop=stop, ending=ending)


@lru_cache(maxsize=4)
def _zeros(mebibytes: int) -> Body:
    """So many MiB of zeros, gzipped. A flushed block stands for itself, so that one can be repeated."""
    block = b"\0" * MEBIBYTE
    deflate = compressobj(9, wbits=-15)
    unit = deflate.compress(block) + deflate.flush(Z_FULL_FLUSH)
    checksum = 0
    for _ in range(mebibytes):
        checksum = crc32(block, checksum)
    size = mebibytes * MEBIBYTE % 2**32
    header = b"\x1f\x8b\x08" + b"\0" * 6 + b"\xff"
    trailer = b"\x03\0" + checksum.to_bytes(4, "little") + size.to_bytes(4, "little")
    return Body(header, Repeat(unit, len(unit) * mebibytes), trailer)
