"""The command `schedule print`: the facts of this computer, filled into a recipe."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from . import config
from .cli_accounts import account_option, all_accounts_option, chosen_accounts
from .cli_config import config_option
from .cli_params import archive_argument, message, warn
from .errors import ConfigError
from .given import absolute
from .jobs import NAME, Facts, Recipe
from .schedule import KINDS, recipes
from .settings import Settings
from .units import KEY_FILE_VARIABLE

AT = "03:17"
SEEN_BY_THE_NETWORK = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")


class TimeOfDay(click.ParamType[tuple[int, int]]):
    """A time of day as (hour, minute)."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", str(value), re.ASCII)
        if match is None:
            self.fail(f"{value!r} is no time of day: write {AT}", param, ctx)
        return int(match[1]), int(match[2])


@click.group("schedule")
def schedule_group() -> None:
    """Let the computer sync and verify by itself."""


@schedule_group.command("print", short_help="Print a filled-in recipe for a nightly sync and a monthly verify.")
@click.argument("kind", type=click.Choice(tuple(KINDS)))
@archive_argument
@config_option
@account_option
@all_accounts_option
@click.option(
    "--at", type=TimeOfDay(), default=AT, show_default=True, metavar="HH:MM", help="When to sync, in local time."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, readable=False),
    metavar="DIR",
    help="Write the files into this folder instead of printing them.",
)
def schedule_print(
    kind: str,
    archive: Path | None,
    config_file: Path | None,
    account: str | None,
    at: tuple[int, int],
    output: Path | None,
    *,
    all_accounts: bool,
) -> None:
    """Print a filled-in recipe for unattended runs: sync every night, and verify, which reads every file, every month.

    It changes nothing by itself: the first lines of each file say where it belongs and how to switch it on.

    The recipe names the program, the archive and the settings file in full. It never makes a new archive
    (--must-exist), so that a disk that is not mounted is noticed, and it is silent when all is well (--quiet). The
    check begins on the first day of the month, 90 minutes after the time of the nightly run.
    """
    from .archive import JOURNAL

    chosen = chosen_accounts(
        Path(_absolute(archive)) if archive else None,
        account=account,
        all_accounts=all_accounts,
        config_file=config_file,
        overrides={},
    )
    folders = [_absolute(each.root) for each in chosen]
    loaded = chosen[0].loaded
    settings = loaded.settings
    of_accounts = loaded.account is not None
    facts = Facts(
        program=_program(),
        archive=None if of_accounts else folders[0],
        account=account,
        all_accounts=all_accounts,
        config_file=_absolute(loaded.file) if loaded.file else None,
        key_file=_absolute(Path(settings.api.key_file)) if settings.api.key_file and not of_accounts else None,
        folders=_folders(folders, settings),
        journals=tuple(str(Path(folder, JOURNAL)) for folder in folders),
        hour=at[0],
        minute=at[1],
        user=_user(),
        home=_absolute(Path("~")),
    )
    made = recipes(kind, facts)
    warn((*loaded.warnings, *_doubts(facts, folders, settings, kind)))
    if output is None:
        click.echo("\n".join(recipe.text for recipe in made), nl=False)
    else:
        _save(output, made)


def _program() -> tuple[str, ...]:
    """How this program is run from anywhere: its script, else its module."""
    for name in (NAME, f"{NAME}.exe"):
        script = Path(sys.executable).with_name(name)
        if script.is_file():
            return (str(script),)
    return sys.executable, "-m", __name__.partition(".")[0]


def _absolute(path: Path) -> str:
    """The path in full, without `..`, which systemd does not take. Links stay as they are. Raises `ConfigError`."""
    whole = Path(absolute(str(path), Path()))
    return os.path.realpath(whole) if ".." in whole.parts else str(whole)


def _folders(archives: Iterable[str], settings: Settings) -> tuple[str, ...]:
    catalogue = settings.catalogue.folder
    return (*archives, *([_absolute(Path(catalogue))] if catalogue else []))


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a user without a name, as in containers
        return str(os.getuid())


def _doubts(facts: Facts, folders: Iterable[str], settings: Settings, kind: str) -> Iterator[str]:
    """What would keep the scheduled run from its work, although it works here."""
    from .archive import is_archive

    unseen = sorted(_variables(facts, kind, os.environ))
    if unseen:
        yield (
            f"a scheduled run does not see {', '.join(unseen)}: put what this says into the settings file, "
            "or into the recipe"
        )
    if settings.api.key_file is None and settings.api.key_command is None:
        yield "a scheduled run finds no API key: run `pictory-archiver init`, or set api.key_file"
    for folder in folders:
        if not is_archive(Path(folder)):
            yield f"{folder} is no archive yet, and a scheduled run makes none: run `pictory-archiver sync` first"


def _variables(facts: Facts, kind: str, environ: Mapping[str, str]) -> Iterator[str]:
    """The variables that say something here and nothing at night. An account has an archive and a key of its own."""
    heard = {config.CONFIG_VARIABLE, "PICTORY_ARCHIVER_ARCHIVE"}
    if facts.archive is None:
        heard |= {"PICTORY_API_KEY", "PICTORY_ARCHIVER_API_KEY_COMMAND"}
    if facts.archive is None or kind == "systemd":
        heard |= {KEY_FILE_VARIABLE, "PICTORY_ARCHIVER_API_KEY_FILE"}
    known = {*config.VARIABLES, config.ORIGINS_VARIABLE, "PICTORY_API_KEY", *SEEN_BY_THE_NETWORK}
    return (name for name in known - heard if environ.get(name))


def _save(folder: Path, made: tuple[Recipe, ...]) -> None:
    """Writes the files. Raises `ConfigError` where one is there already, `StorageError`."""
    from .disk import storage_errors, write_file

    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for path in (folder / recipe.name for recipe in made):
        if os.path.lexists(path):
            raise ConfigError(
                f"{path} is there already and was left as it is", hint="remove it, or name another folder"
            )
    for recipe in made:
        write_file(folder / recipe.name, recipe.text.encode(recipe.encoding))
        message(f"Saved: {folder / recipe.name}")
    message("The first lines of each file say where it belongs and how to switch it on.")
