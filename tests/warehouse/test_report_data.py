"""The report's figures, from a mart of a few rows whose answers are worked out by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.warehouse.mart_of_rows import BEFORE, NOW, YEAR_BEFORE, move, published, rating
from tests.warehouse.publishing import POLICY
from warehouse.mart import report, report_customers
from warehouse.mart.files import NothingPublishedError


def company(mart: Path, name: str = "1000") -> report.CompanyData:
    [found] = [each for each in report.read(mart).companies if each.company == name]
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


def test_no_loss_is_known_where_nobodys_contribution_is(tmp_path: Path) -> None:
    nobody = published(tmp_path / "nobody", rating("A", NOW, "core", 5, 100))
    nobody_loses = published(tmp_path / "none", rating("A", NOW, "core", 5, 100, contribution_12m=5))
    assert (headlines(nobody)["loss"], headlines(nobody_loses)["loss"]) == ((None, None), (0, None))


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
        (row["span"], row["from_tier"], row["to_tier"]): (
            row["customers"],
            row["net_sales_before"],
            row["net_sales_after"],
            row["net_sales_difference"],
        )
        for row in company(mart).migration
    }
    assert moves == {
        ("period", "core", "core"): (1, 10, 11, 1),
        ("period", "core", "marginal"): (1, 20, 21, 1),
        ("period", None, "new"): (1, 0, 31, 31),
        ("period", "marginal", None): (1, 40, 0, -40),
        ("year", "cultivate", "core"): (1, 5, 11, 6),
        ("year", None, "marginal"): (1, 0, 21, 21),
        ("year", None, "new"): (1, 0, 31, 31),
    }


def test_a_fall_shows_what_the_customers_bought_before_it(tmp_path: Path) -> None:
    mart = published(
        tmp_path,
        rating("FALLS", YEAR_BEFORE, "core", 5, 3_890),
        rating("FALLS", NOW, "marginal", 2, 1_170),
    )
    [down, together] = [row for row in company(mart).migration_sums if row["span"] == "year"]
    assert (down["direction"], down["net_sales_before"], down["net_sales_after"]) == ("down", 3_890, 1_170)
    assert (together["direction"], together["net_sales_difference"]) == (None, -2_720)


def test_the_changes_of_moves_and_stayers_sum_to_the_change_of_the_company(tmp_path: Path) -> None:
    mart = published(
        tmp_path,
        rating("STAYS", YEAR_BEFORE, "core", 5, 100, contribution_12m=10),
        rating("STAYS", NOW, "core", 5, "90.5", contribution_12m=None),
        rating("FALLS", YEAR_BEFORE, "core", 5, 70, revision=1),
        rating("FALLS", YEAR_BEFORE, "core", 5, 80, revision=2, contribution_12m=7),
        rating("FALLS", NOW, "speculative", 2, 20, contribution_12m=-3),
        rating("TURNS", YEAR_BEFORE, "marginal", 2, 5),
        rating("TURNS", NOW, "speculative", 2, 6),
        rating("COMES", NOW, "new", 3, None),
        rating("GOES", YEAR_BEFORE, "marginal", 2, 40),
        rating("TRIES", YEAR_BEFORE, "prospect", 0, 2),
        rating("TRIES", NOW, "prospect", 0, 9),
        rating("BUYS", YEAR_BEFORE, "prospect", 0, 1),
        rating("BUYS", NOW, "new", 3, 8),
    )
    with duckdb.connect(str(mart), read_only=True) as connection:
        asked = connection.execute(
            """
            SELECT sum(net_sales_difference), sum(contribution_difference), list(DISTINCT direction ORDER BY direction)
            FROM tier_migration WHERE span = 'year'
            """
        ).fetchall()
        whole = connection.execute(
            "SELECT max_by(net_sales, period) - min_by(net_sales, period), "
            "max_by(contribution, period) - min_by(contribution, period) FROM company_period"
        ).fetchall()
    directions = ["appears", "disappears", "down", "lateral", "prospect", "stays"]
    assert asked == [(*whole[0], directions)]


def test_movers_stand_in_the_order_of_the_money_they_moved(tmp_path: Path) -> None:
    mart = published(
        tmp_path,
        *(
            rating(name, NOW, "marginal", 2, sales)
            for name, sales in [("SMALL", 10), ("LARGE", 200), ("FIRST", 5)]
        ),
        move("SMALL", "down", 20, 10),
        move("LARGE", "down", 900, 200),
        move("FIRST", "down", None, None),
    )
    shown = [
        (row["customer_id"], row["net_sales_before"], row["net_sales_after"], row["net_sales_difference"])
        for row in company(mart).movers
    ]
    assert shown == [("LARGE", 900, 200, -700), ("SMALL", 20, 10, -10), ("FIRST", None, 5, None)]


def test_before_and_after_of_a_movement_are_of_the_same_customers(tmp_path: Path) -> None:
    mart = published(
        tmp_path,
        *(rating(name, NOW, "marginal", 2, sales) for name, sales in [("KNOWN", 10), ("LATE", 500)]),
        move("KNOWN", "down", 70, 10, quantity_effect_12m=-50, price_effect_12m=-10),
        move("LATE", "down", None, 500),
    )
    with duckdb.connect(str(mart), read_only=True) as connection:
        found = connection.execute(
            "SELECT customers, net_sales_12m, customers_compared, net_sales_before, net_sales_after, net_sales_difference, "
            "quantity_effect_12m, price_effect_12m FROM tier_movement"
        ).fetchall()
    assert found == [(2, 510, 1, 70, 10, -60, -50, -10)]


def test_the_first_rated_period_has_no_migration(tmp_path: Path) -> None:
    mart = published(tmp_path, rating("A", NOW, "core", 5, 1))
    assert company(mart).migration == []
    assert company(mart).period["before"] is None


def test_the_peak_of_a_long_curve_is_kept_when_it_is_thinned(tmp_path: Path) -> None:
    places = report.CURVE_POINTS * 3
    curve = f"""(SELECT 'C' || i AS customer_id, i::INTEGER AS place, i = 101 AS is_peak, i / {places} AS customer_share
        FROM range(1, {places + 1}) AS all_of(i))"""
    mart = published(
        tmp_path,
        rating("A", NOW, "core", 5, 1),
        ("value_curve", {"of": curve, "period": NOW, "cumulative_share": 1}),
    )
    shown = [row["place"] for row in company(mart).curve]
    assert {1, 101, places} <= set(shown)
    assert len(shown) <= report.CURVE_POINTS + 3


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
    few = company(published(tmp_path / "few", many(report.MOST_DOTS)))
    assert (len(few.dots), few.cells) == (report.MOST_DOTS, [])
    crowd = company(published(tmp_path / "crowd", many(report.MOST_DOTS + 1)))
    assert crowd.dots == []
    assert sum(row["customers"] for row in crowd.cells) == report.MOST_DOTS + 1
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
    assert [each.company for each in report.read(mart).companies] == ["1000", other]
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
        report.read(tmp_path / "mart.duckdb")


def test_every_rated_customer_is_one_of_the_report(tmp_path: Path) -> None:
    mart = published(
        tmp_path,
        rating("PARTNER", NOW, "strategic", 6, 1),
        rating("CALM", NOW, "core", 5, 1),
        rating("NEVER", NOW, "prospect", 0, None),
        rating("GONE", BEFORE, "core", 5, 1),
    )
    found = report_customers.ranked(mart)
    assert sorted(found) == [("1000", "CALM"), ("1000", "NEVER"), ("1000", "PARTNER")]


def test_the_named_the_watched_and_the_largest_come_first_and_are_read_in_turn(tmp_path: Path) -> None:
    mart = published(
        tmp_path,
        rating("LARGE", NOW, "marginal", 2, 900),
        rating("LESS", NOW, "marginal", 2, 800),
        rating("IT'S NAMED", NOW, "marginal", 2, 1),
        rating("PARTNER", NOW, "strategic", 6, 5),
        rating("LARGE", NOW, "marginal", 2, 990, company_code="2000"),
    )
    found = report_customers.ranked(mart, {("1000", "IT'S NAMED"), ("1000", "ELSEWHERE")})
    assert found == [
        ("1000", "IT'S NAMED"), ("1000", "PARTNER"), ("2000", "LARGE"), ("1000", "LARGE"), ("1000", "LESS"),
    ]  # fmt: skip
    in_turn = report_customers.read_in_turn(mart, [found[3:4], found[4:], []])
    assert [[each.value["customer_id"] for each in group] for group in in_turn] == [["LARGE"], ["LESS"], []]


def test_whom_a_list_of_the_report_names_is_named_for_a_page(tmp_path: Path) -> None:
    mart = published(
        tmp_path,
        rating("LOSES", NOW, "marginal", 2, 10, contribution_12m=-5),
        rating("MOVED", NOW, "marginal", 2, 10),
        move("MOVED", "down", 70, 10),
        *(rating(f"BIG {place}", NOW, "marginal", 2, 100 + place) for place in range(4)),
    )
    named = report.read(mart).named()
    assert {("1000", "LOSES"), ("1000", "MOVED"), ("1000", "BIG 3")} <= named
    assert ("1000", "BIG 0") not in named, "the fourth of its quadrant"


def test_a_customers_year_is_held_against_the_same_months_before(tmp_path: Path) -> None:
    mart = published(
        tmp_path,
        rating("A", YEAR_BEFORE, "core", 5, 80),
        rating("A", NOW, "core", 5, 100),
        ("customer_month", {"customer_id": "OTHER", "month": date(2022, 6, 1), "net_sales": 1}),
        ("customer_month", {"customer_id": "A", "month": YEAR_BEFORE, "net_sales": 7}),
        ("customer_month", {"customer_id": "A", "month": NOW, "net_sales": 10}),
    )
    [[found]] = report_customers.read_in_turn(mart, [report_customers.ranked(mart)])
    assert (found.year[0]["net_sales_difference"], found.year[0]["net_sales_share"]) == (20, Decimal("0.25"))
    then = {row["month"]: row["net_sales_year_before"] for row in found.months}
    assert then[NOW] == 7
    assert then[BEFORE] == 0, "nothing was sold then"
    assert then[YEAR_BEFORE] is None, "the data of the company do not reach back"


def test_a_month_without_a_sale_stands_in_a_customers_year_as_zero(tmp_path: Path) -> None:
    months = [
        ("customer_month", {"customer_id": "P", "month": month, "net_sales": 10})
        for month in (YEAR_BEFORE, NOW)
    ]
    mart = published(tmp_path, rating("P", NOW, "strategic", 6, 20), *months)
    [[found]] = report_customers.read_in_turn(mart, [report_customers.ranked(mart)])
    sales = {row["month"]: row["net_sales"] for row in found.months}
    assert len(sales) == 13
    assert (sales[YEAR_BEFORE], sales[BEFORE], sales[NOW]) == (10, 0, 10)
