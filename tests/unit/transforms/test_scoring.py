"""What a measure is worth in points."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.wording.reasons import with_text
from tests.unit.transforms.small_worlds import facts, measure, monthly, policy
from transforms.frames.fixed_point import MONEY_SUM
from transforms.measures import MEASURED
from transforms.measures.descriptor import MEASURES
from transforms.policy.model import MeasureScale
from transforms.scoring.scores import measure_score, score_customers

NAMES = [measure.name for measure in MEASURES]
POINTS = [measure.points_column for measure in MEASURES]


def scored(*, rule=None, **values) -> dict:
    """A customer measured at these values; a measure not named is not assessed."""
    row = dict.fromkeys(MEASURED.names())
    for each in MEASURES:
        value = values.get(each.name)
        row[each.column] = None if value is None else Decimal(str(value))
        row[each.reason_column] = "not_delivered" if value is None else None
    measured = pl.LazyFrame([row], schema=MEASURED)
    [result] = with_text(score_customers(measured, rule or policy()).collect()).to_dicts()
    return result


def exact(value: Fraction) -> Decimal:
    """Round a fraction to 4 places, half to even, as Python's own exact arithmetic does."""
    return Decimal(round(value * 10**4)).scaleb(-4)


VOLUME = {"measures__volume__breakpoints": [[0, 0], [5000, 15], [40000, 50], [150000, 75], [3000000, 100]]}


@pytest.mark.parametrize(
    ("net_sales", "expected"),
    [
        ("-1", "0"),
        ("0", "0"),
        ("0.0001", "0"),
        ("2500", "7.5"),
        ("5000", "15"),
        ("5000.0001", "15"),
        ("40000", "50"),
        ("95000", "62.5"),
        ("149999.9999", "75"),
        ("150000", "75"),
        ("1575000", "87.5"),
        ("3000000", "100"),
        ("99999999999999.9999", "100"),
    ],
)
def test_a_score_is_linear_between_breakpoints_and_flat_beyond(net_sales: str, expected: str) -> None:
    assert scored(volume=net_sales, rule=policy(**VOLUME))["volume_score"] == Decimal(expected)


def test_a_score_is_rounded_once_half_to_even() -> None:
    scale = MeasureScale(weight=1, breakpoints=[[0, 0], [1, "0.0001"], [2, "0.0004"]])
    values = pl.DataFrame({"x": [Decimal("0.5"), Decimal("1.5")]}, schema={"x": MONEY_SUM})
    scores = values.select(measure_score("x", scale)).to_series().to_list()
    assert scores == [Decimal("0.0000"), Decimal("0.0002")]


def test_a_measure_not_assessed_has_no_score_and_no_points() -> None:
    row = scored(volume=40000)
    assert row["steadiness_score"] is None
    assert row["steadiness_points"] is None


def test_the_score_is_the_weighted_mean_over_what_is_assessed() -> None:
    row = scored(volume=40000, loyalty="0.6", rule=policy(**VOLUME))  # 50 and 60, weights 40 and 10
    assert row["score"] == round(Decimal(40 * 50 + 10 * 60) / 50, 4)
    assert row["score_coverage"] == Decimal("0.5")


def test_what_is_not_assessed_is_listed_with_its_reason() -> None:
    row = scored(volume=1, steadiness=1, contribution=1, loyalty=1, potential=1)
    assert row["unassessed"] == "feedback: not_delivered, influence: not_delivered"
    full = scored(volume=1, steadiness=1, contribution=1, loyalty=1, potential=1, feedback=1, influence=1)
    assert (full["unassessed"], full["score_coverage"]) == (None, 1)


def test_who_is_assessed_in_nothing_has_no_score() -> None:
    row = scored()
    assert (row["score"], row["score_coverage"]) == (None, 0)
    assert row["unassessed"].startswith("volume: not_delivered, steadiness: not_delivered")


def test_a_measure_without_weight_is_scored_but_gives_no_points() -> None:
    rule = policy(measures__influence__weight=0, **VOLUME)
    row = scored(volume=40000, influence=80, rule=rule)
    assert (row["influence_score"], row["influence_points"], row["score"]) == (80, 0, 50)


def test_only_a_measure_without_weight_assessed_is_nothing_assessed() -> None:
    row = scored(influence=80, rule=policy(measures__influence__weight=0))
    assert (row["influence_points"], row["score"], row["score_coverage"]) == (None, None, 0)


values = st.fixed_dictionaries(
    {
        "volume": st.none() | st.integers(-(10**6), 10**11).map(lambda x: Decimal(x) / 10**4),
        "steadiness": st.none() | st.integers(0, 10**6).map(lambda x: Decimal(x) / 10**6),
        "contribution": st.none() | st.integers(-(10**9), 10**10).map(lambda x: Decimal(x) / 10**4),
        "loyalty": st.none() | st.integers(0, 10**6).map(lambda x: Decimal(x) / 10**6),
        "feedback": st.none() | st.integers(0, 10**6).map(lambda x: Decimal(x) / 10**6),
        "influence": st.none() | st.integers(0, 10**6).map(lambda x: Decimal(x) / 10**4),
        "potential": st.none() | st.integers(0, 10**11).map(lambda x: Decimal(x) / 10**4),
    }
)
weights = st.fixed_dictionaries({measure: st.integers(1, 97) for measure in NAMES})


@settings(max_examples=60)
@given(values, weights)
def test_the_points_sum_to_the_score_and_each_is_what_its_measure_gives(measured: dict, weight: dict) -> None:
    changes = {f"measures__{name}__weight": weight[name] for name in NAMES}
    row = scored(rule=policy(**changes, segments__coverage_floor=0), **measured)
    assessed = [name for name in NAMES if measured[name] is not None]
    total = sum(weight[name] for name in assessed)
    given_points = [row[name] for name in POINTS if row[name] is not None]
    if not assessed:
        assert row["score"] is None
        return
    assert sum(given_points) == row["score"]
    contributions = {name: Fraction(row[f"{name}_score"]) * weight[name] / total for name in assessed}
    assert row["score"] == exact(sum(contributions.values()))
    for name, contribution in contributions.items():
        assert abs(Fraction(row[f"{name}_points"]) - contribution) <= Fraction(1, 10**4)
        assert 0 <= row[f"{name}_points"] <= 100
    assert 0 <= row["score"] <= 100


@settings(max_examples=40)
@given(st.integers(0, 10**11), st.integers(0, 10**11))
def test_more_of_a_measure_is_never_worth_less(one: int, other: int) -> None:
    low, high = sorted((Decimal(one) / 10**4, Decimal(other) / 10**4))
    assert scored(volume=low)["volume_score"] <= scored(volume=high)["volume_score"]


def test_scoring_keeps_grain_and_order() -> None:
    measured = measure(facts([*monthly(1), *monthly(2, customer="C2")]))
    result = score_customers(measured.lazy(), policy()).collect()
    assert result["customer_id"].to_list() == measured["customer_id"].to_list()
    assert result.select(MEASURED.names()).equals(measured)
