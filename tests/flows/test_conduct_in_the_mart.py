"""What the published mart says beside the ratings: conduct, structure, value curve, next actions; and who is told."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from expectations.contract import load
from flows import settings
from tests.sample_company import BASELINE, DEFAULT_POLICY, LAST_DAY, SampleCompany, update

CURRENT = (
    "conduct_finding",
    "customer_structure",
    "value_curve",
    "next_action",
    "partner_card",
    "import_substitution",
    "new_product_adoption",
    "new_product_buyer",
    "explanation",
    "explanation_term",
)


def copy_of(company: SampleCompany, home: Path) -> SampleCompany:
    """The same company in another home, for who goes on with it."""
    shutil.copytree(company.settings.home, home, symlinks=True)
    return SampleCompany(company.world, settings.Settings(home=home, policy=DEFAULT_POLICY))


def test_every_rated_customer_but_who_is_succeeded_has_one_next_action(sample_company: SampleCompany) -> None:
    rated = sample_company.rows(
        "SELECT customer_id FROM customer_value WHERE effective_tier <> 'succeeded' ORDER BY 1"
    )
    assert sample_company.rows("SELECT customer_id FROM next_action ORDER BY 1") == rated


def test_every_rated_customer_is_explained_and_the_terms_sum_to_the_change_of_its_score(
    sample_company: SampleCompany,
) -> None:
    rated = sample_company.rows("SELECT customer_id, score FROM customer_value ORDER BY 1")
    assert sample_company.rows("SELECT customer_id, score_to FROM explanation ORDER BY 1") == rated
    terms = sample_company.rows(
        """SELECT count(*), count(*) FILTER (delta IS DISTINCT FROM change), count(*) FILTER (points IS DISTINCT FROM score_to)
           FROM (SELECT customer_id, any_value(score_to - score_from) AS change, any_value(score_to) AS score_to
                 FROM explanation GROUP BY 1)
           JOIN (SELECT customer_id, sum(delta) AS delta, sum(points_to) AS points FROM explanation_term GROUP BY 1)
               USING (customer_id)"""
    )
    assert terms == [(len(rated), 0, 0)]


def test_what_is_explained_is_compared_with_the_month_before(sample_company: SampleCompany) -> None:
    apart = sample_company.rows(
        """SELECT count(*) FROM explanation
           LEFT JOIN customer_value_history AS before
               ON before.customer_id = explanation.customer_id AND before.period = explanation.period_before
           WHERE explanation.score_from IS DISTINCT FROM before.score
              OR explanation.period_before <> explanation.period - INTERVAL 1 MONTH"""
    )
    assert apart == [(0,)]


def test_every_strategic_customer_has_a_card_and_nobody_else(sample_company: SampleCompany) -> None:
    partners = sample_company.rows(
        "SELECT customer_id FROM customer_value WHERE effective_tier = 'strategic' ORDER BY 1"
    )
    assert (sample_company.who("strategic_partner"),) in partners
    assert sample_company.rows("SELECT customer_id FROM partner_card ORDER BY 1") == partners
    name, joint_work, overdue = sample_company.one(
        "name, joint_work_12m, overdue", "partner_card", "strategic_partner"
    )
    assert name
    assert joint_work > 0
    assert overdue >= 0


def test_the_structure_of_a_period_sums_to_the_customers_ratings(sample_company: SampleCompany) -> None:
    levels = sample_company.rows(
        """SELECT DISTINCT structure.net_sales_12m = rated.net_sales
           FROM (SELECT period, level, sum(net_sales_12m) AS net_sales_12m FROM customer_structure GROUP BY ALL) AS structure
           JOIN (SELECT period, sum(net_sales_12m) AS net_sales FROM customer_value_history GROUP BY ALL) AS rated USING (period)"""
    )
    assert levels == [(True,)]
    periods = "SELECT DISTINCT period FROM {} ORDER BY 1"
    assert sample_company.rows(periods.format("customer_structure")) == sample_company.rows(
        periods.format("customer_value_history")
    )


def test_the_value_curve_ends_at_the_contribution_of_all(sample_company: SampleCompany) -> None:
    (total,) = sample_company.rows("SELECT sum(contribution_12m) FROM customer_value")
    assert sample_company.rows("SELECT arg_max(cumulative_contribution, place) FROM value_curve") == [total]


@pytest.mark.parametrize("table", CURRENT)
def test_a_key_is_one_row(sample_company: SampleCompany, table: str) -> None:
    key = ", ".join(load(table).key)
    assert sample_company.rows(f"SELECT {key} FROM {table} GROUP BY ALL HAVING count(*) > 1") == []


def test_misconduct_that_appeared_was_told_once_and_what_stood_at_the_first_rating_then(
    sample_company: SampleCompany,
) -> None:
    assert BASELINE < LAST_DAY
    told = [
        (data["as_of"], data["customer_id"], data["kind"], data["confidence"])
        for data in (each["data"] for each in sample_company.told(".conduct.flagged."))
    ]
    assert len(told) == len(set(told))
    assert {day for day, *_ in told} == {BASELINE.isoformat(), LAST_DAY.isoformat()}
    misconduct = {"diverting_speculator": "diversion", "dumper": "dumping", "arrears": "arrears"}
    assert sorted(found for day, *found in told if day == LAST_DAY.isoformat()) == sorted(
        [sample_company.who(role), kind, "confirmed"] for role, kind in misconduct.items()
    )


def test_sales_cells_sum_to_the_customer_s_months(sample_company: SampleCompany) -> None:
    with duckdb.connect(str(sample_company.settings.warehouse_file), read_only=True) as warehouse:
        apart = warehouse.execute(
            """SELECT count(*) FROM
                   (SELECT company_code, customer_id, month, sum(net_sales) AS net_sales, sum(contribution) AS contribution
                    FROM rated.sales_cell GROUP BY ALL) AS cell
               FULL JOIN rated.customer_month AS of_month USING (company_code, customer_id, month)
               WHERE cell.net_sales IS DISTINCT FROM of_month.net_sales"""
        ).fetchall()
    assert apart == [(0,)]


def test_a_second_refresh_changes_nothing_and_tells_nothing(
    sample_company: SampleCompany, tmp_path: Path
) -> None:
    again = copy_of(sample_company, tmp_path / "home")
    update(again.settings, LAST_DAY)
    for table in CURRENT:
        assert again.rows(f"FROM {table} ORDER BY ALL") == sample_company.rows(f"FROM {table} ORDER BY ALL")
    assert again.told() == sample_company.told()


def test_the_day_after_the_findings_speak_for_that_day_and_nothing_else_differs(
    sample_company: SampleCompany, tmp_path: Path
) -> None:
    later = copy_of(sample_company, tmp_path / "home")
    day_after = LAST_DAY + timedelta(days=1)
    update(later.settings, day_after)
    for table in ("customer_structure", "value_curve"):
        assert later.rows(f"FROM {table} ORDER BY ALL") == sample_company.rows(f"FROM {table} ORDER BY ALL")
    assert later.rows("SELECT DISTINCT as_of FROM conduct_finding") == [(day_after,)]
    assert later.told(".conduct.") == sample_company.told(".conduct.")
