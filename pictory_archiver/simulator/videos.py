"""The videos of a seed: everything about a video follows from its index, nothing is stored.

Index 0 is the newest video of the world as it was made, larger indexes are older, and videos added later count
down from -1. Ids and URLs look random and tell the index again. Times are milliseconds since the epoch.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID

from msgspec import Struct

from .bodies import File
from .clips import CONTENT_TYPES, vary
from .prompts import LONGEST, prompt
from .scramble import Scramble

UPLOAD = "upload"
SUFFIXES = {
    "video": ".mp4",
    "preview": "_preview.jpg",
    "thumbnail": "_thumbnail.jpg",
    "last_frame": "_last_frame.png",
}
KINDS = {suffix: kind for kind, suffix in SUFFIXES.items()}
FIELDS = {
    "video": "url",
    "preview": "previewImageUrl",
    "thumbnail": "thumbnailImageUrl",
    "last_frame": "lastFrameImageUrl",
}
SHAPES = (
    ("9:16", 720, 1280),
    ("16:9", 1280, 720),
    ("9:16", 720, 1280),
    ("1:1", 960, 960),
    ("4:3", 960, 720),
    ("16:9", 1280, 720),
    ("3:4", 720, 960),
)
LOOKS = ("", "b")
MODELS = ("pixverse5.5", "pixverse5.5", "veo3.1_fast", "pixverse5.5", "veo3.1")
MIDDLE = 2**40
UPLOADS_FROM = 2**48
REFERENCES = 24
FIRST_FRAMES = 64
UPLOADS = REFERENCES + FIRST_FRAMES
WEBP_UPLOAD = 2
STORY = 16
LONGEST_STORY = 5
ADDED_STEP = 60_000

Link = Callable[[str], str]


class Place(Struct, frozen=True):
    """A file on the CDN: the `kind` of file of the video with the index `number`, or the user's upload `number`.

    Uploads below REFERENCES are reference images, those from there on first frames.
    """

    kind: str
    number: int


class Videos:
    """The videos with indexes below `count`: the newest about `newest`, the oldest about `span` before it."""

    def __init__(self, *, seed: int, count: int, newest: datetime, span: timedelta) -> None:
        self.count = count
        self._key = blake2b(str(seed).encode(), digest_size=32).digest()
        self._ids = Scramble(self._key, 64)
        self._names = Scramble(self._key, 128)
        self._newest = _milliseconds(newest)
        self._step = max(int(span / timedelta(milliseconds=1)) // max(count, 1), 1000)
        self._user = UUID(bytes=self._key[:16])
        self._path = re.compile(
            rf"/(?P<folder>videos/user|uploads)/{self._user}/(?P<name>[0-9a-f-]{{36}})(?P<suffix>[a-z_]*\.[a-z0-9]+)"
        )

    def created(self, index: int) -> int:
        """Strictly descending with the index, at uneven distances."""
        step = self._step if index >= 0 else ADDED_STEP
        jitter = int.from_bytes(self._dice("time", index)[:4], "big") % (step * 9 // 10)
        return self._newest - index * step - jitter

    def id(self, index: int) -> str:
        """The time of the request, some time before the video was done, and 16 hex digits."""
        rendering = 20_000 + int.from_bytes(self._dice("time", index)[4:6], "big") * 2
        requested = _moment(self.created(index) - rendering)
        stamp = f"{requested:%Y%m%d%H%M%S}{requested.microsecond // 1000:03}"
        return f"{stamp}{self._ids.hide(index + MIDDLE):016x}"

    def index(self, video_id: str) -> int | None:
        """The index behind an id of this seed; None for any other text."""
        digits = video_id[-16:]
        if not re.fullmatch("[0-9a-f]{16}", digits):
            return None
        index = self._ids.reveal(int(digits, 16)) - MIDDLE
        return index if self._possible(index) and self.id(index) == video_id else None

    def path(self, place: Place) -> str:
        """The path of a file on the CDN."""
        if place.kind == UPLOAD:
            suffix = _suffix(_upload(place.number))
            return f"/uploads/{self._user}/{self._name(UPLOADS_FROM + place.number)}{suffix}"
        return f"/videos/user/{self._user}/{self._name(MIDDLE + place.number)}{SUFFIXES[place.kind]}"

    def find(self, path: str) -> Place | None:
        """The inverse of `path`; None for a path that is none of ours."""
        match = self._path.fullmatch(path)
        if match is None:
            return None
        number = self._names.reveal(int(match["name"].replace("-", ""), 16))
        if UPLOADS_FROM <= number < UPLOADS_FROM + UPLOADS:
            place = Place(UPLOAD, number - UPLOADS_FROM)
        elif match["suffix"] in KINDS and self._possible(number - MIDDLE):
            place = Place(KINDS[match["suffix"]], number - MIDDLE)
        else:
            return None
        return place if self.path(place) == path else None

    def file(self, place: Place, *, video_bytes: int = 0) -> File:
        """The object at a place; a video is filled up to `video_bytes`."""
        if place.kind == UPLOAD:
            name = _upload(place.number)
            body = vary(name, f"upload {self._user} {place.number}".encode())
            return File(body, CONTENT_TYPES[_suffix(name)], self._newest // 1000 - 10**8)
        ratio, _, _ = self._shape(place.number)
        name = ratio.replace(":", "x") + self._look(place.number) + SUFFIXES[place.kind]
        tag = f"{place.kind} of video {self.id(place.number)} of user {self._user}"
        body = vary(name, tag.encode(), size=video_bytes)
        return File(body, CONTENT_TYPES[_suffix(name)], self.created(place.number) // 1000)

    def item(self, index: int, link: Link) -> dict[str, Any]:
        """The video as the API lists it; `link` makes a URL of a path."""
        dice = self._dice("video", index)
        ratio, width, height = self._shape(index)
        created = _moment(self.created(index))
        model = MODELS[dice[0] % len(MODELS)]
        return {
            "url": link(self.path(Place("video", index))),
            "id": self.id(index),
            "prompt": self._prompt(index),
            "aspectRatio": ratio,
            "createdDate": created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "model": model,
            "width": width,
            "height": height,
            "duration": "5s" if model == "pixverse5.5" and dice[1] % 2 else "8s",
            **{FIELDS[kind]: link(self.path(Place(kind, index))) for kind in FIELDS if kind != "video"},
            **self._inputs(index, link),
        }

    def continues(self, index: int) -> int | None:
        """The older video that this one goes on from: one in seven videos, in chains of up to five."""
        block, place = divmod(index, STORY)
        dice = self._dice("story", block)
        length = dice[0] % (LONGEST_STORY + 1)
        start = dice[1] % (STORY - LONGEST_STORY)
        return index + 1 if start <= place < start + length - 1 and index + 1 < self.count else None

    def _inputs(self, index: int, link: Link) -> dict[str, Any]:
        dice = self._dice("input", index)
        older = self.continues(index)
        if older is not None and dice[0] % 3 == 0:
            return {"extendVideoUrl": link(self.path(Place("video", older)))}
        if older is not None:
            return {"firstFrameImageUrl": link(self.path(Place("last_frame", older)))}
        if dice[0] < 16:
            number = REFERENCES + dice[1] % FIRST_FRAMES
            return {"firstFrameImageUrl": link(self.path(Place(UPLOAD, number)))}
        if dice[0] < 44:
            numbers = dict.fromkeys(number % REFERENCES for number in dice[2 : 3 + dice[1] % 3])
            return {"referenceImageUrls": [link(self.path(Place(UPLOAD, number))) for number in numbers]}
        return {}

    def _prompt(self, index: int) -> str:
        first = self._first_part(index)
        text = prompt(self._dice("prompt", first))
        return text if first == index else f"{text[: LONGEST - 20]} (continued, {first - index + 1})"

    def _shape(self, index: int) -> tuple[str, int, int]:
        return SHAPES[self._dice("shape", self._first_part(index))[0] % len(SHAPES)]

    def _look(self, index: int) -> str:
        return LOOKS[self._dice("shape", self._first_part(index))[1] % len(LOOKS)]

    def _first_part(self, index: int) -> int:
        """Where the story of a video begins: its parts share a shape and the beginning of the prompt."""
        while (older := self.continues(index)) is not None:
            index = older
        return index

    def _possible(self, index: int) -> bool:
        return -MIDDLE < index < self.count

    def _name(self, number: int) -> UUID:
        return UUID(int=self._names.hide(number))

    def _dice(self, what: str, number: int) -> bytes:
        return blake2b(f"{what} {number}".encode(), key=self._key, digest_size=16).digest()


def _upload(number: int) -> str:
    if number >= REFERENCES:
        return "upload_d.jpg"
    if number == WEBP_UPLOAD:
        return "upload_c.webp"
    return "upload_b.png" if number % 2 else "upload_a.jpg"


def _suffix(name: str) -> str:
    return name[name.rindex(".") :]


def _milliseconds(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)
