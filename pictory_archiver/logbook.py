"""The runs and the listings that the catalogue remembers, and the odd items that they met."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from .database import Database
from .models import OddItem


class Listing(Struct, frozen=True):
    """How a listing ended. `whole`: it reached the last page, and no filter left anything out."""

    run: int
    ended: str
    whole: bool
    pages: int
    videos: int
    odd_items: int
    error: str | None


class Run(Struct, frozen=True):
    """A run as it is remembered. Times are UTC; `ended` is None where it was killed, or is under way."""

    id: int
    started: str
    ended: str | None
    exit_status: int | None
    verdict: str | None


class Logbook:
    """Runs and listings of one catalogue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin_run(self, started: str) -> int:
        """The number of a new run."""
        with self._database.transaction():
            cursor = self._database.execute("INSERT INTO runs (started) VALUES (?)", (started,))
        return int(cursor.lastrowid or 0)

    def end_run(self, run: Run, listing: Listing | None, odd: Iterable[OddItem]) -> None:
        """Writes down how a run and its listing ended."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE runs SET ended = ?, exit_status = ?, verdict = ? WHERE id = ?",
                (run.ended, run.exit_status, run.verdict, run.id),
            )
            if listing is not None:
                self._database.execute(
                    "INSERT OR REPLACE INTO listings VALUES (?,?,?,?,?,?,?)", msgspec.structs.astuple(listing)
                )
            self._database.executemany(
                "INSERT OR REPLACE INTO odd_items VALUES (?,?,?)", [(item.raw, item.problem, run.id) for item in odd]
            )

    def last_runs(self, count: int) -> list[Run]:
        """The newest runs, newest first."""
        with self._database.errors():
            rows = self._database.execute(
                "SELECT id, started, ended, exit_status, verdict FROM runs ORDER BY id DESC LIMIT ?", (count,)
            )
            return [Run(*row) for row in rows]

    def last_listing(self, *, whole: bool) -> Listing | None:
        """The newest listing; with `whole`, the newest one that reached the end with nothing left out."""
        with self._database.errors():
            row = self._database.execute(
                "SELECT run, ended, whole, pages, videos, odd_items, error FROM listings WHERE whole >= ? "
                "ORDER BY run DESC LIMIT 1",
                (int(whole),),
            ).fetchone()
        return None if row is None else Listing(row[0], row[1], bool(row[2]), *row[3:])
