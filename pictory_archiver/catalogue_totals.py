"""How many videos and files there are, and how they stand: kept by triggers of the catalogue, so that nobody counts."""

from __future__ import annotations

from .catalogue_rows import number, text
from .catalogue_schema import COUNTED_FILES, COUNTED_VIDEOS
from .database import Database
from .models import Kind, Status

KEPT_FILES = "SELECT kind, status, files, bytes FROM file_totals WHERE files <> 0"
KEPT_VIDEOS = "SELECT standing, videos, complete FROM video_totals WHERE videos <> 0"


class Totals:
    """The totals of one catalogue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def files(self) -> dict[tuple[str, str], tuple[int, int]]:
        """The number of files, and their bytes, by kind and status; of those that there are."""
        return self._files(KEPT_FILES)

    def videos(self, *standings: str) -> tuple[int, int]:
        """How many videos stand like this to the account's listings, and how many of them are complete.

        "new": no sound listing held it yet; "listed"; "absent": the last full one lacked it; "gone": so did another.
        """
        found = self._videos(KEPT_VIDEOS)
        return (
            sum(videos for standing, (videos, _) in found.items() if standing in standings),
            sum(complete for standing, (_, complete) in found.items() if standing in standings),
        )

    def check(self) -> None:
        """Raises `DamagedCatalogue` where they are not what a count comes to. Reads all videos and files."""
        with self._database.errors():
            if (self.files(), self._videos(KEPT_VIDEOS)) != (self._files(COUNTED_FILES), self._videos(COUNTED_VIDEOS)):
                raise ValueError("its totals are not those of its videos")

    def _files(self, statement: str) -> dict[tuple[str, str], tuple[int, int]]:
        with self._database.errors():
            return {
                (Kind(row[0]), Status(row[1])): (number(row[2]), number(row[3]))
                for row in self._database.execute(statement)
            }

    def _videos(self, statement: str) -> dict[str, tuple[int, int]]:
        with self._database.errors():
            return {text(row[0]): (number(row[1]), number(row[2])) for row in self._database.execute(statement)}
