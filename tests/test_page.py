"""The library's page: the wall, search, filters, the address, a video that is opened, and the state of the archive."""

from __future__ import annotations

import datetime
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pictory_archiver.simulator import World

from .browser import (
    ACCENTS,
    BRANCH,
    COUNT,
    FILM,
    GONE,
    LACKING,
    PHONE,
    UNDATED,
    UNFINISHED,
    Filmed,
    Look,
    captions,
    counted,
    moves,
    served,
    tile,
    until,
)
from .conftest import Account
from .support import sidecars

MANY = 2000
"""So many that they are shown by day."""


def files_of(filmed: Filmed, video: int) -> dict[str, Path]:
    """The stored files of a video by kind."""
    path, sidecar = sidecars(filmed.root)[filmed.id(video)]
    return {str(each.kind): path.parent / each.path for each in sidecar.assets if each.path}


# The wall


def test_the_wall_shows_every_video_newest_first_with_its_thumbnail(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root)
    counted(page, f"{COUNT} videos")
    page.set_viewport_size({"width": 1280, "height": 6000})
    until(page, f"document.querySelectorAll('.tile img').length === {COUNT}")
    assert captions(page) == filmed.captions()
    until(page, "[...document.querySelectorAll('.tile img')].every(each => each.naturalWidth > 0)")


def test_a_tile_is_a_link_that_tells_what_is_the_matter(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root)
    counted(page, f"{COUNT} videos")
    page.set_viewport_size({"width": 1280, "height": 6000})
    said = {}
    for video in (ACCENTS, FILM[1], UNFINISHED, LACKING, GONE):
        found = page.locator(f'.tile[href="#video={filmed.id(video)}"]')
        said[video] = (found.locator(".badge").all_inner_texts(), found.get_attribute("aria-label") or "")
    assert said[ACCENTS][0] == ["8 s"]
    assert said[FILM[1]][0] == ["Part 2/5", "5 s"]
    assert "part 2 of 5" in said[FILM[1]][1]
    for video, words in ((UNFINISHED, "in the making"), (LACKING, "incomplete"), (GONE, "gone upstream")):
        assert words in said[video][0][0], video
        assert words in said[video][1], video


def test_a_clip_plays_in_its_tile_under_the_mouse_and_only_there(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root)
    tile(page, "Déjà").hover()
    moves(page, ".tile video")
    muted, loops = page.eval_on_selector(".tile video", "video => [video.muted, video.loop]")
    assert muted
    assert loops
    tile(page, "fisherman").hover()
    until(page, "document.querySelector('.tile video')?.closest('.tile').textContent.includes('fisherman')")
    moves(page, ".tile video")
    assert page.locator(".tile video").count() == 1
    page.mouse.move(1, 1)
    page.wait_for_selector(".tile video", state="detached")


def test_nothing_starts_by_itself_for_who_wants_no_motion(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root, reduced_motion="reduce")
    tile(page, "Déjà").hover()
    page.wait_for_timeout(1000)
    assert page.locator(".tile video").count() == 0
    tile(page, "fisherman").click()
    page.wait_for_selector("#detail video")
    until(page, "document.querySelector('#detail video').readyState >= 2")
    assert page.eval_on_selector("#detail video", "video => video.paused && video.currentTime === 0")


def test_a_tap_opens(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root, size=PHONE, has_touch=True, is_mobile=True)
    tile(page, "fisherman").tap()
    moves(page, "#detail video")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 2560])
def test_nothing_sticks_out_at_any_width(filmed: Filmed, look: Look, width: int) -> None:
    page = look(filmed.root, size={"width": width, "height": 800})
    counted(page, f"{COUNT} videos")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    right, inside = page.evaluate(
        """[Math.max(...[...document.querySelectorAll('.tile')].map(each => each.getBoundingClientRect().right)),
            document.querySelector('#wall').getBoundingClientRect().right]"""
    )
    assert right <= inside + 1
    tile(page, "Déjà").click()
    page.wait_for_selector("#detail .files li")
    assert page.eval_on_selector("#detail", "dialog => dialog.scrollWidth <= dialog.clientWidth")


