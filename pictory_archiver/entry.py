"""What a person or another program is told of a video: one record, for lists, exports and the offline library. Pure.

Paths are POSIX, from the archive's root. Every text is upstream's: it is data, and never markup, a formula or a path.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from msgspec import Struct

from .models import Asset, Kind, Slot, Status

FORMAT: Literal["pictory-archiver/video"] = "pictory-archiver/video"


class Standing(StrEnum):
    """What the archive holds of a video, in a word."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    PENDING = "pending"


class EntryFile(Struct, frozen=True, kw_only=True):
    """One file of a video. `path` is where it is held: also that of the file of another video that it is linked to,
    which `video_id` and `asset` name."""

    kind: Kind
    index: int | None = None
    status: Status
    path: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    url: str | None = None
    error: str | None = None
    video_id: str | None = None
    asset: Kind | None = None

    @property
    def slot(self) -> Slot:
        return Slot(self.kind, self.index or 0)


class Entry(Struct, frozen=True, kw_only=True):
    """A video of the archive.

    `created_at` is UTC (null: missing or unreadable), `status` what is held of it: `pending` is one in the making, that
    has no MP4 yet. `path` is that of the MP4, `sidecar` that of the JSON file (null: not held, not written yet).
    `bytes` counts its own files. `chain` holds the ids of the film that it is part of, from the first part to the last
    (empty: of none), `continues` the part before it, `continued_by` all that go on from it. `request` is the body that
    would generate it again (null: it has no prompt).
    """

    format: Literal["pictory-archiver/video"] = FORMAT
    version: Literal[1] = 1
    collection: Literal["videos"] = "videos"
    id: str
    account: str
    created_at: str | None
    prompt: str
    model: str
    aspect_ratio: str
    width: int | None
    height: int | None
    duration_seconds: float | None
    status: Standing
    gone_upstream: str | None
    archived_at: str | None
    path: str | None
    sidecar: str | None
    bytes: int
    files: tuple[EntryFile, ...]
    accepted: tuple[str, ...]
    continues: str | None
    continued_by: tuple[str, ...]
    chain: tuple[str, ...]
    request: dict[str, Any] | None

    def file(self, kind: Kind) -> EntryFile | None:
        """The file of this kind, the first one of references; None where there is none."""
        return next((each for each in self.files if each.kind is kind), None)


def standing_of(assets: tuple[Asset, ...], *, complete: bool) -> Standing:
    """What is held of a video with these files."""
    if complete:
        return Standing.COMPLETE
    in_the_making = any(each.kind is Kind.VIDEO and each.status is Status.PENDING and not each.url for each in assets)
    return Standing.PENDING if in_the_making else Standing.INCOMPLETE
