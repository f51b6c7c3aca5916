"""Who is rated, how much they buy, and how evenly."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from math import sqrt
from statistics import mean, pstdev

import pytest

from tests.unit.transforms.small_worlds import YEAR_END, facts, line, measure, monthly, one, policy
from transforms.measures import MEASURED

OLD = {"customer_id": "C1", "available_on": date(2020, 1, 1)}
FLAT_YEAR = monthly(*[100] * 12)


def measured(*sales: dict, **world) -> dict:
    return one(measure(facts(list(sales), **world)))


def test_the_result_has_the_columns_of_the_rating_history() -> None:
    assert measure(facts(FLAT_YEAR)).schema == MEASURED


def test_closed_through_is_the_last_day_of_a_month() -> None:
    with pytest.raises(ValueError, match="2024-12-30 is not"):
        measure(facts(FLAT_YEAR), closed_through=date(2024, 12, 30))
    assert measure(facts(FLAT_YEAR), closed_through=date(2024, 2, 29)).height == 1


# Who is rated ----------------------------------------------------------------------------------------------------


def test_rated_is_who_ordered_by_closed_through() -> None:
    assert measure(facts([line(YEAR_END, 1)])).height == 1
    assert measure(facts([line(date(2025, 1, 1), 1)])).height == 0


def test_rated_is_whose_master_was_known_by_closed_through() -> None:
    assert measure(facts([], customers=[{**OLD, "available_on": YEAR_END}])).height == 1
    assert measure(facts([], customers=[{**OLD, "available_on": date(2025, 1, 1)}])).height == 0


def test_who_only_got_a_credit_note_was_billed_and_is_rated() -> None:
    credit = line(date(2024, 5, 1), -10, document_type="credit_note")
    assert measure(facts([credit]))["net_sales_12m"].to_list() == [-10]
    assert measured(credit, customers=[OLD])["net_sales_12m"] == -10


def test_a_customer_without_master_is_rated_and_flagged() -> None:
    assert measured(*FLAT_YEAR)["master_missing"] is True
    assert measured(*FLAT_YEAR, customers=[OLD])["master_missing"] is False


def test_one_number_in_two_companies_is_two_customers() -> None:
    world = facts([line(YEAR_END, 1), line(YEAR_END, 2, company_code="2000")])
    assert measure(world)["net_sales_12m"].to_list() == [1, 2]


@pytest.mark.parametrize(
    ("first_order", "expected"),
    [(date(2024, 12, 31), 1), (date(2024, 12, 1), 1), (date(2024, 1, 31), 12), (date(2023, 12, 31), 13)],
)
def test_months_of_history_count_from_the_month_of_the_first_order_inclusive(
    first_order: date, expected: int
) -> None:
    row = measured(line(first_order, 1))
    assert (row["months_of_history"], row["first_order_on"]) == (expected, first_order)


def test_who_never_ordered_has_no_history() -> None:
    row = measured(customers=[OLD])
    assert (row["months_of_history"], row["first_order_on"], row["last_order_on"]) == (0, None, None)


@pytest.mark.parametrize(
    ("first_order", "created_on", "expected"),
    [
        (date(2023, 1, 15), None, True),
        (date(2023, 2, 15), None, True),
        (date(2023, 2, 16), None, False),
        (date(2023, 1, 15), date(2019, 1, 1), False),
    ],
)
def test_a_first_order_within_a_month_of_the_datas_start_may_not_be_the_first(
    first_order: date, created_on: date | None, expected: bool
) -> None:
    start = line(date(2023, 1, 15), 1, customer_id="C0")
    row = measured(start, line(first_order, 1), customers=[{**OLD, "created_on": created_on}])
    assert row["history_truncated"] is expected


# Volume ----------------------------------------------------------------------------------------------------------


def test_volume_is_the_signed_sum_of_twelve_months() -> None:
    row = measured(
        line(date(2023, 12, 31), 1000),
        line(date(2024, 1, 1), "100.0001"),
        line(YEAR_END, 200),
        line(date(2025, 1, 1), 4000),
        line(date(2024, 6, 1), -50, document_type="credit_note"),
    )
    assert row["net_sales_12m"] == Decimal("250.0001")
    assert row["volume_reason"] is None


def test_who_bought_earlier_and_nothing_this_year_bought_0() -> None:
    row = measured(line(date(2023, 12, 31), 1000))
    assert (row["net_sales_12m"], row["volume_reason"]) == (0, None)


def test_who_never_ordered_has_no_volume_instead_of_0() -> None:
    row = measured(customers=[OLD])
    assert (row["net_sales_12m"], row["volume_reason"]) == (None, "no_orders")


def test_quantity_is_null_where_no_line_has_a_common_unit() -> None:
    boxes = line(YEAR_END, 1, uom="BOX")
    product = {"product_id": "P1", "base_uom": "PCE"}
    assert measured(boxes, products=[product])["quantity_12m"] is None
    assert measured(boxes, line(YEAR_END, 1, quantity=3), products=[product])["quantity_12m"] == 3


def test_abc_classes_end_at_80_and_95_percent_inclusive() -> None:
    sales = [line(YEAR_END, amount, customer_id=f"C{amount}") for amount in (80, 15, 4, 1)]
    sales.append(line(YEAR_END, -7, customer_id="C-7"))
    result = measure(facts(sales, customers=[{**OLD, "customer_id": "prospect"}]))
    assert dict(result.select("customer_id", "abc_class").iter_rows()) == {
        "C80": "A", "C15": "B", "C4": "C", "C1": "C", "C-7": "C", "prospect": None
    }  # fmt: skip


def test_equal_sales_are_of_equal_class() -> None:
    sales = [line(YEAR_END, 10, customer_id=f"C{number}") for number in range(10)]
    assert measure(facts(sales))["abc_class"].unique().to_list() == ["C"]


def test_classes_are_of_ones_own_company() -> None:
    sales = [line(YEAR_END, 1, company_code="2000"), line(YEAR_END, 80), line(YEAR_END, 20, customer_id="C2")]
    assert measure(facts(sales))["abc_class"].to_list() == ["A", "C", "C"]


def test_the_trend_compares_the_last_quarter_with_the_same_a_year_before() -> None:
    before = [line(date(2023, 10, 1), 60), line(date(2023, 12, 31), 40), line(date(2024, 1, 1), 999)]
    now = [line(date(2024, 10, 1), 70), line(YEAR_END, 80)]
    assert measured(*before, *now)["sales_trend"] == Decimal("0.5")
    assert measured(*before)["sales_trend"] == -1


@pytest.mark.parametrize("base", [None, 0, -5])
def test_a_trend_needs_a_base_above_0(base: int | None) -> None:
    before = [] if base is None else [line(date(2023, 11, 1), base)]
    assert measured(*before, line(YEAR_END, 80))["sales_trend"] is None


# Steadiness ------------------------------------------------------------------------------------------------------


def test_a_flat_year_is_perfectly_steady() -> None:
    row = measured(*FLAT_YEAR)
    assert (row["steadiness"], row["steadiness_reason"], row["xyz_class"]) == (1, None, "X")


@pytest.mark.parametrize("amount", ["0.01", "1", "33.33", "99999999999999.9999"])
def test_one_order_in_twelve_months_is_not_steady_at_all(amount: str) -> None:
    row = measured(line(date(2023, 1, 1), 1), line(date(2024, 7, 7), amount))
    assert (row["steadiness"], row["xyz_class"]) == (0, "Z")


def test_steadiness_of_a_year_by_hand() -> None:
    amounts = [100, 300] * 6  # mean 200, population deviation 100: CV 0.5
    assert measured(*monthly(*amounts))["steadiness"] == round(Decimal(1 - 0.5 / sqrt(11)), 6)


def test_months_below_0_count_as_0() -> None:
    credit = line(date(2024, 6, 20), -500, document_type="credit_note")
    with_credit = measured(*FLAT_YEAR, credit)
    without_june = measured(*monthly(*[100] * 5, 0, *[100] * 6))
    assert with_credit["steadiness"] == without_june["steadiness"] < 1


@pytest.mark.parametrize(
    ("months", "expected"),
    [(5, (None, "too_few_months", None)), (6, (1, None, "X")), (0, (None, "too_few_months", None))],
)
def test_steadiness_needs_six_months(months: int, expected: tuple) -> None:
    row = measured(*monthly(*[100] * months), customers=[OLD])
    assert (row["steadiness"], row["steadiness_reason"], row["xyz_class"]) == expected


def test_the_months_needed_are_the_policys() -> None:
    world = facts(monthly(*[100] * 7))
    assert one(measure(world, policy(steadiness__min_months=7)))["steadiness"] == 1
    assert one(measure(world, policy(steadiness__min_months=8)))["steadiness_reason"] == "too_few_months"


def test_a_young_customers_steadiness_looks_at_its_own_months_only() -> None:
    assert measured(*monthly(100, 0, 0, 0, 0, 0, 0))["steadiness"] == 0
    assert measured(*monthly(*[100] * 7))["steadiness"] == 1


def test_who_bought_nothing_all_year_has_no_steadiness() -> None:
    row = measured(line(date(2023, 1, 1), 100))
    assert (row["steadiness"], row["steadiness_reason"], row["xyz_class"]) == (None, "no_sales", None)


@pytest.mark.parametrize(
    ("x", "y", "expected"), [("0.5", 1, "X"), ("0.499999", 1, "Y"), ("0.1", "0.499999", "Z")]
)
def test_xyz_cut_offs_are_inclusive(x: str, y: str, expected: str) -> None:
    rule = policy(steadiness__x_cv_max=x, steadiness__y_cv_max=y)
    assert one(measure(facts(monthly(*[100, 300] * 6)), rule))["xyz_class"] == expected


# Seasonal steadiness ---------------------------------------------------------------------------------------------

PEERS = [f"C{number}" for number in range(1, 6)]
SEASON = [10, 10, 10, 10, 10, 50, 90, 50, 10, 10, 10, 10]


def seasonal_world(peers: list[str], months: int = 24, **master) -> dict:
    sales = [record for peer in peers for record in monthly(*(SEASON * 3)[-months:], customer=peer)]
    masters = [
        {**OLD, "customer_id": peer, "industry_code": "28", "channel": "direct", **master} for peer in peers
    ]
    return one(measure(facts(sales, customers=masters)))


def test_who_buys_as_the_season_goes_is_steady_but_for_the_season() -> None:
    row = seasonal_world(PEERS)
    assert row["steadiness"] < Decimal("0.8")
    assert row["steadiness_seasonal"] == 1


def test_a_season_needs_five_peers_of_24_months_with_industry_and_channel() -> None:
    assert seasonal_world(PEERS[:4])["steadiness_seasonal"] is None
    assert seasonal_world(PEERS, months=23)["steadiness_seasonal"] is None
    assert seasonal_world(PEERS, industry_code=None)["steadiness_seasonal"] is None
    assert seasonal_world(PEERS, channel=None)["steadiness_seasonal"] is None


def test_the_season_is_taken_out_of_the_smallest_amounts_as_exactly() -> None:
    others = [
        record for peer in PEERS[1:] for record in monthly(*[1000 * n for n in SEASON] * 2, customer=peer)
    ]
    flat = monthly(*["0.0001"] * 24, customer="C1")
    masters = [{**OLD, "customer_id": peer, "industry_code": "28", "channel": "direct"} for peer in PEERS]
    row = one(measure(facts(flat + others, customers=masters)))
    divided = [1 / n for n in SEASON]  # the others make the season
    expected = 1 - pstdev(divided) / mean(divided) / sqrt(11)
    assert row["steadiness_seasonal"] == round(Decimal(expected), 6)


def test_a_month_in_which_no_peer_bought_is_a_month_without_sales() -> None:
    sales = [record for peer in PEERS for record in monthly(*[0, 0, 0, 0, 0, 5] * 4, customer=peer)]
    sales += [line(date(2023, 1, 2), 5, customer_id=peer) for peer in PEERS]
    masters = [{**OLD, "customer_id": peer, "industry_code": "28", "channel": "direct"} for peer in PEERS]
    row = one(measure(facts(sales, customers=masters)))
    assert row["steadiness_seasonal"] is not None
    assert row["steadiness_seasonal"] < 1
