"""The catalogue: an SQLite index of what the archive holds and what is unfinished. Never the truth.

It can be rebuilt from the sidecars at any time, so a damaged one is set aside, not repaired. One thread uses a
`Catalogue` at a time. Every write is one transaction: for a page that was planned, for a batch of videos whose
sidecars are written, for a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .catalogue_prompts import Prompts
from .catalogue_rows import (
    ASSET_COLUMNS,
    OUTLINE_COLUMNS,
    PROBLEM_COLUMNS,
    VIDEO_COLUMNS,
    Known,
    Outline,
    Problem,
    asset_of,
    asset_row,
    known_of,
    name_key,
    number,
    outline_of,
    problem_of,
    text,
    time_column,
    tries_of,
    video_row,
)
from .catalogue_schema import STEPS
from .catalogue_totals import Totals
from .database import DamagedCatalogue, Database
from .item_facts import text_of
from .logbook import Logbook, Unfinished
from .models import INPUTS, OUTPUTS, Asset, Kind, Place, Slot, Status
from .overview import Overview
from .plan import DELETED_HERE
from .tries import Tries

__all__ = ["Catalogue", "DamagedCatalogue", "Known", "Outline", "Problem", "name_key"]

BATCH_OF_IDS = 500

_TRIED_AGAIN = (Status.PENDING, Status.FAILED, Status.MISSING, Status.DENIED, Status.SKIPPED)
_PROBLEMS = (Status.PENDING, Status.FAILED, Status.MISSING, Status.DENIED, Status.REJECTED)


def _marks(columns: str) -> str:
    return ",".join("?" * len(columns.split(",")))


# Not "OR REPLACE": that would remove rows without the triggers that count them.
_RECORD_VIDEO = (
    f"INSERT INTO videos ({VIDEO_COLUMNS}) VALUES ({_marks(VIDEO_COLUMNS)}) ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in VIDEO_COLUMNS.split(", ")[1:])
)
_RECORD_FILE = f"INSERT INTO assets (video_id, {ASSET_COLUMNS}) VALUES (?,{_marks(ASSET_COLUMNS)})"


class Catalogue:
    """One open catalogue: its videos and their files. `logbook` remembers the runs, `overview` and `prompts` are for
    looking."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._totals = Totals(database)
        self.logbook = Logbook(database)
        self.overview = Overview(database)
        self.prompts = Prompts(database)

    @classmethod
    def open(cls, path: Path) -> Catalogue:
        """The catalogue at this path, for reading and writing.

        Raises `DamagedCatalogue`, `ConfigError` for one of a newer release, `StorageError`.
        """
        catalogue = cls(Database.open(path, STEPS))
        try:
            catalogue.prompts.fill()
        except BaseException:
            catalogue.close()
            raise
        return catalogue

    @classmethod
    def open_read_only(cls, path: Path) -> Catalogue:
        """The catalogue for looking only: takes no lock for long, and works on read-only media."""
        if not path.is_file():
            raise DamagedCatalogue("there is no catalogue")
        return cls(Database.open_read_only(path, STEPS))

    @classmethod
    def create(cls, path: Path) -> Catalogue:
        """An empty catalogue in a new file, which is not durable yet. Raises `StorageError`."""
        return cls(Database.create(path, STEPS))

    @classmethod
    def in_memory(cls) -> Catalogue:
        """An empty catalogue that is gone when it is closed."""
        return cls(Database.create(None, STEPS))

    def check(self) -> None:
        """Raises `DamagedCatalogue` where the file is not sound. Reads all of it."""
        self._database.check()
        self._totals.check()
        self.prompts.check()

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def known(self, ids: Sequence[str]) -> dict[str, Known]:
        """What is known of these videos, by id; the others are left out."""
        found: dict[str, Known] = {}
        with self._database.errors():
            for start in range(0, len(ids), BATCH_OF_IDS):
                batch = ids[start : start + BATCH_OF_IDS]
                marks = ",".join("?" * len(batch))
                found |= self._read(f"WHERE id IN ({marks})", batch)
        return found

    def taken(self, places: Sequence[Place]) -> set[str]:
        """Those of these places that a video has, by their `name_key`."""
        keys = [name_key(place) for place in places]
        found: set[str] = set()
        with self._database.errors():
            for start in range(0, len(keys), BATCH_OF_IDS):
                batch = keys[start : start + BATCH_OF_IDS]
                marks = ",".join("?" * len(batch))
                rows = self._database.execute(f"SELECT name_key FROM videos WHERE name_key IN ({marks})", batch)
                found.update(row[0] for row in rows)
        return found

    def at(self, places: Sequence[Place]) -> list[Known]:
        """What is known of the videos at these places."""
        found: dict[str, Known] = {}
        by_key = {name_key(place): place for place in places}
        keys = list(by_key)
        with self._database.errors():
            for start in range(0, len(keys), BATCH_OF_IDS):
                batch = keys[start : start + BATCH_OF_IDS]
                marks = ",".join("?" * len(batch))
                found |= self._read(f"WHERE name_key IN ({marks})", batch)
        wanted = set(places)
        return [known for known in found.values() if known.place in wanted]

    def outlines(self, ids: Sequence[str]) -> dict[str, Outline]:
        """What is known of the sidecars of these videos, by id; at most some hundreds."""
        marks = ",".join("?" * len(ids))
        return {outline.id: outline for outline in self._outlines(f"WHERE id IN ({marks})", ids)}

    def outlines_after(self, after: str, limit: int) -> list[Outline]:
        """What is known of sidecars, ordered by id, after one."""
        return self._outlines("WHERE id > ? ORDER BY id LIMIT ?", (after, limit))

    def _outlines(self, where: str, arguments: Sequence[Any]) -> list[Outline]:
        with self._database.errors():
            rows = self._database.execute(f"SELECT {OUTLINE_COLUMNS} FROM videos {where}", arguments)
            return [outline_of(row) for row in rows]

    def held_files(self, ids: Sequence[str]) -> frozenset[tuple[str, Kind]]:
        """Which files of these videos are stored."""
        found: set[tuple[str, Kind]] = set()
        with self._database.errors():
            for start in range(0, len(ids), BATCH_OF_IDS):
                batch = ids[start : start + BATCH_OF_IDS]
                marks = ",".join("?" * len(batch))
                rows = self._database.execute(
                    f"SELECT video_id, kind FROM assets WHERE status = 'stored' AND video_id IN ({marks})", batch
                )
                found.update((row[0], Kind(row[1])) for row in rows)
        return frozenset(found)

    def record(self, videos: Iterable[Known]) -> None:
        """Writes what is known of these videos, in one transaction."""
        rows = {known.sidecar.id: known for known in videos}
        prompts = [
            (known.sidecar.id, time_column(known.created), text_of(known.sidecar.video, "prompt"))
            for known in rows.values()
        ]
        files = {
            (video_id, asset.slot): (video_id, *asset_row(known, asset))
            for video_id, known in rows.items()
            for asset in known.sidecar.assets
        }
        with self._database.transaction():
            self._database.executemany(_RECORD_VIDEO, [video_row(known) for known in rows.values()])
            self._database.executemany("DELETE FROM assets WHERE video_id = ?", [(video_id,) for video_id in rows])
            self._database.executemany(_RECORD_FILE, list(files.values()))
            self.prompts.record(prompts)

    def knows_any_of(self, ids: Sequence[str]) -> bool:
        """Whether at least one of these videos is known."""
        marks = ",".join("?" * len(ids))
        with self._database.errors():
            return (
                self._database.execute(f"SELECT 1 FROM videos WHERE id IN ({marks}) LIMIT 1", ids).fetchone()
                is not None
            )

    def ids_like(self, text: str, limit: int) -> list[str]:
        """The video of this id; else those whose id begins so, or one of whose files has this name."""
        with self._database.errors():
            rows = self._database.execute(
                "SELECT id FROM videos WHERE id = ?1 OR (NOT EXISTS (SELECT 1 FROM videos WHERE id = ?1) AND "
                "(substr(id, 1, length(?1)) = ?1 OR ?1 IN (stem, stem || '.json') "
                "OR id IN (SELECT video_id FROM assets WHERE path = ?1))) ORDER BY id LIMIT ?2",
                (text, limit),
            )
            return [row[0] for row in rows]

    def note(self, ids: Sequence[str], run: int, unfinished: Unfinished | None) -> None:
        """Notes that the listing of this run holds these videos, and where to resume a full one (None: no news)."""
        with self._database.transaction():
            self._database.executemany(
                "UPDATE videos SET listed_run = ? WHERE id = ?", [(run, video_id) for video_id in ids]
            )
            if unfinished is not None:
                self.logbook.keep_unfinished(unfinished)

    def forget_unfinished(self) -> None:
        """Has the next listing begin anew."""
        with self._database.transaction():
            self.logbook.keep_unfinished(None)

    def stored_under(self, address: str, *, besides: str = "") -> tuple[str, Kind, int] | None:
        """The stored file that came from this address: video id, kind and index; an output where there is one.

        None of the video `besides` counts.
        """
        with self._database.errors():
            row = self._database.execute(
                "SELECT video_id, kind, number FROM assets WHERE url = ? AND status = 'stored' AND video_id <> ? "
                "AND EXISTS (SELECT 1 FROM videos WHERE id = video_id) "
                "ORDER BY kind IN ('first_frame', 'reference', 'extend_source'), video_id LIMIT 1",
                (address, besides),
            ).fetchone()
            return None if row is None else (text(row[0]), Kind(row[1]), number(row[2]))

    def _read(self, where: str, arguments: Sequence[Any]) -> dict[str, Known]:
        videos = self._database.execute(f"SELECT {VIDEO_COLUMNS} FROM videos {where}", arguments).fetchall()
        marks = ",".join("?" * len(videos))
        assets: dict[str, list[Asset]] = {row[0]: [] for row in videos}
        tries: dict[str, dict[Slot, Tries]] = {row[0]: {} for row in videos}
        for row in self._database.execute(
            f"SELECT video_id, {ASSET_COLUMNS} FROM assets WHERE video_id IN ({marks})", [row[0] for row in videos]
        ):
            asset = asset_of(row[1:])
            assets[row[0]].append(asset)
            if not asset.held:
                tries[row[0]][asset.slot] = tries_of(row[1:])
        return {row[0]: known_of(row, assets[row[0]], tries[row[0]]) for row in videos}

    def count_videos(self, *, since_run: int = 0) -> tuple[int, int]:
        """How many videos were noted by this run or a later one, and how many of them are complete."""
        if not since_run:
            return self._totals.videos("new", "listed", "absent", "gone")
        with self._database.errors():
            row = self._database.execute(
                "SELECT count(*), coalesce(sum(complete), 0) FROM videos WHERE listed_run >= ?", (since_run,)
            ).fetchone()
            return number(row[0]), number(row[1])

    def count_listed(self) -> tuple[int, int]:
        """How many videos the account lists, as far as sound listings tell, and how many of them are complete."""
        return self._totals.videos("listed")

    def count_unlisted(self) -> tuple[int, int]:
        """How many videos the last full listing lacked, and how many are gone upstream for good."""
        return self._totals.videos("absent")[0], self._totals.videos("gone")[0]

    def count_assets(self) -> dict[tuple[str, str], tuple[int, int]]:
        """The number of files, and their bytes, by kind and status."""
        return self._totals.files()

    def count_lacking(self, first_run: int) -> tuple[int, int]:
        """How many videos were listed before the listing that this run began, and how many of them it lacks."""
        with self._database.errors():
            row = self._database.execute(
                "SELECT count(*), coalesce(sum(listed_run < ?1), 0) FROM videos "
                "WHERE absent IS NULL AND gone_upstream IS NULL AND (confirmed IS NOT NULL OR listed_run < ?1)",
                (first_run,),
            ).fetchone()
            return number(row[0]), number(row[1])

    def confirm(self, run: int, *, first_run: int, is_full: bool) -> None:
        """Writes down what a sound listing proves: the videos that it held are known; a full one also says which are
        listed again, and which it lacks. Nothing is to be resumed any more after a full one."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE videos SET confirmed = ? WHERE confirmed IS NULL AND listed_run >= ?", (run, first_run)
            )
            self._database.execute(
                "UPDATE videos SET absent = NULL WHERE absent IS NOT NULL AND listed_run >= ?", (first_run,)
            )
            if is_full:
                self._database.execute(
                    "UPDATE videos SET absent = ? WHERE absent IS NULL AND listed_run < ?", (run, first_run)
                )
                self.logbook.keep_unfinished(None)

    def newly_gone(self, run: int, limit: int) -> list[Known]:
        """Videos that two full listings lacked, the last one that of this run, and that are not marked as gone yet."""
        with self._database.errors():
            return list(
                self._read("WHERE absent < ? AND gone_upstream IS NULL ORDER BY +id LIMIT ?", (run, limit)).values()
            )

    def ids_due_by_listing(self, kinds: Iterable[Kind], now: str, *, keep_deleted: bool, limit: int) -> list[str]:
        """Videos with a file that is due and that only a listing can give a URL for; at most so many."""
        with self._database.errors():
            rows = self._database.execute(
                f"SELECT DISTINCT video_id FROM assets JOIN videos ON id = video_id WHERE {_due(kinds, keep_deleted)} "
                "AND (signed OR url IS NULL) AND gone_upstream IS NULL LIMIT ?",
                (now, now, limit),
            )
            return [row[0] for row in rows]

    def due_by_address(
        self, kinds: Iterable[Kind], now: str, *, keep_deleted: bool, run: int, after: str, limit: int
    ) -> list[Known]:
        """Videos with an output that is due, was not tried in this run, and has an address that needs no signature.

        Ordered by id, after one.
        """
        outputs = [kind for kind in kinds if kind in OUTPUTS]
        with self._database.errors():
            return list(
                self._read(
                    f"WHERE id IN (SELECT video_id FROM assets WHERE {_due(outputs, keep_deleted)} AND NOT signed "
                    "AND url IS NOT NULL AND tried_run < ? AND video_id > ?) ORDER BY id LIMIT ?",
                    (now, now, run, after, limit),
                ).values()
            )

    def inputs_due(
        self, now: str, *, keep_deleted: bool, since_run: int, again: bool, run: int, after: str, limit: int
    ) -> list[Known]:
        """Videos noted by a run or a later one, with an input that is due; with `again`, also rejected ones and those
        whose pause is not over. Ordered by id, after one."""
        due = _due(INPUTS, keep_deleted, again=again)
        with self._database.errors():
            return list(
                self._read(
                    f"WHERE listed_run >= ? AND id IN (SELECT video_id FROM assets WHERE {due} "
                    "AND tried_run < ? AND video_id > ?) ORDER BY id LIMIT ?",
                    (since_run, *(() if again else (now, now)), run, after, limit),
                ).values()
            )

    def problems(self, kinds: Iterable[Kind], *, since_run: int = 0) -> Iterator[Problem]:
        """Files of these kinds that are neither held nor skipped, of videos noted by this run or a later one."""
        with self._database.errors():
            rows = self._database.execute(
                f"""SELECT {PROBLEM_COLUMNS} FROM assets INDEXED BY assets_not_held JOIN videos ON id = video_id
                WHERE {_among(_PROBLEMS, kinds)} AND listed_run >= ? ORDER BY video_id, kind, number""",
                (since_run,),
            )
            for row in rows:
                yield problem_of(row)


def _due(kinds: Iterable[Kind], keep_deleted: bool, *, again: bool = False) -> str:  # noqa: FBT001
    """The condition for a file that is to be tried now; it takes the time, twice, unless all are tried `again`."""
    deleted = f"AND (status <> '{Status.SKIPPED}' OR error IS NOT '{DELETED_HERE}')" if keep_deleted else ""
    states = (*_TRIED_AGAIN, Status.REJECTED) if again else _TRIED_AGAIN
    when = "" if again else "AND (due IS NULL OR due <= ? OR tried > ?)"
    return f"{_among(states, kinds)} AND NOT assets.accepted {deleted} {when}"


def _among(states: Iterable[Status], kinds: Iterable[Kind]) -> str:
    """The condition for a file of these states, none of which is held, and kinds, as the index of them needs it."""
    return f"status NOT IN ('stored', 'linked') AND status IN ({_words(states)}) AND kind IN ({_words(kinds)})"


def _words(values: Iterable[str]) -> str:
    return ",".join(f"'{value}'" for value in values)
