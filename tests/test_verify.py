"""`verify`: every byte against the sidecars. It names what is wrong, changes nothing, and needs nothing."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pictory_archiver import Settings
from pictory_archiver.archive import CATALOGUE, JOURNAL
from pictory_archiver.simulator import Fault, Match, Simulator, World
from pictory_archiver.simulator import Status as Answer
from pictory_archiver.subset import Subset, subset_of
from pictory_archiver.verify import verify_archive

from .conftest import Account, Mount
from .damage import cut, entry, file_of, flip, rewrite
from .support import Outcome, Program, files_of, required, sidecars
from .terminal import Terminal
from .test_interruption import stop, wait_until
from .test_upkeep import change, lonely

Held = tuple[Simulator, Program]


@pytest.fixture
def held(account: Account, archive: Path) -> Held:
    """A whole archive, and the program of somebody without a key and without a network."""
    simulator, program = account(World(count=20))
    assert program.run("sync", archive).status == 0
    simulator.forget()
    return simulator, lonely(program)


def everything(archive: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of an archive with its bytes and its time, but the journal."""
    return {
        path.relative_to(archive).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(archive.rglob("*"))
        if path.is_file() and path != archive / JOURNAL
    }


def found(outcome: Outcome, which: str = "damage") -> set[tuple[str, str]]:
    """What `--json` names: what is wrong, and the file's name."""
    return {(each["what"], each["path"].rpartition("/")[2]) for each in outcome.report[which]}


def test_a_whole_archive(held: Held, archive: Path) -> None:
    simulator, program = held
    before = everything(archive)
    outcome = program.run("verify", archive)
    files = sum(asset.status == "stored" for _, sidecar in sidecars(archive).values() for asset in sidecar.assets)
    assert outcome.status == 0
    assert (
        outcome.verdict == f"All {files} files of 20 AI Studio videos are as they were stored; every byte was compared."
    )
    assert everything(archive) == before
    report = program.run("verify", archive, "--json").report
    assert (report["mode"], report["videos"], report["files"], report["files_read"]) == ("full", 20, files, files)
    size = sum(asset.bytes or 0 for _, sidecar in sidecars(archive).values() for asset in sidecar.assets)
    assert (report["bytes_read"], report["damage"], report["notes"]) == (size, [], [])
    assert not simulator.log


def test_54_a_flipped_bit_is_named_and_a_quick_look_does_not_see_it(held: Held, archive: Path) -> None:
    simulator, program = held
    video = file_of(archive, simulator.world, 3, "mp4")
    flip(video)
    outcome = program.run("verify", archive)
    assert outcome.status == 7
    path = video.relative_to(archive).as_posix()
    assert f"  damaged: {path} (its bytes are not those that were stored)\n" in outcome.stdout
    assert outcome.verdict == "Damage: 1 file of 1 video. `repair` gets back what it can."
    (finding,) = program.run("verify", archive, "--json").report["damage"]
    assert (finding["path"], finding["video_id"], finding["kind"]) == (path, simulator.world.id(3), "video")
    quick = program.run("verify", archive, "--quick")
    assert (quick.status, "their sizes" in quick.stdout or "sizes" in quick.verdict) == (0, True)


