"""A small company with planted misconduct, from landed extracts to the published mart: who is flagged, and who is told."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.contract import load
from expectations.gate import Gate
from flows import settings, stages
from flows.demo.world import World, build_world, write_month
from transforms.periods import months_before
from transforms.plan import month_end

LAST_MONTH = date(2025, 5, 1)
MONTHS = 9  # the planted misconduct shows within them: chronic arrears take the longest
MISCONDUCT = {"diverting_speculator": "diversion", "dumper": "dumping", "arrears": "arrears"}
CURRENT = ("conduct_finding", "customer_structure", "value_curve", "next_action")


@dataclass(frozen=True)
class Company:
    """A home in which the company was rated twice: before any misconduct showed, and at the end."""

    world: World
    settings: settings.Settings

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.settings.mart_file), read_only=True) as mart:
            return mart.execute(sql).fetchall()

    def who(self, role: str) -> str:
        return self.world.planted[role].customer_id

    def told(self) -> list[dict[str, Any]]:
        lines = [
            line
            for file in sorted(self.settings.events_folder.glob("*.jsonl"))
            for line in file.read_text(encoding="utf-8").splitlines()
        ]
        return [event for line in lines if ".conduct." in (event := json.loads(line))["type"]]


def bring_up(company: settings.Settings, as_of: date) -> None:
    stages.rate_stage(company, as_of)
    stages.publish_stage(company)
    stages.relay_stage(company)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    configured = settings.Settings(home=tmp_path_factory.mktemp("conduct") / "home")
    world = build_world(customers=46, months=MONTHS, last_month=LAST_MONTH)
    for month in world.months:
        write_month(world, month, configured.inbox)
    stages.load_stage(configured, Gate())
    bring_up(configured, month_end(months_before(LAST_MONTH, MONTHS - 1)))
    bring_up(configured, month_end(LAST_MONTH))
    return Company(world, configured)


def test_whose_misconduct_was_planted_is_confirmed_and_nobody_else(company: Company) -> None:
    found = company.rows("SELECT customer_id, kind FROM conduct_finding WHERE confidence = 'confirmed'")
    assert sorted(found) == sorted((company.who(role), kind) for role, kind in MISCONDUCT.items())


def test_nobody_is_suspected_who_did_nothing(company: Company) -> None:
    planted = [company.who(role) for role in MISCONDUCT]
    found = company.rows("SELECT customer_id FROM conduct_finding WHERE confidence = 'suspected'")
    assert [customer for (customer,) in found if customer not in planted] == []


def test_what_we_let_go_below_our_own_floor_is_our_concession(company: Company) -> None:
    found = company.rows("SELECT customer_id, kind FROM conduct_finding WHERE confidence = 'own_concession'")
    assert found == [(company.who("loss_making_giant"), "own_below_floor")]


def test_a_flagged_customer_s_next_action_is_to_look_into_it_or_to_stop_its_credit(company: Company) -> None:
    actions = dict(company.rows("SELECT customer_id, action FROM next_action"))
    assert {role: actions[company.who(role)] for role in MISCONDUCT} == {
        "diverting_speculator": "investigate",
        "dumper": "investigate",
        "arrears": "stop_credit",
    }


def test_every_rated_customer_has_one_next_action(company: Company) -> None:
    rated = company.rows("SELECT customer_id FROM customer_value ORDER BY 1")
    assert company.rows("SELECT customer_id FROM next_action ORDER BY 1") == rated


def test_the_structure_of_a_period_sums_to_the_customers_ratings(company: Company) -> None:
    levels = company.rows(
        """SELECT DISTINCT structure.net_sales_12m = rated.net_sales
           FROM (SELECT period, level, sum(net_sales_12m) AS net_sales_12m FROM customer_structure GROUP BY ALL) AS structure
           JOIN (SELECT period, sum(net_sales_12m) AS net_sales FROM customer_value_history GROUP BY ALL) AS rated USING (period)"""
    )
    assert levels == [(True,)]
    periods = "SELECT DISTINCT period FROM {} ORDER BY 1"
    assert company.rows(periods.format("customer_structure")) == company.rows(
        periods.format("customer_value_history")
    )


def test_the_value_curve_ends_at_the_contribution_of_all(company: Company) -> None:
    (total,) = company.rows("SELECT sum(contribution_12m) FROM customer_value")
    assert company.rows("SELECT arg_max(cumulative_contribution, place) FROM value_curve") == [total]


@pytest.mark.parametrize("table", CURRENT)
def test_a_key_is_one_row(company: Company, table: str) -> None:
    key = ", ".join(load(table).key)
    assert company.rows(f"SELECT {key} FROM {table} GROUP BY ALL HAVING count(*) > 1") == []


def test_misconduct_that_appeared_was_told_and_the_first_rating_was_silent(company: Company) -> None:
    flagged = [event["data"] for event in company.told()]
    assert sorted((each["customer_id"], each["kind"], each["confidence"]) for each in flagged) == sorted(
        (company.who(role), kind, "confirmed") for role, kind in MISCONDUCT.items()
    )
    assert {each["as_of"] for each in flagged} == {month_end(LAST_MONTH).isoformat()}


def test_sales_cells_sum_to_the_customer_s_months(company: Company) -> None:
    with duckdb.connect(str(company.settings.warehouse_file), read_only=True) as warehouse:
        apart = warehouse.execute(
            """SELECT count(*) FROM
                   (SELECT company_code, customer_id, month, sum(net_sales) AS net_sales, sum(contribution) AS contribution
                    FROM rated.sales_cell GROUP BY ALL) AS cell
               FULL JOIN rated.customer_month AS of_month USING (company_code, customer_id, month)
               WHERE cell.net_sales IS DISTINCT FROM of_month.net_sales"""
        ).fetchall()
    assert apart == [(0,)]


def test_a_second_refresh_changes_nothing_and_tells_nothing(company: Company) -> None:
    def state() -> dict[str, list[tuple[Any, ...]]]:
        return {table: company.rows(f"FROM {table} ORDER BY ALL") for table in CURRENT}

    before, told = state(), company.told()
    bring_up(company.settings, month_end(LAST_MONTH))
    assert state() == before
    assert company.told() == told


def test_the_day_after_the_findings_speak_for_that_day_and_nothing_else_differs(
    company: Company, tmp_path: Path
) -> None:
    home = shutil.copytree(company.settings.home, tmp_path / "home", symlinks=True)
    later = Company(company.world, settings.Settings(home=home))
    bring_up(later.settings, date(2025, 6, 1))
    for table in ("customer_structure", "value_curve"):
        assert later.rows(f"FROM {table} ORDER BY ALL") == company.rows(f"FROM {table} ORDER BY ALL")
    assert later.rows("SELECT DISTINCT as_of FROM conduct_finding") == [(date(2025, 6, 1),)]
    assert later.told() == company.told()
