"""A client that reports what is on the wire, however wrong: no library stands between a fault and its test."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

AGENT = "raw-client/1.0"


@dataclass(frozen=True)
class Raw:
    """What came over one connection. `ended`: eof, reset, or open where the time or the limit was up."""

    informational: int
    status: int
    headers: dict[str, str]
    body: bytes
    ended: str
    elapsed: float


async def fetch(
    url: str,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    body: bytes = b"",
    tls: ssl.SSLContext | None = None,
    seconds: float = 5.0,
    limit: int = 2**24,
) -> Raw:
    """One request on a connection of its own, read until it ends, `seconds` pass or `limit` bytes have come."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=tls)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    fields = {"Host": parts.netloc, "User-Agent": AGENT, "Connection": "close", **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    loop = asyncio.get_running_loop()
    started = loop.time()
    data = bytearray()
    ended = "open"
    try:
        writer.write(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body)
        async with asyncio.timeout(seconds):
            while len(data) < limit:
                piece = await reader.read(2**16)
                if not piece:
                    ended = "eof"
                    break
                data += piece
    except TimeoutError:
        ended = "open"
    except ConnectionResetError:
        ended = "reset"
    finally:
        writer.transport.abort()
    return _parse(bytes(data), ended, loop.time() - started)


def chunks(body: bytes) -> tuple[bytes, bool]:
    """The payload of a chunked body, and whether the last chunk came."""
    payload = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return payload, True
        payload += rest[:length]
        body = rest[length + 2 :]
    return payload, False


def _parse(data: bytes, ended: str, elapsed: float) -> Raw:
    informational = 0
    while data.startswith(b"HTTP/1.1 1"):
        data = data[data.index(b"\r\n\r\n") + 4 :]
        informational += 1
    if not data:
        return Raw(informational, 0, {}, b"", ended, elapsed)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
    return Raw(informational, int(first.split(" ")[1]), headers, body, ended, elapsed)
