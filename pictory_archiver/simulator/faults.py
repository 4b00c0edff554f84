"""Scripted faults: which request goes wrong, how often, and in what way. Plain data, to and from JSON.

[{"on": {"origin": "api", "page": 3}, "times": null, "action": {"do": "status", "status": 500}}]
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from .action import Action
from .answers import (
    CloudflareBlock,
    EndlessJson,
    EndlessPages,
    Html,
    Items,
    RawBody,
    Redirect,
    RepeatToken,
    Status,
    TruncatedJson,
)
from .transfers import (
    BadContentRange,
    Cut,
    CutChunked,
    Delay,
    Drip,
    Empty,
    Endless,
    GzipBomb,
    HeaderBomb,
    IgnoreRange,
    Informational,
    NoLength,
    Reset,
    Stall,
    Swap,
    Truncate,
    Unasked206,
    WrongEtagOnRange,
    WrongLength,
)
from .wire import Request

AnyAction = (
    Status
    | RawBody
    | Html
    | CloudflareBlock
    | Redirect
    | Cut
    | CutChunked
    | NoLength
    | WrongLength
    | Empty
    | Endless
    | Reset
    | Delay
    | Drip
    | Stall
    | IgnoreRange
    | Unasked206
    | BadContentRange
    | WrongEtagOnRange
    | GzipBomb
    | HeaderBomb
    | Informational
    | Swap
    | Truncate
    | TruncatedJson
    | Items
    | RepeatToken
    | EndlessPages
    | EndlessJson
)


class Match(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Requests that are alike in every field given.

    path: a regular expression, searched for. kind: `video`, `preview`, `thumbnail`, `last_frame` or `upload` (an
    image that the user gave). video: an index or an id. page: the number of a page of the listing, from 1.
    """

    origin: Literal["api", "cdn"] | None = None
    method: str | None = None
    path: str | None = None
    kind: str | None = None
    video: int | str | None = None
    page: int | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.path or "")
        except re.error as error:
            raise ValueError(f"path: {error}") from error

    def __call__(self, request: Request) -> bool:
        """Whether a request is one of these."""
        return (
            self.origin in (None, request.origin)
            and self.method in (None, request.method)
            and (self.path is None or re.search(self.path, request.path) is not None)
            and self.kind in (None, request.kind)
            and self.video in (None, request.video, request.video_id)
            and self.page in (None, request.page)
        )


class Fault(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An action on the matching requests from the `nth` (from 1) on, for so many `times`; None: for ever."""

    on: Match
    action: AnyAction
    nth: Annotated[int, Meta(ge=1)] = 1
    times: Annotated[int, Meta(ge=1)] | None = 1


class Faults:
    """The script of a simulator. Each fault counts the requests that match it; the first that is due acts.

    It may be changed from any thread while requests come in.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._counts: tuple[tuple[Fault, list[int]], ...] = ()
        self.add(*faults)

    def add(self, *faults: Fault) -> None:
        """Script more faults, which count from now on."""
        self._counts += tuple((fault, [0]) for fault in faults)

    def clear(self) -> None:
        """Let everything go right from now on."""
        self._counts = ()

    def take(self, request: Request) -> Action | None:
        """What happens to this request, which is counted; None where nothing is to go wrong."""
        due = None
        for fault, count in self._counts:
            if fault.on(request):
                count[0] += 1
                over = None if fault.times is None else fault.nth + fault.times
                if due is None and count[0] >= fault.nth and (over is None or count[0] < over):
                    due = fault.action
        return due


def load_faults(text: bytes | str) -> list[Fault]:
    """The faults in a JSON text. Raises msgspec.ValidationError, which names the place."""
    return msgspec.json.decode(text, type=list[Fault])


def dump_faults(faults: Iterable[Fault]) -> bytes:
    """The faults as JSON, for `load_faults`."""
    return msgspec.json.format(msgspec.json.encode(list(faults)), indent=2)
