"""The prompts and ids of all videos in the catalogue, folded, so that a search need not read the videos.

An index of their trigrams (SQLite's FTS5) leads to those that a word may be in. It is added to in portions, and what
is not in it yet is looked through; an SQLite without it looks through everything. A prompt that changes gets another
number, so that nothing is ever removed from the index: what has no number any more is not found.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from .catalogue_rows import moment, number, text, time_column
from .database import Database
from .filters import fold

PORTION = 2000
"""So many prompts are added to the index at once; fewer are as fast to look through."""

BATCH_OF_IDS = 500
MOST_WORDS = 50
MOST_TRIGRAMS = 100
"""Of all words: more of them find no less."""

NEAR = 4000
"""Where the first few are asked for, they are looked for among so many videos: the newest, or the oldest."""

AFTER_ALL_TIMES = "~"

NO_NUL = "\ufffd"
"""Stands for NUL, which would end a text in SQLite."""

_INDEX = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS prompts_index USING "
    "fts5(folded, content='', detail=none, columnsize=0, tokenize='trigram case_sensitive 1')"
)


class _Prompt(Struct):
    """As much of an item as is searched."""

    prompt: Any = None


_decoder = msgspec.json.Decoder(_Prompt)


class Prompts:
    """The prompts and ids of one catalogue's videos."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fill(self) -> None:
        """Takes in all videos, where an older release made the catalogue."""
        with self._database.errors():
            is_filled, _ = self._state()
        if is_filled:
            return
        with self._database.transaction():
            rows = self._database.execute("SELECT id, created, item FROM videos")
            while batch := rows.fetchmany(PORTION):
                self.record((text(row[0]), row[1], _prompt_of(text(row[2]))) for row in batch)
            self._database.execute("UPDATE prompts_state SET filled = 1")

    def record(self, videos: Iterable[tuple[str, str | None, str]]) -> None:
        """Takes in videos: the id of each, when it was made, and its prompt. Within a transaction."""
        new = {
            video_id: (created, f"{fold(prompt)}\n{fold(video_id)}".replace("\0", NO_NUL))
            for video_id, created, prompt in videos
        }
        known: dict[str, tuple[str | None, str]] = {}
        ids = list(new)
        for start in range(0, len(ids), BATCH_OF_IDS):
            batch = ids[start : start + BATCH_OF_IDS]
            marks = ",".join("?" * len(batch))
            known |= {
                row[0]: row[1:]
                for row in self._database.execute(
                    f"SELECT video_id, created, folded FROM prompts WHERE video_id IN ({marks})", batch
                )
            }
        changed = [(video_id, *said) for video_id, said in new.items() if known.get(video_id) != said]
        if changed:
            former = [(video_id,) for video_id, *_ in changed if video_id in known]
            self._database.executemany("DELETE FROM prompts WHERE video_id = ?", former)
            self._database.executemany("INSERT INTO prompts (video_id, created, folded) VALUES (?,?,?)", changed)
            self._add_to_index()

    def _add_to_index(self) -> None:
        """Brings the index up to date, where that is worth it."""
        _, indexed = self._state()
        (last,) = self._database.execute("SELECT max(number) FROM prompts").fetchone()
        if last - indexed < PORTION or not can_index():
            return
        self._database.execute(_INDEX)
        self._database.execute(
            "INSERT INTO prompts_index (rowid, folded) SELECT number, folded FROM prompts WHERE number > ?", (indexed,)
        )
        self._database.execute("UPDATE prompts_state SET indexed = ?", (last,))

    def search(self, words: Sequence[str]) -> dict[str, datetime | None] | None:
        """The videos that have all of these words, folded, in prompt or id, by id; and when they were made.

        None where that cannot be told, and every video has to be looked at.
        """
        with self._database.errors():
            is_filled, indexed = self._state()
            if not is_filled or not _can_be_asked(words):
                return None
            fits = " AND ".join(["instr(prompts.folded, ?)"] * len(words)) or "1"
            statement = f"SELECT video_id, created FROM prompts WHERE {fits}"
            arguments: list[str | int] = [*words]
            trigrams = _trigrams(words)
            if trigrams and indexed and can_index():
                statement = (
                    "SELECT video_id, created FROM prompts_index CROSS JOIN prompts ON number = prompts_index.rowid "
                    f"WHERE prompts_index MATCH ? AND {fits} UNION ALL {statement} AND number > ?"
                )
                arguments = [trigrams, *words, *words, indexed]
            return {text(row[0]): moment(row[1]) for row in self._database.execute(statement, arguments)}

    def first(
        self,
        words: Sequence[str],
        count: int,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        oldest_first: bool = False,
    ) -> list[str] | None:
        """The ids of the first so many of these, newest first, of those made from `since` on and before `until`.

        None where they are not soon found, and all have to be asked for: no more than `NEAR` videos are looked at.
        """
        if not _can_be_asked(words):
            return None
        start, end = time_column(since) or "", time_column(until) or AFTER_ALL_TIMES
        made, order = "videos.created >= ? AND videos.created < ?", "ASC" if oldest_first else "DESC"
        fits = " AND ".join(["instr(prompts.folded, ?)"] * len(words)) or "1"
        with self._database.errors():
            is_filled, _ = self._state()
            if not is_filled:
                return None
            row = self._database.execute(
                f"SELECT created FROM videos WHERE {made} ORDER BY created {order} LIMIT 1 OFFSET {NEAR}", (start, end)
            ).fetchone()
            if row:
                start, end = (start, text(row[0])) if oldest_first else (text(row[0]), end)
            rows = self._database.execute(
                f"SELECT id, videos.created FROM videos CROSS JOIN prompts ON video_id = id WHERE {made} AND {fits} "
                f"ORDER BY videos.created {order}, id {order} LIMIT ?",
                (start, end, *words, count),
            )
            found = [text(row[0]) for row in rows if moment(row[1])]
        return found if len(found) == count else None

    def check(self) -> None:
        """Raises `DamagedCatalogue` where they are not as many as the videos."""
        with self._database.errors():
            row = self._database.execute(
                "SELECT (SELECT count(*) FROM prompts), (SELECT count(*) FROM videos)"
            ).fetchone()
            if row[0] != row[1] and self._state()[0]:
                raise ValueError("its prompts are not those of its videos")

    def _state(self) -> tuple[bool, int]:
        """Whether all videos are taken in, and up to which number they are in the index."""
        row = self._database.execute("SELECT filled, indexed FROM prompts_state").fetchone() or (None, None)
        return bool(number(row[0])), number(row[1])


@functools.cache
def can_index() -> bool:
    """Whether this SQLite has such an index: from 3.34 on, unless FTS5 was left out."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(_INDEX)
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return True


def _prompt_of(item: str) -> str:
    prompt = _decoder.decode(item).prompt
    return prompt if isinstance(prompt, str) else ""


def _can_be_asked(words: Sequence[str]) -> bool:
    """Whether SQLite finds these words where they are, and nowhere else."""
    joined = "".join(words)
    is_text = joined.encode(errors="replace").decode() == joined  # a command line may hold bytes that are none
    return is_text and len(words) <= MOST_WORDS and not {"\n", "\0", NO_NUL}.intersection(joined)


def _trigrams(words: Iterable[str]) -> str:
    """The query of the index for all that may have these words: their trigrams side by side, and the last one of each.
    Those that overlap would lead to hardly fewer, and take longer than to look at these."""
    parts = (word[min(at, len(word) - 3) :][:3] for word in words if len(word) > 2 for at in range(0, len(word), 3))
    quoted = (part.replace('"', '""') for part in [*dict.fromkeys(parts)][:MOST_TRIGRAMS])
    return " AND ".join(f'"{part}"' for part in quoted)
