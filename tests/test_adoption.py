"""Archives that were copied, moved, renamed, or lost their hidden folder: what is here is known by its sidecars, and is
not downloaded again. The real command line, the simulated account, real copies."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pictory_archiver.archive import CATALOGUE, HIDDEN, JOURNAL, MARKER, Archive
from pictory_archiver.readme import render_readme, zone_in_readme
from pictory_archiver.sidecar import render
from pictory_archiver.simulator import Fault, Match, Simulator, SimulatorThread, World
from pictory_archiver.simulator import Status as Answer

from .conftest import Account, Mount
from .damage import cut, file_of, flip, rewrite
from .records import EXAMPLE
from .support import (
    FAST,
    Outcome,
    Program,
    check_against_world,
    check_archive,
    files_of,
    required,
    sidecars,
    snapshot,
)
from .test_incremental import ANOTHER_KEY, pages_asked
from .test_interruption import kill, posix_only, wait_until
from .test_upkeep import lonely, query
from .test_verify import found

Held = tuple[Simulator, Program]

COUNT = 20


@pytest.fixture
def held(account: Account, archive: Path) -> Held:
    """A whole archive of 20 videos, of several days and with inputs."""
    simulator, program = account(World(count=COUNT, page_size=5))
    assert program.run("sync", archive).status == 0
    simulator.forget()
    return simulator, program


def without_hidden_folder(archive: Path, name: str = "copy") -> Path:
    """A copy as people make it, of what can be seen."""
    copy = archive.with_name(name)
    shutil.copytree(archive, copy, ignore=shutil.ignore_patterns(".*"))
    return copy


def all_names(root: Path) -> dict[str, bytes | None]:
    """Everything in a folder, hidden or not."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }


def check_nothing_fetched(simulator: Simulator, program: Program, archive: Path, *, pages: list[int]) -> Outcome:
    """A run lists these pages, fetches no file, changes none, and finds everything here. → how it ended"""
    before = snapshot(archive)
    simulator.forget()
    run = program.run("sync", archive)
    assert (run.status, run.verdict.startswith(f"All {COUNT} ")) == (0, True), run
    assert not simulator.requests(origin="cdn")
    assert pages_asked(simulator) == pages
    assert snapshot(archive) == before
    return run


FULL = [1, 2, 3, 4]


# A folder without its marker


def test_a_copy_without_the_hidden_folder_is_refused_until_reindex_has_made_it_an_archive(
    held: Held, archive: Path
) -> None:
    simulator, program = held
    copy = without_hidden_folder(archive)
    before = all_names(copy)
    for status, *command in (
        (2, "sync", copy),
        (2, "sync", copy, "--dry-run"),
        (6, "sync", copy, "--must-exist"),
        (6, "status", copy),
        (6, "verify", copy),
    ):
        refused = program.run(*map(str, command))
        assert (refused.status, "`reindex`" in refused.stderr) == (status, True), refused
    assert all_names(copy) == before
    assert not simulator.log

    made = lonely(program).run("reindex", copy)
    assert (made.status, made.stdout) == (0, f"Rebuilt the catalogue: {COUNT} videos, {COUNT} of them complete\n")
    (said,) = made.stderr.splitlines()
    assert "marker was lost: it was made anew, for folders of the time zone UTC (from README.txt)" in said
    assert not simulator.log
    assert {name: data for name, data in all_names(copy).items() if not name.startswith(str(HIDDEN))} == before
    told = program.run("status", copy)
    assert told.status == 5
    assert told.stdout.startswith("Unknown: no listing of the account is known to have reached its end. Run sync.")
    assert f"Videos        {COUNT} in the archive, {COUNT} of them complete" in told.stdout
    assert program.run("verify", copy).status == 0

    check_nothing_fetched(simulator, program, copy, pages=[1, *FULL])  # once to meet a known video
    check_nothing_fetched(simulator, program, copy, pages=[1])
    assert program.run("status", copy).status == 0
    check_against_world(copy, simulator)
    again = program.run("reindex", copy)
    assert (again.status, again.stderr) == (0, "")


