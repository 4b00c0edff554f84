"""`sync --refresh`: what is listed at another address is fetched anew, and nothing that was held is lost by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pictory_archiver.quarantine import QUARANTINE
from pictory_archiver.simulator import Fault, Match, Simulator, Stall, World
from pictory_archiver.simulator import Status as Answer

from .conftest import Account
from .damage import file_of, flip
from .support import Program, asset, check_archive, files_of, sidecars, snapshot
from .test_interruption import kill, posix_only, wait_until

COUNT = 6
Held = tuple[Simulator, Program]


@pytest.fixture
def held(account: Account, archive: Path) -> Held:
    """A whole archive of an account, in which nothing has changed yet."""
    simulator, program = account(World(count=COUNT))
    assert program.run("sync", archive).status == 0
    simulator.forget()
    return simulator, program


def move(world: World, video: int, kind: str = "video", *, to: int) -> None:
    """Has a video list for one of its files the address of that of another video, and so other bytes."""
    field = {"video": "url", "preview": "previewImageUrl", "thumbnail": "thumbnailImageUrl"}[kind]
    world.change(video, **{field: world.link(world.path(to, kind))})


def kept(archive: Path) -> dict[str, bytes]:
    """What is in quarantine, by name."""
    return {path.name: path.read_bytes() for path in (archive / QUARANTINE).rglob("*") if path.is_file()}


def media(simulator: Simulator) -> set[tuple[Any, str | None]]:
    return {(request.video, request.kind) for request in simulator.requests(origin="cdn")}


def test_another_address_is_fetched_anew_and_what_was_held_is_kept(held: Held, archive: Path) -> None:
    simulator, program = held
    world = simulator.world
    video = file_of(archive, world, 2, "mp4")
    sidecar = file_of(archive, world, 2, "json")
    move(world, 2, to=4)
    move(world, 3, "thumbnail", to=5)
    assert program.run("sync", archive).status == 0
    assert not media(simulator)  # without being asked to, nothing is fetched anew
    before = files_of(archive)

    outcome = program.run("sync", archive, "--refresh", "--json")
    assert (outcome.status, outcome.report["renewed"], outcome.report["files_stored"]) == (0, 2, 2)
    assert media(simulator) == {(4, "video"), (5, "thumbnail")}
    after = files_of(archive)
    renewed = video.with_name(video.name.replace(".mp4", ".r2.mp4"))
    assert renewed.read_bytes() == file_of(archive, world, 4, "mp4").read_bytes()
    assert not video.exists()
    told = check_archive(archive)[world.id(2)][1]
    assert (told.revision, told.complete, asset(told, "video").path) == (2, True, renewed.name)
    assert asset(told, "thumbnail").path == f"{sidecar.stem}.thumbnail.jpg"  # the others keep their names
    thumbnail = f"{file_of(archive, world, 3, 'json').stem}.thumbnail.jpg"
    assert kept(archive)[video.name] == before[video.relative_to(archive).as_posix()]
    assert kept(archive)[sidecar.name] == before[sidecar.relative_to(archive).as_posix()]
    assert thumbnail in kept(archive)
    changed = {name for name in before | after if before.get(name) != after.get(name)} - {"README.txt"}
    assert {name.rpartition("_")[2].partition(".")[0] for name in changed} == {world.id(2), world.id(3)}

    assert program.run("verify", archive).status == 0
    simulator.forget()
    quiet = snapshot(archive)
    assert program.run("sync", archive, "--refresh").status == 0
    assert not media(simulator)
    assert snapshot(archive) == quiet


def test_each_time_it_is_another_revision(held: Held, archive: Path) -> None:
    simulator, program = held
    for revision, source in ((2, 4), (3, 5)):
        move(simulator.world, 2, to=source)
        assert program.run("sync", archive, "--refresh").status == 0
        told = sidecars(archive)[simulator.world.id(2)][1]
        assert (told.revision, asset(told, "video").path.endswith(f".r{revision}.mp4")) == (revision, True)
    check_archive(archive)
    assert len([name for name in kept(archive) if name.endswith(".mp4")]) == 2


def test_the_same_bytes_at_another_address_are_not_kept_twice(held: Held, archive: Path) -> None:
    simulator, program = held
    world = simulator.world
    bytes_before = file_of(archive, world, 2, "mp4").read_bytes()
    world.change(2, url=f"{world.item(2)['url']}?v=2")
    assert program.run("sync", archive, "--refresh").status == 0
    told = asset(check_archive(archive)[world.id(2)][1], "video")
    assert told.url.endswith(".mp4?v=2")
    assert (file_of(archive, world, 2, "json").parent / told.path).read_bytes() == bytes_before
    assert not [name for name in kept(archive) if name.endswith(".mp4")]


def test_another_host_is_no_other_address(held: Held, archive: Path) -> None:
    simulator, program = held
    simulator.world.cdn_base = "https://d999.cloudfront.example"
    before = snapshot(archive)
    assert program.run("sync", archive, "--refresh").status == 0
    assert snapshot(archive) == before


@pytest.mark.parametrize("status", [404, 403, 500])
def test_what_cannot_be_fetched_anew_is_still_held(held: Held, archive: Path, status: int) -> None:
    simulator, program = held
    world = simulator.world
    move(world, 2, to=4)
    assert program.run("sync", archive).status == 0
    before = snapshot(archive)
    simulator.faults.add(Fault(Match(origin="cdn"), Answer(status), times=None))
    outcome = program.run("sync", archive, "--refresh", "--json")
    assert outcome.status == 3
    (told,) = outcome.report["not_renewed"]
    assert (told["video_id"], told["kind"], outcome.report["problem_count"]) == (world.id(2), "video", 0)
    assert "1 file could not be fetched anew" in outcome.report["verdict"]
    assert snapshot(archive) == before
    assert check_archive(archive)[world.id(2)][1].complete
    words = program.run("sync", archive, "--refresh").stdout
    assert "Not renewed   1 file listed at another address; what is held of them is kept" in words
    assert program.run("sync", archive).status == 0

    simulator.faults.clear()
    assert program.run("sync", archive, "--refresh").status == 0
    assert sidecars(archive)[world.id(2)][1].revision == 2


def test_a_link_that_expired_is_asked_for_again(account: Account, archive: Path) -> None:
    now = [1_800_000_000.0]
    world = World(count=COUNT, signed=True, clock=lambda: now[0])
    simulator, program = account(world)
    assert program.run("sync", archive).status == 0
    move(world, 2, to=4)
    simulator.faults.add(Fault(Match(origin="cdn"), Answer(403)))
    outcome = program.run("sync", archive, "--refresh", "--json")
    assert (outcome.status, outcome.report["not_renewed"]) == (0, [])
    assert check_archive(archive)[world.id(2)][1].revision == 2


@posix_only
def test_a_kill_in_the_middle_leaves_what_was_held(held: Held, archive: Path) -> None:
    simulator, program = held
    world = simulator.world
    move(world, 2, to=4)
    move(world, 2, "preview", to=5)
    assert program.run("sync", archive).status == 0
    before = files_of(archive)
    simulator.faults.add(Fault(Match(kind="video"), Stall(at=1000), times=None))
    process = program.start("sync", archive, "--refresh")
    wait_until(lambda: len(list(archive.rglob("*.r2.preview.jpg"))) and simulator.requests(kind="video"), process)
    kill(process)
    after = files_of(archive)
    assert {name: after[name] for name in before} == before
    simulator.faults.clear()
    assert program.run("verify", archive).status == 0
    assert program.run("sync", archive, "--refresh").status == 0
    assert check_archive(archive)[world.id(2)][1].revision == 2


def test_only_what_was_chosen(held: Held, archive: Path) -> None:
    simulator, program = held
    for video in range(COUNT):
        move(simulator.world, video, to=(video + 1) % COUNT)
    assert program.run("sync", archive).status == 0
    dry = program.run("sync", archive, "--refresh", "--limit", "1", "--dry-run")
    assert dry.status == 0
    assert "video  (listed at another address)" in dry.stdout
    assert "Would fetch   1 file of 1 video" in dry.stdout
    assert program.run("sync", archive, "--refresh", "--limit", "1").status == 0
    assert len(media(simulator)) == 1
    assert program.run("sync", archive, "--refresh", "--assets", "thumbnail").status == 0
    assert len(media(simulator)) == 1


def test_a_renewed_file_is_repaired_fetched_again_and_found_like_any_other(held: Held, archive: Path) -> None:
    simulator, program = held
    move(simulator.world, 2, to=4)
    assert program.run("sync", archive, "--refresh").status == 0
    (renewed,) = archive.rglob("*.r2.mp4")
    before = renewed.read_bytes()
    flip(renewed)
    assert program.run("verify", archive).status == 7
    assert program.run("repair", archive).status == 0

    def video() -> Path:
        path, told = check_archive(archive)[simulator.world.id(2)]
        return path.with_name(asset(told, "video").path)

    assert video().read_bytes() == before
    video().unlink()
    assert program.run("sync", archive, "--full").status == 0
    assert video().read_bytes() == before
    simulator.forget()
    assert program.run("reindex", archive).status == 0
    assert program.run("sync", archive).status == 0
    assert not media(simulator)
    assert program.run("verify", archive).status == 0
