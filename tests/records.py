"""Any record that could be written, for tests that write and read again; and what can happen to a file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from pictory_archiver.catalogue import Catalogue, Known
from pictory_archiver.models import INPUTS, OUTPUTS, Asset, Kind, Place, Status
from pictory_archiver.sidecar import Change, Sidecar, is_complete
from pictory_archiver.tries import Tries

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
MAYBE_TEXT = st.none() | TEXT
NAME = st.from_regex(r"[a-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
COUNT = st.integers(0, 2**62)
NUMBER = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ITEM = st.dictionaries(TEXT, JSON, max_size=6)
MOMENT = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))


EXAMPLE = Sidecar(
    account="default",
    source="https://api.pictory.ai/pictoryapis/v1/aistudio/videos",
    archived_by="pictory-archiver 1.0.0",
    archived_at="2026-11-22T23:55:01Z",
    id="20260409185104635ec00b33280fc451f",
    complete=True,
    video={"id": "20260409185104635ec00b33280fc451f", "prompt": "A woman", "new": {"a": [1, None]}},
    assets=tuple(Asset(kind=kind, status=Status.STORED, path=f"x.{kind}", bytes=1, sha256="00") for kind in OUTPUTS),
)


@st.composite
def assets(draw: st.DrawFn) -> tuple[Asset, ...]:
    """The four outputs and some inputs, in the order of kinds."""
    slots: list[tuple[Kind, int | None]] = [(kind, None) for kind in OUTPUTS]
    slots += [(kind, None) for kind in INPUTS if kind is not Kind.REFERENCE and draw(st.booleans())]
    slots += [(Kind.REFERENCE, number) for number in range(1, draw(st.integers(1, 4)))]
    order = list(Kind)
    return tuple(
        Asset(
            kind=kind,
            index=index,
            status=draw(st.sampled_from(Status)),
            path=draw(st.none() | NAME),
            bytes=draw(st.none() | COUNT),
            sha256=draw(MAYBE_TEXT),
            content_type=draw(MAYBE_TEXT),
            etag=draw(MAYBE_TEXT),
            last_modified=draw(MAYBE_TEXT),
            video_id=draw(MAYBE_TEXT),
            asset=draw(st.none() | st.sampled_from(Kind)),
            error=draw(MAYBE_TEXT),
            url=draw(MAYBE_TEXT),
            stored_at=draw(MAYBE_TEXT),
        )
        for kind, index in sorted(slots, key=lambda slot: (order.index(slot[0]), slot[1] or 0))
    )


@st.composite
def sidecars(draw: st.DrawFn) -> Sidecar:
    """Any sidecar."""
    files = draw(assets())
    return Sidecar(
        revision=draw(st.integers(1, 10**6)),
        account=draw(TEXT),
        source=draw(TEXT),
        archived_by=draw(TEXT),
        archived_at=draw(TEXT),
        id=draw(TEXT.filter(bool)),
        complete=is_complete(files),
        video=draw(ITEM),
        assets=files,
        history=tuple(draw(st.lists(st.builds(Change, until=TEXT, was=ITEM), max_size=2))),
        gone_upstream=draw(MAYBE_TEXT),
        accepted=tuple(draw(st.lists(TEXT, max_size=2))),
    )


@st.composite
def tries(draw: st.DrawFn) -> Tries:
    """What may be known of a file that is not held. Times are whole seconds, as they are written."""
    last = draw(st.none() | st.datetimes(datetime(1000, 1, 2), datetime(9999, 1, 1), timezones=st.just(UTC)))
    last = last.replace(microsecond=0) if last else None
    return Tries(draw(st.integers(0, 9)), last, draw(st.integers(0, 10**6)), draw(st.booleans()))


@st.composite
def knowns(draw: st.DrawFn) -> Known:
    """Anything that the catalogue may know."""
    sidecar = draw(sidecars())
    return Known(
        place=Place(draw(NAME), draw(NAME)),
        sidecar=sidecar,
        confirmed=draw(st.none() | st.integers(1, 10**6)),
        absent=draw(st.none() | st.integers(1, 10**6)),
        tries={asset.slot: draw(tries()) for asset in sidecar.assets if not asset.held},
        created=draw(st.none() | MOMENT),
        sidecar_bytes=draw(st.none() | COUNT),
        listed_run=draw(st.integers(0, 10**6)),
    )


def damages(path: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """What can happen to a file: the name of it, and what does it."""
    whole = path.read_bytes()
    yield "deleted", path.unlink
    yield "emptied", lambda: path.write_bytes(b"")
    yield "garbage", lambda: path.write_bytes(os.urandom(5000))
    yield "text", lambda: path.write_bytes(b"<html>not found</html>\n" * 300)
    yield "cut short", lambda: path.write_bytes(whole[: len(whole) // 2])
    yield "cut to its header", lambda: path.write_bytes(whole[:100])
    yield "zeros in the middle", lambda: path.write_bytes(whole[:4096] + bytes(8192) + whole[12288:])


KILLED_WRITER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE videos SET item = item || hex(zeroblob(20000))")
connection.execute("UPDATE videos SET source = hex(zeroblob(30000))")
print("ready", flush=True)
time.sleep(60)
"""


def leave_unwritten_rollback(catalogue: Path) -> None:
    """Kills a process while SQLite writes for it: the journal it leaves has to be played back by the next writer."""
    words = [sys.executable, "-c", KILLED_WRITER, str(catalogue)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        writer.kill()
    assert catalogue.with_name(f"{catalogue.name}-journal").exists()


def every(catalogue: Catalogue) -> list[Known]:
    """Every video that a catalogue knows, in the order of ids."""
    ids = [row[0] for row in catalogue._database.execute("SELECT id FROM videos ORDER BY id")]
    known = catalogue.known(ids)
    return [known[video_id] for video_id in ids]
