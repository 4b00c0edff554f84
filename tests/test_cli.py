"""The command line as a person and a script meet it: help, mistakes, where the archive is, what is printed where."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pictory_archiver import __version__
from pictory_archiver.archive import MARKER
from pictory_archiver.cli import cli
from pictory_archiver.cli_params import Duration, Size
from pictory_archiver.simulator import World

from .conftest import Account
from .support import TIMEOUT, Program, check_against_world, required
from .terminal import Terminal

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals and shells of POSIX")


def every_command(group: click.Group = cli, *before: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*before, name), command
        if isinstance(command, click.Group):
            yield from every_command(command, *before, name)


COMMANDS = dict(every_command())


@pytest.fixture
def bare(tmp_path: Path) -> Program:
    """The program without an account: whatever needs one has to fail, and nothing can be reached."""
    return Program(tmp_path / "home", "http://127.0.0.1:9/pictoryapis", (), key=None)


# --- help ---


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_and_every_option_explains_itself(words: tuple[str, ...]) -> None:
    command = COMMANDS[words]
    printed = CliRunner().invoke(cli, [*words, "--help"]).output
    assert printed.startswith(f"Usage: cli {' '.join(words)}")
    assert len((command.help or "").split()) > 5
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.help, option.name
            assert all(name in printed for name in option.opts)
    assert CliRunner().invoke(cli, [*words, "-h"]).output == printed


def test_the_short_help_names_the_commands_in_the_order_of_a_journey(bare: Program) -> None:
    outcome = bare.run("--help")
    assert outcome.status == 0
    _, _, listed = outcome.stdout.partition("Commands:\n")
    names = [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "]
    assert names[:4] == ["init", "sync", "status", "list"]
    assert set(names) - {"Every"} == {name for name, command in cli.commands.items() if not command.hidden}
    assert "\n  simulate " not in outcome.stdout
    assert "..." not in listed, "a short help is cut off"


def test_the_version(bare: Program) -> None:
    outcome = bare.run("--version")
    assert (outcome.status, outcome.stdout) == (0, f"pictory-archiver {__version__}\n")


# --- mistakes ---


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["synk"], "Did you mean 'sync'?"),
        (["config", "chek"], "Did you mean 'check'?"),
        (["sync", "--dryrun"], "Did you mean '--dry-run'?"),
        (["sync", "--limit", "0"], "0 is not in the range x>=1"),
        (["sync", "--limit", "many"], "'many' is not a valid integer range"),
        (["sync", "--workers", "65"], "65 is not in the range 1<=x<=64"),
        (["sync", "--since", "yesterday"], "'yesterday' is no date: write 2026-04-09, or 2026-04-09T18:00"),
        (["sync", "--until", "2026-02-30"], "'2026-02-30' is no date"),
        (["sync", "--assets", "vidoe"], "'vidoe' is none of video, thumbnail, preview, last_frame, inputs"),
        (["sync", "--assets", ""], "'' is none of"),
        (["sync", "one", "two"], "unexpected extra argument (two)"),
        (["status", "--limit", "3"], "No such option"),
        (["demo", "--videos", "-1"], "-1 is not in the range"),
        (["simulate", "--faults", "nowhere.json"], "'nowhere.json' does not exist"),
        (
            ["sync"],
            "there is no API key; run `pictory-archiver init`, or put the key into the variable PICTORY_API_KEY",
        ),
        (["status"], "no archive is named; name its folder, or set `archive` in the settings"),
        (["sync", "--config", "nowhere.yaml"], "nowhere.yaml is not there"),
        (["sync", "--allow-origin", "ftp://x"], "ftp://x"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_named_in_one_line(bare: Program, tmp_path: Path, words: list[str], said: str) -> None:
    outcome = bare.run(*words, cwd=tmp_path)
    assert outcome.status == 2
    assert outcome.stdout == ""
    (error,) = [line for line in outcome.stderr.splitlines() if line.startswith("Error: ")]
    assert said in error
    assert outcome.stderr.splitlines()[-1] == error


def test_no_command_shows_the_help(bare: Program) -> None:
    outcome = bare.run()
    assert outcome.status == 2
    assert "Commands:" in outcome.stderr


def test_dates_in_the_wrong_order(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=1))
    outcome = program.run("sync", archive, "--since", "2026-05-02", "--until", "2026-05-01")
    assert outcome.status == 2
    assert outcome.stderr == "Error: --since is later than --until; swap the two dates\n"
    assert not simulator.requests()
    assert not archive.exists()


# --- which archive ---


def test_the_archive_is_named_or_of_the_settings_or_where_one_is(account: Account, tmp_path: Path) -> None:
    simulator, program = account(World(count=2))
    program.settings["archive"] = str(tmp_path / "of-the-settings")
    assert program.run("sync").status == 0
    check_against_world(tmp_path / "of-the-settings", simulator)
    assert program.run("sync", "named", cwd=tmp_path).status == 0
    check_against_world(tmp_path / "named", simulator)
    assert f"{tmp_path / 'of-the-settings'}\n" in program.run("status").stdout

    del program.settings["archive"]
    inside = next((tmp_path / "named").glob("2*/*"))
    for folder in (tmp_path / "named", inside):
        found = program.run("status", cwd=folder)
        assert (found.status, f"{tmp_path / 'named'}\n" in found.stdout) == (0, True)
    simulator.forget()
    assert program.run("sync", cwd=inside).status == 0
    assert not simulator.requests(origin="cdn")
    assert program.run("status", cwd=tmp_path).status == 2
    assert program.run("sync", cwd=tmp_path).status == 2
    assert program.run("status", tmp_path / "home").status == 6


@posix_only
def test_an_archive_that_somebody_else_has_made_above_is_not_taken_for_ours(account: Account, tmp_path: Path) -> None:
    """As anybody can in /tmp."""
    required(os.geteuid() == 0, "root, to make an archive of somebody else")
    simulator, program = account(World(count=1))
    shared = tmp_path / "shared"
    assert program.run("sync", shared).status == 0
    os.chown(shared / MARKER, 12345, 12345)
    (shared / "mine").mkdir()
    simulator.forget()
    for command in ("status", "sync", "verify"):
        outcome = program.run(command, cwd=shared / "mine")
        assert outcome.status == 2, outcome
        assert outcome.stderr == f"Error: the archive {shared} is another user's; name its folder, if it is meant\n"
    assert not simulator.log
    assert program.run("status", cwd=shared).status == 0
    assert program.run("status", "..", cwd=shared / "mine").status == 0


def test_a_folder_in_the_home_is_meant_by_a_tilde(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=1))
    assert program.run("sync", "~/kept").status == 0
    check_against_world(program.home / "kept", simulator)


def test_a_word_is_never_taken_for_an_archive(account: Account, tmp_path: Path) -> None:
    _, program = account(World(count=1))
    (tmp_path / "notes.txt").write_text("mine")
    outcome = program.run("sync", "notes.txt", cwd=tmp_path)
    assert outcome.status == 2
    assert "notes.txt is a file, not a folder" in outcome.stderr
    full = program.run("sync", tmp_path)
    assert full.status == 2
    assert "is not empty and holds no archive" in full.stderr


# --- what is printed, and where ---


def test_prompts_of_every_script_are_printed_whatever_the_locale(account: Account, archive: Path) -> None:
    world = World(count=4)
    world.change(0, prompt="雨の東京 — قطة — Ångström 🎬")
    _, program = account(world)
    program.env = {"LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    outcome = program.run("sync", archive, "--dry-run")
    assert outcome.status == 0
    assert "雨の東京 — قطة — Ångström 🎬" in outcome.stdout
    assert program.run("sync", archive, "-vv").status == 0
    assert program.run("status", archive).status == 0


def test_hostile_prompts_cannot_speak_to_the_terminal(account: Account, archive: Path) -> None:
    world = World(count=1)
    world.change(0, prompt="\x1b[2J\x1b]0;owned\x07 \u202egpj.exe end")
    _, program = account(world)
    outcome = program.run("sync", archive, "--dry-run")
    assert outcome.status == 0
    assert not set(outcome.stdout) & {"\x1b", "\x07", "\u202e"}


@posix_only
@pytest.mark.parametrize(
    ("words", "status"),
    [("sync . --dry-run", 0), ("sync . --json", 0), ("status .", 5), ("config show", 0), ("--help", 0)],
)
def test_a_reader_that_leaves_is_no_crash(account: Account, archive: Path, words: str, status: int) -> None:
    _, program = account(World(count=5))
    assert program.run("sync", archive, "--limit", "1").status == 0
    process = program.start(*words.replace(".", str(archive)).split())
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(TIMEOUT) == status


@posix_only
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_closed_streams_are_no_crash(account: Account, archive: Path, closed: str) -> None:
    simulator, program = account(World(count=2))
    shell = ["sh", "-c", f'"$@" {closed}', "sh", *program.command("sync", archive)]
    done = subprocess.run(
        shell, env=program.environment(), capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    check_against_world(archive, simulator)


# --- shell completion ---


@posix_only
def complete(program: Program, words: str, at: int) -> list[str]:
    """What bash would be offered for the word at this position."""
    program.env = {"_PICTORY_ARCHIVER_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
    offered = subprocess.run(
        [str(Path(sys.executable).with_name("pictory-archiver"))],
        env=program.environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert offered.stderr == ""
    return [line.partition(",")[2] for line in offered.stdout.splitlines()]


@posix_only
def test_the_shell_completes_commands_options_and_kinds(bare: Program) -> None:
    assert sorted(complete(bare, "pictory-archiver s", 1)) == [
        *("schedule", "search", "serve", "show", "stats", "status", "sync"),
    ]
    assert complete(bare, "pictory-archiver config ", 2) == ["check", "show"]
    assert complete(bare, "pictory-archiver sync --dr", 2) == ["--dry-run"]
    assert complete(bare, "pictory-archiver sync --assets vid", 3) == ["video"]
    assert complete(bare, "pictory-archiver sync --assets video,", 3) == [
        "video,thumbnail",
        "video,preview",
        "video,last_frame",
        "video,inputs",
    ]


@posix_only
def test_the_script_for_bash(bare: Program) -> None:
    bare.env = {"_PICTORY_ARCHIVER_COMPLETE": "bash_source"}
    program = str(Path(sys.executable).with_name("pictory-archiver"))
    script = subprocess.run(
        [program], env=bare.environment(), capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert "_PICTORY_ARCHIVER_COMPLETE=bash_complete" in script.stdout
    assert "complete " in script.stdout


# --- start-up ---


def modules_of(*command: str | Path, env: dict[str, str]) -> set[str]:
    """The modules that a command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *map(str, command)],
        env=env,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


