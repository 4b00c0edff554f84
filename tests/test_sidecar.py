"""Sidecars are read as they were written, never crash the reader, and are rewritten only for a reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictory_archiver.errors import ConfigError
from pictory_archiver.models import OUTPUTS, Asset, Kind, Status
from pictory_archiver.sidecar import (
    BrokenSidecar,
    Sidecar,
    is_complete,
    parse,
    render,
    say_the_same,
    schema,
    timestamp,
)

from . import records
from .records import EXAMPLE

VALIDATOR = jsonschema.Draft202012Validator(schema())


@settings(deadline=None, max_examples=50)
@given(records.sidecars())
def test_what_is_written_is_read_again_and_valid(sidecar: Sidecar) -> None:
    data = render(sidecar)
    assert parse(data) == sidecar
    assert render(parse(data)) == data
    assert data.endswith(b"}\n")
    VALIDATOR.validate(json.loads(data))


@given(st.binary(max_size=400) | st.text().map(str.encode) | records.JSON.map(msgspec.json.encode))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    with pytest.raises(BrokenSidecar):
        parse(data)


@given(st.data())
def test_a_sidecar_with_any_field_replaced_is_read_or_refused_and_never_crashes(data: st.DataObject) -> None:
    fields = json.loads(render(EXAMPLE))
    place: Any = data.draw(st.sampled_from([fields, fields["assets"][0], fields["video"]]))
    name = data.draw(st.sampled_from(sorted(place)))
    value = data.draw(records.JSON | st.just(10**400) | st.just("pictory-archiver/sidecar"))
    if name == "version" and isinstance(value, int) and not isinstance(value, bool) and value > 1:
        value = "1"
    place[name] = value
    try:
        found = parse(json.dumps(fields).encode("utf-8", "replace"))
    except BrokenSidecar:
        return
    assert isinstance(found, Sidecar)
    assert parse(render(found)) == found


@given(st.integers(0, len(render(EXAMPLE)) - 2))
def test_a_sidecar_that_was_cut_off_is_broken(length: int) -> None:
    with pytest.raises(BrokenSidecar):
        parse(render(EXAMPLE)[:length])


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"format":' * 50_000,
        b'{"format": "pictory-archiver/sidecar", "version": ' + b"9" * 5000 + b"}",
        b'{"format": "pictory-archiver/sidecar", "version": 1e999}',
        b'{"format": "pictory-archiver/sidecar", "version": 1, "account": "\xff"}',
        b'{"format": "pictory-archiver/sidecar", "version": 1, "account": "\\ud800"}',
        render(EXAMPLE).replace(b'"version": 1', b'"version": 0'),
        render(EXAMPLE).replace(b'"revision": 1', b'"revision": 0'),
        render(EXAMPLE).replace(b'"path": "x.video"', b'"path": "../../x"'),
        render(EXAMPLE).replace(b'"path": "x.video"', b'"path": "/etc/passwd"'),
        render(EXAMPLE).replace(b'"path": "x.video"', b'"path": ".."'),
        render(EXAMPLE).replace(b'"path": "x.video"', b'"path": "a\\\\b"'),
        render(EXAMPLE).replace(b'"stored"', b'"kept"'),
        render(EXAMPLE) + b"}",
    ],
)
def test_what_is_no_sidecar_is_broken(data: bytes) -> None:
    with pytest.raises(BrokenSidecar):
        parse(data)


@pytest.mark.parametrize("rest", [b"", b', "id": 7, "assets": {}', b', "video": null'])
def test_a_newer_format_is_refused_whatever_it_holds(rest: bytes) -> None:
    with pytest.raises(ConfigError, match="version 2") as caught:
        parse(b'{"format": "pictory-archiver/sidecar", "version": 2' + rest + b"}")
    assert caught.value.exit_status == 2


def test_unknown_fields_of_the_item_are_kept_and_big_numbers_too() -> None:
    sidecar = msgspec.structs.replace(EXAMPLE, video={"n": 2**64 - 1, "f": 0.1, "deep": [[[{"": None}]]], "é": "\x00"})
    assert parse(render(sidecar)) == sidecar


def test_who_wrote_a_sidecar_and_when_is_no_difference_and_all_else_is() -> None:
    elsewhere = msgspec.structs.replace(
        EXAMPLE, account="other", source="https://x.example", archived_by="2.0", archived_at="2027-01-01T00:00:00Z"
    )
    assert say_the_same(EXAMPLE, elsewhere)
    asset = msgspec.structs.replace(EXAMPLE.assets[0], etag='"new"')
    changes: tuple[dict[str, Any], ...] = (
        {"id": "x"},
        {"complete": False},
        {"revision": 2},
        {"video": {}},
        {"assets": (asset, *EXAMPLE.assets[1:])},
        {"gone_upstream": "2026-01-01T00:00:00Z"},
        {"accepted": ("video",)},
    )
    for change in changes:
        assert not say_the_same(EXAMPLE, msgspec.structs.replace(EXAMPLE, **change)), change


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("status", Status)
def test_it_is_complete_when_each_output_is_stored_or_not_asked_for(kind: Kind, status: Status) -> None:
    files = [msgspec.structs.replace(each, status=status) if each.kind is kind else each for each in EXAMPLE.assets]
    assert is_complete(files) == (status in (Status.STORED, Status.SKIPPED))
    assert not is_complete(each for each in files if each.kind is not kind)
    lost = Asset(kind=Kind.REFERENCE, index=1, status=Status.MISSING, path=None)
    assert is_complete([*files, lost]) == is_complete(files)  # inputs never count


def test_times_are_utc_whatever_their_zone() -> None:
    assert (
        timestamp(datetime(2026, 11, 23, 1, 55, 1, 999, tzinfo=timezone(timedelta(hours=2)))) == "2026-11-22T23:55:01Z"
    )
    assert timestamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05Z"
