"""A media file on its way, on a real folder."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import threading
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import msgspec
import pytest

from pictory_archiver import disk
from pictory_archiver.errors import BrokenBody, StorageError, Unacceptable
from pictory_archiver.settings import MIB
from pictory_archiver.sink import Check, Committed, clone
from pictory_archiver.space import Space
from pictory_archiver.staging import BATCH, ResumePoint, Staged
from pictory_archiver.store import Store

FOLDER = "2026/04/09"
PARTIAL = "a.mp4.partial"
MOMENT = datetime(2026, 4, 9, 18, 51, 47, tzinfo=UTC)
DATA = os.urandom(3 * BATCH + 1000)


class Counting:
    """A check that passes files of a given size, and refuses one that has `stop` in it."""

    def __init__(self, size: int = len(DATA)) -> None:
        self.left = size

    def feed(self, data: bytes) -> None:
        if b"stop" in data:
            raise Unacceptable("it has `stop` in it")
        self.left -= len(data)

    def finish(self) -> None:
        if self.left:
            raise BrokenBody(f"{self.left} bytes are missing")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    root = tmp_path / "archive"
    root.mkdir()
    with contextlib.closing(Store(root)) as store:
        yield store


def stage(store: Store, size: int = len(DATA)) -> Staged:
    return store.stage(FOLDER, PARTIAL, lambda: Counting(size))


def named(check: Check) -> str:
    assert isinstance(check, Counting)
    assert check.left == 0
    return "a.mp4"


def names(store: Store) -> set[str]:
    """Every file of the archive."""
    return {path.relative_to(store.root).as_posix() for path in store.root.rglob("*") if not path.is_dir()}


async def feed(staged: Staged, data: bytes, size: int = 100_000) -> None:
    for at in range(0, len(data), size):
        await staged.write(data[at : at + size])


async def go_all_the_way(staged: Staged, data: bytes = DATA) -> Committed:
    """The whole way of a file in one run."""
    await staged.reopen()
    await feed(staged, data)
    return await staged.commit(named, None)


async def leave_marked(store: Store, offset: int = 2 * BATCH) -> None:
    """What a run leaves that was killed after a mark, with more bytes behind it."""
    staged = stage(store)
    await feed(staged, DATA[:offset])
    await staged.mark("https://cdn.example/a.mp4", '"tag"', len(DATA))
    await feed(staged, DATA[offset : offset + BATCH + 500])
    await staged.close()


@pytest.mark.parametrize("size", [1, 1000, BATCH, BATCH + 1, len(DATA)])
async def test_what_was_written_is_committed_with_its_digest_and_time(store: Store, size: int) -> None:
    staged = stage(store, size)
    await feed(staged, DATA[:size], 7000)
    assert staged.size == size
    committed = await staged.commit(named, MOMENT)
    final = store.root / FOLDER / "a.mp4"
    assert committed == Committed(final, size, hashlib.sha256(DATA[:size]).hexdigest())
    assert final.read_bytes() == DATA[:size]
    assert final.stat().st_mtime == MOMENT.timestamp()
    await staged.close()
    assert names(store) == {f"{FOLDER}/a.mp4"}


async def test_new_files_follow_the_umask(store: Store) -> None:
    before = os.umask(0o027)
    try:
        staged = stage(store)
        await feed(staged, DATA)
        committed = await staged.commit(named, None)
        copy = clone(
            committed.path,
            committed.path.with_name("b.mp4"),
            Space(store.root, 0),
            store.quarantine,
            sha256=committed.sha256,
            modified=None,
        )
    finally:
        os.umask(before)
    assert copy is not None
    assert [path.stat().st_mode & 0o777 for path in (committed.path, copy.path)] == [0o640, 0o640]


async def test_nothing_is_touched_before_the_first_byte_arrives(store: Store) -> None:
    staged = stage(store)
    await staged.reopen()
    await staged.restart()
    await staged.close()
    assert not list(store.root.iterdir())


async def test_a_file_that_is_not_whole_gets_no_final_name(store: Store) -> None:
    staged = stage(store)
    await feed(staged, DATA[:-1])
    with pytest.raises(BrokenBody, match="1 bytes are missing"):
        await staged.commit(named, None)
    await staged.close()
    assert names(store) == set()


async def test_what_the_check_finds_is_raised_by_a_later_step(store: Store) -> None:
    staged = stage(store)
    with pytest.raises(Unacceptable):
        await go_all_the_way(staged, DATA[:BATCH] + b"stop" + DATA[: 2 * BATCH])
    await staged.close()
    assert names(store) == set()


async def test_after_a_restart_only_the_new_bytes_count(store: Store) -> None:
    staged = stage(store)
    await feed(staged, os.urandom(2 * BATCH + 5))
    await staged.restart()
    assert (staged.size, names(store)) == (0, set())
    await feed(staged, DATA)
    committed = await staged.commit(named, None)
    assert committed.path.read_bytes() == DATA
    assert committed.sha256 == hashlib.sha256(DATA).hexdigest()


async def test_without_a_mark_nothing_stays(store: Store) -> None:
    staged = stage(store)
    await feed(staged, DATA)
    await staged.close()
    assert names(store) == set()


async def test_a_later_run_goes_on_from_the_mark(store: Store) -> None:
    await leave_marked(store)
    assert names(store) == {f"{FOLDER}/{PARTIAL}", f"{FOLDER}/{PARTIAL}.json"}
    staged = stage(store)
    point = await staged.reopen()
    assert point == ResumePoint(
        address="https://cdn.example/a.mp4",
        etag='"tag"',
        total=len(DATA),
        offset=2 * BATCH,
        sha256=hashlib.sha256(DATA[: 2 * BATCH]).hexdigest(),
    )
    assert (staged.size, staged.marked) == (2 * BATCH, 2 * BATCH)
    await feed(staged, DATA[2 * BATCH :])
    committed = await staged.commit(named, None)
    assert (committed.bytes, committed.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert committed.path.read_bytes() == DATA
    assert names(store) == {f"{FOLDER}/a.mp4"}


async def test_what_was_taken_up_and_left_again_stays(store: Store) -> None:
    await leave_marked(store)
    staged = stage(store)
    await staged.reopen()
    await staged.close()
    assert await stage(store).reopen() is not None


def point_with(path: Path, **changes: object) -> None:
    point = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({**point, **changes}))


@pytest.mark.parametrize(
    "damage",
    [
        "no point",
        "empty point",
        "cut point",
        "garbage",
        "another type",
        "endless point",
        "negative offset",
        "offset behind the end",
        "smaller offset",
        "no digest",
        "no partial",
        "cut partial",
        "flipped byte",
        "partial of another file",
    ],
)
async def test_what_cannot_be_trusted_is_removed(store: Store, damage: str) -> None:
    await leave_marked(store)
    partial = store.root / FOLDER / PARTIAL
    point = partial.with_name(f"{PARTIAL}.json")
    match damage:
        case "no point":
            point.unlink()
        case "empty point":
            point.write_bytes(b"")
        case "cut point":
            point.write_bytes(point.read_bytes()[:-5])
        case "garbage":
            point.write_bytes(os.urandom(300))
        case "another type":
            point.write_bytes(b'["offset"]')
        case "endless point":
            point.write_bytes(b" " * MIB + point.read_bytes())
        case "negative offset":
            point_with(point, offset=-1)
        case "offset behind the end":
            point_with(point, offset=10 * len(DATA))
        case "smaller offset":
            point_with(point, offset=BATCH)
        case "no digest":
            point_with(point, sha256="")
        case "no partial":
            partial.unlink()
        case "cut partial":
            os.truncate(partial, 2 * BATCH - 1)
        case "flipped byte":
            with partial.open("r+b") as file:
                file.seek(BATCH)
                file.write(bytes([DATA[BATCH] ^ 1]))
        case "partial of another file":
            partial.write_bytes(os.urandom(len(DATA)))
    staged = stage(store)
    assert await staged.reopen() is None
    assert (staged.size, staged.marked) == (0, 0)
    if damage != "no point":
        assert names(store) == set()
    await feed(staged, DATA)
    committed = await staged.commit(named, None)
    assert committed.path.read_bytes() == DATA
    assert names(store) == {f"{FOLDER}/a.mp4"}


@pytest.mark.parametrize("name", [PARTIAL, f"{PARTIAL}.json", f"{PARTIAL}.next", "a.mp4"])
async def test_a_link_in_the_way_is_replaced_and_its_target_left_alone(store: Store, tmp_path: Path, name: str) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"mine")
    disk.make_folder(store.root, PurePosixPath(FOLDER))
    (store.root / FOLDER / name).symlink_to(target)
    staged = stage(store)
    await staged.reopen()
    await feed(staged, DATA[: 2 * BATCH])
    await staged.mark("https://cdn.example/a.mp4", '"tag"', len(DATA))
    await feed(staged, DATA[2 * BATCH :])
    committed = await staged.commit(named, MOMENT)
    assert target.read_bytes() == b"mine"
    assert target.stat().st_mtime != MOMENT.timestamp()
    assert not committed.path.is_symlink()
    assert committed.path.read_bytes() == DATA


@pytest.mark.parametrize("level", range(3))
async def test_a_link_as_a_folder_is_refused(store: Store, tmp_path: Path, level: int) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = store.root.joinpath(*FOLDER.split("/")[: level + 1])
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere)
    staged = stage(store)
    with pytest.raises(StorageError, match="links are not followed"):
        await go_all_the_way(staged)
    await staged.close()
    assert not list(elsewhere.iterdir())


async def test_a_partial_with_a_second_name_is_not_written_to(store: Store, tmp_path: Path) -> None:
    await leave_marked(store)
    other = tmp_path / "other"
    other.hardlink_to(store.root / FOLDER / PARTIAL)
    before = other.read_bytes()
    staged = stage(store)
    assert await staged.reopen() is None
    await feed(staged, DATA)
    await staged.commit(named, None)
    assert other.read_bytes() == before


class SlowDisk:
    """Holds every write up until it is let go; counts them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.writing = threading.Event()
        self.go_on = threading.Event()
        self.open: set[int] = set()
        self.written_after_close = 0
        write, close = disk.write_all, os.close

        def slow(descriptor: int, data: bytes) -> None:
            self.open.add(descriptor)
            self.writing.set()
            self.go_on.wait(10)
            time.sleep(0.01)
            self.written_after_close += descriptor not in self.open
            write(descriptor, data)

        def noted(descriptor: int) -> None:
            self.open.discard(descriptor)
            close(descriptor)

        patch.setattr(disk, "write_all", slow)
        patch.setattr(os, "close", noted)


