"""What the program makes of an API that fails: the cases 1 to 13 of the acceptance list, and their like.

Each test runs the real command line. Where a run is ended by a fault, `recover` holds the next one, without the
fault, to its promise: it completes the archive and downloads nothing again.
"""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pictory_archiver.archive import CATALOGUE, MARKER
from pictory_archiver.models import OUTPUTS
from pictory_archiver.simulator import (
    DEFAULT_KEY,
    REMOVED,
    CloudflareBlock,
    Cut,
    Delay,
    EndlessJson,
    EndlessPages,
    Fault,
    GzipBomb,
    HeaderBomb,
    Html,
    Items,
    Match,
    RawBody,
    Redirect,
    RepeatToken,
    Request,
    Reset,
    Simulator,
    Stall,
    Status,
    TruncatedJson,
    World,
)
from pictory_archiver.simulator.faults import AnyAction

from .conftest import Account
from .support import (
    FAST,
    TIMEOUT,
    Outcome,
    Program,
    asset,
    check_against_world,
    check_archive,
    files_of,
    sidecars,
    snapshot,
)

API = Match(origin="api")
TRIES = 5
MIB = 2**20


def world(count: int = 6, **more: Any) -> World:
    """Three pages of two videos."""
    return World(count=count, **{"page_size": 2, **more})


def always(action: AnyAction, on: Match = API) -> Fault:
    return Fault(on, action, times=None)


def calls(simulator: Simulator, page: int | None = None) -> list[Request]:
    """The requests to the API, or those for one page."""
    return simulator.requests(origin="api", page=page)


def stored_paths(archive: Path) -> set[str]:
    """The paths on the CDN of the files that the archive holds.

    An input that is a file of a video not listed yet is left out: it may come again, as that video's own file.
    """
    if not (archive / MARKER).exists():
        return set()
    assets = (each for _, sidecar in sidecars(archive).values() for each in sidecar.assets)
    stored = ((each.kind, urlsplit(each.url).path) for each in assets if each.path and each.url)
    return {path for kind, path in stored if kind in OUTPUTS or path.startswith("/uploads/")}


def recover(simulator: Simulator, program: Program, archive: Path) -> None:
    """The next run, without the fault, completes the archive and downloads nothing again."""
    held = stored_paths(archive)
    simulator.faults.clear()
    simulator.forget()
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    check_against_world(archive, simulator)
    assert held.isdisjoint(request.path for request in simulator.requests(origin="cdn"))


def check_unsound(outcome: Outcome) -> str:
    """The listing failed, and the summary says so in its last line. → that line"""
    assert outcome.status == 5, outcome
    assert outcome.verdict.startswith("Not complete: "), outcome
    assert "lists no" not in outcome.stdout
    assert "\x1b" not in outcome.stdout + outcome.stderr
    assert ("Listed" in outcome.stdout) == ("(the listing was not read to its end)" in outcome.stdout)
    return outcome.verdict


def with_settings(program: Program, **groups: dict[str, Any]) -> None:
    """Changes settings, on top of the ones that the tests run with."""
    fast: dict[str, dict[str, Any]] = dict(FAST)
    program.settings = {name: fast.get(name, {}) | groups.get(name, {}) for name in fast | groups}


def a_closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def run_measured(program: Program, *arguments: str | Path) -> tuple[Outcome, int]:
    """Runs a command to its end. → how it ended, and the most memory that it ever had, in bytes

    A small process runs the command and looks: what a child is charged with includes the memory of the process that
    it was forked from, and the one of the tests is large.
    """
    look = (
        "import resource, subprocess, sys\n"
        "status = subprocess.call(sys.argv[2:])\n"
        "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
        "open(sys.argv[1], 'w').write(str(peak * (1 if sys.platform == 'darwin' else 1024)))\n"
        "sys.exit(status)\n"
    )
    note = program.home / "peak"
    environment = program.environment()
    finished = subprocess.run(
        [sys.executable, "-c", look, str(note), *program.command(*arguments)],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )
    outcome = program.checked(Outcome(finished.returncode, finished.stdout, finished.stderr))
    return outcome, int(note.read_text())


# The cases of the acceptance list