# Search, filters, order


def search(page: Any, words: str) -> list[str]:
    """What is shown for a search, once all is searched."""
    page.fill("#query", words)
    until(
        page,
        """() => !document.querySelector('#count').textContent.includes('so far')
            && (document.querySelector('#query').value.trim() === ''
                || document.querySelector('#count').textContent.includes(' of '))""",
    )
    return captions(page)


def test_search_finds_words_in_any_case_with_or_without_accents(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root)
    for words in ("deja cafe", "DÉJÀ", "afé", "naive film", '"deja vu"', filmed.id(ACCENTS)[-12:]):
        assert search(page, words)[:1] == ["Déjà vu in the CAFÉ, a naïve ﬁlm"], words
    assert search(page, '"vu deja"') == []
    page.wait_for_selector("text=Nothing fits.")
    told = {video: filmed.world.item(video)["prompt"].lower() for video in range(COUNT)}
    expected = filmed.captions(video for video, prompt in told.items() if "rowers" in prompt and "lake" in prompt)
    assert len(expected) > 1
    assert search(page, "lake ROWERS") == expected
    assert search(page, "трамвай") == search(page, "ТРАМВАЙ")
    counted(page, f"1 of {COUNT} videos")


def test_where_nothing_fits_a_button_clears_the_search(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root, "#q=zebra&model=veo3.1")
    page.wait_for_selector("text=Nothing fits.")
    counted(page, f"0 of {COUNT} videos")
    page.click("text=Clear search and filters")
    counted(page, f"{COUNT} videos")
    assert page.input_value("#query") == ""
    assert page.input_value("#model") == ""


@pytest.mark.parametrize(
    ("field", "value", "fits"),
    [
        ("model", "veo3.1", lambda item: item["model"] == "veo3.1"),
        ("ratio", "3:4", lambda item: item["aspectRatio"] == "3:4"),
        ("seconds", "5", lambda item: item["duration"] == "5s"),
        ("month", "2026-02", lambda item: item.get("createdDate", "").startswith("2026-02")),
        ("month", "undated", lambda item: "createdDate" not in item),
    ],
)
def test_a_filter_shows_what_fits_and_says_how_many(
    filmed: Filmed, look: Look, field: str, value: str, fits: Any
) -> None:
    page = look(filmed.root)
    counted(page, f"{COUNT} videos")
    expected = filmed.captions(video for video in range(COUNT) if fits(filmed.world.item(video)))
    until(
        page,
        "([field, value, count]) => document.querySelector(`#${field} option[value='${value}']`)?.text.endsWith(count)",
        [field, value, f"({len(expected)})"],
    )
    page.select_option(f"#{field}", value)
    counted(page, f"{len(expected)} of {COUNT} videos")
    page.set_viewport_size({"width": 1280, "height": 6000})
    until(page, f"document.querySelectorAll('.tile .caption').length === {len(expected)}")
    assert captions(page) == expected
    assert page.url.endswith(f"#{field}={value.replace(':', '%3A')}")


@pytest.mark.parametrize(
    ("status", "videos"),
    [("incomplete", [LACKING]), ("pending", [UNFINISHED]), ("gone", [GONE])],
)
def test_videos_by_what_is_the_matter_with_them(filmed: Filmed, look: Look, status: str, videos: list[int]) -> None:
    page = look(filmed.root, f"#status={status}")
    counted(page, f"{len(videos)} of {COUNT} videos")
    assert captions(page) == filmed.captions(videos)


def test_chains_only(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root)
    counted(page, f"{COUNT} videos")
    page.check("#chain")
    world = filmed.world
    parts = {BRANCH} | {index for index in range(COUNT) if "continued" in world.item(index)["prompt"]}
    firsts = {index for index in range(1, COUNT) if index - 1 in parts - {BRANCH}}
    counted(page, f"{len(parts | firsts)} of {COUNT} videos")


