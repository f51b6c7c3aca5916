"""What a credit manager signs: the customers whose figures were right and whose judgement was not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from expectations.gate import Gate
from flows.policy.credit_order import decide_order
from tests.cases.landed import AS_OF, CUSTOMERS, Case, case, refreshed
from tests.flows.small_company import land


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, gate: Gate) -> Case:
    return refreshed(tmp_path_factory.mktemp("planted"), "planted", gate)


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory, gate: Gate) -> Case:
    return refreshed(tmp_path_factory.mktemp("variants"), "variants", gate)


def test_one_disputed_invoice_is_watched_and_stops_nobody(planted: Case) -> None:
    watch, value = planted.one("credit_watch", "P09DISPUTE"), planted.one("customer_value", "P09DISPUTE")
    assert (watch["credit_action"], watch["action_reason"]) == ("watch", "800,000.00 disputed")
    assert (watch["exposure"], watch["disputed_open"], watch["net_overdue"]) == (850_000, 800_000, 0)
    assert (watch["days_late_12m"], value["cap_tier"]) == (0, None)


def test_an_order_landed_on_the_morning_after_counts_on_the_day_before(planted: Case) -> None:
    watch = planted.one("credit_watch", "P10OVER")
    assert (watch["credit_action"], watch["exposure"]) == ("prepay", 120_000)
    assert watch["action_reason"] == "exposure 120,000.00 above limit 100,000.00"


def test_a_newcomer_without_a_limit_is_asked_about(planted: Case) -> None:
    watch = planted.one("credit_watch", "P13NEW2")
    assert (watch["credit_action"], watch["action_reason"]) == ("watch", "new, no credit limit")
    asked = decide_order(planted.settings, "P13NEW2", None, Decimal(5_000_000)).decision
    assert (asked.answer, asked.reasons) == ("ask", ({"code": "new_and_no_limit_set"},))


def test_who_has_bought_for_long_is_not_called_new_because_it_never_owed_anything(
    tmp_path: Path, gate: Gate
) -> None:
    # OLD pays at the till; only OWES is in the customer ledger.
    folder = tmp_path / "extract"
    folder.mkdir()
    header = "document_id,line_id,document_type,invoice_date,customer_id,quantity,uom,net_amount,currency,company_currency"
    lines = [f"O{month},1,invoice,2026-{month:02d}-10,OLD,1,PCE,100,EUR,EUR" for month in range(1, 11)]
    lines.append("N10,1,invoice,2026-10-10,NEW,1,PCE,100,EUR,EUR")
    rows = [f"{line},100,false" for line in lines]
    (folder / "invoice_lines.csv").write_text(
        "\n".join([f"{header},net_amount_company,is_cancelled", *rows]) + "\n"
    )
    (folder / "customers.csv").write_text(
        "customer_id,name,status\nOLD,Old,active\nNEW,New,active\nOWES,Owes,active\n"
    )
    (folder / "receivables.csv").write_text(
        "item_id,customer_id,item_type,posting_date,due_date,original_amount,currency,original_amount_company,company_currency\n"
        "I1,OWES,invoice,2026-10-20,2026-11-20,100,EUR,100,EUR\n"
    )
    made = case(tmp_path / "home")
    made.land(folder)
    made.refresh(gate)
    answers = {
        who: decide_order(made.settings, who, None, Decimal(5_000_000)).decision.answer
        for who in ("OLD", "NEW", "OWES")
    }
    assert answers == {"OLD": "allowed", "NEW": "ask", "OWES": "ask"}


def test_a_limit_in_another_currency_is_converted(planted: Case) -> None:
    watch = planted.one("credit_watch", "P14TWOCUR")
    assert (watch["credit_limit"], watch["exposure"], watch["credit_action"]) == (54_000, 218_000, "prepay")
    assert (watch["credit_limit_reason"], watch["limit_rate_on"]) == (None, date(2026, 10, 1))


def test_bank_fees_left_open_make_nobody_late(planted: Case) -> None:
    watch = planted.one("credit_watch", "P16SHORT")
    assert round(watch["days_late_12m"], 2) == Decimal("0.24")
    assert (watch["days_late_p90_12m"], watch["credit_action"]) == (0, "open")


def test_cash_on_account_pays_what_it_would_be_applied_to(planted: Case) -> None:
    watch, value = planted.one("credit_watch", "P17ONACC"), planted.one("customer_value", "P17ONACC")
    assert (watch["credit_action"], watch["to_be_applied"], watch["days_late_12m"]) == ("open", 250_000, 0)
    assert (value["effective_tier"], value["cap_tier"]) == ("core", None)


def test_cash_applied_later_changes_nothing_net(tmp_path: Path, gate: Gate) -> None:
    made = refreshed(tmp_path / "home", "planted", gate)
    applied = tmp_path / "applied"
    applied.mkdir()
    day = date(2026, 11, 20)
    (applied / "receivables.csv").write_text(_applied(day), encoding="utf-8")
    made.land(applied, datetime(2026, 11, 21, 2, tzinfo=UTC))
    made.refresh(gate, day)
    watch = made.one("credit_watch", "P17ONACC")
    assert (watch["to_be_applied"], watch["credit_action"], watch["days_late_p90_12m"]) == (0, "open", 0)
    # the invoice of 14 November is the only one that is late
    assert watch["net_overdue"] == 50_000
    assert made.one("customer_value", "P17ONACC")["effective_tier"] == "core"


def _applied(day: date) -> str:
    """The ledger of P17ONACC with its five payments on account and the five oldest open invoices cleared on a day."""
    import csv
    import gzip
    import io

    with gzip.open(CUSTOMERS / "planted" / "receivables.csv.gz", "rt", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["customer_id"] == "P17ONACC"]
    still_open = [row for row in rows if not row["cleared_date"]]
    on_account = [row for row in still_open if row["item_type"] == "payment_on_account"]
    invoices = sorted(
        (row for row in still_open if row["item_type"] == "invoice"), key=lambda row: row["due_date"]
    )
    for row in [*on_account, *invoices[: len(on_account)]]:
        row["cleared_date"] = day.isoformat()
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def test_returns_are_nothing_collected_and_nothing_late(planted: Case) -> None:
    watch = planted.one("credit_watch", "P21RETALL")
    assert (watch["collection_effectiveness"], watch["days_late_12m"], watch["dso_countback"]) == (
        None,
        None,
        0,
    )


def test_a_stop_shows_at_the_others_of_the_group_and_a_member_without_limit_switches_nothing_off(
    planted: Case,
) -> None:
    stopped = planted.one("credit_watch", "P22A")
    assert (stopped["credit_action"], stopped["group_exposure"], stopped["group_limit"]) == (
        "stop",
        160_000,
        200_000,
    )
    for other in ("P22B", "P22C"):
        watch = planted.one("credit_watch", other)
        assert (watch["credit_action"], watch["group_headroom"]) == ("watch", 40_000)
        assert "P22A of the same group is at stop" in watch["action_reason"]
        assert planted.one("customer_value", other)["cap_tier"] is None
    asked = decide_order(planted.settings, "P22C", None, Decimal(10_000_000)).decision
    assert asked.answer == "prepay"


def test_who_always_pays_75_days_late_prepays_and_keeps_its_tier(planted: Case) -> None:
    watch, value = planted.one("credit_watch", "P24ARREAR"), planted.one("customer_value", "P24ARREAR")
    assert (watch["days_late_12m"], watch["credit_action"]) == (Decimal("69.5"), "prepay")
    assert value["effective_tier"] == "core"


def test_a_policy_may_gate_chronic_lateness(tmp_path: Path, gate: Gate) -> None:
    from flows.pipeline.rate import default_policy

    policy = tmp_path / "policy.toml"
    policy.write_text(
        default_policy().replace('chronic_lateness = "off"', 'chronic_lateness = "cultivate"'),
        encoding="utf-8",
    )
    made = refreshed(tmp_path / "home", "planted", gate, policy=policy)
    value = made.one("customer_value", "P24ARREAR")
    assert (value["effective_tier"], value["cap_reason"]) == ("cultivate", "chronic_lateness")


def test_who_is_blocked_in_the_erp_is_stopped_and_keeps_its_tier(planted: Case) -> None:
    watch, value = planted.one("credit_watch", "P26BLOCK"), planted.one("customer_value", "P26BLOCK")
    assert (watch["credit_action"], watch["action_reason"]) == ("stop", "blocked in the ERP")
    assert value["cap_tier"] is None


def test_an_overpayment_hides_no_lateness(planted: Case) -> None:
    watch = planted.one("credit_watch", "P27OVERPAY")
    assert round(watch["days_late_12m"], 2) == Decimal("38.46")
    assert (watch["days_late_p90_12m"], watch["credit_grade"]) == (40, "D")


@pytest.mark.parametrize(("customer", "days"), [("RESID1", "0.009"), ("RETENT", "0.071")])
def test_a_rest_counts_with_what_is_left_of_it(variants: Case, customer: str, days: str) -> None:
    watch = variants.one("credit_watch", customer)
    assert round(watch["days_late_12m"], 3) == Decimal(days)
    assert watch["credit_action"] == "open"


def test_overpaying_by_one_changes_next_to_nothing(variants: Case) -> None:
    exact, over = variants.one("credit_watch", "EXACT40"), variants.one("credit_watch", "OVER40")
    assert abs(exact["days_late_12m"] - Decimal("38.54")) < Decimal("0.05")
    assert abs(exact["days_late_12m"] - over["days_late_12m"]) < Decimal("0.05")
    assert (exact["days_late_p90_12m"], over["days_late_p90_12m"]) == (40, 40)
    assert exact["credit_action"] == over["credit_action"]


@pytest.mark.parametrize("customer", ["DISP20", "TINYSEV"])
def test_a_small_dispute_or_a_forgotten_invoice_is_watched_and_gates_nobody(
    variants: Case, customer: str
) -> None:
    watch, value = variants.one("credit_watch", customer), variants.one("customer_value", customer)
    assert (watch["credit_action"], value["cap_tier"]) == ("watch", None)


def test_the_nightly_run_and_the_question_before_a_sale_see_todays_orders(tmp_path: Path, gate: Gate) -> None:
    made = case(tmp_path)
    made.land(CUSTOMERS / "open-orders", datetime(2026, 11, 6, 1, tzinfo=UTC))
    made.refresh(gate, AS_OF)
    assert made.one("credit_watch", "C0")["next_order_headroom"] == -20_000
    assert decide_order(made.settings, "C0", None, Decimal(1)).decision.answer == "prepay"


def test_a_day_rated_again_sees_the_orders_it_saw(tmp_path: Path, gate: Gate) -> None:
    made = case(tmp_path)
    made.land(CUSTOMERS / "open-orders", datetime(2026, 11, 6, 1, tzinfo=UTC))
    made.refresh(gate, AS_OF)
    orders = [
        {
            "order_id": f"O{number}",
            "line_id": "1",
            "customer_id": f"C{number - 1}",
            "amount": 90_000,
            "promised_on": AS_OF,
        }
        for number in (1, 2, 3)
    ]
    land(made.settings, {"open_orders": orders}, taken=AS_OF + timedelta(days=4), sequence=99)
    made.refresh(gate, AS_OF + timedelta(days=3))
    assert made.one("credit_watch", "C2")["credit_action"] == "prepay"
    made.refresh(gate, AS_OF)
    assert made.one("credit_watch", "C2")["credit_action"] == "open"
