"""The main job, end to end: the command line against the simulated account."""

from __future__ import annotations

from pathlib import Path

from pictory_archiver.simulator import World

from .conftest import Account
from .support import check_against_world, snapshot


def test_the_first_run_archives_everything_and_the_second_fetches_nothing(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=120))
    first = program.run("sync", archive)
    assert first.status == 0, first
    assert first.verdict == f"All 120 AI Studio videos are here and verified. Open {archive}"
    check_against_world(archive, simulator)

    before = snapshot(archive)
    simulator.forget()
    second = program.run("sync", archive, "--json")
    assert second.status == 0
    assert (second.report["already_held"], second.report["new"], second.report["files_stored"]) == (120, 0, 0)
    assert not simulator.requests(origin="cdn")
    assert snapshot(archive) == before
