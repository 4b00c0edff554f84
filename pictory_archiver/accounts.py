"""Several accounts in one settings file: each has a name, a folder of its own, and a key of its own.

What an account names stands over the general settings, as a layer like any other; all else it shares with them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from .errors import ConfigError
from .given import Given, Layer, convert, key_source
from .key import mask
from .setting_rules import ACCOUNTS

SETTINGS: Mapping[str, str] = {"archive": "archive", "key_file": "api.key_file", "key_command": "api.key_command"}
"""What an account names, and the setting that it stands for."""

WHERE_THEY_GO = f"name them below `{ACCOUNTS}:` in the settings file"

MAX_ACCOUNTS = 100
"""Each is compared with every other one."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", re.ASCII)


class Account(Struct, frozen=True):
    """An account of the settings file. `given` is what stands below its name, or what is wrong with that."""

    name: str
    where: str
    given: Layer | ConfigError

    @property
    def path(self) -> str:
        """The dotted path of the account in the settings."""
        return f"{ACCOUNTS}.{self.name}"

    def layer(self) -> Layer:
        """The account over the settings that all share. Raises `ConfigError` where it is not complete."""
        if isinstance(self.given, ConfigError):
            raise self.given
        if "archive" not in self.given:
            raise ConfigError(f"{self.path}.archive: missing: name the folder of its archive (from {self.where})")
        if self.given["archive"].value is None:
            where = self.given["archive"].source
            raise ConfigError(f"{self.path}.archive: must be a path, as text, not empty (from {where})")
        if key_source(self.given) is None:
            raise ConfigError(f"{self.path}: must have a key_file or a key_command (from {self.where})")
        for path, value in self.given.items():
            convert(path, value)
        return {**self.given, "account": Given(self.name, self.where)}

    def folder(self) -> str:
        """The archive's folder, with all links followed. Raises `ConfigError`."""
        return os.path.realpath(str(convert("archive", self.layer()["archive"])))


def check_name(name: str, others: Iterable[str], where: str) -> None:
    """Raises `ConfigError` for what is no name (a key is none), or differs from another's in capitals alone."""
    if not _NAME.fullmatch(name) or mask(name) != name:
        raise ConfigError(
            f"{ACCOUNTS}.{mask(name)}: an account's name must be 1 to 40 letters of a-z, digits, dots, hyphens or "
            f"underscores, and begin with a letter or a digit (from {where})"
        )
    for other in others:
        if other.lower() == name.lower():
            raise ConfigError(f"{ACCOUNTS}.{name}: differs from {ACCOUNTS}.{other} in capitals alone (from {where})")


def find_account(name: str, accounts: Iterable[Account]) -> Account:
    """The account of this name. Raises `ConfigError` where there is none."""
    import difflib

    by_name = {each.name: each for each in accounts}
    if name in by_name:
        return by_name[name]
    if not by_name:
        raise ConfigError(f"there is no account {mask(name)}: the settings name none", hint=WHERE_THEY_GO)
    lower = {each.lower(): each for each in by_name}
    near = difflib.get_close_matches(name.lower(), lower, n=1)
    advice = f"did you mean {lower[near[0]]}? The" if near else "the"
    raise ConfigError(
        f"there is no account {mask(name)} in the settings", hint=f"{advice} accounts are {', '.join(by_name)}"
    )


def refuse_shared_folder(account: Account, accounts: Iterable[Account]) -> None:
    """Raises `ConfigError` where the archive of an account is another's, or lies within it, or the other way round.

    Nobody is compared with an account that is not complete.
    """
    mine = account.folder()
    for other, theirs in _folders(each for each in accounts if each.name != account.name):
        if _same_folder(mine, theirs):
            how = "is the archive of"
        elif _is_within(mine, theirs):
            how = "lies within the archive of"
        elif _is_within(theirs, mine):
            how = "holds the archive of"
        else:
            continue
        raise ConfigError(
            f"{account.path}.archive: {mask(mine)} {how} {other.path}: "
            f"each account needs a folder of its own (from {account.layer()['archive'].source})"
        )


def _folders(accounts: Iterable[Account]) -> Iterator[tuple[Account, str]]:
    for account in accounts:
        try:
            yield account, account.folder()
        except ConfigError:
            continue


def _same_folder(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:  # one of them is not there yet
        return os.path.normcase(one) == os.path.normcase(other)


def _is_within(inner: str, outer: str) -> bool:
    inner, outer = os.path.normcase(inner), os.path.normcase(outer)
    return inner.startswith(outer.rstrip(os.sep) + os.sep)
