"""When a listing may stop, and when a file is tried again: the rules alone, against models of what they are for.

A model of upstream and of the program plays weeks of nights in no time. The rule leaves no hole: what turns up within
the look-back is met by the first sound listing that starts afterwards. Each weaker rule has one, which is found.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from pictory_archiver.listing_rule import (
    FEW_HELD,
    FULL_EVERY,
    MOST_DUE,
    Past,
    Sight,
    doubt,
    horizon,
    may_resume,
    may_stop,
    why_full,
)
from pictory_archiver.listing_rule import SLACK as FULL_SLACK
from pictory_archiver.plan import LOOK_BACK
from pictory_archiver.tries import DAY, MOST_TRIES, PAUSES, SLACK, Tries

START = datetime(2026, 11, 23, 3, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FOR_EVER = 10**6
MayStop = Callable[..., bool]


# --- the model: upstream ---


class Item(NamedTuple):
    """A video of upstream, in hours since the start: made, listed from `late` hours after that, listed for `lasts`
    hours, and an item that cannot be read for the first `odd` of these."""

    made: int
    late: int = 0
    lasts: int = FOR_EVER
    odd: int = 0

    @property
    def appears(self) -> int:
        return self.made + self.late

    def is_listed(self, hour: int) -> bool:
        return self.appears <= hour < self.appears + self.lasts

    def is_odd(self, hour: int) -> bool:
        return hour < self.appears + self.odd


class Night(NamedTuple):
    """A run, `pause` hours after the one before. It breaks off behind a page (0: it does not), takes so many hours for
    each, may leave out every second video (a filter), and gets one page without items (0: none)."""

    pause: int
    breaks_behind: int = 0
    hours_a_page: int = 0
    is_filtered: bool = False
    empty_page: int = 0


class Game(NamedTuple):
    """Items and nights, and how the list is sorted: by when videos were made, or by when they turned up."""

    items: tuple[Item, ...]
    nights: tuple[Night, ...]
    page_size: int
    by_appearance: bool = False


# --- the model: the program ---


class Rules(NamedTuple):
    may_stop: MayStop = may_stop
    horizon: Callable[[datetime], datetime] = horizon
    why_full: Callable[..., str | None] = why_full


class Hole(NamedTuple):
    """A sound listing that did not meet what it had to."""

    night: int
    video: int


THE_RULES = Rules()


def holes(game: Game, rules: Rules = THE_RULES) -> list[Hole]:
    """Plays a game. A sound listing has to meet what is listed from its start to its end and came within the look-back,
    or was an item that an earlier one could not read; a full one all of it."""
    items = game.items
    order = sorted(range(len(items)), key=lambda each: items[each].appears if game.by_appearance else items[each].made)
    order.reverse()
    confirmed: set[int] = set()
    known_as_odd: set[int] = set()
    past = Past()
    found: list[Hole] = []
    hour = 0
    for number, night in enumerate(game.nights):
        hour += night.pause
        started = hour
        moment = START + started * HOUR
        is_full = rules.why_full(past, moment, asked=False, due=0) is not None
        is_incremental = not is_full and not night.is_filtered
        met: set[int] = set()
        odd: set[int] = set()
        is_over = reached_end = False
        at, page = 0, 0
        while not is_over:
            page += 1
            listed: list[int] = []
            while page != night.empty_page and at < len(order) and len(listed) < game.page_size:
                if items[order[at]].is_listed(hour):
                    listed.append(order[at])
                at += 1
            odd_ones = {each for each in listed if items[each].is_odd(hour)}
            odd |= odd_ones
            videos = [each for each in listed if each not in odd_ones]
            met.update(each for each in videos if each % 2 or not night.is_filtered)
            if at >= len(order) and page >= night.empty_page:
                is_over = reached_end = True
            elif is_incremental and past.last is not None:
                seen = [Sight(each in confirmed, START + items[each].made * HOUR) for each in videos]
                is_over = rules.may_stop(seen, rules.horizon(past.last), odd_items=bool(odd_ones), due=())
            if page == night.breaks_behind:
                break
            hour += night.hours_a_page
        if not is_over or night.is_filtered:
            continue
        full = is_full or reached_end
        for video, item in enumerate(items):
            is_owed = full or item.late * HOUR <= LOOK_BACK or video in known_as_odd
            is_there = item.is_listed(started) and item.is_listed(hour) and not item.is_odd(started)
            if is_owed and is_there and video not in met | confirmed:
                found.append(Hole(number, video))
        confirmed |= met
        known_as_odd = (known_as_odd | odd) - met
        past = Past(moment, moment if full else past.last_full, bool(odd) or (past.odd_items and not full))
    return found


def game_of(dice: Random) -> Game:
    """A game; made by hand, for hypothesis would be slow at it."""

    def item() -> Item:
        late = dice.choice((0, 0, dice.randint(0, 48), dice.randint(0, 24 * 30)))
        odd = dice.choice((0, 0, 0, 0, dice.randint(1, 24 * 6)))
        lasts = dice.choice((FOR_EVER, FOR_EVER, dice.randint(1, 24 * 60)))
        return Item(dice.randint(-24 * 10, 24 * 20), 0 if odd else late, lasts, odd)

    def night() -> Night:
        return Night(
            pause=dice.choice((dice.randint(20, 28), dice.randint(0, 60), dice.randint(0, 24 * 9))),
            breaks_behind=dice.choice((0, 0, dice.randint(1, 4))),
            hours_a_page=dice.choice((0, 0, 0, 1, 5)),
            is_filtered=dice.random() < 0.15,
            empty_page=dice.choice((0, 0, dice.randint(1, 3))),
        )

    items = tuple(item() for _ in range(dice.randint(1, 14)))
    nights = tuple(night() for _ in range(dice.randint(2, 12)))
    return Game(items, nights, dice.randint(1, 4), dice.random() < 0.3)


GAMES = st.integers(0, 2**64 - 1).map(lambda seed: game_of(Random(seed)))


@settings(max_examples=5000, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
@given(GAMES)
def test_what_turns_up_within_the_look_back_is_met_by_the_next_sound_listing(game: Game) -> None:
    assert holes(game) == []


# --- weaker rules ---


def without(condition: str) -> MayStop:
    """The rule but for one of its conditions."""

    def weaker(page: Collection[Sight], before: datetime, *, odd_items: bool, due: Iterable[str]) -> bool:
        if condition == "there is a video" and not page:
            return True
        if condition == "confirmed":
            page = [Sight(True, sight.created) for sight in page]
        if condition == "made before":
            page = [Sight(sight.is_confirmed, before - HOUR) for sight in page]
        return may_stop(page, before, odd_items=odd_items, due=due)

    return weaker


def no_look_back(started: datetime) -> datetime:
    return started


def half_a_look_back(started: datetime) -> datetime:
    return started - LOOK_BACK / 2


def odd_items_are_forgotten(past: Past, now: datetime, *, asked: bool, due: int) -> str | None:
    return why_full(Past(past.last, past.last_full), now, asked=asked, due=due)


WEAKER = {
    "no look-back": Rules(horizon=no_look_back),
    "half a look-back": Rules(horizon=half_a_look_back),
    "odd items are forgotten": Rules(why_full=odd_items_are_forgotten),
    **{f"without: {each}": Rules(without(each)) for each in ("there is a video", "confirmed", "made before")},
}


@pytest.mark.parametrize("rules", WEAKER.values(), ids=WEAKER)
def test_a_weaker_rule_has_a_hole(rules: Rules) -> None:
    """The model is sharp enough to find it, so it would find one in the rule itself."""
    sharp = settings(max_examples=50_000, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    game = find(GAMES, lambda game: bool(holes(game, rules)), settings=sharp)
    assert holes(game) == []


# --- the rule, point by point ---

OLD = Sight(is_confirmed=True, created=START - timedelta(days=9))


@pytest.mark.parametrize(
    ("page", "odd_items", "due", "stops"),
    [
        ([OLD], False, (), True),
        ([OLD, OLD], False, (), True),
        ([], False, (), False),
        ([OLD], True, (), False),
        ([OLD], False, ("an id",), False),
        ([OLD, Sight(is_confirmed=False, created=OLD.created)], False, (), False),
        ([OLD, Sight(is_confirmed=True, created=None)], False, (), False),
        ([Sight(is_confirmed=True, created=START - LOOK_BACK)], False, (), False),
        ([Sight(is_confirmed=True, created=START - LOOK_BACK - timedelta(microseconds=1))], False, (), True),
    ],
)
def test_where_a_listing_may_stop(page: list[Sight], odd_items: bool, due: tuple[str, ...], stops: bool) -> None:
    assert may_stop(page, horizon(START), odd_items=odd_items, due=due) is stops


YESTERDAY = START - DAY


@pytest.mark.parametrize(
    ("past", "asked", "due", "why"),
    [
        (Past(YESTERDAY, YESTERDAY), False, 0, None),
        (Past(YESTERDAY, YESTERDAY), False, MOST_DUE, None),
        (Past(YESTERDAY, YESTERDAY), True, 0, "asked for"),
        (Past(), False, 0, "no listing is known to have reached its end"),
        (Past(YESTERDAY, None), False, 0, "no listing is known to have reached its end"),
        (Past(START + HOUR, YESTERDAY), False, 0, "the clock went back"),
        (Past(YESTERDAY, START + HOUR), False, 0, "the clock went back"),
        (Past(YESTERDAY, START - FULL_EVERY + FULL_SLACK), False, 0, "the last full one is a week old"),
        (Past(YESTERDAY, START - FULL_EVERY + FULL_SLACK + HOUR), False, 0, None),
        (Past(YESTERDAY, YESTERDAY, odd_items=True), False, 0, "an item could not be read"),
        (Past(YESTERDAY, YESTERDAY), False, MOST_DUE + 1, "many videos wait for fresh links"),
    ],
)
def test_why_a_listing_is_full(past: Past, asked: bool, due: int, why: str | None) -> None:
    assert why_full(past, START, asked=asked, due=due) == why


@pytest.mark.parametrize(
    ("age", "is_worth_it"),
    [(timedelta(), True), (DAY, True), (FULL_EVERY - HOUR, True), (FULL_EVERY, False), (-HOUR, False)],
)
def test_an_old_listing_is_not_resumed(age: timedelta, is_worth_it: bool) -> None:
    assert may_resume(START - age, START) is is_worth_it


@pytest.mark.parametrize(
    ("held", "lacking", "listed", "is_doubted"),
    [
        (0, 0, 0, False),
        (1, 1, 0, True),
        (FEW_HELD - 1, FEW_HELD - 1, 1, False),
        (FEW_HELD, FEW_HELD // 2, 5, False),
        (FEW_HELD, FEW_HELD // 2 + 1, 5, True),
    ],
)
def test_what_is_not_believed(held: int, lacking: int, listed: int, is_doubted: bool) -> None:
    assert (doubt(held=held, lacking=lacking, listed=listed) is not None) is is_doubted


# --- tries ---


def test_what_was_never_tried_or_tried_once_is_due() -> None:
    assert Tries().is_due(START)
    assert Tries().failed(START, 1).is_due(START)


def test_tries_within_a_day_count_as_one() -> None:
    tries = Tries()
    for hour in (0, 1, 5, 19):
        assert tries.is_due(START + hour * HOUR)
        tries = tries.failed(START + hour * HOUR, hour)
    assert (tries.counted, tries.last, tries.run) == (1, START, 19)
    assert tries.failed(START + DAY - SLACK, 20).counted == 2


def test_after_a_day_pauses_grow_and_five_tries_are_the_end() -> None:
    tries, now = Tries(signed=True), START
    due: list[timedelta] = []
    while not tries.are_over:
        tries = tries.failed(now, 1)
        pause = (tries.due or now + DAY) - now
        due.append(pause)
        if tries.counted > 1:
            assert not tries.is_due(now)
            assert not tries.is_due(now + pause - timedelta(seconds=1))
        assert tries.is_due(now + pause)
        now += pause + SLACK
    assert tries.counted == MOST_TRIES == 5
    assert tries.signed
    assert due[:4] == [DAY, *(pause - SLACK for pause in PAUSES[1:])]
    assert due[:4] == [DAY, timedelta(hours=20), timedelta(days=7) - 4 * HOUR, timedelta(days=30) - 4 * HOUR]


def test_a_nightly_run_that_begins_early_is_not_too_early() -> None:
    tries = Tries().failed(START, 1)
    tries = tries.failed(START + DAY - HOUR, 2)
    assert tries.counted == 2
    assert tries.is_due(START + 2 * DAY - 2 * HOUR)


def test_a_clock_that_went_back_stops_nothing_and_counts_nothing() -> None:
    tries = Tries(3, START, 3)
    earlier = START - timedelta(days=400)
    assert not tries.is_due(START + HOUR)
    assert tries.is_due(earlier)
    again = tries.failed(earlier, 4)
    assert (again.counted, again.last) == (3, earlier)
    assert again.failed(earlier + 8 * DAY, 5).counted == 4


@given(st.lists(st.integers(0, 24 * 40), max_size=30))
def test_no_file_is_given_up_within_a_month(pauses: list[int]) -> None:
    """Whenever runs are made: five counted tries, each of them after the pause that the one before asked for."""
    tries, now = Tries(), START
    first: datetime | None = None
    for number, pause in enumerate(pauses):
        now += pause * HOUR
        if tries.is_due(now) and not tries.are_over:
            first = first or now
            tries = tries.failed(now, number)
    if tries.are_over:
        assert first is not None
        assert now - first >= sum(PAUSES, timedelta()) - len(PAUSES) * SLACK
