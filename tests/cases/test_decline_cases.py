"""Customers that leave, come back, grow or only pause: the right word for each, what to do, and what is told of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import duckdb
import pytest

from expectations.gate import Gate
from flows.pipeline import stages
from tests.cases.landed import AS_OF, CUSTOMERS, Case, case


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, gate: Gate) -> Case:
    """Rated at the end of September, then as of AS_OF: the second time tells what changed in October."""
    made = case(tmp_path_factory.mktemp("planted"))
    made.land(CUSTOMERS / "planted")
    made.refresh(gate, date(2026, 9, 30))
    made.refresh(gate)
    return made


def told(planted: Case) -> list[tuple[str, str, str]]:
    """Customer, type and state of every event about a decline."""
    with duckdb.connect(str(planted.settings.warehouse_file), read_only=True) as connection:
        return connection.execute(
            """SELECT customer_id, type, json_extract_string(body, '$.data.decline_state') FROM ops.outbox
               WHERE type LIKE '%.decline.%' ORDER BY ALL"""
        ).fetchall()


def test_who_has_been_silent_for_fourteen_months_is_to_be_won_back(planted: Case) -> None:
    value = planted.one("customer_value", "P23DORM")
    assert (value["decline_state"], value["decline_stake"]) == ("lapsed", Decimal(720_000))
    action = planted.one("next_action", "P23DORM")
    assert (action["action"], action["at_stake"]) == ("win_back", Decimal(720_000))
    assert action["reason"] == "last order 442 days ago, usual gap 31"
    call = planted.one("call_now", "P23DORM")
    assert (call["sign"], call["stake"]) == ("lapsed", Decimal(720_000))


@pytest.mark.parametrize("customer", ["W0", "W1", "W2", "W3"])
def test_who_bought_half_of_it_in_the_last_months_is_to_be_called(planted: Case, customer: str) -> None:
    value = planted.one("customer_value", customer)
    assert (value["decline_state"], value["pace_ratio"]) == ("declining", Decimal("0.466667"))
    assert value["decline_stake"] == 96_000
    assert planted.one("next_action", customer)["action"] == "call"


def test_who_grows_by_five_percent_a_month_is_named(planted: Case) -> None:
    value = planted.one("customer_value", "P12GROW")
    assert (value["decline_state"], value["is_growing"]) == ("none", True)
    assert value["decline_reason"].startswith("quantity of 3 months 1.79")


@pytest.mark.parametrize(
    "customer", ["P02YEARLY", "P04SEASON", "P04BSEAS10", "P05RETURN", "P01FLAT", "P03SHIFT", "P20DAILY"]
)
def test_who_comes_in_its_own_rhythm_is_not_warned_of(planted: Case, customer: str) -> None:
    assert planted.one("customer_value", customer)["decline_state"] == "none"


@pytest.mark.parametrize("customer", ["P07OLD", "P07NEW", "P13NEW2", "P15BSAMPLE"])
def test_nothing_is_said_of_who_is_inactive_new_or_no_customer(planted: Case, customer: str) -> None:
    assert planted.one("customer_value", customer)["decline_state"] is None


def test_what_stands_at_first_is_known_and_what_changes_is_told_once(planted: Case) -> None:
    assert told(planted) == [
        (customer, "valuemart.customer.decline.warned.v1", "declining")
        for customer in ("W0", "W1", "W2", "W3")
    ]
    stages.rate_stage(planted.settings, AS_OF)
    assert len(told(planted)) == 4
