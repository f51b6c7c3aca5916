"""Which periods a run rates: those that are due, those that a change reaches back to, and never more than it may judge."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.frames.periods import first_of_month, months_before
from transforms.frames.plan import closed_through, left_behind, month_end, months_between, periods_to_rate

days = st.dates(date(2000, 1, 1), date(2100, 12, 31))
months = days.map(first_of_month)


def month(text: str) -> date:
    return date.fromisoformat(f"{text}-01")


def months_of(text: str) -> list[date]:
    return [month(each) for each in text.split()]


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        ("2024-05-30", "2024-04-30"),
        ("2024-05-31", "2024-05-31"),
        ("2024-06-01", "2024-05-31"),
        ("2024-02-28", "2024-01-31"),
        ("2023-02-28", "2023-02-28"),
        ("2024-12-31", "2024-12-31"),
        ("2025-01-01", "2024-12-31"),
    ],
)
def test_a_month_counts_from_its_last_day_on(as_of: str, expected: str) -> None:
    assert closed_through(date.fromisoformat(as_of)) == date.fromisoformat(expected)


@given(days)
def test_the_closed_month_is_whole_and_the_next_one_is_not_over(as_of: date) -> None:
    closed = closed_through(as_of)
    assert closed <= as_of < closed_through(closed + timedelta(days=31)) + timedelta(days=31)
    assert closed == month_end(first_of_month(closed))
    assert as_of < month_end(first_of_month(closed + timedelta(days=1)))


@given(months)
def test_the_day_after_a_months_end_is_the_next_months_first(period: date) -> None:
    assert month_end(period) + timedelta(days=1) == months_before(period, -1)


def test_months_between_are_both_ends_and_all_in_order() -> None:
    between = months_between(date(2023, 11, 17), date(2024, 2, 1))
    assert list(between) == months_of("2023-11 2023-12 2024-01 2024-02")
    assert list(months_between(date(2024, 3, 1), date(2024, 2, 29))) == []


@pytest.mark.parametrize(
    ("situation", "rated", "target", "earliest_change", "expected"),
    [
        ("the first rating is of its own period alone", "", "2024-05", "2020-01-01", "2024-05"),
        ("a second run in a period rates it again", "2024-05", "2024-05", None, "2024-05"),
        ("a month after the other", "2024-04", "2024-05", None, "2024-05"),
        ("runs that did not happen are made up for", "2024-02", "2024-05", None, "2024-03 2024-04 2024-05"),
        (
            "a change rates its own period and all that follow",
            "2024-02 2024-03 2024-04 2024-05",
            "2024-05",
            "2024-03-17",
            "2024-03 2024-04 2024-05",
        ),
        (
            "a change before the baseline rates everything again, and nothing before",
            "2024-03 2024-04",
            "2024-05",
            "2021-07-01",
            "2024-03 2024-04 2024-05",
        ),
        (
            "a change after the closed month rates no past one",
            "2024-04 2024-05",
            "2024-05",
            "2024-06-03",
            "2024-05",
        ),
        (
            "a month never rated among rated ones is left out",
            "2024-01 2024-04",
            "2024-05",
            "2024-01-01",
            "2024-01 2024-04 2024-05",
        ),
        (
            "periods behind the target wait for a run that knows what they know",
            "2024-03 2024-04 2024-05",
            "2024-04",
            "2024-03-02",
            "2024-03 2024-04",
        ),
        ("a month between, rated for the first time", "2024-01 2024-05", "2024-03", None, "2024-03"),
    ],
)
def test_what_is_rated(
    situation: str, rated: str, target: str, earliest_change: str | None, expected: str
) -> None:
    change = date.fromisoformat(earliest_change) if earliest_change else None
    planned = periods_to_rate(months_of(rated), month(target), earliest_change=change, looks_back=False)
    assert planned == months_of(expected), situation


def test_a_look_back_rates_nothing_but_its_own_period() -> None:
    rated = months_of("2024-01 2024-02 2024-03")
    planned = periods_to_rate(rated, month("2024-02"), earliest_change=date(2024, 1, 1), looks_back=True)
    assert planned == [month("2024-02")]


@pytest.mark.parametrize(
    ("situation", "target", "earliest_change", "looks_back", "expected"),
    [
        ("all is rated", "2024-04", "2024-02-03", False, None),
        ("the rating goes on", "2024-06", None, False, None),
        ("a period behind the target", "2024-02", None, False, "2024-03-01"),
        ("what was looked back at is rated again too", "2024-02", None, True, "2024-02-01"),
        ("a change before it as well", "2024-03", "2024-01-20", True, "2024-01-01"),
        ("a look back within the last period", "2024-04", None, True, "2024-04-01"),
    ],
)
def test_what_is_left_to_a_later_run(
    situation: str, target: str, earliest_change: str | None, looks_back: bool, expected: str | None
) -> None:
    change = date.fromisoformat(earliest_change) if earliest_change else None
    behind = left_behind(
        months_of("2024-01 2024-02 2024-03 2024-04"),
        month(target),
        earliest_change=change,
        looks_back=looks_back,
    )
    assert behind == (date.fromisoformat(expected) if expected else None), situation


@given(
    rated=st.sets(st.integers(0, 30), max_size=12),
    target=st.integers(0, 30),
    change=st.none() | st.integers(-3, 33),
    looks_back=st.booleans(),
)
def test_every_rated_period_that_a_change_reaches_is_rated_now_or_left_to_a_later_run(
    rated: set[int], target: int, change: int | None, looks_back: bool
) -> None:
    def nth(number: int) -> date:
        return months_before(date(2020, 1, 1), -number)

    earliest = None if change is None else nth(change)
    already = sorted(map(nth, rated))
    now = periods_to_rate(already, nth(target), earliest_change=earliest, looks_back=looks_back)
    later = left_behind(already, nth(target), earliest_change=earliest, looks_back=looks_back)
    assert now == sorted(set(now))
    assert nth(target) in now
    assert all(period <= nth(target) for period in now)
    reached = {period for period in already if earliest is not None and period >= earliest}
    assert all(period in now or (later is not None and later <= period) for period in reached)
