"""`export --to sha256sums`: what others can check without this program. The real `sha256sum` reads what it writes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pictory_archiver.archive import CATALOGUE, LIBRARY, MANIFEST, hold, is_litter
from pictory_archiver.layout import file_name
from pictory_archiver.manifest import Manifest
from pictory_archiver.models import OUTPUTS, Asset, Slot, Status
from pictory_archiver.settings import Settings
from pictory_archiver.sidecar import render
from pictory_archiver.simulator import Fault, Match, Simulator, World
from pictory_archiver.simulator import Status as Answer

from .conftest import Account, Mount
from .damage import cut, entry, file_of, flip, rewrite
from .records import EXAMPLE
from .support import TIMEOUT, Outcome, Program, required, sidecars, snapshot
from .test_interruption import posix_only, stop, wait_until
from .test_streams import FULL, through_shell
from .test_telling import fill
from .test_upkeep import change, lonely

Held = tuple[Simulator, Program]

CHECKERS = {
    "coreutils": ("sha256sum", "-c", "--strict"),
    "busybox": ("busybox", "sha256sum", "-c"),
    "perl": ("shasum", "-a", "256", "-c"),
}
TO = ("--to", "sha256sums")


@pytest.fixture
def held(account: Account, archive: Path) -> Held:
    """A whole archive, and the program of somebody without a key and without a network."""
    simulator, program = account(World(count=20))
    assert program.run("sync", archive).status == 0
    simulator.forget()
    return simulator, lonely(program)


def check(folder: Path, manifest: bytes, checker: str = "coreutils") -> tuple[int, set[str], set[str]]:
    """→ the checker's exit status, the paths that it found to be as they should, and the others"""
    words = CHECKERS[checker]
    required(shutil.which(words[0]), words[0])
    (folder.parent / "manifest").write_bytes(manifest)
    done = subprocess.run([*words, folder.parent / "manifest"], cwd=folder, capture_output=True, text=True, check=False)
    said = [line.rpartition(": ") for line in done.stdout.splitlines()]
    good = {path for path, _, word in said if word == "OK"}
    return done.returncode, good, {path for path, _, word in said} - good


def promised(archive: Path) -> set[str]:
    """Every media file and every sidecar, by path."""
    found = set()
    for path, sidecar in sidecars(archive).values():
        files = [path.with_name(asset.path or "") for asset in sidecar.assets if asset.status is Status.STORED]
        found |= {file.relative_to(archive).as_posix() for file in (path, *files)}
    return found


def exported(outcome: Outcome) -> bytes:
    return outcome.stdout.encode()


# The real programs


@pytest.mark.parametrize("checker", CHECKERS)
def test_others_check_every_file(held: Held, archive: Path, checker: str) -> None:
    simulator, program = held
    before = snapshot(archive)
    outcome = program.run("export", archive, *TO)
    assert (outcome.status, outcome.stderr) == (0, "")
    files = promised(archive)
    assert len(files) > 20 * 5
    assert check(archive, exported(outcome), checker) == (0, files, set())
    assert outcome.stdout.count("\n") == len(files)
    assert snapshot(archive) == before
    assert not simulator.log


@pytest.mark.parametrize("checker", CHECKERS)
def test_rot_is_found_by_others(held: Held, archive: Path, checker: str) -> None:
    simulator, program = held
    manifest = exported(program.run("export", archive, *TO))
    video, sidecar = (file_of(archive, simulator.world, index, end) for index, end in ((3, "mp4"), (7, "json")))
    flip(video)
    flip(sidecar)
    lost = file_of(archive, simulator.world, 9, "preview.jpg")
    lost.unlink()
    status, good, bad = check(archive, manifest, checker)
    assert status != 0
    assert bad == {path.relative_to(archive).as_posix() for path in (video, sidecar, lost)}
    assert len(good) == manifest.count(b"\n") - 3


def test_its_lines_are_those_of_sha256sum_in_the_order_of_paths(held: Held, archive: Path) -> None:
    _, program = held
    outcome = program.run("export", archive, *TO)
    lines = outcome.stdout.splitlines()
    paths = [line.partition("  ")[2] for line in lines]
    assert paths == sorted(promised(archive))
    done = subprocess.run(["sha256sum", *paths], cwd=archive, capture_output=True, text=True, check=True)
    assert done.stdout == outcome.stdout
    assert program.run("export", *TO, cwd=archive).stdout == outcome.stdout


# Rot that is there already


