"""The command `sync`, also as a dry run. Heavy modules are imported when it runs, so that `--help` answers at once."""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import config
from .cli_config import config_option, init
from .cli_params import Assets, Date, When, archive_argument, archive_folder, json_text, message, warn
from .errors import ConfigError
from .key import Key, find_key
from .settings import ASSET_WORDS, Settings
from .way import Way

if TYPE_CHECKING:
    from .events import Observer
    from .selection import Selection


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
@click.option("--must-exist", is_flag=True, help="Never make an archive: for a disk that may not be mounted.")
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
    verbose: int,
    origins: tuple[str, ...],
    *,
    dry_run: bool,
    must_exist: bool,
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
    from .progress import watching

    allowed = config.allow_origins(os.environ, origins)
    overrides = {"download.assets": assets, "download.workers": workers}
    loaded = config.load(overrides, config_file=config_file, environ=os.environ)
    key = find_key(loaded.settings.api, os.environ)
    if key is None and sys.stdin.isatty() and click.confirm("There is no API key yet. Set it up now?", err=True):
        context.invoke(init, config_file=config_file, archive=str(archive) if archive else None)
        loaded = config.load(overrides, config_file=config_file, environ=os.environ)
        key = find_key(loaded.settings.api, os.environ)
    if key is None:
        raise ConfigError(
            "there is no API key", hint="run `pictory-archiver init`, or put the key into the variable PICTORY_API_KEY"
        )
    settings = loaded.settings
    root = archive_folder(archive, settings)
    way = Way(must_exist=must_exist)
    selection = _selection(root, settings, since=since, until=until, limit=limit, model=model)
    warn((*loaded.warnings, *key.warnings))
    is_quiet = quiet and not as_json
    # The lines of a dry run show its progress, and would tear the bars.
    with watching(quiet=quiet, verbosity=verbose, bars=not (no_progress or dry_run), write=message) as observer:
        if dry_run:
            tell = (lambda _: None) if is_quiet else click.echo
            lines, status = _preview(root, settings, key, selection, observer, tell, way=way, as_json=as_json)
        else:
            lines, status = _sync(root, settings, key, selection, allowed, observer, way=way, as_json=as_json)
    if status or not is_quiet:
        click.echo("\n".join(lines))
    context.exit(status)


def _sync(
    root: Path,
    settings: Settings,
    key: Key,
    selection: Selection,
    allowed: frozenset[str],
    observer: Observer,
    *,
    way: Way,
    as_json: bool,
) -> tuple[list[str], int]:
    from .report import summary
    from .running import run_until_signal
    from .sync import sync_archive

    report = run_until_signal(
        sync_archive(
            root,
            settings,
            key,
            selection=selection,
            way=way,
            allowed_origins=allowed,
            observer=observer,
        )
    )
    return ([json_text(report)] if as_json else summary(report)), report.exit_status


def _preview(
    root: Path,
    settings: Settings,
    key: Key,
    selection: Selection,
    observer: Observer,
    tell: Callable[[str], None],
    *,
    way: Way,
    as_json: bool,
) -> tuple[list[str], int]:
    from .preview import Intended, intended_line, preview_lines, preview_sync
    from .running import run_until_signal

    def tell_of(intended: Intended) -> None:
        tell(json_text(intended, indent=-1) if as_json else intended_line(intended))

    preview = run_until_signal(
        preview_sync(root, settings, key, selection=selection, way=way, observer=observer, tell=tell_of)
    )
    return ([json_text(preview, indent=-1)] if as_json else preview_lines(preview)), 0


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
