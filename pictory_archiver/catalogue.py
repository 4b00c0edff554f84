"""The catalogue: an SQLite index of what the archive holds and what is unfinished. Never the truth.

It can be rebuilt from the sidecars at any time, so a damaged one is set aside, not repaired. One thread uses a
`Catalogue` at a time. A rollback journal is used, since it also works on network file systems. Every write is one
transaction: for a page that was planned, for a batch of videos whose sidecars are written, for a run.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from .errors import ConfigError, StorageError
from .models import OUTPUTS, Asset, Kind, OddItem, Place, Status
from .sidecar import Change, Sidecar

VERSION = 1
BUSY_SECONDS = 10.0
BATCH_OF_IDS = 500

_SCHEMA = """
CREATE TABLE videos (
    id TEXT PRIMARY KEY,
    folder TEXT NOT NULL,
    stem TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,       -- folder and stem as a file system that folds case sees them
    created TEXT,                        -- UTC, ISO 8601; NULL: missing or unreadable
    account TEXT NOT NULL,
    source TEXT NOT NULL,
    item TEXT NOT NULL,                  -- the API's item as JSON, without signatures
    revision INTEGER NOT NULL,
    complete INTEGER NOT NULL,
    history TEXT NOT NULL,
    gone_upstream TEXT,
    accepted TEXT NOT NULL,
    archived_by TEXT NOT NULL,
    archived_at TEXT NOT NULL,
    sidecar_bytes INTEGER,               -- NULL: no sidecar was written yet
    listed_run INTEGER NOT NULL          -- the last run whose listing held the video
);
CREATE TABLE assets (
    video_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    number INTEGER NOT NULL,
    status TEXT NOT NULL,
    path TEXT,
    bytes INTEGER,
    sha256 TEXT,
    content_type TEXT,
    etag TEXT,
    last_modified TEXT,
    linked_video TEXT,
    linked_kind TEXT,
    error TEXT,
    url TEXT,
    stored_at TEXT,
    PRIMARY KEY (video_id, kind, number)
) WITHOUT ROWID;
CREATE INDEX assets_held_by_url ON assets (url) WHERE status = 'stored';
CREATE INDEX assets_unfinished ON assets (status, video_id) WHERE status NOT IN ('stored', 'linked', 'skipped');
CREATE INDEX videos_by_listing ON videos (listed_run, complete);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started TEXT NOT NULL,
    ended TEXT,
    exit_status INTEGER,
    verdict TEXT
);
CREATE TABLE listings (
    run INTEGER PRIMARY KEY,
    ended TEXT NOT NULL,
    whole INTEGER NOT NULL,              -- 1: reached the last page, with no filter
    pages INTEGER NOT NULL,
    videos INTEGER NOT NULL,
    odd_items INTEGER NOT NULL,
    error TEXT
);
CREATE TABLE odd_items (run INTEGER NOT NULL, raw TEXT NOT NULL, problem TEXT NOT NULL);
"""

_ASSET_COLUMNS = (
    "kind, number, status, path, bytes, sha256, content_type, etag, last_modified, linked_video, linked_kind, "
    "error, url, stored_at"
)
_UNSETTLED = (Status.PENDING, Status.FAILED, Status.MISSING, Status.DENIED)


class Known(Struct, frozen=True):
    """What the catalogue knows of a video. `sidecar` is as last written, or as it will be (`sidecar_bytes` None)."""

    place: Place
    sidecar: Sidecar
    created: datetime | None
    sidecar_bytes: int | None
    listed_run: int


class Problem(Struct, frozen=True):
    """A file that is neither held nor skipped: which, where it should be, and why not."""

    video_id: str
    place: Place
    created: datetime | None
    listed_run: int
    url: str | None
    kind: Kind
    status: Status
    error: str | None


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


class DamagedCatalogue(StorageError):
    """The file is no catalogue, or cannot be read as one: it is to be rebuilt."""


class Catalogue:
    """One open catalogue."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self._connection = connection
        self._path = path

    @classmethod
    def open(cls, path: Path) -> Catalogue:
        """The catalogue at this path, made where there is none.

        Raises `DamagedCatalogue`, `ConfigError` for one of a newer release, `StorageError`.
        """
        return cls._connected(str(path), path)

    @classmethod
    def open_read_only(cls, path: Path) -> Catalogue:
        """The catalogue for looking only: takes no lock for long, and works on read-only media."""
        if not path.is_file():
            raise DamagedCatalogue("there is no catalogue")
        return cls._connected(f"{path.absolute().as_uri()}?mode=ro", path)

    @classmethod
    def in_memory(cls) -> Catalogue:
        """An empty catalogue that is gone when it is closed."""
        return cls._connected(":memory:", None)

    @classmethod
    def _connected(cls, database: str, path: Path | None) -> Catalogue:
        try:
            connection = sqlite3.connect(
                database,
                uri=database.startswith("file:"),
                timeout=BUSY_SECONDS,
                check_same_thread=False,
                isolation_level=None,
            )
        except sqlite3.OperationalError as error:
            raise StorageError(f"{path}: the catalogue cannot be opened: {error}", hint="check the folder") from None
        catalogue = cls(connection, path)
        try:
            catalogue._prepare(read_only=database.endswith("mode=ro"))
        except BaseException:
            connection.close()
            raise
        return catalogue

    def _prepare(self, *, read_only: bool) -> None:
        with self._errors():
            self._connection.execute("PRAGMA trusted_schema = OFF")
            self._connection.execute("PRAGMA cache_size = -8000")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise ConfigError(
                    f"the catalogue has format version {version}; this release knows up to {VERSION}",
                    hint="update pictory-archiver; nothing was changed",
                )
            if version == 0:
                if read_only or self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise DamagedCatalogue("it is unfinished")
                with self._transaction():
                    for statement in _SCHEMA.split(";\n"):
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version = {VERSION}")
            self._connection.execute("SELECT id, listed_run FROM videos LIMIT 1").fetchone()

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    # Videos

    def known(self, ids: Sequence[str]) -> dict[str, Known]:
        """What is known of these videos, by id; the others are left out."""
        found: dict[str, Known] = {}
        with self._errors():
            for start in range(0, len(ids), BATCH_OF_IDS):
                batch = ids[start : start + BATCH_OF_IDS]
                marks = ",".join("?" * len(batch))
                found |= self._read(f"WHERE id IN ({marks})", batch)
        return found

    def every(self) -> Iterator[Known]:
        """Every video, in the order of ids, read in batches."""
        last = ""
        while True:
            with self._errors():
                batch = self._read("WHERE id > ? ORDER BY id LIMIT 500", (last,))
            if not batch:
                return
            yield from batch.values()
            last = max(batch)

    def with_unsettled_inputs(self, run: int, after: str, limit: int) -> list[Known]:
        """Videos that this run listed and that have an input neither held nor skipped; ordered by id, after one."""
        inputs = ",".join(f"'{kind}'" for kind in Kind if kind not in OUTPUTS)
        unsettled = ",".join(f"'{status}'" for status in _UNSETTLED)
        with self._errors():
            return list(
                self._read(
                    f"""WHERE listed_run = ? AND id IN (
                        SELECT video_id FROM assets WHERE status IN ({unsettled}) AND kind IN ({inputs})
                        AND video_id > ?) ORDER BY id LIMIT ?""",
                    (run, after, limit),
                ).values()
            )

    def holder_of(self, place: Place) -> str | None:
        """The id of the video that has this place, as a file system that folds case sees it."""
        with self._errors():
            row = self._connection.execute("SELECT id FROM videos WHERE name_key = ?", (_key(place),)).fetchone()
        return None if row is None else str(row[0])

    def record(self, videos: Iterable[Known]) -> None:
        """Writes what is known of these videos, in one transaction."""
        with self._errors(), self._transaction():
            for known in videos:
                self._record(known)

    def touch(self, ids: Sequence[str], run: int) -> None:
        """Notes that the listing of this run holds these videos."""
        with self._errors(), self._transaction():
            self._connection.executemany(
                "UPDATE videos SET listed_run = ? WHERE id = ?", [(run, video_id) for video_id in ids]
            )

    def stored_under(self, address: str) -> tuple[str, Kind, int] | None:
        """The stored file that came from this address: video id, kind and index; an output where there is one."""
        with self._errors():
            row = self._connection.execute(
                "SELECT video_id, kind, number FROM assets WHERE url = ? AND status = 'stored' "
                "ORDER BY kind IN ('first_frame', 'reference', 'extend_source'), video_id LIMIT 1",
                (address,),
            ).fetchone()
        return None if row is None else (row[0], Kind(row[1]), row[2])

    def _read(self, where: str, arguments: Sequence[Any]) -> dict[str, Known]:
        videos = self._connection.execute(
            "SELECT id, folder, stem, created, account, source, item, revision, complete, history, gone_upstream, "
            f"accepted, archived_by, archived_at, sidecar_bytes, listed_run FROM videos {where}",
            arguments,
        ).fetchall()
        marks = ",".join("?" * len(videos))
        assets: dict[str, list[Asset]] = {row[0]: [] for row in videos}
        for row in self._connection.execute(
            f"SELECT video_id, {_ASSET_COLUMNS} FROM assets WHERE video_id IN ({marks})", [row[0] for row in videos]
        ):
            assets[row[0]].append(_asset(row[1:]))
        return {row[0]: _known(row, assets[row[0]]) for row in videos}

    def _record(self, known: Known) -> None:
        sidecar = known.sidecar
        self._connection.execute(
            """INSERT OR REPLACE INTO videos (id, folder, stem, name_key, created, account, source, item, revision,
            complete, history, gone_upstream, accepted, archived_by, archived_at, sidecar_bytes, listed_run)
            VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)""",
            (
                sidecar.id,
                known.place.folder,
                known.place.stem,
                _key(known.place),
                known.created.isoformat() if known.created else None,
                sidecar.account,
                sidecar.source,
                _json(sidecar.video),
                sidecar.revision,
                sidecar.complete,
                _json(sidecar.history),
                sidecar.gone_upstream,
                _json(sidecar.accepted),
                sidecar.archived_by,
                sidecar.archived_at,
                known.sidecar_bytes,
                known.listed_run,
            ),
        )
        self._connection.execute("DELETE FROM assets WHERE video_id = ?", (sidecar.id,))
        self._connection.executemany(
            f"INSERT INTO assets (video_id, {_ASSET_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            [(sidecar.id, *_row(asset)) for asset in sidecar.assets],
        )

    # Runs, listings and the ledger

    def begin_run(self, started: str) -> int:
        """The number of a new run."""
        with self._errors(), self._transaction():
            cursor = self._connection.execute("INSERT INTO runs (started) VALUES (?)", (started,))
        return int(cursor.lastrowid or 0)

    def end_run(self, run: Run, listing: Listing | None, odd: Iterable[OddItem]) -> None:
        """Writes down how a run and its listing ended."""
        with self._errors(), self._transaction():
            self._connection.execute(
                "UPDATE runs SET ended = ?, exit_status = ?, verdict = ? WHERE id = ?",
                (run.ended, run.exit_status, run.verdict, run.id),
            )
            if listing is not None:
                self._connection.execute(
                    "INSERT OR REPLACE INTO listings VALUES (?,?,?,?,?,?,?)", msgspec.structs.astuple(listing)
                )
            self._connection.executemany(
                "INSERT INTO odd_items VALUES (?,?,?)", [(run.id, item.raw, item.problem) for item in odd]
            )

    def last_runs(self, count: int) -> list[Run]:
        """The newest runs, newest first."""
        with self._errors():
            rows = self._connection.execute(
                "SELECT id, started, ended, exit_status, verdict FROM runs ORDER BY id DESC LIMIT ?", (count,)
            )
            return [Run(*row) for row in rows]

    def last_listing(self, *, whole: bool) -> Listing | None:
        """The newest listing; with `whole`, the newest one that reached the end with nothing left out."""
        with self._errors():
            row = self._connection.execute(
                "SELECT run, ended, whole, pages, videos, odd_items, error FROM listings WHERE whole >= ? "
                "ORDER BY run DESC LIMIT 1",
                (int(whole),),
            ).fetchone()
        return None if row is None else Listing(row[0], row[1], bool(row[2]), *row[3:])

    def count_videos(self, *, since_run: int = 0) -> tuple[int, int]:
        """How many videos were listed by this run or a later one, and how many of them are complete."""
        with self._errors():
            row = self._connection.execute(
                "SELECT count(*), coalesce(sum(complete), 0) FROM videos WHERE listed_run >= ?", (since_run,)
            ).fetchone()
        return row[0], row[1]

    def count_assets(self) -> dict[tuple[str, str], tuple[int, int]]:
        """The number of files, and their bytes, by kind and status."""
        with self._errors():
            rows = self._connection.execute(
                "SELECT kind, status, count(*), coalesce(sum(bytes), 0) FROM assets GROUP BY kind, status"
            )
            return {(row[0], row[1]): (row[2], row[3]) for row in rows}

    def problems(self, kinds: Iterable[Kind], *, since_run: int = 0) -> Iterator[Problem]:
        """Files of these kinds that are neither held nor skipped, of videos listed by this run or a later one."""
        wanted = ",".join(f"'{kind}'" for kind in kinds)
        with self._errors():
            rows = self._connection.execute(
                f"""SELECT video_id, folder, stem, created, listed_run, url, kind, status, error
                FROM assets INDEXED BY assets_unfinished JOIN videos ON videos.id = video_id
                WHERE status NOT IN ('stored', 'linked', 'skipped') AND kind IN ({wanted}) AND listed_run >= ?
                ORDER BY video_id, kind, number""",
                (since_run,),
            )
            for row in rows:
                yield Problem(
                    row[0], Place(row[1], row[2]), _moment(row[3]), row[4], row[5], Kind(row[6]), Status(row[7]), row[8]
                )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StorageError(
                f"{self._path}: the catalogue: {error}", hint="check the disk, and run it again"
            ) from error
        except sqlite3.DatabaseError as error:
            raise DamagedCatalogue(
                f"{self._path}: the catalogue is damaged: {error}",
                hint="delete this file and run it again: it is rebuilt from the sidecars",
            ) from error