def test_every_kind_of_damage_is_named(held: Held, archive: Path) -> None:
    simulator, program = held
    world = simulator.world
    flip(file_of(archive, world, 0, "preview.jpg"))
    cut(file_of(archive, world, 1, "mp4"))
    file_of(archive, world, 2, "last_frame.png").unlink()
    linked = file_of(archive, world, 3, "thumbnail.jpg")
    linked.rename(archive / "away.jpg")
    linked.symlink_to(archive / "away.jpg")
    cut(file_of(archive, world, 4, "json"), 100)
    file_of(archive, world, 5, "json").unlink()
    for path in archive.rglob(f"*_{world.id(6)}.*"):
        path.unlink()
    rewrite(file_of(archive, world, 7, "json"), lambda document: entry(document, "video").update(sha256="0" * 64))
    rewrite(file_of(archive, world, 8, "json"), lambda document: document.update(complete=False))
    outcome = program.run("verify", archive, "--json")
    assert outcome.status == 7

    def name(video: int, suffix: str) -> str:
        return f"_{world.id(video)}.{suffix}"

    ends = {(what, re.sub(r"^.*?(_\d{17}[0-9a-f]+\.)", r"\1", path)) for what, path in found(outcome)}
    outputs = {("lost", name(6, suffix)) for suffix in ("mp4", "thumbnail.jpg", "preview.jpg", "last_frame.png")}
    inputs = {(what, path) for what, path in ends - outputs if what == "lost" and path.startswith(name(6, ""))}
    assert ends - inputs == outputs | {
        ("damaged", name(0, "preview.jpg")),
        ("damaged", name(1, "mp4")),
        ("lost", name(2, "last_frame.png")),
        ("lost", name(3, "thumbnail.jpg")),
        ("damaged_sidecar", name(4, "json")),
        ("lost_sidecar", name(5, "json")),
        ("lost_sidecar", name(6, "json")),
        ("false_sidecar", name(7, "json")),
        ("false_sidecar", name(8, "json")),
    }
    assert found(outcome, "notes") == {("extra", "away.jpg")}
    assert outcome.report["damaged_videos"] == 9


# What is no damage


def test_what_is_extra_or_unfinished_is_no_damage(held: Held, archive: Path) -> None:
    simulator, program = held
    video = file_of(archive, simulator.world, 0, "mp4")
    (archive / "holiday.mov").write_bytes(b"mine")
    (archive / "notes.json").write_text('{"mine": true}')
    (archive / "2026" / "empty").mkdir(parents=True)
    (archive / "elsewhere").symlink_to(archive.parent)
    shutil.copy(video, video.with_name("copy of it.mp4"))
    video.with_name(f"{video.name}.partial").write_bytes(b"half")
    video.with_name(f"{video.name}.partial.json").write_bytes(b"{}")
    for litter in (".DS_Store", "Thumbs.db", "._x.mp4"):
        video.with_name(litter).write_bytes(b"litter")
    (archive / "@eaDir").mkdir()
    (archive / "@eaDir" / "x.json").write_bytes(b"litter")
    outcome = program.run("verify", archive, "--json")
    assert outcome.status == 0
    assert found(outcome, "notes") == {
        ("extra", "holiday.mov"),
        ("extra", "notes.json"),
        ("extra", "elsewhere"),
        ("extra", "copy of it.mp4"),
        ("unfinished", f"{video.name}.partial"),
        ("unfinished", f"{video.name}.partial.json"),
    }
    words = program.run("verify", archive)
    assert words.status == 0
    assert "  extra: holiday.mov (no sidecar names it)\n" in words.stdout
    assert "No damage, but worth a look: 6\n" in words.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system whose names are bytes")
def test_a_folder_whose_name_is_no_text_ends_no_check(held: Held, archive: Path) -> None:
    simulator, program = held
    sidecar = file_of(archive, simulator.world, 0, "json")
    odd = Path(os.fsdecode(os.fsencode(archive) + b"/caf\xe9"))
    shutil.copytree(sidecar.parent, odd)
    outcome = program.run("verify", archive, "--json")
    assert (outcome.status, outcome.report["damage"]) == (0, [])
    assert found(outcome, "notes") == {("extra", "caf\\udce9")}
    flip(file_of(archive, simulator.world, 1, "mp4"))
    assert program.run("verify", archive).status == 7
    assert "Left as it is: 1\n" in program.run("repair", archive).stdout


