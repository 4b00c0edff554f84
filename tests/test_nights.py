"""A month in a minute: a nightly sync lives through everything that a network, a service and a user do to it.

After each night an oracle looks at the exit status, the report, `status` and the archive. It knows what happened from
the world and the script of the night, never from what the program said before.
"""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from pictory_archiver.archive import CATALOGUE, JOURNAL, LOCK
from pictory_archiver.models import OUTPUTS, Status
from pictory_archiver.simulator import (
    REMOVED,
    Action,
    Fault,
    Html,
    Match,
    RawBody,
    Simulator,
    SimulatorThread,
    Stall,
    World,
)
from pictory_archiver.simulator import Status as HttpStatus

from .clock import Clock
from .conftest import Account
from .support import FAST, TIMEOUT, Outcome, Program, asset, check_against_world, check_archive, sidecars
from .test_interruption import wait_until
from .test_library import state_of, videos_of

PAGE_SIZE = 50
LOOK_BACK = timedelta(days=2)
FIRST_NIGHT = datetime(2026, 3, 1, 3, 10, 15, tzinfo=UTC)
DIARY = {str(CATALOGUE), str(JOURNAL), str(LOCK)}
"""What every run may write: its record, and its lock."""

API = Match(origin="api")


class LinksExpire(Action, frozen=True):
    """An honest answer whose links are worthless as soon as it is given."""

    def apply(self, scene: Any, /) -> Any:
        reply = scene.honest()
        scene.origin.world.expire_urls()
        return reply


def fault(on: Match, action: Action, times: int | None = None) -> Fault:
    return Fault(on, cast("Any", action), times=times)


