"""The Pictory API as this program uses it: one page of generated videos at a time (source: docs.pictory.ai).

The key goes into the `Authorization` header of requests to the API's own origin, raw, and nowhere else: redirects
are not followed, and where an answer quotes the key it is masked before anything is read from it. Tokens are opaque
and go back exactly as they came. One request is in flight, and requests keep a distance.
"""

from __future__ import annotations

import asyncio
import datetime
import re
import time
from urllib.parse import quote, urlsplit

from .errors import ArchiverError, BrokenBody, Forbidden, HttpStatus, KeyRefused, ListingError, Unreachable, WebError
from .http import Answer, Web
from .key import Masking
from .listing_page import parse_page
from .models import Page
from .retry import Retrier
from .settings import Api
from .text import printable

VIDEOS = "/v1/aistudio/videos"
KEY_PAGE = "app.pictory.ai/api-access"
CLOUDFLARE_BLOCK = re.compile(rb"\A\s*<|error.code\W{0,4}1\d{3}|cloudflare", re.IGNORECASE)
"""What the body of a 403 looks like that Cloudflare's bot protection gave, not the API."""


class PictoryApi:
    """The listing of one account."""

    def __init__(self, web: Web, retrier: Retrier, settings: Api, key: str) -> None:
        self._web = web
        self._retrier = retrier
        self._settings = settings
        self._headers = {"Authorization": key, "Accept": "application/json"}
        self._masked = Masking(key).masked
        self._url = videos_url(settings)
        self._host = urlsplit(self._url).netloc
        self.clock: datetime.datetime | None = None
        """What the server's clock said with its last answer, UTC; None where it did not say."""
        self._turn = asyncio.Lock()
        self._next_request = 0.0

    async def page(self, token: str | None) -> Page:
        """The page that `token` (from the page before) leads to; the first one for None.

        Raises `KeyRefused`, or `ListingError` once trying again does not help.
        """
        url = self._url if token is None else f"{self._url}?nextPageKey={quote(token, safe='')}"
        try:
            return await self._retrier.run(lambda: self._attempt(url), host=self._host, what="page of the listing")
        except WebError as error:
            raise self._explained(error, is_first=token is None) from error

    async def _attempt(self, url: str) -> Page:
        async with self._turn:
            await asyncio.sleep(self._next_request - time.monotonic())
            self._next_request = time.monotonic() + self._settings.pause_seconds
            try:
                async with (
                    asyncio.timeout(self._settings.timeout_seconds),
                    self._web.get(url, self._headers) as answer,
                ):
                    return parse_page(await self._body(answer))
            except TimeoutError:
                raise Unreachable(f"no whole answer within {self._settings.timeout_seconds:g} s") from None

    async def _body(self, answer: Answer) -> bytes:
        if answer.status != 200:
            raise await answer.refusal()
        self.clock = answer.date
        body = self._masked(await answer.read(self._settings.max_page_bytes))
        if body.lstrip()[:1] == b"<":
            raise BrokenBody("the API answered with an HTML page (a login page of this network?)")
        return body

    def _explained(self, error: WebError, *, is_first: bool) -> ArchiverError:
        """What an answer of the API means for the run, in words for a person."""
        if isinstance(error, HttpStatus):
            return _explained_status(error, self._said(error.body), is_first=is_first)
        hint = "check the connection and run it again: what is here stays, and the run goes on from there"
        if isinstance(error, Forbidden):
            hint = "behind a proxy that inspects TLS, name its certificate in the setting network.ca_file"
        said = self._masked(str(error).encode()).decode()
        return ListingError(f"the API could not be read: {said}", hint=hint)

    def _said(self, body: bytes) -> str:
        """The beginning of an answer for a person. A page of HTML says nothing."""
        text = self._masked(body).decode("utf-8", "replace").strip()
        return f": {printable(text, 80)}" if text and not text.startswith("<") else ""


def videos_url(settings: Api) -> str:
    """The address of the listing."""
    return settings.base_url.rstrip("/") + VIDEOS


def _explained_status(error: HttpStatus, said: str, *, is_first: bool) -> ArchiverError:
    blocked = error.status == 403 and CLOUDFLARE_BLOCK.search(error.body)
    if error.status in (401, 403) and not blocked:
        return KeyRefused(
            f"the API refused the key (HTTP {error.status})",
            hint="the key is wrong or was replaced, or the subscription may have ended. The archive is untouched, and "
            f"looking at it and verifying it go on without a key. Keys are made at {KEY_PAGE}",
        )
    if blocked:
        return ListingError(
            "the API's bot protection (Cloudflare) blocked this client or its User-Agent; the key was not judged",
            hint="set another User-Agent in the setting api.user_agent, or try from another network",
        )
    pause = f", and asks to wait {error.retry_after:,.0f} s" if error.retry_after else ""
    if error.status == 429:
        return ListingError(f"the API limits the rate of requests (HTTP 429){pause}", hint="run it again later")
    if 500 <= error.status <= 599:
        return ListingError(f"the API is in trouble (HTTP {error.status}){pause}{said}", hint="run it again later")
    hint = "check the setting api.base_url" if is_first else "run it again: the listing starts anew"
    return ListingError(f"the API answered HTTP {error.status}{said}", hint=hint)
