"""Clocks that are wrong, and time zones that change: nothing is missed, nothing is moved, nothing waits for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pictory_archiver.simulator import Fault, Match, Simulator, Status, World

from .clock import Clock
from .conftest import Account
from .support import Program, check_against_world, sidecars, snapshot

FIRST_NIGHT = datetime(2026, 3, 5, 3, 0, 15, tzinfo=UTC)
DAY = timedelta(days=1)
AHEAD = timedelta(days=3)
GONE = Status(404)


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.set(FIRST_NIGHT)
    return clock


class Nights:
    """Nights of one account, on a computer whose clock and time zone may be wrong."""

    def __init__(self, account: Account, archive: Path, clock: Clock, faults: Any = (), **world: Any) -> None:
        newest = FIRST_NIGHT - timedelta(days=9)
        self.world = World(count=120, newest=newest, page_size=20, clock=clock, **world)
        self.simulator: Simulator
        self.program: Program
        self.simulator, self.program = account(self.world, faults)
        self.archive, self.clock = archive, clock
        self.wrong_by = timedelta()
        self.zone: str | None = None

    def begin(self, number: int) -> None:
        """It becomes this night, counted from 1."""
        self.clock.set(FIRST_NIGHT + (number - 1) * DAY)
        self.simulator.forget()

    def make(self, number: int, *, ago: timedelta = timedelta(hours=6)) -> list[str]:
        """New videos, the last of them made so long ago; their ids, newest first."""
        ids = self.world.add(number)
        for place, video in enumerate(ids):
            made = self.clock.now - ago - timedelta(minutes=place)
            self.world.change(video, createdDate=made.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
        return ids

    def run(self, *arguments: str | Path) -> Any:
        """A command on this computer."""
        zone = {} if self.zone is None else {"TZ": self.zone}
        self.program.env = {**self.clock.environment(wrong_by=self.wrong_by), **zone}
        return self.program.run(*arguments)

    def sync(self, *, status: int = 0) -> dict[str, Any]:
        """A night's run; → its report."""
        outcome = self.run("sync", self.archive, "--json")
        assert outcome.status == status, outcome
        found: dict[str, Any] = outcome.report
        return found

    def as_of(self) -> datetime:
        """How fresh `status` says that the listing is."""
        asked = self.run("status", self.archive, "--json")
        assert self.run("status", self.archive).status == asked.status
        return datetime.fromisoformat(asked.report["as_of"])

    def tried(self, video: int) -> int:
        """How often the preview of a video was asked for tonight."""
        return len(self.simulator.requests(kind="preview", video=video))


@pytest.fixture
def nights(account: Account, archive: Path, clock: Clock) -> Callable[..., Nights]:
    def make(*faults: Fault, **world: Any) -> Nights:
        return Nights(account, archive, clock, faults, **world)

    return make


def is_about(moment: datetime, other: datetime) -> bool:
    return abs(moment - other) < timedelta(minutes=1)


def test_a_video_that_is_done_while_the_clock_is_ahead_is_found(nights: Callable[..., Nights]) -> None:
    month = nights()
    month.begin(1)
    assert month.sync()["listing"] == "full"

    # The computer believes that it is three days later. A job is under way behind what will fill two pages.
    month.wrong_by = AHEAD
    month.begin(2)
    (late,) = month.make(1, ago=timedelta(hours=20))
    month.world.hold_back(late)
    month.make(45)
    report = month.sync()
    assert (report["sound"], report["new"]) == (True, 45)
    assert is_about(month.as_of(), month.clock.now), "what the server's clock said, which is the earlier one"
    month.begin(3)
    month.world.finish_late()
    report = month.sync()
    assert (report["sound"], report["new"], report["videos"]) == (True, 1, 166)
    check_against_world(month.archive, month.simulator)

    # The clock is put right.
    month.wrong_by = timedelta()
    month.begin(4)
    assert (month.sync()["sound"], is_about(month.as_of(), month.clock.now)) == (True, True)


def test_a_listing_of_the_future_does_not_count_once_the_clock_is_right(nights: Callable[..., Nights]) -> None:
    """Where the server's clock was wrong as well, so that nothing spoke against it."""
    month = nights()
    month.begin(1)
    month.sync()
    month.begin(5)  # nobody knows better
    assert month.sync()["sound"]
    month.begin(2)
    (late,) = month.make(1, ago=timedelta(hours=40))
    month.world.delete(late, keep_files=True)
    again = month.sync()
    assert (again["listing"], again["pages"]) == ("full", 6), "the clock went back: nothing is taken on trust"
    assert is_about(month.as_of(), month.clock.now)


