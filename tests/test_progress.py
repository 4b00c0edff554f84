"""What a person sees while a run is under way: bars that are not torn on a terminal, dated lines elsewhere."""

from __future__ import annotations

import re
import sys
from functools import partial
from pathlib import Path

import pytest

from pictory_archiver.events import (
    BytesReceived,
    Event,
    FileFailed,
    FileStored,
    PageListed,
    PhaseStarted,
    Retrying,
    VideoDone,
    VideoPlanned,
    VideosHeld,
    Warned,
)
from pictory_archiver.figures import Figures
from pictory_archiver.models import Kind, Slot, Status
from pictory_archiver.progress import LINE_EVERY_SECONDS, Lines, Problems, log_line, watching
from pictory_archiver.simulator import Fault, Match, World
from pictory_archiver.simulator import Status as HttpStatus

from .conftest import Account
from .terminal import Terminal, screen

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")

VIDEO = Slot(Kind.VIDEO)
STORED = FileStored("a", VIDEO, "2026/04/09/185147_a.mp4", 48_213_000)
FAILED = FileFailed("a", VIDEO, Status.MISSING, "HTTP 404")
EVENTS: list[tuple[Event, list[str | None]]] = [
    (Warned("beware"), ["Warning: beware"] * 3),
    (STORED, [None, *["2026/04/09/185147_a.mp4: 48.2 MB"] * 2]),
    (FAILED, [None, *["video of a: missing, HTTP 404"] * 2]),
    (
        FileFailed("a", Slot(Kind.REFERENCE, 2), Status.FAILED, "no byte within 60 s"),
        [None, *["reference-2 of a: failed, no byte within 60 s"] * 2],
    ),
    (
        Retrying("video of a", "HTTP 503", 1, 1.2),
        [None, *["video of a: HTTP 503; trying again in 1 s (attempt 2)"] * 2],
    ),
    (Retrying("video of a", "HTTP 429", 1, 61), ["video of a: HTTP 429; trying again in 61 s (attempt 2)"] * 3),
    (PageListed(2, 1200, last=False), [None, None, "page 2: 1,200 videos so far"]),
    (PageListed(3, 1234, last=True), [None, None, "page 3: 1,234 videos so far, the last page"]),
    (VideoPlanned("a", 1, "new"), [None, None, "a: 1 file to fetch (new)"]),
    (VideoPlanned("a", 0, ""), [None, None, "a: no file to fetch"]),
    (VideoDone("a", complete=True), [None, None, "a: complete"]),
    (VideoDone("a", complete=False), [None, None, "a: not complete"]),
    (PhaseStarted("inputs"), [None, None, "inputs"]),
    (BytesReceived(1), [None] * 3),
    (VideosHeld(3), [None] * 3),
]


@pytest.mark.parametrize(("event", "lines"), EVENTS, ids=lambda value: type(value).__name__)
def test_each_event_is_worth_its_line(event: Event, lines: list[str | None]) -> None:
    assert [log_line(event, verbosity) for verbosity in (0, 1, 2)] == lines


def test_ids_cannot_speak_to_the_terminal() -> None:
    hostile = "\x1b[2J\nWarning: all is lost"
    for event in (
        FileFailed(hostile, VIDEO, Status.FAILED, "x"),
        VideoPlanned(hostile, 1, "new"),
        VideoDone(hostile, complete=True),
    ):
        line = log_line(event, 2)
        assert line is not None
        assert not set(line) & {"\x1b", "\n"}


def test_a_file_that_failed_and_came_later_has_not_failed() -> None:
    figures = Figures()
    for event in (FAILED, FAILED, FileFailed("b", VIDEO, Status.FAILED, "x")):
        figures.update(event)
    assert figures.failed == 2
    figures.update(STORED)
    assert (figures.failed, figures.files) == (1, 1)


