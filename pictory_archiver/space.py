"""The free space of the archive's disk, of which the setting `download.reserve` stays free."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from . import disk
from .errors import NoRoom
from .report import size
from .settings import MIB

LOOK_AFTER_BYTES = 8 * MIB
LOOK_AFTER_SECONDS = 1.0


class Space:
    """What may still be written below `folder`, for all threads of a run together. `reserve` 0: anything.

    The disk is asked again after 8 MiB or a second, and before anything is refused. In between, what was taken is
    subtracted, so that files on their way at the same time pass the reserve by no more than a batch of each.
    """

    def __init__(self, folder: Path, reserve: int) -> None:
        self._folder = folder
        self._reserve = reserve
        self._lock = threading.Lock()
        self._free = 0.0
        self._taken = 0
        self._next_look = 0.0

    def ask(self, count: int) -> None:
        """Raises `NoRoom` where `count` more bytes would touch the reserve. May wait for the disk."""
        if self._reserve:
            with self._lock:
                self._require(count)

    def surely_has(self, count: int) -> bool:
        """True where no look at the disk is needed to say so. Waits for nothing, so it is for the event loop."""
        return not self._reserve or (not self._is_old() and self._free - count >= self._reserve)

    def take(self, count: int) -> None:
        """The same, for bytes that are written now."""
        if self._reserve:
            with self._lock:
                self._require(count)
                self._free -= count
                self._taken += count

    def _require(self, count: int) -> None:
        if self._is_old() or self._free - count < self._reserve:
            self._look()
        if self._free - count < self._reserve:
            more = f"; {size(count)} more would touch" if count else ", less than"
            raise NoRoom(
                f"{self._folder}: {size(self._free)} are free{more} the {size(self._reserve)} that stay free "
                "(download.reserve)",
                hint="free some space and run it again: it goes on from here",
            )

    def _is_old(self) -> bool:
        return self._taken >= LOOK_AFTER_BYTES or time.monotonic() >= self._next_look

    def _look(self) -> None:
        free = disk.told_free_space(self._folder)
        self._free = float("inf") if free is None else free
        self._taken = 0
        self._next_look = time.monotonic() + LOOK_AFTER_SECONDS
