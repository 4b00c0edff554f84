"""Pings to a monitor that watches scheduled runs (healthchecks.io and its like): a run began, ended well, or did not.

The address is the user's own, so a private one or plain HTTP is allowed. It is as good as a secret: no message holds
more of it than scheme and host. A ping carries no API key, and its failure is a warning that changes nothing.
"""

from __future__ import annotations

import asyncio
from typing import Literal
from urllib.parse import urlsplit

from .errors import HttpStatus, WebError
from .http import Limits, Web, trust_store

What = Literal["start", "success", "fail"]

TRIES = 2
PAUSE_SECONDS = 0.5
MAX_BODY_BYTES = 100_000
HEADERS = {"Content-Type": "text/plain; charset=utf-8"}
PATHS: dict[What, str] = {"start": "/start", "success": "", "fail": "/fail"}


async def ping(
    url: str, what: What, body: str, *, user_agent: str, ca_file: str | None = None, seconds: float = 10.0
) -> str | None:
    """Tells the monitor at `url`, within some seconds in all. → None, or a line that says why it was not told."""
    try:
        async with asyncio.timeout(seconds):
            await _post(address(url, what), _within_limit(body), user_agent, ca_file, seconds)
    except TimeoutError:
        reason = f"no answer within {seconds:g} s"
    except (WebError, OSError) as error:
        reason = str(error)
    else:
        return None
    server = urlsplit(url)
    return f"the ping to {server.scheme}://{server.hostname} failed: {reason}"


def address(url: str, what: What) -> str:
    """Where to tell it: the word is appended to the path, before a query."""
    path, mark, query = url.partition("?")
    return f"{path.rstrip('/')}{PATHS[what]}{mark}{query}" if PATHS[what] else url


def _within_limit(body: str) -> bytes:
    data = body.encode("utf-8", "backslashreplace")[:MAX_BODY_BYTES]
    return data.decode("utf-8", "ignore").encode()


async def _post(url: str, body: bytes, user_agent: str, ca_file: str | None, seconds: float) -> None:
    """Two tries. Raises `WebError`, and `OSError` for certificates that cannot be read."""
    patience = seconds / TRIES / 2  # to connect, and as long for an answer
    limits = Limits(connect=patience, stall=patience, min_speed=0)
    web = Web(user_agent=user_agent, tls=trust_store(ca_file), limits=limits, guard=None, max_redirects=0)
    try:
        for attempt in range(TRIES):
            try:
                status = await web.post(url, HEADERS, body)
                if 200 <= status <= 299:
                    return
                raise HttpStatus(status)
            except WebError as error:
                if not error.retryable or attempt == TRIES - 1:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)
    finally:
        await web.close()
