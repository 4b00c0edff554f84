"""One SQLite file of ours: opened, held to its format version, and the one place where sqlite3's errors become ours.

One thread at a time uses a `Database`. A rollback journal is used, since it also works on network file systems.

SQLite plays back whatever lies beside the file as its rollback journal, and a journal can name a third file, which is
deleted then. An archive may come from anybody: a journal that names a file is none of ours, and is not played back.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import disk
from .errors import ConfigError, StorageError
from .lock import has_locks

BUSY_SECONDS = 10.0
FARTHEST_VERSION = 1000
"""No release will ever write a later one: it comes from damage."""

IN_MEMORY = ":memory:"
JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
"""A journal ends with this where it names another file: a "super-journal", as for a transaction over several files."""


class DamagedCatalogue(StorageError):
    """The file is no catalogue, or cannot be read as one: it is to be rebuilt."""


class Database:
    """An open file. `execute` raises sqlite3's errors: callers stand within `errors`, writers within `transaction`."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self._connection = connection
        self._path = path
        self._cursors: weakref.WeakSet[sqlite3.Cursor] = weakref.WeakSet()
        self.executemany = connection.executemany

    def execute(self, statement: str, arguments: Sequence[Any] = ()) -> sqlite3.Cursor:
        """The rows that a statement gives. Raises sqlite3's errors."""
        cursor = self._connection.execute(statement, arguments)
        self._cursors.add(cursor)
        return cursor

    def close(self) -> None:
        """Closes the file. A statement that an error left half-read would hold its lock on it."""
        for cursor in list(self._cursors):
            cursor.close()
        self._connection.close()

    @classmethod
    def open(cls, path: Path, steps: Sequence[str]) -> Database:
        """The file at this path, brought to the version that these steps make.

        Raises `DamagedCatalogue`, `StorageError`, `ConfigError` for a newer release's.
        """
        _refuse_foreign(path)
        database = cls._connected(path, "rw")
        with database._closed_on_error():
            version = database._version(len(steps))
            if version < len(steps):
                database._take(steps, version)
        return database

    @classmethod
    def open_read_only(cls, path: Path, steps: Sequence[str]) -> Database:
        """The file at this path for looking only. One of an older version is copied into memory and changed there."""
        database = cls._connected(path, "ro")
        with database._closed_on_error():
            version = database._version(len(steps))
            if version == len(steps):
                return database
            with contextlib.closing(database._connection) as source, database.errors():
                database = cls._connected(None, "rwc")
                source.backup(database._connection)
            database._take(steps, version)
        return database

    @classmethod
    def create(cls, path: Path | None, steps: Sequence[str]) -> Database:
        """A new file at this path, where there must be none; in memory without a path. Raises `StorageError`.

        It is not durable: its maker synchronises the file once it is closed, and gives it its name then.
        """
        database = cls._connected(path, "rwc")
        with database._closed_on_error(), database.errors():
            database.execute("PRAGMA synchronous = OFF")
            database.execute("PRAGMA journal_mode = MEMORY")
            database._take(steps, 0)
        return database

    def _take(self, steps: Sequence[str], done: int) -> None:
        """The steps behind those that are done, all or none."""
        with self.transaction():
            for step in steps[done:]:
                for statement in _statements(step):
                    self.execute(statement)
            self.execute(f"PRAGMA user_version = {len(steps)}")

    @classmethod
    def _connected(cls, path: Path | None, mode: str) -> Database:
        """Where the file system has no locks, SQLite does without: one run at a time writes, by the archive's lock."""
        database = cls._opened(path, mode)
        if path is not None and database._fails_to_lock() and not has_locks(path):
            database.close()
            database = cls._opened(path, f"{mode}&nolock=1")
        with database._closed_on_error(), database.errors():
            database.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA cache_size = -8000")
        return database

    @classmethod
    def _opened(cls, path: Path | None, mode: str) -> Database:
        name = IN_MEMORY if path is None else f"{path.absolute().as_uri()}?mode={mode}"
        try:
            connection = sqlite3.connect(
                name, uri=path is not None, timeout=0, check_same_thread=False, isolation_level=None
            )
        except sqlite3.OperationalError as error:
            raise StorageError(f"{path}: the catalogue cannot be opened: {error}", hint="check the folder") from None
        return cls(connection, path)

    def _fails_to_lock(self) -> bool:
        """Whether a first look fails in a way that may come from a lock. What else is wrong shows later."""
        try:
            self.execute("PRAGMA user_version").fetchone()
        except sqlite3.OperationalError as error:
            return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR)
        except sqlite3.DatabaseError:
            return False
        return False

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is written within; errors leave as ours."""
        with self.errors():
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turns sqlite3's errors into `StorageError`, or `DamagedCatalogue`."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if _is_damage(error):
                raise _damaged(self._path, error) from error
            raise StorageError(
                f"{self._path}: the catalogue: {error}", hint="check the disk, and run it again"
            ) from error
        except (sqlite3.DatabaseError, ValueError, OverflowError, RecursionError) as error:
            raise _damaged(self._path, error) from error

    def check(self) -> None:
        """Reads the whole file, and raises `DamagedCatalogue` where its structure is not sound."""
        with self.errors():
            (said,) = self.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise _damaged(self._path, said)

    def _version(self, newest: int) -> int:
        """The version of the file, from 1 to the newest one."""
        with self.errors():
            (found,) = self.execute("PRAGMA user_version").fetchone()
        if newest < found <= FARTHEST_VERSION:
            raise ConfigError(
                f"the catalogue has format version {found}; this release knows up to {newest}",
                hint="update pictory-archiver; nothing was changed",
            )
        if not 1 <= found <= newest:
            raise _damaged(self._path, "it is unfinished, or none of ours")
        return int(found)

    @contextlib.contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, each of which ends with a line."""
    begun = ""
    for line in script.splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            yield begun
            begun = ""
    yield begun


def rollback_of(path: Path) -> Path:
    """The rollback journal of the file at this path."""
    return path.with_name(f"{path.name}-journal")


def _refuse_foreign(path: Path) -> None:
    """Raises `DamagedCatalogue` where SQLite must not be let near a file or its journal, and `StorageError`."""
    rollback = rollback_of(path)
    if disk.size_of(path) is None or (os.path.lexists(rollback) and disk.size_of(rollback) is None):
        raise _damaged(path, "it or its rollback journal is no ordinary file")
    if os.path.lexists(rollback):
        with disk.storage_errors(rollback), open(rollback, "rb", opener=disk.opener) as file:
            file.seek(max(file.seek(0, os.SEEK_END) - len(JOURNAL_MAGIC), 0))
            if file.read() == JOURNAL_MAGIC:
                raise _damaged(path, "its rollback journal names another file, as none of ours does")


def _damaged(path: Path | None, problem: object) -> DamagedCatalogue:
    return DamagedCatalogue(
        f"{path}: the catalogue is damaged: {problem}",
        hint="delete this file and run it again: it is rebuilt from the sidecars",
    )


def _is_damage(error: sqlite3.OperationalError) -> bool:
    """True where the file is to blame, not the disk: a lost table, text that is none, a rollback left undone."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) in (
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_READONLY_ROLLBACK,
    )
