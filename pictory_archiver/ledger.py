"""The ledger: does the archive hold everything, and what does it not hold? Reads only, needs no key and no network."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from msgspec import Struct

from .archive import Archive
from .catalogue import Catalogue, Problem
from .logbook import Listing, Run
from .models import INPUTS, OUTPUTS, Kind, Status
from .plan import is_overdue
from .rebuild import for_reading
from .report import (
    KEPT_FAILURES,
    LOST_INPUTS,
    MISSING_SOMETHING,
    NOT_COVERED,
    SCOPE,
    FileProblem,
    count,
    problem_lines,
    size,
)

LAST_RUNS = 5
UNSOUND = 5


class Unheld(Struct):
    """What is not held: the first problems in full, and the number of all. Videos that wait have no URL yet."""

    problems: list[FileProblem]
    problem_count: int
    lost_inputs: list[FileProblem]
    lost_input_count: int
    waiting: int
    overdue: int


class Holding(Struct, frozen=True):
    """How many files of a kind are in a state, and their bytes."""

    kind: str
    status: str
    files: int
    bytes: int


class Ledger(Struct, frozen=True, kw_only=True):
    """What `status` prints. `listed` and `held` are of the last whole listing, whose end was at `as_of` (UTC);
    `in_archive` and `complete` are of all that the archive knows."""

    format: Literal["pictory-archiver/status"] = "pictory-archiver/status"
    version: Literal[1] = 1
    collection: Literal["videos"] = "videos"
    archive: str
    verdict: str
    exit_status: int
    as_of: str | None
    listed: int
    held: int
    in_archive: int
    complete: int
    pending: int
    overdue: int
    odd_items: int
    problem_count: int
    problems: tuple[FileProblem, ...]
    lost_input_count: int
    lost_inputs: tuple[FileProblem, ...]
    holdings: tuple[Holding, ...]
    last_listing: Listing | None
    runs: tuple[Run, ...]


def find_unheld(
    catalogue: Catalogue, kinds: Iterable[Kind], *, since_run: int, listed_run: int, now: datetime
) -> Unheld:
    """What is not held of the videos listed by `since_run` or later. A video without a URL may be waited for only if
    `listed_run` or a later one listed it."""
    unheld = Unheld([], 0, [], 0, 0, 0)
    waiting: set[str] = set()
    overdue: set[str] = set()
    for problem in catalogue.problems(kinds, since_run=since_run):
        if problem.slot.kind in INPUTS:
            if problem.status is not Status.PENDING:
                unheld.lost_input_count += 1
                unheld.lost_inputs += [_told(problem)][: KEPT_FAILURES - len(unheld.lost_inputs)]
        elif problem.status is Status.PENDING and problem.url is None and problem.listed_run >= listed_run:
            (overdue if is_overdue(problem.created, now) else waiting).add(problem.video_id)
        else:
            unheld.problem_count += 1
            unheld.problems += [_told(problem)][: KEPT_FAILURES - len(unheld.problems)]
    unheld.waiting = len(waiting - overdue)
    unheld.overdue = len(overdue)
    return unheld


def read_ledger(archive: Archive, now: datetime) -> Ledger:
    """The ledger of an archive. A lost or damaged catalogue is rebuilt in memory. Raises `StorageError`."""
    with for_reading(archive) as catalogue:
        whole = catalogue.logbook.last_listing(whole=True)
        last = catalogue.logbook.last_listing(whole=False)
        since = whole.run if whole else 0
        listed, held = catalogue.count_videos(since_run=since)
        in_archive, complete = catalogue.count_videos()
        unheld = find_unheld(catalogue, (*OUTPUTS, *INPUTS), since_run=0, listed_run=since, now=now)
        status, verdict = _judge(whole, last, listed, held, unheld)
        return Ledger(
            archive=str(archive.root),
            verdict=verdict,
            exit_status=status,
            as_of=whole.ended if whole else None,
            listed=listed if whole else 0,
            held=held,
            in_archive=in_archive,
            complete=complete,
            pending=unheld.waiting,
            overdue=unheld.overdue,
            odd_items=whole.odd_items if whole else 0,
            problem_count=unheld.problem_count,
            problems=tuple(unheld.problems),
            lost_input_count=unheld.lost_input_count,
            lost_inputs=tuple(unheld.lost_inputs),
            holdings=tuple(
                Holding(kind, state, files, stored)
                for (kind, state), (files, stored) in sorted(catalogue.count_assets().items())
            ),
            last_listing=last,
            runs=tuple(catalogue.logbook.last_runs(LAST_RUNS)),
        )


def ledger_lines(ledger: Ledger) -> list[str]:
    """The ledger for a person: the answer first."""
    stored = sum(each.bytes for each in ledger.holdings)
    lines = [
        ledger.verdict,
        "",
        f"Archive       {ledger.archive}",
        f"Videos        {ledger.in_archive:,} in the archive, {ledger.complete:,} of them complete, {size(stored)}",
    ]
    skipped = [f"{each.files:,} {each.kind}" for each in ledger.holdings if each.status == Status.SKIPPED]
    if skipped:
        lines.append(f"Not asked for {', '.join(skipped)}")
    if ledger.pending:
        lines.append(f"In the making {ledger.pending:,} (no file to fetch yet)")
    if ledger.overdue:
        lines.append(f"Overdue       {ledger.overdue:,} (no file to fetch, though they are older than two days)")
    if ledger.odd_items:
        lines.append(f"Odd items     {ledger.odd_items:,} of the listing could not be read")
    lines += problem_lines("Not held     ", ledger.problem_count, ledger.problems, limit=KEPT_FAILURES)
    lines += problem_lines(
        "Lost inputs  ", ledger.lost_input_count, ledger.lost_inputs, note=LOST_INPUTS, limit=KEPT_FAILURES
    )
    lines.append("Last runs")
    lines += [f"  {_when(run.started)}  {_ended(run)}" for run in ledger.runs] or ["  none"]
    return [*lines, "", f"This is about {SCOPE}. {NOT_COVERED}"]


def _judge(whole: Listing | None, last: Listing | None, listed: int, held: int, unheld: Unheld) -> tuple[int, str]:
    if whole is None or last is None:
        failed = f" The last one failed: {last.error}." if last and last.error else ""
        return UNSOUND, f"Unknown: no listing of the account has reached its end yet.{failed} Run sync."
    when = _when(whole.ended)
    if last.error is not None:
        return UNSOUND, f"Not known to be complete since {when}: the last listing failed: {last.error}. Run sync again."
    figures = f"{listed:,} {SCOPE} listed, {held:,} held"
    if unheld.problem_count or unheld.overdue or whole.odd_items:
        return (
            MISSING_SOMETHING,
            f"Not complete as of {when}: {figures}. Run sync again; what is missing is named below.",
        )
    waiting = f", {count(unheld.waiting, 'video')} still in the making" if unheld.waiting else ""
    return 0, f"Complete as of {when}: {figures}{waiting}"


def _ended(run: Run) -> str:
    if run.ended is None:
        return "was stopped before its end, or is still under way"
    told, _, _ = (run.verdict or "").partition(". ")
    return f"exit {run.exit_status}: {told}"


def _when(time: str) -> str:
    return f"{time[:10]} {time[11:16]} UTC"


def _told(problem: Problem) -> FileProblem:
    return FileProblem(
        video_id=problem.video_id,
        video=str(problem.place.path(problem.place.stem)),
        kind=problem.slot.kind,
        index=problem.slot.index or None,
        status=problem.status,
        error=problem.error or ("not fetched yet" if problem.status is Status.PENDING else None),
    )
