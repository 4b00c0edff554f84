"""Case 38: the program is killed at every write, fsync, rename and commit of a small run, once at each of them.

An undisturbed run is recorded with strace. Each call of it that changes the archive, or makes a change durable, is a
kill point: the command runs once more from the same beginning, and strace ends it as the call begins. What lies there
then is held to the rules, and so is the next run. The log of each killed run proves which call it was, so that the
points that were tried are the calls that were recorded, no more and no fewer.

Two kinds of calls are left out of the sweeps of small files: the second write of one file, which is there only where
the network happens to cut it, and all calls that failed, for they changed nothing. Large files have their own sweep.
"""

from __future__ import annotations

import random
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from pictory_archiver.archive import HIDDEN, MARKER
from pictory_archiver.simulator import World

from .conftest import Account, RecordFigures
from .stages import Stage, Stages
from .support import files_of
from .test_interruption import check_that_it_goes_on, check_what_is_there, posix_only, stored_paths
from .tracing import Call, aim, was_hit

MARKER_PARTIAL = f"{MARKER}.partial"
HIDDEN_FILES = {"archive.json", "catalogue.sqlite3", "journal.jsonl", "lock", "sidecar.schema.json"}
TRIES = 4
"""Some calls are not made in every run at the same place: a batch of the catalogue may be cut by a second."""


@pytest.fixture
def stages(account: Account, tmp_path: Path) -> Stages:
    return Stages(account, tmp_path)


def every(call: Call) -> bool:
    """Kill points: what changed something, or made it durable."""
    return call.happened and not call.is_up_to_the_network


def beyond_the_second_marker(call: Call) -> bool:
    """All but what the files' thread does to the marker just as the main thread did before: strace counts by thread."""
    second = call.paths[0] == MARKER_PARTIAL and call.nth == 2
    return every(call) and not second and call.key != ("fsync", (str(HIDDEN),), 4)


def about_the_marker(call: Call) -> bool:
    return call.happened and (call.paths[0] == MARKER_PARTIAL or call.key == ("fsync", (str(HIDDEN),), 1))


def a_sample_of_the_catalogue(call: Call) -> bool:
    """Of the writes to the catalogue every fifth: the first sync has them all."""
    return every(call) and (call.name != "pwrite64" or call.nth % 5 == 0)


def about_the_large_file(call: Call) -> bool:
    """Every call but writes, of which every fourth."""
    return call.happened and ".mp4" in call.paths[0] and (call.name != "write" or call.nth % 4 == 0)


SWEEPS: list[tuple[str, Callable[[Call], bool], int]] = [
    ("a first sync", beyond_the_second_marker, 6),
    ("a first key", about_the_marker, 1),
    ("one video more", a_sample_of_the_catalogue, 3),
    ("a large file", about_the_large_file, 1),
    ("a repair", every, 2),
]
SHARDS = [
    pytest.param(name, chosen, shard, shards, id=f"{name}-{shard + 1}")
    for name, chosen, shards in SWEEPS
    for shard in range(shards)
]


def share(call: Call, shards: int) -> int:
    """Which part of a sweep a call belongs to: by its name alone, so that the parts are all of it."""
    return zlib.crc32(repr(call.key).encode()) % shards


@pytest.mark.parametrize(("name", "chosen", "shard", "shards"), SHARDS)
def test_killed_anywhere_it_leaves_what_the_next_run_goes_on_from(
    stages: Stages,
    record_figures: RecordFigures,
    name: str,
    chosen: Callable[[Call], bool],
    shard: int,
    shards: int,
) -> None:
    with stages.make(name) as stage:
        calls = stage.calls()
        points = [call for call in calls if chosen(call) and share(call, shards) == shard]
        assert points
        killed = {point.key for point in points if kill(stage, calls, point)}
        assert killed == {point.key for point in points}
        record_figures("crash sweep, every invariant held", **{f"kills of {name}": len(killed)})


def kill(stage: Stage, calls: list[Call], point: Call) -> bool:
    """Kills the program at this point, and holds what it left and the next run to the rules. → whether it was there"""
    shot = aim(calls, point)
    assert shot is not None, point
    for _ in range(TRIES):
        run = stage.shoot(shot)
        promised = stage.check_held()
        stage.check_next(promised)
        if was_hit(run, shot):
            return True
    return False


@posix_only
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_times_it_comes_to_its_end(
    account: Account, archive: Path, record_figures: RecordFigures, seed: int
) -> None:
    """With all its workers and threads. Each run may live longer than the one before, so that one of them ends."""
    simulator, program = account(World(count=120), latency=0.02)
    chance = random.Random(seed)
    promised: set[str] = set()
    kills = 0
    while True:
        simulator.forget()
        process = program.start("sync", archive)
        try:
            process.communicate(timeout=chance.uniform(0.2, 1.2) * (1 + kills / 4))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        assert not {request.path for request in simulator.requests(origin="cdn")} & promised
        if process.returncode == 0:
            break
        kills += 1
        if (archive / MARKER).exists():
            promised = stored_paths(check_what_is_there(archive, simulator))
        else:
            assert not archive.exists() or not files_of(archive)
    assert kills
    assert {path.name for path in (archive / HIDDEN).iterdir()} == HIDDEN_FILES
    assert program.run("verify", archive).status == 0
    check_that_it_goes_on(simulator, program, archive, check_what_is_there(archive, simulator))
    record_figures("crash sweep, every invariant held", **{"kills at random times": kills})
