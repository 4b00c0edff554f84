"""Who is talked to, what is told to whom, and what is printed: cases 49, 50 and 53, and the key's part of case 24."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import pytest
import trustme
from msgspec.structs import replace

from pictory_archiver.addresses import Guard
from pictory_archiver.errors import Forbidden
from pictory_archiver.http import Limits, Web
from pictory_archiver.models import OUTPUTS
from pictory_archiver.simulator import DEFAULT_KEY, Action, Fault, Match, RawBody, Redirect, Status, World
from pictory_archiver.simulator.action import Scene
from pictory_archiver.simulator.wire import Reply

from .conftest import Account
from .support import FAST, Outcome, Program, asset, check_against_world, check_archive, sidecars

FIELDS = ("url", "thumbnailImageUrl", "previewImageUrl", "lastFrameImageUrl")
LEFT_OUT = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]")
"""What no line of output may hold: anything that moves a cursor, colours, rings, or turns the reading direction."""


class Bait:
    """Ports of this computer, on every one of its addresses, to which nothing may connect."""

    def __init__(self) -> None:
        self._sockets = [socket.create_server(("", 0))]
        self.port = self._sockets[0].getsockname()[1]
        with suppress(OSError):  # a computer without IPv6
            self._sockets.append(socket.create_server(("::", self.port), family=socket.AF_INET6))
        for each in self._sockets:
            each.setblocking(False)

    def taken(self) -> bool:
        """Whether anyone has connected."""
        for each in self._sockets:
            try:
                each.accept()[0].close()
            except BlockingIOError:
                continue
            return True
        return False

    def close(self) -> None:
        for each in self._sockets:
            each.close()


@pytest.fixture
def bait() -> Iterator[Bait]:
    with closing(Bait()) as made:
        yield made


def assert_clean_words(*texts: str) -> None:
    for text in texts:
        found = LEFT_OUT.search(text)
        assert found is None, text[max(0, found.start() - 60) : found.end() + 20].encode()


THIS_COMPUTER = [
    r"127.0.0.1",
    r"localhost",
    r"LOCALHOST.",
    r"a.localhost",
    r"0.0.0.0",
    r"127.1",
    r"2130706433",
    r"0x7f000001",
    r"0177.0.0.1",
    r"127.0.0.1.",
    r"[127.0.0.1]",
    r"[::1]",
    r"[::]",
    r"[::ffff:127.0.0.1]",
    r"[::ffff:7f00:1]",
    r"[64:ff9b::7f00:1]",
    r"[2002:7f00:1::]",
    r"[fe80::1%25lo]",
    r"[fd00::1]",
    r"１２７.0.0.1",
    r"127。0。0。1",
    r"%31%32%37.0.0.1",
    r"user@127.0.0.1",
    r"public.example@127.0.0.1",
    r"127.0.0.1\@public.example",
    r"127.0.0.1%00.example",
    r"127.0.0.1;.example",
    r"127.0.0.1#.example",
    r"127.0.0.1?.example",
]
NO_PUBLIC_HTTPS = [
    "https://169.254.169.254/latest/meta-data/",
    "http://169.254.169.254/",
    "https://10.0.0.1/x",
    "https://192.168.1.1/x",
    "https://172.16.0.1/x",
    "https://100.64.0.1/x",
    "https://224.0.0.1/x",
    "https://255.255.255.255/x",
    "http://PORT.example/x",
    "file:///etc/passwd",
    "FILE:/etc/passwd",
    "ftp://127.0.0.1:PORT/x",
    "unix:/run/x.sock",
    "data:video/mp4,x",
    "javascript:alert(1)",
    "//127.0.0.1:PORT/x",
    "https:127.0.0.1:PORT/x",
    "https:///127.0.0.1:PORT/x",
    "https://",
    "https://:443/x",
    "/x",
    "x",
    "https://127.0.0.1:PORT:PORT/x",
    "https://127.0.0.1:99999/x",
]


def private_addresses(port: int) -> tuple[str, ...]:
    """URLs that lead to this computer or its network, that some library might read so, or that are no HTTPS."""
    return (
        *(f"https://{host}:{port}/x" for host in THIS_COMPUTER),
        *(f"http://{host}:{port}/x" for host in THIS_COMPUTER[:5]),
        *(url.replace("PORT", str(port)) for url in NO_PUBLIC_HTTPS),
        *(f"https://127.0.0.1:{port}/\r\nHost: evil", f"https://\x00127.0.0.1:{port}/x"),
        f" \thttps://127.0.0.1:{port}/x ",
    )


def test_addresses_that_are_not_public_are_refused_and_the_other_files_saved(
    account: Account, archive: Path, bait: Bait
) -> None:
    hostile = private_addresses(bait.port)
    world = World(count=len(hostile))
    simulator, program = account(world)
    for index, url in enumerate(hostile):
        world.change(index, **{FIELDS[index % 4]: url})
    run = program.run("sync", archive, "-vv", "--json")
    assert run.status == 3, run
    assert not bait.taken()
    assert run.report["problem_count"] == len(hostile)
    assert_clean_words(run.stderr)
    found = check_archive(archive)
    for index, url in enumerate(hostile):
        _, sidecar = found[world.id(index)]
        states = [asset(sidecar, kind).status for kind in OUTPUTS]
        refused = states.pop(index % 4)
        assert refused == "failed", url
        assert states == ["stored"] * 3, url
    assert not [request for request in simulator.requests(origin="cdn") if "authorization" in request.headers]


def test_a_redirect_to_an_address_that_is_not_public_is_refused(account: Account, archive: Path, bait: Bait) -> None:
    targets = (
        *(
            f"https://127.0.0.1:{bait.port}/x",
            f"http://localhost:{bait.port}/x",
            f"https://[::ffff:127.0.0.1]:{bait.port}/",
        ),
        *(f"//127.0.0.1:{bait.port}/x", "file:///etc/passwd", "https://10.0.0.1/x", f"https://127.1:{bait.port}/x"),
        *(f"http://0.0.0.0:{bait.port}/", "", f"https://user@127.0.0.1:{bait.port}/", "\x1b[31m:evil"),
    )
    world = World(count=len(targets))
    faults = [
        Fault(Match(kind="video", video=index), Redirect(location=target or "http://"), times=None)
        for index, target in enumerate(targets)
    ]
    _, program = account(world, faults)
    run = program.run("sync", archive, "-vv", "--json")
    assert run.status == 3
    assert not bait.taken()
    assert run.report["problem_count"] == len(targets)
    assert_clean_words(run.stderr)
    for _, sidecar in check_archive(archive).values():
        assert asset(sidecar, "video").status == "failed"
        assert asset(sidecar, "preview").status == "stored"


FAKE_NAMES = """
import socket
real = socket.getaddrinfo
names = {
    "inside.example": ["127.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "half.example": ["93.184.216.34", "127.0.0.1"],
    "unspecified.example": ["0.0.0.0"],
}
def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    host = host.decode() if isinstance(host, bytes) else host
    if host in names:
        return [entry for name in names[host] for entry in real(name, port, 0, type, proto, flags)]
    if host and host.endswith(".example"):
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    return real(host, port, family, type, proto, flags)
socket.getaddrinfo = getaddrinfo
"""
"""Stands in for the name service of a process: what an attacker's own zone may answer."""


def test_a_name_that_leads_to_an_address_that_is_not_public_is_refused(
    account: Account, archive: Path, bait: Bait, tmp_path: Path
) -> None:
    names = ("inside", "metadata", "mapped", "half", "unspecified", "nowhere")
    world = World(count=len(names))
    _, program = account(world)
    (tmp_path / "names").mkdir()
    (tmp_path / "names/sitecustomize.py").write_text(FAKE_NAMES)
    program.env["PYTHONPATH"] = f"{tmp_path / 'names'}:{Path(__file__).parents[1]}"
    for index, name in enumerate(names):
        world.change(index, url=f"https://{name}.example:{bait.port}/x.mp4")
    run = program.run("sync", archive, "--json")
    assert run.status == 3
    assert not bait.taken()
    errors = {problem["video_id"]: problem["error"] for problem in run.report["problems"]}
    for index in range(len(names) - 1):
        assert "not a public address" in errors[world.id(index)]
    assert "was not found" in errors[world.id(len(names) - 1)]
    assert run.report["files_stored"] == 3 * len(names)


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["93.184.216.34", "10.1.2.3"], ["::1"], ["fe80::1%1"]])
async def test_one_address_that_is_not_public_among_those_of_a_name_is_enough_to_refuse_it(
    answers: list[str], bait: Bait, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        assert host == "cdn.example"
        old = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in answers if ":" not in text]
        new = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", (text, port, 0, 0)) for text in answers if ":" in text]
        return [*old, *new]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    web = Web(
        user_agent="test", tls=ssl.create_default_context(), limits=Limits(2, 2, 0), guard=Guard(), max_redirects=5
    )
    try:
        with pytest.raises(Forbidden):
            async with web.get(f"https://cdn.example:{bait.port}/x", {}):
                pytest.fail("it was connected to")
    finally:
        await web.close()
    assert not bait.taken()


