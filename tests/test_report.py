"""The summary of a run, read as a person reads it: whole texts, and the exit status beside them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pictory_archiver.models import Kind, Status
from pictory_archiver.report import FileProblem, Report, count, duration, exit_status, size, summary, verdict

PLACE = "2026/04/09/185147_a-woman-sitting-on-the-grass_20260409185104635ec00b33280fc451f"
SUCCESS = Report(
    archive="/home/ada/Videos",
    account="default",
    started_at="2026-11-22T23:55:01Z",
    ended_at="2026-11-22T23:57:06Z",
    seconds=125.2,
    assets=("video", "thumbnail", "preview", "last_frame", "inputs"),
    listing="full",
    sound=True,
    pages=3,
    listed=300,
    new=300,
    already_held=0,
    updated=0,
    retried=0,
    videos=300,
    complete=300,
    files_stored=1235,
    files_linked=37,
    bytes_stored=17_600_000,
    bytes_received=17_700_000,
    pending=0,
    overdue=0,
    odd_items=0,
    problem_count=0,
    lost_input_count=0,
)
NOTHING = {
    "new": 0,
    "videos": 0,
    "complete": 0,
    "files_stored": 0,
    "files_linked": 0,
    "bytes_stored": 0,
    "bytes_received": 0,
}
ONE = {"listed": 1, "videos": 1, "pages": 1, "new": 1, "complete": 1}


def problem(kind: Kind, status: Status, error: str | None) -> FileProblem:
    return FileProblem(video_id="20260409185104635ec00b33280fc451f", video=PLACE, kind=kind, status=status, error=error)


FAILED = problem(Kind.VIDEO, Status.FAILED, "no byte within 60 s")
GONE = problem(Kind.REFERENCE, Status.MISSING, "HTTP 404")


def told(error_status: int | None = None, /, **facts: Any) -> tuple[int, list[str]]:
    """→ exit status and summary of a successful run that differs by these facts"""
    report = msgspec.structs.replace(SUCCESS, **facts)
    report = msgspec.structs.replace(report, exit_status=exit_status(report, error_status))
    return report.exit_status, summary(msgspec.structs.replace(report, verdict=verdict(report)))


def test_a_first_full_backup() -> None:
    assert told() == (
        0,
        [
            "Listed        300 videos on 3 pages",
            "New           300",
            "Already held  0",
            "Files         1,235 stored, 37 linked, 17.6 MB",
            "Time          2 min 05 s, 141.4 kB/s",
            "All 300 AI Studio videos are here and verified. Open /home/ada/Videos",
        ],
    )


def test_a_run_that_left_something_out() -> None:
    status, lines = told(
        pending=1,
        overdue=2,
        odd_items=1,
        updated=3,
        retried=4,
        problem_count=22,
        problems=(FAILED,) * 22,
        lost_input_count=1,
        lost_inputs=(GONE,),
    )
    assert status == 3
    assert lines[3:6] == [
        "Updated       3 (their metadata changed upstream, or was lost here)",
        "Tried again   4 (files were missing)",
        "In the making 1 (no file to fetch yet)",
    ]
    assert lines[8:] == [
        "Failed        22 files",
        *[f"  video of {PLACE}: failed, no byte within 60 s"] * 20,
        "  … and 2 more (`pictory-archiver status` names them)",
        "Lost inputs   1 file that requests were made with; no video depends on them",
        f"  reference of {PLACE}: missing, HTTP 404",
        "Odd items     1 of the listing could not be read (kept in the catalogue)",
        "Not complete: 22 files of 300 videos could not be had, 2 videos should be finished by now and have no file, "
        "1 item of the listing could not be read. Run it again: what is here is kept, and only the rest is tried.",
    ]


@pytest.mark.parametrize(
    ("facts", "status", "said"),
    [
        (ONE, 0, "The one AI Studio video is here and verified. Open /home/ada/Videos"),
        (
            {**ONE, "complete": 0, "problem_count": 1, "problems": (FAILED,)},
            3,
            "Not complete: 1 file of 1 video could not be had. "
            "Run it again: what is here is kept, and only the rest is tried.",
        ),
        (
            {**NOTHING, "listed": 0},
            0,
            "The account lists no AI Studio videos: there is nothing to archive. Is it the right key?",
        ),
        (
            {**NOTHING, "listed": 2, "videos": 2, "pending": 2},
            0,
            "No AI Studio video has a file yet. 2 videos still in the making: run it again later.",
        ),
        (
            {"complete": 1, "pending": 1, "listed": 2},
            0,
            "The one finished AI Studio video is here and verified. "
            "1 video still in the making: run it again later. Open /home/ada/Videos",
        ),
        (
            {"complete": 298, "pending": 2},
            0,
            "All 298 finished AI Studio videos are here and verified. "
            "2 videos still in the making: run it again later. Open /home/ada/Videos",
        ),
        (
            {"lost_input_count": 1, "lost_inputs": (GONE,)},
            0,
            "All 300 AI Studio videos are here and verified. Open /home/ada/Videos",
        ),
        (
            {"assets": ("video", "inputs")},
            0,
            "All 300 AI Studio videos are here and verified (video, inputs only, as asked). Open /home/ada/Videos",
        ),
        (
            {"sound": False, "selection": "at most 3 new", "complete": 3},
            0,
            "All 3 AI Studio videos asked for (at most 3 new) are here and verified; "
            "this was no full backup. Open /home/ada/Videos",
        ),
        (
            {"sound": False, "selection": "model x", "complete": 1, "assets": ("preview",)},
            0,
            "The one AI Studio video asked for (model x) is here and verified (preview only, as asked); "
            "this was no full backup. Open /home/ada/Videos",
        ),
        (
            {"sound": False, "selection": "model x", "complete": 0},
            0,
            "No AI Studio video that was asked for (model x) has a file; this was no full backup.",
        ),
        (
            {"overdue": 1},
            3,
            "Not complete: 1 video should be finished by now and has no file. "
            "Run it again: what is here is kept, and only the rest is tried.",
        ),
    ],
)
def test_the_verdict_says_what_holds(facts: dict[str, Any], status: int, said: str) -> None:
    ended, lines = told(**facts)
    assert (ended, lines[-1]) == (status, said)
    assert ("Not complete" in said) == bool(status)


def test_a_listing_that_broke_off() -> None:
    status, lines = told(
        5, sound=False, error="the API is in trouble (HTTP 500)", hint="run it again later", complete=200
    )
    assert status == 5
    assert lines[0] == "Listed        300 videos on 3 pages (the listing was not read to its end)"
    assert lines[-1] == "Not complete: the API is in trouble (HTTP 500). Run it again later."


def test_nothing_is_counted_where_nothing_was_listed() -> None:
    assert told(4, sound=False, pages=0, listed=0, error="the API refused the key", **NOTHING) == (
        4,
        ["Not complete: the API refused the key."],
    )


def test_names_that_came_from_outside_are_harmless() -> None:
    hostile = msgspec.structs.replace(FAILED, video="2026/\x1b[2J\nAll is well")
    _, lines = told(problem_count=1, problems=(hostile,))
    assert not any(set(line) & {"\x1b", "\n"} for line in lines)


def test_numbers_for_a_person() -> None:
    assert [size(number) for number in (0, 999, 48_213_000, 3.2e12)] == ["0 Bytes", "999 Bytes", "48.2 MB", "3.2 TB"]
    assert [count(number, "video") for number in (0, 1, 4812)] == ["0 videos", "1 video", "4,812 videos"]
    times = (0.04, 59.9, 60, 125.2, 3599.6, 3600, 90_000)
    assert [duration(seconds) for seconds in times] == [
        "0.0 s",
        "59.9 s",
        "1 min 00 s",
        "2 min 05 s",
        "1 h 00 min",
        "1 h 00 min",
        "25 h 00 min",
    ]
