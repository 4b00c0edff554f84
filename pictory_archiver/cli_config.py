"""The commands `init`, `config check` and `config show`. They raise `ArchiverError`s; `cli` prints them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from . import config as configuration
from .cli_accounts import account_option
from .cli_params import json_text, message
from .errors import ArchiverError, ConfigError, KeyRefused, ListingError
from .key import WHERE_TO_GET_ONE, Key, find_key, mask
from .setting_rules import ACCOUNTS
from .settings import Settings
from .text import error_line

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_ARCHIVE = "~/Pictory Archive"
KEY_TRIES = 3
TRIES_WHILE_SOMEBODY_WAITS = 2


def config_option(command: Command) -> Command:
    """Adds `--config FILE`."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path, readable=False),
        metavar="FILE",
        help="The settings file. Default: $PICTORY_ARCHIVER_CONFIG, else config.yaml in your settings folder.",
    )(command)


@click.group("config")
def config_group() -> None:
    """Check the settings, or show the ones in effect."""


@config_group.command("check", short_help="Say whether the settings and the keys can be used.")
@config_option
@click.pass_context
def config_check(context: click.Context, config_file: Path | None) -> None:
    """Say whether the settings and the API key can be used, and those of every account, without asking the API.

    Key commands are run to get the keys.
    """
    loaded, accounts = configuration.load_all({}, config_file=config_file, environ=os.environ)
    key = configuration.key_of(loaded, os.environ)
    _warn((*loaded.warnings, *(key.warnings if key else ())))
    problems = [error for name, settings in accounts.items() if (error := _problem(name, settings))]
    for problem in problems:
        message(error_line(problem))
    if problems:
        context.exit(ConfigError.exit_status)
    what = mask(str(loaded.file)) if loaded.file else "There is no settings file; what the environment sets"
    more = f", with the accounts {', '.join(accounts)}" if accounts else ""
    no_key = "" if key or accounts else ", but there is no API key yet: run `pictory-archiver init`"
    click.echo(f"{what} is fine{more}{no_key}")


def _problem(name: str, settings: configuration.Loaded | ConfigError) -> ConfigError | None:
    """What is wrong with an account or its key."""
    if isinstance(settings, ConfigError):
        return settings
    try:
        key = configuration.key_of(settings, os.environ)
    except ConfigError as error:
        return ConfigError(f"{ACCOUNTS}.{name}: {error}", hint=error.hint)
    _warn(key.warnings if key else ())
    return None


@config_group.command("show")
@config_option
@account_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def config_show(config_file: Path | None, account: str | None, *, as_json: bool) -> None:
    """Show every setting with its value and where it comes from. Keys are masked.

    Key commands are run to get the keys. With --account, the settings that count for that account.
    """
    from .config_report import make_report, report_lines

    if account is None:
        loaded, accounts = configuration.load_all({}, config_file=config_file, environ=os.environ)
    else:
        loaded = configuration.load({}, config_file=config_file, environ=os.environ, account=account)
        accounts = {}
    report = make_report(loaded, accounts, os.environ)
    _warn(report.warnings)
    click.echo(json_text(report) if as_json else "\n".join(report_lines(report)))


@click.command("init", short_help="Set up: the API key, the folder of the archive.")
@config_option
@click.option("--archive", metavar="DIR", help=f"The archive's folder. Default: {DEFAULT_ARCHIVE}")
@click.option("--no-check", is_flag=True, help="Save the key without trying it.")
@click.option("--force", is_flag=True, help="Replace settings that are there already.")
def init(config_file: Path | None, archive: str | None, *, no_check: bool, force: bool) -> None:
    """Set up: ask for the API key, try it, ask for the archive's folder, and write the settings.

    The key goes into a file of its own that only you can read. Without a terminal nothing is asked: the key is taken
    from PICTORY_API_KEY, the folder from --archive.
    """
    target, _ = configuration.settings_file(config_file, os.environ)
    key_file = target.with_name(f"{target.name}.key")
    _permit_replacing(target, key_file, force=force)
    settings = _settings_without_file(archive)

    key = _find_or_ask_key(settings, (lambda _: None) if no_check else (lambda key: _try(settings, key)))
    if settings.archive is None and _on_terminal():
        settings = _settings_without_file(click.prompt("Folder of the archive", default=DEFAULT_ARCHIVE, err=True))
    _save(target, key_file, key, settings.archive or DEFAULT_ARCHIVE)
    _say(mask(f"Saved: {target} and {key_file.name} beside it. Next: pictory-archiver sync"))


