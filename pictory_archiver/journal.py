"""What the end of the journal tells of checks, read backwards as far as it is worth it. Blocks."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from . import disk
from .settings import MIB
from .subset import EVERYTHING, Subset

BLOCK = MIB
READ_BACK = 64 * MIB


class Checked(Struct, frozen=True, kw_only=True):
    """A check of the archive or a repair, by its line in the journal. Times are UTC.

    `mode`: every byte was read, or sizes only, or of the videos of the slice `subset` (`7/20`) every byte and of the
    others sizes. A repair may have been of a `selection` of videos. `error` is what ended it early, `time_up` that its
    time was over. A check found `damage_count` files damaged, a repair left `left_count` so.
    """

    type: Literal["verification", "repair"]
    mode: Literal["full", "quick", "subset"]
    subset: str | None = None
    selection: tuple[str, ...] = ()
    started_at: str
    ended_at: str
    exit_status: int
    verdict: str
    error: str | None = None
    time_up: bool = False
    damage_count: int = 0
    left_count: int = 0

    def read(self) -> Subset | None:
        """Of which videos every file was read; None where it read none, only some, or came to no end."""
        if self.mode == "quick" or self.selection or self.time_up or self.error is not None:
            return None
        try:
            return EVERYTHING if self.subset is None else Subset.parse(self.subset)
        except ValueError:
            return None


class Checks(Struct, frozen=True):
    """What is known of checks and repairs.

    Every file that was here at `all_read_since` (UTC) has been read since, at once or part by part. `damage` is the
    last one that left damage, where nothing shows that it is gone: not everything was read since and found whole.
    """

    last: Checked | None
    damage: Checked | None
    all_read_since: str | None


def read_checks(path: Path) -> Checks:
    """What the end of a journal tells of checks and repairs. What it does not tell of is not known."""
    last = damage = None
    parts: dict[int, set[int]] = defaultdict(set)
    for checked in _from_the_newest(path):
        last = last or checked
        if damage is None and (checked.damage_count or checked.left_count):
            damage = checked
        part = checked.read()
        if part is not None:
            parts[part.slices].add(part.number)
            if len(parts[part.slices]) == part.slices:
                return Checks(last, damage, checked.started_at)
    return Checks(last, damage, None)


def _from_the_newest(path: Path) -> Iterator[Checked]:
    for line in last_lines(path):
        if b'"type":"verification"' in line or b'"type":"repair"' in line:
            with contextlib.suppress(ValueError, RecursionError):
                yield msgspec.json.decode(line, type=Checked)


def last_lines(path: Path) -> Iterator[bytes]:
    """The last lines of a journal, the newest first, as far back as `READ_BACK`; none of one that is not there."""
    with contextlib.suppress(OSError), open(path, "rb", opener=disk.opener) as file:
        end = file.seek(0, os.SEEK_END)
        oldest = max(end - READ_BACK, 0)
        begun = b""
        while end > oldest:
            start = max(end - BLOCK, oldest)
            file.seek(start)
            begun, *lines = (file.read(end - start) + begun).split(b"\n")
            yield from reversed(lines)
            end = start
        yield begun
