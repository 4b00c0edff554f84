"""`repair`: what is damaged or lost is fetched again, what was there is kept, and nothing else is touched."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from pictory_archiver import Settings
from pictory_archiver.archive import CATALOGUE, JOURNAL
from pictory_archiver.quarantine import QUARANTINE
from pictory_archiver.repair import repair_archive
from pictory_archiver.simulator import Fault, Match, RawBody, Simulator, Stall, World
from pictory_archiver.simulator import Status as Answer

from .conftest import Account, Mount
from .damage import cut, entry, file_of, flip, rewrite
from .support import Outcome, Program, asset, check_against_world, check_archive, files_of, required, sidecars
from .test_interruption import stop, wait_until
from .test_telling import fill
from .test_upkeep import change, lonely

Held = tuple[Simulator, Program]


@pytest.fixture
def held(account: Account, archive: Path) -> Held:
    """A whole archive."""
    simulator, program = account(World(count=20))
    assert program.run("sync", archive).status == 0
    simulator.forget()
    return simulator, program


def keyless(program: Program) -> Program:
    """The program of somebody who has no key any more; the CDN is still there."""
    return Program(program.home, "http://127.0.0.1:9/pictoryapis", program.origins, key=None, settings=program.settings)


def kept(archive: Path) -> dict[str, bytes]:
    """What lies in quarantine, by the path that it had."""
    found = {}
    for run in (archive / QUARANTINE).glob("*"):
        for path in run.rglob("*"):
            if path.is_file():
                found[path.relative_to(run).as_posix()] = path.read_bytes()
    return found


def mended(outcome: Outcome) -> set[tuple[str, str]]:
    """What `--json` names as mended: how, and the file's name."""
    return {(each["how"], each["path"].rpartition("/")[2]) for each in outcome.report["mended"]}


def test_54_what_is_damaged_or_lost_comes_back_as_it_was(held: Held, archive: Path) -> None:
    """Without a key: the addresses in the sidecars do. No sidecar is written, for each was true all the time."""
    simulator, program = held
    world = simulator.world
    before = files_of(archive)
    flipped, short, lost = (
        file_of(archive, world, video, suffix)
        for video, suffix in ((3, "mp4"), (4, "preview.jpg"), (5, "last_frame.png"))
    )
    flip(flipped)
    cut(short)
    lost.unlink()
    bad = {path.relative_to(archive).as_posix(): path.read_bytes() for path in (flipped, short)}
    times = {path: path.stat().st_mtime_ns for path in archive.rglob("*_*.json")}
    assert program.run("verify", archive).status == 7

    outcome = keyless(program).run("repair", archive, "--json")
    assert outcome.status == 0
    assert mended(outcome) == {("restored", path.name) for path in (flipped, short, lost)}
    assert files_of(archive) == before
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert len(simulator.requests(origin="cdn")) == 3
    assert not simulator.requests(origin="api")
    assert kept(archive) == bad
    assert program.run("verify", archive).status == 0
    assert program.run("sync", archive, "--full").status == 0
    assert len(simulator.requests(origin="cdn")) == 3


def test_it_says_what_it_did(held: Held, archive: Path) -> None:
    simulator, program = held
    video = file_of(archive, simulator.world, 3, "mp4")
    flip(video)
    outcome = program.run("repair", archive)
    assert outcome.status == 0
    path = video.relative_to(archive).as_posix()
    assert outcome.stdout.startswith(f"Mended: 1\n  restored: {path} (as it was stored)\n")
    assert outcome.verdict.startswith("Repaired: 1 file of the archive is whole again. What was there before is in ")
    line = json.loads((archive / JOURNAL).read_bytes().splitlines()[-1])
    assert (line["type"], line["mended_count"], line["mended"][0]["path"]) == ("repair", 1, path)
    outcome = program.run("repair", archive)
    assert outcome.status == 0
    assert outcome.verdict.startswith("Nothing to repair: all ")
    assert program.run("repair", archive, "-q").stdout == ""