@pytest.mark.skipif(sys.platform == "win32", reason="its names have no such characters")
def test_names_move_no_cursor(held: Held, archive: Path) -> None:
    """The program gives no such names; others may have."""
    simulator, program = held
    video = file_of(archive, simulator.world, 0, "mp4")
    flip(video)
    video.parent.rename(video.parent.with_name("\x1b[2J\nx"))
    for words in (["verify"], ["verify", "-v", "-q"], ["repair"]):
        outcome = program.run(*words, archive)
        assert outcome.status == 7
        assert f"\\x1b[2J\\x0ax/{video.name} (" in outcome.stdout
        assert "\x1b" not in outcome.stdout + outcome.stderr


def test_a_video_that_is_not_complete_is_no_damage(account: Account, archive: Path) -> None:
    _, program = account(World(count=3), [Fault(Match(kind="preview", video=1), Answer(404), times=None)])
    assert program.run("sync", archive).status == 3
    outcome = lonely(program).run("verify", archive)
    assert outcome.status == 0
    assert outcome.verdict.endswith("1 video never had all files: `status` names them.")


def test_an_archive_without_a_video(account: Account, archive: Path) -> None:
    _, program = account(World(count=0))
    assert program.run("sync", archive).status == 0
    outcome = lonely(program).run("verify", archive)
    assert outcome.status == 0
    assert outcome.verdict == "The archive holds no AI Studio videos: there is nothing to check."


def test_a_crash_between_sidecar_and_catalogue_is_no_damage(held: Held, archive: Path) -> None:
    simulator, program = held
    rewrite(
        file_of(archive, simulator.world, 2, "json"),
        lambda document: document.update(archived_at="2026-11-30T00:00:00Z", archived_by="pictory-archiver 9"),
    )
    change(archive / CATALOGUE, f"DELETE FROM videos WHERE id = '{simulator.world.id(3)}'")
    outcome = program.run("verify", archive, "--json")
    assert (outcome.status, outcome.report["damage"]) == (0, [])
    assert {(each["what"], each["video_id"]) for each in outcome.report["notes"]} == {
        ("stale_catalogue", simulator.world.id(2)),
        ("stale_catalogue", simulator.world.id(3)),
    }


# Sidecars that lie, and catalogues that know better or nothing


def test_a_sidecar_that_was_altered_is_false(held: Held, archive: Path) -> None:
    """One letter of the prompt: as valid as before, and not what Pictory said."""
    simulator, program = held
    path = file_of(archive, simulator.world, 2, "json")
    data = path.read_bytes()
    at = data.index(b'"prompt"') + 15
    flip(path, at)
    json.loads(path.read_bytes())
    outcome = program.run("verify", archive, "--json", "--quick")
    assert (outcome.status, found(outcome)) == (7, {("false_sidecar", path.name)})
    assert outcome.report["damage"][0]["detail"] == "it is not the one that was written"


@pytest.mark.parametrize(
    "lie",
    [
        lambda document: document["assets"].pop(0),
        lambda document: document["assets"].append(dict(document["assets"][0])),
        lambda document: entry(document, "video").update(sha256="no digest"),
        lambda document: entry(document, "video").update(bytes=None),
        lambda document: entry(document, "video").update(path=entry(document, "preview")["path"]),
        lambda document: entry(document, "video").update(status="linked", path=None, video_id="nobody", asset="video"),
        lambda document: entry(document, "video").update(status="missing"),
    ],
)
def test_what_cannot_be_true_is_seen_without_a_catalogue(held: Held, archive: Path, lie: Any) -> None:
    simulator, program = held
    path = file_of(archive, simulator.world, 2, "json")
    rewrite(path, lie)
    for _ in range(2):
        outcome = program.run("verify", archive, "--json")
        assert outcome.status == 7
        assert ("false_sidecar", path.name) in found(outcome)
        (archive / CATALOGUE).unlink(missing_ok=True)


