from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictory_archiver.errors import BrokenBody
from pictory_archiver.json_weight import MAX_DEPTH
from pictory_archiver.listing_page import changed_fields, created_of, parse_page
from pictory_archiver.models import Kind, OddItem, Page, Slot, Video

SIGNATURE = "Expires=1&Signature=hunter2&Key-Pair-Id=K"
ITEM: dict[str, Any] = {
    "url": "https://cdn.example/v/1.mp4",
    "id": "20260409185104635ec00b33280fc451f",
    "prompt": "A woman sitting on the grass",
    "aspectRatio": "9:16",
    "createdDate": "2026-04-09T18:51:47.967Z",
    "model": "pixverse5.5",
    "width": 720,
    "duration": "8s",
    "previewImageUrl": "https://cdn.example/v/1_preview.jpg",
    "thumbnailImageUrl": "https://cdn.example/v/1_thumbnail.jpg",
    "lastFrameImageUrl": "https://cdn.example/v/1_last_frame.png",
}


def page(*items: Any, **fields: Any) -> Page:
    return parse_page(json.dumps({"items": items, **fields}).encode())


def video(**fields: Any) -> Video:
    (only,) = page({"id": "1"} | fields).videos
    return only


def odd(item: Any) -> OddItem:
    result = page(item, ITEM)
    assert len(result.videos) == 1
    return result.odd[0]


def urls(one: Video) -> dict[str, str]:
    return {str(source.slot): source.url for source in one.sources}


def test_a_documented_page() -> None:
    result = page(ITEM, nextPageKey="a+/=&%#")
    assert result.next_key == "a+/=&%#"
    assert result.odd == ()
    (one,) = result.videos
    assert one.id == ITEM["id"]
    assert one.item == ITEM
    assert list(one.item) == list(ITEM)
    assert one.created == datetime(2026, 4, 9, 18, 51, 47, 967000, tzinfo=UTC)
    assert (one.prompt, one.model, one.aspect_ratio) == (ITEM["prompt"], "pixverse5.5", "9:16")
    assert urls(one) == {
        "video": ITEM["url"],
        "thumbnail": ITEM["thumbnailImageUrl"],
        "preview": ITEM["previewImageUrl"],
        "last_frame": ITEM["lastFrameImageUrl"],
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>login</html>",
        b"null",
        b"[]",
        b'"items"',
        b"{}",
        b'{"items": null}',
        b'{"items": {}}',
        b'{"items": "x"}',
        b'{"items": 1}',
        b'{"items": [], "nextPageKey": 1}',
        b'{"items": [], "nextPageKey": {}}',
        b'{"items": [], "nextPageKey": false}',
        b'{"items": []} trailing',
        b'{"items": [',
        b'{"items": [' + b"[" * 100_000,
        b'{"items": [' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"]}",
        b"\xff\xfe\x00",
    ],
)
def test_an_unusable_page_is_broken_never_empty(body: bytes) -> None:
    with pytest.raises(BrokenBody) as caught:
        parse_page(body)
    assert str(caught.value).isprintable()


def test_an_id_longer_than_any_is_odd() -> None:
    page = parse_page(json.dumps({"items": [{"id": "x" * 100_000}, {"id": "x" * 100_001}]}).encode())
    assert [video.id for video in page.videos] == ["x" * 100_000]
    assert [item.problem for item in page.odd] == ["the item's id has 100,001 characters"]


@pytest.mark.parametrize("unit", [b"[],", b"{},", b"1,", b'"",'])
def test_a_page_of_more_values_than_any_has_is_broken(unit: bytes) -> None:
    with pytest.raises(BrokenBody, match="more than 200,000 values"):
        parse_page(b'{"items": [{"id": "x", "a": [' + unit * 200_001 + b"1]}]}")


@pytest.mark.parametrize("text", [",[{" * 70_000, '\\",' * 200_001, '"' * 5])
def test_what_stands_in_a_prompt_is_no_value(text: str) -> None:
    body = json.dumps({"items": [{"id": "x", "prompt": text}]}).encode()
    assert parse_page(body).videos[0].prompt == text


