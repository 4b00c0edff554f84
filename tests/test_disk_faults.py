"""A disk that fails at any one call: EIO at fsync, ENOSPC at a write, EACCES and EXDEV at a rename, a write cut short.

The beginnings and the rules are those of the crash sweep. In place of a kill a call fails, or takes none of the bytes.
That it takes some and says so, strace cannot do: it answers in place of the system, and nothing is written. A limit of
the size of files does it.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from pictory_archiver.archive import HIDDEN, LOCK
from pictory_archiver.simulator import World

from .conftest import Account, RecordFigures
from .damage import file_of, flip
from .stages import Stage, Stages
from .support import Program, check_against_world, check_archive, files_of
from .tracing import Call, fault, tracer, was_hit

NOTHING_WRITTEN = "retval=0"
FAULTS = {
    "write": ("error=ENOSPC", "error=EIO", NOTHING_WRITTEN),
    "pwrite64": ("error=ENOSPC", "error=EIO", NOTHING_WRITTEN),
    "fsync": ("error=EIO", "error=EIO", "error=ENOSPC"),
    "fdatasync": ("error=EIO",),
    "rename": ("error=EACCES", "error=EXDEV"),
    "linkat": ("error=EIO",),
    "unlink": ("error=EIO",),
    "mkdir": ("error=ENOSPC",),
    "ftruncate": ("error=EIO",),
}
WORDS = ("disk is full", "nput/output error", "I/O error", "permission denied", "cross-device link")
CATALOGUE_STEP = 9
SHARDS = 3


@pytest.fixture
def stages(account: Account, tmp_path: Path) -> Stages:
    return Stages(account, tmp_path)


def is_harmless(call: Call, what: str) -> bool:
    """Whether a run does without: to be named in the lock is a courtesy, for SQLite a folder that is made durable as
    well; a file that can have no second name is moved, and a write that took nothing is made again (not by SQLite)."""
    return (
        call.paths[0] == str(LOCK)
        or (call.name == "fdatasync" and call.paths[0] == str(HIDDEN))
        or call.name == "linkat"
        or (call.name == "write" and what == NOTHING_WRITTEN)
    )


def points(calls: list[Call]) -> list[Call]:
    """Every call that can be made to fail by itself; of the catalogue's pages some."""
    made = [call for call in calls if call.happened and not call.is_up_to_the_network and call.name in FAULTS]
    chosen = [call for call in made if call.name != "pwrite64" or call.nth % CATALOGUE_STEP == 1]
    return [call for call in chosen if fault(calls, call, "") is not None]


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("name", ["a first sync", "a repair"])
def test_a_call_that_fails_ends_the_run_in_words_and_the_next_one_goes_on(
    stages: Stages, record_figures: RecordFigures, name: str, shard: int
) -> None:
    with stages.make(name) as stage:
        calls = stage.calls()
        chosen = [call for call in points(calls) if zlib.crc32(repr(call.key).encode()) % SHARDS == shard]
        assert chosen
        for number, point in enumerate(chosen):
            fail(stage, calls, point, FAULTS[point.name][number % len(FAULTS[point.name])])
        record_figures("disk faults, every invariant held", **{f"calls of {name} that failed": len(chosen)})


def fail(stage: Stage, calls: list[Call], point: Call, what: str) -> None:
    """Has a call fail, and holds the outcome, what is left and the next run to the rules."""
    shot = fault(calls, point, what)
    assert shot is not None
    run = stage.shoot(shot)
    case = f"{what} at {point.key}: {run.outcome}"
    assert was_hit(run, shot), case
    assert run.outcome.status == (0 if is_harmless(point, what) else 6), case
    if run.outcome.status:
        assert any(words in run.outcome.stdout + run.outcome.stderr for words in WORDS), case
        assert not [name for name in files_of(stage.root) if name.endswith(".partial")], case
    stage.check_next(stage.check_held())


