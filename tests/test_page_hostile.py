"""Case 48 of the acceptance list: whatever upstream puts into a video's texts, the library's page shows it as text.

Nothing of it is executed, nothing is requested because of it (`look` holds every page to that), and nothing else is in
the way: the other videos are there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pictory_archiver.simulator import Simulator, SimulatorThread, World

from .browser import Filmed, Look, counted, moves, served, until
from .support import Program

if TYPE_CHECKING:
    from playwright.sync_api import Page

COUNT = 24
TRAP = "window.caught = []; window.hack = words => window.caught.push(words);"
ODD = (
    "</script><script>hack(1)</script>",
    "<img src=x onerror=hack(2)>",
    "<svg onload=hack(3)>",
    "');hack(4);('",
    "\\');hack(5);//",
    "'\u2028hack(6)\u2029'",
    "javascript:hack(7)",
    "${hack(8)} {{hack(8)}}",
    '"><iframe srcdoc="<script>parent.hack(9)</script>"></iframe>',
    "<!--<script>",
    "]]>&lt;b&gt;&amp;",
    "__proto__",
    "constructor",
    "\u202egnp.exe\u202c \u2066\u202e\u2069",
    "\x00\x01\x1b[31m\ufffd\ufeff",
    "Z͑ͫ̓" * 40,
    "https://evil.example/x.png",
    "//evil.example/x.png",
    " \t ",
    "=HYPERLINK(1)",
    "word " * 900 + "end",
)
IDS = (
    '"><img src=x onerror=hack(10)>',
    "__proto__",
    "javascript:hack(11)",
    "../../../etc/passwd",
    "</script>",
    "&video=x#y",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filmed]:
    """Videos whose every text is odd."""
    folder = tmp_path_factory.mktemp("hostile")
    world = World(count=COUNT)
    with SimulatorThread(Simulator(world)) as simulator:
        program = Program.of(simulator, folder / "home")
        for video, words in enumerate(ODD):
            world.change(video, prompt=words, model=words, aspectRatio=words, duration=words, language=words)
        for video, words in enumerate(IDS):
            world.change(video, id=words)
        assert program.run("sync", folder / "archive").status == 0
        yield Filmed(folder / "archive", world, program)


@pytest.fixture(params=["file", "serve"])
def where(request: pytest.FixtureRequest, hostile: Filmed) -> Iterator[Path | str]:
    """The archive, or the URL of its library."""
    if request.param == "file":
        yield hostile.root
    else:
        with served(hostile.program, hostile.root) as url:
            yield url


def clean(page: Page) -> None:
    """Nothing ran, and there is no element that is not of the page itself."""
    assert page.evaluate("window.caught") == []
    assert page.evaluate("typeof window.hack") == "function"
    found = page.evaluate("[...new Set([...document.querySelectorAll('body *')].map(each => each.localName))]")
    assert not {"iframe", "object", "embed", "base", "svg"} & set(found)
    assert page.locator("body script").count() == 2
    handlers = page.evaluate(
        """[...document.querySelectorAll('*')].flatMap(each => each.getAttributeNames()).filter(
            name => name.startsWith('on'))"""
    )
    assert handlers == []
    assert page.evaluate("({}).model === undefined && Object.keys(Object.prototype).length === 0")


def test_48_every_text_is_shown_as_text_on_the_wall(where: Path | str, look: Look) -> None:
    page = look(where, script=TRAP)
    counted(page, f"{COUNT} videos")
    page.set_viewport_size({"width": 1280, "height": 4000})
    until(page, f"document.querySelectorAll('.tile .caption').length === {COUNT}")
    shown = page.locator(".tile .words").all_text_contents()
    assert shown[: len(ODD)] == [words[:160] for words in ODD]
    options = page.locator("#model option").evaluate_all("all => all.map(each => each.value)")
    assert {words for words in ODD if words.strip()} <= set(options)
    clean(page)


def test_48_every_text_is_shown_as_text_in_an_opened_video(where: Path | str, look: Look) -> None:
    page = look(where, script=TRAP)
    counted(page, f"{COUNT} videos")
    page.locator(".tile").first.click()
    for number, words in enumerate(ODD):
        until(
            page,
            "words => document.querySelector('#detail h2').textContent === words",
            words or "Without a prompt",
        )
        page.wait_for_selector("#detail .files li a")
        assert words in page.locator("#detail dl dd").all_text_contents()
        assert json.loads(page.locator("#detail .request pre").text_content() or "")["prompt"] == words
        if number < len(IDS):
            until(page, "id => new URLSearchParams(location.hash.slice(1)).get('video') === id", IDS[number])
            assert IDS[number] in (page.locator("#detail .body > .note").last.text_content() or "")
        clean(page)
        page.keyboard.press("ArrowRight")
    moves(page, "#detail video")


@pytest.mark.parametrize("video", IDS)
def test_48_a_reload_opens_a_video_with_any_id(hostile: Filmed, look: Look, video: str) -> None:
    page = look(hostile.root, script=TRAP)
    counted(page, f"{COUNT} videos")
    page.locator(".tile").nth(IDS.index(video)).click()
    moves(page, "#detail video")
    page.reload()
    moves(page, "#detail video")
    assert page.text_content("#detail h2") == ODD[IDS.index(video)]
    clean(page)


def test_48_every_text_can_be_searched_and_filtered_by(hostile: Filmed, look: Look) -> None:
    page = look(hostile.root, script=TRAP)
    counted(page, f"{COUNT} videos")
    for words in ODD:
        if not words.strip() or "\x00" in words:
            continue  # no words; no browser takes a NUL into a field
        page.select_option("#model", words)
        counted(page, f"1 of {COUNT} videos")
        assert page.text_content(".tile .words") == words[:160]
        clean(page)
        page.click("#clear")
        page.fill("#query", f'"{words[:100]}"' if '"' not in words else "iframe srcdoc")
        until(page, "document.querySelector('#count').textContent.includes(' of ')")
        assert words[:160] in page.locator(".tile .words").all_text_contents()
        clean(page)
        page.click("#clear")


@pytest.mark.parametrize(
    "address",
    [
        "#q=%3Cimg%20src%3Dx%20onerror%3Dhack(1)%3E",
        "#model=__proto__&ratio=constructor&seconds=NaN&month=%3Cb%3E&status=__proto__&sort=__proto__&chain=1",
        "#video=%22%3E%3Cscript%3Ehack(1)%3C/script%3E",
        "#video=__proto__x&q=%FF%00",
        "#%%%&&&===",
        "#" + "q=" + "a" * 50_000,
    ],
)
def test_48_the_address_is_text_as_well(hostile: Filmed, look: Look, address: str) -> None:
    page = look(hostile.root, address, script=TRAP)
    until(page, "document.querySelector('#count').textContent.includes('videos')")
    until(page, "!document.querySelector('#count').textContent.includes('so far')")
    clean(page)


def library_of(root: Path, page: Path, state: dict[str, Any], chunks: dict[str, tuple[str, Any]]) -> None:
    """Writes a library by hand, as the archive of somebody else might hold it."""
    folder = root / "library"
    folder.mkdir()
    shutil.copy(page / "index.html", root)
    shutil.copy(page / "library" / "icon.svg", folder)
    (folder / "state.js").write_text(f"pictoryLibrary.open({json.dumps(json.dumps(state))})")
    for name, (call, data) in chunks.items():
        (folder / name).write_text(f"pictoryLibrary.{call}({json.dumps(name)}, {json.dumps(json.dumps(data))})")


def state_with(chunks: list[Any]) -> dict[str, Any]:
    counts = ("listed", "held", "in_archive", "complete", "pending", "overdue", "not_listed_any_more", "gone_upstream")
    more = ("odd_items", "bytes", "problem_count", "accepted_count", "lost_input_count", "exit_status")
    return {
        "format": "pictory-archiver/library", "version": 1, "built_at": "2026-11-25T07:30:00Z", "built_by": "x",
        "time_zone": "No/Where", "chunks": chunks,
        "state": {**dict.fromkeys(counts + more, 0), "as_of": None, "verdict": "<b>x</b>", "scope": "<i>y</i>",
                  "problems": [], "accepted": [], "lost_inputs": []},
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "../evil.js",
        "https://evil.example/x.js",
        "//evil.example/x.js",
        "x.js?y",
        "data:text/javascript,hack(1)",
        "é.js",
    ],
)
def test_48_only_scripts_of_the_library_are_loaded(hostile: Filmed, look: Look, tmp_path: Path, name: str) -> None:
    """The policy of the page, and a rule of its script that a browser without Trusted Types follows as well."""
    state = state_with([{"cards": name, "details": "d.js", "days": [["2026-04-09", 1]]}])
    library_of(tmp_path, hostile.root, state, {})
    (tmp_path / "evil.js").write_text("hack('evil')")
    for without in ("", "delete window.trustedTypes; "):
        page = look(tmp_path, script=without + TRAP)
        page.wait_for_selector("text=no script of the library")
        until(page, "document.querySelector('#state strong').textContent === '<b>x</b>'")
        clean(page)


@pytest.mark.parametrize("folder", ["//evil.example", "https://evil.example", "javascript:hack(1)", "x?y#z", "a%2fb c"])
def test_48_paths_never_lead_elsewhere(hostile: Filmed, look: Look, tmp_path: Path, folder: str) -> None:
    cards = {
        "models": ["m"], "ratios": ["1:1"], "folders": [folder], "id": ["v"], "at": [None], "prompt": ["p"],
        "model": [0], "ratio": [0], "width": [None], "height": [None], "seconds": [None], "status": [0], "gone": [0],
        "folder": [0],
        "stem": ["s"], "video": [1], "thumbnail": [1], "chain": {}, "continued_by": {},
    }  # fmt: skip
    file = {
        "index": None,
        "status": "stored",
        "bytes": 1,
        "sha256": None,
        "error": None,
        "video_id": None,
        "asset": None,
    }
    details = [
        {
            "files": [{**file, "kind": kind, "path": f"{folder}/s.jpg"} for kind in ("preview", "first_frame")],
            "sidecar": f"{folder}/s.json", "request": None, "gone_upstream": None, "archived_at": None, "accepted": [],
            "account": "default",
        }
    ]  # fmt: skip
    state = state_with([{"cards": "c.js", "details": "d.js", "days": [["", 1]]}])
    library_of(tmp_path, hostile.root, state, {"c.js": ("cards", cards), "d.js": ("details", details)})
    page = look(tmp_path, script=TRAP, expected="ERR_FILE_NOT_FOUND|ERR_INVALID_URL")
    page.locator(".tile").click()
    page.wait_for_selector("#detail .files li a")
    links = page.locator("#detail a").evaluate_all("all => all.map(each => each.href)")
    assert len(links) >= 2
    assert all(link.startswith(tmp_path.as_uri() + "/") for link in links), links
    page.wait_for_selector("text=cannot be played")
    clean(page)
