"""One page of the API's listing: bytes in, records out.

* A page is unusable (`BrokenBody`) only if its JSON, its `items` or its `nextPageKey` is. One odd item never
  hides the others: what has no usable id comes out as an `OddItem`, raw.
* All of an item is kept, unknown fields included; its URLs become addresses. A prompt stays verbatim.
* What comes out can always be written as UTF-8 JSON. What cannot (a lone surrogate, invalid UTF-8, `NaN`, `1e400`)
  is read leniently: U+FFFD for the character, the number as its text.

Strict and fast first, item by item (msgspec); the lenient reader (json) takes over only where that fails.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from .addresses import locator, strip_signature
from .errors import BrokenBody
from .json_weight import MAX_DEPTH, holds_more_values_than
from .models import Kind, OddItem, Page, Slot, Source, Video

MAX_VALUES = 200_000
"""In a page: a hundred videos have some thousands."""
MAX_INTEGER_DIGITS = 1000
MAX_ID_LENGTH = 100_000
REPLACEMENT = "\ufffd"

REFERENCES = "referenceImageUrls"
SINGLE_SOURCES = {
    "url": Slot(Kind.VIDEO),
    "thumbnailImageUrl": Slot(Kind.THUMBNAIL),
    "previewImageUrl": Slot(Kind.PREVIEW),
    "lastFrameImageUrl": Slot(Kind.LAST_FRAME),
    "firstFrameImageUrl": Slot(Kind.FIRST_FRAME),
    "extendVideoUrl": Slot(Kind.EXTEND_SOURCE),
}
_SOURCES = frozenset((*SINGLE_SOURCES, REFERENCES))

_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]|$)", re.ASCII)
_URL = re.compile(r"\s*https?://\S*\s*", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")

_envelope = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
_value = msgspec.json.Decoder()


def parse_page(body: bytes) -> Page:
    """The records of one page. Raises `BrokenBody` where the page makes no sense."""
    if holds_more_values_than(MAX_VALUES, body):
        raise BrokenBody(f"the page holds more than {MAX_VALUES:,} values")
    try:
        items, next_key = _open(body)
    except RecursionError:
        raise BrokenBody("the page is nested too deeply to be a listing") from None
    if next_key is not None and not isinstance(next_key, str):
        raise BrokenBody(f"the page's nextPageKey is {_type_name(next_key)}, not a string")
    videos: list[Video] = []
    odd: list[OddItem] = []
    for raw in items:
        record = _read_item(raw)
        if isinstance(record, Video):
            videos.append(record)
        else:
            odd.append(record)
    return Page(tuple(videos), tuple(odd), next_key or None)


def created_of(item: dict[str, Any]) -> datetime | None:
    """When the video of an item was made, UTC; None where that is missing or unreadable."""
    return _instant(item.get("createdDate"))


def video_of(video_id: str, item: dict[str, Any]) -> Video:
    """The record of an item that was written down earlier; its URLs carry no signature."""
    return _video(video_id, item)


def changed_fields(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The former values of the fields that differ. A field that is null counts as one that is not there."""
    if old == new:
        return {}
    return {
        name: old.get(name)
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name) and _rewritten(old.get(name), locator) != _rewritten(new.get(name), locator)
    }


def _open(body: bytes) -> tuple[list[msgspec.Raw], Any]:
    """The items, each as its own JSON, and the value of `nextPageKey`."""
    try:
        fields = _envelope.decode(body)
        return _list.decode(fields["items"]), _value.decode(fields.get("nextPageKey", b"null"))
    except (ValueError, KeyError):
        page = _read_leniently(body)
    if not isinstance(page, dict):
        raise BrokenBody(f"the page is {_type_name(page)}, not an object")
    items = page.get("items")
    if not isinstance(items, list):
        raise BrokenBody(f"the page's items are {_type_name(items)}, not a list")
    return [msgspec.Raw(msgspec.json.encode(item)) for item in items], page.get("nextPageKey")


