"""How far a run is, kept up to date by its events: of transfers, or of a check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from .events import (
    BytesRead,
    BytesReceived,
    Event,
    FileFailed,
    FileStored,
    Found,
    PageListed,
    PhaseStarted,
    ReadingStarted,
    VideoDone,
    VideosChecked,
    VideosHeld,
)
from .models import Slot
from .report import count, duration, size


class Progress(Struct, frozen=True):
    """How far a run is. `bytes` is what arrived; `last`: the listing has ended."""

    listed: int
    done: int
    files: int
    bytes: int
    failed: int
    last: bool

    @property
    def words(self) -> str:
        listed = f"{count(self.listed, 'video')} listed" + ("" if self.last else " so far")
        files = f"{count(self.files, 'file')}, {size(self.bytes)}, {self.failed:,} failed"
        return f"{listed}, {self.done:,} done, {files}"


class CheckProgress(Struct, frozen=True):
    """How far a check is: videos looked at and bytes read, of about so many; files damaged, and fetched again since.

    `seconds_left` is None as long as nothing can be said of it.
    """

    videos: int
    of_videos: int
    bytes: int
    of_bytes: int
    damaged: int
    restored: int
    seconds_left: float | None

    @property
    def words(self) -> str:
        read = f", {size(self.bytes)} of {size(self.of_bytes)} read" if self.of_bytes else ""
        left = f", about {duration(self.seconds_left)} left" if self.seconds_left is not None else ""
        return f"{self.videos:,} of {count(self.of_videos, 'video')} checked{read}, {self.found}{left}"

    @property
    def found(self) -> str:
        """What came to light so far."""
        return f"{self.damaged:,} damaged" + (f", {self.restored:,} fetched again" if self.restored else "")


class Meter(Protocol):
    """Figures of one kind of run."""

    @property
    def progress(self) -> Progress | CheckProgress: ...
    def update(self, event: Event) -> None: ...


class Figures:
    """Those of transfers."""

    def __init__(self) -> None:
        self.listed = self.done = self.files = self.bytes = 0
        self.listing_ended = False
        self.phase = ""
        self._failed: set[tuple[str, Slot]] = set()

    @property
    def failed(self) -> int:
        return len(self._failed)

    @property
    def progress(self) -> Progress:
        return Progress(self.listed, self.done, self.files, self.bytes, self.failed, self.listing_ended)

    def update(self, event: Event) -> None:
        match event:
            case PageListed():
                self.listed, self.listing_ended = event.videos, event.last
            case VideosHeld():
                self.done += event.count
            case VideoDone():
                self.done += 1
            case BytesReceived():
                self.bytes += event.count
            case FileStored():
                self.files += 1
                self._failed.discard((event.video_id, event.slot))
            case FileFailed():
                self._failed.add((event.video_id, event.slot))
            case PhaseStarted():
                self.phase = event.name
            case _:
                pass


class CheckFigures:
    """Those of a check. What is left is estimated from bytes where files are read, from videos where they are not."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started = clock()
        self.videos = self.of_videos = self.bytes = self.of_bytes = self.damaged = self.restored = 0

    @property
    def share(self) -> float:
        """How much of the way is done, 0 to 1."""
        done, whole = (self.bytes, self.of_bytes) if self.of_bytes else (self.videos, self.of_videos)
        return min(done / whole, 1.0) if whole else 0.0

    @property
    def progress(self) -> CheckProgress:
        share, passed = self.share, self._clock() - self._started
        return CheckProgress(
            videos=self.videos,
            of_videos=max(self.of_videos, self.videos),
            bytes=self.bytes,
            of_bytes=max(self.of_bytes, self.bytes) if self.of_bytes else 0,
            damaged=self.damaged,
            restored=self.restored,
            seconds_left=passed * (1 - share) / share if share and passed >= 1 else None,
        )

    def update(self, event: Event) -> None:
        match event:
            case ReadingStarted():
                self._started = self._clock()
                self.of_videos, self.of_bytes = event.videos, event.bytes
                self.videos = self.bytes = self.damaged = 0
            case VideosChecked():
                self.videos += event.count
            case BytesRead():
                self.bytes += event.count
            case Found() if event.is_damage:
                self.damaged += 1
            case FileStored():
                self.restored += 1
            case _:
                pass
