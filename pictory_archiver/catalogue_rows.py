"""The records of the catalogue as rows, and back. Pure.

A column holds what SQLite has a type for; what has none (the item, the history) is JSON text.

SQLite lets any column hold anything, a disk may have put it there, and an archive may come from anybody: what comes
back is held to the types and bounds of the records, and above all to places within the archive, for files are written
and moved there. What is not so is a `ValueError`, by which the catalogue is damaged.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from .archive import HIDDEN
from .json_weight import MAX_DEPTH, is_nested_deeper_than
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
OUTLINE_COLUMNS = "id, folder, stem, sidecar_bytes, sidecar_sha256, archived_at"
PROBLEM_COLUMNS = (
    "video_id, folder, stem, created, absent IS NULL AND gone_upstream IS NULL, gone_upstream, "
    "url, kind, number, status, error, assets.accepted, due"
)

LAST_YEAR = 9998
"""A pause that begins later would end outside the calendar."""

_ASSET_FIELDS = (
    *("kind", "index", "status", "path", "bytes", "sha256", "content_type", "etag", "last_modified"),
    *("video_id", "asset", "error", "url", "stored_at"),
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


def moment(value: object) -> datetime | None:
    """The time in a column. Raises `ValueError`, also for one without a zone."""
    if value is None:
        return None
    found = datetime.fromisoformat(text(value))
    if found.tzinfo is None:
        raise ValueError(f"a time without a zone: {value}")
    return found


def time_column(moment: datetime | None) -> str | None:
    """A time as a column holds it, for `moment`."""
    return None if moment is None else moment.isoformat()


def text(value: object) -> str:
    """The text in a column. Raises `ValueError`."""
    if not isinstance(value, str):
        raise ValueError("something that is no text")
    return value


def text_or_none(value: object) -> str | None:
    """The text in a column that may be empty. Raises `ValueError`."""
    return None if value is None else text(value)


def number(value: object, *, least: int = 0) -> int:
    """The number in a column, not below `least`. Raises `ValueError`."""
    if not isinstance(value, int) or value < least:
        raise ValueError("something that is no number")
    return value


def number_or_none(value: object) -> int | None:
    """The number in a column that may be empty. Raises `ValueError`."""
    return None if value is None else number(value)


def place_of(folder: object, stem: object) -> Place:
    """The place in two columns. Raises `ValueError` for one that is not in the archive, or among its own files."""
    place = Place(text(folder), text(stem))
    parts = place.folder.split("/") if place.folder else []
    strange = {"", ".", ".."}.intersection(parts) or "/" in place.stem or "\0" in place.folder + place.stem
    if strange or (parts and parts[0].lower() == str(HIDDEN)):
        raise ValueError("a place that is none of a video")
    if sys.platform == "win32" and set(place.folder + place.stem) & set(":\\"):
        raise ValueError("a place that is none of a video")
    return place


def video_row(known: Known) -> tuple[object, ...]:
    """The values of VIDEO_COLUMNS."""
    sidecar = known.sidecar
    return (
        sidecar.id,
        known.place.folder,
        known.place.stem,
        name_key(known.place),
        time_column(known.created),
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
    return msgspec.convert(dict(zip(_ASSET_FIELDS, row, strict=False)) | {"index": row[1] or None}, Asset)


def tries_of(row: Sequence[Any]) -> Tries:
    """The tries in ASSET_COLUMNS. Raises `ValueError`."""
    tries = Tries(number(row[15]), moment(row[16]), number(row[17]), bool(row[19]))
    if tries.last is not None and tries.last.year > LAST_YEAR:
        raise ValueError("a time at the end of the calendar")
    return tries


def known_of(row: Sequence[Any], assets: list[Asset], tries: Mapping[Slot, Tries]) -> Known:
    """What VIDEO_COLUMNS and the assets of a video say. Raises `ValueError`."""
    order = {kind: position for position, kind in enumerate(Kind)}
    return Known(
        place=place_of(row[1], row[2]),
        created=moment(row[4]),
        sidecar=Sidecar(
            account=text(row[5]),
            source=text(row[6]),
            id=text(row[0]),
            video=_item_of(row[7]),
            revision=number(row[8], least=1),
            complete=bool(row[9]),
            history=msgspec.json.decode(text(row[10]), type=tuple[Change, ...]),
            gone_upstream=text_or_none(row[11]),
            accepted=msgspec.json.decode(text(row[12]), type=tuple[str, ...]),
            archived_by=text(row[13]),
            archived_at=text(row[14]),
            assets=tuple(sorted(assets, key=lambda asset: (order[asset.kind], asset.index or 0))),
        ),
        sidecar_bytes=number_or_none(row[15]),
        sidecar_sha256=text_or_none(row[16]),
        listed_run=number(row[17]),
        confirmed=number_or_none(row[18]),
        absent=number_or_none(row[19]),
        tries=tries,
    )


def outline_of(row: Sequence[Any]) -> Outline:
    """The outline in OUTLINE_COLUMNS. Raises `ValueError`."""
    return Outline(text(row[0]), place_of(row[1], row[2]), number_or_none(row[3]), text_or_none(row[4]), text(row[5]))


def problem_of(row: Sequence[Any]) -> Problem:
    """The problem in PROBLEM_COLUMNS. Raises `ValueError`."""
    return Problem(
        video_id=text(row[0]),
        place=place_of(row[1], row[2]),
        created=moment(row[3]),
        is_listed=bool(row[4]),
        gone_upstream=text_or_none(row[5]),
        url=text_or_none(row[6]),
        slot=Slot(Kind(row[7]), number(row[8])),
        status=Status(row[9]),
        error=text_or_none(row[10]),
        accepted=bool(row[11]),
        due=text_or_none(row[12]),
    )


def _item_of(column: object) -> dict[str, Any]:
    data = text(column).encode()
    item = msgspec.json.decode(data, type=dict[str, Any])
    if is_nested_deeper_than(MAX_DEPTH + 2, data, item):
        raise ValueError("an item that is nested too deeply")
    return item


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
