"""Every scripted fault, observed from outside: what a client finds on the wire."""

from __future__ import annotations

import asyncio
import json
import socket
import zlib
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import quote, urljoin, urlsplit

import msgspec
import pytest

from pictory_archiver.simulator import (
    Action,
    BadContentRange,
    CloudflareBlock,
    Cut,
    CutChunked,
    Delay,
    Drip,
    Empty,
    Endless,
    EndlessJson,
    EndlessPages,
    Fault,
    GzipBomb,
    HeaderBomb,
    Html,
    IgnoreRange,
    Informational,
    Items,
    Match,
    NoLength,
    Place,
    RawBody,
    Redirect,
    RepeatToken,
    Reset,
    Simulator,
    Stall,
    Status,
    Swap,
    Truncate,
    TruncatedJson,
    Unasked206,
    World,
    WrongEtagOnRange,
    WrongLength,
    dump_faults,
    load_faults,
)
from pictory_archiver.simulator.answers import PORTAL
from pictory_archiver.simulator.faults import AnyAction

from .raw_client import Raw, chunks, fetch

LISTING = "/v1/aistudio/videos"
MEBIBYTE = 2**20
EVERYTHING = Match()

EVERY_ACTION: tuple[AnyAction, ...] = (
    Status(503, {"Retry-After": "2"}, "later"),
    RawBody(b"\x00\xff", "application/octet-stream"),
    Html("video/mp4"),
    CloudflareBlock(),
    Redirect("https://example.com/", 307, 3),
    TruncatedJson(),
    Items({"a": [1]}),
    RepeatToken(),
    EndlessPages(),
    EndlessJson(),
    Cut(-1),
    CutChunked(10),
    NoLength(),
    WrongLength(5),
    Empty(),
    Endless(),
    Reset(),
    Delay(0.5),
    Drip(2, 0.1),
    Stall(),
    IgnoreRange(),
    Unasked206(),
    BadContentRange(start_delta=1),
    WrongEtagOnRange(),
    GzipBomb(MEBIBYTE),
    HeaderBomb(),
    Informational(),
    Swap("preview"),
    Truncate(),
)


def data_of(world: World, kind: str = "video") -> bytes:
    file = world.file(Place(kind, 0))
    assert file is not None
    return file.body.read()


async def suffer(
    action: AnyAction,
    headers: Mapping[str, str] | None = None,
    *,
    kind: str = "video",
    seconds: float = 5.0,
    limit: int = 2**24,
) -> tuple[Raw, bytes]:
    """What a request for a file gets under a fault, and what it should have got."""
    world = World(count=1)
    async with Simulator(world, [Fault(EVERYTHING, action, times=None)]) as simulator:
        raw = await fetch(world.link(world.path(0, kind)), headers, seconds=seconds, limit=limit)
        logged = simulator.log[0]
    assert logged.status == raw.status
    if "transfer-encoding" not in raw.headers and raw.ended == "eof":
        assert logged.bytes_sent == len(raw.body)
    return raw, data_of(world, kind)


async def page(simulator: Simulator, token: str | None = None, *, limit: int = 2**24) -> Raw:
    query = "" if token is None else f"?nextPageKey={quote(token, safe='')}"
    return await fetch(f"{simulator.api_url}{LISTING}{query}", {"Authorization": simulator.key}, limit=limit)


# The script


def test_every_action_is_in_these_tests() -> None:
    shipped = {action for action in Action.__subclasses__() if action.__module__.startswith("pictory_archiver.")}
    assert {type(action) for action in EVERY_ACTION} == shipped


@pytest.mark.parametrize("action", EVERY_ACTION, ids=lambda action: type(action).__name__)
def test_faults_are_json(action: AnyAction) -> None:
    faults = [Fault(Match(origin="cdn", kind="video", video=3), action, nth=2, times=None), Fault(EVERYTHING, action)]
    assert load_faults(dump_faults(faults)) == faults


