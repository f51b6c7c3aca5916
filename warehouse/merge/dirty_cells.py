"""What a rating has to compute again after a merge: which customer-months, and from which day on which table.

Only noted here, in ops.dirty_cell and ops.dirty_table, before the changes are applied; `warehouse.rating.cells` reads it.
Too many customer-months cost time, too few would be wrong: if in doubt, one is noted.
"""

from __future__ import annotations

import duckdb

from expectations.contract import Contract
from warehouse.connection import insert, quoted
from warehouse.merge.actions import Changes

# Rows of a merge's actions whose new version enters live, and those whose old version goes.
_WRITTEN = "(action IN ('insert', 'update') OR earlier)"
_REPLACED = "(action IN ('update', 'update_deleted') OR earlier)"


def mark(connection: duckdb.DuckDBPyConnection, changes: Changes, company: str) -> None:
    """Note what the changes of one canonical table will touch; to be called before they are applied."""
    versions = _versions(changes)
    if changes.contract.name == "invoice_lines":
        _mark_cells_of_lines(connection, versions, company)
    elif changes.contract.name == "products":
        _mark_cells_of_products(connection, versions, company)
    elif _changes_anything(changes):
        _mark_table(connection, changes.contract, versions, company)


def _versions(changes: Changes) -> str:
    """Two common table expressions: rows as they were before the changes (old_version) and as they will be (new_version)."""
    contract, actions = changes.contract, changes.actions
    columns, table = ", ".join(quoted(name) for name in contract.column_names), quoted(contract.name)
    gone = f"SELECT target FROM {changes.gone.relation}"
    if actions is None:
        old, new = gone, f"SELECT {columns} FROM erp.{table} WHERE false"
    elif actions.entering:
        old, new = gone, f"SELECT {columns} FROM {actions.rows_of}"
    else:
        old = f"SELECT target FROM {actions.relation} WHERE {_REPLACED} UNION ALL {gone}"
        new = f"""SELECT {columns} FROM scratch.staging.{table} AS s
                  JOIN {actions.relation} AS a ON a.staged = s.rowid WHERE {_WRITTEN}"""
    return f"""old_version AS (SELECT {columns} FROM erp.{table} WHERE rowid IN ({old})),
               new_version AS ({new})"""


def _changes_anything(changes: Changes) -> bool:
    actions = changes.actions
    if changes.gone.rows or actions is None:
        return changes.gone.rows > 0
    return actions.rows("insert", "update", "update_deleted") > 0 or actions.earlier > 0


def _mark_cells_of_lines(connection: duckdb.DuckDBPyConnection, versions: str, company: str) -> None:
    """Cells by the line's own month, by the month of the document it refers to, and by lines that refer to it.

    Hardly a line refers to another, so that those that do are looked up apart.
    """
    connection.execute(
        f"""INSERT INTO ops.dirty_cell (company_code, customer_id, month, reaches_back)
           WITH {versions},
           line AS (
               SELECT customer_id, document_id, references_document_id, invoice_date FROM old_version
               UNION ALL SELECT customer_id, document_id, references_document_id, invoice_date FROM new_version),
           reference AS MATERIALIZED (
               SELECT DISTINCT customer_id, references_document_id FROM line WHERE references_document_id IS NOT NULL),
           referring AS MATERIALIZED (
               SELECT customer_id, references_document_id, invoice_date FROM erp.invoice_lines
               WHERE company_code = $company AND references_document_id IS NOT NULL
                   AND references_document_id IN (SELECT document_id FROM line)),
           either AS (FROM reference UNION ALL SELECT customer_id, references_document_id FROM referring),
           document AS (
               SELECT document_id, invoice_date FROM erp.invoice_lines
               WHERE company_code = $company AND document_id IN (SELECT references_document_id FROM reference)
               UNION SELECT document_id, invoice_date FROM line
               WHERE document_id IN (SELECT references_document_id FROM either)),
           customer_month AS (
               SELECT customer_id, date_trunc('month', invoice_date) AS month FROM line
               UNION SELECT customer_id, date_trunc('month', invoice_date) FROM referring
               UNION SELECT e.customer_id, date_trunc('month', d.invoice_date) FROM either AS e
                     JOIN document AS d ON d.document_id = e.references_document_id)
           SELECT $company, customer_id, CAST(month AS DATE), true FROM customer_month WHERE month IS NOT NULL""",
        {"company": company},
    )


