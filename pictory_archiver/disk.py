"""Blocking steps on the local disk, each safe by itself. `store` composes them and runs them in threads.

Rules: no link is followed below the archive's root; a file gets its final name by a rename after its bytes are on
the disk, and the folder is synchronised after the rename; every `OSError` leaves as a `StorageError` that names
the path and what to do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath

from .errors import StorageError

FOLDER_SYNC_REFUSED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})
RENAME_PATIENCE_SECONDS = 10.0
MOST_LINKS = 40
KEPT_PARENTS = 256
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)

_WORDS = {
    errno.ENOSPC: ("the disk is full", "free some space and run it again: it goes on from here"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and run it again: it goes on from here"),
    errno.EROFS: ("the file system is read-only", "make it writable, or choose another folder"),
    errno.EACCES: ("permission denied", "make the folder writable for this user"),
    errno.EPERM: ("permission denied", "make the folder writable for this user"),
    errno.ENOENT: ("it is not there", "is the disk mounted?"),
    errno.ELOOP: ("it is a link, and links are not followed", "put the real thing there"),
    errno.EMFILE: ("too many open files", "raise the limit of open files, or set fewer workers"),
}


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns an `OSError` into a `StorageError` about this path."""
    try:
        yield
    except OSError as error:
        words, hint = _WORDS.get(error.errno or 0, (error.strerror or type(error).__name__, "check the disk"))
        raise StorageError(f"{path}: {words}", hint=hint) from error


def is_link(status: os.stat_result) -> bool:
    """True for a symbolic link and for a Windows junction."""
    return stat.S_ISLNK(status.st_mode) or bool(getattr(status, "st_reparse_tag", 0))


def is_of_another_user(status: os.stat_result) -> bool:
    """True for what belongs neither to this user nor to root. Windows tells of no owner here."""
    return sys.platform != "win32" and status.st_uid not in (os.geteuid(), 0)


def target_of(path: Path) -> Path:
    """Where a path leads that the user named, through links that are the user's own.

    A link that somebody else made in a shared folder may lead to any file of ours. Raises `StorageError`.
    """
    with storage_errors(path):
        for _ in range(MOST_LINKS):
            if not path.is_symlink():
                return path.absolute()
            if is_of_another_user(path.lstat()):
                raise StorageError(f"{path} is a link of another user", hint="choose another name or folder")
            path = path.parent / path.readlink()
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def find(root: Path, relative: PurePosixPath) -> Path:
    """The path below the root. Raises `StorageError` where a folder on the way is a link."""
    path = root
    for part in relative.parts[:-1]:
        path /= part
        with storage_errors(path):
            try:
                status = path.lstat()
            except FileNotFoundError:
                break
        if is_link(status):
            raise StorageError(f"{path} is a link, and links are not followed", hint="put a real folder there")
    return root / relative


def refuse_link(path: Path) -> None:
    """Raises `StorageError` where a file is a link, for what opens files by name."""
    with storage_errors(path):
        if is_link(path.lstat()):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def make_root(root: Path) -> None:
    """Makes a folder and those above it that are missing, durably. Raises `StorageError`."""
    with storage_errors(root):
        missing = [path for path in (root, *root.absolute().parents) if not path.exists()]
        root.mkdir(parents=True, exist_ok=True)
        for path in missing:
            with contextlib.suppress(PermissionError):  # a folder that may be entered and written, and not read
                sync_folder(path.parent)


def make_folder(root: Path, relative: PurePosixPath) -> Path:
    """The folder below the root, made where it is missing. Raises `StorageError`, also where a part is a link."""
    path = root
    for part in relative.parts:
        path = _make_below(path, part)
    return path


def _make_below(parent: Path, name: str) -> Path:
    path = parent / name
    with storage_errors(path):
        try:
            status = path.lstat()
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                path.mkdir()
                sync_folder(parent)
            status = path.lstat()
    if is_link(status) or not stat.S_ISDIR(status.st_mode):
        raise StorageError(f"{path} is not a folder (links are not followed)", hint="put a real folder there")
    return path


