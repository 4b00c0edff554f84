"""The end of a run: what is held and what is not, written down for people, for scripts and for the next run."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from pathlib import PurePosixPath

import msgspec
from msgspec import Struct

from .archive import JOURNAL, README
from .catalogue import DamagedCatalogue
from .course import Course
from .errors import ArchiverError, ConfigError, KeyRefused, ListingError, StorageError
from .events import Event, Observer, PhaseStarted, Warned
from .layout import PARTIAL
from .ledger import find_unheld
from .library import build_library
from .logbook import Listing, Run
from .models import Kind
from .readme import render_readme, timeless
from .report import Report, exit_status, verdict
from .settings import Settings
from .sidecar import timestamp
from .tally import Tally
from .text import what_went_wrong
from .workshop import Workshop, utc_now

PARTIAL_README = PurePosixPath(f"{README}{PARTIAL}")


class Outcome(Struct, frozen=True, kw_only=True):
    """What the journey knows at its end. `course` is None where it ended before the listing; `is_sound`: the listing
    proved what it should."""

    run: int
    error: ArchiverError | None
    time_up: bool
    course: Course | None
    is_sound: bool
    selection: str | None
    wanted: frozenset[Kind]


async def conclude(shop: Workshop, settings: Settings, tally: Tally, outcome: Outcome) -> Report:
    """The report of a run, once it is written down. Where the disk failed, it is written down as far as that goes."""
    now = utc_now()
    catalogue, course, error = shop.shelf.catalogue, outcome.course, outcome.error
    is_whole = outcome.is_sound
    unheld = await shop.shelf.ask(
        lambda: find_unheld(catalogue, outcome.wanted, since_run=0 if is_whole else outcome.run, now=now)
    )
    if is_whole:
        videos, complete = await shop.shelf.ask(catalogue.count_listed)
    else:
        videos, complete = await shop.shelf.ask(lambda: catalogue.count_videos(since_run=outcome.run))
    absent, gone = await shop.shelf.ask(catalogue.count_unlisted)
    last_full = await shop.shelf.ask(lambda: catalogue.logbook.last_listing(sound=True, full=True))
    odd_items = tally.odd_items
    since = course.first_run if course and course.is_full else last_full.first_run if last_full else None
    if is_whole and since is not None:
        odd_items = max(odd_items, await shop.shelf.ask(catalogue.logbook.count_odd_items, since))
    report = Report(
        archive=str(shop.archive.root),
        account=settings.account,
        started_at=timestamp(tally.started),
        ended_at=timestamp(now),
        seconds=round(tally.seconds, 3),
        error=str(error) if error else None,
        hint=error.hint if error else None,
        time_up=outcome.time_up,
        selection=outcome.selection,
        assets=settings.download.assets,
        listing="none" if course is None else "full" if course.is_full else course.kind,
        sound=outcome.is_sound,
        pages=tally.pages,
        listed=tally.listed,
        new=tally.new,
        already_held=max(complete - tally.finished, 0) if is_whole else tally.held,
        updated=tally.updated,
        retried=tally.retried,
        renewed=tally.renewed,
        videos=videos,
        complete=complete,
        files_stored=tally.files_stored,
        files_linked=tally.linked,
        bytes_stored=tally.bytes_stored,
        bytes_received=tally.bytes_received,
        pending=unheld.waiting,
        overdue=unheld.overdue,
        not_listed_any_more=absent,
        gone_upstream=gone,
        odd_items=odd_items,
        problem_count=unheld.problem_count,
        problems=tuple(unheld.problems),
        accepted_count=unheld.accepted_count,
        not_renewed_count=tally.not_renewed_count,
        not_renewed=tuple(tally.not_renewed.values()),
        lost_input_count=unheld.lost_input_count,
        lost_inputs=tuple(unheld.lost_inputs),
    )
    report = msgspec.structs.replace(report, exit_status=exit_status(report, error.exit_status if error else None))
    report = msgspec.structs.replace(report, verdict=verdict(report))
    with contextlib.suppress(StorageError) if isinstance(error, StorageError) else contextlib.nullcontext():
        await _write_down(shop, tally, outcome, report)
    return report


async def note_stop(shop: Workshop, tally: Tally, run: int) -> None:
    """Remembers that a run was stopped by a signal."""
    stopped = Run(run, timestamp(tally.started), timestamp(utc_now()), None, "stopped by a signal")
    await shop.shelf.ask(shop.shelf.catalogue.logbook.end_run, stopped, None)


async def _write_down(shop: Workshop, tally: Tally, outcome: Outcome, report: Report) -> None:
    catalogue = shop.shelf.catalogue
    listing = _listing(outcome, report)
    run = Run(
        id=outcome.run,
        started=report.started_at,
        ended=report.ended_at,
        exit_status=report.exit_status,
        verdict=report.verdict,
    )
    await shop.shelf.ask(catalogue.logbook.end_run, run, listing)
    brief = msgspec.structs.replace(report, problems=(), not_renewed=(), lost_inputs=())
    await shop.store.append(JOURNAL, msgspec.json.encode({"type": "run", **msgspec.to_builtins(brief)}) + b"\n")
    if tally.changed_anything or tally.pages:
        await _describe(shop, report, has_changed=tally.changed_anything)


async def _describe(shop: Workshop, report: Report, *, has_changed: bool) -> None:
    """Writes README.txt where anything changed, or where a run that was killed left it to this one."""
    catalogue = shop.shelf.catalogue
    videos, complete = await shop.shelf.ask(catalogue.count_videos)
    assets = await shop.shelf.ask(catalogue.count_assets)
    text = render_readme(
        as_of=f"{report.ended_at[:10]} {report.ended_at[11:16]} UTC",
        videos=videos,
        complete=complete,
        stored_bytes=sum(stored for _, stored in assets.values()),
        time_zone=shop.archive.marker.time_zone,
    )
    before = await shop.store.read(README)
    begun = (await shop.store.sizes([PARTIAL_README]))[PARTIAL_README]
    if has_changed or begun is not None or before is None or timeless(before) != timeless(text):
        await shop.store.write(README, text)


async def update_library(shop: Workshop, settings: Settings, observer: Observer) -> str | None:
    """Brings the offline library up to date. → the path of its page; None where that failed, which spoils no run"""
    observer(PhaseStarted("the offline library"))
    stopped = threading.Event()

    def stop(_: Event) -> None:
        if stopped.is_set():
            raise StorageError("it was stopped")

    building = asyncio.ensure_future(
        shop.shelf.ask(
            lambda: build_library(
                shop.archive,
                shop.shelf.catalogue,
                utc_now(),
                reserve=settings.download.reserve,
                observer=stop,
            )
        )
    )
    try:
        return (await asyncio.shield(building)).page
    except asyncio.CancelledError:
        stopped.set()
        with contextlib.suppress(ArchiverError):
            await building
        raise
    except DamagedCatalogue:
        raise
    except (ConfigError, StorageError) as error:
        observer(Warned(f"the offline library is not up to date: {what_went_wrong(error)}"))
        return None


def _listing(outcome: Outcome, report: Report) -> Listing | None:
    """How the listing ended; None for a run that had no time for one. A disk that failed is no fault of the listing."""
    course, error = outcome.course, outcome.error
    failed = isinstance(error, ListingError | KeyRefused)
    if course is None and not failed:
        return None
    return Listing(
        run=outcome.run,
        first_run=course.first_run if course else outcome.run,
        started=timestamp(course.started) if course else report.started_at,
        ended=report.ended_at,
        kind="full" if course is None or course.is_full else course.kind,
        sound=report.sound,
        pages=report.pages,
        videos=report.listed,
        odd_items=report.odd_items,
        error=report.error if failed else None,
    )