@pytest.mark.parametrize("problem", ["lost", "garbage", "cut"])
def test_without_a_catalogue_the_sidecars_are_believed(held: Held, archive: Path, problem: str) -> None:
    simulator, program = held
    catalogue = archive / CATALOGUE
    if problem == "lost":
        catalogue.unlink()
    elif problem == "garbage":
        catalogue.write_bytes(os.urandom(20_000))
    else:
        with catalogue.open("r+b") as file:
            file.seek(8192)
            file.write(b"\xff" * (catalogue.stat().st_size - 8192))
    before = everything(archive)
    outcome = program.run("verify", archive, "--json")
    assert (outcome.status, outcome.report["videos"]) == (0, 20)
    (note,) = outcome.report["notes"]
    assert (note["what"], note["path"]) == ("stale_catalogue", CATALOGUE.as_posix())
    assert everything(archive) == before

    flip(file_of(archive, simulator.world, 1, "mp4"))
    cut(file_of(archive, simulator.world, 4, "json"), 100)
    outcome = program.run("verify", archive, "--json")
    assert outcome.status == 7
    assert {what for what, _ in found(outcome)} == {"damaged", "damaged_sidecar"}


@pytest.mark.parametrize("command", ["verify", "repair"])
def test_rot_in_the_catalogue_is_not_taken_for_damage_of_the_files(held: Held, archive: Path, command: str) -> None:
    """Of one digest alone, which everything else contradicts; and of whole pages, so that it says nothing true."""
    _, program = held
    seen, nothing = (["damage_count"], [0]) if command == "verify" else (["mended_count", "left_count"], [0, 0])
    before = files_of(archive)
    change(archive / CATALOGUE, f"UPDATE videos SET sidecar_sha256 = '{'0' * 64}' WHERE rowid % 3 = 0")
    outcome = program.run(command, archive, "--json")
    assert (outcome.status, *map(outcome.report.get, seen)) == (0, *nothing)

    change(archive / CATALOGUE, "UPDATE videos SET folder = '2001/01/01', stem = 'x' || rowid, sidecar_bytes = 7")
    with (archive / CATALOGUE).open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 16)
    outcome = program.run(command, archive, "--json")
    assert (outcome.status, *map(outcome.report.get, seen)) == (0, *nothing)
    assert files_of(archive) == before


def test_a_sidecar_of_a_newer_release_is_refused(held: Held, archive: Path) -> None:
    simulator, program = held
    sidecar = file_of(archive, simulator.world, 2, "json")
    rewrite(sidecar, lambda document: document.update(version=2, novelty="what only that release knows"))
    before = files_of(archive)
    for command in ("verify", "repair"):
        outcome = program.run(command, archive)
        assert outcome.status == 2
        assert "format version 2" in outcome.stderr
    assert files_of(archive) == before


def test_rot_does_not_pass_for_a_newer_release(held: Held, archive: Path) -> None:
    simulator, program = held
    sidecar = file_of(archive, simulator.world, 2, "json")
    before = sidecar.read_bytes()
    assert before.count(b'"version": 1') == 1
    sidecar.write_bytes(before.replace(b'"version": 1', b'"version": 9'))
    outcome = program.run("verify", archive, "--json")
    assert (outcome.status, [what for what, _ in found(outcome)]) == (7, ["damaged_sidecar"])
    assert program.run("repair", archive).status == 0
    assert sidecar.read_bytes() == before


def test_a_folder_that_is_no_archive(held: Held, tmp_path: Path) -> None:
    _, program = held
    (tmp_path / "other").mkdir()
    for folder in ("other", "nowhere"):
        outcome = program.run("verify", tmp_path / folder, "--report", tmp_path / "report.json")
        assert (outcome.status, outcome.stdout) == (6, "")
        assert "is no archive" in outcome.stderr
        report = json.loads((tmp_path / "report.json").read_bytes())
        assert (report["exit_status"], report["videos"]) == (6, 0)


# Disks, runs and signals