def test_01_a_refused_key_ends_the_run_with_4_after_one_request(account: Account, archive: Path) -> None:
    simulator, program = account(world())
    program.key = "pictai_a_key_that_nobody_knows"
    outcome = program.run("sync", archive)
    assert outcome.status == 4, outcome
    assert [request.status for request in simulator.log] == [401]
    assert "the API refused the key (HTTP 401)" in outcome.verdict
    assert files_of(archive) == {}
    check_archive(archive, key=program.key)

    program.key = DEFAULT_KEY
    recover(simulator, program, archive)


def test_01_a_refused_key_leaves_a_full_archive_untouched(account: Account, archive: Path) -> None:
    simulator, program = account(world())
    assert program.run("sync", archive).status == 0
    before = snapshot(archive)
    simulator.world.add(1)
    simulator.forget()
    simulator.faults.add(always(Status(401, body='{"message": "Unauthorized"}')))
    outcome = program.run("sync", archive)
    assert outcome.status == 4, outcome
    assert len(simulator.log) == 1
    assert snapshot(archive) == before
    assert "the subscription may have ended" in outcome.verdict
    assert "The archive is untouched, and looking at it and verifying it go on without a key." in outcome.verdict

    simulator.forget()
    program.key = None
    ledger = program.run("status", archive, "--json")
    assert (ledger.report["in_archive"], ledger.report["held"]) == (6, 6)
    assert not simulator.log

    program.key = DEFAULT_KEY
    recover(simulator, program, archive)


def test_02_a_block_by_cloudflare_is_not_taken_for_a_bad_key(account: Account, archive: Path) -> None:
    simulator, program = account(world(), [always(CloudflareBlock())])
    verdict = check_unsound(program.run("sync", archive))
    assert len(simulator.log) <= 2
    assert "blocked this client or its User-Agent" in verdict
    assert "api.user_agent" in verdict
    assert "refused the key" not in verdict
    recover(simulator, program, archive)


def test_03_trouble_that_passes_is_waited_for(account: Account, archive: Path) -> None:
    simulator, program = account(world(), [Fault(API, Status(500), times=2)])
    with_settings(program, retry={"min_wait_seconds": 0.1, "max_wait_seconds": 1})
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    assert [request.status for request in calls(simulator, page=1)] == [500, 500, 200]
    assert all(later.at - earlier.at >= 0.1 for earlier, later in pairwise(calls(simulator, page=1)))
    check_against_world(archive, simulator)
    recover(simulator, program, archive)


def test_04_a_page_that_never_comes_leaves_the_pages_before_it_archived(account: Account, archive: Path) -> None:
    simulator, program = account(world(8), [always(Status(500), Match(origin="api", page=3))])
    verdict = check_unsound(program.run("sync", archive))
    assert "the API is in trouble (HTTP 500)." in verdict
    assert [len(calls(simulator, page)) for page in (1, 2, 3, 4)] == [1, 1, TRIES, 0]
    check_against_world(archive, simulator, range(4))
    assert len(sidecars(archive)) == 4
    recover(simulator, program, archive)


def test_05_too_many_requests_silence_the_program_for_as_long_as_asked(account: Account, archive: Path) -> None:
    limit = Fault(Match(origin="api", page=2), Status(429, headers={"Retry-After": "2"}))
    simulator, program = account(world(), [limit])
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    statuses = [request.status for request in calls(simulator)]
    assert statuses == [200, 429, 200, 200]
    _, limited, after, _ = calls(simulator)
    assert after.at - limited.at >= 2
    check_against_world(archive, simulator)
    recover(simulator, program, archive)


@pytest.mark.parametrize(("page", "label"), [(1, "text/html"), (2, "application/json")])
def test_06_the_page_of_a_captive_portal_is_no_empty_listing(
    account: Account, archive: Path, page: int, label: str
) -> None:
    simulator, program = account(world(), [always(Html(label), Match(origin="api", page=page))])
    verdict = check_unsound(program.run("sync", archive))
    assert "an HTML page (a login page of this network?)" in verdict
    assert len(check_archive(archive)) == 2 * (page - 1)
    recover(simulator, program, archive)


