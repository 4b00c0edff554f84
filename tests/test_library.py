"""The offline library on the disk: what is written when, whole or not at all, and never over what is not ours."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pictory_archiver.archive import CATALOGUE
from pictory_archiver.chains import Chains
from pictory_archiver.edition import DATA_VERSION, Chunk, Edition, Stamp, draw_up
from pictory_archiver.entry import Entry, EntryFile, Standing
from pictory_archiver.lock import exclusively
from pictory_archiver.models import Kind, Place, Status
from pictory_archiver.page_data import cards_script, details_script
from pictory_archiver.simulator import REMOVED, Fault, Match, Simulator, World
from pictory_archiver.simulator import Status as HttpStatus

from .conftest import Account, Mount, RecordFigures
from .support import TIMEOUT, Outcome, Program, asset, sidecars
from .test_disk_faults import FAULTS, NOTHING_WRITTEN
from .test_upkeep import change, lonely, query
from .tracing import Call, Shot, aim, fault, record, shoot, was_hit
from .warm import Warm, warm

CALL = re.compile(r"""pictoryLibrary\.(\w+)\((?:"([^"]+)",)?'((?:[^'\\]|\\.)*)'\);\n""", re.DOTALL)
Held = tuple[Simulator, Program]
GOLDEN = "71227511879afc0f35904e0f4ed189a1832295e11a3a86b41050a4f5ef3b86a9"


@pytest.fixture
def held(account: Account, archive: Path) -> Held:
    """A whole archive of twelve videos with its library, and the program of its owner."""
    simulator, program = account(World(count=12))
    assert program.run("sync", archive).status == 0
    return simulator, program


def told_by(script: Path) -> tuple[str, str, Any]:
    """What a script says: the function that it calls, its own name, and the data."""
    match = CALL.fullmatch(script.read_text(encoding="utf-8"))
    assert match, script
    text = re.sub(r"\\(u[0-9a-f]{4}|.)", lambda each: chr(int(each[1][1:], 16)) if each[1][1:] else each[1], match[3])
    return match[1], match[2], json.loads(text)


def state_of(archive: Path) -> dict[str, Any]:
    """What `state.js` says."""
    function, _, told = told_by(archive / "library" / "state.js")
    assert (function, told["format"], told["version"]) == ("open", "pictory-archiver/library", 1)
    assert isinstance(told, dict)
    return told


def videos_of(archive: Path) -> list[dict[str, Any]]:
    """The videos of the library, in its order: each what its card and its details say, as `state.js` has them."""
    found = []
    for chunk in state_of(archive)["chunks"]:
        called = [told_by(archive / "library" / chunk[kind]) for kind in ("cards", "details")]
        assert [(function, name) for function, name, _ in called] == [
            (kind, chunk[kind]) for kind in ("cards", "details")
        ]
        (_, _, cards), (_, _, details) = called
        assert len(cards["id"]) == len(details) == sum(count for _, count in chunk["days"])
        days = [day for day, count in chunk["days"] for _ in range(count)]
        for at, day in enumerate(days):
            card = {
                name: column[at]
                for name, column in cards.items()
                if isinstance(column, list) and len(column) == len(days)
            }
            card |= {"model": cards["models"][cards["model"][at]], "folder": cards["folders"][cards["folder"][at]]}
            card |= {"ratio": cards["ratios"][cards["ratio"][at]], "chain": cards["chain"].get(str(at), [])}
            found.append({"day": day, **card, **details[at]})
    return found


