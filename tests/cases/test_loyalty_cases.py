"""Customers judged in their own rhythm and season, with what they cost: the right judgement of each."""

from __future__ import annotations

from decimal import Decimal

import pytest

from expectations.gate import Gate
from tests.cases.landed import Case, refreshed


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, gate: Gate) -> Case:
    return refreshed(tmp_path_factory.mktemp("planted"), "planted", gate)


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory, gate: Gate) -> Case:
    return refreshed(tmp_path_factory.mktemp("variants"), "variants", gate)


@pytest.mark.parametrize(
    ("customer", "season_months", "tier"),
    [("P02YEARLY", 1, "core"), ("P04SEASON", 4, "core"), ("P04BSEAS10", 4, "core")],
)
def test_who_comes_at_the_same_time_each_year_is_loyal(
    planted: Case, customer: str, season_months: int, tier: str
) -> None:
    value = planted.one("customer_value", customer)
    assert (value["loyalty_basis"], value["season_months"]) == ("season", season_months)
    assert (value["active_month_ratio"], value["repurchase_timeliness"]) == (1, 1)
    assert value["effective_tier"] == tier


def test_samples_make_a_prospect_and_no_loyalty(planted: Case) -> None:
    assert planted.one("customer_value", "P15BSAMPLE")["segment"] == "prospect"
    free = planted.one("customer_value", "P15FREE")
    assert (free["segment"], free["loyalty_class"]) == ("marginal", "not_loyal")


def test_a_prospect_is_in_no_count_of_customers(planted: Case) -> None:
    [counted] = planted.rows("SELECT sum(customers) AS customers FROM segment_map")
    [over_time] = planted.rows("SELECT sum(customers) AS customers FROM tier_over_time")
    [rated] = planted.rows("SELECT count(*) AS customers FROM customer_value WHERE segment <> 'prospect'")
    assert counted == over_time == rated


def test_who_returns_everything_has_ordered_nothing_that_stands(planted: Case) -> None:
    value = planted.one("customer_value", "P21RETALL")
    assert (value["active_month_ratio"], value["loyalty_class"], value["segment"]) == (
        0,
        "not_loyal",
        "marginal",
    )
    assert value["last_order_on"] is None


def test_a_return_rate_is_shown_and_warned_of(planted: Case) -> None:
    value = planted.one("customer_value", "P05RETURN")
    assert (value["return_rate_12m"], value["returns_warned"]) == (Decimal("0.4"), True)
    assert value["effective_tier"] == "core"
    assert planted.one("customer_value", "P01FLAT")["returns_warned"] is False


def test_freight_alone_makes_the_loss_and_is_named(planted: Case) -> None:
    value = planted.one("customer_value", "P06FREIGHT")
    assert value["loss_component"] == "freight"
    action = planted.one("next_action", "P06FREIGHT")
    assert action["action"] == "renegotiate"
    assert "freight" in action["reason"]


def test_goods_without_a_cost_are_estimated_by_the_same_product(planted: Case) -> None:
    value = planted.one("customer_value", "P19COSTGAP")
    assert round(value["contribution_12m"]) == -21_945
    assert value["cost_estimated_12m"] == 111_240
    assert value["cost_estimated_share"] == Decimal("0.18")
    assert (value["gate"], value["effective_tier"]) == ("loss_making", "marginal")


@pytest.mark.parametrize(
    ("customer", "contribution"),
    [("PC00", 232_110), ("PC10", 112_110), ("PC20", -7_890), ("PC24", -55_890), ("PC26", -79_890), ("PC30", -127_890), ("PC40", -247_890)],
)  # fmt: skip
def test_a_price_credit_lowers_the_contribution_by_itself_and_has_no_cost(
    variants: Case, customer: str, contribution: int
) -> None:
    value = variants.one("customer_value", customer)
    assert round(value["contribution_12m"]) == contribution
    assert value["price_credit_rate_12m"] == Decimal(customer[2:]) / 100
    # feedback has been given since January alone, and is asked of nobody yet
    assert value["effective_tier"] == ("strategic" if contribution >= 0 else "marginal")
    assert value["loss_component"] == (
        None if contribution >= 0 else "price_credits" if customer != "PC20" else "carrying"
    )


def test_one_invoice_and_two_on_neighbouring_days_are_the_same_order(variants: Case) -> None:
    one, two = (variants.one("customer_value", name) for name in ("TWIN1", "TWIN2"))
    assert abs(one["loyalty"] - two["loyalty"]) <= Decimal("0.01")
    assert one["effective_tier"] == two["effective_tier"]


@pytest.mark.parametrize("customer", ["FREENOCOST", "RETALLNOCOST"])
def test_who_pays_for_nothing_is_neither_loyal_nor_cultivated(variants: Case, customer: str) -> None:
    value = variants.one("customer_value", customer)
    assert value["loyalty_class"] != "loyal"
    assert value["effective_tier"] in ("prospect", "marginal")


@pytest.mark.parametrize(
    ("customer", "tier"),
    [
        ("P01FLAT", "strategic"),
        ("P03SHIFT", "core"),
        ("P08LATE10", "cultivate"),
        ("P28BEFORE", "core"),
        ("P25LIM0", "core"),
    ],
)
def test_who_was_rated_rightly_stays_so(planted: Case, customer: str, tier: str) -> None:
    assert planted.one("customer_value", customer)["effective_tier"] == tier