class HeaderEcho(Action, frozen=True):
    """The honest file under headers that hold what a terminal would obey."""

    headers: dict[str, str]

    def apply(self, scene: Scene, /) -> Reply:
        reply = scene.honest()
        return replace(reply, headers={**reply.headers, **self.headers})


def test_what_a_terminal_would_obey_is_written_out_visibly(account: Account, archive: Path) -> None:
    escape = "\x1b[2J\x1b]0;owned\x07\u009b31m\u202egpj\u2028\r\nError: all is lost"
    world = World(count=6)
    world.change(0, prompt=escape, model=escape, aspectRatio=escape, url=None, createdDate="2020-01-01T00:00:00Z")
    world.replace_item(1, {**world.item(1), "id": f"id{escape}", "url": f"https://{escape}.example/"})
    world.insert_item(2, escape)
    world.insert_item(3, {"id": [escape]})
    marks = {"ETag": '"\u009b31m\u202e\u2028"', "Content-Type": "video/\u009b31m\u202emp4", "Last-Modified": "\u2028x"}
    mine: Any = HeaderEcho(marks)
    controls: Any = HeaderEcho({"ETag": '"\x1b[31m"'})
    faults = [
        Fault(Match(video=4, kind="video"), mine, times=None),
        Fault(Match(video=5, kind="video"), controls, times=None),
        Fault(Match(video=5, kind="preview"), Status(404, {"Content-Type": "a"}, escape), times=None),
    ]
    simulator, program = account(world, faults)
    dry = program.run("sync", archive, "--dry-run", "-vv")
    assert dry.status == 0
    run = program.run("sync", archive, "-vv")
    assert run.status == 3
    status = program.run("status", archive)
    assert status.status == 3
    said = (dry, run, status)
    assert_clean_words(*(each.stdout for each in said), *(each.stderr for each in said))
    assert "\\x1b[2J" in run.stderr
    echoed = asset(sidecars(archive)[world.id(4)][1], "video")
    assert echoed.status == "stored"
    assert_clean_words(echoed.etag, echoed.content_type, echoed.last_modified)
    assert sidecars(archive)[world.id(0)][1].video["prompt"] == escape

    simulator.faults.clear()
    simulator.faults.add(Fault(Match(origin="api"), Status(500, {}, escape), times=None))
    failed = program.run("sync", archive)
    assert failed.status == 5
    assert_clean_words(failed.stdout, failed.stderr)
    journal = (archive / ".pictory-archiver/journal.jsonl").read_text()
    assert len(journal.splitlines()) == 2
    assert_clean_words(journal)


