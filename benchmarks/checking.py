"""`verify` against `sha256sum` over the same files, on all processors, in turns."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .measure import PROGRAM, Timed, timed

MB = 1_000_000
FILES_AT_ONCE = 8
ROW = "{:<45} {:>9} {:>9} {:>9}"


def checking(videos: int, video_bytes: int, rounds: int, folder: Path) -> Iterator[str]:
    """The lines of a table: medians of the rounds, and the ratio.

    Files are read from the page cache, as far as it holds them: the time is that of the programs, and not of a disk.
    """
    xargs, sha256sum = shutil.which("xargs"), shutil.which("sha256sum")
    if xargs is None or sha256sum is None:
        yield "verify is not measured: there is no sha256sum here."
        return
    archive, names = folder / "checked", folder / "names"
    words = ["benchmarks.held", archive, videos, "http://127.0.0.1", video_bytes]
    subprocess.run([sys.executable, "-m", *map(str, words)], check=True)
    files = sorted(path for path in archive.rglob("*_*.*") if ".pictory-archiver" not in path.parts)
    names.write_bytes(b"".join(os.fsencode(path) + b"\0" for path in files))
    size = sum(path.stat().st_size for path in files)
    at_once = os.cpu_count() or 1
    plain = [xargs, "-0", "-P", str(at_once), "-n", str(FILES_AT_ONCE), sha256sum]
    ours = [*PROGRAM, "verify", str(archive), "-q"]
    took: dict[str, list[Timed]] = {f"sha256sum, {at_once} at once": [], "verify": []}
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    for number in range(rounds + 1):
        for title, command in zip(took, (plain, ours), strict=True):
            each = timed(command, env=env, output=folder / "printed", source=names)
            if number:  # the first round fills the page cache
                took[title].append(each)
    head = f"{len(files):,} files of {videos:,} videos, {size / MB:,.0f} MB"
    yield ROW.format(head, "seconds", "CPU s", "MB/s")
    medians = []
    for title, all_rounds in took.items():
        seconds = statistics.median(each.seconds for each in all_rounds)
        cpu_seconds = statistics.median(each.cpu_seconds for each in all_rounds)
        medians.append(seconds)
        yield ROW.format(title, f"{seconds:.2f}", f"{cpu_seconds:.2f}", f"{size / seconds / MB:,.0f}")
    yield f"verify takes {medians[1] / medians[0]:.2f} times as long as sha256sum (medians of {rounds})."