def fill(path: Path) -> None:
    """Writes until the disk is full."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def library_of(archive: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file of the library."""
    paths = [archive / "index.html", *(archive / "library").iterdir()]
    return {path.relative_to(archive).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


# What is in it


def test_every_video_of_the_archive_is_in_it_with_all_that_is_held(held: Held, archive: Path) -> None:
    simulator, _ = held
    found = sidecars(archive)
    videos = videos_of(archive)
    assert [each["id"] for each in videos] == [simulator.world.id(index) for index in simulator.world.indexes()]
    for video in videos:
        path, sidecar = found[video["id"]]
        item = sidecar.video
        assert (video["prompt"], video["model"], video["ratio"]) == (item["prompt"], item["model"], item["aspectRatio"])
        assert f"{video['seconds']:.0f}s" == item["duration"]
        assert (video["width"], video["height"], video["status"], video["gone"]) == (
            item["width"],
            item["height"],
            0,
            0,
        )
        assert (
            datetime.fromtimestamp(video["at"] / 1000, UTC).isoformat()[:10] == item["createdDate"][:10] == video["day"]
        )
        assert archive / video["folder"] / f"{video['stem']}.json" == path == archive / video["sidecar"]
        assert (video["video"], video["thumbnail"]) == (1, 1)
        for file in video["files"]:
            data = (archive / file["path"]).read_bytes()
            assert (len(data), sha256(data).hexdigest()) == (file["bytes"], file["sha256"]) or file[
                "status"
            ] == "linked"
        assert video["request"]["prompt"] == item["prompt"]
    told = state_of(archive)
    assert (told["state"]["exit_status"], told["state"]["listed"], told["state"]["held"]) == (0, 12, 12)
    assert told["state"]["verdict"].startswith(f"Complete as of {told['state']['as_of'][:10]} ")


def test_what_is_missing_is_told_with_its_reason(account: Account, archive: Path) -> None:
    world = World(count=6)
    world.change(4, url=REMOVED, createdDate=datetime.now(UTC).isoformat())
    _, program = account(world, [Fault(Match(kind="preview", video=2), HttpStatus(404), times=None)])
    assert program.run("sync", archive).status == 3
    state = state_of(archive)["state"]
    assert (state["exit_status"], state["problem_count"], state["pending"]) == (3, 1, 1)
    (problem,) = state["problems"]
    assert (problem["video_id"], problem["kind"], problem["error"]) == (world.id(2), "preview", "HTTP 404")
    status = {video["id"]: video["status"] for video in videos_of(archive)}
    assert [status[world.id(index)] for index in range(6)] == [0, 0, 1, 0, 2, 0]


def test_a_video_without_a_date_comes_last(account: Account, archive: Path) -> None:
    world = World(count=4)
    world.change(1, createdDate="soon")
    _, program = account(world)
    assert program.run("sync", archive).status == 0
    last = videos_of(archive)[-1]
    assert (last["id"], last["day"], last["at"], last["folder"]) == (world.id(1), "", None, "undated")
    assert state_of(archive)["chunks"][-1]["cards"].startswith("cards.undated.01.")


def test_days_are_those_of_the_folders(account: Account, archive: Path) -> None:
    world = World(count=3)
    world.change(0, createdDate="2026-04-30T23:30:00Z")
    _, program = account(world)
    program.settings["layout"] = {"time_zone": "Pacific/Auckland"}
    assert program.run("sync", archive).status == 0
    video = videos_of(archive)[0]
    assert (video["id"], video["day"], video["folder"]) == (world.id(0), "2026-05-01", "2026/05/01")


def test_linked_inputs_lead_to_the_file_of_the_other_video(account: Account, archive: Path) -> None:
    world = World(count=60)
    _, program = account(world)
    assert program.run("sync", archive).status == 0
    linked = [(video, file) for video in videos_of(archive) for file in video["files"] if file["status"] == "linked"]
    assert linked
    for video, file in linked:
        other, sidecar = sidecars(archive)[file["video_id"]]
        assert archive / file["path"] == other.with_name(asset(sidecar, file["asset"]).path)
        place = video["chain"].index(video["id"])
        assert video["chain"][place - 1] == file["video_id"]


# When it is written


def test_a_quiet_run_writes_the_state_and_nothing_else(held: Held, archive: Path) -> None:
    _, program = held
    before = library_of(archive)
    time.sleep(1.1)  # the time of the listing is told in seconds
    report = program.run("sync", archive, "--json").report
    assert report["library"] == str(archive / "index.html")
    after = library_of(archive)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"library/state.js", "library/contents.json"}
    assert before.keys() == after.keys()


