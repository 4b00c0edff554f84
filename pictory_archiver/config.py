"""Where the settings' values come from: command line, the account, environment, YAML file, defaults, in this order."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from .accounts import Account, find_account, refuse_shared_folder
from .errors import ConfigError, Forbidden
from .given import Given, Layer, absolute, convert, did_you_mean, key_source, shown, unknown
from .key import Key, find_key, mask
from .setting_rules import FIELDS
from .settings import Settings
from .yaml_file import FromFile, read_file

CONFIG_VARIABLE = "PICTORY_ARCHIVER_CONFIG"
ORIGINS_VARIABLE = "PICTORY_ARCHIVER_ALLOW_ORIGINS"
VARIABLE_PREFIX = "PICTORY_ARCHIVER_"
PICTORYS_OWN_VARIABLES = {"PICTORY_API_BASE_URL": "api.base_url", "PICTORY_API_KEY_FILE": "api.key_file"}

DEFAULT = "default"


class Loaded(Struct, frozen=True):
    """The settings, and by dotted path where each comes from. `file` is the settings file that was read, `accounts`
    are the names in it, and `account` is the one whose settings these are; None: nobody's in particular."""

    settings: Settings
    sources: dict[str, str]
    file: Path | None
    warnings: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    account: str | None = None


VARIABLES: Mapping[str, str] = {
    **{VARIABLE_PREFIX + path.replace(".", "_").upper(): path for path in FIELDS},
    **PICTORYS_OWN_VARIABLES,
}
"""The path that each environment variable sets. Where two set the same, the later one here counts."""


class _Sources(Struct, frozen=True):
    """All that is given: by the command line, by the environment, by the settings file."""

    command_line: Layer
    environment: Layer
    from_file: FromFile
    file: Path

    def loaded(self, account: Account | None) -> Loaded:
        """What is in effect, for an account or for nobody in particular. Raises `ConfigError`."""
        of_account = [account.layer()] if account else []
        settings, sources = _effective([self.command_line, *of_account, self.environment, self.from_file.layer])
        if account:
            refuse_shared_folder(account, self.from_file.accounts)
        return Loaded(
            settings,
            sources,
            self.file if self.from_file.found else None,
            self.from_file.warnings,
            tuple(each.name for each in self.from_file.accounts),
            account.name if account else None,
        )


def load(
    overrides: Mapping[str, object],
    *,
    config_file: Path | None,
    environ: Mapping[str, str],
    account: str | None = None,
) -> Loaded:
    """The effective settings. `overrides` are the command line's, by dotted path; None there means not given.

    With the name of an account, its archive and its key win over those of the environment and of the file, and what
    is wrong with another one does not matter. Raises `ConfigError`.
    """
    sources = _read(overrides, config_file, environ)
    accounts = sources.from_file.accounts
    if account is not None:
        return sources.loaded(find_account(account, accounts))
    loaded = sources.loaded(None)
    for each in accounts:
        refuse_shared_folder(each, accounts)
    return loaded


def load_all(
    overrides: Mapping[str, object], *, config_file: Path | None, environ: Mapping[str, str]
) -> tuple[Loaded, dict[str, Loaded | ConfigError]]:
    """The general settings, and by name those of every account, or what is wrong with them, in the file's order.

    Raises `ConfigError` for what is wrong with the settings that all share.
    """
    sources = _read(overrides, config_file, environ)
    general = sources.loaded(None)
    accounts: dict[str, Loaded | ConfigError] = {}
    for each in sources.from_file.accounts:
        try:
            accounts[each.name] = sources.loaded(each)
        except ConfigError as error:
            accounts[each.name] = error
    return general, accounts


