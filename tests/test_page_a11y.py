"""The library's page under axe-core: no violation, at both widths, in both colour schemes, in each of its states."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from .browser import COUNT, DESKTOP, FILM, LACKING, PHONE, Filmed, Look, counted, moves

if TYPE_CHECKING:
    from playwright.sync_api import Page


def check(page: Page) -> None:
    """No violation of any rule, best practices included. (axe waits for what fades in.)"""
    from axe_playwright_python.sync_playwright import Axe

    found: dict[str, Any] = Axe().run(page).response
    told = [
        f"{each['id']}: {each['help']}: {[node['html'][:160] for node in each['nodes']]}"
        for each in found["violations"]
    ]
    assert not told, "\n".join(told)
    assert len(found["passes"]) > 10


def wall(page: Page, _: Filmed) -> None:
    page.wait_for_selector(".tile img")


def filters(page: Page, _: Filmed) -> None:
    if page.is_visible("#show-filters"):
        page.click("#show-filters")
    page.select_option("#model", "veo3.1")
    page.wait_for_selector("#clear")


def nothing(page: Page, _: Filmed) -> None:
    page.fill("#query", "zebra")
    page.wait_for_selector("text=Nothing fits.")


def state(page: Page, _: Filmed) -> None:
    page.click("#state summary")
    page.wait_for_selector("#state li button")


def detail(page: Page, filmed: Filmed) -> None:
    page.evaluate("hash => { location.hash = hash }", f"#video={filmed.id(FILM[1])}")
    page.wait_for_selector("#detail .files li")
    page.wait_for_selector("#detail .strip .mini")
    page.click("#detail .request summary")


def lacking(page: Page, filmed: Filmed) -> None:
    page.evaluate("hash => { location.hash = hash }", f"#video={filmed.id(LACKING)}")
    page.wait_for_selector("#detail .files .lost")


def film(page: Page, filmed: Filmed) -> None:
    detail(page, filmed)
    page.click("text=Play the whole film")
    moves(page, ".screens video.front")


def keys(page: Page, _: Filmed) -> None:
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing(filmed: Filmed, look: Look, size: dict[str, int], scheme: str) -> None:
    states: tuple[Callable[[Page, Filmed], None], ...] = (
        wall, filters, nothing, state, detail, lacking, film, keys,
    )  # fmt: skip
    for reach in states:
        page = look(filmed.root, size=size, color_scheme=scheme)
        counted(page, f"{COUNT} videos")
        reach(page, filmed)
        check(page)
        page.context.close()


def test_nothing_is_lost_with_forced_colours(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root, f"#video={filmed.id(FILM[1])}", forced_colors="active")
    page.wait_for_selector("#detail .strip .mini")
    current, other = (
        page.eval_on_selector(
            f"#detail .strip li:nth-child({number}) .mini", "each => getComputedStyle(each).borderTopColor"
        )
        for number in (2, 1)
    )
    assert current != other
