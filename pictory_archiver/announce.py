"""Tells others how a run ended: the report file, then the pings, then the user's command. Failures are warnings."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from .cli_accounts import Chosen
from .errors import ArchiverError, ConfigError, StorageError, worst_status
from .report import Report, to_print, unfinished_report
from .settings import ASSET_WORDS, Settings
from .sidecar import timestamp

if TYPE_CHECKING:
    from .pings import What
    from .tally import Tally

STOPPED = frozenset({130, 143})
PING_SECONDS = 10.0
PING_SECONDS_WHEN_STOPPED = 3.0
HOOK_SECONDS_WHEN_STOPPED = 5.0


class Ended(Struct, frozen=True):
    """How the run of one account ended, and the lines that say so to a person: a summary, or what was said already."""

    report: Report
    lines: tuple[str, ...]
    is_summary: bool = False


class Underway:
    """What is known of a run that may end at any moment. `tally` is there once the run is under way."""

    def __init__(self, chosen: Chosen) -> None:
        self._chosen = chosen
        self._started = datetime.datetime.now(datetime.UTC)
        self.tally: Tally | None = None

    def end(self, error: ArchiverError) -> Ended:
        """The end that this error makes of the run."""
        now = datetime.datetime.now(datetime.UTC)
        archive, account, assets = "", self._chosen.name, ASSET_WORDS
        with contextlib.suppress(ConfigError):
            settings = self._chosen.loaded.settings
            account, assets = settings.account, settings.download.assets
            archive = str(self._chosen.root)
        report = unfinished_report(
            archive=archive,
            account=account,
            assets=assets,
            started=timestamp(self._started),
            ended=timestamp(now),
            seconds=round((now - self._started).total_seconds(), 3),
            error=error,
        )
        if self.tally is not None:
            report = msgspec.structs.replace(
                report,
                pages=self.tally.pages,
                listed=self.tally.listed,
                already_held=self.tally.held,
                files_stored=self.tally.files_stored,
                bytes_stored=self.tally.bytes_stored,
                bytes_received=self.tally.bytes_received,
            )
        return Ended(report, (report.verdict,))


class Announcer:
    """For one invocation, of one account or several."""

    def __init__(
        self, settings: Settings, *, report_file: Path | None, all_accounts: bool, warn: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._all_accounts = all_accounts
        self._report_file = report_file
        self._warn = warn

    def begin(self) -> None:
        """Pings that a run begins. Raises `Stopped`."""
        self._ping("start", "", PING_SECONDS)

    def end(self, ends: Sequence[Ended]) -> None:
        """Tells everybody. Raises `Stopped` where a signal comes meanwhile."""
        status = worst_status(ended.report.exit_status for ended in ends)
        document = _document([ended.report for ended in ends], all_accounts=self._all_accounts)
        if self._report_file is not None:
            write_report(self._report_file, document, self._warn)
        body = "\n".join(line for ended in ends for line in ended.lines)
        seconds = PING_SECONDS_WHEN_STOPPED if status in STOPPED else PING_SECONDS
        self._ping("fail" if status else "success", body, seconds)
        self._run_hook(status, [ended.report for ended in ends], document)

    def _ping(self, what: What, body: str, seconds: float) -> None:
        settings = self._settings
        if settings.notify.healthcheck is None:
            return
        from .pings import ping
        from .running import run_until_signal
        from .workshop import user_agent

        warning = run_until_signal(
            ping(
                settings.notify.healthcheck,
                what,
                body,
                user_agent=user_agent(settings),
                ca_file=settings.network.ca_file,
                seconds=seconds,
            )
        )
        if warning:
            self._warn(warning)

    def _run_hook(self, status: int, reports: Sequence[Report], document: bytes) -> None:
        command = self._settings.notify.exec
        if command is None:
            return
        from .hook import LIMIT_SECONDS, run_hook

        seconds = HOOK_SECONDS_WHEN_STOPPED if status in STOPPED else LIMIT_SECONDS
        warning = run_hook(command, _facts(status, reports), document, seconds=seconds)
        if warning:
            self._warn(warning)


def write_report(path: Path, document: bytes, warn: Callable[[str], None]) -> None:
    """Writes the report of a run, whole or not at all. That it cannot be written is a warning."""
    from .disk import storage_errors, target_of, write_file

    try:
        target = target_of(path)
        if target.exists() and not target.is_file():  # a device or a pipe: nothing must take its place
            with storage_errors(path):
                target.write_bytes(document)
        else:
            write_file(target, document)
    except (StorageError, OSError, ValueError, RuntimeError) as error:
        warn(f"the report was not written: {error}")


def _document(reports: Sequence[Report], *, all_accounts: bool) -> bytes:
    return msgspec.json.format(msgspec.json.encode(to_print(reports, all_accounts=all_accounts)), indent=2) + b"\n"


def _facts(status: int, reports: Sequence[Report]) -> dict[str, str]:
    """What a command is told in its environment. Figures of several accounts are added up."""

    def total(name: str) -> str:
        return str(sum(getattr(report, name) for report in reports))

    return {
        "exit_status": str(status),
        "verdict": " ".join(report.verdict for report in reports),
        "archive": os.pathsep.join(dict.fromkeys(report.archive for report in reports)),
        "account": ",".join(report.account for report in reports),
        "listed": total("listed"),
        "new": total("new"),
        "files_stored": total("files_stored"),
        "bytes_stored": total("bytes_stored"),
        "problems": total("problem_count"),
    }
