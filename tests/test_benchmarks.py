"""The benchmarks run, and their table tells what they measured. How fast it was is no test."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .support import TIMEOUT, required

SMALL = (
    *("--listed", "300"),
    *("--synced", "10"),
    *("--checked", "3", "--checked-bytes", "100000", "--rounds", "1"),
    *("--shown", "40"),
)


@pytest.mark.skipif(sys.platform == "win32", reason="the use of memory is asked for as POSIX does")
def test_the_benchmarks_run() -> None:
    required(shutil.which("sha256sum") and shutil.which("xargs"), "sha256sum and xargs")
    required(shutil.which("chromium"), "chromium")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *SMALL],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    listing, memory, checking, showing = (part.splitlines() for part in done.stdout.split("\n\n"))
    head, *rows = listing
    assert head.split() == ["pages", "files", "seconds", "CPU", "s", "files/s", "MB/s", "peak", "MB"]
    cells = [re.split(r"\s{2,}", row) for row in rows]
    assert [row[:3] for row in cells] == [
        ["dry run, nothing of 300 videos held", "3", "0"],
        ["sync, all of 300 videos held, full", "3", "0"],
        ["sync, all of 300 videos held, nightly", "1", "0"],
        ["sync, first run, 10 videos", "1", cells[3][2]],
        ["sync, second run, 10 videos", "1", "0"],
    ]
    assert int(cells[3][2]) >= 40
    assert re.fullmatch(r"The highest peak is \d+ MB; 150 MB are promised.", "".join(memory))
    head, *rows, end = checking
    assert re.fullmatch(r"15 files of 3 videos, 0 MB +seconds +CPU s +MB/s", head)
    assert [row.split()[0].rstrip(",") for row in rows] == ["sha256sum", "verify"]
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
    assert re.fullmatch(r"verify takes \d+\.\d\d times as long as sha256sum \(medians of 1\)\.", end)


@pytest.mark.skipif(sys.platform == "win32", reason="the use of memory is asked for as POSIX does")
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
        found = [re.fullmatch(r"search .* median +\S+ ms, longest +\S+ ms: (\d+) videos", line) for line in lines[-6:]]
        assert [match[1] if match else None for match in found][-1] == "0"
    assert (archive / "index.html").exists()
