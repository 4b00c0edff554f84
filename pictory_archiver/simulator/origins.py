"""The two hosts, as honest as the real ones: what each answers to a request when nothing goes wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any, Protocol
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from .bodies import Body, File
from .videos import UPLOAD
from .wire import Reply, Request
from .world import ForeignToken, World

API_BASE = "/pictoryapis"
LISTING = f"{API_BASE}/v1/aistudio/videos"
TOKEN = "nextPageKey"  # noqa: S105  the name of a parameter
BLOCKED_AGENTS = re.compile(r"python|aiohttp", re.IGNORECASE)
SINGLE_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Origin(Protocol):
    """A host: it knows what a request is about, and the honest answer to it."""

    world: World

    def recognise(self, request: Request) -> Request:
        """The request with what it is about filled in."""

    def answer(self, request: Request) -> Reply:
        """The answer when nothing goes wrong."""


class Api:
    """The Pictory API: one listing, for one key, behind Cloudflare."""

    def __init__(self, world: World, key: str) -> None:
        self.world = world
        self._key = key

    def recognise(self, request: Request) -> Request:
        if request.path != LISTING:
            return request
        token = request.query.get(TOKEN)
        return replace(request, page=1 if token is None else self.world.page_number(token))

    def answer(self, request: Request) -> Reply:
        if BLOCKED_AGENTS.match(request.headers.get("user-agent", "")):
            return blocked()
        if request.headers.get("authorization") != self._key:
            return as_json(401, {"message": "Unauthorized"})
        if request.path != LISTING or request.method != "GET":
            return as_json(404, {"message": "Not Found"})
        try:
            page = self.world.page(request.query.get(TOKEN))
        except ForeignToken:
            return as_json(400, {"message": f"Invalid {TOKEN}"})
        return listing(page.items, page.next_key)


class Cdn:
    """CloudFront in front of S3: files, ranges, conditional requests, and XML for what went wrong."""

    def __init__(self, world: World) -> None:
        self.world = world

    def recognise(self, request: Request) -> Request:
        place = self.world.find(request.path)
        if place is None:
            return request
        if place.kind == UPLOAD:
            return replace(request, kind=UPLOAD)
        video_id = self.world.id(place.number)
        return replace(request, kind=place.kind, video=place.number, video_id=video_id)

    def answer(self, request: Request) -> Reply:
        if request.method not in ("GET", "HEAD"):
            return _error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
        if not self.world.opens(request.path, request.query):
            return _error(403, "AccessDenied", "Access denied")
        place = self.world.find(request.path)
        file = None if place is None else self.world.file(place)
        if file is None:
            return _error(404, "NoSuchKey", f"The specified key does not exist. {quote(request.path)}")
        return serve(file, request.headers)


def serve(file: File, asked: Mapping[str, str]) -> Reply:
    """A file, or the range of it that the request's headers ask for."""
    etag = file.etag
    modified = formatdate(file.modified, usegmt=True)
    headers = {
        "Content-Type": file.content_type,
        "ETag": etag,
        "Last-Modified": modified,
        "Accept-Ranges": "bytes",
        "Server": "AmazonS3",
    }
    if etag in asked.get("if-none-match", ""):
        return Reply(status=304, headers=headers)
    span = _range(asked.get("range", ""), file.body.size)
    if span is None or asked.get("if-range", etag) not in (etag, modified):
        return Reply(status=200, headers=headers, body=file.body)
    start, stop = span
    if start >= stop:
        reply = _error(416, "InvalidRange", "The requested range is not satisfiable")
        return replace(reply, headers={**reply.headers, "Content-Range": f"bytes */{file.body.size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.body.size}"
    return Reply(status=206, headers=headers, body=file.body.cut(start, stop))


def listing(items: Any, next_key: str | None) -> Reply:
    """A page of the API, with whatever `items` are."""
    return as_json(200, {"items": items} | ({TOKEN: next_key} if next_key else {}))


def as_json(status: int, value: Any) -> Reply:
    """An answer of the API."""
    return text(status, "application/json", msgspec.json.encode(value))


def blocked() -> Reply:
    """Cloudflare's bot protection."""
    return text(403, "text/plain; charset=UTF-8", b"error code: 1010")


def text(status: int, content_type: str, body: bytes) -> Reply:
    """A small answer in one piece."""
    headers = {"Content-Type": content_type, "Server": "cloudflare"}
    return Reply(status=status, headers=headers, body=Body(body))


def _error(status: int, code: str, message: str) -> Reply:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    headers = {"Content-Type": "application/xml", "Server": "AmazonS3"}
    return Reply(status=status, headers=headers, body=Body(body.encode()))


def _range(value: str, size: int) -> tuple[int, int] | None:
    """[start, stop) of a single range, None for everything else; empty where it lies behind the end."""
    match = SINGLE_RANGE.fullmatch(value)
    if match is None or value == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return max(size - int(last), 0), size
    stop = min(int(last) + 1, size) if last else size
    return (int(first), stop) if not last or int(first) <= int(last) else None
