"""Measures are described once; what a new one needs is its description, its scale and its columns."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from expectations.contract import load
from tests.unit.transforms.small_worlds import YEAR_END, facts, monthly, policy_content
from transforms.frames.fixed_point import RATIO, SCORE
from transforms.frames.schemas import CUSTOMER_VALUE_HISTORY, ORDER_DAY
from transforms.measures import MEASURED, measure_customers, measured_columns
from transforms.measures.descriptor import MEASURES, Label, Measure, MeasureInput
from transforms.measures.window import KEY
from transforms.policy.model import Measures, MeasureScale, Policy, parse_policy
from transforms.rating.explain_score import explain, explained_columns, explanation_terms, score_term_names
from transforms.rating.period import rate_period
from transforms.scoring.scores import score_customers
from transforms.simulation.calibrate import Sample, calibrate

EARLIER = date(2024, 11, 30)


def test_the_policy_has_a_scale_for_every_measure_in_the_order_of_the_measures() -> None:
    assert list(Measures.model_fields) == [measure.name for measure in MEASURES]


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_every_column_of_a_measure_stands_in_the_contracts(measure: Measure) -> None:
    names = {*measure.columns, measure.score_column, measure.points_column}
    assert {measure.column, measure.reason_column} <= set(measure.columns)
    for table in ("customer_value_history", "customer_value"):
        assert names <= set(load(table).column_names)
    assert measure.name in load("explanation_term").column("term").allowed


def test_no_column_is_measured_twice() -> None:
    columns = [name for measure in MEASURES for name in measure.columns]
    assert len(columns) == len(set(columns))


# --- an eighth measure, in a scratch policy -------------------------------------------------------------------------


def take_regularity(given: MeasureInput) -> pl.LazyFrame:
    """The share of the last three months with an order; nobody is rated by it."""
    recent = given.months.filter(pl.col("month") >= given.window.month_before(2), pl.col("orders") > 0)
    share = (pl.len() / 3).cast(RATIO).alias("regularity")
    return (
        given.customers.select(KEY)
        .join(recent.group_by(KEY).agg(share), on=KEY, how="left", validate="1:1")
        .with_columns(
            regularity_reason=pl.when(pl.col("regularity").is_null()).then(pl.lit("no_recent_orders"))
        )
    )


REGULARITY = Measure(
    name="regularity",
    column="regularity",
    reason_column="regularity_reason",
    columns=("regularity", "regularity_reason"),
    unit="share",
    label=Label("Regularity", "规律性"),
    heading="regularity, 0 to 1",
    doc=Label("Share of the last three months with an order.", "最近三个月有订单的月份占比。"),
    take=take_regularity,
)
EIGHT = (*MEASURES, REGULARITY)
HISTORY = pl.Schema(
    {
        **CUSTOMER_VALUE_HISTORY,
        "regularity": RATIO,
        "regularity_reason": pl.String(),
        "regularity_score": SCORE,
        "regularity_points": SCORE,
    }
)


class EightMeasures(Measures):
    regularity: MeasureScale


class ScratchPolicy(Policy):
    measures: EightMeasures


def scratch(weight: int = 20) -> Policy:
    content = policy_content()
    content["measures"]["regularity"] = {"weight": weight, "breakpoints": [[0, 0], [1, 100]]}
    return parse_policy(content, model=ScratchPolicy)


WORLD = facts([*monthly(*[100] * 12), *monthly(*[300] * 9, 0, 0, 0, customer="C2")])


def rated(closed_through: date, rule: Policy) -> pl.LazyFrame:
    """History rows with the eighth measure's columns."""
    values = rate_period(
        WORLD, rule, closed_through=closed_through, as_of=closed_through, previous=None
    ).values
    measured = measure_customers(WORLD, rule, closed_through, measures=EIGHT, history=HISTORY)
    scored = score_customers(measured, rule, EIGHT)
    own = values.drop(set(scored.collect_schema().names()) - set(KEY), strict=False)
    return own.join(scored, on=KEY, validate="1:1").sort(KEY).collect().lazy()