@pytest.mark.parametrize("times", [1, 2])
async def test_cancelled_in_the_middle_of_a_flush_it_waits_for_its_thread(
    store: Store, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    slow = SlowDisk(monkeypatch)

    async def transfer() -> None:
        staged = stage(store)
        try:
            await feed(staged, DATA)
            await staged.commit(named, None)
        finally:
            await staged.close()

    task = asyncio.create_task(transfer())
    await asyncio.to_thread(slow.writing.wait, 10)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0.02)
    assert not task.done()
    slow.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slow.written_after_close == 0
    assert slow.open == set()
    assert names(store) == set()


async def test_cancelled_while_it_takes_up_a_partial_it_leaves_it_as_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await leave_marked(store)
    reading, go_on = threading.Event(), threading.Event()
    find = disk.find

    def slow(root: Path, relative: PurePosixPath) -> Path:
        reading.set()
        go_on.wait(10)
        return find(root, relative)

    monkeypatch.setattr(disk, "find", slow)
    staged = stage(store)
    task = asyncio.create_task(staged.reopen())
    await asyncio.to_thread(reading.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await staged.close()
    assert await stage(store).reopen() is not None


async def test_a_full_disk_leaves_nothing_and_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "write_all", full)
    staged = stage(store)
    with pytest.raises(StorageError, match="the disk is full"):
        await feed(staged, DATA)
    await staged.close()
    assert names(store) == set()


