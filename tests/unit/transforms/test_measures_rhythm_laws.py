"""What must not change a judgement: how an order was billed, a closure, the season, and what a credit may never do."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.transforms.small_worlds import facts, line, measure, one, policy, sales
from transforms.measures.orders import order_history
from transforms.measures.season import most_served
from transforms.measures.window import Window
from transforms.policy.model import TIER_RANKS, Policy
from transforms.scoring.scores import score_customers
from transforms.scoring.segments import segment_customers
from transforms.tiers.raw import raw_tiers

LAST = date(2024, 12, 31)
OPENED = [{"customer_id": "C1", "created_on": date(2000, 1, 1)}]
DEFAULT = policy()


def judged(records: list[dict], closed_through: date = LAST, rule: Policy = DEFAULT) -> dict:
    measured = measure(facts(records, customers=OPENED), rule, closed_through, sales(records))
    return one(raw_tiers(segment_customers(score_customers(measured.lazy(), rule), rule), rule).collect())


def at(day: date, net: Decimal | int, number: object = "", **other) -> dict:
    cost = other.pop("cost_amount_company", Decimal(net) * 3 / 4)
    return line(day, net, document_id=f"{day}-{number}", cost_amount_company=cost, **other)


# Gaps between invoices of six occasions and more: the last one is left whole.
gaps = st.lists(st.integers(1, 60), min_size=6, max_size=40)


def beginnings(days: list[date]) -> list[date]:
    """The days on which an occasion begins: a week after the one before, or later."""
    found: list[date] = []
    for day in sorted(days):
        if not found or day > found[-1] + timedelta(6):
            found.append(day)
    return found


@settings(max_examples=12)
@given(gaps, st.data())
def test_an_invoice_split_within_a_week_changes_no_loyalty(between: list[int], data: st.DataObject) -> None:
    days = [LAST - timedelta(data.draw(st.integers(0, 30)))]
    for gap in between:
        days.append(days[-1] - timedelta(gap))
    occasions = beginnings(days)
    assume(len(occasions) >= 6)
    day = data.draw(st.sampled_from(occasions[:-1]))
    rest = [at(other, 1000) for other in days if other != day]
    parts = data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=3))
    split = [at(day, 400, "first")] + [
        at(day + timedelta(later), Decimal(600) / len(parts), number) for number, later in enumerate(parts)
    ]
    before, after = judged([at(day, 1000), *rest]), judged([*rest, *split])
    assert abs(before["loyalty"] - after["loyalty"]) <= Decimal("0.01")


@settings(max_examples=6)
@given(st.integers(0, 6), st.integers(0, 364))
def test_two_weeks_of_closure_change_a_daily_buyers_loyalty_by_less_than_three_hundredths(
    weekday: int, closed_from: int
) -> None:
    """Working days of two years; a weekend may lie before the closure and no order behind it yet."""
    days = [LAST - timedelta(back) for back in range(730)]
    working = [day for day in days if (day.weekday() + weekday) % 7 < 5]
    closure = {LAST - timedelta(closed_from + back) for back in range(14)}
    kept = [day for day in working if day not in closure]
    before, after = judged([at(day, 100) for day in working]), judged([at(day, 100) for day in kept])
    assert abs(before["loyalty"] - after["loyalty"]) < Decimal("0.03")


@settings(max_examples=6)
@given(
    st.sets(st.integers(1, 12), min_size=1, max_size=12).filter(lambda months: len(months) not in {9, 10}),
    st.integers(1, 28),
)
def test_the_same_calendar_each_year_keeps_loyalty_and_tier_through_the_year(
    months: set[int], day: int
) -> None:
    records = [at(date(year, month, day), 120_000) for year in range(2021, 2026) for month in months]
    ends = [date(2024 + (month == 12), month % 12 + 1, 1) - timedelta(1) for month in range(1, 13)]
    seen = [judged([r for r in records if r["invoice_date"] <= end], end) for end in ends]
    loyalties = [row["loyalty"] for row in seen]
    assert max(loyalties) - min(loyalties) <= Decimal("0.05")
    assert len({row["raw_tier"] for row in seen}) == 1


@settings(max_examples=10)
@given(st.lists(st.integers(0, 5000), min_size=12, max_size=12), st.integers(1, 50), st.integers(40, 100))
def test_larger_amounts_of_who_brings_something_lower_no_rank(
    amounts: list[int], factor: int, cost: int
) -> None:
    def of(times: int) -> dict:
        return judged(
            [
                at(
                    date(2024, month, 5),
                    amount * times,
                    cost_amount_company=Decimal(amount * times * cost) / 100,
                )
                for month, amount in enumerate(amounts, start=1)
                if amount
            ]
        )

    if not any(amounts):
        return
    before, after = of(1), of(factor)
    if before["contribution_12m"] is None or before["contribution_12m"] < 0:
        return
    assert TIER_RANKS[after["raw_tier"]] >= TIER_RANKS[before["raw_tier"]]
    assert after["loyalty"] == before["loyalty"]


@settings(max_examples=10)
@given(
    st.lists(st.integers(0, 900), min_size=12, max_size=12),
    st.integers(0, 11),
    st.integers(1, 900),
    st.booleans(),
    st.booleans(),
)
def test_a_larger_price_credit_raises_nothing(
    granted_before: list[int], month: int, more: int, is_linked: bool, is_loss: bool
) -> None:
    cost = 900 if is_loss else 700

    def of(granted: list[int]) -> dict:
        records = [at(date(2024, number, 5), 1000, cost_amount_company=cost) for number in range(1, 13)]
        for number, credit in enumerate(granted, start=1):
            if credit:
                note = line(
                    date(2024, number, 25),
                    -credit,
                    document_id=f"N{number}",
                    document_type="credit_note",
                    product_id=None,
                    quantity=0,
                )
                if is_linked:
                    day = date(2024, number, 5)
                    note |= {"references_document_id": f"{day}-", "referenced_on": day}
                records.append(note)
        return judged(records)

    before = of(granted_before)
    after = of([credit + more if number == month else credit for number, credit in enumerate(granted_before)])
    assert after["net_sales_12m"] == before["net_sales_12m"] - more
    assert after["contribution_12m"] == before["contribution_12m"] - more
    assert after["loyalty"] <= before["loyalty"]
    assert TIER_RANKS[after["segment"]] <= TIER_RANKS[before["segment"]]
    assert (before["gate"], after["gate"]) != ("loss_making", None) or after["raw_tier"] == before["raw_tier"]


@pytest.mark.parametrize(
    ("season", "ordered", "served"),
    [
        ({3}, {3}, 1),
        ({3}, {2}, 1),
        ({3}, {5}, 0),
        ({3, 4}, {3}, 1),  # one order month serves one month
        ({1}, {12}, 1),  # the year is a circle
        ({12}, {1}, 1),
        ({12, 1}, {1, 2}, 2),  # December by January, January by February
        ({1, 2, 12}, {11, 12, 1}, 3),
        ({2, 3, 4, 5}, set(), 0),
    ],
)
def test_a_month_of_a_season_is_served_by_itself_or_a_neighbour(
    season: set[int], ordered: set[int], served: int
) -> None:
    assert most_served(*(sum(1 << month - 1 for month in months) for months in (season, ordered))) == served


@settings(max_examples=200)
@given(st.integers(0, 4095), st.integers(0, 4095), st.integers(0, 11))
def test_where_the_year_is_cut_open_changes_nothing(season: int, ordered: int, turn: int) -> None:
    def turned(months: int) -> int:
        return ((months << turn) | (months >> 12 - turn)) & 4095

    assert most_served(turned(season), turned(ordered)) == most_served(season, ordered)


# What was billed anew, samples, and whose orders were all undone --------------------------------------------------------


def undone(day: date, on: date, net: int = 1000) -> dict:
    return line(
        on, -net, document_id=f"K{day}", document_type="credit_note", quantity=-1,
        references_document_id=f"{day}-", referenced_on=day, cost_amount_company=Decimal(-net) * 3 / 4,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("days_later", "net", "first_order_on", "return_rate"),
    [
        (31, 1000, date(2024, 3, 5), "0"),
        (32, 1000, date(2024, 4, 6), "0.5"),
        (20, 1050, date(2024, 3, 5), "0"),
        (20, 1051, date(2024, 3, 25), "0.487567"),
    ],
)
def test_what_is_billed_anew_within_31_days_keeps_its_first_date_and_is_no_return(
    days_later: int, net: int, first_order_on: date, return_rate: str
) -> None:
    first = date(2024, 3, 5)
    row = judged(
        [at(first, 1000), undone(first, date(2024, 3, 7)), at(first + timedelta(days_later), net, "again")]
    )
    assert (row["first_order_on"], row["return_rate_12m"]) == (first_order_on, Decimal(return_rate))


@pytest.mark.parametrize("credited", [0, 100, 949])
def test_an_equal_order_of_the_next_month_is_one_of_its_own_where_the_one_before_was_not_credited(
    credited: int,
) -> None:
    days = [date(2024, month, 5) for month in range(1, 13)]
    notes = [undone(day, day + timedelta(2), credited) for day in days if credited]
    world = facts([*(at(day, 1000) for day in days), *notes])
    history = order_history(world, Window(date(2024, 12, 31))).collect()
    assert history["order_on"].to_list() == history["billed_on"].to_list() == days
    assert one(measure(world))["last_order_on"] == days[-1]


def test_what_was_billed_anew_is_so_once_and_the_next_equal_order_is_one_of_its_own() -> None:
    first, again, next_month = date(2024, 3, 5), date(2024, 3, 8), date(2024, 4, 5)
    world = facts([at(first, 1000), undone(first, date(2024, 3, 7)), at(again, 1000), at(next_month, 1000)])
    history = order_history(world, Window(date(2024, 12, 31))).collect()
    assert history["order_on"].to_list() == [first, next_month]


@pytest.mark.parametrize(("credited", "is_order"), [(949, True), (950, False), (1000, False)])
def test_an_invoice_credited_by_95_percent_is_no_order(credited: int, is_order: bool) -> None:
    day = date(2024, 3, 5)
    row = judged([at(day, 1000), undone(day, date(2024, 3, 9), credited)])
    assert (row["last_order_on"] == day) == is_order
    assert row["segment"] != "prospect"  # it ordered once, whatever became of it
    assert row["first_order_on"] == day


@pytest.mark.parametrize("category", ["sample", "freight", "fee", "deposit"])
def test_samples_fees_freight_and_deposits_are_no_orders(category: str) -> None:
    product = [{"product_id": "P1", "category": category, "base_uom": "PCE"}]
    row = one(measure(facts([line(date(2024, 3, 5), 100)], products=product)))
    assert (row["first_order_on"], row["loyalty_reason"]) == (None, "no_orders")
    other = [{"product_id": "P1", "category": "PUMPS", "base_uom": "PCE"}]
    assert one(measure(facts([line(date(2024, 3, 5), 100)], products=other)))["first_order_on"] is not None


def test_a_month_without_net_sales_is_not_active() -> None:
    unlinked = line(date(2024, 3, 20), -100, document_id="K1", document_type="credit_note")
    months = [line(date(2024, month, 5), 100) for month in range(1, 13)]
    assert one(measure(facts([*months, unlinked])))["active_month_ratio"] == round(Decimal(11) / 12, 6)


def test_an_occasion_counts_in_the_month_of_its_first_day() -> None:
    parts = [line(date(2024, 1, 29), 50), line(date(2024, 2, 4), 50), line(date(2024, 12, 5), 50)]
    assert one(measure(facts(parts)))["active_month_ratio"] == round(Decimal(2) / 12, 6)
    apart = [line(date(2024, 1, 29), 50), line(date(2024, 2, 5), 50), line(date(2024, 12, 5), 50)]
    assert one(measure(facts(apart)))["active_month_ratio"] == round(Decimal(3) / 12, 6)


# Cost that is not known -------------------------------------------------------------------------------------------------


def estimated(*records: dict, **given_too) -> dict:
    products = given_too.pop("products", None)
    world = facts(list(records), products=products)
    return one(measure(world, given_too.pop("rule", None), cells=sales(list(records), products)))


def test_a_cost_is_estimated_by_the_same_product_then_by_everybodys_then_by_the_usual_part() -> None:
    known = line(date(2024, 3, 5), 900, quantity=9, cost_amount_company=450)
    gap = line(date(2024, 4, 5), 100, quantity=2)
    row = estimated(known, gap)
    assert (row["cost_estimated_12m"], row["contribution_12m"]) == (100, 450)  # 2 × 50
    assert row["cost_estimated_share"] == Decimal("0.1")
    elsewhere = line(
        date(2024, 3, 5), 10, product_id="P2", quantity=1, cost_amount_company=7, customer_id="C2"
    )
    row = estimated(known, {**gap, "product_id": "P2"}, elsewhere)
    assert row["cost_estimated_12m"] == 14
    row = estimated(known, {**gap, "product_id": None})
    assert row["cost_estimated_12m"] == 50  # half of its net amount, as its goods usually cost


@pytest.mark.parametrize(("gap_cost", "gate"), [(1110, None), (1120, "loss_making")])
def test_the_gate_of_a_loss_needs_it_with_a_tenth_less_of_the_estimate(
    gap_cost: int, gate: str | None
) -> None:
    known = [at(date(2024, month, 5), 1000, cost_amount_company=1000) for month in range(1, 12)]
    same_goods = at(date(2024, 12, 5), 100, cost_amount_company=gap_cost, product_id="P2", customer_id="C2")
    gap = line(date(2024, 12, 5), 1005, product_id="P2", document_id="gap")
    records = [*known, gap, same_goods]
    world = facts(records, customers=OPENED)
    measured = measure(world, policy(segments__loyalty_from=Decimal("0.1")), cells=sales(records))
    rule = policy(segments__loyalty_from=Decimal("0.1"))
    row = one(raw_tiers(segment_customers(score_customers(measured.lazy(), rule), rule), rule).collect())
    assert row["contribution_12m"] == 1005 - gap_cost
    assert row["gate"] == gate  # 1005 − 0.9 × 1110 = 6, 1005 − 0.9 × 1120 = −3


def test_a_surcharge_without_goods_costs_nothing_and_covers_nothing() -> None:
    known = line(date(2024, 3, 5), 900, quantity=9, cost_amount_company=450)
    surcharge = line(date(2024, 3, 5), 900, quantity=0, product_id=None, document_id="S")
    row = estimated(known, surcharge)
    assert (row["contribution_12m"], row["cost_coverage"], row["cost_estimated_12m"]) == (1350, 1, 0)
    assert estimated(surcharge)["contribution_reason"] == "no_cost"


# Price against quantity -------------------------------------------------------------------------------------------------


def change(then: list[tuple[int, int]], now: list[tuple[int, int]]) -> dict:
    """Quantity and net amount of one product in each month of last year and of this one."""
    records = [
        line(date(year, month, 5), net, quantity=quantity)
        for year, months in ((2023, then), (2024, now))
        for month, (quantity, net) in enumerate(months, start=1)
    ]
    return estimated(*records)


@pytest.mark.parametrize(
    ("now", "quantity_effect", "price_effect", "cause"),
    [
        ((90, 900), -100, 0, "price"),  # within 10 % of quantity, inclusive
        ((89, 890), -110, 0, "quantity"),
        ((100, 800), 0, -200, "price"),
        ((50, 400), -500, -100, "quantity"),
        ((100, 1000), 0, 0, None),
        ((120, 1200), 200, 0, "quantity"),
    ],
)
def test_a_change_is_split_at_last_years_own_prices(
    now: tuple[int, int], quantity_effect: int, price_effect: int, cause: str | None
) -> None:
    row = change([(100, 1000)], [now])
    assert (row["quantity_effect_12m"], row["price_effect_12m"]) == (quantity_effect, price_effect)
    assert row["sales_change_cause"] == cause


def test_a_product_not_bought_before_is_quantity_and_a_credit_is_price() -> None:
    then, now = line(date(2023, 3, 5), 1000, quantity=10), line(date(2024, 3, 5), 1000, quantity=10)
    fresh = line(date(2024, 4, 5), 300, quantity=1, product_id="P2")
    credit = line(date(2024, 5, 5), -50, quantity=0, document_type="credit_note", document_id="K")
    row = estimated(then, now, fresh, credit)
    assert (row["quantity_effect_12m"], row["price_effect_12m"]) == (300, -50)


def credit_for_goods(on: date, net: int, quantity: int, **other: Any) -> dict[str, Any]:
    return line(on, net, quantity=quantity, document_type="credit_note", document_id=f"K{on}", **other)


@pytest.mark.parametrize(
    ("came_back", "quantity_effect", "change", "cause"),
    [
        (date(2024, 5, 5), -250, Decimal("-0.25"), "quantity"),
        (date(2023, 5, 5), 250, Decimal("0.333333"), "quantity"),  # of the 750 that were kept then
    ],
    ids=["this year", "last year"],
)
def test_goods_that_came_back_are_quantity_and_no_price(
    came_back: date, quantity_effect: int, change: Decimal, cause: str
) -> None:
    then, now = line(date(2023, 3, 5), 1000, quantity=10), line(date(2024, 3, 5), 1000, quantity=10)
    row = estimated(then, now, credit_for_goods(came_back, -250, -2))
    assert (row["quantity_effect_12m"], row["price_effect_12m"]) == (quantity_effect, 0)
    assert (row["quantity_change_12m"], row["sales_change_cause"]) == (change, cause)


def test_what_is_credited_and_billed_anew_changes_neither_quantity_nor_price() -> None:
    then, now = line(date(2023, 3, 5), 1000, quantity=10), line(date(2024, 3, 5), 1000, quantity=10)
    again = line(date(2024, 3, 20), 1000, quantity=10, document_id="R")
    row = estimated(then, now, credit_for_goods(date(2024, 3, 19), -1000, -10), again)
    assert (row["quantity_effect_12m"], row["price_effect_12m"], row["sales_change_cause"]) == (0, 0, None)


def test_of_a_year_in_which_all_came_back_no_share_is_said() -> None:
    then, now = line(date(2023, 3, 5), 1000, quantity=10), line(date(2024, 3, 5), 1000, quantity=10)
    row = estimated(then, now, credit_for_goods(date(2023, 5, 5), -1000, -10))
    assert (row["quantity_effect_12m"], row["quantity_change_12m"]) == (1000, None)
    assert row["sales_change_cause"] == "quantity"


def test_goods_that_came_back_are_no_slower_pace() -> None:
    monthly_orders = [
        line(date(year, month, 5), 100, quantity=1) for year in (2023, 2024) for month in range(1, 13)
    ]
    row = estimated(*monthly_orders, credit_for_goods(date(2024, 12, 20), -400, -4))
    assert (row["pace_ratio"], row["pace_basis"]) == (1, "quantity")


@pytest.mark.parametrize(("uncounted", "is_split"), [(250, True), (251, False)])
def test_quantities_must_be_known_for_four_fifths_of_sales(uncounted: int, is_split: bool) -> None:
    then, now = line(date(2023, 3, 5), 1000, quantity=10), line(date(2024, 3, 5), 1000, quantity=10)
    other = line(date(2024, 4, 5), uncounted, quantity=1, uom="BOX")
    row = estimated(then, now, other, products=[{"product_id": "P1", "base_uom": "PCE"}])
    assert (row["quantity_effect_12m"] is not None) == is_split
