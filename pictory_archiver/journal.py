"""The end of the journal, read backwards as far as it is worth it. Blocks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from . import disk
from .settings import MIB

READ_BACK = MIB


class Checked(Struct, frozen=True):
    """A check of the archive or a repair that came to its end. Times are UTC."""

    type: Literal["verification", "repair"]
    ended_at: str
    exit_status: int
    verdict: str


def last_check(path: Path) -> Checked | None:
    """The last check or repair that the end of a journal tells of."""
    for line in last_lines(path, READ_BACK):
        if b'"type":"verification"' in line or b'"type":"repair"' in line:
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                return msgspec.json.decode(line, type=Checked)
    return None


def last_lines(path: Path, size: int) -> Iterator[bytes]:
    """The last lines of a file, as far as they lie in so many bytes, the newest first; none of one that is not there.

    The first of them may be cut off.
    """
    with contextlib.suppress(OSError), open(path, "rb", opener=disk.opener) as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(end - size, 0))
        yield from reversed(file.read(size).splitlines())
