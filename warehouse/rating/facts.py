"""The canonical tables as frames: what one company's rating at one date may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import duckdb
import polars as pl

from expectations.contract import frame_columns
from expectations.contract import load as load_contract
from warehouse.connection import frame, quoted, scalar


def companies(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The legal entities that have customers, invoice lines or receivables, in order."""
    rows = connection.execute(
        """SELECT company_code FROM erp.customers UNION SELECT company_code FROM erp.invoice_lines
           UNION SELECT company_code FROM erp.receivables ORDER BY 1"""
    ).fetchall()
    return [str(company) for (company,) in rows]


def other_currencies(connection: duckdb.DuckDBPyConnection, currency: str) -> list[tuple[str, str]]:
    """The companies whose books are kept in another currency than the one that is given, with theirs, in order."""
    rows = connection.execute(
        """SELECT company_code, company_currency FROM erp.invoice_lines
           WHERE company_currency <> $currency AND NOT is_deleted
           UNION SELECT company_code, company_currency FROM erp.receivables
           WHERE company_currency <> $currency AND NOT is_deleted
           ORDER BY 1, 2""",
        {"currency": currency},
    ).fetchall()
    return [(str(company), str(own)) for company, own in rows]


def read_extract(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    company: str,
    as_of: date,
    seen_until: datetime | None = None,
) -> pl.LazyFrame | None:
    """A canonical table's rows of one company known by `as_of`; None where none were ever delivered.

    What the contract calls current, customers and products, comes whole, as it is now: who they are is asked of every
    period, and the day they were recorded says nothing of since when. Whether a customer was known by then is told by its
    available_on. Any other table whose rows bear no date, such as open orders, says how things stood when it was extracted: its
    rows come as recorded up to `seen_until` (None: up to now), whatever the day.
    """
    name = f"erp.{quoted(table)}"
    if not scalar(
        connection, f"SELECT count(*) FROM (SELECT 1 FROM {name} WHERE company_code = ? LIMIT 1)", [company]
    ):
        return None
    contract = load_contract(table)
    columns = ", ".join(quoted(column.name) for column in frame_columns(contract))
    sql = f"SELECT {columns} FROM {name} WHERE company_code = $company AND NOT is_deleted"
    if contract.is_current or (contract.own_date is None and seen_until is None):
        return frame(connection, sql, {"company": company}).lazy()
    if contract.own_date is None:
        until = {"company": company, "seen_until": seen_until}
        return frame(connection, f"{sql} AND recorded_at <= $seen_until", until).lazy()
    return frame(connection, f"{sql} AND available_on <= $as_of", {"company": company, "as_of": as_of}).lazy()


def read_deleted(
    connection: duckdb.DuckDBPyConnection, company: str, causes: Sequence[str]
) -> dict[str, pl.LazyFrame]:
    """The payments and items of a company that were deleted by one of the causes, and which numbers of such items payments bear.

    By `payments`, `receivables` and `payments_of_items`, each of company_code and id.
    """
    deleted = "company_code = $company AND is_deleted AND list_contains($causes, deleted_by)"
    items = f"SELECT company_code, item_id AS id FROM erp.receivables WHERE {deleted}"
    queries = {
        "payments": f"SELECT company_code, payment_id AS id FROM erp.payments WHERE {deleted}",
        "receivables": items,
        "payments_of_items": f"""SELECT company_code, payment_id AS id FROM erp.payments
            WHERE company_code = $company AND payment_id IN (SELECT id FROM ({items}))""",
    }
    about = {"company": company, "causes": list(causes)}
    return {name: frame(connection, sql, about).lazy() for name, sql in queries.items()}


def read_document_references(
    connection: duckdb.DuckDBPyConnection, company: str, as_of: date
) -> pl.LazyFrame:
    """The lines known by `as_of` of documents of which a line names another one: few of all lines, most name none."""
    return frame(
        connection,
        """SELECT company_code, document_id, references_document_id, net_amount, available_on FROM erp.invoice_lines
           WHERE company_code = $company AND NOT is_deleted AND available_on <= $as_of AND document_id IN (
               SELECT document_id FROM erp.invoice_lines
               WHERE company_code = $company AND NOT is_deleted AND references_document_id IS NOT NULL)""",
        {"company": company, "as_of": as_of},
    ).lazy()


def landed_between(
    connection: duckdb.DuckDBPyConnection, company: str
) -> tuple[datetime | None, datetime | None]:
    """When the company's first loaded batch was extracted, and when its latest one was; None before any."""
    ((first, last),) = connection.execute(
        "SELECT min(extracted_at), max(extracted_at) FROM ops.batch WHERE company_code = ? AND status <> 'refused'",
        [company],
    ).fetchall()
    return first, last


def end_of(day: date) -> datetime:
    """The first moment after a day."""
    return datetime.combine(day + timedelta(days=1), time())


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


def latest_rate(
    connection: duckdb.DuckDBPyConnection, currency: str, other: str, day: date
) -> Decimal | None:
    """What one unit of a currency was worth in another on a day: the latest rate known, direct else inverse; null for none."""
    if currency == other:
        return Decimal(1)
    row = connection.execute(
        """SELECT CASE WHEN from_currency = $currency THEN rate ELSE CAST(1 / rate AS DECIMAL(18, 8)) END FROM erp.fx_rates
           WHERE NOT is_deleted AND rate_date <= $day
             AND (from_currency, to_currency) IN (($currency, $other), ($other, $currency))
           ORDER BY rate_date DESC, from_currency = $currency DESC, company_code LIMIT 1""",
        {"currency": currency, "other": other, "day": day},
    ).fetchone()
    return None if row is None else Decimal(row[0])


def read_sales(connection: duckdb.DuckDBPyConnection, company: str, since: date) -> pl.LazyFrame:
    """sales_cell of one company, from the month of `since` on."""
    columns = ", ".join(quoted(name) for name in load_contract("sales_cell").column_names)
    return frame(
        connection,
        f"SELECT {columns} FROM rated.sales_cell WHERE company_code = $company AND month >= $since",
        {"company": company, "since": since},
    ).lazy()


def read_salespersons(connection: duckdb.DuckDBPyConnection, company: str, as_of: date) -> pl.LazyFrame:
    """Who sold to a customer last, as of a day: company_code, customer_id, salesperson_id; none where no line names one."""
    return frame(
        connection,
        """SELECT company_code, customer_id, arg_max(salesperson_id, (invoice_date, document_id, line_id)) AS salesperson_id
           FROM erp.invoice_lines
           WHERE company_code = $company AND salesperson_id IS NOT NULL AND NOT is_deleted AND NOT is_cancelled
               AND available_on <= $as_of
           GROUP BY company_code, customer_id ORDER BY customer_id""",
        {"company": company, "as_of": as_of},
    ).lazy()
