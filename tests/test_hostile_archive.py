"""An archive that somebody else made, or has had a hand in: nothing outside of it is touched, nothing hangs, and its
words do not reach the terminal as they are."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import struct
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from pictory_archiver.archive import CATALOGUE, HIDDEN, JOURNAL, LOCK, MARKER
from pictory_archiver.database import JOURNAL_MAGIC
from pictory_archiver.quarantine import QUARANTINE
from pictory_archiver.simulator import Simulator, World

from .conftest import Account
from .damage import cut, entry, file_of, flip, rewrite
from .records import leave_unwritten_rollback
from .support import Outcome, Program, check_against_world, files_of, required, sidecars
from .test_upkeep import change

Held = tuple[Simulator, Program]

COMMANDS = ("list", "stats", "status", "verify", "repair", "sync", "reindex")
WORDS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]")
ESCAPE = "\x1b[2J\u009b31m\u202egpj\u2028"

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="names and pipes of POSIX")


@pytest.fixture
def held(account: Account, archive: Path) -> Held:
    """A whole archive."""
    simulator, program = account(World(count=4))
    assert program.run("sync", archive).status == 0
    simulator.forget()
    return simulator, program


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the archive that is none of its business."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "stem.mp4").write_bytes(b"a film of mine")
    (folder / "notes.txt").write_bytes(b"precious\n")
    return folder


def untouched(folder: Path) -> bool:
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    return found == {"stem.mp4": b"a film of mine", "notes.txt": b"precious\n"}


# Paths that lead elsewhere


def lie_in_the_catalogue(archive: Path, **columns: str) -> None:
    """Has the catalogue say something else of one video: where it is (`folder`, `stem`), or its file (`path`)."""
    with closing(sqlite3.connect(archive / CATALOGUE)) as connection:
        for column, value in columns.items():
            table = "assets" if column == "path" else "videos"
            where = "kind = 'video' AND video_id" if column == "path" else "id"
            connection.execute(
                f"UPDATE {table} SET {column} = ? WHERE {where} = (SELECT min(id) FROM videos)",
                (value,),
            )
        connection.commit()


@pytest.mark.parametrize(
    "lie",
    [
        {"folder": "../outside", "stem": "stem", "path": "stem.mp4"},
        {"folder": "OUTSIDE", "stem": "stem", "path": "stem.mp4"},
        {"folder": "2026/../../outside", "stem": "stem"},
        {"stem": "../../../../outside/stem"},
        {"path": "../../../../outside/stem.mp4"},
        {"path": "OUTSIDE/stem.mp4"},
    ],
    ids=str,
)
def test_a_catalogue_leads_nowhere_but_into_the_archive(
    held: Held, archive: Path, outside: Path, lie: dict[str, str]
) -> None:
    simulator, program = held
    for words in ("status", "verify", "repair", "sync", "sync --full", "reindex"):
        video = min(sidecars(archive))
        lie_in_the_catalogue(archive, **{name: value.replace("OUTSIDE", str(outside)) for name, value in lie.items()})
        sidecar = file_of(archive, simulator.world, simulator.world.index(video), "json")
        away = sidecar.rename(archive.parent / "away")
        command, *options = words.split()
        assert program.run(command, archive, *options).status in (0, 5, 7), words
        assert untouched(outside)
        assert sorted(path.name for path in archive.parent.iterdir()) == ["archive", "away", "home", "outside"]
        away.rename(sidecar)
    assert program.run("sync", archive, "--full").status == 0
    check_against_world(archive, simulator)


def test_a_catalogue_does_not_make_a_sidecar_of_the_marker(held: Held, archive: Path) -> None:
    simulator, program = held
    video = min(sidecars(archive))
    marker = (archive / MARKER).read_bytes()
    lie_in_the_catalogue(archive, folder=str(HIDDEN), stem="archive")
    file_of(archive, simulator.world, simulator.world.index(video), "json").unlink()
    assert program.run("repair", archive).status in (0, 7)
    assert program.run("sync", archive, "--full").status == 0
    assert (archive / MARKER).read_bytes() == marker


@pytest.mark.parametrize(
    "name", ["../x.mp4", "/etc/passwd", "a/b.mp4", "..", ".hidden", "x\\y.mp4", "C:x.mp4", "x.mp4\n", "", "x\x00.mp4"]
)
def test_a_sidecar_names_files_of_its_own_folder_alone(held: Held, archive: Path, outside: Path, name: str) -> None:
    """It is damaged then, and counts for nothing; the catalogue knows what it was."""
    simulator, program = held
    before = files_of(archive)
    sidecar = file_of(archive, simulator.world, 0, "json")
    rewrite(sidecar, lambda document: entry(document, "video").update(path=name))
    found = program.run("verify", archive, "--json")
    assert found.status == 7
    assert [each["what"] for each in found.report["damage"]] == ["damaged_sidecar"]
    assert program.run("repair", archive).status == 0
    assert files_of(archive) == before
    assert untouched(outside)


def test_a_rollback_journal_deletes_no_file_that_it_names(held: Held, archive: Path, outside: Path) -> None:
    """SQLite plays back what lies beside its file, and then deletes the file that a journal of several files names."""
    simulator, program = held
    catalogue = archive / CATALOGUE
    leave_unwritten_rollback(catalogue)
    name = str(outside / "notes.txt").encode()
    tail = struct.pack(">I", 2**30 // 4096 + 1) + name + struct.pack(">II", len(name), sum(name)) + JOURNAL_MAGIC
    with catalogue.with_name(f"{catalogue.name}-journal").open("ab") as file:
        file.write(tail)
    shutil.copytree(archive / HIDDEN, archive.parent / "copy")
    with closing(sqlite3.connect(archive.parent / "copy" / catalogue.name)) as connection:
        connection.execute("SELECT count(*) FROM videos").fetchone()
    assert not (outside / "notes.txt").exists()  # so the danger is real
    (outside / "notes.txt").write_bytes(b"precious\n")
    shutil.rmtree(archive.parent / "copy")

    for command in COMMANDS:
        assert program.run(command, archive).status in (0, 5), command
        assert untouched(outside), command
    check_against_world(archive, simulator)
    assert not simulator.requests(origin="cdn")


@pytest.mark.parametrize("name", ["catalogue.sqlite3-journal", "quarantine", "lock", "journal.jsonl", "archive.json"])
def test_no_link_in_the_hidden_folder_is_followed(held: Held, archive: Path, outside: Path, name: str) -> None:
    simulator, program = held
    path = archive / HIDDEN / name
    if path.exists():
        path.unlink()
    path.symlink_to(outside if name == "quarantine" else outside / "notes.txt")
    cut(file_of(archive, simulator.world, 0, "mp4"))
    for command in COMMANDS:
        outcome = program.run(command, archive)
        assert outcome.status in (0, 5, 6, 7), outcome
        assert untouched(outside), command
    path.unlink(missing_ok=True)


# What is no file at all


def gone(path: Path) -> None:
    path.unlink(missing_ok=True)


def pipe(path: Path) -> None:
    gone(path)
    os.mkfifo(path)


def folder(path: Path) -> None:
    gone(path)
    path.mkdir()


def huge(path: Path) -> None:
    """Makes a file one of 20 GB, with a hole in it."""
    with path.open("ab") as file:
        file.truncate(20_000_000_000)


def no_end(path: Path) -> None:
    gone(path)
    path.symlink_to("/dev/zero")


Step = tuple[Callable[[Path], None], PurePosixPath | str]

MADE_HOSTILE: dict[str, tuple[set[int], list[Step]]] = {
    "a pipe as marker": ({6}, [(pipe, MARKER)]),
    "a device as marker": ({6}, [(no_end, MARKER)]),
    "a pipe as journal": ({0, 5, 6}, [(pipe, JOURNAL)]),
    "a pipe as journal, no catalogue": ({0, 5, 6}, [(pipe, JOURNAL), (gone, CATALOGUE)]),
    "a journal of 20 GB, no catalogue": ({0, 5}, [(huge, JOURNAL), (gone, CATALOGUE)]),
    "a pipe as catalogue": ({0, 5}, [(pipe, CATALOGUE)]),
    "a folder as catalogue": ({0, 5}, [(folder, CATALOGUE)]),
    "a pipe as lock": ({0}, [(pipe, LOCK)]),
    "a pipe as partial": ({0, 7}, [(gone, "mp4"), (pipe, "mp4.partial")]),
    "a pipe as mark of a partial": ({0, 7}, [(gone, "mp4"), (pipe, "mp4.partial.json")]),
    "pipes as files": ({0, 7}, [(pipe, "mp4"), (pipe, "preview.jpg"), (pipe, "json")]),
    "folders as files": ({0, 7}, [(folder, "mp4"), (folder, "preview.jpg"), (folder, "json")]),
}
"""The exit statuses that are right, and what is done to which file: of the archive, or of one video by its ending."""


def make_hostile(archive: Path, world: World, steps: list[Step]) -> None:
    beside = file_of(archive, world, 0, "thumbnail.jpg")
    for make, which in steps:
        if isinstance(which, str):
            make(beside.with_name(beside.name.replace("thumbnail.jpg", which)))
        else:
            make(archive / which)


@posix_only
@pytest.mark.parametrize("made", MADE_HOSTILE)
def test_what_is_no_file_is_neither_waited_for_nor_read_to_its_end(held: Held, archive: Path, made: str) -> None:
    simulator, program = held
    statuses, steps = MADE_HOSTILE[made]
    for command in COMMANDS:
        make_hostile(archive, simulator.world, steps)
        assert program.run(command, archive).status in statuses, command
        if "20 GB" in made:
            (archive / JOURNAL).unlink(missing_ok=True)
        if command not in ("repair", "sync"):
            assert program.run("sync", archive, "--full").status in statuses
    if 6 not in statuses:
        check_against_world(archive, simulator)


def test_a_marker_without_an_end_is_damaged_and_made_anew_where_that_is_asked_for(held: Held, archive: Path) -> None:
    simulator, program = held
    huge(archive / MARKER)
    for command in COMMANDS:
        if command != "reindex":
            assert program.run(command, archive).status == 6
    assert program.run("reindex", archive).status == 0
    assert program.run("sync", archive).status == 0
    (kept,) = (path for path in (archive / QUARANTINE).rglob(MARKER.name))
    kept.unlink()  # a look for the key would read all of it
    check_against_world(archive, simulator)


@posix_only
def test_a_folder_in_the_place_of_a_file_is_kept_and_holds_up_no_other(held: Held, archive: Path) -> None:
    simulator, program = held
    for command in ("repair", "sync"):
        for video, suffix in ((0, "mp4"), (1, "json")):
            path = file_of(archive, simulator.world, video, suffix)
            path.unlink()
            path.mkdir()
            (path / "letter.txt").write_bytes(command.encode())
        flip(file_of(archive, simulator.world, 2, "mp4"))
        assert program.run(command, archive, *(["--full"] if command == "sync" else [])).status == 0
        if command == "repair":
            assert program.run("verify", archive).status == 0
    kept = sorted(path.read_bytes() for path in (archive / QUARANTINE).rglob("letter.txt"))
    assert kept == [b"repair", b"repair", b"sync", b"sync"]


DEEP = "[" * 20_000 + "]" * 20_000


def test_what_is_nested_deeper_than_can_be_read_is_damaged(held: Held, archive: Path) -> None:
    """In sidecars, catalogue, journal and the mark of a partial."""
    simulator, program = held
    lines = [
        f'{{"type":"run","started_at":"2026-01-01T00:00:00Z","deep":{DEEP}}}',
        f'{{"type":"verification","deep":{DEEP},"mode":"full"}}',
    ]
    for command in COMMANDS:
        sidecar = file_of(archive, simulator.world, 0, "json")
        sidecar.write_bytes(sidecar.read_bytes().replace(b'"video": {', f'"video": {{"deep": {DEEP},'.encode()))
        mark = file_of(archive, simulator.world, 1, "mp4").with_suffix(".mp4.partial.json")
        file_of(archive, simulator.world, 1, "mp4").unlink()
        mark.write_text(f'{{"deep": {DEEP}}}')
        with (archive / JOURNAL).open("a") as file:
            file.writelines(f"{line}\n" for line in lines)
        change(archive / CATALOGUE, f"UPDATE videos SET item = '{DEEP}' WHERE id = '{simulator.world.id(2)}'")
        assert program.run(command, archive).status in (0, 5, 6, 7), command
        (archive / CATALOGUE).unlink(missing_ok=True)
        assert program.run(command, archive).status in (0, 5, 6, 7), command
        assert program.run("sync", archive, "--full").status == 0
        check_against_world(archive, simulator)


# What it says


def said_by(program: Program, archive: Path, *arguments: str) -> Outcome:
    outcome = program.run(*arguments[:1], archive, *arguments[1:])
    found = WORDS.search(outcome.stdout + outcome.stderr)
    assert found is None, (arguments, outcome)
    return outcome


@posix_only
def test_the_words_of_an_archive_do_not_reach_the_terminal_as_they_are(held: Held, archive: Path) -> None:
    """Names of folders and files, reasons in sidecars, verdicts in journal and catalogue."""
    simulator, program = held
    world = simulator.world
    flip(file_of(archive, world, 0, "mp4"))
    day = file_of(archive, world, 0, "json").parent
    day.rename(day.with_name(f"09{ESCAPE}"))
    (archive / f"mine{ESCAPE}.txt").write_bytes(b"x")
    (archive / f"mine{ESCAPE}.mp4.partial").write_bytes(b"x")

    def lost_to(document: dict[str, Any]) -> None:
        entry(document, "preview").update(status="failed", path=None, error=f"no{ESCAPE}")
        document.update(complete=False, account=ESCAPE, accepted=[ESCAPE])

    rewrite(file_of(archive, world, 1, "json"), lost_to)
    lines = (
        {"type": "run", "started_at": ESCAPE, "ended_at": ESCAPE, "exit_status": 3, "verdict": ESCAPE},
        {"type": "verification", "mode": "full", "started_at": ESCAPE, "ended_at": ESCAPE}
        | {"exit_status": 7, "verdict": ESCAPE},
    )
    for _ in range(2):
        assert "\\x1b[2J" in said_by(program, archive, "verify", "-vv", "--no-progress").stdout
        assert said_by(program, archive, "verify", "--json").status == 7
        with (archive / JOURNAL).open("ab") as file:
            file.writelines(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
        assert "\\x1b[2J" in said_by(program, archive, "status").stdout
        change(archive / CATALOGUE, f"UPDATE runs SET verdict = '{ESCAPE}'")
        assert ESCAPE in said_by(program, archive, "status", "--json").report["runs"][0]["verdict"]
        change(archive / CATALOGUE, f"UPDATE listings SET sound = 0, error = '{ESCAPE}'")
        assert "\\x1b[2J" in said_by(program, archive, "status").stdout
        change(archive / CATALOGUE, f"UPDATE runs SET started = '{ESCAPE}'")
        assert said_by(program, archive, "status").status == 5
        said_by(program, archive, "reindex")
    said_by(program, archive, "repair", "-vv", "--no-progress")
    said_by(program, archive, "sync", "--full", "-vv")


@posix_only
@pytest.mark.skipif(sys.platform == "darwin", reason="names are text there")
def test_a_folder_whose_name_is_no_text_hides_nothing_else(held: Held, archive: Path) -> None:
    simulator, program = held
    former = file_of(archive, simulator.world, 0, "json").parent
    lost = len([path for path in former.iterdir() if path.suffix != ".json"])
    no_text = former.rename(former.with_name(os.fsdecode(b"\xff")))
    outcome = program.run("verify", archive, "--json")
    assert outcome.status == 7
    assert outcome.report["error"] is None
    assert len([each for each in outcome.report["damage"] if each["what"] == "lost"]) == lost
    (note,) = outcome.report["notes"]
    assert (note["what"], note["path"].rpartition("/")[2]) == ("extra", "\\udcff")
    assert program.run("repair", archive).status == 0
    no_text.rename(archive.parent / "aside")
    check_against_world(archive, simulator)


def test_a_check_that_cannot_begin_says_why(held: Held, archive: Path) -> None:
    strace = shutil.which("strace")
    required(strace, "strace, to make a file unreadable")
    _, program = held
    inject = "inject=openat:error=EIO"
    program.prefix = (str(strace), "-f", "-qq", "-o", "/dev/null", "-P", str(archive / CATALOGUE), "-e", inject)
    outcome = program.run("verify", archive)
    assert outcome.status == 6
    assert outcome.stderr.startswith(f"Error: {archive / CATALOGUE}: "), outcome
