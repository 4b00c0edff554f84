"""What a run came to: the figures, the exit status, and the words for a person. Pure.

The summary ends in one verdict, whose first word a person can trust: a copy is called complete only where the
listing reached its end and every file that was asked for is held and verified.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import humanize
from msgspec import Struct

from .errors import ArchiverError
from .models import Kind, Slot, Status
from .settings import ASSET_WORDS
from .text import error_line, printable

SHOWN_FAILURES = 20
KEPT_FAILURES = 1000
SCOPE = "AI Studio videos"
NOT_COVERED = (
    "Generated images and editor projects are other collections of Pictory: they are not part of this archive."
)
LOST_INPUTS = " that requests were made with; no video depends on them"
MISSING_SOMETHING = 3
GRAVITY = (1, 2, 130, 143, 6, 4, 5, 75, 7, 3, 0)
"""Exit statuses: where several hold, the first of them counts."""


class FileProblem(Struct, frozen=True, kw_only=True):
    """A file that is not held, and why. `video` is the path of the video in the archive, without a suffix."""

    video_id: str
    video: str
    kind: Kind
    index: int | None = None
    status: Status
    error: str | None


class Report(Struct, frozen=True, kw_only=True):
    """A run of `sync`, as facts. Times are UTC, sizes bytes; `problems` holds the first 1,000 of `problem_count`.

    `whole_listing`: the listing reached its last page and nothing was left out of it. `error` is what ended the
    listing or the run early, with the exit status that it stands for.
    """

    format: Literal["pictory-archiver/report"] = "pictory-archiver/report"
    version: Literal[1] = 1
    collection: Literal["videos"] = "videos"
    archive: str
    account: str
    started_at: str
    ended_at: str
    seconds: float
    exit_status: int = 0
    verdict: str = ""
    error: str | None = None
    hint: str | None = None
    selection: str | None = None
    assets: tuple[str, ...]
    whole_listing: bool
    pages: int
    listed: int
    new: int
    already_held: int
    updated: int
    retried: int
    complete: int
    files_stored: int
    files_linked: int
    bytes_stored: int
    bytes_received: int
    pending: int
    overdue: int
    odd_items: int
    problem_count: int
    problems: tuple[FileProblem, ...] = ()
    lost_input_count: int
    lost_inputs: tuple[FileProblem, ...] = ()


def unfinished_report(
    *,
    archive: str,
    account: str,
    assets: tuple[str, ...],
    started: str,
    ended: str,
    seconds: float,
    error: ArchiverError,
) -> Report:
    """A run that an error ended before it could say what came of it: the figures are those of nothing done."""
    return Report(
        archive=archive,
        account=account,
        started_at=started,
        ended_at=ended,
        seconds=seconds,
        exit_status=error.exit_status,
        verdict=error_line(error),
        error=str(error),
        hint=error.hint,
        assets=assets,
        whole_listing=False,
        pages=0,
        listed=0,
        new=0,
        already_held=0,
        updated=0,
        retried=0,
        complete=0,
        files_stored=0,
        files_linked=0,
        bytes_stored=0,
        bytes_received=0,
        pending=0,
        overdue=0,
        odd_items=0,
        problem_count=0,
        lost_input_count=0,
    )


def gravest(statuses: Iterable[int]) -> int:
    """The one status for several runs."""
    return min(statuses, key=GRAVITY.index)


def exit_status(report: Report, error_status: int | None) -> int:
    """The status that a script sees; `error_status` is that of what ended the run or the listing early."""
    if error_status is not None:
        return error_status
    return MISSING_SOMETHING if report.problem_count or report.overdue or report.odd_items else 0


def verdict(report: Report) -> str:
    """The last line of the summary: is the copy complete, and what to do next."""
    if report.error is not None:
        return f"Not complete: {report.error}." + (f" {_sentence(report.hint)}" if report.hint else "")
    faults = _faults(report)
    if faults:
        return f"Not complete: {', '.join(faults)}. Run it again: what is here is kept, and only the rest is tried."
    files = "" if len(report.assets) == len(ASSET_WORDS) else f" ({', '.join(report.assets)} only, as asked)"
    waiting = f" {count(report.pending, 'video')} still in the making: run it again later." if report.pending else ""
    if not report.whole_listing and not report.complete:
        return (
            f"No AI Studio video that was asked for ({report.selection}) has a file; this was no full backup.{waiting}"
        )
    if not report.whole_listing:
        return (
            f"{_all(report.complete, 'AI Studio video')} asked for ({report.selection}) {_are(report.complete)} "
            f"here and verified{files}; this was no full backup.{waiting} Open {report.archive}"
        )
    if report.listed == 0:
        return f"The account lists no {SCOPE}: there is nothing to archive. Is it the right key?"
    if not report.complete:
        return f"No AI Studio video has a file yet.{waiting}"
    finished = "finished " if report.pending else ""
    return (
        f"{_all(report.complete, f'{finished}AI Studio video')} {_are(report.complete)} here and verified{files}."
        f"{waiting} Open {report.archive}"
    )


def summary(report: Report) -> list[str]:
    """The lines that a person reads when a run is over; the last one is the verdict."""
    if not report.pages:
        return [report.verdict]
    end = " (the listing was not read to its end)" if report.error else ""
    lines = [
        f"Listed        {count(report.listed, 'video')} on {count(report.pages, 'page')}{end}",
        f"New           {report.new:,}",
        f"Already held  {report.already_held:,}",
    ]
    if report.updated:
        lines.append(f"Updated       {report.updated:,} (the metadata changed upstream)")
    if report.retried:
        lines.append(f"Tried again   {report.retried:,} (files were missing)")
    if report.pending:
        lines.append(f"In the making {report.pending:,} (no file to fetch yet)")
    speed = ""
    if report.bytes_received and report.seconds >= 0.1:
        speed = f", {size(report.bytes_received / report.seconds)}/s"
    linked = f", {report.files_linked:,} linked" if report.files_linked else ""
    lines += [
        f"Files         {report.files_stored:,} stored{linked}, {size(report.bytes_stored)}",
        f"Time          {duration(report.seconds)}{speed}",
        *problem_lines("Failed       ", report.problem_count, report.problems),
        *problem_lines("Lost inputs  ", report.lost_input_count, report.lost_inputs, note=LOST_INPUTS),
    ]
    if report.odd_items:
        lines.append(f"Odd items     {report.odd_items:,} of the listing could not be read (kept in the catalogue)")
    return [*lines, report.verdict]


def problem_line(problem: FileProblem) -> str:
    """One file that is not held, in one line."""
    slot = Slot(problem.kind, problem.index or 0)
    return f"{slot} of {printable(problem.video)}: {problem.status}, {problem.error or 'no reason known'}"


def size(number: float) -> str:
    """Bytes for a person: `48.2 MB`."""
    return humanize.naturalsize(number, format="%.1f")


def count(number: int, noun: str) -> str:
    """A number with its noun: `1 video`, `2,000 videos`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def duration(seconds: float) -> str:
    """A duration for a person: `1 h 04 min`, `2 min 05 s`, `3.2 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def problem_lines(
    title: str, number: int, problems: tuple[FileProblem, ...], *, note: str = "", limit: int = SHOWN_FAILURES
) -> list[str]:
    """A heading with the number of files that are not held, and the first `limit` of them."""
    if not number:
        return []
    shown = problems[:limit]
    lines = [f"{title} {count(number, 'file')}{note}", *(f"  {problem_line(problem)}" for problem in shown)]
    if number > len(shown):
        lines.append(f"  … and {number - len(shown):,} more (`pictory-archiver status` names them)")
    return lines


def _faults(report: Report) -> list[str]:
    faults = []
    if report.problem_count:
        faults.append(f"{count(report.problem_count, 'file')} of {count(report.listed, 'video')} could not be had")
    if report.overdue:
        faults.append(f"{count(report.overdue, 'video')} should be finished by now and {_have(report.overdue)} no file")
    if report.odd_items:
        faults.append(f"{count(report.odd_items, 'item')} of the listing could not be read")
    return faults


def _all(number: int, noun: str) -> str:
    return f"The one {noun}" if number == 1 else f"All {count(number, noun)}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
