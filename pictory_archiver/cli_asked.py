"""What the command line asks of `sync`, and what one run is made with."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct, structs

from . import config
from .cli_accounts import Chosen, chosen_accounts
from .cli_config import init
from .cli_params import When, period
from .errors import ConfigError
from .key import Key
from .settings import Settings
from .way import Way

if TYPE_CHECKING:
    from .console import Console
    from .selection import Selection


class Asked(Struct, frozen=True, kw_only=True):
    """What the command line asks for, before settings and archive are known."""

    archive: Path | None
    config_file: Path | None
    account: str | None
    all_accounts: bool
    overrides: dict[str, object]
    since: When | None
    until: When | None
    limit: int | None
    model: str | None
    way: Way

    def choose(self) -> list[Chosen]:
        """What to run over. Raises `ConfigError`."""
        return chosen_accounts(
            self.archive,
            account=self.account,
            all_accounts=self.all_accounts,
            config_file=self.config_file,
            overrides=self.overrides,
        )


class Prepared(Struct, frozen=True):
    """What one run is made with."""

    root: Path
    settings: Settings
    key: Key
    selection: Selection
    way: Way


def prepare(
    context: click.Context,
    asked: Asked,
    chosen: Chosen,
    console: Console,
    begin: Callable[[], None],
    deadline: float | None,
) -> Prepared:
    """The key, the archive and the selection; on a terminal the key is set up where there is none."""
    begin()
    loaded = chosen.loaded
    key = config.key_of(loaded, os.environ)
    question = "There is no API key yet. Set it up now?"
    if key is None and not loaded.accounts and sys.stdin.isatty() and click.confirm(question, err=True):
        archive = str(asked.archive) if asked.archive else None
        context.invoke(init, config_file=asked.config_file, archive=archive)
        (chosen,) = asked.choose()
        loaded = chosen.loaded
        key = config.key_of(loaded, os.environ)
    if key is None:
        raise ConfigError(
            "there is no API key", hint="run `pictory-archiver init`, or put the key into the variable PICTORY_API_KEY"
        )
    root, settings = chosen.root, loaded.settings
    selection = _selection(root, settings, since=asked.since, until=asked.until, limit=asked.limit, model=asked.model)
    for warning in key.warnings:
        console.warn(warning)
    seconds = None if deadline is None else max(deadline - time.monotonic(), 0.0)
    return Prepared(root, settings, key, selection, structs.replace(asked.way, seconds=seconds))


def _selection(
    root: Path, settings: Settings, *, since: When | None, until: When | None, limit: int | None, model: str | None
) -> Selection:
    """The options as a selection. Days are those of the archive's folders."""
    from .archive import Archive, is_archive
    from .layout import zone_of
    from .selection import Selection

    zone = zone_of(Archive.open(root).marker.time_zone if is_archive(root) else settings.layout.time_zone)
    start, end = period(since, until, zone)
    return Selection(limit=limit, since=start, until=end, model=model)