def test_a_night_with_nothing_new_reads_no_video_for_it(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=40, page_size=10))
    assert program.run("sync", archive).status == 0
    oldest = simulator.world.id(39)
    # What is read of this video from now on is damage. The trigger would tell that something changed.
    change(
        archive / CATALOGUE, f"DROP TRIGGER content_changed; UPDATE videos SET created = 'never' WHERE id = '{oldest}'"
    )
    before = library_of(archive)
    assert program.run("sync", archive).status == 0
    assert query(archive / CATALOGUE, f"SELECT created FROM videos WHERE id = '{oldest}'") == [("never",)]
    assert {name for name, told in library_of(archive).items() if told != before[name]} <= {
        "library/state.js",
        "library/contents.json",
    }
    # Where a file of it is lost, all is read again.
    next((archive / "library").glob("cards.*")).unlink()
    assert program.run("library", archive).status == 0
    assert [video["id"] for video in videos_of(archive)][-1] == oldest
    assert query(archive / CATALOGUE, f"SELECT created FROM videos WHERE id = '{oldest}'") != [("never",)]


def test_a_catalogue_that_comes_from_a_backup_is_not_taken_for_another_one(held: Held, archive: Path) -> None:
    simulator, program = held
    former = (archive / CATALOGUE).read_bytes()
    simulator.world.change(5, prompt="A lighthouse of paper")
    assert program.run("sync", archive, "--full").status == 0
    (archive / CATALOGUE).write_bytes(former)
    simulator.world.change(5, prompt="A lighthouse of glass")
    assert program.run("sync", archive, "--full").status == 0
    assert videos_of(archive)[5]["prompt"] == "A lighthouse of glass"


def test_the_command_twice_writes_nothing_the_second_time(held: Held, archive: Path) -> None:
    _, program = held
    program.run("library", archive)
    before = library_of(archive)
    outcome = lonely(program).run("library", archive)
    assert (outcome.status, library_of(archive)) == (0, before)
    assert outcome.stdout.startswith("12 videos: 0 files written, 0 Bytes\nComplete as of ")
    assert outcome.stdout.endswith(f"\nOpen {archive / 'index.html'}\n")
    built = lonely(program).run("library", archive, "--json").report
    assert (built["videos"], built["files_written"], built["page"]) == (12, 0, str(archive / "index.html"))
    assert lonely(program).run("library", archive, "--quiet").stdout == ""


def test_new_videos_touch_the_chunk_that_they_are_in_alone(account: Account, archive: Path) -> None:
    world = World(count=40)
    simulator, program = account(world)
    program.run("sync", archive)
    before = library_of(archive)
    new = simulator.world.add(3)
    assert program.run("sync", archive).status == 0
    after = library_of(archive)
    written = {name for name in after if after[name] != before.get(name)}
    chunks = {name for name in written if name.startswith(("library/cards", "library/details"))}
    assert len(chunks) == 2
    assert written - chunks == {"library/state.js", "library/contents.json"}
    assert [video["id"] for video in videos_of(archive)][:3] == new
    # The chunks of the former edition stay for a page that is open, through one more edition.
    assert before.keys() <= after.keys()
    simulator.world.add(1)
    program.run("sync", archive)
    last = library_of(archive)
    assert not [name for name in last if name in before.keys() - after.keys()]
    assert len([name for name in last if "/cards." in name]) == len(state_of(archive)["chunks"]) + 1


def test_changed_metadata_reaches_the_library(held: Held, archive: Path) -> None:
    simulator, program = held
    simulator.world.change(5, prompt="A lighthouse of paper")
    assert program.run("sync", archive, "--full").status == 0
    assert videos_of(archive)[5]["prompt"] == "A lighthouse of paper"


def test_a_video_that_goes_on_from_another_one_changes_that_ones_chunk(account: Account, archive: Path) -> None:
    world = World(count=30)
    simulator, program = account(world)
    program.run("sync", archive)
    (new,) = simulator.world.add(1)
    parent = simulator.world.item(29)
    simulator.world.change(new, firstFrameImageUrl=parent["lastFrameImageUrl"], extendVideoUrl=REMOVED)
    assert program.run("sync", archive).status == 0
    told = {video["id"]: video["chain"] for video in videos_of(archive)}
    assert told[new] == told[world.id(29)] == [world.id(29), new]


