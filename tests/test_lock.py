"""Who holds an archive, how a run says so, and mounts that have no locks: with real processes and real refusals."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pictory_archiver import lock
from pictory_archiver.archive import CATALOGUE, HIDDEN, LOCK, MARKER, hold
from pictory_archiver.database import Database
from pictory_archiver.errors import ArchiveBusy, StorageError
from pictory_archiver.events import Event, Warned
from pictory_archiver.simulator import Fault, Match, Simulator, Stall, World

from .conftest import Account
from .support import Outcome, Program, check_against_world, files_of, required

NOW = datetime(2026, 11, 22, 3, 17, 59, tzinfo=UTC)
STRACE = shutil.which("strace")
ANSWERS = ["ENOLCK", "ENOSYS", "EOPNOTSUPP", "EINVAL"]

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="needs the signals of POSIX")


@contextmanager
def busy_run(account: Account, archive: Path, **program: object) -> Iterator[tuple[Simulator, Program, int]]:
    """A run that holds the archive until the test is done with it. → the account, its program, the process"""
    stalled = Fault(Match(kind="video", video=0), Stall(), times=1)
    simulator, mine = account(World(count=2), [stalled], program=program)
    with mine.start("sync", archive) as process:
        try:
            deadline = time.monotonic() + 30
            while not simulator.requests(kind="video", video=0) and time.monotonic() < deadline:
                assert process.poll() is None, process.communicate()
                time.sleep(0.02)
            (child,) = [json.loads(path.read_bytes())["process"] for path in lock_files(mine, archive)]
            yield simulator, mine, child
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


def lock_files(program: Program, archive: Path) -> list[Path]:
    """The files that tell of a holder."""
    found = [archive / LOCK, *(program.home / ".local/state/pictory-archiver/locks").glob("*")]
    return [path for path in found if path.is_file() and path.stat().st_size]


def without_locks(program: Program, archive: Path, answer: str, calls: str = "flock") -> Program:
    """The program on a mount where locks are refused with this answer. In the state folder they work."""
    required(STRACE, "strace, to make locks fail")
    paths = (archive / LOCK, archive / CATALOGUE, archive / f"{CATALOGUE}.partial", archive / f"{CATALOGUE}-journal")
    only = [word for path in paths for word in ("-P", str(path))]
    inject = ["-e", f"trace={calls}", "-e", f"inject={calls}:error={answer}"]
    program.prefix = (str(STRACE), "-f", "-qq", *only, *inject, "-o", os.devnull)
    return program


def may_trace(run: Outcome) -> Outcome:
    required("ptrace" not in run.stderr, "the permission to trace")
    return run


@needs_signals
def test_a_run_that_is_refused_says_who_holds_the_archive(account: Account, archive: Path) -> None:
    with busy_run(account, archive) as (_, program, process):
        started = time.monotonic()
        refused = program.run("sync", archive)
        assert refused.status == 75, refused
        assert time.monotonic() - started < 2
        pattern = (
            rf"Error: another run holds {re.escape(str(archive))}: process {process} on {re.escape(platform.node())} "
            r"since \d{4}-\d\d-\d\d \d\d:\d\d UTC \(sync\); wait for it, or stop it\n"
        )
        assert re.fullmatch(pattern, refused.stderr), refused.stderr
        assert program.run("sync", archive).stderr == refused.stderr  # asking does not destroy the answer
        assert program.run("sync", archive, "--dry-run").status == 0  # looking needs no lock
        os.kill(process, signal.SIGKILL)


@needs_signals
def test_what_a_killed_run_left_in_the_lock_misleads_nobody(account: Account, archive: Path) -> None:
    with busy_run(account, archive) as (simulator, program, process):
        os.kill(process, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while alive(process) and time.monotonic() < deadline:
            time.sleep(0.02)
    left = (archive / LOCK).read_bytes()
    assert json.loads(left)["process"] == process
    assert program.run("sync", archive).status == 0
    check_against_world(archive, simulator)
    assert (archive / LOCK).read_bytes() == b""
    (archive / LOCK).write_bytes(left.replace(str(process).encode(), str(os.getpid()).encode()))  # a reused number
    assert program.run("sync", archive).status == 0


def alive(process: int) -> bool:
    """Whether a process still runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def said_by_a_contender(root: Path, facts: bytes | None) -> str:
    """What a second run says of the first, which tells this of itself (None: the truth)."""
    with hold(root, time_zone="UTC", now=NOW, command="repair"):
        if facts is not None:
            (root / LOCK).write_bytes(facts)
        with pytest.raises(ArchiveBusy) as caught, hold(root, time_zone="UTC", now=NOW):
            pytest.fail("two runs hold it")
    return str(caught.value).removeprefix(f"another run holds {root}")


