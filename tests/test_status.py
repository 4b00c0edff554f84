"""`status`: the whole truth about an archive, without key and network, and without writing anything."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from pictory_archiver.archive import CATALOGUE, JOURNAL
from pictory_archiver.simulator import REMOVED, Fault, Match, Simulator, Status, World

from .conftest import Account
from .support import FAST, Outcome, Program
from .test_sync_options import everything


def status_of(program: Program, archive: Path) -> Outcome:
    """`status` as somebody runs it who has neither a key nor a network. It leaves no trace."""
    before = everything(archive)
    without = Program(program.home, "http://127.0.0.1:9/pictoryapis", (), key=None)
    outcome = without.run("status", archive)
    assert outcome.stderr == ""
    asked = without.run("status", archive, "--json")
    assert asked.status == outcome.status == asked.report["exit_status"]
    assert outcome.stdout.startswith(f"{asked.report['verdict']}\n\nArchive       {archive}\nVideos        ")
    assert outcome.stdout.endswith(
        "\nThis is about AI Studio videos. Generated images and editor projects are other collections of Pictory: "
        "they are not part of this archive.\n"
    )
    assert everything(archive) == before
    return Outcome(outcome.status, outcome.stdout, asked.stdout)


def verdict(outcome: Outcome) -> str:
    return outcome.stdout.splitlines()[0]


@pytest.fixture
def made(account: Account, archive: Path) -> tuple[Simulator, Program]:
    """A complete archive of six videos."""
    simulator, program = account(World(count=6))
    assert program.run("sync", archive).status == 0
    return simulator, program


def test_a_complete_archive(made: tuple[Simulator, Program], archive: Path) -> None:
    outcome = status_of(made[1], archive)
    assert outcome.status == 0
    assert re.fullmatch(
        r"Complete as of \d\d:\d\d UTC (today|yesterday): 6 AI Studio videos listed, 6 held", verdict(outcome)
    )
    assert "Videos        6 in the archive, 6 of them complete, " in outcome.stdout
    assert "Not held" not in outcome.stdout
    (run,) = [line for line in outcome.stdout.splitlines() if line.startswith("  20")]
    assert run.endswith("  exit 0: All 6 AI Studio videos are here and verified")


def test_what_is_not_held_is_named_with_its_reason(made: tuple[Simulator, Program], archive: Path) -> None:
    simulator, program = made
    simulator.world.add(3)
    simulator.world.change(-1, url=REMOVED, createdDate="2126-01-01T00:00:00Z")
    simulator.faults.add(Fault(Match(kind="preview", video=-2), Status(404), times=None))
    simulator.faults.add(Fault(Match(kind="thumbnail", video=-3), Status(403), times=None))
    assert program.run("sync", archive).status == 3
    outcome = status_of(program, archive)
    assert outcome.status == 3
    assert verdict(outcome).endswith(
        "9 AI Studio videos listed, 6 held. Run sync again; what is missing is named below."
    )
    assert "\nIn the making 1 (no file to fetch yet)\n" in outcome.stdout
    assert "\nNot held      2 files\n" in outcome.stdout
    assert ": missing, HTTP 404\n" in outcome.stdout
    assert ": denied, HTTP 403\n" in outcome.stdout

    simulator.faults.clear()
    assert program.run("sync", archive).status == 0
    outcome = status_of(program, archive)
    assert outcome.status == 0
    assert verdict(outcome).endswith("9 AI Studio videos listed, 8 held, 1 video still in the making")


def test_before_any_listing_nothing_is_known(account: Account, archive: Path) -> None:
    _, program = account(World(count=3), [Fault(Match(origin="api"), Status(500), times=None)])
    assert program.run("sync", archive).status == 5
    outcome = status_of(program, archive)
    assert outcome.status == 5
    assert verdict(outcome).startswith(
        "Unknown: no listing of the account is known to have reached its end. The last one failed"
    )
    assert "Videos        0 in the archive" in outcome.stdout


def test_after_a_listing_that_failed_nothing_is_sure(made: tuple[Simulator, Program], archive: Path) -> None:
    simulator, program = made
    simulator.faults.add(Fault(Match(origin="api"), Status(401), times=1))
    assert program.run("sync", archive).status == 4
    outcome = status_of(program, archive)
    assert outcome.status == 5
    assert verdict(outcome).startswith("Not known to be complete since ")
    assert "the API refused the key (HTTP 401)" in verdict(outcome)
    assert [line.split()[3:5] for line in outcome.stdout.splitlines() if line.startswith("  20")] == [
        ["exit", "4:"],
        ["exit", "0:"],
    ]
    assert program.run("sync", archive).status == 0
    assert status_of(program, archive).status == 0


@pytest.mark.parametrize("loss", ["deleted", "damaged", "empty"])
def test_without_a_catalogue_the_sidecars_are_read(made: tuple[Simulator, Program], archive: Path, loss: str) -> None:
    catalogue = archive / CATALOGUE
    if loss == "deleted":
        catalogue.unlink()
    else:
        catalogue.write_bytes(b"" if loss == "empty" else b"garbage " * 1000)
    outcome = status_of(made[1], archive)
    assert outcome.status == 5
    assert verdict(outcome).startswith("Unknown: no listing of the account is known to have reached its end.")
    assert "Videos        6 in the archive, 6 of them complete, " in outcome.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="the mode says nothing there")
def test_a_read_only_archive(made: tuple[Simulator, Program], archive: Path) -> None:
    folders = [archive, *(path for path in archive.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    try:
        assert status_of(made[1], archive).status == 0
    finally:
        for folder in folders:
            folder.chmod(0o700)


def test_a_copy_of_an_archive(made: tuple[Simulator, Program], archive: Path, tmp_path: Path) -> None:
    shutil.copytree(archive, tmp_path / "copy #1?%20")
    assert status_of(made[1], tmp_path / "copy #1?%20").status == 0


def test_a_run_under_way_and_one_that_was_killed_are_told(made: tuple[Simulator, Program], archive: Path) -> None:
    simulator, program = made
    simulator.faults.add(Fault(Match(origin="api"), Status(503, headers={"Retry-After": "600"}), times=None))
    running = program.start("sync", archive)
    while not simulator.requests(origin="api", page=1)[1:]:
        assert running.poll() is None
    without = Program(program.home, "http://127.0.0.1:9/pictoryapis", (), key=None)
    for _ in range(2):
        told = without.run("status", archive)
        assert told.status == 0
        assert "was stopped before its end, or is still under way\n" in told.stdout
        running.kill()
        running.communicate()


def test_what_is_no_archive(account: Account, tmp_path: Path) -> None:
    _, program = account(World(count=1))
    for folder in (tmp_path, tmp_path / "nowhere"):
        outcome = program.run("status", folder)
        assert (outcome.status, outcome.stdout) == (6, "")
        assert outcome.stderr == (f"Error: {folder} is no archive; is the disk mounted? `sync` makes a new one\n")


def test_an_archive_of_a_newer_release_is_left_alone(made: tuple[Simulator, Program], archive: Path) -> None:
    marker = archive / ".pictory-archiver" / "archive.json"
    marker.write_text(marker.read_text().replace('"version": 1', '"version": 2'))
    before = everything(archive)
    for command in (["status"], ["sync"], ["sync", "--dry-run"]):
        outcome = made[1].run(*command, archive)
        assert outcome.status == 2
        assert "this release knows up to 1" in outcome.stderr
    assert everything(archive) == before


def test_the_journal_has_a_line_for_every_run(made: tuple[Simulator, Program], archive: Path) -> None:
    made[1].run("sync", archive)
    assert (archive / JOURNAL).read_text().count("\n") == 2
    assert status_of(made[1], archive).stdout.count("  exit 0: ") == 2


def test_a_key_of_somebody_else_that_is_refused_leaves_nothing_sure(
    made: tuple[Simulator, Program], archive: Path
) -> None:
    program = made[1]
    right, program.key = program.key, "pictai_of_somebody_else"
    assert program.run("sync", archive).status == 4
    program.key = right
    outcome = status_of(program, archive)
    assert (outcome.status, "the last listing failed: the API refused the key" in verdict(outcome)) == (5, True)


def test_a_disk_without_room_is_no_fault_of_the_listing(made: tuple[Simulator, Program], archive: Path) -> None:
    simulator, program = made
    simulator.world.add(1)
    program.settings = {**FAST, "download": {"reserve": 2**50}}
    assert program.run("sync", archive).status == 6
    outcome = status_of(program, archive)
    assert (outcome.status, "the last listing did not come to its end" in verdict(outcome)) == (3, True)
    program.settings = dict(FAST)
    assert program.run("sync", archive).status == 0
    assert status_of(program, archive).status == 0
