"""One file, from a server that breaks off, lies and changes its mind, to its final name or to none."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pictory_archiver import download
from pictory_archiver.addresses import Guard, strip_signature
from pictory_archiver.download import Downloader, Job
from pictory_archiver.events import BytesReceived, Event
from pictory_archiver.http import Limits, Web, trust_store
from pictory_archiver.models import Asset, Kind, Place, Slot, Source, Status
from pictory_archiver.retry import Retrier
from pictory_archiver.settings import KIB, MIB, Download, Retry
from pictory_archiver.simulator import (
    Action,
    BadContentRange,
    Cut,
    CutChunked,
    Empty,
    Fault,
    Html,
    IgnoreRange,
    Match,
    NoLength,
    Redirect,
    Request,
    Reset,
    Simulator,
    Swap,
    Truncate,
    Unasked206,
    World,
    WrongEtagOnRange,
    WrongLength,
)
from pictory_archiver.simulator import Place as CdnPlace
from pictory_archiver.simulator import Status as Answer
from pictory_archiver.simulator.action import Scene
from pictory_archiver.simulator.origins import serve
from pictory_archiver.simulator.wire import Ending, Reply
from pictory_archiver.staging import ResumePoint
from pictory_archiver.store import Store

SIZE = 3 * MIB
CUT = 2 * MIB
VIDEO = Match(kind="video")
TLS = trust_store(None)


class Labelled(Action, frozen=True):
    """The honest answer with this ETag (None: with none), cut off after `at` bytes."""

    etag: str | None
    at: int | None = None

    def apply(self, scene: Scene, /) -> Reply:
        reply = scene.honest()
        headers = {name: value for name, value in reply.headers.items() if name != "ETag"}
        headers |= {"ETag": self.etag} if self.etag else {}
        return replace(reply, headers=headers, stop=self.at, ending=Ending.CLOSE)


class Replaced(Action, frozen=True):
    """The object was replaced by another one: an honest answer about that."""

    size: int = SIZE

    def apply(self, scene: Scene, /) -> Reply:
        return serve(cast("Any", replaced(self.size)), scene.request.headers)


def replaced(size: int = SIZE) -> Any:
    return World(seed=99, count=1, video_bytes=size).file(CdnPlace("video", 0))


@dataclass
class Bench:
    """A downloader, the CDN that it talks to, and the folder that it writes to."""

    simulator: Simulator
    store: Store
    web: Web
    tries: int = 5
    settings: Download = field(default_factory=Download)
    events: list[Event] = field(default_factory=list)

    def script(self, *actions: Action, on: Match = VIDEO) -> None:
        """What happens to the first, second … request for the file."""
        faults = (Fault(on, cast("Any", action), nth=nth) for nth, action in enumerate(actions, start=1))
        self.simulator.faults.add(*faults)

    async def fetch(self, kind: Kind = Kind.VIDEO) -> Asset:
        world = self.simulator.world
        url = world.link(world.path(0, str(kind)))
        policy = Retry(tries=self.tries, min_wait_seconds=0, max_wait_seconds=0)
        downloader = Downloader(
            self.web,
            self.store,
            Retrier(policy, self.events.append),
            self.settings,
            self.events.append,
            lambda: datetime.now(UTC),
        )
        source = Source(Slot(kind), url, strip_signature(url))
        return await downloader.fetch(Job("id", source, Place("2026", "stem"), datetime(2026, 4, 9, tzinfo=UTC)))

    @property
    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.store.root.rglob("*") if path.is_file()}

    @property
    def original(self) -> bytes:
        file = self.simulator.world.file(CdnPlace("video", 0))
        assert file is not None
        return file.body.read()

    @property
    def requests(self) -> list[Request]:
        return self.simulator.requests(kind="video")

    @property
    def ranges(self) -> list[str | None]:
        return [request.headers.get("range") for request in self.requests]

    async def must_store(self, data: bytes | None = None) -> Asset:
        """Fetches the file: exactly these bytes come to lie under its final name, and nothing else stays."""
        data = self.original if data is None else data
        asset = await self.fetch()
        assert (asset.status, asset.error) == (Status.STORED, None)
        assert (asset.path, asset.bytes) == ("stem.mp4", len(data))
        assert asset.sha256 == hashlib.sha256(data).hexdigest()
        assert self.files == {"stem.mp4": data}
        return asset


@contextlib.asynccontextmanager
async def bench_in(root: Path, *, size: int = SIZE, seed: int = 1) -> AsyncIterator[Bench]:
    async with Simulator(World(count=1, video_bytes=size, seed=seed)) as simulator:
        limits = Limits(connect=5, stall=5, min_speed=0)
        guard = Guard(frozenset(simulator.origins))
        web = Web(user_agent="test", tls=TLS, limits=limits, guard=guard, max_redirects=5)
        store = Store(root)
        try:
            yield Bench(simulator, store, web)
        finally:
            await web.close()
            store.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench_in(tmp_path) as bench:
        yield bench


@pytest.mark.parametrize("cut", [Cut(at=CUT), Reset(at=CUT), Cut(at=-1)])
async def test_a_broken_transfer_goes_on_where_it_stopped(bench: Bench, cut: Action) -> None:
    bench.script(cut)
    await bench.must_store()
    first, second = bench.requests
    assert "range" not in first.headers
    start = int(second.headers["range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= first.bytes_sent
    assert (second.status, second.bytes_sent) == (206, SIZE - start)
    assert second.headers["if-range"].startswith('"')
    received = sum(event.count for event in bench.events if isinstance(event, BytesReceived))
    assert received == SIZE


async def test_it_goes_on_as_often_as_it_may(bench: Bench) -> None:
    bench.script(Cut(at=MIB), Cut(at=MIB), Cut(at=MIB // 2))
    await bench.must_store()
    starts = [int(text[6:-1]) for text in bench.ranges if text]
    assert starts == sorted(starts)
    assert len(starts) == 3


@pytest.mark.parametrize("etag", ['W/"weak"', None, "bare", '"with blank"', '"', ""])
async def test_without_a_strong_etag_it_starts_again(bench: Bench, etag: str | None) -> None:
    bench.script(Labelled(etag, at=CUT))
    await bench.must_store()
    assert bench.ranges == [None, None]


async def test_without_a_length_it_starts_again(bench: Bench) -> None:
    bench.script(CutChunked(at=CUT))
    await bench.must_store()
    assert bench.ranges == [None, None]


async def test_a_whole_body_is_whole_however_the_connection_ends(bench: Bench) -> None:
    bench.script(Reset(at=SIZE))
    await bench.must_store()
    assert len(bench.requests) <= 2


@pytest.mark.parametrize("action", [Replaced(), Replaced(size=SIZE + 1000), Replaced(size=SIZE - 1000)])
async def test_a_file_that_changed_meanwhile_comes_whole_and_new(bench: Bench, action: Replaced) -> None:
    bench.script(Cut(at=CUT), action)
    await bench.must_store(replaced(action.size).body.read())
    assert [request.status for request in bench.requests] == [200, 200]


async def test_a_range_that_is_ignored_starts_again_at_once(bench: Bench) -> None:
    bench.script(Cut(at=CUT), IgnoreRange())
    await bench.must_store()
    assert [request.status for request in bench.requests] == [200, 200]
    assert bench.ranges[1]


@pytest.mark.parametrize(
    "action",
    [
        BadContentRange(missing=True),
        BadContentRange(start_delta=1),
        BadContentRange(start_delta=-1),
        BadContentRange(total_delta=1),
        BadContentRange(total_delta=-1),
        WrongEtagOnRange(),
        Labelled(None),
        Answer(416, {"Content-Range": f"bytes */{SIZE}"}),
    ],
    ids=repr,
)
async def test_a_part_that_does_not_fit_is_thrown_away(bench: Bench, action: Action) -> None:
    bench.script(Cut(at=CUT), action)
    await bench.must_store()
    assert [bool(text) for text in bench.ranges] == [False, True, False]


async def test_a_part_that_nobody_asked_for_is_no_file(bench: Bench) -> None:
    bench.script(*[Unasked206()] * 5)
    asset = await bench.fetch()
    assert (asset.status, asset.error) == (
        Status.FAILED,
        "a part of the file was sent where all of it was asked for",
    )
    assert len(bench.requests) == 5
    assert bench.files == {}


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("file:///etc/passwd", "file:///etc/passwd is refused: not a web address"),
        ("https://[::1", "https://[::1 is refused: no usable host in it"),
        ("https://a:99999/", "https://a:99999/ is refused: no such port"),
        ("http://cdn.example/a.mp4?Signature=x", "http://cdn.example/a.mp4 is refused: not HTTPS"),
        ("https://10.0.0.1/a.mp4", "https://10.0.0.1/a.mp4 is refused: not a public address"),
        ("https://user:password@cdn.example/", "https://cdn.example/ is refused: a user name or password in it"),
        ("nonsense", "nonsense is refused: not a web address"),
    ],
)
async def test_an_address_that_must_not_be_talked_to_is_a_failed_file(bench: Bench, url: str, error: str) -> None:
    bench.simulator.world.link = lambda path: url  # type: ignore[method-assign]
    asset = await bench.fetch()
    assert (asset.status, asset.error) == (Status.FAILED, error)
    assert not bench.requests
    assert bench.files == {}


@pytest.mark.parametrize("status", [404, 410])
async def test_nothing_stays_of_a_file_that_went_away(bench: Bench, status: int, marks: None) -> None:
    bench.script(Cut(at=CUT), Answer(status))
    asset = await bench.fetch()
    assert asset.status is Status.MISSING
    assert bench.files == {}


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are resumed across runs as large ones are."""
    monkeypatch.setattr(download, "RESUMABLE_ABOVE", 64 * KIB)
    monkeypatch.setattr(download, "MARK_EVERY", 256 * KIB)


