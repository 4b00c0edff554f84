"""The end of a run: what is held and what is not, written down for people, for scripts and for the next run."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import Struct

from .archive import JOURNAL, README
from .catalogue import Catalogue, Listing, Problem, Run
from .errors import ArchiverError
from .models import INPUTS, Kind, OddItem, Status
from .plan import is_overdue
from .readme import render_readme
from .report import KEPT_FAILURES, FileProblem, Report, exit_status, verdict
from .settings import Settings
from .sidecar import timestamp
from .tally import Tally
from .workshop import Workshop, utc_now


class Outcome(Struct, frozen=True, kw_only=True):
    """What the journey knows at its end. `is_whole`: the listing reached its last page, with nothing left out."""

    run: int
    error: ArchiverError | None
    is_whole: bool
    selection: str | None
    wanted: frozenset[Kind]
    odd: tuple[OddItem, ...]


class _Unheld(Struct):
    """What is not held: the first problems in full, and the number of all."""

    problems: list[FileProblem]
    problem_count: int
    lost_inputs: list[FileProblem]
    lost_input_count: int
    waiting: int
    overdue: int
    complete: int


async def conclude(shop: Workshop, settings: Settings, tally: Tally, outcome: Outcome) -> Report:
    """The report of a run, once it is written down. Raises `StorageError`."""
    now = utc_now()
    unheld = await shop.shelf.ask(_unheld, shop.shelf.catalogue, outcome, now)
    error = outcome.error
    report = Report(
        archive=str(shop.archive.root),
        account=settings.account,
        started_at=timestamp(tally.started),
        ended_at=timestamp(now),
        seconds=round(tally.seconds, 3),
        error=str(error) if error else None,
        hint=error.hint if error else None,
        selection=outcome.selection,
        assets=settings.download.assets,
        whole_listing=outcome.is_whole,
        pages=tally.pages,
        listed=tally.listed,
        new=tally.new,
        already_held=tally.held,
        updated=tally.updated,
        complete=unheld.complete,
        files_stored=tally.files_stored,
        files_linked=tally.linked,
        bytes_stored=tally.bytes_stored,
        bytes_received=tally.bytes_received,
        pending=unheld.waiting,
        overdue=unheld.overdue,
        odd_items=tally.odd_items,
        problem_count=unheld.problem_count,
        problems=tuple(unheld.problems),
        lost_input_count=unheld.lost_input_count,
        lost_inputs=tuple(unheld.lost_inputs),
    )
    report = msgspec.structs.replace(report, exit_status=exit_status(report, error.exit_status if error else None))
    report = msgspec.structs.replace(report, verdict=verdict(report))
    await _write_down(shop, tally, outcome, report)
    return report


def _unheld(catalogue: Catalogue, outcome: Outcome, now: datetime) -> _Unheld:
    """After a whole listing, of every video that was ever listed; else of those that this run listed."""
    unheld = _Unheld([], 0, [], 0, 0, 0, 0)
    waiting: set[str] = set()
    overdue: set[str] = set()
    for problem in catalogue.problems(outcome.wanted, since_run=0 if outcome.is_whole else outcome.run):
        if problem.kind in INPUTS:
            if problem.status is not Status.PENDING:
                unheld.lost_input_count += 1
                unheld.lost_inputs += [_told(problem)][: KEPT_FAILURES - len(unheld.lost_inputs)]
        elif problem.status is Status.PENDING and problem.url is None and problem.listed_run == outcome.run:
            (overdue if is_overdue(problem.created, now) else waiting).add(problem.video_id)
        else:
            unheld.problem_count += 1
            unheld.problems += [_told(problem)][: KEPT_FAILURES - len(unheld.problems)]
    unheld.waiting = len(waiting - overdue)
    unheld.overdue = len(overdue)
    _, unheld.complete = catalogue.count_videos(since_run=outcome.run)
    return unheld


def _told(problem: Problem) -> FileProblem:
    return FileProblem(
        video_id=problem.video_id,
        video=str(problem.place.path(problem.place.stem)),
        kind=problem.kind,
        status=problem.status,
        error=problem.error or ("not listed any more" if problem.status is Status.PENDING else None),
    )


async def _write_down(shop: Workshop, tally: Tally, outcome: Outcome, report: Report) -> None:
    catalogue = shop.shelf.catalogue
    listing = Listing(
        run=outcome.run,
        ended=report.ended_at,
        whole=report.whole_listing,
        pages=report.pages,
        videos=report.listed,
        odd_items=report.odd_items,
        error=report.error,
    )
    run = Run(
        id=outcome.run,
        started=report.started_at,
        ended=report.ended_at,
        exit_status=report.exit_status,
        verdict=report.verdict,
    )
    await shop.shelf.ask(catalogue.end_run, run, listing, outcome.odd)
    brief = msgspec.structs.replace(report, problems=(), lost_inputs=())
    await shop.store.append(JOURNAL, msgspec.json.encode({"type": "run", **msgspec.to_builtins(brief)}) + b"\n")
    if tally.changed_anything or not (shop.archive.root / README).exists():
        videos, complete = await shop.shelf.ask(catalogue.count_videos)
        assets = await shop.shelf.ask(catalogue.count_assets)
        text = render_readme(
            as_of=f"{report.ended_at[:10]} {report.ended_at[11:16]} UTC",
            videos=videos,
            complete=complete,
            stored_bytes=sum(stored for _, stored in assets.values()),
            time_zone=shop.archive.marker.time_zone,
        )
        await shop.store.write(README, text)
