"""The options of `sync`: what is chosen, what is said, and a dry run that leaves no trace."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pictory_archiver.models import OUTPUTS, Status
from pictory_archiver.simulator import Delay, Fault, Match, Simulator, World
from pictory_archiver.simulator import Status as HttpStatus

from .conftest import Account
from .support import Outcome, asset, check_against_world, check_archive, files_of, sidecars

GONE = HttpStatus(404)


def everything(root: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder, hidden ones too, with its size and time of change: what may not differ at all."""
    paths = [root, *root.rglob("*")] if root.exists() else []
    return {str(path.relative_to(root)): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


def told(outcome: Outcome) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The videos of a dry run, and its end."""
    *videos, end = map(json.loads, outcome.stdout.splitlines())
    assert all(video["type"] == "video" for video in videos)
    assert end["type"] == "preview"
    return videos, end


def dated(world: World, *moments: str) -> None:
    """Gives the videos of a world these creation dates, newest first."""
    for index, moment in enumerate(moments):
        world.change(index, createdDate=moment)


# --- dry run ---


def test_a_dry_run_of_a_new_archive_writes_nothing_at_all(account: Account, tmp_path: Path) -> None:
    simulator, program = account(World(count=12))
    program.home = tmp_path.with_name(f"{tmp_path.name}-home")
    before = everything(tmp_path)
    outcome = program.run("sync", tmp_path / "not" / "there", "--dry-run")
    assert outcome.status == 0
    assert everything(tmp_path) == before
    assert not simulator.requests(origin="cdn")
    *videos, listed, fetch, free, end = outcome.stdout.splitlines()
    assert len(videos) == 12
    assert all("  (new)  " in line for line in videos)
    assert videos[0].startswith(f"{simulator.world.item(0)['createdDate'][:10]}  {simulator.world.id(0)}  video, ")
    assert listed == "Listed        12 videos on 1 page"
    assert "files of 12 videos, of unknown size (nothing is held yet to estimate it from)" in fetch
    assert re.fullmatch(r"Free space    [\d.]+ .B", free)
    assert end == f"This was a dry run: nothing was written to {tmp_path / 'not' / 'there'}"


def test_a_dry_run_says_why_each_file_is_wanted(account: Account, archive: Path) -> None:
    world = World(count=8)
    simulator, program = account(world, [Fault(Match(kind="preview", video=2), GONE, times=None)])
    assert program.run("sync", archive, "--assets", "video,preview").status == 3
    path, sidecar = sidecars(archive)[world.id(5)]
    path.with_name(asset(sidecar, "video").path).unlink()
    world.add(1)
    before = everything(archive)

    outcome = program.run("sync", archive, "--dry-run", "--json", "--assets", "video,preview,last_frame")
    assert outcome.status == 0
    assert everything(archive) == before
    videos, end = told(outcome)
    reasons = {video["video_id"]: (video["reason"], video["files"]) for video in videos}
    assert reasons[world.id(-1)] == ("new", ["video", "preview", "last_frame"])
    assert reasons[world.id(2)] == ("tried before: HTTP 404", ["preview", "last_frame"])
    assert reasons[world.id(5)] == ("lost from the disk", ["video", "last_frame"])
    assert reasons[world.id(0)] == ("asked for now", ["last_frame"])
    assert (end["listed"], end["videos"], end["files"]) == (9, 9, 13)
    assert end["selection"] is None
    assert end["bytes_free"] > 0

    simulator.faults.clear()
    assert program.run("sync", archive, "--assets", "video,preview,last_frame").status == 0
    held = sum(len(data) for name, data in files_of(archive).items() if name.endswith((".mp4", ".jpg", ".png")))
    assert end["bytes_estimated"] == pytest.approx(held * 13 / 27, rel=0.9)
    again = program.run("sync", archive, "--dry-run", "--json", "--assets", "video,preview,last_frame")
    assert told(again)[0] == []
    assert told(again)[1]["bytes_estimated"] == 0


def test_a_dry_run_foretells_the_run(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=30))
    wanted = told(program.run("sync", archive, "--dry-run", "--json", "--limit", "7"))[0]
    assert [video["video_id"] for video in wanted] == [simulator.world.id(index) for index in range(7)]
    assert program.run("sync", archive, "--limit", "7").status == 0
    found = sidecars(archive)
    assert set(found) == {video["video_id"] for video in wanted}
    for video in wanted:
        path, _ = found[video["video_id"]]
        assert path.relative_to(archive).as_posix() == f"{video['path']}.json"


@pytest.mark.parametrize(
    ("fault", "status"),
    [(HttpStatus(401), 4), (HttpStatus(403, body="error code: 1010"), 5), (HttpStatus(500), 5)],
)
def test_a_dry_run_fails_with_the_listing(account: Account, archive: Path, fault: HttpStatus, status: int) -> None:
    _, program = account(World(count=3), [Fault(Match(origin="api"), fault, times=None)])
    outcome = program.run("sync", archive, "--dry-run")
    assert outcome.status == status
    assert outcome.stdout == ""
    assert not archive.exists()


def test_a_dry_run_refuses_what_a_run_would_refuse(account: Account, tmp_path: Path) -> None:
    _, program = account(World(count=3))
    (tmp_path / "mine.txt").write_text("")
    assert program.run("sync", tmp_path, "--dry-run").status == 2


def test_a_dry_run_needs_no_lock_and_works_beside_a_run(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=30), [Fault(Match(kind="video"), Delay(600))])
    running = program.start("sync", archive)
    while not simulator.requests(origin="cdn"):
        assert running.poll() is None
    assert program.run("sync", archive, "--dry-run").status == 0
    assert program.run("status", archive).status == 5
    assert running.poll() is None
    simulator.faults.clear()
    running.terminate()
    running.communicate()
    assert running.returncode == 143
    assert program.run("sync", archive).status == 0


# --- what is kept ---


def test_what_was_not_asked_for_is_fetched_when_it_is(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=40))
    outcome = program.run("sync", archive, "--assets", "thumbnail")
    assert outcome.status == 0
    assert outcome.verdict == (
        f"All 40 AI Studio videos are here and verified (thumbnail only, as asked). Open {archive}"
    )
    assert {request.kind for request in simulator.requests(origin="cdn")} == {"thumbnail"}
    states = Counter(each.status for _, sidecar in check_archive(archive).values() for each in sidecar.assets)
    assert states[Status.STORED] == 40
    assert set(states) == {Status.STORED, Status.SKIPPED}
    assert re.search("\nNot asked for .*40 last_frame, 40 preview, .*40 video\n", program.run("status", archive).stdout)

    simulator.forget()
    assert program.run("sync", archive, "--assets", "preview,last_frame, video").status == 0
    assert {request.kind for request in simulator.requests(origin="cdn")} == {"preview", "last_frame", "video"}
    simulator.forget()
    assert program.run("sync", archive).status == 0
    assert {request.kind for request in simulator.requests(origin="cdn")} == {"upload"}
    check_against_world(archive, simulator)
    simulator.forget()
    less = program.run("sync", archive, "--assets", "video")
    assert (less.status, simulator.requests(origin="cdn")) == (0, [])
    check_against_world(archive, simulator)


# --- which videos ---


def test_a_limit_takes_the_newest_and_is_no_full_backup(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=25, page_size=10))
    first = program.run("sync", archive, "--limit", "3")
    assert first.status == 0
    assert first.verdict == (
        "All 3 AI Studio videos asked for (at most 3 new) are here and verified; this was no full backup. "
        f"Open {archive}"
    )
    assert not simulator.requests(page=2)
    check_against_world(archive, simulator, range(3))
    assert len(sidecars(archive)) == 3
    assert program.run("status", archive).status == 5

    second = program.run("sync", archive, "--limit", "3", "--json").report
    assert (second["new"], second["already_held"], second["sound"]) == (3, 3, False)
    check_against_world(archive, simulator, range(6))
    one = program.run("sync", archive, "--limit", "1")
    assert one.verdict.startswith("All 7 AI Studio videos asked for (at most 1 new) are here and verified")

    last = program.run("sync", archive)
    assert last.verdict == f"All 25 AI Studio videos are here and verified. Open {archive}"
    check_against_world(archive, simulator)
    assert program.run("status", archive).status == 0


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        (["--since", "2026-03-10"], {0, 1, 2}),
        (["--until", "2026-03-10"], {1, 2, 3, 4}),
        (["--since", "2026-03-10", "--until", "2026-03-10"], {1, 2}),
        (["--since", "2026-03-10T12:00"], {0, 1}),
        (["--until", "2026-03-10T12:00:00+01:00"], {2, 3, 4}),
        (["--since", "2026-03-09T23:59:59Z", "--until", "2026-03-10T00:00:00Z"], {3}),
        (["--model", "VEO3.1"], {4}),
        (["--since", "2026-03-12"], set()),
        (["--since", "0001-01-01", "--until", "9999-12-31"], {0, 1, 2, 3, 4}),
        (["--since", "0001-01-01T00:00+14:00", "--until", "9999-12-31T23:00-12:00"], {0, 1, 2, 3, 4}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_dates_and_models_choose(account: Account, archive: Path, options: list[str], chosen: set[int]) -> None:
    world = World(count=6)
    dated(world, "2026-03-11T00:00:00Z", "2026-03-10T23:59:59.999Z", "2026-03-10T00:00:00Z", "2026-03-09T23:59:59.999Z")
    dated(world, *[world.item(index)["createdDate"] for index in range(4)], "2026-03-01T00:00:00Z")
    for index in range(6):
        world.change(index, model="veo3.1" if index == 4 else "other")
    world.change(5, createdDate="long ago")
    _, program = account(world)
    outcome = program.run("sync", archive, *options)
    assert outcome.status == 0
    assert set(sidecars(archive)) == {world.id(index) for index in chosen}
    assert "this was no full backup" in outcome.verdict
    if not chosen:
        assert outcome.verdict.startswith("No AI Studio video that was asked for (since 2026-03-12 00:00) has a file")


def test_days_are_those_of_the_archive(account: Account, archive: Path) -> None:
    world = World(count=3)
    dated(world, "2026-03-10T23:30:00Z", "2026-03-10T12:00:00Z", "2026-03-09T22:59:00Z")
    _, program = account(world)
    program.settings["layout"] = {"time_zone": "Europe/Berlin"}
    assert program.run("sync", archive, "--since", "2026-03-10", "--until", "2026-03-10").status == 0
    assert set(sidecars(archive)) == {world.id(1)}
    program.settings["layout"] = {"time_zone": "Pacific/Auckland"}
    assert program.run("sync", archive, "--since", "2026-03-11").status == 0
    assert set(sidecars(archive)) == {world.id(0), world.id(1)}, "the zone is that of the archive"


def test_an_old_date_lets_the_listing_stop(account: Account, archive: Path) -> None:
    world = World(count=200, page_size=10, span=timedelta(days=200), newest=datetime(2026, 4, 9, tzinfo=UTC))
    simulator, program = account(world)
    assert program.run("sync", archive, "--since", "2026-04-05", "--assets", "thumbnail").status == 0
    assert len(simulator.requests(origin="api")) < 5


# --- how ---


def test_workers_are_how_many_files_download_at_once(account: Account, archive: Path) -> None:
    def most_at_once(simulator: Simulator) -> int:
        starts = [request.at for request in simulator.requests(origin="cdn")]
        return max(sum(start <= other < start + 0.15 for other in starts) for start in starts)

    late = [Fault(Match(origin="cdn"), Delay(0.2), times=None)]
    simulator, program = account(World(count=4), late)
    assert program.run("sync", archive, "--workers", "2", "--assets", "video,thumbnail").status == 0
    assert most_at_once(simulator) == 2
    simulator.forget()
    assert program.run("sync", archive, "--workers", "6", "--assets", "preview,last_frame").status == 0
    assert most_at_once(simulator) == 6


# --- what is said ---


def test_quiet_says_nothing_of_success(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=5))
    for words in (["--dry-run"], [], [], ["--dry-run"]):
        outcome = program.run("sync", archive, "-q", *words)
        assert outcome == Outcome(0, "", "")
    asked = program.run("sync", archive, "-q", "--json")
    assert (asked.report["already_held"], asked.stderr) == (5, "")

    simulator.world.add(1)
    simulator.faults.add(Fault(Match(kind="video", video=-1), GONE, times=None))
    failed = program.run("sync", archive, "--quiet")
    assert failed.status == 3
    assert failed.stderr == ""
    assert "  video of " in failed.stdout
    assert failed.verdict.startswith("Not complete: 1 file of 6 videos could not be had.")


def test_verbose_says_more(account: Account, archive: Path) -> None:
    world = World(count=5)
    faults = [
        Fault(Match(kind="video", video=0), HttpStatus(503)),
        Fault(Match(kind="preview", video=1), GONE, times=None),
    ]
    _, program = account(world, faults)
    outcome = program.run("sync", archive, "-v", "--limit", "2")
    stem = sidecars(archive)[world.id(0)][0].relative_to(archive).as_posix().removesuffix(".json")
    lines = [line.partition(" ")[2] for line in outcome.stderr.splitlines()]
    assert len([line for line in lines if re.fullmatch(r"\S+: [\d.]+ .?B", line)]) == 7
    assert any(line.startswith(f"{stem}.mp4: ") for line in lines)
    assert f"preview of {world.id(1)}: missing, HTTP 404" in lines
    assert any(line.startswith(f"video of {world.id(0)}: HTTP 503; trying again in 0 s (attempt 2)") for line in lines)
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in outcome.stderr.splitlines())

    most = program.run("sync", archive, "-vv")
    assert "page 1: 5 videos so far, the last page" in most.stderr
    assert f"{world.id(3)}: 4 files to fetch (new)" in most.stderr
    assert f"{world.id(3)}: complete" in most.stderr


@pytest.mark.parametrize("option", [[], ["--no-progress"], ["-vv"]])
def test_without_a_terminal_there_are_no_bars(account: Account, archive: Path, option: list[str]) -> None:
    _, program = account(World(count=20))
    outcome = program.run("sync", archive, *option)
    assert outcome.status == 0
    assert not re.search(r"[^\n\x20-\uffff]", outcome.stdout + outcome.stderr), "control characters"
    assert "█" not in outcome.stderr


def test_the_report_as_json(account: Account, archive: Path) -> None:
    world = World(count=10)
    simulator, program = account(world, [Fault(Match(kind="last_frame", video=4), GONE, times=None)])
    outcome = program.run("sync", archive, "--json")
    report = outcome.report
    assert outcome.status == report["exit_status"] == 3
    assert report["format"] == "pictory-archiver/report"
    assert (report["listed"], report["new"], report["pages"], report["problem_count"]) == (10, 10, 1, 1)
    (problem,) = report["problems"]
    assert (problem["video_id"], problem["kind"], problem["status"], problem["error"]) == (
        world.id(4),
        "last_frame",
        "missing",
        "HTTP 404",
    )
    assert (archive / f"{problem['video']}.json").exists()
    assert report["files_stored"] == 10 * len(OUTPUTS) - 1 + len(simulator.requests(kind="upload"))
    assert report["bytes_stored"] <= report["bytes_received"]
    assert "  " in outcome.stdout, "indented"
