from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pathvalidate import is_valid_filename

from pictory_archiver.errors import ConfigError
from pictory_archiver.layout import (
    LONGEST_SUFFIX,
    MAX_FOLDER_NAME,
    MIN_NAME_BYTES,
    compile_template,
    distinct,
    file_name,
    partial_name,
    place,
    slug,
)
from pictory_archiver.models import INPUTS, OUTPUTS, Kind, Place, Slot
from pictory_archiver.settings import Layout

ID = "20260409185104635ec00b33280fc451f"
PROMPT = "A woman sitting on the grass as children run and play around her in a wide shot"
CREATED = datetime(2026, 4, 9, 18, 51, 47, 967000, tzinfo=UTC)
DEFAULT = Layout().template
SLOTS = [Slot(kind) for kind in (*OUTPUTS, Kind.FIRST_FRAME, Kind.EXTEND_SOURCE)]
SLOTS += [Slot(Kind.REFERENCE, number) for number in (1, 9999, 9_999_999)]

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)
NASTY = st.sampled_from(
    (
        *("../../x", "..\\x", "/etc/passwd", "C:\\x", "%2e%2e", "a\x00b", "CON", "nul.mp4", "com1", "x.", " x ", "-rf"),
        *(
            "a:b",
            "\u202egpj.exe",
            "é",
            "e\u0301",
            "ﬁ",
            "\u212a",
            "A" * 300,
            "🎬" * 300,
            "library",
            "undated",
            "index.html",
        ),
        *(
            ".",
            "..",
            "",
            ".pictory-archiver",
            "lost+found",
            "@eaDir",
            "Thumbs.db",
            "CONIN$",
            "CLOCK$",
            "LPT¹",
            "_",
            "---",
        ),
    )
)
UNTRUSTED = st.one_of(NASTY, ANY_TEXT, st.text("aA.-_é/", max_size=8))
TEMPLATES = st.sampled_from(
    [
        DEFAULT,
        "{id}",
        "{slug}/{id}",
        "{model}/{created:%Y}/{aspect_ratio}/{id}",
        "{account}/{created:%Y-%m}/{created:%d}/{slug}_{model}_{created:%j}_{id}",
        "{id}/{account}.{model}.{aspect_ratio}.{slug}.{id}",
        "library/con/{slug}-{id}_{created:%H.%M}",
        "..x/-{model}-/{id}_{slug}",
    ]
)


def placed(template: str = DEFAULT, **fields: object) -> Place:
    values: dict[str, object] = {"id": ID, "created": CREATED, "prompt": PROMPT, "model": "veo3.1_fast"}
    values |= {"aspect_ratio": "9:16", "account": "default", "zone": UTC, "max_name_bytes": 120}
    return place(compile_template(template), **(values | fields))  # type: ignore[arg-type]


def all_names(stem: str) -> list[str]:
    finals = [file_name(stem, slot, "webm") for slot in SLOTS]
    partials = [partial_name(stem, slot) for slot in SLOTS]
    return [*finals, *partials, *(f"{name}.json" for name in partials), f"{stem}.json", f"{stem}.json.partial"]


def assert_safe(result: Place, max_name_bytes: int) -> None:
    assert "." not in result.stem
    path = PurePosixPath(result.folder)
    assert not path.is_absolute()
    for name in (*path.parts, *all_names(result.stem)):
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name)
        assert not name.endswith(".")
        assert is_valid_filename(name, platform="universal", max_len=max_name_bytes)
    assert all(len(name) <= MAX_FOLDER_NAME + 1 for name in path.parts)
    assert path.parts[:1] == () or path.parts[0].lower() not in ("library", "index.html", "readme.txt", "thumbs.db")


def test_the_default_place() -> None:
    result = placed()
    assert result.folder == "2026/04/09"
    assert result.stem == f"185147_a-woman-sitting-on-the-grass-as-children-run-and_{ID}"
    assert str(result.sidecar) == f"2026/04/09/{result.stem}.json"


def test_the_folder_follows_the_time_zone() -> None:
    assert placed(zone=timezone(timedelta(hours=9))).folder == "2026/04/10"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (DEFAULT, Place("undated", f"x_{ID}")),
        ("{model}/{created:%Y}/{aspect_ratio}/{created:%m}/{id}", Place("undated/veo3.1_fast/9-16", ID)),
        ("{created:%Y}-{slug}/{id}", Place("undated", ID)),
        ("{account}/{created:%Y}_{id}", Place("default", ID)),
        ("{account}/{id}_{created:%H-%M}", Place("default", ID)),
        ("{account}/{id}_{created:%H-%M}_{slug}", Place("default", f"{ID}_x")),
    ],
)
def test_without_a_date(template: str, expected: Place) -> None:
    assert placed(template, created=None, prompt="x") == expected