@pytest.mark.parametrize(
    "action",
    [
        TruncatedJson(),
        Items(None),
        Items({"0": {"id": "1"}}),
        Items("none"),
        RawBody(b""),
        RawBody(b'{"message": "Internal server error"}'),
        RawBody(b'{"items": [], "nextPageKey": 7}'),
    ],
    ids=repr,
)
def test_07_a_page_that_is_unusable_is_retried_and_is_no_empty_listing(
    account: Account, archive: Path, action: AnyAction
) -> None:
    simulator, program = account(world(2), [always(action)])
    check_unsound(program.run("sync", archive))
    assert len(simulator.log) == TRIES
    assert files_of(archive) == {}
    recover(simulator, program, archive)


def test_07_a_page_that_is_unusable_once_is_no_matter(account: Account, archive: Path) -> None:
    faults = [
        Fault(Match(origin="api", page=1), TruncatedJson()),
        Fault(Match(origin="api", page=2), Items(None)),
        Fault(Match(origin="api", page=2), Cut(at=100), nth=2),
        Fault(Match(origin="api", page=3), Reset()),
        Fault(Match(origin="api", page=3), Html(), nth=2),
    ]
    simulator, program = account(world(), faults)
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    assert [len(calls(simulator, page)) for page in (1, 2, 3)] == [2, 3, 3]
    check_against_world(archive, simulator)


def test_08_a_token_that_leads_back_to_its_own_page_ends_the_listing(account: Account, archive: Path) -> None:
    simulator, program = account(world(), [always(RepeatToken(), Match(origin="api", page=2))])
    verdict = check_unsound(program.run("sync", archive))
    assert "makes no sense" in verdict
    assert len(simulator.requests(origin="api")) <= 1 + TRIES
    check_against_world(archive, simulator, range(4))
    recover(simulator, program, archive)


def test_08_pages_in_a_circle_end_the_listing(account: Account, archive: Path) -> None:
    simulator, program = account(world(8))
    second = simulator.world.page().next_key
    third = simulator.world.page(simulator.world.page(second).next_key)
    body = json.dumps({"items": third.items, "nextPageKey": second}).encode()
    simulator.faults.add(always(RawBody(body), Match(origin="api", page=3)))
    verdict = check_unsound(program.run("sync", archive))
    assert "makes no sense" in verdict
    assert len(simulator.requests(origin="api")) <= 2 + TRIES
    check_against_world(archive, simulator, range(6))
    recover(simulator, program, archive)


def test_09_empty_pages_with_keys_are_no_end(account: Account, archive: Path) -> None:
    simulator, program = account(world(empty_pages=range(2, 7)))
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    assert "Listed        6 videos on 8 pages\n" in outcome.stdout
    check_against_world(archive, simulator)
    recover(simulator, program, archive)


def test_10_a_token_goes_back_exactly_as_it_came(account: Account, archive: Path) -> None:
    simulator, program = account(world(2, page_size=100))
    tokens = ["a+/=&%#", "%2B%26 +", " ?nextPageKey=x;y\\\"'<>", "日本語 ü", "=" * 2000]
    pages = [{"items": [], "nextPageKey": token} for token in tokens] + [{"items": simulator.world.page().items}]
    answers = [RawBody(json.dumps(page).encode()) for page in pages]
    simulator.faults.add(*(Fault(API, answer, nth=number) for number, answer in enumerate(answers, start=1)))
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    assert [request.query for request in calls(simulator)] == [{}, *({"nextPageKey": token} for token in tokens)]
    check_against_world(archive, simulator)
    recover(simulator, program, archive)


def test_11_videos_that_turn_up_during_the_listing_come_once_each(account: Account, archive: Path) -> None:
    simulator, program = account(world(8), [Fault(Match(origin="api", page=1), Delay(1.0))])
    simulator.world.hold_back(3)
    process = program.start("sync", archive)
    while not simulator.log and process.poll() is None:
        time.sleep(0.01)
    # The first page is on its way: what happens now comes too late for it.
    simulator.world.finish_late()
    (newest,) = simulator.world.add(1)
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    outcome = program.checked(Outcome(process.returncode, stdout, stderr))
    assert outcome.status == 0, outcome
    check_against_world(archive, simulator, range(8))
    assert newest not in sidecars(archive)
    asked = Counter(request.path for request in simulator.requests(origin="cdn"))
    assert set(asked.values()) == {1}
    recover(simulator, program, archive)
    assert newest in sidecars(archive)