def test_the_setting_turns_it_off(account: Account, archive: Path) -> None:
    _, program = account(World(count=3))
    program.settings["library"] = {"update": False}
    outcome = program.run("sync", archive, "--json")
    assert (outcome.status, outcome.report["library"]) == (0, None)
    assert not (archive / "index.html").exists()
    assert not (archive / "library").exists()
    assert lonely(program).run("library", archive).status == 0
    assert len(videos_of(archive)) == 3


def test_what_was_deleted_of_it_is_made_anew(held: Held, archive: Path) -> None:
    _, program = held
    whole = {path.name: path.read_bytes() for path in (archive / "library").iterdir()}
    cards, details = sorted(name for name in whole if name.endswith(".js") and name != "state.js")[:2]
    (archive / "library" / cards).unlink()
    (archive / "library" / details).write_bytes(whole[details][:-5])
    assert lonely(program).run("library", archive).status == 0
    assert {name: (archive / "library" / name).read_bytes() for name in (cards, details)} == {
        name: whole[name] for name in (cards, details)
    }
    shutil.rmtree(archive / "library")
    assert lonely(program).run("library", archive).status == 0
    assert len(videos_of(archive)) == 12


@pytest.mark.parametrize("contents", [b"", b"{", b"[]", b'{"format":"x"}', b"[" * 100_000, b"\xff\xfe"])
def test_a_table_of_contents_that_makes_no_sense_is_made_anew(held: Held, archive: Path, contents: bytes) -> None:
    _, program = held
    (archive / "library" / "contents.json").write_bytes(contents)
    assert lonely(program).run("library", archive).status == 0
    assert len(videos_of(archive)) == 12
    assert json.loads((archive / "library" / "contents.json").read_bytes())["version"] == 1


def test_a_refused_key_leaves_it_as_it_is(held: Held, archive: Path) -> None:
    _, program = held
    before = library_of(archive)
    program.key = "pictai_another"
    assert program.run("sync", archive).status == 4
    assert library_of(archive) == before


def test_a_listing_that_failed_is_told(held: Held, archive: Path) -> None:
    simulator, program = held
    simulator.faults.add(Fault(Match(origin="api"), HttpStatus(500), times=None))
    assert program.run("sync", archive).status == 5
    state = state_of(archive)["state"]
    assert state["exit_status"] == 5
    assert state["verdict"].startswith("Not known to be complete since ")


# Whole or not at all


@dataclass
class Behind:
    """An archive of 44 videos whose library is of 40 of them, and the program, loaded."""

    program: Warm
    archive: Path
    base: Path
    log: Path
    former: list[str]
    whole: list[str]
    calls: list[Call]

    def reset(self) -> None:
        shutil.rmtree(self.archive, ignore_errors=True)
        shutil.copytree(self.base, self.archive)

    def points(self) -> list[Call]:
        """Every call of an undisturbed run that changes the library."""
        return [call for call in self.calls if call.happened and call.paths[-1].startswith(("library", "index.html"))]

    def build(self, shot: Shot) -> Outcome:
        """Builds the library, and does to it what was aimed: what is there then is one edition or the other."""
        self.reset()
        run = shoot(self.program, self.archive, "library", self.archive, log=self.log, shot=shot)
        assert was_hit(run, shot), shot
        assert self.shown() in (self.former, self.whole), shot
        return run.outcome

    def build_again(self) -> None:
        """The next building comes to what an undisturbed one comes to."""
        assert self.program.run("library", self.archive).status == 0
        assert self.shown() == self.whole
        assert not [name for name in library_of(self.archive) if "partial" in name]

    def shown(self) -> list[str]:
        return [video["id"] for video in videos_of(self.archive)]


