"""What became of a customer after something was done about it: only by months that are rated, and beside how everybody did."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.contract import contracts
from tests.warehouse.publishing import POLICY, RECORDED_AT, insert, open_warehouse
from warehouse.mart.publish import publish

DONE_ON = date(2024, 2, 10)
LONG_AGO = {("OTHER", date(2020, 1, 1)): 1}


def outcome(
    home: Path,
    sold: Mapping[tuple[str, date], object],
    *,
    rated_to: date = date(2024, 8, 1),
    tiers: Mapping[date, str] | None = None,
    **action: object,
) -> list[dict[str, Any]]:
    """What the mart says of one action about A on 10 February 2024, after three months and after six."""
    with open_warehouse(home) as connection:
        insert(
            connection, "actions", company_code="1000", action_id="X1", action_done="call",
            **{"customer_id": "A", "done_on": DONE_ON, "available_on": DONE_ON, **action},
        )  # fmt: skip
        for (customer, month), amount in sold.items():
            insert(
                connection, "customer_month", company_code="1000", customer_id=customer, month=month,
                net_sales=amount, contribution=Decimal(str(amount)) / 4,
            )  # fmt: skip
        for period, tier in {**(tiers or {}), rated_to: "core"}.items():
            insert(
                connection, "customer_value_history", company_code="1000", customer_id="A", period=period,
                as_of=date(2024, 9, 1), revision=1, effective_tier=tier, **POLICY,
            )  # fmt: skip
        out = publish(connection, home, contracts(), 1, RECORDED_AT)
    with duckdb.connect(str(out.mart), read_only=True) as mart:
        found = mart.execute("FROM action_outcome ORDER BY months_after")
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_the_months_after_the_actions_own_are_held_against_those_before_it_and_of_last_year(
    tmp_path: Path,
) -> None:
    sold = {
        ("A", date(2023, 3, 1)): 40,
        ("A", date(2023, 6, 1)): 10,
        ("A", date(2023, 7, 1)): 10,
        ("A", date(2023, 11, 1)): 30,
        ("A", date(2024, 1, 1)): 20,
        ("A", date(2024, 2, 1)): 999,  # of the action's own month nobody can say what it did
        ("A", date(2024, 3, 1)): 50,
        ("A", date(2024, 8, 1)): 25,
        ("OTHER", date(2023, 4, 1)): 60,
        ("OTHER", date(2024, 5, 1)): 70,
    }
    three, six = outcome(
        tmp_path, {**LONG_AGO, **sold}, tiers={date(2024, 1, 1): "marginal", date(2024, 5, 1): "cultivate"}
    )
    assert (three["months_after"], three["through"], six["through"]) == (
        3,
        date(2024, 5, 31),
        date(2024, 8, 31),
    )
    figures = (
        "net_sales_before",
        "net_sales_after",
        "net_sales_year_before",
        "contribution_before",
        "contribution_after",
    )
    assert [three[name] for name in figures] == [50, 50, 40, Decimal("12.5"), Decimal("12.5")]
    assert [six[name] for name in figures] == [50, 75, 60, Decimal("12.5"), Decimal("18.75")]
    assert (three["change_on_year"], three["company_change_on_year"]) == (0.25, 0.2)
    assert (three["tier_before"], three["tier_after"], six["tier_after"]) == ("marginal", "cultivate", "core")


@pytest.mark.parametrize(
    ("rated_to", "after"),
    [(date(2024, 4, 1), [None, None]), (date(2024, 5, 1), [0, None]), (date(2024, 8, 1), [0, 0])],
)
def test_an_outcome_is_told_once_its_last_month_is_rated(
    tmp_path: Path, rated_to: date, after: list[object]
) -> None:
    found = outcome(tmp_path, {**LONG_AGO, ("A", date(2024, 1, 1)): 5}, rated_to=rated_to)
    assert [row["net_sales_after"] for row in found] == after


def test_what_the_data_do_not_reach_back_to_is_not_known(tmp_path: Path) -> None:
    three, six = outcome(tmp_path, {("A", date(2023, 11, 1)): 5, ("A", date(2024, 3, 1)): 8})
    assert (three["net_sales_before"], three["net_sales_year_before"], three["change_on_year"]) == (
        5,
        None,
        None,
    )
    assert (six["net_sales_before"], six["net_sales_after"]) == (None, 8)


def test_an_action_about_a_customer_without_a_line_is_told_with_nothing_bought(tmp_path: Path) -> None:
    three, _ = outcome(tmp_path, LONG_AGO, customer_id="NOBODY")
    assert (three["name"], three["net_sales_after"], three["contribution_after"]) == ("NOBODY", 0, None)


def test_an_action_that_was_taken_back_is_not_told(tmp_path: Path) -> None:
    assert outcome(tmp_path, LONG_AGO, is_deleted=True) == []
