"""Chains on the library's page: a video's place in its film, and the film played as one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pictory_archiver.simulator import Fault, Match, Status, World

from .browser import BRANCH, FILM, Filmed, Look, moves, until
from .conftest import Account
from .support import sidecars

if TYPE_CHECKING:
    from playwright.sync_api import Page

RECORD = """speed => {
    window.played = [];
    window.blank = 0;
    for (const video of document.querySelectorAll('.screens video')) {
        video.defaultPlaybackRate = video.playbackRate = speed;
        video.addEventListener('ended', () => window.played.push(decodeURIComponent(video.src)));
    }
    const watch = () => {
        const front = document.querySelector('.screens video.front');
        if (window.played.length && (!front || front.readyState < 2)) window.blank += 1;
        requestAnimationFrame(watch);
    };
    watch();
}"""
"""Notes each part as it ends, and each moment at which there was no picture on the screen."""


def play(page: Page, speed: int = 4) -> None:
    page.click("text=Play the whole film")
    page.wait_for_selector(".screens video.front")
    page.evaluate(RECORD, speed)


def paths(root: Path, ids: list[str]) -> list[str]:
    """The URLs of the clips of these videos."""
    found = sidecars(root)
    return [f"file://{found[each][0].with_suffix('.mp4')}" for each in ids]


def test_a_whole_film_plays_through_in_its_order_without_a_gap(filmed: Filmed, look: Look) -> None:
    ids = [filmed.id(part) for part in FILM]
    page = look(filmed.root, f"#video={ids[2]}")
    page.wait_for_selector("text=Part 3 of 5")
    play(page, speed=1)
    moves(page, ".screens video.front")
    until(page, f"window.played.length === {len(ids)}")
    assert page.evaluate("window.played") == paths(filmed.root, ids)
    assert page.evaluate("window.blank") == 0
    assert page.inner_text(".film .time") == "Part 5 of 5"
    ended, duration, now = page.eval_on_selector(
        ".screens video.front", "video => [video.ended, video.duration, video.currentTime]"
    )
    assert ended
    assert now == duration
    assert page.inner_text(".film .toggle") == "Again"
    page.click(".film .toggle")
    until(page, "document.querySelector('.film .time').textContent === 'Part 1 of 5'")
    moves(page, ".screens video.front")


def test_the_next_part_is_ready_at_its_first_frame_before_it_is_its_turn(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root, f"#video={filmed.id(FILM[0])}")
    page.wait_for_selector("#detail .play-film")
    play(page)
    until(
        page,
        """() => {
            const [next] = document.querySelectorAll('.screens video:not(.front)');
            return next.readyState >= 3 && next.paused && next.currentTime === 0;
        }""",
    )
    assert (
        page.eval_on_selector(".screens video:not(.front)", "video => decodeURIComponent(video.src)")
        == (paths(filmed.root, [filmed.id(FILM[1])])[0])
    )


def test_a_video_tells_its_place_and_leads_to_the_other_parts_and_branches(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root, f"#video={filmed.id(FILM[1])}")
    page.wait_for_selector("#detail .strip ol .mini")
    strip = page.locator("#detail .strip ol .mini")
    assert strip.count() == len(FILM)
    assert strip.locator("nth=1").get_attribute("aria-current") == "true"
    assert "Also continued by" in page.inner_text("#detail .strip")
    page.click("#detail .strip ul .mini")
    until(page, "id => location.hash === `#video=${id}`", filmed.id(BRANCH))
    page.wait_for_selector("text=Part 3 of 3")
    page.locator("#detail .strip ol .mini").first.click()
    until(page, "id => location.hash === `#video=${id}`", filmed.id(FILM[0]))


def test_steps_lead_to_any_part_and_the_sound_can_be_turned_off(filmed: Filmed, look: Look) -> None:
    page = look(filmed.root, f"#video={filmed.id(FILM[0])}")
    page.wait_for_selector("#detail .play-film")
    play(page)
    page.click(".film .step >> nth=3")
    until(page, "document.querySelector('.film .time').textContent === 'Part 4 of 5'")
    moves(page, ".screens video.front")
    assert not page.eval_on_selector(".screens video.front", "video => video.muted")
    page.click("text=Sound off")
    assert page.evaluate("[...document.querySelectorAll('.screens video')].every(each => each.muted)")
    page.click("text=Pause")
    until(page, "document.querySelector('.screens video.front').paused")
    page.click("#detail .close")
    page.wait_for_selector("#detail", state="hidden")
    assert page.locator("video").count() == 0


def test_a_part_that_is_not_held_is_left_out_and_said_so(account: Account, archive: Path, look: Look) -> None:
    lost = Fault(Match(kind="video", video=FILM[2]), Status(404), times=None)
    simulator, program = account(World(count=12), [lost])
    assert program.run("sync", archive).status == 3
    ids = [simulator.world.id(part) for part in FILM]
    page = look(archive, f"#video={ids[0]}")
    page.wait_for_selector("#detail .play-film")
    play(page)
    assert "1 part is not in the archive and left out." in page.inner_text(".film")
    until(page, "window.played.length === 4")
    assert page.evaluate("window.played") == paths(archive, [ids[0], ids[1], ids[3], ids[4]])
    assert page.inner_text(".film .time") == "Part 5 of 5"


def test_a_part_whose_file_is_gone_or_broken_is_skipped_and_said_so(filmed: Filmed, look: Look, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(filmed.root, root)
    ids = [filmed.id(part) for part in FILM]
    clips = [Path(url.removeprefix("file://")) for url in paths(root, ids)]
    clips[1].unlink()
    clips[2].write_bytes(b"no film at all")
    page = look(root, f"#video={ids[0]}", expected="ERR_FILE_NOT_FOUND")
    page.wait_for_selector("#detail .play-film")
    play(page)
    until(page, "window.played.length === 3")
    assert page.evaluate("window.played") == paths(root, [ids[0], ids[3], ids[4]])
    assert "Parts 2, 3 cannot be played." in page.inner_text(".film")
