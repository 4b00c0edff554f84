"""The commands `accept` and `reindex`: they write in an archive, and need neither a key nor a network."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .cli_accounts import account_option, one_account
from .cli_config import config_option
from .cli_params import archive_argument, archive_first, json_text, message, warn
from .models import Kind
from .report import count
from .text import printable

if TYPE_CHECKING:
    from .reindex import Reindexed

SHOWN = 20


@click.command(short_help="Take a loss upstream as known, so that it no longer counts.")
@click.argument("words", nargs=-1, required=True, metavar="[ARCHIVE] ID…")
@click.option("--kind", "kinds", multiple=True, type=click.Choice([str(kind) for kind in Kind]), help="Only this file.")
@config_option
@account_option
def accept(words: tuple[str, ...], kinds: tuple[str, ...], config_file: Path | None, account: str | None) -> None:
    """Take the loss of a video's files as known.

    ID is the id of a video, the beginning of one, or the path of a file of it. The loss stays in the ledger and does
    not count any more: a sync that finds nothing else ends with 0. Without --kind all lost outputs are meant.

    Should the file turn up again under another address, it is fetched after all.
    """
    from .acceptance import accept_losses

    archive, names = archive_first(words)
    chosen = one_account(archive, account=account, config_file=config_file)
    now = datetime.datetime.now(datetime.UTC)
    catalogue = chosen.loaded.settings.catalogue
    for accepted in accept_losses(chosen.root, catalogue, names, map(Kind, kinds), now):
        click.echo(f"Accepted: {', '.join(accepted.files)} of {printable(accepted.video_id)}")


@click.command(short_help="Rebuild the catalogue from the archive's own files.")
@archive_argument
@config_option
@account_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Print problems only.")
@click.option("--no-progress", is_flag=True, help="No bars, also on a terminal.")
def reindex(
    archive: Path | None,
    config_file: Path | None,
    account: str | None,
    *,
    as_json: bool,
    quiet: bool,
    no_progress: bool,
) -> None:
    """Rebuild the catalogue from the archive's own files, without any request to the network.

    The catalogue is an index of the sidecars: nothing is lost with it. The next sync lists the whole account, and until
    then `status` cannot know whether the archive holds everything.

    A folder with the sidecars of an archive whose hidden folder was not copied with them, or whose marker is damaged,
    becomes an archive again. Nothing that is in it is downloaded again, wherever it was moved to.
    """
    from .progress import watching
    from .reindex import reindex_archive
    from .running import stopped_between_steps

    chosen = one_account(archive, account=account, config_file=config_file)
    root, settings = chosen.root, chosen.loaded.settings
    with (
        watching(quiet=quiet, verbosity=0, bars=not no_progress, write=message, check=True) as observer,
        stopped_between_steps(observer) as steps,
    ):
        done = reindex_archive(root, settings, datetime.datetime.now(datetime.UTC), observer=steps)
    warn(_problems(done))
    if as_json:
        click.echo(json_text(done))
    elif not quiet:
        click.echo(f"Rebuilt the catalogue: {count(done.videos, 'video')}, {done.complete:,} of them complete")


def _problems(done: Reindexed) -> Iterator[str]:
    """What a person should know of a rebuilt catalogue."""
    marker = done.marker
    if marker is not None:
        kept = f" (it is kept in {marker.quarantine})" if marker.quarantine else ""
        yield (
            f"the archive's marker was {marker.was}{kept}: it was made anew, for folders of the time zone "
            f"{marker.time_zone} (from {marker.time_zone_from})"
        )
    for damaged in done.damaged[:SHOWN]:
        yield f"{printable(damaged.path)} is passed over: {printable(damaged.problem)}"
    yield from _more(done.damaged_count, "are passed over")
    for extra in done.extra[:SHOWN]:
        yield f"{printable(extra.path)} does not count: {printable(extra.counts)} is of the same video"
    yield from _more(done.extra_count, "do not count")


def _more(number: int, what: str) -> Iterator[str]:
    if number > SHOWN:
        yield f"{number - SHOWN:,} more {what}; --json names them"
