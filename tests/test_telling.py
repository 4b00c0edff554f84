"""How a run tells others of its end: the report file, pings to a monitor, the user's own command."""

from __future__ import annotations

import errno
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from pictory_archiver.archive import hold
from pictory_archiver.pings import MAX_BODY_BYTES, address, ping
from pictory_archiver.report import Report
from pictory_archiver.simulator import Fault, Match, Stall, World
from pictory_archiver.simulator import Status as HttpStatus
from pictory_archiver.workshop import utc_now

from .conftest import Account, Mount
from .monitor import SECRET, Monitor, monitor
from .schemas import path_of
from .support import TIMEOUT, Outcome, Program, check_against_world, required
from .test_acceptance_disk import TO_THE_LAST_BYTE
from .test_interruption import stop, wait_until

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals and shells of POSIX")

AGENT = "pictory-archiver/test"


@pytest.fixture
def watch() -> Iterator[Monitor]:
    with monitor() as running:
        yield running


def report_of(path: Path) -> dict[str, Any]:
    """The report file, held to its schema."""
    found = json.loads(path.read_bytes())
    jsonschema.Draft202012Validator(json.loads(path_of("report").read_bytes())).validate(found)
    assert isinstance(found, dict)
    return found


def script(folder: Path, text: str) -> str:
    """A command of the user's, in Python, as `--exec` takes it."""
    path = folder / "hook.py"
    path.write_text(f"import json, os, sys, time\n{text}\n")
    return shlex.join([sys.executable, str(path)])


def fill(folder: Path) -> None:
    """Leaves not a byte free."""
    with (folder / "full").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            continue


# --- the report file ---


def test_the_report_file_is_what_json_prints(account: Account, archive: Path, tmp_path: Path) -> None:
    _, program = account(World(count=3))
    outcome = program.run("sync", archive, "--json", "--report", "report.json", cwd=tmp_path)
    assert outcome.status == 0
    assert report_of(tmp_path / "report.json") == outcome.report
    assert not list(tmp_path.glob("*.partial"))


def test_every_end_of_a_run_is_reported(account: Account, archive: Path, tmp_path: Path, watch: Monitor) -> None:
    simulator, program = account(World(count=3))
    program.settings["notify"] = {"healthcheck": watch.url}
    file = tmp_path / "report.json"

    def end(*arguments: str | Path) -> tuple[int, dict[str, Any], Outcome]:
        watch.pings.clear()
        file.unlink(missing_ok=True)
        outcome = program.run("sync", *arguments, "--report", file)
        report = report_of(file)
        assert report["exit_status"] == outcome.status
        assert watch.told == ["start", "fail" if outcome.status else ""]
        assert report["verdict"] in watch.pings[-1].body.decode()
        return outcome.status, report, outcome

    key, program.key = program.key, None
    status, report, outcome = end(archive)
    assert status == 2
    assert outcome.stderr == f"{report['verdict']}\n"
    assert report["error"] == "there is no API key"
    assert report["archive"] == str(archive)
    status, report, _ = end()
    assert (status, report["archive"]) == (2, "")
    program.key = key

    simulator.faults.add(Fault(Match(page=1), HttpStatus(401), times=1))
    status, report, _ = end(archive)
    assert status == 4
    simulator.faults.add(Fault(Match(page=1), HttpStatus(500), times=None))
    status, report, _ = end(archive)
    assert status == 5
    simulator.faults.clear()
    simulator.faults.add(Fault(Match(kind="preview", video=1), HttpStatus(404), times=None))
    status, report, outcome = end(archive)
    assert (status, report["problem_count"]) == (3, 1)
    assert watch.pings[-1].body.decode() == outcome.stdout.strip()
    simulator.faults.clear()

    with hold(archive, time_zone="UTC", now=utc_now()):
        status, report, outcome = end(archive)
    assert status == 75
    assert outcome.stderr == f"{report['verdict']}\n"
    assert report["verdict"].startswith("Error: ")

    (tmp_path / "file").write_text("in the way")
    status, report, _ = end(tmp_path / "file")
    assert status == 2
    status, report, _ = end(archive)
    assert (status, report["complete"]) == (0, 3)


