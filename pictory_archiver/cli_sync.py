"""The command `sync`, also as a dry run. Heavy modules are imported when it runs, so that `--help` answers at once."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import config
from .cli_accounts import Chosen, account_option, all_accounts_option
from .cli_asked import Asked, Prepared, prepare
from .cli_config import config_option
from .cli_params import Assets, Date, Duration, Size, When, archive_argument, json_line, json_text
from .errors import ArchiverError, Stopped, worst_status
from .settings import ASSET_WORDS
from .way import Way

if TYPE_CHECKING:
    from .announce import Ended, Underway
    from .console import Console
    from .logs import Format


FILE = click.Path(path_type=Path, readable=False)


@click.command(short_help="Make the archive complete: list, download what is missing, verify.")
@archive_argument
@config_option
@account_option
@all_accounts_option
@click.option("--dry-run", is_flag=True, help="Say what would be fetched and why; write nothing.")
@click.option("--full", is_flag=True, help="List to the end, and try again whatever is not held.")
@click.option("--refresh", is_flag=True, help="Also fetch anew what is listed at another address than it came from.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Fetch at most N videos, the newest first.")
@click.option("--since", type=Date(), help="Only videos made on this day or later (2026-04-09; or a time).")
@click.option("--until", type=Date(), help="Only videos made on this day or before (or before a time).")
@click.option("--model", metavar="MODEL", help="Only videos of this model, for example veo3.1.")
@click.option("--assets", type=Assets(), help=f"What to keep of each video. Default: {','.join(ASSET_WORDS)}.")
@click.option("--workers", type=click.IntRange(1, 64), metavar="N", help="Files that download at once. Default: 8.")
@click.option("--limit-rate", type=Size(), metavar="RATE", help="Bytes a second for all downloads, for example 10M.")
@click.option(
    "--max-duration", type=Duration(), metavar="TIME", help="End after this time (2h, 90m), with what is here."
)
@click.option("--must-exist", is_flag=True, help="Never make an archive: for a disk that may not be mounted.")
@click.option("--accept-listing", is_flag=True, help="Believe a list that lacks most videos, or another account's key.")
@click.option("--report", "report_file", type=FILE, metavar="FILE", help="Write the report of the run, JSON, to FILE.")
@click.option("--healthcheck", metavar="URL", help="Ping URL/start, and URL at the end, or URL/fail if it is not 0.")
@click.option("--exec", "hook", metavar="CMD", help="Run CMD once when the run is done; the report comes on its stdin.")
@click.option("--log-file", type=FILE, metavar="FILE", help="Add dated lines to FILE, one for each file and retry.")
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", help="Of the log file; json: also of stderr."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON; of a dry run, a line for each video.")
@click.option("-q", "--quiet", is_flag=True, help="Print problems only.")
@click.option("-v", "--verbose", count=True, help="Print a line for each file; -vv for each step.")
@click.option("--no-progress", is_flag=True, help="No bars, also on a terminal.")
@click.option("--allow-origin", "origins", multiple=True, hidden=True)
@click.pass_context
def sync(
    context: click.Context,
    archive: Path | None,
    config_file: Path | None,
    account: str | None,
    since: When | None,
    until: When | None,
    limit: int | None,
    model: str | None,
    assets: tuple[str, ...] | None,
    workers: int | None,
    limit_rate: int | None,
    max_duration: float | None,
    report_file: Path | None,
    healthcheck: str | None,
    hook: str | None,
    log_file: Path | None,
    log_format: Format,
    verbose: int,
    origins: tuple[str, ...],
    *,
    all_accounts: bool,
    dry_run: bool,
    full: bool,
    refresh: bool,
    must_exist: bool,
    accept_listing: bool,
    as_json: bool,
    quiet: bool,
    no_progress: bool,
) -> None:
    """Make the archive complete: list all videos of the account, download what is missing, verify it.

    ARCHIVE is the folder of the archive. It is made where it is missing or empty. Left out, it is the one of the
    settings, or the archive that the current folder is in.

    Run it again at any time, also after an interruption: what is here is kept, and only the rest is fetched. Only the
    newest pages of the list are read where that is enough; once a week all of them are.

    The exit status is 0 only if everything that was asked for is here and verified. 3: some files could not be had;
    4: the key was refused; 5: the list of videos could not be read to its end; 6: the disk; 75: another run is busy.
    """
    if dry_run and all_accounts:
        raise click.UsageError("--dry-run is about one archive: name it, or an --account.", context)
    if dry_run and (report_file or healthcheck or hook):
        raise click.UsageError("--dry-run tells nobody: leave out --report, --healthcheck and --exec.", context)
    from .console import Console

    asked = Asked(
        archive=archive,
        config_file=config_file,
        account=account,
        all_accounts=all_accounts,
        overrides={
            "download.assets": assets,
            "download.workers": workers,
            "download.limit_rate": limit_rate,
            "notify.healthcheck": healthcheck,
            "notify.exec": hook,
        },
        since=since,
        until=until,
        limit=limit,
        model=model,
        way=Way(full=full, refresh=refresh, accept_listing=accept_listing, must_exist=must_exist, seconds=max_duration),
    )
    is_quiet = quiet and not as_json
    # The lines of a dry run show its progress, and would tear the bars.
    bars = not (no_progress or dry_run)
    with Console(quiet=quiet, verbosity=verbose, bars=bars, log_file=log_file, log_format=log_format) as console:
        try:
            allowed = config.allow_origins(os.environ, origins)
            if dry_run:
                status = _preview(context, asked, console, is_quiet=is_quiet, as_json=as_json)
            else:
                status = _sync(context, asked, console, allowed, report_file, is_quiet=is_quiet, as_json=as_json)
        except ArchiverError as error:
            console.failed(error)
            status = error.exit_status
    context.exit(status)


def _sync(
    context: click.Context,
    asked: Asked,
    console: Console,
    allowed: frozenset[str],
    report_file: Path | None,
    *,
    is_quiet: bool,
    as_json: bool,
) -> int:
    """Runs over every account that is asked for, and has others told what came of it. → exit status"""
    from .announce import STOPPED, Announcer, Underway
    from .report import in_words, to_print

    chosen = asked.choose()
    shared = _shared(chosen)
    for warning in shared.warnings:
        console.warn(warning)
    announcer = Announcer(shared.settings, report_file=report_file, all_accounts=asked.all_accounts, warn=console.warn)
    deadline = None if asked.way.seconds is None else time.monotonic() + asked.way.seconds
    ends: list[Ended] = []
    try:
        for each in chosen:
            underway = Underway(each)
            begin = announcer.begin if not ends else (lambda: None)
            prepare_it = partial(prepare, context, asked, each, console, begin, deadline)
            try:
                ends.append(run_one(prepare_it, allowed, console, underway))
            except Exception as bug:
                ends.append(underway.end(ArchiverError(f"a bug in the program: {type(bug).__name__}")))
                raise
            if ends[-1].report.exit_status in STOPPED:
                break
    except Exception:
        announcer.end(ends)
        raise
    reports = [end.report for end in ends]
    status = worst_status(report.exit_status for report in reports)
    if as_json:
        console.print(json_text(to_print(reports, all_accounts=asked.all_accounts)))
    elif (asked.all_accounts or ends[0].is_summary) and (status or not is_quiet):
        console.print("\n".join(in_words(reports, all_accounts=asked.all_accounts)))
    announcer.end(ends)
    return status


def _shared(chosen: list[Chosen]) -> config.Loaded:
    """Settings that all accounts share. Raises the first account's `ConfigError` where none has sound ones."""
    for each in chosen:
        if isinstance(each.settings, config.Loaded):
            return each.settings
    return chosen[0].loaded


