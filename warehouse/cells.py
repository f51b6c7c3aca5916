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

from expectations.contract import Contract
from warehouse.connection import count, frame, quoted, scalar

# Tables that say what is, not what happened: a change in them bears no date, whatever dates their rows bear.
MASTERS = frozenset({"customers", "products", "territories", "price_floors"})
# Lines that are summed at once: they and their sums take some 500 MB.
MOST_LINES = 1_000_000
_WRITTEN = "(fate IN ('insert', 'update') OR earlier)"
_REPLACED = "(fate IN ('update', 'update_dead') OR earlier)"


def is_undated(contract: Contract) -> bool:
    """Whether a change of the table's rows bears no date of its own: masters, and facts without one."""
    return contract.name in MASTERS or contract.own_date is None


def mark_dirty(connection: duckdb.DuckDBPyConnection, contract: Contract, company: str) -> None:
    """Note what the classified change (temp tables `change` and `absent`) will touch; before it is applied."""
    columns = ", ".join(quoted(name) for name in contract.column_names)
    table = quoted(contract.name)
    connection.execute(
        f"""CREATE OR REPLACE TEMP VIEW old_version AS
            SELECT {columns} FROM erp.{table}
            WHERE rowid IN (SELECT target FROM change WHERE {_REPLACED} UNION ALL SELECT target FROM absent);
            CREATE OR REPLACE TEMP VIEW new_version AS
            SELECT {columns} FROM scratch.staging.{table} AS s JOIN change ON change.staged = s.rowid
            WHERE {_WRITTEN}"""
    )
    _mark(connection, contract, company)


def mark_absent(connection: duckdb.DuckDBPyConnection, contract: Contract, company: str) -> None:
    """Note what rows that are gone (temp table `absent`) will touch, where no row comes with them."""
    columns, table = ", ".join(quoted(name) for name in contract.column_names), quoted(contract.name)
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE change AS
            SELECT NULL::BIGINT AS target, NULL::VARCHAR AS fate, false AS earlier LIMIT 0;
            CREATE OR REPLACE TEMP VIEW old_version AS
            SELECT {columns} FROM erp.{table} WHERE rowid IN (SELECT target FROM absent);
            CREATE OR REPLACE TEMP VIEW new_version AS SELECT {columns} FROM erp.{table} WHERE false"""
    )
    _mark(connection, contract, company)


def _mark(connection: duckdb.DuckDBPyConnection, contract: Contract, company: str) -> None:
    if contract.name == "invoice_lines":
        _mark_cells_of_lines(connection, company)
    elif contract.name == "products":
        _mark_cells_of_products(connection, company)
    else:
        _mark_table(connection, contract, company)


def _mark_cells_of_lines(connection: duckdb.DuckDBPyConnection, company: str) -> None:
    """Cells by the line's own month, by the month of the document it refers to, and by lines that refer to it."""
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE touched AS
           SELECT DISTINCT customer_id, document_id, references_document_id, invoice_date
           FROM (FROM old_version UNION ALL BY NAME FROM new_version)"""
    )
    connection.execute(
        """INSERT INTO ops.dirty_cell
           WITH document AS (
               SELECT document_id, invoice_date FROM erp.invoice_lines WHERE company_code = $company
                   AND document_id IN (SELECT references_document_id FROM touched)
               UNION SELECT document_id, invoice_date FROM touched),
           referring AS (
               SELECT customer_id, invoice_date, references_document_id FROM erp.invoice_lines
               WHERE company_code = $company AND references_document_id IN (SELECT document_id FROM touched)),
           cell AS (
               SELECT customer_id, invoice_date AS day FROM touched
               UNION SELECT t.customer_id, d.invoice_date FROM touched AS t
                     JOIN document AS d ON d.document_id = t.references_document_id
               UNION SELECT customer_id, invoice_date FROM referring
               UNION SELECT r.customer_id, d.invoice_date FROM referring AS r
                     JOIN document AS d ON d.document_id = r.references_document_id)
           SELECT DISTINCT $company, customer_id, CAST(date_trunc('month', day) AS DATE), true FROM cell
           WHERE day IS NOT NULL""",
        {"company": company},
    )


def _mark_cells_of_products(connection: duckdb.DuckDBPyConnection, company: str) -> None:
    """A product's cost and unit stand in for what its lines leave open, in every month.

    Like any change of a master it bears no date: the cells follow, but it is no reason to rate past periods again.
    """
    connection.execute(
        """INSERT INTO ops.dirty_cell
           WITH changed AS (
               SELECT product_id FROM new_version AS n FULL JOIN old_version AS o USING (product_id)
               WHERE (n.standard_cost, n.base_uom) IS DISTINCT FROM (o.standard_cost, o.base_uom))
           SELECT DISTINCT company_code, customer_id, CAST(date_trunc('month', invoice_date) AS DATE), false
           FROM erp.invoice_lines
           WHERE company_code = ? AND product_id IN (FROM changed)
             AND (cost_amount_company IS NULL OR base_quantity IS NULL)""",
        [company],
    )


def _mark_table(connection: duckdb.DuckDBPyConnection, contract: Contract, company: str) -> None:
    """The earliest date from which a changed fact can matter.

    A row that only gained or changed a date besides its own (an item that was settled) matters from that date on; a
    flag (disputed or not) says how things stand now, and reaches back to nothing;
    any other change matters from the fact's own date; a change of a master, or of an undated fact, from now on (null).
    """
    if not scalar(
        connection,
        f"SELECT count(*) FROM (SELECT 1 FROM change WHERE {_WRITTEN} OR {_REPLACED} UNION ALL SELECT 1 FROM absent)",
    ):
        return
    if contract.own_date is None or is_undated(contract):
        connection.execute("INSERT INTO ops.dirty_table VALUES (?, ?, NULL)", [company, contract.name])
        return
    own = quoted(contract.own_date)
    later = [c.name for c in contract.columns if c.type == "DATE" and c.name != contract.own_date]
    fixed = [c.name for c in contract.columns if c.name not in later and c.type != "BOOLEAN"]
    key = " AND ".join(f"n.{quoted(name)} IS NOT DISTINCT FROM o.{quoted(name)}" for name in contract.key)
    new, old = (", ".join(f"{side}.{quoted(name)}" for name in fixed) for side in ("n", "o"))
    moved = ", ".join(
        f"CASE WHEN n.{quoted(name)} IS DISTINCT FROM o.{quoted(name)} "
        f"THEN least(n.{quoted(name)}, o.{quoted(name)}) END"
        for name in later
    )
    since_own = f"least(n.{own}, o.{own})"
    # A full join has a side missing where the row is new or gone: that differs in the fixed columns.
    since = (
        f"CASE WHEN ({new}) IS DISTINCT FROM ({old}) THEN {since_own} ELSE least({moved}, NULL) END"
        if moved
        else since_own
    )
    connection.execute(
        f"""INSERT INTO ops.dirty_table
            SELECT ?, ?, min({since}) FROM new_version AS n FULL JOIN old_version AS o ON {key}""",
        [company, contract.name],
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
            """INSERT INTO cell
               WITH line AS (
                   SELECT company_code, customer_id, document_id, references_document_id, invoice_date
                   FROM erp.invoice_lines WHERE known_on > $first AND known_on <= $last),
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


