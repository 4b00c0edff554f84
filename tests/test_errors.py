"""Exit statuses: every error has one that is ranked, and of several the gravest counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pictory_archiver.errors import GRAVEST_FIRST, ArchiverError, Stopped, worst_status

STATUSES = st.lists(st.sampled_from(GRAVEST_FIRST), min_size=1)


def classes(base: type[ArchiverError] = ArchiverError) -> list[type[ArchiverError]]:
    return [base, *(each for child in base.__subclasses__() for each in classes(child))]


def test_the_order_is_that_of_the_contract() -> None:
    assert GRAVEST_FIRST == (1, 2, 130, 143, 6, 4, 5, 75, 7, 3, 0)


def test_every_error_is_ranked() -> None:
    assert {each.exit_status for each in classes()} <= set(GRAVEST_FIRST)
    assert {Stopped(number).exit_status for number in (2, 15)} <= set(GRAVEST_FIRST)


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [((0,), 0), ((0, 3), 3), ((3, 7), 7), ((75, 5), 5), ((4, 5, 6), 6), ((6, 143), 143), ((130, 2), 2), ((2, 1), 1)],
)
def test_the_gravest_counts(statuses: tuple[int, ...], worst: int) -> None:
    assert worst_status(statuses) == worst


@given(STATUSES, st.randoms())
def test_order_and_repetition_do_not_matter(statuses: list[int], random: object) -> None:
    shuffled = statuses * 2
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert worst_status(shuffled) == worst_status(statuses)
    assert worst_status([worst_status(statuses)]) == worst_status(statuses)


@given(STATUSES, STATUSES)
def test_groups_may_be_judged_one_by_one(some: list[int], others: list[int]) -> None:
    assert worst_status([worst_status(some), worst_status(others)]) == worst_status(some + others)
    assert worst_status([*some, 0]) == worst_status(some)