@pytest.fixture
def behind(account: Account, archive: Path, tmp_path: Path) -> Iterator[Behind]:
    simulator, program = account(World(count=40))
    program.run("sync", archive)
    former = [video["id"] for video in videos_of(archive)]
    simulator.world.add(4)
    program.settings["library"] = {"update": False}
    program.run("sync", archive)
    page = archive / "index.html"
    page.write_bytes(page.read_bytes() + b"<!-- of another release -->")
    base, log = tmp_path / "base", tmp_path / "log"
    shutil.copytree(archive, base)
    with warm(lonely(program), tmp_path / "warm", disk_threads=1) as quick:
        calls = record(quick, archive, "library", archive, log=log).calls
        whole = [video["id"] for video in videos_of(archive)]
        assert (len(former), len(whole)) == (40, 44)
        yield Behind(quick, archive, base, log, former, whole, calls)


def test_killed_anywhere_it_leaves_a_whole_library(behind: Behind, record_figures: RecordFigures) -> None:
    points = behind.points()
    assert {"write", "fsync", "rename"} <= {call.name for call in points}
    for point in points:
        shot = aim(behind.calls, point)
        assert shot is not None
        behind.build(shot)
        behind.build_again()
    record_figures("crash sweep, every invariant held", **{"kills of library": len(points)})


def test_a_call_that_fails_ends_the_building_in_words(behind: Behind, record_figures: RecordFigures) -> None:
    failed = 0
    for point in behind.points():
        for what in FAULTS.get(point.name, ()):
            shot = fault(behind.calls, point, what)
            assert shot is not None
            outcome = behind.build(shot)
            assert outcome.status == (0 if what == NOTHING_WRITTEN else 6), (point, what, outcome)
            assert outcome.status == 0 or len(outcome.stderr.splitlines()) == 1
            failed += 1
        behind.build_again()
    record_figures("disk faults, every invariant held", **{"calls of library that failed": failed})


def test_a_signal_ends_the_building_and_nothing_is_lost(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=300))
    program.settings["library"] = {"update": False}
    program.run("sync", archive, "--assets", "thumbnail")
    process = lonely(program).start("library", archive)
    while not (archive / "library").exists():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode in (143, 0)
    assert "Traceback" not in stderr
    if process.returncode:
        assert not (archive / "library" / "state.js").exists()
    assert lonely(program).run("library", archive).status == 0
    assert len(videos_of(archive)) == len(simulator.world)


def test_a_disk_that_is_full_spoils_no_run(account: Account, mount: Mount) -> None:
    archive = mount("size=3m") / "archive"
    simulator, program = account(World(count=12))
    program.settings["download"] = {"reserve": 0}
    assert program.run("sync", archive).status == 0
    before = videos_of(archive)
    simulator.world.add(1)
    program.settings["library"] = {"update": False}
    assert program.run("sync", archive).status == 0
    program.settings["library"] = {"update": True}
    ballast = archive.parent / "ballast"
    fill(ballast)
    outcome = program.run("library", archive)
    assert outcome.status == 6
    assert "the disk is full" in outcome.stderr
    assert videos_of(archive) == before
    ballast.unlink()
    assert program.run("library", archive).status == 0
    assert len(videos_of(archive)) == 13


def test_the_reserve_of_the_disk_is_left_alone(held: Held, archive: Path) -> None:
    simulator, program = held
    before = library_of(archive)
    simulator.world.add(1)
    program.settings["library"] = {"update": False}
    program.run("sync", archive)
    program.settings = program.settings | {"download": {"reserve": "1PiB"}, "library": {"update": True}}
    outcome = lonely(program).run("library", archive)
    assert outcome.status == 6
    assert "that stay free (download.reserve)" in outcome.stderr
    assert library_of(archive) == before
    quiet = program.run("sync", archive)  # it has nothing to fetch
    assert quiet.status == 0
    assert "Warning: the offline library is not up to date: " in quiet.stderr


# What is not ours