def one_of(rows: pl.LazyFrame, customer: str) -> dict[str, Any]:
    [row] = rows.filter(customer_id=customer).collect().to_dicts()
    return row


def test_an_eighth_measure_is_measured_and_scored() -> None:
    rule = scratch()
    measured = measure_customers(WORLD, rule, YEAR_END, measures=EIGHT, history=HISTORY).collect()
    assert set(measured.columns) == {*MEASURED.names(), *REGULARITY.columns}
    assert measured.schema == measured_columns(EIGHT, HISTORY)

    buyer, gone = (one_of(rated(YEAR_END, rule), customer) for customer in ("C1", "C2"))
    assert (buyer["regularity"], buyer["regularity_score"]) == (1, 100)
    assert (gone["regularity"], gone["regularity_reason"]) == (None, "no_recent_orders")
    assert ("regularity", "no_recent_orders") in {
        (each["subject"], each["label"]) for each in gone["unassessed"]
    }
    for row in (buyer, gone):
        assert row["score"] == sum(row[each.points_column] or 0 for each in EIGHT)
    assert buyer["regularity_points"] > 0


def test_an_eighth_measure_explains_its_part_of_a_change() -> None:
    rule = scratch()
    now, before = rated(YEAR_END, rule), rated(EARLIER, rule)
    explained = explain(now, before, rule, EIGHT)
    assert explained.collect().schema == explained_columns(EIGHT)
    gone = one_of(explained, "C2")
    assert sum(gone[f"{term}_delta"] for term in score_term_names(EIGHT)) == (
        gone["score_to"] - gone["score_from"]
    )
    terms = explanation_terms(now, before, explained, EIGHT).filter(term="regularity")
    assert one_of(terms, "C1")["value_to"] == 1
    assert one_of(terms, "C2")["reason"] == "no_recent_orders"


def enough_of(measured: pl.DataFrame) -> Sample:
    """The measured customers thirty times over, since a policy is fitted to no fewer."""
    many = [
        measured.with_columns(customer_id=pl.format("{}-{}", "customer_id", pl.lit(n))) for n in range(30)
    ]
    return Sample(pl.concat(many), pl.DataFrame(schema=ORDER_DAY), YEAR_END)


def test_calibration_keeps_the_scale_of_an_eighth_measure_that_is_no_money() -> None:
    rule = scratch()
    measured = measure_customers(WORLD, rule, YEAR_END, measures=EIGHT, history=HISTORY).collect()
    text = calibrate(
        enough_of(measured), rule, rule, effective_from=date(2024, 12, 1), reason="tried", described=EIGHT
    )
    fitted = parse_policy(text, model=ScratchPolicy)
    assert REGULARITY.scale(fitted) == REGULARITY.scale(rule)
    assert fitted.measures.volume != rule.measures.volume


def test_calibration_fits_an_eighth_measure_of_money() -> None:
    rule = scratch()
    money = replace(REGULARITY, unit="company_currency")
    measured = measure_customers(WORLD, rule, YEAR_END, measures=EIGHT, history=HISTORY).collect()
    text = calibrate(
        enough_of(measured),
        rule,
        rule,
        effective_from=date(2024, 12, 1),
        reason="tried",
        described=(*MEASURES, money),
    )
    fitted = parse_policy(text, model=ScratchPolicy)
    assert REGULARITY.scale(fitted).breakpoints[-1][0] == Decimal(2)  # twice the largest


def test_a_weight_of_0_gives_an_eighth_measure_no_say() -> None:
    silent = rated(YEAR_END, scratch(0)).collect()
    usual = rate_period(WORLD, scratch(0), closed_through=YEAR_END, as_of=YEAR_END, previous=None).values
    assert silent["score"].to_list() == usual.collect()["score"].to_list()