def test_faults_are_pleasant_to_write() -> None:
    text = """[
        {"on": {"origin": "api", "page": 3}, "times": null, "action": {"do": "status", "status": 500}},
        {"on": {"path": "_preview"}, "nth": 2, "action": {"do": "cut_chunked", "at": 10}}
    ]"""
    assert load_faults(text) == [
        Fault(Match(origin="api", page=3), Status(500), times=None),
        Fault(Match(path="_preview"), CutChunked(10), nth=2),
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[{"on": {"orign": "api"}, "action": {"do": "empty"}}]', r"\$\[0\]\.on"),
        ('[{"on": {}, "action": {"do": "explode"}}]', r"\$\[0\]\.action\.do"),
        ('[{"on": {}, "nth": 0, "action": {"do": "empty"}}]', r"\$\[0\]\.nth"),
        ('[{"on": {}, "action": {"do": "swap", "kind": "mp3"}}]', r"\$\[0\]\.action"),
        ('[{"on": {"path": "("}, "action": {"do": "empty"}}]', r"\$\[0\]\.on"),
        ('[{"on": {}, "action": {"do": "cut"}}]', r"\$\[0\]\.action"),
    ],
)
def test_a_mistake_in_the_script_is_named(text: str, place: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=place):
        load_faults(text)


async def test_each_fault_counts_the_requests_that_match_it() -> None:
    world = World(count=2)
    video, other = Match(kind="video", video=0), Match(video=world.id(1))
    faults = [Fault(video, Status(500), nth=2, times=2), Fault(video, Status(404), nth=3, times=None)]
    async with Simulator(world, [*faults, Fault(other, Status(410), times=None)]) as simulator:
        url, untouched = world.item(0)["url"], world.item(0)["previewImageUrl"]
        assert [(await fetch(url)).status for _ in range(5)] == [200, 500, 500, 404, 404]
        assert (await fetch(untouched)).status == 200
        assert (await fetch(world.item(1)["url"])).status == 410
        simulator.faults.clear()
        assert (await fetch(url)).status == 200
        simulator.faults.add(Fault(Match(path=r"\.mp4$"), Status(418)))
        assert [(await fetch(url)).status for _ in range(2)] == [418, 200]


async def test_pages_are_matched_by_number() -> None:
    world = World(count=250)
    async with Simulator(world, [Fault(Match(page=2), Status(500), times=None)]) as simulator:
        first = await page(simulator)
        assert first.status == 200
        assert (await page(simulator, json.loads(first.body)["nextPageKey"])).status == 500


@pytest.mark.parametrize("match", [{"origin": "api"}, {"method": "HEAD"}, {"path": "jpg"}, {"kind": "preview"},
                                   {"video": 1}, {"page": 1}])  # fmt: skip
async def test_what_does_not_match_is_left_alone(match: dict[str, object]) -> None:
    world = World(count=1)
    async with Simulator(world, [Fault(msgspec.convert(match, Match), Status(500), times=None)]):
        assert (await fetch(world.item(0)["url"])).status == 200


# Answers instead of the answer


async def test_status() -> None:
    raw, _ = await suffer(Status(429, {"Retry-After": "2"}, "slow down"))
    assert (raw.status, raw.headers["retry-after"], raw.body) == (429, "2", b"slow down")
    raw, _ = await suffer(Status(599))
    assert (raw.status, raw.body) == (599, b"")


async def test_raw_body_and_html() -> None:
    raw, _ = await suffer(RawBody(b"\x00[1,", "application/json"))
    assert (raw.status, raw.headers["content-type"], raw.body) == (200, "application/json", b"\x00[1,")
    raw, _ = await suffer(Html("video/mp4"))
    assert (raw.status, raw.headers["content-type"], raw.body) == (200, "video/mp4", PORTAL)


async def test_cloudflare_block() -> None:
    raw, _ = await suffer(CloudflareBlock())
    assert (raw.status, raw.body) == (403, b"error code: 1010")


@pytest.mark.parametrize("hops", [1, 2, 7])
@pytest.mark.parametrize("target", [None, "https://elsewhere.example/x"])
async def test_redirect(hops: int, target: str | None) -> None:
    world = World(count=1, signed=True)
    async with Simulator(world, [Fault(EVERYTHING, Redirect(target, 307, hops), times=None)]):
        url, statuses = world.item(0)["url"], []
        while url != target:
            raw = await fetch(url)
            statuses.append(raw.status)
            if raw.status == 200:
                break
            url = urljoin(url, raw.headers["location"])
    assert statuses == [307] * hops + ([] if target else [200])


# Bodies that do not end as they should


@pytest.mark.parametrize("at", [0, 1, 1000, -1, -(10**9), 10**9])
async def test_cut(at: int) -> None:
    raw, data = await suffer(Cut(at))
    expected = data[:at] if at >= 0 else data[: max(len(data) + at, 0)]
    assert (raw.status, raw.headers["content-length"], raw.ended) == (200, str(len(data)), "eof")
    assert raw.body == expected


@pytest.mark.parametrize("at", [0, 1000, -1])
async def test_cut_chunked(at: int) -> None:
    raw, data = await suffer(CutChunked(at))
    assert raw.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in raw.headers
    assert chunks(raw.body) == (data[:at], False)


