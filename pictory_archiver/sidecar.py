"""The sidecar: one JSON file per video, the truth about what the archive holds of it.

Specified in docs/archive-format.md. It is written after its files are in place and verified, and it is stable:
two sidecars that `say_the_same` need no writing, whatever run, host or signature they came from.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from .errors import ConfigError
from .json_weight import MAX_DEPTH, holds_more_values_than, is_nested_deeper_than
from .models import LARGEST, OUTPUTS, Asset, Kind, Status

FORMAT: Literal["pictory-archiver/sidecar"] = "pictory-archiver/sidecar"
VERSION = 1
MAX_VALUES = 500_000
SCHEMA_ID = "sidecar.schema.json"

Digits = Annotated[int, Meta(ge=1, le=LARGEST)]


class BrokenSidecar(ValueError):
    """Bytes that are no sidecar: cut off, overwritten, or of another kind."""


class Change(Struct, frozen=True, kw_only=True):
    """Former values of the metadata: the fields that differed until `until` (UTC). None: was not there."""

    until: str
    was: dict[str, Any]


class Sidecar(Struct, frozen=True, kw_only=True):
    """What the archive holds of one video. Fields as in docs/archive-format.md."""

    format: Literal["pictory-archiver/sidecar"] = FORMAT
    version: Literal[1] = 1
    revision: Digits = 1
    collection: Literal["videos"] = "videos"
    account: str
    source: str
    archived_by: str
    archived_at: str
    id: str
    complete: bool
    video: dict[str, Any]
    assets: tuple[Asset, ...]
    history: tuple[Change, ...] = ()
    gone_upstream: str | None = None
    accepted: tuple[str, ...] = ()


class _Header(Struct):
    format: str
    version: int


_decoder = msgspec.json.Decoder(Sidecar)
_header_decoder = msgspec.json.Decoder(_Header)


def timestamp(moment: datetime.datetime) -> str:
    """A UTC time as every file of the archive writes it: `2026-11-22T23:55:01Z`."""
    return f"{moment.astimezone(datetime.UTC).isoformat()[:19]}Z"


def is_complete(assets: Iterable[Asset]) -> bool:
    """True where every output is stored, or was not asked for. Inputs never count."""
    states = {asset.kind: asset.status for asset in assets}
    return all(states.get(kind) in (Status.STORED, Status.SKIPPED) for kind in OUTPUTS)


def say_the_same(one: Sidecar, other: Sidecar) -> bool:
    """True where both state the same facts, wherever, whenever and by which release they were written."""
    return (
        msgspec.structs.replace(
            one,
            account=other.account,
            source=other.source,
            archived_by=other.archived_by,
            archived_at=other.archived_at,
        )
        == other
    )


def render(sidecar: Sidecar) -> bytes:
    """The sidecar as UTF-8 JSON, indented, with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(sidecar), indent=2) + b"\n"


def parse(data: bytes) -> Sidecar:
    """The sidecar in these bytes.

    Raises `BrokenSidecar` where they are none, and `ConfigError` where a newer release wrote them.
    """
    if holds_more_values_than(MAX_VALUES, data):
        raise BrokenSidecar(f"it holds more than {MAX_VALUES:,} values")
    try:
        sidecar = _decoder.decode(data)
        _refuse_impossible(sidecar, data)
        return sidecar
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problem = str(error)
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        header = _header_decoder.decode(data)
        if header.format == FORMAT and header.version > VERSION:
            raise ConfigError(
                f"a sidecar has format version {header.version}; this release knows up to {VERSION}",
                hint="update pictory-archiver; nothing was changed",
            )
    raise BrokenSidecar(problem)


def _refuse_impossible(sidecar: Sidecar, data: bytes) -> None:
    """What no release writes and no reader could work with. Raises `DecodeError`."""
    if is_nested_deeper_than(MAX_DEPTH + 2, data, [sidecar.video, *(change.was for change in sidecar.history)]):
        raise msgspec.DecodeError(f"it is nested deeper than {MAX_DEPTH} levels")
    for asset in sidecar.assets:
        if (asset.index is None) == (asset.kind is Kind.REFERENCE):
            raise msgspec.DecodeError(f"it {'does not number' if asset.index is None else 'numbers'} a {asset.kind}")


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a sidecar, generated from the types."""
    made = msgspec.json.schema(Sidecar)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "pictory-archiver sidecar, version 1",
        **made,
    }
