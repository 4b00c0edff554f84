"""The tables of the catalogue, and its records as rows and back. Pure.

A column holds what SQLite has a type for; what has none (the item, the history) is JSON text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from .models import Asset, Kind, Place, Slot, Status
from .sidecar import Change, Sidecar

VERSION = 1

SCHEMA = """
CREATE TABLE videos (
    id TEXT PRIMARY KEY,
    folder TEXT NOT NULL,
    stem TEXT NOT NULL,
    name_key TEXT NOT NULL,              -- folder and stem as a file system that folds case sees them
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
CREATE INDEX videos_by_name ON videos (name_key);
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
CREATE TABLE odd_items (raw TEXT PRIMARY KEY, problem TEXT NOT NULL, run INTEGER NOT NULL);
"""

VIDEO_COLUMNS = (
    "id, folder, stem, name_key, created, account, source, item, revision, complete, history, gone_upstream, "
    "accepted, archived_by, archived_at, sidecar_bytes, listed_run"
)
ASSET_COLUMNS = (
    "kind, number, status, path, bytes, sha256, content_type, etag, last_modified, linked_video, linked_kind, "
    "error, url, stored_at"
)


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
    slot: Slot
    status: Status
    error: str | None


def name_key(place: Place) -> str:
    """A place as a file system that folds case sees it."""
    return f"{place.folder}/{place.stem}".casefold()


def moment(text: str | None) -> datetime | None:
    """The time in a column."""
    return None if text is None else datetime.fromisoformat(text)


def video_row(known: Known) -> tuple[object, ...]:
    """The values of VIDEO_COLUMNS."""
    sidecar = known.sidecar
    return (
        sidecar.id,
        known.place.folder,
        known.place.stem,
        name_key(known.place),
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
    )


def asset_row(asset: Asset) -> tuple[object, ...]:
    """The values of ASSET_COLUMNS."""
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


def asset_of(row: Sequence[Any]) -> Asset:
    """The asset in ASSET_COLUMNS."""
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


def known_of(row: Sequence[Any], assets: list[Asset]) -> Known:
    """What VIDEO_COLUMNS and the assets of a video say."""
    order = {kind: position for position, kind in enumerate(Kind)}
    return Known(
        place=Place(row[1], row[2]),
        created=moment(row[4]),
        sidecar=Sidecar(
            account=row[5],
            source=row[6],
            id=row[0],
            video=msgspec.json.decode(row[7]),
            revision=row[8],
            complete=bool(row[9]),
            history=msgspec.json.decode(row[10], type=tuple[Change, ...]),
            gone_upstream=row[11],
            accepted=msgspec.json.decode(row[12], type=tuple[str, ...]),
            archived_by=row[13],
            archived_at=row[14],
            assets=tuple(sorted(assets, key=lambda asset: (order[asset.kind], asset.index or 0))),
        ),
        sidecar_bytes=row[15],
        listed_run=row[16],
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
