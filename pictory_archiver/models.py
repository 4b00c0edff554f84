"""The records that travel through the program. Frozen; parsed once, where they enter.

Times are timezone-aware UTC `datetime`s, sizes are bytes, digests lower-case hex, paths POSIX and relative.
An *address* is a URL without its signature parameters: the form in which a URL may be written down.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any

from msgspec import Meta, Struct


class Kind(StrEnum):
    """Which of a video's files this is."""

    VIDEO = "video"
    THUMBNAIL = "thumbnail"
    PREVIEW = "preview"
    LAST_FRAME = "last_frame"
    FIRST_FRAME = "first_frame"
    REFERENCE = "reference"
    EXTEND_SOURCE = "extend_source"

    __hash__ = str.__hash__  # that of enumerations is a step of Python, and files are looked up by kind all the time


OUTPUTS = (Kind.VIDEO, Kind.THUMBNAIL, Kind.PREVIEW, Kind.LAST_FRAME)
INPUTS = (Kind.FIRST_FRAME, Kind.REFERENCE, Kind.EXTEND_SOURCE)


class Status(StrEnum):
    """What is known of a file."""

    STORED = "stored"
    LINKED = "linked"
    MISSING = "missing"
    DENIED = "denied"
    FAILED = "failed"
    REJECTED = "rejected"
    PENDING = "pending"
    SKIPPED = "skipped"

    __hash__ = str.__hash__


LARGEST = 2**63 - 1
"""The largest number that the catalogue can hold."""

MAX_INDEX = 9_999_999
"""A page of 32 MB holds fewer than ten million references."""


class Slot(Struct, frozen=True, order=True):
    """The place of one file within a video: its kind and, for references, its number from 1 (otherwise 0)."""

    kind: Kind
    index: int = 0

    def __str__(self) -> str:
        return f"{self.kind}-{self.index}" if self.index else str(self.kind)


class Source(Struct, frozen=True):
    """Where one file of a video can be had. `url` may carry a signature: it stays in memory."""

    slot: Slot
    url: str
    address: str

    def __repr__(self) -> str:
        return f"Source({self.slot}, {self.address!r})"


class Video(Struct, frozen=True):
    """One item of a listing. `item` is the API's object, verbatim but for signature parameters of URLs.

    `sources` holds the files that the item names; an output that it does not name yet has no source.
    """

    id: str
    item: dict[str, Any]
    created: datetime | None
    prompt: str
    model: str
    aspect_ratio: str
    sources: tuple[Source, ...]

    def __repr__(self) -> str:
        return f"Video({self.id!r})"


class OddItem(Struct, frozen=True):
    """An item that is no object or has no id. Kept raw (JSON text), counted, never dropped."""

    raw: str
    problem: str


class Page(Struct, frozen=True):
    """One page of a listing, in the API's order. `next_key` is opaque; None on the last page.

    `repeated` are videos that an earlier page of the same walk had.
    """

    videos: tuple[Video, ...]
    odd: tuple[OddItem, ...]
    next_key: str | None
    repeated: tuple[Video, ...] = ()


class Place(Struct, frozen=True):
    """Where a video lives: a folder (POSIX, relative to the archive) and the stem of all its files."""

    folder: str
    stem: str

    @classmethod
    def of(cls, sidecar: PurePosixPath) -> Place:
        """The place of a video whose sidecar has this path."""
        folder, _, name = str(sidecar).rpartition("/")
        return cls(folder, name.removesuffix(".json"))

    def path(self, name: str) -> PurePosixPath:
        """The path of a file of this video, relative to the archive's root."""
        return PurePosixPath(self.folder) / name

    @property
    def sidecar(self) -> PurePosixPath:
        return self.path(f"{self.stem}.json")

    def text(self, name: str) -> str:
        """The same path as text, for where a path for each file of a large archive would cost too much."""
        return f"{self.folder}/{name}" if self.folder else name

    @property
    def sidecar_text(self) -> str:
        return self.text(f"{self.stem}.json")


class Asset(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file of a video, as the sidecar and the catalogue record it.

    `path` is a name in the sidecar's own folder (only `stored` has one); behind `$` its pattern refuses the line break
    that Python lets pass there. `video_id` and `asset` say, for `linked`, which file of which other video of the
    archive this input is.
    """

    kind: Kind
    index: Annotated[int, Meta(ge=1, le=MAX_INDEX)] | None = None
    status: Status
    path: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$(?!\n)")] | None
    bytes: Annotated[int, Meta(ge=-LARGEST, le=LARGEST)] | None = None
    sha256: str | None = None
    content_type: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    video_id: str | None = None
    asset: Kind | None = None
    error: str | None = None
    url: str | None = None
    stored_at: str | None = None

    @property
    def slot(self) -> Slot:
        return Slot(self.kind, self.index or 0)

    @property
    def held(self) -> bool:
        """True where the archive has the bytes, under this video or under the one that it is linked to."""
        return self.status in (Status.STORED, Status.LINKED)
