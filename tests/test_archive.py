"""The archive as a folder: what makes one, who holds it, and what is read of it."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import msgspec
import pytest

from pictory_archiver import rebuild
from pictory_archiver.archive import (
    HIDDEN,
    LITTER,
    MARKER,
    Archive,
    Marker,
    find,
    hold,
    is_litter,
    refuse_other_folders,
)
from pictory_archiver.errors import ArchiveBusy, ConfigError, StorageError
from pictory_archiver.settings import Settings
from pictory_archiver.sidecar import BrokenSidecar, Sidecar, render

from .records import EXAMPLE, every

NOW = datetime(2026, 4, 9, 18, 51, 47, tzinfo=UTC)
SOUND_MARKER = {
    "format": "pictory-archiver/archive",
    "version": 1,
    "created_at": "2026-04-09T18:51:47Z",
    "time_zone": "UTC",
    "key_salt": "00",
}


def made(root: Path, *, zone: str = "UTC") -> Archive:
    """A new archive, let go of."""
    with hold(root, time_zone=zone, now=NOW) as archive:
        return archive


def test_a_missing_or_empty_folder_becomes_an_archive_and_stays_the_same_one(tmp_path: Path) -> None:
    first = made(tmp_path / "deep/er", zone="Asia/Tokyo")
    assert first.marker.time_zone == "Asia/Tokyo"
    assert first.marker.created_at == "2026-04-09T18:51:47Z"
    assert len(bytes.fromhex(first.marker.key_salt)) == 16
    before = (tmp_path / "deep/er" / MARKER).read_bytes()
    again = made(tmp_path / "deep/er", zone="UTC")
    assert again.marker == first.marker
    assert (tmp_path / "deep/er" / MARKER).read_bytes() == before
    (tmp_path / "empty").mkdir()
    assert made(tmp_path / "empty").marker.key_salt != first.marker.key_salt


def test_one_run_at_a_time_holds_it(tmp_path: Path) -> None:
    with hold(tmp_path, time_zone="UTC", now=NOW):
        with pytest.raises(ArchiveBusy) as caught, hold(tmp_path, time_zone="UTC", now=NOW):
            pytest.fail("two runs hold it")
        assert caught.value.exit_status == 75
        assert Archive.open(tmp_path).marker.time_zone == "UTC"  # looking takes no lock
    with hold(tmp_path, time_zone="UTC", now=NOW):
        pass


def test_it_is_let_go_of_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), hold(tmp_path, time_zone="UTC", now=NOW):
        raise RuntimeError
    made(tmp_path)


def test_an_archive_whose_making_was_interrupted_is_made_to_its_end(tmp_path: Path) -> None:
    (tmp_path / HIDDEN).mkdir()
    (tmp_path / HIDDEN / "lock").write_bytes(b"")
    assert made(tmp_path).marker.version == 1


def test_a_folder_with_anything_else_in_it_is_refused_and_not_touched(tmp_path: Path) -> None:
    for name in LITTER:
        (tmp_path / name).mkdir()
    refuse_other_folders(tmp_path)
    (tmp_path / "\x1b[31mfilm.mp4").write_bytes(b"film")
    with pytest.raises(ConfigError) as caught, hold(tmp_path, time_zone="UTC", now=NOW):
        pytest.fail("it was taken for an archive")
    assert "\x1b" not in str(caught.value)
    assert not (tmp_path / HIDDEN).exists()
    with pytest.raises(ConfigError, match="is a file"):
        refuse_other_folders(tmp_path / "\x1b[31mfilm.mp4")
    refuse_other_folders(tmp_path / "nothing here")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"format": "\xff\xfe"}',
        b"[" * 100_000,
        *(
            json.dumps({name: value for name, value in (SOUND_MARKER | change).items() if value is not None}).encode()
            for change in (
                {"created_at": None},
                {"format": "other"},
                {"version": "1"},
                {"version": 0},
                {"time_zone": "../x"},
                {"time_zone": "\x1b[31m"},
                {"key_salt": "zz"},
                {"key_salt": "000"},
            )
        ),
    ],
)
def test_a_damaged_marker_is_said_to_be_damaged_and_nothing_is_made_over_it(tmp_path: Path, data: bytes) -> None:
    (tmp_path / HIDDEN).mkdir()
    (tmp_path / MARKER).write_bytes(data)
    with pytest.raises(StorageError, match="is damaged"):
        made(tmp_path)
    assert (tmp_path / MARKER).read_bytes() == data


def test_a_newer_marker_is_refused_whatever_it_holds(tmp_path: Path) -> None:
    (tmp_path / HIDDEN).mkdir()
    (tmp_path / MARKER).write_text('{"format": "pictory-archiver/archive", "version": 2, "time_zone": 7}')
    with pytest.raises(ConfigError, match="version 2"):
        Archive.open(tmp_path)


def test_where_there_is_none_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is no archive"):
        Archive.open(tmp_path / "gone")
    (tmp_path / HIDDEN).mkdir()
    (tmp_path / MARKER).mkdir()
    with pytest.raises(StorageError):
        Archive.open(tmp_path)


def test_it_is_found_from_any_folder_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path)
    below = tmp_path / "2026/04"
    below.mkdir(parents=True)
    assert find(below) == find(tmp_path) == tmp_path
    assert find(tmp_path.parent) is None

    def forbidden(*_: object, **__: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", forbidden)  # a folder above that may not be entered
    assert find(below) is None


def test_a_folder_that_may_not_be_read_is_an_error_of_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", forbidden)
    with pytest.raises(StorageError, match="permission denied"):
        refuse_other_folders(tmp_path)


def test_a_machine_without_time_zones_knows_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import zoneinfo

    def unknown(name: str) -> zoneinfo.ZoneInfo:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr("pictory_archiver.layout.ZoneInfo", unknown)
    assert msgspec.json.decode(json.dumps(SOUND_MARKER), type=Marker).time_zone == "UTC"
    with pytest.raises(msgspec.ValidationError, match="time zone"):
        msgspec.json.decode(json.dumps(SOUND_MARKER | {"time_zone": "Asia/Tokyo"}), type=Marker)


@pytest.mark.skipif(sys.platform == "win32", reason="needs links and named pipes")
def test_every_sidecar_is_found_and_nothing_that_is_none(tmp_path: Path) -> None:
    archive = made(tmp_path / "archive")
    root = archive.root
    for name in ("a", "b"):
        (root / "2026").mkdir(exist_ok=True)
        (root / "2026" / f"{name}.json").write_bytes(render(msgspec.structs.replace(EXAMPLE, id=name)))
    whole = render(EXAMPLE)
    for name in (
        "@eaDir/x.json",
        "2026/#recycle/x.json",
        "2026/._x.json",
        "library/x.json",
        "2026/x.mp4.partial.json",
        ".pictory-archiver/quarantine/x.json",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(whole)
    (tmp_path / "elsewhere.json").write_bytes(whole)
    (root / "2026/link.json").symlink_to(tmp_path / "elsewhere.json")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/x.json").write_bytes(whole)
    (root / "linked").symlink_to(tmp_path / "folder")
    os.mkfifo(root / "2026/pipe.json")  # a reader would wait for ever
    (root / "2026/cut.json").write_bytes(whole[:50])
    (root / "2026/empty.json").write_bytes(b"")
    (root / "2026/folder.json").mkdir()
    found = dict(archive.sidecars())
    good = {str(path): sidecar.id for path, sidecar in found.items() if isinstance(sidecar, Sidecar)}
    assert good == {"2026/a.json": "a", "2026/b.json": "b"}
    broken = {str(path) for path, sidecar in found.items() if isinstance(sidecar, BrokenSidecar)}
    assert broken == {"2026/cut.json", "2026/empty.json"}
    assert [str(path) for path, _ in archive.videos()] == ["2026/a.json", "2026/b.json"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system whose names are bytes")
def test_a_name_that_is_no_text_hides_no_other_sidecar(tmp_path: Path) -> None:
    archive = made(tmp_path / "archive")
    (archive.root / "2026").mkdir()
    (archive.root / "2026/a.json").write_bytes(render(EXAMPLE))
    odd = Path(os.fsdecode(os.fsencode(archive.root / "2026") + b"/\xff"))
    odd.mkdir()
    (odd / "b.json").write_bytes(render(msgspec.structs.replace(EXAMPLE, id="b")))
    (odd.parent / f"{odd.name}.json").write_bytes(render(msgspec.structs.replace(EXAMPLE, id="c")))
    catalogue, _ = rebuild.open_or_rebuild(archive, Settings().catalogue)
    assert [each.sidecar.id for each in every(catalogue)] == [EXAMPLE.id]
    catalogue.close()


def test_what_counts_as_litter() -> None:
    assert all(is_litter(name) for name in ("._x", ".DS_Store", "@eaDir", "Thumbs.db"))
    assert not any(is_litter(name) for name in ("x.json", ".pictory-archiver", "_x", "thumbs"))
    assert PurePosixPath(".pictory-archiver") == HIDDEN
