"""What the commands share: types of options, the archive argument, how a message is printed."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from .errors import ArchiverError, ConfigError, Stopped
from .settings import ASSET_WORDS, Settings
from .text import printable

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])
When = datetime.date | datetime.datetime


class Assets(click.ParamType[tuple[str, ...]]):
    """Words of the setting `download.assets`, separated by commas."""

    name = "kinds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        words = tuple(word.strip() for word in str(value).split(",") if word.strip())
        unknown = [word for word in words if word not in ASSET_WORDS]
        if unknown or not words:
            self.fail(f"{unknown[0] if unknown else ''!r} is none of {', '.join(ASSET_WORDS)}", param, ctx)
        return words

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        from click.shell_completion import CompletionItem

        before, comma, last = incomplete.rpartition(",")
        left = [word for word in ASSET_WORDS if word.startswith(last) and word not in before.split(",")]
        return [CompletionItem(f"{before}{comma}{word}") for word in left]


class Date(click.ParamType[When]):
    """A day, or an ISO 8601 time."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> When:
        text = str(value)
        try:
            if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
                return datetime.date.fromisoformat(text)
            return datetime.datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is no date: write 2026-04-09, or 2026-04-09T18:00", param, ctx)


def archive_argument(command: Command) -> Command:
    """Adds `[ARCHIVE]`."""
    return click.argument("archive", required=False, type=click.Path(path_type=Path, readable=False))(command)


def archive_folder(named: Path | None, settings: Settings, accounts: Sequence[str] = ()) -> Path:
    """The archive that a command is about: named, of the settings, or the one that the current folder is in.

    Raises `ConfigError` where there is none, which says what else can be named: the accounts of the settings.
    """
    from .archive import find

    folder = named or (Path(settings.archive) if settings.archive else None) or find(Path.cwd())
    if folder is None and accounts:
        raise ConfigError(
            f"no archive is named, and the settings have {len(accounts)} accounts: {', '.join(accounts)}",
            hint="choose one with --account NAME, or take --all-accounts",
        )
    if folder is None:
        raise ConfigError(
            "no archive is named", hint="name its folder, or set `archive` in the settings (`pictory-archiver init`)"
        )
    return folder.expanduser()


def message(line: str) -> None:
    """Prints a line to stderr."""
    click.echo(line, err=True)


def error_line(error: ArchiverError) -> str:
    """What went wrong and what to do next, in one line."""
    if isinstance(error, Stopped):
        return f"{str(error).capitalize()}."
    return f"Error: {what_went_wrong(error)}"


def what_went_wrong(error: ArchiverError) -> str:
    """An error and its hint, as one harmless line."""
    return printable(str(error), 500) + (f"; {error.hint}" if error.hint else "")


def warn(warnings: Iterable[str]) -> None:
    """Prints warnings to stderr."""
    for warning in warnings:
        message(f"Warning: {warning}")


def json_text(record: object, *, indent: int = 2) -> str:
    """A record as JSON; in one line with an indent below 0."""
    return msgspec.json.format(msgspec.json.encode(record), indent=indent).decode()
