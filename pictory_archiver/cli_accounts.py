"""The options `--account` and `--all-accounts`, and how a command runs over the accounts that they name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from msgspec import Struct

from . import config
from .accounts import WHERE_THEY_GO
from .cli_params import archive_folder
from .errors import ArchiverError, ConfigError, Stopped, worst_status

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])


class Chosen(Struct, frozen=True):
    """What a command runs over: the account of this name, or without a name what ARCHIVE or the settings say."""

    name: str
    archive: Path | None
    settings: config.Loaded | ConfigError

    @property
    def loaded(self) -> config.Loaded:
        """The settings. Raises `ConfigError` where those of the account are wrong."""
        if isinstance(self.settings, ConfigError):
            raise self.settings
        return self.settings

    @property
    def root(self) -> Path:
        """The folder of the archive. Raises `ConfigError` where there is none."""
        return archive_folder(self.archive, self.loaded.settings, self.loaded.accounts)


def account_option(command: Command) -> Command:
    """Adds `--account NAME`, as the parameter `account`."""
    return click.option(
        "--account",
        metavar="NAME",
        shell_complete=_names,
        help="The account of the settings that it is about, in place of ARCHIVE.",
    )(command)


def all_accounts_option(command: Command) -> Command:
    """Adds `--all-accounts`."""
    return click.option(
        "--all-accounts", is_flag=True, help="One account of the settings after the other, in their order."
    )(command)


def chosen_accounts(
    archive: Path | None,
    *,
    account: str | None,
    all_accounts: bool,
    config_file: Path | None,
    overrides: Mapping[str, object],
) -> list[Chosen]:
    """What a command is to run over: one, or with `all_accounts` every account of the settings, at least one.

    Where it is one, and its settings are wrong, `ConfigError` is raised at once; of all accounts, each has its own.
    Raises `click.UsageError` for options that exclude each other.
    """
    given = {"ARCHIVE": archive is not None, "--account": account is not None, "--all-accounts": all_accounts}
    named = [name for name, is_given in given.items() if is_given]
    if len(named) > 1:
        raise click.UsageError(f"{' and '.join(named)} exclude each other: each says which archive is meant.")
    if all_accounts:
        _, accounts = config.load_all(overrides, config_file=config_file, environ=os.environ)
        if not accounts:
            raise ConfigError("--all-accounts: the settings have no accounts", hint=WHERE_THEY_GO)
        return [Chosen(name, None, settings) for name, settings in accounts.items()]
    loaded = config.load(overrides, config_file=config_file, environ=os.environ, account=account)
    if loaded.accounts:  # then the choice may be what is missing: that is said before a key is asked for
        archive_folder(archive, loaded.settings, loaded.accounts)
    return [Chosen(account or "", archive, loaded)]


def one_account(archive: Path | None, *, account: str | None, config_file: Path | None) -> Chosen:
    """What a command is to run over that is about one archive. Raises as `chosen_accounts` does."""
    (chosen,) = chosen_accounts(archive, account=account, all_accounts=False, config_file=config_file, overrides={})
    return chosen


def over_accounts(
    chosen: Iterable[Chosen],
    run: Callable[[Chosen], int],
    fail: Callable[[Chosen, ArchiverError], object],
) -> int:
    """Runs a command over several accounts. → the exit status of them all

    `run` returns the exit status of one. Where one raises an error of ours, `fail` is told of it, and the next one has
    its turn all the same, except after a signal.
    """
    statuses = []
    for each in chosen:
        try:
            statuses.append(run(each))
        except ArchiverError as error:
            fail(each, error)
            statuses.append(error.exit_status)
            if isinstance(error, Stopped):
                break
    return worst_status(statuses)


def _names(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    try:
        names = config.account_names(config_file=context.params.get("config_file"), environ=os.environ)
    except ConfigError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