def _permit_replacing(target: Path, key_file: Path, *, force: bool) -> None:
    there = [path for path in (target, key_file) if os.path.lexists(path)]
    if not there or force:
        return
    name = mask(str(there[0]))
    if not _on_terminal() or not click.confirm(f"{name} is there already. Replace it?", err=True):
        raise ConfigError(f"{name} is there already and was left as it is", hint="init --force replaces it")


def _settings_without_file(archive: str | None) -> Settings:
    """The settings file is about to be replaced, and may be broken: it is not read."""
    loaded = configuration.load({"archive": archive}, config_file=Path(os.devnull), environ=os.environ)
    folder = loaded.settings.archive
    if folder is not None and Path(folder).is_file():
        raise ConfigError(f"{folder} is a file: an archive is a folder")
    return loaded.settings


def _find_or_ask_key(settings: Settings, try_it: Callable[[Key], None]) -> Key:
    key = find_key(settings.api, os.environ)
    tries_left = KEY_TRIES
    while True:
        try:
            key = key or _ask_key()
            _warn(key.warnings)
            try_it(key)
        except (ConfigError, KeyRefused) as error:
            tries_left -= 1
            if not tries_left or not _on_terminal():
                raise
            _say_error(error)
            key = None
        else:
            return key


def _ask_key() -> Key:
    if not _on_terminal():
        raise ConfigError(
            "there is no API key, and no terminal to ask for it",
            hint=f"set PICTORY_API_KEY, or run it on a terminal; {WHERE_TO_GET_ONE}",
        )
    return Key(click.prompt("Pictory API key (it stays hidden)", hide_input=True, err=True), source="the prompt")


def _try(settings: Settings, key: Key) -> None:
    import asyncio

    from .workshop import try_key

    impatient = msgspec.structs.replace(settings.retry, tries=min(settings.retry.tries, TRIES_WHILE_SOMEBODY_WAITS))
    try:
        count = asyncio.run(try_key(msgspec.structs.replace(settings, retry=impatient), key))
    except ListingError as error:
        if not _on_terminal():
            raise
        _say_error(error)
        if not click.confirm("The key could not be tried. Save it anyway?", err=True):
            raise
    else:
        _say(f"The key works: the first page of the list has {count} videos.")


def _save(target: Path, key_file: Path, key: Key, archive: str) -> None:
    """Writes both files, the key first. Others can neither read them nor enter a folder that is made for them."""
    import yaml

    from .disk import storage_errors, write_file

    def quoted(text: str) -> str:
        return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=sys.maxsize).rstrip("\n")

    text = (
        "# Written by `pictory-archiver init`. All settings and their values: pictory-archiver config show\n\n"
        "# The folder that commands use when none is named.\n"
        f"archive: {quoted(archive)}\n\n"
        "api:\n"
        "  # The file that holds the API key and nothing else.\n"
        f"  key_file: {quoted(key_file.name)}\n"
    )
    former_umask = os.umask(0o077)
    try:
        with storage_errors(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
        write_file(key_file, f"{key.value}\n".encode())
        write_file(target, text.encode())
    finally:
        os.umask(former_umask)


def _on_terminal() -> bool:
    return sys.stdin.isatty()


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        _say(f"Warning: {warning}")


def _say_error(error: ArchiverError) -> None:
    _say(f"{error}. {error.hint}".rstrip(". ") + ".")


def _say(text: str) -> None:
    click.echo(text, err=True)
