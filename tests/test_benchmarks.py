"""The benchmarks run, and their table tells what they measured. How fast it was is no test."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.origin import ECHO_MODULE, SEARCHED

from .support import TIMEOUT, required

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="the use of memory is asked for as POSIX does")

PEERS = {
    "rclone copy": "rclone",
    "rclone copy, then sha256sum": "rclone",
    "curl --parallel": "curl",
    "wget2": "wget2",
    "aria2c": "aria2c",
}


def measured(*words: str) -> list[list[str]]:
    """The lines of each table that the benchmarks print over next to nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--tiny", *words],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    head, *tables, memory = (part.splitlines() for part in done.stdout.split("\n\n"))
    assert re.search(r"\d processors?, \d+ GiB", head[0])
    assert re.fullmatch(r"The highest peak of ours is \d+ MB; 150 MB are promised.", "".join(memory))
    return tables


@posix_only
def test_sync_is_measured_against_other_programs() -> None:
    required(shutil.which("nginx", path=SEARCHED), "nginx")
    required(ECHO_MODULE.exists(), "nginx's module echo")
    required(shutil.which("sha256sum") and shutil.which("xargs"), "sha256sum and xargs")
    present = [name for name, tool in PEERS.items() if shutil.which(tool)]
    for table, name in zip(measured("copies"), ("SMALL", "MIXED", "LATENCY"), strict=True):
        head, *rows, most = [line for line in table if "is not measured" not in line]
        assert re.fullmatch(rf"{name}: 8 files, 0 MB +seconds +CPU s +peak MB +sync against +CPU against", head)
        cells = [re.split(r"\s{2,}", row.strip()) for row in rows]
        assert [row[0] for row in cells] == ["sync", *present]
        assert [len(row) for row in cells] == [4, *(6 for _ in present)]
        assert re.fullmatch(r"With 64 workers sync takes \S+ s, and \d+ MB at its peak.", most)


@posix_only
def test_very_many_videos_are_measured() -> None:
    planning, reindexing, scale = measured("listings")
    assert planning[0].startswith("dry run, nothing of 300 videos held")
    assert [line.partition("  ")[0] for line in planning[1:]] == ["nothing told", "each video told, as JSON"]
    assert reindexing[0].startswith("reindex, 200 sidecars")
    assert [line.partition("  ")[0] for line in reindexing[1:]] == ["without a catalogue", "in place of a catalogue"]
    assert scale[0].startswith("an archive of 200 videos")


@posix_only
def test_checks_and_the_library_are_measured() -> None:
    required(shutil.which("sha256sum") and shutil.which("xargs"), "sha256sum and xargs")
    required(shutil.which("chromium"), "chromium")
    checking, showing = measured("checks", "library")
    head, *rows, end = checking
    assert re.fullmatch(r"15 files of 3 videos, 0 MB +seconds +CPU s +MB/s", head)
    assert [row.split()[0].rstrip(",") for row in rows] == ["sha256sum", "verify"]
    assert re.fullmatch(r"verify takes \d+\.\d\d times as long as sha256sum \(medians of 1\)\.", end)
    head, *rows, shares, seen, opened = showing[:7]
    assert re.fullmatch(r"library, 40 videos +seconds +peak MB +written", head)
    assert [row.partition("  ")[0] for row in rows] == ["first building", "after 5 new videos", "after nothing new"]
    assert rows[-1].endswith(" 0 Bytes")
    assert re.fullmatch(r"5 new videos take \d\.\d\d of the first building, nothing new \d\.\d\d\.", shares)
    assert re.fullmatch(r"first thumbnails after .* s \(median of 1\), all prompts after .* s", seen)
    assert re.fullmatch(r"a video opened in .* s; JavaScript heap \d+ MB, \d+ elements in the document", opened)
    searches = [row.rpartition(": ")[2] for row in showing[7:]]
    assert len(searches) == 7
    assert (searches[2], searches[-1]) == ("2 of 45 videos", "0 of 45 videos")


@posix_only
def test_the_benchmark_of_a_large_archive_runs(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    command = [sys.executable, "-m", "benchmarks.scale", "--videos", "250", "--archive", str(archive)]
    for titles in (["made, with no files"], []):
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert re.fullmatch(r"an archive of 250 videos +seconds +CPU s +peak MB", lines[0])
        rows = [re.split(r"\s{2,}", line)[0] for line in lines[1:] if not line.startswith("search '")]
        assert rows == [
            *titles,
            "sync, after which the library is there",
            "sync, nothing new, one request",
            "--help",
            "status",
            "list --limit 20",
            "search lighthouse lisbon --limit 20",
        ]
        found = [
            re.fullmatch(r"search .* the first 20 +\S+ ms, all +\S+ ms: (\d+) videos", line) for line in lines[-6:]
        ]
        assert [match[1] if match else None for match in found][-1] == "0"
    assert (archive / "index.html").exists()
