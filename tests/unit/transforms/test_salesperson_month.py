"""Sales by who sold it: nothing is lost or invented, and it counts in the months that everything counts in."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transforms.small_worlds import FAR, frame
from transforms.facts.customer_month import customer_months
from transforms.facts.salesperson_month import GRAIN, SALESPERSON_LINES, salesperson_months
from transforms.frames.schemas import SALESPERSON_MONTH

MARCH, APRIL = date(2024, 3, 14), date(2024, 4, 2)


def lines_of(*lines: dict[str, Any]) -> pl.LazyFrame:
    numbered = [{"invoice_date": MARCH, "document_id": f"D{n}"} | line for n, line in enumerate(lines)]
    return frame(SALESPERSON_LINES, numbered)


def sold(*lines: dict[str, Any], as_of: date = FAR) -> list[tuple[Any, ...]]:
    found = salesperson_months(lines_of(*lines), None, as_of).collect()
    assert found.schema == SALESPERSON_MONTH
    return found.select("month", "salesperson_id", "net_sales").rows()


def test_a_sale_is_the_lines_own_salespersons_and_nobodys_where_it_names_none():
    assert sold(
        {"net_amount_company": 10, "salesperson_id": "S1"},
        {"net_amount_company": 5, "salesperson_id": "S1"},
        {"net_amount_company": 7, "salesperson_id": "S2"},
        {"net_amount_company": 1},
    ) == [(date(2024, 3, 1), "S1", 15), (date(2024, 3, 1), "S2", 7), (date(2024, 3, 1), None, 1)]


def test_a_credit_note_counts_in_the_month_of_its_invoice_and_for_who_wrote_it():
    invoice = {"net_amount_company": 10, "salesperson_id": "S1", "document_id": "I"}
    credit = {
        "net_amount_company": -4, "salesperson_id": "S2", "document_type": "credit_note", "invoice_date": APRIL,
        "references_document_id": "I", "referenced_on": MARCH,
    }  # fmt: skip
    assert sold(invoice, credit) == [(date(2024, 3, 1), "S1", 10), (date(2024, 3, 1), "S2", -4)]


def test_what_is_cancelled_between_companies_or_not_known_yet_does_not_count():
    usual = {"net_amount_company": 10, "salesperson_id": "S1"}
    late = {**usual, "available_on": APRIL}
    assert sold({**usual, "is_cancelled": True}, {**usual, "is_intercompany": True}) == []
    assert sold(late, as_of=MARCH) == []
    assert sold(late, as_of=APRIL) == [(date(2024, 3, 1), "S1", 10)]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "net_amount_company": st.integers(-1_000, 1_000),
                "customer_id": st.sampled_from(["C1", "C2"]),
                "salesperson_id": st.sampled_from(["S1", "S2", None]),
                "invoice_date": st.sampled_from([MARCH, APRIL]),
                "is_cancelled": st.booleans(),
            }
        ),
        max_size=12,
    )
)
def test_no_sale_is_lost_or_invented(lines: list[dict[str, Any]]):
    given_lines = lines_of(*lines)
    by_salesperson = salesperson_months(given_lines, None, FAR).collect()
    assert by_salesperson.select(GRAIN).is_unique().all()
    months = customer_months(given_lines, None, None, FAR, ()).collect()
    cell = ["customer_id", "month"]
    summed = by_salesperson.group_by(cell).agg(pl.col("net_sales").sum()).sort(cell)
    assert summed.rows() == months.select(*cell, "net_sales").sort(cell).rows()