def account_names(*, config_file: Path | None, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the accounts, whatever else the settings hold. Raises `ConfigError` for a file that has no form."""
    file, must_exist = settings_file(config_file, environ)
    return tuple(each.name for each in read_file(file, must_exist=must_exist).accounts)


def key_of(loaded: Loaded, environ: Mapping[str, str]) -> Key | None:
    """The key that goes with these settings; None where none is set. Raises `ConfigError`."""
    return find_key(loaded.settings.api, environ, account=loaded.account)


def settings_file(config_file: Path | None, environ: Mapping[str, str]) -> tuple[Path, bool]:
    """The settings file's path, and whether it was named by the user, so that it has to be there."""
    named = config_file if config_file is not None else environ.get(CONFIG_VARIABLE)
    if named:
        return Path(absolute(str(named), Path())), True
    import platformdirs

    return platformdirs.user_config_path("pictory-archiver", appauthor=False) / "config.yaml", False


def allow_origins(environ: Mapping[str, str], options: Iterable[str]) -> frozenset[str]:
    """The origins that tests and development admit, in the form `scheme://host[:port]` without a default port."""
    variable = environ.get(ORIGINS_VARIABLE, "").split()
    return frozenset(
        _origin(text, source)
        for source, texts in (("--allow-origin", options), (ORIGINS_VARIABLE, variable))
        for text in texts
    )


def _origin(text: str, source: str) -> str:
    from .addresses import origin, strip_signature

    try:
        exact = origin(text)
    except Forbidden:
        exact = ""
    if not exact or re.search(r"[/?#]", text.partition("://")[2]):
        raise ConfigError(
            f"{source}: must be http(s)://host[:port] and nothing more, not {shown(strip_signature(text))}"
        )
    return exact


def _read(overrides: Mapping[str, object], config_file: Path | None, environ: Mapping[str, str]) -> _Sources:
    file, must_exist = settings_file(config_file, environ)
    from_file = read_file(file, must_exist=must_exist)
    return _Sources(_from_command_line(overrides), _from_environment(environ), from_file, file)


def _from_command_line(overrides: Mapping[str, object]) -> Layer:
    for path in overrides.keys() - FIELDS.keys():
        raise ConfigError(unknown(path, "command line"))
    return {
        path: Given(value, "command line", is_text=isinstance(value, str))
        for path, value in overrides.items()
        if value is not None
    }


def _from_environment(environ: Mapping[str, str]) -> Layer:
    """An empty variable counts as not set."""
    known = {*VARIABLES, CONFIG_VARIABLE, ORIGINS_VARIABLE, "PICTORY_API_KEY"}
    for name in sorted(environ):
        if name.startswith(VARIABLE_PREFIX) and name not in known:
            raise ConfigError(f"unknown environment variable {mask(name)}{did_you_mean(name, known)}")
    return {path: Given(environ[name], name, is_text=True) for name, path in VARIABLES.items() if environ.get(name)}


def _effective(layers: Iterable[Layer]) -> tuple[Settings, dict[str, str]]:
    """The settings, and where each comes from."""
    given = ChainMap[str, Given](*_with_one_key_source(layers))
    settings = _assemble({path: convert(path, each) for path, each in given.items()})
    sources = {path: given[path].source if path in given else DEFAULT for path in FIELDS}
    if settings.retry.min_wait_seconds > settings.retry.max_wait_seconds:
        raise ConfigError(
            f"retry.min_wait_seconds: {settings.retry.min_wait_seconds:g} (from {sources['retry.min_wait_seconds']})"
            f" must not be more than retry.max_wait_seconds, {settings.retry.max_wait_seconds:g}"
            f" (from {sources['retry.max_wait_seconds']})"
        )
    return settings, sources


def _with_one_key_source(layers: Iterable[Layer]) -> list[Layer]:
    """A key file or a key command, not both: a choice made further up hides the other kind further down."""
    chosen = None
    kept = []
    for layer in layers:
        named = key_source(layer)
        chosen = chosen or named
        kept.append(layer if named == chosen else {path: layer[path] for path in layer if path != named})
    return kept


def _assemble(values: Mapping[str, object]) -> Settings:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        group, _, name = path.rpartition(".")
        (tree.setdefault(group, {}) if group else tree)[name] = value
    return msgspec.convert(tree, Settings)
