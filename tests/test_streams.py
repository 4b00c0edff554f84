"""Standard streams that are closed, full, or left by their reader: they never decide how a run ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pictory_archiver.simulator import Fault, Match, Status, World

from .conftest import Account
from .support import TIMEOUT, UNCLEAN, Program, check_against_world

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shells and devices of POSIX")

BROKEN = {
    "stdout closed": ">&-",
    "stderr closed": "2>&-",
    "both closed": ">&- 2>&-",
    "stdout full": ">/dev/full",
    "stderr full": "2>/dev/full",
    "both full": ">/dev/full 2>&1",
    "nobody reads stdout": ">&0",
    "nobody reads stderr": "2>&0",
    "nobody reads either": ">&0 2>&0",
}
FULL = "standard output cannot be written: No space left on device"


def through_shell(
    program: Program, redirection: str, *arguments: str | Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command with its streams redirected; 0 is a pipe whose reader has gone, for the shell alone."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            ["sh", "-c", f'"$@" {redirection} </dev/null', "sh", *program.command(*arguments)],
            env=program.environment() | (env or {}),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=TIMEOUT,
            check=False,
            stdin=writer,
        )
    finally:
        os.close(writer)
    assert not any(word in done.stdout + done.stderr for word in UNCLEAN), done
    return done


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("arguments", [["-vv"], ["--json", "--log-format", "json"]], ids=" ".join)
def test_a_run_completes(account: Account, archive: Path, how: str, arguments: list[str]) -> None:
    simulator, program = account(World(count=5))
    done = through_shell(program, BROKEN[how], "sync", archive, *arguments)
    assert done.returncode == 0
    check_against_world(archive, simulator)
    assert done.stderr.count(FULL) == (how == "stdout full")


@pytest.mark.parametrize("how", BROKEN)
def test_a_run_keeps_its_own_status(account: Account, archive: Path, how: str) -> None:
    _, program = account(World(count=1))
    program.key = None
    assert through_shell(program, BROKEN[how], "sync", archive).returncode == 2


def test_unbuffered_streams(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=2))
    for how in ("both closed", "both full", "nobody reads either"):
        assert through_shell(program, BROKEN[how], "sync", archive, env={"PYTHONUNBUFFERED": "1"}).returncode == 0
    check_against_world(archive, simulator)


@pytest.mark.parametrize("words", ["status .", "status . --json", "config show", "config show --json", "--help"])
def test_data_that_cannot_be_written(account: Account, archive: Path, words: str) -> None:
    _, program = account(World(count=2))
    assert program.run("sync", archive).status == 0
    arguments = words.replace(".", str(archive)).split()
    done = through_shell(program, ">/dev/full", *arguments)
    assert (done.returncode, done.stderr) == (6, f"Error: {FULL}\n")
    for how in (">&0", "| :", "2>/dev/full"):
        done = through_shell(program, how, *arguments)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_dry_run_is_data(account: Account, archive: Path) -> None:
    _, program = account(World(count=2))
    done = through_shell(program, ">/dev/full", "sync", archive, "--dry-run")
    assert (done.returncode, done.stderr) == (6, f"Error: {FULL}\n")
    assert through_shell(program, ">&0", "sync", archive, "--dry-run").returncode == 0


def test_a_dry_run_that_fails_has_told_what_it_found(account: Account, archive: Path) -> None:
    refused = Fault(Match(origin="api", page=2), Status(401), times=None)
    _, program = account(World(count=4, page_size=2), [refused])
    told = program.run("sync", archive, "--dry-run")
    assert (told.status, len(told.stdout.splitlines())) == (4, 2)
    done = through_shell(program, ">/dev/full", "sync", archive, "--dry-run")
    assert (done.returncode, done.stderr) == (6, f"Error: {FULL}\n")


def test_a_mistake_keeps_its_status(account: Account) -> None:
    _, program = account(World(count=0))
    for how in BROKEN.values():
        assert through_shell(program, how, "synk").returncode == 2


def test_a_pipe_that_does_not_block_is_waited_for(account: Account, archive: Path) -> None:
    _, program = account(World(count=60))
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    process = subprocess.Popen(
        program.command("sync", archive, "-vv"), env=program.environment(), stdout=writer, stderr=writer
    )
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as said:
        text = said.read()
    assert process.wait(TIMEOUT) == 0
    assert text.splitlines()[-1].startswith("All 60 AI Studio videos are here and verified.")
