"""Which customer-months a change touches, and the lines that make up a touched customer-month.

A cell is one (company_code, customer_id, month). What a cell holds is a matter for the transforms; here it is only
noted that a line of the cell, or a document the line refers to, has changed, so that only touched cells are computed
again. Too many cells cost time, too few would be wrong: where in doubt a cell is touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import duckdb
import polars as pl

from warehouse.connection import count, frame, insert, quoted, scalar

# Lines that are summed at once: they and their sums take some 500 MB.
MOST_LINES = 1_000_000
_CHUNK = "chunk"


def mark_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Note that every cell is to be computed again; no reason to rate past periods again."""
    connection.execute(
        """INSERT INTO ops.dirty_cell (company_code, customer_id, month, reaches_back)
           SELECT DISTINCT company_code, customer_id, CAST(date_trunc('month', invoice_date) AS DATE), false
           FROM erp.invoice_lines"""
    )


def touched_cells(connection: duckdb.DuckDBPyConnection, *, rated_as_of: date | None, as_of: date) -> int:
    """Gather the cells to compute again (temp table `cell`); their number.

    These are the dirty ones and, where `as_of` moved since the last rating, those of lines that became known, or are
    not known any more, in between. A line known by the end of its own month is in place whichever way `as_of` moves.
    """
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE cell AS
           SELECT company_code, customer_id, month, bool_or(reaches_back) AS reaches_back
           FROM ops.dirty_cell GROUP BY ALL"""
    )
    if rated_as_of is not None and rated_as_of != as_of:
        first, last = sorted((rated_as_of, as_of))
        connection.execute(
            """INSERT INTO cell (company_code, customer_id, month, reaches_back)
               WITH line AS (
                   SELECT company_code, customer_id, document_id, references_document_id, invoice_date
                   FROM erp.invoice_lines WHERE available_on > $first AND available_on <= $last),
               moved AS (
                   SELECT company_code, customer_id, invoice_date AS day FROM line
                   UNION SELECT l.company_code, l.customer_id, d.invoice_date FROM line AS l
                         JOIN erp.invoice_lines AS d
                           ON d.company_code = l.company_code AND d.document_id = l.references_document_id
                   UNION SELECT r.company_code, r.customer_id, r.invoice_date FROM erp.invoice_lines AS r
                         JOIN line AS l
                           ON r.company_code = l.company_code AND r.references_document_id = l.document_id)
               SELECT DISTINCT company_code, customer_id, CAST(date_trunc('month', day) AS DATE), true FROM moved
               EXCEPT FROM cell""",
            {"first": first, "last": last},
        )
    return count(connection, "SELECT count(*) FROM cell")


def chunks(connection: duckdb.DuckDBPyConnection, most_lines: int | None = None) -> Iterator[str]:
    """Take the gathered cells in chunks of whole customers with at most so many lines; each is a relation, by its name.

    Grain: one target cell (company_code, customer_id, month). A history is more than memory holds at once; a customer with
    more lines than that is a chunk of its own. A chunk is there until the next one is asked for.
    """
    most = most_lines or MOST_LINES
    if count(connection, "SELECT count(*) FROM erp.invoice_lines") <= most:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_CHUNK} AS SELECT company_code, customer_id, month FROM cell"
        )
        yield _CHUNK
        return
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE numbered AS
           WITH customer AS (
               SELECT company_code, customer_id, count(l.document_id) AS lines
               FROM (SELECT DISTINCT company_code, customer_id FROM cell)
               LEFT JOIN erp.invoice_lines AS l USING (company_code, customer_id) GROUP BY ALL)
           SELECT *, (sum(lines) OVER (ORDER BY customer_id, company_code) - 1) // $most AS number FROM customer""",
        {"most": most},
    )
    numbers = connection.execute("SELECT DISTINCT number FROM numbered ORDER BY number").fetchall()
    for (number,) in numbers:
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE {_CHUNK} AS
               SELECT company_code, customer_id, month FROM cell JOIN numbered USING (company_code, customer_id)
               WHERE number = ?""",
            [number],
        )
        yield _CHUNK


def target_cells(connection: duckdb.DuckDBPyConnection, chunk: str) -> pl.LazyFrame:
    """The cells of a chunk: company_code, customer_id, month."""
    return frame(connection, f"FROM {chunk}").lazy()


def lines_of_cells(
    connection: duckdb.DuckDBPyConnection, chunk: str, columns: Sequence[str], as_of: date
) -> pl.LazyFrame:
    """The known, live lines that can count in the cells of a chunk, with the date of the document each refers to.

    Grain: one invoice line. `referenced_on` is null where the line names no document or the document is not here.
    """
    selected = ", ".join(f"l.{quoted(name)}" for name in columns)
    document = """(SELECT company_code, document_id, min(invoice_date) AS referenced_on FROM erp.invoice_lines
                   WHERE NOT is_deleted AND available_on <= $as_of AND (company_code, document_id) IN (
                       SELECT (company_code, references_document_id) FROM erp.invoice_lines
                       WHERE references_document_id IS NOT NULL)
                   GROUP BY ALL)"""
    lines = frame(
        connection,
        f"""SELECT {selected}, l.available_on, d.referenced_on
            FROM erp.invoice_lines AS l
            LEFT JOIN {document} AS d
                   ON d.company_code = l.company_code AND d.document_id = l.references_document_id
            WHERE NOT l.is_deleted AND l.available_on <= $as_of
              AND l.customer_id BETWEEN (SELECT min(customer_id) FROM {chunk}) AND (SELECT max(customer_id) FROM {chunk}) AND (
                  (l.company_code, l.customer_id, CAST(date_trunc('month', l.invoice_date) AS DATE)) IN
                      (SELECT (company_code, customer_id, month) FROM {chunk})
               OR (l.company_code, l.customer_id, CAST(date_trunc('month', d.referenced_on) AS DATE)) IN
                      (SELECT (company_code, customer_id, month) FROM {chunk}))""",
        {"as_of": as_of},
    )
    return lines.lazy()


def is_first(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether no cell was ever computed, so that none is to be replaced."""
    return not any(
        count(connection, f"SELECT count(*) FROM (SELECT 1 FROM rated.{table} LIMIT 1)")
        for table in ("customer_month", "sales_cell", "salesperson_month", "order_day")
    )


