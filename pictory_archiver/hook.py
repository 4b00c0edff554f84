"""The user's own command that is run once when a run is done. What becomes of it changes nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any

from .errors import Stopped
from .key import mask
from .setting_rules import command_words

FACT_PREFIX = "PICTORY_RUN_"
LIMIT_SECONDS = 3600.0
GRACE_SECONDS = 2.0
HIDDEN = frozenset({"PICTORY_API_KEY"})
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def run_hook(
    command: str | tuple[str, ...], facts: Mapping[str, str], report: bytes, *, seconds: float = LIMIT_SECONDS
) -> str | None:
    """Runs the command without a shell and waits for it. → None, or a line that says how it failed.

    The report comes on its standard input, each fact in its environment as `PICTORY_RUN_` and the name; the API key is
    taken out of there. What it prints goes to our stderr. After `seconds` it is killed, with its children where the
    system knows process groups. Raises `Stopped` where a signal comes, which the command gets, too.
    """
    stopping = _Stopping()
    with stopping:
        warning = _run(command, facts, report, seconds, stopping)
    if stopping.received:
        raise Stopped(stopping.received)
    return warning


def _run(
    command: str | tuple[str, ...], facts: Mapping[str, str], report: bytes, seconds: float, stopping: _Stopping
) -> str | None:
    try:
        words = command_words(command)
        process = subprocess.Popen(  # noqa: S603 - the user's own command, started without a shell
            words,
            stdin=subprocess.PIPE,
            stdout=sys.stderr,
            stderr=sys.stderr,
            env=_environment(facts),
            start_new_session=True,
        )
    except OSError as error:
        return f"the command {mask(words[0])} could not be started: {error.strerror}"
    except ValueError as error:
        return f"the command {mask(str(command))} could not be started: {error}"
    with process:
        stopping.watch(process)
        warning = _outcome(process, words[0], report, seconds)
    if stopping.received:
        _send(process, KILL)  # its children that are left
    return warning


def _outcome(process: subprocess.Popen[bytes], program: str, report: bytes, seconds: float) -> str | None:
    try:
        process.communicate(report, timeout=seconds)
    except subprocess.TimeoutExpired:
        _send(process, KILL)
        return f"the command {mask(program)} was killed: it took more than {seconds:,.0f} seconds"
    if process.returncode > 0:
        return f"the command {mask(program)} failed with exit status {process.returncode}"
    return f"the command {mask(program)} was ended by signal {-process.returncode}" if process.returncode else None


def _environment(facts: Mapping[str, str]) -> dict[str, str]:
    """Ours, without secrets and without the facts of another run."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in HIDDEN and not name.startswith(FACT_PREFIX)
    }
    return inherited | {FACT_PREFIX + name.upper(): value for name, value in facts.items()}


class _Stopping:
    """What a signal does while the command runs: it is passed on, and what is left soon after is killed. `received` is
    its number, 0 before one came. A handler that raised could lose the command at the very moment when it starts."""

    def __init__(self) -> None:
        self.received = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._former: dict[int, Any] = {}

    def __enter__(self) -> None:
        self._former = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler or signal.SIG_DFL)

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """The command is there; a signal may have come before it."""
        self._process = process
        if self.received:
            self._end(process)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        if self.received:
            if self._process is not None:
                _send(self._process, KILL)
            os._exit(128 + number)
        self.received = number
        if self._process is not None:
            self._end(self._process)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        _send(process, self.received)
        killing = threading.Timer(GRACE_SECONDS, _send, (process, KILL))
        killing.daemon = True
        killing.start()


def _send(process: subprocess.Popen[bytes], number: int) -> None:
    """A signal to the command and its children; Windows knows only the end of the command itself."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, number)