def test_only_what_needs_the_network_loads_it(account: Account, archive: Path) -> None:
    _, program = account(World(count=1))
    assert program.run("sync", archive).status == 0
    env = program.environment()
    heavy = {"aiohttp", "tqdm", "aiofiles", "truststore", "tenacity", "pictory_archiver.simulator"}
    export = ["export", archive, "--to", "sha256sums"]
    for command in (["--help"], ["--version"], ["sync", "--help"], ["config", "check"], ["status", archive], export):
        loaded = modules_of("-m", "pictory_archiver", *command, env=env)
        assert "pictory_archiver.cli" in loaded
        assert not loaded & heavy, command
    loaded = modules_of("-c", "import pictory_archiver", env=env)
    assert "pictory_archiver" in loaded
    assert not loaded & {*heavy, "msgspec", "click", "asyncio"}


# --- without a key, on a terminal ---


@posix_only
def test_sync_without_a_key_offers_to_set_it_up(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=2))
    key, program.key = simulator.key, None
    env = program.environment()
    del env["PICTORY_ARCHIVER_CONFIG"]
    with Terminal(program.command("sync", archive), env) as terminal:
        terminal.answer("There is no API key yet. Set it up now?", "y")
        terminal.answer("Pictory API key (it stays hidden)", key)
        status = terminal.finish()
    assert status == 0, terminal.output
    assert key not in terminal.output
    assert "The key works: the first page of the list has 2 videos." in terminal.lines
    assert f"All 2 AI Studio videos are here and verified. Open {archive}\r\n" in terminal.output
    check_against_world(archive, simulator)


@posix_only
def test_sync_without_a_key_takes_no_for_an_answer(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=2))
    program.key = None
    with Terminal(program.command("sync", archive), program.environment()) as terminal:
        terminal.answer("Set it up now?", "n")
        assert terminal.finish() == 2
    assert "Error: there is no API key; run `pictory-archiver init`" in terminal.output
    assert not simulator.requests()
    assert not archive.exists()


# --- types of options ---


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("45s", 45), ("1d", 86_400), ("26h", 93_600)],
        *[("7", 7), ("0.5", 0.5), ("2H", 7200), (" 1d2h3m4s ", 93_784), ("30d", 2_592_000)],
    ],
)
def test_a_length_of_time(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-1", "h", "1m2h", "1.5h", "1e3", "10x", "31d", "721h", "٣h", "nan"])
def test_no_length_of_time(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Duration().convert(text, None, None)


def test_a_size() -> None:
    assert [Size().convert(text, None, None) for text in ("10M", "64MB", "5")] == [10 * 2**20, 64_000_000, 5]
    for text in ("", "0", "-5", "x", "2PiB"):
        with pytest.raises(click.BadParameter):
            Size().convert(text, None, None)