def test_11_items_pushed_on_to_the_next_page_come_once_each(account: Account, archive: Path) -> None:
    simulator, program = account(world(9, page_size=3))
    for index in (2, 4):  # the last one of a page stands at the head of the next
        simulator.world.duplicate(index, before=index + 1)
    outcome = program.run("sync", archive)
    assert outcome.verdict.startswith("All 9 AI Studio videos are here and verified."), outcome
    check_against_world(archive, simulator)
    asked = Counter(request.path for request in simulator.requests(origin="cdn"))
    assert set(asked.values()) == {1}


@pytest.mark.parametrize("before", [1, 5], ids=["same page", "another page"])
def test_12_a_duplicate_id_is_one_record_and_the_first_wins(account: Account, archive: Path, before: int) -> None:
    simulator, program = account(world())
    simulator.world.duplicate(0, before=before, prompt="Quite another story", width=1)
    outcome = program.run("sync", archive)
    assert outcome.verdict.startswith("All 6 AI Studio videos are here and verified."), outcome
    check_against_world(archive, simulator)
    _, sidecar = sidecars(archive)[simulator.world.id(0)]
    assert sidecar.video["prompt"] == simulator.world.item(0)["prompt"]
    assert len(simulator.requests(kind="video", video=0)) == 1

    before_again = snapshot(archive)
    recover(simulator, program, archive)
    assert snapshot(archive) == before_again


@pytest.mark.skipif(sys.platform == "win32", reason="Windows counts the memory of a process in another way")
def test_13_an_endless_answer_is_cut_off_and_memory_stays_flat(account: Account, archive: Path) -> None:
    simulator, program = account(world(), [always(EndlessJson(), Match(origin="api", page=2))])
    outcome, peak = run_measured(program, "sync", archive)
    verdict = check_unsound(outcome)
    assert "an answer of more than 33,554,432 bytes" in verdict
    assert 20 * MIB < peak < 300_000_000
    (endless,) = calls(simulator, page=2)
    assert 32 * MIB < endless.bytes_sent < 64 * MIB
    check_against_world(archive, simulator, range(2))
    recover(simulator, program, archive)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows counts the memory of a process in another way")
