"""The canonical tables as frames: what one company's rating at one date may see."""

from __future__ import annotations

from datetime import date

import duckdb
import polars as pl

from expectations.contract import frame_columns
from expectations.contract import load as load_contract
from warehouse.connection import frame, quoted, scalar

UNDATED = frozenset({"customers", "products"})


def companies(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The legal entities that have invoice lines or customers, in order."""
    rows = connection.execute(
        "SELECT company_code FROM erp.customers UNION SELECT company_code FROM erp.invoice_lines ORDER BY 1"
    ).fetchall()
    return [str(company) for (company,) in rows]


def read_extract(
    connection: duckdb.DuckDBPyConnection, table: str, company: str, as_of: date
) -> pl.LazyFrame | None:
    """A canonical table's rows of one company known by `as_of`; None where none were ever delivered.

    Customers and products come whole, as they are now: who they are is asked of every period, and the day they were
    recorded says nothing of since when. Whether a customer was known by then is told by its known_on.
    """
    name = f"erp.{quoted(table)}"
    if not scalar(
        connection, f"SELECT count(*) FROM (SELECT 1 FROM {name} WHERE company_code = ? LIMIT 1)", [company]
    ):
        return None
    columns = ", ".join(quoted(column.name) for column in frame_columns(load_contract(table)))
    sql = f"SELECT {columns} FROM {name} WHERE company_code = $company AND NOT is_deleted"
    if table in UNDATED:
        return frame(connection, sql, {"company": company}).lazy()
    return frame(connection, f"{sql} AND known_on <= $as_of", {"company": company, "as_of": as_of}).lazy()


def read_products(connection: duckdb.DuckDBPyConnection) -> pl.LazyFrame:
    """The products of all companies, for the cells, which are computed for all companies at once."""
    columns = ", ".join(quoted(column.name) for column in frame_columns(load_contract("products")))
    return frame(connection, f"SELECT {columns} FROM erp.products WHERE NOT is_deleted").lazy()


def read_cells(connection: duckdb.DuckDBPyConnection, table: str, company: str) -> pl.LazyFrame:
    """customer_month or order_day of one company."""
    columns = ", ".join(quoted(name) for name in load_contract(table).column_names)
    return frame(
        connection,
        f"SELECT {columns} FROM rated.{quoted(table)} WHERE company_code = $company",
        {"company": company},
    ).lazy()


def read_sales(connection: duckdb.DuckDBPyConnection, company: str, since: date) -> pl.LazyFrame:
    """sales_cell of one company, from the month of `since` on."""
    columns = ", ".join(quoted(name) for name in load_contract("sales_cell").column_names)
    return frame(
        connection,
        f"SELECT {columns} FROM rated.sales_cell WHERE company_code = $company AND month >= $since",
        {"company": company, "since": since},
    ).lazy()