def test_a_copy_without_the_hidden_folder_does_not_take_another_accounts_videos(
    held: Held, archive: Path, tmp_path: Path
) -> None:
    """Its key is not known any more, and that is no reason to trust the first one that comes along."""
    simulator, program = held
    copy = without_hidden_folder(archive)
    assert program.run("reindex", copy).status == 0
    before = files_of(copy)
    with SimulatorThread(Simulator(World(seed=7, count=30, page_size=10), key=ANOTHER_KEY)) as other:
        stranger = Program.of(other, tmp_path / "other")
        for more in ((), ("--dry-run",), ("--limit", "1"), ("--full",)):
            refused = stranger.run("sync", copy, *more)
            said = refused.stdout + refused.stderr
            assert (refused.status, "lists none of the archive's videos" in said) == (5, True), refused
        assert not other.requests(origin="cdn")
    assert files_of(copy) == before
    assert Archive.open(copy).marker.key_fingerprint is None
    check_nothing_fetched(simulator, program, copy, pages=[1, *FULL])
    assert Archive.open(copy).marker.key_fingerprint is not None


def test_the_time_zone_comes_from_the_readme_else_from_the_settings(
    account: Account, archive: Path, tmp_path: Path
) -> None:
    world = World(count=COUNT, page_size=5)
    _, program = account(world)
    program.settings = {**FAST, "layout": {"time_zone": "Asia/Tokyo"}}
    assert program.run("sync", archive).status == 0
    told, untold = without_hidden_folder(archive), without_hidden_folder(archive, "without-readme")
    (untold / "README.txt").unlink()
    program.settings = {**FAST, "layout": {"time_zone": "America/Lima"}}
    for copy, zone, source in ((told, "Asia/Tokyo", "README.txt"), (untold, "America/Lima", "layout.time_zone")):
        made = program.run("reindex", copy, "--json")
        assert made.report["marker"] == {
            "was": "lost",
            "time_zone": zone,
            "time_zone_from": source,
            "quarantine": None,
        }
        assert f"the time zone {zone} (from {source})" in made.stderr
        assert Archive.open(copy).marker.time_zone == zone
    world.add(1)
    for root in (archive, told):
        assert program.run("sync", root).status == 0
    assert files_of(told).keys() == files_of(archive).keys()


def test_the_readme_is_believed_where_it_names_a_zone_that_there_is() -> None:
    made = render_readme(as_of="x", videos=1, complete=1, stored_bytes=1, time_zone="America/Argentina/Buenos_Aires")
    assert zone_in_readme(made) == "America/Argentina/Buenos_Aires"
    assert zone_in_readme(made.replace(b"Buenos_Aires", b"Nowhere")) is None
    assert zone_in_readme(b"my own notes, time zone of no interest") is None
    assert zone_in_readme(b"") is None


@pytest.mark.parametrize("what", ["nothing", "empty", "other files", "an archive below", "broken sidecars", "a file"])
def test_what_is_no_archive_is_refused_and_not_touched(held: Held, archive: Path, tmp_path: Path, what: str) -> None:
    simulator, program = held
    root = tmp_path / "folder"
    if what == "a file":
        root.write_bytes(b"a film")
    elif what != "nothing":
        root.mkdir()
    if what == "other files":
        (root / "letter.json").write_text('{"format": "letter"}')
        (root / "film.mp4").write_bytes(b"film")
    elif what == "an archive below":
        archive.rename(root / "archive")
    elif what == "broken sidecars":
        shutil.copy(file_of(archive, simulator.world, 1, "json"), root / "a.json")
        cut(root / "a.json")
    before = all_names(root)
    refused = program.run("reindex", root)
    assert (refused.status, refused.stdout, len(refused.stderr.splitlines())) == (6, "", 1), refused
    assert root.exists() == (what != "nothing")
    assert all_names(root) == before


