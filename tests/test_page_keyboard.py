"""The library's page without a mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .browser import COUNT, FILM, PHONE, Filmed, Look, captions, counted, moves, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOCUS = """() => {
    const tile = document.activeElement.closest('.tile');
    return tile ? Number(tile.dataset.position) : document.activeElement.id || document.activeElement.className;
}"""


def focus(page: Page) -> Any:
    """The position of the tile that has the focus; the id or the class of anything else that has it."""
    return page.evaluate(FOCUS)


def press(page: Page, *keys: str) -> Any:
    """→ what has the focus then"""
    for key in keys:
        page.keyboard.press(key)
    return focus(page)


def columns(page: Page) -> int:
    """How many tiles the first row has."""
    found: int = page.evaluate(
        """() => {
            const tiles = [...document.querySelectorAll('.tile')];
            const top = tiles[0].getBoundingClientRect().top;
            return tiles.filter(each => each.getBoundingClientRect().top === top).length;
        }"""
    )
    return found


@pytest.fixture
def page(filmed: Filmed, look: Look) -> Page:
    opened = look(filmed.root)
    counted(opened, f"{COUNT} videos")
    opened.wait_for_selector(".tile .caption")
    return opened


def test_tab_goes_through_everything_once_and_the_wall_is_one_stop(page: Page) -> None:
    stops = [press(page, "Tab") for _ in range(14)]
    expected = ["skip", "query", "show-keys", "month", "model", "ratio", "seconds", "status", "sort", "chain"]
    assert stops[: len(expected)] == expected
    assert page.evaluate("document.querySelectorAll('.tile[tabindex=\"0\"]').length") == 1
    assert [stop for stop in stops if isinstance(stop, int)] == [0]


def test_a_link_skips_to_the_videos(page: Page) -> None:
    assert press(page, "Tab") == "skip"
    assert page.is_visible("text=Skip to the videos")
    assert press(page, "Enter") == 0


def test_arrows_move_over_the_wall_in_two_dimensions(page: Page) -> None:
    row = columns(page)
    assert row > 2
    assert press(page, "ArrowRight") == 0  # the first key goes to the wall
    assert press(page, "ArrowRight", "ArrowRight") == 2
    assert press(page, "ArrowDown") == 2 + row
    assert press(page, "ArrowLeft") == 1 + row
    assert press(page, "ArrowUp") == 1
    assert press(page, "ArrowUp") == 1
    assert press(page, "End") == COUNT - 1
    assert press(page, "ArrowRight") == COUNT - 1
    assert press(page, "ArrowDown") == COUNT - 1
    last = page.evaluate(
        "(({top, bottom}) => top >= 0 && bottom <= innerHeight)(document.activeElement.getBoundingClientRect())"
    )
    assert last
    assert press(page, "PageUp") < COUNT - row
    assert press(page, "Home") == 0
    assert press(page, "ArrowLeft") == 0
    assert press(page, "PageDown") >= row
    page.keyboard.press("Home")
    for _ in range(COUNT):
        page.keyboard.press("ArrowRight")
    assert focus(page) == COUNT - 1


def test_the_tile_with_the_focus_is_never_behind_the_head(page: Page) -> None:
    page.keyboard.press("ArrowDown")
    for key in ("ArrowDown",) * 6 + ("ArrowUp",) * 6:
        page.keyboard.press(key)
        top, head = page.evaluate(
            """[document.activeElement.getBoundingClientRect().top,
                document.querySelector('#top').getBoundingClientRect().bottom]"""
        )
        assert top >= head


def test_a_clip_plays_where_the_focus_is(page: Page) -> None:
    page.keyboard.press("ArrowRight")
    moves(page, ".tile:focus video")
    page.keyboard.press("ArrowRight")
    moves(page, ".tile:focus video")
    assert page.locator(".tile video").count() == 1


def test_a_video_is_opened_looked_through_and_closed(page: Page) -> None:
    shown = captions(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail[open] .files li")
    moves(page, "#detail video")
    page.keyboard.press(" ")
    until(page, "document.querySelector('#detail video').paused")
    assert page.inner_text("#detail h2").startswith(shown[1].strip())
    assert page.evaluate("document.querySelector('#detail').contains(document.activeElement)")
    page.keyboard.press("ArrowRight")
    until(page, "words => document.querySelector('#detail h2').innerText.startsWith(words)", shown[2].strip())
    assert page.evaluate("document.querySelector('#detail').contains(document.activeElement)")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    until(page, "words => document.querySelector('#detail h2').innerText.startsWith(words)", shown[0].strip())
    page.keyboard.press("ArrowLeft")
    moves(page, "#detail video")
    page.keyboard.press(" ")
    until(page, "document.querySelector('#detail video').paused")
    page.keyboard.press(" ")
    moves(page, "#detail video")
    page.keyboard.press("Escape")
    page.wait_for_selector("#detail", state="hidden")
    assert focus(page) == 0
    assert page.locator("#detail video").count() == 0


def test_tab_stays_in_an_opened_video(page: Page) -> None:
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail[open] .files li")
    outside = 0
    for _ in range(30):
        page.keyboard.press("Tab")
        outside += page.evaluate(
            "!document.activeElement.closest('#detail') && document.activeElement.matches('body *')"
        )
    assert not outside


def test_search_and_back_to_the_wall(page: Page) -> None:
    assert press(page, "/") == "query"
    page.keyboard.type("rowers")
    until(page, "document.querySelector('#count').textContent.includes(' of ')")
    assert press(page, "Enter") == 0
    assert "rowers" in page.evaluate("document.activeElement.textContent")
    assert press(page, "/") == "query"
    page.keyboard.type("hummingbird")  # what was there is selected
    assert page.input_value("#query") == "hummingbird"
    assert press(page, "ArrowDown") == 0
    assert press(page, "/", "Escape") == "query"
    counted(page, f"{COUNT} videos")
    assert page.url.endswith("#")


def test_the_keys_are_told(page: Page) -> None:
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    said = page.inner_text("#keys")
    for words in ("search", "open the video", "Home, End, Page Up, Page Down"):
        assert words in said
    page.keyboard.press("Escape")
    page.wait_for_selector("#keys", state="hidden")


def test_a_film_without_a_mouse(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root, f"#video={filmed.id(FILM[0])}")
    page.wait_for_selector("#detail .play-film")
    while focus(page) != "play-film":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    moves(page, ".screens video.front")
    page.keyboard.press(" ")
    until(page, "document.querySelector('.screens video.front').paused")
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelector('.film .time').textContent === 'Part 2 of 5'")
    moves(page, ".screens video.front")
    page.keyboard.press("ArrowLeft")
    until(page, "document.querySelector('.film .time').textContent === 'Part 1 of 5'")
    page.keyboard.press("Escape")
    page.wait_for_selector("#detail", state="hidden")


def test_filters_on_a_phone_with_a_keyboard(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root, size=PHONE)
    counted(page, f"{COUNT} videos")
    while focus(page) != "show-filters":
        page.keyboard.press("Tab")
    assert not page.is_visible("#month")
    page.keyboard.press("Enter")
    assert page.is_visible("#month")
    assert page.get_attribute("#show-filters", "aria-expanded") == "true"
