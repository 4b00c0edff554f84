"""What is read of the catalogue by those who look: all videos at a glance, and how they hang together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

import msgspec

from .catalogue_rows import moment, place_of, text, text_or_none
from .chains import ADDRESSES, File
from .database import Database
from .edition import Stamp
from .entry import Standing
from .filters import Glance
from .item_facts import seconds_of, text_of
from .models import Kind

BATCH_OF_IDS = 500
BATCH_OF_STAMPS = 5000


class _Facts(TypedDict, total=False):
    """As much of an item as decides about a video."""

    prompt: Any
    model: Any
    aspectRatio: Any
    duration: Any


_facts_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Facts)
_item_decoder = msgspec.json.Decoder(dict[str, Any])
_history_decoder = msgspec.json.Decoder(list[dict[str, Any]])


class Overview:
    """All videos of one catalogue, a row each. Every method reads one table from its beginning to its end."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def glances(self) -> Iterator[Glance]:
        """Every video, in no order."""
        return self._glances("", ())

    def glances_of(self, ids: Sequence[str]) -> Iterator[Glance]:
        """The videos of these ids, in no order."""
        for start in range(0, len(ids), BATCH_OF_IDS):
            batch = ids[start : start + BATCH_OF_IDS]
            marks = ",".join("?" * len(batch))
            yield from self._glances(f"IN ({marks})", batch)

    def _glances(self, chosen: str, ids: Sequence[str]) -> Iterator[Glance]:
        with self._database.errors():
            waiting = {
                row[0]
                for row in self._database.execute(
                    "SELECT video_id FROM assets WHERE status NOT IN ('stored', 'linked') AND status = 'pending' "
                    f"AND kind = 'video' AND url IS NULL AND video_id {chosen or 'IS NOT NULL'}",
                    ids,
                )
            }
            rows = self._database.execute(
                "SELECT id, created, item, complete, gone_upstream IS NOT NULL FROM videos "
                f"WHERE id {chosen or 'IS NOT NULL'}",
                ids,
            )
            for row in rows:
                item = _facts_decoder.decode(text(row[2]))
                video_id = text(row[0])
                held = Standing.PENDING if video_id in waiting else Standing.INCOMPLETE
                yield Glance(
                    id=video_id,
                    created=moment(row[1]),
                    prompt=text_of(item, "prompt"),
                    model=text_of(item, "model"),
                    aspect_ratio=text_of(item, "aspectRatio"),
                    standing=Standing.COMPLETE if row[3] else held,
                    is_gone=bool(row[4]),
                    duration_seconds=seconds_of(item),
                )

    def ids(self) -> list[str]:
        """The id of every video, in their order."""
        with self._database.errors():
            return [text(row[0]) for row in self._database.execute("SELECT id FROM videos ORDER BY id")]

    def stored_files(self) -> Iterator[tuple[str, str, int]]:
        """Every file that is stored: the id of its video, its name, its bytes."""
        with self._database.errors():
            rows = self._database.execute("SELECT video_id, path, bytes FROM assets WHERE status = 'stored'")
            for row in rows:
                yield text(row[0]), text_or_none(row[1]) or "", row[2] if isinstance(row[2], int) else 0

    def stamps(self) -> Iterator[Stamp]:
        """Every video, those without a date first, then the oldest first. The state is empty where the digest of the
        sidecar is not known. They are read in batches, each of one moment."""
        stamps = self._stamps(f"created IS NULL ORDER BY id LIMIT {BATCH_OF_STAMPS}")
        while stamps:
            yield from stamps
            behind = f"created IS NULL AND id > ? ORDER BY id LIMIT {BATCH_OF_STAMPS}"
            stamps = self._stamps(behind, (stamps[-1].id,))
        stamps = self._stamps(f"created IS NOT NULL ORDER BY created, id LIMIT {BATCH_OF_STAMPS}")
        while stamps:
            yield from stamps
            behind = f"(created, id) > (?, ?) ORDER BY created, id LIMIT {BATCH_OF_STAMPS}"
            stamps = self._stamps(behind, (stamps[-1].created, stamps[-1].id))

    def stamps_of(self, ids: Sequence[str]) -> Iterator[Stamp]:
        """The same of the videos of these ids, in no order."""
        for start in range(0, len(ids), BATCH_OF_IDS):
            batch = ids[start : start + BATCH_OF_IDS]
            yield from self._stamps(f"id IN ({','.join('?' * len(batch))})", batch)

    def _stamps(self, condition: str, values: Sequence[str] = ()) -> list[Stamp]:
        with self._database.errors():
            rows = self._database.execute(
                f"SELECT id, created, folder, stem, sidecar_sha256 FROM videos WHERE {condition}", values
            )
            return [
                Stamp(
                    text(row[0]), row[1] if moment(row[1]) else "", place_of(row[2], row[3]), text_or_none(row[4]) or ""
                )
                for row in rows
            ]

    def state(self) -> int:
        """A number that is another one after any change of the stamps, and of all that sidecars say."""
        with self._database.errors():
            row = self._database.execute("SELECT state FROM content_state").fetchone()
            if row is None or not isinstance(row[0], int):
                raise ValueError("it has no state")
            return row[0]

    def links(self) -> Iterator[File]:
        """Every input that is linked to a file of another video, or that would tell which video was continued."""
        with self._database.errors():
            rows = self._database.execute(
                "SELECT video_id, kind, url, linked_video, linked_kind FROM assets "
                "WHERE status = 'linked' OR kind IN ('first_frame', 'extend_source')"
            )
            for row in rows:
                kind = None if row[4] is None else Kind(row[4])
                yield File(text(row[0]), Kind(row[1]), text_or_none(row[2]), text_or_none(row[3]), kind)

    def continued_files(self) -> Iterator[File]:
        """Every file that another video may go on from, held or not."""
        with self._database.errors():
            rows = self._database.execute(
                "SELECT video_id, kind, url FROM assets WHERE kind IN ('video', 'last_frame')"
            )
            for row in rows:
                yield File(text(row[0]), Kind(row[1]), text_or_none(row[2]))

    def history(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """Of the items that were listed with other addresses before, all that they have and had: the fields of
        `ADDRESSES` in them."""
        found = []
        with self._database.errors():
            for row in self._database.execute("SELECT id, item, history FROM videos WHERE history <> '[]'"):
                former = [_addresses(each.get("was")) for each in _history_decoder.decode(text(row[2]))]
                if any(former):
                    found.append((text(row[0]), [_addresses(_item_decoder.decode(text(row[1]))), *former]))
        return found


def _addresses(values: object) -> dict[str, Any]:
    return {name: values[name] for name in ADDRESSES if name in values} if isinstance(values, dict) else {}