def test_a_catalogue_that_fails_at_any_commit_is_no_other_trouble(stages: Stages) -> None:
    """Not even where a run that asks for a part writes down at its very end what it came to."""
    with stages.make("a first sync") as stage:
        stage.options = ("--limit", "1", "--assets", "video")
        calls = stage.record()
        commits = [call for call in points(calls) if call.name == "fdatasync" and call.paths[0].endswith("-journal")]
        assert len(commits) > 5
        for commit in commits:
            shot = fault(calls, commit, "error=EIO")
            assert shot is not None
            run = stage.shoot(shot)
            assert was_hit(run, shot)
            assert run.outcome.status == 6, (commit.key, run.outcome)
            assert stage.program.run("sync", stage.root).status == 0
            check_against_world(stage.root, stage.simulator)


@pytest.mark.parametrize("name", ["a first sync", "a repair"])
@pytest.mark.parametrize("error", ["EINVAL", "EOPNOTSUPP"])
def test_a_mount_that_cannot_make_folders_durable_is_accepted(stages: Stages, name: str, error: str) -> None:
    with stages.make(name) as stage:
        synced = {call.paths[0] for call in stage.calls() if call.name in ("fsync", "fdatasync")}
        folders = [stage.root / path for path in synced if (stage.root / path).is_dir()]
        assert len(folders) > 3
        only = [word for folder in folders for word in ("-P", str(folder))]
        how = ["-e", "trace=fsync,fdatasync", "-e", f"inject=fsync,fdatasync:error={error}"]
        stage.reset()
        words = [tracer(), "-f", "-qq", "-o", str(stage.log), *only, *how]
        outcome = stage.run(tracer=words)
        assert outcome.status == 0, outcome
        refused = stage.log.read_text().splitlines()
        assert len(refused) > 5
        assert all(line.endswith("(INJECTED)") for line in refused)
        stage.check_whole()


# Limits of a process


def limited(program: Program, limit: str) -> Program:
    """The program in a shell with a limit."""
    return Program(
        program.home,
        program.api_url,
        program.origins,
        settings=program.settings,
        prefix=("sh", "-c", f'ulimit {limit}; exec "$@"', "sh"),
    )


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no such limits there")
def test_a_file_that_may_not_grow_is_none(account: Account, archive: Path) -> None:
    """A limit of the size of files: the write that would pass it takes what fits, the next one fails."""
    simulator, program = account(World(count=3, video_bytes=2_000_000))
    run = limited(program, "-f 1000").run("sync", archive)  # in blocks of 512 bytes, or 1024
    assert run.status == 6, run
    assert "File too large" in run.stdout
    assert not [name for name in files_of(archive) if name.endswith((".mp4", ".partial"))]
    check_archive(archive, leftover={name for name in files_of(archive) if name.endswith((".jpg", ".png"))})
    assert program.run("sync", archive).status == 0
    check_against_world(archive, simulator)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no such limits there")
@pytest.mark.parametrize(("workers", "statuses"), [(8, {0}), (64, {0, 6})])
def test_few_open_files(account: Account, archive: Path, workers: int, statuses: set[int]) -> None:
    """64 are enough for 8 workers; where they are not for more, it is said what to do, and nothing is lost."""
    simulator, program = account(World(count=40), latency=0.01)
    program.settings["download"] = {"workers": workers}
    few = limited(program, "-n 64")
    run = few.run("sync", archive)
    assert run.status in statuses, run
    assert (run.status == 6) == ("too many open files. Raise the limit of open files, or set fewer" in run.stdout)
    assert program.run("sync", archive).status == 0
    check_against_world(archive, simulator)

    before = files_of(archive)
    for video in range(20):
        flip(file_of(archive, simulator.world, video, "mp4"))
    run = few.run("repair", archive)
    assert run.status in statuses, run
    assert (run.status == 6) == ("too many open files" in run.stdout)
    assert program.run("repair", archive).status == 0
    assert files_of(archive) == before
