"""The two hosts over real HTTP: as the API's and the CDN's documentation say, when nothing goes wrong."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import ssl
import subprocess
import sys
import time
import tracemalloc
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
import trustme

from pictory_archiver.simulator import (
    DEFAULT_KEY,
    Fault,
    Match,
    Place,
    Simulator,
    SimulatorThread,
    Stall,
    Status,
    World,
    run,
)

from .raw_client import AGENT, fetch

LISTING = "/v1/aistudio/videos"
VIDEO = Place("video", 0)


def body_of(world: World, place: Place) -> bytes:
    file = world.file(place)
    assert file is not None
    return file.body.read()


async def crawl(simulator: Simulator) -> list[Any]:
    items: list[Any] = []
    headers = {"Authorization": simulator.key, "User-Agent": AGENT}
    async with aiohttp.ClientSession(headers=headers) as session:
        params: dict[str, str] = {}
        while True:
            async with session.get(simulator.api_url + LISTING, params=params) as response:
                assert response.status == 200
                assert response.content_type == "application/json"
                page = await response.json()
            items += page["items"]
            if "nextPageKey" not in page:
                return items
            params = {"nextPageKey": page["nextPageKey"]}


# The API


async def test_the_whole_listing_and_every_file() -> None:
    world = World(count=230, seed=9)
    async with Simulator(world) as simulator:
        items = await crawl(simulator)
        assert [item["id"] for item in items] == [world.id(index) for index in range(230)]
        urls = {
            url
            for item in items[:20]
            for value in item.values()
            for url in (value if isinstance(value, list) else [value])
            if str(url).startswith("http")
        }
        assert all(url.startswith(simulator.cdn_origin) for url in urls)
        async with aiohttp.ClientSession() as session:
            for url in urls:
                async with session.get(url) as response:
                    assert response.status == 200
                    data = await response.read()
                place = world.find(urlsplit(url).path)
                assert place is not None
                assert data == body_of(world, place)
    assert [request.page for request in simulator.requests(origin="api")] == [1, 2, 3]
    assert len(simulator.requests(origin="cdn")) == len(urls)


async def test_a_token_has_to_be_encoded() -> None:
    async with Simulator(World(count=150)) as simulator:
        first = await fetch(simulator.api_url + LISTING, {"Authorization": simulator.key})
        token = json.loads(first.body)["nextPageKey"]
        url = f"{simulator.api_url}{LISTING}?nextPageKey="
        encoded = await fetch(url + quote(token, safe=""), {"Authorization": simulator.key})
        verbatim = await fetch(url + token, {"Authorization": simulator.key})
    assert (encoded.status, len(json.loads(encoded.body)["items"])) == (200, 50)
    assert verbatim.status == 400


@pytest.mark.parametrize("key", [None, "", f"Bearer {DEFAULT_KEY}", DEFAULT_KEY + "x", "pictai_other"])
async def test_only_the_raw_key_opens_the_api(key: str | None) -> None:
    async with Simulator(World()) as simulator:
        headers = {} if key is None else {"Authorization": key}
        answer = await fetch(simulator.api_url + LISTING, headers)
    assert (answer.status, json.loads(answer.body)) == (401, {"message": "Unauthorized"})


@pytest.mark.parametrize(
    ("agent", "status"),
    [
        ("Python/3.11 aiohttp/3.14.5", 403),
        ("python-requests/2.32", 403),
        ("Python-urllib/3.11", 403),
        ("curl/8.5.0", 200),
        ("pictory-archiver/1.0 (+https://example.com)", 200),
    ],
)
async def test_default_agents_of_libraries_are_blocked(agent: str, status: int) -> None:
    async with Simulator(World()) as simulator:
        answer = await fetch(simulator.api_url + LISTING, {"Authorization": simulator.key, "User-Agent": agent})
    assert answer.status == status
    assert (answer.body == b"error code: 1010") == (status == 403)


async def test_elsewhere_the_api_answers_404() -> None:
    async with Simulator(World()) as simulator:
        for path in ("/v1/aistudio/videos/x", "/v1/aistudio/images", "/../"):
            answer = await fetch(simulator.api_url + path, {"Authorization": simulator.key})
            assert answer.status == 404
        posted = await fetch(
            simulator.api_url + LISTING,
            {"Authorization": simulator.key, "Content-Length": "3"},
            method="POST",
            body=b"abc",
        )
        assert posted.status == 404


# The CDN


async def test_a_file_comes_with_its_headers() -> None:
    world = World(count=1)
    async with Simulator(world) as simulator:
        got = await fetch(world.item(0)["url"])
        head = await fetch(world.item(0)["url"], method="HEAD")
    data = body_of(world, VIDEO)
    assert (got.status, got.body) == (200, data)
    assert (head.status, head.body) == (200, b"")
    for headers in (got.headers, head.headers):
        assert headers["content-length"] == str(len(data))
        assert headers["content-type"] == "video/mp4"
        assert headers["accept-ranges"] == "bytes"
        assert headers["etag"].startswith('"')
        modified = parsedate_to_datetime(headers["last-modified"])
        assert modified == datetime.fromisoformat(world.item(0)["createdDate"]).replace(microsecond=0)
    assert [request.bytes_sent for request in simulator.log] == [len(data), 0]


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-50", -50, None),
        ("bytes=5-5", 5, 6),
        ("bytes=10-99999999", 10, None),
        ("bytes=-99999999", 0, None),
    ],
)
async def test_ranges(asked: str, start: int, stop: int | None) -> None:
    world = World(count=1)
    async with Simulator(world):
        answer = await fetch(world.item(0)["url"], {"Range": asked})
    data = body_of(world, VIDEO)
    first, end, _ = slice(start, stop).indices(len(data))
    assert (answer.status, answer.body) == (206, data[start:stop])
    assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/{len(data)}"
    assert answer.headers["content-length"] == str(end - first)


@pytest.mark.parametrize("asked", ["bytes=-", "bytes=9-5", "bytes=0-1,4-5", "lines=1-2", "bytes=x-"])
async def test_ranges_that_make_no_sense_are_ignored(asked: str) -> None:
    world = World(count=1)
    async with Simulator(world):
        answer = await fetch(world.item(0)["url"], {"Range": asked})
    assert (answer.status, answer.body) == (200, body_of(world, VIDEO))


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
async def test_ranges_behind_the_end_are_refused(asked: str) -> None:
    world = World(count=1)
    async with Simulator(world):
        answer = await fetch(world.item(0)["url"], {"Range": asked})
    assert answer.status == 416
    assert answer.headers["content-range"] == f"bytes */{len(body_of(world, VIDEO))}"


async def test_conditions() -> None:
    world = World(count=1)
    async with Simulator(world):
        url = world.item(0)["url"]
        headers = (await fetch(url)).headers
        etag, modified = headers["etag"], headers["last-modified"]
        for condition, status in ((etag, 206), (modified, 206), ('"other"', 200), (f"W/{etag}", 200)):
            assert (await fetch(url, {"Range": "bytes=1-2", "If-Range": condition})).status == status
        fresh = await fetch(url, {"If-None-Match": etag})
        assert (fresh.status, fresh.body) == (304, b"")
        assert (await fetch(url, {"If-None-Match": '"other"'})).status == 200


async def test_unknown_objects_are_404_in_xml() -> None:
    world = World(count=2)
    world.delete(1)
    async with Simulator(world) as simulator:
        for url in (f"{simulator.cdn_origin}/videos/user/<x>", world.link(world.path(1, "video"))):
            answer = await fetch(url)
            assert answer.status == 404
            assert b"<Code>NoSuchKey</Code>" in answer.body
        assert (await fetch(world.item(0)["url"], method="PUT")).status == 405


async def test_every_answer_is_dated_by_the_clock_of_the_world() -> None:
    now = 1_000_000.0
    world = World(count=2, clock=lambda: now)
    refused = Fault(Match(origin="cdn"), Status(503), nth=2)
    async with Simulator(world, [refused]) as simulator:
        for url in (
            f"{simulator.api_url}{LISTING}",
            world.item(0)["url"],
            world.item(1)["url"],
            f"{simulator.cdn_origin}/no",
        ):
            date = (await fetch(url)).headers["date"]
            assert parsedate_to_datetime(date).timestamp() == now
            now += 3600


async def test_signed_urls_expire_and_cannot_be_altered() -> None:
    now = 1_000_000.0
    world = World(count=2, signed=True, url_lifetime=60, clock=lambda: now)
    async with Simulator(world) as simulator:
        url = (await crawl(simulator))[0]["url"]
        plain, _, query = url.partition("?")
        assert {pair.partition("=")[0] for pair in query.split("&")} == {"Expires", "Signature", "Key-Pair-Id"}
        assert (await fetch(url)).status == 200
        later = query.replace("Expires=1000060", "Expires=1000061")
        foreign = world.item(1)["url"].partition("?")[0]
        for altered in (plain, f"{plain}?{later}", f"{foreign}?{query}"):
            denied = await fetch(altered)
            assert denied.status == 403
            assert b"<Code>AccessDenied</Code>" in denied.body
        now += 61
        assert (await fetch(url)).status == 403
        renewed = (await crawl(simulator))[0]["url"]
        assert (await fetch(renewed)).status == 200
        world.expire_urls()
        assert (await fetch(renewed)).status == 403
        assert (await fetch((await crawl(simulator))[0]["url"])).status == 200


async def test_another_server_may_have_the_files() -> None:
    async with Simulator(World(count=1), cdn_base="https://files.example") as simulator:
        items = await crawl(simulator)
    assert items[0]["url"].startswith("https://files.example/videos/user/")


# The simulator itself


async def test_https() -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    world = World(count=1)
    async with Simulator(world, tls=server) as simulator:
        assert all(origin.startswith("https://127.0.0.1:") for origin in simulator.origins)
        answer = await fetch(simulator.api_url + LISTING, {"Authorization": simulator.key}, tls=client)
        assert answer.status == 200
        assert (await fetch(world.item(0)["url"], tls=client)).body == body_of(world, VIDEO)
        with pytest.raises(ssl.SSLCertVerificationError):
            await fetch(world.item(0)["url"], tls=ssl.create_default_context())


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n\r\n"])
async def test_https_stops_at_once_when_a_client_never_shakes_hands(said: bytes) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(server)
    async with Simulator(World(), tls=server) as simulator:
        _, stuck = await asyncio.open_connection("127.0.0.1", urlsplit(simulator.cdn_origin).port)
        stuck.write(said)
        await asyncio.sleep(0.05)
        started = time.monotonic()
    assert time.monotonic() - started < 1
    stuck.transport.abort()
    await asyncio.sleep(0)


async def test_the_log_tells_who_asked_for_what() -> None:
    world = World(count=3)
    async with Simulator(world, log_limit=3) as simulator:
        await fetch(simulator.api_url + LISTING + "?a=b", {"Authorization": "pictai_wrong"})
        await fetch(world.item(2)["previewImageUrl"], {"Range": "bytes=0-9"})
        api, cdn = simulator.log
        assert (api.origin, api.method, api.path, api.query) == ("api", "GET", "/pictoryapis" + LISTING, {"a": "b"})
        assert (api.headers["authorization"], api.status, api.page, api.kind) == ("pictai_wrong", 401, 1, None)
        assert (cdn.kind, cdn.video, cdn.video_id) == ("preview", 2, world.id(2))
        assert (cdn.status, cdn.bytes_sent, cdn.headers["range"]) == (206, 10, "bytes=0-9")
        assert cdn.at >= api.at
        for selection in (
            simulator.requests(video=2),
            simulator.requests(video=world.id(2)),
            simulator.requests(kind="preview"),
            simulator.requests(path=r"_preview\.jpg$"),
            simulator.requests(origin="cdn", method="GET"),
        ):
            assert selection == [cdn]
        assert simulator.requests(page=1) == [api]
        for _ in range(3):
            await fetch(simulator.cdn_origin)
        assert len(simulator.log) == 3
        simulator.forget()
        assert simulator.log == []


async def test_latency_comes_before_each_answer() -> None:
    async with Simulator(World(), latency=0.2) as simulator:
        assert (await fetch(simulator.api_url)).elapsed >= 0.2


async def test_a_connection_is_used_again_also_for_requests_sent_ahead() -> None:
    world = World(count=2)
    async with Simulator(world) as simulator:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(simulator.cdn_origin).port)
        for index in (0, 1):
            writer.write(f"HEAD {world.path(index, 'video')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for _ in range(2):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()


@pytest.mark.parametrize("said", [b"no HTTP\r\n\r\n", b"GET / HTTP/1.1\r\nno header\r\n\r\n", b"GET /" + b"x" * 2**17])
async def test_what_is_no_request_gets_no_answer(said: bytes) -> None:
    async with Simulator(World()) as simulator:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(simulator.cdn_origin).port)
        writer.write(said)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
    assert simulator.log == []


async def test_it_stops_at_once_with_stuck_clients() -> None:
    world = World(count=1, video_bytes=2**30)
    faults = [Fault(Match(kind="preview"), Stall(None), times=None)]
    async with Simulator(world, faults) as simulator:
        port = urlsplit(simulator.cdn_origin).port
        stuck = []
        for request in (b"", b"GET /half", f"GET {world.path(0, 'video')} HTTP/1.1\r\n\r\n".encode(),
                        f"GET {world.path(0, 'preview')} HTTP/1.1\r\n\r\n".encode()):  # fmt: skip
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            stuck.append(writer)
        await asyncio.sleep(0.1)
        started = time.monotonic()
    assert time.monotonic() - started < 1
    for writer in stuck:
        writer.transport.abort()
    assert len(simulator.log) == 2


async def test_a_port_can_be_chosen_and_a_taken_one_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=str(port)):
            async with Simulator(World(), cdn_port=port):
                pass
    async with Simulator(World(), cdn_port=port) as simulator:
        assert simulator.cdn_origin == f"http://127.0.0.1:{port}"


async def test_run_serves_until_it_is_cancelled() -> None:
    ready: asyncio.Queue[Simulator] = asyncio.Queue()
    task = asyncio.create_task(run(Simulator(World(count=1)), ready.put_nowait))
    simulator = await ready.get()
    assert len(await crawl(simulator)) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(OSError, match="Connect"):
        await fetch(simulator.api_url)


def test_in_a_thread_it_serves_another_process() -> None:
    world = World(count=3)
    script = "import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen(sys.argv[1]).read())"
    with SimulatorThread(Simulator(world)) as simulator:
        url = world.item(0)["url"]
        fetched = subprocess.run([sys.executable, "-c", script, url], capture_output=True, check=True, timeout=20)
        assert fetched.stdout == body_of(world, VIDEO)
        simulator.faults.add(Fault(Match(kind="video"), Stall(None)))
        world.add(2)
        assert len(simulator.requests(video=0)) == 1
        assert len(world) == 5
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        SimulatorThread(Simulator(world, api_port=taken.getsockname()[1])).__enter__()


async def test_many_small_requests_are_quick_and_leave_nothing_behind() -> None:
    world = World(count=50)
    async with Simulator(world, log_limit=0) as simulator:
        urls = [world.item(index)["thumbnailImageUrl"] for index in range(50)]
        async with aiohttp.ClientSession() as session:

            async def worker() -> None:
                for url in urls:
                    async with session.get(url) as response:
                        await response.read()

            started = time.perf_counter()
            await asyncio.gather(*(worker() for _ in range(20)))
            elapsed = time.perf_counter() - started
        assert simulator.log == []
    gc.collect()
    assert elapsed < 5, f"1000 requests took {elapsed:.1f} s"


async def test_a_large_file_is_sent_without_holding_it() -> None:
    world = World(count=1, video_bytes=2**28)
    tracemalloc.start()
    async with Simulator(world), aiohttp.ClientSession() as session, session.get(world.item(0)["url"]) as response:
        received = sum([len(piece) async for piece in response.content.iter_any()])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert received == 2**28
    assert peak < 2**24
