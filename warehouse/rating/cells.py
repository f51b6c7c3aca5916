"""Which customer-months a change touches, and the lines that make up a touched customer-month.

A cell is one (company_code, customer_id, month). What a cell holds is a matter for the transforms; here it is only
noted that a line of the cell, or a document the line refers to, has changed, so that only touched cells are computed
again. Too many cells cost time, too few would be wrong: where in doubt a cell is touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import duckdb
import polars as pl

from warehouse.connection import add_frame, count, frame, insert, literal, quoted, scalar

# Lines that are summed at once: they and their sums take some 200 MB. Four times as many take a third longer for each of them.
MOST_LINES = 250_000
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


@dataclass(frozen=True, slots=True)
class Chunk:
    """Cells that are computed at once: of some months, and of all customers or of a range of them.

    `cells` is a relation of the cells, company_code, customer_id, month; None: all cells of those customers and months are of it.
    """

    first: date
    last: date
    customers: tuple[str, str] | None = None
    cells: str | None = None

    @property
    def months(self) -> str:
        """What holds of a month of the chunk's."""
        return f"BETWEEN DATE '{self.first}' AND DATE '{self.last}'"

    @property
    def days(self) -> str:
        """What holds of a day in one of the chunk's months."""
        return f"BETWEEN DATE '{self.first}' AND last_day(DATE '{self.last}')"

    @property
    def of_customers(self) -> str:
        """What holds of a customer of the chunk's, as a further condition."""
        if self.customers is None:
            return ""
        least, greatest = map(literal, self.customers)
        return f"AND customer_id BETWEEN {least} AND {greatest}"


def chunks(connection: duckdb.DuckDBPyConnection, as_of: date, *, is_first: bool) -> Iterator[Chunk]:
    """Take the gathered cells in chunks of whole months with at most so many lines, a month that has twice as many by ranges of customers.

    A history is more than memory holds at once, and lies in the order of time: each chunk reads its own part of it. `is_first`: no
    cell was ever computed, so that all cells of a chunk's months are of it. A chunk is there until the next one is asked for.
    """
    _note_references(connection, as_of)
    for first, last, customers in _parts(connection, MOST_LINES):
        chunk = Chunk(first, last, customers)
        if is_first:
            yield chunk
            continue
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE {_CHUNK} AS
                SELECT company_code, customer_id, month FROM cell WHERE month {chunk.months} {chunk.of_customers}"""
        )
        yield replace(chunk, cells=_CHUNK)


def _parts(
    connection: duckdb.DuckDBPyConnection, most: int
) -> Iterator[tuple[date, date, tuple[str, str] | None]]:
    """First month, last month and range of customers of each chunk, in the order of time."""
    months = connection.execute(
        """WITH touched AS (SELECT DISTINCT month FROM cell),
               counted AS (
                   SELECT CAST(date_trunc('month', invoice_date) AS DATE) AS month, count(*) AS lines FROM erp.invoice_lines
                   WHERE invoice_date BETWEEN (SELECT min(month) FROM touched) AND (SELECT last_day(max(month)) FROM touched)
                   GROUP BY ALL)
           SELECT month, coalesce(lines, 0) FROM touched LEFT JOIN counted USING (month) ORDER BY month"""
    ).fetchall()
    begin: date | None = None
    end, held = date.min, 0
    for month, lines in months:
        if begin is not None and held + lines > most:
            yield begin, end, None
            begin, held = None, 0
        if lines > 2 * most:
            yield from ((month, month, customers) for customers in _ranges(connection, month, most))
        else:
            begin, end, held = begin or month, month, held + lines
    if begin is not None:
        yield begin, end, None


def _ranges(connection: duckdb.DuckDBPyConnection, month: date, most: int) -> list[tuple[str, str]]:
    """The customers of a month's cells in ranges with at most so many lines, or one customer that has more."""
    return connection.execute(
        """WITH customer AS (
               SELECT customer_id, count(l.document_id) AS lines
               FROM (SELECT DISTINCT customer_id FROM cell WHERE month = $month)
               LEFT JOIN (SELECT customer_id, document_id FROM erp.invoice_lines
                          WHERE invoice_date BETWEEN $month AND last_day($month)) AS l USING (customer_id)
               GROUP BY ALL),
           numbered AS (SELECT *, (sum(lines) OVER (ORDER BY customer_id) - 1) // $most AS number FROM customer)
           SELECT min(customer_id), max(customer_id) FROM numbered GROUP BY number ORDER BY 1""",
        {"month": month, "most": most},
    ).fetchall()