@pytest.mark.parametrize("data", [b"", b'{"format": "pictory-archiver/archive", "ver'])
def test_a_damaged_marker_is_made_anew_and_the_damaged_one_is_kept(held: Held, archive: Path, data: bytes) -> None:
    simulator, program = held
    (archive / MARKER).write_bytes(data)
    refused = program.run("sync", archive)
    assert (refused.status, "`reindex`" in refused.stderr) == (6, True)
    made = lonely(program).run("reindex", archive)
    assert (made.status, made.stdout) == (0, f"Rebuilt the catalogue: {COUNT} videos, {COUNT} of them complete\n")
    assert "the archive's marker was damaged (it is kept in .pictory-archiver/quarantine/" in made.stderr
    (kept,) = (archive / HIDDEN / "quarantine").rglob("archive.json")
    assert kept.read_bytes() == data
    check_nothing_fetched(simulator, program, archive, pages=[1, *FULL])


def test_a_damaged_marker_alone_proves_nothing(account: Account, archive: Path) -> None:
    _, program = account(World(count=0))
    assert program.run("sync", archive).status == 0
    (archive / MARKER).write_bytes(b"{")
    before = all_names(archive)
    refused = program.run("reindex", archive)
    assert (refused.status, "restore this small file from a backup" in refused.stderr) == (6, True)
    assert all_names(archive) == before


@pytest.mark.parametrize("marker", ["there", "lost", "newer"])
def test_what_a_newer_release_wrote_is_refused_untouched(held: Held, archive: Path, marker: str) -> None:
    simulator, program = held
    if marker == "lost":
        archive = without_hidden_folder(archive)
    if marker == "newer":
        (archive / MARKER).write_text('{"format": "pictory-archiver/archive", "version": 2}')
    else:
        path = file_of(archive, simulator.world, 0, "json")
        rewrite(path, lambda document: document.update(version=2))
    before = all_names(archive)
    refused = program.run("reindex", archive)
    assert (refused.status, "format version 2" in refused.stderr) == (2, True), refused
    if marker != "newer":
        assert path.name in refused.stderr
    after = all_names(archive)
    for name in {f"{HIDDEN}/lock", f"{CATALOGUE}.partial"}:
        before.pop(name, None)
        after.pop(name, None)
    assert after == before


def test_fields_that_are_not_known_are_no_reason_to_write_a_sidecar(held: Held, archive: Path) -> None:
    simulator, program = held
    copy = without_hidden_folder(archive)
    path = file_of(copy, simulator.world, 3, "json")
    rewrite(path, lambda document: (document.update(later="x"), document["assets"][0].update(later=1)))
    assert program.run("reindex", copy).stdout.startswith(f"Rebuilt the catalogue: {COUNT} videos, {COUNT} of them")
    check_nothing_fetched(simulator, program, copy, pages=[1, *FULL])


# An archive in another place


def by_renaming(archive: Path, place: Path) -> None:
    archive.rename(place)


def by_copying(archive: Path, place: Path) -> None:
    subprocess.run(["cp", "-r", archive, place], check=True)
    shutil.rmtree(archive)


def by_tar(archive: Path, place: Path) -> None:
    """And every time is lost on the way."""
    packed = archive.with_name("packed.tar")
    subprocess.run(["tar", "-cf", packed, "-C", archive, "."], check=True)
    shutil.rmtree(archive)
    place.mkdir()
    subprocess.run(["tar", "--touch", "-xf", packed, "-C", place], check=True)


@posix_only
@pytest.mark.parametrize("way", [by_renaming, by_copying, by_tar])
def test_an_archive_in_another_place_goes_on_where_it_was(
    held: Held, archive: Path, tmp_path: Path, way: Callable[[Path, Path], None]
) -> None:
    simulator, program = held
    place = tmp_path / "another disk"
    way(archive, place)
    assert program.run("status", place).status == 0
    check_nothing_fetched(simulator, program, place, pages=[1])
    assert program.run("verify", place).status == 0
    check_against_world(place, simulator)