def test_a_page_of_somebody_else_is_never_replaced(account: Account, archive: Path) -> None:
    _, program = account(World(count=2))
    program.settings["library"] = {"update": False}
    program.run("sync", archive)
    page = archive / "index.html"
    for make in (lambda: page.write_text("mine"), page.mkdir, lambda: page.symlink_to("/etc/passwd")):
        make()
        outcome = lonely(program).run("library", archive)
        assert outcome.status == 2, outcome
        assert outcome.stderr == (
            f"Error: {page} is not a page of this program, and is not replaced; move it away, and run "
            "`pictory-archiver library`\n"
        )
        program.settings["library"] = {"update": True}
        outcome = program.run("sync", archive)
        assert (outcome.status, outcome.verdict.startswith("All 2 AI Studio videos")) == (0, True)
        assert "Warning: the offline library is not up to date: " in outcome.stderr
        assert not (archive / "library").exists()
        if page.is_dir() and not page.is_symlink():
            page.rmdir()
        else:
            page.unlink()


def test_files_in_its_folder_that_are_not_its_own_stay(held: Held, archive: Path) -> None:
    simulator, program = held
    mine = [archive / "library" / name for name in ("notes.txt", "cards.2026-04.01.js", "details.mine.js")]
    for path in mine:
        path.write_text("mine")
    for _ in range(3):
        simulator.world.add(1)
        program.run("sync", archive)
    assert [path.read_text() for path in mine] == ["mine"] * 3


def test_a_link_in_the_place_of_its_folder_is_not_followed(account: Account, archive: Path, tmp_path: Path) -> None:
    _, program = account(World(count=2))
    program.settings["library"] = {"update": False}
    program.run("sync", archive)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (archive / "library").symlink_to(elsewhere)
    outcome = lonely(program).run("library", archive)
    assert outcome.status == 6
    assert "links are not followed" in outcome.stderr
    assert not list(elsewhere.iterdir())
    assert not (archive / "index.html").exists()


def test_what_is_no_archive_and_what_is_held(account: Account, archive: Path, tmp_path: Path) -> None:
    _, program = account(World(count=2))
    (tmp_path / "other").mkdir()
    for folder in ("other", "nowhere"):
        outcome = program.run("library", tmp_path / folder)
        assert (outcome.status, len(outcome.stderr.splitlines())) == (6, 1)
        assert not list((tmp_path / "other").iterdir())
    program.run("sync", archive)
    with exclusively(archive / ".pictory-archiver" / "lock", archive, command="sync", now=datetime.now(UTC)):
        outcome = program.run("library", archive)
    assert outcome.status == 75


def test_a_catalogue_that_is_lost_or_damaged_is_no_hindrance(held: Held, archive: Path) -> None:
    _, program = held
    whole = videos_of(archive)
    catalogue = archive / ".pictory-archiver" / "catalogue.sqlite3"
    for spoil in (
        catalogue.unlink,
        lambda: catalogue.write_bytes(catalogue.read_bytes()[:9000]),
        lambda: change(catalogue, "UPDATE videos SET created = 'yesterday'"),
    ):
        spoil()
        shutil.rmtree(archive / "library")
        assert lonely(program).run("library", archive).status == 0
        assert videos_of(archive) == whole
        assert state_of(archive)["state"]["exit_status"] == 5
        assert state_of(archive)["state"]["verdict"].startswith("Unknown: ")


def test_it_is_no_part_of_what_is_checked_and_listed(held: Held, archive: Path) -> None:
    _, program = held
    (archive / "library" / "extra.json").write_text("{}")
    report = lonely(program).run("verify", archive, "--json").report
    assert (report["damage_count"], report["notes"]) == (0, [])
    sums = lonely(program).run("export", archive, "--to", "sha256sums").stdout
    assert "library/" not in sums
    assert "index.html" not in sums
    assert lonely(program).run("reindex", archive).status == 0


# Editions

IDS = st.lists(st.integers(0, 2000), unique=True, max_size=60)
FAR = datetime(2024, 1, 1, tzinfo=UTC)


