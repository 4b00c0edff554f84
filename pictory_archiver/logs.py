"""Logs: what a run does, as dated lines or as JSON objects, and the file that they are added to.

A JSON object has `time` (UTC), `level`, `event`, and the fields of the fact. Facts hold neither the key nor a signature
of a URL, so a log holds none.
"""

from __future__ import annotations

import os
import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from .disk import target_of, write_all
from .errors import ConfigError, StorageError
from .events import FileFailed, FileStored, Found, PageListed, PhaseStarted, Retrying, VideoDone, VideoPlanned, Warned
from .figures import CheckProgress, Progress
from .models import Slot
from .progress import Render, dated
from .settings import MIB
from .text import printable

FLUSH_SECONDS = 1.0
CLOSE_SECONDS = 5.0
MAX_WAITING_BYTES = 4 * MIB
MAX_TEXT = 5000

Format = Literal["text", "json"]


class RunBegan(Struct, frozen=True):
    """A run of a command begins, before it tries to get hold of the archive."""

    command: str
    archive: str
    account: str
    version: str


class RunEnded(Struct, frozen=True):
    """A run is over. `verdict` is the last line of the summary, or the error that ended the run."""

    exit_status: int
    verdict: str


LEVELS: dict[type[Struct], str] = {
    RunBegan: "info",
    PageListed: "debug",
    VideoPlanned: "debug",
    FileStored: "info",
    FileFailed: "warning",
    VideoDone: "debug",
    Retrying: "info",
    PhaseStarted: "debug",
    Found: "warning",
    Progress: "info",
    CheckProgress: "info",
    Warned: "warning",
    RunEnded: "info",
}
"""Every fact that a log can hold. `RunEnded` is an `error` where the exit status is not 0; what was `Found` and is no
damage is `info`."""


def event_name(kind: type[Struct]) -> str:
    """The stable name of a kind of fact: `file_stored`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()


def json_line(fact: Struct, words: str) -> str:  # noqa: ARG001 - a Render
    """A fact as a JSON object in one line."""
    fields: dict[str, object] = {}
    for name in fact.__struct_fields__:
        value = getattr(fact, name)
        if isinstance(value, Slot):
            fields |= {"kind": str(value.kind), "index": value.index or None}
        else:
            fields[name] = printable(value, MAX_TEXT) if isinstance(value, str) else value
    level = LEVELS[type(fact)]
    if fields.get("exit_status"):
        level = "error"
    elif fields.get("is_damage") is False:
        level = "info"
    head = {"time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"), "level": level}
    return msgspec.json.encode({**head, "event": event_name(type(fact)), **fields}).decode()


RENDERS: dict[Format, Render] = {"text": dated, "json": json_line}


class LogFile:
    """A file that lines are added to by a thread of its own, so that a slow disk does not hold up the run.

    They are written each second, and at once where somebody is in a `hurry`. A line that cannot be written is lost:
    `complaint` says so, once.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file. Raises `ConfigError`."""
        try:
            self._file = target_of(path).open("ab", buffering=0)
        except StorageError as error:
            raise ConfigError(f"the log file {error}", hint=error.hint) from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a file name"
            raise ConfigError(
                f"the log file {path} cannot be opened: {reason}", hint="name a file in a folder that is there"
            ) from None
        self._path = path
        self._changed = threading.Condition()
        self._lines: list[bytes] = []
        self._waiting_bytes = 0
        self._is_urgent = self._is_closing = False
        self._is_torn = self._was_said = False
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._write_on, name="log", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Adds a line, soon."""
        data = f"{line}\n".encode("utf-8", "backslashreplace")
        with self._changed:
            if self._waiting_bytes > MAX_WAITING_BYTES:
                self._failure = self._failure or "its disk does not keep up"
                return
            self._lines.append(data)
            self._waiting_bytes += len(data)

    def hurry(self) -> None:
        """Has everything written now."""
        with self._changed:
            self._is_urgent = True
            self._changed.notify()

    def complaint(self) -> str | None:
        """What a person should know of this log, once."""
        if self._failure is None or self._was_said:
            return None
        self._was_said = True
        return f"the log file {self._path} is not complete: {self._failure}"

    def close(self) -> None:
        """Waits some seconds for the last lines."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            self._failure = self._failure or "its disk does not answer"
        else:
            self._file.close()

    def _write_on(self) -> None:
        is_last = False
        while not is_last:
            with self._changed:
                self._changed.wait_for(lambda: self._is_urgent or self._is_closing, FLUSH_SECONDS)
                lines, self._lines = self._lines, []
                self._waiting_bytes, self._is_urgent = 0, False
                is_last = self._is_closing
            self._append(b"".join(lines))

    def _append(self, data: bytes) -> None:
        if not data:
            return
        try:
            write_all(self._file.fileno(), b"\n" + data if self._is_torn else data)
            self._is_torn = False
        except OSError as error:
            self._is_torn = True  # it may end within a line
            self._failure = self._failure or os.strerror(error.errno or 0)
