"""P07: a customer closed under one number and opened under another is one customer, once somebody says so; and two again."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from expectations.gate import Gate
from flows.policy.credit_order import decide_order
from tests.cases.landed import AS_OF, CUSTOMERS, Case, case

SAYS_SO = "old_customer_id,new_customer_id,valid_from,reason,is_deleted\nP07OLD,P07NEW,2026-07-01,new legal form,{gone}\n"
OLD, NEW = "P07OLD", "P07NEW"


def say(made: Case, folder: Path, at: datetime, *, gone: bool) -> None:
    folder.mkdir()
    (folder / "customer_successions.csv").write_text(SAYS_SO.format(gone=str(gone).lower()), encoding="utf-8")
    made.land(folder, at)


@pytest.fixture(scope="module")
def unsaid(tmp_path_factory: pytest.TempPathFactory, gate: Gate) -> Case:
    """Rated month by month before anybody says that the one continues the other."""
    made = case(tmp_path_factory.mktemp("p07"))
    made.land(CUSTOMERS / "planted")
    for day in (date(2026, 7, 5), date(2026, 8, 5), date(2026, 9, 5), AS_OF):
        made.refresh(gate, day)
    return made


@pytest.fixture(scope="module")
def before(unsaid: Case) -> dict[str, dict[str, object]]:
    """What was said of both numbers until then."""
    return {each: dict(unsaid.one("customer_value", each)) for each in (OLD, NEW)}


@pytest.fixture(scope="module")
def said(
    unsaid: Case, before: dict[str, object], tmp_path_factory: pytest.TempPathFactory, gate: Gate
) -> Case:
    counted = unsaid.rows("SELECT customers FROM company_period ORDER BY period DESC LIMIT 1")
    say(unsaid, tmp_path_factory.mktemp("said") / "b", datetime(2026, 11, 7, 2, tzinfo=UTC), gone=False)
    unsaid.refresh(gate)
    before["customers"] = counted[0]["customers"]
    return unsaid


def told_since(made: Case, customer: str) -> list[tuple[str, str | None]]:
    """Type and cause of every event about a customer."""
    with duckdb.connect(str(made.settings.warehouse_file), read_only=True) as connection:
        return connection.execute(
            """SELECT type, json_extract_string(body, '$.data.cause') FROM ops.outbox
               WHERE customer_id = ? ORDER BY sequence""",
            [customer],
        ).fetchall()


def test_the_successor_is_one_continuous_customer(said: Case, before: dict[str, dict[str, object]]) -> None:
    value = said.one("customer_value", NEW)
    assert (value["net_sales_12m"], value["effective_tier"]) == (Decimal(480_000), "core")
    assert (value["continues"], value["succession_on"]) == (OLD, date(2026, 7, 1))
    assert before[NEW]["effective_tier"] == "new"
    assert value["months_of_history"] > 24
    assert value["decline_state"] == "none"


def test_the_old_number_is_in_no_count(said: Case, before: dict[str, object]) -> None:
    value = said.one("customer_value", OLD)
    assert (value["effective_tier"], value["effective_rank"], value["succeeded_by"]) == ("succeeded", 0, NEW)
    [counted] = said.rows("SELECT customers FROM company_period ORDER BY period DESC LIMIT 1")
    assert counted["customers"] == before["customers"] - 1
    assert said.rows(f"SELECT * FROM call_now WHERE customer_id = '{OLD}'") == []
    assert said.rows(f"SELECT * FROM credit_watch WHERE customer_id = '{OLD}'") == []
    assert said.rows(f"SELECT * FROM conduct_finding WHERE customer_id = '{OLD}'") == []
    assert said.rows(f"SELECT * FROM next_action WHERE customer_id = '{OLD}'") == []
    expected = said.one("customer_expectation", OLD)
    assert (expected["expected_net_sales_12m"], expected["expected_basis"]) == (None, "succeeded")


def test_the_closed_months_since_then_are_rated_anew_and_say_why(said: Case) -> None:
    history = said.rows(
        f"SELECT period, effective_tier, cause, tier_since FROM customer_value_by_month WHERE customer_id = '{NEW}' ORDER BY period"
    )
    assert {(row["effective_tier"], row["cause"]) for row in history} == {("core", "succession")}
    # the memory goes back to before the new number was there
    assert {row["tier_since"] for row in history} == {date(2026, 6, 1)}
    [move] = said.rows(f"SELECT from_tier, to_tier, cause FROM tier_change WHERE customer_id = '{NEW}'") or [
        None
    ]
    assert move is None or move["cause"] == "succession"


def test_the_move_is_told_as_a_succession_and_no_fall_of_the_old_one(said: Case) -> None:
    assert ("valuemart.customer.tier.changed.v2", "succession") in told_since(said, NEW)
    assert [each for each in told_since(said, OLD) if each[1] == "succession"] == []


def test_the_mart_and_explain_say_who_continues_whom(said: Case) -> None:
    [row] = said.rows("SELECT customer_id, successor_id, share, succession_on FROM customer_succession")
    assert tuple(row.values()) == (OLD, NEW, Decimal(1), date(2026, 7, 1))
    assert said.one("explanation", OLD)["tier_basis"] == f"succeeded by {NEW} since 2026-07-01"
    assert f"continues {OLD} since 2026-07-01" in said.one("explanation", NEW)["tier_basis"]
    year = said.one("customer_year", NEW)
    assert year["net_sales_year_before"] == Decimal(480_000)


def test_an_order_of_the_old_number_is_sent_to_its_successor(said: Case) -> None:
    with pytest.raises(Exception, match=f"continued by {NEW}"):
        decide_order(said.settings, OLD, None, Decimal(1000))


def test_what_is_unsaid_again_is_as_it_was(
    said: Case, before: dict[str, dict[str, object]], tmp_path_factory: pytest.TempPathFactory, gate: Gate
) -> None:
    say(said, tmp_path_factory.mktemp("unsaid") / "b", datetime(2026, 11, 8, 2, tzinfo=UTC), gone=True)
    said.refresh(gate)
    for customer in (OLD, NEW):
        row = said.one("customer_value", customer)
        again = {name: row[name] for name in row if name not in {"revision", "recorded_at", "cause"}}
        was = {name: before[customer][name] for name in again}
        assert again == was
        assert row["cause"] == "succession"
    assert said.rows("SELECT * FROM customer_succession") == []