def test_a_catalogue_that_stayed_on_the_other_computer_is_made_anew(
    account: Account, archive: Path, tmp_path: Path
) -> None:
    settings = {**FAST, "catalogue": {"folder": str(tmp_path / "index")}}
    simulator, program = account(World(count=COUNT, page_size=5), program={"settings": settings})
    assert program.run("sync", archive).status == 0
    shutil.rmtree(tmp_path / "index")
    place = tmp_path / "another disk"
    archive.rename(place)
    for each in (settings, FAST):
        program.settings = dict(each)
        check_nothing_fetched(simulator, program, place, pages=FULL)


def test_a_catalogue_from_a_backup_does_not_know_what_came_later(held: Held, archive: Path) -> None:
    """What is newer than it lies where it would be put, and is recognised there; what was moved, is found."""
    simulator, program = held
    shutil.copy(archive / CATALOGUE, archive.with_name("backup"))
    world = simulator.world
    new = world.add(6)
    world.change(COUNT - 1, prompt="known, and another one by now")
    assert program.run("sync", archive, "--full").status == 0
    move(archive, world, new[2], "best of")
    move(archive, world, 2, "best of")
    shutil.copy(archive.with_name("backup"), archive / CATALOGUE)
    before = snapshot(archive)
    simulator.forget()
    would = program.run("sync", archive, "--full", "--dry-run", "--json").report
    assert (would["videos"], would["files"]) == (0, 0)
    assert program.run("sync", archive, "--full").verdict.startswith(f"All {COUNT + 6} ")
    assert not simulator.requests(origin="cdn")
    assert snapshot(archive) == before
    assert program.run("verify", archive, "--json").report["note_count"] == 0


# Videos in another place of the archive


def move(archive: Path, world: World, video: int | str, folder: str) -> Path:
    """Moves all files of a video to another folder, as a person does it. → its sidecar there"""
    (archive / folder).mkdir(parents=True, exist_ok=True)
    for path in file_of(archive, world, video, "json").parent.glob(f"*_{world.id(video)}.*"):
        path.rename(archive / folder / path.name)
    return file_of(archive, world, video, "json")


@pytest.mark.parametrize("first", ["sync", "dry run", "verify", "repair", "reindex"])
def test_videos_that_were_moved_within_the_archive_are_found_again(held: Held, archive: Path, first: str) -> None:
    simulator, program = held
    world = simulator.world
    day = file_of(archive, world, 7, "json").parent
    moved = len(list(day.glob("*.json")))
    (archive / "Holidays").mkdir()
    day.rename(archive / "Holidays" / "one fine day")
    move(archive, world, 0, "best of/2026")
    notes = {("stale_catalogue", path.name) for path in archive.glob("[Hb]*/*/*.json")}
    assert len(notes) == moved + 1
    if first == "dry run":
        would = program.run("sync", archive, "--full", "--dry-run", "--json").report
        assert (would["videos"], would["files"]) == (0, 0)
    elif first == "verify":
        looked = program.run("verify", archive, "--json")
        assert (looked.status, found(looked, "notes")) == (0, notes)
    elif first != "sync":
        assert program.run(first, archive).status == 0
        looked = program.run("verify", archive, "--json")
        assert (looked.status, looked.report["note_count"]) == (0, 0)
    before = snapshot(archive)
    run = program.run("sync", archive, "--full")
    assert (run.status, run.verdict.startswith(f"All {COUNT} ")) == (0, True), run
    assert not simulator.requests(origin="cdn")
    assert snapshot(archive) == before
    assert not day.exists()
    assert query(archive / CATALOGUE, "SELECT count(*) FROM archive_videos WHERE path LIKE 'Holidays/%'") == [(moved,)]
    looked = program.run("verify", archive, "--json")
    assert (looked.status, looked.report["note_count"]) == (0, 0)
    check_against_world(archive, simulator)