@pytest.mark.parametrize("unit", ["[],", "{},", '{"id":"a"},'])
def test_13_an_answer_that_is_short_and_would_need_much_memory_is_refused(
    account: Account, archive: Path, unit: str
) -> None:
    many = unit * (15 * MIB // len(unit))
    bomb = RawBody(f'{{"items": [{{"id": "x", "all": [{many} 1]}}, {many} 1]}}'.encode())
    simulator, program = account(world(), [always(bomb, Match(origin="api", page=2))])
    outcome, peak = run_measured(program, "sync", archive)
    assert "more than 200,000 values" in check_unsound(outcome)
    assert 20 * MIB < peak < 300_000_000
    assert len(calls(simulator, page=2)) == TRIES
    check_against_world(archive, simulator, range(2))
    recover(simulator, program, archive)


# Refused and blocked


@pytest.mark.parametrize(
    "body",
    [
        '{"message": "Forbidden"}',
        '{"message": "Forbidden", "requestId": "a-1010-b", "code": 1010}',
    ],
)
def test_a_403_of_the_api_itself_means_the_key(account: Account, archive: Path, body: str) -> None:
    simulator, program = account(world(2), [always(Status(403, {"Content-Type": "application/json"}, body))])
    outcome = program.run("sync", archive)
    assert outcome.status == 4, outcome
    assert "the API refused the key (HTTP 403)" in outcome.verdict
    assert len(simulator.log) == 1
    assert files_of(archive) == {}


@pytest.mark.parametrize(
    "body",
    [
        "error code: 1020",
        "<!DOCTYPE html><title>Access denied | Cloudflare</title>",
        "\r\n <html><body>Your organisation's proxy does not like this</body></html>",
        '{"title": "Error 1010: Access denied", "status": 403, "error_code": 1010, "cloudflare_error": true}',
    ],
)
def test_a_403_of_somebody_on_the_way_does_not_mean_the_key(account: Account, archive: Path, body: str) -> None:
    simulator, program = account(world(2), [always(Status(403, body=body))])
    verdict = check_unsound(program.run("sync", archive))
    assert "blocked" in verdict
    assert "refused the key" not in verdict
    assert len(simulator.log) == 1


def test_a_key_refused_on_the_way_keeps_what_was_listed_before(account: Account, archive: Path) -> None:
    simulator, program = account(world(), [always(Status(401), Match(origin="api", page=2))])
    outcome = program.run("sync", archive)
    assert outcome.status == 4, outcome
    assert len(calls(simulator)) == 2
    check_against_world(archive, simulator, range(2))
    recover(simulator, program, archive)


def test_a_dry_run_ends_like_a_run_and_writes_nothing(account: Account, archive: Path) -> None:
    _, program = account(world(), [always(Status(500), Match(origin="api", page=2))])
    outcome = program.run("sync", archive, "--dry-run")
    assert outcome.status == 5, outcome
    assert "Error: the API is in trouble (HTTP 500)" in outcome.stderr
    program.key = "pictai_a_key_that_nobody_knows"
    outcome = program.run("sync", archive, "--dry-run")
    assert outcome.status == 4, outcome
    assert "Error: the API refused the key (HTTP 401)" in outcome.stderr
    assert not archive.exists()


# Rate limits


def test_a_pause_that_is_named_as_a_date_is_kept(account: Account, archive: Path) -> None:
    until = int(time.time()) + 3
    limit = Fault(API, Status(429, {"Retry-After": formatdate(until, usegmt=True)}))
    simulator, program = account(world(2), [limit])
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    to_clock_time = time.time() - time.monotonic()
    assert [request.status for request in calls(simulator)] == [429, 200]
    assert calls(simulator)[1].at + to_clock_time >= until - 0.05
    check_against_world(archive, simulator)


@pytest.mark.parametrize(("status", "pause"), [(429, 901), (503, 86_400)])
def test_a_pause_of_more_than_15_minutes_ends_the_run_at_once(
    account: Account, archive: Path, status: int, pause: int
) -> None:
    simulator, program = account(world(2), [always(Status(status, {"Retry-After": str(pause)}))])
    verdict = check_unsound(program.run("sync", archive))
    assert f"(HTTP {status}), and asks to wait {pause:,} s" in verdict
    assert len(simulator.log) == 1


def test_a_date_of_more_than_15_minutes_ends_the_run_at_once(account: Account, archive: Path) -> None:
    header = formatdate(time.time() + 3600, usegmt=True)
    simulator, program = account(world(2), [always(Status(429, {"Retry-After": header}))])
    verdict = check_unsound(program.run("sync", archive))
    assert re.search(r"asks to wait 3,[0-9]{3} s", verdict)
    assert len(simulator.log) == 1


@pytest.mark.parametrize("header", ["0", "Thu, 01 Jan 1970 00:00:00 GMT", "soon"])
def test_a_limit_that_names_no_pause_is_not_run_against(account: Account, archive: Path, header: str) -> None:
    simulator, program = account(world(2), [Fault(API, Status(429, {"Retry-After": header}), times=2)])
    with_settings(program, retry={"min_wait_seconds": 0.2, "max_wait_seconds": 0.2})
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    requests = calls(simulator)
    assert [request.status for request in requests] == [429, 429, 200]
    assert all(later.at - earlier.at >= 0.2 for earlier, later in pairwise(requests))


def test_a_limit_that_never_ends_gives_up(account: Account, archive: Path) -> None:
    simulator, program = account(world(2), [always(Status(429))])
    verdict = check_unsound(program.run("sync", archive))
    assert "the API limits the rate of requests (HTTP 429)" in verdict
    assert len(simulator.log) == TRIES


def test_requests_keep_their_distance(account: Account, archive: Path) -> None:
    simulator, program = account(world(8))
    program.settings = {}
    assert program.run("sync", archive).status == 0
    assert len(calls(simulator)) == 4
    # The distance is kept where requests leave; on the way here a late one may come closer to the one behind it.
    first, *_, last = calls(simulator)
    assert last.at - first.at >= 0.5


# Trouble


def test_trouble_of_all_kinds_that_passes_is_no_matter(account: Account, archive: Path) -> None:
    statuses = [502, 503, 504, 408]
    faults = [Fault(API, Status(status), nth=number) for number, status in enumerate(statuses, start=1)]
    simulator, program = account(world(2), faults)
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    assert [request.status for request in calls(simulator)] == [*statuses, 200]
    check_against_world(archive, simulator)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "the API is in trouble (HTTP 500)."),
        ('{"message": "Internal server error"}', 'the API is in trouble (HTTP 500): {"message": "Internal'),
        ("<html><h1>500</h1></html>", "the API is in trouble (HTTP 500)."),
        ("\x1b[2J\x1b]0;pwned\x07\r\nError: all is lost", r"(HTTP 500): \x1b[2J\x1b]0;pwned\x07\x0d\x0aError: all"),
        (f"no such key: {DEFAULT_KEY}", "the API is in trouble (HTTP 500): no such key: pictai_…."),
        ("x" * 100_000, "the API is in trouble (HTTP 500): xxx"),
    ],
    ids=["empty", "JSON", "HTML", "control characters", "the key", "long"],
)
def test_what_the_api_says_of_its_trouble_is_told_in_one_harmless_line(
    account: Account, archive: Path, body: str, said: str
) -> None:
    simulator, program = account(world(2), [always(Status(500, body=body))])
    outcome = program.run("sync", archive)
    verdict = check_unsound(outcome)
    assert said in verdict
    assert len(verdict) < 300
    assert len(simulator.log) == TRIES
    check_archive(archive)


