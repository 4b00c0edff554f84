"""The HTTP server of `serve`: the offline library for this computer alone, over GET and HEAD, with ranges.

It listens on the loopback address. A page of the web may make a browser send requests here, also under a name of its
own that leads to this address: whoever asks for another host than this server is refused, and nothing may be framed by,
read by, or embedded in other pages.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import hdrs, web

from .archive import Archive
from .errors import ArchiverError, ConfigError
from .page_file import content_security_policy
from .served import Held, Made, Shelves
from .settings import KIB
from .settings import Catalogue as Settings
from .text import what_went_wrong
from .threads import Threads

ADDRESS = "127.0.0.1"
BLOCK = 256 * KIB
READERS = 4
FINAL = "private, max-age=31536000, immutable"
FRESH = "private, no-cache"

_FILE_POLICY = "default-src 'none'; img-src 'self'; media-src 'self'; frame-ancestors 'none'"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "pictory-archiver",
}


async def serve(root: Path, settings: Settings, port: int, ready: Callable[[str], object]) -> None:
    """Serves the library of the archive in a folder until it is cancelled; `ready` is told the URL of the page.

    Port 0 takes a free one. Raises `ConfigError` for a port in use, and `StorageError`.
    """
    library = _Library(Archive.open(root), settings)
    runner = web.ServerRunner(web.Server(library.answer, access_log=None))
    await runner.setup()
    try:
        site = web.TCPSite(runner, ADDRESS, port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(
                f"port {port} cannot be listened on: {error.strerror}", hint="name another --port"
            ) from None
        bound = runner.addresses[0][1]
        library.hosts = frozenset(f"{name}:{bound}" for name in (ADDRESS, "localhost"))
        ready(f"http://{ADDRESS}:{bound}/")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
        await library.close()


class _Library:
    """Answers requests. `hosts` are the names that this server may be asked by."""

    def __init__(self, archive: Archive, settings: Settings) -> None:
        self._shelves = Shelves(archive, settings)
        self._catalogue_thread = Threads(1, "catalogue")
        self._readers = Threads(READERS, "read")
        self.hosts: frozenset[str] = frozenset()

    async def close(self) -> None:
        await self._catalogue_thread.hop(self._shelves.close)
        self._catalogue_thread.close()
        self._readers.close()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get(hdrs.HOST, "").lower() not in self.hosts:
            return _words(403, "This server answers to the name of this computer alone.")
        if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
            return _words(405, "This server only shows: GET and HEAD.", Allow="GET, HEAD")
        try:
            found = await self._catalogue_thread.hop(self._shelves.get, request.rel_url.raw_path, datetime.now(UTC))
        except ArchiverError as error:
            return _words(503, f"The archive cannot be read: {what_went_wrong(error)}")
        if found is None:
            return _words(404, "There is nothing here.")
        if isinstance(found, Made):
            return _made(found)
        try:
            return await self._send(request, found)
        finally:
            await self._readers.hop(os.close, found.descriptor)

    async def _send(self, request: web.BaseRequest, held: Held) -> web.StreamResponse:
        etag = f'"{held.etag}"' if held.etag else None
        headers = {hdrs.CONTENT_TYPE: held.content_type, hdrs.ACCEPT_RANGES: "bytes", hdrs.CACHE_CONTROL: FRESH}
        headers |= {hdrs.CONTENT_SECURITY_POLICY: _FILE_POLICY} | ({hdrs.ETAG: etag} if etag else {})
        if etag is not None and etag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            return web.Response(status=304, headers=_HEADERS | headers)
        part = _range(request, held.size, etag)
        if part is None:
            return _words(416, "The file has no such range.", **{hdrs.CONTENT_RANGE: f"bytes */{held.size}"})
        status = 200
        if len(part) != held.size:
            status = 206
            headers[hdrs.CONTENT_RANGE] = f"bytes {part.start}-{part.stop - 1}/{held.size}"
        response = web.StreamResponse(status=status, headers=_HEADERS | headers)
        response.content_length = len(part)
        await response.prepare(request)
        if request.method == hdrs.METH_GET and not await self._copy(held.descriptor, part, response):
            response.force_close()
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _copy(self, descriptor: int, part: range, response: web.StreamResponse) -> bool:
        """Sends a part of a file. → whether all of it went: a reader may leave, a disk fail, a file become shorter."""
        at = part.start
        with contextlib.suppress(OSError):
            while at < part.stop:
                data = await self._readers.hop(_read_at, descriptor, min(BLOCK, part.stop - at), at)
                if not data:
                    break
                at += len(data)
                await response.write(data)
        return at == part.stop


def _read_at(descriptor: int, count: int, offset: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, count)


def _range(request: web.BaseRequest, size: int, etag: str | None) -> range | None:
    """The bytes that are asked for, all of them without a range that counts; None for a range that is not there."""
    condition = request.headers.get(hdrs.IF_RANGE)
    if hdrs.RANGE not in request.headers or (condition is not None and condition != etag):
        return range(size)
    try:
        asked = request.http_range
    except ValueError:
        return None
    part = range(size)[asked]
    return part if len(part) else None


def _made(found: Made) -> web.Response:
    headers = {
        hdrs.CONTENT_TYPE: found.content_type,
        hdrs.CONTENT_SECURITY_POLICY: content_security_policy(framing=False),
        hdrs.CACHE_CONTROL: FINAL if found.is_final else FRESH,
    }
    return web.Response(body=found.data, headers=_HEADERS | headers)


def _words(status: int, text: str, **headers: str) -> web.Response:
    policy = {hdrs.CONTENT_SECURITY_POLICY: _FILE_POLICY, hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(status=status, text=text + "\n", headers=_HEADERS | policy | headers)