def test_rot_is_not_certified(held: Held, archive: Path) -> None:
    """The catalogue knows what was written: the lines are those of the sound archive, and the check finds the rot."""
    simulator, program = held
    world = simulator.world
    sound = program.run("export", archive, *TO).stdout
    video = file_of(archive, world, 1, "mp4")
    flip(video)
    altered, unreadable, lost = (file_of(archive, world, index, "json") for index in (2, 3, 4))
    rewrite(altered, lambda document: entry(document, "video").update(sha256="0" * 64))
    cut(unreadable, 100)
    lost.unlink()
    away = file_of(archive, world, 5, "thumbnail.jpg")
    away.unlink()
    outcome = program.run("export", archive, *TO)
    assert outcome.status == 7
    assert sorted(outcome.stdout.splitlines()) == sorted(sound.splitlines())
    bad = {video, altered, unreadable, lost, away}
    assert check(archive, exported(outcome))[2] == {path.relative_to(archive).as_posix() for path in bad}
    warned = {re.sub(r" \(.*", "", line) for line in outcome.stderr.splitlines()}
    assert warned == {
        f"Warning: {what}: {path.relative_to(archive).as_posix()}"
        for what, path in {
            "false sidecar": altered,
            "damaged sidecar": unreadable,
            "lost sidecar": lost,
            "lost": away,
        }.items()
    }


@pytest.mark.parametrize("problem", ["lost", "garbage"])
def test_without_a_catalogue_the_sidecars_are_believed(held: Held, archive: Path, problem: str) -> None:
    simulator, program = held
    sound = program.run("export", archive, *TO).stdout
    catalogue = archive / CATALOGUE
    if problem == "lost":
        catalogue.unlink()
    else:
        catalogue.write_bytes(os.urandom(20_000))
    outcome = program.run("export", archive, *TO)
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, sound, "")

    sidecar = file_of(archive, simulator.world, 4, "json")
    cut(sidecar, 100)
    outcome = program.run("export", archive, *TO)
    name = sidecar.relative_to(archive).as_posix()
    assert outcome.status == 7
    assert outcome.stderr.startswith(f"Warning: damaged sidecar: {name} (")
    stem = name.removesuffix("json")
    assert outcome.stdout.splitlines() == [line for line in sound.splitlines() if stem not in line]
    assert check(archive, exported(outcome))[0] == 0


def test_a_sidecar_that_the_catalogue_does_not_know_yet_is_believed(held: Held, archive: Path) -> None:
    """A crash between the two, or a run beside it."""
    simulator, program = held
    rewrite(
        file_of(archive, simulator.world, 2, "json"),
        lambda document: document.update(archived_at="2026-11-30T00:00:00Z", archived_by="pictory-archiver 9"),
    )
    change(archive / CATALOGUE, f"DELETE FROM videos WHERE id = '{simulator.world.id(3)}'")
    outcome = program.run("export", archive, *TO)
    assert (outcome.status, outcome.stderr) == (0, "")
    assert check(archive, exported(outcome)) == (0, promised(archive), set())


def test_of_two_sidecars_of_a_video_one_counts(held: Held, archive: Path) -> None:
    simulator, program = held
    sound = program.run("export", archive, *TO).stdout
    sidecar = file_of(archive, simulator.world, 2, "json")
    (archive / "2024").mkdir()
    shutil.copy(sidecar, archive / "2024")
    outcome = program.run("export", archive, *TO)
    assert (outcome.status, outcome.stdout) == (0, sound)


def test_what_is_of_no_video_is_not_listed(held: Held, archive: Path) -> None:
    simulator, program = held
    sound = program.run("export", archive, *TO).stdout
    (archive / "notes.json").write_text('{"mine": true}')
    (archive / "holiday.mov").write_bytes(b"mine")
    video = file_of(archive, simulator.world, 0, "mp4")
    video.with_name(f"{video.name}.partial").write_bytes(b"half")
    shutil.copytree(video.parent, archive / LIBRARY, dirs_exist_ok=True)
    outcome = program.run("export", archive, *TO)
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, sound, "")


def test_a_file_that_was_never_had_is_not_listed(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=3), [Fault(Match(kind="preview", video=1), Answer(404), times=None)])
    assert program.run("sync", archive).status == 3
    outcome = lonely(program).run("export", archive, *TO)
    assert outcome.status == 0
    assert check(archive, exported(outcome)) == (0, promised(archive), set())
    assert f"{simulator.world.id(1)}.mp4" in outcome.stdout
    assert f"{simulator.world.id(1)}.preview" not in outcome.stdout