def test_what_cannot_be_had_again_is_kept_and_named(held: Held, archive: Path) -> None:
    simulator, program = held
    video, preview = file_of(archive, simulator.world, 3, "mp4"), file_of(archive, simulator.world, 4, "preview.jpg")
    flip(video)
    cut(preview)
    before = files_of(archive)
    simulator.world.delete(3)
    simulator.faults.add(Fault(Match(kind="preview", video=4), Answer(404), times=None))
    outcome = program.run("repair", archive)
    assert outcome.status == 7
    for path, why in ((video, "the account does not list the video any more"), (preview, "HTTP 404")):
        (line,) = [line for line in outcome.stdout.splitlines() if path.name in line]
        assert line.startswith("  damaged: ")
        assert why in line
    assert outcome.verdict == "Damage is left: 2 files could not be mended, and kept as found."
    assert files_of(archive) == before
    assert kept(archive) == {}
    assert program.run("verify", archive).status == 7


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"\x89PNG\r\n\x1a\n"])
def test_nothing_takes_the_place_of_a_file_but_a_whole_one(held: Held, archive: Path, body: bytes) -> None:
    simulator, program = held
    flip(file_of(archive, simulator.world, 3, "mp4"))
    before = files_of(archive)
    simulator.faults.add(Fault(Match(kind="video", video=3), RawBody(body), times=None))
    assert program.run("repair", archive).status == 7
    assert files_of(archive) == before


def test_a_listing_gives_fresh_links(account: Account, archive: Path) -> None:
    """The addresses in the sidecars have lost their signatures: they are denied."""
    simulator, program = account(World(count=12, signed=True, page_size=5))
    assert program.run("sync", archive).status == 0
    before = files_of(archive)
    flip(file_of(archive, simulator.world, 3, "mp4"))
    file_of(archive, simulator.world, 3, "preview.jpg").unlink()
    simulator.forget()
    outcome = keyless(program).run("repair", archive)
    assert outcome.status == 7
    assert "without an API key, Pictory was not asked for a fresh link" in outcome.stdout
    simulator.forget()
    assert program.run("repair", archive).status == 0
    assert files_of(archive) == before
    assert len(simulator.requests(origin="api")) == 1


@pytest.mark.parametrize(("answer", "status"), [(401, 4), (500, 5)])
def test_a_listing_that_fails_leaves_what_it_was_to_find(
    account: Account, archive: Path, answer: int, status: int
) -> None:
    simulator, program = account(World(count=4, signed=True))
    assert program.run("sync", archive).status == 0
    flip(file_of(archive, simulator.world, 1, "mp4"))
    cut(file_of(archive, simulator.world, 2, "json"))
    before = files_of(archive)
    simulator.faults.add(Fault(Match(origin="api"), Answer(answer), times=None))
    outcome = program.run("repair", archive, "--json")
    assert outcome.status == status
    assert (outcome.report["mended_count"], outcome.report["left_count"]) == (1, 1)
    after = files_of(archive)
    assert {name for name in before if before[name] != after[name]} == {
        file_of(archive, simulator.world, 2, "json").relative_to(archive).as_posix()
    }


def test_what_upstream_has_changed_since_is_told_apart(held: Held, archive: Path) -> None:
    simulator, program = held
    world = simulator.world
    thumbnail, other = (file_of(archive, world, video, "thumbnail.jpg") for video in (3, 9))
    before = asset(sidecars(archive)[world.id(3)][1], "thumbnail")
    changed = other.read_bytes()
    flip(thumbnail)
    bad = thumbnail.read_bytes()
    simulator.faults.add(Fault(Match(kind="thumbnail", video=3), RawBody(changed), times=None))
    outcome = program.run("repair", archive, "--json")
    assert outcome.status == 0
    (told,) = outcome.report["mended"]
    assert (told["how"], told["former_sha256"]) == ("replaced", before.sha256)
    assert "1 of them with other bytes than before: Pictory has changed them since." in outcome.report["verdict"]
    assert thumbnail.read_bytes() == changed
    after = asset(check_archive(archive)[world.id(3)][1], "thumbnail")
    assert after.sha256 == told["sha256"] != before.sha256
    assert bad in kept(archive).values()
    assert program.run("verify", archive).status == 0
    simulator.forget()
    assert program.run("sync", archive, "--full").status == 0
    assert not simulator.requests(origin="cdn")


