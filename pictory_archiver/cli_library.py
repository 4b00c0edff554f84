"""The commands `library` and `serve`: to look at the archive in a browser. Heavy modules are imported when they run."""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from .cli_accounts import account_option, one_account
from .cli_config import config_option
from .cli_params import archive_argument, json_text, warn


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
    from .library import write_library
    from .report import count, size

    chosen = one_account(archive, account=account, config_file=config_file)
    warn(chosen.loaded.warnings)
    built = write_library(chosen.root, chosen.loaded.settings, datetime.datetime.now(datetime.UTC))
    if as_json:
        click.echo(json_text(built))
    elif not quiet:
        written = f"{count(built.files_written, 'file')} written, {size(built.bytes_written)}"
        click.echo(f"{count(built.videos, 'video')}: {written}\n{built.verdict}\nOpen {built.page}")