def replace_cells(
    connection: duckdb.DuckDBPyConnection,
    chunk: str,
    months: pl.DataFrame,
    order_days: pl.DataFrame,
    sales: pl.DataFrame,
    by_salesperson: pl.DataFrame,
    *,
    is_first: bool = False,
) -> None:
    """Put newly computed cells in the place of the old ones of a chunk: by month, and the order days inside them.

    The rows by month are of the chunk's cells and of no others. `is_first`: none was ever computed, and nothing is deleted.
    """
    for table, day, rows in (
        ("customer_month", "month", months),
        ("sales_cell", "month", sales),
        ("salesperson_month", "month", by_salesperson),
        ("order_day", "order_on", order_days),
    ):
        inside = f"""WHERE (company_code, customer_id, CAST(date_trunc('month', {day}) AS DATE)) IN (
            SELECT (company_code, customer_id, month) FROM {chunk})"""
        if not is_first:
            connection.execute(f"DELETE FROM rated.{quoted(table)} {inside}")
        connection.register("new_rows", rows)
        try:
            connection.execute(
                f"INSERT INTO rated.{quoted(table)} BY NAME FROM new_rows {'' if day == 'month' else inside}"
            )
        finally:
            connection.unregister("new_rows")


def earliest_change(connection: duckdb.DuckDBPyConnection, company: str) -> date | None:
    """The earliest day that a company's changes since the last rating reach back to; None where nothing dated changed."""
    day = scalar(
        connection,
        """SELECT least((SELECT min(month) FROM cell WHERE company_code = $company AND reaches_back),
                        (SELECT min(earliest) FROM ops.dirty_table WHERE company_code = $company))""",
        {"company": company},
    )
    return day if isinstance(day, date) else None