# Sidecars


@pytest.mark.parametrize("problem", ["cut", "lost", "garbage", "empty", "another video's"])
def test_56_a_sidecar_is_written_anew_without_a_request(held: Held, archive: Path, problem: str) -> None:
    simulator, program = held
    sidecar = file_of(archive, simulator.world, 3, "json")
    before = files_of(archive)
    if problem == "cut":
        cut(sidecar, 100)
    elif problem == "lost":
        sidecar.unlink()
    elif problem == "empty":
        sidecar.write_bytes(b"")
    elif problem == "garbage":
        sidecar.write_bytes(os.urandom(3000))
    else:
        shutil.copy(file_of(archive, simulator.world, 9, "json"), sidecar)
    bad = sidecar.read_bytes() if sidecar.exists() else None
    outcome = lonely(program).run("repair", archive, "--json")
    assert (outcome.status, mended(outcome)) == (0, {("rewritten", sidecar.name)})
    assert files_of(archive) == before
    assert list(kept(archive).values()) == ([] if bad is None else [bad])
    assert not simulator.log
    assert program.run("verify", archive).status == 0


@pytest.mark.parametrize(
    "lie",
    [
        lambda document: entry(document, "video").update(sha256="0" * 64),
        lambda document: document.update(complete=False),
        lambda document: document["assets"].append(dict(document["assets"][0])),
        lambda document: document["video"].update(prompt="x" * len(document["video"]["prompt"])),
    ],
)
def test_a_sidecar_that_lies_is_set_right_by_what_the_catalogue_knows(held: Held, archive: Path, lie: Any) -> None:
    simulator, program = held
    before = sidecars(archive)[simulator.world.id(3)][1]
    sidecar = file_of(archive, simulator.world, 3, "json")
    rewrite(sidecar, lie)
    assert program.run("verify", archive).status == 7
    simulator.forget()
    assert lonely(program).run("repair", archive).status == 0
    after = check_archive(archive)[simulator.world.id(3)][1]
    assert after.assets == before.assets
    assert not simulator.log
    assert program.run("verify", archive).status == 0


def test_without_a_catalogue_a_lie_costs_what_it_is_about(held: Held, archive: Path) -> None:
    simulator, program = held
    rewrite(
        file_of(archive, simulator.world, 3, "json"),
        lambda document: entry(document, "video").update(sha256=None, bytes=None),
    )
    (archive / CATALOGUE).unlink()
    outcome = program.run("repair", archive, "--json")
    assert outcome.status == 0
    assert {how for how, _ in mended(outcome)} == {"rewritten", "fetched"}
    assert len(simulator.requests(origin="cdn")) == 1
    check_against_world(archive, simulator)
    assert program.run("verify", archive).status == 0


def test_a_sidecar_of_which_nothing_is_known_is_left(held: Held, archive: Path) -> None:
    simulator, program = held
    sidecar = file_of(archive, simulator.world, 3, "json")
    cut(sidecar, 100)
    (archive / CATALOGUE).unlink()
    outcome = program.run("repair", archive)
    assert outcome.status == 7
    assert "neither its sidecar nor the catalogue says what it was" in outcome.stdout


def test_everything_of_a_video_at_once(held: Held, archive: Path) -> None:
    simulator, program = held
    before = files_of(archive)
    for path in archive.rglob(f"*_{simulator.world.id(3)}.*"):
        path.unlink()
    assert program.run("repair", archive).status == 0
    assert files_of(archive) == before


