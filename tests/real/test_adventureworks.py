"""AdventureWorks reseller sales: cost on every line, and resellers that cost more than they bring."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.real.conftest import Installation

pytestmark = [pytest.mark.real, pytest.mark.slow]
FILES = ("Sales.csv", "Region.csv", "Reseller.csv", "Product.csv")


@pytest.fixture(scope="module")
def adventureworks(install: Callable[[str], Installation], real_data: Path) -> Installation:
    installation = install("USD")
    files = [real_data / "adventureworks" / name for name in FILES]
    installation.land(files, "adventureworks", datetime(2020, 6, 1, 6))
    result = installation.refresh(date(2020, 5, 31))
    assert result.exit_code(strict=True) == 0
    return installation


def test_every_line_is_accepted_and_sums_to_the_cent(adventureworks: Installation) -> None:
    assert adventureworks.one(
        "SELECT count(*), sum(net_amount_company), sum(cost_amount_company) FROM erp.invoice_lines"
    ) == (57_851, Decimal("77548570.2000"), Decimal("76549075.6300"))
    assert adventureworks.one("SELECT count(*) FROM quarantine.reason") == (0,)


def test_no_sale_is_lost_on_the_way_to_the_months(adventureworks: Installation) -> None:
    assert adventureworks.one("SELECT sum(net_sales), sum(contribution) FROM rated.customer_month") == (
        Decimal("77548570.2000"),
        Decimal("999494.5700"),
    )


@pytest.mark.parametrize(("reseller", "contribution"), [("697", "67903.8000"), ("328", "-18270.3300")])
def test_contribution_is_sales_less_their_own_cost(
    reseller: str, contribution: str, adventureworks: Installation
) -> None:
    query = f"SELECT sum(contribution) FROM rated.customer_month WHERE customer_id = '{reseller}'"
    assert adventureworks.one(query) == (Decimal(contribution),)


def test_half_of_the_resellers_lose_money_over_their_history(adventureworks: Installation) -> None:
    assert adventureworks.one(
        """SELECT count(*), count(*) FILTER (contribution < 0)
           FROM (SELECT sum(contribution) AS contribution FROM rated.customer_month GROUP BY customer_id)"""
    ) == (632, 324)


def test_resellers_without_sales_and_with_a_shared_name_are_customers_of_their_own(
    adventureworks: Installation,
) -> None:
    with adventureworks.mart() as mart:
        assert mart.sql("SELECT count(*), count(DISTINCT name) FROM customer").fetchall() == [(701, 699)]
        # The 69 that never ordered were first seen with the extract, the day after: they are rated from then on.
        assert mart.sql("SELECT count(*) FROM customer_value").fetchall() == [(632,)]


def test_the_mart_says_what_the_warehouse_says(adventureworks: Installation) -> None:
    with adventureworks.mart() as mart:
        assert mart.sql("SELECT sum(contribution) FROM customer_month").fetchall() == [
            (Decimal("999494.5700"),)
        ]