def test_a_full_disk_is_reported(account: Account, mount: Mount, tmp_path: Path, watch: Monitor) -> None:
    folder = mount("size=4m")
    _, program = account(World(count=40, video_bytes=200_000), program=TO_THE_LAST_BYTE)
    file = tmp_path / "report.json"
    outcome = program.run("sync", folder / "archive", "--report", file, "--healthcheck", watch.url)
    assert outcome.status == 6
    report = report_of(file)
    assert report["exit_status"] == 6
    assert report["verdict"] == outcome.verdict
    assert report["bytes_stored"] > 0
    assert watch.told == ["start", "fail"]


def test_a_report_that_finds_no_space_is_a_warning(account: Account, archive: Path, mount: Mount) -> None:
    folder = mount("size=64k")
    fill(folder)
    _, program = account(World(count=1))
    outcome = program.run("sync", archive, "-q", "--report", folder / "report.json")
    assert outcome.status == 0
    assert outcome.stderr == f"Warning: the report was not written: {folder / 'report.json'}: the disk is full\n"
    assert [each.name for each in folder.iterdir()] == ["full"]


@pytest.mark.parametrize("place", ["not/there/report.json", "folder"])
def test_a_report_that_cannot_be_written_is_a_warning(
    account: Account, archive: Path, tmp_path: Path, place: str
) -> None:
    _, program = account(World(count=1))
    (tmp_path / "folder").mkdir()
    outcome = program.run("sync", archive, "-q", "--report", tmp_path / place)
    assert outcome.status == 0
    assert outcome.stderr.startswith("Warning: the report was not written: ")
    assert len(outcome.stderr.splitlines()) == 1


@posix_only
def test_a_report_never_takes_the_place_of_a_device(account: Account, archive: Path, tmp_path: Path) -> None:
    _, program = account(World(count=1))
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    assert program.run("sync", archive, "--report", tmp_path / "link.json").status == 0
    assert (tmp_path / "link.json").is_symlink()
    assert report_of(tmp_path / "real.json")["exit_status"] == 0
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with os.fdopen(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        assert program.run("sync", archive, "--report", pipe).status == 0
        assert json.loads(reader.read())["exit_status"] == 0
    assert pipe.is_fifo()


@posix_only
@pytest.mark.parametrize("option", ["--report", "--log-file"])
def test_a_link_of_another_user_is_not_followed(account: Account, archive: Path, tmp_path: Path, option: str) -> None:
    """As somebody may leave one in /tmp."""
    required(os.geteuid() == 0, "root, to make a link of somebody else")
    _, program = account(World(count=1))
    mine = tmp_path / "mine"
    mine.write_bytes(b"precious")
    link = tmp_path / "shared.json"
    link.symlink_to(mine)
    os.chown(link, 12345, 12345, follow_symlinks=False)
    (tmp_path / "my-own.json").symlink_to(link.name)
    for name in (link, tmp_path / "my-own.json"):
        outcome = program.run("sync", archive, "-q", option, name)
        assert outcome.status == (0 if option == "--report" else 2)
        assert "shared.json is a link of another user" in outcome.stderr
        assert len(outcome.stderr.splitlines()) == 1
    assert mine.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.glob("*.json*")) == ["my-own.json", "shared.json"]


@pytest.mark.parametrize("option", ["--report", "--healthcheck", "--exec"])
def test_a_dry_run_tells_nobody(account: Account, archive: Path, option: str, watch: Monitor, tmp_path: Path) -> None:
    _, program = account(World(count=1))
    outcome = program.run("sync", archive, "--dry-run", option, watch.url)
    assert outcome.status == 2
    assert "--dry-run tells nobody: leave out --report, --healthcheck and --exec." in outcome.stderr
    program.settings["notify"] = {"healthcheck": watch.url, "exec": script(tmp_path, "open('ran', 'w')")}
    assert program.run("sync", archive, "--dry-run", cwd=tmp_path).status == 0
    assert not watch.pings
    assert not (tmp_path / "ran").exists()


# --- pings ---


