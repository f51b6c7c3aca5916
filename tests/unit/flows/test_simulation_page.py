"""The page of a simulation: what comes from data or from a policy is text on it, never markup."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from expectations.contract import load
from flows.cli.views.simulation_page import MOST_MOVERS, page, what_differs
from flows.policy.simulate import Simulation
from flows.wording.words import words
from transforms.simulation.compare import Comparison, Side

HOSTILE = "<script>alert('ü & ü')</script>"
CALM = {"moves": 3, "reversals": 1, "reversals_per_100_customer_years": Decimal("1.25")}
WARNINGS = {"lapses": 2, "flagged_before": 1, "median_days": 30, "shortest_days": 12}


OUTCOME = {
    "policy": "candidate",
    "tier": HOSTILE,
    "customers": 3,
    "net_sales": Decimal("100.4000"),
    "net_sales_after": Decimal("54321.6000"),
    "contribution": None,
    "contribution_after": None,
    "lost": 1,
    "overdue_over_90_after": None,
}


def simulation(
    *, movers: int = 1, hindsight: Any = None, policy_id: str = "strict", in_sample: bool | None = False
) -> Simulation:
    tiers = {"from_tier": "core", "to_tier": "cultivate"}
    sums = {
        "customers": 3,
        "net_sales_12m": Decimal("12345.6700"),
        "contribution_12m": None,
        "exposure": None,
    }
    mover = {
        **tiers,
        **sums,
        "customer_id": HOSTILE,
        "score_from": Decimal("61.2345"),
        "score_to": None,
        "direction": "down",
        "drivers": [{"what": "gate", "ruling": HOSTILE, "candidate": None}],
    }
    comparison = Comparison(
        ruling=Side("default", "1.0", "0" * 16, CALM, WARNINGS),
        candidate=Side(policy_id, "1.0", "1" * 16, CALM, WARNINGS),
        first=date(2024, 1, 1),
        last=date(2024, 3, 1),
        periods=3,
        customers=40,
        migration=[{**tiers, **sums, "direction": "down"}],
        by_tier=[
            {
                "tier": "core",
                "customers_ruling": 3,
                "customers_candidate": 0,
                "net_sales_12m_ruling": Decimal("12345.6700"),
                "net_sales_12m_candidate": Decimal(0),
                "contribution_12m_ruling": None,
                "contribution_12m_candidate": None,
            }
        ],
        moved=[{"direction": "down", **sums}],
        over_time=[{"policy": "ruling", **tiers, "moves": 4, "reversals": 1}],
        by_period=[{"period": date(2024, month, 1), "customers": 40, "differ": month} for month in (1, 2, 3)],
        movers=[mover] * movers,
        outcomes=[] if in_sample is None else [{**OUTCOME, "in_sample": in_sample}],
    )
    return Simulation(comparison, {"ratings": 1400, "same_tier": 1399}, hindsight)


@pytest.mark.parametrize("found", [simulation(), simulation(policy_id=HOSTILE)], ids=["data", "policy"])
def test_markup_in_data_or_in_a_policy_is_shown_as_text(found: Simulation):
    shown = page(found)
    assert shown.count("<script") == 1, "the page's own"
    assert "&lt;script&gt;alert(" in shown


def test_amounts_are_whole_and_scores_have_one_place():
    shown = page(simulation())
    assert '<data value="12345.6700" title="12,345.67">12,346</data>' in shown
    assert "61.2 → –" in shown


def test_a_long_list_says_how_much_of_it_is_shown():
    assert "The first" not in page(simulation(movers=MOST_MOVERS))
    assert f"The first {MOST_MOVERS} of {MOST_MOVERS + 1};" in page(simulation(movers=MOST_MOVERS + 1))


def test_hindsight_is_on_the_page_where_it_was_asked_for():
    other = {"period": date(2024, 1, 1), "customer_id": "C9", "effective_tier": "core", "other_tier": None}
    asked = {"ratings": 100, "same_tier": 97, "same_score": 90, "other_tiers": [other]}
    assert "With hindsight" not in page(simulation())
    assert "3 of 100 ratings under the candidate would have another tier" in page(simulation(hindsight=asked))


def test_what_came_of_a_policys_tiers_is_on_the_page_once_a_year_has_passed_and_says_where_it_is_in_sample():
    assert "What came of the tiers" not in page(simulation(in_sample=None))
    assert ">54,322</data>" in page(simulation())
    assert ">in-sample</span>" not in page(simulation())
    assert '<span lang="en">in-sample</span><span lang="zh-Hans">样本内</span>)' in page(
        simulation(in_sample=True)
    )


def test_the_page_names_both_policies_and_their_hashes_and_speaks_both_languages():
    shown = page(simulation(policy_id="strict"))
    for text in (
        "strict 1.0",
        "default 1.0",
        "0" * 12,
        "1" * 12,
        "期末等级",
        "Tiers at the end",
        "等级变动（按金额）",
    ):
        assert text in shown, text


def test_the_flow_of_money_and_its_moves_by_tier_are_drawn():
    shown = page(simulation())
    assert 'class="ribbon down"' in shown
    assert shown.count('<svg class="bar') >= 3
    assert "<svg" in shown.split('id="by-tier"')[1]


def test_what_differs_is_said_in_words_to_a_person_and_on_the_page_in_both_languages():
    drivers = [
        {"what": "loyalty_class", "ruling": "not_loyal", "candidate": "loyal"},
        {"what": "cap", "ruling": "marginal by credit_stop", "candidate": None},
    ]
    mover = {"drivers": drivers, "score_from": Decimal("61.2000"), "score_to": Decimal("60.5000")}
    assert what_differs(mover) == (
        "loyalty not loyal → loyal; cap Marginal (credit stop) → none; score 61.2 → 60.5"
    )
    for name in ("loyalty_class", "volume_class"):
        [found] = [each for each in load("customer_value_history").columns if each.name == name]
        assert set(found.allowed) <= set(words()["class"]), name
