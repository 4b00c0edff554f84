"""What a check came to: the figures, the exit status, and the words for a person. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from .errors import ArchiverError, worst_status
from .findings import Finding, What
from .report import SCOPE, count, duration, size
from .text import printable

KEPT_FINDINGS = 100_000
LONGEST_PATH = 1000
LEAVES_DAMAGE = 7
TIME_UP = 3

ALL_FILES = "every byte was compared"
SIZES = "sizes were compared, no file was read"

WORDS = {
    What.DAMAGED: "damaged",
    What.LOST: "lost",
    What.UNREADABLE: "unreadable",
    What.DAMAGED_SIDECAR: "damaged sidecar",
    What.LOST_SIDECAR: "lost sidecar",
    What.FALSE_SIDECAR: "false sidecar",
    What.STALE_CATALOGUE: "not in the catalogue",
    What.UNFINISHED: "unfinished",
    What.EXTRA: "extra",
}


class Verification(Struct, frozen=True, kw_only=True):
    """A check of an archive, as facts. Times are UTC, sizes bytes.

    `mode`: every byte was read, or sizes only, or of the videos of the slice `subset` (`7/20`) every byte and of the
    others sizes. `videos` and `files` were looked at, `files_read` of them to their end; `incomplete` videos promise
    less than all their outputs. `damage` and `notes` (never damage) hold the first 100,000 findings each, of
    `damage_count` and `note_count`. `error` is what ended the check early, `time_up` that its time was over.
    """

    format: Literal["pictory-archiver/verification"] = "pictory-archiver/verification"
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
    mode: Literal["full", "quick", "subset"]
    subset: str | None = None
    time_up: bool = False
    videos: int
    incomplete: int
    files: int
    files_read: int
    bytes_read: int
    damaged_videos: int
    damage_count: int
    damage: tuple[Finding, ...] = ()
    note_count: int
    notes: tuple[Finding, ...] = ()


class VerificationOfAccounts(Struct, frozen=True, kw_only=True):
    """Checks of several accounts. `exit_status` is the one that counts of all of theirs."""

    format: Literal["pictory-archiver/verification-of-accounts"] = "pictory-archiver/verification-of-accounts"
    version: Literal[1] = 1
    collection: Literal["videos"] = "videos"
    exit_status: int
    verdict: str
    accounts: tuple[Verification, ...]


def unfinished(
    *, archive: str, account: str, mode: Literal["full", "quick", "subset"], moment: str, error: ArchiverError
) -> Verification:
    """A check that an error ended before anything was looked at."""
    found = Verification(
        archive=archive,
        account=account,
        started_at=moment,
        ended_at=moment,
        seconds=0.0,
        exit_status=error.exit_status,
        error=str(error),
        hint=error.hint,
        mode=mode,
        videos=0,
        incomplete=0,
        files=0,
        files_read=0,
        bytes_read=0,
        damaged_videos=0,
        damage_count=0,
        note_count=0,
    )
    return msgspec.structs.replace(found, verdict=verdict(found))


class Collected:
    """Findings as they come, the first of them kept."""

    def __init__(self) -> None:
        self.damage: list[Finding] = []
        self.notes: list[Finding] = []
        self.damage_count = self.note_count = self.damaged_videos = 0

    def add(self, findings: Iterable[Finding]) -> None:
        """Takes the findings of one video, or one that is about none."""
        is_damaged = False
        for finding in findings:
            if finding.is_damage:
                is_damaged = True
                self.damage_count += 1
            else:
                self.note_count += 1
            kept = self.damage if finding.is_damage else self.notes
            if len(kept) < KEPT_FINDINGS:
                kept.append(finding)
        self.damaged_videos += is_damaged


def exit_status(found: Verification, error_status: int | None) -> int:
    """The status that a script sees; `error_status` is that of what ended the check early."""
    return worst_status(
        (
            error_status or 0,
            LEAVES_DAMAGE if found.damage_count else 0,
            TIME_UP if found.time_up else 0,
        )
    )


def verdict(found: Verification) -> str:
    """The last line of the summary: is the archive as it was stored, as far as it was looked at?"""
    early = ""
    if found.error is not None:
        hint = f" ({found.hint})" if found.hint else ""
        early = f" The check did not come to its end: {found.error}{hint}."
    elif found.time_up:
        early = f" The time was up after {count(found.videos, 'video')}; the others were not looked at."
    if found.damage_count:
        what = count(found.damage_count, "file")
        return f"Damage: {what} of {count(found.damaged_videos, 'video')}. `repair` gets back what it can.{early}"
    if early:
        return f"Not known: what was looked at is as it was stored.{early}"
    if not found.videos:
        return f"The archive holds no {SCOPE}: there is nothing to check."
    return f"{_sound(found)}{_what_is_lacking(found)}"


def _sound(found: Verification) -> str:
    files, videos = count(found.files, "file"), count(found.videos, "AI Studio video")
    if found.mode == "quick":
        return f"All {files} of {videos} are there, with the sizes that were stored; {SIZES}."
    if found.mode == "subset":
        return (
            f"Part {found.subset}: {count(found.files_read, 'file')} read and as stored; "
            f"all {files} of {videos} are there, with the sizes that were stored."
        )
    return f"All {files} of {videos} are as they were stored; {ALL_FILES}."


def _what_is_lacking(found: Verification) -> str:
    if not found.incomplete:
        return ""
    return f" {count(found.incomplete, 'video')} never had all files: `status` names them."


def summary(found: Verification) -> list[str]:
    """The lines that a person reads when a check is over; every finding by name, the verdict last."""
    lines = [
        *finding_lines("Damage", found.damage_count, found.damage),
        *finding_lines("No damage, but worth a look", found.note_count, found.notes),
    ]
    speed = f", {size(found.bytes_read / found.seconds)}/s" if found.bytes_read and found.seconds >= 0.1 else ""
    read = f", {count(found.files_read, 'file')} read ({size(found.bytes_read)}{speed})" if found.files_read else ""
    looked_at = f"{count(found.videos, 'video')}, {count(found.files, 'file')}"
    return [*lines, f"Checked  {looked_at}{read}, {duration(found.seconds)}", found.verdict]


def finding_lines(title: str, number: int, findings: Sequence[Finding]) -> list[str]:
    """A heading with a number, and a line for each finding that was kept."""
    if not number:
        return []
    lines = [f"{title}: {number:,}", *(f"  {finding_line(finding)}" for finding in findings)]
    if number > len(findings):
        lines.append(f"  … and {number - len(findings):,} more")
    return lines


def finding_line(finding: Finding) -> str:
    """One finding, in one line. Whoever made the archive chose its names."""
    return f"{WORDS[finding.what]}: {printable(finding.path, LONGEST_PATH)} ({printable(finding.detail, 500)})"


def in_words(found: Sequence[Verification], *, all_accounts: bool) -> list[str]:
    """The summaries for a person; of several accounts each under its name, and a verdict on them all."""
    if not all_accounts:
        return summary(found[0])
    lines = []
    for each in found:
        lines += [f"# {each.account}", *summary(each), ""]
    return [*lines, of_accounts(found).verdict]


def of_accounts(found: Sequence[Verification]) -> VerificationOfAccounts:
    """Several checks as one."""
    bad = [each.account for each in found if each.exit_status]
    words = f"Not sound: {', '.join(bad)} ({len(bad)} of {count(len(found), 'account')})."
    if not bad:
        words = f"{count(len(found), 'archive')} checked, nothing is damaged."
    status = worst_status(each.exit_status for each in found)
    return VerificationOfAccounts(exit_status=status, verdict=words, accounts=tuple(found))
