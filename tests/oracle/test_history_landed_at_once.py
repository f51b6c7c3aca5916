"""A history that is landed today and rated for days in the past: facts as they were then, masters as they are now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.oracle.conftest import Company

FIRST, DAYS = date(2024, 1, 10), 600

CUSTOMERS = """customer_id,name,status,channel,territory_id,credit_limit,created_on
C1,Steady,active,direct,NORTH,5000,2021-01-01
C2,Newer,active,distribution,SOUTH,,2025-02-01
C3,Without a date,active,export,,0,
"""
PRODUCTS = """product_id,name,base_uom,lifecycle_stage,standard_cost
P1,Old,PCE,maturity,2.7183
P2,New,PCE,introduction,0.3333
"""
LINE_COLUMNS = (
    "document_id,line_id,document_type,invoice_date,customer_id,product_id,quantity,uom,net_amount,currency,company_currency,"
    "is_cancelled,references_document_id"
)
ITEM_COLUMNS = "item_id,customer_id,item_type,posting_date,due_date,original_amount,currency,company_currency,cleared_date"


def lines() -> list[str]:
    """An invoice every fifth day, to one customer after the other, and now and then a credit note that names one."""
    found = []
    for number in range(DAYS // 5):
        day, customer = FIRST + timedelta(5 * number), f"C{1 + number % 3}"
        product, quantity = f"P{1 + number % 2}", 1 + number % 7
        if customer == "C2" and day < date(2025, 2, 1):
            continue
        found.append(
            f"D{number},1,invoice,{day},{customer},{product},{quantity},PCE,{quantity * 12.5},EUR,EUR,false,"
        )
        if number % 9 == 4:
            back = day + timedelta(40)
            found.append(
                f"K{number},1,credit_note,{back},{customer},{product},-1,PCE,-12.5,EUR,EUR,false,D{number}"
            )
    return found


def items() -> list[str]:
    """Due after 30 days; paid somewhat later each time, some of them never."""
    found = []
    for number in range(0, DAYS // 5, 2):
        day = FIRST + timedelta(5 * number)
        cleared = "" if number % 11 == 0 else day + timedelta(25 + number % 40)
        found.append(
            f"I{number},C{1 + number % 3},invoice,{day},{day + timedelta(30)},{100 + number}.37,EUR,EUR,{cleared}"
        )
    return found


@pytest.fixture(scope="module")
def company(found: Callable[..., Company], tmp_path_factory: pytest.TempPathFactory) -> Company:
    folder: Path = tmp_path_factory.mktemp("history")
    contents = {
        "customers": CUSTOMERS,
        "products": PRODUCTS,
        "invoice_lines": "\n".join([LINE_COLUMNS, *lines()]) + "\n",
        "receivables": "\n".join([ITEM_COLUMNS, *items()]) + "\n",
    }
    for name, content in contents.items():
        (folder / f"{name}.csv").write_text(content, "utf-8")
    company = found()
    company.land([folder / f"{name}.csv" for name in contents], "generic_csv", "2025-10-01T06:00+00:00")
    return company


@pytest.mark.parametrize("as_of", [date(2025, 2, 14), date(2025, 6, 30), date(2025, 10, 1)])
def test_the_oracle_finds_what_the_rating_found_for_a_past_day(company: Company, as_of: date) -> None:
    company.agrees(as_of)