def test_much_damage_is_named_in_part(account: Account, archive: Path) -> None:
    _, program = account(World(count=30))
    assert program.run("sync", archive).status == 0
    files = [path for path in archive.rglob("*") if path.suffix in (".mp4", ".jpg", ".png")]
    for path in files:
        path.unlink()
    outcome = lonely(program).run("export", archive, *TO)
    assert outcome.status == 7
    *named, more = outcome.stderr.splitlines()
    assert len(named) == 100
    assert more == f"Warning: … and {len(files) - 100:,} more: `verify` names them all"


def test_a_newer_release_is_left_alone(held: Held, archive: Path, tmp_path: Path) -> None:
    simulator, program = held
    path = file_of(archive, simulator.world, 2, "json")
    rewrite(path, lambda document: document.update(version=2, more="than this release knows"))
    outcome = program.run("export", archive, *TO, "--output", tmp_path / "sums")
    assert (outcome.status, len(outcome.stderr.splitlines())) == (2, 1)
    assert not list(tmp_path.glob("sums*"))


# Names that others gave


def adopted(root: Path, folders: list[str]) -> set[str]:
    """Makes an archive with a video in each of these folders, by hand. → the paths of its files"""
    made = set()
    with hold(root, time_zone="UTC", now=datetime.now(UTC)):
        for number, folder in enumerate(folders):
            (root / folder).mkdir(parents=True, exist_ok=True)
            stem = f"x_{number}"
            files = {Slot(kind): f"{kind} {number}".encode() for kind in OUTPUTS}
            assets = []
            for slot, data in files.items():
                name = file_name(stem, slot)
                (root / folder / name).write_bytes(data)
                digest = hashlib.sha256(data).hexdigest()
                assets.append(Asset(kind=slot.kind, status=Status.STORED, path=name, bytes=len(data), sha256=digest))
                made.add(f"{folder}/{name}")
            sidecar = msgspec.structs.replace(EXAMPLE, id=str(number), assets=tuple(assets))
            (root / folder / f"{stem}.json").write_bytes(render(sidecar))
            made.add(f"{folder}/{stem}.json")
    return made


async def whole(root: Path) -> bytes:
    """The manifest, of an archive in which nothing is wrong."""
    manifest = Manifest(root, Settings())
    lines = b"".join([data async for data in manifest.lines()])
    assert (manifest.found.damage, manifest.files) == ([], lines.count(b"\n"))
    return lines


HOSTILE = st.text(
    st.sampled_from("\n\\\r\t *'\"$`\x1b\u2028é\u0301😀0aA-._:") | st.characters(codec="utf-8"), max_size=60
)


