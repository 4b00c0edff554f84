"""What the commands share: types of options, the archive argument, how a message is printed."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from .errors import ConfigError
from .given import absolute
from .settings import ASSET_WORDS, PIB, Settings
from .text import harmless_json

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Command = TypeVar("Command", bound=Callable[..., Any])
When = datetime.date | datetime.datetime
Moment = datetime.datetime | None

MAX_DURATION_SECONDS = 30 * 86_400

_DURATION = re.compile(
    r"([0-9]{1,9}(?:\.[0-9]{1,6})?)|(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,9})s)?",
    re.ASCII | re.IGNORECASE,
)
"""A number of seconds, or days, hours, minutes and seconds in this order."""


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


class Duration(click.ParamType[float]):
    """A length of time in seconds: `90m`, `1h30m`, `26h`, `1d`, or a number of seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        match = _DURATION.fullmatch(text)
        if match is None or not text:
            self.fail(f"{text!r} is no length of time: write 2h, 90m, 1h30m, 45s or 1d", param, ctx)
        bare, *parts = match.groups()
        units = zip(parts, (86_400, 3_600, 60, 1), strict=True)
        seconds = float(bare) if bare else float(sum(int(part) * unit for part, unit in units if part))
        if not 0 < seconds <= MAX_DURATION_SECONDS:
            self.fail(f"{text!r} must be above 0 and at most 30d", param, ctx)
        return seconds


class Percent(click.ParamType[float]):
    """A share in percent, above 0 and at most 100: `5%`, `2.5`."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%?", str(value).strip(), re.ASCII)
        if match is None or not 0 < float(match[1]) <= 100:
            self.fail(f"{str(value)!r} is no share: write 5%, above 0% and at most 100%", param, ctx)
        return float(match[1])


class Size(click.ParamType[int]):
    """An amount of bytes above 0, as settings take it: `500000`, `64MB`, `10M`."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from .setting_rules import parse_size

        try:
            size = parse_size(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not 0 < size <= PIB:
            self.fail(f"{str(value)!r} must be above 0 and at most 1PiB", param, ctx)
        return size


def period(since: When | None, until: When | None, zone: datetime.tzinfo) -> tuple[Moment, Moment]:
    """The beginning (included) and the end (excluded) of a time that options bound, in UTC. A bare day is whole, in
    this time zone. Raises `ConfigError` where it ends before it begins."""
    start, end = _moment(since, zone, whole_day=False), _moment(until, zone, whole_day=True)
    if start and end and start >= end:
        raise ConfigError("--since is later than --until", hint="swap the two dates")
    return start, end


def _moment(when: When | None, zone: datetime.tzinfo, *, whole_day: bool) -> Moment:
    if when is None:
        return None
    try:
        if isinstance(when, datetime.datetime):
            return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(datetime.UTC)
        day = when + datetime.timedelta(days=1) if whole_day else when
        return datetime.datetime.combine(day, datetime.time(), zone).astimezone(datetime.UTC)
    except OverflowError:  # at either end of the calendar
        bound = datetime.datetime.max if when.year > 1 else datetime.datetime.min
        return bound.replace(tzinfo=datetime.UTC)


def archive_argument(command: Command) -> Command:
    """Adds `[ARCHIVE]`."""
    return click.argument("archive", required=False, type=click.Path(path_type=Path, readable=False))(command)


def archive_first(words: tuple[str, ...], what: str = "an ID") -> tuple[Path | None, tuple[str, ...]]:
    """The archive, where the first word is one, and the other words. Raises `click.UsageError` where none is left."""
    folder, names = archive_if_first(words)
    if not names:
        raise click.UsageError(f"{what} is missing behind the archive.")
    return folder, names


def archive_if_first(words: tuple[str, ...]) -> tuple[Path | None, tuple[str, ...]]:
    """The archive, where the first word is one, and the other words, if any."""
    from .archive import is_archive

    folder = Path(absolute(words[0], Path())) if words else None
    if folder is None or not (folder.is_dir() and is_archive(folder)):
        return None, words
    return folder, words[1:]


def archive_folder(named: Path | None, settings: Settings, accounts: Sequence[str] = ()) -> Path:
    """The archive that a command is about: named, of the settings, or the one that the current folder is in.

    Raises `ConfigError` where there is none, which says what else can be named: the accounts of the settings. Nor is
    one taken for ours that somebody else has made in a folder above, as anybody can in /tmp.
    """
    from .archive import MARKER, find
    from .disk import is_of_another_user

    folder = named or (Path(settings.archive) if settings.archive else None)
    if folder is None:
        folder = find(Path.cwd())
        if folder is not None and folder != Path.cwd() and is_of_another_user((folder / MARKER).lstat()):
            raise ConfigError(f"the archive {folder} is another user's", hint="name its folder, if it is meant")
    if folder is None and accounts:
        raise ConfigError(
            f"no archive is named, and the settings have {len(accounts)} accounts: {', '.join(accounts)}",
            hint="choose one with --account NAME, or take --all-accounts",
        )
    if folder is None:
        raise ConfigError(
            "no archive is named", hint="name its folder, or set `archive` in the settings (`pictory-archiver init`)"
        )
    return Path(absolute(str(folder), Path()))


def message(line: str) -> None:
    """Prints a line to stderr."""
    click.echo(line, err=True)


def warn(warnings: Iterable[str]) -> None:
    """Prints warnings to stderr."""
    for warning in warnings:
        message(f"Warning: {warning}")


def json_text(record: object, *, indent: int = 2) -> str:
    """A record as JSON; in one line with an indent below 0."""
    return harmless_json(msgspec.json.format(msgspec.json.encode(record), indent=indent).decode())


def json_line(record: object) -> str:
    """A record as one line of JSON."""
    return harmless_json(msgspec.json.encode(record).decode())