def stamp(number: int, state: str = "s") -> Stamp:
    """A video of some day and hour, by its number; every 50th has no date."""
    moment = FAR + timedelta(hours=number * 7)
    created = "" if number % 50 == 0 else moment.isoformat()
    return Stamp(f"id{number}", created, Place(f"{number}", "stem"), state)


def drawn(
    stamps: Sequence[Stamp],
    chains: Chains | None = None,
    *,
    linked: Mapping[str, Sequence[str]] | None = None,
    zone: str = "UTC",
    is_settled: Callable[[Chunk], bool] = lambda _: False,
) -> Edition:
    """The edition of these videos, as a catalogue gives them."""
    by_id = {each.id: each for each in stamps}
    return draw_up(
        sorted(stamps, key=lambda each: (each.created, each.id)),
        chains or Chains({}),
        linked or {},
        zone,
        find=lambda ids: [by_id[video_id] for video_id in ids if video_id in by_id],
        is_settled=is_settled,
    )


@given(IDS, IDS)
def test_an_edition_holds_every_video_once_and_only_what_changed_has_another_name(
    numbers: list[int], more: list[int]
) -> None:
    before = drawn([stamp(number) for number in numbers])
    order = [video_id for chunk in before.chunks for video_id in chunk.ids]
    dated = sorted((number for number in numbers if number % 50), reverse=True)
    assert order[: len(dated)] == [f"id{number}" for number in dated]
    assert sorted(order) == sorted(f"id{number}" for number in numbers)
    assert all(chunk.count == len(chunk.ids) for chunk in before.chunks)
    together = sorted({*numbers, *more})
    after = drawn([stamp(number) for number in together])
    assert (before.digest == after.digest) == (sorted(numbers) == together)
    new = {f"id{number}" for number in more} - {*order}
    names = {chunk.cards for chunk in before.chunks}
    for chunk in after.chunks:
        if not new & {*chunk.ids}:
            assert chunk.cards in names


@given(IDS.filter(bool), st.data())
def test_whatever_is_shown_with_a_video_is_in_the_name_of_its_chunk(numbers: list[int], data: st.DataObject) -> None:
    changed, holder = data.draw(st.sampled_from(numbers)), data.draw(st.sampled_from(numbers))
    linked = {f"id{holder}": [f"id{changed}"]}
    one = drawn([stamp(number) for number in numbers], linked=linked)
    states = {changed: "other"}
    other = drawn([stamp(number, states.get(number, "s")) for number in numbers], linked=linked)
    for before, after in zip(one.chunks, other.chunks, strict=True):
        is_hit = bool({f"id{changed}", f"id{holder}"} & {*before.ids})
        assert (before.cards != after.cards) == (before.details != after.details) == is_hit


def test_a_chain_is_in_the_names_of_the_chunks_of_all_its_parts() -> None:
    stamps = [stamp(number) for number in (1, 201, 401, 601)]
    plain = drawn(stamps)
    chained = drawn(stamps, Chains({"id401": "id1"}))
    changed = [one.ids[0] for one, other in zip(plain.chunks, chained.chunks, strict=True) if one.cards != other.cards]
    assert changed == ["id401", "id1"]


def test_a_large_month_is_cut_from_its_oldest_end() -> None:
    month = [
        Stamp(f"{number:04}", (FAR + timedelta(minutes=number)).isoformat(), Place("", f"{number}"), "s")
        for number in range(1001)
    ]
    before = drawn(month[:1000])
    after = drawn(month)
    assert [chunk.count for chunk in before.chunks] == [200, 400, 400]
    assert [chunk.count for chunk in after.chunks] == [201, 400, 400]
    assert before.chunks[1:] == after.chunks[1:]


def test_the_zone_of_the_folders_is_part_of_an_edition() -> None:
    stamps = [Stamp("a", "2026-04-30T23:30:00+00:00", Place("", "a"), "s")]
    assert drawn(stamps).chunks[0].days == (("2026-04-30", 1),)
    assert drawn(stamps, zone="Pacific/Auckland").chunks[0].days == (("2026-05-01", 1),)
    assert drawn(stamps).digest != drawn(stamps, zone="Pacific/Auckland").digest