def everything(root: Path) -> dict[str, tuple[int, int]]:
    """Size and modification time of every file that a quiet night leaves alone."""
    return {
        name: (path.stat().st_size, path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file()
        and (name := path.relative_to(root).as_posix()) not in DIARY
        and not name.startswith(("library/", "index.html"))
    }


class Month:
    """An archive that is synced at night, and the truth about it.

    `held` are the paths on the CDN of the outputs that are here, `known` the videos that the archive has heard of,
    `listed` those that it must believe to be listed, `absent` and `gone` those that one and two full listings lacked.
    """

    def __init__(self, simulator: Simulator, program: Program, archive: Path, clock: Clock, elsewhere: Simulator):
        self.simulator, self.world, self.program, self.archive = simulator, simulator.world, program, archive
        self.clock, self.elsewhere = clock, elsewhere
        self.report_file = program.home / "report.json"
        self.held: set[str] = set()
        self.known: set[str] = set()
        self.listed: set[str] = set()
        self.absent: set[str] = set()
        self.gone: set[str] = set()
        self.lost: dict[str, str] = {}
        self.deleted_here: set[str] = set()
        self.written: set[str] = set()
        self.unsettled: set[str] = set()
        self.accepted = False
        self.last_sound = self.last_full = datetime.min.replace(tzinfo=UTC)
        self.fulls: list[datetime] = []
        self.uploads: Counter[str] = Counter()
        self.permanent: tuple[Fault, ...] = ()

    # What happens in the world

    def night(self, number: int) -> None:
        """It becomes this night; a job begins some minutes earlier or later than in the night before."""
        self.clock.set(FIRST_NIGHT + timedelta(days=number - 1, minutes=number * 7 % 20))
        self.program.env = self.clock.environment()
        self.simulator.faults.clear()
        self.simulator.faults.add(*self.permanent)

    def make(self, number: int = 1, *, ago: timedelta = timedelta(hours=6)) -> list[str]:
        """New videos, the last of them made so long ago; their ids, newest first."""
        ids = self.world.add(number)
        for place, video in enumerate(ids):
            made = self.clock.now - ago - timedelta(minutes=place)
            self.world.change(video, createdDate=made.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
        return ids

    def delete_here(self, video: str, kind: str) -> str:
        """Somebody deletes a file of the archive; its path on the CDN."""
        path, sidecar = sidecars(self.archive)[video]
        path.with_name(asset(sidecar, kind).path).unlink()
        self.deleted_here.add(self.world.path(video, kind))
        return self.world.path(video, kind)

    def lose(self, video: str, kind: str) -> str:
        """The CDN has this file no more, and the archive has lost it as well; its path."""
        path = self.delete_here(video, kind)
        self.lost[path] = video
        self.held.remove(path)
        self.permanent += (fault(Match(kind=kind, video=video), HttpStatus(404)),)
        return path

    # What is true

    def ids(self) -> list[str]:
        """Every video that the account lists, newest first."""
        return [self.world.id(index) for index in self.world.indexes()]

    def pages(self) -> int:
        """How many pages the account lists."""
        return -(-len(self.world) // PAGE_SIZE)

    def page_of(self, video: str) -> int:
        """The page, from 1, that lists a video."""
        return self.ids().index(video) // PAGE_SIZE + 1

    def outputs(self, videos: Iterable[str]) -> dict[str, str]:
        """The path of every finished output of these videos, with the video."""
        found = {}
        for video in videos:
            item = self.world.item(video)
            for kind, name in (
                ("video", "url"),
                ("preview", "previewImageUrl"),
                ("thumbnail", "thumbnailImageUrl"),
                ("last_frame", "lastFrameImageUrl"),
            ):
                if name in item:
                    found[self.world.path(video, kind)] = video
        return found

    def body(self, path: str) -> bytes:
        """A file of the CDN."""
        place = self.world.find(path)
        assert place is not None
        file = self.world.file(place)
        assert file is not None
        return file.body.read()

    def pages_to_read(self, due: Iterable[str] = ()) -> int:
        """Down to a page of nothing but old acquaintances, and down to what is due."""
        horizon = self.last_sound - LOOK_BACK
        order = self.ids()
        news = 0
        for place, video in enumerate(order):
            created = datetime.fromisoformat(self.world.item(video)["createdDate"])
            if video not in self.listed or created >= horizon:
                news = place // PAGE_SIZE + 1
        return min(max(news + 1, *map(self.page_of, due), 1), self.pages())

    def unfinished(self) -> int:
        """How many videos are listed without a file yet."""
        return sum("url" not in self.world.item(video) for video in self.ids())

    def complete(self, videos: Iterable[str]) -> int:
        """How many of these videos are here with all their files."""
        return sum(all(self.world.path(video, str(kind)) in self.held for kind in OUTPUTS) for video in videos)

    # The nights

    def sync(self, *arguments: str) -> tuple[Outcome, dict[str, Any]]:
        """One run to its end, and its report."""
        self.simulator.forget()
        self.elsewhere.forget()
        self.report_file.unlink(missing_ok=True)
        outcome = self.program.run("sync", self.archive, "--quiet", "--report", self.report_file, *arguments)
        return outcome, json.loads(self.report_file.read_bytes())

    def good(
        self,
        *arguments: str,
        status: int = 0,
        full: bool = False,
        pages: int | None = None,
        more_pages: int = 0,
        tries: Iterable[str] = (),
        refetched: Iterable[str] = (),
        asks_elsewhere: bool = False,
        touched: Iterable[str] = (),
    ) -> dict[str, Any]:
        """A night whose listing proves that everything is known, and that is silent where nothing is lost. → the report

        tries: lost files that are due. refetched: files that were deleted here. more_pages: of a second listing.
        touched: videos whose sidecars change without a download.
        """
        tries, refetched = set(tries), set(refetched)
        before, began = everything(self.archive), self.clock.now
        first = not self.known
        new, unsettled = set(self.ids()) - self.written, self.unsettled
        missing = set(self.outputs(self.ids())) - self.held - set(self.lost) | tries | refetched
        if pages is None:
            pages = self.pages() if full else self.pages_to_read({self.lost[path] for path in tries})
        outcome, report = self.sync(*arguments)

        assert outcome.status == status, outcome
        if status == 0:
            assert (outcome.stdout, outcome.stderr) == ("", "")
        else:
            assert outcome.verdict.startswith("Not complete: 1 file of "), outcome
        self.check_requests(pages + more_pages, missing, more_pages > 0, asks_elsewhere=asks_elsewhere)

        now_listed = set(self.ids())
        if full:
            vanished = self.listed - now_listed | self.absent - now_listed
            self.gone |= self.absent & vanished
            self.absent = vanished
            self.listed = now_listed
            self.last_full = began
            self.fulls.append(began)
        self.listed |= now_listed
        self.known |= now_listed
        self.last_sound = began
        self.held |= missing - tries
        self.deleted_here -= missing
        fetched_for = {video for path, video in self.outputs(now_listed).items() if path in missing - tries}
        assert {video["id"] for video in videos_of(self.archive)} == self.known
        assert state_of(self.archive)["state"]["as_of"] >= began.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.check_disk(before, fetched_for | set(touched) | new | unsettled | (set(self.known) if first else set()))

        lost = 0 if self.accepted else len(self.lost)
        self.expect(
            report,
            exit_status=status,
            listing="full" if full else "incremental",
            sound=True,
            error=None,
            time_up=False,
            pages=pages,
            new=len(new),
            videos=len(self.listed),
            complete=self.complete(self.listed),
            pending=self.unfinished(),
            overdue=0,
            odd_items=0,
            not_listed_any_more=len(self.absent - self.gone),
            gone_upstream=len(self.gone),
            problem_count=lost,
            accepted_count=len(self.lost) - lost,
            lost_input_count=1,
        )
        assert report["seconds"] < TIMEOUT
        self.check_status(status, self.good_verdict(status))
        return report

    def bad(
        self,
        *arguments: str,
        status: int,
        status_after: int = 5,
        listing: str,
        pages: int | None = None,
        heard_of: Iterable[str] = (),
        why: str = "",
    ) -> dict[str, Any]:
        """A night that proves nothing: nothing that was here is touched or fetched again, and nobody is told otherwise.

        heard_of: videos on the pages that were read. why: what the verdict says. → the report
        """
        before = everything(self.archive)
        outcome, report = self.sync(*arguments)
        assert outcome.status == status, outcome
        said = outcome.stdout + outcome.stderr
        assert said
        assert why in said
        assert not {request.path for request in self.simulator.requests(origin="cdn")} & self.held
        self.count_uploads()
        if pages is not None:
            assert report["pages"] == pages
        self.expect(report, exit_status=status, listing=listing, sound=False)
        self.known |= set(heard_of)
        self.take_stock(before)
        unknown = f"Not known to be complete since {self.as_of()}: "
        self.check_status(status_after, unknown, is_figured=False)
        return report

    def ended(self, number: signal.Signals, stalled: str) -> None:
        """A night whose run is ended by a signal, while the file at this path stalls and everything else is here."""
        before = everything(self.archive)
        self.simulator.faults.add(fault(Match(path=stalled), Stall()))
        awaited = set(self.outputs(self.ids())) - self.held
        assert stalled in awaited
        assert len(awaited) > 4
        self.simulator.forget()
        self.report_file.unlink(missing_ok=True)
        process = self.program.start("sync", self.archive, "--quiet", "--report", self.report_file)
        wait_until(lambda: {r.path for r in self.simulator.requests(origin="cdn")} >= awaited, process)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=TIMEOUT)
        if number == signal.SIGKILL:
            assert process.returncode == -number
            assert not self.report_file.exists()
        else:
            assert self.program.checked(Outcome(process.returncode, stdout, stderr)).status == 128 + number
            assert json.loads(self.report_file.read_bytes())["exit_status"] == 128 + number
        assert {
            request.path for request in self.simulator.requests(origin="cdn") if request.kind != "upload"
        } <= awaited
        self.count_uploads()
        self.known |= set(self.ids())
        self.take_stock(before)
        assert stalled not in self.held
        self.check_status(3, f"Not complete as of {self.as_of()}: ", is_figured=False)

    # What must be so

    def expect(self, found: dict[str, Any], **expected: object) -> None:
        assert {name: found[name] for name in expected} == expected, found

    def check_requests(self, pages: int, awaited: set[str], denied_first: bool, *, asks_elsewhere: bool) -> None:
        """The network was asked for this and for nothing else, and for each file once."""
        log = self.simulator.log
        assert sum(request.origin == "api" for request in log) == pages
        asked = Counter(request.path for request in log if request.origin == "cdn" and request.kind != "upload")
        assert set(asked) == awaited
        refused = Counter(request.path for request in log if request.status == 403)
        assert asked - refused == Counter(awaited)
        assert bool(refused) == denied_first
        self.count_uploads()
        assert len(self.elsewhere.log) == asks_elsewhere

    def count_uploads(self) -> None:
        """A picture that requests were made with is fetched once, however many of them."""
        self.uploads.update(r.path for r in self.simulator.requests(kind="upload") if r.status == 200)
        assert set(self.uploads.values()) <= {1}

    def check_disk(self, before: dict[str, tuple[int, int]], videos: set[str]) -> None:
        """Every file that is held is here, what is new is what the CDN has, and nothing else was touched."""
        stored = self.stored()
        assert set(stored) == self.held
        after = everything(self.archive)
        touched = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        for path, file in stored.items():
            name = file.relative_to(self.archive).as_posix()
            assert (name in after) == (path not in self.deleted_here)
            if name in touched:
                assert file.read_bytes() == self.body(path), name
        if not videos:
            assert not touched
        for name in touched - {"README.txt"}:
            assert any(video in name for video in videos) or (not before and name.startswith(".pictory")), name

    def take_stock(self, before: dict[str, tuple[int, int]]) -> None:
        """After a run that proves nothing: what the sidecars promise is true, and what was held is as it was."""
        stored = self.stored()
        assert set(stored) >= self.held
        after = everything(self.archive)
        for path, file in stored.items():
            name = file.relative_to(self.archive).as_posix()
            if path in self.held:
                assert after.get(name) == before.get(name), name
            else:
                assert file.read_bytes() == self.body(path), name
        if set(stored) == self.held:
            assert [name for name in before if name != "README.txt" and after.get(name) != before[name]] == []
        whole = {self.body(path) for path in self.outputs(self.ids()).keys() - self.held | self.uploads.keys()}
        for name in after.keys() - before.keys():  # also where no sidecar promises it yet
            if ".partial" not in name and not name.endswith(".json"):
                assert (self.archive / name).read_bytes() in whole, name
        self.held = set(stored)

    def stored(self) -> dict[str, Path]:
        """The outputs that the sidecars promise: path on the CDN → file."""
        found = {}
        self.written, self.unsettled = set(), set()
        for video, (path, sidecar) in sidecars(self.archive).items():
            self.written.add(video)
            assert (sidecar.gone_upstream is not None) == (video in self.gone), sidecar
            if any(each.status is Status.PENDING for each in sidecar.assets):
                self.unsettled.add(video)
            for each in sidecar.assets:
                if each.kind in OUTPUTS and each.status is Status.STORED:
                    found[urlsplit(each.url or "").path] = path.with_name(each.path or "")
        return found

    def as_of(self) -> str:
        """How `status` names the last sound listing."""
        days = (self.clock.now.date() - self.last_sound.date()).days
        day = {0: " today", 1: " yesterday"}.get(days, "")
        return f"{self.last_sound:%H:%M} UTC{day}" if day else f"{self.last_sound:%Y-%m-%d %H:%M} UTC"

    def good_verdict(self, status: int) -> str:
        """What `status` must say first after a sound listing."""
        figures = f"{len(self.listed)} AI Studio videos listed, {self.complete(self.listed)} held"
        if status:
            return f"Not complete as of {self.as_of()}: {figures}. Run sync again"
        waiting = f", {self.unfinished()} video still in the making" if self.unfinished() else ""
        accepted = f", {len(self.lost)} loss accepted" if self.accepted else ""
        return f"Complete as of {self.as_of()}: {figures}{waiting}{accepted}\n"

    def check_status(self, status: int, verdict: str, *, is_figured: bool = True) -> None:
        """`status`, to a person and to a script."""
        text = self.program.run("status", self.archive)
        assert (text.status, text.stderr) == (status, "")
        assert text.stdout.startswith(verdict), (text.stdout, verdict)
        found = self.program.run("status", self.archive, "--json").report
        assert text.stdout.startswith(f"{found['verdict']}\n")
        self.expect(
            found,
            exit_status=status,
            listed=len(self.listed),
            in_archive=len(self.known),
            not_listed_any_more=len(self.absent - self.gone),
            gone_upstream=len(self.gone),
            overdue=0,
            odd_items=0,
            accepted_count=len(self.lost) if self.accepted else 0,
            lost_input_count=1,
        )
        assert abs(datetime.fromisoformat(found["as_of"]) - self.last_sound) < timedelta(minutes=1)
        full = found["last_full_listing"]
        assert abs(datetime.fromisoformat(full["started"]) - self.last_full) < timedelta(minutes=1)
        if is_figured:
            self.expect(
                found,
                held=self.complete(self.listed),
                complete=self.complete(self.known),
                pending=self.unfinished(),
                problem_count=0 if self.accepted else len(self.lost),
            )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def month(account: Account, archive: Path, clock: Clock) -> Iterator[Month]:
    """330 videos of 300 days, signed links, and another host that has lost the user's picture."""
    clock.set(FIRST_NIGHT)
    world = World(
        count=330,
        newest=FIRST_NIGHT - timedelta(hours=9),
        span=timedelta(days=300),
        page_size=PAGE_SIZE,
        signed=True,
        clock=clock,
    )
    simulator, program = account(world)
    with SimulatorThread(Simulator(World(count=0))) as elsewhere:
        program.origins += (elsewhere.cdn_origin,)
        world.change(40, referenceImageUrls=[f"{elsewhere.cdn_origin}/my/picture.png"], firstFrameImageUrl=REMOVED)
        yield Month(simulator, program, archive, clock, elsewhere)


def test_a_month_of_nights(month: Month) -> None:
    world, program = month.world, month.program

    # 1: everything. A picture that a request was made with is lost elsewhere; that never counts.
    month.night(1)
    month.good(full=True, asks_elsewhere=True)
    check_against_world(month.archive, month.simulator)

    # 2: a video is listed before it has a file, and a job is under way that is not listed yet.
    month.night(2)
    late, making, _ = month.make(3)
    world.hold_back(late)
    world.change(making, url=REMOVED)
    assert month.good(asks_elsewhere=True)["pending"] == 1

    # 3: both are done.
    month.night(3)
    world.finish_late()
    world.change(making, url=world.link(world.path(making, "video")))
    month.make(1)
    month.good(asks_elsewhere=True)

    # 4: nothing new, but the catalogue is gone: everything is listed, nothing is fetched. Pauses are forgotten with it.
    month.night(4)
    (month.archive / CATALOGUE).unlink()
    month.good(full=True, asks_elsewhere=True)

    # 5: nothing new; what was new in the last days has to be looked at once more.
    month.night(5)
    month.good(pages=2, asks_elsewhere=True)

    # 6, 7: quiet nights, of one page and not a byte. What happens far behind that page is found by the weekly listing.
    changed, deleted = world.id(250), world.id(300)
    world.change(changed, prompt="Another prompt", model="pixverse6")
    deleted_here = month.delete_here(world.id(280), "video")
    world.delete(deleted)
    month.night(6)
    month.good(pages=1, asks_elsewhere=True)
    month.night(7)
    month.good(pages=1)

    # 8 to 10: the API is out of order, then somebody else answers in its place.
    for number, answer, why in (
        (8, HttpStatus(500), "HTTP 500"),
        (9, HttpStatus(500), "HTTP 500"),
        (10, Html(), "HTML"),
    ):
        month.night(number)
        month.make(1)
        month.simulator.faults.add(fault(API, answer))
        month.bad(status=5, listing="incremental", pages=0, why=why)

    # 11: a week after the last full listing it is time for one.
    month.night(11)
    month.good(full=True, refetched={deleted_here}, touched={changed})
    history = sidecars(month.archive)[changed][1].history
    assert [set(change.was) for change in history] == [{"prompt", "model"}]

    # 12: the wrong key, and the right one by hand. 13: killed in the middle. 14: stopped in the middle. 15: what was
    # under way is fetched.
    month.night(12)
    month.make(1)
    right, program.key = program.key, "pictai_of_somebody_else"
    month.bad(status=4, listing="none", pages=0, why="refused the key")
    program.key = right
    month.good()
    for number, how in ((13, signal.SIGKILL), (14, signal.SIGTERM)):
        month.night(number)
        video, *_ = month.make(3)
        month.ended(how, world.path(video, "preview"))
    month.night(15)
    month.good(asks_elsewhere=True)

    # 16 to 18: an old file is deleted here, and the CDN has it no more either. `--full` by hand finds that. A run tries
    # it again at once, and on the next days; then not for a week. The video that two listings lacked is gone.
    lost = month.lose(world.id(200), "preview")
    month.night(16)
    month.make(1)
    assert deleted in month.absent - month.gone
    month.good(
        "--full", status=3, full=True, tries={lost}, touched={world.id(200), world.id(40), deleted}, asks_elsewhere=True
    )
    assert deleted in month.gone
    for number in (17, 18):
        month.night(number)
        month.make(1)
        month.good(status=3, tries={lost})

    # 19: the account lists nothing at all. Nobody believes that.
    month.night(19)
    month.make(1)
    month.simulator.faults.add(fault(API, RawBody(b'{"items": []}')))
    month.bad(status=5, listing="full", pages=1, why="lists no videos")

    # 20: no room, 21: room again. 22: no time.
    month.night(20)
    program.settings = {**FAST, "download": {"reserve": 2**50}}
    month.bad(status=6, status_after=3, listing="incremental", heard_of=month.ids(), why="that stay free")
    program.settings = FAST
    month.night(21)
    month.good(status=3)
    month.night(22)
    (video,) = month.make(1)
    month.simulator.faults.add(fault(Match(path=world.path(video, "video")), Stall()))
    report = month.bad(
        "--max-duration", "5s", status=3, status_after=3, listing="incremental", heard_of=month.ids(), why="time was up"
    )
    assert report["time_up"]

    # 23: only a fifth of the videos is listed. 24: all of them.
    month.night(23)
    month.make(2)
    fifth = [world.item(index) for index in list(world.indexes())[::5]]
    month.simulator.faults.add(fault(API, RawBody(json.dumps({"items": fifth}).encode())))
    heard_of = {item["id"] for item in fifth}
    month.bad(status=5, listing="full", pages=1, heard_of=heard_of, why="the listing lacks ")
    month.night(24)
    month.good(status=3, full=True)

    # 25: links expire right after they are listed; a second listing gives fresh ones. The lost file is due.
    month.night(25)
    month.make(2)
    month.simulator.faults.add(fault(Match(origin="api", page=1), LinksExpire(), times=1))
    month.good(status=3, tries={lost}, more_pages=1)

    # 26: 120 videos in one evening, while a job is under way that began before. 27: it is done, behind two full pages.
    month.night(26)
    (late,) = month.make(1, ago=timedelta(hours=17))
    world.hold_back(late)
    *_, next_made = month.make(120)
    world.change(next_made, extendVideoUrl=REMOVED, firstFrameImageUrl=REMOVED)  # nobody goes on from what is not done
    month.good(status=3)
    month.night(27)
    world.finish_late()
    assert month.page_of(late) == 3
    month.good(status=3, pages=4)

    # 28: a run by hand for the newest video alone proves nothing. 29: the night does not take its word.
    month.night(28)
    month.make(2)
    before = everything(month.archive)
    outcome, report = month.sync("--limit", "1")
    assert (outcome.status, outcome.stdout, outcome.stderr) == (0, "", "")
    month.expect(report, listing="filtered", sound=False, pages=1, new=1)
    month.known |= set(month.ids()[:1])
    month.take_stock(before)
    month.check_status(3, month.good_verdict(3), is_figured=False)
    month.night(29)
    month.good(status=3)
    month.night(30)
    month.make(1)
    month.good(status=3)

    # 31: the weekly listing breaks off in the middle. 32: it goes on from there, and then looks at its beginning again.
    month.night(31)
    month.make(1)
    month.simulator.faults.add(fault(Match(origin="api", page=4), HttpStatus(500)))
    month.bad(status=5, listing="full", pages=3, heard_of=month.ids()[: 3 * PAGE_SIZE], why="HTTP 500")
    month.night(32)
    month.make(1)
    month.good(status=3, full=True, pages=month.pages() - 2 + 2)
    assert max(later - earlier for earlier, later in pairwise(month.fulls)) < timedelta(days=8, hours=1)

    # 55: the computer was off for three weeks. The lost file is tried for the last time, and then accepted.
    month.night(55)
    for days in range(20, 2, -3):
        month.make(2, ago=timedelta(days=days))
    assert "given up" in month.good(status=3, full=True, tries={lost}, touched={world.id(200)})["verdict"]
    accepted = program.run("accept", month.archive, world.id(200))
    assert (accepted.status, accepted.stdout) == (0, f"Accepted: preview of {world.id(200)}\n")
    month.accepted = True
    month.check_status(0, month.good_verdict(0))

    # 56 to 58: good nights again.
    for number in (56, 57, 58):
        month.night(number)
        month.good()

    kept = [index for index in world.indexes() if world.id(index) != world.id(200)]
    check_against_world(month.archive, month.simulator, iter(kept))
    found = check_archive(month.archive)
    assert set(found) == set(month.ids()) | {deleted}
    assert [video for video, (_, sidecar) in found.items() if not sidecar.complete] == [world.id(200)]
    assert asset(found[world.id(200)][1], "preview").status == Status.REJECTED
    assert asset(found[world.id(40)][1], "reference", 1).status == Status.REJECTED
    assert found[deleted][1].complete


def test_a_listing_that_was_not_believed_is_not_gone_on_with(account: Account, archive: Path) -> None:
    """One night the API leaps from the first page to the last. What lies between is not lost from sight by that."""
    world = World(count=350, page_size=PAGE_SIZE)
    simulator, program = account(world)
    assert program.run("sync", archive).status == 0
    token = None
    for _ in range(5):
        token = world.page(token).next_key
    leap = json.dumps({"items": [], "nextPageKey": world.page(token).next_key})
    simulator.faults.add(fault(Match(origin="api", page=2), RawBody(leap.encode())))
    outcome = program.run("sync", archive, "--full")
    assert outcome.status == 5
    assert "the listing lacks 250 of the 350 videos" in outcome.verdict

    simulator.faults.clear()
    simulator.forget()
    report = program.run("sync", archive, "--json").report
    assert (report["exit_status"], report["sound"], report["not_listed_any_more"]) == (0, True, 0)
    assert not simulator.requests(origin="cdn")
    check_against_world(archive, simulator)