def test_read_only_media(account: Account, mount: Mount) -> None:
    simulator, program = account(World(count=5))
    archive = mount("size=600m")
    assert program.run("sync", archive).status == 0
    journal = (archive / JOURNAL).read_bytes()
    flip(file_of(archive, simulator.world, 2, "mp4"))
    mount("ro", again=True)
    outcome = lonely(program).run("verify", archive)
    assert (outcome.status, outcome.stderr) == (7, "")
    assert (archive / JOURNAL).read_bytes() == journal
    mount("rw", again=True)


def test_the_journal_has_a_line(held: Held, archive: Path) -> None:
    simulator, program = held
    flip(file_of(archive, simulator.world, 2, "mp4"))
    before = (archive / JOURNAL).read_bytes()
    assert program.run("verify", archive).status == 7
    after = (archive / JOURNAL).read_bytes()
    assert after.startswith(before)
    line = json.loads(after[len(before) :])
    assert (line["type"], line["exit_status"], line["damage_count"], line["damage"]) == ("verification", 7, 1, [])
    status = program.run("status", archive)
    assert status.status == 7
    assert "  exit 7: Damage: 1 file of 1 video. `repair` gets back what it can.\n" in status.stdout
    (archive / JOURNAL).write_bytes(after + b'{"type":"verification","cut off')
    assert program.run("status", archive, "--json").report["last_check"]["exit_status"] == 7


def test_beside_a_running_sync_nothing_is_mistaken_for_damage(account: Account, archive: Path) -> None:
    """Again and again while an archive comes to be, and while its metadata change."""
    simulator, program = account(World(count=60), latency=0.01)
    reader = lonely(program)
    for _ in range(2):
        process = program.start("sync", archive, "--full")
        wait_until((archive / CATALOGUE).exists, process)
        looks = 0
        while process.poll() is None:
            outcome = reader.run("verify", archive)
            assert outcome.status == 0, outcome.stdout
            looks += 1
        out, err = process.communicate()
        assert (process.returncode, looks > 1) == (0, True), (out, err)
        for video in range(60):
            simulator.world.change(video, prompt="another prompt altogether")
    assert reader.run("verify", archive).status == 0


def test_a_disk_that_cannot_read_a_file_or_a_folder(held: Held, archive: Path) -> None:
    strace = shutil.which("strace")
    required(strace, "strace, to make reading fail")
    simulator, program = held
    video = file_of(archive, simulator.world, 2, "mp4")
    program.prefix = (str(strace), "-f", "-qq", "-o", "/dev/null", "-P", str(video), "-e", "inject=read:error=EIO")
    outcome = program.run("verify", archive, "--json")
    assert (outcome.status, found(outcome)) == (7, {("unreadable", video.name)})
    assert os.strerror(errno.EIO) in outcome.report["damage"][0]["detail"]
    folder = video.parent
    inject = "inject=getdents64:error=EIO"
    program.prefix = (str(strace), "-f", "-qq", "-o", "/dev/null", "-P", str(folder), "-e", inject)
    outcome = program.run("verify", archive, "--json")
    assert outcome.status == 7
    assert ("unreadable", folder.name) in found(outcome)


def test_few_files_may_be_open(held: Held, archive: Path) -> None:
    _, program = held
    program.prefix = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")
    assert program.run("verify", archive, "--workers", "8").status == 0
    outcome = program.run("verify", archive, "--workers", "64")
    assert outcome.status in (0, 6), outcome.stdout
    program.prefix = ("sh", "-c", 'ulimit -n 12; exec "$@"', "sh")
    outcome = program.run("verify", archive, "--workers", "64")
    assert outcome.status in (0, 6), outcome.stdout
    assert "Damage" not in outcome.stdout


def test_nothing_that_is_no_file_holds_it_up(held: Held, archive: Path) -> None:
    simulator, program = held
    sidecar, video = (file_of(archive, simulator.world, 2, suffix) for suffix in ("json", "mp4"))
    for path in (sidecar, video):
        path.unlink()
        os.mkfifo(path)
    outcome = program.run("verify", archive, "--json")
    assert outcome.status == 7
    assert found(outcome) == {("damaged_sidecar", sidecar.name), ("lost", video.name)}