def spellings(key: str) -> tuple[bytes, ...]:
    """The forms in which a key could hide."""
    return (
        key.encode(),
        base64.b64encode(key.encode()).rstrip(b"="),
        base64.b64encode(b":" + key.encode()).rstrip(b"="),
        key.encode().hex().encode(),
        key[::-1].encode(),
        key.encode("utf-16-le"),
    )


def assert_nowhere(key: str, root: Path, runs: list[Outcome]) -> None:
    texts = [run.stdout.encode() + run.stderr.encode() for run in runs]
    texts += [path.read_bytes() for path in root.rglob("*") if path.is_file()]
    texts += [str(path).encode() for path in root.rglob("*")]
    assert len(texts) > 20
    for text in texts:
        for spelling in spellings(key):
            assert spelling not in text


def test_the_key_is_in_no_file_no_output_and_no_argument(account: Account, archive: Path) -> None:
    faults = [
        Fault(Match(page=1), Status(500, {"X-Echo": DEFAULT_KEY}, f"Authorization: {DEFAULT_KEY}")),
        Fault(Match(video=1, kind="video"), Status(500, {}, "no"), times=None),
    ]
    simulator, program = account(World(count=12), faults, latency=0.02)
    program.settings["retry"] = {**FAST["retry"], "tries": 2}
    runs = [program.run("sync", archive, "--dry-run", "-vv")]
    seen = set()
    running = program.start("sync", archive, "-vv")
    while running.poll() is None:
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                seen.add(each.read_bytes())
        time.sleep(0.05)
    stdout, stderr = running.communicate(timeout=60)
    runs.append(program.checked(Outcome(running.returncode, stdout, stderr)))
    assert runs[-1].status == 3
    assert seen or not Path("/proc").is_dir()
    assert not [words for words in seen if DEFAULT_KEY.encode() in words]

    simulator.faults.add(Fault(Match(page=1), Status(418, {}, f"you sent {DEFAULT_KEY}, \x1b"), times=1))
    runs.append(program.run("sync", archive, "-vv"))
    assert runs[-1].status == 5
    simulator.faults.add(Fault(Match(page=1), Redirect(location=f"https://{DEFAULT_KEY}.example/"), times=1))
    runs.append(program.run("sync", archive, "-vv"))
    assert runs[-1].status == 5
    simulator.faults.add(Fault(Match(page=1), RawBody(f"{DEFAULT_KEY} is no JSON".encode()), times=2))
    runs.append(program.run("sync", archive, "-vv", "--json"))
    assert runs[-1].status == 5
    runs += [program.run(*command) for command in (("status", archive), ("status", archive, "--json"))]
    runs += [program.run("config", *words) for words in (("show",), ("show", "--json"), ("check",))]
    program.env["PICTORY_ARCHIVER_API_USER_AGENT"] = f"{DEFAULT_KEY} \x1b"
    runs.append(program.run("sync", archive))
    assert runs[-1].status == 2
    del program.env["PICTORY_ARCHIVER_API_USER_AGENT"]
    runs.append(program.run("sync", archive, "--no-such-option", "-vv"))
    assert_nowhere(DEFAULT_KEY, archive, runs)