def _mark_cells_of_products(connection: duckdb.DuckDBPyConnection, versions: str, company: str) -> None:
    """A product's cost and unit stand in for what its lines leave open, and its category tells orders, in every month.

    Like any change of a master it bears no date: the cells follow, but it is no reason to rate past periods again.
    """
    connection.execute(
        f"""INSERT INTO ops.dirty_cell (company_code, customer_id, month, reaches_back)
           WITH {versions},
           changed AS (
               SELECT product_id FROM new_version AS n FULL JOIN old_version AS o USING (product_id)
               WHERE (n.category, n.standard_cost, n.base_uom)
                   IS DISTINCT FROM (o.category, o.standard_cost, o.base_uom))
           SELECT DISTINCT company_code, customer_id, CAST(date_trunc('month', invoice_date) AS DATE), false
           FROM erp.invoice_lines
           WHERE company_code = ? AND product_id IN (FROM changed)""",
        [company],
    )


def _mark_table(
    connection: duckdb.DuckDBPyConnection, contract: Contract, versions: str, company: str
) -> None:
    """The earliest date from which a changed fact can matter; null, from now on, for masters and undated facts."""
    if contract.own_date is None or contract.is_undated:
        insert(connection, "ops.dirty_table", {"company_code": company, "table_name": contract.name})
        return
    key = " AND ".join(f"n.{quoted(name)} IS NOT DISTINCT FROM o.{quoted(name)}" for name in contract.key)
    connection.execute(
        f"""INSERT INTO ops.dirty_table (company_code, table_name, customer_id, earliest)
            WITH {versions}
            SELECT $company, $table, customer_id, min(since) FROM (
                SELECT unnest({_whose(contract)}) AS customer_id, {_matters_from(contract, contract.own_date)} AS since
                FROM new_version AS n FULL JOIN old_version AS o ON {key})
            WHERE since IS NOT NULL GROUP BY ALL""",
        {"company": company, "table": contract.name},
    )


def _whose(contract: Contract) -> str:
    """The customers of a changed row (new version n, old version o) as a list; one null: it may concern anybody."""
    if "customer_id" in contract.column_names:
        return """CASE WHEN n.customer_id IS DISTINCT FROM o.customer_id AND n.customer_id IS NOT NULL
                            AND o.customer_id IS NOT NULL
                       THEN [n.customer_id, o.customer_id] ELSE [coalesce(n.customer_id, o.customer_id)] END"""
    parties = [name for name in contract.column_names if name.endswith("_customer_id")]
    if parties:
        return f"[{', '.join(f'coalesce(n.{quoted(name)}, o.{quoted(name)})' for name in parties)}]"
    if "item_id" in contract.column_names:
        # An item that is not here yet marks its customer when it comes.
        return """(SELECT list(DISTINCT customer_id) FROM erp.receivables
                   WHERE company_code = $company AND item_id = coalesce(n.item_id, o.item_id))"""
    return "[NULL::VARCHAR]"


def _matters_from(contract: Contract, own_date: str) -> str:
    """From which day on a changed row matters, as SQL over its new version `n` and its old one `o`, one of which may be missing.

    A row that only gained or changed a date besides its own (an item that was settled) matters from that date on, and so does
    a column that holds as of such a date (by which posting); a flag (disputed or not) says how things stand now, and reaches
    back to nothing; any other change matters from the fact's own date.
    """
    own = f"least(n.{quoted(own_date)}, o.{quoted(own_date)})"
    dates = [column.name for column in contract.columns if column.type == "DATE" and column.name != own_date]
    if not dates:
        return own
    holding = {column.name: column.as_of for column in contract.columns if column.as_of}
    fixed = [
        each.name
        for each in contract.columns
        if each.name not in dates and each.name not in holding and each.type != "BOOLEAN"
    ]
    new, old = (", ".join(f"{side}.{quoted(name)}" for name in fixed) for side in ("n", "o"))
    moved = ", ".join(
        f"CASE WHEN n.{quoted(name)} IS DISTINCT FROM o.{quoted(name)} THEN least(n.{quoted(day)}, o.{quoted(day)}) END"
        for name, day in {**dict(zip(dates, dates, strict=True)), **holding}.items()
    )
    # A full join has a side missing if the row is new or gone: that differs in the fixed columns.
    return f"CASE WHEN ({new}) IS DISTINCT FROM ({old}) THEN {own} ELSE least({moved}, NULL) END"