def test_what_is_written_of_a_moved_video_goes_to_where_it_is(account: Account, archive: Path) -> None:
    """Also where the account lists it no more, so that no listing comes upon it."""
    lost = Fault(Match(kind="preview", video=4), Answer(404), times=None)
    simulator, program = account(World(count=COUNT, page_size=5), [lost])
    world = simulator.world
    assert program.run("sync", archive).status == 3
    moved = [move(archive, world, video, "best of") for video in (4, 9)]
    ids = [world.id(video) for video in (4, 9)]
    assert lonely(program).run("accept", archive, ids[0]).status == 0
    world.delete(9)
    for _ in range(2):
        assert program.run("sync", archive, "--full").status == 0
    holding = check_archive(archive)
    assert [holding[each][0] for each in ids] == moved
    assert holding[ids[0]][1].accepted == ("preview",)
    assert holding[ids[1]][1].gone_upstream
    looked = program.run("verify", archive, "--json")
    assert (looked.status, looked.report["note_count"]) == (0, 0)


def test_an_input_comes_from_a_video_that_was_moved(account: Account, archive: Path) -> None:
    """And is not downloaded once more for the next video that was made from it."""
    world = World(count=COUNT, page_size=5)
    simulator, program = account(world)
    picture = next(url for video in world.indexes() for url in world.item(video).get("referenceImageUrls", ()))
    users = [video for video in world.indexes() if picture in world.item(video).get("referenceImageUrls", ())]
    assert program.run("sync", archive).status == 0
    for video in users:
        move(archive, world, video, "best of")
    (new,) = world.add(1)
    world.change(new, referenceImageUrls=[picture])
    simulator.forget()
    assert program.run("sync", archive).status == 0
    assert {request.video_id for request in simulator.requests(origin="cdn")} == {new}
    assert not simulator.requests(kind="upload")
    (copied,) = [each for each in sidecars(archive)[new][1].assets if each.kind == "reference"]
    assert copied.status == "stored"


def test_of_two_copies_of_a_video_one_counts_and_nothing_is_lost(held: Held, archive: Path) -> None:
    """One whose files are there, of these that of the higher revision, else the first by its path."""
    simulator, program = held
    world = simulator.world
    places = {video: file_of(archive, world, video, "json") for video in range(5)}
    for folder in ("1 first", "Copies"):
        (archive / folder).mkdir()
    for video, folder, files in (
        (0, "1 first", "*"),
        (1, "1 first", "json"),
        (2, "Copies", "*"),
        (3, "Copies", "*"),
        (4, "Copies", "json"),
    ):
        for path in places[video].parent.glob(f"*_{world.id(video)}.{files}"):
            shutil.copy2(path, archive / folder / path.name)
    higher, bare = (archive / "Copies" / places[video].name for video in (3, 4))
    for path in (higher, bare):
        rewrite(path, lambda document: document.update(revision=2))
    extra = {
        (places[0], archive / "1 first" / places[0].name),
        (archive / "1 first" / places[1].name, places[1]),
        (archive / "Copies" / places[2].name, places[2]),
        (places[3], higher),
        (bare, places[4]),
    }
    before = snapshot(archive)
    for _ in range(2):
        made = program.run("reindex", archive, "--json")
        assert (made.status, made.report["videos"], made.report["extra_count"]) == (0, COUNT, 5)
        told = {(archive / each["path"], archive / each["counts"]) for each in made.report["extra"]}
        assert told == extra
        for path, other in extra:
            words = f"{path.relative_to(archive)} does not count: {other.relative_to(archive)} is of the same video"
            assert f"Warning: {words}" in made.stderr.splitlines()
    check_nothing_fetched(simulator, program, archive, pages=FULL)
    looked = program.run("verify", archive, "--json")
    assert looked.status == 0
    assert found(looked, "notes") == {("extra", path.name) for path, _ in extra}
    assert snapshot(archive) == before


