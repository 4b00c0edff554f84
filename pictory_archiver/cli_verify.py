"""The commands `verify` and `repair`. Heavy modules are imported when they run."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from . import config
from .cli_accounts import Chosen, account_option, all_accounts_option, chosen_accounts, one_account
from .cli_config import config_option
from .cli_params import Duration, Percent, archive_argument, archive_if_first, json_text
from .errors import ArchiverError, Stopped

if TYPE_CHECKING:
    from .console import Console
    from .logs import Format
    from .repair_report import Repair
    from .verification import Verification

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path, readable=False)
READERS = click.IntRange(1, 64)


def _options_of_long_runs(command: Command) -> Command:
    """Adds what the long-running commands have in common."""
    for option in reversed(
        (
            click.option("--max-duration", type=Duration(), metavar="TIME", help="End after this time (2h, 90m): 3."),
            click.option("--report", "report_file", type=FILE, metavar="FILE", help="Write the report, JSON, to FILE."),
            click.option("--log-file", type=FILE, metavar="FILE", help="Add dated lines to FILE."),
            click.option(
                "--log-format",
                type=click.Choice(["text", "json"]),
                default="text",
                help="Of the log file; json: also of stderr.",
            ),
            click.option("--json", "as_json", is_flag=True, help="Print the report as JSON."),
            click.option("-q", "--quiet", is_flag=True, help="Print problems only."),
            click.option("-v", "--verbose", count=True, help="Print a line for each finding at once."),
            click.option("--no-progress", is_flag=True, help="No bars, also on a terminal."),
        )
    ):
        command = option(command)
    return command


@click.command(short_help="Read every file and compare it with what was stored.")
@archive_argument
@config_option
@account_option
@all_accounts_option
@click.option("--quick", is_flag=True, help="Compare sizes only; read no file.")
@click.option("--subset", "percent", type=Percent(), metavar="PERCENT", help="Read a part, 5%; another one each day.")
@click.option("--workers", type=READERS, metavar="N", help="Files that are read at once.")
@_options_of_long_runs
@click.pass_context
def verify(
    context: click.Context,
    archive: Path | None,
    config_file: Path | None,
    account: str | None,
    percent: float | None,
    workers: int | None,
    max_duration: float | None,
    report_file: Path | None,
    log_file: Path | None,
    log_format: Format,
    verbose: int,
    *,
    all_accounts: bool,
    quick: bool,
    as_json: bool,
    quiet: bool,
    no_progress: bool,
) -> None:
    """Read every file of the archive, and compare it with the size and the digest that were stored with it.

    It names each file that is damaged or lost, each sidecar that is damaged or does not tell the truth, downloads that
    were not finished, and files that belong to no video (which are no damage). It changes nothing, needs neither a key
    nor a network, and works on read-only media and beside a running sync.

    With --subset 5% a twentieth of the videos is read, and of the others the sizes are compared. It is another
    twentieth each day and each month: a monthly job has read all after 20 months, a daily one after 40 days.

    The exit status is 7 where anything is damaged or lost: `repair` gets back what it can.
    """
    from .announce import STOPPED, write_report
    from .console import Console
    from .verification import in_words, of_accounts

    if quick and percent is not None:
        raise click.UsageError("--quick reads no file, --subset a part of them: choose one.", context)
    chosen = chosen_accounts(archive, account=account, all_accounts=all_accounts, config_file=config_file, overrides={})
    deadline = None if max_duration is None else time.monotonic() + max_duration
    found: list[Verification] = []
    with Console(
        quiet=quiet,
        verbosity=verbose,
        bars=not no_progress,
        log_file=log_file,
        log_format=log_format,
        command="verify",
        check=True,
    ) as console:
        for each in chosen:
            seconds = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            found.append(_verify_one(each, console, quick=quick, percent=percent, workers=workers, seconds=seconds))
            if found[-1].exit_status in STOPPED:
                break
        record = of_accounts(found) if all_accounts else found[0]
        if as_json:
            console.print(json_text(record))
        elif (all_accounts or found[0].videos or not found[0].error) and (record.exit_status or not quiet):
            console.print("\n".join(in_words(found, all_accounts=all_accounts)))
        if report_file is not None:
            write_report(report_file, json_text(record).encode() + b"\n", console.warn)
    context.exit(record.exit_status)


def _verify_one(
    chosen: Chosen,
    console: Console,
    *,
    quick: bool,
    percent: float | None,
    workers: int | None,
    seconds: float | None,
) -> Verification:
    """Checks one archive. What ends a check early is told in its report, not raised."""
    from .running import run_until_signal
    from .sidecar import timestamp
    from .verification import unfinished
    from .verify import WORKERS, Check

    check: Check | None = None
    archive = ""
    try:
        settings = chosen.loaded.settings
        for warning in chosen.loaded.warnings:
            console.warn(warning)
        archive = str(chosen.root)
        console.began(archive, settings.account)
        with console.watching() as observer:
            check = Check(
                chosen.root,
                settings,
                quick=quick,
                percent=percent,
                workers=workers or WORKERS,
                seconds=seconds,
                observer=observer,
            )
            found = run_until_signal(check.run())
    except ArchiverError as error:
        if check is None or not isinstance(error, Stopped):
            console.failed(error)
        if check is None:
            mode: Literal["full", "quick", "subset"] = "quick" if quick else "full" if percent is None else "subset"
            moment = timestamp(datetime.datetime.now(datetime.UTC))
            return unfinished(archive=archive, account=chosen.name or "default", mode=mode, moment=moment, error=error)
        found = check.so_far(error)
        if isinstance(error, Stopped):
            check.note(found)
    console.ended(found.exit_status, found.verdict)
    return found


@click.command(short_help="Fetch again what is damaged or lost.")
@click.argument("words", nargs=-1, metavar="[ARCHIVE] [ID]…")
@config_option
@account_option
@click.option("--quick", is_flag=True, help="Find damage by sizes only; read no file.")
@click.option("--workers", type=READERS, metavar="N", help="Files that are read at once.")
@_options_of_long_runs
@click.option("--allow-origin", "origins", multiple=True, hidden=True)
@click.pass_context
def repair(
    context: click.Context,
    words: tuple[str, ...],
    config_file: Path | None,
    account: str | None,
    workers: int | None,
    max_duration: float | None,
    report_file: Path | None,
    log_file: Path | None,
    log_format: Format,
    verbose: int,
    origins: tuple[str, ...],
    *,
    quick: bool,
    as_json: bool,
    quiet: bool,
    no_progress: bool,
) -> None:
    """Check the archive as `verify` does, and fetch again what is damaged or lost.

    Each file comes from the address in its sidecar, or where that fails from a fresh link, for which the API key is
    needed. A file is replaced once a good one is there; what it was is kept in the archive's quarantine. What cannot be
    had again stays as it is, and is named. A damaged sidecar is written anew from the catalogue.

    ID is the id of a video, the beginning of one, or the path of a file of it: then only these videos are looked at.

    The exit status is 0 if nothing is damaged any more, 7 if damage is left.
    """
    from .announce import write_report
    from .console import Console
    from .repair_report import summary

    archive, names = archive_if_first(words)
    chosen = one_account(archive, account=account, config_file=config_file)
    with Console(
        quiet=quiet,
        verbosity=verbose,
        bars=not no_progress,
        log_file=log_file,
        log_format=log_format,
        command="repair",
        check=True,
    ) as console:
        try:
            done = _repair(chosen, console, names, origins, quick=quick, workers=workers, seconds=max_duration)
        except ArchiverError as error:
            console.failed(error)
            context.exit(error.exit_status)
        if as_json:
            console.print(json_text(done))
        elif done.exit_status or not quiet:
            console.print("\n".join(summary(done)))
        if report_file is not None:
            write_report(report_file, json_text(done).encode() + b"\n", console.warn)
    context.exit(done.exit_status)


def _repair(
    chosen: Chosen,
    console: Console,
    names: tuple[str, ...],
    origins: tuple[str, ...],
    *,
    quick: bool,
    workers: int | None,
    seconds: float | None,
) -> Repair:
    """Raises our errors where there is nothing to report on."""
    from .repair import Repairing
    from .running import run_until_signal
    from .verify import WORKERS

    loaded = chosen.loaded
    for warning in loaded.warnings:
        console.warn(warning)
    key = config.key_of(loaded, os.environ)
    for warning in key.warnings if key else ():
        console.warn(warning)
    console.began(str(chosen.root), loaded.settings.account)
    with console.watching() as observer:
        repairing = Repairing(
            chosen.root,
            loaded.settings,
            key,
            videos=names,
            quick=quick,
            workers=workers or WORKERS,
            seconds=seconds,
            allowed_origins=config.allow_origins(os.environ, origins),
            observer=observer,
        )
        try:
            done = run_until_signal(repairing.run())
        except Stopped as error:
            done = repairing.stopped(error)
    console.ended(done.exit_status, done.verdict)
    return done
