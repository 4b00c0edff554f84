"""The system calls with which the program changes an archive: recorded by strace, and aimed at one by one.

strace counts calls for each thread by itself. So that the order is the same in every run, the program gets one
thread for its files here, and one worker; all else is the program as it is.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from pictory_archiver.quarantine import QUARANTINE

from .support import TIMEOUT, Outcome, required
from .warm import Warm

BY_DESCRIPTOR = (
    "write", "writev", "pwrite64", "pwritev", "pwritev2", "fsync", "fdatasync", "sync_file_range", "ftruncate",
    "fallocate", "ioctl", "copy_file_range", "sendfile", "splice",
)  # fmt: skip
BY_PATH = (
    "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "rmdir",
    "mkdir", "mkdirat", "truncate",
)  # fmt: skip
SYNCS = frozenset({"fsync", "fdatasync"})
KILL, AFTER = "signal=SIGKILL", "signal=SIGUSR1"
"""Two ways to end the program at once, with no handler in the way: before a call, and when it is done."""
RUN = f"{QUARANTINE}/RUN"
_RUN = re.compile(rf"{re.escape(str(QUARANTINE))}/\d{{8}}T\d{{6}}Z")
_LINE = re.compile(r"(?P<thread>\d+) +(?:<\.\.\. \w+ resumed>)?(?P<text>.*)")
_CALL = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+|\?)(?: (?P<error>E[A-Z]+))?", re.DOTALL)
_DESCRIPTOR = re.compile(r"\d+<(?P<path>[^>]*)>")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_UNFINISHED = " <unfinished ...>"


@dataclass(eq=False)
class Call:
    """One system call on the archive.

    `paths` are relative to the archive's root, the run's own folder in quarantine is called RUN. `began` and `ended`
    count lines of the log; `result` is None, and `ended` beyond all lines, where the program did not outlive the call.
    `nth` counts the calls of this name on these paths, from 1.
    """

    thread: int
    name: str
    paths: tuple[str, ...]
    result: int | None
    error: str | None
    began: int
    ended: int
    text: str
    nth: int = 0

    @property
    def key(self) -> tuple[str, tuple[str, ...], int]:
        """What names this call in every run."""
        return self.name, self.paths, self.nth

    @property
    def happened(self) -> bool:
        """Whether it did anything."""
        return self.result is not None and self.result >= 0

    @property
    def is_up_to_the_network(self) -> bool:
        """Whether it is there only where a small file happens to arrive in several pieces."""
        is_media = self.paths[0].endswith(".partial") and not self.paths[0].endswith(".json.partial")
        return self.name == "write" and is_media and self.nth > 1


@dataclass(frozen=True)
class Shot:
    """What strace is told: at which call, counted in its thread, this is to be done to the program."""

    call: Call
    turn: int
    what: str

    @property
    def expression(self) -> str:
        return f"inject={self.call.name}:{self.what}:when={self.turn}"


@dataclass
class Traced:
    """How a traced run ended: as the program did, or by a signal (a negative status), and what it did before."""

    outcome: Outcome
    calls: list[Call] = field(repr=False)


@cache
def tracer() -> str:
    """Where strace is. Without it, or without the right to trace, a test is skipped."""
    found = shutil.which("strace") if sys.platform == "linux" else None
    required(found, "strace, to end and to fail system calls")
    assert found is not None
    tried = subprocess.run([found, "-o", "/dev/null", "true"], capture_output=True, check=False)
    required(tried.returncode == 0, "the permission to trace")
    return found


def record(program: Warm, root: Path, *arguments: str | Path, log: Path, data: int = 0) -> Traced:
    """Runs a command to its end. → every call on the archive; `data`: with so many of the bytes written."""
    every = ",".join(f"?{name}" for name in (*BY_DESCRIPTOR, *BY_PATH))
    return _run(program, root, arguments, ["-s", str(data), "-e", f"trace={every}"], log)


def shoot(program: Warm, root: Path, *arguments: str | Path, log: Path, shot: Shot) -> Traced:
    """Runs a command, and does to it what was aimed. → the calls of that name on that path"""
    paths = [word for path in _places(root, shot.call.paths[0]) for word in ("-P", str(path))]
    how = ["-s", "0", *paths, "-e", f"trace={shot.call.name}", "-e", shot.expression]
    return _run(program, root, arguments, how, log)


def aim(calls: Sequence[Call], target: Call) -> Shot | None:
    """How to end the program before this call of a recorded run; None where strace cannot tell it from others.

    Where another thread does the like first, the program is ended after the call that the thread made before.
    """
    turn = _turn(calls, target)
    if turn:
        return Shot(target, turn, KILL)
    earlier = [call for call in calls if call.thread == target.thread and call.began < target.began]
    turn = _turn(calls, earlier[-1]) if earlier else None
    return Shot(earlier[-1], turn, AFTER) if turn else None


def fault(calls: Sequence[Call], target: Call, what: str) -> Shot | None:
    """How to have this call of a recorded run fail: `error=EIO`, `retval=0`."""
    turn = _turn(calls, target)
    return Shot(target, turn, what) if turn else None


def was_hit(run: Traced, shot: Shot) -> bool:
    """Whether it was the very call that was aimed at, as the log shows."""
    hit = [call for call in run.calls if call.key == shot.call.key]
    if shot.what == KILL:
        return run.outcome.status == -signal.SIGKILL and [call.result for call in hit] == [None]
    if shot.what == AFTER:
        last = run.calls[-1].key if run.calls else None
        return run.outcome.status == -signal.SIGUSR1 and last == shot.call.key and hit[0].result is not None
    return len(hit) == 1 and hit[0].text.endswith("(INJECTED)")


def _turn(calls: Sequence[Call], target: Call) -> int | None:
    """The number of this call in its thread, among those of its name on its path; None where another is met first."""
    like = [call for call in calls if call.name == target.name and target.paths[0] in call.paths]
    counts: Counter[int] = Counter()
    turns = []
    for call in like:
        counts[call.thread] += 1
        turns.append(counts[call.thread])
    turn = turns[like.index(target)]
    return turn if turns.index(turn) == like.index(target) else None


def _run(program: Warm, root: Path, arguments: Sequence[str | Path], how: list[str], log: Path) -> Traced:
    outcome = program.run(*arguments, tracer=[tracer(), "-f", "-y", "-qq", "-o", str(log), *how])
    return Traced(outcome, read_log(log.read_text(encoding="utf-8", errors="replace"), root))


def read_log(text: str, root: Path) -> list[Call]:
    """The calls on the archive in a log of strace, in the order in which they began."""
    lines = text.splitlines()
    calls: list[Call] = []
    unfinished: dict[int, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        match = _LINE.fullmatch(line)
        assert match is not None, line
        thread, said = int(match["thread"]), match["text"]
        if said.startswith(("---", "+++", "???")):  # signals, ends, and what a thread was about to do at its end
            continue
        began, before = unfinished.pop(thread, (number, ""))
        said = before + said
        if said.endswith(_UNFINISHED):
            unfinished[thread] = began, said.removesuffix(_UNFINISHED)
        else:
            calls += _call(root, thread, began, number, said)
    for thread, (began, said) in unfinished.items():
        calls += _call(root, thread, began, len(lines), f"{said}) = ?")
    calls.sort(key=lambda call: call.began)
    counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for call in calls:
        counts[call.name, call.paths] += 1
        call.nth = counts[call.name, call.paths]
    return calls


def _call(root: Path, thread: int, began: int, ended: int, said: str) -> list[Call]:
    match = _CALL.match(said)
    assert match is not None, said
    name, arguments = match["name"], match["arguments"]
    found = _DESCRIPTOR.match(arguments) if name in BY_DESCRIPTOR else None
    named = [found["path"]] if found else _QUOTED.findall(arguments) if name in BY_PATH else []
    paths = [Path(path) for path in named]
    if not any(path.is_relative_to(root) for path in paths) or (name == "ioctl" and "CLONE" not in arguments):
        return []
    relative = tuple(_RUN.sub(RUN, path.relative_to(root).as_posix()) for path in paths)
    result = None if match["result"] == "?" else int(match["result"])
    return [Call(thread, name, relative, result, match["error"], began, ended, said)]


def _places(root: Path, path: str) -> list[Path]:
    """What a path may be called in a run that begins now: its folder in quarantine bears the time."""
    if RUN not in path:
        return [root / path]
    now = datetime.now(UTC)
    moments = [now + timedelta(seconds=second) for second in range(-1, TIMEOUT // 2)]
    return [root / path.replace(RUN, f"{QUARANTINE}/{moment:%Y%m%dT%H%M%SZ}") for moment in moments]
