"""A clock that tests set: the world has it, and the program under test, in a process of its own, by libfaketime."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from .support import required


class Clock:
    """What time it is in a simulated world. Between two settings it goes on by itself."""

    def __init__(self) -> None:
        self._shift = 0.0
        self._library = _library()

    def __call__(self) -> float:
        return time.time() + self._shift

    def set(self, moment: datetime) -> None:
        """Makes it this time."""
        self._shift = moment.timestamp() - time.time()

    @property
    def now(self) -> datetime:
        """The time, UTC."""
        return datetime.fromtimestamp(self(), UTC)

    def environment(self, *, wrong_by: timedelta = timedelta()) -> dict[str, str]:
        """What gives a program the time of this clock, or one that is wrong by so much.

        Its waits are those of the real world: only what time it is, is another.
        """
        shift = self._shift + wrong_by.total_seconds()
        return {
            "LD_PRELOAD": self._library,
            "FAKETIME": f"{shift:+.3f}",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # else every thread that waits for another one spins
            "NO_FAKE_STAT": "1",
        }


def _library() -> str:
    """Where libfaketime is, as its own command says. The command itself would stand between a test and a signal."""
    program = shutil.which("faketime") if sys.platform == "linux" else None
    required(program, "faketime, to move the clock")
    told = subprocess.run(
        [str(program), "-f", "+0", "printenv", "LD_PRELOAD"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return told.stdout.strip()
