"""Runs that are killed or stopped in the middle: what is on the disk is true, and the next run goes on from there."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pictory_archiver.models import Status
from pictory_archiver.running import PATIENCE_SECONDS
from pictory_archiver.sidecar import Sidecar, is_complete
from pictory_archiver.simulator import Fault, Match, Simulator, Stall, World
from pictory_archiver.simulator import Status as HttpStatus

from .conftest import Account
from .support import TIMEOUT, Outcome, Program, asset, check_against_world, files_of, sidecars, snapshot

WINDOW = 16
MEBIBYTE = 2**20

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals are of another kind there")


def wait_until(happened: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def stop(program: Program, process: subprocess.Popen[str], number: int) -> tuple[Outcome, float]:
    """→ how it ended, and how many seconds that took."""
    started = time.monotonic()
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    return program.checked(Outcome(process.returncode, stdout, stderr)), time.monotonic() - started


def check_what_is_there(root: Path, simulator: Simulator) -> dict[str, Sidecar]:
    """Every file under its final name is one that the CDN has, whole; every sidecar is true. → the sidecars by id"""
    digests = {hashlib.sha256(file.body.read()).hexdigest() for _, file in simulator.world.files()}
    for name, data in files_of(root).items():
        if name.endswith((".mp4", ".jpg", ".png")):
            assert hashlib.sha256(data).hexdigest() in digests, name
    found = sidecars(root)
    for path, sidecar in found.values():
        assert sidecar.complete == is_complete(sidecar.assets)
        for each in sidecar.assets:
            if each.status is Status.STORED:
                data = path.with_name(each.path or "").read_bytes()
                assert (len(data), hashlib.sha256(data).hexdigest()) == (each.bytes, each.sha256)
    return {video_id: sidecar for video_id, (_, sidecar) in found.items()}


def stored_paths(held: dict[str, Sidecar]) -> set[str]:
    """The paths on the CDN of everything that the sidecars promise."""
    every = (each for sidecar in held.values() for each in sidecar.assets)
    return {urlsplit(each.url or "").path for each in every if each.status is Status.STORED}


def check_that_it_goes_on(
    simulator: Simulator, program: Program, archive: Path, held: dict[str, Sidecar], *arguments: str
) -> None:
    """The next run fetches nothing that a sidecar promises, and the one after it nothing at all."""
    begun = {request.video_id for request in simulator.requests(origin="cdn") if request.video_id}
    assert len(begun - held.keys()) <= WINDOW, "more videos were under way than a run may lose"
    simulator.forget()
    outcome = program.run("sync", archive, *arguments)
    assert outcome.status == 0, outcome
    asked_again = {request.path for request in simulator.requests(origin="cdn")} & stored_paths(held)
    assert not asked_again
    check_against_world(archive, simulator)

    before = snapshot(archive)
    simulator.forget()
    assert program.run("sync", archive).status == 0
    assert not simulator.requests(origin="cdn")
    assert snapshot(archive) == before


@posix_only
@pytest.mark.parametrize("moment", [1, 40, 110])
def test_a_killed_run_is_taken_up_by_the_next_one(account: Account, archive: Path, moment: int) -> None:
    simulator, program = account(World(count=40), latency=0.01)
    process = program.start("sync", archive)
    wait_until(lambda: len(simulator.requests(origin="cdn")) >= moment, process)
    kill(process)

    held = check_what_is_there(archive, simulator)
    assert len(held) < 40
    check_that_it_goes_on(simulator, program, archive, held)


@posix_only
def test_a_run_that_is_killed_among_the_inputs_is_taken_up(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=40), [Fault(Match(kind="upload"), Stall(), nth=3, times=None)])
    process = program.start("sync", archive)
    wait_until(lambda: len(simulator.requests(kind="upload")) >= 3, process)
    kill(process)

    held = check_what_is_there(archive, simulator)
    assert len(held) == 40
    simulator.faults.clear()
    check_that_it_goes_on(simulator, program, archive, held)


@posix_only
def test_a_run_that_is_killed_again_and_again_comes_to_its_end(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=40), latency=0.01)
    fetched: list[str] = []
    for _ in range(3):
        simulator.forget()
        process = program.start("sync", archive)
        wait_until(lambda: len(simulator.requests(origin="cdn")) >= 40, process)
        kill(process)
        held = check_what_is_there(archive, simulator)
        fetched.append(f"{len(held)}")
    assert fetched == sorted(set(fetched), key=int), "each run brings more"
    check_that_it_goes_on(simulator, program, archive, held)


@posix_only
def test_a_run_that_is_killed_before_its_first_answer_leaves_an_archive(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=3), [Fault(Match(page=1), Stall())])
    process = program.start("sync", archive)
    wait_until(lambda: simulator.requests(origin="api"), process)
    kill(process)
    assert files_of(archive) == {}
    check_that_it_goes_on(simulator, program, archive, {})


def test_the_readme_that_a_killed_run_did_not_come_to_is_written_by_the_next_one(
    account: Account, archive: Path
) -> None:
    """Whether anything changed in a run does not tell: what changed may have been the work of the run before."""
    simulator, program = account(World(count=2))
    readme, partial = archive / "README.txt", archive / "README.txt.partial"
    assert program.run("sync", archive).status == 0
    before = readme.read_bytes()
    simulator.world.add()
    assert program.run("sync", archive).status == 0
    assert b"it held 3 videos" in readme.read_bytes()

    readme.write_bytes(before)
    assert program.run("sync", archive).status == 0
    assert b"it held 3 videos" in readme.read_bytes()
    partial.write_bytes(before)
    assert program.run("sync", archive).status == 0
    assert not partial.exists()

    state = snapshot(archive)
    assert program.run("sync", archive).status == 0
    assert snapshot(archive) == state


@posix_only
def test_a_large_file_goes_on_where_a_killed_run_had_it_on_the_disk(account: Account, archive: Path) -> None:
    world = World(count=1, video_bytes=40 * MEBIBYTE)
    simulator, program = account(world, [Fault(Match(kind="video"), Stall(at=39 * MEBIBYTE))])
    process = program.start("sync", archive)
    wait_until(lambda: any(each.stat().st_size >= 32 * MEBIBYTE for each in archive.rglob("*.mp4.partial")), process)
    wait_until(lambda: b'"offset":3' in b"".join(_read(each) for each in archive.rglob("*.partial.json")), process)
    kill(process)

    check_that_it_goes_on(simulator, program, archive, {})
    _, sidecar = sidecars(archive)[world.id(0)]
    assert asset(sidecar, "video").bytes == 40 * MEBIBYTE
    assert not list(archive.rglob("*.partial*"))


def _read(path: Path) -> bytes:
    """Nothing where it has been renamed meanwhile."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