def parts(connection: duckdb.DuckDBPyConnection, most_lines: int | None = None) -> Iterator[None]:
    """Take the gathered cells part by part (temp table `part`), each of whole customers with at most so many lines.

    A history is more than memory holds at once; a customer with more lines than that is a part of its own.
    """
    most = most_lines or MOST_LINES
    if count(connection, "SELECT count(*) FROM erp.invoice_lines") <= most:
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE part AS SELECT company_code, customer_id, month FROM cell"
        )
        yield
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
            """CREATE OR REPLACE TEMP TABLE part AS
               SELECT company_code, customer_id, month FROM cell JOIN numbered USING (company_code, customer_id)
               WHERE number = ?""",
            [number],
        )
        yield


def wanted(connection: duckdb.DuckDBPyConnection) -> pl.LazyFrame:
    """The cells of the part: company_code, customer_id, month."""
    return frame(connection, "FROM part").lazy()


def lines_of_cells(
    connection: duckdb.DuckDBPyConnection, columns: Sequence[str], as_of: date
) -> pl.LazyFrame:
    """The known, live lines that can count in the cells of the part, with the date of the document each refers to.

    Grain: one invoice line. `referenced_on` is null where the line names no document or the document is not here.
    """
    selected = ", ".join(f"l.{quoted(name)}" for name in columns)
    document = """(SELECT company_code, document_id, min(invoice_date) AS referenced_on FROM erp.invoice_lines
                   WHERE NOT is_deleted AND known_on <= $as_of AND (company_code, document_id) IN (
                       SELECT (company_code, references_document_id) FROM erp.invoice_lines
                       WHERE references_document_id IS NOT NULL)
                   GROUP BY ALL)"""
    lines = frame(
        connection,
        f"""SELECT {selected}, l.known_on, d.referenced_on
            FROM erp.invoice_lines AS l
            LEFT JOIN {document} AS d
                   ON d.company_code = l.company_code AND d.document_id = l.references_document_id
            WHERE NOT l.is_deleted AND l.known_on <= $as_of
              AND l.customer_id BETWEEN (SELECT min(customer_id) FROM part) AND (SELECT max(customer_id) FROM part) AND (
                  (l.company_code, l.customer_id, CAST(date_trunc('month', l.invoice_date) AS DATE)) IN
                      (SELECT (company_code, customer_id, month) FROM part)
               OR (l.company_code, l.customer_id, CAST(date_trunc('month', d.referenced_on) AS DATE)) IN
                      (SELECT (company_code, customer_id, month) FROM part))""",
        {"as_of": as_of},
    )
    return lines.lazy()


def replace_cells(
    connection: duckdb.DuckDBPyConnection,
    months: pl.DataFrame,
    order_days: pl.DataFrame,
    sales: pl.DataFrame,
) -> None:
    """Put newly computed cells in the place of the old ones: customer_month, sales_cell, and the order days inside them."""
    for table, day, rows in (
        ("customer_month", "month", months),
        ("sales_cell", "month", sales),
        ("order_day", "order_on", order_days),
    ):
        inside = f"""(company_code, customer_id, CAST(date_trunc('month', {day}) AS DATE)) IN (
            SELECT (company_code, customer_id, month) FROM part)"""
        connection.register("new_rows", rows)
        try:
            connection.execute(
                f"""DELETE FROM rated.{quoted(table)} WHERE {inside};
                    INSERT INTO rated.{quoted(table)} BY NAME FROM new_rows WHERE {inside}"""
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


def clear_dirty(connection: duckdb.DuckDBPyConnection, left_behind: Mapping[str, date]) -> None:
    """The rating has seen every change noted so far, but for what it leaves to a later run: company to first day."""
    connection.execute("DELETE FROM ops.dirty_cell; DELETE FROM ops.dirty_table")
    for company, day in sorted(left_behind.items()):
        connection.execute(
            "INSERT INTO ops.dirty_table VALUES (?, 'customer_value_history', ?)", [company, day]
        )
