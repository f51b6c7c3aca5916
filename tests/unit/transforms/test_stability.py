"""Tiers are calm: noise hardly moves them, and hardly anybody goes there and back within a year."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest

from tests.sample_facts import known_of, looks_of, sample_company
from tests.unit.transforms.small_worlds import policy
from transforms.facts.as_of import AsOfFacts
from transforms.simulation.compare import agreement
from transforms.simulation.replay import replay
from transforms.simulation.volatility import Volatility, volatility

CUSTOMERS, PERIODS = 150, 24
LARGEST_NOISE, MOST_THAT_DIFFER = 0.03, 0.02
MOST_REVERSALS = 1  # in 100 customer-years

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _in_memory() -> Iterator[None]:
    """Small frames: the streaming engine takes longer to set up than they take to rate."""
    with pl.Config() as config:
        config.set_engine_affinity("in-memory")
        yield


def lived(known: AsOfFacts) -> pl.DataFrame:
    return replay(lambda _: known, policy(), looks_of(sample_company(customers=CUSTOMERS), PERIODS)).values


@pytest.fixture(scope="module")
def exact() -> pl.DataFrame:
    return lived(known_of(sample_company(customers=CUSTOMERS)))


def counted(ratings: pl.DataFrame) -> Volatility:
    periods = ratings["period"]
    return volatility(ratings.lazy(), first=periods.min(), last=periods.max())  # type: ignore[arg-type]


def test_amounts_off_by_three_percent_change_fewer_than_two_tiers_in_a_hundred(exact: pl.DataFrame) -> None:
    noisy = lived(known_of(sample_company(customers=CUSTOMERS), noise=LARGEST_NOISE))
    found = agreement(exact, noisy)
    assert found["ratings"] == exact.height
    assert found["same_score"] < found["ratings"], "the noise must be felt"
    assert found["same_tier"] > (1 - MOST_THAT_DIFFER) * found["ratings"]


def test_hardly_anybody_moves_there_and_back_and_without_memory_many_would(exact: pl.DataFrame) -> None:
    without_memory = exact.with_columns(effective_tier="raw_tier")
    assert counted(exact).reversals_per_100_customer_years < MOST_REVERSALS
    assert counted(without_memory).reversals_per_100_customer_years > 10 * MOST_REVERSALS
