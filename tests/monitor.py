"""A monitor of scheduled runs, on loopback, that remembers its pings and does as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "3f1c9a52-5ba9-4d0e-9f6e-secret"


@dataclass
class Ping:
    """One request as it came."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]


@dataclass
class Monitor:
    """`answers` are the statuses of the next answers, then 200; with `hangs` there is no answer at all."""

    port: int = 0
    pings: list[Ping] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    location: str | None = None
    hangs: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{SECRET}"

    @property
    def told(self) -> list[str]:
        """What it was told, in order: `start`, `` for success, `fail`."""
        return [ping.path.removeprefix(f"/{SECRET}").removeprefix("/") for ping in self.pings]


@contextmanager
def monitor() -> Iterator[Monitor]:
    """Runs one for as long as it is needed."""
    state = Monitor()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.pings.append(Ping(self.command, self.path, body, dict(self.headers)))
            if state.hangs.is_set():
                state.ended.wait(60)
                return
            self.send_response(state.answers.pop(0) if state.answers else 200)
            if state.location is not None:
                self.send_header("Location", state.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - its name

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its signature
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield state
    finally:
        state.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
