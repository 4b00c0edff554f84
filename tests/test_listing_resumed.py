"""A full listing that did not reach its end and is resumed proves no more than it met."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pictory_archiver.simulator import REMOVED, Delay, Fault, Match, Simulator, Stall, World

from .conftest import Account
from .support import TIMEOUT, Program, asset, check_against_world, required, sidecars

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the clock is moved with libfaketime, and runs killed")


def at(program: Program, offset: timedelta) -> None:
    """Moves the clock of the program."""
    required(shutil.which("faketime"), "faketime")
    told = subprocess.run(
        ["faketime", "-m", "-f", "+0", "printenv", "LD_PRELOAD"], capture_output=True, text=True, check=True
    )
    program.env = {
        "LD_PRELOAD": told.stdout.strip(),
        "FAKETIME": f"{int(offset.total_seconds()):+d}",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def cut_short(program: Program, simulator: Simulator, archive: Path, number: int, *options: str) -> None:
    """A run that is stopped at its fifth page, when the first three are settled and the fourth is recorded."""
    simulator.faults.add(Fault(Match(page=4), Delay(1)), Fault(Match(page=5), Stall(None), times=None))
    process = program.start("sync", archive, *options)
    deadline = time.monotonic() + TIMEOUT
    while not simulator.requests(page=5):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate(timeout=TIMEOUT)
    assert process.returncode in (-signal.SIGKILL, 143)
    simulator.faults.clear()
    simulator.forget()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_odd_item_of_the_first_part_is_not_forgotten(account: Account, archive: Path, number: int) -> None:
    simulator, program = account(World(count=18, page_size=3))
    simulator.world.replace_item(4, {"prompt": "no id"})
    cut_short(program, simulator, archive, number)
    assert program.run("sync", archive).status == 3
    assert not simulator.requests(page=2)
    assert program.run("status", archive).status == 3
    simulator.world.replace_item(4, REMOVED)
    assert program.run("sync", archive).status == 0
    check_against_world(archive, simulator)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_the_first_part_was_not_asked_for_is_fetched(
    account: Account, archive: Path, signed: bool, number: int
) -> None:
    simulator, program = account(World(count=18, page_size=3, signed=signed))
    cut_short(program, simulator, archive, number, "--assets", "video")
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    check_against_world(archive, simulator)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_the_first_part_held_is_known_to_the_run_that_resumes_it(
    account: Account, archive: Path, signed: bool, number: int
) -> None:
    simulator, program = account(World(count=18, page_size=3, signed=signed))
    cut_short(program, simulator, archive, number)
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    check_against_world(archive, simulator)


def test_a_late_video_is_found_though_the_clock_was_ahead_in_the_first_part(account: Account, archive: Path) -> None:
    now = datetime.now(UTC)
    world = World(count=18, page_size=3, newest=now, span=timedelta(hours=20))
    simulator, program = account(world)
    world.hold_back(7)
    at(program, timedelta(days=5))
    cut_short(program, simulator, archive, signal.SIGTERM)
    world.finish_late(7)
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    check_against_world(archive, simulator)


def test_after_a_month_it_is_begun_anew(account: Account, archive: Path) -> None:
    """Only a full listing looks at what is lost from the disk."""
    simulator, program = account(World(count=18, page_size=3))
    at(program, timedelta())
    cut_short(program, simulator, archive, signal.SIGTERM)
    path, sidecar = sidecars(archive)[simulator.world.id(4)]
    path.with_name(asset(sidecar, "video").path).unlink()
    at(program, timedelta(days=31))
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    check_against_world(archive, simulator)


def test_files_that_were_not_asked_for_are_had_though_links_are_signed_by_now(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=18, page_size=3))
    assert program.run("sync", archive, "--assets", "video").status == 0
    simulator.world.signed = True
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    check_against_world(archive, simulator)


def test_the_week_counts_from_its_first_part(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=18, page_size=3))
    at(program, timedelta())
    cut_short(program, simulator, archive, signal.SIGTERM)
    listings = []
    for days in (5, 6, 8):
        at(program, timedelta(days=days))
        listings.append(program.run("sync", archive, "--json").report["listing"])
    assert listings == ["full", "incremental", "full"]
