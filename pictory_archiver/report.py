"""What a run came to: the figures, the exit status, and the words for a person. Pure.

The summary ends in one verdict, whose first word a person can trust: a copy is called complete only where the
listing reached its end and every file that was asked for is held and verified.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import humanize
from msgspec import Struct

from .errors import ArchiverError, worst_status
from .models import Kind, Slot, Status
from .settings import ASSET_WORDS
from .text import error_line, printable

SHOWN_FAILURES = 20
KEPT_FAILURES = 1000
SCOPE = "AI Studio videos"
NOT_COVERED = (
    "Generated images and editor projects are other collections of Pictory: they are not part of this archive."
)
FORMER_ARE_HELD = " listed at another address; what is held of them is kept"
LOST_INPUTS = " that requests were made with; no video depends on them"
MISSING_SOMETHING = 3


class FileProblem(Struct, frozen=True, kw_only=True):
    """A file that is not held, and why. `video` is the path of the video in the archive, without a suffix; `due` is
    when it is tried again (UTC; None: by the next run, or never where it is `rejected`)."""

    video_id: str
    video: str
    kind: Kind
    index: int | None = None
    status: Status
    error: str | None
    due: str | None = None


class Report(Struct, frozen=True, kw_only=True):
    """A run of `sync`, as facts. Times are UTC, sizes bytes; `problems` holds the first 1,000 of `problem_count`.

    `sound`: the listing proves that all that the account listed is known; then `videos`, `complete`, `problems` and so
    on are about all of these. Otherwise they are about the videos that this run met. `listed` counts the videos on the
    pages that were read. `renewed` counts videos with files that are listed at another address by now (`--refresh`);
    `not_renewed` holds the first 1,000 of these files that could not be had, so that the former ones are still held.
    `error` is what ended the listing or the run early, `time_up` that its time was over. `library` is the page of the
    offline library, where the run brought it up to date.
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
    listing: Literal["full", "incremental", "filtered", "none"]
    sound: bool
    time_up: bool = False
    pages: int
    listed: int
    new: int
    already_held: int
    updated: int
    retried: int
    renewed: int = 0
    videos: int
    complete: int
    files_stored: int
    files_linked: int
    bytes_stored: int
    bytes_received: int
    pending: int
    overdue: int
    not_listed_any_more: int = 0
    gone_upstream: int = 0
    odd_items: int
    problem_count: int
    problems: tuple[FileProblem, ...] = ()
    accepted_count: int = 0
    not_renewed_count: int = 0
    not_renewed: tuple[FileProblem, ...] = ()
    lost_input_count: int
    lost_inputs: tuple[FileProblem, ...] = ()
    library: str | None = None


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
        listing="none",
        sound=False,
        pages=0,
        listed=0,
        new=0,
        already_held=0,
        updated=0,
        retried=0,
        videos=0,
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


class ReportOfAccounts(Struct, frozen=True, kw_only=True):
    """Runs over several accounts. `exit_status` is the one that counts of all of theirs."""

    format: Literal["pictory-archiver/report-of-accounts"] = "pictory-archiver/report-of-accounts"
    version: Literal[1] = 1
    collection: Literal["videos"] = "videos"
    exit_status: int
    verdict: str
    accounts: tuple[Report, ...]


def to_print(reports: Sequence[Report], *, all_accounts: bool) -> Report | ReportOfAccounts:
    """What is written as JSON."""
    if not all_accounts:
        return reports[0]
    status = worst_status(report.exit_status for report in reports)
    return ReportOfAccounts(exit_status=status, verdict=_verdict_of_all(reports), accounts=tuple(reports))


def in_words(reports: Sequence[Report], *, all_accounts: bool) -> list[str]:
    """The summaries for a person; of several accounts each under its name, and a verdict on them all."""
    if not all_accounts:
        return summary(reports[0])
    lines = []
    for report in reports:
        lines += [f"# {report.account}", *summary(report), ""]
    return [*lines, _verdict_of_all(reports)]


def _verdict_of_all(reports: Sequence[Report]) -> str:
    lacking = [report.account for report in reports if report.exit_status]
    if not lacking:
        return f"{_all(len(reports), 'account')} {_are(len(reports))} complete."
    return f"Not complete: {', '.join(lacking)} ({len(lacking)} of {count(len(reports), 'account')})."


def exit_status(report: Report, error_status: int | None) -> int:
    """The status that a script sees; `error_status` is that of what ended the run or the listing early."""
    if error_status is not None:
        return error_status
    return MISSING_SOMETHING if _faults(report) else 0


