"""What a person sees while a run is under way: bars on a terminal, now and then a line elsewhere, or problems only.

Everything goes to stderr. Each view is an observer with an end, and learns of the run by its events alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Never

from msgspec import Struct

from .events import (
    Event,
    FileFailed,
    FileStored,
    Found,
    Observer,
    PageListed,
    PhaseStarted,
    Retrying,
    VideoDone,
    VideoPlanned,
    Warned,
)
from .figures import CheckFigures, Figures, Meter
from .report import count, duration, size
from .text import printable
from .verification import found_line

if TYPE_CHECKING:
    from tqdm import tqdm

LINE_EVERY_SECONDS = 30.0
WORTH_A_LINE_SECONDS = 5.0
LONGEST_LINE = 2000


Render = Callable[[Struct, str], str]
"""Turns a fact and the words for it into a line."""


def plain(fact: Struct, words: str) -> str:  # noqa: ARG001 - a Render
    """The words alone, for a person who sees them at once."""
    return words


def dated(fact: Struct, words: str) -> str:  # noqa: ARG001 - a Render
    """The words and the time, UTC."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {words}"


def log_line(event: Event, verbosity: int) -> str | None:
    """The line that an event is worth: at 0 what a person should know, at 1 each file and retry, at 2 everything.

    It holds words of the API, of servers and of the archive: they are made harmless here.
    """
    words = _words(event, verbosity)
    return None if words is None else printable(words, LONGEST_LINE)


def _words(event: Event, verbosity: int) -> str | None:
    match event:
        case Warned():
            return f"Warning: {event.message}"
        case Retrying() if verbosity >= 1 or event.wait >= WORTH_A_LINE_SECONDS:
            return f"{event.what}: {event.error}; trying again in {event.wait:.0f} s (attempt {event.attempt + 1})"
        case FileFailed() if verbosity >= 1:
            return f"{event.slot} of {printable(event.video_id, 60)}: {event.status}, {event.error}"
        case FileStored() if verbosity >= 1:
            return f"{event.path}: {size(event.bytes)}"
        case Found() if verbosity >= 1:
            return found_line(event.what, event.path, event.detail)
        case PageListed() if verbosity >= 2:
            return f"page {event.page}: {event.videos:,} videos so far" + (", the last page" if event.last else "")
        case VideoPlanned() if verbosity >= 2:
            wanted = f"{count(event.files, 'file')} to fetch ({event.reason})" if event.files else "no file to fetch"
            return f"{printable(event.video_id, 60)}: {wanted}"
        case VideoDone() if verbosity >= 2:
            return f"{printable(event.video_id, 60)}: " + ("complete" if event.complete else "not complete")
        case PhaseStarted() if verbosity >= 2:
            return event.name
        case _:
            return None


class Bars:
    """Two lines at the bottom of a terminal: the videos as a bar, and under it files, bytes, speed and failures.

    Until the listing has ended the number of videos is not known, and the bar says so instead of guessing.
    """

    def __init__(self, verbosity: int) -> None:
        from tqdm import tqdm

        self._verbosity = verbosity
        self._figures = Figures()
        self._started = time.monotonic()
        self._videos: tqdm[Never] = tqdm(bar_format="{desc}", file=sys.stderr, leave=False, dynamic_ncols=True)
        self._files: tqdm[Never] = tqdm(bar_format="{desc}", file=sys.stderr, leave=False, dynamic_ncols=True)
        self._drawn = 0.0
        self._draw()

    def __call__(self, event: Event) -> None:
        figures = self._figures
        figures.update(event)
        line = log_line(event, self._verbosity)
        if line is not None:
            self._videos.write(line, file=sys.stderr)
        if isinstance(event, PageListed) and event.last:
            self._videos.bar_format = "Videos  {n:,} of {total:,} |{bar}| {percentage:.0f}% [{elapsed}<{remaining}]"
            self._videos.total = figures.listed
        if time.monotonic() - self._drawn >= self._videos.mininterval:
            self._draw()

    def close(self) -> None:
        """Takes the bars away."""
        self._files.close()
        self._videos.close()

    def _draw(self) -> None:
        figures = self._figures
        now = self._drawn = time.monotonic()
        self._videos.n = figures.done
        if not figures.listing_ended:
            words = f"Videos  {figures.done:,} of {figures.listed:,} listed so far, the listing goes on"
            self._videos.set_description_str(words, refresh=False)
        speed = size(figures.bytes / max(now - self._started, 0.1))
        words = f"Files   {figures.files:,} stored, {size(figures.bytes)}, {speed}/s, {figures.failed:,} failed"
        words += f" ({figures.phase})" if figures.phase else ""
        self._files.set_description_str(words, refresh=False)
        self._videos.refresh()
        self._files.refresh()


