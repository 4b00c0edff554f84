"""The ledgers of several accounts, one after the other."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .ledger import Ledger, ledger_lines


class AccountStatus(Struct, frozen=True, kw_only=True):
    """An account: its ledger, or what went wrong with it."""

    account: str
    exit_status: int
    ledger: Ledger | None = None
    error: str | None = None


class StatusOfAccounts(Struct, frozen=True, kw_only=True):
    """What `status --all-accounts` prints. `exit_status` is the one that counts of all the accounts'."""

    format: Literal["pictory-archiver/status-of-accounts"] = "pictory-archiver/status-of-accounts"
    version: Literal[1] = 1
    exit_status: int
    accounts: tuple[AccountStatus, ...]


def lines_of_accounts(status: StatusOfAccounts) -> list[str]:
    """The ledgers for a person, each under the name of its account."""
    lines: list[str] = []
    for each in status.accounts:
        told = ledger_lines(each.ledger) if each.ledger else [f"Error: {each.error}"]
        lines += [*([""] if lines else []), f"# {each.account}", *told]
    return lines