def _key(place: Place) -> str:
    return f"{place.folder}/{place.stem}".casefold()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _row(asset: Asset) -> tuple[object, ...]:
    return (
        asset.kind,
        asset.index or 0,
        asset.status,
        asset.path,
        asset.bytes,
        asset.sha256,
        asset.content_type,
        asset.etag,
        asset.last_modified,
        asset.video_id,
        asset.asset,
        asset.error,
        asset.url,
        asset.stored_at,
    )


def _asset(row: Sequence[Any]) -> Asset:
    return Asset(
        kind=Kind(row[0]),
        index=row[1] or None,
        status=Status(row[2]),
        path=row[3],
        bytes=row[4],
        sha256=row[5],
        content_type=row[6],
        etag=row[7],
        last_modified=row[8],
        video_id=row[9],
        asset=Kind(row[10]) if row[10] else None,
        error=row[11],
        url=row[12],
        stored_at=row[13],
    )


def _known(row: Sequence[Any], assets: list[Asset]) -> Known:
    order = {kind: position for position, kind in enumerate(Kind)}
    return Known(
        place=Place(row[1], row[2]),
        created=_moment(row[3]),
        sidecar=Sidecar(
            account=row[4],
            source=row[5],
            id=row[0],
            video=msgspec.json.decode(row[6]),
            revision=row[7],
            complete=bool(row[8]),
            history=msgspec.json.decode(row[9], type=tuple[Change, ...]),
            gone_upstream=row[10],
            accepted=msgspec.json.decode(row[11], type=tuple[str, ...]),
            archived_by=row[12],
            archived_at=row[13],
            assets=tuple(sorted(assets, key=lambda asset: (order[asset.kind], asset.index or 0))),
        ),
        sidecar_bytes=row[14],
        listed_run=row[15],
    )
