"""A real web server for the files of an account: nginx over HTTPS on loopback, and what it serves.

    python -m benchmarks.origin FOLDER VIDEOS KIND=BYTES...

writes these files: in a process of its own, whose memory does not count for those that are measured. Each file has the
structure of a real one and a random payload, so that nothing can be compressed or shared.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import trustme
from msgspec import Struct

from pictory_archiver.simulator import World
from pictory_archiver.simulator.videos import SUFFIXES

SEARCHED = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
ECHO_MODULE = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")
PATIENCE_SECONDS = 10

CONFIGURATION = """
daemon off;
{top}
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {home}/temp-1;
    proxy_temp_path {home}/temp-2;
    fastcgi_temp_path {home}/temp-3;
    uwsgi_temp_path {home}/temp-4;
    scgi_temp_path {home}/temp-5;
    types {{ video/mp4 mp4; image/jpeg jpg; image/png png; text/html html; }}
    autoindex on;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {home}/server.pem;
        ssl_certificate_key {home}/server.pem;
        root {home}/files;
        location / {{ {before} }}
        location /at-once/ {{ internal; alias {home}/files/; }}
    }}
}}
"""


class FileSet(Struct, frozen=True):
    """So many videos, with files of so many bytes each; `delay` seconds before each answer."""

    name: str
    videos: int
    sizes: dict[str, int]
    delay: float = 0.0

    @property
    def files(self) -> int:
        return self.videos * len(self.sizes)

    @property
    def bytes(self) -> int:
        return self.videos * sum(self.sizes.values())


class Served(Struct, frozen=True):
    """A running server: its origin, the certificate to trust, the URL of the folder with all files, and theirs."""

    origin: str
    ca_file: Path
    folder_url: str
    urls: list[str]


@contextlib.contextmanager
def serving(files: FileSet, home: Path) -> Iterator[Served]:
    """Serves the files of a simulated account. Raises `RuntimeError` where nginx cannot."""
    home.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(home / "server.pem"))
    authority.cert_pem.write_to_path(str(home / "ca.pem"))
    sizes = [f"{kind}={size}" for kind, size in files.sizes.items()]
    words = ["benchmarks.origin", str(home / "files"), str(files.videos), *sizes]
    subprocess.run([sys.executable, "-m", *words], check=True)
    paths = paths_of(files)
    delayed = f"echo_sleep {files.delay}; echo_exec /at-once$uri;"
    configuration = home / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(
            home=home,
            port=port,
            top=_top(files),
            before=delayed if files.delay else "",
        )
    )
    command = [shutil.which("nginx", path=SEARCHED) or "nginx", "-p", str(home), "-e", str(home / "error.log")]
    with subprocess.Popen([*command, "-c", str(configuration)]) as process:
        try:
            _wait_for(port, process)
            origin = f"https://127.0.0.1:{port}"
            folder = paths[0].rpartition("/")[0]
            yield Served(origin, home / "ca.pem", f"{origin}{folder}/", [origin + path for path in paths])
        finally:
            process.terminate()


def paths_of(files: FileSet) -> list[str]:
    """The paths of their URLs."""
    world = World(count=files.videos)
    return [world.path(index, kind) for index in range(files.videos) for kind in files.sizes]


def put_files(root: Path, videos: int, sizes: dict[str, int]) -> None:
    """Writes them at the paths of their URLs."""
    for path in paths_of(FileSet("", videos, sizes)):
        kind = next(kind for kind, suffix in SUFFIXES.items() if path.endswith(suffix))
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(MAKERS[target.suffix](sizes[kind]))


def mp4(size: int) -> bytes:
    """Boxes that tile the file: `ftyp`, `moov` with one `trak`, and random bytes as `mdat`."""
    head = _box(b"ftyp", b"isom\0\0\2\0isomiso2mp41") + _box(b"moov", _box(b"trak", bytes(64)))
    return head + _box(b"mdat", os.urandom(size - len(head) - 8))


def jpeg(size: int) -> bytes:
    """One scan of random bytes, none of which begins a marker."""
    head = bytes.fromhex("ffd8 ffe0 0010 4a464946 00 0101 00 0001 0001 00 00 ffda 0008 01 01 00 00 3f 00")
    return head + os.urandom(size - len(head) - 2).replace(b"\xff", b"\xfe") + b"\xff\xd9"


def png(size: int) -> bytes:
    """Random bytes as picture data, in chunks of 32 KiB with right checksums."""
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", bytes.fromhex("00000100 00000100 08 02 00 00 00"))
    end = _chunk(b"IEND", b"")
    data = bytearray(head)
    while (left := size - len(data) - len(end) - 12) > 0:
        data += _chunk(b"IDAT", os.urandom(min(left, 32768)))
    return bytes(data) + end


MAKERS = {".mp4": mp4, ".jpg": jpeg, ".png": png}


def _top(files: FileSet) -> str:
    """What stands outside of all blocks: a server that root starts would else give its worker no access."""
    user = "user root;" if os.geteuid() == 0 else ""
    return f"load_module {ECHO_MODULE}; {user}" if files.delay else user


def _box(name: bytes, body: bytes) -> bytes:
    return (len(body) + 8).to_bytes(4, "big") + name + body


def _chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.01)
    raise RuntimeError("nginx does not start: its error log is beside the files that it serves")


if __name__ == "__main__":
    folder, videos, *sizes = sys.argv[1:]
    put_files(Path(folder), int(videos), {kind: int(size) for kind, _, size in (each.partition("=") for each in sizes)})
