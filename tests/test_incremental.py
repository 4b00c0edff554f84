"""Listings that read no more than they have to and leave no hole: the real command line, the simulated account."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pictory_archiver.archive import CATALOGUE
from pictory_archiver.simulator import Fault, Items, Match, Simulator, SimulatorThread, Stall, World
from pictory_archiver.simulator import Status as Answer

from .conftest import Account
from .support import FAST, Program, asset, check_against_world, check_archive, files_of, sidecars, snapshot

ANOTHER_KEY = "pictai_another-key-of-the-same-person"


def pages_asked(simulator: Simulator) -> list[int]:
    """The numbers of the pages that were asked for, in order."""
    return [request.page or 0 for request in simulator.requests(origin="api")]


def rows(archive: Path, query: str) -> list[Any]:
    """What the catalogue holds."""
    with closing(sqlite3.connect(f"{(archive / CATALOGUE).as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def contents(archive: Path) -> list[Any]:
    """Everything that the catalogue says of videos and files."""
    return [rows(archive, f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in ("videos", "assets")]


def made(account: Account, archive: Path, world: World, **more: Any) -> tuple[Simulator, Program]:
    """An archive that holds this world."""
    simulator, program = account(world, **more)
    first = program.run("sync", archive)
    assert first.status == 0, first
    simulator.forget()
    return simulator, program


def test_a_quiet_night_asks_for_one_page_and_writes_nothing_but_its_record(account: Account, archive: Path) -> None:
    simulator, program = made(account, archive, World(count=230, page_size=50))
    before, known = snapshot(archive), contents(archive)
    hidden = {path.name for path in (archive / ".pictory-archiver").iterdir()}
    night = program.run("sync", archive, "--quiet")
    assert (night.status, night.stdout, night.stderr) == (0, "", "")
    assert len(simulator.log) == 1
    assert snapshot(archive) == before
    assert contents(archive) == known
    assert {path.name for path in (archive / ".pictory-archiver").iterdir()} == hidden
    assert rows(archive, "SELECT kind, sound, pages FROM listings ORDER BY run") == [
        ("full", 1, 5),
        ("incremental", 1, 1),
    ]
    assert "230 AI Studio videos listed, 230 held" in program.run("status", archive).stdout


def test_the_pages_of_the_look_back_are_read_and_one_behind_them(account: Account, archive: Path) -> None:
    now = datetime.now(UTC)
    world = World(count=60, page_size=10, newest=now - timedelta(minutes=5), span=timedelta(days=6))
    simulator, program = made(account, archive, world)
    assert program.run("sync", archive).status == 0
    young = sum(
        1 for index in world.indexes() if world.item(index)["createdDate"] > (now - timedelta(days=2)).isoformat()
    )
    assert pages_asked(simulator) == list(range(1, young // 10 + 3))[: len(simulator.log)]
    assert young // 10 + 1 <= len(simulator.log) <= young // 10 + 2 < 6


@pytest.mark.parametrize("signed", [False, True])
def test_new_and_late_videos_are_found_by_the_next_run(account: Account, archive: Path, signed: bool) -> None:
    now = datetime.now(UTC)
    world = World(count=80, page_size=10, newest=now, span=timedelta(days=8), signed=signed)
    late = next(i for i in world.indexes() if world.item(i)["createdDate"] < (now - timedelta(hours=40)).isoformat())
    world.hold_back(late)
    simulator, program = made(account, archive, world)
    world.finish_late()
    world.add(3)
    assert program.run("sync", archive).verdict.startswith("All 83 ")
    assert max(pages_asked(simulator)) < 6
    check_against_world(archive, simulator)


def test_a_video_later_than_the_look_back_is_found_by_the_next_full_listing(account: Account, archive: Path) -> None:
    world = World(count=60, page_size=10)
    world.hold_back(45)
    simulator, program = made(account, archive, world)
    world.finish_late()
    assert program.run("sync", archive).verdict.startswith("All 59 ")
    assert program.run("sync", archive, "--full").verdict.startswith("All 60 ")
    check_against_world(archive, simulator)


def test_what_a_partial_run_listed_hides_nothing(account: Account, archive: Path) -> None:
    """The newest five are in the catalogue, and their older neighbours were never listed: no place to stop."""
    world = World(count=40, page_size=5)
    simulator, program = made(account, archive, world)
    world.add(30)
    assert program.run("sync", archive, "--limit", "10").status == 0
    assert program.run("status", archive).status == 0  # of what was listed when everything was
    assert "40 AI Studio videos listed, 40 held" in program.run("status", archive).stdout
    simulator.forget()
    assert program.run("sync", archive).verdict.startswith("All 70 ")
    assert len(pages_asked(simulator)) == 7
    check_against_world(archive, simulator)


def test_files_that_were_not_asked_for_are_fetched_later_without_listing_everything(
    account: Account, archive: Path
) -> None:
    simulator, program = account(World(count=60, page_size=10))
    assert program.run("sync", archive, "--assets", "video").status == 0
    simulator.forget()
    assert program.run("sync", archive).status == 0
    assert len(pages_asked(simulator)) == 1
    assert not simulator.requests(origin="cdn", kind="video")
    check_against_world(archive, simulator)


def test_signed_files_that_were_not_asked_for_need_the_listing_down_to_them(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=60, page_size=10, signed=True))
    assert program.run("sync", archive, "--assets", "video").status == 0
    simulator.forget()
    assert program.run("sync", archive).status == 0
    assert len(pages_asked(simulator)) == 6
    check_against_world(archive, simulator)


def test_an_unsigned_file_that_failed_is_tried_without_listing_down_to_it(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=60, page_size=10), [Fault(Match(kind="preview", video=50), Answer(404))])
    assert program.run("sync", archive).status == 3
    simulator.forget()
    assert program.run("sync", archive).status == 0
    assert len(pages_asked(simulator)) == 1
    assert [request.video_id for request in simulator.requests(origin="cdn")] == [simulator.world.id(50)]
    check_against_world(archive, simulator)


@pytest.mark.parametrize("tries", [1, 4])
@pytest.mark.parametrize("signed", [False, True])
def test_a_link_that_is_denied_at_a_later_try_gets_a_fresh_one_in_the_same_run(
    account: Account, archive: Path, *, signed: bool, tries: int
) -> None:
    preview = Match(kind="preview", video=50)
    simulator, program = account(
        World(count=60, page_size=10, signed=signed), [Fault(preview, Answer(403), times=None)]
    )
    assert program.run("sync", archive).status == 3
    with closing(sqlite3.connect(archive / CATALOGUE)) as connection, connection:
        changed = connection.execute(
            "UPDATE assets SET tries = ?, tried = '2026-01-01T00:00:00Z' WHERE tries = 1", [tries]
        )
        assert changed.rowcount == 1
    simulator.faults.clear()
    simulator.faults.add(Fault(preview, Answer(403), times=1))
    simulator.forget()
    again = program.run("sync", archive)
    assert again.status == 0, again
    assert len(simulator.requests(origin="cdn")) == 2
    check_against_world(archive, simulator)


def test_a_file_that_failed_in_five_runs_is_given_up_and_tried_once_more_when_asked(
    account: Account, archive: Path
) -> None:
    simulator, program = account(
        World(count=30, page_size=10), [Fault(Match(kind="preview", video=25), Answer(404), times=None)]
    )
    assert program.run("sync", archive).status == 3
    with closing(sqlite3.connect(archive / CATALOGUE)) as connection, connection:
        connection.execute("UPDATE assets SET tries = 4, tried = '2026-01-01T00:00:00Z' WHERE tries = 1")
    given_up = program.run("sync", archive)
    assert (given_up.status, "`accept` takes a loss as known" in given_up.verdict) == (3, True)
    assert asset(sidecars(archive)[simulator.world.id(25)][1], "preview").status == "rejected"
    simulator.forget()
    assert program.run("sync", archive).status == 3
    assert not simulator.requests(origin="cdn")
    assert program.run("sync", archive, "--full").status == 3
    assert len(simulator.requests(origin="cdn")) == 1
    simulator.faults.clear()
    assert program.run("sync", archive, "--full").status == 0
    check_against_world(archive, simulator)


def test_a_video_in_the_making_is_looked_for_by_every_run(account: Account, archive: Path) -> None:
    from pictory_archiver.simulator import REMOVED

    world = World(count=40, page_size=5)
    url = world.item(22)["url"]
    world.change(22, url=REMOVED)
    simulator, program = account(world)
    assert program.run("sync", archive).status == 3  # it is old: overdue
    simulator.forget()
    assert program.run("sync", archive).status == 3
    assert 5 <= len(pages_asked(simulator)) < 8
    world.change(22, url=url.replace("https://cdn.example", world.cdn_base))
    assert program.run("sync", archive).status == 0
    check_against_world(archive, simulator)


# A full listing that did not reach its end


def test_a_full_listing_that_was_killed_goes_on_and_lists_the_head_again(account: Account, archive: Path) -> None:
    world = World(count=60, page_size=5)
    simulator, program = account(world, [Fault(Match(origin="api", page=9), Stall(), times=1)])
    running = program.start("sync", archive)
    while 9 not in pages_asked(simulator):
        assert running.poll() is None
    running.kill()
    running.communicate()
    assert program.run("status", archive).status == 5
    world.add(7)
    simulator.forget()
    again = program.run("sync", archive, "--json")
    assert (again.status, again.report["listing"], again.report["sound"]) == (0, "full", True)
    asked = pages_asked(simulator)
    assert 4 <= asked[0] <= 9
    head = asked.index(1)
    assert asked[:head] == list(range(asked[0], 13))
    assert asked[head:] == list(range(1, len(asked) - head + 1))
    assert len(asked) - head <= 4
    assert again.report["videos"] == 67
    check_against_world(archive, simulator)
    simulator.forget()
    assert program.run("sync", archive).status == 0
    assert len(pages_asked(simulator)) == 1


def test_a_listing_that_broke_off_goes_on_where_it_broke(account: Account, archive: Path) -> None:
    simulator, program = account(
        World(count=60, page_size=5), [Fault(Match(origin="api", page=9), Answer(500), times=None)]
    )
    assert program.run("sync", archive).status == 5
    simulator.faults.clear()
    simulator.forget()
    assert program.run("sync", archive).verdict.startswith("All 60 ")
    assert pages_asked(simulator) == [8, 9, 10, 11, 12, 1]
    check_against_world(archive, simulator)


def test_a_token_that_is_refused_later_starts_the_listing_anew(account: Account, archive: Path) -> None:
    simulator, program = account(
        World(count=30, page_size=5), [Fault(Match(origin="api", page=5), Answer(500), times=None)]
    )
    assert program.run("sync", archive).status == 5
    simulator.faults.clear()
    simulator.faults.add(Fault(Match(origin="api", page=4), Answer(400), times=1))
    simulator.forget()
    assert program.run("sync", archive).verdict.startswith("All 30 ")
    assert pages_asked(simulator) == [4, 1, 2, 3, 4, 5, 6]
    check_against_world(archive, simulator)


def test_a_run_whose_time_is_up_says_so_and_the_next_goes_on(account: Account, archive: Path) -> None:
    world = World(count=60, page_size=5)
    simulator, program = account(world, [Fault(Match(origin="api", page=9), Stall(), times=1)])
    short = program.run("sync", archive, "--max-duration", "4s", "--json")
    assert short.status == 3, short
    assert (short.report["time_up"], short.report["sound"]) == (True, False)
    assert "the time was up with work left" in short.report["verdict"]
    told = program.run("status", archive)
    assert (told.status, told.stdout.startswith("Not complete: the last listing did not come to its end")) == (3, True)
    simulator.forget()
    assert program.run("sync", archive, "--max-duration", "1h").verdict.startswith("All 60 ")
    assert pages_asked(simulator)[0] > 3
    check_against_world(archive, simulator)


# Whose listing


def test_a_key_of_another_account_downloads_nothing(account: Account, archive: Path, tmp_path: Path) -> None:
    made(account, archive, World(count=30, page_size=10))
    before = files_of(archive)
    with SimulatorThread(Simulator(World(seed=7, count=30, page_size=10), key=ANOTHER_KEY)) as other:
        program = Program.of(other, tmp_path / "other")
        refused = program.run("sync", archive)
        assert (refused.status, "lists none of the archive's videos" in refused.verdict) == (5, True)
        assert "--accept-listing" in refused.verdict
        assert not other.requests(origin="cdn")
        assert files_of(archive) == before
        assert program.run("sync", archive).status == 5  # and again: nothing was marked

        accepted = program.run("sync", archive, "--accept-listing")
        assert accepted.status == 0, accepted
        check_against_world(archive, other)
        assert before.items() <= {**files_of(archive), "README.txt": before["README.txt"]}.items()
        assert program.run("sync", archive).status == 0


def test_a_new_key_of_the_same_account_is_taken(account: Account, archive: Path, tmp_path: Path) -> None:
    made(account, archive, World(count=30, page_size=10))
    with SimulatorThread(Simulator(World(count=30, page_size=10), key=ANOTHER_KEY)) as renewed:
        program = Program.of(renewed, tmp_path / "renewed")
        assert program.run("sync", archive).status == 0
        assert pages_asked(renewed)[0:2] == [1, 1]  # once to meet a known video
        renewed.forget()
        assert program.run("sync", archive).status == 0
        assert pages_asked(renewed) == [1]


@pytest.mark.parametrize("kept", [0, 1, 14])
def test_a_listing_that_lacks_most_videos_is_not_believed(account: Account, archive: Path, kept: int) -> None:
    simulator, program = made(account, archive, World(count=30))
    items = [simulator.world.item(index) for index in range(kept)]
    simulator.faults.add(Fault(Match(origin="api"), Items(items), times=None))
    before, known = snapshot(archive), contents(archive)
    for _ in range(2):
        run = program.run("sync", archive, "--full")
        assert (run.status, "--accept-listing" in run.verdict) == (5, True), run
        assert program.run("status", archive).status == 5
    assert snapshot(archive) == before
    assert rows(archive, "SELECT count(*) FROM videos WHERE absent IS NOT NULL OR gone_upstream IS NOT NULL") == [(0,)]
    assert len(known[0]) == 30

    accepted = program.run("sync", archive, "--accept-listing")
    assert accepted.status == 0, accepted
    assert f"Not listed    {30 - kept} videos any more" in accepted.stdout
    assert program.run("sync", archive, "--full").status == 0  # what was accepted is not doubted again
    assert len(check_archive(archive)) == 30
    simulator.faults.clear()
    assert program.run("sync", archive).verdict.startswith("All 30 ")
    assert all(sidecar.gone_upstream is None for _, sidecar in sidecars(archive).values())


def test_a_video_that_two_full_listings_lack_is_gone_upstream_and_may_come_back(
    account: Account, archive: Path
) -> None:
    simulator, program = made(account, archive, World(count=30, page_size=10))
    world = simulator.world
    gone = world.id(12)
    kept = {name: data for name, data in files_of(archive).items() if gone in name}
    item = world.item(12)
    world.delete(12)

    once = program.run("sync", archive, "--full")
    assert (once.status, "Not listed    1 video any more" in once.stdout) == (0, True)
    assert sidecars(archive)[gone][1].gone_upstream is None
    assert "29 AI Studio videos listed, 29 held" in program.run("status", archive).stdout
    assert program.run("sync", archive).status == 0  # an incremental one says nothing of it
    assert sidecars(archive)[gone][1].gone_upstream is None

    twice = program.run("sync", archive, "--full")
    assert (twice.status, "Gone upstream 1 video" in twice.stdout) == (0, True)
    assert sidecars(archive)[gone][1].gone_upstream
    now = files_of(archive)
    assert {name: now[name] for name in kept if not name.endswith(".json")}.items() <= kept.items()
    check_archive(archive)
    ledger = program.run("status", archive, "--json").report
    assert (ledger["gone_upstream"], ledger["listed"], ledger["in_archive"]) == (1, 29, 30)

    world.insert_item(12, item)
    simulator.forget()
    assert program.run("sync", archive, "--full").status == 0
    assert sidecars(archive)[gone][1].gone_upstream is None
    assert not simulator.requests(origin="cdn")
    assert program.run("status", archive, "--json").report["listed"] == 30


def test_files_of_a_video_that_vanished_before_they_were_fetched_are_a_loss(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=12), [Fault(Match(video=3, origin="cdn"), Answer(403), times=None)])
    assert program.run("sync", archive).status == 3
    simulator.world.delete(3)
    for _ in range(2):
        assert program.run("sync", archive, "--full").status == 3
    assert "gone upstream" in program.run("status", archive).stdout
    assert program.run("accept", archive, simulator.world.id(3)).status == 0
    assert program.run("sync", archive).status == 0
    assert program.run("status", archive).status == 0


# The disk


@pytest.mark.parametrize("respect", [False, True])
def test_what_is_deleted_here_is_fetched_again_or_stays_away(account: Account, archive: Path, respect: bool) -> None:
    world = World(count=30, page_size=10)
    settings = {**FAST, "download": {"respect_local_deletions": respect}}
    simulator, program = made(account, archive, world, program={"settings": settings})
    found = sidecars(archive)
    path, sidecar = found[world.id(25)]
    deleted, cut = path.with_name(asset(sidecar, "preview").path), path.with_name(asset(sidecar, "video").path)
    deleted.unlink()
    cut.write_bytes(cut.read_bytes()[:100])
    whole, other = found[world.id(26)]
    for each in (whole, *(whole.with_name(each.path) for each in other.assets if each.path)):
        each.unlink()
    assert program.run("sync", archive).status == 0  # the newest page says nothing of it
    assert not simulator.requests(origin="cdn")
    for _ in range(2):
        assert program.run("sync", archive, "--full").status == 0
    fetched = {request.path for request in simulator.requests(origin="cdn")}
    assert world.path(25, "video") in fetched
    assert (world.path(25, "preview") in fetched) is not respect
    assert deleted.exists() is not respect
    if respect:
        assert len(fetched) == 1
        kept_away = asset(sidecars(archive)[world.id(25)][1], "preview")
        assert (kept_away.status, kept_away.error) == ("skipped", "deleted from the archive")
        check_archive(archive)
        program.settings = dict(FAST)
        assert program.run("sync", archive, "--full").status == 0
    check_against_world(archive, simulator)


def test_a_dry_run_lists_as_far_as_a_run_would(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=60, page_size=10), [Fault(Match(kind="preview", video=50), Answer(404))])
    assert program.run("sync", archive).status == 3
    simulator.world.add(1)
    simulator.forget()
    before = files_of(archive)
    dry = program.run("sync", archive, "--dry-run", "--json")
    assert dry.status == 0
    assert len(pages_asked(simulator)) == 2
    lines = dry.stdout.splitlines()
    assert [line for line in lines if simulator.world.id(50) in line]
    assert '"videos":2' in lines[-1].replace(" ", "")
    assert files_of(archive) == before