def target_cells(connection: duckdb.DuckDBPyConnection, chunk: Chunk) -> pl.LazyFrame:
    """The cells of a chunk: company_code, customer_id, month; the months alone where all their cells are of it."""
    if chunk.cells is not None:
        return frame(connection, f"FROM {chunk.cells}").lazy()
    months = f"SELECT DISTINCT month FROM cell WHERE month {chunk.months} ORDER BY month"
    return frame(connection, months).lazy()


def _note_references(connection: duckdb.DuckDBPyConnection, as_of: date) -> None:
    """Gather, once for all chunks, the documents that lines refer to (temp table `document`), as they are known by a day.

    And the known, live lines that refer to one of another month (temp table `elsewhere`).
    """
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE document AS
           SELECT company_code, document_id AS references_document_id, min(invoice_date) AS referenced_on
           FROM erp.invoice_lines
           WHERE NOT is_deleted AND available_on <= $as_of AND (company_code, document_id) IN (
               SELECT (company_code, references_document_id) FROM erp.invoice_lines WHERE references_document_id IS NOT NULL)
           GROUP BY ALL""",
        {"as_of": as_of},
    )
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE elsewhere AS
           SELECT l.*, d.referenced_on
           FROM erp.invoice_lines AS l JOIN document AS d USING (company_code, references_document_id)
           WHERE NOT l.is_deleted AND l.available_on <= $as_of
             AND date_trunc('month', l.invoice_date) <> date_trunc('month', d.referenced_on)""",
        {"as_of": as_of},
    )


def lines_of_cells(
    connection: duckdb.DuckDBPyConnection, chunk: Chunk, columns: Sequence[str], as_of: date
) -> pl.LazyFrame:
    """The known, live lines that can count in the cells of a chunk, with the date of the document each refers to.

    Grain: one invoice line. `referenced_on` is null where the line names no document or the document is not here.
    """
    selected = ", ".join(f"l.{quoted(name)}" for name in (*columns, "available_on"))
    of_own = of_referenced = ""
    if chunk.cells is not None:
        own, other = (
            f"""(l.company_code, l.customer_id, CAST(date_trunc('month', {day}) AS DATE)) IN
                    (SELECT (company_code, customer_id, month) FROM {chunk.cells})"""
            for day in ("l.invoice_date", "referenced_on")
        )
        of_own, of_referenced = f"AND ({own} OR {other})", f"AND {other}"
    # Apart, so that of the lines of other months none is looked at that refers to nothing.
    lines = frame(
        connection,
        f"""SELECT {selected}, referenced_on
            FROM erp.invoice_lines AS l LEFT JOIN document USING (company_code, references_document_id)
            WHERE NOT l.is_deleted AND l.available_on <= $as_of AND l.invoice_date {chunk.days}
              {chunk.of_customers} {of_own}
            UNION ALL
            SELECT {selected}, referenced_on FROM elsewhere AS l
            WHERE NOT l.invoice_date {chunk.days} AND referenced_on {chunk.days} {chunk.of_customers} {of_referenced}""",
        {"as_of": as_of},
    )
    return lines.lazy()


def is_first(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether no cell was ever computed, so that none is to be replaced: what there is of lines is all touched."""
    return not any(
        count(connection, f"SELECT count(*) FROM (SELECT 1 FROM rated.{table} LIMIT 1)")
        for table in ("customer_month", "sales_cell", "salesperson_month", "order_day")
    )


def replace_cells(
    connection: duckdb.DuckDBPyConnection,
    chunk: Chunk,
    months: pl.DataFrame,
    order_days: pl.DataFrame,
    sales: pl.DataFrame,
    by_salesperson: pl.DataFrame,
) -> None:
    """Put newly computed cells in the place of the old ones of a chunk: by month, and the order days inside them.

    The rows are of the chunk's cells and of no others. Where the chunk names none, none was ever computed, and nothing is deleted.
    """
    for table, day, within, rows in (
        ("customer_month", "month", chunk.months, months),
        ("sales_cell", "month", chunk.months, sales),
        ("salesperson_month", "month", chunk.months, by_salesperson),
        ("order_day", "order_on", chunk.days, order_days),
    ):
        if chunk.cells is not None:
            connection.execute(
                f"""DELETE FROM rated.{quoted(table)}
                    WHERE {day} {within} AND (company_code, customer_id, CAST(date_trunc('month', {day}) AS DATE)) IN (
                        SELECT (company_code, customer_id, month) FROM {chunk.cells})"""
            )
        add_frame(connection, f"rated.{quoted(table)}", rows)


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
    _note_references(connection, as_of)
    ((first, last),) = connection.execute(f"SELECT min(month), max(month) FROM {_CHUNK}").fetchall()
    chunk = Chunk(first or as_of, last or as_of, cells=_CHUNK)
    return target_cells(connection, chunk), lines_of_cells(connection, chunk, columns, as_of)