def test_a_key_that_the_api_quotes_is_masked_before_anything_is_written(account: Account, archive: Path) -> None:
    world = World(count=4)
    simulator, program = account(world, key='pictai_quoted/"0123456789\\abcdef')
    key = simulator.key
    world.change(0, prompt=f"made with {key}.", debug={"headers": [{"Authorization": key}]})
    world.change(1, extendVideoUrl=f"{simulator.cdn_origin}/{key}/x.mp4", **{key: 1})
    world.replace_item(2, {**world.item(2), "id": key})
    world.insert_item(3, [key])
    run = program.run("sync", archive, "-vv")
    assert run.status == 3  # a list is in the place of an item
    assert len(check_archive(archive, key=key)) == 4
    assert sidecars(archive)[world.id(0)][1].video["prompt"] == "made with pictai_…."

    escaped = "".join(f"\\u{ord(character):04X}" for character in key)
    slashed = json.dumps(key)[1:-1].replace("/", "\\/")
    page = json.dumps({"items": [{**world.item(3), "prompt": "PROMPT"}]}).replace("PROMPT", f"{escaped} and {slashed}")
    simulator.faults.add(Fault(Match(page=1), RawBody(page.encode()), times=1))
    again = program.run("sync", archive, "-vv")
    assert sidecars(archive)[world.id(3)][1].video["prompt"] == "pictai_… and pictai_…"
    assert_nowhere(key, archive, [run, again])
    assert {request.headers["authorization"] for request in simulator.requests(origin="api")} == {key}
    assert not [request for request in simulator.requests(origin="cdn") if key in request.path]


def test_the_key_goes_to_the_api_and_nowhere_else_and_netrc_is_not_used(
    account: Account, archive: Path, tmp_path: Path
) -> None:
    other, _ = account(World(count=1, seed=9))
    far = World(count=6)
    simulator, program = account(far)
    program.origins = (*simulator.origins, *other.origins)
    target = other.cdn_origin + other.world.path(0, "video")
    simulator.faults.add(
        Fault(Match(kind="video", video=0), Redirect(location=target), times=None),
        Fault(Match(kind="video", video=1), Redirect(hops=5), times=None),
        Fault(Match(kind="video", video=2), Redirect(hops=6), times=None),
    )
    netrc = tmp_path / "home/.netrc"
    netrc.parent.mkdir(exist_ok=True)
    netrc.write_text("machine 127.0.0.1 login me password hidden\ndefault login me password hidden\n")
    netrc.chmod(0o600)
    program.env["NETRC"] = str(netrc)
    run = program.run("sync", archive, "--json")
    assert run.status == 3
    assert [problem["video_id"] for problem in run.report["problems"]] == [far.id(2)]
    assert "redirects" in run.report["problems"][0]["error"]
    found = check_archive(archive)
    assert found[far.id(0)][1].complete
    assert found[far.id(1)][1].complete

    for request in (*simulator.requests(origin="cdn"), *other.log):
        for name, value in request.headers.items():
            assert name not in ("authorization", "cookie", "proxy-authorization")
            assert simulator.key not in value
        assert simulator.key not in request.path + str(request.query)
    assert len(other.requests(origin="cdn")) == 1
    assert {request.headers["authorization"] for request in simulator.requests(origin="api")} == {simulator.key}

    # A redirect of the API itself is not followed: the key would go along.
    simulator.faults.clear()
    other.forget()
    simulator.faults.add(
        Fault(Match(origin="api"), Redirect(location=other.api_url + "/v1/aistudio/videos"), times=None)
    )
    assert program.run("sync", archive).status == 5
    assert not other.log


