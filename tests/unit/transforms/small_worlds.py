"""Small worlds to rate: rows that name only what a test is about, and the frames made of them."""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from flows.wording.reasons import with_text
from transforms.facts.customer_month import customer_months
from transforms.facts.lines import DOCUMENT_REFERENCES, LINES
from transforms.facts.model import Facts
from transforms.facts.order_day import order_days
from transforms.facts.sales_cell import SALES_LINES, sales_cells
from transforms.frames import schemas
from transforms.measures import measure_customers
from transforms.policy.model import Policy, parse_policy

POLICIES = Path(__file__).resolve().parents[3] / "transforms" / "policy"
FAR = date(2099, 12, 31)
YEAR_END = date(2024, 12, 31)
NO_ORDERS = ("fee", "freight", "sample", "deposit")

_ALWAYS: dict[str, Any] = {
    "company_code": "1000",
    "customer_id": "C1",
    "available_on": date(2020, 1, 1),
    "name": "a name",
    "status": "active",
    "document_type": "invoice",
    "product_id": "P1",
    "quantity": 1,
    "uom": "PCE",
    "base_uom": "PCE",
    "is_cancelled": False,
    "item_type": "invoice",
    "direction": "inbound",
    "kind": "product_feedback",
    "is_feedback": True,
    "estimate_version": "1",
    "source": "survey",
    "assessor": "head of sales",
}


def frame(schema: pl.Schema, records: list[dict[str, Any]]) -> pl.LazyFrame:
    """Rows of a contract; what a record does not name has its usual value, or is null."""
    unknown = {name for record in records for name in record} - set(schema.names())
    assert not unknown, f"not in the contract: {unknown}"
    full = [{name: record.get(name, _ALWAYS.get(name)) for name in schema.names()} for record in records]
    columns = {
        name: [
            Decimal(str(row[name])) if dtype.is_decimal() and row[name] is not None else row[name]
            for row in full
        ]
        for name, dtype in schema.items()
    }
    return pl.LazyFrame(columns, schema=schema)


def line(on: date, net: float | str | Decimal, **other: Any) -> dict[str, Any]:
    """A line of an invoice of its own on a day."""
    document = other.pop("document_id", f"{other.get('customer_id', 'C1')}-{on}")
    return {"invoice_date": on, "net_amount_company": net, "document_id": document, **other}


def lines(*records: dict[str, Any]) -> pl.LazyFrame:
    return frame(LINES, list(records))


def monthly(*amounts: float | str, customer: str = "C1", last: date = YEAR_END) -> list[dict[str, Any]]:
    """One order a month of these amounts, the last one in the month of `last`; 0 means no order."""
    count = last.year * 12 + last.month - 1
    months = [divmod(count - back, 12) for back in range(len(amounts) - 1, -1, -1)]
    return [
        line(date(year, month + 1, 10), amount, customer_id=customer)
        for (year, month), amount in zip(months, amounts, strict=True)
        if amount != 0
    ]


def facts(
    sales: list[dict[str, Any]],
    *,
    customers: list[dict[str, Any]] | None = None,
    products: list[dict[str, Any]] | None = None,
    **extracts: list[dict[str, Any]],
) -> Facts:
    """The facts of a world; an extract not named is not delivered, one given as [] is delivered and empty."""
    sold = lines(*sales)
    product_frame = None if products is None else frame(schemas.PRODUCTS, products)
    return Facts(
        customers=frame(schemas.CUSTOMERS, customers or []),
        customer_month=customer_months(sold, product_frame, None, FAR, NO_ORDERS),
        order_day=order_days(sold, product_frame, None, FAR, NO_ORDERS),
        products=product_frame,
        **{name: frame(_schema_of(name), records) for name, records in extracts.items()},
    )


def _schema_of(name: str) -> pl.Schema:
    if name == "document_references":
        return DOCUMENT_REFERENCES
    schema: pl.Schema = getattr(schemas, name.upper())
    return schema


def sales(records: list[dict[str, Any]], products: list[dict[str, Any]] | None = None) -> pl.LazyFrame:
    """The sales cells of a world's lines, for the measures that look at products."""
    sold = frame(SALES_LINES, records)
    return sales_cells(sold, None if products is None else frame(schemas.PRODUCTS, products), None, FAR)


def speakers(
    count: int = 5, since: date = date(2023, 12, 1), last: date = date(2024, 6, 3)
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Customers who gave feedback on two days, so that it may be asked of everybody: what they bought, and what they said."""
    names = [f"SPEAKER{number}" for number in range(count)]
    bought = [line(since, 1, customer_id=name) for name in names]
    said = [
        {
            "customer_id": name,
            "interaction_id": f"{name}-{on}",
            "occurred_at": datetime(on.year, on.month, on.day),
        }
        for name in names
        for on in (since, last)
    ]
    return bought, said


@cache
def _default() -> str:
    return (POLICIES / "default.toml").read_text(encoding="utf-8")


def policy_content() -> dict[str, Any]:
    """The default policy's sections, to be changed and parsed."""
    return tomllib.loads(_default(), parse_float=Decimal)


def policy(**changes: Any) -> Policy:
    """The default policy with some keys changed: `loyalty__p_alive="shown"`."""
    content = policy_content()
    for path, value in changes.items():
        *sections, key = path.split("__")
        section = content
        for name in sections:
            section = section[name]
        assert key in section, path
        section[key] = value
    return parse_policy(content)


def measure(
    world: Facts,
    rule: Policy | None = None,
    closed_through: date = YEAR_END,
    cells: pl.LazyFrame | None = None,
) -> pl.DataFrame:
    return measure_customers(world, rule or policy(), closed_through, cells).collect()


def one(frame_of_one: pl.DataFrame, customer: str = "C1") -> dict[str, Any]:
    """The row of a customer, its reasons as the mart says them."""
    [row] = with_text(frame_of_one.filter(pl.col("customer_id") == customer)).to_dicts()
    return row
