"""Customer-months that a line known only after their end counts in: what a past rating could not see of them yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import duckdb
import polars as pl

from warehouse import cells


def late_cells(
    connection: duckdb.DuckDBPyConnection, company: str, columns: Sequence[str], as_of: date
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """The late cells of a company (company_code, customer_id, month), and all their lines known by `as_of`.

    A line is late for its own month, or for that of the document it refers to, if it is known after that month's end; a
    line that refers to a late one may count elsewhere until then. Too many cells cost time, too few would be wrong.
    The warehouse may be open for reading only: the cells lie in a temporary table.
    """
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE part AS
           WITH referring AS (
               SELECT l.company_code, l.customer_id, l.invoice_date, l.known_on,
                   d.invoice_date AS of_day, d.known_on AS of_known
               FROM erp.invoice_lines AS l JOIN erp.invoice_lines AS d
                 ON d.company_code = l.company_code AND d.document_id = l.references_document_id),
           late AS (
               SELECT company_code, customer_id, invoice_date AS day FROM erp.invoice_lines
               WHERE known_on > last_day(invoice_date)
               UNION SELECT company_code, customer_id, of_day FROM referring WHERE known_on > last_day(of_day)
               UNION SELECT company_code, customer_id, invoice_date FROM referring
                     WHERE known_on > last_day(of_day) OR of_known > last_day(invoice_date)
               UNION SELECT company_code, customer_id, of_day FROM referring WHERE of_known > last_day(of_day))
           SELECT DISTINCT company_code, customer_id, CAST(date_trunc('month', day) AS DATE) AS month FROM late
           WHERE company_code = $company""",
        {"company": company},
    )
    return cells.wanted(connection), cells.lines_of_cells(connection, columns, as_of)
