"""The sample company, loaded from its two systems' files: what it is rated, and what the oracle says."""

from __future__ import annotations

import shutil
from datetime import date
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from expectations.gate import Gate
    from tests.oracle.conftest import Company
    from tests.sample_company import SampleCompany


@pytest.fixture(scope="module")
def sample(sample_company: SampleCompany, gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Company:
    from tests.oracle.conftest import Company

    home = tmp_path_factory.mktemp("oracle") / "home"
    shutil.copytree(sample_company.settings.home, home, symlinks=True)
    return Company(home, gate)


# One after the other on the same books, so that each day's rating stands on what the last one left: as it was rated, within
# the next month, under another policy, and back to a day in the past.
@pytest.mark.parametrize(
    ("as_of", "policy"),
    [
        (date(2025, 6, 30), "default"),
        (date(2025, 7, 17), "default"),
        (date(2025, 7, 17), "growth"),
        (date(2025, 4, 30), "credit_strict"),
    ],
)
def test_the_oracle_finds_what_the_rating_found(sample: Company, as_of: date, policy: str) -> None:
    sample.agrees(as_of, policy)
