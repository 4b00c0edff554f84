"""The world: what is listed, in which order, and what becomes of it over time."""

from __future__ import annotations

import json
import re
import time
import tracemalloc
from base64 import b64decode, b64encode
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pictory_archiver.simulator import REMOVED, Place, World
from pictory_archiver.simulator.scramble import Scramble
from pictory_archiver.simulator.videos import SUFFIXES, UPLOAD, UPLOADS
from pictory_archiver.simulator.world import ForeignToken

MILLION = 1_000_000
VAST = World(count=MILLION, seed=3)


def listing(world: World) -> list[Any]:
    items: list[Any] = []
    token = None
    while True:
        page = world.page(token)
        items += page.items
        token = page.next_key
        if token is None:
            return items


def ids(world: World) -> list[str]:
    return [item["id"] for item in listing(world)]


# Videos


def test_the_same_seed_makes_the_same_world_and_another_seed_another() -> None:
    first, again, other = World(seed=5, count=120), World(seed=5, count=120), World(seed=6, count=120)
    assert listing(first) == listing(again)
    assert [file.etag for _, file in first.files()] == [file.etag for _, file in again.files()]
    assert set(ids(first)).isdisjoint(ids(other))


def test_items_have_the_documented_shape() -> None:
    for item in listing(World(count=300)):
        assert re.fullmatch(r"20\d{15}[0-9a-f]{16}", item["id"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", item["createdDate"])
        assert re.search(r"/videos/user/[0-9a-f-]{36}/[0-9a-f-]{36}\.mp4$", item["url"])
        stem = item["url"].removesuffix(".mp4")
        assert item["previewImageUrl"] == stem + "_preview.jpg"
        assert item["thumbnailImageUrl"] == stem + "_thumbnail.jpg"
        assert item["lastFrameImageUrl"] == stem + "_last_frame.png"
        assert 5 <= len(item["prompt"]) <= 5000
        assert item["duration"] in ("5s", "8s")
        width, height = map(int, item["aspectRatio"].split(":"))
        assert item["width"] * height == item["height"] * width
        inputs = {"firstFrameImageUrl", "extendVideoUrl", "referenceImageUrls"} & item.keys()
        assert len(inputs) <= 1


def test_newest_first_over_many_months() -> None:
    dates = [datetime.fromisoformat(item["createdDate"]) for item in listing(World(count=300))]
    assert all(newer > older for newer, older in pairwise(dates))
    assert dates[0] - dates[-1] > timedelta(days=300)


@given(st.integers(0, MILLION - 2))
def test_dates_descend_strictly_everywhere(index: int) -> None:
    assert VAST.item(index)["createdDate"] > VAST.item(index + 1)["createdDate"]


def test_there_is_variety() -> None:
    items = [VAST.item(index) for index in range(1000)]
    for field in ("aspectRatio", "model", "duration"):
        assert len({item[field] for item in items}) == {"aspectRatio": 5, "model": 3, "duration": 2}[field]
    prompts = [item["prompt"] for item in items]
    assert any(len(prompt) > 4900 for prompt in prompts)
    for script in ("[぀-ヿ]", "[\u0600-\u06ff]", "[\u0400-\u04ff]", "[\u0900-\u097f]", "🦊", "\u0301"):
        assert any(re.search(script, prompt) for prompt in prompts), script
    assert len(set(prompts)) > 700


def test_inputs_point_at_older_videos_and_at_uploads_that_are_shared() -> None:
    uploads: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    longest = 0
    for index in range(1000):
        item = VAST.item(index)
        first, extended = item.get("firstFrameImageUrl"), item.get("extendVideoUrl")
        for url in filter(None, (first, extended)):
            place = VAST.find(urlsplit(url).path)
            assert place is not None
            kinds[place.kind] += 1
            if place.kind != UPLOAD:
                assert place.number > index
                assert place.kind == ("video" if extended else "last_frame")
        uploads.update(item.get("referenceImageUrls", ()))
        chain, older = 0, VAST._videos.continues(index)
        while older is not None:
            chain, older = chain + 1, VAST._videos.continues(older)
        longest = max(longest, chain)
    assert kinds.keys() == {"video", "last_frame", UPLOAD}
    assert longest >= 3
    assert max(uploads.values()) > 1
    assert sum(url.endswith(".webp") for url in uploads) == 1


@given(index=st.integers(0, MILLION - 1), kind=st.sampled_from(sorted(SUFFIXES)))
def test_id_and_url_lead_back_to_the_index(index: int, kind: str) -> None:
    assert VAST.index(VAST.id(index)) == index
    assert VAST.find(VAST.path(index, kind)) == Place(kind, index)


@given(number=st.integers(0, 2**128 - 1), key=st.binary(min_size=1, max_size=32))
def test_scramble_is_a_permutation(number: int, key: bytes) -> None:
    scramble = Scramble(key, 128)
    assert scramble.reveal(scramble.hide(number)) == number
    assert scramble.hide(scramble.reveal(number)) == number


@given(st.text() | st.from_regex(r"/(videos/user|uploads)/[0-9a-f-]{36}/[0-9a-f-]{36}\.(mp4|jpg)", fullmatch=True))
def test_foreign_ids_and_paths_are_unknown(text: str) -> None:
    assert VAST.find(text) is None
    with pytest.raises(KeyError):
        VAST.index(text)


def test_a_path_with_the_wrong_suffix_is_unknown() -> None:
    path = VAST.path(5, "video")
    assert VAST.find(path.replace(".mp4", ".png")) is None
    assert VAST.find(path + "x") is None


# Listing


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200, 250])
def test_every_page_but_the_last_is_full_and_has_a_key(count: int) -> None:
    world = World(count=count)
    assert len(world) == count
    sizes = []
    token = None
    while True:
        page = world.page(token)
        sizes.append(len(page.items))
        assert page.number == len(sizes)
        if page.next_key is None:
            break
        assert {"+", "/", "="} <= set(page.next_key)
        token = page.next_key
    assert sum(sizes) == count
    assert len(sizes) == max(-(-count // 100), 1)


def test_tokens_of_others_are_refused() -> None:
    token = World(seed=1).page().next_key
    assert token is not None
    altered = b64encode(b64decode(token).replace(b'"index":100', b'"index":"x"')).decode()
    for foreign in ("", "x", "bm9uZQ==", token[:-1], token.replace("+", " "), token + "AAAA", altered):
        with pytest.raises(ForeignToken):
            World(seed=1).page(foreign)
    with pytest.raises(ForeignToken):
        World(seed=2).page(token)


def test_what_is_added_between_two_pages_neither_repeats_nor_hides_anything() -> None:
    world = World(count=250)
    before = ids(world)
    first = world.page()
    new = world.add(3)
    rest = world.page(first.next_key)
    last = world.page(rest.next_key)
    assert [item["id"] for page in (first, rest, last) for item in page.items] == before
    assert ids(world) == new + before
    assert len(world) == 253
    dates = [item["createdDate"] for item in listing(world)]
    assert dates == sorted(dates, reverse=True)


def test_empty_pages_carry_a_key() -> None:
    world = World(count=150, empty_pages={1, 2, 4})
    sizes = []
    token = None
    for _ in range(5):
        page = world.page(token)
        sizes.append(len(page.items))
        token = page.next_key
    assert sizes == [0, 0, 100, 0, 50]
    assert token is None


def test_jobs_that_finish_late_turn_up_among_older_videos() -> None:
    world = World(count=20)
    everything = ids(world)
    late = [everything[3], everything[7]]
    world.hold_back(*late)
    assert ids(world) == [video for video in everything if video not in late]
    assert len(world) == 18
    assert world.file(Place("video", 3)) is None
    world.finish_late()
    assert ids(world) == everything
    assert world.file(Place("video", 3)) is not None


def test_deleted_videos_leave_the_list_and_lose_their_files() -> None:
    world = World(count=20)
    gone, kept = world.id(4), world.id(5)
    world.delete(gone)
    world.delete(kept, keep_files=True)
    assert {gone, kept}.isdisjoint(ids(world))
    assert list(world.indexes()) == [index for index in range(20) if index not in (4, 5)]
    assert world.file(Place("preview", 4)) is None
    assert world.file(Place("preview", 5)) is not None
    assert world.file(Place(UPLOAD, 4)) is not None


def test_items_can_be_changed_replaced_inserted_and_doubled() -> None:
    world = World(count=5)
    first, second = world.id(0), world.id(1)
    world.change(first, duration="abc", extra={"x": 1}, prompt=REMOVED)
    world.change(first, width=None)
    world.replace_item(1, None)
    world.insert_item(2, ["odd"])
    world.insert_item(5, 7)
    world.duplicate(first, 3, model="other")
    items = listing(world)
    assert items[0].items() >= {"duration": "abc", "extra": {"x": 1}, "width": None}.items()
    assert "prompt" not in items[0]
    assert [items[1], items[2], items[-1]] == [None, ["odd"], 7]
    assert items[4] == items[0] | {"model": "other"}
    assert second not in json.dumps(items)
    assert len(items) == 8


def test_what_was_changed_can_be_taken_back() -> None:
    world = World(count=5, page_size=2)
    before = listing(world)
    world.change(1, url=REMOVED, prompt="other")
    world.replace_item(2, 17)
    world.hold_back(3, 4)
    world.restore(1, "url")
    assert listing(world) == [before[0], before[1] | {"prompt": "other"}, 17]
    world.finish_late(4)
    world.restore(1, "prompt")
    world.replace_item(2, REMOVED)
    assert listing(world) == [*before[:3], before[4]]
    world.finish_late()
    world.page_size = 4
    assert listing(world) == before
    assert len(world.page().items) == 4
    world.signed = True
    assert "Signature=" in world.item(0)["url"]


def test_inserted_items_are_split_over_pages() -> None:
    world = World(count=4, page_size=2)
    for number in range(5):
        world.insert_item(1, number)
    assert [item if isinstance(item, int) else "video" for item in listing(world)] == [
        "video", 0, 1, 2, 3, 4, "video", "video", "video",
    ]  # fmt: skip


def test_unknown_videos_are_refused() -> None:
    world = World(count=5)
    for video in (-1, 5, World(seed=2).id(0)):
        with pytest.raises(KeyError):
            world.delete(video)
    assert world.id(-1 + len(world.add())) is not None
    assert world.index(world.id(-1)) == -1


def test_a_million_videos_need_neither_memory_nor_time() -> None:
    tracemalloc.start()
    started = time.perf_counter()
    world = World(count=MILLION)
    first = world.page()
    assert first.next_key is not None
    text = b64decode(first.next_key).strip().replace(b'"page":2,"index":100', b'"page":10000,"index":999900')
    last = world.page(b64encode(text if len(text) % 3 else text + b" ").decode())
    elapsed = time.perf_counter() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(world), last.number, len(last.items), last.next_key) == (MILLION, 10_000, 100, None)
    assert last.items[-1]["id"] == world.id(MILLION - 1)
    assert elapsed < 1
    assert peak < 2**21


def test_all_files_of_the_world_are_those_of_its_videos_and_uploads() -> None:
    world = World(count=3)
    world.delete(1)
    paths = [path for path, _ in world.files()]
    assert len(paths) == len(set(paths)) == 2 * len(SUFFIXES) + UPLOADS
    assert all(world.find(path) is not None for path in paths)


def test_a_video_larger_than_its_box_can_tell_is_refused() -> None:
    with pytest.raises(ValueError, match="video_bytes"):
        World(video_bytes=2**32)


def test_only_a_world_that_signs_has_urls_that_expire() -> None:
    with pytest.raises(ValueError, match="signed"):
        World().expire_urls()
