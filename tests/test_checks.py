"""What `status` tells of checks: the last one, damage that is known, and since when every file was read."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pictory_archiver.archive import JOURNAL
from pictory_archiver.journal import BLOCK, Checks, read_checks
from pictory_archiver.simulator import Simulator, World
from pictory_archiver.subset import Subset

from .clock import Clock
from .conftest import Account
from .damage import file_of, flip
from .support import Program
from .test_upkeep import lonely

Held = tuple[Simulator, Program]
START = datetime(2026, 12, 1, 4, 47, tzinfo=UTC)


@pytest.fixture
def held(account: Account, archive: Path) -> Held:
    """A whole archive, and the program of its owner."""
    simulator, program = account(World(count=8))
    assert program.run("sync", archive).status == 0
    return simulator, program


def told_of(program: Program, archive: Path) -> tuple[dict[str, Any], str]:
    """What `status` tells a program, and a person."""
    words = lonely(program).run("status", archive)
    report = lonely(program).run("status", archive, "--json").report
    assert words.status == report["exit_status"] == (7 if report["known_damage"] else 0)
    assert words.stdout.startswith("Damaged: " if report["known_damage"] else "Complete as of ")
    return report, words.stdout


def time_of(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]} UTC"


def test_before_any_check_nothing_is_said_of_one(held: Held, archive: Path) -> None:
    report, words = told_of(held[1], archive)
    assert [report[name] for name in ("last_check", "known_damage", "all_read_since")] == [None, None, None]
    assert not [line for line in words.splitlines() if line.startswith(("Last check", "Damage", "All read"))]


def test_a_full_check_tells_when_every_file_was_read(held: Held, archive: Path) -> None:
    _, program = held
    assert program.run("verify", archive).status == 0
    report, words = told_of(program, archive)
    check = report["last_check"]
    assert (check["type"], check["mode"], check["exit_status"]) == ("verification", "full", 0)
    assert (report["all_read_since"], report["known_damage"]) == (check["started_at"], None)
    assert f"\nAll read      since {time_of(check['started_at'])}: every file that was here then\n" in words


@pytest.mark.parametrize(
    ("less", "status", "mode"),
    [(["--quick"], 0, "quick"), (["--subset", "25%"], 0, "subset"), (["--max-duration", "0.001"], 3, "full")],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_less_than_a_full_check_does_not_look_like_one(
    held: Held, archive: Path, less: list[str], status: int, mode: str
) -> None:
    simulator, program = held
    assert program.run("verify", archive, *less).status == status
    report, words = told_of(program, archive)
    assert (report["last_check"]["mode"], report["all_read_since"]) == (mode, None)
    assert "\nAll read      not yet, as far as the journal tells\n" in words

    assert program.run("verify", archive).status == 0
    since = told_of(program, archive)[0]["all_read_since"]
    flip(file_of(archive, simulator.world, 3, "mp4"))
    assert program.run("verify", archive).status == 7
    found = told_of(program, archive)[0]
    assert found["all_read_since"] >= since
    assert found["known_damage"] == found["last_check"]
    flip(file_of(archive, simulator.world, 3, "mp4"))  # whole again: the part that is read may be the one that holds it

    assert program.run("verify", archive, *less).status == status
    report, words = told_of(program, archive)
    assert (report["last_check"]["exit_status"], report["last_check"]["mode"]) == (status, mode)
    assert (report["all_read_since"], report["known_damage"]) == (found["all_read_since"], found["known_damage"])
    when = time_of(found["last_check"]["ended_at"])
    assert f"\nDamage        {when}  {found['last_check']['verdict']} Not all was read again since.\n" in words


def test_damage_is_known_until_all_was_read_and_found_whole(held: Held, archive: Path) -> None:
    simulator, program = held
    for video in (2, 3):
        flip(file_of(archive, simulator.world, video, "mp4"))
    assert program.run("verify", archive).status == 7
    damage = told_of(program, archive)[0]["known_damage"]
    assert (damage["damage_count"], damage["exit_status"]) == (2, 7)
    assert program.run("repair", archive, simulator.world.id(2)).status == 0
    assert program.run("repair", archive, "--quick").status == 0
    report, _ = told_of(program, archive)
    assert (report["last_check"]["type"], report["last_check"]["mode"]) == ("repair", "quick")
    assert report["known_damage"] == damage
    assert program.run("repair", archive).status == 0
    report, words = told_of(program, archive)
    assert (report["known_damage"], report["all_read_since"]) == (None, report["last_check"]["started_at"])
    assert "\nDamage " not in words


def test_a_monthly_check_of_a_part_has_read_all_when_each_part_had_its_turn(held: Held, archive: Path) -> None:
    _, program = held
    clock, started = Clock(), []
    for month in (1, 2, 3, 4, 5):
        clock.set(START.replace(year=2027, month=month))
        program.env = clock.environment()
        assert program.run("verify", archive, "--subset", "25").status == 0
        report = json.loads(program.run("status", archive, "--json").stdout)
        started.append(report["last_check"]["started_at"])
        assert report["all_read_since"] == (None if month < 4 else started[-4])


# What the journal tells


def line_of(number: int, **more: Any) -> dict[str, Any]:
    """A line of a check that began so many hours after the start."""
    moment = (START + timedelta(hours=number)).isoformat()
    facts = {"type": "verification", "mode": "full", "started_at": moment, "ended_at": moment}
    return {**facts, "exit_status": 0, "verdict": "", "damage_count": 0, **more}


def journal_tells(lines: list[dict[str, Any]]) -> Checks:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / JOURNAL.name
        path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
        return read_checks(path)


SLICES = st.sampled_from((2, 3)).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n)))
LINES = st.one_of(
    st.just({"mode": "full"}),
    SLICES.map(lambda part: {"mode": "subset", "subset": f"{part[0]}/{part[1]}"}),
    st.just({"mode": "quick"}),
    st.just({"time_up": True, "exit_status": 3}),
    st.just({"error": "a signal stopped it", "exit_status": 143}),
    st.just({"type": "repair"}),
    st.just({"type": "repair", "selection": ["a"]}),
    st.just({"damage_count": 1, "exit_status": 7}),
    st.just({"mode": "quick", "damage_count": 1, "exit_status": 7}),
    st.just({"type": "repair", "left_count": 1, "exit_status": 7}),
)


@given(st.lists(LINES, max_size=12))
def test_what_is_said_of_all_holds_for_every_video(given_lines: list[dict[str, Any]]) -> None:
    """Video by video: when was it read last, and was any damage found since?"""
    lines = [line_of(number, **more) for number, more in enumerate(given_lines)]
    checks = journal_tells(lines)
    read: dict[str, int] = {str(number): -1 for number in range(40)}
    for number, line in enumerate(lines):
        ended = not (line.get("time_up") or line.get("error") or line.get("selection") or line["mode"] == "quick")
        subset = Subset.parse(line["subset"]) if "subset" in line else Subset()
        read |= {video: number for video in read if ended and subset.holds(video)}
    at = -1 if checks.all_read_since is None else [line["started_at"] for line in lines].index(checks.all_read_since)
    assert at <= min(read.values())
    kinds = {line["subset"].partition("/")[2] for line in lines if "subset" in line}
    if len(kinds) < 2:  # parts of one size add up exactly
        assert at == min(read.values())
    damaged = [line for line in lines[max(at, 0) :] if line["exit_status"] == 7]
    assert (checks.damage and checks.damage.started_at) == (damaged[-1]["started_at"] if damaged else None)
    assert (checks.last and checks.last.started_at) == (lines[-1]["started_at"] if lines else None)


@pytest.mark.parametrize("part", ["x/y", "7", "0/2", "3/2", "", "-1/-1"])
def test_a_part_that_makes_no_sense_proves_nothing(part: str) -> None:
    checks = journal_tells([line_of(0), line_of(1, mode="subset", subset=part)])
    assert (checks.last and checks.last.subset) == part
    assert checks.all_read_since == line_of(0)["started_at"]


@pytest.mark.parametrize("behind", [0, 1, BLOCK // 2, BLOCK - 200, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK])
def test_a_check_is_found_behind_any_number_of_runs(tmp_path: Path, behind: int) -> None:
    run = json.dumps({"type": "run", "verdict": "x" * 900}).encode() + b"\n"
    runs = run * (behind // len(run)) + b" " * (behind % len(run))
    path = tmp_path / "journal.jsonl"
    check = json.dumps(line_of(0, verdict="é" * 200), separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    path.write_bytes(b"no JSON\n" + check + runs)
    found = read_checks(path)
    assert found.last is not None
    assert (found.last.verdict, found.all_read_since) == ("é" * 200, line_of(0)["started_at"])