@pytest.mark.parametrize("status", [204, 304, 404, 451])
def test_a_status_that_nobody_expects_ends_the_run_at_once(account: Account, archive: Path, status: int) -> None:
    simulator, program = account(world(2), [always(Status(status))])
    verdict = check_unsound(program.run("sync", archive))
    assert f"HTTP {status}" in verdict
    assert "api.base_url" in verdict
    assert len(simulator.log) == 1


def test_a_token_that_expired_ends_the_run_and_the_next_one_starts_anew(account: Account, archive: Path) -> None:
    expired = Status(400, {"Content-Type": "application/json"}, '{"message": "Invalid nextPageKey"}')
    simulator, program = account(world(), [always(expired, Match(origin="api", page=2))])
    verdict = check_unsound(program.run("sync", archive))
    assert 'HTTP 400: {"message": "Invalid nextPageKey"}' in verdict
    assert "run it again" in verdict.lower()
    assert len(calls(simulator)) == 2
    check_against_world(archive, simulator, range(2))
    recover(simulator, program, archive)


def test_an_api_that_is_not_there_is_one_clear_line(account: Account, archive: Path) -> None:
    simulator, program = account(world(2))
    url, port = program.api_url, a_closed_port()
    program.api_url = f"http://127.0.0.1:{port}/pictoryapis"
    verdict = check_unsound(program.run("sync", archive))
    assert f"cannot connect to 127.0.0.1:{port}" in verdict
    assert "check the connection" in verdict.lower()
    assert files_of(archive) == {}
    program.api_url = url
    recover(simulator, program, archive)


@pytest.mark.parametrize("action", [Reset(), Cut(at=50), Stall(at=None), Stall(at=50)], ids=repr)
def test_a_page_that_is_cut_off_or_stalls_is_retried(account: Account, archive: Path, action: AnyAction) -> None:
    simulator, program = account(world(2), [Fault(API, action)])
    with_settings(program, api={"timeout_seconds": 1})
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    assert len(calls(simulator)) >= 2
    check_against_world(archive, simulator)


def test_an_api_that_stalls_for_ever_is_given_up(account: Account, archive: Path) -> None:
    simulator, program = account(world(2), [always(Stall(at=50))])
    with_settings(program, api={"timeout_seconds": 0.2})
    verdict = check_unsound(program.run("sync", archive))
    assert "no whole answer within 0.2 s" in verdict
    assert len(simulator.log) == TRIES


@pytest.mark.parametrize(
    ("action", "said"),
    [(GzipBomb(), "encoded (gzip)"), (HeaderBomb(), "no proper HTTP")],
    ids=["gzip", "headers"],
)
def test_an_answer_that_is_a_bomb_is_refused(account: Account, archive: Path, action: AnyAction, said: str) -> None:
    simulator, program = account(world(2), [always(action)])
    verdict = check_unsound(program.run("sync", archive))
    assert said in verdict
    assert len(simulator.log) <= TRIES


# Who is asked, and what is told to whom


def test_a_redirect_of_the_api_is_not_followed(account: Account, archive: Path) -> None:
    stranger, _ = account(world(2))
    simulator, program = account(world(2))
    simulator.faults.add(always(Redirect(f"{stranger.api_url}/v1/aistudio/videos")))
    verdict = check_unsound(program.run("sync", archive))
    assert "a redirect to 127.0.0.1" in verdict
    assert len(simulator.log) == 1
    assert not stranger.log


