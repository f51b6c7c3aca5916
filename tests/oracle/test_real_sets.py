"""Real books: a wholesaler's lines, resellers with cost, a ledger of settled invoices."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.bench.real_sets import SETS

if TYPE_CHECKING:
    from tests.oracle.conftest import Company

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def adventureworks(found: Callable[..., Company], real_data: Path) -> Company:
    company = found("USD")
    names = ("Sales.csv", "Region.csv", "Reseller.csv", "Product.csv")
    files = [real_data / "adventureworks" / name for name in names]
    company.land(files, "adventureworks", "2020-06-01T06:00+00:00")
    return company


@pytest.fixture(scope="module")
def accounts_receivable(found: Callable[..., Company], real_data: Path) -> Company:
    company = found("USD")
    file = real_data / "accounts_receivable" / "accounts_receivable.csv"
    company.land([file], "accounts_receivable", "2014-02-01T06:00+00:00")
    return company


@pytest.fixture(scope="module")
def online_retail(found: Callable[..., Company], loaded_online_retail: Path) -> Company:
    company = found(SETS["online_retail"][1])
    shutil.copytree(loaded_online_retail, company.home, symlinks=True, dirs_exist_ok=True)
    return company


@pytest.mark.parametrize("as_of", [date(2019, 6, 15), date(2020, 5, 31)])
def test_resellers_with_cost(adventureworks: Company, as_of: date) -> None:
    adventureworks.agrees(as_of)


@pytest.mark.parametrize("as_of", [date(2012, 11, 15), date(2013, 6, 30), date(2013, 12, 31)])
def test_a_ledger_alone(accounts_receivable: Company, as_of: date) -> None:
    accounts_receivable.agrees(as_of)


def test_a_wholesalers_lines_in_the_middle_of_a_month(online_retail: Company) -> None:
    online_retail.agrees(date(2011, 12, 8))
