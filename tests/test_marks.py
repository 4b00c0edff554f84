"""The marks of texts that were met before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pictory_archiver.marks import Marks


@given(texts=st.lists(st.text(max_size=3)))
def test_a_text_is_new_once(texts: list[str]) -> None:
    marks, met = Marks(), set()
    for text in texts:
        assert (text in marks) == (text in met)
        assert marks.add(text) == (text not in met)
        assert text in marks
        met.add(text)
        assert len(marks) == len(met)


def test_many_texts_are_told_apart_however_the_table_grows() -> None:
    marks = Marks()
    texts = [f"20260409185104635ec00b3{number:010x}" for number in range(100_000)]
    assert all(marks.add(text) for text in texts)
    assert not any(marks.add(text) for text in texts)
    assert len(marks) == 100_000
    assert "20260409185104635ec00b33280fc451f" not in marks