@pytest.mark.parametrize("body", [b'"' + b'\\"' * 2_000_000 + b"[" * 300_000, b'["' * 2_000_000, b"\\" * 4_000_000])
def test_a_text_that_only_seems_to_end_is_passed_over_once(body: bytes) -> None:
    """A search that begins anew at each quote would take days."""
    with pytest.raises(BrokenBody):
        parse_page(b",[{" * 100_000 + body)


def test_a_page_cut_anywhere_is_broken() -> None:
    body = json.dumps({"items": [ITEM, {"id": "ü\U0001f600"}], "nextPageKey": "k"}, ensure_ascii=False).encode()
    for length in range(len(body)):
        with pytest.raises(BrokenBody):
            parse_page(body[:length])


@pytest.mark.parametrize("fields", [{}, {"nextPageKey": None}, {"nextPageKey": ""}])
def test_the_last_page_has_no_key(fields: dict[str, Any]) -> None:
    assert page(**fields) == Page((), (), None)


@pytest.mark.parametrize(
    "item", [None, 1, "x", [], [ITEM], {}, {"id": None}, {"id": ""}, {"id": True}, {"id": 1.5}, {"id": {}}]
)
def test_an_item_without_an_id_is_kept_raw_and_hides_no_other(item: Any) -> None:
    kept = odd(item)
    assert json.loads(kept.raw) == item
    assert kept.problem


def test_an_item_too_deep_is_odd() -> None:
    deep: Any = "x"
    for _ in range(MAX_DEPTH + 1):
        deep = {"a": [deep]}
    assert odd({"id": "1", "deep": deep}).problem


def test_an_integer_id_is_its_decimal_text() -> None:
    one = video(id=20260409185104635123)
    assert one.id == "20260409185104635123"
    assert one.item["id"] == 20260409185104635123


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (rb'"lone \ud800 surrogate"', "lone \ufffd surrogate"),
        (b'"not \xff UTF-8"', "not \ufffd UTF-8"),
        (b'"encoded \xed\xa0\x80 surrogate"', "encoded \ufffd\ufffd\ufffd surrogate"),
        (b'"raw \n line"', "raw \n line"),
        (b"NaN", "NaN"),
        (b"-Infinity", "-Infinity"),
        (b"1e400", "1e400"),
        (b"9" * 5000, "9" * 5000),
        (b"12345678901234567890123", 12345678901234567890123),
        (rb'{"\udfff": ["\ud800"]}', {"\ufffd": ["\ufffd"]}),
    ],
)
def test_what_utf8_json_cannot_say_is_read_leniently(text: bytes, kept: Any) -> None:
    good = json.dumps(ITEM).encode()
    result = parse_page(b'{"items": [%b, {"id": "2", "prompt": %b}, 7], "nextPageKey": "k"}' % (good, text))
    assert [one.id for one in result.videos] == [ITEM["id"], "2"]
    assert result.videos[0].item == ITEM
    assert result.videos[1].item["prompt"] == kept
    assert [entry.raw for entry in result.odd] == ["7"]
    assert result.next_key == "k"


def test_a_byte_order_mark_is_passed_over() -> None:
    assert len(parse_page(b"\xef\xbb\xbf" + json.dumps({"items": [ITEM]}).encode()).videos) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-04-09T18:51:47Z", datetime(2026, 4, 9, 18, 51, 47, tzinfo=UTC)),
        ("2026-04-09t18:51:47z", datetime(2026, 4, 9, 18, 51, 47, tzinfo=UTC)),
        ("2026-04-09T18:51:47", datetime(2026, 4, 9, 18, 51, 47, tzinfo=UTC)),
        (" 2026-04-09 18:51:47.123456789+02:00 ", datetime(2026, 4, 9, 16, 51, 47, 123456, tzinfo=UTC)),
        ("2026-04-09", datetime(2026, 4, 9, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("2026-02-30", None),
        ("+002026-04-09T00:00:00Z", None),
        ("20260409", None),
        ("2026-W15-4", None),
        ("yesterday", None),
        ("", None),
        (1775760707967, None),
        (1.5, None),
        (None, None),
        (["2026-04-09"], None),
    ],
)
def test_created_is_iso_text_or_nothing(text: Any, expected: datetime | None) -> None:
    created = video(createdDate=text).created
    assert created == created_of({"createdDate": text}) == expected
    assert created is None or created.utcoffset() == timedelta(0)


