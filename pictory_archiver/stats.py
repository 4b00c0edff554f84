"""How much there is: videos, seconds, bytes and AI credits, by month and model. Pure.

Credits are an estimate: seconds times what a model takes a second, as Pictory documents it or the settings say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Literal

from msgspec import Struct

from .entry import Standing
from .entry_words import in_zone, length, rate_of
from .filters import Glance
from .media_types import VIDEO_EXTENSIONS
from .report import count, size
from .table import Column, lines
from .text import printable

COLUMNS = (
    Column("", limit=34),
    Column("VIDEOS", is_right=True),
    Column("LENGTH", is_right=True),
    Column("VIDEO FILES", is_right=True),
    Column("IMAGES", is_right=True),
    Column("CREDITS", is_right=True),
)
SHOWN = 5


class Figures(Struct, frozen=True, kw_only=True):
    """Sums over some videos. `bytes` are those of their own files, of which `video_bytes` and `image_bytes`.

    `seconds` leaves out the `without_duration`. `credits` leaves out those of `without_credits`: videos whose length is
    not known, or whose model has no rate; null: of none of the videos they are known.
    """

    videos: int
    complete: int
    seconds: float
    without_duration: int
    bytes: int
    video_bytes: int
    image_bytes: int
    credits: float | None
    without_credits: int


class OfModel(Figures, frozen=True, kw_only=True):
    """The videos of a model, as it is written in the list. `credits_per_second` null: no rate is known."""

    model: str
    credits_per_second: float | None


class OfMonth(Figures, frozen=True, kw_only=True):
    """The videos of a month of the archive's folders, `2026-04`; null: those without a date."""

    month: str | None
    models: tuple[OfModel, ...]


class Stats(Struct, frozen=True, kw_only=True):
    """How much an archive holds, or the part of it that filters chose. Months are those of `time_zone`.

    Models come in the order of the number of their videos.
    """

    format: Literal["pictory-archiver/stats"] = "pictory-archiver/stats"
    version: Literal[1] = 1
    collection: Literal["videos"] = "videos"
    archive: str
    time_zone: str
    total: Figures
    models: tuple[OfModel, ...]
    months: tuple[OfMonth, ...]
    models_without_rate: tuple[str, ...]


class _Sums(Struct):
    """What is counted of the videos of one month and model."""

    videos: int = 0
    complete: int = 0
    seconds: float = 0.0
    without_duration: int = 0
    video_bytes: int = 0
    image_bytes: int = 0

    def of_model(self, model: str, rate: float | None) -> OfModel:
        return OfModel(
            model=model,
            credits_per_second=rate,
            videos=self.videos,
            complete=self.complete,
            seconds=round(self.seconds, 3),
            without_duration=self.without_duration,
            bytes=self.video_bytes + self.image_bytes,
            video_bytes=self.video_bytes,
            image_bytes=self.image_bytes,
            credits=None if rate is None or self.without_duration == self.videos else round(self.seconds * rate, 2),
            without_credits=self.videos if rate is None else self.without_duration,
        )


class Tally:
    """Counts videos, and then their files; from that come the sums."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._sums: dict[tuple[str | None, str], _Sums] = {}
        self._of: dict[str, _Sums] = {}

    def add_videos(self, videos: Iterable[Glance]) -> None:
        """Counts videos, each once."""
        for video in videos:
            made = in_zone(video.created, self._zone)
            month = f"{made.year:04}-{made.month:02}" if made else None
            sums = self._of[video.id] = self._sums.setdefault((month, video.model), _Sums())
            sums.videos += 1
            sums.complete += video.standing is Standing.COMPLETE
            if video.duration_seconds is None:
                sums.without_duration += 1
            else:
                sums.seconds += video.duration_seconds

    def add_files(self, files: Iterable[tuple[str, str, int]]) -> None:
        """Counts files, each by the id of its video, its name and its bytes; those of other videos are passed over."""
        for video_id, name, size_of in files:
            sums = self._of.get(video_id)
            if sums is None:
                continue
            if name.rpartition(".")[2] in VIDEO_EXTENSIONS:
                sums.video_bytes += size_of
            else:
                sums.image_bytes += size_of

    def stats(self, archive: str, rates: Mapping[str, float], *, oldest_first: bool = False) -> Stats:
        """The sums. `rates` are credits a second, by model; capitals do not matter."""
        cells = [(month, sums.of_model(model, rate_of(model, rates))) for (month, model), sums in self._sums.items()]
        by_model: defaultdict[str, list[OfModel]] = defaultdict(list)
        by_month: defaultdict[str | None, list[OfModel]] = defaultdict(list)
        for month, cell in cells:
            by_model[cell.model].append(cell)
            by_month[month].append(cell)
        dated = sorted((month for month in by_month if month is not None), reverse=not oldest_first)
        models = [
            OfModel(model=model, credits_per_second=of_model[0].credits_per_second, **_together(of_model))
            for model, of_model in by_model.items()
        ]
        return Stats(
            archive=archive,
            time_zone=str(self._zone),
            total=Figures(**_together(models)),
            models=_most_first(models),
            months=tuple(
                OfMonth(month=month, models=_most_first(by_month[month]), **_together(by_month[month]))
                for month in (*dated, *([None] if None in by_month else []))
            ),
            models_without_rate=tuple(sorted(each.model for each in models if each.credits_per_second is None)),
        )


def _together(parts: Sequence[Figures]) -> dict[str, Any]:
    """The sums over several."""
    sums = {name: sum(getattr(part, name) for part in parts) for name in Figures.__struct_fields__ if name != "credits"}
    known = [part.credits for part in parts if part.credits is not None]
    return sums | {
        "seconds": round(sums["seconds"], 3),
        "credits": round(sum(known), 2) if known or not parts else None,
    }


def _most_first(models: Iterable[OfModel]) -> tuple[OfModel, ...]:
    return tuple(sorted(models, key=lambda each: (-each.videos, each.model)))


def stats_lines(stats: Stats) -> Iterator[str]:
    """The sums for a person: a table, and what to know of it."""
    yield from lines(COLUMNS, _rows(stats))
    if stats.total.videos:
        yield ""
        yield "Credits are an estimate: the seconds of a video, times what its model takes a second, as documented."
    if stats.models_without_rate:
        names = ", ".join(printable(name, 60) or "(none)" for name in stats.models_without_rate[:SHOWN])
        more = f" and {len(stats.models_without_rate) - SHOWN:,} more" if stats.models_without_rate[SHOWN:] else ""
        yield f"Not known for the models {names}{more}: the setting stats.credits_per_second can tell."
    if stats.total.without_duration:
        yield f"Of {count(stats.total.without_duration, 'video')} the length is not known."


def _rows(stats: Stats) -> Iterator[list[str]]:
    for month in stats.months:
        yield _row(month.month or "undated", month)
        yield from (_row(f"  {_name(model)}", model) for model in month.models)
    yield _row("All", stats.total)
    yield from (_row(f"  {_name(model)}", model) for model in stats.models)


def _name(model: OfModel) -> str:
    return printable(model.model, 60) or "(none)"


def _row(title: str, figures: Figures) -> list[str]:
    if figures.credits is None:
        credits_told = "not known"
    else:
        credits_told = f"{figures.credits:,.1f}" + (" + ?" if figures.without_credits else "")
    return [
        title,
        f"{figures.videos:,}",
        length(figures.seconds),
        size(figures.video_bytes),
        size(figures.image_bytes),
        credits_told,
    ]
