"""The report's figures, from a mart of a few rows whose answers are worked out by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.contract import load
from tests.warehouse.publishing import POLICY, insert
from warehouse import publish, report_customers, report_data
from warehouse.dictionary import create_table
from warehouse.published_files import NothingPublishedError

NOW, BEFORE, YEAR_BEFORE = date(2024, 5, 1), date(2024, 4, 1), date(2023, 5, 1)


TABLES = [load(name) for name in (*publish.PUBLISHED_TABLES, "publication", "column_dictionary")]
CURRENT = """
    INSERT INTO customer_value BY NAME
    SELECT rating.*, customer_id AS name, credit_action
    FROM (
        FROM customer_value_history
        WHERE (company_code, period) IN (SELECT (company_code, max(period)) FROM customer_value_history GROUP BY company_code)
        QUALIFY row_number() OVER (PARTITION BY company_code, customer_id ORDER BY revision DESC) = 1
    ) AS rating LEFT JOIN credit_watch USING (company_code, customer_id);
    INSERT INTO customer BY NAME SELECT company_code, customer_id, name, master_missing FROM customer_value
"""


def published(home: Path, *rows: tuple[str, dict[str, Any]]) -> Path:
    """A mart of these rows, in a company 1000 unless a row names another; customer_value follows from the history."""
    home.mkdir(exist_ok=True)
    with duckdb.connect(str(home / publish.MART_FILE)) as connection:
        for contract in TABLES:
            if contract.physical == "table":
                connection.execute(create_table(contract, "main")[0])
        for table, values in [*rows, ("publication", {"generation": 1})]:
            company = {} if table == "publication" else {"company_code": "1000"}
            insert(connection, table, schema="main", **{**company, **values})
        connection.execute(CURRENT)
    return home / publish.MART_FILE


def rating(
    customer: str, period: date, tier: str, rank: int, sales: object, **more: object
) -> tuple[str, dict]:
    return "customer_value_history", {
        "customer_id": customer,
        "period": period,
        "revision": 1,
        "net_sales_12m": sales,
        "effective_tier": tier,
        "effective_rank": rank,
        "contribution_12m": None,
        "headroom_12m": None,
        "loyalty": None,
        "segment": "unrated",
        "watch_tier": None,
        **POLICY,
        **more,
    }


def company(mart: Path, name: str = "1000") -> report_data.CompanyData:
    [found] = [each for each in report_data.read(mart).companies if each.company == name]
    return found


def headlines(mart: Path) -> dict[str, tuple[Decimal | None, Decimal | None]]:
    return {row["figure"]: (row["value"], row["change"]) for row in company(mart).headlines}


def test_headline_figures_compare_the_latest_revisions_of_the_latest_two_periods(tmp_path: Path) -> None:
    mart = published(
        tmp_path,
        rating("A", BEFORE, "core", 5, 100, contribution_12m=999),
        rating("A", BEFORE, "core", 5, 100, contribution_12m=30, revision=2),
        rating("A", NOW, "strategic", 6, 150, contribution_12m=60),
        rating("B", BEFORE, "cultivate", 4, 100, contribution_12m=-10, headroom_12m=70),
        rating("B", NOW, "cultivate", 4, 50, contribution_12m=-20, headroom_12m=90),
    )
    assert headlines(mart) == {
        "net_sales": (200, 0),
        "contribution": (40, 20),
        "margin": (Decimal("0.2"), Decimal("0.1")),
        "value_customers": (1, 0),
        "value_customers_share": (Decimal("0.75"), Decimal("0.25")),
        "cultivate_headroom": (90, 20),
        "loss": (20, 10),
    }


def test_what_is_not_assessed_is_left_out_of_a_sum_and_makes_no_zero(tmp_path: Path) -> None:
    mart = published(
        tmp_path,
        rating("A", NOW, "core", 5, 100, contribution_12m=25),
        rating("B", NOW, "unrated", 3, 300),
        rating("C", NOW, "new", 3, None),
    )
    found = headlines(mart)
    assert found["contribution"] == (25, None)
    assert found["margin"] == (Decimal("0.25"), None), "B's sales have no contribution to be compared with"
    assert found["cultivate_headroom"] == (None, None)


def test_where_nothing_was_sold_there_is_no_share_and_no_margin(tmp_path: Path) -> None:
    mart = published(tmp_path, rating("A", NOW, "core", 5, 0, contribution_12m=-5))
    found = headlines(mart)
    assert found["margin"] == found["value_customers_share"] == (None, None)
    assert found["loss"] == (5, None)


def test_a_migration_counts_each_customer_once_and_keeps_who_came_and_who_went(tmp_path: Path) -> None:
    mart = published(
        tmp_path,
        rating("STAYS", BEFORE, "core", 5, 10),
        rating("STAYS", NOW, "core", 5, 11),
        rating("FALLS", BEFORE, "core", 5, 20),
        rating("FALLS", NOW, "marginal", 2, 21),
        rating("COMES", NOW, "new", 3, 31),
        rating("GOES", BEFORE, "marginal", 2, 40),
        rating("STAYS", YEAR_BEFORE, "cultivate", 4, 5),
    )
    moves = {
        (row["span"], row["from_tier"], row["to_tier"]): (row["customers"], row["net_sales_12m"])
        for row in company(mart).migration
    }
    assert moves == {
        ("period", "core", "core"): (1, 11),
        ("period", "core", "marginal"): (1, 21),
        ("period", None, "new"): (1, 31),
        ("period", "marginal", None): (1, 40),
        ("year", "cultivate", "core"): (1, 11),
        ("year", None, "marginal"): (1, 21),
        ("year", None, "new"): (1, 31),
    }


def test_the_first_rated_period_has_no_migration(tmp_path: Path) -> None:
    mart = published(tmp_path, rating("A", NOW, "core", 5, 1))
    assert company(mart).migration == []
    assert company(mart).period["before"] is None


def test_the_peak_of_a_long_curve_is_kept_when_it_is_thinned(tmp_path: Path) -> None:
    places = report_data.CURVE_POINTS * 3
    curve = f"""(SELECT 'C' || i AS customer_id, i::INTEGER AS place, i = 101 AS is_peak, i / {places} AS customer_share
        FROM range(1, {places + 1}) AS all_of(i))"""
    mart = published(
        tmp_path,
        rating("A", NOW, "core", 5, 1),
        ("value_curve", {"of": curve, "period": NOW, "cumulative_share": 1}),
    )
    shown = [row["place"] for row in company(mart).curve]
    assert {1, 101, places} <= set(shown)
    assert len(shown) <= report_data.CURVE_POINTS + 3


def many(count: int) -> tuple[str, dict[str, Any]]:
    of = f"(SELECT 'C' || i AS customer_id, i::DECIMAL(38, 4) AS net_sales_12m FROM range({count}) AS all_of(i))"
    return "customer_value_history", {
        "of": of,
        "period": NOW,
        "revision": 1,
        "loyalty": "0.5",
        "segment": "core",
        "effective_tier": "core",
        "effective_rank": 5,
        "watch_tier": None,
        **POLICY,
    }


def test_customers_are_shown_one_by_one_up_to_a_number_and_counted_by_cell_beyond_it(tmp_path: Path) -> None:
    few = company(published(tmp_path / "few", many(report_data.MOST_DOTS)))
    assert (len(few.dots), few.cells) == (report_data.MOST_DOTS, [])
    crowd = company(published(tmp_path / "crowd", many(report_data.MOST_DOTS + 1)))
    assert crowd.dots == []
    assert sum(row["customers"] for row in crowd.cells) == report_data.MOST_DOTS + 1
    [without_sales] = [row for row in crowd.cells if row["volume_step"] is None]
    assert without_sales["customers"] == 1


def test_a_company_sees_nothing_of_another(tmp_path: Path) -> None:
    other = "it's 2000"
    mart = published(
        tmp_path,
        rating("A", NOW, "core", 5, 100),
        rating("A", NOW, "marginal", 2, 7, company_code=other),
        (
            "credit_watch",
            {"company_code": other, "customer_id": "A", "credit_action": "stop", "open_balance": 3},
        ),
    )
    assert [each.company for each in report_data.read(mart).companies] == ["1000", other]
    assert company(mart).credit_list == []
    assert company(mart).ageing is None
    assert [row["credit_action"] for row in company(mart, other).credit_list] == ["stop"]
    assert headlines(mart)["net_sales"] == (100, None)


def test_overdue_is_the_sum_of_its_ages_and_a_share_of_what_is_owed(tmp_path: Path) -> None:
    ages = {
        "not_yet_due": 60,
        "overdue_1_30": 10,
        "overdue_31_60": 5,
        "overdue_61_90": 4,
        "overdue_over_90": 1,
    }
    mart = published(
        tmp_path,
        rating("A", NOW, "core", 5, 1),
        ("credit_watch", {"customer_id": "A", "unapplied_credit": -30, "open_balance": 50, **ages}),
    )
    ageing = company(mart).ageing
    assert ageing is not None
    assert (ageing["overdue"], ageing["overdue_share"]) == (20, Decimal("0.25"))
    assert sum(ageing[age] for age in ages) + ageing["unapplied_credit"] == ageing["open_balance"]


def test_a_mart_without_ratings_has_its_batches_and_no_period(tmp_path: Path) -> None:
    mart = published(
        tmp_path,
        ("data_quality", {"batch_id": "B1", "rows_in": 3}),
    )
    found = company(mart)
    assert (found.period, found.headlines, found.migration, found.dots) == ({}, [], [], [])
    assert [row["batch_id"] for row in found.batches] == ["B1"]


def test_no_report_can_be_had_of_a_mart_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NothingPublishedError):
        report_data.read(tmp_path / "mart.duckdb")


def test_partners_and_watched_customers_get_a_page_and_nobody_else(tmp_path: Path) -> None:
    mart = published(
        tmp_path,
        rating("PARTNER", NOW, "strategic", 6, 1),
        rating("EXPECTED", NOW, "core", 5, 1, watch_tier="cultivate", watch_direction="down"),
        rating("STOPPED", NOW, "core", 5, 1),
        ("credit_watch", {"customer_id": "STOPPED", "credit_action": "stop"}),
        rating("SUSPECTED", NOW, "core", 5, 1),
        ("conduct_finding", {"customer_id": "SUSPECTED", "kind": "diversion", "confidence": "suspected"}),
        rating("CONCEDED", NOW, "core", 5, 1),
        (
            "conduct_finding",
            {"customer_id": "CONCEDED", "kind": "own_below_floor", "confidence": "own_concession"},
        ),
        rating("CALM", NOW, "core", 5, 1),
        ("credit_watch", {"customer_id": "CALM", "credit_action": "watch"}),
    )
    watched = report_customers.read(mart)
    assert [each.value["customer_id"] for each in watched.customers] == [
        "EXPECTED", "PARTNER", "STOPPED", "SUSPECTED",
    ]  # fmt: skip
    assert watched.total == 4


def test_pages_are_limited_to_the_most_pressing_and_the_rest_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_customers, "MOST_PAGES", 2)
    watch = {"watch_tier": "core", "watch_direction": "up"}
    mart = published(
        tmp_path,
        rating("LARGE", NOW, "marginal", 2, 900, **watch),
        rating("SMALL", NOW, "marginal", 2, 1, **watch),
        rating("PARTNER", NOW, "strategic", 6, 5),
    )
    watched = report_customers.read(mart)
    assert [each.value["customer_id"] for each in watched.customers] == ["LARGE", "PARTNER"]
    assert watched.total == 3


def test_a_month_without_a_sale_stands_in_a_customers_year_as_zero(tmp_path: Path) -> None:
    months = [
        ("customer_month", {"customer_id": "P", "month": month, "net_sales": 10})
        for month in (YEAR_BEFORE, NOW)
    ]
    mart = published(tmp_path, rating("P", NOW, "strategic", 6, 20), *months)
    [found] = report_customers.read(mart).customers
    sales = {row["month"]: row["net_sales"] for row in found.months}
    assert len(sales) == 13
    assert (sales[YEAR_BEFORE], sales[BEFORE], sales[NOW]) == (10, 0, 10)
