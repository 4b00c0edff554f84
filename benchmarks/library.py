"""The offline library of a large archive: how long it takes to build, and how it feels in a real browser."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .measure import PROGRAM, timed

if TYPE_CHECKING:
    from playwright.sync_api import Page

MB = 1_000_000
NEW_VIDEOS = 5
ROW = "{:<45} {:>9} {:>9} {:>9}"
QUERIES = ("l", "li", "lighthouse", "lighthouse lisbon", 'puppy "wide shot"', "桜", "nothing of the kind")
SEARCH = """
([words, rounds]) => {
  const query = document.getElementById("query"), times = [];
  for (let round = 0; round < rounds; round += 1) for (const word of words) {
    query.value = word;
    const started = performance.now();
    query.dispatchEvent(new Event("input"));
    document.body.offsetHeight;
    times.push([word, performance.now() - started, document.getElementById("count").textContent]);
  }
  query.value = "";
  query.dispatchEvent(new Event("input"));
  return times;
}
"""
SEEN = "[...document.querySelectorAll('.tile img')].filter((each) => each.complete && each.naturalWidth).length >= 15"


def building(videos: int, folder: Path) -> Iterator[str]:
    """The lines of a table: the first building, one after five new videos, and one after nothing."""
    archive = folder / "film"
    words = ["benchmarks.held", archive, videos, "http://127.0.0.1", "media"]
    subprocess.run([sys.executable, "-m", *map(str, words)], check=True)
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    command = [*PROGRAM, "library", str(archive)]
    yield ROW.format(f"library, {videos:,} videos", "seconds", "peak MB", "written")
    seconds = []
    for number, title in enumerate(("first building", f"after {NEW_VIDEOS} new videos", "after nothing new")):
        if number == 1:
            added = [*words[:2], f"{videos}+{NEW_VIDEOS}", *words[3:]]
            subprocess.run([sys.executable, "-m", *map(str, added)], check=True)
        took = timed(command, env=env, output=folder / "printed")
        written = (folder / "printed").read_text(encoding="utf-8").splitlines()[0].rpartition(", ")[2]
        seconds.append(took.seconds)
        yield ROW.format(title, f"{took.seconds:.2f}", f"{took.peak_bytes / MB:.0f}", written)
    shares = [each / seconds[0] for each in seconds[1:]]
    yield f"{NEW_VIDEOS} new videos take {shares[0]:.2f} of the first building, nothing new {shares[1]:.2f}."


def looking(archive: Path, rounds: int) -> Iterator[str]:
    """The lines of a table: the page of an archive in Chromium, from the disk."""
    chromium = shutil.which("chromium")
    if chromium is None:
        yield "The page is not measured: there is no Chromium here."
        return
    from playwright.sync_api import sync_playwright

    flags = ["--headless", "--no-sandbox", "--disable-background-networking", "--enable-precise-memory-info"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        firsts = []
        for _ in range(rounds):
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            started = time.perf_counter()
            page.goto((archive / "index.html").as_uri(), wait_until="commit")
            _wait(page, SEEN)
            firsts.append(time.perf_counter() - started)
            page.close()
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        started = time.perf_counter()
        page.goto((archive / "index.html").as_uri())
        query: Any = None
        while query is None or "so far" in query:  # a search tells whether all prompts are there
            query = page.evaluate(SEARCH, [["zzzz"], 1])[0][2]
        whole = time.perf_counter() - started
        found = page.evaluate(SEARCH, [QUERIES, rounds])
        memory = page.evaluate("performance.memory.usedJSHeapSize")
        elements = page.evaluate("document.querySelectorAll('*').length")
        started = time.perf_counter()
        page.locator(".tile").first.click()
        _wait(page, "document.querySelector('.files li') !== null")
        opened = time.perf_counter() - started
        browser.close()
    median = statistics.median(firsts)
    yield f"first thumbnails after {median:.2f} s (median of {rounds}), all prompts after {whole:.1f} s"
    yield f"a video opened in {opened:.2f} s; JavaScript heap {memory / MB:.0f} MB, {elements} elements in the document"
    for word in QUERIES:
        times = [milliseconds for each, milliseconds, _ in found if each == word]
        hits = next(text for each, _, text in found if each == word)
        yield f"search {word!r:<24} median {statistics.median(times):5.1f} ms, longest {max(times):5.1f} ms: {hits}"


def _wait(page: Page, condition: str) -> None:
    """Asks again and again: the page's policy lets nothing be evaluated in it from within."""
    while not page.evaluate(condition):
        time.sleep(0.005)