def test_an_archive_within_an_archive_is_one_of_its_own(held: Held, archive: Path, tmp_path: Path) -> None:
    simulator, program = held
    inner = archive / "2020 an old copy"
    shutil.copytree(archive, tmp_path / "copy")
    (tmp_path / "copy").rename(inner)
    before = snapshot(archive)
    made = program.run("reindex", archive)
    assert (made.status, made.stderr) == (0, "")
    looked = program.run("verify", archive, "--json")
    assert (looked.status, found(looked, "notes")) == (0, {("extra", inner.name)})
    assert program.run("sync", archive).status == 0
    assert not simulator.requests(origin="cdn")
    assert snapshot(archive) == before
    assert program.run("status", inner).status == 0


# What is here without a sidecar


def test_files_without_a_sidecar_are_fetched_and_what_they_were_is_kept_where_it_differs(
    held: Held, archive: Path
) -> None:
    """A killed run, or a sidecar that was lost with the catalogue: nothing says what these files should be."""
    simulator, program = held
    world = simulator.world
    same = file_of(archive, world, 1, "mp4")
    other, longer = file_of(archive, world, 2, "mp4"), file_of(archive, world, 2, "preview.jpg")
    for video in (1, 2):
        file_of(archive, world, video, "json").unlink()
    flip(other)
    longer.write_bytes(longer.read_bytes() + b"more")
    former = {path.relative_to(archive): path.read_bytes() for path in (other, longer)}
    copy = without_hidden_folder(archive)
    assert program.run("reindex", copy).stdout.startswith(f"Rebuilt the catalogue: {COUNT - 2} videos")
    assert program.run("sync", copy).verdict.startswith(f"All {COUNT} ")
    assert {request.video for request in simulator.requests(origin="cdn")} == {1, 2}
    check_against_world(copy, simulator)
    quarantine = copy / HIDDEN / "quarantine"
    kept = {path.relative_to(quarantine).parts[1:]: path.read_bytes() for path in quarantine.rglob("*.*")}
    assert kept == {path.parts: data for path, data in former.items()}
    assert (copy / same.relative_to(archive)).exists()


# reindex itself


def test_sidecars_that_cannot_be_read_are_named_and_what_was_known_of_them_is_kept(held: Held, archive: Path) -> None:
    simulator, program = held
    world = simulator.world
    paths = [file_of(archive, world, video, "json") for video in range(COUNT)]
    cut(paths[0], 200)
    paths[1].write_bytes(b"")
    paths[2].write_bytes(b"\0" * 2000)
    paths[3].unlink()
    mine = [archive / "notes.json", paths[4].with_name("report.json")]
    for path in mine:
        path.write_text('{"format": "of my own"}')
    made = program.run("reindex", archive, "--json")
    assert (made.status, made.report["videos"], made.report["damaged_count"]) == (0, COUNT - 1, 3)
    assert {each["path"] for each in made.report["damaged"]} == {str(path.relative_to(archive)) for path in paths[:3]}
    assert all(each["problem"] for each in made.report["damaged"])
    looked = program.run("verify", archive, "--json")
    assert found(looked) == {("damaged_sidecar", path.name) for path in paths[:3]}
    simulator.forget()
    assert program.run("sync", archive).verdict.startswith(f"All {COUNT} ")
    assert {request.video for request in simulator.requests(origin="cdn")} == {3}
    for path in mine:
        path.unlink()
    check_against_world(archive, simulator)


