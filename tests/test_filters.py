"""Which videos are meant: folding, words, filters, each against a plain model; ids that are short and still names."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pictory_archiver.cli_filters import CHOICES
from pictory_archiver.entry import Standing
from pictory_archiver.filters import Choice, Filter, Glance, Query, fold
from pictory_archiver.named import SHORTEST, short_ids

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
WORD = st.text(
    st.sampled_from("aÁáßﬁﾊΩς漢🦊e\u0301-'x1") | st.characters(codec="utf-8"), min_size=1, max_size=6
).filter(lambda word: not any(each.isspace() or each == '"' for each in word))
NOW = datetime(2026, 4, 9, tzinfo=UTC)
NEAR = st.integers(-5, 5).map(lambda days: NOW + timedelta(days=days))
MODELS = ("veo3.1", "VEO3.1", "pixverse5.5", "")
RATIOS = ("16:9", "9:16", "")

GLANCES = st.builds(
    Glance,
    id=TEXT,
    created=st.none() | NEAR,
    prompt=TEXT,
    model=st.sampled_from(MODELS),
    aspect_ratio=st.sampled_from(RATIOS),
    standing=st.sampled_from(Standing),
    is_gone=st.booleans(),
)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Café", "CAFE"),
        ("cafe\u0301", "CAFÉ"),
        ("Straße", "STRASSE"),
        ("ﬁsh", "FISH"),
        ("ＦＯＸ", "fox"),
        ("ﾊ", "ハ"),
        ("Ångström", "angstrom"),
        ("Phố cổ", "PHO CO"),
        ("ΛΌΓΟΣ", "λόγος"),
    ],
)
def test_what_a_search_does_not_care_for(text: str, same: str) -> None:
    assert fold(text) == fold(same)


def test_what_a_search_does_care_for() -> None:
    assert len({fold(word) for word in ("fox", "fax", "f ox", "ox", "狐", "🦊", "лиса")}) == 7


@given(TEXT, TEXT)
def test_a_part_of_a_text_is_a_part_of_it_folded(before: str, behind: str) -> None:
    assert fold(before + behind) == fold(before) + fold(behind)


@given(TEXT)
def test_folding_leaves_no_marks_and_no_small_letters(text: str) -> None:
    assert not [each for each in fold(text) if unicodedata.category(each).startswith("M")]
    assert fold(text) == fold(text).upper()


@given(st.lists(st.lists(WORD, min_size=1, max_size=3), max_size=4))
def test_words_and_words_in_quotes(groups: list[list[str]]) -> None:
    typed = " ".join(f'"{" ".join(group)}"' if len(group) > 1 else group[0] for group in groups)
    folded = [fold(" ".join(group)) for group in groups]
    assert Query.parse(typed).words == tuple(word for word in folded if word.strip())


@pytest.mark.parametrize(
    ("typed", "words"), [('"night mark', ("NIGHT MARK",)), ('""', ()), ('a"b', ('A"B',)), ("", ())]
)
def test_quotes_that_are_not_closed_and_empty_ones(typed: str, words: tuple[str, ...]) -> None:
    assert Query.parse(typed).words == words


@given(st.lists(WORD, max_size=3), st.lists(TEXT, min_size=1, max_size=3))
def test_every_word_has_to_occur_in_one_of_the_texts(words: list[str], texts: list[str]) -> None:
    query = Query.parse(" ".join(words))
    assert query.fits(*texts) == all(any(word in fold(text) for text in texts) for word in query.words)


@given(TEXT.filter(str.strip), TEXT, TEXT)
def test_what_was_cut_out_of_a_prompt_finds_it(part: str, before: str, behind: str) -> None:
    assert Query.parse(part.replace('"', " ")).fits(before + part + behind)


@given(
    GLANCES,
    st.none() | NEAR,
    st.none() | NEAR,
    st.lists(st.sampled_from(MODELS), max_size=2),
    st.lists(st.sampled_from(RATIOS), max_size=2),
    st.lists(st.sampled_from(get_args(Choice)), max_size=2),
    st.lists(WORD, max_size=1),
)
def test_filters_against_a_plain_model(
    video: Glance,
    since: datetime | None,
    until: datetime | None,
    models: list[str],
    ratios: list[str],
    standings: list[Choice],
    words: list[str],
) -> None:
    query = Query.parse(" ".join(words))
    chosen = Filter(
        since=since,
        until=until,
        models=tuple(models),
        aspect_ratios=tuple(ratios),
        standings=tuple(standings),
        query=query,
    )
    is_in_time = since is None and until is None
    if video.created is not None:
        is_in_time = (since or video.created) <= video.created < (until or video.created + timedelta(1))
    states = {str(video.standing)} | ({"gone"} if video.is_gone else set())
    assert chosen.admits(video) == (
        is_in_time
        and (not models or video.model.lower() in [model.lower() for model in models])
        and (not ratios or video.aspect_ratio in ratios)
        and (not standings or bool(states & {*standings}))
        and query.fits(video.prompt, video.id)
    )


@given(GLANCES)
def test_without_a_filter_every_video_is_meant(video: Glance) -> None:
    assert Filter().admits(video)


def test_the_option_knows_every_choice() -> None:
    assert get_args(Choice) == CHOICES


ID = st.builds(str.__add__, st.sampled_from(["", "2026", "20260409"]), st.text("ab1", min_size=1, max_size=4))


@given(st.lists(ID, unique=True, max_size=12).map(sorted))
def test_a_short_id_names_one_video_and_is_no_longer_than_it_has_to_be(ids: list[str]) -> None:
    short = short_ids(ids)
    assert list(short) == ids
    for video_id, beginning in short.items():
        assert video_id.startswith(beginning)
        assert beginning in ids or [each for each in ids if each.startswith(beginning)] == [video_id]
        if len(beginning) > SHORTEST:
            assert len([each for each in ids if each.startswith(beginning[:-1])]) > 1
