"""What can go wrong, as a tree. Each class knows its exit status and whether trying again can help.

    ArchiverError                1    a bug, unless a class below says otherwise
    ├── ConfigError              2    a setting, an option or the archive's format: ours or the user's
    ├── KeyRefused               4    the API does not take the key
    ├── ListingError             5    the list of videos is not sound
    ├── StorageError             6    the local disk
    │   └── NoRoom               the disk would have less free space than is to stay free
    ├── ArchiveBusy              75   another run holds the archive
    ├── Stopped                  130 / 143   a signal
    └── WebError                 5    a server, or the way to it; `http` raises it, `api` and `download` translate
        ├── Unreachable          retryable: no connection, time-out, cut off, too slow
        ├── BrokenBody           retryable: a body that is not whole, or is unusable
        ├── HttpStatus           retryable for 408, 429 and 5xx
        ├── Unacceptable         final: an answer that must not be kept (too large, encoded, a wrong type)
        └── Forbidden            final: an address that must not be talked to, a certificate not trusted

A file that could not be had is a value (`download.Failed`), never an exception that leaves `download`.
"""

from __future__ import annotations

from collections.abc import Iterable

GRAVEST_FIRST = (1, 2, 130, 143, 6, 4, 5, 75, 7, 3, 0)
"""Every exit status, in the order in which they count where several hold."""

RETRYABLE_STATUSES = frozenset({408, 429})


class ArchiverError(Exception):
    """The base. `str()` is one line for a person; `hint` says what to do next, and may be empty."""

    exit_status: int = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(ArchiverError):
    """A setting, an option or a file of ours that cannot be used as it is."""

    exit_status = 2


class KeyRefused(ArchiverError):
    """The API answered 401, or a 403 of its own."""

    exit_status = 4


class ListingError(ArchiverError):
    """The listing did not reach its end, or made no sense. What was listed before it stays good."""

    exit_status = 5


class StorageError(ArchiverError):
    """The local disk is full, read-only, forbidden, failing or not there."""

    exit_status = 6


class NoRoom(StorageError):
    """The disk is not full yet, but would have less free space than `download.reserve`."""


class ArchiveBusy(ArchiverError):
    """Another run holds the archive."""

    exit_status = 75


class Stopped(ArchiverError):
    """A signal asked for the end. `exit_status` is 128 + the signal's number."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("stopped: everything finished so far is kept, the next run goes on from here")
        self.exit_status = 128 + signal_number


class WebError(ArchiverError):
    """What a server did, or the way to it. `retry_after` is in seconds, where the server named a pause."""

    exit_status = 5
    retryable: bool = False
    retry_after: float | None = None


class Unreachable(WebError):
    """No connection, no answer in time, a connection that was cut, or bytes that came too slowly.

    What arrived of a body is good: another attempt may go on from there.
    """

    retryable = True


class BrokenBody(WebError):
    """A body that came to its end and is not what it should be: another attempt starts from its first byte."""

    retryable = True


class HttpStatus(WebError):
    """An answer with a status other than the ones asked for. `body` holds its first 2,000 bytes at most."""

    def __init__(self, status: int, *, body: bytes = b"", retry_after: float | None = None) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body
        self.retry_after = retry_after
        self.retryable = status in RETRYABLE_STATUSES or 500 <= status <= 599


class Unacceptable(WebError):
    """An answer that must not be kept, and would be the same the next time."""


class Forbidden(WebError):
    """An address that must not be talked to, or a certificate that is not trusted."""


def worst_status(statuses: Iterable[int]) -> int:
    """The exit status that counts where several hold, of at least one."""
    return min(statuses, key=GRAVEST_FIRST.index)