@pytest.mark.parametrize(
    ("created", "zone"),
    [
        (datetime.min.replace(tzinfo=UTC), timezone(timedelta(hours=-1))),
        (datetime.max.replace(tzinfo=UTC), timezone(timedelta(hours=1))),
    ],
)
def test_a_date_outside_the_calendar_is_none(created: datetime, zone: tzinfo) -> None:
    assert placed(created=created, zone=zone).folder == "undated"


def test_dates_have_fixed_widths() -> None:
    template = "{created:%Y/%y/%j}/{created:%m%d%%%H.%M-%S}_{id}"
    result = placed(template, created=datetime(7, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert result == Place("0007/07/002", f"0102-03-04-05_{ID}")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", ""),
        ("日本語", ""),
        ("Ça va, Straße №5? ﬁne ℂ", "ca-va-strasse-no5-fine-c"),
        ("--- a ---", "a"),
        ("../../etc/passwd", "etc-passwd"),
        ("x" * 100, "x" * 60),
        ("short " + "x" * 100, "short-" + "x" * 54),
        ("word " * 20, "word-" * 11 + "word"),
    ],
)
def test_slug(prompt: str, expected: str) -> None:
    assert slug(prompt) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{created:%H}_{slug}_{id}", f"18_{ID}"),
        ("{slug}_{id}", ID),
        ("{id}_{slug}", ID),
        ("{id}_{slug}-{model}", f"{ID}_veo3-1_fast"),
        ("made_{slug}_by_{model}_{id}", f"made_by_veo3-1_fast_{ID}"),
    ],
)
def test_an_empty_slug_takes_a_separator_along(template: str, expected: str) -> None:
    assert placed(template, prompt="日本").stem == expected


@pytest.mark.parametrize(
    ("id", "shown"),
    [
        ("../../x", "x"),
        ("ABC", "ABC"),
        ("a.b", "a-b"),
        ("-rf", "rf"),
        ("é", ""),
        ("con", "con"),
        ("nul.mp4", "nul-mp4"),
        ("", ""),
        ("a/b:c", "a-b-c"),
    ],
)
def test_an_id_that_is_altered_gets_a_digest(id: str, shown: str) -> None:  # noqa: A002
    assert re.fullmatch(re.escape(f"{shown}-" if shown else "") + "[0-9a-f]{10}", placed("{id}", id=id).stem)


@pytest.mark.parametrize("id", [ID, "a", "0", "a_b-c", "__a__", "x-"])
def test_a_plain_id_is_kept(id: str) -> None:  # noqa: A002
    assert placed("{id}", id=id).stem == id


def test_the_slug_gives_way_first_then_other_texts_then_the_id() -> None:
    room = MIN_NAME_BYTES - len(LONGEST_SUFFIX)
    template = "{model}_{slug}_{id}"
    texts = {"prompt": "word " * 20, "model": "m" * 30, "max_name_bytes": MIN_NAME_BYTES}
    assert placed(template, id="i" * 30, **texts).stem == "m" * 30 + "_word_" + "i" * 30
    assert placed(template, id="i" * 50, **texts).stem == "m" * (room - 51) + "_" + "i" * 50
    assert re.fullmatch("i{58}-[0-9a-f]{10}", placed(template, id="i" * 90, **texts).stem)


def test_long_ids_that_share_a_beginning_stay_apart() -> None:
    assert placed(id="i" * 300).stem != placed(id="i" * 301).stem


def test_reserved_names_get_a_prefix() -> None:
    assert placed("{model}/{slug}/{id}", model="library", prompt="con").folder == "_library/_con"
    assert placed("{model}/{id}", model="nul.mp4").folder == "_nul.mp4"
    assert placed("{model}/{id}", model="Undated").folder == "_Undated"
    assert placed("{account}/{model}/{id}", model="library").folder == "default/library"
    assert placed("c{id}", id="on").stem == "_con"
    assert placed("{model}/{id}", model="").folder == "unknown"