def test_very_many_problems_are_not_all_printed(held: Held, archive: Path) -> None:
    simulator, program = held
    path = file_of(archive, simulator.world, 0, "json")
    for number in range(25):
        shutil.copy(path, path.with_name(f"copy {number:02}.json"))
        path.with_name(f"cut {number:02}.json").write_bytes(b'{"format": "pictory-archiver/sidecar", ')
    made = program.run("reindex", archive, "-q")
    assert (made.status, made.stdout) == (0, "")
    lines = made.stderr.splitlines()
    assert len(lines) == 42
    assert "Warning: 5 more are passed over; --json names them" in lines
    assert "Warning: 5 more do not count; --json names them" in lines


def test_quiet_says_nothing_when_all_is_well(held: Held, archive: Path) -> None:
    _, program = held
    made = program.run("reindex", archive, "--quiet")
    assert (made.status, made.stdout, made.stderr) == (0, "", "")


def test_a_folder_or_a_sidecar_that_cannot_be_read_is_named(held: Held, archive: Path) -> None:
    strace = shutil.which("strace")
    required(strace, "strace, to make reading fail")
    simulator, program = held
    sidecar = file_of(archive, simulator.world, 0, "json")
    number = len(list(sidecar.parent.glob("*.json")))
    (archive / CATALOGUE).unlink()
    for path, call, lacking, words in (
        (sidecar, "read", 1, "it cannot be read"),
        (sidecar.parent, "getdents64", number, "the folder cannot be read"),
    ):
        inject = f"inject={call}:error=EIO"
        program.prefix = (str(strace), "-f", "-qq", "-o", "/dev/null", "-P", str(path), "-e", inject)
        made = program.run("reindex", archive)
        assert (made.status, f"{COUNT - lacking} videos" in made.stdout) == (0, True), made
        assert f"{path.relative_to(archive)} is passed over: {words}: {os.strerror(errno.EIO)}" in made.stderr
        (archive / CATALOGUE).unlink()
    program.prefix = ()
    check_nothing_fetched(simulator, program, archive, pages=FULL)


def many_sidecars(root: Path, count: int) -> None:
    """An archive of so many videos of which only the sidecars were copied."""
    missing = tuple({"kind": each.kind, "status": "missing", "path": None} for each in EXAMPLE.assets)
    document = json.loads(render(EXAMPLE)) | {"assets": missing, "complete": False}
    for number in range(count):
        folder = root / f"2026/{number % 12 + 1:02}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"v{number}.json").write_text(json.dumps(document | {"id": f"v{number}"}))


@posix_only
def test_a_reindex_that_is_killed_leaves_the_former_catalogue(held: Held, archive: Path) -> None:
    simulator, program = held
    many_sidecars(archive, 6000)
    assert program.run("reindex", archive, "-q").status == 0
    before = (archive / CATALOGUE).read_bytes()
    partial = archive / f"{CATALOGUE}.partial"
    file_of(archive, simulator.world, 0, "json").unlink()
    process = program.start("reindex", archive)
    wait_until(lambda: partial.exists() and partial.stat().st_size > 1_000_000, process)
    kill(process)
    assert partial.exists()
    assert (archive / CATALOGUE).read_bytes() == before
    assert not (archive / f"{CATALOGUE}.damaged").exists()
    assert f"{6000 + COUNT:,} in the archive" in program.run("status", archive).stdout
    again = program.run("reindex", archive)
    assert (again.status, again.stdout.split(" of")[0]) == (0, f"Rebuilt the catalogue: {6019:,} videos, {19:,}")
    assert not partial.exists()


