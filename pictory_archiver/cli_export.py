"""The command `export`: what the archive holds, for other programs. Heavy modules are imported when it runs."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .cli_accounts import Chosen, account_option, one_account
from .cli_config import config_option
from .cli_filters import Wanted, filter_options
from .cli_params import archive_argument, message, warn
from .tree import EXPORTS, MANIFEST

if TYPE_CHECKING:
    from .looking import Gallery
    from .manifest import Manifest

MAX_WARNINGS = 100
SUMS = "sha256sums"


@click.command(short_help="Write what the archive holds for other programs.")
@archive_argument
@click.option("--to", "form", type=click.Choice([*EXPORTS]), required=True, help="The format.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, readable=False, dir_okay=False),
    metavar="FILE",
    help="Write it to FILE, whole or not at all. Default: standard output.",
)
@filter_options()
@config_option
@account_option
@click.pass_context
def export(
    context: click.Context,
    archive: Path | None,
    form: str,
    output: Path | None,
    wanted: Wanted,
    config_file: Path | None,
    account: str | None,
) -> None:
    """Write what the archive holds for other programs.

    \b
    csv         a table for spreadsheets
    jsonl       all that is known of each video, a JSON object per line
    m3u         a playlist: of everything, of what filters choose, or of films
    requests    the body of the API request that would generate each video
                again, one per line
    sha256sums  what `sha256sum -c` checks

    sha256sums is about everything: a line for every media file and every sidecar, with the digest that it should have.
    In the folder of the archive, `sha256sum -c FILE` (on a Mac: `shasum -a 256 -c FILE`) checks them all without this
    program. The exit status is 7 where the sidecars or the sizes of the files show damage: it is named, and what is
    known is written all the same. To the other formats the options of `list` choose videos.

    Within the archive, FILE can be SHA256SUMS, videos.csv, videos.jsonl, videos.m3u8 or requests.jsonl, in its own
    folder. It needs no key and no network, and works on read-only media and beside a running sync.
    """
    if form == SUMS and wanted.given:
        raise click.UsageError(f"--to {SUMS} is about everything: {wanted.given[0]} does not go with it.")
    chosen = one_account(archive, account=account, config_file=config_file)
    warn(chosen.loaded.warnings)
    if form == SUMS:
        context.exit(_export_sums(chosen, output))
    _export_videos(chosen, form, wanted, output)


def _export_videos(chosen: Chosen, form: str, wanted: Wanted, output: Path | None) -> None:
    from . import exports
    from .archive import Archive
    from .cli_output import Destination, destination
    from .events import VideosChecked, silent
    from .layout import zone_of
    from .looking import look
    from .report import count
    from .running import stopped_between_steps
    from .streams import has_reader

    archive = Archive.open(chosen.root)
    zone = zone_of(archive.marker.time_zone)
    to: Destination | None = None

    def work(gallery: Gallery) -> exports.Written:
        nonlocal to
        written = exports.Written()
        # This reads all continuations: a signal ends that at once.
        entries = gallery.entries(wanted.ids(gallery, zone))
        with stopped_between_steps(silent) as step, destination(output, archive.root, EXPORTS[form]) as to:
            formats = {
                "csv": lambda: exports.csv(zone),
                "jsonl": exports.jsonl,
                "m3u": lambda: exports.m3u(archive.root, to.folder),
                "requests": exports.requests,
            }
            for data in written.data(formats[form](), entries):
                to.write(data)
                step(VideosChecked(1))
                if not has_reader():
                    break
        return written

    settings = chosen.loaded.settings.catalogue
    written = look(archive, settings, work, has_begun=lambda: to is not None and to.has_begun)
    if output is not None:
        message(f"{output}: {count(written.videos, 'video')}")
    for words in written.words():
        message(words)


def _export_sums(chosen: Chosen, output: Path | None) -> int:
    """→ the exit status"""
    from .manifest import Manifest
    from .report import count
    from .running import run_until_signal
    from .verification import LEAVES_DAMAGE, finding_line

    manifest = Manifest(chosen.root, chosen.loaded.settings)
    run_until_signal(_write_sums(manifest, output))
    found = manifest.found
    warn(finding_line(finding) for finding in found.damage[:MAX_WARNINGS])
    if found.damage_count > MAX_WARNINGS:
        warn([f"… and {found.damage_count - MAX_WARNINGS:,} more: `verify` names them all"])
    if output is not None:
        message(f"{output}: {count(manifest.files, 'file')}")
    return LEAVES_DAMAGE if found.damage_count else 0


async def _write_sums(manifest: Manifest, output: Path | None) -> None:
    from .cli_output import destination
    from .streams import has_reader

    with destination(output, manifest.root, MANIFEST) as to:
        async with contextlib.aclosing(manifest.lines()) as lines:
            async for data in lines:
                to.write(data)
                if not has_reader():
                    break
