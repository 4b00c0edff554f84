"""The walk over the pages of a listing, with pages out of thin air."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pictory_archiver.errors import ArchiverError, KeyRefused, ListingError
from pictory_archiver.events import Event, PageListed, silent
from pictory_archiver.listing import PAGES_WITHOUT_NEWS, walk
from pictory_archiver.models import OddItem, Page, Video

Fetch = Callable[[str | None], Awaitable[Page]]
MADE = datetime(2026, 4, 9, tzinfo=UTC)


def video(video_id: str, prompt: str = "") -> Video:
    return Video(video_id, {"id": video_id}, MADE, prompt, "pixverse5.5", "9:16", ())


def page(ids: str, next_key: str | None) -> Page:
    """A page of videos, each with a letter for an id."""
    return Page(tuple(map(video, ids)), (), next_key)


class Book:
    """Pages by token, and which tokens were asked for."""

    def __init__(self, pages: Mapping[str | None, Page]) -> None:
        self._pages = pages
        self.asked: list[str | None] = []

    async def __call__(self, token: str | None) -> Page:
        self.asked.append(token)
        return self._pages[token]


async def ids(fetch: Fetch) -> list[str]:
    """The ids page by page, each page as one word."""
    return ["".join(each.id for each in found.videos) async for found in walk(fetch, silent)]


async def ids_until_error(fetch: Fetch) -> tuple[list[str], ArchiverError]:
    """The ids page by page, and the error behind them."""
    seen: list[str] = []
    try:
        async for found in walk(fetch, silent):
            seen += ["".join(each.id for each in found.videos)]
    except ArchiverError as error:
        return seen, error
    raise AssertionError("the listing came to a good end")


async def test_pages_come_in_order_until_the_one_without_a_key() -> None:
    book = Book({None: page("ab", "2"), "2": page("cd", "3"), "3": page("e", None)})
    assert await ids(book) == ["ab", "cd", "e"]
    assert book.asked == [None, "2", "3"]


async def test_an_account_without_videos_is_one_empty_page() -> None:
    assert await ids(Book({None: page("", None)})) == [""]


async def test_of_duplicate_ids_the_first_wins() -> None:
    pages = {
        None: Page((video("a", "first"), video("b"), video("a", "on the same page")), (), "2"),
        "2": Page((video("b"), video("c"), video("a", "on another page")), (), None),
    }
    found = [each async for listed in walk(Book(pages), silent) for each in listed.videos]
    assert [(each.id, each.prompt) for each in found] == [("a", "first"), ("b", ""), ("c", "")]


async def test_an_item_that_moves_to_the_next_page_is_met_once() -> None:
    book = Book({None: page("ab", "2"), "2": page("bc", "3"), "3": page("cd", None)})
    assert await ids(book) == ["ab", "c", "d"]


async def test_odd_items_come_with_their_page() -> None:
    odd = OddItem("17", "the item is a number, not an object")
    found = [each async for each in walk(Book({None: Page((video("a"),), (odd,), None)}), silent)]
    assert found == [Page((video("a"),), (odd,), None)]


async def test_empty_pages_are_no_end() -> None:
    pages = {None: page("a", "1")} | {str(n): page("", str(n + 1)) for n in range(1, 6)} | {"6": page("b", None)}
    assert await ids(Book(pages)) == ["a", "", "", "", "", "", "b"]


@pytest.mark.parametrize(
    "pages",
    [
        {None: page("a", "2"), "2": page("b", "2")},
        {None: page("a", "2"), "2": page("b", "3"), "3": page("c", "2")},
        {None: page("a", "2"), "2": page("b", "3"), "3": page("", "4"), "4": page("c", "3")},
    ],
    ids=["itself", "the one before", "an empty one"],
)
async def test_a_page_that_leads_back_ends_the_listing(pages: dict[str | None, Page]) -> None:
    book = Book(pages)
    seen, error = await ids_until_error(book)
    assert "".join(seen) == "abc"[: len("".join(seen))]
    assert book.asked == [*pages, list(pages)[-1]]  # the page that leads back is asked for once more
    assert error.exit_status == 5
    assert "leads back" in str(error)
    assert error.hint


async def endless(token: str | None) -> Page:
    """Page after page without an item."""
    return page("" if token else "a", str(int(token or 0) + 1))


async def the_same_again(token: str | None) -> Page:
    """Page after page with the same items."""
    return page("ab", str(int(token or 0) + 1))


async def odd_for_ever(token: str | None) -> Page:
    """Page after page with items that have no id."""
    return Page((), (OddItem("null", "the item is null"),), str(int(token or 0) + 1))


@pytest.mark.parametrize(("fetch", "pages"), [(endless, 51), (the_same_again, 51), (odd_for_ever, 50)])
async def test_pages_without_a_new_video_end_the_listing(fetch: Fetch, pages: int) -> None:
    seen, error = await ids_until_error(fetch)
    assert len(seen) == pages
    assert error.exit_status == 5
    assert "50 pages in a row" in str(error)
    assert error.hint


async def test_a_new_video_now_and_then_keeps_the_listing_going() -> None:
    news = PAGES_WITHOUT_NEWS
    numbers = itertools.count()

    async def fetch(_: str | None) -> Page:
        number = next(numbers)
        items = (video(str(number)),) if number % news == 0 else ()
        return Page(items, (), None if number == 4 * news else str(number))

    assert len(await ids(fetch)) == 4 * news + 1


async def test_a_last_page_after_many_empty_ones_is_an_end() -> None:
    pages: dict[str | None, Page] = {None: page("a", "1")}
    pages |= {
        str(n): page("", str(n + 1) if n < PAGES_WITHOUT_NEWS else None) for n in range(1, PAGES_WITHOUT_NEWS + 1)
    }
    assert len(await ids(Book(pages))) == PAGES_WITHOUT_NEWS + 1


@pytest.mark.parametrize("error", [KeyRefused("no"), ListingError("no")])
async def test_what_a_page_raises_ends_the_walk_behind_the_pages_before(error: ArchiverError) -> None:
    async def fetch(token: str | None) -> Page:
        if token:
            raise error
        return page("ab", "2")

    assert await ids_until_error(fetch) == (["ab"], error)


async def test_each_page_is_told_with_the_videos_so_far() -> None:
    events: list[Event] = []
    book = Book({None: page("ab", "2"), "2": page("b", "3"), "3": page("c", None)})
    async for _ in walk(book, events.append):
        pass
    assert events == [PageListed(1, 2, False), PageListed(2, 2, False), PageListed(3, 3, True)]


async def test_a_page_is_asked_for_when_the_one_before_is_dealt_with() -> None:
    book = Book({None: page("a", "2"), "2": page("b", None)})
    pages = walk(book, silent)
    await anext(pages)
    assert book.asked == [None]


@given(listed=st.lists(st.lists(st.integers(0, 30), max_size=5), min_size=1, max_size=40))
async def test_each_id_comes_once_in_the_order_of_its_first_meeting(listed: list[list[int]]) -> None:
    last = len(listed) - 1
    keys: list[str | None] = [None, *map(str, range(1, last + 1))]
    pages = {
        key: Page(tuple(video(str(number)) for number in numbers), (), None if place == last else str(place + 1))
        for place, (key, numbers) in enumerate(zip(keys, listed, strict=True))
    }
    found = [each.id async for listing in walk(Book(pages), silent) for each in listing.videos]
    assert found == list(dict.fromkeys(str(number) for numbers in listed for number in numbers))


async def test_a_page_that_leads_back_only_once_is_no_end() -> None:
    class Forgetful(Book):
        async def __call__(self, token: str | None) -> Page:
            found = await super().__call__(token)
            return page("b", "2") if self.asked.count("3") == 1 and token == "3" else found

    book = Forgetful({None: page("a", "2"), "2": page("b", "3"), "3": page("c", None)})
    assert await ids(book) == ["a", "b", "c"]
