"""Which part of the videos `verify --subset` reads on which day, and that a regular job comes to all of them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pictory_archiver.subset import EVERYTHING, MOST_SLICES, Subset, subset_of

DAYS = st.dates(date(2020, 1, 1), date(2090, 1, 1))
PERCENTS = st.floats(0.5, 100)


def slices_seen(percent: float, days: list[date]) -> int:
    return len({subset_of(percent, day).number for day in days})


@given(DAYS, PERCENTS)
def test_a_monthly_job_reads_all_in_as_many_months_as_there_are_slices(start: date, percent: float) -> None:
    slices = subset_of(percent, start).slices
    day = min(start.day, 28)
    months = [divmod(12 * start.year + start.month - 1 + number, 12) for number in range(slices)]
    assert slices_seen(percent, [date(year, month + 1, day) for year, month in months]) == slices


@given(DAYS, PERCENTS)
def test_a_daily_job_reads_all_in_less_than_twice_as_many_days(start: date, percent: float) -> None:
    slices = subset_of(percent, start).slices
    days = [start + timedelta(number) for number in range(max(2 * slices - 1, 1))]
    assert slices_seen(percent, days) == slices


@pytest.mark.parametrize("weekday", range(7))
def test_a_weekly_job_with_5_percent_reads_all_within_a_year(weekday: int) -> None:
    for year in range(2025, 2060):
        days = [date(year, 1, 1) + timedelta(weekday + 7 * number) for number in range(52)]
        assert slices_seen(5, days) == 20


def test_what_the_manual_says_of_5_percent() -> None:
    start = date(2026, 11, 24)
    assert subset_of(5, start).slices == 20
    worst = max(
        next(n for n in range(1, 60) if slices_seen(5, [start + timedelta(s + d) for d in range(n)]) == 20)
        for s in range(800)
    )
    assert worst <= 39


@given(PERCENTS, DAYS, st.lists(st.text(min_size=1), max_size=50, unique=True))
def test_every_video_is_in_one_slice(percent: float, day: date, ids: list[str]) -> None:
    subset = subset_of(percent, day)
    assert 100 / subset.slices <= percent
    assert 1 <= subset.number <= subset.slices
    for video_id in ids:
        holding = [n for n in range(1, subset.slices + 1) if Subset(n, subset.slices).holds(video_id)]
        assert len(holding) == 1


def test_the_slices_are_of_about_one_size() -> None:
    counts = [sum(Subset(n, 20).holds(f"2026040918510463{i:05}") for i in range(20_000)) for n in range(1, 21)]
    assert sum(counts) == 20_000
    assert min(counts) > 800
    assert max(counts) < 1200


def test_everything_and_almost_nothing() -> None:
    assert EVERYTHING.holds("any")
    assert subset_of(100, date(2026, 1, 1)) == EVERYTHING
    assert subset_of(0.000001, date(2026, 1, 1)).slices <= MOST_SLICES + 1
