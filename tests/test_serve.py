"""`serve`: the library over HTTP, from this computer to itself, and nothing else of the archive or the computer."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pictory_archiver.page_file import content_security_policy, icon, index_html
from pictory_archiver.served import _parsed
from pictory_archiver.simulator import Fault, Match, Simulator, World
from pictory_archiver.simulator import Status as HttpStatus

from .conftest import Account
from .support import TIMEOUT, Program, files_of, sidecars, snapshot
from .test_library import CALL, told_by, videos_of
from .test_upkeep import lonely

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals are of another kind there")


class Site:
    """A running `serve`."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(
        self, path: str, *, method: str = "GET", host: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """→ status, headers by their names in lower case, body. The path is sent as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", host if host is not None else f"127.0.0.1:{self.port}")
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()

    def body(self, path: str) -> bytes:
        status, _, body = self.get(path)
        assert status == 200, path
        return body


@contextlib.contextmanager
def serving(program: Program, archive: Path, *options: str) -> Iterator[Site]:
    """`serve` while the block runs; it ends cleanly, by the signal of a service manager."""
    process = lonely(program).start("serve", archive, "--port", "0", *options)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("Open http://127.0.0.1:"), line + process.communicate()[1]
        yield Site(int(line.removeprefix("Open http://127.0.0.1:").partition("/")[0]))
    finally:
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, stdout, stderr) == (143, "", "")


@pytest.fixture
def held(account: Account, archive: Path) -> tuple[Simulator, Program]:
    """A whole archive of thirty videos, without a library on the disk, and the program of its owner."""
    simulator, program = account(World(count=30))
    program.settings["library"] = {"update": False}
    assert program.run("sync", archive).status == 0
    return simulator, program


@pytest.fixture
def site(held: tuple[Simulator, Program], archive: Path) -> Iterator[Site]:
    with serving(held[1], archive) as running:
        yield running


# What it shows


def test_it_is_the_page_that_is_written_to_the_disk(held: tuple[Simulator, Program], site: Site, archive: Path) -> None:
    _, program = held
    before = snapshot(archive)
    served = {}
    state = site.body("/library/state.js")
    match = CALL.fullmatch(state.decode())
    assert match
    assert lonely(program).run("library", archive).status == 0
    assert site.body("/") == site.body("/index.html") == (archive / "index.html").read_bytes() == index_html()
    assert site.body("/library/icon.svg") == icon()
    names = [
        name
        for chunk in told_by(archive / "library" / "state.js")[2]["chunks"]
        for name in (chunk["cards"], chunk["details"])
    ]
    assert names
    for name in names:
        served[name] = site.body(f"/library/{name}")
        assert served[name] == (archive / "library" / name).read_bytes()
    assert b"\n" not in state.rstrip(b"\n")
    assert snapshot(archive) == before


def test_every_file_of_every_video_is_there_and_its_sidecar(site: Site, archive: Path) -> None:
    asked = 0
    for path, sidecar in sidecars(archive).values():
        for each in sidecar.assets:
            if each.path:
                media = path.with_name(each.path)
                name = media.relative_to(archive).as_posix()
                status, headers, body = site.get(f"/{name}")
                assert (status, body) == (200, media.read_bytes())
                assert headers["content-type"] == {
                    ".mp4": "video/mp4", ".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"
                }[media.suffix]  # fmt: skip
                assert (headers["etag"], headers["content-length"]) == (f'"{each.sha256}"', str(len(body)))
                asked += 1
        assert site.body(f"/{path.relative_to(archive).as_posix()}") == path.read_bytes()
    assert asked > 120


def test_what_a_sync_beside_it_fetches_is_shown(held: tuple[Simulator, Program], site: Site, archive: Path) -> None:
    simulator, program = held
    assert b'"listed":30,' in site.body("/library/state.js")
    (new,) = simulator.world.add(1)
    assert program.run("sync", archive).status == 0
    assert b'"listed":31,' in site.body("/library/state.js")
    path, _ = sidecars(archive)[new]
    assert site.body(f"/{path.relative_to(archive).as_posix()}") == path.read_bytes()
    assert lonely(program).run("reindex", archive).status == 0  # another file of the catalogue
    assert b'"listed":0,' in site.body("/library/state.js")
    assert site.body(f"/{path.relative_to(archive).as_posix()}") == path.read_bytes()


def test_an_archive_that_cannot_be_written_to_is_shown(held: tuple[Simulator, Program], archive: Path) -> None:
    _, program = held
    with serving(program, archive) as running:
        assert videos_served(running) == 30
    shutil.rmtree(archive / "library", ignore_errors=True)
    (archive / ".pictory-archiver" / "catalogue.sqlite3").unlink()
    before = sorted(path.relative_to(archive) for path in archive.rglob("*"))
    with serving(program, archive) as running:
        assert videos_served(running) == 30
        path, _ = next(iter(sidecars(archive).values()))
        assert running.body(f"/{path.relative_to(archive).as_posix()}") == path.read_bytes()
    assert sorted(path.relative_to(archive) for path in archive.rglob("*")) == before


def videos_served(site: Site) -> int:
    match = CALL.fullmatch(site.body("/library/state.js").decode())
    assert match
    return sum(count for chunk in json.loads(match[3])["chunks"] for _, count in chunk["days"])


def test_a_catalogue_that_is_damaged_while_it_serves(
    held: tuple[Simulator, Program], site: Site, archive: Path
) -> None:
    assert videos_served(site) == 30
    catalogue = archive / ".pictory-archiver" / "catalogue.sqlite3"
    data = bytearray(catalogue.read_bytes())
    data[5000:-5000] = os.urandom(len(data) - 10_000)
    catalogue.with_name("other").write_bytes(data)
    catalogue.with_name("other").replace(catalogue)
    assert videos_served(site) == 30


# Ranges


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=100-199", 100, 200), ("bytes=1000-", 1000, None), ("bytes=-7", -7, None),
     ("bytes=5-99999999", 5, None), ("bytes=-99999999", 0, None)],
)  # fmt: skip
def test_a_range_is_that_part_of_the_file(site: Site, archive: Path, asked: str, start: int, stop: int | None) -> None:
    media = next(archive.rglob("*.mp4"))
    data = media.read_bytes()
    name = f"/{media.relative_to(archive).as_posix()}"
    status, headers, body = site.get(name, Range=asked)
    whole = len(data[start:stop]) == len(data)
    assert (status, body) == (200 if whole else 206, data[start:stop])
    if not whole:
        first = start if start >= 0 else len(data) + start
        assert headers["content-range"] == f"bytes {first}-{first + len(body) - 1}/{len(data)}"
    status, headers, nothing = site.get(name, method="HEAD", Range=asked)
    assert (status, nothing, headers["content-length"]) == (200 if whole else 206, b"", str(len(body)))


def test_ranges_that_are_none_and_conditions(site: Site, archive: Path) -> None:
    media = next(archive.rglob("*.mp4"))
    data = media.read_bytes()
    name = f"/{media.relative_to(archive).as_posix()}"
    etag = site.get(name)[1]["etag"]
    for asked in (f"bytes={len(data)}-", "bytes=9-3", "seconds=1-2", "bytes=a-b", "bytes=1-2,4-5"):
        status, headers, _ = site.get(name, Range=asked)
        assert status == 416, asked
        assert headers["content-range"] == f"bytes */{len(data)}"
    assert site.get(name, Range="bytes=1-2", If_Range=etag)[::2] == (206, data[1:3])
    assert site.get(name, Range="bytes=1-2", If_Range='"another"')[::2] == (200, data)
    assert site.get(name, If_None_Match=etag)[::2] == (304, b"")
    assert site.get(name, If_None_Match='"another"')[::2] == (200, data)


# Who may ask, and for what


@pytest.mark.parametrize(
    "host",
    ["evil", "evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{port}",
     "localhost", "", "127.0.0.1:{port}@evil", "0.0.0.0:{port}", "[::1]:{port}", "127.1:{port}", "2130706433:{port}"],
)  # fmt: skip
def test_51_another_host_is_refused(site: Site, archive: Path, host: str) -> None:
    media = next(archive.rglob("*.mp4")).relative_to(archive).as_posix()
    for path in ("/", "/library/state.js", f"/{media}"):
        status, _, body = site.get(path, host=host.format(port=site.port))
        assert (status, body) == (403, b"This server answers to the name of this computer alone.\n")


def test_the_names_of_this_computer_are_answered(site: Site) -> None:
    for host in (f"127.0.0.1:{site.port}", f"localhost:{site.port}", f"LOCALHOST:{site.port}"):
        assert site.get("/", host=host)[0] == 200


def test_51_it_listens_on_the_loopback_address_alone(site: Site) -> None:
    listening = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    bound = [
        line.split()[1]
        for line in listening
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{site.port:04X}")
    ]
    assert bound == [f"0100007F:{site.port:04X}"]
    assert f":{site.port:04X} " not in Path("/proc/net/tcp6").read_text(encoding="ascii")


@pytest.fixture
def full(held: tuple[Simulator, Program], archive: Path, tmp_path: Path) -> tuple[Path, str, list[str]]:
    """An archive with all that is none of anybody's business. → it, a file of a video, and the paths of the rest"""
    media = next(archive.rglob("*.mp4"))
    name = media.relative_to(archive).as_posix()
    (tmp_path / "secret.txt").write_text("secret")
    (archive / "mine.txt").write_text("mine")
    (archive / "library").mkdir(exist_ok=True)
    (archive / "library" / "mine.js").write_text("mine")
    media.with_name(f"{media.name}.partial").write_text("partial")
    media.with_name(f"{media.name}.gz").write_text("packed")
    media.with_name("extra.mp4").write_text("extra")
    (media.parent / "link").symlink_to(tmp_path)
    others = [
        "README.txt", "mine.txt", "library/mine.js", "library/contents.json", "library/../mine.txt",
        ".pictory-archiver/catalogue.sqlite3", ".pictory-archiver/archive.json", ".pictory-archiver/journal.jsonl",
        ".pictory-archiver/lock", f"{name}.partial", f"{name}.partial.json", f"{name}.gz", f"{name}/",
        f"{media.parent.relative_to(archive).as_posix()}/extra.mp4", f"{media.parent.relative_to(archive).as_posix()}/",
        f"{media.parent.relative_to(archive).as_posix()}/link/secret.txt", "2026", "2026/",
        "../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", "%2e%2e%2fsecret.txt", "2026/../../secret.txt",
        "2026/..%2f..%2fsecret.txt", "..\\secret.txt", "..%5csecret.txt", "%c0%ae%c0%ae/secret.txt",
        f"/{name}", f"./{name}", f"2026//{name.removeprefix('2026/')}", f"{name}%00.txt", f"{name}%0a", name.upper(),
        "%00", "%", "%zz", "%ff", "library", "library/", "library/cards.2026-04.01.js", "x" * 5000, "a/" * 2000,
        str(tmp_path / "secret.txt").lstrip("/"), "etc/passwd", "file:///etc/passwd", "favicon.ico",
    ]  # fmt: skip
    return archive, name, others


