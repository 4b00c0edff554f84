"""The settings in effect, as a report: each with where it comes from, and nothing secret in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from . import addresses
from .accounts import SETTINGS
from .config import DEFAULT, Loaded, key_of
from .errors import ConfigError
from .key import mask
from .setting_rules import ACCOUNTS, FIELDS, format_size
from .settings import IS_SIZE, Settings


class SettingShown(Struct, frozen=True):
    """One setting: its dotted path, its value, and where that comes from."""

    path: str
    value: str | int | float | bool | tuple[str, ...] | dict[str, float] | None
    source: str


class KeyShown(Struct, frozen=True):
    """The API key: whether there is one, from where, what may be shown of it, or why it cannot be used."""

    found: bool
    shown: str | None = None
    source: str | None = None
    problem: str | None = None


class ProxyShown(Struct, frozen=True):
    """A proxy in effect. `scheme` is what it serves; `no` lists the hosts that are reached without one."""

    scheme: str
    value: str


class AccountShown(Struct, frozen=True):
    """An account: what it has of its own, and its key; or what is wrong with it."""

    name: str
    settings: tuple[SettingShown, ...] = ()
    key: KeyShown | None = None
    problem: str | None = None


class ConfigReport(Struct, frozen=True, kw_only=True):
    """What `config show --json` prints. `account` is the one whose settings these are; else `accounts` lists them."""

    format: Literal["pictory-archiver/config"] = "pictory-archiver/config"
    version: Literal[1] = 1
    file: str | None
    account: str | None
    settings: tuple[SettingShown, ...]
    key: KeyShown
    accounts: tuple[AccountShown, ...]
    proxies: tuple[ProxyShown, ...]
    warnings: tuple[str, ...]


def make_report(
    loaded: Loaded, accounts: Mapping[str, Loaded | ConfigError], environ: Mapping[str, str]
) -> ConfigReport:
    """The report of these settings, and of accounts by name. Key commands are run."""
    key, warnings = _key(loaded, environ)
    of_accounts = []
    for name, settings in accounts.items():
        if isinstance(settings, ConfigError):
            of_accounts.append(AccountShown(name, problem=str(settings)))
        else:
            key_of_account, more = _key(settings, environ)
            of_accounts.append(AccountShown(name, tuple(_own_settings(name, settings)), key_of_account))
            warnings += more
    return ConfigReport(
        file=mask(str(loaded.file)) if loaded.file else None,
        account=loaded.account,
        settings=tuple(
            SettingShown(path, _masked(path, value), loaded.sources[path]) for path, value in _values(loaded.settings)
        ),
        key=key,
        accounts=tuple(of_accounts),
        proxies=_proxies(),
        warnings=loaded.warnings + warnings,
    )


def _key(loaded: Loaded, environ: Mapping[str, str]) -> tuple[KeyShown, tuple[str, ...]]:
    """What may be shown of the key, and what is odd about it."""
    try:
        key = key_of(loaded, environ)
    except ConfigError as error:
        return KeyShown(found=False, problem=str(error)), ()
    if key is None:
        return KeyShown(found=False), ()
    return KeyShown(found=True, shown=key.masked, source=key.source), key.warnings


def _own_settings(name: str, loaded: Loaded) -> Iterator[SettingShown]:
    values = dict(_values(loaded.settings))
    for word, path in SETTINGS.items():
        if values[path] is not None:
            yield SettingShown(f"{ACCOUNTS}.{name}.{word}", _masked(path, values[path]), loaded.sources[path])


def _values(settings: Settings) -> Iterable[tuple[str, Any]]:
    for path in FIELDS:
        value: Any = settings
        for name in path.split("."):
            value = getattr(value, name)
        yield path, value


def _masked(path: str, value: Any) -> Any:
    if path == "notify.healthcheck" and value is not None:
        return addresses.masked(value)
    if isinstance(value, tuple):
        return tuple(mask(text) for text in value)
    if isinstance(value, dict):
        return {mask(name): each for name, each in value.items()}
    return mask(value) if isinstance(value, str) else value


def _proxies() -> tuple[ProxyShown, ...]:
    """The proxies that requests go through, without the passwords to them."""
    from urllib.request import getproxies

    found = getproxies()
    return tuple(
        ProxyShown(scheme, mask(re.sub(r"^([a-z][a-z0-9+.-]*://)?.*@", r"\1…@", found[scheme], flags=re.IGNORECASE)))
        for scheme in ("https", "http", "no")
        if found.get(scheme)
    )


def report_lines(report: ConfigReport) -> Iterator[str]:
    """The report for a person."""
    yield f"# {report.file or 'no settings file'}" + (f", account {report.account}" if report.account else "")
    rows = [*_rows(report.settings), _key_row("api.key", report.key)]
    for account in report.accounts:
        path = f"{ACCOUNTS}.{account.name}"
        rows += _rows(account.settings)
        rows.append(_key_row(f"{path}.key", account.key) if account.key else (path, account.problem or "", ""))
    rows += [(f"proxy for {proxy.scheme}", proxy.value, "the environment") for proxy in report.proxies]
    width = max(len(path) for path, _, _ in rows)
    for path, value, source in rows:
        origin = source and (f" ({source})" if source == DEFAULT else f" (from {source})")
        yield f"{path:{width}}  {value}{origin}"


def _rows(settings: Iterable[SettingShown]) -> list[tuple[str, str, str]]:
    return [(setting.path, _text(setting), setting.source) for setting in settings]


def _key_row(path: str, key: KeyShown) -> tuple[str, str, str]:
    return path, key.shown or key.problem or "not set", key.source or ""


def _text(setting: SettingShown) -> str:
    match setting.value:
        case None:
            return "null"
        case bool(is_so):
            return str(is_so).lower()
        case int(size) if FIELDS[setting.path].extra == IS_SIZE:
            return format_size(size)
        case float(number):
            return f"{number:g}"
        case tuple(words):
            return f"[{', '.join(words)}]"
        case dict(entries):
            return f"{{{', '.join(f'{name}: {each:g}' for name, each in entries.items())}}}"
        case other:
            return str(other)
