"""A good citizen of its computer: the rate of all downloads together, and the space that stays free on the disk."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest

from pictory_archiver import sink
from pictory_archiver.errors import NoRoom
from pictory_archiver.pace import LEAST_PER_FILE, Pace
from pictory_archiver.settings import KIB, MIB
from pictory_archiver.simulator import Drip, Fault, Match, Simulator, World
from pictory_archiver.space import LOOK_AFTER_BYTES, Space
from pictory_archiver.store import Store

from .conftest import Account, Mount
from .support import FAST, Program, check_against_world, check_archive, files_of, sidecars, snapshot


def with_download(**settings: Any) -> dict[str, Any]:
    """A program with these settings of downloads."""
    return {"settings": FAST | {"download": settings}}


def media_bytes(root: Path) -> int:
    """What the files of an archive's sidecars come to."""
    return sum(each.bytes or 0 for _, sidecar in sidecars(root).values() for each in sidecar.assets)


def timed(program: Program, root: Path) -> float:
    """How many seconds a run took that ended with 0."""
    started = time.monotonic()
    run = program.run("sync", root)
    assert run.status == 0, run
    return time.monotonic() - started


def test_all_downloads_together_keep_to_the_rate(account: Account, archive: Path) -> None:
    rate = 400 * KIB
    simulator, program = account(World(count=5, video_bytes=200_000), program=with_download(limit_rate="400KiB"))
    took = timed(program, archive)
    check_against_world(archive, simulator)
    assert took >= media_bytes(archive) / rate - 0.2


def test_the_program_does_not_take_its_own_slowness_for_the_servers(account: Account, archive: Path) -> None:
    """At this rate everything is far below the least speed, over many times the time in which that is measured."""
    settings = with_download(limit_rate="40KiB", workers=16, stall_seconds=0.5, min_speed="1MiB")
    simulator, program = account(World(count=2, video_bytes=60_000), program=settings)
    took = timed(program, archive)
    check_against_world(archive, simulator)
    assert took >= media_bytes(archive) / (40 * KIB) - 0.2
    assert len(simulator.requests(origin="cdn")) == len(files_of(archive)) - 3  # each once: README, two sidecars


def test_a_server_that_drips_is_too_slow_below_the_rate_as_well(account: Account, archive: Path) -> None:
    drip = Fault(Match(kind="video", video=0), Drip(10, 0.05), times=None)
    settings = with_download(limit_rate="1MiB", stall_seconds=0.5, min_speed="10KiB")
    _, program = account(World(count=2), [drip], program=settings)
    run = program.run("sync", archive)
    assert run.status == 3, run
    assert "slower than 10240 bytes a second" in run.stdout
    check_archive(archive)