@pytest.mark.parametrize("at", [None, 1000])
async def test_no_length(at: int | None) -> None:
    raw, data = await suffer(NoLength(at))
    assert not {"content-length", "transfer-encoding"} & raw.headers.keys()
    assert (raw.status, raw.body, raw.ended) == (200, data[:at], "eof")


@pytest.mark.parametrize("delta", [-10, 10])
async def test_wrong_length(delta: int) -> None:
    raw, data = await suffer(WrongLength(delta))
    assert (int(raw.headers["content-length"]), raw.body) == (len(data) + delta, data)


async def test_empty() -> None:
    raw, _ = await suffer(Empty(), {"Range": "bytes=5-9"})
    assert (raw.status, raw.headers["content-length"], raw.body) == (200, "0", b"")


async def test_endless() -> None:
    raw, data = await suffer(Endless(), limit=20 * MEBIBYTE)
    assert not {"content-length", "transfer-encoding"} & raw.headers.keys()
    assert raw.body.startswith(data)
    assert len(raw.body) > 19 * MEBIBYTE
    assert raw.ended == "open"


async def test_reset() -> None:
    raw, _ = await suffer(Reset())
    assert (raw.status, raw.body, raw.ended) == (0, b"", "reset")
    raw, _ = await suffer(Reset(-1))
    assert raw.ended == "reset"


# Time


async def test_delay() -> None:
    raw, data = await suffer(Delay(0.3))
    assert raw.elapsed >= 0.3
    assert raw.body == data


async def test_drip() -> None:
    raw, data = await suffer(Drip(3, 0.1), seconds=0.55)
    assert raw.headers["content-length"] == str(len(data))
    assert raw.body == data[: len(raw.body)]
    assert 0 < len(raw.body) <= 18
    assert raw.ended == "open"


@pytest.mark.parametrize(("at", "status"), [(None, 0), (0, 200), (100, 200)])
async def test_stall(at: int | None, status: int) -> None:
    raw, data = await suffer(Stall(at), seconds=0.3)
    assert (raw.status, raw.body, raw.ended) == (status, data[: at or 0], "open")


async def test_a_stalled_connection_is_given_up_when_the_client_leaves() -> None:
    world = World(count=1)
    async with Simulator(world, [Fault(EVERYTHING, Stall())]) as simulator:
        await fetch(world.item(0)["url"], seconds=0.1)
        for conversation in tuple(simulator._conversations):
            await asyncio.wait_for(conversation, 5)


# Ranges


async def test_ignore_range() -> None:
    raw, data = await suffer(IgnoreRange(), {"Range": "bytes=5-9"})
    assert (raw.status, raw.body) == (200, data)


async def test_unasked_206() -> None:
    raw, data = await suffer(Unasked206())
    half = len(data) // 2
    assert (raw.status, raw.body) == (206, data[:half])
    assert raw.headers["content-range"] == f"bytes 0-{half - 1}/{len(data)}"


async def test_bad_content_range() -> None:
    for action, expected in (
        (BadContentRange(start_delta=2), "bytes 7-11/{}"),
        (BadContentRange(total_delta=-5), "bytes 5-9/{}"),
        (BadContentRange(missing=True), None),
    ):
        raw, data = await suffer(action, {"Range": "bytes=5-9"})
        total = len(data) + action.total_delta
        assert (raw.status, raw.body) == (206, data[5:10])
        assert raw.headers.get("content-range") == (expected and expected.format(total))


async def test_wrong_etag_on_range() -> None:
    honest, _ = await suffer(WrongEtagOnRange())
    assert honest.status == 200
    raw, data = await suffer(WrongEtagOnRange(), {"Range": "bytes=5-", "If-Range": honest.headers["etag"]})
    assert (raw.status, raw.body) == (206, data[5:])
    assert raw.headers["etag"] != honest.headers["etag"]


# Bombs


async def test_gzip_bomb() -> None:
    size = 200 * MEBIBYTE
    raw, _ = await suffer(GzipBomb(size))
    assert raw.headers["content-encoding"] == "gzip"
    assert len(raw.body) == int(raw.headers["content-length"]) < size / 900
    unzip = zlib.decompressobj(wbits=31)
    expanded, rest = 0, raw.body
    while not unzip.eof:
        expanded += len(unzip.decompress(rest, MEBIBYTE))
        rest = unzip.unconsumed_tail
    assert expanded == size


