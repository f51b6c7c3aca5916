"""One rating period, whole: what it sees, what it remembers, what it does not touch."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests.unit.transforms.small_worlds import facts, monthly, one, speakers
from tests.unit.transforms.test_credit_watch import item
from tests.unit.transforms.tier_worlds import tier_policy
from transforms.facts.model import Facts
from transforms.frames.schemas import CUSTOMER_VALUE_HISTORY
from transforms.rating.period import RATED, rate_period
from transforms.rating.revisions import revise

HASTY = tier_policy(memory__min_dwell=0)
BIG, SMALL = 40_000, 900


def month_end(period: date) -> date:
    return period.replace(day=monthrange(period.year, period.month)[1])


def rate(
    world: Facts,
    period: date,
    previous: pl.DataFrame | None = None,
    *,
    as_of: date | None = None,
    stored: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Rate a period and write it: the history rows after it."""
    end = month_end(period)
    before = None if previous is None else previous.lazy()
    of_period = None if stored is None else stored.lazy()
    rated = rate_period(
        world, HASTY, closed_through=end, as_of=as_of or end, previous=before, stored=of_period
    ).values
    written = revise(rated, stored=None, previous=before, is_closed=False).with_columns(
        recorded_at=pl.lit(None, dtype=pl.Datetime("us"))
    )
    return written.select(CUSTOMER_VALUE_HISTORY.names()).collect()


def rate_all(world: Facts, *periods: date) -> list[dict[str, Any]]:
    rows, previous = [], None
    for period in periods:
        previous = rate(world, period, previous)
        rows.append(one(previous))
    return rows


def test_a_rating_ends_at_its_contract_and_says_which_policy_ruled():
    rated = rate_period(
        facts(monthly(*[BIG] * 12)),
        HASTY,
        closed_through=date(2024, 12, 31),
        as_of=date(2025, 1, 2),
        previous=None,
    )
    assert rated.credit is None
    values = rated.values.collect()
    assert values.schema == RATED
    row = one(values)
    assert (row["period"], row["closed_through"], row["as_of"]) == (
        date(2024, 12, 1),
        date(2024, 12, 31),
        date(2025, 1, 2),
    )
    assert (row["policy_id"], row["policy_hash"]) == ("default", HASTY.content_hash)
    # interactions are not delivered here, so feedback is not asked for (strategic_basis)
    assert (row["effective_tier"], row["effective_rank"]) == ("strategic", 6)
    assert row["strategic_basis"] == "score, steadiness"


def test_a_partner_that_is_silent_is_told_a_period_before_feedback_is_asked_and_falls_three_periods_after():
    bought, said = speakers(since=date(2023, 12, 1))
    world = facts([*monthly(*[BIG] * 36, last=date(2025, 6, 30)), *bought], interactions=said)
    months = [date(2024, number, 1) for number in (10, 11, 12)] + [date(2025, number, 1) for number in (1, 2)]
    rows = rate_all(world, *months)
    assert [row["strategic_basis"] for row in rows] == [
        *["score, steadiness"] * 2,
        *["score, steadiness, feedback_rate"] * 3,
    ]
    assert [row["effective_tier"] for row in rows] == [*["strategic"] * 4, "core"]
    assert [row["watch_deadline"] for row in rows] == [None, *[date(2025, 2, 28)] * 3, None]
    assert "feedback_rate is asked from the next period on" in rows[1]["watch_gap"]
    assert "feedback_rate" in rows[2]["watch_gap"]


def test_whom_other_bars_are_asked_of_is_revised_though_only_anothers_facts_came_late():
    bought, said = speakers(since=date(2023, 12, 1))
    sold = [*monthly(*[BIG] * 24), *bought]
    few = facts(sold, interactions=[each for each in said if each["customer_id"] != "SPEAKER4"])
    stored = rate(few, date(2024, 12, 1))
    again = rate_period(
        facts(sold, interactions=said),
        HASTY,
        closed_through=date(2024, 12, 31),
        as_of=date(2024, 12, 31),
        previous=None,
    )
    late = pl.LazyFrame({"company_code": ["1000"], "customer_id": ["SPEAKER4"]})
    written = revise(
        again.values, stored=stored.lazy(), previous=None, is_closed=True, affected=late
    ).collect()
    assert one(written)["strategic_basis"] == "score, steadiness, feedback_rate"
    same = revise(again.values, stored=stored.lazy(), previous=None, is_closed=True, affected=late.clear())
    assert same.collect().height == 6  # all of them, for it is asked of all
    nothing = revise(
        rate_period(
            few, HASTY, closed_through=date(2024, 12, 31), as_of=date(2024, 12, 31), previous=None
        ).values,
        stored=stored.lazy(),
        previous=None,
        is_closed=True,
        affected=late,
    )
    assert nothing.collect().is_empty()