def test_a_ping_says_who_comes_and_carries_no_key(account: Account, archive: Path, watch: Monitor) -> None:
    simulator, program = account(World(count=2))
    outcome = program.run("sync", archive, "--healthcheck", f"{watch.url}?create=1", "-vv")
    assert outcome.status == 0
    start, success = watch.pings
    assert (start.path, start.body) == (f"/{SECRET}/start?create=1", b"")
    assert (success.path, success.body.decode()) == (f"/{SECRET}?create=1", outcome.stdout.strip())
    for each in watch.pings:
        assert each.method == "POST"
        assert each.headers["User-Agent"].startswith("pictory-archiver/")
        assert simulator.key not in str(each)
    assert SECRET not in outcome.stdout + outcome.stderr


def test_the_start_goes_out_before_the_archive_is_held(account: Account, archive: Path, watch: Monitor) -> None:
    _, program = account(World(count=1))
    assert program.run("sync", archive).status == 0
    with hold(archive, time_zone="UTC", now=utc_now()):
        assert program.run("sync", archive, "--healthcheck", watch.url).status == 75
    assert watch.told == ["start", "fail"]


def check_a_warning_only(program: Program, archive: Path, url: str, reason: str) -> None:
    outcome = program.run("sync", archive, "-q", "--healthcheck", url)
    assert (outcome.status, outcome.stdout) == (0, "")
    assert outcome.stderr.splitlines() == [f"Warning: the ping to http://127.0.0.1 failed: {reason}"] * 2


def test_a_monitor_that_fails_is_asked_twice_and_is_a_warning(account: Account, archive: Path, watch: Monitor) -> None:
    simulator, program = account(World(count=1))
    watch.answers = [500] * 4
    check_a_warning_only(program, archive, watch.url, "HTTP 500")
    assert watch.told == ["start", "start", "", ""]
    check_against_world(archive, simulator)
    watch.pings.clear()
    watch.answers = [503, 200, 404]
    outcome = program.run("sync", archive, "-q", "--healthcheck", watch.url)
    assert outcome.stderr == "Warning: the ping to http://127.0.0.1 failed: HTTP 404\n"
    assert watch.told == ["start", "start", ""]


def test_a_monitor_that_is_not_there(account: Account, archive: Path) -> None:
    _, program = account(World(count=1))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        reason = f"cannot connect to 127.0.0.1:{port}: {os.strerror(errno.ECONNREFUSED)}"
        check_a_warning_only(program, archive, f"http://127.0.0.1:{port}/{SECRET}", reason)


def test_a_redirect_is_not_followed(account: Account, archive: Path, watch: Monitor) -> None:
    _, program = account(World(count=1))
    with monitor() as elsewhere:
        watch.answers, watch.location = [302, 302], elsewhere.url
        check_a_warning_only(program, archive, watch.url, "HTTP 302")
        assert not elsewhere.pings


async def test_a_monitor_that_hangs_is_given_up(watch: Monitor) -> None:
    watch.hangs.set()
    started = time.monotonic()
    said = await ping(watch.url, "start", "", user_agent=AGENT, seconds=1.0)
    assert time.monotonic() - started < 10
    assert said is not None
    assert said.startswith("the ping to http://127.0.0.1 failed: no ")
    assert 1 <= len(watch.pings) <= 2


async def test_a_body_is_cut_between_characters(watch: Monitor) -> None:
    assert await ping(watch.url, "fail", "a" + "é" * MAX_BODY_BYTES, user_agent=AGENT) is None
    body = watch.pings[0].body
    assert len(body) == MAX_BODY_BYTES - 1
    assert set(body.decode()) == {"a", "é"}
    assert await ping(watch.url, "fail", "\udce9", user_agent=AGENT) is None


async def test_a_ping_goes_through_the_proxy(watch: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{watch.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert await ping("http://monitor.example/x", "fail", "", user_agent=AGENT) is None
    assert [each.path for each in watch.pings] == ["http://monitor.example/x/fail"]


async def test_a_ping_without_its_certificates_is_a_warning(tmp_path: Path) -> None:
    said = await ping("https://127.0.0.1:9/x", "fail", "", user_agent=AGENT, ca_file=str(tmp_path / "none.pem"))
    assert said is not None


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("https://hc.example/u-u-id", "https://hc.example/u-u-id/start"),
        ("https://hc.example/u/?a=b/c?d", "https://hc.example/u/start?a=b/c?d"),
        ("https://hc.example", "https://hc.example/start"),
    ],
)
def test_the_word_comes_before_the_query(url: str, start: str) -> None:
    assert address(url, "start") == start
    assert address(url, "success") == url