def test_51_only_the_library_and_the_files_of_videos_can_be_had(
    held: tuple[Simulator, Program], full: tuple[Path, str, list[str]]
) -> None:
    archive, name, others = full
    with serving(held[1], archive) as site:
        assert site.get(f"/{name}")[0] == 200
        for path in others:
            status, _, body = site.get(f"/{path}")
            assert status in (400, 404), path
            assert b"secret" not in body
            assert b"mine" not in body
        assert site.get(f"http://evil.example/{name}", host=f"127.0.0.1:{site.port}")[0] in (200, 403, 404)


def test_51_a_link_in_the_place_of_a_file_or_of_a_folder_leads_nowhere(
    held: tuple[Simulator, Program], archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    path, sidecar = next(iter(sidecars(archive).values()))
    media = path.with_name(sidecar.assets[0].path or "")
    media.unlink()
    media.symlink_to(tmp_path / "secret")
    other = next(each for each, _ in sidecars(archive).values() if each.parent != path.parent)
    other.parent.rename(tmp_path / "moved")
    other.parent.symlink_to(tmp_path / "moved")
    with serving(held[1], archive) as site:
        for each in (media, other):
            assert site.get(f"/{each.relative_to(archive).as_posix()}")[0] == 404
        assert site.get(f"/{path.relative_to(archive).as_posix()}")[0] == 200


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(held: tuple[Simulator, Program], archive: Path) -> None:
    media = next(archive.rglob("*.mp4"))
    media.unlink()
    os.mkfifo(media)
    with serving(held[1], archive) as site:
        assert site.get(f"/{media.relative_to(archive).as_posix()}")[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PROPFIND"])
def test_nothing_can_be_done_but_looked_at(site: Site, archive: Path, method: str) -> None:
    before = files_of(archive)
    for path in ("/", "/library/state.js", f"/{next(archive.rglob('*.mp4')).relative_to(archive).as_posix()}"):
        status, headers, _ = site.get(path, method=method)
        assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert files_of(archive) == before


def test_every_answer_says_what_a_browser_may_do_with_it(site: Site, archive: Path) -> None:
    media = next(archive.rglob("*.mp4")).relative_to(archive).as_posix()
    for path, status in (
        ("/", 200),
        ("/library/state.js", 200),
        ("/library/icon.svg", 200),
        (f"/{media}", 200),
        ("/x", 404),
    ):
        for method in ("GET", "HEAD"):
            found, headers, _ = site.get(path, method=method)
            assert found == status
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert headers["referrer-policy"] == "no-referrer"
            policy = headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; ")
            assert policy.endswith("frame-ancestors 'none'")
            assert "access-control-allow-origin" not in headers
            assert "Python" not in headers["server"]
    assert site.get("/")[1]["content-security-policy"] == content_security_policy(framing=False)
    assert site.get("/", host="evil")[1]["x-content-type-options"] == "nosniff"


@given(st.text(max_size=40).map(lambda text: f"/{text}") | st.text(alphabet="/%.2eEfF5c\\\0ab", max_size=30))
def test_no_path_of_a_url_leaves_the_archive(raw: str) -> None:
    parsed = _parsed(raw)
    if parsed is not None:
        assert not parsed.is_absolute()
        assert not {"..", ".", ""} & {*parsed.parts}
        assert all("\0" not in part and "/" not in part for part in parsed.parts)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.binary(max_size=200))
def test_bytes_that_are_no_request_harm_nobody(site: Site, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=TIMEOUT) as connection:
        connection.sendall(data + b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    assert site.get("/")[0] == 200


def test_a_reader_that_leaves_in_the_middle_harms_nobody(held: tuple[Simulator, Program], archive: Path) -> None:
    media = max(archive.rglob("*.mp4"), key=lambda path: path.stat().st_size)
    name = media.relative_to(archive).as_posix()
    with media.open("ab") as file:
        file.truncate(30_000_000)
    with serving(held[1], archive) as site:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", site.port), timeout=TIMEOUT) as connection:
                connection.sendall(f"GET /{name} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n\r\n".encode())
                connection.recv(1000)
        assert len(site.body(f"/{name}")) == 30_000_000


def test_a_file_that_is_cut_while_it_is_sent_breaks_off(held: tuple[Simulator, Program], archive: Path) -> None:
    media = next(archive.rglob("*.mp4"))
    name = media.relative_to(archive).as_posix()
    with media.open("ab") as file:
        file.truncate(50_000_000)
    with serving(held[1], archive) as site:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=TIMEOUT)
        with contextlib.closing(connection):
            connection.request("GET", f"/{name}")
            response = connection.getresponse()
            response.read(1000)
            os.truncate(media, 2000)
            with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
                response.read()
        assert site.get(f"/{name}")[1]["content-length"] == "2000"


# Bad input


def test_what_is_no_archive_and_no_port(held: tuple[Simulator, Program], archive: Path, tmp_path: Path) -> None:
    _, program = held
    (tmp_path / "other").mkdir()
    for folder in ("other", "nowhere"):
        outcome = program.run("serve", tmp_path / folder, "--port", "0")
        assert (outcome.status, outcome.stdout, len(outcome.stderr.splitlines())) == (6, "", 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = program.run("serve", archive, "--port", str(port))
    assert (outcome.status, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith(f"Error: port {port} cannot be listened on: ")
    assert outcome.stderr.endswith("; name another --port\n")
    for words in (["--port", "70000"], ["--port", "x"], ["--host", "0.0.0.0"]):
        assert program.run("serve", archive, *words).status == 2


@posix_only
def test_ctrl_c_ends_it(held: tuple[Simulator, Program], archive: Path) -> None:
    process = lonely(held[1]).start("serve", archive, "--port", "0")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, stdout, stderr) == (130, "", "")


def test_what_is_missing_is_shown_as_the_page_on_the_disk_does(account: Account, archive: Path) -> None:
    _, program = account(World(count=6), [Fault(Match(kind="preview", video=2), HttpStatus(404), times=None)])
    assert program.run("sync", archive).status == 3
    on_disk = videos_of(archive)
    with serving(program, archive) as site:
        match = CALL.fullmatch(site.body("/library/state.js").decode())
        assert match
        state: dict[str, Any] = json.loads(match[3].replace("\\'", "'").replace("\\\\", "\\"))
        assert (state["state"]["exit_status"], state["state"]["problem_count"]) == (3, 1)
        lost = next(file for video in on_disk for file in video["files"] if file["status"] == "missing")
        assert lost["path"] is None
