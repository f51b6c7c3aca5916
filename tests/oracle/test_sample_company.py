"""The sample company, loaded from its two systems' files: what it is rated, and what the oracle says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.oracle.conftest import Company

pytestmark = pytest.mark.slow
CUSTOMERS, MONTHS, LAST_MONTH = 80, 24, date(2025, 6, 1)


@pytest.fixture(scope="module")
def sample(found: Callable[..., Company]) -> Company:
    from flows.demo.world import build_world, write_month

    company = found()
    world = build_world(customers=CUSTOMERS, months=MONTHS, last_month=LAST_MONTH)
    for month in world.months:
        write_month(world, month, company.settings().inbox)
    company.load()
    return company


# One after the other on the same books, so that each day's rating stands on what the last one left: the first of all,
# within a month, at the end of one, under another policy, and back to a day in the past.
@pytest.mark.parametrize(
    ("as_of", "policy"),
    [
        (date(2024, 12, 31), "default"),
        (date(2025, 3, 17), "default"),
        (date(2025, 6, 30), "default"),
        (date(2025, 6, 30), "growth"),
        (date(2025, 4, 30), "credit_strict"),
    ],
)
def test_the_oracle_finds_what_the_rating_found(sample: Company, as_of: date, policy: str) -> None:
    sample.agrees(as_of, policy)
