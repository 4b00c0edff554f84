"""The standard streams, so that nothing that happens to them decides how a command ends.

Both are UTF-8. stderr never raises: who cannot be told is not told. stdout does not mind a reader that leaves
(`… | head`); where it cannot take data for another reason, a full disk for example, the data is lost, and the command
learns of it by a `StorageError`, once.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from .errors import StorageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

WINDOWS_READER_GONE = errno.EINVAL if sys.platform == "win32" else None


def secure() -> None:
    """Replaces the standard streams of this process.

    The null device takes the place of one that is closed: else the first file that is opened would take it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            null = open(os.devnull, mode, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115, PTH123 - for good
            setattr(sys, name, null)
            setattr(sys, f"__{name}__", null)
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, _secured(stream, must_arrive=name == "stdout"))


def has_reader() -> bool:
    """False once stdout takes no data any more: what is still written there is lost."""
    raw = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
    return not (isinstance(raw, _Steady) and raw.is_gone)


class Lines:
    """Lines for stdout. `count` is how many of them were given out."""

    def __init__(self) -> None:
        self.count = 0

    def print(self, lines: Iterable[str]) -> None:
        """Prints lines as they come, until there are no more, or nobody takes them."""
        for line in lines:
            self.count += 1
            sys.stdout.write(f"{line}\n")
            if not has_reader():
                break


def _secured(stream: io.TextIOWrapper, *, must_arrive: bool) -> io.TextIOWrapper:
    steady = _Steady(stream, must_arrive=must_arrive)
    return io.TextIOWrapper(
        # Unbuffered (PYTHONUNBUFFERED), Python has no buffer at all there.
        cast(io.BufferedWriter, steady) if stream.write_through else io.BufferedWriter(steady),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Steady(io.RawIOBase):
    """The raw end of a stream. After its first failure (`is_gone`) it takes everything and keeps nothing."""

    def __init__(self, stream: io.TextIOWrapper, *, must_arrive: bool) -> None:
        self._stream = stream  # it would close its raw end when nobody held it
        self._raw: io.RawIOBase = getattr(stream.buffer, "raw", None) or cast(io.RawIOBase, stream.buffer)
        self._must_arrive = must_arrive
        self.is_gone = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw.isatty()

    def write(self, data: ReadableBuffer, /) -> int:
        left = memoryview(data).cast("B")
        size = left.nbytes
        try:
            while left and not self.is_gone:
                written = self._raw.write(left)
                if written is None:  # a pipe that does not block and is full
                    select.select([], [self], [])
                left = left[written or 0 :]
        except OSError as error:
            self.is_gone = True
            reader_left = isinstance(error, ConnectionError) or error.errno == WINDOWS_READER_GONE
            if self._must_arrive and not reader_left:
                reason = os.strerror(error.errno) if error.errno else type(error).__name__
                raise StorageError(f"standard output cannot be written: {reason}") from None
        return size
