"""What a rating of one company may see on a day, gathered from the canonical tables."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, datetime

import duckdb
import polars as pl

from transforms.facts.model import Facts
from transforms.facts.standing import SAID_GONE, standing_allocations
from transforms.frames.schemas import CUSTOMERS
from warehouse.rating import facts as stored_facts

# Made of what was delivered.
COMPUTED = ("customer_month", "order_day", "document_references", "succession")
EXTRACTS = tuple(each.name for each in fields(Facts) if each.name not in COMPUTED)


def facts_of(
    connection: duckdb.DuckDBPyConnection, company: str, as_of: date, seen_until: datetime | None = None
) -> Facts:
    """What a rating of one company may see on a day; None in place of an extract that was never delivered.

    Undated facts are seen as recorded up to `seen_until`; None: up to now.
    """
    extracts = {
        table: stored_facts.read_extract(connection, table, company, as_of, seen_until) for table in EXTRACTS
    }
    customers = extracts.pop("customers")
    allocations = extracts.pop("payment_allocations")
    if allocations is not None:
        allocations = standing_allocations(
            allocations, stored_facts.read_deleted(connection, company, SAID_GONE)
        )
    return Facts(
        customers=pl.LazyFrame(schema=CUSTOMERS) if customers is None else customers,
        customer_month=stored_facts.read_cells(connection, "customer_month", company),
        order_day=stored_facts.read_cells(connection, "order_day", company),
        payment_allocations=allocations,
        document_references=stored_facts.read_document_references(connection, company, as_of),
        **extracts,
    )


def other_currencies(connection: duckdb.DuckDBPyConnection, currency: str) -> list[str]:
    """Say of each company that keeps its books in another currency than the settings have what follows from it."""
    return [
        f"{company} keeps its books in {own}, and company_currency is {currency}: its amounts are called {currency}, and a policy "
        f"that is fitted takes them for {currency}; set company_currency to {own} before the first rating, or have a policy fitted "
        "again by `valuemart calibrate`"
        for company, own in stored_facts.other_currencies(connection, currency)
    ]