def test_orders(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root)
    counted(page, f"{COUNT} videos")
    page.select_option("#sort", "old")
    assert captions(page)[0] == filmed.world.item(UNDATED)["prompt"][:80]
    assert captions(page)[1] == filmed.world.item(COUNT - 1)["prompt"][:80]
    page.set_viewport_size({"width": 1280, "height": 6000})
    for order, direction in (("long", -1), ("short", 1)):
        page.select_option("#sort", order)
        until(page, f"document.querySelectorAll('.tile .caption').length === {COUNT}")
        lengths = [float(words.split()[0]) for words in page.locator(".badge.length").all_inner_texts()]
        assert lengths == sorted(lengths, key=lambda seconds: direction * seconds)


# The address


def test_the_address_keeps_the_view_and_back_closes_the_video(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root)
    counted(page, f"{COUNT} videos")
    page.fill("#query", "rowers")
    page.select_option("#model", "pixverse5.5")
    page.select_option("#sort", "old")
    before = page.inner_text("#count")
    shown = captions(page)
    assert page.evaluate("history.length") == 2  # about:blank, and this one: typing adds none
    tile(page, "rowers").click()
    page.wait_for_selector("#detail[open] h2")
    opened = page.inner_text("#detail h2")
    with_video = page.url
    page.go_back()
    page.wait_for_selector("#detail", state="hidden")
    assert (page.inner_text("#count"), captions(page)) == (before, shown)
    page.go_forward()
    page.wait_for_selector("#detail[open] h2")
    page.reload()
    page.wait_for_selector("#detail[open] h2")
    assert page.inner_text("#detail h2") == opened
    page.click("#detail .close")
    page.wait_for_selector("#detail", state="hidden")
    until(page, "words => document.querySelector('#count').textContent === words", before)
    assert (captions(page), page.input_value("#query"), page.input_value("#sort")) == (shown, "rowers", "old")
    elsewhere = look(filmed.root, with_video[with_video.index("#") :])
    elsewhere.wait_for_selector("#detail[open] h2")
    assert elsewhere.inner_text("#detail h2") == opened


def test_the_address_of_a_video_that_is_not_here_is_said_so(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root, "#q=rowers&video=nowhere")
    page.wait_for_selector("text=This video is not in the archive.")
    assert page.url.endswith("#q=rowers")


# A video that is opened


def test_an_opened_video_plays_and_tells_all_that_is_known(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root)
    page.locator(f'.tile[href="#video={filmed.id(FILM[1])}"]').click()
    moves(page, "#detail video")
    item = filmed.world.item(FILM[1])
    page.wait_for_selector("#detail .files li")
    said = page.inner_text("#detail")
    assert page.inner_text("#detail h2") == item["prompt"]
    for words in ("pixverse5.5", f"{item['width']} × {item['height']}", "9:16", "5 s", "1 February 2026", "(UTC)"):
        assert words in said, words
    for path in files_of(filmed, FILM[1]).values():
        assert path.relative_to(filmed.root).as_posix() in said
    sidecar = sidecars(filmed.root)[filmed.id(FILM[1])][1]
    for each in sidecar.assets:
        if each.status == "stored":
            assert str(each.sha256) in said
    assert "Extended video, from another video" in said
    page.click("#detail .inputs button")
    until(page, "id => location.hash === `#video=${id}`", filmed.id(FILM[0]))
    until(
        page,
        "prompt => document.querySelector('#detail h2').innerText === prompt",
        filmed.world.item(FILM[0])["prompt"],
    )