@pytest.mark.parametrize("rate", [5, 2000, 300_000])
async def test_more_bytes_than_the_bucket_holds_wait_in_pieces(rate: int) -> None:
    pace = Pace(rate)
    started = time.monotonic()
    await asyncio.gather(pace.take(rate // 5), pace.take(rate // 5), pace.take(0))
    assert time.monotonic() - started >= 0.4 - max(0.1, 1 / rate) - 0.05


async def test_without_a_rate_nothing_waits() -> None:
    pace = Pace(0)
    async with asyncio.timeout(5):
        await pace.take(10**15)
        async with pace.file(), pace.file(), pace.file():
            pass


async def test_at_a_low_rate_fewer_files_are_under_way() -> None:
    pace = Pace(2 * LEAST_PER_FILE)
    busiest = at_once = 0

    async def download() -> None:
        nonlocal busiest, at_once
        async with pace.file():
            at_once += 1
            busiest = max(busiest, at_once)
            await asyncio.sleep(0)
            at_once -= 1

    await asyncio.gather(*(download() for _ in range(10)))
    assert busiest == 2


def free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def asked_for(simulator: Simulator) -> set[str]:
    return {request.path for request in simulator.requests(origin="cdn")}


def test_a_run_ends_before_the_reserve_is_touched_and_the_next_one_goes_on(account: Account, mount: Mount) -> None:
    archive = mount("size=8m") / "archive"
    simulator, program = account(World(count=40, video_bytes=200_000), program=with_download(reserve="3MiB"))
    run = program.run("sync", archive)
    assert run.status == 6, run
    assert run.verdict.startswith("Not complete: ")
    assert "download.reserve" in run.verdict
    assert "3.1 MB that stay free" in run.verdict
    assert "disk is full" not in run.stdout + run.stderr
    assert free(archive) > 2.5 * MIB  # sidecars and catalogue may still be written
    found = check_archive_with_whole_files(archive)
    assert 0 < len(found) < 40
    assert 'exit_status":6' in (archive / ".pictory-archiver/journal.jsonl").read_text()
    simulator.forget()
    mount("size=64m", again=True)
    assert program.run("sync", archive).status == 0
    assert not {path for path in asked_for(simulator) if any(video in path for video in found)}
    check_against_world(archive, simulator)


def check_archive_with_whole_files(root: Path) -> set[str]:
    """No partial file is left, and every sidecar is true. → the ids of complete videos"""
    assert not [name for name in files_of(root) if ".partial" in name]
    found = sidecars(root)
    for path, sidecar in found.values():
        for each in sidecar.assets:
            if each.status == "stored":
                assert hashlib.sha256(path.with_name(each.path or "").read_bytes()).hexdigest() == each.sha256
    return {video for video, (_, sidecar) in found.items() if sidecar.complete}


def test_a_file_that_has_no_room_is_not_begun(account: Account, mount: Mount) -> None:
    archive = mount("size=12m") / "archive"
    settings = with_download(reserve="4MiB", assets=["video"])
    simulator, program = account(World(count=1, video_bytes=9_000_000), program=settings)
    run = program.run("sync", archive)
    assert run.status == 6, run
    assert "9.0 MB more would touch the 4.2 MB that stay free (download.reserve)" in run.verdict
    assert len(simulator.requests(kind="video")) == 1  # its length had to be known
    assert set(files_of(archive)) <= {"README.txt"}
    assert free(archive) > 11 * MIB


def test_below_the_reserve_nothing_is_downloaded_and_what_is_held_is_still_complete(
    account: Account, mount: Mount
) -> None:
    archive = mount("size=32m") / "archive"
    simulator, program = account(World(count=3), program=with_download(reserve="8MiB"))
    assert program.run("sync", archive).status == 0
    before = snapshot(archive)
    simulator.forget()
    program.env["PICTORY_ARCHIVER_DOWNLOAD_RESERVE"] = "40MiB"
    run = program.run("sync", archive)
    assert run.status == 0, run
    assert snapshot(archive) == before
    simulator.world.add(2)
    run = program.run("sync", archive)
    assert run.status == 6, run
    assert "are free, less than the 41.9 MB that stay free (download.reserve)" in run.verdict
    assert not simulator.requests(origin="cdn")
    del program.env["PICTORY_ARCHIVER_DOWNLOAD_RESERVE"]
    assert program.run("sync", archive).status == 0
    check_against_world(archive, simulator)


@contextmanager
def telling(monkeypatch: pytest.MonkeyPatch, *told: tuple[int, int]) -> Iterator[list[tuple[int, int]]]:
    """A disk that says so, one answer (total, free) after the other. → what is still to be said"""
    left = list(told)

    def disk_usage(_: object) -> Any:
        total, free_bytes = left.pop(0)
        return SimpleNamespace(total=total, free=free_bytes)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", disk_usage)
        yield left


def test_a_file_system_that_does_not_tell_its_size_is_no_reason_to_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with telling(monkeypatch, (0, 0)):
        Space(tmp_path, MIB).take(10**12)
    Space(tmp_path / "gone", MIB).take(10**12)
    with telling(monkeypatch, (MIB, 0)):
        Space(tmp_path, 0).take(10**12)


def test_the_disk_is_asked_again_after_so_many_bytes_and_before_anything_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pictory_archiver.space.LOOK_AFTER_SECONDS", 3600.0)
    with telling(monkeypatch, (1, 100 * MIB), (1, 50 * MIB), (1, 30 * MIB), (1, 4 * MIB), (1, 9 * MIB)) as left:
        space = Space(tmp_path, 5 * MIB)
        assert not space.surely_has(1)
        for _ in range(8):
            space.take(LOOK_AFTER_BYTES // 8)
        assert len(left) == 4
        assert not space.surely_has(1)
        space.take(1)
        assert len(left) == 3
        assert space.surely_has(40 * MIB)
        assert not space.surely_has(45 * MIB)
        space.ask(25 * MIB - 1)
        assert len(left) == 3
        with pytest.raises(NoRoom, match=r"31\.5 MB are free; 47\.2 MB more would touch the 5\.2 MB"):
            space.ask(45 * MIB)
        with pytest.raises(NoRoom, match=r"4\.2 MB are free"):
            space.take(26 * MIB)
        space.take(4 * MIB)  # somebody made room
        assert not left


async def test_a_copy_of_an_input_has_to_have_room_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "_share_blocks", lambda *_: False)
    monkeypatch.setattr("pictory_archiver.space.LOOK_AFTER_SECONDS", 3600.0)
    source = tmp_path / "2026" / "a.jpg"
    source.parent.mkdir()
    source.write_bytes(b"x" * (2 * MIB))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    target = PurePosixPath("2026/b.jpg")
    with closing(Store(tmp_path, reserve=5 * MIB)) as store:
        with telling(monkeypatch, (1, 7 * MIB - 1)), pytest.raises(NoRoom):  # before a byte of it is written
            await store.clone(PurePosixPath("2026/a.jpg"), target, sha256=digest, modified=None)
        assert [path.name for path in source.parent.iterdir()] == ["a.jpg"]
        with telling(monkeypatch, (1, 7 * MIB)):
            assert await store.clone(PurePosixPath("2026/a.jpg"), target, sha256=digest, modified=None)
