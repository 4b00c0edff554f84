"""The commands `library` and `serve`: to look at the archive in a browser. Heavy modules are imported when they run."""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from .cli_accounts import account_option, one_account
from .cli_config import config_option
from .cli_params import archive_argument, json_text, warn

DEFAULT_PORT = 8340


@click.command(short_help="Write the offline library: a page to find and watch everything.")
@archive_argument
@config_option
@account_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print problems only.")
def library(archive: Path | None, config_file: Path | None, account: str | None, *, as_json: bool, quiet: bool) -> None:
    """Write the offline library: index.html in the archive, and its data in the folder `library` there.

    A double click opens it in a browser, without a server and without a network: all videos by day, search, filters,
    continuations, and what the archive lacks. It needs neither a key nor a network. Only what has changed is written.

    `sync` does the same at the end of every run, unless the setting `library.update` is off.
    """
    from .events import silent
    from .library import write_library
    from .report import count, size
    from .running import stopped_between_steps

    chosen = one_account(archive, account=account, config_file=config_file)
    warn(chosen.loaded.warnings)
    now = datetime.datetime.now(datetime.UTC)
    with stopped_between_steps(silent) as steps:
        built = write_library(chosen.root, chosen.loaded.settings, now, observer=steps)
    if as_json:
        click.echo(json_text(built))
    elif not quiet:
        written = f"{count(built.files_written, 'file')} written, {size(built.bytes_written)}"
        click.echo(f"{count(built.videos, 'video')}: {written}\n{built.verdict}\nOpen {built.page}")


@click.command(short_help="Show the library over HTTP, on this computer alone.")
@archive_argument
@config_option
@account_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    metavar="PORT",
    help="Where to listen; 0: any free one.",
)
def serve(archive: Path | None, config_file: Path | None, account: str | None, port: int) -> None:
    """Show the library in a browser, over HTTP from 127.0.0.1, until Ctrl-C.

    It is the page that `library` writes, made as it is asked for: also of an archive on read-only media, or one that a
    sync is writing to. Only the library and the files of the videos can be asked for, and only from this computer.
    """
    from .errors import Stopped
    from .running import run_until_signal
    from .server import serve as serve_library

    chosen = one_account(archive, account=account, config_file=config_file)
    warn(chosen.loaded.warnings)

    def ready(url: str) -> None:
        click.echo(f"Open {url} in a browser. Ctrl-C ends it.")

    try:
        run_until_signal(serve_library(chosen.root, chosen.loaded.settings.catalogue, port, ready))
    except Stopped as stop:
        raise click.exceptions.Exit(stop.exit_status) from None