def test_a_night_in_which_the_clocks_are_set_back_over_midnight_leaves_days_together() -> None:
    """In Newfoundland, until 2010, one minute after midnight. October was over for a minute, and came back."""
    times = ["2005-10-30T03:30", "2010-11-07T02:29", "2010-11-07T02:30", "2010-11-07T02:31", "2010-11-07T03:31"]
    stamps = [Stamp(f"{time}", f"{time}:00+00:00", Place("", time), "s") for time in times]
    newest, oldest = drawn(stamps, zone="America/St_Johns").chunks
    assert newest.days == (("2010-11-07", 2), ("2010-11-06", 2))
    assert newest.ids == ("2010-11-07T03:31", "2010-11-07T02:30", "2010-11-07T02:31", "2010-11-07T02:29")
    assert (oldest.days, oldest.ids) == ((("2005-10-30", 1),), ("2005-10-30T03:30",))


@given(IDS, st.data())
def test_of_chunks_that_are_there_already_no_ids_are_kept(numbers: list[int], data: st.DataObject) -> None:
    stamps = [stamp(number) for number in numbers]
    whole = drawn(stamps)
    there = data.draw(st.sets(st.sampled_from([chunk.cards for chunk in whole.chunks]))) if whole.chunks else set()
    lean = drawn(stamps, is_settled=lambda chunk: chunk.cards in there)
    assert lean.without_ids() == whole.without_ids()
    for one, other in zip(whole.chunks, lean.chunks, strict=True):
        assert other.ids == (() if one.cards in there else one.ids)


def test_a_date_at_the_end_of_the_calendar_is_none() -> None:
    stamps = [Stamp("a", "9999-12-31T23:59:59+00:00", Place("", "a"), "s")]
    assert drawn(stamps, zone="Pacific/Auckland").chunks[0].days == (("", 1),)


ENTRY = Entry(
    id="a",
    account="default",
    created_at="2026-04-09T18:51:47.967Z",
    prompt="It's a </script> \\ test\u2028",
    model="veo3.1",
    aspect_ratio="9:16",
    width=720,
    height=None,
    duration_seconds=8.0,
    status=Standing.INCOMPLETE,
    gone_upstream=None,
    archived_at="2026-04-10T00:00:00Z",
    path="2026/04/09/a.mp4",
    sidecar="2026/04/09/a.json",
    bytes=3,
    files=(
        EntryFile(kind=Kind.VIDEO, status=Status.STORED, path="2026/04/09/a.mp4", bytes=3, sha256="0"),
        EntryFile(kind=Kind.THUMBNAIL, status=Status.STORED, path="2026/04/09/a.r2.thumbnail.jpg", bytes=1, sha256="1"),
        EntryFile(kind=Kind.PREVIEW, status=Status.MISSING, error="HTTP 404"),
    ),
    accepted=("preview",),
    continues=None,
    continued_by=("b", "c"),
    chain=("a", "b"),
    request={"prompt": "p", "__proto__": {"x": 1}},
)


def test_a_chunk_is_what_its_version_says(tmp_path: Path) -> None:
    """Where this fails because chunks say something else than before, DATA_VERSION has to be another one."""
    scripts = cards_script("cards.x.js", [ENTRY]), details_script("details.x.js", [ENTRY])
    assert (DATA_VERSION, sha256(b"".join(scripts)).hexdigest()) == (1, GOLDEN)
    for name, data in zip(("cards", "details"), scripts, strict=True):
        path = tmp_path / name
        path.write_bytes(data)
        assert data.isascii()
        assert b"<" not in data
        function, own_name, told = told_by(path)
        assert (function, own_name) == (name, f"{name}.x.js")
        if name == "cards":
            assert (told["prompt"], told["video"], told["thumbnail"]) == ([ENTRY.prompt], [1], ["a.r2.thumbnail.jpg"])
            assert (told["chain"], told["continued_by"]) == ({"0": ["a", "b"]}, {"0": ["b", "c"]})
        else:
            assert told[0]["request"] == ENTRY.request
