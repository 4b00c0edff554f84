"""What a repair came to: the figures, the exit status, and the words for a person. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from .errors import worst_status
from .findings import Finding
from .models import Kind
from .report import count, duration, size
from .text import printable
from .verification import ALL_FILES, LEAVES_DAMAGE, LONGEST_PATH, SIZES, TIME_UP, WORDS

KEPT = 100_000


class How(StrEnum):
    """How a file was mended: it is as it was stored; upstream has other bytes by now; nothing told what it was; a
    sidecar was written anew."""

    RESTORED = "restored"
    REPLACED = "replaced"
    FETCHED = "fetched"
    REWRITTEN = "rewritten"


class Mended(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that is whole again. `path` is relative to the archive; digests are given where it was `replaced`."""

    how: How
    path: str
    video_id: str
    kind: Kind | None = None
    index: int | None = None
    former_sha256: str | None = None
    sha256: str | None = None


class Left(Struct, frozen=True, kw_only=True):
    """Damage that is left as it was found, and why."""

    finding: Finding
    reason: str


class Repair(Struct, frozen=True, kw_only=True):
    """A repair of an archive, as facts. Times are UTC, sizes bytes.

    `mode`: every byte was read, or sizes only. `mended` and `left` hold the first 100,000 each, of `mended_count` and
    `left_count`. Former files lie in the folder `quarantine` (None: there are none). `error` is what ended the repair
    early, `time_up` that its time was over.
    """

    format: Literal["pictory-archiver/repair"] = "pictory-archiver/repair"
    version: Literal[1] = 1
    collection: Literal["videos"] = "videos"
    archive: str
    account: str
    started_at: str
    ended_at: str
    seconds: float
    exit_status: int = 0
    verdict: str = ""
    error: str | None = None
    hint: str | None = None
    mode: Literal["full", "quick"]
    selection: tuple[str, ...] = ()
    time_up: bool = False
    videos: int
    files: int
    files_read: int
    bytes_read: int
    bytes_received: int
    mended_count: int
    replaced_count: int
    mended: tuple[Mended, ...] = ()
    left_count: int
    left: tuple[Left, ...] = ()
    quarantine: str | None = None


class Results:
    """What a repair comes to, file by file, the first of them kept."""

    def __init__(self) -> None:
        self.mended: list[Mended] = []
        self.left: list[Left] = []
        self.mended_count = self.replaced_count = self.left_count = 0

    def mend(self, mended: Mended) -> None:
        """Takes a file that is whole again."""
        self.mended_count += 1
        self.replaced_count += mended.how is How.REPLACED
        if len(self.mended) < KEPT:
            self.mended.append(mended)

    def leave(self, finding: Finding, reason: str) -> None:
        """Takes damage that stays."""
        self.left_count += 1
        if len(self.left) < KEPT:
            self.left.append(Left(finding=finding, reason=reason))


def exit_status(repair: Repair, error_status: int | None) -> int:
    """The status that a script sees; `error_status` is that of what ended the repair or a listing early."""
    return worst_status(
        (error_status or 0, LEAVES_DAMAGE if repair.left_count else 0, TIME_UP if repair.time_up else 0)
    )


def verdict(repair: Repair) -> str:
    """The last line of the summary: is the archive whole again?"""
    words = []
    if repair.left_count:
        words.append(f"Damage is left: {count(repair.left_count, 'file')} could not be mended, and kept as found.")
    if repair.error is not None:
        hint = f" ({repair.hint})" if repair.hint else ""
        words.append(f"The repair did not come to its end: {repair.error}{hint}.")
    elif repair.time_up:
        words.append(f"The time was up after {count(repair.videos, 'video')}; the others were not looked at.")
    if not words and not repair.mended_count:
        looked = SIZES if repair.mode == "quick" else ALL_FILES
        files, videos = count(repair.files, "file"), count(repair.videos, "AI Studio video")
        return f"Nothing to repair: all {files} of {videos} are as they were stored; {looked}."
    if not words:
        words.append(f"Repaired: {count(repair.mended_count, 'file')} of the archive {_are(repair)} whole again.")
    if repair.replaced_count:
        words.append(f"{repair.replaced_count:,} of them with other bytes than before: Pictory has changed them since.")
    if repair.quarantine:
        words.append(f"What was there before is in {repair.quarantine}.")
    return " ".join(words)


def summary(repair: Repair) -> list[str]:
    """The lines that a person reads when a repair is over; every file by name, the verdict last."""
    read = f", {count(repair.files_read, 'file')} read ({size(repair.bytes_read)})" if repair.files_read else ""
    return [
        *_lines("Mended", repair.mended_count, [_mended_line(each) for each in repair.mended]),
        *_lines("Left as it is", repair.left_count, [left_line(each) for each in repair.left]),
        f"Checked  {count(repair.videos, 'video')}, {count(repair.files, 'file')}{read}, {duration(repair.seconds)}",
        verdict(repair),
    ]


def left_line(left: Left) -> str:
    """Damage that is left, in one line."""
    path = printable(left.finding.path, LONGEST_PATH)
    return f"{WORDS[left.finding.what]}: {path} ({printable(left.reason, 500)})"


def _mended_line(mended: Mended) -> str:
    words = {
        How.RESTORED: "as it was stored",
        How.REPLACED: "other bytes than those that were stored: Pictory has changed it since",
        How.FETCHED: "its sidecar did not say what it was",
        How.REWRITTEN: "written anew",
    }
    return f"{mended.how}: {printable(mended.path, LONGEST_PATH)} ({words[mended.how]})"


def _lines(title: str, number: int, lines: Sequence[str]) -> list[str]:
    if not number:
        return []
    more = [f"  … and {number - len(lines):,} more"] if number > len(lines) else []
    return [f"{title}: {number:,}", *(f"  {line}" for line in lines), *more]


def _are(repair: Repair) -> str:
    return "is" if repair.mended_count == 1 else "are"
