"""Facts that observers receive while a run is under way.

An observer is any callable that takes one of these frozen records and returns nothing. Silence is the default.
Observers are called on the event loop: they must be quick and must not block.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from .findings import What
from .models import Slot, Status


class PageListed(Struct, frozen=True):
    """A page of the listing arrived. `videos` counts the distinct ones so far; `last` closes the listing."""

    page: int
    videos: int
    last: bool


class VideoPlanned(Struct, frozen=True):
    """A video was compared with what is held. `files` outputs are to be fetched, for the `reason` given."""

    video_id: str
    files: int
    reason: str


class VideosHeld(Struct, frozen=True):
    """`count` listed videos need nothing: what is held of them is as it should be."""

    count: int


class BytesReceived(Struct, frozen=True):
    """`count` more bytes of media arrived."""

    count: int


class FileStored(Struct, frozen=True):
    """A file is under its final name, verified. `path` is relative to the archive."""

    video_id: str
    slot: Slot
    path: str
    bytes: int


class FileFailed(Struct, frozen=True):
    """A file could not be had in this run."""

    video_id: str
    slot: Slot
    status: Status
    error: str


class VideoDone(Struct, frozen=True):
    """The sidecar of a video is written, or was found to be true as it stands."""

    video_id: str
    complete: bool


class ReadingStarted(Struct, frozen=True):
    """A check begins: so many videos are to be looked at, and about so many bytes of their files to be read."""

    videos: int
    bytes: int


class BytesRead(Struct, frozen=True):
    """`count` more bytes of the archive were read and compared."""

    count: int


class VideosChecked(Struct, frozen=True):
    """`count` more videos were looked at."""

    count: int


class Found(Struct, frozen=True):
    """A check found something at a path of the archive."""

    what: What
    path: str
    detail: str
    is_damage: bool


class Retrying(Struct, frozen=True):
    """An attempt failed and is made again after `wait` seconds."""

    what: str
    error: str
    attempt: int
    wait: float


class PhaseStarted(Struct, frozen=True):
    """The run goes over to another part of its journey, named in words for a person."""

    name: str


class Warned(Struct, frozen=True):
    """Something that a person should know and that does not end the run."""

    message: str


Event = (
    PageListed
    | VideoPlanned
    | VideosHeld
    | BytesReceived
    | FileStored
    | FileFailed
    | VideoDone
    | ReadingStarted
    | BytesRead
    | VideosChecked
    | Found
    | Retrying
    | PhaseStarted
    | Warned
)
Observer = Callable[[Event], None]


def silent(event: Event) -> None:
    """The observer that observes nothing."""