def verdict(report: Report) -> str:
    """The last line of the summary: is the copy complete, and what to do next."""
    if report.error is not None:
        return f"Not complete: {report.error}." + (f" {_sentence(report.hint)}" if report.hint else "")
    faults = _faults(report)
    if faults:
        return f"Not complete: {', '.join(faults)}. {_next_step(report)}"
    files = "" if len(report.assets) == len(ASSET_WORDS) else f" ({', '.join(report.assets)} only, as asked)"
    waiting = f" {count(report.pending, 'video')} still in the making: run it again later." if report.pending else ""
    if not report.sound and not report.complete:
        return (
            f"No AI Studio video that was asked for ({report.selection}) has a file; this was no full backup.{waiting}"
        )
    if not report.sound:
        return (
            f"{_all(report.complete, 'AI Studio video')} asked for ({report.selection}) {_are(report.complete)} "
            f"here and verified{files}; this was no full backup.{waiting} Open {report.archive}"
        )
    if report.videos == 0:
        return f"The account lists no {SCOPE}: there is nothing to archive. Is it the right key?"
    if not report.complete:
        return f"No AI Studio video has a file yet.{waiting}"
    accepted = f" {count(report.accepted_count, 'loss', 'losses')} accepted." if report.accepted_count else ""
    finished = "finished " if report.pending else ""
    noun = f"{finished}AI Studio video"
    return (
        f"{_all(report.complete, noun) if not report.accepted_count else count(report.complete, noun)} "
        f"{_are(report.complete)} here and verified{files}.{accepted}{waiting} Open {report.archive}"
    )


def summary(report: Report) -> list[str]:
    """The lines that a person reads when a run is over; the last one is the verdict."""
    if not report.pages:
        return [report.verdict]
    end = ""
    if report.error or report.time_up:
        is_listing = report.exit_status in (4, 5)
        end = f" ({'the listing was not read to its end' if is_listing else 'the run ended early'})"
    elif report.listing == "incremental" and report.videos > report.listed:
        end = f", the newest of {report.videos:,}: the others are known"
    lines = [
        f"Listed        {count(report.listed, 'video')} on {count(report.pages, 'page')}{end}",
        f"New           {report.new:,}",
        f"Already held  {report.already_held:,}",
    ]
    if report.updated:
        lines.append(f"Updated       {report.updated:,} (their metadata changed upstream, or was lost here)")
    if report.retried:
        lines.append(f"Tried again   {report.retried:,} (files were missing)")
    if report.renewed:
        lines.append(
            f"Fetched anew  {report.renewed:,} (files are listed at another address; the former are in quarantine)"
        )
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
        *problem_lines("Not renewed  ", report.not_renewed_count, report.not_renewed, note=FORMER_ARE_HELD),
        *problem_lines("Lost inputs  ", report.lost_input_count, report.lost_inputs, note=LOST_INPUTS),
    ]
    if report.odd_items:
        lines.append(f"Odd items     {report.odd_items:,} of the listing could not be read (kept in the catalogue)")
    if report.not_listed_any_more:
        lines.append(f"Not listed    {count(report.not_listed_any_more, 'video')} any more; what is here stays here")
    if report.gone_upstream:
        lines.append(f"Gone upstream {count(report.gone_upstream, 'video')}; what is here of them stays here")
    if report.accepted_count:
        lines.append(f"Accepted      {count(report.accepted_count, 'lost file')}")
    if report.library is not None:
        lines.append(f"Library       {report.library}")
    return [*lines, report.verdict]


def problem_line(problem: FileProblem) -> str:
    """One file that is not held, in one line."""
    slot = Slot(problem.kind, problem.index or 0)
    again = f" (tried again from {problem.due[:10]})" if problem.due else ""
    reason = printable(problem.error) if problem.error else "no reason known"
    return f"{slot} of {printable(problem.video)}: {problem.status}, {reason}{again}"


def size(number: float) -> str:
    """Bytes for a person: `48.2 MB`."""
    return humanize.naturalsize(number, format="%.1f")


def count(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: `1 video`, `2,000 videos`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


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
    if report.time_up:
        faults.append("the time was up with work left")
    if report.problem_count:
        faults.append(f"{count(report.problem_count, 'file')} of {count(report.videos, 'video')} could not be had")
    if report.not_renewed_count:
        faults.append(f"{count(report.not_renewed_count, 'file')} could not be fetched anew")
    if report.overdue:
        faults.append(f"{count(report.overdue, 'video')} should be finished by now and {_have(report.overdue)} no file")
    if report.odd_items:
        faults.append(f"{count(report.odd_items, 'item')} of the listing could not be read")
    return faults


def _next_step(report: Report) -> str:
    """What to do about files that are not held."""
    lost = [problem for problem in report.problems if problem.status is Status.REJECTED]
    if lost and len(lost) == report.problem_count and not (report.time_up or report.overdue or report.odd_items):
        return (
            "They were tried for weeks and are given up: `accept` takes a loss as known, `sync --full` tries once more."
        )
    return "Run it again: what is here is kept, and only the rest is tried."


def _all(number: int, noun: str) -> str:
    return f"The one {noun}" if number == 1 else f"All {count(number, noun)}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
