"""How what was sold stands against what was planned: by the version that rules, to date, and with what nobody planned."""

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

YEAR = {"period_start": date(2024, 1, 1), "period_end": date(2024, 12, 31)}
THROUGH = date(2024, 6, 30)


def plan(net_sales: object, **more: object) -> dict[str, Any]:
    return {
        "plan_id": "BUDGET",
        "plan_version": "1",
        "level": "company",
        "member": None,
        "planned_on": date(2023, 11, 1),
        "available_on": date(2023, 11, 1),
        "planned_net_sales": net_sales,
        **YEAR,
        **more,
    }


def attained(
    home: Path,
    plans: list[dict[str, Any]],
    sold: Mapping[tuple[str, date], object],
    channels: Mapping[str, str | None] | None = None,
) -> list[tuple[Any, ...]]:
    """Plan, level, member, planned to date and by what, sold and difference, of a company rated to the end of June."""
    with open_warehouse(home) as connection:
        for customer, channel in (channels or dict.fromkeys({who for who, _ in sold})).items():
            insert(connection, "customers", company_code="1000", customer_id=customer, channel=channel)
        for each in plans:
            insert(connection, "plans", company_code="1000", **each)
        for (customer, month), amount in sold.items():
            insert(
                connection, "customer_month", company_code="1000", customer_id=customer, month=month, net_sales=amount
            )  # fmt: skip
        insert(
            connection, "customer_value_history", company_code="1000", customer_id="A",
            period=date(2024, 6, 1), as_of=date(2024, 7, 5), revision=1, **POLICY,
        )  # fmt: skip
        out = publish(connection, home, contracts(), 1, RECORDED_AT)
    with duckdb.connect(str(out.mart), read_only=True) as mart:
        return mart.execute(
            """SELECT plan_version, level, member, planned_to_date, to_date_by, net_sales, difference
               FROM plan_attainment ORDER BY ALL NULLS LAST"""
        ).fetchall()


def test_a_plan_is_due_by_the_shares_of_the_months_a_year_before(tmp_path: Path) -> None:
    sold = {("A", date(2023, 2, 1)): 30, ("A", date(2023, 9, 1)): 90, ("A", date(2024, 3, 1)): 200}
    assert attained(tmp_path, [plan(1_000)], {**sold, ("A", date(2022, 12, 1)): 1}) == [
        ("1", "company", None, 250, "last_year", 200, -50)
    ]


@pytest.mark.parametrize(
    "before",
    [{}, {("A", date(2023, 2, 1)): -30}, {("A", date(2023, 2, 1)): -30, ("A", date(2023, 9, 1)): 90}],
)
def test_a_plan_is_due_by_days_where_the_year_before_gives_no_shares(
    tmp_path: Path, before: dict[tuple[str, date], object]
) -> None:
    sold = {**before, ("A", date(2022, 1, 1)): 5, ("A", date(2024, 6, 1)): 100, ("A", date(2024, 7, 1)): 999}
    assert attained(tmp_path, [plan(366)], sold) == [("1", "company", None, 182, "days", 100, -82)]


def test_a_plan_is_due_by_days_where_the_data_do_not_reach_back(tmp_path: Path) -> None:
    sold = {("A", date(2023, 2, 1)): 30, ("A", date(2024, 6, 1)): 100}
    assert attained(tmp_path, [plan(366)], sold) == [("1", "company", None, 182, "days", 100, -82)]


def test_the_version_made_last_takes_the_place_of_all_rows_of_its_plan(tmp_path: Path) -> None:
    later = {"plan_version": "2", "planned_on": date(2024, 2, 1), "available_on": date(2024, 2, 1)}
    unknown = {"plan_version": "3", "planned_on": date(2024, 2, 2), "available_on": date(2024, 7, 6)}
    plans = [
        plan(366),
        plan(50, level="channel", member="direct"),
        plan(732, **later),
        plan(1_000, **unknown),
        plan(366, plan_id="STRETCH", plan_version="a"),
    ]
    found = attained(tmp_path, plans, {("A", date(2024, 5, 1)): 100})
    assert [(row[0], row[1], row[3]) for row in found] == [("2", "company", 364), ("a", "company", 182)]


def test_the_parts_of_a_level_and_what_nobody_planned_sum_to_the_company(tmp_path: Path) -> None:
    sold = {
        ("A", date(2024, 1, 1)): 10,
        ("B", date(2024, 6, 1)): 20,
        ("C", date(2024, 2, 1)): 40,
        ("D", date(2024, 2, 1)): 80,
    }
    channels = {"A": "direct", "B": "export", "C": "distribution", "D": None}
    plans = [plan(366, level="channel", member=channel) for channel in ("direct", "export")]
    assert attained(tmp_path, plans, sold, channels) == [
        ("1", "channel", "direct", 182, "days", 10, -172),
        ("1", "channel", "export", 182, "days", 20, -162),
        ("1", "channel", None, None, None, 120, None),
    ]


def test_levels_are_never_summed_together(tmp_path: Path) -> None:
    plans = [plan(366), plan(366, level="customer", member="A"), plan(366, level="salesperson", member="S1")]
    found = attained(tmp_path, plans, {("A", date(2024, 1, 1)): 10, ("B", date(2024, 1, 1)): 5})
    assert [(row[1], row[2], row[5]) for row in found] == [
        ("company", None, 15),
        ("customer", "A", 10),
        ("customer", None, 5),
        ("salesperson", "S1", 0),
        ("salesperson", None, 15),
    ]


@pytest.mark.parametrize(
    ("span", "is_shown"),
    [
        ((date(2024, 7, 1), date(2024, 7, 31)), False),  # not begun
        ((date(2024, 6, 1), date(2024, 6, 30)), True),
        ((date(2023, 7, 1), date(2023, 7, 31)), True),
        ((date(2023, 6, 1), date(2023, 6, 30)), False),  # ended a year ago
    ],
)
def test_plans_of_the_last_twelve_months_are_shown(
    tmp_path: Path, span: tuple[date, date], is_shown: bool
) -> None:
    found = attained(
        tmp_path, [plan(1, period_start=span[0], period_end=span[1])], {("A", date(2024, 1, 1)): 1}
    )
    assert bool(found) is is_shown


def test_what_is_due_is_worked_out_to_four_places_without_a_float(tmp_path: Path) -> None:
    amount = Decimal("12345678901234.5678")
    [row] = attained(tmp_path, [plan(amount)], {("A", date(2024, 1, 1)): 1})
    assert row[3] == (amount * 182 / 366).quantize(Decimal("0.0001"))