class Folders:
    """Makes folders below a root for a run. A folder is looked at for each file, those above it once for many."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._parents: dict[str, Path] = {}

    def make(self, folder: str) -> Path:
        """The folder of this POSIX path, made where it is missing. Raises `StorageError`, also where one is a link."""
        if not folder:
            return self._root
        above, _, name = folder.rpartition("/")
        parent = self._parents.get(above)
        if parent is None:
            parent = make_folder(self._root, PurePosixPath(above))
            if len(self._parents) >= KEPT_PARENTS:
                self._parents.clear()
            self._parents[above] = parent
        return _make_below(parent, name)


def open_new(path: Path) -> int:
    """A descriptor of a new, empty file; whatever had this name before is unlinked, a link never followed."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW
    with storage_errors(path):
        try:
            return os.open(path, flags, 0o666)
        except FileExistsError:
            path.unlink()
            return os.open(path, flags, 0o666)


def open_existing(path: Path) -> int | None:
    """A descriptor of a regular file that has no other name, to go on writing; None where there is none."""
    try:
        descriptor = os.open(path, os.O_RDWR | NO_FOLLOW)
    except OSError:
        return None
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    return None


def opener(name: str, flags: int) -> int:
    """For `open(…, opener=)`, to read a regular file. No link is followed, and nobody's pipe or device is waited for.

    Raises `OSError`, also where it is no regular file.
    """
    try:
        descriptor = os.open(name, flags | NO_FOLLOW | _AT_ONCE)
    except BlockingIOError:  # a file server has lent it to a client, and takes it back now: that is waited for
        descriptor = os.open(name, flags | NO_FOLLOW)
    try:
        refuse_no_file(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def refuse_no_file(descriptor: int) -> None:
    """Raises `OSError` for a folder, a pipe or a device."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "it is no ordinary file")


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Writes every byte; a short write goes on where it ended. Raises `OSError`."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(path: Path) -> None:
    """Makes the folder's entries durable; file systems that cannot are accepted. Raises `OSError` otherwise."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in FOLDER_SYNC_REFUSED:
            raise
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Makes the bytes of a file durable. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDWR | NO_FOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_time(path: Path, moment: datetime | None) -> None:
    """Sets access and modification time, as far as the file system takes it."""
    if moment is not None:
        with contextlib.suppress(OSError, OverflowError, ValueError):
            os.utime(path, (moment.timestamp(), moment.timestamp()))


def put_in_place(partial: Path, final: Path) -> None:
    """Renames a finished, synchronised file to its final name, and makes that durable. Raises `OSError`."""
    rename(partial, final)
    sync_folder(final.parent)


def rename(partial: Path, final: Path) -> None:
    """Renames a finished, synchronised file to its final name. Raises `OSError`.

    Windows refuses while a virus scanner has the file open: tried again for ten seconds.
    """
    deadline = time.monotonic() + RENAME_PATIENCE_SECONDS
    while True:
        try:
            partial.replace(final)
            return
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def write_file(path: Path, data: bytes, *, partial: Path | None = None) -> None:
    """Writes a small file whole: under `partial` (`<name>.partial`) first, then renamed. Raises `StorageError`."""
    with replacing(path, partial=partial) as descriptor:
        write_all(descriptor, data)


@contextlib.contextmanager
def replacing(path: Path, *, partial: Path | None = None) -> Iterator[int]:
    """A descriptor to write a file with, which gets its name once the block has ended well, and else is gone.

    Any `OSError` in the block counts as one of this file. Raises `StorageError`.
    """
    partial = partial or path.with_name(path.name + ".partial")
    descriptor = open_new(partial)
    with storage_errors(path):
        try:
            try:
                yield descriptor
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            put_in_place(partial, path)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise


def append_line(path: Path, line: bytes) -> None:
    """Adds a line to a file that only grows, durably. A line that an earlier crash cut off is ended first."""
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | NO_FOLLOW, 0o666)
        try:
            refuse_no_file(descriptor)
            size = os.fstat(descriptor).st_size
            os.lseek(descriptor, max(size - 1, 0), os.SEEK_SET)
            whole = os.read(descriptor, 1) in (b"", b"\n")
            write_all(descriptor, line if whole else b"\n" + line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def size_of(path: Path | str) -> int | None:
    """The size of a regular file in bytes; None where there is none, or where it is a link."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def free_space(path: Path) -> int:
    """The free bytes where a folder is, or will be. Raises `StorageError`."""
    with storage_errors(path):
        there = next(each for each in (path, *path.absolute().parents) if each.exists())
        return shutil.disk_usage(there).free


def told_free_space(folder: Path) -> int | None:
    """The free bytes where a folder is; None where the file system does not tell."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return usage.free if usage.total else None
