"""The benchmarks run, and their table tells what they measured. How fast it was is no test."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from .support import TIMEOUT


@pytest.mark.skipif(sys.platform == "win32", reason="the use of memory is asked for as POSIX does")
def test_the_benchmarks_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--listed", "300", "--synced", "10"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows, empty, end = done.stdout.splitlines()
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
    assert empty == ""
    assert re.fullmatch(r"The highest peak is \d+ MB; 150 MB are promised.", end)