def test_a_clock_that_begins_in_1970_misses_nothing_and_stops_no_try(nights: Callable[..., Nights]) -> None:
    month = nights(Fault(Match(kind="preview", video=50), GONE, times=None))
    for number in (1, 2):
        month.begin(number)
        report = month.sync(status=3)
        assert (report["problem_count"], month.tried(50)) == (1, 1)

    # The battery of the clock is empty: for two nights it is 1970.
    for number in (3, 4):
        month.begin(number)
        month.wrong_by = datetime(1970, 1, number, tzinfo=UTC) - month.clock.now
        month.make(1)
        report = month.sync(status=3)
        assert (report["sound"], report["new"]) == (True, 1)
        assert month.tried(50) == 1, "a try of the future pauses nothing"
        assert month.as_of() <= month.clock.now

    # It is right again. The next listing is a full one, `status` is up to date, the file is tried and pauses as ever.
    month.wrong_by = timedelta()
    month.begin(5)
    report = month.sync(status=3)
    assert (report["listing"], report["sound"], month.tried(50)) == ("full", True, 1)
    assert is_about(month.as_of(), month.clock.now)
    for number, listing, tried in (
        (6, "incremental", 0),
        (34, "full", 0),
        (35, "incremental", 1),
        (36, "incremental", 0),
    ):
        month.begin(number)
        month.make(1)
        report = month.sync(status=3)
        assert (report["listing"], month.tried(50)) == (listing, tried)
    assert [problem["status"] for problem in report["problems"]] == ["rejected"]
    month.simulator.faults.clear()
    assert month.run("sync", month.archive, "--full").status == 0
    check_against_world(month.archive, month.simulator)


def test_tries_of_a_clock_that_was_ahead_do_not_pause_for_ever(nights: Callable[..., Nights]) -> None:
    month = nights(Fault(Match(kind="preview", video=50), GONE, times=None))
    month.wrong_by = timedelta(days=3650)
    for number in (1, 2, 3):
        month.begin(number)
        month.sync(status=3)
        assert month.tried(50) == 1
    month.wrong_by = timedelta()
    month.begin(4)
    month.simulator.faults.clear()
    report = month.sync()
    assert (month.tried(50), report["complete"]) == (1, 120)
    assert is_about(month.as_of(), month.clock.now)


ZONES = ("Pacific/Kiritimati", "America/New_York", "Asia/Kathmandu", "UTC")


@pytest.mark.parametrize("of_archive", ["UTC", "Europe/Berlin"])
def test_the_zone_of_the_environment_moves_nothing(nights: Callable[..., Nights], of_archive: str) -> None:
    """The folders have the zone that they were made with, whatever the clock on the wall shows, in DST nights too."""
    month = nights()
    month.clock.set(FIRST_NIGHT)
    month.program.settings |= {"layout": {"time_zone": of_archive}}
    month.begin(1)
    month.sync()
    before = snapshot(month.archive)
    del before["README.txt"]
    # New York's night of 8 March and Berlin's of 29 March lack an hour.
    for number, zone in ((2, ZONES[0]), (3, ZONES[1]), (4, ZONES[1]), (5, ZONES[2]), (24, ZONES[3]), (25, ZONES[0])):
        month.begin(number)
        month.zone = zone
        late = month.make(2, ago=timedelta(minutes=90))[0]
        month.program.settings["layout"] = {"time_zone": ZONES[number % 4]}  # too late: the archive has its zone
        report = month.sync()
        assert (report["sound"], report["new"]) == (True, 2)
        assert is_about(month.as_of(), month.clock.now)
        assert "UTC today: " in month.run("status", month.archive).stdout.splitlines()[0]
        path, sidecar = sidecars(month.archive)[late]
        created = datetime.fromisoformat(sidecar.video["createdDate"])
        hours = (
            (2 if number == 25 else 1) if of_archive == "Europe/Berlin" else 0
        )  # summer begins on 29 March, 01:00 UTC
        assert f"{created + timedelta(hours=hours):%Y/%m/%d/%H%M%S}" in path.as_posix()
    after = snapshot(month.archive)
    assert {name: after[name] for name in before} == before
    check_against_world(month.archive, month.simulator)


@pytest.mark.parametrize("day", ["2026-03-08", "2026-11-01"])
def test_a_night_of_23_or_of_25_hours(nights: Callable[..., Nights], day: str) -> None:
    """`cron` in New York runs at two local times that are 23 or 25 hours apart."""
    month = nights()
    month.zone = "America/New_York"
    sunday = datetime.fromisoformat(f"{day}T08:00:00+00:00")
    for moment in (sunday - timedelta(hours=25), sunday, sunday + timedelta(hours=23)):
        month.clock.set(moment)
        month.make(1)
        report = month.sync()
        assert report["sound"]
        assert is_about(month.as_of(), moment)
    check_against_world(month.archive, month.simulator)
