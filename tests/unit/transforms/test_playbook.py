"""One next action a customer, and the card of a strategic partner."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from flows.wording.reasons import with_text
from tests.unit.transforms.small_worlds import facts, frame, one, policy
from transforms.conduct.evidence import FINDING
from transforms.credit.watch import WATCHED
from transforms.frames.schemas import NEXT_ACTION, PARTNER_CARD
from transforms.rating.period import RATED, RatedPeriod
from transforms.rating.playbook import next_actions, partner_cards, playbook_table, plays

AS_OF = date(2024, 12, 31)
SIGHTED = {"code": "sighted_elsewhere", "counted": 7, "out_of": 9, "name": "photo 1"}
SLIPS = {"watch_tier": "marginal", "watch_direction": "down", "watch_deadline": date(2025, 2, 28)}
LACKS = {"code": "below_bar", "subject": "loyalty", "value": Decimal("0.1"), "bar": Decimal("0.57")}


def rated(
    *customers: dict[str, Any],
    credit: list[dict[str, Any]] | None = None,
    conduct: list[dict[str, Any]] | None = None,
) -> RatedPeriod:
    rows = [
        {"net_sales_12m": 1000, "memory_tier": each.get("effective_tier", "marginal")} | each
        for each in customers
    ]
    return RatedPeriod(
        values=frame(RATED, rows),
        credit=None if credit is None else frame(WATCHED, credit),
        conduct=frame(FINDING, conduct or []),
    )


def action(period: RatedPeriod, **extracts: Any) -> dict[str, Any]:
    found = next_actions(period, facts([], **extracts), AS_OF, policy()).collect()
    assert with_text(found).schema == NEXT_ACTION
    return one(found)


def in_tier(tier: str, **other: Any) -> RatedPeriod:
    return rated({"effective_tier": tier, **other})


def owing(credit_action: str) -> list[dict[str, Any]]:
    figures = {
        "net_overdue": 100,
        "overdue_1_30": 40,
        "overdue_31_60": 0,
        "overdue_61_90": 0,
        "overdue_over_90": 60,
    }
    return [
        {
            "credit_action": credit_action,
            "action_reason": [{"code": "limit_of_nothing"}],
            "disputed": 7,
            **figures,
        }
    ]


@pytest.mark.parametrize(
    ("said", "expected"), [("stop", "stop_credit"), ("prepay", "prepay"), ("watch", "maintain")]
)
def test_credit_comes_before_everything(said, expected):
    found = action(rated({"effective_tier": "marginal"}, credit=owing(said)))
    assert found["action"] == expected
    assert found["at_stake"] == (None if expected == "maintain" else 100)


def net(**figures: Any) -> list[dict[str, Any]]:
    """A customer that nothing is asked of by its credit action, with these net figures."""
    nothing = {"net_owed": 0, "to_be_applied": 0, "disputed_open": 0, "yearly_sales": 100_000}
    return [owing("open")[0] | nothing | figures]


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ({"to_be_applied": 1000, "net_owed": 9000}, "apply_cash"),
        ({"to_be_applied": 999, "net_owed": 0}, "maintain"),  # below material_amount
        ({"to_be_applied": 1000, "net_owed": 9001}, "maintain"),  # below a tenth of what is open
        ({"to_be_applied": 1000, "yearly_sales": 200_000}, "apply_cash"),
        ({"to_be_applied": 1000, "yearly_sales": 200_001}, "maintain"),  # below 0.5 % of a year's sales
        ({"disputed_open": 1000, "net_owed": 9000}, "settle_dispute"),
        ({"disputed_open": 999}, "maintain"),
        ({"to_be_applied": 5000, "disputed_open": 4000}, "apply_cash"),
    ],
)
def test_what_is_to_be_cleared_up_in_the_ledger_presses_where_it_is_material(figures, expected):
    material = policy(
        credit__material_amount=1000,
        credit__material_share=Decimal("0.1"),
        credit__material_sales_share=Decimal("0.005"),
    )
    period = rated({"effective_tier": "marginal"}, credit=net(**figures))
    found = one(next_actions(period, facts([]), AS_OF, material).collect())
    assert found["action"] == expected
    stake = {"apply_cash": "to_be_applied", "settle_dispute": "disputed_open"}.get(expected)
    assert found["at_stake"] == (figures[stake] if stake else None)


def test_what_is_to_be_cleared_up_comes_before_asking_for_prepayment_and_behind_a_stop():
    figures = {"to_be_applied": 50_000, "disputed_open": 40_000}
    said = [
        (found["action"], found["also"])
        for credit_action in ("stop", "prepay", "open")
        for found in [action(rated({}, credit=[net(**figures)[0] | {"credit_action": credit_action}]))]
    ]
    assert said == [
        ("stop_credit", "apply_cash, settle_dispute"),
        ("apply_cash", "settle_dispute, prepay"),
        ("apply_cash", "settle_dispute"),
    ]


def test_what_else_holds_is_named_in_the_order_of_the_playbook_and_never_that_nothing_presses():
    watch = {"watch_tier": "marginal", "watch_direction": "down", "watch_deadline": date(2025, 2, 28)}
    pressed = rated(
        {"effective_tier": "strategic", "contribution_12m": -5, **watch, "watch_gap": [LACKS]},
        credit=owing("prepay"),
    )
    found = action(pressed)
    assert (found["action"], found["also"]) == ("prepay", "renegotiate, protect, partner")
    assert action(in_tier("marginal"))["also"] is None
    assert action(in_tier("marginal", contribution_12m=-5))["also"] is None


@pytest.mark.parametrize(
    ("months", "season", "expected", "said"),
    [
        (
            24,
            None,
            "handle_speculator",
            "1,000.00 in a year in no rhythm, loyalty 0.2: look at prices, territory and credit, promise no exclusivity",
        ),
        (24, 4, "maintain", None),
        (23, None, "maintain", "irregular so far, customer for 23 months"),
    ],
)
def test_who_buys_much_and_irregularly_is_handled_once_two_years_have_told_it_from_a_season(
    months, season, expected, said
):
    found = action(in_tier("speculative", loyalty="0.2", months_of_history=months, season_months=season))
    assert (found["action"], found["reason"]) == (expected, said)
    assert found["at_stake"] == (1000 if expected == "handle_speculator" else None)


def test_suspicion_is_to_be_looked_into_with_its_evidence():
    conduct = [
        {"kind": "diversion", "confidence": "suspected", "evidence": [SIGHTED]},
        {"kind": "arrears", "confidence": "none"},
        {"kind": "own_below_floor", "confidence": "own_concession"},
    ]
    found = action(rated({"effective_tier": "core", "contribution_12m": -5}, conduct=conduct))
    assert (found["action"], found["reason"]) == (
        "investigate",
        "suspected diversion: 7 of 9 sightings elsewhere: photo 1",
    )
    assert action(rated({"effective_tier": "marginal"}, conduct=conduct[1:]))["action"] == "maintain"


def test_who_costs_more_than_it_brings_is_renegotiated():
    found = action(in_tier("marginal", contribution_12m="-1250.5"))
    assert (found["action"], found["at_stake"]) == ("renegotiate", Decimal("1250.5"))
    assert found["reason"] == "costs 1,250.50 more than it brings, through cost"


def test_a_prospect_that_costs_samples_has_no_terms_to_renegotiate():
    assert action(in_tier("prospect", net_sales_12m=0, contribution_12m=-100))["action"] == "maintain"


@pytest.mark.parametrize(
    ("figures", "selling"),
    [
        ({"effective_tier": "cultivate"}, "cultivate"),
        ({"effective_tier": "new", "months_of_history": 3}, "welcome"),
        ({"decline_state": "lapsed", "decline_stake": 900_000}, "win_back"),
        ({"decline_state": "declining", "decline_stake": 900_000}, "call"),
    ],
)
@pytest.mark.parametrize("status", ["active", "blocked", "inactive"])
def test_nobody_is_to_sell_more_to_whom_the_master_calls_blocked_or_inactive(
    figures: dict[str, Any], selling: str, status: str
) -> None:
    period = rated({"effective_tier": "marginal", "company_code": "1000", "customer_id": "C1", **figures})
    master = [{"company_code": "1000", "customer_id": "C1", "status": status}]
    found = one(next_actions(period, facts([], customers=master), AS_OF, policy()).collect())
    assert found["action"] == (selling if status == "active" else "maintain")


@pytest.mark.parametrize(
    ("figures", "advice"),
    [
        ({"effective_tier": "strategic"}, "partner"),
        ({"effective_tier": "core", **SLIPS}, "protect"),
        ({"effective_tier": "speculative", "months_of_history": 24}, "handle_speculator"),
        ({"effective_tier": "marginal", "contribution_12m": -1}, "renegotiate"),
    ],
)
@pytest.mark.parametrize("status", ["active", "blocked", "inactive"])
def test_there_is_nothing_to_talk_about_with_whom_the_master_calls_inactive(
    figures: dict[str, Any], advice: str, status: str
) -> None:
    period = rated({"company_code": "1000", "customer_id": "C1", **figures})
    master = [{"company_code": "1000", "customer_id": "C1", "status": status}]
    found = one(next_actions(period, facts([], customers=master), AS_OF, policy()).collect())
    assert found["action"] == ("maintain" if status == "inactive" else advice)


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"volume_class": "low", "loyalty_class": "loyal"}, "loyal and small; ask what it needs"),
        ({"volume_class": "high", "loyalty_class": "loyal"}, "expected to become core by 2025-02-28"),
        ({"volume_class": "low", "loyalty_class": "not_loyal"}, "expected to become core by 2025-02-28"),
        ({"volume_class": "high", "loyalty_class": "loyal", "watch_tier": None}, None),
        (
            {"volume_class": "low", "loyalty_class": "not_loyal", "headroom_12m": 900},
            "900.00 of demand we do not serve; expected to become core by 2025-02-28",
        ),
        (
            {"volume_class": "low", "loyalty_class": "loyal", "headroom_12m": 900},
            "loyal, with 900.00 of demand we do not serve",
        ),
    ],
)
def test_who_is_cultivated_is_called_loyal_and_small_only_while_the_period_says_so(
    figures: dict[str, Any], said: str | None
) -> None:
    watch = {"watch_tier": "core", "watch_direction": "up", "watch_deadline": date(2025, 2, 28)}
    found = action(in_tier("cultivate", **watch | figures))
    assert (found["action"], found["reason"]) == ("cultivate", said)


def test_a_core_customer_about_to_slip_is_protected():
    found = action(in_tier("core", **SLIPS, watch_gap=[LACKS]))
    assert found["action"] == "protect"
    assert found["reason"] == "expected to become marginal by 2025-02-28: loyalty below 0.57 by 0.1"
    assert action(in_tier("core", **SLIPS | {"watch_direction": "up"}))["action"] == "maintain"


def estimate(supplied_by: str, **other: Any) -> dict[str, Any]:
    usual = {"product_group": "PUMPS", "period_start": date(2024, 1, 1), "estimated_on": date(2024, 1, 20)}
    return {**usual, "supplied_by": supplied_by, "quantity": 10, "unit": "PC", "current_price": 500, **other}


def contact(kind: str, on: datetime = datetime(2024, 9, 1), **other: Any) -> dict[str, Any]:
    return {"interaction_id": f"{kind}-{on}", "kind": kind, "occurred_at": on, "project_ref": None, **other}


def test_a_loyal_customer_that_imports_what_we_could_make_is_won_back():
    found = action(in_tier("cultivate"), demand_estimates=[estimate("import")])
    assert (found["action"], found["at_stake"]) == ("substitute_import", 5000)
    assert found["reason"] == "imports PUMPS, worth 5,000.00 a year"


def test_with_joint_work_it_becomes_a_common_development():
    given = {"demand_estimates": [estimate("import")], "interactions": [contact("technical_exchange")]}
    found = action(in_tier("cultivate"), **given)
    assert (found["action"], found["at_stake"]) == ("co_develop", 5000)
    late = {**given, "interactions": [contact("technical_exchange", datetime(2023, 12, 31))]}
    assert action(in_tier("cultivate"), **late)["action"] == "substitute_import"


def test_only_the_latest_estimate_says_who_supplies():
    newer = estimate("us", estimated_on=date(2024, 6, 1), estimate_version="2")
    assert action(in_tier("cultivate"), demand_estimates=[estimate("import"), newer])["action"] == "cultivate"


def test_who_is_not_loyal_is_not_developed_with():
    assert action(in_tier("speculative"), demand_estimates=[estimate("import")])["action"] == "maintain"


def test_the_largest_headroom_among_the_loyal_small_ones_comes_first():
    period = rated(
        *(
            {"customer_id": name, "effective_tier": "cultivate", "headroom_12m": headroom}
            for name, headroom in (("C1", 10), ("C2", 41_200), ("C3", None), ("C4", 41_200))
        )
    )
    found = with_text(next_actions(period, facts([]), AS_OF, policy()).collect()).sort("place")
    assert found["customer_id"].to_list() == ["C2", "C4", "C1", "C3"]
    assert found["reason"].to_list()[0] == "loyal, with 41,200.00 of demand we do not serve"


@pytest.mark.parametrize(
    ("tier", "expected"),
    [("strategic", "partner"), ("new", "welcome"), ("marginal", "maintain"), ("core", "maintain")],
)
def test_where_nothing_presses_the_tier_decides(tier, expected):
    assert action(in_tier(tier, months_of_history=2))["action"] == expected


def test_the_playbook_is_written_down_as_it_is_played():
    lines = playbook_table().splitlines()[2:]
    assert [line.split(" | ")[1] for line in lines] == [play.action for play in plays()]


def test_a_partner_card_holds_what_a_talk_needs():
    period = rated(
        {"effective_tier": "strategic", "steadiness": "0.9", "complaints_12m": 2},
        {"customer_id": "C2", "effective_tier": "core"},
        credit=owing("watch"),
    )
    world = facts(
        [],
        customers=[{"customer_id": "C1", "name": "Hansa"}],
        interactions=[
            contact("joint_project", project_ref="P-1"),
            contact("joint_project", datetime(2024, 11, 2), project_ref="P-1"),
            contact("growth_plan"),
            contact("visit"),
        ],
    )
    found = partner_cards(period, world, AS_OF).collect()
    assert with_text(found).schema == PARTNER_CARD
    [card] = found.to_dicts()
    assert (card["name"], card["joint_projects"], card["joint_work_12m"]) == ("Hansa", 1, 3)
    assert (card["last_joint_work_on"], card["overdue"], card["disputed"]) == (date(2024, 11, 2), 100, 7)


def test_without_interactions_joint_work_is_unknown_not_none():
    [card] = partner_cards(in_tier("strategic"), facts([]), AS_OF).collect().to_dicts()
    assert (card["joint_projects"], card["overdue"]) == (None, None)
    [delivered] = partner_cards(in_tier("strategic"), facts([], interactions=[]), AS_OF).collect().to_dicts()
    assert delivered["joint_projects"] == 0
