"""Bytes without an end in places where an HTTP library reads on, signals in every phase, many videos, inputs that are
lost for ever, and where the key could get to: cases 28, 39, 42 and 50 of the acceptance list, beside what other files
hold of them."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pictory_archiver.models import OUTPUTS
from pictory_archiver.simulator import DEFAULT_KEY, Fault, Match, Simulator, Stall, Status, World

from .clock import Clock
from .conftest import Account
from .damage import cut, file_of, flip
from .monitor import monitor
from .support import FAST, Outcome, asset, check_against_world, check_archive, sidecars
from .test_acceptance_api import run_measured
from .test_acceptance_security import assert_nowhere
from .test_interruption import check_that_it_goes_on, check_what_is_there, posix_only, stop, wait_until

MIB = 2**20
NO_MORE_MEMORY_THAN = 150 * MIB
counts_memory = pytest.mark.skipif(sys.platform == "win32", reason="Windows counts the memory of a process otherwise")


# 28: without an end


@contextmanager
def flood(head: bytes, unit: bytes, pause: float = 0.0) -> Iterator[str]:
    """The origin of a server that answers every request with these bytes, the second ones for ever."""
    ended = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def pour(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(head)
            while not ended.wait(pause):
                connection.sendall(unit)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=pour, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        ended.set()
        server.close()


FLOODS: dict[str, tuple[bytes, bytes, float]] = {
    "answers before the answer": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100, 0.0),
    "answers before the answer, slowly": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.1),
    "a status line": (b"HTTP/1.1 200 ", b"O" * 4096, 0.0),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n" * 100, 0.0),
    "headers, slowly": (b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n", 0.1),
    "the name of a header": (b"HTTP/1.1 200 OK\r\n", b"X" * 4096, 0.0),
    "the length of a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 4096, 0.0),
    "what follows the length of a chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
        b"x" * 4096,
        0.0,
    ),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\0\r\n0\r\n", b"X: y\r\n" * 100, 0.0),
}


@counts_memory
@pytest.mark.parametrize("what", FLOODS)
def test_28_what_never_ends_is_a_failed_file(account: Account, archive: Path, what: str) -> None:
    simulator, program = account(World(count=2))
    url = simulator.world.item(1)["url"]
    program.settings = {
        "api": FAST["api"],
        "retry": {**FAST["retry"], "tries": 2},
        "download": {"stall_seconds": 1},
        "network": {"connect_timeout_seconds": 1},
    }
    with flood(*FLOODS[what]) as origin:
        program.origins += (origin,)
        simulator.world.change(1, url=f"{origin}/a.mp4")
        outcome, peak = run_measured(program, "sync", archive)
    assert outcome.status == 3, outcome
    assert outcome.verdict.startswith("Not complete: 1 file of 2 videos could not be had.")
    assert 20 * MIB < peak < NO_MORE_MEMORY_THAN
    found = check_archive(archive)
    for index, video in enumerate(simulator.world.indexes()):
        states = [str(asset(found[simulator.world.id(video)][1], kind).status) for kind in OUTPUTS]
        assert states == ["failed" if index else "stored", "stored", "stored", "stored"]

    simulator.world.change(1, url=url)
    simulator.forget()
    assert program.run("sync", archive).status == 0
    assert [(request.video, request.kind) for request in simulator.requests(origin="cdn")] == [(1, "video")]
    check_against_world(archive, simulator)


# 39: signals, whatever a run is about


PHASES: dict[str, tuple[list[Fault], Callable[[Simulator], object]]] = {
    "a page behind others": (
        [Fault(Match(page=3), Stall(at=20), times=None)],
        lambda simulator: simulator.requests(page=3),
    ),
    "the retries of a page": (
        [Fault(Match(page=2), Status(503, {"Retry-After": "600"}), times=None)],
        lambda simulator: simulator.requests(page=2),
    ),
    "inputs": (
        [Fault(Match(kind="upload"), Stall(at=100), times=None)],
        lambda simulator: simulator.requests(kind="upload"),
    ),
    "fresh links": (
        [Fault(Match(kind="video", video=3), Status(403)), Fault(Match(page=1), Stall(), nth=2, times=None)],
        lambda simulator: len(simulator.requests(page=1)) > 1,
    ),
}


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("phase", PHASES)
def test_39_a_signal_ends_a_run_in_every_phase(account: Account, archive: Path, phase: str, number: int) -> None:
    faults, reached = PHASES[phase]
    simulator, program = account(World(count=40, page_size=10), faults)
    process = program.start("sync", archive)
    wait_until(lambda: reached(simulator), process)
    outcome, seconds = stop(program, process, number)
    assert (outcome.status, seconds < 10) == (128 + number, True)
    assert outcome.stderr.endswith("Stopped: everything finished so far is kept, the next run goes on from here.\n")
    simulator.faults.clear()
    check_that_it_goes_on(simulator, program, archive, check_what_is_there(archive, simulator))


# 42: many videos, and inputs that are lost


@counts_memory
def test_42_fifty_thousand_videos_are_listed_and_planned_in_little_memory(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=50_000))
    outcome, peak = run_measured(program, "sync", archive, "--dry-run", "--json")
    assert outcome.status == 0, outcome.stderr
    lines = outcome.stdout.splitlines()
    assert len(lines) == 50_001
    assert json.loads(lines[-1])["videos"] == 50_000
    assert len(simulator.requests(origin="api")) == 500
    assert 20 * MIB < peak < NO_MORE_MEMORY_THAN


@counts_memory
def test_42_memory_does_not_grow_with_the_videos_that_are_archived(account: Account, tmp_path: Path) -> None:
    peaks = []
    for count in (150, 1500):
        _, program = account(World(count=count))
        outcome, peak = run_measured(program, "sync", tmp_path / f"{count}", "--assets", "thumbnail")
        assert outcome.verdict.startswith(f"All {count:,} AI Studio videos are here and verified"), outcome
        peaks.append(peak)
    assert 20 * MIB < peaks[1] < min(peaks[0] + 30 * MIB, NO_MORE_MEMORY_THAN)


@counts_memory
def test_42_the_list_is_not_read_on_while_no_file_comes(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=50_000), [Fault(Match(origin="cdn"), Stall(at=100), times=None)])
    outcome, peak = run_measured(program, "sync", archive, "--max-duration", "4")
    assert outcome.status == 3, outcome
    assert "the time was up with work left" in outcome.verdict
    assert len(simulator.requests(origin="api")) == 1
    assert 20 * MIB < peak < NO_MORE_MEMORY_THAN
    check_archive(archive)


def test_42_an_input_on_a_host_that_is_dead_for_ever_is_named_and_spoils_nothing(
    account: Account, archive: Path
) -> None:
    """Over three months of runs: it is tried after growing pauses, then given up, and named all the time."""
    clock = Clock()
    clock.set(datetime(2026, 11, 22, 3, 17, tzinfo=UTC))
    began = clock.now
    world = World(count=3, clock=clock)
    world.change(1, firstFrameImageUrl="https://pictures.gone-for-ever.invalid/first.png")
    simulator, program = account(world)
    tried = []
    for day in (0, 1, 2, 9, 10, 39, 40, 90):
        clock.set(began + timedelta(days=day))
        program.env = clock.environment()
        outcome = program.run("sync", archive, "-v")
        assert outcome.status == 0, outcome
        assert outcome.verdict.startswith("All 3 AI Studio videos are here and verified.")
        assert "Lost inputs   1 file that requests were made with; no video depends on them\n" in outcome.stdout
        tried += [day] if "first_frame of " in outcome.stderr else []
        for said in (outcome.stdout, program.run("status", archive).stdout):
            (line,) = (line for line in said.splitlines() if line.startswith("  first_frame of "))
            assert "the name pictures.gone-for-ever.invalid was not found" in line
        assert program.run("status", archive).status == 0
        check_against_world(archive, simulator)
    assert tried == [0, 1, 2, 9, 39]
    entry = asset(sidecars(archive)[world.id(1)][1], "first_frame")
    assert (entry.path, "was not found" in entry.error) == (None, True)


# 50: where the key could get to


def test_50_the_key_is_in_no_log_no_report_no_ping_and_nothing_that_a_command_gets(
    account: Account, archive: Path, tmp_path: Path
) -> None:
    simulator, program = account(
        World(count=12, page_size=4),
        [
            Fault(Match(page=2), Status(500, {"X-Echo": DEFAULT_KEY}, f"you sent {DEFAULT_KEY}")),
            Fault(Match(kind="preview", video=1), Status(404), times=None),
        ],
    )
    simulator.world.change(3, prompt=f"made with {DEFAULT_KEY}", **{DEFAULT_KEY: DEFAULT_KEY})
    told = tmp_path / "told"
    told.mkdir()
    hook = tmp_path / "hook.py"
    hook.write_text(
        "import json, os, sys\n"
        f"with open({str(told / 'hook')!r}, 'a') as file:\n"
        "    file.write(json.dumps(dict(os.environ)) + sys.stdin.read())\n"
        "print(os.environ)\n"
    )
    numbers = iter(range(100))
    runs: list[Outcome] = []

    def run(status: int, *words: str | Path, tells: bool = False) -> None:
        number = next(numbers)
        kind = "json" if number % 2 else "text"
        more: list[str | Path] = []
        if words[0] in ("sync", "verify", "repair"):
            more = ["-vv", "--report", told / f"report-{number}", "--log-file", told / f"log-{number}"]
            more += ["--log-format", kind]
        if tells:
            more += ["--healthcheck", watch.url, "--exec", shlex.join([sys.executable, str(hook)])]
        runs.append(program.run(words[0], archive, *words[1:], *more))
        assert runs[-1].status == status, runs[-1]

    with monitor() as watch:
        run(3, "sync", tells=True)
        simulator.faults.add(Fault(Match(origin="api"), Status(500, {}, f"key {DEFAULT_KEY}"), times=None))
        run(5, "sync", "--full", tells=True)
        flip(file_of(archive, simulator.world, 0, "mp4"))
        cut(file_of(archive, simulator.world, 2, "json"), 50)
        run(7, "verify")
        run(0, "repair")
        simulator.faults.clear()
        simulator.faults.add(Fault(Match(origin="api"), Status(401, {}, DEFAULT_KEY), times=None))
        run(4, "sync", tells=True)
        run(0, "accept", simulator.world.id(1))
        run(0, "reindex")
        run(5, "status")
        (told / "pings").write_text(repr(watch.pings))
        assert len(watch.pings) == 6
    written = {path.name for path in told.iterdir()}
    assert {"hook", "pings", "report-0", "log-0", "log-1", "report-2", "report-3"} <= written
    assert all(path.stat().st_size for path in told.iterdir())
    assert_nowhere(DEFAULT_KEY, archive, runs)
    for path in told.iterdir():
        assert DEFAULT_KEY.encode() not in path.read_bytes(), path
    assert "PICTORY_API_KEY" not in (told / "hook").read_text()
