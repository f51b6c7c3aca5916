"""One customer under two numbers: what goes over with a succession, to whom, and what comes back with an undone one."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests.unit.transforms.small_worlds import facts, frame, line, monthly, one
from tests.unit.transforms.small_worlds import sales as cells_of
from tests.unit.transforms.test_credit_watch import item
from tests.unit.transforms.test_rating import BIG, HASTY, month_end, rate
from transforms.credit.warnings import still_standing
from transforms.facts.handover import succeed
from transforms.facts.model import Facts
from transforms.facts.succession import PARTS, WHOLE, succession_told, successions_on
from transforms.forecast.business import expect_business
from transforms.frames.conform import columns_of
from transforms.frames.schemas import CREDIT_WARNING_DAY, CUSTOMER_SUCCESSIONS, CUSTOMERS
from transforms.measures.window import Window
from transforms.rating.events import EMITTED, as_continued
from transforms.rating.period import RATED, rate_period
from transforms.rating.revisions import affected_by
from transforms.simulation.outcome import outcomes
from transforms.simulation.replay import CREDIT, Replayed

DAY = date(2024, 12, 31)
TURN = date(2024, 7, 1)


def goes(old: str, new: str, since: date = TURN, share: str | None = None) -> dict[str, Any]:
    return {"old_customer_id": old, "new_customer_id": new, "valid_from": since, "share": share}


def resolved(*rows: dict[str, Any], day: date = DAY) -> dict[tuple[str, str], Decimal]:
    parts = successions_on(frame(CUSTOMER_SUCCESSIONS, list(rows)), day)
    assert parts.schema == PARTS
    return {
        (row["customer_id"], row["successor_id"]): Decimal(row["to_part"] - row["from_part"]) / WHOLE
        for row in parts.to_dicts()
    }


# Who stands for whom ---------------------------------------------------------------------------------------------


def test_a_succession_holds_from_its_first_day_on() -> None:
    assert resolved(goes("A", "B"), day=TURN) == {("A", "B"): 1}
    assert resolved(goes("A", "B"), day=TURN - timedelta(days=1)) == {}


def test_a_chain_leads_to_its_end_link_by_link() -> None:
    rows = [goes("A", "B"), goes("B", "C", date(2024, 9, 1))]
    assert resolved(*rows, day=date(2024, 8, 1)) == {("A", "B"): 1}
    assert resolved(*rows) == {("A", "C"): 1, ("B", "C"): 1}


def test_shares_are_multiplied_along_a_chain_and_what_is_not_given_over_stays() -> None:
    rows = [goes("A", "B", share="0.6"), goes("A", "C", share="0.3"), goes("B", "C", share="0.5")]
    assert resolved(*rows) == {
        ("A", "A"): Decimal("0.1"),
        ("A", "B"): Decimal("0.3"),
        ("A", "C"): Decimal("0.6"),
        ("B", "B"): Decimal("0.5"),
        ("B", "C"): Decimal("0.5"),
    }


def test_a_circle_is_never_closed_and_never_more_given_than_there_is() -> None:
    circle = [
        goes("A", "B"),
        goes("B", "C", date(2024, 8, 1)),
        goes("C", "A", date(2024, 9, 1)),
        goes("D", "D"),
    ]
    assert resolved(*circle) == {("A", "C"): 1, ("B", "C"): 1}
    assert resolved(goes("A", "B", share="0.7"), goes("A", "C", share="0.4")) == {
        ("A", "A"): Decimal("0.3"),
        ("A", "B"): Decimal("0.7"),
    }


def test_the_text_of_a_succession_names_a_share_that_is_not_the_whole() -> None:
    parts = successions_on(
        frame(
            CUSTOMER_SUCCESSIONS, [goes("A", "B", share="0.6"), goes("A", "C", share="0.4"), goes("X", "C")]
        ),
        DAY,
    )
    told = succession_told(parts.lazy()).sort("customer_id").collect()
    assert told.rows() == [
        ("1000", "A", None, "B 0.6, C 0.4", TURN),
        ("1000", "B", "A 0.6", None, TURN),
        ("1000", "C", "A 0.4, X", None, TURN),
        ("1000", "X", None, "C", TURN),
    ]


# What goes over --------------------------------------------------------------------------------------------------


def test_no_amount_is_lost_or_invented_by_a_split() -> None:
    shares = [goes("A", name, share="0.333333") for name in ("B", "C")] + [goes("A", "D", share="0.333334")]
    owed = item(Decimal("100.01"), item_id="I1", customer_id="A")
    paid = [
        {"payment_id": "1", "item_id": "I1", "allocated_on": DAY, "amount": Decimal("33.33")},
        {"payment_id": "2", "item_id": "I1", "allocated_on": DAY, "amount": Decimal("66.68")},
    ]
    world = facts(
        monthly("99.99", "0.01", customer="A"),
        receivables=[owed],
        payment_allocations=paid,
        customer_successions=shares,
    )
    moved, _ = succeed(world, None, DAY)
    months = moved.customer_month.collect()
    assert set(months["customer_id"]) == {"B", "C", "D"}
    assert months["net_sales"].sum() == 100
    assert set(months["orders"]) == {1}  # counts go over whole
    items = moved.receivables.collect()
    assert items["original_amount"].sum() == Decimal("100.01")
    settled = moved.payment_allocations.collect().group_by("item_id").agg(pl.col("amount").sum())
    of_item = items.join(settled, on="item_id", validate="1:1")
    assert of_item.height == 3
    assert (of_item["original_amount"] == of_item["amount"]).all()


def test_a_second_time_changes_nothing() -> None:
    world = facts(monthly(*[BIG] * 12, customer="A"), customer_successions=[goes("A", "B", share="0.5")])
    once, _ = succeed(world, None, DAY)
    again, _ = succeed(once, None, DAY)
    assert again is once


def test_who_is_in_no_succession_keeps_every_frame() -> None:
    world = facts(monthly(*[BIG] * 12), customer_successions=[goes("A", "B", DAY + timedelta(days=1))])
    moved, _ = succeed(world, None, DAY)
    assert moved.customer_month is world.customer_month
    assert moved.succession is None


# The rating ------------------------------------------------------------------------------------------------------

OLD, NEW = "OLD", "NEW"
BEFORE = monthly(*[BIG] * 18, customer=OLD, last=date(2024, 6, 30))
AFTER = monthly(*[BIG] * 6, customer=NEW)


def rated_from(world: Facts, first: int = 5, last: int = 12) -> dict[str, list[dict[str, Any]]]:
    """The rows of both numbers, month by month of 2024."""
    found: dict[str, list[dict[str, Any]]] = {OLD: [], NEW: []}
    previous = None
    for number in range(first, last + 1):
        previous = rate(world, date(2024, number, 1), previous)
        for customer, of_customer in found.items():
            of_customer.extend([one(previous, customer)] if customer in previous["customer_id"] else [])
    return found


def test_a_phoenix_is_rated_on_as_the_one_customer_it_is() -> None:
    rows = rated_from(facts([*BEFORE, *AFTER], customer_successions=[goes(OLD, NEW)]))
    assert {row["effective_tier"] for row in rows[NEW]} == {"strategic"}
    assert {row["net_sales_12m"] for row in rows[NEW]} == {12 * BIG}
    assert rows[NEW][0]["period"] == date(2024, 7, 1)
    assert {(row["continues"], row["succession_on"]) for row in rows[NEW]} == {(OLD, TURN)}
    # no move, and the memory goes back to before the new number was there
    assert {row["tier_since"] for row in rows[NEW]} == {date(2024, 5, 1)}
    assert [row["cause"] for row in rows[NEW]][:2] == ["succession", "data"]
    assert [row["effective_tier"] for row in rows[OLD]] == ["strategic"] * 2 + ["succeeded"] * 6
    assert [row["cause"] for row in rows[OLD]][2] == "succession"
    last = rows[OLD][-1]
    assert (last["effective_rank"], last["succeeded_by"], last["decline_state"]) == (0, NEW, None)


def test_the_credit_stop_and_its_cap_go_over_to_the_phoenix() -> None:
    late = item(BIG, customer_id=OLD, posting_date=date(2024, 1, 10), due_date=date(2024, 2, 10))
    world = facts([*BEFORE, *AFTER], receivables=[late], customer_successions=[goes(OLD, NEW)])
    rows = rated_from(world)
    capped = [row["cap_since"] for row in rows[OLD] if row["cap_tier"]]
    assert capped
    assert {(row["cap_tier"], row["cap_since"]) for row in rows[NEW]} == {("speculative", capped[0])}
    found = rate_period(world, HASTY, closed_through=DAY, as_of=DAY, previous=None)
    assert found.credit is not None
    assert found.credit.collect()["customer_id"].to_list() == [NEW]


def test_an_undone_succession_puts_both_numbers_back() -> None:
    with_it = facts([*BEFORE, *AFTER], customer_successions=[goes(OLD, NEW)])
    without = facts([*BEFORE, *AFTER], customer_successions=[])
    before = rate(without, date(2024, 7, 1), rate(without, date(2024, 6, 1)))
    undone = rate(without, date(2024, 8, 1), rate(with_it, date(2024, 7, 1), before))
    assert one(undone, OLD)["effective_tier"] == one(undone, OLD)["raw_tier"] != "succeeded"
    assert {one(undone, each)["cause"] for each in (OLD, NEW)} == {"succession"}
    assert one(undone, NEW)["months_of_history"] == 2


def test_a_split_gives_each_its_share_and_the_whole_memory() -> None:
    shares = [goes(OLD, NEW, share="0.75"), goes(OLD, "OTHER", share="0.25")]
    world = facts(BEFORE, customer_successions=shares)
    before = rate(world, date(2024, 6, 1), rate(world, date(2024, 5, 1)))
    after = rate(world, date(2024, 7, 1), before)
    amounts = {each: one(after, each)["net_sales_12m"] for each in (NEW, "OTHER")}
    assert amounts == {NEW: Decimal(11 * BIG) * 3 / 4, "OTHER": Decimal(11 * BIG) / 4}
    assert {one(after, each)["tier_since"] for each in (NEW, "OTHER")} == {one(before, OLD)["tier_since"]}
    assert {one(after, each)["months_of_history"] for each in (NEW, "OTHER")} == {
        one(before, OLD)["months_of_history"] + 1
    }
    assert one(after, OLD)["effective_tier"] == "succeeded"


def test_who_takes_over_a_smaller_one_keeps_its_own_memory() -> None:
    small = monthly(*[10] * 18, customer=OLD, last=date(2024, 6, 30))
    large = monthly(*[BIG] * 24, customer=NEW)
    world = facts([*small, *large], customer_successions=[goes(OLD, NEW)])
    rows = rated_from(world)
    alone = rated_from(facts(large))
    assert [row["tier_since"] for row in rows[NEW]] == [row["tier_since"] for row in alone[NEW]]


def test_nothing_is_expected_of_who_is_succeeded() -> None:
    world, _ = succeed(facts([*BEFORE, *AFTER], customer_successions=[goes(OLD, NEW)]), None, DAY)
    rated = rate_period(world, HASTY, closed_through=DAY, as_of=DAY, previous=None).values
    figures = expect_business(world, rated, Window(DAY)).customers
    basis = dict(figures.select("customer_id", "expected_basis").iter_rows())
    assert basis[OLD] == "succeeded"
    assert dict(figures.select("customer_id", "expected_net_sales_12m").iter_rows()) == {
        OLD: None,
        NEW: 12 * BIG,
    }


# What is remembered and what was told -----------------------------------------------------------------------------


def parts_of(*rows: dict[str, Any]) -> pl.LazyFrame:
    return successions_on(frame(CUSTOMER_SUCCESSIONS, list(rows)), DAY).lazy()


def warning(customer: str, since: date) -> dict[str, Any]:
    return {"customer_id": customer, "as_of": DAY, "warning_since": since}


def test_a_warning_goes_over_whole_whatever_the_share_and_the_longest_stands() -> None:
    standing = frame(
        CREDIT_WARNING_DAY,
        [warning("A", date(2024, 5, 1)), warning("B", date(2024, 6, 1)), warning("X", date(2024, 6, 2))],
    )
    found = still_standing(standing, parts_of(goes("A", "B"), goes("X", "Y", share="0.5"))).collect()
    assert dict(found.select("customer_id", "warning_since").sort("customer_id").iter_rows()) == {
        "B": date(2024, 5, 1),
        "X": date(2024, 6, 2),  # half of it is still there, and so is its warning
        "Y": date(2024, 6, 2),
    }


def emitted(customer: str, kind: str, value: str, since: date) -> dict[str, Any]:
    return {
        "customer_id": customer,
        "kind": kind,
        "emitted": value,
        "since": since,
        "event_id": f"of {customer}",
    }


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (None, "of A"),
        (emitted("B", "tier", "new", date(2024, 8, 1)), "of B"),
        (emitted("B", "tier", "none", date(2024, 6, 1)), "of A"),  # nothing, before it was the successor
        (emitted("B", "tier", "none", date(2024, 8, 1)), "of B"),  # told since that it has ended
    ],
)
def test_what_was_told_of_the_old_one_stands_for_its_successor_unless_it_was_told_something(
    own: dict[str, Any] | None, expected: str
) -> None:
    told = [emitted("A", "tier", "core", date(2024, 3, 1)), *([own] if own else [])]
    found = as_continued(frame(EMITTED, told), parts_of(goes("A", "B"))).collect()
    assert found.select("customer_id", "event_id").rows() == [("B", expected)]
    halved = as_continued(frame(EMITTED, told), parts_of(goes("A", "B", share="0.5"))).collect()
    assert set(halved.select("customer_id", "event_id").iter_rows()) == {("A", "of A"), ("B", expected)}


def test_late_facts_of_the_old_number_revise_its_successor_too() -> None:
    changes = pl.LazyFrame([{"company_code": "1000", "customer_id": "A", "since": TURN}])
    masters = frame(CUSTOMERS, [{"customer_id": each} for each in ("A", "B", "C", "X")])
    found = affected_by(changes, masters, DAY, parts_of(goes("A", "B"), goes("B", "C"))).collect()
    assert sorted(found["customer_id"]) == ["A", "C"]


def test_who_goes_on_under_another_number_is_not_lost_to_a_policy() -> None:
    def row(
        customer: str, period: date, sold: int | None, tier: str, heir: str | None = None
    ) -> dict[str, Any]:
        figures = {"net_sales_12m": sold, "effective_tier": tier, "succeeded_by": heir}
        return {"customer_id": customer, "period": period, "as_of": month_end(period), **figures}

    then, last = date(2023, 12, 1), date(2024, 12, 1)
    rows = [row("A", then, 100, "core"), row("A", last, None, "succeeded", "B"), row("B", last, 90, "core")]
    columns = ("period", "as_of", "net_sales_12m", "contribution_12m", "effective_tier", "succeeded_by")
    values = frame(columns_of(RATED, ("company_code", "customer_id", *columns)), rows).collect()
    [found] = outcomes(Replayed(values, pl.DataFrame(schema=CREDIT)), HASTY, last)
    assert (found["tier"], found["customers"], found["lost"], found["net_sales_after"]) == ("core", 1, 0, 90)


# The law ---------------------------------------------------------------------------------------------------------

FIRST = date(2023, 1, 1)
days = st.integers(0, 699).map(lambda day: FIRST + timedelta(days=day))
cents = st.integers(1, 10**7).map(lambda amount: Decimal(amount) / 100)
orders = st.lists(
    st.tuples(days, cents, st.integers(1, 9)), min_size=1, max_size=20, unique_by=lambda row: row[0]
)
ledger = st.lists(
    st.tuples(days, cents, st.none() | st.integers(0, 200)), max_size=6, unique_by=lambda row: row[0]
)
TOLD_OF_BOTH = ("continues", "succeeded_by", "succession_on", "cause", "customer_id", "revision")


def world_of(sold: list, owed: list, turn: date | None) -> tuple[Facts, pl.LazyFrame]:
    """One customer, ONE, or its history split on a day between OLD and NEW, and a bystander."""

    def number(on: date) -> str:
        return "ONE" if turn is None else (OLD if on < turn else NEW)

    lines = [
        line(on, net, customer_id=number(on), document_id=f"D{on}", cost_amount_company=net * part / 8)
        for on, net, part in sold
    ] + monthly(*[700] * 24, customer="ZED")
    items = [
        item(
            amount,
            item_id=f"I{on}",
            customer_id=number(on),
            posting_date=on,
            due_date=on + timedelta(days=30),
            cleared_date=None if waited is None else on + timedelta(days=waited),
        )
        for on, amount, waited in owed
    ]
    successions = [] if turn is None else [goes(OLD, NEW, turn)]
    names = ["ONE"] if turn is None else [OLD, NEW]
    masters = [{"customer_id": each, "created_on": FIRST} for each in [*names, "ZED"]]
    return (
        facts(lines, customers=masters, receivables=items, customer_successions=successions),
        cells_of(lines),
    )


@pytest.mark.parametrize("months", [2])
@settings(max_examples=6, deadline=None)
@given(orders, ledger, st.integers(100, 699).map(lambda day: FIRST + timedelta(days=day)))
def test_a_history_split_by_a_succession_is_rated_as_the_undivided_one(
    months: int, sold: list, owed: list, turn: date
) -> None:
    whole, split = world_of(sold, owed, None), world_of(sold, owed, turn)
    previous: tuple[pl.LazyFrame | None, pl.LazyFrame | None] = (None, None)
    # from before the turn on, so that the memory has to go over
    for number in range(12 - months, 13):
        end = month_end(date(2024, number, 1))
        rated = [
            rate_period(world, HASTY, closed_through=end, as_of=end, previous=before, sales=cells)
            for (world, cells), before in zip((whole, split), previous, strict=True)
        ]
        of_one, of_both = (each.values.collect() for each in rated)
        now = NEW if turn <= end else OLD
        assert_frame_equal(only(of_one, "ONE"), only(of_both, now))
        assert_frame_equal(only(of_one, "ZED"), only(of_both, "ZED"))
        watched = [each.credit.collect() for each in rated]
        assert_frame_equal(only(watched[0], "ONE"), only(watched[1], now))
        previous = (of_one.lazy(), of_both.lazy())


def only(rows: pl.DataFrame, customer: str) -> pl.DataFrame:
    kept = rows.filter(pl.col("customer_id") == customer)
    return kept.drop(name for name in TOLD_OF_BOTH if name in kept.columns)
