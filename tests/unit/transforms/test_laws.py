"""The laws of the domain, which test holds each, and those that lie across subjects.

| law | held by |
|---|---|
| same facts, policy and previous rating: the same bytes | test_laws::test_the_same_facts_are_rated_to_the_same_bytes_in_any_order |
| a second run in a period advances nothing | test_rating::test_the_same_period_rated_again_advances_nothing |
| the order of rows changes nothing | test_measures_laws::test_the_order_of_rows_changes_nothing |
| … of lines | test_customer_month::test_the_order_of_lines_changes_nothing |
| … of the ledger | test_credit_watch::test_the_order_of_the_ledger_changes_nothing |
| … of evidence | test_conduct::test_the_order_of_evidence_changes_nothing |
| Σ customer_month.net_sales = Σ accepted lines | test_customer_month::test_no_sale_is_lost_or_invented |
| Σ ageing buckets = open balance | test_credit_watch::test_the_buckets_sum_to_the_open_balance |
| every level of the structure sums to the company | test_structure::test_every_level_sums_to_the_company |
| the points sum to the score | test_scoring::test_the_points_sum_to_the_score_and_each_is_what_its_measure_gives |
| Σ w·Δs = Δscore | test_explain::test_the_terms_sum_to_the_change_of_the_score_to_the_last_digit |
| scaling amounts scales money and leaves ratios, classes and scores | test_measures_laws::test_scaling_all_amounts_scales_money_and_leaves_the_rest_alone |
| … shares and concentration | test_laws::test_scaling_sales_leaves_shares_and_concentration_alone |
| … credit grades and actions | test_laws::test_scaling_a_ledger_with_its_limits_and_bars_leaves_ratios_grades_and_actions_alone |
| another customer changes nobody | test_measures_laws::test_a_customer_more_changes_no_other |
| … nor the whole rating | test_rating::test_a_customer_is_rated_the_same_alone_and_among_others |
| noise within the margin moves nobody | test_tiers::test_noise_within_the_margin_stays_within_its_ends |

Files, batches and order of arrival: tests/flows/test_order_free.py. Prediction on held-out data: tests/bench.
"""

from __future__ import annotations

import importlib
import re
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests.unit.transforms.small_worlds import YEAR_END, facts, line, policy
from tests.unit.transforms.test_credit_watch import BARS, ledgers, watch
from tests.unit.transforms.test_structure import lines as sales_lines
from tests.unit.transforms.test_structure import structure
from transforms.rating.period import rate_period

HOLDING = re.findall(r"\| (test_\w+)::(test_\w+) \|", __doc__ or "")
FACTORS = st.sampled_from([2, 7, 1000])


@pytest.mark.parametrize(("module", "test"), HOLDING, ids=[test for _, test in HOLDING])
def test_a_law_is_held_by_a_test_that_exists(module: str, test: str):
    assert callable(getattr(importlib.import_module(f"tests.unit.transforms.{module}"), test))


def test_no_law_is_left_out_of_the_check():
    laws = [
        row for row in (__doc__ or "").splitlines() if row.startswith("| ") and row != "| law | held by |"
    ]
    assert len(HOLDING) == len(laws)


sales = st.lists(
    st.builds(
        line,
        st.dates(date(2023, 1, 1), YEAR_END),
        st.decimals(-500, 60_000, places=2),
        customer_id=st.sampled_from(["C1", "C2", "C3"]),
        document_id=st.sampled_from(["D1", "D2", "D3", "D4"]),
    ),
    min_size=1,
    max_size=12,
)


@given(sales, ledgers(), st.randoms(use_true_random=False))
@settings(max_examples=6, phases=[Phase.generate])
def test_the_same_facts_are_rated_to_the_same_bytes_in_any_order(sold, ledger, shuffler):
    def rated() -> list[str]:
        items, allocations = ledger
        world = facts(sold, receivables=items, payment_allocations=allocations)
        found = rate_period(world, policy(), closed_through=YEAR_END, as_of=YEAR_END, previous=None)
        assert found.credit is not None
        return [part.write_ndjson() for part in pl.collect_all([found.values, found.credit, found.conduct])]

    first = rated()
    shuffler.shuffle(sold)
    for extract in ledger:
        shuffler.shuffle(extract)
    assert rated() == first


@given(sales_lines, FACTORS)
@settings(max_examples=12)
def test_scaling_sales_leaves_shares_and_concentration_alone(sold, factor):
    def of(times: int) -> pl.DataFrame:
        return structure(
            *({**each, "net_amount_company": each["net_amount_company"] * times} for each in sold)
        )

    before, after = of(1), of(factor)
    assert_frame_equal(after.drop("net_sales_12m"), before.drop("net_sales_12m"))
    assert after["net_sales_12m"].to_list() == [amount * factor for amount in before["net_sales_12m"]]


@given(ledgers(), FACTORS)
@settings(max_examples=15)
def test_scaling_a_ledger_with_its_limits_and_bars_leaves_ratios_grades_and_actions_alone(ledger, factor):
    default = policy().credit
    names = ("material_amount", "severe_amount", "new_no_limit_free")
    amounts_of_the_policy = {name: getattr(default, name) for name in names} | {
        "material_amount": Decimal(1000)
    }

    def of(times: int) -> pl.DataFrame:
        def larger(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
            amounts = ("amount", "original_amount", "original_amount_company")
            return [
                {name: value * times if name in amounts else value for name, value in row.items()}
                for row in rows
            ]

        items, allocations = ledger
        masters = [{"customer_id": "C1", "credit_limit": 3000 * times, "group_id": "G"}]
        return watch(
            *larger(items),
            payment_allocations=larger(allocations),
            customers=masters,
            rule=policy(
                **BARS | {f"credit__{name}": bar * times for name, bar in amounts_of_the_policy.items()}
            ),
        )

    before, after = of(1), of(factor)
    money = [name for name, kind in before.schema.items() if kind == pl.Decimal(38, 4)]
    assert_frame_equal(after.drop(*money, "action_reason"), before.drop(*money, "action_reason"))
    for name in money:
        assert after[name].to_list() == [None if value is None else value * factor for value in before[name]]