async def test_a_later_run_goes_on_from_the_mark(bench: Bench, marks: None) -> None:
    bench.tries = 1
    bench.script(Cut(at=CUT))
    asset = await bench.fetch()
    assert asset.status is Status.FAILED
    assert set(bench.files) == {"stem.mp4.partial", "stem.mp4.partial.json"}
    await bench.must_store()
    start = int((bench.ranges[1] or "")[6:-1])
    assert CUT - 3 * 256 * KIB <= start <= CUT
    assert bench.requests[1].bytes_sent == SIZE - start


async def test_small_files_start_again_in_a_later_run(bench: Bench) -> None:
    bench.tries = 1
    bench.script(Cut(at=CUT))
    await bench.fetch()
    assert bench.files == {}
    await bench.must_store()
    assert bench.ranges == [None, None]


async def test_another_address_starts_again(bench: Bench, marks: None) -> None:
    bench.tries = 1
    bench.script(Cut(at=CUT))
    await bench.fetch()
    link = bench.simulator.world.link
    bench.simulator.world.link = lambda path: f"{link(path)}?version=2"  # type: ignore[method-assign]
    await bench.must_store()
    assert bench.ranges == [None, None]


async def test_another_signature_goes_on(bench: Bench, marks: None) -> None:
    bench.tries = 1
    bench.script(Cut(at=CUT))
    await bench.fetch()
    link = bench.simulator.world.link
    bench.simulator.world.link = lambda path: f"{link(path)}?Signature=2"  # type: ignore[method-assign]
    await bench.must_store()
    assert [bool(text) for text in bench.ranges] == [False, True]