# --- signals ---


@posix_only
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_cleanly(account: Account, archive: Path, number: int, status: int) -> None:
    simulator, program = account(World(count=40), latency=0.01)
    process = program.start("sync", archive)
    wait_until(lambda: len(simulator.requests(origin="cdn")) >= 60, process)
    outcome, seconds = stop(program, process, number)
    assert outcome.status == status
    assert outcome.stderr == "Stopped: everything finished so far is kept, the next run goes on from here.\n"
    assert outcome.stdout == ""
    assert seconds < 10
    assert not list(archive.rglob("*.partial"))

    held = check_what_is_there(archive, simulator)
    assert held
    check_that_it_goes_on(simulator, program, archive, held)


STUCK: dict[str, list[Fault]] = {
    "the API does not answer": [Fault(Match(page=1), Stall(None), times=None)],
    "no file comes": [Fault(Match(origin="cdn"), Stall(100), times=None)],
    "everybody has to wait": [
        Fault(Match(origin="cdn"), HttpStatus(429, headers={"Retry-After": "600"}), times=None),
    ],
}


@posix_only
@pytest.mark.parametrize("where", STUCK)
def test_a_signal_ends_a_run_that_waits(account: Account, archive: Path, where: str) -> None:
    simulator, program = account(World(count=5), STUCK[where])
    process = program.start("sync", archive)
    wait_until(lambda: simulator.requests(origin="api" if "API" in where else "cdn"), process)
    outcome, seconds = stop(program, process, signal.SIGTERM)
    assert outcome.status == 143
    assert seconds < 10
    simulator.faults.clear()
    check_that_it_goes_on(simulator, program, archive, check_what_is_there(archive, simulator))


STUBBORN = """
import asyncio, sys, time
from pictory_archiver import running

async def work():
    print("ready", flush=True)
    await asyncio.to_thread(time.sleep, 60)

running.PATIENCE_SECONDS = float(sys.argv[1])
running.run_until_signal(work())
"""


def start_stubborn(patience: float) -> subprocess.Popen[str]:
    """A process that waits for a thread which does not come back, as one that resolves a name may."""
    process = subprocess.Popen(
        [sys.executable, "-c", STUBBORN, str(patience)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@posix_only
def test_a_second_signal_ends_a_run_at_once() -> None:
    process = start_stubborn(patience=60)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=5) == ("", "")
    assert process.returncode == 143


@posix_only
def test_a_run_that_cannot_let_go_is_ended() -> None:
    process = start_stubborn(patience=0.5)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=5) == ("", "")
    assert process.returncode == 130
    assert PATIENCE_SECONDS < 10


@posix_only
def test_ctrl_c_while_the_program_is_being_loaded_is_no_crash() -> None:
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "pictory_archiver", "sync", "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "click" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert "Traceback" not in stderr
