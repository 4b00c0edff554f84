"""`init` and `config` against a real listener, and on a real terminal."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest
import yaml

from pictory_archiver.simulator import DEFAULT_KEY, Simulator, World

from .conftest import Account
from .support import Program, check_against_world
from .terminal import Terminal

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")


@pytest.fixture
def newcomer(account: Account) -> tuple[Simulator, Program, Path]:
    """Somebody with a key and no settings; the folder is where the settings will be."""
    simulator, program = account(World(count=3))
    return simulator, program, program.home / ".config" / "pictory-archiver"


def environment(program: Program) -> dict[str, str]:
    """Without a settings file that is named: the one in the user's folder counts."""
    env = program.environment()
    del env["PICTORY_ARCHIVER_CONFIG"]
    return env


def test_init_tries_the_key_and_writes_what_sync_needs(
    newcomer: tuple[Simulator, Program, Path], tmp_path: Path
) -> None:
    simulator, program, _ = newcomer
    outcome = program.run("init", "--config", tmp_path / "mine.yaml", "--archive", tmp_path / "archive")
    assert (outcome.status, outcome.stdout) == (0, "")
    assert outcome.stderr == (
        "The key works: the first page of the list has 3 videos.\n"
        f"Saved: {tmp_path / 'mine.yaml'} and mine.yaml.key beside it. Next: pictory-archiver sync\n"
    )
    assert len(simulator.requests(origin="api")) == 1
    assert yaml.safe_load((tmp_path / "mine.yaml").read_text())["archive"] == str(tmp_path / "archive")
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "mine.yaml.key").stat().st_mode) == 0o600

    program.key = None
    assert program.run("sync", "--config", tmp_path / "mine.yaml").status == 0
    check_against_world(tmp_path / "archive", simulator)
    checked = program.run("config", "check", "--config", tmp_path / "mine.yaml")
    assert (checked.status, checked.stdout) == (0, f"{tmp_path / 'mine.yaml'} is fine\n")
    shown = program.run("config", "show", "--config", tmp_path / "mine.yaml")
    assert f"\napi.base_url {'':>20}".rstrip() in shown.stdout
    assert "pictai_… (from the key file" in shown.stdout
    assert DEFAULT_KEY not in shown.stdout + shown.stderr


@pytest.mark.parametrize(
    ("key", "api", "status", "said"),
    [
        ("pictai_wrong", None, 4, "the API refused the key (HTTP 401)"),
        (DEFAULT_KEY, "http://127.0.0.1:9/pictoryapis", 5, "cannot connect to 127.0.0.1"),
        (DEFAULT_KEY, "http://api.example/pictoryapis", 2, "https"),
        (None, None, 2, "there is no API key, and no terminal to ask for it"),
    ],
)
def test_init_saves_nothing_that_does_not_work(
    newcomer: tuple[Simulator, Program, Path], key: str | None, api: str | None, status: int, said: str
) -> None:
    _, program, _ = newcomer
    program.key = key
    program.api_url = api or program.api_url
    program.env = {"PICTORY_ARCHIVER_RETRY_MAX_WAIT_SECONDS": "0.1", "PICTORY_ARCHIVER_RETRY_MIN_WAIT_SECONDS": "0.1"}
    target = program.home / "new.yaml"
    outcome = program.run("init", "--config", target)
    assert (outcome.status, outcome.stdout) == (status, "")
    assert said in outcome.stderr
    assert not target.exists()
    assert not target.with_name("new.yaml.key").exists()


@posix_only
def test_init_on_a_terminal(newcomer: tuple[Simulator, Program, Path], tmp_path: Path) -> None:
    simulator, program, folder = newcomer
    program.key = None
    with Terminal(program.command("init"), environment(program)) as terminal:
        terminal.answer("Pictory API key (it stays hidden): ", "pictai_mistyped")
        terminal.answer("Pictory API key (it stays hidden): ", f"  Bearer {DEFAULT_KEY} ")
        terminal.answer("Folder of the archive [~/Pictory Archive]: ", str(tmp_path / "my videos"))
        assert terminal.finish() == 0, terminal.output
    assert "mistyped" not in terminal.output
    assert DEFAULT_KEY not in terminal.output
    assert "the API refused the key (HTTP 401)" in terminal.output
    assert "The key works: the first page of the list has 3 videos." in terminal.output
    assert (folder / "config.yaml.key").read_text() == f"{DEFAULT_KEY}\n"
    with Terminal(program.command("sync"), environment(program)) as terminal:
        assert terminal.finish() == 0, terminal.output
    check_against_world(tmp_path / "my videos", simulator)


@posix_only
def test_init_that_is_left_with_ctrl_c_writes_nothing(newcomer: tuple[Simulator, Program, Path]) -> None:
    _, program, folder = newcomer
    program.key = None
    with Terminal(program.command("init"), environment(program)) as terminal:
        terminal.wait_for("Pictory API key (it stays hidden): ")
        terminal.type("pictai_half\x03")
        assert terminal.finish() == 130
    assert terminal.lines[-1] == "Stopped."
    assert "half" not in terminal.output
    assert not folder.exists()


@posix_only
def test_ctrl_c_on_a_terminal_ends_a_run_and_leaves_no_bars(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=60), latency=0.02)
    with Terminal(program.command("sync", archive), program.environment()) as terminal:
        terminal.wait_for("stored, ")
        while len(simulator.requests(origin="cdn")) < 30:
            terminal.wait_for("Files ")
        terminal.type("\x03")
        assert terminal.finish() == 130
    assert terminal.lines == ["Stopped: everything finished so far is kept, the next run goes on from here."]
    assert program.run("sync", archive).status == 0
    check_against_world(archive, simulator)