@pytest.mark.parametrize("marker", ["there", "lost"])
def test_a_disk_that_cannot_be_written_is_said_and_leaves_all_as_it_was(
    account: Account, mount: Mount, marker: str
) -> None:
    simulator, program = account(World(count=5))
    program.settings = {**FAST, "download": {"reserve": "0"}}
    archive = mount("size=20m") / "archive"
    assert program.run("sync", archive).status == 0
    if marker == "lost":
        shutil.rmtree(archive / HIDDEN)
    before = all_names(archive)
    filler = archive.with_name("filler")
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            pass
    full = lonely(program).run("reindex", archive)
    assert (full.status, full.stdout, "full" in full.stderr) == (6, "", True), full
    assert not list(archive.rglob("*.partial"))
    filler.unlink()
    mount("ro", again=True)
    denied = lonely(program).run("reindex", archive)
    mount("rw", again=True)
    assert (denied.status, denied.stdout, "read-only" in denied.stderr) == (6, "", True), denied
    if marker == "there":
        assert {name: data for name, data in all_names(archive).items() if name in before} == before
    made = lonely(program).run("reindex", archive)
    assert (made.status, made.stdout) == (0, "Rebuilt the catalogue: 5 videos, 5 of them complete\n")
    simulator.forget()
    assert program.run("sync", archive).status == 0
    assert not simulator.requests(origin="cdn")


def test_beside_a_run_it_leaves_at_once_also_where_the_marker_is_lost(held: Held, archive: Path) -> None:
    simulator, program = held
    copy = without_hidden_folder(archive)
    assert program.run("reindex", copy).status == 0
    simulator.faults.add(Fault(Match(origin="api"), Answer(503, headers={"Retry-After": "60"})))
    running = program.start("sync", copy)
    wait_until(lambda: simulator.requests(origin="api"), running)
    marker = (copy / MARKER).read_bytes()
    (copy / MARKER).unlink()
    busy = program.run("reindex", copy)
    assert (busy.status, f"process {running.pid} " in busy.stderr) == (75, True)
    assert not (copy / MARKER).exists()
    (copy / MARKER).write_bytes(marker)
    running.kill()
    running.communicate()


def test_rot_in_a_sidecar_is_seen_after_a_reindex(held: Held, archive: Path) -> None:
    simulator, program = held
    world = simulator.world
    assert program.run("reindex", archive).status == 0
    path = file_of(archive, world, 2, "json")
    flip(path, path.read_bytes().index(b'"prompt"') + 15)
    looked = program.run("verify", archive, "--json", "--quick")
    assert (looked.status, found(looked)) == (7, {("false_sidecar", path.name)})
    assert program.run("repair", archive).status == 0
    assert not simulator.requests(origin="cdn")


def test_what_only_sidecars_know_survives(account: Account, archive: Path) -> None:
    """Losses that were accepted, videos that are gone upstream, former values; and the runs, from the journal."""
    lost = Fault(Match(kind="preview", video=4), Answer(404), times=None)
    simulator, program = account(World(count=COUNT, page_size=5), [lost])
    world = simulator.world
    assert program.run("sync", archive).status == 3
    assert program.run("accept", archive, world.id(4)).status == 0
    gone = world.id(9)
    world.delete(9)
    world.change(6, prompt="another one")
    for _ in range(2):
        assert program.run("sync", archive, "--full").status == 0
    before = program.run("status", archive, "--json").report
    known = sidecars(archive)
    assert (before["gone_upstream"], before["accepted_count"], before["exit_status"]) == (1, 1, 0)
    for lose in ((), (MARKER,), (MARKER, JOURNAL)):
        for path in lose:
            (archive / path).unlink()
        assert lonely(program).run("reindex", archive).status == 0
        told = program.run("status", archive, "--json").report
        assert told["exit_status"] == 5
        same = ("gone_upstream", "accepted", "in_archive", "complete", "problem_count", "holdings")
        assert {name: told[name] for name in same} == {name: before[name] for name in same}
        assert len(told["runs"]) == (0 if JOURNAL in lose else 3)
    simulator.forget()
    run = program.run("sync", archive)
    assert (run.status, "1 loss accepted" in run.verdict) == (0, True), run
    assert not simulator.requests(origin="cdn")
    assert sidecars(archive) == known
    assert known[gone][1].gone_upstream
    assert program.run("status", archive, "--json").report["gone_upstream"] == 1
