"""`demo` and `simulate`: what somebody tries first, and what a developer works with."""

from __future__ import annotations

import json
import re
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pictory_archiver.simulator import DEFAULT_KEY, Cut, Fault, Match, Status, dump_faults

from .support import TIMEOUT, Program, check_archive, sidecars, snapshot
from .test_library import videos_of


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program of somebody who has no account."""
    return Program(tmp_path / "home", "https://api.example/pictoryapis", (), key=None)


@contextmanager
def simulated(program: Program, *options: str | Path) -> Iterator[dict[str, str]]:
    """`simulate` while the block runs. Yields the variables that it printed."""
    process = program.start("simulate", *options)
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(3)]
        yield dict(shlex.split(line)[1].split("=", 1) for line in lines)
    finally:
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, stdout, stderr) == (143, "", "")


def test_the_demonstration_and_once_more(program: Program, tmp_path: Path) -> None:
    first = program.run("demo", "--videos", "40", cwd=tmp_path)
    root = tmp_path / "pictory-demo"
    assert first.status == 0
    assert "Archiving 40 simulated videos into pictory-demo …\n" in first.stderr
    assert f"\nAll 40 AI Studio videos are here and verified. Open {root}\n" in first.stdout
    assert first.stdout.endswith("For your own videos: pictory-archiver init\n")
    assert f"in any browser:\n{(root / 'index.html').as_uri()}\n" in first.stdout
    assert len(videos_of(root)) == 40
    assert len(check_archive(root)) == 40

    before = snapshot(root)
    second = program.run("demo", "--videos", "40", cwd=tmp_path)
    assert second.status == 0
    assert "\nAlready held  40\nFiles         0 stored, 0 Bytes\n" in second.stdout
    assert snapshot(root) == before
    status = program.run("status", root)
    assert (status.status, status.stdout.count("\n  20")) == (0, 2)


def test_a_demonstration_of_nothing(program: Program, tmp_path: Path) -> None:
    outcome = program.run("demo", tmp_path / "none", "--videos", "0")
    assert outcome.status == 0
    assert "The account lists no AI Studio videos: there is nothing to archive. Is it the right key?" in outcome.stdout


def test_the_demonstration_needs_no_settings_and_touches_no_foreign_folder(program: Program, tmp_path: Path) -> None:
    (tmp_path / "pictory-demo").mkdir()
    (tmp_path / "pictory-demo" / "mine.txt").write_text("mine")
    outcome = program.run("demo", cwd=tmp_path)
    assert outcome.status == 2
    assert "is not empty and holds no archive" in outcome.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of another kind there")
def test_a_simulated_account_for_a_developer(program: Program, tmp_path: Path) -> None:
    with simulated(program, "--videos", "12", "--seed", "7", "--signed", "--latency", "0.01") as printed:
        assert set(printed) == {"PICTORY_API_BASE_URL", "PICTORY_API_KEY", "PICTORY_ARCHIVER_ALLOW_ORIGINS"}
        assert printed["PICTORY_API_KEY"] == DEFAULT_KEY
        user = Program(tmp_path / "user", "", (), env=printed)
        outcome = user.run("sync", tmp_path / "archive")
        assert outcome.status == 0, outcome
    found = check_archive(tmp_path / "archive")
    assert len(found) == 12
    assert not [each for _, sidecar in found.values() for each in sidecar.assets if "Signature" in (each.url or "")]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of another kind there")
def test_a_script_of_faults(program: Program, tmp_path: Path) -> None:
    script = tmp_path / "faults.json"
    script.write_bytes(
        dump_faults(
            [
                Fault(Match(kind="video", video=1), Cut(at=1000)),
                Fault(Match(kind="preview", video=2), Status(404), times=None),
            ]
        )
    )
    with simulated(program, "--videos", "5", "--faults", script) as printed:
        user = Program(tmp_path / "user", "", (), env=printed)
        outcome = user.run("sync", tmp_path / "archive", "-v")
    assert outcome.status == 3
    assert re.search(r"video of \w+: [a-z ]+; trying again in 0 s", outcome.stderr)
    assert len([sidecar for _, sidecar in sidecars(tmp_path / "archive").values() if not sidecar.complete]) == 1


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("not json", "JSON is malformed"),
        ("{}", "Expected `array`, got `object`"),
        (json.dumps([{"on": {}, "action": {"do": "explode"}}]), "Invalid value 'explode'"),
        (json.dumps([{"on": {"page": "three"}, "action": {"do": "html"}}]), "Expected `int | null`, got `str`"),
        (json.dumps([{"on": {"path": "("}, "action": {"do": "html"}}]), "path: "),
    ],
)
def test_a_bad_script_of_faults_is_refused(program: Program, tmp_path: Path, script: str, said: str) -> None:
    (tmp_path / "faults.json").write_text(script)
    outcome = program.run("simulate", "--faults", tmp_path / "faults.json")
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("Error: the script of faults: ")
    assert said in outcome.stderr
    assert outcome.stderr.endswith("; docs/simulator.md describes it\n")


def test_a_port_that_is_taken(program: Program) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        outcome = program.run("simulate", "--api-port", str(taken.getsockname()[1]))
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("Error: the simulator cannot listen: ")
    assert outcome.stderr.endswith("; name another port\n")
