"""The package as a library: the program in docs/python.md runs, and what it uses does what it says."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pictory_archiver
from pictory_archiver import Archive, ArchiverError, Event, Key, Selection, Settings, list_videos, sync_archive
from pictory_archiver.errors import KeyRefused, ListingError, StorageError
from pictory_archiver.events import (
    BytesReceived,
    FileFailed,
    FileStored,
    PageListed,
    VideoDone,
    VideoPlanned,
    VideosHeld,
)
from pictory_archiver.settings import Api, Retry
from pictory_archiver.simulator import Fault, Match, Simulator, Status, World

from .conftest import Account
from .support import TIMEOUT, check_against_world

DOCUMENT = Path(__file__).parent.parent / "docs" / "python.md"


def settings_for(simulator: Simulator) -> Settings:
    return Settings(
        api=Api(base_url=simulator.api_url, pause_seconds=0),
        retry=Retry(min_wait_seconds=0.01, max_wait_seconds=0.02),
    )


def key_of(simulator: Simulator) -> Key:
    return Key(simulator.key, source="a test")


def test_the_program_in_the_document_runs(account: Account, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "example.py").write_text(code, encoding="utf-8")
    world = World(count=7)
    simulator, program = account(world, [Fault(Match(kind="preview", video=3), Status(404), times=None)])

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", str(tmp_path / "example.py"), str(tmp_path / "archive")]
        env = {**program.environment(), "PYTHONIOENCODING": "utf-8"}
        return subprocess.run(
            command, env=env, capture_output=True, text=True, encoding="utf-8", timeout=TIMEOUT, check=False
        )

    done = run()
    assert done.returncode == 3, done.stderr
    assert done.stderr == f"preview of {world.id(3)}: HTTP 404\n"
    newest, verdict, *videos = done.stdout.splitlines()
    assert newest == f"The newest video: {world.id(0)}, {world.item(0)['prompt']}"
    assert verdict.startswith("Not complete: 1 file of 7 videos could not be had.")
    assert len(videos) == 7
    assert [line for line in videos if line.endswith(" not complete")] == [
        line for line in videos if f"_{world.id(3)}.json " in line
    ]

    simulator.faults.clear()
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    check_against_world(tmp_path / "archive", simulator)


async def test_list_videos_yields_each_once_newest_first_and_downloads_nothing() -> None:
    world = World(count=250, empty_pages=[2])
    world.duplicate(3, 120)
    async with Simulator(world) as simulator:
        videos = [video async for video in list_videos(key_of(simulator), settings_for(simulator))]
        assert [video.id for video in videos] == [world.id(index) for index in range(250)]
        assert videos[0].prompt == world.item(0)["prompt"]
        assert not simulator.requests(origin="cdn")
        with pytest.raises(KeyRefused):
            _ = [video async for video in list_videos(Key("pictai_x", source="a test"), settings_for(simulator))]
        simulator.faults.add(Fault(Match(page=2), Status(500), times=None))
        listing = list_videos(key_of(simulator), settings_for(simulator))
        before = [(await anext(listing)).id for _ in range(100)]
        assert before == [world.id(index) for index in range(100)], "what comes before the error is handed out"
        with pytest.raises(ListingError, match="500"):
            await anext(listing)


async def test_an_observer_learns_everything(tmp_path: Path) -> None:
    events: list[Event] = []
    async with Simulator(World(count=12), [Fault(Match(kind="video", video=5), Status(410), times=None)]) as simulator:
        allowed = frozenset(simulator.origins)
        report = await sync_archive(
            tmp_path, settings_for(simulator), key_of(simulator), allowed_origins=allowed, observer=events.append
        )
        again: list[Event] = []
        await sync_archive(
            tmp_path, settings_for(simulator), key_of(simulator), allowed_origins=allowed, observer=again.append
        )

    def of(kind: type[Event]) -> list[Event]:
        return [event for event in events if isinstance(event, kind)]

    assert of(PageListed) == [PageListed(page=1, videos=12, last=True)]
    assert len(of(VideoPlanned)) == len(of(VideoDone)) == 12
    assert len(of(FileStored)) == report.files_stored
    assert sum(event.count for event in events if isinstance(event, BytesReceived)) == report.bytes_received
    (failed,) = of(FileFailed)
    assert isinstance(failed, FileFailed)
    assert (failed.error, report.exit_status) == ("HTTP 410", 3)
    assert sum(event.count for event in again if isinstance(event, VideosHeld)) == 11


async def test_a_run_can_be_cancelled_and_taken_up(tmp_path: Path) -> None:
    async with Simulator(World(count=20), latency=0.01) as simulator:
        stored = asyncio.Event()

        def observe(event: Event) -> None:
            if isinstance(event, VideoDone):
                stored.set()

        allowed = frozenset(simulator.origins)
        run = asyncio.create_task(
            sync_archive(
                tmp_path, settings_for(simulator), key_of(simulator), allowed_origins=allowed, observer=observe
            )
        )
        await stored.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        held = len(list(Archive.open(tmp_path).videos()))
        assert 1 <= held < 20
        report = await sync_archive(tmp_path, settings_for(simulator), key_of(simulator), allowed_origins=allowed)
        assert (report.exit_status, report.already_held) == (0, held)


async def test_a_selection_is_what_the_options_are(tmp_path: Path) -> None:
    async with Simulator(World(count=20)) as simulator:
        report = await sync_archive(
            tmp_path,
            settings_for(simulator),
            key_of(simulator),
            selection=Selection(limit=2),
            allowed_origins=frozenset(simulator.origins),
        )
    assert (report.complete, report.sound) == (2, False)


def test_what_is_no_archive_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is no archive") as caught:
        Archive.open(tmp_path)
    assert isinstance(caught.value, ArchiverError)
    assert (caught.value.exit_status, bool(caught.value.hint)) == (6, True)


def test_every_public_name_is_there() -> None:
    for name in pictory_archiver.__all__:
        assert getattr(pictory_archiver, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'sync_archives'"):
        _ = pictory_archiver.sync_archives