# --- the command ---


def test_the_command_gets_the_facts_and_the_report(account: Account, archive: Path, tmp_path: Path) -> None:
    simulator, program = account(World(count=3))
    program.env = {"PICTORY_RUN_STALE": "of another run"}
    text = """
facts = {name: value for name, value in os.environ.items() if name.startswith("PICTORY")}
json.dump({"facts": facts, "report": json.load(sys.stdin)}, open("told", "a"))
print("a word on stdout")
"""
    outcome = program.run("sync", archive, "--json", "--exec", script(tmp_path, text), cwd=tmp_path)
    assert outcome.status == 0
    assert outcome.stderr.endswith("a word on stdout\n")
    told = json.loads((tmp_path / "told").read_text())
    assert told["report"] == outcome.report
    facts = {name: value for name, value in told["facts"].items() if name.startswith("PICTORY_RUN_")}
    report = outcome.report
    assert facts == {
        "PICTORY_RUN_EXIT_STATUS": "0",
        "PICTORY_RUN_VERDICT": report["verdict"],
        "PICTORY_RUN_ARCHIVE": str(archive),
        "PICTORY_RUN_ACCOUNT": "default",
        "PICTORY_RUN_LISTED": "3",
        "PICTORY_RUN_NEW": "3",
        "PICTORY_RUN_FILES_STORED": str(report["files_stored"]),
        "PICTORY_RUN_BYTES_STORED": str(report["bytes_stored"]),
        "PICTORY_RUN_PROBLEMS": "0",
    }
    usage = (Path(__file__).parents[1] / "docs" / "usage.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in usage for name in facts)
    assert "PICTORY_API_KEY" not in told["facts"]
    assert simulator.key not in str(told)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("no-such-program-at-all", "no-such-program-at-all could not be started: No such file or directory"),
        ("sh -c 'exit 7'", "sh failed with exit status 7"),
        ("sh -c 'kill -9 $$'", "sh was ended by signal 9"),
        ("true", None),
    ],
)
@posix_only
def test_what_becomes_of_the_command_changes_nothing(
    account: Account, archive: Path, command: str, said: str | None
) -> None:
    simulator, program = account(World(count=1))
    outcome = program.run("sync", archive, "-q", "--exec", command)
    assert (outcome.status, outcome.stdout) == (0, "")
    assert outcome.stderr == (f"Warning: the command {said}\n" if said else "")
    check_against_world(archive, simulator)


def test_a_command_that_cannot_be_split_is_a_mistake(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=1))
    outcome = program.run("sync", archive, "--exec", "sh -c 'open")
    assert outcome.status == 2
    assert "notify.exec: must be a command line whose quotes are closed" in outcome.stderr
    assert not simulator.requests()


@posix_only
def test_a_command_that_reads_nothing_of_a_long_report(account: Account, archive: Path) -> None:
    faults = [Fault(Match(origin="cdn"), HttpStatus(404), times=None)]
    _, program = account(World(count=300), faults)
    outcome = program.run("sync", archive, "--json", "--exec", "sh -c 'exec <&-; sleep 0.2'")
    assert outcome.status == 3
    assert len(outcome.stdout) > 200_000
    assert outcome.stderr == ""


HOOK_RUNNER = """
import sys
from pictory_archiver.hook import run_hook
print(run_hook(tuple(sys.argv[2:]), {}, b"{}", seconds=float(sys.argv[1])))
"""