class CheckBars:
    """Two lines at the bottom of a terminal: how much of the archive is read, and under it what was found."""

    def __init__(self, verbosity: int) -> None:
        from tqdm import tqdm

        self._verbosity = verbosity
        self._figures = CheckFigures(time.monotonic)
        self._bar: tqdm[Never] = tqdm(
            total=1.0, bar_format="{desc} |{bar}| {percentage:.0f}%", file=sys.stderr, leave=False, dynamic_ncols=True
        )
        self._found: tqdm[Never] = tqdm(bar_format="{desc}", file=sys.stderr, leave=False, dynamic_ncols=True)
        self._phase = ""
        self._drawn = 0.0
        self._draw()

    def __call__(self, event: Event) -> None:
        self._figures.update(event)
        line = log_line(event, self._verbosity)
        if line is not None:
            self._bar.write(line, file=sys.stderr)
        if isinstance(event, PhaseStarted):
            self._phase = f" ({event.name})"
        if time.monotonic() - self._drawn >= self._bar.mininterval:
            self._draw()

    def close(self) -> None:
        """Takes the bars away."""
        self._found.close()
        self._bar.close()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        progress = self._figures.progress
        left = f", {duration(progress.seconds_left)} left" if progress.seconds_left is not None else ""
        read = "Sizes" if progress.of_videos else "Looking"
        if progress.of_bytes:
            read = f"{size(progress.bytes)} of {size(progress.of_bytes)} read"
        self._bar.set_description_str(f"{read}{left}", refresh=False)
        self._bar.n = self._figures.share
        words = f"{progress.videos:,} of {count(progress.of_videos, 'video')}, {progress.found}{self._phase}"
        self._found.set_description_str(words, refresh=False)
        self._bar.refresh()
        self._found.refresh()


class Lines:
    """For logs and mails: a line every half minute, and what is worth a line of its own."""

    def __init__(
        self,
        verbosity: int,
        write: Callable[[str], None],
        clock: Callable[[], float],
        render: Render = dated,
        *,
        meter: Meter | None = None,
    ) -> None:
        self._verbosity = verbosity
        self._write = write
        self._clock = clock
        self._render = render
        self._meter = meter or Figures()
        self._last = clock()

    def __call__(self, event: Event) -> None:
        self._meter.update(event)
        words = log_line(event, self._verbosity)
        if words is not None:
            self._write(self._render(event, words))
        if self._clock() - self._last >= LINE_EVERY_SECONDS:
            self._last = self._clock()
            progress = self._meter.progress
            self._write(self._render(progress, progress.words))

    def close(self) -> None:
        """Nothing is open."""


class Problems:
    """With --quiet: warnings only."""

    def __init__(self, write: Callable[[str], None], render: Render = plain) -> None:
        self._write = write
        self._render = render

    def __call__(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._write(self._render(event, f"Warning: {event.message}"))

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def watching(
    *,
    quiet: bool,
    verbosity: int,
    bars: bool,
    write: Callable[[str], None],
    render: Render | None = None,
    check: bool = False,
) -> Iterator[Observer]:
    """The view that fits: bars only on a terminal that is wanted to have them. `render` makes lines of another form,
    `check` says that the run is one."""
    view: Bars | CheckBars | Lines | Problems
    if quiet:
        view = Problems(write, render or plain)
    elif bars and sys.stderr.isatty():
        view = CheckBars(verbosity) if check else Bars(verbosity)
    else:
        view = Lines(verbosity, write, time.monotonic, render or dated, meter=meter(check=check))
    try:
        yield view
    finally:
        view.close()


def meter(*, check: bool) -> Meter:
    """New figures for a run: of transfers, or of a check."""
    return CheckFigures(time.monotonic) if check else Figures()
