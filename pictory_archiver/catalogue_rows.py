"""The records of the catalogue as rows, and back. Pure.

A column holds what SQLite has a type for; what has none (the item, the history) is JSON text.

An archive may come from anybody, and its catalogue with it: what a row says is checked as what a sidecar says is. Above
all a path of it lies within the archive, for files are written and moved there. A row that cannot be believed is a
`ValueError`, which makes the catalogue a damaged one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any

import msgspec
from msgspec import Struct

from .archive import HIDDEN
from .models import Asset, Kind, Place, Slot, Status
from .sidecar import Change, Sidecar, timestamp
from .tries import Tries

VIDEO_COLUMNS = (
    "id, folder, stem, name_key, created, account, source, item, revision, complete, history, gone_upstream, "
    "accepted, archived_by, archived_at, sidecar_bytes, sidecar_sha256, listed_run, confirmed, absent"
)
ASSET_COLUMNS = (
    "kind, number, status, path, bytes, sha256, content_type, etag, last_modified, linked_video, linked_kind, "
    "error, url, stored_at, accepted, tries, tried, tried_run, due, signed"
)


_UNTRIED = Tries()


class Known(Struct, frozen=True):
    """What the catalogue knows of a video. `sidecar` is as last written, or as it will be (`sidecar_bytes` None).
    `sidecar_sha256` is the digest of its bytes, where it is known.

    `listed_run` is the last run that noted it in its listing, `confirmed` the first sound listing that held it,
    `absent` the first full listing that lacked it. `tries` holds what is known of files that are not held.
    """

    place: Place
    sidecar: Sidecar
    created: datetime | None
    sidecar_bytes: int | None
    listed_run: int
    confirmed: int | None = None
    absent: int | None = None
    sidecar_sha256: str | None = None
    tries: Mapping[Slot, Tries] = {}

    def written(self, sidecar: Sidecar, data: bytes) -> Known:
        """The same with a sidecar that was written, as these bytes."""
        digest = hashlib.sha256(data).hexdigest()
        return msgspec.structs.replace(self, sidecar=sidecar, sidecar_bytes=len(data), sidecar_sha256=digest)


class Outline(Struct, frozen=True):
    """What the catalogue knows of a sidecar: where it is, and by what it is told from another one."""

    id: str
    place: Place
    sidecar_bytes: int | None
    sidecar_sha256: str | None
    archived_at: str


class Problem(Struct, frozen=True):
    """A file that is neither held nor skipped: which, where it should be, and why not.

    `due` is when it is tried again (None: by the next run); `is_listed`: the last listing that could tell held it.
    """

    video_id: str
    place: Place
    created: datetime | None
    is_listed: bool
    gone_upstream: str | None
    url: str | None
    slot: Slot
    status: Status
    error: str | None
    accepted: bool
    due: str | None


def name_key(place: Place) -> str:
    """A place as a file system that folds case sees it."""
    return f"{place.folder}/{place.stem}".casefold()


def moment(text: str | None) -> datetime | None:
    """The time in a column. Raises `ValueError`, also where it has no zone."""
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"the time {text} has no zone")
    return found


def place_of(folder: str, stem: str) -> Place:
    """The place in two columns. Raises `ValueError` where it is none of the archive's."""
    path = PurePath(folder, f"{stem}.json")
    is_inside = not (path.drive or path.root or ".." in path.parts) and path.name == f"{stem}.json"
    if not is_inside or path.parts[0].casefold() == str(HIDDEN):
        raise ValueError(f"{folder!r}, {stem!r} is no place in the archive")
    return Place(folder, stem)


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
        known.sidecar_sha256,
        known.listed_run,
        known.confirmed,
        known.absent,
    )


def asset_row(known: Known, asset: Asset) -> tuple[object, ...]:
    """The values of ASSET_COLUMNS."""
    tries = known.tries.get(asset.slot, _UNTRIED) if known.tries else _UNTRIED
    accepted = known.sidecar.accepted
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
        bool(accepted) and str(asset.slot) in accepted,
        tries.counted,
        timestamp(tries.last) if tries.last else None,
        tries.run,
        timestamp(tries.due) if tries.due else None,
        tries.signed,
    )


def asset_of(row: Sequence[Any]) -> Asset:
    """The asset in ASSET_COLUMNS. Raises `ValueError`."""
    fields = {
        "kind": row[0],
        "index": row[1] or None,
        "status": row[2],
        "path": row[3],
        "bytes": row[4],
        "sha256": row[5],
        "content_type": row[6],
        "etag": row[7],
        "last_modified": row[8],
        "video_id": row[9],
        "asset": row[10],
        "error": row[11],
        "url": row[12],
        "stored_at": row[13],
    }
    return msgspec.convert(fields, Asset)


def tries_of(row: Sequence[Any]) -> Tries:
    """The tries in ASSET_COLUMNS. Raises `ValueError`."""
    return Tries(int(row[15]), moment(row[16]), int(row[17]), bool(row[19]))


def known_of(row: Sequence[Any], assets: list[Asset], tries: Mapping[Slot, Tries]) -> Known:
    """What VIDEO_COLUMNS and the assets of a video say. Raises `ValueError`."""
    order = {kind: position for position, kind in enumerate(Kind)}
    sidecar = {
        "account": row[5],
        "source": row[6],
        "id": row[0],
        "video": msgspec.json.decode(row[7]),
        "revision": row[8],
        "complete": bool(row[9]),
        "history": msgspec.json.decode(row[10], type=tuple[Change, ...]),
        "gone_upstream": row[11],
        "accepted": msgspec.json.decode(row[12], type=tuple[str, ...]),
        "archived_by": row[13],
        "archived_at": row[14],
        "assets": tuple(sorted(assets, key=lambda asset: (order[asset.kind], asset.index or 0))),
    }
    return Known(
        place=place_of(row[1], row[2]),
        created=moment(row[4]),
        sidecar=msgspec.convert(sidecar, Sidecar),
        sidecar_bytes=row[15],
        sidecar_sha256=row[16],
        listed_run=row[17],
        confirmed=row[18],
        absent=row[19],
        tries=tries,
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