@posix_only
def test_a_command_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    shell = f"trap '' TERM; sleep 100 & echo $! > {pids}.new; mv {pids}.new {pids}; wait"
    done = subprocess.run(
        [sys.executable, "-c", HOOK_RUNNER, "1.5", "sh", "-c", shell],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert done.stdout == "the command sh was killed: it took more than 2 seconds\n"
    check_gone(int(pids.read_text()))


def check_gone(pid: int) -> None:
    """Waits until a process that nobody may have waited for is no more than a zombie."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except OSError:
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} is still there")


@posix_only
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_the_command_runs(
    account: Account, archive: Path, tmp_path: Path, number: int, status: int
) -> None:
    _, program = account(World(count=1))
    got, pids = tmp_path / "got", tmp_path / "pids"
    shell = (
        f"trap 'echo INT > {got}; exit' INT; trap 'echo TERM > {got}; exit' TERM; sleep 100 & echo $! > {pids}.new; "
    )
    process = program.start("sync", archive, "--exec", shlex.join(["sh", "-c", f"{shell} mv {pids}.new {pids}; wait"]))
    wait_until(pids.exists, process)
    outcome, seconds = stop(program, process, number)
    assert outcome.status == status
    assert seconds < 10
    assert got.read_text().strip() == signal.Signals(number).name.removeprefix("SIG")
    check_gone(int(pids.read_text()))
    assert "All" in outcome.stdout or "The one" in outcome.stdout


# --- signals ---


@posix_only
def test_a_run_that_is_stopped_tells_everybody(account: Account, archive: Path, tmp_path: Path, watch: Monitor) -> None:
    simulator, program = account(World(count=5), [Fault(Match(kind="video", video=4), Stall(10), times=None)])
    program.settings["notify"] = {"exec": script(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'w')")}
    file = tmp_path / "report.json"
    process = program.start("sync", archive, "--report", file, "--healthcheck", watch.url)
    wait_until(lambda: len(simulator.requests(origin="cdn")) >= 20, process)
    outcome, seconds = stop(program, process, signal.SIGTERM)
    assert (outcome.status, outcome.stdout) == (143, "")
    assert outcome.stderr == "Stopped: everything finished so far is kept, the next run goes on from here.\n"
    assert seconds < 15
    assert watch.told == ["start", "fail"]
    assert watch.pings[-1].body.decode() == outcome.stderr.strip()
    report = report_of(file)
    assert (report["exit_status"], report["verdict"]) == (143, outcome.stderr.strip())
    assert report["listed"] == 5
    assert report["files_stored"] > 0
    assert (tmp_path / "ran").exists()


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_first_ping(
    account: Account, archive: Path, tmp_path: Path, watch: Monitor, number: int
) -> None:
    simulator, program = account(World(count=1))
    file = tmp_path / "report.json"
    watch.hangs.set()
    process = program.start("sync", archive, "--report", file, "--healthcheck", watch.url)
    wait_until(lambda: watch.pings, process)
    watch.hangs.clear()
    outcome, seconds = stop(program, process, number)
    assert outcome.status == 128 + number
    assert seconds < 10
    assert report_of(file)["exit_status"] == 128 + number
    assert watch.told == ["start", "fail"]
    assert not simulator.requests()


@posix_only
def test_a_signal_during_the_last_ping(account: Account, archive: Path, watch: Monitor) -> None:
    simulator, program = account(World(count=1), latency=0.5)
    process = program.start("sync", archive, "--healthcheck", watch.url)
    wait_until(simulator.requests, process)
    watch.hangs.set()
    wait_until(lambda: len(watch.pings) >= 2, process)
    outcome, seconds = stop(program, process, signal.SIGINT)
    assert outcome.status == 130
    assert seconds < 10
    assert outcome.stdout.splitlines()[-1].startswith("The one AI Studio video is here and verified.")


@posix_only
def test_a_signal_while_the_program_is_being_loaded() -> None:
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "pictory_archiver", "sync", "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "pictory_archiver.streams" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 143
    assert "Traceback" not in stderr


# --- several runs ---


def test_the_report_of_a_run_without_an_end_can_be_read_back(account: Account, archive: Path, tmp_path: Path) -> None:
    _, program = account(World(count=1))
    program.key = None
    assert program.run("sync", archive, "--report", tmp_path / "r.json").status == 2
    report = msgspec.json.decode((tmp_path / "r.json").read_bytes(), type=Report)
    assert (report.pages, report.sound) == (0, False)
    assert report.hint
