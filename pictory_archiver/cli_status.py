"""The command `status`, of one archive or of every account. It loads the ledger when it runs."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .cli_accounts import Chosen, account_option, all_accounts_option, chosen_accounts, over_accounts
from .cli_config import config_option
from .cli_params import Duration, archive_argument, json_text
from .text import what_went_wrong

if TYPE_CHECKING:
    from .errors import ArchiverError
    from .ledger import Ledger
    from .ledgers import AccountStatus, StatusOfAccounts


@click.command(short_help="Say whether the archive holds everything, and what it does not hold.")
@archive_argument
@config_option
@account_option
@all_accounts_option
@click.option("--max-age", type=Duration(), metavar="TIME", help="Do not trust a list that is older (26h, 2d): 3.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def status(
    context: click.Context,
    archive: Path | None,
    config_file: Path | None,
    account: str | None,
    max_age: float | None,
    *,
    all_accounts: bool,
    as_json: bool,
) -> None:
    """Say whether the archive holds everything, and what it does not hold and why.

    It needs no key and no network, changes nothing, and works beside a running sync. The exit status is 0 only if
    the last listing reached its end and everything on it is held. 3: files are missing; 5: the list is not known;
    7: a check found damage, and nothing shows that it is mended.
    """
    from .ledger import ledger_lines
    from .ledgers import lines_of_accounts

    chosen = chosen_accounts(archive, account=account, all_accounts=all_accounts, config_file=config_file, overrides={})
    if all_accounts:
        of_all = _status_of_accounts(chosen, max_age)
        click.echo(json_text(of_all) if as_json else "\n".join(lines_of_accounts(of_all)))
        context.exit(of_all.exit_status)
    ledger = _ledger(chosen[0], max_age)
    click.echo(json_text(ledger) if as_json else "\n".join(ledger_lines(ledger)))
    context.exit(ledger.exit_status)


def _ledger(chosen: Chosen, max_age: float | None) -> Ledger:
    from .archive import Archive
    from .ledger import read_ledger

    now = datetime.datetime.now(datetime.UTC)
    oldest = None if max_age is None else datetime.timedelta(seconds=max_age)
    return read_ledger(Archive.open(chosen.root), chosen.loaded.settings.catalogue, now, max_age=oldest)


def _status_of_accounts(chosen: list[Chosen], max_age: float | None) -> StatusOfAccounts:
    from .ledgers import AccountStatus, StatusOfAccounts

    found: list[AccountStatus] = []

    def read(each: Chosen) -> int:
        ledger = _ledger(each, max_age)
        found.append(AccountStatus(account=each.name, exit_status=ledger.exit_status, ledger=ledger))
        return ledger.exit_status

    def fail(each: Chosen, error: ArchiverError) -> None:
        found.append(AccountStatus(account=each.name, exit_status=error.exit_status, error=what_went_wrong(error)))

    return StatusOfAccounts(exit_status=over_accounts(chosen, read, fail), accounts=tuple(found))
