"""One writing run at a time: a lock of the operating system, and who holds it.

The lock is on an open file, so it ends with its process, however that ends. The file tells of the holder, and is
believed only while the lock is held. Where a mount has no locks, a file in the user's state folder stands in.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from . import disk
from .errors import ArchiveBusy, StorageError
from .sidecar import timestamp
from .text import printable

NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
FACTS_AT = 1
"""Windows lets nobody else read the byte that is locked, the first one."""
MAX_FACTS = 4096


class Holder(Struct, frozen=True, kw_only=True):
    """The run that holds an archive: its process, where and since when it runs, and as which command."""

    process: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    host: str
    since: Annotated[str, Meta(pattern=r"^[0-9]{4}(-[0-9]{2}){2}T([0-9]{2}:){2}[0-9]{2}Z\Z")]
    command: str


@contextlib.contextmanager
def exclusively(file: Path, root: Path, *, command: str, now: datetime) -> Iterator[Path | None]:
    """Holds an archive against other runs, by its lock file.

    Gives the file that stands in where the mount has no locks, but only the first time: None from then on. Raises
    `ArchiveBusy`, which names the holder, and `StorageError`.
    """
    new_stand_in = None
    descriptor = _take(file, root)
    if descriptor is None:
        stand_in = _stand_in(root)
        is_new = not os.path.lexists(stand_in)
        descriptor = _take(stand_in, root)
        if descriptor is None:
            raise StorageError(
                f"neither {file} nor {stand_in} can be locked",
                hint="let XDG_STATE_HOME name a folder on a disk that has locks",
            )
        new_stand_in = stand_in if is_new else None
    try:
        _write(descriptor, command, now)
        yield new_stand_in
    finally:
        _release(descriptor)


def has_locks(file: Path) -> bool:
    """False where the file system of a file that is there has no locks of the kind that SQLite uses."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        descriptor = os.open(file, os.O_RDONLY | disk.NO_FOLLOW)
    except OSError:
        return True
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in NO_LOCKS
    finally:
        os.close(descriptor)
    return True


def _take(file: Path, root: Path) -> int | None:
    """A descriptor that holds the lock of this file; None where its mount has none."""
    from filelock import lock_descriptor

    if os.path.lexists(file):
        disk.refuse_link(file)
    with disk.storage_errors(file), contextlib.ExitStack() as stack:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | disk.NO_FOLLOW, 0o666)
        stack.callback(os.close, descriptor)
        try:
            is_ours = lock_descriptor(descriptor, blocking=False)
        except OSError as error:
            if error.errno in NO_LOCKS:
                return None
            raise
        if not is_ours:
            raise ArchiveBusy(f"another run holds {root}{_named(descriptor)}", hint="wait for it, or stop it")
        stack.pop_all()
        return descriptor


def _release(descriptor: int) -> None:
    from filelock import unlock_descriptor

    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
    with contextlib.suppress(OSError):
        unlock_descriptor(descriptor)
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _stand_in(root: Path) -> Path:
    """A file in the user's state folder, which is made, with a name that stands for this archive alone."""
    import platformdirs

    folder = platformdirs.user_state_path("pictory-archiver", appauthor=False) / "locks"
    with disk.storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder / hashlib.sha256(os.fsencode(os.path.normcase(root))).hexdigest()[:32]


def _write(descriptor: int, command: str, now: datetime) -> None:
    """Tells of this process. To be named is a courtesy: a disk that is full does not end the run here."""
    facts = Holder(process=os.getpid(), host=platform.node(), since=timestamp(now), command=command)
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        disk.write_all(descriptor, b" " * FACTS_AT + msgspec.json.encode(facts) + b"\n")


def _named(descriptor: int) -> str:
    """The holder, for the end of a sentence; nothing where it did not tell of itself."""
    try:
        os.lseek(descriptor, FACTS_AT, os.SEEK_SET)
        holder = msgspec.json.decode(os.read(descriptor, MAX_FACTS), type=Holder)
    except (OSError, ValueError, RecursionError):
        return ""
    if _is_gone(holder):
        return ""
    since = holder.since
    where = f"process {holder.process} on {printable(holder.host, 80)}"
    return f": {where} since {since[:10]} {since[11:16]} UTC ({printable(holder.command, 80)})"


def _is_gone(holder: Holder) -> bool:
    """Whether these are the words of a run that crashed: the one that holds the lock has not written its own yet."""
    if sys.platform == "win32" or holder.host != platform.node():
        return False
    try:
        os.kill(holder.process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
