"""`sync` against what people would use instead: the same files, the same server, the same number of connections.

All of them in turns, several rounds; told are medians of the ratios within a round. Ours does all that makes it
trustworthy: digest, structure check, fsync, rename, sidecar, catalogue. The others only copy.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml
from msgspec import Struct

from .measure import PROGRAM, Timed, account_of, timed
from .origin import ECHO_MODULE, SEARCHED, FileSet, Served, serving

KB, MB = 1000, 1_000_000
CONNECTIONS = 16
MOST_WORKERS = 64
SMALL_FILE = 40 * KB
SMALL = FileSet("SMALL", 1000, dict.fromkeys(("video", "thumbnail", "preview", "last_frame"), SMALL_FILE))
MIXED = FileSet("MIXED", 300, {"video": 8 * MB, "thumbnail": 40 * KB, "preview": 150 * KB, "last_frame": MB})
LATENCY = FileSet("LATENCY", SMALL.videos, SMALL.sizes, delay=0.02)
SETS = (SMALL, MIXED, LATENCY)
OUTPUTS = "video,thumbnail,preview,last_frame"
MEDIA = {".mp4", ".jpg", ".png"}
PAUSE_SECONDS = 0.5
TIDY_ABOVE = 500 * MB
ROW = "{:<36} {:>9} {:>9} {:>9} {:>14} {:>13}"
HEADS = ("seconds", "CPU s", "peak MB", "sync against", "CPU against")


class Peer(Struct, frozen=True):
    """Another program: its name, what has to be installed, and the words that have it copy everything into a folder.

    The words are made from what is served, a folder for a list of it, and the folder for the copies.
    """

    name: str
    needs: str
    words: Callable[[Served, Path, Path], list[str]]


def _rclone(served: Served, _: Path, into: Path) -> list[str]:
    """`--http-no-head` spares it a request for each file."""
    source = ["rclone", "copy", ":http:", str(into), "--http-url", served.folder_url, "--http-no-head"]
    return [*source, "--transfers", str(CONNECTIONS), "--ca-cert", str(served.ca_file), "--config", os.devnull, "-q"]


def _rclone_and_sums(served: Served, lists: Path, into: Path) -> list[str]:
    copy = " ".join(_rclone(served, lists, into))
    sums = f"find {into} -type f -print0 | xargs -0 -P {os.cpu_count() or 1} -n 8 sha256sum > {lists / 'sums'}"
    return ["sh", "-c", f"{copy} && {sums}"]


def _curl(served: Served, lists: Path, into: Path) -> list[str]:
    listed = lists / "curl"
    listed.write_text("".join(f'url = "{url}"\noutput = "{into / url.rpartition("/")[2]}"\n' for url in served.urls))
    words = ["curl", "--parallel", "--parallel-max", str(CONNECTIONS), "--silent", "--fail", "--no-progress-meter"]
    return [*words, "--cacert", str(served.ca_file), "--config", str(listed)]


def _wget2(served: Served, lists: Path, into: Path) -> list[str]:
    words = ["wget2", "-q", "--no-config", "--max-threads", str(CONNECTIONS), "--no-hsts", "--no-ocsp", "-P", str(into)]
    return [*words, "--ca-certificate", str(served.ca_file), "-i", str(_urls(served, lists))]


def _aria2c(served: Served, lists: Path, into: Path) -> list[str]:
    words = ["aria2c", "-q", "--no-conf", "-j", str(CONNECTIONS), "-x", "1", "-d", str(into)]
    return [*words, "--ca-certificate", str(served.ca_file), "-i", str(_urls(served, lists))]


PEERS = (
    Peer("rclone copy", "rclone", _rclone),
    Peer("rclone copy, then sha256sum", "rclone", _rclone_and_sums),
    Peer("curl --parallel", "curl", _curl),
    Peer("wget2", "wget2", _wget2),
    Peer("aria2c", "aria2c", _aria2c),
)


def copying(files: FileSet, rounds: int, folder: Path, *, peers: tuple[Peer, ...] = PEERS) -> Iterator[str]:
    """The lines of a table: medians of each program, and of ours divided by it in the same round."""
    if shutil.which("nginx", path=SEARCHED) is None or (files.delay and not ECHO_MODULE.exists()):
        yield f"{files.name} is not measured: there is no nginx here, or none with its module echo."
        return
    present = [peer for peer in peers if shutil.which(peer.needs)]
    for peer in peers:
        if peer not in present:
            yield f"{peer.name} is not measured: it is not installed."
    home = folder / files.name
    settings = ["--config", str(home / "settings.yaml")]
    sync = [*PROGRAM, "sync", "-q", "--assets", OUTPUTS, *settings]
    with serving(files, home / "server") as served, account_of(files.videos, served.origin, home) as env:
        trusted = {"ca_file": str(served.ca_file)}
        (home / "settings.yaml").write_text(yaml.safe_dump({"network": trusted, "download": {"workers": CONNECTIONS}}))
        copies = home / "copies"
        took: dict[str, list[Timed]] = {name: [] for name in ("sync", *(peer.name for peer in present))}
        for number in range(rounds):
            into = copies / str(number)
            took["sync"].append(_taken([*sync, str(into / "sync")], env, home, into / "sync", files))
            for peer in present:
                target = into / peer.name.replace(" ", "-").replace(",", "")
                target.mkdir(parents=True)
                words = peer.words(served, home, target)
                took[peer.name].append(_taken(words, env, home, target, files))
        words = [*sync, str(copies / "most"), "--workers", str(MOST_WORKERS)]
        most = _taken(words, env, home, copies / "most", files)
    yield ROW.format(f"{files.name}: {files.files:,} files, {files.bytes / MB:,.0f} MB", *HEADS)
    yield from (_row(name, each, took["sync"]) for name, each in took.items())
    yield f"With {MOST_WORKERS} workers sync takes {most.seconds:.2f} s, and {most.peak_bytes / MB:.0f} MB at its peak."


def _row(name: str, took: list[Timed], ours: list[Timed]) -> str:
    """Medians of a program, and those of what ours took of it in the same round."""
    seconds = [(us.seconds, it.seconds) for us, it in zip(ours, took, strict=True)]
    cpu_seconds = [(us.cpu_seconds, it.cpu_seconds) for us, it in zip(ours, took, strict=True)]
    ratios = ["", ""]
    if took is not ours:
        ratios = [f"{statistics.median(us / it for us, it in pairs):.2f}" for pairs in (seconds, cpu_seconds)]
    figures = (f"{statistics.median(it for _, it in pairs):.2f}" for pairs in (seconds, cpu_seconds))
    return ROW.format(name, *figures, f"{max(each.peak_bytes for each in took) / MB:.0f}", *ratios)


def _taken(words: list[str], env: dict[str, str], home: Path, target: Path, files: FileSet) -> Timed:
    """What a program took, from a quiet disk on. Raises `RuntimeError` where it did not copy everything.

    What it wrote is removed only where that is much: a file system is slow for a while after thousands of files are
    gone.
    """
    os.sync()
    time.sleep(PAUSE_SECONDS)
    took = timed(words, env=env, output=home / "printed")
    found = [path.stat().st_size for path in target.rglob("*") if path.suffix in MEDIA]
    if (len(found), sum(found)) != (files.files, files.bytes):
        raise RuntimeError(f"{words[0]} copied {len(found):,} files of {files.files:,}, {sum(found):,} bytes")
    if files.bytes > TIDY_ABOVE:
        shutil.rmtree(target)
    return took


def _urls(served: Served, lists: Path) -> Path:
    listed = lists / "urls"
    listed.write_text("".join(f"{url}\n" for url in served.urls))
    return listed
