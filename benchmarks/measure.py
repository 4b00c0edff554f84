"""The real command line in a process of its own, measured, against a simulated account in another."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

PROGRAM = (sys.executable, "-m", "pictory_archiver")
MOST_MEMORY = 150_000_000
"""Bytes, promised for every command, whatever the number of videos."""

MAX_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


_peaks: list[int] = []


class Timed(Struct, frozen=True):
    """What a command took, with the processes that it waited for."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


class Measured(Struct, frozen=True):
    """What a command printed as JSON, and what it took."""

    report: dict[str, Any]
    seconds: float
    cpu_seconds: float
    peak_bytes: int


@contextmanager
def simulated_account(videos: int, home: Path) -> Iterator[dict[str, str]]:
    """Runs a simulated account of so many videos. Yields the environment in which a command uses it."""
    with _served([*PROGRAM, "simulate", "--videos", str(videos)], home) as env:
        yield {**env, "PICTORY_ARCHIVER_API_PAUSE_SECONDS": "0"}


@contextmanager
def account_of(videos: int, origin: str, home: Path) -> Iterator[dict[str, str]]:
    """The same, with the files of these videos on another server, which is admitted."""
    with _served([sys.executable, "-m", "benchmarks.account", str(videos), origin], home) as env:
        yield env


@contextmanager
def _served(command: list[str], home: Path) -> Iterator[dict[str, str]]:
    bare = {"PATH": os.environ["PATH"], "HOME": str(home)}
    simulator = subprocess.Popen(
        command,
        env=bare,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with simulator:
        try:
            assert simulator.stdout is not None
            exports = [simulator.stdout.readline().removeprefix("export ").partition("=") for _ in range(3)]
            printed = {name: value.strip().strip('"') for name, _, value in exports}
            yield {**bare, **printed}
        finally:
            simulator.terminate()


def measure(*arguments: str | Path, env: dict[str, str], scratch: Path) -> Measured:
    """Runs a command whose last words are a JSON object. Raises `RuntimeError` where it fails.

    The peak of a process is never below that of the one that started it: this one has to stay small.
    """
    printed = scratch / "printed.json"
    took = timed([*PROGRAM, *map(str, arguments)], env=env, output=printed)
    return Measured(msgspec.json.decode(_last_object(printed)), took.seconds, took.cpu_seconds, took.peak_bytes)


def timed(command: list[str], *, env: dict[str, str], output: Path, source: Path = Path(os.devnull)) -> Timed:
    """Runs a command that reads one file and prints into another. Raises `RuntimeError` where it fails."""
    started = time.perf_counter()
    with source.open("rb") as stdin, output.open("wb") as stdout:
        process = subprocess.Popen(command, env=env, stdin=stdin, stdout=stdout)
        _, ended, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(ended)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit status {process.returncode}")
    peak = usage.ru_maxrss * MAX_RSS_UNIT
    if tuple(command[: len(PROGRAM)]) == PROGRAM:
        _peaks.append(peak)
    return Timed(seconds, usage.ru_utime + usage.ru_stime, peak)


def highest_peak() -> int:
    """The most memory, in bytes, that any command of ours took in this process of measuring."""
    return max(_peaks, default=0)


def _last_object(printed: Path) -> bytes:
    """The last line, which begins with a brace; of an indented object there is only one."""
    last = b""
    with printed.open("rb") as lines:
        first = lines.readline()
        if first.strip() == b"{":
            return first + lines.read()
        for last in lines:  # noqa: B007 - the last one is wanted, and they are too many to keep
            pass
    return last or first
