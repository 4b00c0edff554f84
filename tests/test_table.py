"""Tables: columns stand below each other, and no line is wider than the terminal, whatever script is in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from wcwidth import width

from pictory_archiver.table import SAMPLE, Column, cut, lines
from pictory_archiver.text import printable

PIECES = (
    "a",
    "桜",
    "e\u0301",
    "\u0301",
    "👩\u200d👩\u200d👧\u200d👦",
    "🏳\ufe0f\u200d🌈",
    "שלום",
    "ﷺ",
    "तेज़",
    "\u200d",
    "️",
    "각",
)
SHOWN = st.lists(st.sampled_from(PIECES) | st.characters(codec="utf-8"), max_size=12).map(
    lambda pieces: printable("".join(pieces))
)
COLUMNS = (Column("A", limit=6), Column("B", is_right=True), Column("C"))


@given(SHOWN, st.integers(1, 30))
def test_a_text_is_cut_to_the_columns_that_it_may_take(text: str, columns: int) -> None:
    shown = cut(text, columns)
    assert width(shown) <= columns
    assert shown == text if width(text) <= columns else text.startswith(shown.removesuffix("…")) and shown.endswith("…")


def test_no_character_that_has_two_columns_is_cut_in_half() -> None:
    assert [cut("桜の木", columns) for columns in (6, 5, 4, 3, 2)] == ["桜の木", "桜の…", "桜…", "桜…", "…"]
    family = "👩\u200d👩\u200d👧\u200d👦"
    assert cut(f"{family}ab", 3) == f"{family}…"


@given(st.lists(st.tuples(SHOWN, SHOWN, SHOWN), max_size=5), st.integers(20, 60))
def test_columns_stand_below_each_other(rows: list[tuple[str, str, str]], room: int) -> None:
    titles, *shown = lines(COLUMNS, rows, room)
    assert len(shown) == len(rows)
    at = {title: width(titles[: titles.index(title)]) for title in "AC"}
    assert all(width(line) <= max(room, at["C"] + 1) for line in shown)
    for line, (first, _, last) in zip(shown, rows, strict=True):
        assert line.startswith(cut(first, 6).rstrip())
        before = line.removesuffix(cut(last, max(room - at["C"], 1)).rstrip())
        assert width(before.rstrip()) <= at["C"]


def test_a_longer_cell_far_down_loses_nothing_but_its_place() -> None:
    rows = [["a", "1", "text"]] * SAMPLE + [["abcdef", "1234", "text"]]
    *_, before, last = lines(COLUMNS, rows, 40)
    assert (before, last) == ("a  1  text", "abcdef  1234  text")


def test_a_last_column_of_numbers_stands_on_the_right() -> None:
    columns = (Column("A"), Column("N", is_right=True))
    assert list(lines(columns, [["a", "1"], ["b", "1,000"]])) == ["A      N", "a      1", "b  1,000"]
