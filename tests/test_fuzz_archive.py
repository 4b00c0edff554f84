"""Whole commands over archives whose own files are hostile: sidecars, marker, journal, catalogue, resume points.

Whatever these say: `verify`, `repair`, `reindex`, `status` and `sync` end with an answer or an error of ours, say what
can be printed, touch nothing outside the archive, and hold no file that is not in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pictory_archiver import Key, Settings, Way, repair_report, verification
from pictory_archiver.archive import CATALOGUE, JOURNAL, MARKER, Archive
from pictory_archiver.catalogue_schema import VERSION
from pictory_archiver.database import FARTHEST_VERSION
from pictory_archiver.errors import ConfigError, StorageError
from pictory_archiver.ledger import ledger_lines, read_ledger
from pictory_archiver.reindex import reindex_archive
from pictory_archiver.repair import repair_archive
from pictory_archiver.report import summary
from pictory_archiver.settings import Api, Download, Retry
from pictory_archiver.simulator import Simulator, SimulatorThread, World
from pictory_archiver.sync import sync_archive
from pictory_archiver.verify import verify_archive

from .fuzzing import FOREIGN, HOSTILE, NUMBERS, many, spoilt

NOW = datetime.now(UTC)
WATCHED = (
    *("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.utime"),
    *("os.chmod", "os.listdir", "os.scandir", "shutil.move", "shutil.rmtree", "sqlite3.connect"),
)


@dataclass
class Place:
    """A whole archive to spoil copies of, an account that it belongs to, and a folder that nobody may touch."""

    template: Path
    outside: Path
    settings: Settings
    key: Key
    origins: frozenset[str]
    touched: list[str]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder, SimulatorThread(Simulator(World(count=8))) as simulator:
        base = Path(folder).resolve()
        settings = Settings(
            api=Api(base_url=simulator.api_url, pause_seconds=0),
            retry=Retry(tries=1, min_wait_seconds=0, max_wait_seconds=0),
            download=Download(reserve=0),
        )
        made = Place(
            base / "template",
            base / "outside",
            settings,
            Key(simulator.key, source="test"),
            frozenset(simulator.origins),
            [],
        )
        made.outside.mkdir()
        report = asyncio.run(sync_archive(made.template, settings, made.key, allowed_origins=made.origins))
        assert report.exit_status == 0, report
        video = next(made.template.rglob("*.mp4"))
        shutil.copy(video, made.outside / "canary.mp4")
        (made.outside / "canary.json").write_bytes(video.with_suffix(".json").read_bytes())

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event in WATCHED:
                for each in arguments:
                    if isinstance(each, str | bytes | os.PathLike):
                        path = os.path.normpath(os.path.abspath(os.fsdecode(each)))  # noqa: PTH100
                        if path.startswith(str(made.outside)):
                            made.touched.append(f"{event} {path}")

        sys.addaudithook(hook)
        yield made


def seen(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Every file of a folder: bytes, time of modification, number of names."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_nlink)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@contextlib.contextmanager
def copied(place: Place) -> Iterator[Path]:
    """A copy of the archive; in the end nothing outside of it was looked into or is another than before."""
    before = seen(place.outside)
    with tempfile.TemporaryDirectory(dir=place.outside.parent) as folder:
        archive = Path(folder) / "archive"
        shutil.copytree(place.template, archive)
        place.touched.clear()
        yield archive
        assert not place.touched
        assert sorted(path.name for path in Path(folder).iterdir()) == ["archive"]
    assert seen(place.outside) == before


def verify(place: Place, archive: Path) -> int:
    found = asyncio.run(verify_archive(archive, place.settings))
    said([found], verification.summary(found))
    for finding in (*found.damage, *found.notes):
        assert not finding.path.startswith("/")
        assert ".." not in finding.path.split("/")
    return found.exit_status


def quick(place: Place, archive: Path) -> int:
    found = asyncio.run(verify_archive(archive, place.settings, quick=True))
    said([found], verification.summary(found))
    return found.exit_status


def status(place: Place, archive: Path) -> int:
    ledger = read_ledger(Archive.open(archive), place.settings.catalogue, NOW)
    said([ledger], ledger_lines(ledger))
    return ledger.exit_status


def reindex(place: Place, archive: Path) -> int:
    reindex_archive(archive, place.settings, NOW)
    return 0


def repair(place: Place, archive: Path) -> int:
    done = asyncio.run(repair_archive(archive, place.settings, place.key, allowed_origins=place.origins))
    said([done], repair_report.summary(done))
    return done.exit_status


def sync(place: Place, archive: Path) -> int:
    way = Way(full=True)
    report = asyncio.run(sync_archive(archive, place.settings, place.key, way=way, allowed_origins=place.origins))
    said([report], summary(report))
    return report.exit_status


def said(records: list[Any], lines: list[str]) -> None:
    """What a command says can be put on a terminal, and be read by a machine."""
    for record in records:
        json.loads(msgspec.json.encode(record))
    assert all(line.isprintable() for line in lines), lines


def ends(step: Callable[[Place, Path], int], place: Place, archive: Path) -> int:
    """The exit status of a command that ends with an answer or an error of ours."""
    try:
        return step(place, archive)
    except (ConfigError, StorageError) as error:
        return error.exit_status


COMMANDS = (verify, quick, status, reindex, repair, sync, verify)


def every_command(place: Place, archive: Path) -> None:
    for step in COMMANDS:
        ends(step, place, archive)


ASSET_FIELDS = (
    *("kind", "index", "status", "path", "bytes", "sha256", "content_type", "etag", "last_modified", "video_id"),
    *("asset", "error", "url", "stored_at"),
)
FIELDS = (
    *("format", "version", "revision", "collection", "account", "source", "archived_by", "archived_at", "id"),
    *("complete", "video", "assets", "history", "gone_upstream", "accepted", "unknown"),
)
ITEM_FIELDS = (
    *("id", "url", "prompt", "aspectRatio", "createdDate", "model", "thumbnailImageUrl", "previewImageUrl"),
    *("lastFrameImageUrl", "firstFrameImageUrl", "referenceImageUrls", "extendVideoUrl", "unknown"),
)
WORDS = st.sampled_from(["video", "preview", "reference", "first_frame", "stored", "linked", "missing", "pending"])
NAMES = st.sampled_from(
    [
        ".json",
        "...json",
        "\x1b[2J_x.json",
        "a\nb.json",
        "con.json",
        f"{'x' * 200}.json",
        "é.json",
        "plain.json",
        "x.y.json",
    ]
)


@st.composite
def changed(draw: st.DrawFn, document: dict[str, Any], ids: list[str]) -> bytes:
    """A sidecar that says something else, and may still be well-formed."""
    value = HOSTILE | WORDS | st.sampled_from(ids)
    for _ in range(draw(st.integers(1, 4))):
        assets = document["assets"] if isinstance(document["assets"], list) else []
        item = document["video"] if isinstance(document["video"], dict) else {}
        match draw(st.sampled_from(["asset", "asset", "asset", "double", "drop", "field", "item", "history", "link"])):
            case "asset" if assets:
                asset = draw(st.sampled_from(assets))
                asset[draw(st.sampled_from(ASSET_FIELDS))] = draw(value)
            case "double" if assets:
                assets.insert(draw(st.integers(0, len(assets))), dict(draw(st.sampled_from(assets))))
            case "drop" if assets:
                assets.pop()
            case "item":
                item[draw(st.sampled_from(ITEM_FIELDS))] = draw(value | st.lists(value, max_size=3))
            case "history":
                document["history"] = [{"until": draw(st.sampled_from(FOREIGN)), "was": {"x": draw(value)}}]
            case "link" if assets:
                link = {"kind": "first_frame", "status": "linked", "path": None, "video_id": draw(st.sampled_from(ids))}
                assets.append(link | {"asset": draw(st.sampled_from(["video", "reference"]))})
            case _:
                document[draw(st.sampled_from(FIELDS))] = draw(value)
    return json.dumps(document, allow_nan=True).encode()


@many(60)
@given(data=st.data())
def test_whatever_sidecars_say_nothing_outside_is_touched(place: Place, data: st.DataObject) -> None:
    with copied(place) as archive:
        paths = sorted(path for path in archive.rglob("*_*.json") if ".pictory-archiver" not in path.parts)
        ids = [json.loads(path.read_bytes())["id"] for path in paths]
        for path in data.draw(st.lists(st.sampled_from(paths), min_size=1, max_size=3, unique=True)):
            whole = path.read_bytes()
            spoil = data.draw(st.booleans())
            path.write_bytes(data.draw(spoilt(whole) if spoil else changed(json.loads(whole), ids)))
            if data.draw(st.integers(0, 3)) == 0:
                shutil.copy(path, data.draw(st.sampled_from([archive, path.parent])) / data.draw(NAMES))
        if data.draw(st.booleans()):
            (archive / CATALOGUE).unlink()
        every_command(place, archive)


VIDEO_COLUMNS = (
    *("id", "folder", "stem", "name_key", "created", "account", "source", "item", "revision", "complete", "history"),
    *("gone_upstream", "accepted", "archived_by", "archived_at", "sidecar_bytes", "listed_run", "confirmed", "absent"),
    "sidecar_sha256",
)
ASSET_COLUMNS = (
    *("video_id", "kind", "number", "status", "path", "bytes", "sha256", "content_type", "etag", "url", "stored_at"),
    *("linked_video", "linked_kind", "error", "accepted", "tries", "tried", "tried_run", "due", "signed"),
)
OTHER_COLUMNS = {
    "runs": ("started", "ended", "exit_status", "verdict"),
    "listings": ("first_run", "started", "ended", "kind", "sound", "pages", "videos", "odd_items", "error"),
}
CELL: st.SearchStrategy[Any] = (
    st.sampled_from(FOREIGN)
    | st.sampled_from([number for number in NUMBERS if isinstance(number, float) or abs(number) < 2**63])
    | st.none()
    | st.binary(max_size=8)
    | st.sampled_from(['{"a":1}', "[7]", "{", f"{'[' * 300}{']' * 300}", f'{{"x":{"[" * 300}{"]" * 300}}}'])
    | st.sampled_from(["stored", "pending", "linked", "video", "full", ".pictory-archiver", "2026/../../../outside"])
)


@many(60)
@given(data=st.data())
def test_whatever_the_rows_of_the_catalogue_say_it_is_rebuilt(place: Place, data: st.DataObject) -> None:
    with copied(place) as archive:
        with contextlib.closing(sqlite3.connect(archive / CATALOGUE)) as connection, connection:
            for _ in range(data.draw(st.integers(1, 3))):
                columns = {"videos": VIDEO_COLUMNS, "assets": ASSET_COLUMNS, **OTHER_COLUMNS}
                table = data.draw(st.sampled_from(["videos", "videos", "assets", "assets", "runs", "listings"]))
                column = data.draw(st.sampled_from(columns[table]))
                some = "" if data.draw(st.booleans()) else f" WHERE {columns[table][0]} > '2026'"
                with contextlib.suppress(sqlite3.IntegrityError):
                    connection.execute(f"UPDATE OR REPLACE {table} SET {column} = ?{some}", (data.draw(CELL),))
        if data.draw(st.booleans()):
            for path in archive.rglob("*_*.json"):
                if data.draw(st.booleans()):
                    path.unlink()
        every_command(place, archive)


@many(60)
@given(data=st.data())
def test_whatever_happens_to_the_bytes_of_the_catalogue_it_is_rebuilt(place: Place, data: st.DataObject) -> None:
    """`sync` leaves an archive that is whole again; the others say what they can."""
    with copied(place) as archive:
        path = archive / CATALOGUE
        damage = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 40))):
            page = data.draw(st.integers(0, len(damage) // 4096 - 1)) * 4096
            at = page + data.draw(st.integers(0, 120) | st.integers(0, 4095))
            damage[at] = data.draw(st.integers(0, 255))
        path.write_bytes(damage[: data.draw(st.sampled_from([len(damage)] * 4 + [len(damage) // 2, 100, 4096]))])
        found = [(step.__name__, ends(step, place, archive)) for step in (status, verify, sync, verify, status)]
        if not _is_of_a_newer_release(damage):
            assert dict(found)["verify"] == 0, found
            assert found[2] == ("sync", 0), found


def _is_of_a_newer_release(catalogue: bytes | bytearray) -> bool:
    """Whether the damage has made one of it, which is refused."""
    return VERSION < int.from_bytes(catalogue[60:64]) <= FARTHEST_VERSION


@many(40)
@given(data=st.data())
def test_whatever_the_marker_and_the_journal_say(place: Place, data: st.DataObject) -> None:
    with copied(place) as archive:
        marker, journal = archive / MARKER, archive / JOURNAL
        if data.draw(st.booleans()):
            document = json.loads(marker.read_bytes())
            document[data.draw(st.sampled_from([*document, "unknown"]))] = data.draw(HOSTILE)
            whole = json.dumps(document).encode()
            marker.write_bytes(data.draw(st.just(whole) | spoilt(whole)))
        lines = journal.read_bytes().splitlines()
        told = json.loads(lines[0]) | {"type": data.draw(st.sampled_from(["run", "verification", "repair"]))}
        told[data.draw(st.sampled_from(["started_at", "ended_at", "exit_status", "verdict", "unknown"]))] = data.draw(
            HOSTILE
        )
        line = json.dumps(told, separators=(",", ":")).encode()
        journal.write_bytes(b"\n".join([*lines, data.draw(st.just(line) | spoilt(line) | st.binary(max_size=50))]))
        if data.draw(st.booleans()):
            (archive / CATALOGUE).unlink()
        every_command(place, archive)