@pytest.mark.parametrize(
    "base", ["http://192.0.2.1/pictoryapis", "http://api.pictory.ai/pictoryapis", "http://0.0.0.0/"]
)
def test_an_api_without_tls_is_refused_unless_it_is_on_this_computer(
    account: Account, archive: Path, base: str
) -> None:
    _, program = account(World(count=0))
    program.api_url = base
    run = program.run("sync", archive)
    assert run.status == 2
    assert "https://" in run.stderr
    assert not archive.exists()


class Proxy:
    """A forwarding proxy on loopback that knows CONNECT alone, and remembers every request it got."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            method, target, _ = head.split(" ", 2)
            if method != "CONNECT":
                writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
                return
            host, _, port = target.rpartition(":")
            upstream, onward = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_pump(reader, onward), _pump(upstream, writer))
        finally:
            writer.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while block := await source.read(65536):
            target.write(block)
            await target.drain()
    except OSError:
        pass
    finally:
        target.close()


@contextmanager
def authority() -> Iterator[tuple[ssl.SSLContext, bytes]]:
    """A certificate for this computer, and the authority that signed it."""
    maker = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    maker.issue_cert("127.0.0.1").configure_cert(context)
    yield context, maker.cert_pem.bytes()


def behind_tls(account: Account, world: World, tmp_path: Path) -> tuple[Any, Program]:
    """An account over HTTPS, and a program that trusts its certificate."""
    with authority() as (context, certificate):
        simulator, program = account(world, tls=context)
    (tmp_path / "ca.pem").write_bytes(certificate)
    program.settings["network"] = {"ca_file": str(tmp_path / "ca.pem")}
    return simulator, program


def test_a_proxy_of_the_environment_is_used_and_gets_to_see_nothing(
    account: Account, archive: Path, tmp_path: Path
) -> None:
    world = World(count=4)
    world.change(3, url="https://10.0.0.1/private.mp4")
    simulator, program = behind_tls(account, world, tmp_path)
    with Proxy() as proxy:
        program.env["HTTPS_PROXY"] = f"http://me:hidden-word@127.0.0.1:{proxy.port}"
        run = program.run("sync", archive, "-vv")
        shown = program.run("config", "show")
    assert run.status == 3, run  # for the private address, which is not asked for through a proxy either
    check_against_world(archive, simulator, range(3))
    targets = {head.split()[1] for head in proxy.heads}
    assert targets == {origin.removeprefix("https://") for origin in simulator.origins}
    for head in proxy.heads:
        assert head.startswith("CONNECT ")
        assert simulator.key not in head
        assert "\r\nAuthorization:" not in head
        assert "Proxy-Authorization: Basic " in head
    for request in simulator.log:
        assert "proxy-authorization" not in request.headers
    for said in (run.stdout, run.stderr, shown.stdout, shown.stderr):
        assert "hidden-word" not in said


def test_no_proxy_exempts_hosts_and_a_dead_proxy_is_no_way_round(
    account: Account, archive: Path, tmp_path: Path
) -> None:
    simulator, program = behind_tls(account, World(count=2), tmp_path)
    with Proxy() as proxy:
        program.env |= {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}", "NO_PROXY": "127.0.0.1"}
        assert program.run("sync", archive).status == 0
    assert not proxy.heads
    check_against_world(archive, simulator)

    del program.env["NO_PROXY"]
    simulator.forget()
    assert program.run("sync", archive).status == 5  # the proxy has gone
    assert not simulator.log


def test_a_certificate_that_nobody_vouches_for_is_refused(account: Account, archive: Path, tmp_path: Path) -> None:
    simulator, program = behind_tls(account, World(count=2), tmp_path)
    del program.settings["network"]
    run = program.run("sync", archive)
    assert run.status == 5
    assert "certificate" in run.stdout + run.stderr
    assert not simulator.log
