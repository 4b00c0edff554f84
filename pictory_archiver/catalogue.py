"""The catalogue: an SQLite index of what the archive holds and what is unfinished. Never the truth.

It can be rebuilt from the sidecars at any time, so a damaged one is set aside, not repaired. One thread uses a
`Catalogue` at a time. Every write is one transaction: for a page that was planned, for a batch of videos whose
sidecars are written, for a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .catalogue_rows import (
    ASSET_COLUMNS,
    SCHEMA,
    VERSION,
    VIDEO_COLUMNS,
    Known,
    Problem,
    asset_of,
    asset_row,
    known_of,
    moment,
    name_key,
    video_row,
)
from .database import DamagedCatalogue, Database
from .logbook import Logbook
from .models import OUTPUTS, Asset, Kind, Place, Slot, Status

__all__ = ["Catalogue", "DamagedCatalogue", "Known", "Problem", "name_key"]

BATCH_OF_IDS = 500

_UNSETTLED = (Status.PENDING, Status.FAILED, Status.MISSING, Status.DENIED)


class Catalogue:
    """One open catalogue: its videos and their files. `logbook` remembers the runs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.logbook = Logbook(database)

    @classmethod
    def open(cls, path: Path) -> Catalogue:
        """The catalogue at this path, for reading and writing.

        Raises `DamagedCatalogue`, `ConfigError` for one of a newer release, `StorageError`.
        """
        return cls(Database.open(path, version=VERSION))

    @classmethod
    def open_read_only(cls, path: Path) -> Catalogue:
        """The catalogue for looking only: takes no lock for long, and works on read-only media."""
        if not path.is_file():
            raise DamagedCatalogue("there is no catalogue")
        return cls(Database.open(path, version=VERSION, read_only=True))

    @classmethod
    def create(cls, path: Path) -> Catalogue:
        """An empty catalogue in a new file. Raises `StorageError`."""
        return cls(Database.create(path, schema=SCHEMA, version=VERSION))

    @classmethod
    def in_memory(cls) -> Catalogue:
        """An empty catalogue that is gone when it is closed."""
        return cls(Database.create(None, schema=SCHEMA, version=VERSION))

    def check(self) -> None:
        """Raises `DamagedCatalogue` where the file is not sound. Reads all of it."""
        self._database.check()
        self.count_videos()

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

    def with_unsettled_inputs(self, run: int, after: str, limit: int) -> list[Known]:
        """Videos that this run listed and that have an input neither held nor skipped; ordered by id, after one."""
        inputs = ",".join(f"'{kind}'" for kind in Kind if kind not in OUTPUTS)
        unsettled = ",".join(f"'{status}'" for status in _UNSETTLED)
        with self._database.errors():
            return list(
                self._read(
                    f"""WHERE listed_run = ? AND id IN (
                        SELECT video_id FROM assets WHERE status IN ({unsettled}) AND kind IN ({inputs})
                        AND video_id > ?) ORDER BY id LIMIT ?""",
                    (run, after, limit),
                ).values()
            )

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

    def record(self, videos: Iterable[Known]) -> None:
        """Writes what is known of these videos, in one transaction."""
        with self._database.transaction():
            for known in videos:
                self._record(known)

    def touch(self, ids: Sequence[str], run: int) -> None:
        """Notes that the listing of this run holds these videos."""
        with self._database.transaction():
            self._database.executemany(
                "UPDATE videos SET listed_run = ? WHERE id = ?", [(run, video_id) for video_id in ids]
            )

    def stored_under(self, address: str) -> tuple[str, Kind, int] | None:
        """The stored file that came from this address: video id, kind and index; an output where there is one."""
        with self._database.errors():
            row = self._database.execute(
                "SELECT video_id, kind, number FROM assets WHERE url = ? AND status = 'stored' "
                "ORDER BY kind IN ('first_frame', 'reference', 'extend_source'), video_id LIMIT 1",
                (address,),
            ).fetchone()
        return None if row is None else (row[0], Kind(row[1]), row[2])

    def _read(self, where: str, arguments: Sequence[Any]) -> dict[str, Known]:
        videos = self._database.execute(f"SELECT {VIDEO_COLUMNS} FROM videos {where}", arguments).fetchall()
        marks = ",".join("?" * len(videos))
        assets: dict[str, list[Asset]] = {row[0]: [] for row in videos}
        for row in self._database.execute(
            f"SELECT video_id, {ASSET_COLUMNS} FROM assets WHERE video_id IN ({marks})", [row[0] for row in videos]
        ):
            assets[row[0]].append(asset_of(row[1:]))
        return {row[0]: known_of(row, assets[row[0]]) for row in videos}

    def _record(self, known: Known) -> None:
        sidecar = known.sidecar
        self._database.execute(
            f"INSERT OR REPLACE INTO videos ({VIDEO_COLUMNS}) VALUES ({_marks(VIDEO_COLUMNS)})", video_row(known)
        )
        self._database.execute("DELETE FROM assets WHERE video_id = ?", (sidecar.id,))
        self._database.executemany(
            f"INSERT INTO assets (video_id, {ASSET_COLUMNS}) VALUES (?,{_marks(ASSET_COLUMNS)})",
            [(sidecar.id, *asset_row(asset)) for asset in sidecar.assets],
        )

    def count_videos(self, *, since_run: int = 0) -> tuple[int, int]:
        """How many videos were listed by this run or a later one, and how many of them are complete."""
        with self._database.errors():
            row = self._database.execute(
                "SELECT count(*), coalesce(sum(complete), 0) FROM videos WHERE listed_run >= ?", (since_run,)
            ).fetchone()
        return row[0], row[1]

    def count_assets(self) -> dict[tuple[str, str], tuple[int, int]]:
        """The number of files, and their bytes, by kind and status."""
        with self._database.errors():
            rows = self._database.execute(
                "SELECT kind, status, count(*), coalesce(sum(bytes), 0) FROM assets GROUP BY kind, status"
            )
            return {(row[0], row[1]): (row[2], row[3]) for row in rows}

    def problems(self, kinds: Iterable[Kind], *, since_run: int = 0) -> Iterator[Problem]:
        """Files of these kinds that are neither held nor skipped, of videos listed by this run or a later one."""
        wanted = ",".join(f"'{kind}'" for kind in kinds)
        with self._database.errors():
            rows = self._database.execute(
                f"""SELECT video_id, folder, stem, created, listed_run, url, kind, number, status, error
                FROM assets INDEXED BY assets_unfinished JOIN videos ON videos.id = video_id
                WHERE status NOT IN ('stored', 'linked', 'skipped') AND kind IN ({wanted}) AND listed_run >= ?
                ORDER BY video_id, kind, number""",
                (since_run,),
            )
            for row in rows:
                slot = Slot(Kind(row[6]), row[7])
                yield Problem(
                    row[0], Place(row[1], row[2]), moment(row[3]), row[4], row[5], slot, Status(row[8]), row[9]
                )


def _marks(columns: str) -> str:
    return ",".join("?" * len(columns.split(",")))