def run_one(prepare_it: Callable[[], Prepared], allowed: frozenset[str], console: Console, underway: Underway) -> Ended:
    """Makes one archive complete and says what came of it. What ends a run early is told in the report, not raised."""
    from .announce import Ended
    from .report import summary
    from .running import run_until_signal
    from .sync import sync_archive
    from .tally import Tally

    error: ArchiverError
    try:
        prepared = prepare_it()
        console.began(str(prepared.root), prepared.settings.account)
        with console.watching() as observer:
            underway.tally = tally = Tally(observer)
            report = run_until_signal(
                sync_archive(
                    prepared.root,
                    prepared.settings,
                    prepared.key,
                    selection=prepared.selection,
                    way=prepared.way,
                    allowed_origins=allowed,
                    observer=tally,
                )
            )
    except ArchiverError as caught:
        error = caught
    except (KeyboardInterrupt, click.Abort):
        error = Stopped(signal.SIGINT)
    else:
        console.ended(report.exit_status, report.verdict)
        return Ended(report, tuple(summary(report)), is_summary=True)
    console.failed(error)
    return underway.end(error)


def _preview(context: click.Context, asked: Asked, console: Console, *, is_quiet: bool, as_json: bool) -> int:
    """A dry run. Its lines are data: where they cannot be printed, it failed. → exit status"""
    from .preview import Intended, intended_line, preview_lines, preview_sync
    from .running import run_until_signal

    def tell(intended: Intended) -> None:
        line = json_line(intended) if as_json else intended_line(intended)
        sys.stdout.write(f"{line}\n")  # `echo` would flush each

    (chosen,) = asked.choose()
    for warning in chosen.loaded.warnings:
        console.warn(warning)
    prepared = prepare(context, asked, chosen, console, lambda: None, None)
    try:
        with console.watching() as observer:
            preview = run_until_signal(
                preview_sync(
                    prepared.root,
                    prepared.settings,
                    prepared.key,
                    selection=prepared.selection,
                    way=prepared.way,
                    observer=observer,
                    tell=None if is_quiet else tell,
                )
            )
    finally:
        sys.stdout.flush()
    lines = preview_lines(preview)
    if not is_quiet:
        click.echo(json_line(preview) if as_json else "\n".join(lines))
    console.ended(0, lines[-1])
    return 0
