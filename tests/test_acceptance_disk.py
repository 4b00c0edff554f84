"""A disk that is full, read-only or meddled with, and an archive that is none: cases 33 to 37, 40, 55 and 56."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pictory_archiver.archive import CATALOGUE, HIDDEN, LITTER, MARKER
from pictory_archiver.catalogue import Catalogue, Known
from pictory_archiver.layout import OUTPUT_SUFFIXES
from pictory_archiver.models import OUTPUTS
from pictory_archiver.simulator import Fault, Match, Simulator, Stall, World

from .conftest import Account, Mount
from .records import damages, every, leave_unwritten_rollback
from .support import (
    FAST,
    Outcome,
    Program,
    asset,
    check_against_world,
    check_archive,
    files_of,
    required,
    sidecars,
    snapshot,
)

STRACE = shutil.which("strace")
SETPRIV = shutil.which("setpriv")
TO_THE_LAST_BYTE = {"settings": FAST | {"download": {"reserve": 0}}}
"""For a small disk: no space is kept free on it."""


def requested(simulator: Simulator) -> set[tuple[int | None, str | None]]:
    """Which files were asked for."""
    return {(request.video, request.kind) for request in simulator.requests(origin="cdn") if request.video is not None}


def held(root: Path, simulator: Simulator) -> set[tuple[int, str]]:
    """Which outputs complete sidecars promise."""
    return {
        (simulator.world.index(video), str(kind))
        for video, (_, sidecar) in sidecars(root).items()
        if sidecar.complete
        for kind in OUTPUTS
    }


def body_of(simulator: Simulator, index: int, kind: str) -> bytes:
    """What the CDN has for an output of a video."""
    place = simulator.world.find(simulator.world.path(index, kind))
    assert place is not None
    file = simulator.world.file(place)
    assert file is not None
    return file.body.read()


def check_stopped(run: Outcome, root: Path, simulator: Simulator) -> set[tuple[int, str]]:
    """A run that a full disk ended: in words, every promise kept, every final file whole. → what is held"""
    assert run.status == 6, run
    assert "disk is full" in run.stdout + run.stderr
    world = simulator.world
    whole = {
        f"{world.id(index)}{suffix}": body_of(simulator, index, kind)
        for index in world.indexes()
        for kind, suffix in OUTPUT_SUFFIXES.items()
    }
    media = {name: data for name, data in files_of(root).items() if not name.endswith((".json", ".partial"))}
    media.pop("README.txt", None)
    assert media
    for name, data in media.items():
        assert any(name.endswith(ending) and data == body for ending, body in whole.items()), name
    kept = held(root, simulator)
    assert 0 < len(kept) < 4 * world.count
    return kept


def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(account: Account, mount: Mount) -> None:
    archive = mount("size=4m") / "archive"
    simulator, program = account(World(count=40, video_bytes=200_000), program=TO_THE_LAST_BYTE)
    kept = check_stopped(program.run("sync", archive), archive, simulator)
    simulator.forget()
    mount("size=64m", again=True)
    assert program.run("sync", archive).status == 0
    assert not kept & requested(simulator)
    check_against_world(archive, simulator)


def test_a_disk_without_inodes_ends_the_run_and_the_next_one_goes_on(account: Account, mount: Mount) -> None:
    archive = mount("size=64m,nr_inodes=70") / "archive"
    simulator, program = account(World(count=30), program=TO_THE_LAST_BYTE)
    kept = check_stopped(program.run("sync", archive), archive, simulator)
    simulator.forget()
    mount("nr_inodes=0", again=True)
    assert program.run("sync", archive).status == 0
    assert not kept & requested(simulator)
    check_against_world(archive, simulator)


def test_a_disk_that_is_full_from_the_start_is_said_to_be_full(account: Account, mount: Mount) -> None:
    folder = mount("size=64k")
    with (folder / "full").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            continue
    simulator, program = account(World(count=2), program=TO_THE_LAST_BYTE)
    run = program.run("sync", folder / "archive")
    assert run.status == 6
    assert "disk is full" in run.stdout + run.stderr
    assert not simulator.requests(origin="cdn")


def test_a_read_only_disk_ends_the_run_before_any_download(account: Account, mount: Mount) -> None:
    archive = mount("size=64m") / "archive"
    simulator, program = account(World(count=3), program=TO_THE_LAST_BYTE)
    assert program.run("sync", archive).status == 0
    simulator.world.add(2)
    simulator.forget()
    mount("ro", again=True)
    before = snapshot(archive)
    for folder in (archive, archive.parent / "new"):
        run = program.run("sync", folder)
        assert run.status == 6
        assert "read-only" in run.stderr
    assert not simulator.log
    looked = program.run("status", archive)
    assert (looked.status, looked.stdout[:8]) == (0, "Complete")
    assert program.run("sync", archive, "--dry-run").status == 0
    assert snapshot(archive) == before
    mount("rw", again=True)
    assert program.run("sync", archive).status == 0
    check_against_world(archive, simulator)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions are something else there")
def test_a_folder_that_may_not_be_written_ends_the_run_before_any_download(account: Account, archive: Path) -> None:
    required(os.geteuid() or SETPRIV, "setpriv, to take from root the right to write everywhere")
    no_right = (str(SETPRIV), "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    simulator, program = account(World(count=3), program={"prefix": no_right})
    archive.mkdir()
    archive.chmod(0o500)
    run = program.run("sync", archive)
    assert run.status == 6
    assert "permission denied" in run.stderr
    archive.chmod(0o000)
    assert program.run("sync", archive).status == 6
    assert program.run("status", archive).status == 6
    archive.chmod(0o700)
    assert not simulator.log


@pytest.mark.parametrize("error", ["EXDEV", "EACCES"])
def test_a_rename_that_fails_completes_nothing(account: Account, archive: Path, error: str) -> None:
    required(STRACE, "strace, to make renames fail")
    simulator, program = account(World(count=2))
    assert program.run("sync", archive).status == 0
    simulator.world.add(3)
    before = snapshot(archive)
    inject = ["-f", "-qq", "-e", "trace=rename", "-e", f"inject=rename,renameat,renameat2:error={error}"]
    words = [str(STRACE), *inject, "-o", os.devnull, *program.command("sync", archive)]
    finished = subprocess.run(words, env=program.environment(), capture_output=True, text=True, check=False, timeout=60)
    run = program.checked(Outcome(finished.returncode, finished.stdout, finished.stderr))
    if "ptrace" in run.stderr:
        required(False, "the permission to trace")
    assert run.status == 6, run
    assert snapshot(archive) == before  # not even a partial file
    assert program.run("sync", archive).status == 0
    check_against_world(archive, simulator)


def test_links_are_not_followed_and_their_targets_stay_as_they_are(
    account: Account, archive: Path, tmp_path: Path
) -> None:
    world = World(count=8)
    simulator, program = account(world)
    assert program.run("sync", archive).status == 0
    outside = tmp_path / "outside"
    outside.mkdir()
    canary = outside / "canary"
    canary.write_bytes(b"SQLite format 3\x00" + b"untouched" * 200)
    places = {index: sidecars(archive)[world.id(index)] for index in range(8)}

    def video_of(index: int) -> Path:
        path, sidecar = places[index]
        return path.with_name(asset(sidecar, "video").path)

    def link(path: Path) -> None:
        path.unlink(missing_ok=True)
        path.symlink_to(canary)

    link(video_of(0))  # at the final name
    video_of(1).unlink()  # at the name of the partial, and of what it is a part of
    link(video_of(1).with_name(video_of(1).name + ".partial"))
    link(video_of(1).with_name(video_of(1).name + ".partial.json"))
    link(places[2][0])  # at the sidecar
    places[3][0].unlink()
    link(places[3][0].with_name(places[3][0].name + ".partial"))
    video_of(4).unlink()  # a link that leads nowhere
    video_of(4).symlink_to(outside / "nothing")
    link(archive / "README.txt")
    simulator.forget()
    run = program.run("sync", archive)
    assert run.status == 0, run
    assert requested(simulator) == {(0, "video"), (1, "video"), (4, "video")}
    check_against_world(archive, simulator)
    assert not [path for path in archive.rglob("*") if path.is_symlink()]
    assert list(outside.iterdir()) == [canary]
    assert canary.read_bytes().endswith(b"untouched")
    assert len(canary.read_bytes()) == 16 + 1800

    for name in ("catalogue.sqlite3", "journal.jsonl", "lock"):
        path = archive / HIDDEN / name
        path.rename(path.with_name("aside"))
        link(path)
        run = program.run("sync", archive)
        assert run.status == 6, (name, run)
        assert "link" in run.stdout + run.stderr
        path.unlink()
        path.with_name("aside").rename(path)
        assert len(canary.read_bytes()) == 16 + 1800, name


@pytest.mark.parametrize("place", ["2026", "2026/04/09", ".pictory-archiver"])
def test_a_link_in_the_place_of_a_folder_is_not_followed(
    account: Account, archive: Path, tmp_path: Path, place: str
) -> None:
    world = World(count=2)
    _, program = account(world)
    world.change(0, createdDate="2026-04-09T18:51:47.967Z")
    outside = tmp_path / "outside"
    outside.mkdir()
    archive.mkdir()
    if place.startswith("2026"):
        assert program.run("sync", archive, "--limit", "1").status == 0
        shutil.rmtree(archive / "2026")
    (archive / place).parent.mkdir(parents=True, exist_ok=True)
    (archive / place).symlink_to(outside)
    run = program.run("sync", archive)
    assert run.status == 6, run
    assert "link" in run.stdout + run.stderr
    assert not list(outside.iterdir())


def catalogued(root: Path) -> dict[str, Known]:
    """What the catalogue knows, apart from which run saw it."""
    catalogue = Catalogue.open_read_only(root / CATALOGUE)
    known = {each.sidecar.id: each for each in every(catalogue)}
    catalogue.close()
    return known


def test_a_lost_or_damaged_catalogue_is_rebuilt_from_the_sidecars_and_nothing_is_fetched(
    account: Account, archive: Path
) -> None:
    world = World(count=12)
    simulator, program = account(world)
    world.change(0, prompt="before")
    assert program.run("sync", archive).status == 0
    world.change(0, prompt="after")  # no name could be made again from the listing alone
    assert program.run("sync", archive).status == 0
    path = archive / CATALOGUE
    before, known = snapshot(archive), catalogued(archive)
    simulator.forget()
    happenings = dict(damages(path))
    for name in ("deleted", "emptied", "zeros in the middle", "garbage"):
        happenings[name]()
        if name == "garbage":
            looked = program.run("status", archive, "--json")
            assert (looked.status, looked.report["in_archive"]) == (5, 12)  # no listing counts after that
        run = program.run("sync", archive, "--json")
        assert (run.status, run.report["already_held"]) == (0, 12), (name, run)
        assert ("rebuilt" in run.stderr) == (name != "deleted"), name
        assert snapshot(archive) == before, name
        again = catalogued(archive)
        assert {video: (each.place, each.sidecar, each.created) for video, each in again.items()} == {
            video: (each.place, each.sidecar, each.created) for video, each in known.items()
        }, name
    assert program.run("status", archive).status == 0
    assert not simulator.requests(origin="cdn")
    check_archive(archive)


def test_a_lost_or_damaged_sidecar_is_written_anew_and_nothing_is_fetched(account: Account, archive: Path) -> None:
    world = World(count=9)
    simulator, program = account(world)
    assert program.run("sync", archive).status == 0
    before = files_of(archive)
    found = sidecars(archive)
    done = []
    for index, (name, damage) in enumerate(damages(found[world.id(0)][0])):
        damage = dict(damages(found[world.id(index)][0]))[name]
        damage()
        done.append(name)
    assert len(done) == 7
    found[world.id(8)][0].write_text('{"format": "something else"}')
    simulator.forget()
    run = program.run("sync", archive, "--json")
    assert (run.status, run.report["updated"] + run.report["new"], run.report["already_held"]) == (0, 8, 1), run.report
    assert not simulator.requests(origin="cdn")
    after = files_of(archive)
    assert after.keys() == before.keys()
    for path, sidecar in check_archive(archive).values():
        assert sidecar.assets == found[sidecar.id][1].assets
        assert sidecar.video == found[sidecar.id][1].video
        assert path == found[sidecar.id][0]


def test_a_file_that_was_deleted_or_cut_locally_is_fetched_again_and_no_other(account: Account, archive: Path) -> None:
    world = World(count=6)
    simulator, program = account(world)
    assert program.run("sync", archive).status == 0
    found = sidecars(archive)

    def media(index: int, kind: str) -> Path:
        path, sidecar = found[world.id(index)]
        return path.with_name(asset(sidecar, kind).path)

    before = snapshot(archive)
    media(1, "video").unlink()
    os.truncate(media(2, "preview"), 100)
    os.truncate(media(3, "last_frame"), 0)
    with media(4, "thumbnail").open("ab") as file:
        file.write(b"more")
    simulator.forget()
    looked = program.run("sync", archive, "--dry-run", "--json")
    assert looked.status == 0
    assert {json.loads(line).get("reason") for line in looked.stdout.splitlines()} == {"lost from the disk", None}
    assert not simulator.requests(origin="cdn")
    assert program.run("sync", archive).status == 0
    assert requested(simulator) == {(1, "video"), (2, "preview"), (3, "last_frame"), (4, "thumbnail")}
    check_against_world(archive, simulator)
    mended = {media(index, kind) for index, kind in requested(simulator) if index is not None and kind is not None}
    changed = {archive / name for name, state in snapshot(archive).items() if state != before[name]}
    assert changed <= {*mended, *(found[world.id(index)][0] for index in (1, 2, 3, 4)), archive / "README.txt"}


def test_a_second_run_leaves_at_once_and_the_first_is_not_disturbed(account: Account, archive: Path) -> None:
    world = World(count=5)
    stalled = Fault(Match(kind="video", video=2), Stall(), times=1)
    simulator, program = account(world, [stalled])
    program.settings["download"] = {"stall_seconds": 3}
    with program.start("sync", archive) as first:
        deadline = time.monotonic() + 20
        while not simulator.requests(kind="video", video=2) and time.monotonic() < deadline:
            time.sleep(0.02)
        started = time.monotonic()
        second = program.run("sync", archive)
        assert second.status == 75, second
        assert "another run" in second.stderr
        assert time.monotonic() - started < 2
        looked = program.run("status", archive)  # looking needs no lock
        assert looked.status == 5
        assert first.poll() is None
        stdout, stderr = first.communicate(timeout=60)
    assert program.checked(Outcome(first.returncode, stdout, stderr)).status == 0
    check_against_world(archive, simulator)


def test_a_lock_that_a_dead_run_left_behind_holds_nobody_up(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=2))
    (archive / HIDDEN).mkdir(parents=True)
    (archive / HIDDEN / "lock").write_text("1")  # the number of a process that is alive
    assert program.run("sync", archive).status == 0
    check_against_world(archive, simulator)


def refused(program: Program, simulator: Simulator, archive: Path) -> str:
    """A run that must change nothing and ask nobody. → what it said"""
    before = {path: path.read_bytes() for path in archive.parent.rglob("*") if path.is_file()}
    run = program.run("sync", archive)
    assert run.status == 2, run
    after = {path: path.read_bytes() for path in archive.parent.rglob("*") if path.is_file()}
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert not {path for path in changed if path.name not in ("lock", "config.yaml")}
    assert not simulator.log
    assert program.run("sync", archive, "--dry-run").status == 2
    assert not simulator.log
    return run.stderr


def test_a_folder_that_holds_something_else_is_left_alone(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=2))
    archive.mkdir()
    for name in sorted(LITTER):
        (archive / name).mkdir()
    (archive / "._photo.jpg").write_bytes(b"x")
    (archive / "letter.txt").write_bytes(b"dear")
    assert "letter.txt" in refused(program, simulator, archive)
    (archive / "letter.txt").unlink()
    assert program.run("sync", archive).status == 0  # what operating systems leave behind counts as nothing
    shutil.rmtree(archive / ".DS_Store")
    for name in LITTER:
        if (archive / name).is_dir():
            (archive / name).rmdir()
    (archive / "._photo.jpg").unlink()
    check_against_world(archive, simulator)


def test_litter_among_the_files_counts_as_nothing(account: Account, archive: Path) -> None:
    world = World(count=3)
    simulator, program = account(world)
    assert program.run("sync", archive).status == 0
    path, _ = sidecars(archive)[world.id(0)]
    copy = path.read_bytes()
    (path.parent / "@eaDir").mkdir()
    (path.parent / "@eaDir" / path.name).write_bytes(b"{}")
    (path.parent / f"._{path.name}").write_bytes(b"\x00\x05\x16\x07")
    (archive / "#recycle").mkdir()
    (archive / "#recycle" / path.name).write_bytes(copy)  # an older state that must not win
    (archive / CATALOGUE).unlink()
    simulator.forget()
    run = program.run("sync", archive, "--json")
    assert (run.status, run.report["already_held"]) == (0, 3)
    assert not simulator.requests(origin="cdn")


def test_a_path_that_is_a_file_is_refused(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=1))
    archive.write_bytes(b"a film")
    assert "is a file" in refused(program, simulator, archive)
    assert refused(program, simulator, archive / "below")


def test_a_newer_format_is_refused_and_left_untouched(account: Account, archive: Path) -> None:
    world = World(count=3)
    simulator, program = account(world)
    assert program.run("sync", archive).status == 0
    simulator.forget()

    marker = archive / MARKER
    former = marker.read_bytes()
    marker.write_text('{"format": "pictory-archiver/archive", "version": 2, "zones": []}')
    assert "version 2" in refused(program, simulator, archive)
    assert program.run("status", archive).status == 2
    marker.write_bytes(former)

    shutil.copy(archive / CATALOGUE, archive.parent / "catalogue")
    connection = sqlite3.connect(archive / CATALOGUE)
    connection.executescript("PRAGMA user_version = 99; DROP TABLE assets;")
    connection.close()
    assert "version 99" in refused(program, simulator, archive)
    assert program.run("status", archive).status == 2
    shutil.copy(archive.parent / "catalogue", archive / CATALOGUE)

    path, sidecar = sidecars(archive)[world.id(1)]
    newer = json.dumps({"format": "pictory-archiver/sidecar", "version": 2, "id": sidecar.id, "more": 1}).encode()
    path.write_bytes(newer)
    run = program.run("sync", archive)
    assert run.status == 2
    assert "version 2" in run.stderr
    assert path.read_bytes() == newer
    assert not simulator.requests(origin="cdn")
    (archive / CATALOGUE).unlink()
    run = program.run("sync", archive)
    assert run.status == 2
    assert path.read_bytes() == newer
    assert not simulator.requests(origin="cdn")


def test_a_damaged_marker_is_said_to_be_damaged_and_nothing_is_touched(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=1))
    assert program.run("sync", archive).status == 0
    simulator.forget()
    os.truncate(archive / MARKER, 50)
    run = program.run("sync", archive)
    assert run.status == 6, run
    assert "damaged" in run.stderr
    assert not simulator.log
    assert (archive / MARKER).stat().st_size == 50


def test_a_lost_marker_does_not_make_a_new_archive_over_the_old_one(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=2))
    assert program.run("sync", archive).status == 0
    (archive / MARKER).unlink()
    simulator.forget()
    refused(program, simulator, archive)
    assert program.run("status", archive).status == 6


def test_the_archive_may_lie_behind_a_link(account: Account, archive: Path, tmp_path: Path) -> None:
    simulator, program = account(World(count=3))
    real = tmp_path / "real"
    real.mkdir()
    archive.symlink_to(real)
    assert program.run("sync", archive / "films").status == 0
    check_against_world(real / "films", simulator)
    simulator.forget()
    assert program.run("sync", real / "films").status == 0
    assert program.run("sync", archive / "films").status == 0
    assert not simulator.requests(origin="cdn")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    assert program.run("sync", tmp_path / "nowhere").status == 6


def test_an_unwritten_rollback_does_not_hold_up_looking(account: Account, archive: Path) -> None:
    """A run killed while SQLite wrote leaves a journal that only a writer may play back."""
    simulator, program = account(World(count=3))
    assert program.run("sync", archive).status == 0
    path = archive / CATALOGUE
    leave_unwritten_rollback(path)
    looked = program.run("status", archive)
    assert looked.status in (0, 5), looked
    assert program.run("sync", archive).status == 0
    assert program.run("status", archive).status == 0
    assert len(simulator.requests(origin="cdn")) >= 12
