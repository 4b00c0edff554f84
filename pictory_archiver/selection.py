"""Which of the listed videos a run is about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from .models import Video
from .plan import LOOK_BACK
from .text import printable


class Selection(Struct, frozen=True, kw_only=True):
    """A part of the account's videos; the default is all of them.

    `limit` counts videos newly fetched, newest first; `since` (included) and `until` (excluded) bound the creation
    date; `model` is compared without regard to case.
    """

    limit: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    model: str | None = None

    @property
    def is_everything(self) -> bool:
        """True where nothing is left out."""
        return self == Selection()

    def admits(self, video: Video) -> bool:
        """Whether the video is asked for; one without a date is in no range of dates."""
        if self.model is not None and video.model.casefold() != self.model.casefold():
            return False
        if self.since is None and self.until is None:
            return True
        if video.created is None or (self.since is not None and video.created < self.since):
            return False
        return self.until is None or video.created < self.until

    def ends_before(self, videos: Iterable[Video]) -> bool:
        """Whether a listing may stop behind these videos: all are older than `since` less the look-back."""
        if self.since is None:
            return False
        dates = [video.created for video in videos if video.created is not None]
        return bool(dates) and self.since - max(dates) > LOOK_BACK

    def words(self) -> str | None:
        """The selection for a person; None where nothing is left out."""
        parts = [
            f"since {self.since:%Y-%m-%d %H:%M}" if self.since else "",
            f"before {self.until:%Y-%m-%d %H:%M}" if self.until else "",
            f"model {printable(self.model)}" if self.model else "",
            f"at most {self.limit:,} new" if self.limit is not None else "",
        ]
        return ", ".join(part for part in parts if part) or None
