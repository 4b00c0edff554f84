"""Which videos of an archive are looked at: dates, model, aspect ratio, what is held, and words in the prompt. Pure."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Literal

from msgspec import Struct

from .entry import Standing

Choice = Literal["complete", "incomplete", "pending", "gone"]
"""What is held of a video, or that it is gone upstream."""

_WORDS = re.compile(r'"([^"]*)"?|(\S+)')


class Glance(Struct, frozen=True):
    """As much of a video as decides whether it is meant, and what it counts for. `created` is UTC."""

    id: str
    created: datetime | None
    prompt: str
    model: str
    aspect_ratio: str
    standing: Standing
    is_gone: bool
    duration_seconds: float | None = None


class Query(Struct, frozen=True):
    """Words that all have to occur, folded."""

    words: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Query:
        """The words of a search as it is typed; what stands in "double quotes" is one."""
        found = (fold(quoted or word) for quoted, word in _WORDS.findall(text))
        return cls(tuple(word for word in found if word.strip()))

    def fits(self, *texts: str) -> bool:
        """Whether each word occurs in one of the texts, wherever in it."""
        if not self.words:
            return True
        folded = [fold(text) for text in texts]
        return all(any(word in text for text in folded) for word in self.words)


class Filter(Struct, frozen=True, kw_only=True):
    """A part of the archive's videos; the default is all of them.

    `since` (included) and `until` (excluded) bound the creation date: a video without one is in no range. Of `models`,
    `aspect_ratios` and `standings` one has to fit, where any is named; case does not matter.
    """

    since: datetime | None = None
    until: datetime | None = None
    models: tuple[str, ...] = ()
    aspect_ratios: tuple[str, ...] = ()
    standings: tuple[Choice, ...] = ()
    query: Query = Query()

    @property
    def needs_a_look(self) -> bool:
        """Whether more of a video decides than its words and when it was made."""
        return bool(self.models or self.aspect_ratios or self.standings)

    def admits(self, video: Glance) -> bool:
        """Whether a video is meant."""
        return (
            self.is_in_time(video.created)
            and _is_one_of(video.model, self.models)
            and _is_one_of(video.aspect_ratio, self.aspect_ratios)
            and (
                not self.standings
                or str(video.standing) in self.standings
                or (video.is_gone and "gone" in self.standings)
            )
            and self.query.fits(video.prompt, video.id)
        )

    def is_in_time(self, created: datetime | None) -> bool:
        """Whether the creation date is within the bounds."""
        if self.since is None and self.until is None:
            return True
        if created is None or (self.since is not None and created < self.since):
            return False
        return self.until is None or created < self.until


def fold(text: str) -> str:
    """A text without what a search does not care for: case, accents, compatibility forms (full width, `ﬁ`).

    Unicode's NFKD, then no marks (categories M), then upper case: which is the same in the page, in JavaScript.
    """
    if text.isascii():
        return text.upper()
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(each for each in decomposed if not unicodedata.category(each).startswith("M")).upper()


def _is_one_of(value: str, wanted: tuple[str, ...]) -> bool:
    return not wanted or value.casefold() in {each.casefold() for each in wanted}