def is_folder_name(name: str) -> bool:
    return (
        not {"/", "\0"} & set(name)
        and name not in ("", ".", "..", str(LIBRARY))
        and len(os.fsencode(name)) <= 200
        and not is_litter(name)
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that takes any name")
@settings(max_examples=40, deadline=None)
@example(["\n", "\\", "\\n", "\n\\n\\\\", "\r", " *"])
@given(st.lists(HOSTILE.filter(is_folder_name), min_size=1, max_size=8, unique=True))
def test_no_name_breaks_a_line_or_adds_one(tmp_path_factory: pytest.TempPathFactory, folders: list[str]) -> None:
    root = tmp_path_factory.mktemp("adopted") / "archive"
    files = adopted(root, folders)
    manifest = asyncio.run(whole(root))
    assert sorted(unescaped(line) for line in manifest.split(b"\n")[:-1]) == sorted(files)
    (root.parent / "manifest").write_bytes(manifest)
    words = ["sha256sum", "-c", "--strict", "--status", "../manifest"]
    assert subprocess.run(words, cwd=root, check=False).returncode == 0
    (root / min(files)).write_bytes(b"rot")
    assert subprocess.run(words, cwd=root, check=False).returncode == 1
    shutil.rmtree(root.parent)


def unescaped(line: bytes) -> str:
    """The name in a line, as the manual of `sha256sum` has it."""
    match = re.fullmatch(rb"(\\?)[0-9a-f]{64}  (.*)", line, re.DOTALL)
    assert match, line
    name = match[2]
    if match[1]:
        name = re.sub(rb"\\(.)", lambda pair: {b"n": b"\n", b"\\": b"\\"}[pair[1]], name)
    return os.fsdecode(name)


@pytest.mark.skipif(sys.platform == "win32", reason="its names have no such characters")
def test_a_name_cannot_vouch_for_another_file(tmp_path: Path) -> None:
    """A folder whose name has a line of its own in it."""
    (tmp_path / "archive").mkdir()
    line = f"{'0' * 64}  README.txt"
    files = adopted(tmp_path / "archive", [f"2026\n{line}\n"])
    lines = asyncio.run(whole(tmp_path / "archive")).split(b"\n")
    assert len(lines) == len(files) + 1
    assert line.encode() not in lines


# Where it goes


def test_a_manifest_in_the_archive_makes_nothing_dirty(account: Account, archive: Path) -> None:
    simulator, program = account(World(count=5))
    assert program.run("sync", archive).status == 0
    before = snapshot(archive)
    for _ in range(2):
        outcome = program.run("export", archive, *TO, "--output", archive / "SHA256SUMS")
        files = promised(archive)
        assert (outcome.status, outcome.stdout) == (0, "")
        assert outcome.stderr == f"{archive / 'SHA256SUMS'}: {len(files)} files\n"
        assert check(archive, (archive / MANIFEST).read_bytes()) == (0, files, set())
    checked = program.run("verify", archive, "--json")
    assert (checked.status, checked.report["notes"]) == (0, [])
    simulator.forget()
    assert program.run("sync", archive, "--full").status == 0
    assert not simulator.requests(origin="cdn")
    assert {name: seen for name, seen in snapshot(archive).items() if name != "SHA256SUMS"} == before
    simulator.world.add(1)
    assert program.run("sync", archive).status == 0
    assert program.run("repair", archive).status == 0
    assert check(archive, (archive / MANIFEST).read_bytes()) == (0, files, set())


def test_nothing_of_the_archive_is_replaced(held: Held, archive: Path, tmp_path: Path) -> None:
    simulator, program = held
    video = file_of(archive, simulator.world, 0, "mp4")
    (archive / "mine.txt").write_bytes(b"mine")
    (tmp_path / "to a video").symlink_to(video)
    (tmp_path / "archive too").symlink_to(archive)
    before = snapshot(archive)
    for path in (
        video,
        video.with_name("new.txt"),
        archive / "README.txt",
        archive / "mine.txt",
        archive / CATALOGUE,
        archive / ".pictory-archiver" / "new",
        tmp_path / "to a video",
        tmp_path / "archive too" / "README.txt",
        tmp_path / "archive too" / "2026" / ".." / "README.txt",
    ):
        outcome = program.run("export", archive, *TO, "--output", path)
        assert (outcome.status, outcome.stdout, len(outcome.stderr.splitlines())) == (2, "", 1), path
        assert "SHA256SUMS" in outcome.stderr
    assert snapshot(archive) == before
    assert program.run("status", archive).status == 0
    assert program.run("export", archive, *TO, "--output", "new.txt", cwd=archive).status == 0
    assert (archive / "new.txt").exists()


def test_no_link_of_the_archive_is_followed(held: Held, archive: Path, tmp_path: Path) -> None:
    _, program = held
    outside = tmp_path / "outside"
    outside.write_bytes(b"untouched")
    (archive / MANIFEST).symlink_to(outside)
    assert program.run("export", archive, *TO, "--output", archive / MANIFEST).status == 0
    assert outside.read_bytes() == b"untouched"
    assert not (archive / MANIFEST).is_symlink()
    link = tmp_path / "link"
    link.symlink_to(outside)
    assert program.run("export", archive, *TO, "--output", link).status == 0
    assert outside.read_bytes() == (archive / MANIFEST).read_bytes()
    assert link.is_symlink()


def test_what_was_there_is_kept_where_the_new_one_cannot_be_written(
    account: Account, archive: Path, mount: Mount
) -> None:
    _, program = account(World(count=20))
    assert program.run("sync", archive).status == 0
    folder = mount("size=1m")
    output = folder / "sums"
    output.write_bytes(b"former")
    fill(folder)
    outcome = program.run("export", archive, *TO, "--output", output)
    assert (outcome.status, len(outcome.stderr.splitlines())) == (6, 1)
    assert "disk is full" in outcome.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["full", "sums"]
    assert output.read_bytes() == b"former"
    mount("ro", again=True)
    outcome = program.run("export", archive, *TO, "--output", output)
    assert (outcome.status, "read-only" in outcome.stderr) == (6, True)
    assert output.read_bytes() == b"former"
    for path in (folder / "nowhere" / "sums", folder / ("x" * 300)):
        assert program.run("export", archive, *TO, "--output", path).status == 6
    mount("rw", again=True)


def test_read_only_media(account: Account, mount: Mount) -> None:
    _, program = account(World(count=5))
    archive = mount("size=600m")
    assert program.run("sync", archive).status == 0
    mount("ro", again=True)
    outcome = lonely(program).run("export", archive, *TO)
    assert (outcome.status, outcome.stderr) == (0, "")
    assert outcome.stdout.count("\n") == len(promised(archive))
    assert lonely(program).run("export", archive, *TO, "--output", archive / MANIFEST).status == 6
    mount("rw", again=True)


@posix_only
def test_devices_and_pipes(held: Held, archive: Path, tmp_path: Path) -> None:
    _, program = held
    manifest = program.run("export", archive, *TO).stdout
    assert program.run("export", archive, *TO, "--output", "/dev/stdout").stdout == manifest
    log = tmp_path / "log"
    log.write_text("former\n")
    assert through_shell(program, f">>{log}", "export", archive, *TO, "--output", "/dev/stdout").returncode == 0
    assert log.read_text() == f"former\n{manifest}"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        try:
            outcome = program.run("export", archive, *TO, "--output", pipe)
            assert (outcome.status, outcome.stdout, pipe.is_fifo()) == (0, "", True)
            assert reader.communicate(timeout=TIMEOUT)[0] == manifest
        finally:
            reader.kill()


@posix_only
def test_a_reader_that_leaves(held: Held, archive: Path) -> None:
    """Nothing more is read for it: the damage at the end is never met."""
    _, program = held
    cut(archive / max(path for path in promised(archive) if path.endswith(".json")), 100)
    words = ("export", archive, *TO)
    for how in (">&0", "| head -n 1"):
        done = through_shell(program, how, *words, env={"PYTHONUNBUFFERED": "1"})
        assert (done.returncode, done.stderr) == (0, "")
    assert through_shell(program, ">&-", *words).returncode == 7
    assert through_shell(program, "2>&-", *words).returncode == 7
    done = through_shell(program, ">/dev/full", *words)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (6, f"Error: {FULL}")


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_what_was_there(held: Held, archive: Path, tmp_path: Path, number: int) -> None:
    strace = shutil.which("strace")
    required(strace, "strace, to make reading slow")
    _, program = held
    output = tmp_path / "sums"
    output.write_bytes(b"former")
    slow = "inject=lseek,read:delay_enter=20000"
    program.prefix = (str(strace), "-D", "-f", "-qq", "-o", "/dev/null", "-e", slow)
    process = program.start("export", archive, *TO, "--output", output)
    wait_until((tmp_path / "sums.partial").exists, process)
    outcome, seconds = stop(program, process, number)
    assert (outcome.status, seconds < 10) == (128 + number, True)
    assert output.read_bytes() == b"former"
    assert not (tmp_path / "sums.partial").exists()


def test_beside_a_running_sync(account: Account, archive: Path) -> None:
    """Whatever it lists is there, as it says; a sidecar may say more by now."""
    _, program = account(World(count=60), latency=0.01)
    reader = lonely(program)
    process = program.start("sync", archive)
    wait_until((archive / CATALOGUE).exists, process)
    looks = 0
    while process.poll() is None:
        outcome = reader.run("export", archive, *TO)
        assert (outcome.status, outcome.stderr) == (0, "")
        media = "".join(line for line in outcome.stdout.splitlines(keepends=True) if not line.endswith(".json\n"))
        if media:
            assert check(archive, media.encode())[0] == 0
        looks += 1
    process.communicate()
    assert (process.returncode, looks > 1) == (0, True)
    assert check(archive, exported(reader.run("export", archive, *TO))) == (0, promised(archive), set())


# Bad input


def test_what_is_no_archive_and_no_format(held: Held, archive: Path, tmp_path: Path) -> None:
    _, program = held
    (tmp_path / "other").mkdir()
    for folder in ("other", "nowhere"):
        outcome = program.run("export", tmp_path / folder, *TO, "--output", tmp_path / "sums")
        assert (outcome.status, outcome.stdout, len(outcome.stderr.splitlines())) == (6, "", 1)
        assert "is no archive" in outcome.stderr
    assert not (tmp_path / "sums").exists()
    for words in ([], ["--to", "md5sums"], [*TO, "--output", str(tmp_path)], [*TO, "--json"]):
        assert program.run("export", archive, *words).status == 2


def test_an_empty_archive(account: Account, archive: Path, tmp_path: Path) -> None:
    _, program = account(World(count=0))
    assert program.run("sync", archive).status == 0
    outcome = program.run("export", archive, *TO, "--output", tmp_path / "sums")
    assert (outcome.status, outcome.stderr) == (0, f"{tmp_path / 'sums'}: 0 files\n")
    assert (tmp_path / "sums").read_bytes() == b""
