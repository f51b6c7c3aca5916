"""A policy that nobody looked at: fitted or scaled so that it does no harm, until a person confirms it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from expectations.gate import Gate
from flows.pipeline import stages
from flows.policy.confirm import asked_of_a_person, confirm
from tests.cases.landed import CUSTOMERS, Case, case, refreshed
from transforms.frames.plan import month_end, months_between
from transforms.policy.model import parse_policy


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, gate: Gate) -> Case:
    return refreshed(tmp_path_factory.mktemp("plant"), "plant-20", gate, policy=None)


def test_a_plant_of_twenty_customers_is_scaled_by_the_median_one(plant: Case) -> None:
    policy = parse_policy(plant.settings.policy_file.read_text("utf-8"))
    assert policy.id == "calibrated-2026-10"
    assert policy.credit.material_amount == 160_000
    assert policy.conduct.arrears.amount_from == 800_000
    assert policy.segments.loyalty_from == Decimal("0.6")


def test_its_largest_loyal_customer_is_core_and_few_are(plant: Case) -> None:
    assert plant.one("customer_value", "K00")["effective_tier"] == "core"
    [counted] = plant.rows(
        "SELECT count(*) AS core FROM customer_value WHERE effective_tier IN ('core', 'strategic')"
    )
    assert 1 <= counted["core"] <= 5


def test_what_is_material_to_the_plant_stops_the_customer_that_owes_it_for_long(
    tmp_path_factory: pytest.TempPathFactory, gate: Gate
) -> None:
    made = case(tmp_path_factory.mktemp("late"), None)
    made.land(CUSTOMERS / "plant-20")
    made.land(CUSTOMERS / "plant-20-late", datetime(2026, 11, 6, 3, tzinfo=UTC))
    made.refresh(gate)
    policy = parse_policy(made.settings.policy_file.read_text("utf-8"))
    assert policy.credit.material_amount == 160_000
    watch = made.one("credit_watch", "K18")
    assert (watch["net_overdue_over_90"], watch["net_oldest_overdue_days"]) == (320_000, 210)
    assert watch["credit_action"] == "stop"
    assert watch["action_reason"].startswith("320,000.00 more than 90 days past due")
    assert made.one("next_action", "K18")["action"] == "stop_credit"


def test_a_fitted_policy_asks_to_be_confirmed_until_it_is(plant: Case, gate: Gate) -> None:
    said = plant.refresh(gate, date(2026, 11, 6))
    assert said is not None
    assert said.unconfirmed
    confirm(plant.settings, "head of sales")
    said = plant.refresh(gate, date(2026, 11, 7))
    assert said is not None
    assert not said.unconfirmed
    text = plant.settings.policy_file.read_text("utf-8")
    plant.settings.policy_file.write_text(text.replace("160000", "170000"), "utf-8")
    said = plant.refresh(gate, date(2026, 11, 8))
    assert said is not None
    assert said.unconfirmed


def test_twelve_customers_are_scaled_by_all_that_the_run_will_rate_and_fitted_to_nothing(
    tmp_path_factory: pytest.TempPathFactory, gate: Gate
) -> None:
    made = case(tmp_path_factory.mktemp("twelve"), None)
    made.land(CUSTOMERS / "twelve")
    stages.load_stage(made.settings, gate)
    days = [month_end(month) for month in months_between(date(2024, 12, 1), date(2026, 10, 1))]
    for day in days:
        stages.rate_stage(made.settings, day, shown=day == days[-1], calibrate_to=days[-1])
    stages.publish_stage(made.settings)
    policy = parse_policy(made.settings.policy_file.read_text("utf-8"))
    assert policy.id == "calibrated-2026-10"
    [counted] = made.rows(
        """SELECT count(*) FILTER (effective_tier IN ('core', 'strategic')) AS core,
               count(*) FILTER (volume_score = 100) AS ends FROM customer_value"""
    )
    assert counted["core"] in (2, 3)
    assert counted["ends"] <= 1


def test_status_asks_for_a_confirmation_of_what_nobody_has_read(plant: Case) -> None:
    plant.settings.confirmation_file.unlink(missing_ok=True)
    said = asked_of_a_person(plant.settings)
    assert said is not None
    assert "valuemart policy confirm" in said
    confirm(plant.settings, "head of sales")
    assert asked_of_a_person(plant.settings) is None  # twenty customers are too few to calibrate again