@pytest.mark.parametrize("text", [DEFAULT_KEY, f" 'Bearer {DEFAULT_KEY}' \n"])
def test_the_key_goes_to_the_api_as_it_is_and_to_nobody_else(account: Account, archive: Path, text: str) -> None:
    simulator, program = account(world())
    program.env["PICTORY_API_KEY"] = text
    assert program.run("sync", archive, "-vv").status == 0
    assert {request.headers["authorization"] for request in calls(simulator)} == {DEFAULT_KEY}
    others = simulator.requests(origin="cdn")
    assert others
    for request in others:
        assert "authorization" not in request.headers
        assert DEFAULT_KEY not in repr(request)
    assert all("cookie" not in request.headers for request in simulator.log)
    check_against_world(archive, simulator)


def test_the_program_says_who_it_is(account: Account, archive: Path) -> None:
    simulator, program = account(world(2))
    assert program.run("sync", archive).status == 0
    agents = {request.headers["user-agent"] for request in simulator.log}
    assert len(agents) == 1
    assert agents.pop().startswith("pictory-archiver/")


def test_the_user_agent_can_be_set(account: Account, archive: Path) -> None:
    simulator, program = account(world(2))
    with_settings(program, api={"user_agent": "python-requests/2.32"})
    verdict = check_unsound(program.run("sync", archive))
    assert "blocked this client or its User-Agent" in verdict  # the simulator blocks that one
    with_settings(program, api={"user_agent": "Mozilla/5.0 (a museum)"})
    simulator.forget()
    assert program.run("sync", archive).status == 0
    assert {request.headers["user-agent"] for request in simulator.log} == {"Mozilla/5.0 (a museum)"}


def test_one_request_is_in_flight_and_asks_for_plain_json(account: Account, archive: Path) -> None:
    simulator, program = account(world(4), [Fault(API, Delay(0.5))])
    assert program.run("sync", archive).status == 0
    first, second = calls(simulator)
    assert second.at - first.at >= 0.5
    assert first.headers["accept"] == "application/json"
    assert first.headers["accept-encoding"] == "identity"
    assert (first.method, first.path) == ("GET", "/pictoryapis/v1/aistudio/videos")


# Odd data


def test_odd_items_never_hide_the_others(account: Account, archive: Path) -> None:
    simulator, program = account(world(4, page_size=100))
    odd = [{"prompt": "no id"}, {"id": ""}, {"id": None}, {"id": ["x"]}, 17, "text", None, [], True]
    items = simulator.world.page().items
    simulator.faults.add(always(Items([*odd[:4], *items, *odd[4:]])))
    outcome = program.run("sync", archive)
    assert outcome.status == 3, outcome
    assert "Odd items     9 of the listing could not be read (kept in the catalogue)" in outcome.stdout
    assert "9 items of the listing could not be read" in outcome.verdict
    check_against_world(archive, simulator)
    connection = sqlite3.connect(f"{(archive / CATALOGUE).as_uri()}?mode=ro", uri=True)
    kept = [json.loads(raw) for (raw,) in connection.execute("SELECT raw FROM odd_items ORDER BY rowid")]
    connection.close()
    assert kept == odd
    ledger = program.run("status", archive, "--json")
    assert (ledger.status, ledger.report["odd_items"]) == (3, 9)
    recover(simulator, program, archive)


def test_one_odd_item_is_named_as_one(account: Account, archive: Path) -> None:
    simulator, program = account(world(2))
    simulator.world.insert_item(1, {"id": False, "prompt": "odd"})
    outcome = program.run("sync", archive)
    assert outcome.status == 3, outcome
    assert "Not complete: 1 item of the listing could not be read." in outcome.verdict
    check_against_world(archive, simulator)


def test_fields_that_nobody_knows_are_kept_as_they_are(account: Account, archive: Path) -> None:
    simulator, program = account(world(2))
    unknown = {"seed": 12345678901234567890, "deep": [1, 2.5, None, {"ü": "\u2028<script>"}], "": "", "note": "a\\b\n"}
    simulator.world.change(0, **unknown)
    assert program.run("sync", archive).status == 0
    check_against_world(archive, simulator)
    path, sidecar = sidecars(archive)[simulator.world.id(0)]
    assert sidecar.video == simulator.world.item(0)
    assert list(json.loads(path.read_bytes())["video"]) == list(simulator.world.item(0))
    recover(simulator, program, archive)