def test_a_whole_folder_at_once(held: Held, archive: Path) -> None:
    _, program = held
    before = files_of(archive)
    for folder in [path for path in archive.iterdir() if path.name.isdigit()]:
        shutil.rmtree(folder)
    outcome = program.run("repair", archive)
    assert outcome.status == 0
    assert files_of(archive) == before


# Inputs


def with_inputs(archive: Path) -> list[tuple[Path, Any]]:
    """The inputs that the archive has copies of, each with its asset."""
    found = [
        (path.with_name(each.path or ""), each)
        for path, sidecar in sidecars(archive).values()
        for each in sidecar.assets
        if each.status == "stored" and str(each.kind) in ("first_frame", "reference", "extend_source")
    ]
    assert found
    return found


def test_an_input_comes_from_its_twin_in_the_archive(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=20))
    world = simulator.world
    picture = next(url for video in range(20) for url in world.item(video).get("referenceImageUrls", ()))
    world.change(2, firstFrameImageUrl=picture)
    world.change(7, firstFrameImageUrl=picture)
    assert program.run("sync", archive).status == 0
    inputs = with_inputs(archive)
    urls = [each.url for _, each in inputs]
    path, each = next((path, each) for path, each in inputs if urls.count(each.url) > 1)
    before = files_of(archive)
    flip(path)
    simulator.forget()
    assert lonely(program).run("repair", archive).status == 0
    assert files_of(archive) == before
    assert not simulator.log

    for other, its in inputs:  # now all of the copies: one is fetched, or each
        if its.url == each.url:
            flip(other)
    assert program.run("repair", archive).status == 0
    assert files_of(archive) == before


# A part, a stop, a disk


def test_only_some_videos(held: Held, archive: Path) -> None:
    simulator, program = held
    world = simulator.world
    paths = [file_of(archive, world, video, "mp4") for video in (3, 4, 5)]
    for path in paths:
        flip(path)
    outcome = program.run("repair", archive, world.id(3), paths[1], "--json")
    assert (outcome.status, mended(outcome)) == (0, {("restored", path.name) for path in paths[:2]})
    assert outcome.report["videos"] == 2
    assert program.run("verify", archive, "--json").report["damage_count"] == 1
    assert program.run("repair", archive, "nobody").status == 2


def test_quick_finds_what_sizes_tell(held: Held, archive: Path) -> None:
    simulator, program = held
    flip(file_of(archive, simulator.world, 3, "mp4"))
    file_of(archive, simulator.world, 4, "mp4").unlink()
    outcome = program.run("repair", archive, "--quick", "--json")
    assert (outcome.status, outcome.report["mended_count"], outcome.report["bytes_read"]) == (0, 1, 0)
    assert program.run("verify", archive).status == 7


def test_it_holds_the_archive(held: Held, archive: Path) -> None:
    simulator, program = held
    flip(file_of(archive, simulator.world, 3, "mp4"))
    simulator.faults.add(Fault(Match(kind="video", video=3), Stall(at=100)))
    process = program.start("repair", archive)
    wait_until(lambda: simulator.requests(kind="video"), process)
    outcome = program.run("sync", archive)
    assert outcome.status == 75
    assert "repair" in outcome.stderr + outcome.stdout
    outcome, seconds = stop(program, process, signal.SIGTERM)
    assert (outcome.status, seconds < 10) == (143, True)
    assert "Left as it is: 1\n" in outcome.stdout
    told = json.loads((archive / JOURNAL).read_bytes().splitlines()[-1])
    assert (told["type"], told["error"], told["left_count"]) == ("repair", "a signal stopped it", 1)
    assert program.run("repair", archive).status == 0
    check_against_world(archive, simulator)