def test_a_rating_cannot_speak_for_a_day_before_the_month_is_over():
    with pytest.raises(ValueError, match="before its end"):
        rate_period(
            facts([]), HASTY, closed_through=date(2024, 12, 31), as_of=date(2024, 12, 30), previous=None
        )


def test_a_customer_that_grows_moves_up_after_two_periods():
    world = facts(monthly(*[SMALL] * 24, *[BIG * 3] * 6))
    rows = rate_all(world, *(date(2024, number, 1) for number in range(6, 11)))
    assert [row["raw_tier"] for row in rows] == ["cultivate", "cultivate", "core", "core", "core"]
    assert [row["effective_tier"] for row in rows] == ["cultivate", "cultivate", "cultivate", "core", "core"]
    assert rows[2]["watch_tier"] == "core"


def test_the_same_period_rated_again_advances_nothing():
    world = facts(monthly(*[SMALL] * 24, *[BIG * 3] * 6))
    before = rate(world, date(2024, 7, 1))
    once = rate(world, date(2024, 8, 1), before)
    again = rate(world, date(2024, 8, 1), before, stored=once, as_of=date(2024, 9, 20))
    assert_frame_equal(once.drop("as_of"), again.drop("as_of"))


def test_the_period_itself_is_never_its_own_predecessor():
    world = facts(monthly(*[SMALL] * 24, *[BIG * 3] * 6))
    once = rate(world, date(2024, 8, 1))
    assert_frame_equal(once, rate(world, date(2024, 8, 1), once).with_columns(cause=pl.lit("baseline")))


def owing(*items: dict[str, Any]) -> Facts:
    return facts(monthly(*[BIG] * 24), receivables=list(items))


def test_a_credit_stop_caps_within_the_period_and_stays_through_it():
    period, stop, paid = date(2024, 11, 1), date(2024, 12, 17), date(2024, 12, 20)
    clean = rate(owing(), date(2024, 10, 1))
    late = item(20_000, due_date=stop - timedelta(days=91))
    capped = rate(owing(late), period, clean, as_of=stop)
    assert one(capped)["effective_tier"] == "marginal"
    assert one(capped)["memory_tier"] == "strategic"
    settled = owing(late | {"cleared_date": paid})
    after = one(rate(settled, period, clean, as_of=paid, stored=capped))
    assert (after["effective_tier"], after["cap_since"], after["cap_clean_periods"]) == ("marginal", stop, 0)
    next_period = one(rate(settled, date(2024, 12, 1), capped, as_of=date(2025, 1, 2)))
    assert (next_period["cap_clean_periods"], next_period["cap_since"]) == (1, stop)


def test_value_does_not_look_at_as_of():
    world = owing(item(500, overdue=10))
    early = rate(world, date(2024, 11, 1), as_of=date(2024, 11, 30))
    late = rate(world, date(2024, 11, 1), as_of=date(2024, 12, 30))
    same = [name for name in RATED.names() if name != "as_of"]
    assert_frame_equal(early.select(same), late.select(same))


@given(st.lists(st.lists(st.sampled_from([0, SMALL, BIG]), min_size=14, max_size=14), min_size=1, max_size=5))
@settings(max_examples=8)
def test_a_customer_is_rated_the_same_alone_and_among_others(customers):
    sales = [row for n, amounts in enumerate(customers) for row in monthly(*amounts, customer=f"C{n}")]
    cohort_relative = ["abc_class", "steadiness_seasonal", "history_truncated"]
    together = rate(facts(sales), date(2024, 12, 1)).filter(pl.col("customer_id") == "C0")
    alone = rate(facts(monthly(*customers[0], customer="C0")), date(2024, 12, 1))
    assert_frame_equal(together.drop(cohort_relative), alone.drop(cohort_relative))


@given(st.randoms(use_true_random=False))
@settings(max_examples=5)
def test_the_order_of_facts_changes_nothing(shuffler):
    sales = [
        *monthly(*[SMALL] * 14),
        *monthly(*[BIG] * 14, customer="C2"),
        *monthly(0, *[BIG, 0] * 6, customer="C3"),
    ]
    first = rate(facts(sales), date(2024, 12, 1))
    shuffler.shuffle(sales)
    assert_frame_equal(first, rate(facts(sales), date(2024, 12, 1)))