def test_what_is_not_held_is_told_with_its_reason(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root, f"#video={filmed.id(LACKING)}")
    page.wait_for_selector("#detail .files .lost")
    assert page.inner_text("#detail .files .lost") == "missing: HTTP 404"
    page = look(filmed.root, f"#video={filmed.id(UNFINISHED)}")
    page.wait_for_selector("text=This video is still in the making.")
    page = look(filmed.root, f"#video={filmed.id(GONE)}")
    page.wait_for_selector("text=gone upstream since")
    moves(page, "#detail video")


def test_the_buttons_copy_prompt_path_and_request(filmed: Filmed, look: Look) -> None:
    root = filmed.root
    page = look(root, f"#video={filmed.id(FILM[2])}")
    item = filmed.world.item(FILM[2])
    page.evaluate("navigator.clipboard.writeText = async text => { window.copied = text }")
    page.wait_for_selector("#detail .files li")
    path = str(files_of(filmed, FILM[2])["video"])
    page.click("text=The API request that would generate it again")
    for words, expected in (("Copy prompt", item["prompt"]), ("Copy path", path)):
        page.locator("#detail button", has_text=words).first.click()
        until(page, "text => window.copied === text", expected)
        until(page, "document.querySelector('#told').textContent === 'Copied'")
    page.click("text=Copy request")
    until(page, "window.copied.startsWith('{')")
    request = json.loads(page.evaluate("window.copied"))
    assert request["prompt"] == item["prompt"]
    assert request["firstFrameImageUrl"] == item["firstFrameImageUrl"]


def test_a_copy_works_without_the_clipboard_of_newer_browsers(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root, f"#video={filmed.id(ACCENTS)}")
    page.wait_for_selector("#detail .files li")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.evaluate(
        """document.addEventListener("copy", () => {
            window.copied = getSelection().toString() || document.activeElement.value;
        })"""
    )
    page.click("text=Copy prompt")
    page.wait_for_selector("#detail button:text('Copied')")
    assert page.evaluate("window.copied") == "Déjà vu in the CAFÉ, a naïve ﬁlm"


def test_the_next_and_the_previous_video_of_what_is_shown(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root, "#q=rowers")
    page.wait_for_selector(".tile .caption")
    shown = captions(page)
    tile(page, "rowers").click()
    page.wait_for_selector("#detail[open] h2")
    seen = [page.inner_text("#detail h2")]
    for _ in shown[1:]:
        page.click("#detail .next")
        until(page, "former => document.querySelector('#detail h2').innerText !== former", seen[-1])
        seen.append(page.inner_text("#detail h2"))
    assert [prompt[:80] for prompt in seen] == shown
    page.click("#detail .previous")
    until(page, "former => document.querySelector('#detail h2').innerText === former", seen[-2])
    page.click("#detail .close")
    page.wait_for_selector("#detail", state="hidden")
    assert page.evaluate("document.activeElement.querySelector('.caption').innerText").endswith(shown[-2])


