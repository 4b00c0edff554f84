"""The commands `accept` and `reindex`: they write in an archive, and need neither a key nor a network."""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from .cli_accounts import account_option, one_account
from .cli_config import config_option
from .cli_params import archive_argument, archive_first, message
from .models import Kind


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
    from .text import printable

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
def reindex(archive: Path | None, config_file: Path | None, account: str | None) -> None:
    """Rebuild the catalogue from the archive's own files, without any request to the network.

    The catalogue is an index of the sidecars: nothing is lost with it. The next sync lists the whole account, and until
    then `status` cannot know whether the archive holds everything.
    """
    from .rebuild import reindex_archive
    from .text import printable

    chosen = one_account(archive, account=account, config_file=config_file)
    indexed = reindex_archive(chosen.root, chosen.loaded.settings.catalogue, datetime.datetime.now(datetime.UTC))
    for path in indexed.broken:
        message(f"Warning: {printable(str(path))} is damaged; the next sync writes it anew")
    click.echo(f"Rebuilt the catalogue: {indexed.videos:,} videos, {indexed.complete:,} of them complete")
