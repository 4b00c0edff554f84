"""A Pictory account over time: the videos of a seed, and what happened to them since.

The methods that change the world may be called from any thread, also while a `Simulator` serves it. A video is
named by its index (see `videos`) or its id.
"""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from .bodies import File
from .clips import LARGEST_MP4
from .signing import Signer
from .videos import SUFFIXES, UPLOAD, UPLOADS, Place, Videos

NEWEST = datetime(2026, 4, 9, 18, 51, 47, 967000, tzinfo=UTC)
SPAN = timedelta(days=420)
REMOVED = UNSET


class ForeignToken(ValueError):
    """A `nextPageKey` that this world did not give out."""


class Page(Struct, frozen=True):
    """One page of a listing: raw items, newest first, and the token of the next page."""

    number: int
    items: list[Any]
    next_key: str | None


class Cursor(Struct, frozen=True):
    """Where a page begins: at a video, after `skip` of the items that stand at its index."""

    page: int
    index: int
    skip: int


class World:
    """A seeded account of `count` videos.

    newest, span: when its videos were made. page_size: items a page. empty_pages: numbers (from 1) of pages that
    come without items but with a key. video_bytes: every MP4 is filled up to this size. clock: what time it is there,
    in seconds since the epoch; answers are dated by it. signed: URLs carry a signature that is valid for
    `url_lifetime` seconds.
    cdn_base: the origin of all URLs; a `Simulator` sets it.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        count: int = 250,
        newest: datetime = NEWEST,
        span: timedelta = SPAN,
        page_size: int = 100,
        empty_pages: Collection[int] = (),
        video_bytes: int = 0,
        signed: bool = False,
        url_lifetime: float = 3600.0,
        clock: Callable[[], float] = time.time,
        cdn_base: str = "https://cdn.example",
    ) -> None:
        if video_bytes > LARGEST_MP4:
            raise ValueError(f"video_bytes: at most {LARGEST_MP4}")
        self.count = count
        self.clock = clock
        self.cdn_base = cdn_base
        self._videos = Videos(seed=seed, count=count, newest=newest, span=span)
        self._page_size = page_size
        self._empty_pages = frozenset(empty_pages)
        self._video_bytes = video_bytes
        self._signer = Signer(str(seed).encode(), url_lifetime, clock) if signed else None
        self._partition = f"user#{seed}"
        self._first = 0
        self._unlisted: dict[int, bool] = {}
        self._unfinished: frozenset[int] = frozenset()
        self._changes: dict[int, dict[str, Any]] = {}
        self._replaced: dict[int, Any] = {}
        self._inserted: dict[int, tuple[Callable[[], Any], ...]] = {}

    # Looking

    def __len__(self) -> int:
        """How many videos are listed, odd items and duplicates apart."""
        return self.count - self._first - len(self._unlisted.keys() | self._unfinished)

    def indexes(self) -> Iterator[int]:
        """The videos that are listed, newest first."""
        return (index for index in range(self._first, self.count) if self._listed(index))

    def index(self, video: int | str) -> int:
        """The index of a video of this world. Raises KeyError."""
        index = self._videos.index(video) if isinstance(video, str) else video
        if index is None or not self._first <= index < self.count:
            raise KeyError(video)
        return index

    def id(self, video: int | str) -> str:
        """The id of a video of this world. Raises KeyError."""
        return self._videos.id(self.index(video))

    def item(self, video: int | str) -> Any:
        """The item of a video as it would be listed now."""
        index = self.index(video)
        if index in self._replaced:
            return self._replaced[index]
        return _changed(self._videos.item(index, self.link), self._changes.get(index, {}))

    def page(self, token: str | None = None) -> Page:
        """The page that a token leads to, the first one without. Raises ForeignToken."""
        cursor = Cursor(1, self._first, 0) if token is None else self._cursor(token)
        if cursor.page in self._empty_pages:
            return self.empty_page(token)
        items: list[Any] = []
        index, skip = cursor.index, cursor.skip
        while index <= self.count:
            entries = self._entries(index)
            room = self._page_size - len(items)
            if skip < len(entries) and not room:
                return Page(cursor.page, items, self._token(Cursor(cursor.page + 1, index, skip)))
            taken = entries[skip : skip + room]
            items += (make() for make in taken)
            skip += len(taken)
            if skip >= len(entries):
                index, skip = index + 1, 0
        return Page(cursor.page, items, None)

    def empty_page(self, token: str | None = None) -> Page:
        """A page without items that leads on to where `token` would have led."""
        cursor = Cursor(1, self._first, 0) if token is None else self._cursor(token)
        return Page(cursor.page, [], self._token(msgspec.structs.replace(cursor, page=cursor.page + 1)))

    def page_number(self, token: str) -> int | None:
        """The number (from 1) of the page that a token leads to; None for a token of someone else."""
        try:
            return self._cursor(token).page
        except ForeignToken:
            return None

    def link(self, path: str) -> str:
        """The URL of a path on the CDN, signed where this world signs."""
        query = f"?{self._signer.sign(path)}" if self._signer else ""
        return f"{self.cdn_base}{path}{query}"

    def opens(self, path: str, query: dict[str, str]) -> bool:
        """Whether a request for this path is let through: always, in a world without signatures."""
        return self._signer is None or self._signer.opens(path, query)

    def find(self, path: str) -> Place | None:
        """What a path on the CDN stands for; None for nothing that was ever here."""
        place = self._videos.find(path)
        known = place and (place.kind == UPLOAD or self._first <= place.number < self.count)
        return place if known else None

    def path(self, video: int | str, kind: str) -> str:
        """The path of a video's file on the CDN."""
        return self._videos.path(Place(kind, self.index(video)))

    def file(self, place: Place) -> File | None:
        """The object at a place; None where it is gone or not there yet."""
        gone = place.number in self._unfinished or not self._unlisted.get(place.number, True)
        if gone and place.kind != UPLOAD:
            return None
        return self._videos.file(place, video_bytes=self._video_bytes)

    def files(self) -> Iterator[tuple[str, File]]:
        """Every object on the CDN with its path."""
        indexes = range(self._first, self.count)
        places = chain(
            (Place(kind, index) for index in indexes for kind in SUFFIXES),
            (Place(UPLOAD, number) for number in range(UPLOADS)),
        )
        for place in places:
            file = self.file(place)
            if file is not None:
                yield self._videos.path(place), file

    # Changing

    def add(self, number: int = 1) -> list[str]:
        """Make new videos, newer than all others. Returns their ids, newest first."""
        self._first -= number
        return [self.id(self._first + place) for place in range(number)]

    def hold_back(self, *videos: int | str) -> None:
        """Let these videos be unfinished jobs: not listed, and without files, until `finish_late`."""
        self._unfinished |= {self.index(video) for video in videos}

    def finish_late(self) -> None:
        """Finish the jobs held back: they turn up in the list with their old `createdDate`."""
        self._unfinished = frozenset()

    def delete(self, video: int | str, *, keep_files: bool = False) -> None:
        """Take a video out of the list, and its files off the CDN."""
        self._unlisted[self.index(video)] = keep_files

    def change(self, video: int | str, **fields: Any) -> None:
        """Set fields of a video's item, to anything; REMOVED takes a field away."""
        index = self.index(video)
        self._changes[index] = {**self._changes.get(index, {}), **fields}

    def replace_item(self, video: int | str, raw: Any) -> None:
        """List `raw` in the place of a video's item."""
        self._replaced[self.index(video)] = raw

    def insert_item(self, before: int, raw: Any) -> None:
        """List `raw` as one more item before the video with this index; at the end for `count`."""
        self._insert(before, lambda: raw)

    def duplicate(self, video: int | str, before: int, **fields: Any) -> None:
        """List a video's item once more, with these fields changed, before the video with this index."""
        index = self.index(video)
        self._insert(before, lambda: _changed(self.item(index), fields))

    def expire_urls(self) -> None:
        """Make all URLs listed so far answer 403. Those listed from now on work."""
        if self._signer is None:
            raise ValueError("only a world with signed=True has URLs that expire")
        self._signer.expire()

    def _insert(self, before: int, make: Callable[[], Any]) -> None:
        self._inserted[before] = (*self._inserted.get(before, ()), make)

    def _listed(self, index: int) -> bool:
        return index not in self._unlisted and index not in self._unfinished

    def _entries(self, index: int) -> tuple[Callable[[], Any], ...]:
        """The items that stand at an index, not made yet."""
        inserted = self._inserted.get(index, ())
        if index < self.count and self._listed(index):
            return (*inserted, lambda: self.item(index))
        return inserted

    def _token(self, cursor: Cursor) -> str:
        """Opaque base64. Three `?` and `>` in a row make sure of a `/` and a `+`, the blank of a `=`."""
        text = msgspec.json.encode({"partitionKey": self._partition, "sortKey": "???>>>", "from": cursor})
        return b64encode(text if len(text) % 3 else text + b" ").decode()

    def _cursor(self, token: str) -> Cursor:
        try:
            key = msgspec.json.decode(b64decode(token, validate=True))
            cursor = msgspec.convert(key["from"], Cursor)
        except (ValueError, KeyError, TypeError) as error:
            raise ForeignToken(token) from error
        if self._token(cursor) != token:
            raise ForeignToken(token)
        return cursor


def _changed(item: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (item | fields).items() if value is not REMOVED}
