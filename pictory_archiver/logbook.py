"""The runs and the listings that the catalogue remembers, and the odd items that they met."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from .catalogue_rows import moment
from .database import Database
from .models import OddItem

Record = TypeVar("Record", bound=Struct)
ListingKind = Literal["full", "incremental", "filtered"]


class Listing(Struct, frozen=True):
    """How a listing ended. Times are UTC; `first_run` is the run that began it, an earlier one where it was resumed.

    `sound`: it proves that all that was listed when it started is known (docs/listing.md).
    """

    run: int
    first_run: int
    started: str
    ended: str
    kind: ListingKind
    sound: bool
    pages: int
    videos: int
    odd_items: int
    error: str | None


class Unfinished(Struct, frozen=True):
    """A full listing that did not reach its end, and the token of the page from which it goes on."""

    first_run: int
    started: str
    token: str


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

    def end_run(self, run: Run, listing: Listing | None) -> None:
        """Writes down how a run and its listing ended. A run that is not known is added."""
        with self._database.transaction():
            self._database.execute("INSERT OR REPLACE INTO runs VALUES (?,?,?,?,?)", msgspec.structs.astuple(run))
            if listing is not None:
                self._database.execute(
                    "INSERT OR REPLACE INTO listings VALUES (?,?,?,?,?,?,?,?,?,?)", msgspec.structs.astuple(listing)
                )

    def note_odd_items(self, items: Iterable[OddItem], run: int) -> None:
        """Writes down items that a page of this run's listing held and that could not be read."""
        with self._database.transaction():
            self._database.executemany(
                "INSERT OR REPLACE INTO odd_items VALUES (?,?,?)", [(item.raw, item.problem, run) for item in items]
            )

    def last_runs(self, count: int) -> list[Run]:
        """The newest runs, newest first."""
        with self._database.errors():
            rows = self._database.execute(
                "SELECT id, started, ended, exit_status, verdict FROM runs ORDER BY id DESC LIMIT ?", (count,)
            )
            return [_record(row, Run) for row in rows]

    def last_listing(self, *, sound: bool = False, full: bool = False) -> Listing | None:
        """The newest listing that nothing was asked to be left out of; of the sound ones, of the full ones alone."""
        with self._database.errors():
            row = self._database.execute(
                "SELECT * FROM listings WHERE kind <> 'filtered' AND sound >= ? AND (kind = 'full' OR NOT ?) "
                "ORDER BY run DESC LIMIT 1",
                (sound, full),
            ).fetchone()
            return None if row is None else _record(row, Listing)

    def began(self, listing: Listing) -> str:
        """When the first part of a listing started that may have been resumed."""
        with self._database.errors():
            row = self._database.execute("SELECT * FROM runs WHERE id = ?", (listing.first_run,)).fetchone()
            return min(listing.started, _record(row, Run).started) if row else listing.started

    def count_odd_items(self, since_run: int) -> int:
        """How many items that could not be read this run and later ones met."""
        with self._database.errors():
            (number,) = self._database.execute("SELECT count(*) FROM odd_items WHERE run >= ?", (since_run,)).fetchone()
        return int(number)

    def unfinished(self) -> Unfinished | None:
        """The full listing that is to be resumed."""
        with self._database.errors():
            row = self._database.execute("SELECT first_run, started, token FROM unfinished_listing").fetchone()
            return None if row is None else _record(row, Unfinished)

    def keep_unfinished(self, unfinished: Unfinished | None) -> None:
        """Where to resume the full listing that is under way; None: there is none. Within a transaction."""
        self._database.execute("DELETE FROM unfinished_listing")
        if unfinished is not None:
            self._database.execute(
                "INSERT INTO unfinished_listing VALUES (1,?,?,?)", msgspec.structs.astuple(unfinished)
            )


def _record(row: Sequence[Any], kind: type[Record]) -> Record:
    """A row with the columns of a record, as that. Raises `ValueError`, also for times that are none."""
    fields = dict(zip(kind.__struct_fields__, row, strict=True))
    for name in ("started", "ended"):
        moment(fields.get(name))
    return msgspec.convert(fields, kind, strict=False)