def test_lines_come_now_and_then_with_the_figures() -> None:
    now = 0.0
    written: list[str] = []
    lines = Lines(0, written.append, lambda: now)
    for event in (PageListed(1, 100, last=False), VideosHeld(40), STORED, BytesReceived(48_213_000), FAILED):
        lines(event)
    assert written == []
    now = LINE_EVERY_SECONDS
    lines(VideoDone("a", complete=True))
    lines(PageListed(2, 1234, last=True))
    now *= 2
    lines(VideoDone("b", complete=True))
    lines(Warned("beware"))
    lines.close()
    assert [line.partition(" ")[2] for line in written] == [
        "100 videos listed so far, 41 done, 1 file, 48.2 MB, 1 failed",
        "1,234 videos listed, 42 done, 1 file, 48.2 MB, 1 failed",
        "Warning: beware",
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ .*", line) for line in written)


def test_quiet_passes_on_warnings_alone() -> None:
    written: list[str] = []
    view = Problems(written.append)
    for event, _ in EVENTS:
        view(event)
    assert written == ["Warning: beware"]


@pytest.mark.parametrize(("quiet", "view"), [(True, Problems), (False, Lines)])
def test_without_a_terminal_there_are_no_bars(quiet: bool, view: type) -> None:
    with watching(quiet=quiet, verbosity=0, bars=True, write=print) as observer:
        assert type(observer) is view


# --- bars, on a real terminal ---


def frames(terminal: Terminal, columns: int) -> list[list[str]]:
    """The screen as it stood whenever the bars had been drawn."""
    ends = [found.start(1) for found in re.finditer(r"\rFiles [^\r\x1b]*(\x1b\[A)", terminal.output)]
    return [screen(terminal.output[:end], columns) for end in ends]


@posix_only
@pytest.mark.parametrize("columns", [100, 60, 30])
def test_bars_show_what_matters_and_then_go(account: Account, archive: Path, columns: int) -> None:
    world = World(count=60, page_size=30)
    faults = [Fault(Match(kind="preview", video=1), HttpStatus(404), times=None)]
    _, program = account(world, faults, latency=0.03)
    with Terminal(program.command("sync", archive), program.environment(), columns=columns) as terminal:
        assert terminal.finish() == 3
    seen = frames(terminal, columns)
    assert len(seen) > 5
    for lines in seen:
        videos, files = lines[-2:]
        assert len(lines) == 2, "bars are torn"
        assert videos.startswith("Videos  ")
        assert files.startswith("Files   ")
    if columns >= 60:
        early, late = ([line for lines in part for line in lines] for part in (seen[:3], seen[-2:]))
        assert any(re.fullmatch(r"Videos  \d+ of 30 listed so far, the listing goes on", line) for line in early)
        assert any(re.match(r"Videos  \d+ of 60 \|.*\| +\d+% \[\d\d:\d\d<", line) for line in late)
        assert any(re.match(r"Files   \d+ stored, [\d.]+ [kM]B, [\d.]+ [kM]B/s, 1 failed", line) for line in late)
    assert terminal.lines[0].startswith("Listed        60 videos"), "the bars are gone"
    assert not any(line.startswith("Videos  ") for line in terminal.lines)


@posix_only
def test_lines_do_not_tear_the_bars(account: Account, archive: Path) -> None:
    _, program = account(World(count=20), latency=0.02)
    with Terminal(program.command("sync", archive, "-v"), program.environment(), columns=160) as terminal:
        assert terminal.finish() == 0
    summary = terminal.lines.index("Listed        20 videos on 1 page")
    stored = [line for line in terminal.lines[:summary] if line]
    assert len(stored) >= 80
    for line in stored:
        assert re.fullmatch(r"20\d\d/\d\d/\d\d/[\w.-]+: [\d.]+ (Bytes|kB|MB)", line), line


@posix_only
def test_bars_that_are_not_wanted(account: Account, archive: Path) -> None:
    _, program = account(World(count=3))
    with Terminal(program.command("sync", archive, "--no-progress"), program.environment()) as terminal:
        assert terminal.finish() == 0
    assert terminal.lines[0] == "Listed        3 videos on 1 page"
    assert "\x1b" not in terminal.output
    with Terminal(program.command("sync", archive, "-q"), program.environment()) as terminal:
        assert terminal.finish() == 0
    assert terminal.output == ""


@posix_only
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("videos", [0, 1])
def test_bars_of_a_small_account(account: Account, archive: Path, videos: int, unbuffered: str) -> None:
    _, program = account(World(count=videos), program={"env": {"PYTHONUNBUFFERED": unbuffered}})
    with Terminal(program.command("sync", archive), program.environment()) as terminal:
        assert terminal.finish() == 0
    assert terminal.lines[0].startswith(f"Listed        {videos} video")


@posix_only
def test_a_dry_run_prints_its_lines_without_bars(account: Account, archive: Path) -> None:
    _, program = account(World(count=20, page_size=5))
    with Terminal(program.command("sync", archive, "--dry-run"), program.environment(), columns=250) as terminal:
        assert terminal.finish() == 0
    assert "\x1b" not in terminal.output
    assert all("  (new)  " in line for line in terminal.lines[:20])


def test_the_screen_of_the_tests_does_what_a_terminal_does() -> None:
    told = partial(screen, columns=5)
    assert told("one\r\ntwo\r\n") == ["one", "two"]
    assert told("three\rTH") == ["THree"]
    assert told("a\r\nb\x1b[A\rc") == ["c", "b"]
    assert told("abc\r\x1b[K") == []
    assert told("1234567") == ["12345", "67"]
