"""The ledger: does the archive hold everything, and what does it not hold? Reads only, needs no key and no network."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import Struct

from .archive import JOURNAL, Archive
from .catalogue import Catalogue, DamagedCatalogue, Problem
from .errors import worst_status
from .journal import Checked, read_checks
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
from .settings import Catalogue as Settings
from .text import printable
from .verification import LEAVES_DAMAGE

LAST_RUNS = 5
LONGEST_LINE = 1000
UNSOUND = 5


class Unheld(Struct):
    """What is not held: the first problems in full, and the number of all. Videos that wait have no URL yet; accepted
    losses are none of the problems."""

    problems: list[FileProblem]
    problem_count: int
    lost_inputs: list[FileProblem]
    lost_input_count: int
    accepted: list[FileProblem]
    accepted_count: int
    waiting: int
    overdue: int


class Holding(Struct, frozen=True):
    """How many files of a kind are in a state, and their bytes."""

    kind: str
    status: str
    files: int
    bytes: int


class Ledger(Struct, frozen=True, kw_only=True):
    """What `status` prints. `listed` is what the account lists, as of the start of the last sound listing (`as_of`,
    UTC), `held` how many of these are complete; `in_archive` and `complete` are of all that the archive knows.

    `last_check` is the last check or repair of whatever kind. `known_damage` is the last one that left damage, unless
    everything was read since and found whole. Every file that was here at `all_read_since` has been read since (UTC;
    null: not known).
    """

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
    not_listed_any_more: int
    gone_upstream: int
    odd_items: int
    problem_count: int
    problems: tuple[FileProblem, ...]
    accepted_count: int
    accepted: tuple[FileProblem, ...]
    lost_input_count: int
    lost_inputs: tuple[FileProblem, ...]
    holdings: tuple[Holding, ...]
    last_listing: Listing | None
    last_full_listing: Listing | None
    runs: tuple[Run, ...]
    last_check: Checked | None = None
    known_damage: Checked | None = None
    all_read_since: str | None = None


def find_unheld(catalogue: Catalogue, kinds: Iterable[Kind], *, since_run: int, now: datetime) -> Unheld:
    """What is not held of the videos that `since_run` or a later run noted."""
    unheld = Unheld([], 0, [], 0, [], 0, 0, 0)
    waiting: set[str] = set()
    overdue: set[str] = set()
    for problem in catalogue.problems(kinds, since_run=since_run):
        if problem.accepted:
            unheld.accepted_count += 1
            unheld.accepted += [_told(problem)][: KEPT_FAILURES - len(unheld.accepted)]
        elif problem.slot.kind in INPUTS:
            if problem.status is not Status.PENDING:
                unheld.lost_input_count += 1
                unheld.lost_inputs += [_told(problem)][: KEPT_FAILURES - len(unheld.lost_inputs)]
        elif problem.status is Status.PENDING and problem.url is None:
            if problem.is_listed:  # else the job came to nothing: there was never a file to lose
                (overdue if is_overdue(problem.created, now) else waiting).add(problem.video_id)
        else:
            unheld.problem_count += 1
            unheld.problems += [_told(problem)][: KEPT_FAILURES - len(unheld.problems)]
    unheld.waiting = len(waiting - overdue)
    unheld.overdue = len(overdue)
    return unheld


def read_ledger(archive: Archive, settings: Settings, now: datetime, *, max_age: timedelta | None = None) -> Ledger:
    """The ledger of an archive. A lost or damaged catalogue is rebuilt in memory. Raises `StorageError`.

    With `max_age` a listing that is older does not count as known to be complete.
    """
    try:
        with for_reading(archive, settings) as catalogue:
            return ledger_of(archive, catalogue, now, max_age=max_age)
    except DamagedCatalogue:
        with for_reading(archive, settings, distrust=True) as catalogue:
            return ledger_of(archive, catalogue, now, max_age=max_age)


def ledger_of(
    archive: Archive,
    catalogue: Catalogue,
    now: datetime,
    *,
    max_age: timedelta | None = None,
    in_passing: bool = True,
) -> Ledger:
    """The ledger that a catalogue makes. `in_passing`: it is read now, so that its words may be "today".

    Raises `StorageError`, `DamagedCatalogue`.
    """
    log = catalogue.logbook
    sound, last, last_full = (
        log.last_listing(sound=True),
        log.last_listing(),
        log.last_listing(sound=True, full=True),
    )
    listed, held = catalogue.count_listed()
    in_archive, complete = catalogue.count_videos()
    absent, gone = catalogue.count_unlisted()
    odd_items = log.count_odd_items(last_full.first_run if last_full else 0)
    unheld = find_unheld(catalogue, (*OUTPUTS, *INPUTS), since_run=0, now=now)
    facts = _Facts(sound, last, listed, held, odd_items, unheld, now, max_age, in_passing)
    checks = read_checks(archive.root / JOURNAL)
    status, verdict = _with_damage(*_judge(facts), checks.damage)
    return Ledger(
        archive=str(archive.root),
        verdict=verdict,
        exit_status=status,
        as_of=sound.started if sound else None,
        listed=listed,
        held=held,
        in_archive=in_archive,
        complete=complete,
        pending=unheld.waiting,
        overdue=unheld.overdue,
        not_listed_any_more=absent,
        gone_upstream=gone,
        odd_items=odd_items,
        problem_count=unheld.problem_count,
        problems=tuple(unheld.problems),
        accepted_count=unheld.accepted_count,
        accepted=tuple(unheld.accepted),
        lost_input_count=unheld.lost_input_count,
        lost_inputs=tuple(unheld.lost_inputs),
        holdings=tuple(
            Holding(kind, state, files, stored)
            for (kind, state), (files, stored) in sorted(catalogue.count_assets().items())
        ),
        last_listing=last,
        last_full_listing=last_full,
        runs=tuple(log.last_runs(LAST_RUNS)),
        last_check=checks.last,
        known_damage=checks.damage,
        all_read_since=checks.all_read_since,
    )


class _Facts(Struct, frozen=True):
    """What the verdict of the ledger depends on."""

    sound: Listing | None
    last: Listing | None
    listed: int
    held: int
    odd_items: int
    unheld: Unheld
    now: datetime
    max_age: timedelta | None
    in_passing: bool


def ledger_lines(ledger: Ledger) -> list[str]:
    """The ledger for a person: the answer first. Whoever made the archive chose its words."""
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
    if ledger.not_listed_any_more:
        lines.append(
            f"Not listed    {ledger.not_listed_any_more:,} any more (gone upstream, if the next full one lacks them)"
        )
    if ledger.gone_upstream:
        lines.append(f"Gone upstream {ledger.gone_upstream:,} (what is here of them stays here)")
    if ledger.odd_items:
        lines.append(f"Odd items     {ledger.odd_items:,} of the listing could not be read")
    lines += problem_lines("Not held     ", ledger.problem_count, ledger.problems, limit=KEPT_FAILURES)
    lines += problem_lines(
        "Lost inputs  ", ledger.lost_input_count, ledger.lost_inputs, note=LOST_INPUTS, limit=KEPT_FAILURES
    )
    lines += problem_lines("Accepted     ", ledger.accepted_count, ledger.accepted, limit=KEPT_FAILURES)
    if ledger.last_full_listing:
        lines.append(f"Full listing  {_when(ledger.last_full_listing.started)}, the last one that went to the end")
    lines += _lines_on_checks(ledger)
    lines.append("Last runs")
    lines += [f"  {_when(run.started)}  {_ended(run)}" for run in ledger.runs] or ["  none"]
    lines += ["", f"This is about {SCOPE}. {NOT_COVERED}"]
    return [printable(line, LONGEST_LINE) for line in lines]


def _lines_on_checks(ledger: Ledger) -> list[str]:
    check, damage, since = ledger.last_check, ledger.known_damage, ledger.all_read_since
    if check is None:
        return []
    lines = [f"Last check    {_when(check.ended_at)}  exit {check.exit_status}: {check.verdict}"]
    if damage and damage != check:
        lines.append(f"Damage        {_when(damage.ended_at)}  {damage.verdict} Not all was read again since.")
    read = f"since {_when(since)}: every file that was here then" if since else "not yet, as far as the journal tells"
    return [*lines, f"All read      {read}"]


def _judge(facts: _Facts) -> tuple[int, str]:
    sound, last, unheld = facts.sound, facts.last, facts.unheld
    cut_off = "the last listing did not come to its end"
    why = f"the last listing failed: {last.error}" if last and last.error else cut_off
    if sound is None:
        if last is None or last.error:
            failed = f" The last one failed: {last.error}." if last else ""
            return UNSOUND, f"Unknown: no listing of the account is known to have reached its end.{failed} Run sync."
        return MISSING_SOMETHING, f"Not complete: {cut_off}, and none did yet. Run sync again."
    when = _as_of(sound.started, facts.now) if facts.in_passing else _when(sound.started)
    if last is not None and last.run > sound.run:
        status = UNSOUND if last.error else MISSING_SOMETHING
        return status, f"Not known to be complete since {when}: {why}. Run sync again."
    figures = f"{facts.listed:,} {SCOPE} listed, {facts.held:,} held"
    if unheld.problem_count or unheld.overdue or facts.odd_items:
        return (
            MISSING_SOMETHING,
            f"Not complete as of {when}: {figures}. Run sync again; what is missing is named below.",
        )
    if facts.max_age is not None and facts.now - datetime.fromisoformat(sound.started) > facts.max_age:
        return MISSING_SOMETHING, f"Not known to be complete since {when}, which is too long ago: {figures}. Run sync."
    waiting = f", {count(unheld.waiting, 'video')} still in the making" if unheld.waiting else ""
    accepted = f", {count(unheld.accepted_count, 'loss', 'losses')} accepted" if unheld.accepted_count else ""
    return 0, f"Complete as of {when}: {figures}{waiting}{accepted}"


def _with_damage(status: int, verdict: str, damage: Checked | None) -> tuple[int, str]:
    """A copy of which files are known to be damaged is not complete, whatever else is true of it."""
    if damage is None:
        return status, verdict
    files = count(damage.damage_count or damage.left_count, "file")
    words = f"{files} found damaged or lost on {_when(damage.ended_at)}. Run repair, or verify once it is mended."
    if status:
        return worst_status((status, LEAVES_DAMAGE)), f"{verdict} Damaged: {words}"
    return LEAVES_DAMAGE, f"Damaged: {words} Otherwise {verdict[:1].lower()}{verdict[1:]}"


def _as_of(time: str, now: datetime) -> str:
    """A time for a person, UTC: `03:12 UTC today`."""
    days = (now.astimezone(UTC).date() - datetime.fromisoformat(time).date()).days
    if days not in (0, 1):
        return _when(time)
    return f"{time[11:16]} UTC {'yesterday' if days else 'today'}"


def _ended(run: Run) -> str:
    if run.ended is None:
        return "was stopped before its end, or is still under way"
    told, _, _ = (run.verdict or "").partition(". ")
    return told if run.exit_status is None else f"exit {run.exit_status}: {told}"


def _when(time: str) -> str:
    return f"{time[:10]} {time[11:16]} UTC"


def _told(problem: Problem) -> FileProblem:
    return FileProblem(
        video_id=problem.video_id,
        video=str(problem.place.path(problem.place.stem)),
        kind=problem.slot.kind,
        index=problem.slot.index or None,
        status=problem.status,
        error=_reason(problem),
        due=problem.due,
    )


def _reason(problem: Problem) -> str | None:
    reason = problem.error or ("not fetched yet" if problem.status is Status.PENDING else None)
    return f"{reason or 'no reason known'}; gone upstream" if problem.gone_upstream else reason