def holder(**change: object) -> bytes:
    facts = {"process": 4711, "host": "nas", "since": "2026-11-22T03:17:59Z", "command": "sync"}
    return b" " + json.dumps(facts | change).encode()


def test_the_holder_is_named_with_host_time_and_command(tmp_path: Path) -> None:
    me = f": process {os.getpid()} on {platform.node()} since 2026-11-22 03:17 UTC (repair)"
    assert said_by_a_contender(tmp_path, None) == me
    assert said_by_a_contender(tmp_path, holder()) == ": process 4711 on nas since 2026-11-22 03:17 UTC (sync)"


@pytest.mark.skipif(sys.platform == "win32", reason="no process can be asked for there without harm")
def test_a_holder_that_is_gone_is_not_named_unless_it_may_run_elsewhere(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    process = int(ended.stdout)
    assert said_by_a_contender(tmp_path, holder(process=process, host=platform.node())) == ""
    assert f"process {process} on nas" in said_by_a_contender(tmp_path, holder(process=process))
    assert "process 1 on" in said_by_a_contender(tmp_path, holder(process=1, host=platform.node()))


@pytest.mark.parametrize(
    "facts",
    [
        b"",
        b" ",
        b"1",
        b"\xff\xfe\x00",
        b" [" * 5000,
        holder(process=0),
        holder(process=-1),
        holder(process=2**40),
        holder(since="2026-11-22T03:17:59Z\n"),
        holder(since="yesterday"),
        holder(host=None),
        holder()[:-5],
        holder()[:-1] + b', "deep": ' + b"[" * 2000,
    ],
)
def test_facts_that_are_none_are_not_told(tmp_path: Path, facts: bytes) -> None:
    assert said_by_a_contender(tmp_path, facts) == ""


def test_a_holders_words_cannot_harm_a_terminal(tmp_path: Path) -> None:
    said = said_by_a_contender(tmp_path, holder(host="\x1b[31m\n", command="x" * 500))
    assert said.isprintable()
    assert len(said) < 250


@pytest.mark.parametrize("answer", ANSWERS)
def test_on_a_mount_without_locks_the_lock_is_in_the_state_folder_which_is_said_once(
    account: Account, archive: Path, answer: str
) -> None:
    simulator, program = account(World(count=2))
    without_locks(program, archive, answer)
    first = may_trace(program.run("sync", archive, "-q"))
    assert first.status == 0, first
    (stand_in,) = (program.home / ".local/state/pictory-archiver/locks").iterdir()
    assert first.stderr.count("has no locks") == 1
    assert str(stand_in) in first.stderr
    second = program.run("sync", archive, "-q")
    assert (second.status, second.stdout, second.stderr) == (0, "", "")
    check_against_world(archive, simulator)
    assert {path.name for path in (archive / HIDDEN).iterdir()} == {
        "archive.json", "catalogue.sqlite3", "journal.jsonl", "lock", "sidecar.schema.json",
    }  # fmt: skip
    assert program.run("sync", archive.parent / "another", "-q").status == 0  # it has a lock of its own
    assert (archive.parent / "another" / LOCK).exists()


def test_two_runs_on_a_mount_without_locks(account: Account, archive: Path) -> None:
    _, probe = account(World(count=1))
    may_trace(without_locks(probe, archive.parent / "probe", "ENOLCK").run("--version"))
    prefix = without_locks(probe, archive, "ENOLCK").prefix
    with busy_run(account, archive, prefix=prefix) as (_, program, process):
        refused = program.run("sync", archive)
        assert refused.status == 75, refused
        assert f"process {process} on" in refused.stderr
        assert "no locks" not in refused.stderr
        os.kill(process, signal.SIGKILL)
    run = program.run("sync", archive, "-q")
    assert (run.status, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.parametrize("answer", ANSWERS)
def test_sqlite_does_without_locks_where_there_are_none(account: Account, archive: Path, answer: str) -> None:
    simulator, program = account(World(count=2))
    assert program.run("sync", archive, "--limit", "1").status == 0
    without_locks(program, archive, answer, "flock,fcntl")
    started = time.monotonic()
    run = may_trace(program.run("sync", archive))
    assert run.status == 0, run
    check_against_world(archive, simulator)
    looked = program.run("status", archive)
    assert looked.status == 0, looked
    assert time.monotonic() - started < 30
    program.prefix = ()
    with closing(sqlite3.connect(archive / CATALOGUE)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert program.run("sync", archive).status == 0


def test_a_new_archive_can_be_made_where_sqlite_has_no_locks(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=2))
    run = may_trace(without_locks(program, archive, "ENOLCK", "flock,fcntl").run("sync", archive))
    assert run.status == 0, run
    check_against_world(archive, simulator)


def test_a_catalogue_that_is_busy_is_waited_for_and_not_taken_for_one_without_locks(tmp_path: Path) -> None:
    path = tmp_path / "file.sqlite3"
    Database.create(path, ["CREATE TABLE t (n)"]).close()
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN EXCLUSIVE');"
        "print('held', flush=True); sys.stdin.read(1); c.execute('COMMIT')"
    )
    words = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline().split() == [b"held"]
        assert lock.has_locks(path)
        with ThreadPoolExecutor(1) as threads:
            opening = threads.submit(Database.open, path, ["CREATE TABLE t (n)"])
            assert not wait([opening], timeout=0.5).done
            other.stdin.write(b"x")
            other.stdin.flush()
            with closing(opening.result()) as database:
                assert database.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert lock.has_locks(tmp_path / "not there")


@pytest.mark.skipif(sys.platform == "win32", reason="needs the locks of POSIX")
def test_where_even_the_state_folder_has_no_locks_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def refuses(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(fcntl, "flock", refuses)
    with pytest.raises(StorageError, match="can be locked") as caught, hold(tmp_path / "a", time_zone="UTC", now=NOW):
        pytest.fail("it is not held")
    assert "XDG_STATE_HOME" in caught.value.hint
    assert not (tmp_path / "a" / MARKER).exists()


def test_a_disk_that_has_locks_is_no_news(tmp_path: Path) -> None:
    events: list[Event] = []
    with hold(tmp_path / "a", time_zone="UTC", now=NOW, observer=events.append):
        pass
    assert not [event for event in events if isinstance(event, Warned)]


def test_an_archive_that_must_exist_is_never_made(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=1))
    for arguments in (("sync",), ("sync", "--dry-run")):
        run = program.run(*arguments, archive, "--must-exist")
        assert run.status == 6, run
        assert f"{archive} holds no archive (is the disk mounted?)" in run.stderr
        assert not archive.exists()
    archive.mkdir()
    (archive / "not mounted").write_bytes(b"")
    assert program.run("sync", archive, "--must-exist").status == 6
    (archive / "not mounted").unlink()
    assert program.run("sync", archive, "--must-exist").status == 6
    assert not list(archive.iterdir())
    assert not simulator.log
    assert program.run("sync", archive).status == 0
    before = files_of(archive)
    for arguments in (("sync",), ("sync", "--dry-run")):
        assert program.run(*arguments, archive, "--must-exist").status == 0
    assert files_of(archive) == before