def earliest_of(connection: duckdb.DuckDBPyConnection, company: str, tables: Sequence[str]) -> date | None:
    """The earliest day that changes of some tables since the last rating reach back to; None where none did."""
    day = scalar(
        connection,
        """SELECT min(earliest) FROM ops.dirty_table
           WHERE company_code = $company AND table_name IN (SELECT unnest($tables::VARCHAR[]))""",
        {"company": company, "tables": list(tables)},
    )
    return day if isinstance(day, date) else None


def changed_customers(connection: duckdb.DuckDBPyConnection, company: str) -> pl.DataFrame | None:
    """Whose facts changed since the last rating, each with the first day, `since`, that the changes reach back to.

    Columns: company_code, customer_id, since. None where a dated change may concern anybody.
    """
    if count(
        connection,
        "SELECT count(*) FROM ops.dirty_table WHERE company_code = ? AND customer_id IS NULL AND earliest IS NOT NULL",
        [company],
    ):
        return None
    return frame(
        connection,
        """SELECT company_code, customer_id, min(since) AS since FROM (
               SELECT company_code, customer_id, month AS since FROM cell WHERE reaches_back
               UNION ALL
               SELECT company_code, customer_id, earliest FROM ops.dirty_table WHERE earliest IS NOT NULL)
           WHERE company_code = $company GROUP BY ALL""",
        {"company": company},
    )


def remapped_customers(connection: duckdb.DuckDBPyConnection, company: str) -> pl.DataFrame | None:
    """Whose rows a corrected mapping changed since the last rating (company_code, customer_id); None: nobody's."""
    found = frame(
        connection,
        "SELECT company_code, customer_id FROM ops.remapped_customer WHERE company_code = ? ORDER BY customer_id",
        [company],
    )
    return None if found.is_empty() else found


def clear_dirty(
    connection: duckdb.DuckDBPyConnection, left_behind: Mapping[str, date], *, looks_back: bool
) -> None:
    """The rating has seen every change noted so far, but for what it leaves to a later run: company to first day.

    That run revises those whose facts changed; after a run that `looks_back`, which knew less of everybody, all of them.
    """
    changed = {
        company: None if looks_back else changed_customers(connection, company) for company in left_behind
    }
    connection.execute("DELETE FROM ops.dirty_cell; DELETE FROM ops.dirty_table")
    if not left_behind:
        connection.execute("DELETE FROM ops.remapped_customer")
    for company, day in sorted(left_behind.items()):
        customers = changed[company]
        for customer in [None] if customers is None else customers.get_column("customer_id").to_list():
            row = {"company_code": company, "table_name": "customer_value_history", "earliest": day}
            insert(connection, "ops.dirty_table", {**row, "customer_id": customer})


def late_arriving(
    connection: duckdb.DuckDBPyConnection, company: str, columns: Sequence[str], as_of: date
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """The late cells of a company (company_code, customer_id, month), and all their lines known by `as_of`.

    A line is late for its own month, or for that of the document it refers to, if it is known after that month's end; a
    line that refers to a late one may count elsewhere until then. Too many cells cost time, too few would be wrong.
    The warehouse may be open for reading only: the cells lie in a temporary table.
    """
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE {_CHUNK} AS
           WITH referring AS (
               SELECT l.company_code, l.customer_id, l.invoice_date, l.available_on,
                   d.invoice_date AS of_day, d.available_on AS of_available
               FROM erp.invoice_lines AS l JOIN erp.invoice_lines AS d
                 ON d.company_code = l.company_code AND d.document_id = l.references_document_id),
           late AS (
               SELECT company_code, customer_id, invoice_date AS day FROM erp.invoice_lines
               WHERE available_on > last_day(invoice_date)
               UNION SELECT company_code, customer_id, of_day FROM referring WHERE available_on > last_day(of_day)
               UNION SELECT company_code, customer_id, invoice_date FROM referring
                     WHERE available_on > last_day(of_day) OR of_available > last_day(invoice_date)
               UNION SELECT company_code, customer_id, of_day FROM referring WHERE of_available > last_day(of_day))
           SELECT DISTINCT company_code, customer_id, CAST(date_trunc('month', day) AS DATE) AS month FROM late
           WHERE company_code = $company""",
        {"company": company},
    )
    return target_cells(connection, _CHUNK), lines_of_cells(connection, _CHUNK, columns, as_of)
