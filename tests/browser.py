"""The library's page in a real browser: Debian's Chromium, headless, and what the page does in it.

    def test_x(look: Look) -> None:
        page = look(archive)          # from `file://`
        page = look("http://127.0.0.1:1234/")

Every page is held to the same at the end of the test: no error in the console, none in a script, and no request to
anything but the archive (or the server) that was opened.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from pictory_archiver.simulator import REMOVED, Fault, Match, Simulator, SimulatorThread, Status, World

from .support import TIMEOUT, Program, required

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
SECONDS = 20
"""How long an element is waited for. It takes that long only where the test fails."""

COUNT = 48
ACCENTS, UNDATED, UNFINISHED, LACKING, GONE = 0, 31, 20, 22, 30
"""Videos of `filmed` that are told of below."""

FILM = (8, 7, 6, 5, 4)
"""A chain of the simulated account, from its first part to its last."""

BRANCH = 2
"""Continues the second part of the film as well."""

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)

Look = Callable[..., "Page"]


@dataclass
class Seen:
    """What a page did: `complaints` are errors of any kind, `requests` all that it asked for."""

    origin: str
    expected: str | None
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def console(self, message: ConsoleMessage) -> None:
        said = f"{message.text} ({message.location.get('url')})"
        if message.type in ("error", "warning") and not (self.expected and re.search(self.expected, said)):
            self.complaints.append(said)

    def request(self, request: Request) -> None:
        self.requests.append(request.url)

    def check(self) -> None:
        assert not self.complaints, self.complaints
        foreign = [url for url in self.requests if not url.startswith(self.origin)]
        assert self.requests
        assert not foreign, foreign


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser. It ends with the module: while it runs, no other event loop can run in this thread."""
    program = shutil.which("chromium")
    required(program, "chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS])
        yield browser
        browser.close()


@pytest.fixture
def look(chromium: Browser) -> Iterator[Look]:
    """Opens the library of an archive, or a URL: `look(archive, "#q=lion", size=PHONE)`.

    expected: a pattern of what the console may say. script: what runs before the page's own. More arguments are those
    of a Playwright context.
    """
    pages: list[tuple[Any, Seen]] = []

    def open_page(
        where: Path | str,
        address: str = "",
        *,
        size: dict[str, int] = DESKTOP,
        expected: str | None = None,
        script: str = "",
        **more: Any,
    ) -> Page:
        more = {"viewport": size, "locale": "en-GB", "timezone_id": "UTC", "color_scheme": "light", **more}
        context = chromium.new_context(**more)
        context.set_default_timeout(SECONDS * 1000)
        page = context.new_page()
        page.add_init_script(script)
        url = where if isinstance(where, str) else (where / "index.html").as_uri()
        parts = urlsplit(url)
        seen = Seen(url.removesuffix("index.html") if parts.scheme == "file" else f"http://{parts.netloc}/", expected)
        page.on("console", seen.console)
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        context.on("request", seen.request)
        pages.append((context, seen))
        page.goto(url + address)
        return page

    yield open_page
    for context, _ in pages:
        context.close()
    for _, seen in pages:
        seen.check()


@dataclass
class Filmed:
    """An archive with a library, the account that it was made of, and the program of its owner."""

    root: Path
    world: World
    program: Program

    def id(self, video: int) -> str:
        return self.world.id(video)

    def captions(self, videos: Iterable[int] = range(COUNT)) -> list[str]:
        """What `captions` finds where these videos are shown: newest first, the one without a date last."""
        ordered = sorted(videos, key=lambda video: (video == UNDATED, video))
        return [self.world.item(video)["prompt"][:80] for video in ordered]


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Filmed:
    """Forty-eight videos with all that may be the matter with one. Nobody changes it."""
    folder = tmp_path_factory.mktemp("filmed")
    world = World(count=COUNT)
    lost = Fault(Match(kind="last_frame", video=LACKING), Status(404), times=None)
    with SimulatorThread(Simulator(world, [lost])) as simulator:
        program = Program.of(simulator, folder / "home")
        world.change(ACCENTS, prompt="Déjà vu in the CAFÉ, a naïve ﬁlm")
        world.change(UNDATED, createdDate=REMOVED)
        world.change(UNFINISHED, url=REMOVED)
        world.change(BRANCH, extendVideoUrl=world.link(world.path(FILM[1], "video")))
        assert program.run("sync", folder / "archive").status == 3
        world.delete(GONE)
        for _ in range(2):
            assert program.run("sync", "--full", folder / "archive").status == 3
    return Filmed(folder / "archive", world, program)


@contextmanager
def served(program: Program, root: Path) -> Iterator[str]:
    """The URL of the library while `serve` shows it."""
    process = program.start("serve", "--port", "0", root)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert match, line
        yield match[0]
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT)


def captions(page: Page) -> list[str]:
    """What is written under the tiles that are in the document, in the order of the document."""
    found: list[str] = page.locator("#wall .tile .caption bdi").all_text_contents()
    return found


def tile(page: Page, words: str) -> Any:
    """The tile of the first video whose prompt has these words."""
    return page.locator("#wall .tile", has_text=words).first


def until(page: Page, script: str, value: object = None) -> None:
    """Waits until an expression, or a function of the value, is true in the page. (Playwright's own waiting for
    expressions needs `eval`, which the page's policy forbids.)"""
    end = time.monotonic() + SECONDS
    while not page.evaluate(script, value):
        assert time.monotonic() < end, f"{script} {value!r} at {page.url}: {page.inner_text('body')[:2000]}"
        page.wait_for_timeout(20)


def moves(page: Page, selector: str) -> None:
    """Waits until the video that a selector finds plays: its time goes on."""
    until(
        page,
        """selector => {
            const video = document.querySelector(selector);
            return video && !video.paused && video.currentTime > 0.1;
        }""",
        selector,
    )


def counted(page: Page, words: str) -> None:
    """Waits until the page tells this of how many videos it shows."""
    until(page, "words => document.querySelector('#count').textContent === words", words)
