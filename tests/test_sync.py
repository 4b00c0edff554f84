"""The main job, end to end: the command line against the simulated account."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from pictory_archiver.models import INPUTS, Kind, Status
from pictory_archiver.simulator import REMOVED, Fault, Items, Match, Simulator, World
from pictory_archiver.simulator import Status as Answer

from .conftest import Account
from .support import asset, check_against_world, check_archive, snapshot


def test_the_first_run_archives_everything_and_the_second_fetches_nothing(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=120))
    first = program.run("sync", archive)
    assert first.status == 0, first
    assert first.verdict == f"All 120 AI Studio videos are here and verified. Open {archive}"
    check_against_world(archive, simulator)

    before = snapshot(archive)
    simulator.forget()
    second = program.run("sync", archive, "--json")
    assert second.status == 0
    assert (second.report["already_held"], second.report["new"], second.report["files_stored"]) == (120, 0, 0)
    assert not simulator.requests(origin="cdn")
    assert snapshot(archive) == before


def images_of(simulator: Simulator, path: str) -> bytes:
    place = simulator.world.find(path)
    assert place is not None
    file = simulator.world.file(place)
    assert file is not None
    return file.body.read()


def test_inputs_are_linked_or_downloaded_once_for_all_and_copied(account: Account, archive: Path) -> None:
    simulator, program = account(World(seed=2, count=120))
    assert program.run("sync", archive).status == 0
    found = check_archive(archive)
    inputs = [
        (path, sidecar, each) for path, sidecar in found.values() for each in sidecar.assets if each.kind in INPUTS
    ]
    states = Counter((each.kind, each.status) for _, _, each in inputs)
    assert states[Kind.EXTEND_SOURCE, Status.LINKED] > 0
    assert states[Kind.FIRST_FRAME, Status.LINKED] > 0
    assert states[Kind.FIRST_FRAME, Status.STORED] > 0
    assert states[Kind.REFERENCE, Status.STORED] > 0
    assert {status for _, status in states} == {Status.LINKED, Status.STORED}

    uploads = Counter(request.path for request in simulator.requests(kind="upload"))
    assert set(uploads.values()) == {1}
    shared = Counter(each.url for _, _, each in inputs if each.status is Status.STORED)
    assert max(shared.values()) > 1
    assert {path.suffix for path in archive.rglob("*.reference-*") if path.is_file()} >= {".webp", ".png"}
    for path, sidecar, each in inputs:
        address = urlsplit(each.url or "")
        if each.status is Status.STORED:
            assert path.with_name(each.path or "").read_bytes() == images_of(simulator, address.path)
        else:
            other = asset(found[each.video_id or ""][1], str(each.asset))
            assert other.url == each.url
            assert sidecar.id != each.video_id


def test_a_lost_input_is_named_and_spoils_nothing(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=60), [Fault(Match(kind="upload"), Answer(404), times=None)])
    first = program.run("sync", archive, "--json")
    assert (first.status, first.report["problem_count"]) == (0, 0)
    assert first.report["lost_input_count"] > 0
    assert {problem["status"] for problem in first.report["lost_inputs"]} == {"missing"}
    assert all(sidecar.complete for _, sidecar in check_archive(archive).values())
    assert "reference" in program.run("status", archive).stdout

    before = snapshot(archive)
    again = program.run("sync", archive)
    assert (again.status, "Lost inputs" in again.stdout) == (0, True)
    assert snapshot(archive) == before
    simulator.faults.clear()
    assert program.run("sync", archive, "--json").report["lost_input_count"] == 0
    check_against_world(archive, simulator)


def test_signed_inputs_are_fetched_with_their_live_urls(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=60, signed=True))
    assert program.run("sync", archive, "--json").report["lost_input_count"] == 0
    assert simulator.requests(kind="upload")
    check_against_world(archive, simulator)


def test_a_video_in_the_making_is_waited_for_and_an_overdue_one_is_a_problem(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=5))
    young = datetime.now(UTC).isoformat()
    simulator.world.change(0, url=REMOVED, createdDate=young)
    first = program.run("sync", archive)
    assert first.status == 0
    assert first.verdict.startswith(
        "All 4 finished AI Studio videos are here and verified. 1 video still in the making"
    )
    assert not check_archive(archive)[simulator.world.id(0)][1].complete
    assert program.run("status", archive).status == 0

    simulator.world.change(1, url=REMOVED)
    path, sidecar = check_archive(archive)[simulator.world.id(1)]
    path.with_name(asset(sidecar, "video").path).unlink()
    late = program.run("sync", archive)
    assert (late.status, "1 video should be finished by now" in late.verdict) == (3, True)
    assert program.run("status", archive).status == 3

    simulator.world.change(0, url=simulator.world.link(simulator.world.path(0, "video")))
    simulator.world.change(1, url=simulator.world.link(simulator.world.path(1, "video")))
    assert program.run("sync", archive).status == 0


def test_new_and_late_videos_are_added_and_what_upstream_deletes_stays(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=150))
    world = simulator.world
    world.hold_back(130)
    assert program.run("sync", archive).verdict.startswith("All 149 ")
    gone = world.id(140)
    kept = snapshot(archive)
    world.delete(140)
    world.finish_late()
    world.add(3)
    simulator.forget()
    assert program.run("sync", archive).verdict.startswith("All 152 ")
    assert {request.video_id for request in simulator.requests(origin="cdn", kind="video")} == {
        world.id(index) for index in (-3, -2, -1, 130)
    }
    now = snapshot(archive)
    media = {name for name in kept if not name.endswith((".json", ".txt"))}
    assert {name: now[name] for name in media} == {name: kept[name] for name in media}
    assert gone in check_archive(archive)
    check_against_world(archive, simulator)


def test_an_empty_listing_is_not_believed_of_an_archive_that_holds_videos(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=3))
    assert program.run("sync", archive).status == 0
    before = snapshot(archive)
    simulator.faults.add(Fault(Match(origin="api"), Items([]), times=None))
    run = program.run("sync", archive)
    assert (run.status, "this archive holds 3 videos" in run.verdict) == (5, True)
    assert program.run("status", archive).status == 5
    assert snapshot(archive) == before
    simulator.faults.clear()
    assert program.run("sync", archive).status == 0
