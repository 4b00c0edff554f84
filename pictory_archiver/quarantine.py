"""Where the former bytes of a file are kept that is replaced: no command deletes what is in an archive. Blocks."""

from __future__ import annotations

import contextlib
import hashlib
import os
from datetime import datetime
from pathlib import Path, PurePosixPath

from . import disk
from .archive import HIDDEN
from .settings import MIB

QUARANTINE = HIDDEN / "quarantine"


class Quarantine:
    """The quarantine of the run that began at this time, UTC. `folder` is relative to the archive's root, and made with
    the first of its `files`."""

    def __init__(self, root: Path, run_began: datetime) -> None:
        self._root = root
        self.folder = QUARANTINE / f"{run_began:%Y%m%dT%H%M%SZ}"
        self.files = 0

    def keep(self, path: Path, *, instead: tuple[int, str] | None = None) -> None:
        """Keeps the file that has this name, if there is one; not where it is what comes `instead` (size, SHA-256).

        Until it is replaced the file has its name, too; where the file system has no second names, it is moved. So is a
        folder that somebody made there, with all that is in it. Raises `StorageError`.
        """
        if not os.path.lexists(path):
            return
        size = disk.size_of(path)
        is_folder = size is None and path.is_dir() and not path.is_symlink()
        is_the_same = size is not None and instead is not None and instead[0] == size and instead[1] == _digest(path)
        if is_the_same or (size is None and not is_folder):
            return
        relative = PurePosixPath(path.relative_to(self._root).as_posix())
        folder = disk.make_folder(self._root, self.folder / relative.parent)
        with disk.storage_errors(path):
            target = _free_name(folder, path.name)
            try:
                if is_folder:
                    raise IsADirectoryError
                os.link(path, target, follow_symlinks=False)
            except OSError:
                path.rename(target)
            disk.sync_folder(folder)
        self.files += 1

    def put(self, path: Path, *, instead: tuple[int, str] | None = None) -> None:
        """Moves a file there, if there is one; one that is what is there `instead` (size, SHA-256) is only removed.

        Raises `StorageError`.
        """
        self.keep(path, instead=instead)
        with disk.storage_errors(path):
            path.unlink(missing_ok=True)
            disk.sync_folder(path.parent)


def _free_name(folder: Path, name: str) -> Path:
    """A name that no file in quarantine has: the same, or with a number behind it."""
    target, number = folder / name, 1
    while os.path.lexists(target):
        number += 1
        target = folder / f"{name}.{number}"
    return target


def _digest(path: Path) -> str | None:
    """The digest of a file; None where it cannot be read."""
    with contextlib.suppress(OSError), open(path, "rb", opener=disk.opener) as file:
        digest = hashlib.sha256()
        while block := file.read(MIB):
            digest.update(block)
        return digest.hexdigest()
    return None
