"""HTTP for the whole program, and the one border where aiohttp's errors become ours.

Rules: bodies come as the server stored them (`Accept-Encoding: identity`, anything else is refused); redirects are
followed here, by hand, so that each one is checked; no cookies, no netrc, no retries; TLS is verified against the
operating system's trust store and the setting `network.ca_file`, always. A body has no total time limit, but a floor
under its speed.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import functools
import os
import re
import ssl
import sys
import time
import urllib.parse
import urllib.request
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from email.utils import parsedate_to_datetime
from socket import AddressFamily

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec import Struct

from .addresses import Guard
from .errors import Forbidden, HttpStatus, Unacceptable, Unreachable
from .settings import KIB
from .text import printable

ERROR_BODY = 2000
LEAST_TLS_BUFFER = 32 * KIB
REDIRECTS = frozenset({301, 302, 303, 307, 308})
IDENTITY = ("", "identity")

_CONTROLS = re.compile("[\x00-\x1f\x7f]")


class Limits(Struct, frozen=True):
    """Seconds to connect, seconds without a byte, the least bytes per second over that time, bytes to read ahead."""

    connect: float
    stall: float
    min_speed: int
    read_ahead: int = 64 * KIB


@functools.cache
def trust_store(ca_file: str | None) -> ssl.SSLContext:
    """What the operating system trusts, and the certificates in `ca_file`.

    Where OpenSSL finds the system's certificates by itself they are read once; truststore reads them again for each
    connection, and is for the systems where OpenSSL cannot.
    """
    if sys.platform not in ("darwin", "win32") and ssl.get_default_verify_paths().cafile:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_default_certs()
    else:
        import truststore

        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


@contextlib.contextmanager
def tls_buffers(size: int) -> Iterator[None]:
    """For its time, connections take at most so many bytes at once out of TLS, which holds about as much again of each:
    where there are many, the 256 KiB that asyncio takes are more than all else that a run holds."""
    usual = SSLProtocol.max_size
    SSLProtocol.max_size = max(LEAST_TLS_BUFFER, min(size, usual))
    try:
        yield
    finally:
        SSLProtocol.max_size = usual


class Answer:
    """The head of an answer, and its body in blocks."""

    def __init__(self, response: aiohttp.ClientResponse, limits: Limits) -> None:
        self._response = response
        self._limits = limits
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    @property
    def length(self) -> int | None:
        """The announced length of the body in bytes; None where none was announced."""
        return self._response.content_length

    @property
    def date(self) -> datetime.datetime | None:
        """When the server says that it is, UTC."""
        with contextlib.suppress(ValueError, OverflowError):
            said = parsedate_to_datetime(self.headers.get("Date", ""))
            return said.astimezone(datetime.UTC) if said.tzinfo else None
        return None

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes. Raises `Unreachable` where it is cut off, stalls or drips."""
        self._drop_timer()
        waited, received = 0.0, 0
        while True:
            before = time.monotonic()
            with _our_errors(self._limits):
                block = await self._next_block()
            if not block:
                return
            waited += time.monotonic() - before  # for the server: what the caller does with a block is not its fault
            received += len(block)
            yield block
            if waited >= self._limits.stall:
                if received < self._limits.min_speed * waited:
                    raise Unreachable(f"slower than {self._limits.min_speed} bytes a second")
                waited, received = 0.0, 0

    def _drop_timer(self) -> None:
        """Spares aiohttp a timer that it sets anew with each piece that arrives: `_next_block` has its own."""
        connection = self._response.connection
        if connection is not None and connection.protocol is not None:
            connection.protocol.read_timeout = None

    async def _next_block(self) -> bytes:
        """What has arrived, or else what arrives next; empty at the end. Raises what aiohttp raises."""
        content = self._response.content
        block = content.read_nowait()
        if block or content.at_eof():
            return block
        # A timeout of our own: aiohttp 3.14 waits for ever behind a chunk that is malformed.
        async with asyncio.timeout(self._limits.stall):
            return await content.readany()

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises `Unacceptable` past `limit` bytes."""
        body = bytearray()
        async for block in self.blocks():
            body += block
            if len(body) > limit:
                raise Unacceptable(f"an answer of more than {limit:,} bytes")
        return bytes(body)

    async def refusal(self) -> HttpStatus:
        """This answer as an error, with the beginning of its body."""
        body = b""
        with contextlib.suppress(Unreachable):
            async with contextlib.aclosing(self.blocks()) as blocks:
                async for block in blocks:
                    body += block[:ERROR_BODY]
                    if len(body) >= ERROR_BODY:
                        break
        pause = retry_after_seconds(self.headers.get("Retry-After"), now=time.time())
        return HttpStatus(self.status, body=body[:ERROR_BODY], retry_after=pause)


class Web:
    """Connections to one kind of server: the API, or the hosts of media.

    With a `guard`, each URL, redirect and resolved address must pass it. Without redirects (`max_redirects=0`) a
    redirect is `Unacceptable`.
    """

    def __init__(
        self, *, user_agent: str, tls: ssl.SSLContext, limits: Limits, guard: Guard | None, max_redirects: int
    ) -> None:
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "identity", "Accept": "*/*"}
        self._tls = tls
        self._limits = limits
        self._guard = guard
        self._max_redirects = max_redirects
        self._proxies = urllib.request.getproxies()
        self._direct: aiohttp.ClientSession | None = None
        self._proxied: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Closes every connection."""
        for session in (self._direct, self._proxied):
            if session is not None:
                await session.close()

    @contextlib.asynccontextmanager
    async def get(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[Answer]:
        """The answer to one GET, after redirects. Raises `WebError`s; an HTTP status is never one here."""
        target = _parsed(url)
        for _ in range(self._max_redirects + 1):
            response = await self._request(target, headers)
            try:
                location = response.headers.get("Location")
                if response.status not in REDIRECTS or location is None:
                    encoding = response.headers.get("Content-Encoding", "").strip().lower()
                    if response.ok and encoding not in IDENTITY:
                        raise Unacceptable(
                            f"the answer is encoded ({printable(encoding, 20)}), which was not asked for"
                        )
                    yield Answer(response, self._limits)
                    return
                target = target.join(_parsed(location))
            finally:
                # A body that was not read to its end must not be drained: closing drops the connection.
                response.close()
        if self._max_redirects:
            raise Unacceptable(f"more than {self._max_redirects} redirects")
        raise Unacceptable(f"a redirect to {printable(target.raw_host or '?', 80)}")

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status of the answer to one POST, a redirect too; its body is not read. Raises `WebError`s."""
        response = await self._request(_parsed(url), headers, body)
        response.close()
        return response.status

    async def _request(
        self, url: yarl.URL, headers: Mapping[str, str], body: bytes | None = None
    ) -> aiohttp.ClientResponse:
        """The answer to a GET, or to a POST of the body; the caller closes it."""
        if self._guard is not None:
            self._guard.check_url(str(url))
        proxy = self._proxy_for(url)
        session = self._session(proxied=proxy is not None)
        with _our_errors(self._limits):
            async with asyncio.timeout(self._limits.connect + self._limits.stall):
                return await session.request(
                    "GET" if body is None else "POST",
                    url,
                    headers=dict(headers),
                    data=body,
                    allow_redirects=False,
                    proxy=proxy,
                )

    def _session(self, *, proxied: bool) -> aiohttp.ClientSession:
        session = self._proxied if proxied else self._direct
        if session is None:
            # A proxy may well have a private address, and it resolves names itself: only literals are checked then.
            guarded = self._guard is not None and not proxied
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, ssl=self._tls, resolver=_GuardedResolver(self._guard) if guarded else None
                ),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=self._limits.connect, sock_read=self._limits.stall
                ),
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                read_bufsize=self._limits.read_ahead,
            )
            # aiohttp would repeat a request whose connection broke, at once and unseen: retries have one owner here.
            session._retry_connection = False
            if proxied:
                self._proxied = session
            else:
                self._direct = session
        return session

    def _proxy_for(self, url: yarl.URL) -> yarl.URL | None:
        proxy = self._proxies.get(url.scheme)
        if not proxy or urllib.request.proxy_bypass(url.raw_host or ""):
            return None
        return yarl.URL(proxy if "://" in proxy else f"http://{proxy}")


class _GuardedResolver(AbstractResolver):
    """Names are resolved as ever; an address that the guard forbids is never connected to."""

    def __init__(self, guard: Guard | None) -> None:
        self._guard = guard
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if self._guard is not None:
            for entry in found:
                self._guard.check_address(host, port, entry["host"])
        return found

    async def close(self) -> None:
        await self._resolver.close()


def retry_after_seconds(header: str | None, *, now: float) -> float | None:
    """The pause that a Retry-After header names, in seconds from `now` (Unix time); None where it names none."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _parsed(url: str) -> yarl.URL:
    """The URL as it was given, so that a signature stays true; only what no URL may hold is encoded."""
    if _CONTROLS.search(url):
        raise Unacceptable("the URL holds control characters")
    as_given = url.isascii() and " " not in url
    try:
        parsed = yarl.URL(url, encoded=as_given)
        _ = parsed.port  # only now are host and port looked at
        return parsed
    except ValueError:
        raise Unacceptable("the URL is malformed") from None


@contextlib.contextmanager
def _our_errors(limits: Limits) -> Iterator[None]:
    """The border: what aiohttp, ssl and the sockets raise becomes a `WebError` that quotes no header and no URL."""
    try:
        yield
    except TimeoutError:
        raise Unreachable(f"no byte within {limits.stall:g} s") from None
    except aiohttp.ClientConnectorCertificateError as error:
        reason = printable(str(error.certificate_error), 120)
        raise Forbidden(f"the server's certificate is not trusted: {reason}") from None
    except (aiohttp.ClientConnectorSSLError, ssl.SSLError) as error:
        raise Unreachable(f"the TLS connection failed: {printable(str(error.reason or error), 80)}") from None
    except aiohttp.ClientConnectorDNSError as error:
        raise Unreachable(f"the name {printable(error.host, 80)} was not found") from None
    except aiohttp.ClientConnectorError as error:
        reason = os.strerror(error.os_error.errno) if error.os_error.errno else "no connection"
        raise Unreachable(f"cannot connect to {printable(error.host, 80)}:{error.port}: {reason}") from None
    except aiohttp.ClientPayloadError:
        raise Unreachable("the connection ended before the body was whole") from None
    except aiohttp.ServerDisconnectedError:
        raise Unreachable("the server closed the connection without an answer") from None
    except aiohttp.InvalidURL:
        raise Unacceptable("the URL is malformed") from None
    except aiohttp.ClientResponseError as error:
        raise Unreachable(f"the answer is no proper HTTP ({type(error).__name__})") from None
    except (aiohttp.ClientError, OSError) as error:
        raise Unreachable(f"the connection failed ({type(error).__name__})") from None
    except ValueError:
        raise Unacceptable("the answer or its address is malformed") from None