@given(st.one_of(st.text(max_size=30), st.from_regex(r"\d{4}-\d\d-\d\d[T ][\d:.,+Z-]{0,14}")))
def test_any_created_text_is_parsed_or_none(text: str) -> None:
    video(createdDate=text)


def test_fields_of_other_types_are_kept_but_not_used() -> None:
    one = video(prompt=5, model=None, aspectRatio=["9:16"], duration="abc", url={"x": 1}, previewImageUrl="  ")
    assert (one.prompt, one.model, one.aspect_ratio, one.sources) == ("", "", "", ())
    assert one.item["url"] == {"x": 1}


def test_inputs_are_sources_and_references_keep_their_numbers() -> None:
    one = video(
        firstFrameImageUrl=" https://a/f.jpg ",
        extendVideoUrl="relative.mp4",
        referenceImageUrls=["https://a/1", None, "", "https://a/4"],
    )
    assert urls(one) == {
        "first_frame": "https://a/f.jpg",
        "extend_source": "relative.mp4",
        "reference-1": "https://a/1",
        "reference-4": "https://a/4",
    }
    (alone,) = video(referenceImageUrls="https://a/1").sources
    assert alone.slot == Slot(Kind.REFERENCE, 1)


def test_signatures_stay_in_memory() -> None:
    signed = f"https://cdn/a?v=1&{SIGNATURE}"
    one = video(
        url=f" {signed}",
        thumbnailImageUrl=f"/odd path?{SIGNATURE}",
        referenceImageUrls=[signed, {"url": signed}, f"odd path?{SIGNATURE}"],
        unknown={"deep": [signed, {"HTTPS": signed.replace("https", "HTTPS")}]},
        prompt=f"like {signed} please",
    )
    assert [source.url for source in one.sources][:2] == [signed, f"/odd path?{SIGNATURE}"]
    assert one.sources[0].address == one.item["url"] == "https://cdn/a?v=1"
    assert one.item["prompt"] == f"like {signed} please"
    assert "hunter2" not in repr(one.item | {"prompt": ""})
    assert "hunter2" not in repr(one.sources)


def test_another_host_or_signature_is_no_change() -> None:
    old = {"url": "https://a/v.mp4", "more": [{"u": "https://a/x?Signature=1"}], "prompt": "p", "gone": None}
    new = {"url": "http://b:1/v.mp4?token=t", "more": [{"u": "https://b/x"}], "prompt": "p"}
    assert not changed_fields(old, new)
    assert changed_fields(old, new) == {}


def test_changed_fields_are_the_former_values() -> None:
    old = {"url": "https://a/v.mp4", "prompt": "before", "gone": 1, "same": [1]}
    new = {"url": "https://a/w.mp4", "prompt": "after", "new": 2, "same": [1]}
    assert changed_fields(old, new) == {"url": "https://a/v.mp4", "prompt": "before", "gone": 1, "new": None}
    assert changed_fields(old, new)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*ITEM, "firstFrameImageUrl", "referenceImageUrls", "extendVideoUrl", "other"])


@settings(deadline=None)
@given(st.lists(st.dictionaries(FIELDS, JSON_VALUES, max_size=5) | JSON_VALUES, max_size=5))
def test_every_item_comes_out_and_can_be_written(items: list[Any]) -> None:
    result = page(*items)
    assert len(result.videos) + len(result.odd) == len(items)
    for one in result.videos:
        assert msgspec.json.decode(msgspec.json.encode(one.item)) == one.item
        msgspec.json.encode((one.id, one.prompt, one.model, one.aspect_ratio, one.sources))
        assert not changed_fields(one.item, one.item)
    for entry in result.odd:
        entry.raw.encode()


@settings(deadline=None)
@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda middle: b'{"items":[' + middle + b"]}"))
def test_any_bytes_are_a_page_or_broken(body: bytes) -> None:
    try:
        parse_page(body)
    except BrokenBody:
        return
