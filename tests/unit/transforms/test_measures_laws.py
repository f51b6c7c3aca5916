"""Laws every measure keeps, on small worlds made at random."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import sqrt
from statistics import mean, pstdev

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests.unit.transforms.small_worlds import facts, line, measure, policy, policy_content
from transforms.facts.model import Facts
from transforms.measures import MEASURED
from transforms.policy.model import Policy, parse_policy
from transforms.scoring.scores import score_customers
from transforms.scoring.segments import segment_customers

START = date(
    2022, 11, 1
)  # 26 months before the year's end: seasons, trends and windows all have their edges inside
CUSTOMERS = ("C1", "C2", "C3")
RELATIVE = ("abc_class", "steadiness_seasonal", "history_truncated")
MONEY = ("net_sales_12m", "net_sales_12m_before", "contribution_12m", "headroom_12m", "estimated_demand_12m")

days = st.integers(0, 791).map(lambda day: START + timedelta(days=day))
cents = st.integers(-(10**7), 10**8).map(lambda amount: Decimal(amount) / 100)
customers = st.sampled_from(CUSTOMERS)

sales = st.builds(
    lambda on, net, customer, kind, share: line(
        on,
        net,
        customer_id=customer,
        document_type=kind,
        document_id=f"{customer}-{on}-{kind}",
        cost_amount_company=None if share is None else (net * share / 8).quantize(Decimal("0.0001")),
    ),
    days,
    cents,
    customers,
    st.sampled_from(["invoice", "invoice", "invoice", "credit_note"]),
    st.none() | st.integers(1, 9),
)
items = st.builds(
    lambda customer, on, open_days, amount: {
        "customer_id": customer,
        "posting_date": on,
        "cleared_date": None if open_days is None else on + timedelta(days=open_days),
        "original_amount": amount,
        "original_amount_company": amount,
    },
    customers,
    days,
    st.none() | st.integers(0, 400),
    cents,
)
contacts = st.builds(
    lambda customer, on, kind, is_feedback: {
        "customer_id": customer,
        "occurred_at": datetime(on.year, on.month, on.day, 9),
        "kind": kind,
        "is_feedback": is_feedback,
    },
    customers,
    days,
    st.sampled_from(["visit", "complaint", "product_feedback"]),
    st.booleans(),
)
estimates = st.builds(
    lambda customer, on, group, amount: {
        "customer_id": customer,
        "estimated_on": on,
        "period_start": on.replace(day=1),
        "product_group": group,
        "amount": abs(amount),
    },
    customers,
    days,
    st.sampled_from([None, "PUMPS"]),
    cents,
)


def keyed(records: list[dict], key: str) -> list[dict]:
    return [{**record, key: str(number)} for number, record in enumerate(records)]


worlds = st.fixed_dictionaries(
    {
        "sales": st.lists(sales, min_size=1, max_size=25),
        "receivables": st.lists(items, max_size=5).map(lambda rows: keyed(rows, "item_id")),
        "interactions": st.lists(contacts, max_size=6).map(lambda rows: keyed(rows, "interaction_id")),
        "demand_estimates": st.lists(estimates, max_size=4).map(lambda rows: keyed(rows, "estimate_version")),
    }
)


def rated(world: dict, rule: Policy | None = None) -> pl.DataFrame:
    rule = rule or policy()
    return segment_customers(score_customers(measure(facts(**world), rule).lazy(), rule), rule).collect()


@settings(max_examples=10)
@given(worlds, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(world: dict, random) -> None:
    shuffled = {name: random.sample(rows, len(rows)) for name, rows in world.items()}
    assert_frame_equal(rated(world), rated(shuffled))


@settings(max_examples=10)
@given(worlds, st.lists(sales, min_size=1, max_size=8))
def test_a_customer_more_changes_no_other(world: dict, more: list[dict]) -> None:
    newcomer = [
        {**record, "customer_id": "C0", "document_id": f"C0-{number}"} for number, record in enumerate(more)
    ]
    with_newcomer = rated({**world, "sales": [*world["sales"], *newcomer]}).filter(
        pl.col("customer_id") != "C0"
    )
    assert_frame_equal(with_newcomer.drop(RELATIVE), rated(world).drop(RELATIVE))


@settings(max_examples=10)
@given(worlds)
def test_what_happens_after_closed_through_changes_nothing(world: dict) -> None:
    later = {
        "sales": [line(date(2025, 1, 1), 10**6, customer_id=customer) for customer in CUSTOMERS],
        "receivables": [
            {
                "item_id": "later",
                "posting_date": date(2025, 1, 1),
                "original_amount": 9,
                "original_amount_company": 9,
            }
        ],
        "interactions": [{"interaction_id": "later", "occurred_at": datetime(2025, 1, 1)}],
        "demand_estimates": [
            {"estimated_on": date(2025, 1, 1), "period_start": date(2025, 1, 1), "amount": 10**9}
        ],
    }
    assert_frame_equal(rated({name: rows + later[name] for name, rows in world.items()}), rated(world))


def scaled_policy(factor: int) -> Policy:
    content = policy_content()
    for measure_name in ("volume", "contribution", "potential"):
        scale = content["measures"][measure_name]
        scale["breakpoints"] = [[x * factor, score] for x, score in scale["breakpoints"]]
    costs = content["contribution"]["service_cost"]
    content["contribution"]["service_cost"] = {kind: cost * factor for kind, cost in costs.items()}
    content["segments"]["volume_high_from"] *= factor
    return parse_policy(content)


def scaled(world: dict, factor: int) -> dict:
    amounts = {
        "net_amount_company", "cost_amount_company", "original_amount", "original_amount_company", "amount"
    }  # fmt: skip
    return {
        name: [
            {
                key: value * factor if key in amounts and value is not None else value
                for key, value in row.items()
            }
            for row in rows
        ]
        for name, rows in world.items()
    }


@settings(max_examples=10)
@given(worlds, st.sampled_from([2, 7, 1000]))
def test_scaling_all_amounts_scales_money_and_leaves_the_rest_alone(world: dict, factor: int) -> None:
    # carrying cost is rounded to 4 digits before it is scaled, and scores and margins are computed from it
    no_carrying = {**world, "receivables": []}
    before, after = rated(no_carrying), rated(scaled(no_carrying, factor), scaled_policy(factor))
    assert_frame_equal(after.drop(MONEY), before.drop(MONEY))
    for name in MONEY:
        assert after[name].to_list() == [None if value is None else value * factor for value in before[name]]


@settings(max_examples=10)
@given(worlds)
def test_ratios_stay_within_their_bounds_and_every_null_has_its_reason(world: dict) -> None:
    result = rated(world)
    for name in (
        "steadiness", "steadiness_seasonal", "loyalty", "active_month_ratio", "repurchase_timeliness",
        "share_of_wallet", "cost_coverage", "score_coverage",
    ):  # fmt: skip
        assert result[name].drop_nulls().is_between(0, 1).all(), name
    assert (result["headroom_12m"].drop_nulls() >= 0).all()
    for value, reason in (
        ("net_sales_12m", "volume_reason"), ("steadiness", "steadiness_reason"), ("loyalty", "loyalty_reason"),
        ("contribution_12m", "contribution_reason"), ("feedback_rate", "feedback_reason"),
        ("influence", "influence_reason"), ("headroom_12m", "headroom_reason"),
    ):  # fmt: skip
        assert (result[value].is_null() == result[reason].is_not_null()).all(), value
    assert result.select(MEASURED.names()).schema == MEASURED
    assert result["segment"].null_count() == 0


@settings(max_examples=12)
@given(st.lists(st.integers(0, 10**6), min_size=12, max_size=12))
def test_steadiness_is_one_less_the_share_of_the_largest_deviation_there_can_be(amounts: list[int]) -> None:
    first = line(date(2023, 12, 1), 1)
    year = [line(date(2024, month, 5), amount) for month, amount in enumerate(amounts, 1) if amount]
    [row] = rated({"sales": [first, *year]}).to_dicts()
    if not sum(amounts):
        assert row["steadiness"] is None
        return
    by_definition = 1 - pstdev(amounts) / mean(amounts) / sqrt(11)
    # 1e−6: one step of the last digit shown, for a value that lies on the edge between two
    assert float(row["steadiness"]) == pytest.approx(max(by_definition, 0), abs=1e-6)


@settings(max_examples=12)
@given(
    st.lists(items, min_size=1, max_size=6).map(lambda rows: keyed(rows, "item_id")),
    st.lists(days, max_size=4),
)
def test_carrying_cost_is_the_sum_of_daily_open_balances(
    receivables: list[dict], paid_on: list[date]
) -> None:
    allocations = [
        {"payment_id": f"Z{number}", "item_id": str(number), "allocated_on": on, "amount": Decimal(10)}
        for number, (on, _) in enumerate(zip(paid_on, receivables, strict=False))
    ]
    sold = [
        line(date(2024, 6, 1), 10**9, customer_id=customer, document_id=customer, cost_amount_company=0)
        for customer in CUSTOMERS
    ]
    result = rated({"sales": sold, "receivables": receivables, "payment_allocations": allocations})
    balances = dict.fromkeys(CUSTOMERS, Decimal(0))
    for day in (date(2024, 1, 1) + timedelta(days=number) for number in range(366)):
        for item in receivables:
            if item["posting_date"] <= day and not (item["cleared_date"] and item["cleared_date"] <= day):
                settled = [
                    a for a in allocations if a["item_id"] == item["item_id"] and a["allocated_on"] <= day
                ]
                open_amount = item["original_amount_company"] - (
                    sum(a["amount"] for a in settled) if item["original_amount"] else 0
                )
                balances[item["customer_id"]] += open_amount
    for customer, contribution in result.select("customer_id", "contribution_12m").iter_rows():
        carrying = Fraction(balances[customer]) * Fraction(8, 100) / 365
        assert 10**9 - contribution == Decimal(round(carrying * 10**4)).scaleb(-4)


@settings(max_examples=10)
@given(worlds)
def test_volume_adds_up_to_the_lines_of_the_year(world: dict) -> None:
    result = rated(world)
    who = set(result["customer_id"])
    expected = sum(
        record["net_amount_company"]
        for record in world["sales"]
        if record["customer_id"] in who and record["invoice_date"] >= date(2024, 1, 1)
    )
    assert result["net_sales_12m"].sum() == expected


@settings(max_examples=10)
@given(worlds)
def test_an_extract_not_delivered_degrades_its_own_measures_only(world: dict) -> None:
    full, lines_only = rated(world), rated({"sales": world["sales"]})
    own = [
        name
        for name in MEASURED.names()
        if name.startswith(("feedback", "complaints", "headroom", "potential", "estimated", "contribution"))
        or name in {"margin_12m", "loyalty", "share_of_wallet"}
    ]
    assert_frame_equal(full.select(MEASURED.names()).drop(own), lines_only.select(MEASURED.names()).drop(own))


def test_an_empty_world_is_measured_too() -> None:
    empty = facts([])
    assert measure(empty).is_empty()
    assert isinstance(empty, Facts)