async def test_a_file_that_changed_between_runs_comes_whole_and_new(bench: Bench, marks: None) -> None:
    bench.tries = 1
    bench.script(Cut(at=CUT), Replaced())
    await bench.fetch()
    await bench.must_store(replaced().body.read())


@pytest.mark.parametrize("etag", ['"a\r\nX-Injected: 1"', "", 'W/"weak"', '"é"', "*"])
async def test_a_tampered_etag_is_not_sent(bench: Bench, marks: None, etag: str) -> None:
    bench.tries = 1
    bench.script(Cut(at=CUT))
    await bench.fetch()
    path = bench.store.root / "2026" / "stem.mp4.partial.json"
    point = msgspec.json.decode(path.read_bytes(), type=ResumePoint)
    path.write_bytes(msgspec.json.encode(replace(point, etag=etag)))
    await bench.must_store()
    assert bench.ranges == [None, None]


@pytest.mark.parametrize("changes", [{"total": SIZE + 1}, {"total": 0}, {"etag": '"other"'}, {"address": "https://a/"}])
async def test_a_point_of_another_file_starts_again(bench: Bench, marks: None, changes: dict[str, Any]) -> None:
    bench.tries = 2
    bench.script(Cut(at=CUT), Cut(at=0))
    await bench.fetch()
    path = bench.store.root / "2026" / "stem.mp4.partial.json"
    point = msgspec.json.decode(path.read_bytes(), type=ResumePoint)
    path.write_bytes(msgspec.json.encode(replace(point, **changes)))
    await bench.must_store()