@settings(deadline=None, max_examples=300)
@given(
    TEMPLATES, UNTRUSTED, UNTRUSTED, UNTRUSTED, UNTRUSTED, UNTRUSTED, st.none() | st.datetimes(), st.integers(100, 255)
)
def test_every_name_is_portable_and_inside(
    template: str,
    id: str,  # noqa: A002
    prompt: str,
    model: str,
    aspect_ratio: str,
    account: str,
    created: datetime | None,
    limit: int,
) -> None:
    result = placed(
        template,
        id=id,
        prompt=prompt,
        model=model,
        aspect_ratio=aspect_ratio,
        account=account,
        created=created and created.replace(tzinfo=UTC),
        max_name_bytes=limit,
    )
    assert_safe(result, limit)
    other = distinct(result, id)
    assert_safe(other, limit)
    assert other.folder == result.folder
    assert other.stem != result.stem


@settings(deadline=None, max_examples=500)
@given(
    st.sampled_from([DEFAULT, "{id}", "{id}_{slug}"]),
    st.sets(UNTRUSTED, min_size=2, max_size=6),
    st.sampled_from([100, 120]),
)
@example(DEFAULT, {"é", "e\u0301", "É", "E\u0301"}, 120)
@example("{id}", {"a", "A", "a.", ".a", "-a", "a ", "ａ"}, 120)
@example("{id}", {"con", "CON", "_con", "con."}, 120)
def test_different_ids_have_names_that_no_file_system_confuses(template: str, ids: set[str], limit: int) -> None:
    stems = [placed(template, id=one, prompt="", max_name_bytes=limit).stem for one in ids]
    folded = {unicodedata.normalize("NFC", stem.casefold()) for stem in stems}
    assert len(folded) == len(ids)


def test_distinct_is_within_the_limit_that_held_before() -> None:
    for length in range(1, 100):
        taken = Place("f", "s" * length)
        assert len(distinct(taken, "x").stem) <= max(length, MIN_NAME_BYTES - len(LONGEST_SUFFIX))
    assert distinct(taken, "x").stem != distinct(taken, "y").stem


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("", "empty"),
        ("{slug}", "{id}"),
        ("{id}/{slug}", "{id}"),
        ("{id!r}", "!r"),
        ("{id.__class__}", "no field"),
        ("{id[0]}", "no field"),
        ("{0}{id}", "no field"),
        ("{}{id}", "no field"),
        ("{name}_{id}", "no field"),
        ("{id:>10}", "no format"),
        ("{id", "'}'"),
        ("id}", "'}'"),
        ("{{id}}{id}", "characters"),
        ("/a/{id}", "slash"),
        ("a//{id}", "empty"),
        ("{id}/", "empty"),
        ("{created:%Y/}/{id}", "empty"),
        ("../{id}", "dots"),
        ("a/./{id}", "dots"),
        ("{created}/{id}", "date format"),
        ("{created:%B}/{id}", "date format"),
        ("{created:%Y {id}}/{id}", "date format"),
        ("{created:%}/{id}", "date format"),
        ("{id}_{id}", "twice"),
        ("a/b/c/d/e/f/g/h/{id}", "levels"),
        ("C:\\{id}", "characters"),
        ("a b/{id}", "characters"),
        ("é/{id}", "characters"),
        ("x" * 41 + "{id}", "exceed"),
    ],
)
def test_a_bad_template_says_what_is_allowed(template: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_template(template)
    assert problem in str(caught.value)
    assert "{created:%Y/%m/%d}" in caught.value.hint


@given(st.text("{}/.%:!-_aY é\\", max_size=30) | ANY_TEXT)
def test_any_text_is_a_template_or_a_config_error(text: str) -> None:
    try:
        compile_template(text + "{id}")
    except ConfigError:
        return
    assert_safe(placed(text + "{id}"), 120)


def test_file_names() -> None:
    assert [file_name("s", Slot(kind)) for kind in OUTPUTS] == [
        *("s.mp4", "s.thumbnail.jpg", "s.preview.jpg", "s.last_frame.png")
    ]
    assert file_name("s", Slot(Kind.FIRST_FRAME), "jpg") == "s.first_frame.jpg"
    assert file_name("s", Slot(Kind.REFERENCE, 12), "png") == "s.reference-12.png"
    assert file_name("s", Slot(Kind.EXTEND_SOURCE), "mov") == "s.extend_source.mov"
    assert partial_name("s", Slot(Kind.VIDEO)) == "s.mp4.partial"
    assert partial_name("s", Slot(Kind.REFERENCE, 12)) == "s.reference-12.partial"
    for kind in INPUTS:
        with pytest.raises(ValueError, match="not known"):
            file_name("s", Slot(kind))


def test_the_longest_suffix_is_the_longest() -> None:
    assert max(len(name) for name in all_names("")) == len(LONGEST_SUFFIX)
    assert len(set(all_names("s"))) == len(all_names("s"))