def _read_item(raw: msgspec.Raw) -> Video | OddItem:
    try:
        try:
            item = _value.decode(raw)
        except ValueError:
            item = _read_leniently(bytes(raw))
        if not isinstance(item, dict):
            return _odd(raw, f"the item is {_type_name(item)}, not an object")
        video_id = _identity(item.get("id"))
        if not video_id:
            return _odd(raw, f"the item's id is {_type_name(item.get('id'))}" if "id" in item else "the item has no id")
        if len(video_id) > MAX_ID_LENGTH:
            return _odd(raw, f"the item's id has {len(video_id):,} characters")
        return _video(video_id, item)
    except RecursionError:
        return _odd(raw, f"the item is nested deeper than {MAX_DEPTH} levels")


def _video(video_id: str, item: dict[str, Any]) -> Video:
    written = {name: _field(name, value) for name, value in item.items()}
    return Video(
        id=video_id,
        item=written,
        created=_instant(item.get("createdDate")),
        prompt=_text(item.get("prompt")),
        model=_text(item.get("model")),
        aspect_ratio=_text(item.get("aspectRatio")),
        sources=tuple(_sources(item, written)),
    )


def _field(name: str, value: Any) -> Any:
    """A field as it may be written down. A field that is a source holds a URL, however odd; others may."""
    if isinstance(value, str):
        return strip_signature(value.strip()) if name in _SOURCES or _is_url(value) else value
    if name == REFERENCES and isinstance(value, list):
        return [
            _field(name, entry) if isinstance(entry, str) else _rewritten(entry, strip_signature, 1) for entry in value
        ]
    return _rewritten(value, strip_signature) if isinstance(value, dict | list) else value


def _sources(item: dict[str, Any], written: dict[str, Any]) -> Iterator[Source]:
    """The files that the item names. `written` is the same item with addresses for URLs."""
    for name, slot in SINGLE_SOURCES.items():
        url = item.get(name)
        if isinstance(url, str) and (url := url.strip()):
            yield Source(slot, url, written[name])
    references = item.get(REFERENCES)
    if isinstance(references, str):
        references = [references]
    if isinstance(references, list):
        for number, url in enumerate(references, start=1):
            if isinstance(url, str) and (url := url.strip()):
                yield Source(Slot(Kind.REFERENCE, number), url, strip_signature(url))


def _rewritten(value: Any, rewrite: Callable[[str], str], depth: int = 0) -> Any:
    """`value` with `rewrite` applied to every text in it that is a URL as a whole."""
    if isinstance(value, str):
        return rewrite(value.strip()) if _is_url(value) else value
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, list):
        return [_rewritten(entry, rewrite, depth + 1) for entry in value]
    if isinstance(value, dict):
        return {name: _rewritten(entry, rewrite, depth + 1) for name, entry in value.items()}
    return value


def _is_url(text: str) -> bool:
    return "://" in text and _URL.fullmatch(text) is not None


def _identity(value: Any) -> str:
    """The id as text; empty where it is not usable."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value)


def _instant(value: Any) -> datetime | None:
    """ISO 8601 text as an instant in UTC; without a zone it is UTC. None for anything else."""
    if not isinstance(value, str) or not _DATE.match(value := value.strip()):
        return None
    try:
        instant = datetime.fromisoformat(value.upper())
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _odd(raw: msgspec.Raw, problem: str) -> OddItem:
    return OddItem(bytes(raw).decode("utf-8", "replace"), problem)


def _type_name(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return "an empty string" if value == "" else names.get(type(value), "null or missing")


def _read_leniently(data: bytes) -> Any:
    """JSON whose characters or numbers are not all sound. Raises `BrokenBody` where its structure is not."""
    try:
        value = json.loads(
            data.decode("utf-8-sig", "replace"),
            strict=False,
            parse_constant=str,
            parse_float=_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        raise BrokenBody(f"not JSON: {error.msg} at character {error.pos:,} of {len(error.doc):,}") from None
    return _scrubbed(value)


def _scrubbed(value: Any) -> Any:
    """`value` without lone surrogates."""
    if isinstance(value, str):
        return _SURROGATE.sub(REPLACEMENT, value)
    if isinstance(value, list):
        return [_scrubbed(entry) for entry in value]
    if isinstance(value, dict):
        return {_scrubbed(name): _scrubbed(entry) for name, entry in value.items()}
    return value


def _float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= MAX_INTEGER_DIGITS else text
