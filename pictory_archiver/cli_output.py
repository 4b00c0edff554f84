"""Where the data of `export` go: stdout, a device or a pipe, or a file, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from .disk import replacing, storage_errors
from .errors import ConfigError


class Destination:
    """Takes data. `folder` is the one of the file that they become; None: they become none."""

    def __init__(self, stream: BinaryIO, folder: Path | None = None) -> None:
        self._stream = stream
        self._has_data = False
        self.folder = folder

    def write(self, data: bytes) -> None:
        """Takes more of them."""
        self._has_data = self._has_data or bool(data)
        self._stream.write(data)

    @property
    def has_begun(self) -> bool:
        """Whether somebody may have read of the data already, who cannot be told that they begin anew."""
        return self._has_data and self.folder is None


@contextlib.contextmanager
def destination(output: Path | None, root: Path, own: PurePosixPath) -> Iterator[Destination]:
    """Where the data go: stdout, a device or a pipe, or a file that gets its name at the end.

    `own` is the name that such data have in the archive. Raises `StorageError`, `ConfigError` for a file that has no
    place in the archive.
    """
    if output is None or _is_stdout(output):
        yield Destination(sys.stdout.buffer)
        return
    with storage_errors(output):
        path = None if output.exists() and not output.is_file() else _final(output, root, own)
    if path is None:
        with storage_errors(output), output.open("wb") as device:
            yield Destination(device)
    else:
        with replacing(path) as descriptor, open(descriptor, "wb", closefd=False) as file:
            yield Destination(file, path.parent)


def _is_stdout(output: Path) -> bool:
    """Whether FILE is standard output under another name (`/dev/stdout`), be it a terminal, a pipe or a file."""
    try:
        return os.path.samestat(output.stat(), os.fstat(sys.stdout.fileno()))
    except OSError:
        return False


def _final(output: Path, root: Path, own: PurePosixPath) -> Path:
    """The path that the file gets. A link leads to it from outside of the archive, and never within.

    Raises `ConfigError`, `OSError`.
    """
    named = Path(os.path.realpath(output.parent), output.name)
    real = Path(os.path.realpath(output))
    for path in (named, real):
        if any(folder.exists() and folder.samefile(root) for folder in path.parents):
            _refuse_in_archive(path, root, own)
            return path
    return real


def _refuse_in_archive(path: Path, root: Path, own: PurePosixPath) -> None:
    """Raises `ConfigError` for all but a new file, or a former one of the same kind, in the archive's own folder."""
    if not path.parent.samefile(root):
        raise ConfigError(
            f"{path} lies in a folder of the archive, which is for its files alone",
            hint=f"write to {root / own}, or outside of the archive",
        )
    if os.path.lexists(path) and path.name != own.name:
        raise ConfigError(
            f"{path} is there already, and a file of the archive is never replaced",
            hint=f"write to {root / own}, which may be replaced, or outside of the archive",
        )
