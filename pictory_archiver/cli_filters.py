"""The options by which commands choose videos of the archive, and what they choose."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from msgspec import Struct, structs

from .cli_params import Date, When, period

if TYPE_CHECKING:
    from .filters import Choice, Filter
    from .looking import Gallery

Command = TypeVar("Command", bound=Callable[..., Any])

CHOICES = ("complete", "incomplete", "pending", "gone")
MOST = 1_000_000_000


class Wanted(Struct, frozen=True, kw_only=True):
    """Which videos the command line asks for, and in which order; the default is all of them, newest first."""

    since: When | None = None
    until: When | None = None
    models: tuple[str, ...] = ()
    aspect_ratios: tuple[str, ...] = ()
    statuses: tuple[Choice, ...] = ()
    search: str | None = None
    chains: bool = False
    chain: str | None = None
    limit: int | None = None
    reverse: bool = False

    def __post_init__(self) -> None:
        """Raises `click.UsageError` for what excludes each other."""
        if self.chain is not None and (self.chains or self.reverse):
            other = "--chains" if self.chains else "--reverse"
            raise click.UsageError(f"--chain and {other} exclude each other: a film has one order.")

    @property
    def given(self) -> list[str]:
        """The options that were given."""
        return [_OPTIONS[name][0] for name, value in structs.asdict(self).items() if value != getattr(_ALL, name)]

    def filter(self, zone: datetime.tzinfo) -> Filter:
        """The filter among them. Days are those of this time zone. Raises `ConfigError`."""
        from .filters import Filter, Query

        since, until = period(self.since, self.until, zone)
        return Filter(
            since=since,
            until=until,
            models=self.models,
            aspect_ratios=self.aspect_ratios,
            standings=self.statuses,
            query=Query.parse(self.search or ""),
        )

    def ids(self, gallery: Gallery, zone: datetime.tzinfo) -> list[str]:
        """The ids of these videos, in their order. Raises `ConfigError` where --chain names none, `StorageError`."""
        wanted = self.filter(zone)
        if self.chain is not None:
            from .named import find_video

            found = gallery.ids_of_film(find_video(gallery.catalogue, self.chain).sidecar.id, wanted)
        elif self.chains:
            found = gallery.ids_by_chain(wanted, oldest_first=self.reverse)
        else:
            return gallery.ids(wanted, oldest_first=self.reverse, limit=self.limit)
        return found[: self.limit]


_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "since": ("--since", {"type": Date(), "metavar": "DATE", "help": "Only videos made then or later."}),
    "until": (
        "--until",
        {"type": Date(), "metavar": "DATE", "help": "Only videos made until then; a bare date means the whole day."},
    ),
    "models": ("--model", {"multiple": True, "metavar": "M", "help": "Only this model (more than once: any of them)."}),
    "aspect_ratios": ("--aspect-ratio", {"multiple": True, "metavar": "R", "help": "Only this one, such as 16:9."}),
    "statuses": ("--status", {"multiple": True, "type": click.Choice(CHOICES), "help": "Only what is held like this."}),
    "search": (
        "--search",
        {"metavar": "WORDS", "help": 'Only with all these words in the prompt or the id; "some words" are one.'},
    ),
    "chains": ("--chains", {"is_flag": True, "help": "Only videos that continue one another, film by film."}),
    "chain": ("--chain", {"metavar": "ID", "help": "Only the film that this video is part of, in playing order."}),
    "limit": ("--limit", {"type": click.IntRange(0, MOST), "metavar": "N", "help": "At most N videos."}),
    "reverse": ("--reverse", {"is_flag": True, "help": "Oldest first."}),
}
_ALL = Wanted()


def filter_options(*, search: bool = True) -> Callable[[Command], Command]:
    """Adds the options that choose videos, as the one parameter `wanted`; --search only where it is wanted."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def gathered(*args: Any, **options: Any) -> Any:
            wanted = Wanted(**{name: options.pop(name) for name in _OPTIONS if name in options})
            return command(*args, wanted=wanted, **options)

        for name, (option, details) in reversed(_OPTIONS.items()):
            if search or name != "search":
                click.option(option, name, **details)(gathered)
        return gathered  # type: ignore[return-value]

    return decorate
