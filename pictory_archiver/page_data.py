"""The data of the offline library as the scripts that its page loads. Pure. docs/offline-library.md specifies them.

Each script is one call with one text of JSON, which the page parses: whatever upstream put into it never is code. The
text stands in single quotes, and of ASCII holds nothing that could end them or the script.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from .edition import Edition
from .entry import Entry, Standing
from .layout import OUTPUT_SUFFIXES
from .models import Kind, Status
from .report import FileProblem

FORMAT: Literal["pictory-archiver/library"] = "pictory-archiver/library"
VERSION = 1

_ESCAPES = (
    (b"\\", b"\\\\"),
    (b"'", b"\\'"),
    (b"<", b"\\u003c"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)
"""What would end the text, the script or a line in it, and what stands in its place. The first one has to be first."""

_CODES = {Standing.COMPLETE: 0, Standing.INCOMPLETE: 1, Standing.PENDING: 2}


class State(Struct, frozen=True, kw_only=True):
    """The state of the archive, as `status` tells it: complete as of when, what is missing and why."""

    as_of: str | None
    exit_status: int
    verdict: str
    listed: int
    held: int
    in_archive: int
    complete: int
    pending: int
    overdue: int
    not_listed_any_more: int
    gone_upstream: int
    odd_items: int
    bytes: int
    problem_count: int
    problems: tuple[FileProblem, ...]
    accepted_count: int
    accepted: tuple[FileProblem, ...]
    lost_input_count: int
    lost_inputs: tuple[FileProblem, ...]
    scope: str


def state_script(state: State, edition: Edition, *, built_at: str, built_by: str, time_zone: str) -> bytes:
    """The script that the page begins with: the state of the archive, and which chunks there are."""
    chunks = [{"cards": chunk.cards, "details": chunk.details, "days": chunk.days} for chunk in edition.chunks]
    head = {"format": FORMAT, "version": VERSION, "built_at": built_at, "built_by": built_by, "time_zone": time_zone}
    return _call("open", {**head, "state": state, "chunks": chunks})


def cards_script(name: str, entries: Sequence[Entry]) -> bytes:
    """What the wall, the search and the filters need of the videos of a chunk, as columns."""
    models, ratios, folders = _Table(), _Table(), _Table()
    places = [_place_of(entry) for entry in entries]
    columns: dict[str, Any] = {
        "id": [entry.id for entry in entries],
        "at": [_milliseconds(entry.created_at) for entry in entries],
        "prompt": [entry.prompt for entry in entries],
        "model": [models.index(entry.model) for entry in entries],
        "ratio": [ratios.index(entry.aspect_ratio) for entry in entries],
        "width": [entry.width for entry in entries],
        "height": [entry.height for entry in entries],
        "seconds": [entry.duration_seconds for entry in entries],
        "status": [_CODES[entry.status] for entry in entries],
        "gone": [int(entry.gone_upstream is not None) for entry in entries],
        "folder": [folders.index(folder) for folder, _ in places],
        "stem": [stem for _, stem in places],
        "video": [_name(entry, Kind.VIDEO, stem) for entry, (_, stem) in zip(entries, places, strict=True)],
        "thumbnail": [
            _name(entry, Kind.THUMBNAIL, stem) or _name(entry, Kind.PREVIEW, stem)
            for entry, (_, stem) in zip(entries, places, strict=True)
        ],
        "chain": {str(position): entry.chain for position, entry in enumerate(entries) if entry.chain},
        "continued_by": {
            str(position): entry.continued_by for position, entry in enumerate(entries) if len(entry.continued_by) > 1
        },
    }
    return _call(
        "cards", {"models": models.values, "ratios": ratios.values, "folders": folders.values, **columns}, name
    )


def details_script(name: str, entries: Sequence[Entry]) -> bytes:
    """What is shown of a video that is opened, for the videos of a chunk."""
    return _call("details", [_detail(entry) for entry in entries], name)


def _detail(entry: Entry) -> dict[str, Any]:
    return {
        "files": [
            {
                name: getattr(file, name)
                for name in ("kind", "index", "status", "path", "bytes", "sha256", "error", "video_id", "asset")
            }
            for file in entry.files
        ],
        "sidecar": entry.sidecar,
        "request": entry.request,
        "gone_upstream": entry.gone_upstream,
        "archived_at": entry.archived_at,
        "accepted": entry.accepted,
        "account": entry.account,
    }


class _Table:
    """Values that many videos share, each once."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def index(self, value: str) -> int:
        return self._places.setdefault(value, len(self._places))

    @property
    def values(self) -> list[str]:
        return list(self._places)


def _place_of(entry: Entry) -> tuple[str, str]:
    """Folder and stem of the files of a video; of one that has none yet both are empty."""
    path = entry.sidecar or next((file.path for file in entry.files if file.path and file.status is Status.STORED), "")
    folder, _, name = path.rpartition("/")
    return folder, name.partition(".")[0]


def _name(entry: Entry, kind: Kind, stem: str) -> int | str:
    """The name of an output: 1 where it is the usual one, 0 where it is not held."""
    file = entry.file(kind)
    if file is None or file.path is None:
        return 0
    name = file.path.rpartition("/")[2]
    return 1 if kind is not Kind.PREVIEW and name == stem + OUTPUT_SUFFIXES[kind] else name


def _milliseconds(created_at: str | None) -> int | None:
    return None if created_at is None else round(datetime.fromisoformat(created_at).timestamp() * 1000)


def _call(function: str, data: object, *names: str) -> bytes:
    before = "".join(f'"{name}",' for name in names)
    return b"".join((f"pictoryLibrary.{function}({before}'".encode(), _quoted(data), b"');\n"))


def _quoted(data: object) -> bytes:
    text = msgspec.json.encode(data)
    for character, escape in _ESCAPES:
        text = text.replace(character, escape)
    return text
