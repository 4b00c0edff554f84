"""Measures listing, planning, downloading, checking and looking, and prints tables.

    python -m benchmarks [--listed 100000] [--synced 300] [--checked 60] [--shown 50000]

Fails where a run over `--listed` videos takes more memory than is promised: it must not grow with their number.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .checking import checking
from .library import building, looking
from .measure import Measured, measure, simulated_account

MB = 1_000_000
MOST_MEMORY = 150 * MB
OUTPUTS = "video,thumbnail,preview,last_frame"
ROW = "{:<45} {:>7} {:>8} {:>9} {:>9} {:>9} {:>8} {:>9}"


def main() -> int:
    """Prints the table. → the exit status"""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure time and memory.")
    parser.add_argument("--listed", type=int, default=100_000, help="videos that are listed and planned")
    parser.add_argument("--synced", type=int, default=300, help="videos that are downloaded")
    parser.add_argument("--checked", type=int, default=60, help="videos whose files are read to check them")
    parser.add_argument("--checked-bytes", type=int, default=8 * MB, help="size of each of these videos")
    parser.add_argument("--rounds", type=int, default=7, help="how often these are checked")
    parser.add_argument("--shown", type=int, default=50_000, help="videos of the library that is looked at")
    options = parser.parse_args()

    print(ROW.format("", "pages", "files", "seconds", "CPU s", "files/s", "MB/s", "peak MB"))
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for title, measured in (*listing(options.listed, Path(folder)), *downloading(options.synced, Path(folder))):
            print(row(title, measured), flush=True)
            peaks.append(measured.peak_bytes)
        print(f"\nThe highest peak is {max(peaks) / MB:.0f} MB; {MOST_MEMORY / MB:.0f} MB are promised.\n")
        for line in checking(options.checked, options.checked_bytes, options.rounds, Path(folder)):
            print(line, flush=True)
        print()
        for lines in (building(options.shown, Path(folder)), looking(Path(folder) / "film", options.rounds)):
            for line in lines:
                print(line, flush=True)
    return int(max(peaks) > MOST_MEMORY)


def listing(videos: int, folder: Path) -> Iterator[tuple[str, Measured]]:
    """Lists and plans: with nothing held, so that everything would be fetched; with everything held; and once more, as
    every night: then the newest page is enough."""
    archive = folder / "held"
    with simulated_account(videos, folder) as env:
        yield (
            f"dry run, nothing of {videos:,} videos held",
            measure("sync", folder / "none", "--dry-run", "--json", "-q", env=env, scratch=folder),
        )
        cdn = env["PICTORY_ARCHIVER_ALLOW_ORIGINS"].split()[-1]
        # A process of its own: what it takes would count as the peak of every process that this one starts.
        subprocess.run([sys.executable, "-m", "benchmarks.held", archive, str(videos), cdn], check=True)
        for title in (f"sync, all of {videos:,} videos held, full", f"sync, all of {videos:,} videos held, nightly"):
            yield title, measure("sync", archive, "--json", "-q", "--assets", OUTPUTS, env=env, scratch=folder)


def downloading(videos: int, folder: Path) -> Iterator[tuple[str, Measured]]:
    """Downloads everything, then finds that everything is there."""
    with simulated_account(videos, folder) as env:
        for title in (f"sync, first run, {videos:,} videos", f"sync, second run, {videos:,} videos"):
            yield title, measure("sync", folder / "archive", "--json", "-q", env=env, scratch=folder)


def row(title: str, measured: Measured) -> str:
    """A line of the table."""
    report, seconds = measured.report, measured.seconds
    files = report.get("files_stored", 0)
    return ROW.format(
        title,
        f"{report['pages']:,}",
        f"{files:,}",
        f"{seconds:.1f}",
        f"{measured.cpu_seconds:.1f}",
        f"{files / seconds:.0f}" if files else "",
        f"{report['bytes_stored'] / seconds / MB:.1f}" if files else "",
        f"{measured.peak_bytes / MB:.0f}",
    )


if __name__ == "__main__":
    sys.exit(main())
