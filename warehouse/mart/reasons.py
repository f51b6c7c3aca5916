"""Reasons as the mart holds them, beside the rows whose texts they stand behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import duckdb

from warehouse.connection import literal
from warehouse.mart.files import Row, rows

_KEY = ("company_code", "customer_id", "about", "kind", "period", "revision")

Reasons = Mapping[tuple[object, ...], Sequence[Row]]


def of_customers(connection: duckdb.DuckDBPyConnection, company: str, customers: Iterable[str]) -> Reasons:
    """The reasons of some customers of a company, in their order, by customer, text, kind of conduct and tier change."""
    named = ", ".join(literal(customer) for customer in sorted(set(customers)))
    condition = f"company_code = {literal(company)} AND customer_id IN ({named})"
    return _grouped(rows(connection, f"FROM mart.reason WHERE {condition} ORDER BY place")) if named else {}


def of_chosen(connection: duckdb.DuckDBPyConnection, chosen: str) -> Reasons:
    """The same of the customers in a table of company_code and customer_id."""
    return _grouped(
        rows(
            connection,
            f"FROM mart.reason SEMI JOIN {chosen} USING (company_code, customer_id) ORDER BY place",
        )
    )


def beside(row: Row, found: Reasons, *texts: str) -> Row:
    """The row with the reasons behind its texts (table.column) in `<column>_reasons`; none: only the text is known.

    A row of the conduct findings bears its `kind`, one of the tier changes its period and revision.
    """
    shown = dict(row)
    for text in texts:
        table, _, column = text.partition(".")
        key = (
            row["company_code"],
            row["customer_id"],
            text,
            row["kind"] if table == "conduct_finding" else None,
            *((row["period"], row["revision"]) if table == "tier_change" else (None, None)),
        )
        shown[f"{column}_reasons"] = found.get(key, ())
    return shown


def _grouped(found: Iterable[Row]) -> Reasons:
    grouped: dict[tuple[object, ...], list[Row]] = {}
    for row in found:
        grouped.setdefault(tuple(row[name] for name in _KEY), []).append(row)
    return grouped
