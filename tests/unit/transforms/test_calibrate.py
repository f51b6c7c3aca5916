"""A policy proposed from the data, for a person to review."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transforms.small_worlds import YEAR_END, facts, line, measure, monthly, policy
from transforms.calibrate import calibrate
from transforms.measures import MEASURED
from transforms.policy import Policy, parse_policy
from transforms.scoring import score_customers
from transforms.segments import segment_customers

FROM = date(2024, 12, 1)
EMPTY = pl.DataFrame(schema=MEASURED)


def proposed(measures: pl.DataFrame, base: Policy | None = None) -> str:
    return calibrate(
        measures, base or policy(), policy_id="calibrated", effective_from=FROM, reason="a first look"
    )


def buyers(amounts: list, **world) -> pl.DataFrame:
    """Customers of two years who bought these amounts this year, half of it as profit."""
    sales = [
        line(
            on,
            amount,
            customer_id=f"C{number:05}",
            document_id=f"{number}-{on}",
            cost_amount_company=amount / 2,
        )
        for number, amount in enumerate(amounts)
        for on in (date(2023, 1, 10), YEAR_END)
    ]
    return measure(facts(sales, **world))


def heavy_tailed(count: int) -> list[Decimal]:
    drawn = np.random.default_rng(3).pareto(0.9, count) * 1000 + 1
    return [Decimal(f"{amount:.2f}") for amount in drawn]


def test_the_proposal_says_who_what_and_why() -> None:
    text = proposed(buyers([Decimal(n) for n in range(1, 101)]))
    fitted = parse_policy(text)
    assert (fitted.id, fitted.version, fitted.policy.effective_from) == ("calibrated", "1.0.0", FROM)
    assert fitted.policy.reason == "a first look"
    assert text.startswith("# Proposed by calibration on 100 customers; review before use.")
    assert "# Lines without a comment are as in default 1.0.0." in text


def test_every_fitted_bar_names_its_quantile() -> None:
    text = proposed(buyers([Decimal(n) for n in range(1, 101)]))
    assert (
        "volume_high_from = 81 # the top fifth: quantile 80 % of net_sales_12m of the 100 customers above 0"
        in text
    )
    assert "# 0, then quantiles 10 %, 25 %, 50 %, 80 %, 95 %, 99 %, 100 % of net_sales_12m" in text
    assert "quantile 60 % of loyalty of the 100 customers who are not new" in text


def test_breakpoints_are_the_quantiles_by_hand() -> None:
    fitted = parse_policy(proposed(buyers([Decimal(n) for n in range(1, 101)])))
    # 100 · ln(x/5) ÷ ln(200/5): 18.8 points a doubling, from half the lowest breakpoint on
    assert [tuple(map(int, point)) for point in fitted.measures.volume.breakpoints] == [
        (0, 0), (10, 19), (25, 44), (50, 62), (80, 75), (95, 80), (99, 81), (100, 81), (200, 100)
    ]  # fmt: skip
    assert fitted.measures.contribution.breakpoints[-1] == (100, 100)


def test_the_largest_customer_can_double_before_the_scale_ends() -> None:
    largest = Decimal(1234)
    fitted = parse_policy(proposed(buyers([Decimal(n) for n in range(1, 1235)])))
    assert fitted.measures.volume.breakpoints[-1] == (2600, 100)
    now, doubled = (
        score_customers(buyers([amount]).lazy(), fitted).collect()["volume_score"].item()
        for amount in (largest, largest * 2)
    )
    assert now < doubled <= 100


@pytest.mark.parametrize("amounts", [[Decimal(n * n) for n in range(1, 200)], heavy_tailed(500)])
def test_about_the_top_fifth_is_high_volume(amounts: list[Decimal]) -> None:
    measures = buyers(amounts)
    fitted = parse_policy(proposed(measures))
    high = (measures["net_sales_12m"] >= fitted.segments.volume_high_from).mean()
    # two digits of a bar move it by up to 5 %, and the share by less than 4 points here
    assert 0.16 <= high <= 0.24


def test_bars_have_two_significant_digits() -> None:
    fitted = parse_policy(proposed(buyers(heavy_tailed(500))))
    bars = [x for x, _ in fitted.measures.volume.breakpoints] + [fitted.segments.volume_high_from]
    assert all(len(bar.normalize().as_tuple().digits) <= 2 for bar in bars)


def test_money_bars_of_credit_and_conduct_keep_their_proportion_to_high_volume() -> None:
    fitted = parse_policy(proposed(buyers([Decimal(n) * 30000 for n in range(1, 101)])))
    assert fitted.segments.volume_high_from == 2_400_000  # 16 times the default's
    assert (fitted.credit.material_amount, fitted.conduct.arrears.amount_from) == (16_000, 80_000)


def test_what_is_not_fitted_is_as_in_the_base() -> None:
    base = policy(memory__up_after=3, gates__loss_making="cultivate", loyalty__p_alive="shown")
    fitted = parse_policy(proposed(buyers(heavy_tailed(50)), base))
    assert (fitted.memory, fitted.gates, fitted.loyalty) == (base.memory, base.gates, base.loyalty)
    assert fitted.measures.loyalty == base.measures.loyalty


def test_an_extract_not_delivered_leaves_its_scale_as_it_was() -> None:
    measures = buyers(heavy_tailed(50))
    assert parse_policy(proposed(measures)).measures.potential == policy().measures.potential
    assert parse_policy(proposed(measures)).strategic.feedback_from == policy().strategic.feedback_from


def test_delivered_estimates_and_feedback_are_fitted() -> None:
    demand = [
        {
            "customer_id": f"C{number:05}",
            "period_start": FROM,
            "estimated_on": FROM,
            "amount": 10_000 * (number + 1),
        }
        for number in range(50)
    ]
    contacts = [
        {
            "customer_id": f"C{number:05}",
            "interaction_id": f"{number}-{day}",
            "occurred_at": datetime(2024, 6, day),
        }
        for number in range(50)
        for day in range(1, 4)
    ]
    measures = buyers(heavy_tailed(50), demand_estimates=demand, interactions=contacts)
    fitted = parse_policy(proposed(measures))
    assert fitted.measures.potential != policy().measures.potential
    assert fitted.strategic.feedback_from == Decimal("0.19")  # (3 + 0.5)/(12 + 6)


def test_strategic_bars_are_the_middle_of_the_core_customers_it_finds() -> None:
    sales = [
        record
        for number in range(40)
        for record in monthly(*[Decimal(number + 1) * 10] * 24, customer=f"C{number:02}")
    ]
    measures = measure(facts(sales))
    fitted = parse_policy(proposed(measures))
    core = (
        segment_customers(score_customers(measures.lazy(), fitted), fitted)
        .filter(pl.col("segment") == "core")
        .collect()
    )
    assert core.height > 0
    assert 0.3 <= (core["score"] >= fitted.strategic.score_from).mean() <= 0.7


def test_a_bar_on_a_share_can_be_reached_with_the_margin_on_top() -> None:
    opened = [{"customer_id": f"C{number}", "created_on": date(2000, 1, 1)} for number in range(9)]
    sales = [record for number in range(9) for record in monthly(*[100] * 24, customer=f"C{number}")]
    measures = measure(facts(sales, customers=opened))
    assert measures["loyalty"].to_list() == [1] * 9
    fitted = parse_policy(proposed(measures, policy(memory__margin=Decimal("0.05"))))
    assert fitted.segments.loyalty_from == fitted.strategic.steadiness_from == Decimal("0.95")
    assert fitted.segments.loyalty_from * (1 + fitted.memory.margin) <= 1


def test_without_customers_the_base_is_proposed_as_it_is() -> None:
    fitted = parse_policy(proposed(EMPTY))
    assert fitted.model_copy(update={"policy": policy().policy}) == policy()


def test_data_of_less_than_a_year_are_warned_of() -> None:
    seven = measure(facts(monthly(*[100] * 7)))
    assert "# The data reach back 7 months: amounts of a year are low. Calibrate again later." in proposed(
        seven
    )
    assert "reach back" not in proposed(measure(facts(monthly(*[100] * 12))))


def test_the_same_customers_in_any_order_give_the_same_text() -> None:
    measures = buyers(heavy_tailed(60))
    assert proposed(measures.reverse()) == proposed(measures)


@pytest.mark.parametrize(("count", "bar"), [(1, 1), (4, 4), (5, 5), (6, 6), (9, 9), (10, 9), (11, 10)])
def test_the_top_fifth_is_counted_in_whole_customers(count: int, bar: int) -> None:
    fitted = parse_policy(proposed(buyers([Decimal(n) for n in range(1, count + 1)])))
    assert fitted.segments.volume_high_from == bar


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_handful_of_customers_is_enough(count: int) -> None:
    assert parse_policy(proposed(buyers(heavy_tailed(count)))).segments.volume_high_from > 0


def test_customers_who_are_all_alike_are_enough() -> None:
    fitted = parse_policy(proposed(buyers([Decimal(100)] * 30)))
    assert fitted.measures.volume.breakpoints == ((0, 0), (100, 50), (200, 100))


@settings(max_examples=15)
@given(st.lists(st.integers(-(10**6), 10**14).map(lambda cents: Decimal(cents) / 100), max_size=12))
def test_whatever_is_proposed_can_be_used(amounts: list[Decimal]) -> None:
    measures = buyers(amounts)
    fitted = parse_policy(proposed(measures))
    rated = segment_customers(score_customers(measures.lazy(), fitted), fitted).collect()
    assert rated.height == measures.height


@pytest.mark.parametrize("reason", ['with "quotes" and \\', "多行\nreason = 3", "# no comment"])
def test_a_reason_is_kept_as_it_was_given(reason: str) -> None:
    text = calibrate(EMPTY, policy(), policy_id="calibrated", effective_from=FROM, reason=reason)
    assert parse_policy(text).policy.reason == reason