def test_a_file_that_is_not_there_any_more_is_said_so(filmed: Filmed, look: Look, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(filmed.root, root)
    files = {kind: root / path.relative_to(filmed.root) for kind, path in files_of(filmed, 0).items()}
    files["video"].unlink()
    files["thumbnail"].unlink()
    page = look(root, f"#video={filmed.id(0)}", expected="ERR_FILE_NOT_FOUND")
    page.wait_for_selector("text=cannot be played")
    page.click("#detail .close")
    assert "Déjà" in tile(page, "Déjà").locator(".words").inner_text()


# The state of the archive


def test_the_state_tells_what_is_missing_and_why_and_leads_there(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root)
    verdict = page.inner_text("#state strong")
    assert verdict.startswith("Not complete as of 20")
    assert "47 AI Studio videos listed, 45 held" in verdict
    assert page.inner_text("#state .sign") == "!"
    assert not page.is_visible("#state dl")
    page.click("#state summary")
    facts = dict(
        zip(page.locator("#state dt").all_inner_texts(), page.locator("#state dd").all_inner_texts(), strict=True)
    )
    assert (facts["Listed in the account"], facts["Of these held"]) == ("47", "45")
    assert facts["Gone upstream, kept here"] == "1"
    assert facts["Overdue"] == "1"
    said = page.inner_text("#state")
    assert "Missing: 1 file" in said
    assert "missing: HTTP 404" in said
    assert "Generated images and editor projects are other collections of Pictory" in said
    page.click("#state li button")
    page.wait_for_selector("#detail[open] h2")
    assert page.inner_text("#detail h2") == filmed.world.item(LACKING)["prompt"]
    page.click("#detail .close")
    for fact, video in (("Overdue", UNFINISHED), ("Gone upstream, kept here", GONE)):
        page.locator("#state dl div", has_text=fact).locator("a").click()
        counted(page, f"1 of {COUNT} videos")
        assert captions(page) == filmed.captions([video])


def test_a_whole_archive_says_that_it_is_complete(account: Account, archive: Path, look: Look) -> None:
    _, program = account(World(count=1))
    assert program.run("sync", archive).status == 0
    page = look(archive)
    counted(page, "1 video")
    assert re.match(r"Complete as of 20\d\d-\d\d-\d\d .*1 AI Studio video", page.inner_text("#state strong"))
    assert page.inner_text("#state .sign") == "✓"
    assert page.locator(".tile").count() == 1
    assert "Built" in page.inner_text("#foot")


def test_an_empty_archive_says_so_kindly(account: Account, archive: Path, look: Look) -> None:
    _, program = account(World(count=0))
    program.run("sync", archive)
    assert program.run("library", archive).status == 0
    page = look(archive)
    page.wait_for_selector("text=There is no video in this archive yet.")
    assert page.locator(".tile").count() == 0
    page.keyboard.press("End")
    page.keyboard.press("/")
    page.keyboard.type("lion")
    until(page, "location.hash === '#q=lion'")


# Where something of the library is not there


def test_without_its_folder_the_page_says_what_to_do(filmed: Filmed, look: Look, tmp_path: Path) -> None:
    shutil.copy(filmed.root / "index.html", tmp_path / "index.html")
    page = look(tmp_path, expected="ERR_FILE_NOT_FOUND")
    page.wait_for_selector("text=The folder “library” is missing beside this page")


def test_without_scripts_the_page_says_what_it_needs(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root, java_script_enabled=False)
    assert "This page needs JavaScript" in page.inner_text("main")


def test_a_library_of_another_release_is_said_so(filmed: Filmed, look: Look, tmp_path: Path) -> None:
    shutil.copy(filmed.root / "index.html", tmp_path)
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "state.js").write_text("""pictoryLibrary.open('{"version":2}')""")
    (tmp_path / "library" / "icon.svg").write_bytes((filmed.root / "library" / "icon.svg").read_bytes())
    page = look(tmp_path)
    page.wait_for_selector("text=This library was written by another release.")


