"""The end of a run: what is held and what is not, written down for people, for scripts and for the next run."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from .archive import JOURNAL, README
from .errors import ArchiverError
from .ledger import find_unheld
from .logbook import Listing, Run
from .models import Kind, OddItem
from .readme import render_readme
from .report import Report, exit_status, verdict
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


async def conclude(shop: Workshop, settings: Settings, tally: Tally, outcome: Outcome) -> Report:
    """The report of a run, once it is written down. Raises `StorageError`."""
    now = utc_now()
    since = 0 if outcome.is_whole else outcome.run
    unheld = await shop.shelf.ask(
        lambda: find_unheld(shop.shelf.catalogue, outcome.wanted, since_run=since, listed_run=outcome.run, now=now)
    )
    _, complete = await shop.shelf.ask(lambda: shop.shelf.catalogue.count_videos(since_run=outcome.run))
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
        retried=tally.retried,
        complete=complete,
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
    await shop.shelf.ask(catalogue.logbook.end_run, run, listing, outcome.odd)
    brief = msgspec.structs.replace(report, problems=(), lost_inputs=())
    await shop.store.append(JOURNAL, msgspec.json.encode({"type": "run", **msgspec.to_builtins(brief)}) + b"\n")
    if tally.changed_anything or (tally.pages and not (shop.archive.root / README).exists()):
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