async def test_a_clone_is_the_same_and_hashed_again(store: Store) -> None:
    staged = stage(store)
    await feed(staged, DATA)
    original = await staged.commit(named, None)
    source, target = PurePosixPath(FOLDER, "a.mp4"), PurePosixPath(FOLDER, "sub/b.mp4")
    copied = await store.clone(source, target, sha256=original.sha256, modified=MOMENT)
    assert copied == Committed(store.root / FOLDER / "sub" / "b.mp4", original.bytes, original.sha256)
    assert copied.path.read_bytes() == DATA
    assert copied.path.stat().st_mtime == MOMENT.timestamp()


async def test_what_is_damaged_or_lost_or_a_link_is_not_cloned(store: Store, tmp_path: Path) -> None:
    (store.root / "a.mp4").write_bytes(b"damaged")
    (store.root / "link.mp4").symlink_to(store.root / "a.mp4")
    right, wrong = hashlib.sha256(b"damaged").hexdigest(), hashlib.sha256(b"whole").hexdigest()
    for source, digest in (("a.mp4", wrong), ("lost.mp4", right), ("link.mp4", right)):
        target = PurePosixPath("b.mp4")
        assert await store.clone(PurePosixPath(source), target, sha256=digest, modified=None) is None
    assert names(store) == {"a.mp4", "link.mp4"}


def open_files() -> int:
    """How many this process has open, where the operating system tells."""
    descriptors = Path("/proc/self/fd")
    return sum(1 for _ in descriptors.iterdir()) if descriptors.exists() else 0


async def test_a_full_disk_leaves_nothing_of_a_clone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    (store.root / "a.mp4").write_bytes(DATA)

    def full(descriptor: int, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "write_all", full)
    before = open_files()
    with pytest.raises(StorageError, match="the disk is full"):
        await store.clone(PurePosixPath("a.mp4"), PurePosixPath("b.mp4"), sha256="", modified=None)
    assert names(store) == {"a.mp4"}
    assert open_files() == before
