"""The commands `init`, `config check` and `config show`. They raise `ArchiverError`s; `cli` prints them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import click
import msgspec
from msgspec import Struct

from . import config as configuration
from .errors import ArchiverError, ConfigError, KeyRefused, ListingError
from .key import WHERE_TO_GET_ONE, Key, find_key, mask
from .setting_rules import FIELDS, format_size
from .settings import IS_SIZE, Settings

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_ARCHIVE = "~/Pictory Archive"
KEY_TRIES = 3
TRIES_WHILE_SOMEBODY_WAITS = 2


class SettingShown(Struct, frozen=True):
    """One setting: its dotted path, its value, and where that comes from."""

    path: str
    value: str | int | float | bool | tuple[str, ...] | None
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


class ConfigReport(Struct, frozen=True, kw_only=True):
    """What `config show --json` prints."""

    format: Literal["pictory-archiver/config"] = "pictory-archiver/config"
    version: Literal[1] = 1
    file: str | None
    settings: tuple[SettingShown, ...]
    key: KeyShown
    proxies: tuple[ProxyShown, ...]
    warnings: tuple[str, ...]


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


@config_group.command("check", short_help="Say whether the settings and the key can be used.")
@config_option
def config_check(config_file: Path | None) -> None:
    """Say whether the settings and the API key can be used, without asking the API.

    A key command is run to get the key.
    """
    loaded = configuration.load({}, config_file=config_file, environ=os.environ)
    key = find_key(loaded.settings.api, os.environ)
    _warn((*loaded.warnings, *(key.warnings if key else ())))
    what = mask(str(loaded.file)) if loaded.file else "There is no settings file; what the environment sets"
    click.echo(f"{what} is fine" + ("" if key else ", but there is no API key yet: run `pictory-archiver init`"))


@config_group.command("show")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def config_show(config_file: Path | None, *, as_json: bool) -> None:
    """Show every setting with its value and where it comes from. The key is masked.

    A key command is run to get the key.
    """
    report = _report(configuration.load({}, config_file=config_file, environ=os.environ), os.environ)
    _warn(report.warnings)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
    else:
        click.echo("\n".join(_lines(report)))


def _report(loaded: configuration.Loaded, environ: Mapping[str, str]) -> ConfigReport:
    warnings = loaded.warnings
    try:
        key = find_key(loaded.settings.api, environ)
    except ConfigError as error:
        key_shown = KeyShown(found=False, problem=str(error))
    else:
        key_shown = KeyShown(found=True, shown=key.masked, source=key.source) if key else KeyShown(found=False)
        warnings += key.warnings if key else ()
    return ConfigReport(
        file=mask(str(loaded.file)) if loaded.file else None,
        settings=tuple(
            SettingShown(path, _masked(value), loaded.sources[path]) for path, value in _values(loaded.settings)
        ),
        key=key_shown,
        proxies=_proxies(),
        warnings=warnings,
    )


def _values(settings: Settings) -> Iterable[tuple[str, Any]]:
    for path in FIELDS:
        value: Any = settings
        for name in path.split("."):
            value = getattr(value, name)
        yield path, value


def _masked(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(mask(text) for text in value)
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


def _lines(report: ConfigReport) -> Iterable[str]:
    yield f"# {report.file or 'no settings file'}"
    rows = [(setting.path, _text(setting), setting.source) for setting in report.settings]
    key = report.key
    rows.append(("api.key", key.shown or key.problem or "not set", key.source or ""))
    rows += [(f"proxy for {proxy.scheme}", proxy.value, "the environment") for proxy in report.proxies]
    width = max(len(path) for path, _, _ in rows)
    for path, value, source in rows:
        origin = source and (f" ({source})" if source == configuration.DEFAULT else f" (from {source})")
        yield f"{path:{width}}  {value}{origin}"


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
        case other:
            return str(other)


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
