"""Any order of events, and no hole: the invariant of incremental listings, on the real command line.

Hypothesis plays upstream, network, user and clock against one archive: videos come, some of them late, others go or
change; pages and files fail; runs are killed, stopped, filtered; files of the archive are deleted; weeks pass. After
each command an oracle that knows what upstream showed, and when, compares the ledger with the disk. In the end, with
all faults healed, one plain run makes the archive complete.

It plays few games by default, the same ones each time. `PICTORY_STATEFUL_EXAMPLES=500` plays so many random ones (about
ten seconds each), `PICTORY_STATEFUL_STEPS` makes them longer. To find out where a long game went wrong, set
`PICTORY_STATEFUL_SHRINK=1`: it looks for a short one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from pictory_archiver.archive import CATALOGUE, Archive
from pictory_archiver.ledger import Ledger, read_ledger
from pictory_archiver.listing_rule import FULL_EVERY
from pictory_archiver.models import OUTPUTS, Kind, Status
from pictory_archiver.plan import LOOK_BACK
from pictory_archiver.settings import Catalogue as CatalogueSettings
from pictory_archiver.sidecar import Sidecar
from pictory_archiver.simulator import (
    REMOVED,
    Cut,
    Fault,
    Html,
    Match,
    RepeatToken,
    Simulator,
    SimulatorThread,
    Stall,
    TruncatedJson,
    World,
)
from pictory_archiver.simulator import Status as Answer
from pictory_archiver.tries import DAY, MOST_TRIES, SLACK

from .support import FAST, TIMEOUT, Outcome, Program, asset, check_archive, files_of, required, sidecars

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the clock is moved with libfaketime, and runs killed")

EXAMPLES = os.environ.get("PICTORY_STATEFUL_EXAMPLES")
STEPS = int(os.environ.get("PICTORY_STATEFUL_STEPS", "12"))
SHRINK = bool(os.environ.get("PICTORY_STATEFUL_SHRINK"))
GAMES = 12

FIELDS = {
    Kind.VIDEO: "url",
    Kind.PREVIEW: "previewImageUrl",
    Kind.THUMBNAIL: "thumbnailImageUrl",
    Kind.LAST_FRAME: "lastFrameImageUrl",
}
MODELS = ("pixverse5.5", "veo3.1", "veo3.1_fast")
SELECTIONS = ("video", "thumbnail,preview", "video,thumbnail,preview,last_frame")
API_FAULTS = (Answer(500), RepeatToken(), Html(), TruncatedJson())
CDN_FAULTS = (Answer(404), Answer(403), Answer(500), Cut(200))
PAUSES = (timedelta(hours=6), timedelta(hours=23), timedelta(days=3), timedelta(days=8), timedelta(days=31))
MOST_DELETED = 4
SPAN = timedelta(days=40)

seen: Counter[str] = Counter()
"""What happened in all games: the test is worth nothing where the interesting things did not."""


def tell(what: str) -> None:
    seen[what] += 1
    event(what)


@dataclass(frozen=True)
class Shown:
    """A video as upstream listed it: when it was made, when it turned up, and which of its files had a URL."""

    created: datetime
    appeared: datetime
    kinds: frozenset[Kind]

    @property
    def is_late(self) -> bool:
        """Whether it turned up later than a listing that may stop early looks back."""
        return self.appeared - self.created > LOOK_BACK


@dataclass
class Upstream:
    """What a listing that starts now would hold, and what it would not be able to read."""

    videos: dict[str, Shown]
    odd: frozenset[str]


@dataclass
class Proof:
    """What the archive owes: by the rules, as of the last sound listing."""

    owed: dict[str, set[Kind]] = field(default_factory=lambda: defaultdict(set))
    accepted: set[tuple[str, Kind]] = field(default_factory=set)


def fake_clock() -> str:
    """The library that moves the clock of a process."""
    required(shutil.which("faketime"), "faketime")
    told = subprocess.run(
        ["faketime", "-m", "-f", "+0", "printenv", "LD_PRELOAD"], capture_output=True, text=True, check=True, timeout=60
    )
    return told.stdout.strip()


class Account(RuleBasedStateMachine):
    """One account, one archive, and everything that can happen to them.

    What is drawn, and which rules may be played, depends on nothing but what was drawn before: how far a run came
    before it was killed is another thing each time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ok = True
        self.offset = timedelta()
        self.stack = contextlib.ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="stateful-")))
        self.root = self.folder / "archive"

    def teardown(self) -> None:
        try:
            if self.ok and hasattr(self, "simulator"):
                self.a_month_later_one_run_makes_it_complete()
        finally:
            self.stack.close()

    @initialize(
        count=st.integers(9, 14),
        page_size=st.integers(3, 5),
        signed=st.booleans(),
        skew=st.sampled_from([0, 0, 0, 3, -1]),
        seed=st.integers(1, 20),
        begins=st.sampled_from(["well", "a page fails", "kill", "terminate", "time is up", "later"]),
    )
    def an_account(self, count: int, page_size: int, signed: bool, skew: int, seed: int, begins: str) -> None:
        """`skew`: days that this computer's clock is ahead of the server's. `begins`: how the first run ends."""
        self.skew = timedelta(days=skew)
        self.began = datetime.now(UTC)
        self.world = World(
            seed=seed,
            count=count,
            newest=self.began - timedelta(hours=1),
            span=SPAN,
            page_size=page_size,
            signed=signed,
            clock=lambda: self.now().timestamp(),
        )
        self.simulator = self.stack.enter_context(SimulatorThread(Simulator(self.world)))
        self.program = Program.of(self.simulator, self.folder / "home")
        self.program.settings = {**FAST, "download": {"workers": 2}}
        self.preload = fake_clock()
        self.standing: list[Fault] = []
        self.appeared: dict[str, datetime] = {self.world.id(index): self.began for index in range(count)}
        for index in range(count):
            self.appeared[self.world.id(index)] = self.created(self.world.id(index))
        self.held_back: list[str] = []
        self.odd: list[str] = []
        self.deleted: set[str] = set()
        self.deleted_files: set[bytes] = set()
        self.lacking: dict[str, set[Kind]] = defaultdict(set)
        self.failures: dict[tuple[str, Kind], list[datetime]] = defaultdict(list)
        self.lost: dict[str, tuple[bytes, datetime]] = {}
        self.excused: set[str] = set()
        self.orphans: set[str] = set()
        self.gone_for: Counter[str] = Counter()
        self.proof = Proof()
        self.snapshots: dict[int, tuple[datetime, Upstream]] = {}
        self.was_cut_short = False
        self.last_full = datetime.min.replace(tzinfo=UTC)
        self.is_settled = False
        if begins == "well":
            assert self.sync().status == 0
            self.pass_time(timedelta(days=1))
        elif begins == "a page fails":
            self.a_page_fails(page=3, what=API_FAULTS[seed % len(API_FAULTS)], stays=True)
            assert self.sync().status == (5 if count > 2 * page_size else 0)
            self.standing.clear()
        elif begins != "later":
            self.cut_short(begins, "api", 3)
            if seed % 2:
                self.new_videos(number=1, late=False, without_url=False)

    # --- the clock ---

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def pass_time(self, time: timedelta) -> None:
        self.offset += timedelta(seconds=int(time.total_seconds()))

    @rule(pause=st.sampled_from(PAUSES))
    def time_passes(self, pause: timedelta) -> None:
        self.pass_time(pause)

    # --- upstream ---

    def created(self, video_id: str) -> datetime:
        return datetime.fromisoformat(self.world.item(self.world.index(video_id))["createdDate"])

    def listed(self) -> list[str]:
        return [self.world.id(index) for index in self.world.indexes() if self.world.id(index) not in self.odd]

    def some(self, number: int) -> str | None:
        """One of the listed videos."""
        listed = self.listed()
        return listed[number % len(listed)] if listed else None

    def upstream(self) -> Upstream:
        return Upstream(
            {
                video: Shown(
                    self.created(video), self.appeared[video], frozenset(OUTPUTS) - frozenset(self.lacking[video])
                )
                for video in self.listed()
            },
            frozenset(self.odd),
        )

    @rule(number=st.integers(1, 3), late=st.booleans(), without_url=st.sampled_from([False, False, True]))
    def new_videos(self, number: int, late: bool, without_url: bool) -> None:
        """Jobs begin; the last of them is held back, or listed before its video has a URL."""
        made = self.world.add(number)
        for position, video in enumerate(reversed(made)):
            when = self.now() - timedelta(seconds=number - position)
            self.world.change(video, createdDate=when.isoformat())
            self.appeared[video] = self.now()
        if late:
            self.world.hold_back(made[0])
            self.held_back.append(made[0])
        elif without_url:
            self.take_urls(made[0], {Kind.VIDEO})

    @precondition(lambda self: self.held_back)
    @rule(number=st.integers(0, 9))
    def a_job_ends_late(self, number: int) -> None:
        video = self.held_back.pop(number % len(self.held_back))
        self.world.finish_late(video)
        self.appeared[video] = self.now()
        tell(
            "a video came late, beyond the look-back" if self.upstream().videos[video].is_late else "a video came late"
        )

    @precondition(lambda self: len(self.deleted) < MOST_DELETED and len(self.listed()) > 6)
    @rule(number=st.integers(0, 30), keep_files=st.booleans())
    def a_video_is_deleted_upstream(self, number: int, keep_files: bool) -> None:
        if video := self.some(number):
            self.deleted_files |= self.files_of_cdn()
            self.world.delete(video, keep_files=keep_files)
            self.deleted.add(video)

    @rule(number=st.integers(0, 30), text=st.sampled_from(["another", "words", "", None]))
    def metadata_change(self, number: int, text: str | None) -> None:
        if video := self.some(number):
            self.world.change(video, title=text)

    def take_urls(self, video: str, kinds: set[Kind]) -> None:
        self.world.change(video, **{FIELDS[kind]: REMOVED for kind in kinds})
        self.lacking[video] |= kinds

    def give_urls(self, video: str) -> None:
        self.world.restore(video, *(FIELDS[kind] for kind in self.lacking.pop(video, ())))

    @rule(number=st.integers(0, 30), kind=st.sampled_from(OUTPUTS))
    def a_url_is_not_there(self, number: int, kind: Kind) -> None:
        """Of a video that the archive may hold: then nothing changes."""
        if video := self.some(number):
            self.take_urls(video, {kind})

    @precondition(lambda self: any(self.lacking.values()))
    @rule()
    def urls_are_there(self) -> None:
        for video in list(self.lacking):
            self.give_urls(video)

    @precondition(lambda self: not self.odd)
    @rule(number=st.integers(0, 30), raw=st.sampled_from([17, None, {"prompt": "no id"}]))
    def an_item_turns_odd(self, number: int, raw: Any) -> None:
        if video := self.some(number):
            self.world.replace_item(video, raw)
            self.odd.append(video)

    @precondition(lambda self: self.odd)
    @rule()
    def odd_items_are_mended(self) -> None:
        for video in self.odd:
            self.world.replace_item(video, REMOVED)
            self.appeared[video] = self.now()
        self.odd.clear()

    @rule(page_size=st.integers(3, 5), signed=st.booleans())
    def upstream_is_rebuilt(self, page_size: int, signed: bool) -> None:
        self.world.page_size = page_size
        self.world.signed = signed

    @precondition(lambda self: self.world.signed)
    @rule()
    def links_expire(self) -> None:
        self.world.expire_urls()

    # --- faults ---

    @rule(page=st.integers(1, 4), what=st.sampled_from(API_FAULTS), stays=st.booleans())
    def a_page_fails(self, page: int, what: Any, stays: bool) -> None:
        self.standing.append(Fault(Match(origin="api", page=page), what, times=None if stays else 1))

    @rule(
        number=st.integers(0, 30), kind=st.sampled_from(OUTPUTS), what=st.sampled_from(CDN_FAULTS), stays=st.booleans()
    )
    def a_file_fails(self, number: int, kind: Kind, what: Any, stays: bool) -> None:
        if video := self.some(number):
            self.standing.append(Fault(Match(kind=kind, video=video), what, times=None if stays else 1))

    @rule()
    def faults_are_healed(self) -> None:
        self.standing.clear()

    # --- the user ---

    @rule(number=st.integers(0, 200), what=st.sampled_from(["media", "media", "sidecar", "catalogue"]))
    def something_is_deleted_here(self, number: int, what: str) -> None:
        if not self.root.exists():
            return
        if what == "catalogue":
            for path in (self.root / CATALOGUE).parent.glob(f"{PurePosixPath(CATALOGUE).name}*"):
                path.unlink()
            self.snapshots.clear()
            return
        names = [name for name in files_of(self.root) if name.endswith(".json") == (what == "sidecar")]
        names = [name for name in names if name != "README.txt" and ".partial" not in name]
        if not names:
            return
        name = names[number % len(names)]
        if what == "sidecar":
            stem = name.removesuffix(".json")
            self.orphans |= {other for other in files_of(self.root) if other.startswith(f"{stem}.")}
        self.lost[name] = ((self.root / name).read_bytes(), self.now())
        self.excused.add(name)
        (self.root / name).unlink()
        tell(f"{what} deleted here")

    # --- commands ---

    @rule(
        options=st.sampled_from([[], [], [], [], ["--full"]]),
        assets=st.sampled_from([None, None, None, *SELECTIONS]),
    )
    def a_run(self, options: list[str], assets: str | None) -> None:
        self.sync(*options, assets=assets)

    @rule(how=st.sampled_from(["limit", "since", "until", "model"]), number=st.integers(1, 12))
    def a_run_with_a_filter(self, how: str, number: int) -> None:
        day = f"{self.now() - timedelta(days=3 * number):%Y-%m-%d}"
        value = {"limit": str(number), "since": day, "until": day, "model": MODELS[number % len(MODELS)]}[how]
        upstream = self.upstream()
        outcome = self.sync(f"--{how}", value)
        if outcome.status == 0 and how != "limit":
            self.check_chosen(upstream, how, value)

    def check_chosen(self, upstream: Upstream, how: str, value: str) -> None:
        """What was asked for is held."""
        found = self.sidecars()
        for video, shown in upstream.videos.items():
            made_on = f"{shown.created:%Y-%m-%d}"
            is_model = self.world.item(video)["model"] == value
            if {"since": made_on >= value, "until": made_on <= value, "model": is_model}[how]:
                for kind in shown.kinds:
                    if (video, kind) not in self.proof.accepted:
                        self.check_file(video, kind, *found[video])

    @rule(
        how=st.sampled_from(["kill", "kill", "terminate", "time is up"]),
        where=st.sampled_from(["api", "cdn"]),
        number=st.integers(1, 14),
        options=st.sampled_from([[], [], ["--full"]]),
        assets=st.sampled_from([None, None, *SELECTIONS]),
    )
    def a_run_is_cut_short(self, how: str, where: Any, number: int, options: list[str], assets: str | None) -> None:
        self.cut_short(how, where, (number + 2) // 3 if where == "api" else number, options, assets)

    def cut_short(self, how: str, where: Any, nth: int, options: Iterable[str] = (), assets: str | None = None) -> None:
        """At its n-th page or file, where it has so many."""
        stall = Fault(Match(origin=where), Stall(None), nth=nth, times=None)
        more = ["--max-duration", "1s"] if how == "time is up" else []
        before = self.begin_command()
        self.set_faults(stall)
        process = self.program.start("sync", self.root, "--json", *more, *options, *self.chosen(assets))
        deadline = time.monotonic() + TIMEOUT
        while process.poll() is None:
            assert time.monotonic() < deadline
            if how != "time is up" and len(self.simulator.requests(origin=where)) >= nth:
                process.send_signal(signal.SIGKILL if how == "kill" else signal.SIGTERM)
                break
            time.sleep(0.01)
        stdout, stderr = process.communicate(timeout=TIMEOUT)
        tell(f"cut short: {how}" if process.returncode in (-9, 143) or '"time_up": true' in stdout else "not cut short")
        self.was_cut_short = True
        self.note_failures(except_for=stall)
        if process.returncode == -signal.SIGKILL:
            self.after_command(before, None, assets)
        else:
            outcome = self.program.checked(Outcome(process.returncode, stdout, stderr))
            assert outcome.status in (0, 3, 5, 143), outcome
            self.after_command(before, outcome, assets)

    @rule()
    def status(self) -> None:
        if not self.root.exists():
            return
        before = files_of(self.root)
        self.pass_time(timedelta(seconds=2))
        self.clocked()
        told = self.program.run("status", self.root, "--json")
        ledger = self.ledger()
        assert (told.status, told.report["as_of"], told.report["listed"], told.report["held"]) == (
            ledger.exit_status,
            ledger.as_of,
            ledger.listed,
            ledger.held,
        )
        assert files_of(self.root) == before

    @rule()
    def a_loss_is_accepted(self) -> None:
        if not self.sidecars():
            return
        self.pass_time(timedelta(seconds=2))
        self.clocked()
        lost = [each for each in self.ledger().problems if each.kind in OUTPUTS and each.status != Status.PENDING]
        for problem in lost[:1]:
            kinds = {each.kind for each in lost if each.video_id == problem.video_id}
            told = self.program.run("accept", self.root, problem.video_id)
            assert told.status == 0, told
            self.proof.accepted |= {(problem.video_id, kind) for kind in kinds}
            tell("a loss was accepted")
            self.check_disk()

    @rule()
    def healed_one_run_makes_it_complete(self) -> None:
        """At once, where no file failed before."""
        self.heal()
        if self.is_settled or any(self.failures.values()):
            return
        outcome = self.sync()
        self.is_settled = True
        tell("one run later")
        self.check_explained(outcome)
        for video, shown in self.upstream().videos.items():
            if not shown.is_late or video in self.proof.owed:
                self.proof.owed[video] |= shown.kinds
        self.check_owed()

    def a_month_later_one_run_makes_it_complete(self) -> None:
        """Whatever happened."""
        self.heal()
        self.pass_time(timedelta(days=31))
        outcome = self.sync()
        assert outcome.report["listing"] == "full"
        self.check_explained(outcome)
        assert not any(video in name for name in self.excused for video in self.upstream().videos)
        found = self.check_disk()
        ledger = self.ledger()
        rejected = {(each.video_id, each.kind) for each in ledger.problems if each.status is Status.REJECTED}
        for video, shown in self.upstream().videos.items():
            path, sidecar = found[video]
            assert sidecar.video.get("title") == self.world.item(video).get("title")
            for kind in shown.kinds - {kind for lost, kind in self.proof.accepted if lost == video}:
                if (video, kind) not in rejected:
                    self.check_file(video, kind, path, sidecar)
        tell("complete in the end" if outcome.status == 0 else "complete but for what is known in the end")

    def heal(self) -> None:
        self.standing.clear()
        for video in self.odd:
            self.world.replace_item(video, REMOVED)
            self.appeared[video] = self.now()
        self.odd.clear()

    def sync(self, *options: str, assets: str | None = None) -> Outcome:
        before = self.begin_command()
        self.set_faults()
        outcome = self.program.run("sync", self.root, "--json", *options, *self.chosen(assets))
        assert outcome.status in (0, 3, 5), outcome
        assert outcome.status != 5 or self.standing, outcome
        self.note_failures()
        self.after_command(before, outcome, assets)
        return outcome

    # --- around a command ---

    def chosen(self, assets: str | None) -> list[str]:
        return ["--assets", assets] if assets else []

    def clocked(self) -> None:
        """Lets the next command of the program start at the time of the game, as this computer's clock has it."""
        seconds = int((self.offset + self.skew).total_seconds())
        self.program.env = {
            "LD_PRELOAD": self.preload,
            "FAKETIME": f"{seconds:+d}",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set_faults(self, *more: Fault) -> None:
        self.simulator.faults.clear()
        self.simulator.faults.add(*more, *self.standing)

    def begin_command(self) -> tuple[datetime, Upstream, dict[str, bytes]]:
        """No two commands start in the same second. → the time, upstream, the archive's media"""
        self.ok = self.is_settled = False
        self.pass_time(timedelta(seconds=2))
        self.clocked()
        self.simulator.forget()
        return self.now(), self.upstream(), self.media()

    def media(self) -> dict[str, bytes]:
        found = files_of(self.root) if self.root.exists() else {}
        return {name: data for name, data in found.items() if name.endswith((".mp4", ".jpg", ".png", ".webp"))}

    def note_failures(self, except_for: Fault | None = None) -> None:
        """Remembers which files were asked for and are not there: each may count as one try."""
        self.standing = [fault for fault in self.standing if fault.times is None or not self.has_acted(fault)]
        asked = {(request.video_id or "", request.kind or "") for request in self.simulator.requests(origin="cdn")}
        found = self.sidecars()
        for video, kind in asked:
            if kind not in FIELDS:
                continue
            held = video in found and asset(found[video][1], kind).held
            if not held:
                self.failures[video, Kind(kind)].append(self.now())

    def has_acted(self, fault: Fault) -> bool:
        return any(fault.on(request) for request in self.simulator.log)

    def sidecars(self) -> dict[str, tuple[Path, Sidecar]]:
        if not (self.root / ".pictory-archiver" / "archive.json").exists():
            return {}
        return sidecars(self.root)

    def ledger(self) -> Ledger:
        return read_ledger(Archive.open(self.root), CatalogueSettings(), self.now() + self.skew)

    def after_command(
        self, before: tuple[datetime, Upstream, dict[str, bytes]], outcome: Outcome | None, assets: str | None
    ) -> None:
        """Everything that must hold, whatever the command was and however it ended."""
        began, upstream, media = before
        if not (self.root / ".pictory-archiver" / "archive.json").exists():
            assert outcome is None or outcome.status != 0
            self.ok = True
            return
        now = self.media()
        assert {name: now.get(name) for name in media} == media, "media was lost or changed by the program"
        ledger = self.ledger()
        wanted = frozenset(assets.split(",")) if assets else frozenset(OUTPUTS)
        if ledger.runs:
            self.snapshots.setdefault(ledger.runs[0].id, (began, upstream))
        listing = ledger.last_listing
        is_new = listing is not None and ledger.runs and listing.run == ledger.runs[0].id
        if listing is not None and is_new and listing.sound:
            first_began, at_first = self.snapshots.get(listing.first_run, (began, upstream))
            self.take_as_proved(upstream, at_first, first_began, wanted, listing.kind)
            resumed = listing.first_run != listing.run
            tell(f"a listing that is {'resumed' if resumed else listing.kind}")
            if listing.kind == "full":
                self.last_full = first_began
            assert began - self.last_full < FULL_EVERY, "a full listing is overdue"
            if listing.kind == "full" and at_first.odd & upstream.odd:
                assert outcome is None or outcome.status == 3, "an odd item, and complete"
                assert ledger.exit_status != 0, "an odd item, and complete"
            if listing.kind == "full":
                self.count_gone(upstream)
        if outcome is not None and outcome.status == 0:
            if outcome.report["sound"]:
                self.check_owed(wanted)
                self.check_wanted(upstream, wanted)
            else:
                tell("a filtered run that is complete")
        if ledger.exit_status == 0:
            self.check_owed()
            tell("status: complete")
        self.check_disk()
        self.ok = True

    def take_as_proved(
        self, upstream: Upstream, at_first: Upstream, first_began: datetime, wanted: Iterable[str], kind: str
    ) -> None:
        """A sound listing proves all that it had to find."""
        for video, shown in upstream.videos.items():
            found_by_a_full_one = kind == "full" and video in at_first.videos
            if not shown.is_late or found_by_a_full_one or video in self.proof.owed:
                self.proof.owed[video] |= {each for each in shown.kinds if each in wanted}
        if kind == "full":
            self.excused -= {
                name
                for name, (_, when) in self.lost.items()
                if when <= first_began and any(video in name for video in at_first.videos)
            }

    def check_wanted(self, upstream: Upstream, wanted: frozenset[str]) -> None:
        """A sound run that says complete holds what it was asked for, of all that it owes."""
        for video in upstream.videos.keys() & self.proof.owed.keys():
            have = self.sidecars().get(video)
            for kind in upstream.videos[video].kinds:
                if have and kind in wanted and (video, kind) not in self.proof.accepted:
                    assert asset(have[1], kind).held, (video, kind)

    def count_gone(self, upstream: Upstream) -> None:
        """An item that cannot be read shows no id."""
        for video in self.appeared:
            if video in upstream.videos:
                self.gone_for.pop(video, None)
            else:
                self.gone_for[video] += 1

    def check_owed(self, wanted: Collection[str] = OUTPUTS) -> None:
        """Every file that a sound listing promised is on the disk, byte for byte, but for what was deleted here."""
        found = self.sidecars()
        for video, kinds in self.proof.owed.items():
            if video not in found:
                assert any(video in name for name in self.lost), (
                    f"{video} is not there, and the copy counts as complete"
                )
                continue
            path, sidecar = found[video]
            for kind in kinds.intersection(wanted):
                if (video, kind) not in self.proof.accepted:
                    self.check_file(video, kind, path, sidecar)

    def check_file(self, video: str, kind: Kind, path: Path, sidecar: Sidecar) -> None:
        each = asset(sidecar, kind)
        assert each.held, (video, each)
        file = path.with_name(each.path)
        if file.relative_to(self.root).as_posix() in self.excused and not file.exists():
            return
        place = self.world.find(self.world.path(video, kind))
        assert place is not None
        content = self.world.file(place)
        assert content is None or file.read_bytes() == content.body.read()

    def check_explained(self, outcome: Outcome) -> None:
        """What a run without faults leaves: files that are given up, or that upstream deleted or never had."""
        ledger = self.ledger()
        overdue = any(self.lacking.values())
        for problem in ledger.problems:
            shown = problem.video_id in self.listed()
            lacks_url = problem.kind in self.lacking[problem.video_id]
            assert problem.status is Status.REJECTED or lacks_url or not shown, problem
        if outcome.status != 0:
            assert outcome.status == 3, outcome
            assert ledger.problems or overdue, outcome
        assert outcome.report["sound"]
        assert outcome.status == ledger.exit_status

    def check_disk(self) -> dict[str, tuple[Path, Sidecar]]:
        """The archive is true, but for what was deleted here."""
        self.lost = {name: lost for name, lost in self.lost.items() if not (self.root / name).exists()}
        self.excused &= self.lost.keys()
        promised = {
            (path.parent / each.path).relative_to(self.root).as_posix()
            for path, sidecar in self.sidecars().values()
            for each in sidecar.assets
            if each.path
        }
        back = [name for name in self.lost if name in promised or name.endswith(".json")]
        with self.put_back(back):
            allowed = self.orphans
            if self.was_cut_short:
                allowed = allowed | self.left_whole(promised)
            found = check_archive(self.root, partials=True, leftover=allowed)
        for name in back:
            if name.endswith(".json"):
                found = {video: each for video, each in found.items() if each[0].exists()}
        for video, (_, sidecar) in found.items():
            if sidecar.gone_upstream:
                assert self.gone_for[video] >= 2, f"{video} counts as gone"
            for each in sidecar.assets:
                if each.status is Status.REJECTED and each.kind in OUTPUTS:
                    assert counted(self.failures[video, each.kind]) >= MOST_TRIES
                    tell("a file was rejected")
        return found

    def files_of_cdn(self) -> set[bytes]:
        """The digest of every file on the CDN."""
        return {hashlib.sha256(file.body.read()).digest() for _, file in self.world.files()}

    def left_whole(self, promised: set[str]) -> set[str]:
        """Media without a sidecar, of a run that was cut short: each is one that the CDN has, or had."""
        left = {name: data for name, data in self.media().items() if name not in promised}
        if left:
            known = self.files_of_cdn() | self.deleted_files
            for name, data in left.items():
                assert hashlib.sha256(data).digest() in known, name
        return set(left)

    @contextlib.contextmanager
    def put_back(self, names: Iterable[str]) -> Iterator[None]:
        """For as long as the archive is checked."""
        names = list(names)
        for name in names:
            (self.root / name).write_bytes(self.lost[name][0])
        try:
            yield
        finally:
            for name in names:
                (self.root / name).unlink()


def counted(moments: list[datetime]) -> int:
    """How many of these tries count: one a day."""
    number = 0
    last: datetime | None = None
    for moment in moments:
        if last is None or moment - last >= DAY - SLACK - timedelta(minutes=1):
            number, last = number + 1, moment
    return number


def test_any_order_of_events_ends_in_a_complete_archive() -> None:
    fake_clock()
    seen.clear()
    run_state_machine_as_test(
        Account,
        settings=settings(
            max_examples=int(EXAMPLES or GAMES),
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not EXAMPLES,
            database=None,
            print_blob=True,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink] if SHRINK else [Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )
    print(dict(seen))
    for what in ("incremental", "full", "resumed"):
        assert seen[f"a listing that is {what}"], f"no listing was {what}: {dict(seen)}"
    for what in ("status: complete", "one run later", "complete in the end"):
        assert seen[what], dict(seen)