def test_odd_and_missing_fields_cost_no_video(account: Account, archive: Path) -> None:
    simulator, program = account(world())
    simulator.world.change(0, duration="abc", width="wide", height=None, aspectRatio=["9:16"])
    simulator.world.change(1, prompt=REMOVED, model=REMOVED, aspectRatio=REMOVED, width=REMOVED)
    simulator.world.change(2, prompt={"text": "a"}, model=7, referenceImageUrls="", firstFrameImageUrl=0)
    simulator.world.change(3, createdDate=REMOVED)
    simulator.world.change(4, createdDate=1775760707967)
    simulator.world.change(5, createdDate="yesterday", extendVideoUrl=None)
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    check_against_world(archive, simulator)
    found = sidecars(archive)
    for index in simulator.world.indexes():
        path, sidecar = found[simulator.world.id(index)]
        assert sidecar.video == simulator.world.item(index)
        assert (path.parent == archive / "undated") == (index >= 3)
    recover(simulator, program, archive)


def test_an_output_that_is_not_named_is_waited_for_and_told(account: Account, archive: Path) -> None:
    simulator, program = account(world())
    simulator.world.change(0, thumbnailImageUrl=REMOVED)
    simulator.world.change(1, previewImageUrl=17)
    simulator.world.change(2, url=None)
    outcome = program.run("sync", archive)
    assert outcome.status == 3, outcome
    assert "3 videos should be finished by now" in outcome.verdict
    check_against_world(archive, simulator, range(3, 6))
    found = check_archive(archive)
    for index, kind in enumerate(("thumbnail", "preview", "video")):
        _, sidecar = found[simulator.world.id(index)]
        assert [str(each.kind) for each in sidecar.assets[:4] if each.status != "stored"] == [kind]
        assert asset(sidecar, kind).status == "pending"


def test_an_id_that_is_a_number_is_an_id(account: Account, archive: Path) -> None:
    simulator, program = account(world(2))
    simulator.world.change(0, id=20260409185104635)
    assert program.run("sync", archive).status == 0
    assert set(check_archive(archive)) == {"20260409185104635", simulator.world.id(1)}


def test_an_account_without_videos_is_complete_and_said_to_be_empty(account: Account, archive: Path) -> None:
    simulator, program = account(world(0))
    outcome = program.run("sync", archive)
    assert outcome.status == 0, outcome
    assert outcome.verdict.startswith("The account lists no AI Studio videos")
    assert check_archive(archive) == {}
    assert len(simulator.log) == 1
    simulator.world.add(3)
    recover(simulator, program, archive)


# Without end


def test_pages_without_end_and_without_videos_are_given_up(account: Account, archive: Path) -> None:
    simulator, program = account(world(), [Fault(API, EndlessPages(), nth=2, times=None)])
    verdict = check_unsound(program.run("sync", archive))
    assert "50 pages in a row brought no new video" in verdict
    assert 51 <= len(calls(simulator)) <= 51 + TRIES
    check_against_world(archive, simulator, range(2))
    recover(simulator, program, archive)


def test_the_same_videos_on_page_after_page_are_given_up(account: Account, archive: Path) -> None:
    simulator, program = account(world(2))
    pages = [
        RawBody(json.dumps({"items": simulator.world.page().items, "nextPageKey": f"more {number}"}).encode())
        for number in range(60)
    ]
    simulator.faults.add(*(Fault(API, page, nth=number) for number, page in enumerate(pages, start=1)))
    check_unsound(program.run("sync", archive))
    assert len(calls(simulator)) <= 51 + TRIES
    check_against_world(archive, simulator)
    recover(simulator, program, archive)


def test_the_retries_of_a_run_are_bounded(account: Account, archive: Path) -> None:
    simulator, program = account(world(15, page_size=100), [always(Status(503), Match(origin="cdn"))])
    outcome = program.run("sync", archive, "--assets", "video,thumbnail,preview,last_frame")
    assert outcome.status == 3, outcome
    files = {request.path for request in simulator.requests(origin="cdn")}
    assert len(files) == 4 * 15
    assert len(simulator.requests(origin="cdn")) == len(files) + 20
    recover(simulator, program, archive)
