"""Listing and planning very many videos, and making the catalogue anew from very many sidecars.

python -m benchmarks.paging [--planned 1000000] [--reindexed 200000]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .measure import PROGRAM, Timed, simulated_account, timed

MB = 1_000_000
ROW = "{:<45} {:>9} {:>9} {:>13} {:>9}"


def planning(videos: int, folder: Path) -> Iterator[str]:
    """The lines of a table: a dry run with nothing held, so that everything would be fetched."""
    yield ROW.format(f"dry run, nothing of {videos:,} videos held", "seconds", "CPU s", "videos/CPU s", "peak MB")
    with simulated_account(videos, folder) as env:
        for title, words in (("nothing told", ("-q",)), ("each video told, as JSON", ("-q", "--json"))):
            took = timed([*PROGRAM, "sync", str(folder / "none"), "--dry-run", *words], env=env, output=folder / "told")
            yield row(title, videos, took)


def reindexing(videos: int, folder: Path) -> Iterator[str]:
    """The lines of a table: the catalogue of so many sidecars, of archives with no other files, is made where there is
    none, and where there is one."""
    archive = folder / "sidecars"
    # A process of its own: what it takes would count as the peak of every process that this one starts.
    words = ["benchmarks.held", archive, videos, "http://127.0.0.1", "none"]
    subprocess.run([sys.executable, "-m", *map(str, words)], check=True)
    (archive / ".pictory-archiver" / "catalogue.sqlite3").unlink()
    yield ROW.format(f"reindex, {videos:,} sidecars", "seconds", "CPU s", "videos/CPU s", "peak MB")
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    for title in ("without a catalogue", "in place of a catalogue"):
        took = timed([*PROGRAM, "reindex", str(archive), "-q"], env=env, output=folder / "told")
        yield row(title, videos, took)


def row(title: str, videos: int, took: Timed) -> str:
    """A line of a table."""
    speed = f"{videos / took.cpu_seconds:,.0f}"
    return ROW.format(title, f"{took.seconds:.1f}", f"{took.cpu_seconds:.1f}", speed, f"{took.peak_bytes / MB:.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paging", description="Measure very many videos.")
    parser.add_argument("--planned", type=int, default=1_000_000, help="videos that are listed and planned")
    parser.add_argument("--reindexed", type=int, default=200_000, help="sidecars that the catalogue is made from")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for lines in (planning(options.planned, Path(scratch)), reindexing(options.reindexed, Path(scratch))):
            for line in lines:
                print(line, flush=True)