def test_a_chunk_that_is_lost_is_told_once_and_the_rest_is_shown(filmed: Filmed, look: Look, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(filmed.root, root)
    for lost in (root / "library").glob("cards.2026-01.*.js"):
        lost.unlink()
    for lost in (root / "library").glob("details.2026-03.*.js"):
        lost.unlink()
    page = look(root, expected="ERR_FILE_NOT_FOUND")
    alert = page.locator("#trouble")
    alert.wait_for()
    assert "pictory-archiver library" in alert.inner_text()
    assert "cards.2026-01" in alert.inner_text()
    page.click("#trouble button")
    page.evaluate("scrollTo(0, 400)")
    assert search(page, "трамвай") != []
    assert search(page, "") != []
    assert alert.is_hidden()
    tile(page, "fisherman").click()
    page.wait_for_selector("text=A part of the library is missing (library/details.2026-03")
    moves(page, "#detail video")


# Many


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of thousands of videos, whose files are no media."""
    root = tmp_path_factory.mktemp("many") / "archive"
    for command in (
        ("benchmarks.held", root, str(MANY), "http://127.0.0.1:9"),
        ("pictory_archiver", "library", root),
    ):
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return root


def test_only_what_can_be_seen_is_in_the_document(many: Path, look: Look) -> None:
    page = look(many)
    counted(page, "2,000 videos")
    for share in (0, 0.2, 0.5, 0.9, 1):
        page.evaluate("share => scrollTo(0, document.documentElement.scrollHeight * share)", share)
        until(
            page,
            """() => [...document.querySelectorAll('.tile')].some(each => {
                const {top, bottom} = each.getBoundingClientRect();
                return each.dataset.filled && top < innerHeight && bottom > 0;
            })""",
        )
        assert page.evaluate("document.querySelectorAll('*').length") < 1000
        assert page.locator(".tile").count() < 150
    assert captions(page)[-1] == World(count=MANY).item(MANY - 1)["prompt"][:80]


def test_days_have_headings_that_tell_how_many_there_are(many: Path, look: Look) -> None:
    page = look(many)
    counted(page, "2,000 videos")
    page.wait_for_selector(".tile .caption")
    world = World(count=MANY)
    days = [world.item(index)["createdDate"][:10] for index in range(40)]
    (day, *more) = page.locator("#wall h2").all_inner_texts()
    first = datetime.date.fromisoformat(days[0])
    expected = [f"{first:%A}", str(first.day), f"{first:%B}", str(first.year), str(days.count(days[0])), "videos"]
    assert day.replace(",", "").split() == expected
    assert len(more) >= 1
    positions = page.evaluate(
        "[...document.querySelectorAll('#wall > *')].map(each => each.matches('h2') ? 'day' : 'video')"
    )
    assert positions[: days.count(days[0]) + 2] == ["day", *["video"] * days.count(days[0]), "day"]


def test_the_first_chunk_is_loaded_first_and_all_others_behind_it(many: Path, look: Look) -> None:
    page = look(many)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.reload()
    expected = {path.name for path in (many / "library").glob("cards.*.js")}
    page.fill("#query", "lion")
    until(page, "!document.querySelector('#count').textContent.includes('so far')")
    loaded = [url.rpartition("/")[2] for url in requests if "/library/cards." in url]
    assert len(expected) > 8
    assert sorted(loaded) == sorted(expected)
    months = [name.split(".")[1] for name in loaded]
    assert months == sorted(months, reverse=True)
    assert not [url for url in requests if "/library/details." in url]


def test_what_scrolls_into_view_is_loaded_before_its_turn(many: Path, look: Look) -> None:
    """With a browser that never gets to the other chunks by itself."""
    page = look(many, script="window.setTimeout = () => 0")
    counted(page, "2,000 videos")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    last = World(count=MANY).item(MANY - 1)["prompt"][:80]
    until(page, "words => document.querySelector('#wall').lastElementChild.textContent.includes(words)", last)


# Over HTTP


def test_over_http_it_is_the_same_page(filmed: Filmed, look: Look) -> None:
    with served(filmed.program, filmed.root) as url:
        page = look(url)
        counted(page, f"{COUNT} videos")
        tile(page, "fisherman").click()
        moves(page, "#detail video")
        until(page, "document.querySelector('#detail video').seekable.length === 1")
        page.eval_on_selector("#detail video", "video => { video.pause(); video.currentTime = 2.5 }")
        until(page, "(video => !video.seeking && video.currentTime === 2.5)(document.querySelector('#detail video'))")
        page.evaluate("navigator.clipboard.writeText = async text => { window.copied = text }")
        page.locator("#detail button", has_text="Copy path").first.click()
        path = files_of(filmed, 1)["video"].relative_to(filmed.root).as_posix()
        until(page, "path => window.copied === path", path)
        page.keyboard.press("Escape")
        assert search(page, "трамвай") != []
        page.close()  # before its server ends, or pictures that are still to come would be missed
