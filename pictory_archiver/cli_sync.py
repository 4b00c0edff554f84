"""The command `sync`, also as a dry run. Heavy modules are imported when it runs, so that `--help` answers at once."""

from __future__ import annotations

import datetime
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from . import config
from .cli_config import config_option, init
from .cli_params import Assets, Date, When, archive_argument, archive_folder, json_text
from .errors import ArchiverError, ConfigError, Stopped
from .key import Key, find_key
from .settings import ASSET_WORDS, Settings

if TYPE_CHECKING:
    from .announce import Ended, Unfinished
    from .console import Console
    from .logs import Format
    from .selection import Selection


class Asked(Struct, frozen=True, kw_only=True):
    """What the command line asks for, before settings and archive are known."""

    archive: Path | None
    config_file: Path | None
    overrides: dict[str, object]
    since: When | None
    until: When | None
    limit: int | None
    model: str | None

    def load(self) -> config.Loaded:
        """The settings. Raises `ConfigError`."""
        return config.load(self.overrides, config_file=self.config_file, environ=os.environ)


class Prepared(Struct, frozen=True):
    """What one run is made with."""

    root: Path
    settings: Settings
    key: Key
    selection: Selection


FILE = click.Path(path_type=Path, readable=False)


@click.command(short_help="Make the archive complete: list, download what is missing, verify.")
@archive_argument
@config_option
@click.option("--dry-run", is_flag=True, help="Say what would be fetched and why; write nothing.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Fetch at most N videos, the newest first.")
@click.option("--since", type=Date(), help="Only videos made on this day or later (2026-04-09; or a time).")
@click.option("--until", type=Date(), help="Only videos made on this day or before (or before a time).")
@click.option("--model", metavar="MODEL", help="Only videos of this model, for example veo3.1.")
@click.option("--assets", type=Assets(), help=f"What to keep of each video. Default: {','.join(ASSET_WORDS)}.")
@click.option("--workers", type=click.IntRange(1, 64), metavar="N", help="Files that download at once. Default: 8.")
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
    since: When | None,
    until: When | None,
    limit: int | None,
    model: str | None,
    assets: tuple[str, ...] | None,
    workers: int | None,
    report_file: Path | None,
    healthcheck: str | None,
    hook: str | None,
    log_file: Path | None,
    log_format: Format,
    verbose: int,
    origins: tuple[str, ...],
    *,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    no_progress: bool,
) -> None:
    """Make the archive complete: list all videos of the account, download what is missing, verify it.

    ARCHIVE is the folder of the archive. It is made where it is missing or empty. Left out, it is the one of the
    settings, or the archive that the current folder is in.

    Run it again at any time, also after an interruption: what is here is kept, and only the rest is fetched.

    The exit status is 0 only if everything that was asked for is here and verified. 3: some files could not be had;
    4: the key was refused; 5: the list of videos could not be read to its end; 6: the disk; 75: another run is busy.
    """
    if dry_run and (report_file or healthcheck or hook):
        raise click.UsageError("--dry-run tells nobody: leave out --report, --healthcheck and --exec.", context)
    from .console import Console

    asked = Asked(
        archive=archive,
        config_file=config_file,
        overrides={
            "download.assets": assets,
            "download.workers": workers,
            "notify.healthcheck": healthcheck,
            "notify.exec": hook,
        },
        since=since,
        until=until,
        limit=limit,
        model=model,
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
    """Runs, and has others told what came of it. → exit status"""
    from .announce import Announcer, Unfinished
    from .report import gravest

    loaded = asked.load()
    _warn(console, loaded.warnings)
    announcer = Announcer(loaded.settings, report_file=report_file, warn=console.warn)

    def prepare() -> Prepared:
        announcer.begin()
        return _prepare(context, asked, loaded.settings, console)

    unfinished = Unfinished(loaded.settings, asked.archive)
    try:
        ends = [run_one(prepare, allowed, console, unfinished, is_quiet=is_quiet, as_json=as_json)]
    except Exception as bug:
        announcer.end([unfinished.end(ArchiverError(f"a bug in the program: {type(bug).__name__}"))])
        raise
    announcer.end(ends)
    return gravest(ended.report.exit_status for ended in ends)


def run_one(
    prepare: Callable[[], Prepared],
    allowed: frozenset[str],
    console: Console,
    unfinished: Unfinished,
    *,
    is_quiet: bool,
    as_json: bool,
) -> Ended:
    """Makes one archive complete and says what came of it. What ends a run early is told in the report, not raised."""
    from .announce import Ended
    from .report import summary
    from .running import run_until_signal
    from .sync import sync_archive
    from .tally import Tally

    error: ArchiverError
    try:
        prepared = prepare()
        console.began(str(prepared.root), prepared.settings.account)
        with console.watching() as observer:
            unfinished.tally = tally = Tally(observer)
            report = run_until_signal(
                sync_archive(
                    prepared.root,
                    prepared.settings,
                    prepared.key,
                    selection=prepared.selection,
                    allowed_origins=allowed,
                    observer=tally,
                )
            )
    except ArchiverError as caught:
        error = caught
    except (KeyboardInterrupt, click.Abort):
        error = Stopped(signal.SIGINT)
    else:
        if report.exit_status or not is_quiet:
            console.print(json_text(report) if as_json else "\n".join(summary(report)))
        console.ended(report.exit_status, report.verdict)
        return Ended(report, tuple(summary(report)))
    console.failed(error)
    return unfinished.end(error)


def _prepare(context: click.Context, asked: Asked, settings: Settings, console: Console) -> Prepared:
    """The key, the archive and the selection; on a terminal the key is set up where there is none."""
    key = find_key(settings.api, os.environ)
    if key is None and sys.stdin.isatty() and click.confirm("There is no API key yet. Set it up now?", err=True):
        archive = str(asked.archive) if asked.archive else None
        context.invoke(init, config_file=asked.config_file, archive=archive)
        settings = asked.load().settings
        key = find_key(settings.api, os.environ)
    if key is None:
        raise ConfigError(
            "there is no API key", hint="run `pictory-archiver init`, or put the key into the variable PICTORY_API_KEY"
        )
    root = archive_folder(asked.archive, settings)
    selection = _selection(root, settings, since=asked.since, until=asked.until, limit=asked.limit, model=asked.model)
    _warn(console, key.warnings)
    return Prepared(root, settings, key, selection)


def _warn(console: Console, warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        console.warn(warning)


def _preview(context: click.Context, asked: Asked, console: Console, *, is_quiet: bool, as_json: bool) -> int:
    """A dry run. Its lines are data: where they cannot be printed, it failed. → exit status"""
    from .preview import Intended, intended_line, preview_lines, preview_sync
    from .running import run_until_signal

    def tell(intended: Intended) -> None:
        if not is_quiet:
            click.echo(json_text(intended, indent=-1) if as_json else intended_line(intended))

    loaded = asked.load()
    _warn(console, loaded.warnings)
    prepared = _prepare(context, asked, loaded.settings, console)
    with console.watching() as observer:
        preview = run_until_signal(
            preview_sync(
                prepared.root,
                prepared.settings,
                prepared.key,
                selection=prepared.selection,
                observer=observer,
                tell=tell,
            )
        )
    lines = preview_lines(preview)
    if not is_quiet:
        click.echo(json_text(preview, indent=-1) if as_json else "\n".join(lines))
    console.ended(0, lines[-1])
    return 0


def _selection(
    root: Path, settings: Settings, *, since: When | None, until: When | None, limit: int | None, model: str | None
) -> Selection:
    """The options as a selection. A bare day is whole, in the time zone of the archive's folders."""
    from .archive import Archive, is_archive
    from .layout import zone_of
    from .selection import Selection

    zone = zone_of(Archive.open(root).marker.time_zone if is_archive(root) else settings.layout.time_zone)

    def moment(when: When | None, *, whole_day: bool) -> datetime.datetime | None:
        if when is None:
            return None
        if isinstance(when, datetime.datetime):
            return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(datetime.UTC)
        day = when + datetime.timedelta(days=1) if whole_day else when
        return datetime.datetime.combine(day, datetime.time(), zone).astimezone(datetime.UTC)

    bounds = moment(since, whole_day=False), moment(until, whole_day=True)
    if bounds[0] and bounds[1] and bounds[0] >= bounds[1]:
        raise ConfigError("--since is later than --until", hint="swap the two dates")
    return Selection(limit=limit, since=bounds[0], until=bounds[1], model=model)
