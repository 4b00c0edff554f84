"""The page searches as the program does: the same `fold`, and the same reading of what is typed."""

from __future__ import annotations

import random
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest

import pictory_archiver.page_file as page_file
from pictory_archiver.filters import Query, fold

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BLANKS = "\x1c\x1d\x1e\x1f\x85\ufeff"
"""What Python and JavaScript do not agree on that it is blank. Nobody types it."""

KNOWN = [
    chr(code)
    for code in range(sys.maxunicode + 1)
    if unicodedata.category(chr(code)) not in ("Cs", "Cn") and chr(code) not in BLANKS
]
"""Every character of this Python's Unicode; a browser may know more of them."""


@pytest.fixture
def text(chromium: Browser) -> Any:
    """Calls a function of the page's text.js for each of some texts, in the browser: `text("fold", ["x"])`."""
    page = chromium.new_page()
    script = page_file._part("text.js")

    def call(function: str, texts: list[str]) -> list[Any]:
        found: list[Any] = page.evaluate(f"texts => {{ {script}\nreturn texts.map(each => {function}(each)); }}", texts)
        return found

    yield call
    page.close()


def sentences(alphabet: list[str] | str) -> list[str]:
    dice = random.Random(5)
    return ["".join(dice.choices(alphabet, k=dice.randrange(40))) for _ in range(3000)]


def is_new(text: str) -> bool:
    """Whether a capital is in it that only a newer Unicode than this Python's has given to an old letter."""
    return any(unicodedata.category(character) == "Cn" for character in text)


def test_every_character_is_folded_alike(text: Any) -> None:
    told = [f"a{character}b" for character in KNOWN]
    assert len(told) > 100_000
    found = dict(zip(told, text("fold", told), strict=True))
    other = {each: (fold(each), folded) for each, folded in found.items() if fold(each) != folded}
    assert not {each: both for each, both in other.items() if not is_new(both[1])}
    assert len(other) < 50


def test_texts_are_folded_alike(text: Any) -> None:
    told = [*sentences(KNOWN), *sentences("aAéÉe\u0301\u0327ßﬁİıſΣςǆ가각ｆｕ①")]
    found = [(each, folded) for each, folded in zip(told, text("fold", told), strict=True) if not is_new(folded)]
    assert len(found) > 5900
    assert [folded for _, folded in found] == [fold(each) for each, _ in found]


def test_searches_are_read_alike(text: Any) -> None:
    told = [*sentences('ab é"\t \u3000\u0301 '), *sentences(KNOWN)]
    found = [pair for pair in zip(told, text("wordsOf", told), strict=True) if not is_new("".join(pair[1]))]
    assert len(found) > 5900
    assert [words for _, words in found] == [list(Query.parse(each).words) for each, _ in found]