async def test_header_bomb() -> None:
    raw, data = await suffer(HeaderBomb(count=3, size=1000))
    assert [len(raw.headers[f"x-bomb-{number}"]) for number in range(3)] == [1000] * 3
    assert raw.body == data


async def test_informational() -> None:
    raw, data = await suffer(Informational(10_000))
    assert (raw.informational, raw.status, raw.body) == (10_000, 200, data)


# Content


async def test_swap() -> None:
    raw, _ = await suffer(Swap("last_frame"))
    assert raw.headers["content-type"] == "video/mp4"
    assert raw.body == data_of(World(count=1), "last_frame")


@pytest.mark.parametrize(
    ("kind", "start", "lost"),
    [("video", b"\0\0\0\x20ftyp", b"moov"), ("last_frame", b"\x89PNG", b"IEND"),
     ("preview", b"\xff\xd8", b"\xff\xd9")],
)  # fmt: skip
async def test_truncate(kind: str, start: bytes, lost: bytes) -> None:
    raw, data = await suffer(Truncate(), kind=kind)
    assert raw.status == 200
    assert int(raw.headers["content-length"]) == len(raw.body) < len(data)
    assert raw.body.startswith(start)
    assert lost in data[-16:] or lost in data
    assert lost not in raw.body[-16:]
    assert lost != b"moov" or lost not in raw.body


# The listing


async def test_truncated_json() -> None:
    async with Simulator(World(), [Fault(EVERYTHING, TruncatedJson())]) as simulator:
        raw = await page(simulator)
    assert (raw.status, raw.headers["content-length"]) == (200, str(len(raw.body)))
    with pytest.raises(json.JSONDecodeError):
        json.loads(raw.body)


@pytest.mark.parametrize("value", [None, {}, "none", 5, [None, 3, {"id": 7}]])
async def test_items(value: object) -> None:
    async with Simulator(World(), [Fault(EVERYTHING, Items(value))]) as simulator:
        answer = json.loads((await page(simulator)).body)
    assert answer["items"] == value
    assert "nextPageKey" in answer


async def test_repeat_token() -> None:
    async with Simulator(World(), [Fault(Match(page=2), RepeatToken(), times=None)]) as simulator:
        token = json.loads((await page(simulator)).body)["nextPageKey"]
        for _ in range(3):
            answer = json.loads((await page(simulator, token)).body)
            assert answer["nextPageKey"] == token
            assert len(answer["items"]) == 100


async def test_endless_pages() -> None:
    tokens: list[str | None] = [None]
    async with Simulator(World(), [Fault(Match(origin="api"), EndlessPages(), times=None)]) as simulator:
        for _ in range(60):
            answer = json.loads((await page(simulator, tokens[-1])).body)
            assert answer["items"] == []
            tokens.append(answer["nextPageKey"])
    assert len(set(tokens)) == 61


async def test_endless_json() -> None:
    async with Simulator(World(), [Fault(EVERYTHING, EndlessJson())]) as simulator:
        raw = await page(simulator, limit=10 * MEBIBYTE)
    assert raw.body.startswith(b'{"items":[{')
    assert len(raw.body) > 9 * MEBIBYTE


@pytest.mark.parametrize("action", EVERY_ACTION, ids=lambda action: type(action).__name__)
async def test_any_action_on_any_request_ends_without_noise(
    action: AnyAction, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(count=1)
    loop = asyncio.get_running_loop()
    failures: list[object] = []
    loop.set_exception_handler(lambda _, context: failures.append(context))
    async with Simulator(world, [Fault(EVERYTHING, action, times=None)]) as simulator:
        urls = (
            simulator.api_url + LISTING,
            simulator.api_url,
            world.item(0)["url"],
            world.item(0)["url"].replace("mp4", "jpg"),
            simulator.cdn_origin,
        )
        for url in urls:
            for headers in ({"Authorization": simulator.key}, {"Range": "bytes=1-2"}):
                for method in ("GET", "HEAD"):
                    await fetch(url, headers, method=method, seconds=0.02, limit=MEBIBYTE)
        await _leave_in_the_middle(urls[0])
        await _leave_in_the_middle(urls[2])
        await asyncio.sleep(0.02)
    assert failures == []
    assert caplog.records == []


async def _leave_in_the_middle(url: str) -> None:
    parts = urlsplit(url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await asyncio.sleep(0.01)
    with suppress(OSError):
        writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
    writer.close()


def test_an_empty_script_is_json_too() -> None:
    assert dump_faults([]) == b"[]"
    assert load_faults("[]") == []
