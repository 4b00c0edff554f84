"""The figures of a run, kept by an observer that passes every event on."""

from __future__ import annotations

import datetime
import time

from .events import BytesReceived, Event, FileStored, Observer, PageListed, VideoDone, VideosHeld
from .models import Asset, Place, Slot
from .report import KEPT_FAILURES, FileProblem


class Tally:
    """Counts. The journey adds what no event tells."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.started = datetime.datetime.now(datetime.UTC)
        self._clock = time.monotonic()
        self.pages = self.listed = self.new = self.held = self.finished = self.updated = self.retried = self.linked = 0
        self.files_stored = self.bytes_stored = self.bytes_received = 0
        self.odd_items = 0
        self.renewed = self.not_renewed_count = 0
        self.not_renewed: dict[tuple[str, Slot], FileProblem] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, BytesReceived):
            self.bytes_received += event.count
        elif isinstance(event, FileStored):
            self.files_stored += 1
            self.bytes_stored += event.bytes
        elif isinstance(event, PageListed):
            self.pages, self.listed = event.page, event.videos
        elif isinstance(event, VideosHeld):
            self.held += event.count
        elif isinstance(event, VideoDone):
            self.finished += event.complete
        self._observer(event)

    def kept_former(self, video_id: str, place: Place, failed: Asset) -> None:
        """Notes a file that was to take the place of a held one, and could not be had. The first of them are kept."""
        if (video_id, failed.slot) in self.not_renewed:
            return
        self.not_renewed_count += 1
        if len(self.not_renewed) < KEPT_FAILURES:
            self.not_renewed[video_id, failed.slot] = FileProblem(
                video_id=video_id,
                video=str(place.path(place.stem)),
                kind=failed.kind,
                index=failed.index,
                status=failed.status,
                error=failed.error,
            )

    def renewed_after_all(self, video_id: str, slot: Slot) -> None:
        """Takes back what `kept_former` noted."""
        self.not_renewed_count -= 1
        self.not_renewed.pop((video_id, slot), None)

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._clock

    @property
    def changed_anything(self) -> bool:
        """Whether the archive is not what it was before the run."""
        return bool(self.new or self.updated or self.files_stored or self.linked)
