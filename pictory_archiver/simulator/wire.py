"""HTTP/1.1 as bytes: requests are read, and replies written exactly as they say, however wrong that is.

A server library would correct, complete or refuse most of the faults that the simulator is made for. That is why
a `Reply` describes not an answer but what to put on the wire, when, and how to leave.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from enum import Enum
from http import HTTPStatus
from urllib.parse import parse_qsl

from msgspec import Struct

from .bodies import BLOCK, Body

MAX_HEAD = 64 * 1024
LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class MalformedRequest(ValueError):
    """Bytes that are no HTTP/1.1 request."""


class Framing(Enum):
    """How a reply tells where its body ends. CHUNKED never sends the last chunk: it is there for broken bodies."""

    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


class Ending(Enum):
    """What happens to the connection after the last byte."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"
    STALL = "stall"


class Request(Struct, frozen=True, kw_only=True):
    """A request as it came, what it was about, and what it got.

    Header names are lower-case. `page` is the number of the listed page (API); `kind`, `video` (its index) and
    `video_id` say whose file it was (CDN). `bytes_sent` counts the body. `at`: seconds on the monotonic clock.
    """

    origin: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    at: float
    page: int | None = None
    kind: str | None = None
    video: int | None = None
    video_id: str | None = None
    status: int = 0
    bytes_sent: int = 0


class Reply(Struct, frozen=True, kw_only=True):
    """What to put on the wire.

    status: 0 sends nothing at all. length: the Content-Length, where it is not to be the body's. stop: after so
    many bytes of the body comes the ending. prelude: bytes before the status line. pace: at most so many bytes of
    the body at a time, every so many seconds. delay: seconds before the first byte.
    """

    status: int
    headers: Mapping[str, str] = {}
    body: Body = Body()
    framing: Framing = Framing.LENGTH
    length: int | None = None
    stop: int | None = None
    ending: Ending = Ending.KEEP
    prelude: bytes = b""
    pace: tuple[int, float] | None = None
    delay: float = 0.0

    def head(self) -> bytes:
        """The status line and the headers."""
        headers = dict(self.headers)
        if self.framing is Framing.CHUNKED:
            headers["Transfer-Encoding"] = "chunked"
        if self.framing is Framing.LENGTH and self.status != HTTPStatus.NOT_MODIFIED:
            headers["Content-Length"] = str(self.body.size if self.length is None else self.length)
        if self.ending is not Ending.KEEP:
            headers["Connection"] = "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} {_reason(self.status)}\r\n{lines}\r\n".encode()


class Exchange:
    """A request and what has been sent so far in answer."""

    def __init__(self, request: Request, status: int) -> None:
        self.request = request
        self.status = status
        self.bytes_sent = 0


async def read_request(reader: StreamReader, origin: str) -> Request | None:
    """The next request of a connection, None where the client has left. Raises MalformedRequest."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as error:
        raise MalformedRequest("head too long") from error
    request_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    try:
        method, target, _ = request_line.split(" ")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        await reader.readexactly(int(headers.get("content-length", "0")))
    except ValueError as error:
        raise MalformedRequest(request_line) from error
    path, _, query = target.partition("?")
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    return Request(origin=origin, method=method, path=path, query=pairs, headers=headers, at=time.monotonic())


async def write_reply(reader: StreamReader, writer: StreamWriter, reply: Reply, exchange: Exchange) -> bool:
    """Put a reply on the wire. Returns whether the connection can go on; raises OSError where the client left."""
    if reply.delay:
        await asyncio.sleep(reply.delay)
    if reply.prelude:
        writer.write(reply.prelude)
        await writer.drain()
    if reply.status:
        await _write_message(writer, reply, exchange)
    if reply.ending is Ending.RESET:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        writer.transport.abort()
    if reply.ending is Ending.STALL:
        while await reader.read(MAX_HEAD):
            pass
    return reply.ending is Ending.KEEP and exchange.request.headers.get("connection", "").lower() != "close"


async def _write_message(writer: StreamWriter, reply: Reply, exchange: Exchange) -> None:
    """Head and body. Bytes are counted before they leave, so that no client knows more than the log."""
    pending = reply.head()
    if exchange.request.method != "HEAD":
        body = reply.body.cut(0, reply.stop)
        size, pause = reply.pace or (BLOCK, 0.0)
        for block in body.blocks(size):
            exchange.bytes_sent += len(block)
            framed = b"%x\r\n%b\r\n" % (len(block), block) if reply.framing is Framing.CHUNKED else block
            writer.write(pending + framed)
            pending = b""
            await writer.drain()
            if pause:
                await asyncio.sleep(pause)
    if pending:
        writer.write(pending)
        await writer.drain()


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
