"""What is left of a customer's sales after everything that can be charged to it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from tests.unit.transforms.small_worlds import YEAR_END, facts, line, measure, one, policy

OLD = {"customer_id": "C1", "available_on": date(2020, 1, 1)}
JUNE = date(2024, 6, 14)
SALE = line(JUNE, 1000, cost_amount_company=600, cost_basis="actual")


def measured(*sales: dict, rule=None, **world) -> dict:
    return one(measure(facts(list(sales), **world), rule))


def contribution(*sales: dict, **world) -> tuple:
    row = measured(*sales, **world)
    return row["contribution_12m"], row["contribution_reason"], row["contribution_basis"]


def contact(on: datetime, kind: str = "visit", number: int = 1) -> dict:
    return {"interaction_id": f"A{number}", "occurred_at": on, "kind": kind}


def item(amount, posted: date, cleared: date | None = None, company_amount=None, **other) -> dict:
    return {
        "item_id": "I1",
        "posting_date": posted,
        "cleared_date": cleared,
        "original_amount": amount,
        "original_amount_company": amount if company_amount is None else company_amount,
        **other,
    }


def test_without_other_extracts_it_is_net_sales_less_cost() -> None:
    assert contribution(SALE) == (400, None, "net_sales, cost")


def test_freight_and_rebates_count_where_they_are_delivered() -> None:
    assert contribution({**SALE, "freight_amount": 30}) == (370, None, "net_sales, cost, freight")
    assert contribution({**SALE, "freight_amount": 30, "rebate_amount": 20}) == (
        350,
        None,
        "net_sales, cost, freight, rebates",
    )


def test_only_the_year_counts() -> None:
    assert contribution(SALE, line(date(2023, 12, 31), 5, cost_amount_company=1))[0] == 400
    assert contribution(SALE, line(date(2025, 1, 1), 5, cost_amount_company=1))[0] == 400


def test_a_customer_may_cost_more_than_it_brings() -> None:
    row = measured(line(JUNE, 1000, cost_amount_company=1500))
    assert (row["contribution_12m"], row["margin_12m"]) == (-500, Decimal("-0.5"))


@pytest.mark.parametrize(("without_cost", "expected"), [(250, 650), (251, None)])
def test_the_coverage_floor_is_inclusive(without_cost: int, expected: int | None) -> None:
    row = measured(SALE, line(JUNE, without_cost))  # 1000 of 1250 is 0.8 exactly
    assert row["contribution_12m"] == expected
    assert row["contribution_reason"] == (None if expected else "no_cost")
    assert row["contribution_basis"] == ("net_sales, cost" if expected else None)


def test_coverage_is_the_share_of_turnover_with_a_cost_credits_included() -> None:
    row = measured(SALE, line(JUNE, -500, document_type="credit_note", document_id="K1"))
    assert row["cost_coverage"] == round(Decimal(1000) / 1500, 6)
    assert row["contribution_reason"] == "no_cost"


def test_no_cost_at_all_is_no_cost() -> None:
    row = measured(line(JUNE, 1000))
    assert (row["contribution_12m"], row["contribution_reason"], row["cost_coverage"]) == (None, "no_cost", 0)
    assert row["margin_12m"] is None


def test_no_cost_is_no_contribution_even_under_a_floor_of_0() -> None:
    row = measured(line(JUNE, 1000), rule=policy(contribution__cost_coverage_floor=0))
    assert row["contribution_reason"] == "no_cost"


def test_a_year_without_a_line_has_no_contribution() -> None:
    earlier = line(date(2023, 5, 5), 1000, cost_amount_company=1)
    row = measured(earlier)
    assert (row["contribution_reason"], row["cost_coverage"]) == ("no_sales", None)
    assert measured(customers=[OLD])["contribution_reason"] == "no_sales"


def test_goods_given_away_cost_all_the_same() -> None:
    row = measured(line(JUNE, 0, cost_amount_company=70))
    assert (row["contribution_12m"], row["cost_coverage"], row["margin_12m"]) == (-70, None, None)


def test_a_margin_needs_sales_above_0() -> None:
    returned = line(JUNE, -1000, document_type="credit_note", cost_amount_company=-600)
    row = measured(SALE, returned)
    assert (row["contribution_12m"], row["margin_12m"]) == (0, None)
    assert measured(SALE)["margin_12m"] == Decimal("0.4")


# Service -----------------------------------------------------------------------------------------------------------


def test_service_is_charged_by_kind_of_contact() -> None:
    contacts = [
        contact(datetime(2024, 5, 5, 9), "visit", 1),
        contact(datetime(2024, 5, 5, 9), "complaint", 2),
    ]
    assert contribution(SALE, interactions=contacts) == (400 - 250 - 120, None, "net_sales, cost, service")


def test_contacts_of_the_year_are_charged_from_its_first_instant_to_its_last() -> None:
    contacts = [
        contact(datetime(2023, 12, 31, 23, 59, 59), number=1),
        contact(datetime(2024, 1, 1), number=2),
        contact(datetime(2024, 12, 31, 23, 59, 59), number=3),
        contact(datetime(2025, 1, 1), number=4),
    ]
    assert contribution(SALE, interactions=contacts)[0] == 400 - 2 * 250


def test_service_delivered_without_a_contact_costs_nothing_and_is_named() -> None:
    assert contribution(SALE, interactions=[]) == (400, None, "net_sales, cost, service")


# Write-offs ----------------------------------------------------------------------------------------------------------


def written_off(amount, on: date = JUNE, **other) -> dict:
    """An item that was posted and given up on one day, so that carrying it costs nothing."""
    return item(amount, on, on, item_settlement="write_off", **other)


BASIS = "net_sales, cost, carrying, write_offs"


def test_what_is_written_off_is_a_cost() -> None:
    assert contribution(SALE, receivables=[written_off(150)]) == (250, None, BASIS)


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (date(2023, 12, 31), 400),
        (date(2024, 1, 1), 250),
        (date(2024, 12, 31), 250),
        (date(2025, 1, 1), 400),
    ],
)
def test_what_is_written_off_costs_in_the_year_it_is_given_up_in(on: date, expected: int) -> None:
    assert contribution(SALE, receivables=[written_off(150, on)])[0] == expected


def test_only_the_part_that_was_not_paid_is_written_off() -> None:
    paid = {"item_id": "I1", "payment_id": "Z1", "allocated_on": JUNE, "amount": 100}
    money = {"payment_id": "Z1", "payment_date": JUNE, "amount": 100}
    world = {"receivables": [written_off(150)], "payment_allocations": [paid], "payments": [money]}
    assert contribution(SALE, **world)[0] == 400 - 50


def test_what_is_written_off_in_another_currency_costs_its_share_of_the_company_amount() -> None:
    foreign = written_off(150, company_amount=300, currency="USD", company_currency="EUR")
    assert contribution(SALE, receivables=[foreign])[0] == 100


def test_write_offs_are_0_where_settlement_is_told_and_left_out_where_it_never_is() -> None:
    paid = item(150, JUNE, JUNE, item_settlement="payment")
    assert contribution(SALE, receivables=[paid]) == (400, None, BASIS)
    others = {**paid, "customer_id": "C2"}
    assert contribution(SALE, receivables=[others]) == (400, None, BASIS)
    untold = item(150, JUNE, JUNE)
    assert contribution(SALE, receivables=[untold]) == (400, None, "net_sales, cost, carrying")


def test_a_loss_that_a_write_off_makes_is_named_after_it() -> None:
    row = measured(SALE, receivables=[written_off(401)])
    assert (row["contribution_12m"], row["loss_component"]) == (-1, "write_offs")


# Carrying ----------------------------------------------------------------------------------------------------------


def test_an_open_item_costs_its_days_at_the_policys_rate() -> None:
    # 3650 open from 1 to 10 June inclusive: 10 days × 3650 × 0.08 ÷ 365
    world = {"receivables": [item(3650, date(2024, 6, 1), date(2024, 6, 11))]}
    assert contribution(SALE, **world) == (400 - 8, None, "net_sales, cost, carrying")


@pytest.mark.parametrize(
    ("posted", "cleared", "days"),
    [
        (date(2024, 6, 1), date(2024, 6, 1), 0),
        (date(2024, 6, 1), date(2024, 6, 2), 1),
        (date(2023, 6, 1), date(2024, 1, 1), 0),
        (date(2023, 6, 1), date(2024, 1, 2), 1),
        (YEAR_END, None, 1),
        (YEAR_END, date(2025, 3, 1), 1),
        (date(2025, 1, 1), None, 0),
        (date(2023, 6, 1), None, 366),
    ],
)
def test_an_item_is_open_from_posting_to_the_day_before_it_is_cleared_within_the_year(
    posted: date, cleared: date | None, days: int
) -> None:
    world = {"receivables": [item(36500, posted, cleared)]}
    assert contribution(SALE, **world)[0] == 400 - days * 8


def test_what_was_allocated_is_no_longer_carried() -> None:
    half_paid = {"payment_id": "Z1", "item_id": "I1", "allocated_on": date(2024, 6, 6), "amount": 1825}
    world = {
        "receivables": [item(3650, date(2024, 6, 1), date(2024, 6, 11))],
        "payment_allocations": [half_paid],
    }
    assert contribution(SALE, **world)[0] == 400 - 6  # 5 days in full, 5 days half


def test_an_allocation_is_converted_at_the_items_own_rate() -> None:
    half_paid = {"payment_id": "Z1", "item_id": "I1", "allocated_on": date(2024, 6, 6), "amount": 500}
    foreign = item(1000, date(2024, 6, 1), date(2024, 6, 11), company_amount=3650)
    assert contribution(SALE, receivables=[foreign], payment_allocations=[half_paid])[0] == 400 - 6


def test_an_allocation_to_an_item_of_another_company_changes_nothing() -> None:
    other = {"company_code": "2000", "payment_id": "Z1", "item_id": "I1", "amount": 1, "allocated_on": JUNE}
    world = {"receivables": [item(3650, date(2024, 6, 1), date(2024, 6, 11))], "payment_allocations": [other]}
    assert contribution(SALE, **world)[0] == 392


def test_a_credit_on_the_account_lowers_the_carrying_cost() -> None:
    credit = item(-3650, date(2024, 6, 1), date(2024, 6, 11), item_id="I2", item_type="payment_on_account")
    assert contribution(SALE, receivables=[credit])[0] == 408


def test_carrying_is_rounded_once_half_to_even() -> None:
    # 0.4563 × 2 days × 0.08 ÷ 365 = 0.000200021…, and 0.0001 units short of half a step stays below it
    world = {"receivables": [item("0.4563", date(2024, 6, 1), date(2024, 6, 3))]}
    assert contribution(SALE, **world)[0] == Decimal("399.9998")