@pytest.mark.parametrize("seed", range(4))
def test_a_kill_at_any_time_loses_nothing(held: Held, archive: Path, seed: int) -> None:
    simulator, program = held
    before = files_of(archive)
    for video in range(8):
        flip(file_of(archive, simulator.world, video, "mp4"))
        cut(file_of(archive, simulator.world, video, "json"), 50)
    process = program.start("repair", archive)
    wait_until(lambda: simulator.requests(kind="video"), process)
    time.sleep(0.01 * seed)
    process.kill()
    process.communicate()
    outcome = program.run("repair", archive)
    assert outcome.status == 0, outcome.stdout
    assert files_of(archive) == before
    assert program.run("verify", archive).status == 0


def test_a_full_disk(account: Account, mount: Mount) -> None:
    simulator, program = account(
        World(count=3, video_bytes=4_000_000), program={"settings": {"download": {"reserve": "0"}}}
    )
    archive = mount("size=20m")
    assert program.run("sync", archive).status == 0
    before = files_of(archive)
    flip(file_of(archive, simulator.world, 1, "mp4"))
    damaged = files_of(archive)
    fill(archive)
    outcome = program.run("repair", archive)
    assert outcome.status == 6
    (archive / "full").unlink()
    assert files_of(archive) == damaged
    assert program.run("repair", archive).status == 0
    assert files_of(archive) == before


def test_a_disk_without_second_names(held: Held, archive: Path) -> None:
    strace = shutil.which("strace")
    required(strace, "strace, to make links fail")
    simulator, program = held
    video = file_of(archive, simulator.world, 3, "mp4")
    before = files_of(archive)
    flip(video)
    bad = video.read_bytes()
    program.prefix = (str(strace), "-f", "-qq", "-o", "/dev/null", "-e", "inject=link,linkat:error=EPERM")
    assert program.run("repair", archive).status == 0
    program.prefix = ()
    assert files_of(archive) == before
    assert list(kept(archive).values()) == [bad]


def test_read_only_media(account: Account, mount: Mount) -> None:
    simulator, program = account(World(count=3))
    archive = mount("size=600m")
    assert program.run("sync", archive).status == 0
    flip(file_of(archive, simulator.world, 1, "mp4"))
    mount("ro", again=True)
    assert program.run("repair", archive).status == 6
    mount("rw", again=True)


def test_a_folder_that_is_no_archive(held: Held, tmp_path: Path) -> None:
    _, program = held
    (tmp_path / "other").mkdir()
    outcome = program.run("repair", "--config", tmp_path / "home" / "config.yaml", cwd=tmp_path / "other")
    assert outcome.status == 2
    assert list((tmp_path / "other").iterdir()) == []


# Quarantine, by sync too


def test_sync_keeps_what_it_replaces(held: Held, archive: Path) -> None:
    """A file that was cut, and a sidecar that cannot be read any more, may be all that is left."""
    simulator, program = held
    before = files_of(archive)
    video, sidecar = file_of(archive, simulator.world, 3, "mp4"), file_of(archive, simulator.world, 4, "json")
    cut(video)
    cut(sidecar, 50)
    bad = {path.relative_to(archive).as_posix(): path.read_bytes() for path in (video, sidecar)}
    assert program.run("sync", archive, "--full").status == 0
    assert kept(archive) == bad
    assert files_of(archive).keys() == before.keys()
    check_against_world(archive, simulator)


def test_the_catalogue_learns_what_it_did_not_know(held: Held, archive: Path) -> None:
    simulator, program = held
    change(archive / CATALOGUE, f"DELETE FROM videos WHERE id = '{simulator.world.id(3)}'")
    assert program.run("verify", archive, "--json").report["note_count"] == 1
    assert lonely(program).run("repair", archive).status == 0
    assert program.run("verify", archive, "--json").report["note_count"] == 0


async def test_from_python(held: Held, archive: Path) -> None:
    simulator, _ = held
    flip(file_of(archive, simulator.world, 3, "mp4"))
    done = await repair_archive(archive, Settings(), None, allowed_origins=frozenset(simulator.origins))
    assert (done.exit_status, done.mended_count, done.left_count) == (0, 1, 0)