def slowly(program: Program, *arguments: str | Path) -> subprocess.Popen[str]:
    """Starts a command on a disk that takes its time."""
    strace = shutil.which("strace")
    required(strace, "strace, to make reading slow")
    slow = "inject=lseek,read:delay_enter=20000"
    command = [str(strace), "-D", "-f", "-qq", "-o", "/dev/null", "-e", slow, *program.command(*arguments)]
    return subprocess.Popen(
        command,
        env=program.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_what_was_found(held: Held, archive: Path, tmp_path: Path, number: int) -> None:
    _, program = held
    for path in archive.rglob("*.mp4"):
        flip(path)
    log = tmp_path / "log"
    process = slowly(program, "verify", archive, "--workers", "1", "--log-file", log)
    wait_until(lambda: log.exists() and "damaged: " in log.read_text(), process)
    outcome, seconds = stop(program, process, number)
    assert (outcome.status, seconds < 10) == (128 + number, True)
    assert "  damaged: " in outcome.stdout
    assert outcome.verdict.startswith("Damage: ")
    assert outcome.verdict.endswith("The check did not come to its end: a signal stopped it.")
    told = program.run("status", archive, "--json").report
    assert (told["last_check"]["exit_status"], told["last_check"]["error"]) == (128 + number, "a signal stopped it")
    assert (told["known_damage"], told["all_read_since"]) == (told["last_check"], None)


def test_it_ends_when_its_time_is_up(held: Held, archive: Path) -> None:
    _, program = held
    outcome = program.run("verify", archive, "--max-duration", "0.001")
    assert outcome.status == 3
    assert outcome.verdict.startswith("Not known: what was looked at is as it was stored. The time was up after ")


# What it says, and to whom


def test_quiet_says_only_what_is_wrong(held: Held, archive: Path, tmp_path: Path) -> None:
    simulator, program = held
    outcome = program.run("verify", archive, "-q")
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, "", "")
    flip(file_of(archive, simulator.world, 2, "mp4"))
    report, log = tmp_path / "report.json", tmp_path / "log"
    outcome = program.run("verify", archive, "-q", "--report", report, "--log-file", log, "--log-format", "json")
    assert outcome.status == 7
    assert outcome.stdout.startswith("Damage: 1\n")
    document = json.loads(report.read_bytes())
    assert (document["format"], document["damage_count"]) == ("pictory-archiver/verification", 1)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [each["event"] for each in events] == ["run_began", "found", "run_ended"]
    assert (events[0]["command"], events[1]["level"], events[2]["exit_status"]) == ("verify", "warning", 7)


def test_every_account_has_its_turn(account: Account, tmp_path: Path) -> None:
    simulator, program = account(World(count=3))
    for name in ("one", "two"):
        assert program.run("sync", tmp_path / name).status == 0
    flip(file_of(tmp_path / "two", simulator.world, 1, "mp4"))
    accounts = {name: {"archive": str(tmp_path / name), "key_file": "none"} for name in ("one", "two", "three")}
    program = lonely(program)
    program.settings = {**program.settings, "accounts": accounts}
    outcome = program.run("verify", "--all-accounts", "--json")
    assert outcome.status == 6
    assert [(each["account"], each["exit_status"]) for each in outcome.report["accounts"]] == [
        ("one", 0),
        ("two", 7),
        ("three", 6),
    ]
    words = program.run("verify", "--all-accounts", "-q")
    assert words.status == 6
    assert words.verdict == "Not sound: two, three (2 of 3 accounts)."
    assert program.run("verify", "--account", "two").status == 7
    assert program.run("verify", "--account", "one", "-q").stdout == ""


