"""The command `export`: what the archive holds, for other programs. Heavy modules are imported when it runs."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .cli_accounts import account_option, one_account
from .cli_config import config_option
from .cli_params import archive_argument, message, warn
from .errors import ConfigError

if TYPE_CHECKING:
    from .manifest import Manifest

    Write = Callable[[bytes], object]

MAX_WARNINGS = 100


@click.command(short_help="Write a list of what the archive holds, for other programs.")
@archive_argument
@click.option("--to", "form", type=click.Choice(["sha256sums"]), required=True, help="The format.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, readable=False, dir_okay=False),
    metavar="FILE",
    help="Write it to FILE, whole or not at all. Default: standard output.",
)
@config_option
@account_option
@click.pass_context
def export(
    context: click.Context,
    archive: Path | None,
    form: str,  # noqa: ARG001 - there is one so far
    output: Path | None,
    config_file: Path | None,
    account: str | None,
) -> None:
    """Write a list of what the archive holds, for other programs.

    sha256sums: a line for every media file and every sidecar, with the digest that it should have. In the folder of
    the archive, `sha256sum -c FILE` (on a Mac: `shasum -a 256 -c FILE`) checks them all without this program. Within
    the archive FILE can be SHA256SUMS, in its own folder.

    It needs no key and no network, and works on read-only media and beside a running sync. The exit status is 7 where
    the sidecars or the sizes of the files show damage: it is named, and what is known is written all the same.
    """
    from .manifest import Manifest
    from .report import count
    from .running import run_until_signal
    from .verification import LEAVES_DAMAGE, finding_line

    chosen = one_account(archive, account=account, config_file=config_file)
    warn(chosen.loaded.warnings)
    manifest = Manifest(chosen.root, chosen.loaded.settings)
    run_until_signal(_export(manifest, output))
    found = manifest.found
    warn(finding_line(finding) for finding in found.damage[:MAX_WARNINGS])
    if found.damage_count > MAX_WARNINGS:
        warn([f"… and {found.damage_count - MAX_WARNINGS:,} more: `verify` names them all"])
    if output is not None:
        message(f"{output}: {count(manifest.files, 'file')}")
    context.exit(LEAVES_DAMAGE if found.damage_count else 0)


async def _export(manifest: Manifest, output: Path | None) -> None:
    from .streams import has_reader

    with _destination(output, manifest.root) as write:
        async with contextlib.aclosing(manifest.lines()) as lines:
            async for data in lines:
                write(data)
                if not has_reader():
                    break


@contextlib.contextmanager
def _destination(output: Path | None, root: Path) -> Iterator[Write]:
    """Where the data go: stdout, a device or a pipe, or a file that gets its name at the end.

    Raises `StorageError`, `ConfigError` for a file that has no place in the archive.
    """
    from .disk import replacing, storage_errors

    if output is None or _is_stdout(output):
        yield sys.stdout.buffer.write
        return
    with storage_errors(output):
        path = None if output.exists() and not output.is_file() else _final(output, root)
    if path is None:
        with storage_errors(output), output.open("wb") as device:
            yield device.write
    else:
        with replacing(path) as descriptor, open(descriptor, "wb", closefd=False) as file:
            yield file.write


def _is_stdout(output: Path) -> bool:
    """Whether FILE is standard output under another name (`/dev/stdout`), be it a terminal, a pipe or a file."""
    try:
        return os.path.samestat(output.stat(), os.fstat(sys.stdout.fileno()))
    except OSError:
        return False


def _final(output: Path, root: Path) -> Path:
    """The path that the file gets. A link leads to it from outside of the archive, and never within.

    Raises `ConfigError`, `OSError`.
    """
    named = Path(os.path.realpath(output.parent), output.name)
    real = Path(os.path.realpath(output))
    for path in (named, real):
        if any(folder.exists() and folder.samefile(root) for folder in path.parents):
            _refuse_in_archive(path, root)
            return path
    return real


def _refuse_in_archive(path: Path, root: Path) -> None:
    """Raises `ConfigError` for all but a new file, or a former manifest, in the archive's own folder."""
    from .archive import MANIFEST

    manifest = root / MANIFEST
    if not path.parent.samefile(root):
        raise ConfigError(
            f"{path} lies in a folder of the archive, which is for its files alone",
            hint=f"write to {manifest}, or outside of the archive",
        )
    if os.path.lexists(path) and path.name != manifest.name:
        raise ConfigError(
            f"{path} is there already, and a file of the archive is never replaced",
            hint=f"write to {manifest}, which may be replaced, or outside of the archive",
        )