async def test_the_cap_holds_for_announced_and_for_endless_bodies(bench: Bench) -> None:
    bench.settings = Download(max_video_bytes=MIB)
    bench.script(Answer(500), NoLength())
    for requests in (2, 3):
        asset = await bench.fetch()
        assert (asset.status, asset.error) == (Status.FAILED, "larger than the limit of 1,048,576 bytes")
        assert len(bench.requests) == requests
        assert bench.files == {}


MISDEEDS = st.one_of(
    st.builds(Cut, at=st.integers(0, SIZE // 4)),
    st.builds(Reset, at=st.none() | st.integers(0, SIZE // 4)),
    st.builds(CutChunked, at=st.integers(0, SIZE // 4)),
    st.builds(NoLength, at=st.none() | st.integers(0, SIZE // 4)),
    st.builds(WrongLength, delta=st.sampled_from([-1, 1, -70_000, 70_000])),
    st.builds(BadContentRange, start_delta=st.integers(-1, 1), total_delta=st.integers(-1, 1), missing=st.booleans()),
    st.builds(Labelled, etag=st.sampled_from([None, 'W/"w"', '"other"']), at=st.none() | st.integers(0, SIZE // 4)),
    st.builds(Replaced, size=st.sampled_from([SIZE // 4, SIZE // 4 + 1])),
    st.builds(Answer, status=st.sampled_from([200, 206, 403, 404, 416, 429, 500, 503])),
    st.builds(Swap, kind=st.sampled_from(["preview", "last_frame"])),
    st.sampled_from([IgnoreRange(), WrongEtagOnRange(), Unasked206(), Empty(), Truncate(), Html(), Redirect(hops=2)]),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(MISDEEDS, max_size=8), st.booleans())
def test_whatever_a_server_does_the_bytes_are_exact_or_there_is_no_file(script: list[Action], marked: bool) -> None:
    async def run(root: Path) -> None:
        async with bench_in(root, size=SIZE // 4) as bench:
            versions = [
                bench.original,
                *(replaced(act.size).body.read() for act in script if isinstance(act, Replaced)),
            ]
            bench.script(*script)
            asset = await bench.fetch()
            files = bench.files
            if asset.status is Status.STORED:
                assert list(files) == ["stem.mp4"]
                assert files["stem.mp4"] in versions
                assert asset.sha256 == hashlib.sha256(files["stem.mp4"]).hexdigest()
            else:
                assert set(files) <= ({"stem.mp4.partial", "stem.mp4.partial.json"} if marked else set())
                bench.simulator.faults.clear()
                await bench.must_store()

    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        if marked:
            patch.setattr(download, "RESUMABLE_ABOVE", 64 * KIB)
            patch.setattr(download, "MARK_EVERY", 128 * KIB)
        asyncio.run(run(Path(folder)))