def test_options_that_make_no_sense(held: Held, archive: Path) -> None:
    _, program = held
    assert program.run("verify", archive, "--quick", "--subset", "5%").status == 2
    for share in ("0%", "101%", "-5%", "five", "5%%", ""):
        outcome = program.run("verify", archive, "--subset", share)
        assert (outcome.status, "is no share" in outcome.stderr) == (2, True), share


# A part of it


def test_a_part_is_read_and_of_the_others_the_sizes_are_compared(held: Held, archive: Path) -> None:
    simulator, program = held
    report = program.run("verify", archive, "--subset", "25%", "--json").report
    number, slices = map(int, report["subset"].split("/"))
    assert (slices, report["mode"], report["exit_status"]) == (4, "subset", 0)
    today = Subset(number, slices)
    world = simulator.world
    inside = [video for video in range(20) if today.holds(world.id(video))]
    outside = [video for video in range(20) if video not in inside]
    assert inside
    assert outside
    assert report["files_read"] == sum(
        asset.status == "stored"
        for _, sidecar in sidecars(archive).values()
        if today.holds(sidecar.id)
        for asset in sidecar.assets
    )
    flip(file_of(archive, world, outside[0], "mp4"))
    assert program.run("verify", archive, "--subset", "25%").status == 0
    flip(file_of(archive, world, inside[0], "mp4"))
    cut(file_of(archive, world, outside[1], "mp4"))
    outcome = program.run("verify", archive, "--subset", "25%", "--json")
    assert outcome.status == 7
    assert {each["video_id"] for each in outcome.report["damage"]} == {world.id(inside[0]), world.id(outside[1])}
    assert program.run("verify", archive, "--subset", "100%").status == 7


@pytest.mark.skipif(sys.platform == "win32", reason="the time zone is that of the computer there")
@pytest.mark.parametrize("zone", ["XXX-14", "XXX+12"])
def test_the_part_is_that_of_the_local_day(held: Held, archive: Path, zone: str) -> None:
    """In one of the two it is another day than in UTC: a monthly job at night would skip parts of the archive."""
    _, program = held
    program.env = {"TZ": zone}
    ahead = timezone(-timedelta(hours=int(zone[3:])))
    days = [datetime.now(ahead).date()]
    report = program.run("verify", archive, "--subset", "1%", "--json").report
    days.append(datetime.now(ahead).date())
    assert report["subset"] in {str(subset_of(1, day)) for day in days}


# What a person sees meanwhile


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
def test_bars_show_how_far_it_is(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=40, video_bytes=8_000_000))
    assert program.run("sync", archive).status == 0
    flip(file_of(archive, simulator.world, 39, "mp4"))
    program = lonely(program)
    with Terminal(program.command("verify", archive, "--workers", "1"), program.environment()) as terminal:
        assert terminal.finish() == 7
    seen = [line for line in screen_lines(terminal) if "read" in line]
    assert any(re.match(r"[\d.]+ MB of 3\d\d\.\d MB read.* \|.*\| +\d+%", line) for line in seen), seen[:5]
    assert any(re.match(r"[1-9]\d* of 40 videos, 1 damaged", line) for line in screen_lines(terminal))
    assert terminal.lines[0] == "Damage: 1", "the bars are gone"


def screen_lines(terminal: Terminal) -> list[str]:
    """Every line that was drawn, whatever came over it."""
    return [re.sub(r"\x1b\[[A-Za-z0-9]*", "", line) for line in re.split(r"[\r\n]+", terminal.output)]


# From a program


async def test_from_python(held: Held, archive: Path) -> None:
    simulator, _ = held
    flip(file_of(archive, simulator.world, 2, "mp4"))
    found = await verify_archive(archive, Settings())
    assert (found.exit_status, found.damage_count, found.damage[0].video_id) == (7, 1, simulator.world.id(2))
    found = await verify_archive(archive, quick=True)
    assert (found.exit_status, found.bytes_read) == (0, 0)
