"""Logs: what is in them, what machines can rely on, and that a log that fails costs a run nothing but the log."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec
import pytest

from pictory_archiver.events import BytesRead, BytesReceived, Event, ReadingStarted, VideosChecked, VideosHeld
from pictory_archiver.figures import CheckProgress, Progress
from pictory_archiver.logs import LEVELS, LogFile, RunBegan, RunEnded, event_name, json_line
from pictory_archiver.models import Slot
from pictory_archiver.simulator import Fault, Match, Stall, World
from pictory_archiver.simulator import Status as HttpStatus

from .conftest import Account, Mount
from .support import TIMEOUT, check_against_world
from .terminal import Terminal
from .test_interruption import stop, wait_until
from .test_progress import EVENTS
from .test_telling import fill

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="devices and signals of POSIX")

DATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (.*)")
T = TypeVar("T")

NEVER_LOGGED = {BytesReceived, VideosHeld, ReadingStarted, BytesRead, VideosChecked}


def lines_of(path: Path) -> list[str]:
    """The lines of a text log, each seen to be dated."""
    found = [DATED.fullmatch(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert all(found)
    return [match[1] for match in found if match]


def objects_of(text: str) -> list[dict[str, Any]]:
    """The objects of a JSON log, each seen to have the fields that all have."""
    found = [json.loads(line) for line in text.splitlines()]
    for each in found:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each["time"])
        assert each["level"] in ("debug", "info", "warning", "error")
        assert each["event"] in {event_name(kind) for kind in LEVELS}
    return found


def test_every_event_has_a_level_or_is_never_logged() -> None:
    assert set(LEVELS) == {*get_args(Event), RunBegan, RunEnded, Progress, CheckProgress} - NEVER_LOGGED


def test_the_document_names_every_event_with_its_fields() -> None:
    usage = (Path(__file__).parents[1] / "docs" / "usage.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", usage.partition("| `event` |")[2], re.MULTILINE))
    assert set(rows) >= {event_name(kind) for kind in LEVELS}
    for kind in LEVELS:
        fields = [
            name
            for field in msgspec.structs.fields(kind)
            for name in (("kind", "index") if field.type is Slot else (field.name,))
        ]
        assert re.findall(r"`(\w+)`", rows[event_name(kind)]) == fields


@pytest.mark.parametrize("event", [event for event, _ in EVENTS if type(event) not in NEVER_LOGGED], ids=repr)
def test_an_event_as_json(event: Event) -> None:
    (found,) = objects_of(json_line(event, "words"))
    assert found["event"] == event_name(type(event))
    assert "slot" not in found


def test_hostile_text_stays_in_its_line() -> None:
    line = json_line(RunEnded(3, "\x1b[2J\nline\u2028 \ud800 \u202e"), "")
    assert not set(line) & {"\x1b", "\n", "\u2028", "\u202e", "\ud800"}
    assert objects_of(line)[0]["level"] == "error"


# --- the file ---


def test_a_log_has_each_file_whatever_stderr_shows(account: Account, archive: Path, tmp_path: Path) -> None:
    faults = [Fault(Match(kind="preview", video=1), HttpStatus(404), times=None)]
    _, program = account(World(count=3), [*faults, Fault(Match(kind="video", video=0), HttpStatus(503))])
    log = tmp_path / "log"
    log.write_text("2026-01-01T00:00:00Z before\n")
    outcome = program.run("sync", archive, "-q", "--log-file", log)
    assert outcome.status == 3
    assert outcome.stderr == ""
    before, began, *lines, end = lines_of(log)
    assert before == "before"
    assert began.startswith(f"sync of {archive} begins, account default, pictory-archiver ")
    assert sum(line.endswith((" kB", " Bytes", " MB")) for line in lines) >= 11
    assert any("HTTP 503; trying again" in line for line in lines)
    assert any(line.startswith("preview of ") and line.endswith(": missing, HTTP 404") for line in lines)
    assert end == f"{outcome.verdict} (exit status 3)"
    size = len(lines)
    assert program.run("sync", archive, "-vv", "--log-file", log).status == 3
    assert any("page 1: 3 videos" in line for line in lines_of(log)[size:])


@posix_only
def test_a_log_follows_the_umask(account: Account, archive: Path, tmp_path: Path) -> None:
    _, program = account(World(count=1))
    log = tmp_path / "log"
    assert program.run("sync", archive, "--log-file", log, preexec_fn=lambda: os.umask(0o027)).status == 0
    assert stat.S_IMODE(log.stat().st_mode) == 0o640


def test_warnings_and_what_ended_a_run_are_in_the_log(account: Account, archive: Path, tmp_path: Path) -> None:
    _, program = account(World(count=1))
    program.key = None
    log = tmp_path / "log"
    outcome = program.run("sync", archive, "--log-file", log)
    assert outcome.status == 2
    assert lines_of(log) == [f"{outcome.stderr.strip()} (exit status 2)"]
    program.key = "odd_key"
    outcome = program.run("sync", archive, "--log-file", log, "--config", tmp_path / "none.yaml")
    assert outcome.status == 2
    assert lines_of(log)[1:] == [f"{outcome.stderr.strip()} (exit status 2)"]
    outcome = program.run("sync", archive, "--log-file", log)
    assert outcome.status == 4
    warning = "Warning: the API key from PICTORY_API_KEY does not start with pictai_: is it a Pictory key?"
    assert warning in lines_of(log)
    assert outcome.stderr.startswith(f"{warning}\n")


@pytest.mark.parametrize("place", ["not/there/log", "folder"])
def test_a_log_that_cannot_be_opened_is_a_mistake(account: Account, archive: Path, tmp_path: Path, place: str) -> None:
    simulator, program = account(World(count=1))
    (tmp_path / "folder").mkdir()
    outcome = program.run("sync", archive, "--log-file", tmp_path / place)
    assert outcome.status == 2
    assert outcome.stderr.startswith(f"Error: the log file {tmp_path / place} cannot be opened: ")
    assert len(outcome.stderr.splitlines()) == 1
    assert not simulator.requests()
    assert not archive.exists()


@posix_only
def test_the_log_of_a_run_that_is_stopped(account: Account, archive: Path, tmp_path: Path) -> None:
    simulator, program = account(World(count=3), [Fault(Match(kind="video", video=2), Stall(10), times=None)])
    log = tmp_path / "log"
    process = program.start("sync", archive, "--log-file", log)
    wait_until(lambda: len(simulator.requests(origin="cdn")) >= 8, process)
    wait_until(lambda: log.read_text().count("\n") >= 4, process)
    outcome, _ = stop(program, process, signal.SIGTERM)
    assert outcome.status == 143
    assert lines_of(log)[-1] == f"{outcome.stderr.strip()} (exit status 143)"


# --- logs that fail ---


@posix_only
@pytest.mark.parametrize("arguments", [["-q"], ["-v"], ["--log-format", "json"]], ids=" ".join)
def test_a_log_that_takes_nothing_is_said_once(account: Account, archive: Path, arguments: list[str]) -> None:
    simulator, program = account(World(count=10))
    outcome = program.run("sync", archive, "--log-file", "/dev/full", *arguments)
    assert outcome.status == 0
    said = [line for line in outcome.stderr.splitlines() if "the log file /dev/full is not complete" in line]
    assert len(said) == 1
    assert "No space left on device" in said[0]
    if arguments == ["-q"]:
        assert outcome.stderr.startswith("Warning: ")
    check_against_world(archive, simulator)


def test_a_full_disk_under_the_log(account: Account, archive: Path, mount: Mount) -> None:
    folder = mount("size=64k")
    log = folder / "log"
    log.write_text("2026-01-01T00:00:00Z before\n")
    fill(folder)
    simulator, program = account(World(count=40))
    outcome = program.run("sync", archive, "-q", "--log-file", log)
    assert outcome.status == 0
    assert outcome.stderr == f"Warning: the log file {log} is not complete: No space left on device\n"
    check_against_world(archive, simulator)
    mount("size=16m", again=True)
    assert program.run("sync", archive, "-q", "--log-file", log).stderr == ""


def test_a_log_goes_on_once_there_is_space(mount: Mount) -> None:
    folder = mount("size=64k")
    file = folder / "log"
    log = LogFile(file)
    deadline = time.monotonic() + TIMEOUT

    def until(happened: Callable[[], T]) -> T:
        log.hurry()
        while not (found := happened()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return found

    log.write("first")
    until(lambda: file.stat().st_size)
    fill(folder)  # but for what is left of the first block of the log
    log.write("lost " * 2000)
    said = until(log.complaint)
    assert said == f"the log file {file} is not complete: No space left on device"
    assert not file.read_text().endswith("\n")
    (folder / "full").unlink()
    log.write("whole")
    log.close()
    assert file.read_text().splitlines()[::2] == ["first", "whole"]
    assert log.complaint() is None


# --- JSON ---


def test_json_on_stderr_and_in_the_file(account: Account, archive: Path, tmp_path: Path) -> None:
    world = World(count=3, signed=True, url_lifetime=3600)
    simulator, program = account(world, [Fault(Match(kind="video", video=0), HttpStatus(503))])
    log = tmp_path / "log"
    outcome = program.run("sync", archive, "-v", "--log-format", "json", "--log-file", log)
    assert outcome.status == 0
    assert outcome.verdict.startswith("All 3 AI Studio videos are here and verified.")
    text = log.read_text(encoding="utf-8")
    in_file, on_stderr = objects_of(text), objects_of(outcome.stderr)
    for each in (*in_file, *on_stderr):
        del each["time"]
    assert in_file == on_stderr
    assert in_file[0]["event"] == "run_began"
    assert in_file[-1] == {"level": "info", "event": "run_ended", "exit_status": 0, "verdict": outcome.verdict}
    stored = next(each for each in in_file if each["event"] == "file_stored")
    assert stored.keys() == {"level", "event", "video_id", "kind", "index", "path", "bytes"}
    assert (archive / stored["path"]).stat().st_size == stored["bytes"]
    assert any(each["event"] == "retrying" for each in in_file)
    assert not any(each["level"] == "debug" for each in in_file)
    assert simulator.key not in text
    assert "Signature" not in text


def test_json_of_ends_without_a_summary(account: Account, archive: Path) -> None:
    _, program = account(World(count=1))
    outcome = program.run("sync", archive, "-q", "--log-format", "json")
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, "", "")
    program.key = None
    for extra in ([], ["-q"]):
        outcome = program.run("sync", archive, "--log-format", "json", *extra)
        (end,) = objects_of(outcome.stderr)
        assert (outcome.status, end["level"], end["exit_status"]) == (2, "error", 2)
        assert end["verdict"].startswith("Error: there is no API key; ")


@posix_only
def test_json_has_no_bars(account: Account, archive: Path) -> None:
    _, program = account(World(count=5))
    command = program.command("sync", archive, "--log-format", "json")
    with Terminal(command, program.environment(), columns=400) as terminal:
        assert terminal.finish() == 0
    assert "\x1b" not in terminal.output
    assert objects_of(terminal.lines[0])


@posix_only
def test_a_log_can_be_a_pipe(account: Account, archive: Path, tmp_path: Path) -> None:
    _, program = account(World(count=2))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with os.fdopen(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), encoding="utf-8") as reader:
        assert program.run("sync", archive, "--log-file", pipe).status == 0
        assert "begins" in reader.readline()
