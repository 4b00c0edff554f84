"""The commands `list`, `search`, `show` and `stats`: the videos of an archive. Heavy modules are imported as they run.

They take no lock, and need neither the key nor the network.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from msgspec import structs

from .cli_accounts import Chosen, account_option, one_account
from .cli_config import config_option
from .cli_filters import Wanted, filter_options
from .cli_params import archive_argument, archive_first, json_line, json_text, message, warn

if TYPE_CHECKING:
    from datetime import tzinfo

    from .entry import Entry
    from .looking import Gallery

ROOM_FOR_IDS = 110
"""Columns of a terminal, from which on there is one for ids."""

T = TypeVar("T")


@click.command("list", short_help="List the videos of the archive, or those that filters choose.")
@archive_argument
@filter_options()
@config_option
@account_option
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each video.")
def list_videos(
    archive: Path | None, wanted: Wanted, config_file: Path | None, account: str | None, *, as_json: bool
) -> None:
    """List the videos of the archive, the newest first.

    In a terminal each has a line: when it was made, how long and how large it is, model, aspect ratio, what is held
    (✓ complete, ! incomplete, … in the making, † gone upstream), and as much of the prompt as fits. Into a pipe or a
    file go whole lines, with tabs between the cells.

    It needs no key and no network, changes nothing, and works beside a running sync.
    """
    _print_videos(one_account(archive, account=account, config_file=config_file), wanted, as_json=as_json)


@click.command("search", short_help="Find videos by words of their prompts.")
@click.argument("words", nargs=-1, required=True, metavar="[ARCHIVE] QUERY…")
@filter_options(search=False)
@config_option
@account_option
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each video.")
def search(
    words: tuple[str, ...], wanted: Wanted, config_file: Path | None, account: str | None, *, as_json: bool
) -> None:
    """Find videos by words of their prompts, the newest first.

    All words have to occur in the prompt, or in the id, wherever in it; capitals and accents do not matter. Words in
    "double quotes" have to follow one another: search fox '"night market"'. The lines are those of `list`.
    """
    from .filters import Query

    archive, query = archive_first(words, "a word to look for")
    text = " ".join(query)
    if not Query.parse(text).words:
        raise click.UsageError("there is no word to look for.")
    chosen = one_account(archive, account=account, config_file=config_file)
    _print_videos(chosen, structs.replace(wanted, search=text), as_json=as_json)


@click.command("show", short_help="Show all that is known of one video.")
@click.argument("words", nargs=-1, required=True, metavar="[ARCHIVE] ID")
@config_option
@account_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(words: tuple[str, ...], config_file: Path | None, account: str | None, *, as_json: bool) -> None:
    """Show all that is known of one video: prompt, model, size, length, date, what is held and why not the rest, its
    files with their digests, what it was made from, the film that it is part of, and the request that would generate
    it again.

    ID is the id of a video, the beginning of one, or the path of a file of it.
    """
    from .archive import Archive
    from .entry_words import portrait, shown_parts
    from .layout import zone_of
    from .looking import look
    from .named import find_video

    archive, names = archive_first(words)
    if len(names) > 1:
        raise click.UsageError("one video at a time: `list --json` tells of several.")
    chosen = one_account(archive, account=account, config_file=config_file)
    warn(chosen.loaded.warnings)
    opened, settings = Archive.open(chosen.root), chosen.loaded.settings

    def work(gallery: Gallery) -> tuple[Entry, dict[str, Entry]]:
        video_id = find_video(gallery.catalogue, names[0]).sidecar.id
        (entry,) = gallery.entries([video_id])
        return entry, {} if as_json else {part.id: part for part in gallery.entries(shown_parts(entry)[1])}

    entry, parts = look(opened, settings.catalogue, work)
    if as_json:
        click.echo(json_text(entry))
    else:
        zone = zone_of(opened.marker.time_zone)
        click.echo("\n".join(portrait(entry, parts, settings.stats.credits_per_second, zone)))


@click.command("stats", short_help="Count videos, seconds, bytes and AI credits, by month and model.")
@archive_argument
@filter_options()
@config_option
@account_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stats(
    archive: Path | None, wanted: Wanted, config_file: Path | None, account: str | None, *, as_json: bool
) -> None:
    """Count the videos of the archive, or those that filters choose: how many, how long, how many bytes of their own
    files, and the AI credits that they took, by month and model.

    Credits are an estimate: the seconds of a video, times what Pictory documents for its model. The setting
    stats.credits_per_second adds models, or other rates.
    """
    from .archive import Archive
    from .layout import zone_of
    from .looking import look
    from .stats import Stats, Tally, stats_lines

    chosen = one_account(archive, account=account, config_file=config_file)
    warn(chosen.loaded.warnings)
    opened = Archive.open(chosen.root)
    zone = zone_of(opened.marker.time_zone)

    def work(gallery: Gallery) -> Stats:
        ids = {*wanted.ids(gallery, zone)}
        overview = gallery.catalogue.overview
        tally = Tally(zone)
        tally.add_videos(each for each in overview.glances() if each.id in ids)
        tally.add_files(overview.stored_files())
        rates = chosen.loaded.settings.stats.credits_per_second
        return tally.stats(str(opened.root), rates, oldest_first=wanted.reverse)

    found = look(opened, chosen.loaded.settings.catalogue, work)
    click.echo(json_text(found) if as_json else "\n".join(stats_lines(found)))


def _print_videos(chosen: Chosen, wanted: Wanted, *, as_json: bool) -> None:
    from .archive import Archive
    from .layout import zone_of
    from .looking import look
    from .streams import Lines

    warn(chosen.loaded.warnings)
    archive = Archive.open(chosen.root)
    zone = zone_of(archive.marker.time_zone)
    out = Lines()

    def work(gallery: Gallery) -> int:
        ids = wanted.ids(gallery, zone)
        entries = gallery.entries(ids, chained=as_json)
        out.print(map(json_line, entries) if as_json else _rows(gallery, entries, zone) if ids else ())
        return len(ids)

    if not look(archive, chosen.loaded.settings.catalogue, work, has_begun=lambda: out.count > 0):
        message("No video fits." if wanted.given else "The archive holds no videos yet.")


def _rows(gallery: Gallery, entries: Iterator[Entry], zone: tzinfo) -> Iterator[str]:
    """The lines of a list: a table in a terminal, with ids where it is wide enough."""
    from .entry_words import COLUMNS, ID, full_row, row
    from .named import short_ids
    from .table import lines

    if not sys.stdout.isatty():
        return ("\t".join(full_row(entry, zone)) for entry in entries)
    room = shutil.get_terminal_size().columns
    if room < ROOM_FOR_IDS:
        rows = (row(entry, zone, "") for entry in entries)
        return lines(_without(COLUMNS, ID), (_without(cells, ID) for cells in rows), room)
    short = short_ids(gallery.catalogue.overview.ids())
    return lines(COLUMNS, (row(entry, zone, short.get(entry.id, entry.id)) for entry in entries), room)


def _without(cells: Sequence[T], position: int) -> list[T]:
    return [*cells[:position], *cells[position + 1 :]]
