"""Actions that answer something else, and those that bend the listing."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import field
from msgspec.structs import replace

from .action import Action, Scene
from .bodies import ENDLESS, Body, Repeat
from .origins import TOKEN, as_json, blocked, listing, text
from .wire import Ending, Framing, Reply

PORTAL = b"<!DOCTYPE html><html><title>Welcome</title><body>Please log in to use this network.</body></html>"


class Status(Action, frozen=True):
    """Another status, with these headers and this body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    def apply(self, _: Scene, /) -> Reply:
        reply = text(self.status, "text/plain", self.body.encode())
        return replace(reply, headers={**reply.headers, **self.headers})


class RawBody(Action, frozen=True):
    """200 with these bytes (base64 in JSON)."""

    body: bytes
    content_type: str = "application/json"

    def apply(self, _: Scene, /) -> Reply:
        return text(200, self.content_type, self.body)


class Html(Action, frozen=True):
    """200 with the page of a captive portal, whatever the label says."""

    content_type: str = "text/html; charset=utf-8"

    def apply(self, _: Scene, /) -> Reply:
        return text(200, self.content_type, PORTAL)


class CloudflareBlock(Action, frozen=True):
    """403 with error code 1010: the client is blocked, the key may be good."""

    def apply(self, _: Scene, /) -> Reply:
        return blocked()


class Redirect(Action, frozen=True):
    """A redirect to `location`, or round to the file itself, in `hops` steps. With more than one: times=None."""

    location: str | None = None
    status: int = 302
    hops: int = 1

    def apply(self, scene: Scene, /) -> Reply:
        query = scene.request.query
        hop = int(query.get("hop", "0")) + 1
        if hop > self.hops:
            return scene.honest()
        onward = f"{scene.request.path}?{urlencode({**query, 'hop': hop})}"
        target = self.location if hop == self.hops and self.location else onward
        return Reply(status=self.status, headers={"Location": target})


class TruncatedJson(Action, frozen=True):
    """The first half of the page's JSON under a matching Content-Length."""

    def apply(self, scene: Scene, /) -> Reply:
        reply = scene.honest()
        return replace(reply, body=reply.body.cut(0, reply.body.size // 2))


class Items(Action, frozen=True):
    """The page with this value as its `items`."""

    value: Any

    def apply(self, scene: Scene, /) -> Reply:
        page = _page(scene)
        return scene.honest() if page is None else as_json(200, {**page, "items": self.value})


class RepeatToken(Action, frozen=True):
    """The page, with the token that it was asked for as the token of the next."""

    def apply(self, scene: Scene, /) -> Reply:
        page = _page(scene)
        token = scene.request.query.get(TOKEN)
        return scene.honest() if page is None or token is None else listing(page["items"], token)


class EndlessPages(Action, frozen=True):
    """A page without items and with a new token. With times=None: for ever."""

    def apply(self, scene: Scene, /) -> Reply:
        if _page(scene) is None:
            return scene.honest()
        page = scene.origin.world.empty_page(scene.request.query.get(TOKEN))
        return listing(page.items, page.next_key)


class EndlessJson(Action, frozen=True):
    """A page whose items never end, without a length."""

    def apply(self, scene: Scene, /) -> Reply:
        body = Body(b'{"items":[', Repeat(b'{"id":"endless"},' * 1024, ENDLESS))
        return replace(scene.honest(), body=body, framing=Framing.CLOSE, ending=Ending.CLOSE)


def _page(scene: Scene) -> dict[str, Any] | None:
    """The page of the listing that the honest answer holds, None where it holds none."""
    reply = scene.honest()
    if reply.status != 200 or scene.request.page is None:
        return None
    page: dict[str, Any] = msgspec.json.decode(reply.body.read())
    return page
