"""The simulator: an API and a CDN on loopback, each on a port of its own, over real HTTP or HTTPS."""

from __future__ import annotations

import asyncio
import ssl
import threading
from asyncio import StreamReader, StreamWriter
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from types import TracebackType
from typing import Literal, Self

from msgspec.structs import replace

from .action import Scene
from .faults import Fault, Faults, Match
from .origins import API_BASE, Api, Cdn, Origin
from .wire import MAX_HEAD, Exchange, MalformedRequest, Request, read_request, write_reply
from .world import World

HOST = "127.0.0.1"
DEFAULT_KEY = "pictai_simulated_0123456789abcdef"
TLS_PATIENCE = 1.0


class Simulator:
    """Serves a world, with scripted faults, while its `async with` block runs.

    key: what the API accepts. api_port, cdn_port: 0 takes a free one. tls: serves HTTPS with this context.
    cdn_base: the origin of the URLs in the listing, where another server has the files. latency: seconds before
    each answer. log_limit: how many requests are remembered, the oldest forgotten first; None: all.
    """

    def __init__(
        self,
        world: World,
        faults: Iterable[Fault] = (),
        *,
        key: str = DEFAULT_KEY,
        api_port: int = 0,
        cdn_port: int = 0,
        tls: ssl.SSLContext | None = None,
        cdn_base: str | None = None,
        latency: float = 0.0,
        log_limit: int | None = None,
    ) -> None:
        self.world = world
        self.faults = Faults(faults)
        self.key = key
        self.api_origin = ""
        self.cdn_origin = ""
        self._ports = (api_port, cdn_port)
        self._tls = tls
        self._cdn_base = cdn_base
        self._latency = latency
        self._exchanges: deque[Exchange] = deque(maxlen=log_limit)
        self._logging = threading.Lock()
        self._servers: list[asyncio.Server] = []
        self._conversations: dict[asyncio.Task[None], StreamWriter] = {}

    @property
    def api_url(self) -> str:
        """The base URL of the API."""
        return self.api_origin + API_BASE

    @property
    def origins(self) -> tuple[str, str]:
        """The origins of API and CDN: `http://127.0.0.1:PORT`."""
        return self.api_origin, self.cdn_origin

    @property
    def log(self) -> list[Request]:
        """The requests that were answered or are being answered, in that order. May be read from any thread."""
        with self._logging:
            exchanges = tuple(self._exchanges)
        return [
            replace(exchange.request, status=exchange.status, bytes_sent=exchange.bytes_sent) for exchange in exchanges
        ]

    def requests(
        self,
        *,
        origin: Literal["api", "cdn"] | None = None,
        method: str | None = None,
        path: str | None = None,
        kind: str | None = None,
        video: int | str | None = None,
        page: int | None = None,
    ) -> list[Request]:
        """The part of the log that matches, as `Match` does."""
        match = Match(origin=origin, method=method, path=path, kind=kind, video=video, page=page)
        return [request for request in self.log if match(request)]

    def forget(self) -> None:
        """Empty the log."""
        with self._logging:
            self._exchanges.clear()

    async def __aenter__(self) -> Self:
        try:
            self.api_origin = await self._listen("api", Api(self.world, self.key), self._ports[0])
            self.cdn_origin = await self._listen("cdn", Cdn(self.world), self._ports[1])
        except OSError:
            await self._stop()
            raise
        self.world.cdn_base = self._cdn_base or self.cdn_origin
        for server in self._servers:
            await server.start_serving()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def _listen(self, name: str, origin: Origin, port: int) -> str:
        tls = {} if self._tls is None else {"ssl_handshake_timeout": TLS_PATIENCE, "ssl_shutdown_timeout": TLS_PATIENCE}
        connected = partial(self._connected, name, origin)
        server = await asyncio.start_server(
            connected, HOST, port, limit=MAX_HEAD, ssl=self._tls, start_serving=False, **tls
        )
        self._servers.append(server)
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{HOST}:{server.sockets[0].getsockname()[1]}"

    async def _stop(self) -> None:
        """Leave at once, whatever the clients are waiting for."""
        while self._servers:
            self._servers.pop().close()
        conversations = dict(self._conversations)
        for task, writer in conversations.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)

    def _connected(self, name: str, origin: Origin, reader: StreamReader, writer: StreamWriter) -> None:
        if not self._servers:  # accepted while the servers were closing
            writer.transport.abort()
            return
        task = asyncio.create_task(self._converse(name, origin, reader, writer))
        self._conversations[task] = writer
        task.add_done_callback(self._conversations.pop)

    async def _converse(self, name: str, origin: Origin, reader: StreamReader, writer: StreamWriter) -> None:
        """One connection, from its first request to its end."""
        try:
            with suppress(OSError, MalformedRequest, asyncio.IncompleteReadError):
                while (request := await read_request(reader, name)) is not None:
                    if not await self._answer(origin, request, reader, writer):
                        break
        finally:
            writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _answer(self, origin: Origin, request: Request, reader: StreamReader, writer: StreamWriter) -> bool:
        """One request. Returns whether the connection can go on."""
        if self._latency:
            await asyncio.sleep(self._latency)
        request = origin.recognise(request)
        action = self.faults.take(request)
        reply = action.apply(Scene(request, origin)) if action else origin.answer(request)
        date = formatdate(self.world.clock(), usegmt=True)
        reply = replace(reply, headers={"Date": date, **reply.headers})
        exchange = Exchange(request, reply.status)
        with self._logging:
            self._exchanges.append(exchange)
        return await write_reply(reader, writer, reply, exchange)


async def run(simulator: Simulator, ready: Callable[[Simulator], None]) -> None:
    """Serve until cancelled; `ready` is called once the ports are open."""
    async with simulator:
        ready(simulator)
        await asyncio.Event().wait()
