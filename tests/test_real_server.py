"""The main job on real input: nginx serves real media files over HTTPS, and other people's tools judge the archive."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from pictory_archiver.models import Status
from pictory_archiver.simulator import Simulator, World, write_files

from .conftest import Account
from .support import FAST, TIMEOUT, Program, check_against_world, sidecars

MEBIBYTE = 2**20
PATIENT = {**FAST, "retry": {"min_wait_seconds": 0.2, "max_wait_seconds": 1}}
"""Waits that a server needs to come back."""

CONFIGURATION = """
daemon off;
master_process off;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{ worker_connections 64; }}
http {{
    log_format brief '$status $uri $http_range';
    access_log {home}/access.log brief;
    client_body_temp_path {home}/temp-1;
    proxy_temp_path {home}/temp-2;
    fastcgi_temp_path {home}/temp-3;
    uwsgi_temp_path {home}/temp-4;
    scgi_temp_path {home}/temp-5;
    types {{ video/mp4 mp4; image/jpeg jpg; image/png png; }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {home}/server.pem;
        ssl_certificate_key {home}/server.pem;
        root {home}/files;
        limit_rate {rate};
    }}
}}
"""


def tool(name: str) -> str:
    """The path of a program that is not ours. Without it the test is skipped; on a build server it fails."""
    found = shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if found is None and os.environ.get("CI"):
        pytest.fail(f"{name} is not installed")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@dataclass
class Nginx:
    """A real web server of our own: HTTPS on a free port, one process, everything it writes in one folder."""

    home: Path
    authority: trustme.CA = field(default_factory=trustme.CA)
    rate: str = "0"
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.home.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        certificate = self.authority.issue_cert("127.0.0.1")
        certificate.private_key_and_cert_chain_pem.write_to_path(str(self.home / "server.pem"))
        self.authority.cert_pem.write_to_path(str(self.home / "ca.pem"))

    @property
    def origin(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def served(self) -> list[str]:
        """`STATUS PATH RANGE` of each request that was answered."""
        log = self.home / "access.log"
        return log.read_text().splitlines() if log.exists() else []

    def start(self) -> None:
        configuration = self.home / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(home=self.home, port=self.port, rate=self.rate))
        log = str(self.home / "error.log")
        self.process = subprocess.Popen([tool("nginx"), "-p", self.home, "-e", log, "-c", configuration])
        deadline = time.monotonic() + TIMEOUT
        while True:
            assert self.process.poll() is None, (self.home / "error.log").read_text()
            assert time.monotonic() < deadline
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                time.sleep(0.01)
            else:
                return

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Callable[..., Nginx]]:
    """Starts a server of the files of a world."""
    tool("nginx")
    started = []

    def make(world: World, **more: Any) -> Nginx:
        server = Nginx(tmp_path / "nginx", **more)
        write_files(world, server.home / "files")
        server.start()
        started.append(server)
        return server

    yield make
    for server in started:
        server.kill()


def join(account: Account, world: World, server: Nginx, settings: dict[str, Any]) -> tuple[Simulator, Program]:
    """The simulated API over HTTPS, with nginx as the CDN, and the program of the account's owner."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.authority.issue_cert("127.0.0.1").configure_cert(tls)
    trusting = {**settings, "network": {"ca_file": str(server.home / "ca.pem")}}
    simulator, program = account(world, tls=tls, cdn_base=server.origin, program={"settings": trusting})
    program.origins = (server.origin,)
    return simulator, program


def test_what_a_real_server_serves_is_what_real_tools_find(account: Account, archive: Path, nginx: Any) -> None:
    world = World(count=25)
    server = nginx(world)
    simulator, program = join(account, world, server, FAST)
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    assert outcome.verdict == f"All 25 AI Studio videos are here and verified. Open {archive}"
    assert simulator.api_url.startswith("https://")
    check_against_world(archive, simulator)

    trust = ssl.create_default_context(cafile=str(server.home / "ca.pem"))
    sums = []
    for path, sidecar in sidecars(archive).values():
        for asset in sidecar.assets:
            if asset.status is Status.STORED:
                file = path.with_name(asset.path or "")
                with urllib.request.urlopen(asset.url or "", context=trust) as answer:
                    assert file.read_bytes() == answer.read()
                sums.append(f"{asset.sha256}  {file.relative_to(archive)}\n")
    assert len(sums) >= 100
    checked = subprocess.run(
        [tool("sha256sum"), "--check", "--strict"],
        input="".join(sums),
        cwd=archive,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count(": OK\n") == len(sums)

    before = server.served
    assert program.run("sync", archive).status == 0
    assert server.served == before


def test_ffprobe_reads_every_video(account: Account, archive: Path, nginx: Any) -> None:
    ffprobe = tool("ffprobe")
    world = World(count=6)
    _, program = join(account, world, nginx(world), FAST)
    assert program.run("sync", archive).status == 0
    videos = list(archive.rglob("*.mp4"))
    assert len(videos) >= 6
    for video in videos:
        seen = subprocess.run(
            [ffprobe, "-v", "error", "-count_frames", "-show_streams", "-of", "json", video],
            capture_output=True,
            text=True,
            check=True,
        )
        assert seen.stderr == ""
        stream = next(each for each in json.loads(seen.stdout)["streams"] if each["codec_type"] == "video")
        assert int(stream["nb_read_frames"]) > 0


def wait_for_a_large_partial(archive: Path, process: subprocess.Popen[str], size: int) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not any(path.stat().st_size >= size for path in archive.rglob("*.mp4.partial")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def taken_up(server: Nginx) -> list[str]:
    """Requests that went on behind the first 16 MiB or more, and were granted."""
    requests = [line.split() for line in server.served]
    return [
        path
        for status, path, span in requests
        if status == "206" and int(span.removeprefix("bytes=").rstrip("-")) >= 16 * MEBIBYTE
    ]


def test_a_run_goes_on_when_the_server_is_restarted(account: Account, archive: Path, nginx: Any) -> None:
    world = World(count=2, video_bytes=40 * MEBIBYTE)
    server = nginx(world, rate="30m")
    simulator, program = join(account, world, server, PATIENT)
    process = program.start("sync", archive)
    wait_for_a_large_partial(archive, process, 20 * MEBIBYTE)
    server.kill()
    server.start()
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, stdout + stderr
    assert taken_up(server)
    check_against_world(archive, simulator)


def test_the_next_run_goes_on_when_the_server_was_gone(account: Account, archive: Path, nginx: Any) -> None:
    world = World(count=2, video_bytes=40 * MEBIBYTE)
    server = nginx(world, rate="30m")
    simulator, program = join(account, world, server, FAST)
    process = program.start("sync", archive)
    wait_for_a_large_partial(archive, process, 20 * MEBIBYTE)
    server.kill()
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 3, stdout + stderr
    assert "cannot connect to 127.0.0.1" in stdout
    assert not list(archive.rglob("*.mp4"))

    server.start()
    assert program.run("sync", archive).status == 0
    assert taken_up(server)
    check_against_world(archive, simulator)
    assert not list(archive.rglob("*.partial*"))
