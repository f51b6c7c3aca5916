"""What the reading commands ask of the published files; never of the warehouse, which a run may be holding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb

from warehouse.connection import literal
from warehouse.errors import UserError
from warehouse.mart import reasons
from warehouse.mart.files import Row
from warehouse.mart.files import attached as _published
from warehouse.mart.files import rows as _rows
from warehouse.mart.reasons import Reasons
from warehouse.store import ledger

_MOST_NAMED = 5  # customers that an answer lists


class UnknownCustomerError(UserError):
    """No customer of that number or name was rated, or several were."""


@dataclass(frozen=True, slots=True)
class QuarantineFilter:
    """Which quarantined rows are meant; None means any."""

    source: str | None = None
    company: str | None = None
    batch: str | None = None
    table: str | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """The books in brief: counts over everything ever delivered, and the latest batches."""

    publication: (
        Row  # generation, as_of, policy_id, policy_version, policy_hash, published_at, content_version
    )
    batch_counts: list[Row]  # one a status: status, batches
    row_counts: Row  # rows_in, accepted, quarantined, waiting, excluded, refused, released; derived tables are not counted
    batches: list[Row]  # latest first, with their rows by fate
    refusals: list[Row]  # of the batches shown
    waiting: list[Row]  # rows that wait for a record in quarantine, derived tables too: one a batch and table
    events: int


@dataclass(frozen=True, slots=True)
class CustomerFile:
    """What is known of one customer: the latest rated period, the one before it, moves, credit, conduct, what to do next."""

    current: Row
    previous: Row | None
    net_sales_year_before: Decimal | None  # null where the company's data do not reach back over those months
    moves: list[Row]
    credit: Row | None
    conduct: list[Row]  # one a kind of conduct, also where nothing was found or nothing could be
    next_action: Row | None
    expectation: Row | None  # what it is expected to bring
    reasons: Reasons  # behind the texts of these rows


def status(ops_file: Path, *, latest: int = 10) -> Status:
    """The books in brief. NothingPublishedError before the first run."""
    with _published(books=ops_file) as connection:
        batches = _rows(connection, f"{_BATCHES} LIMIT {latest:d}")
        return Status(
            publication=_rows(connection, "FROM books.main.publication")[0],
            batch_counts=_rows(
                connection,
                "SELECT status, count(*) AS batches FROM books.ops.batch GROUP BY status ORDER BY status",
            ),
            row_counts=_rows(connection, _ROW_COUNTS)[0],
            batches=batches,
            refusals=_rows(
                connection,
                _REFUSALS.format(
                    batches=", ".join(literal(batch["batch_id"]) for batch in batches) or "NULL"
                ),
            ),
            waiting=_rows(connection, _WAITING),
            events=int(connection.execute("SELECT count(*) FROM books.ops.outbox").fetchall()[0][0]),
        )


_FATES = "rows_in, accepted, quarantined, waiting, excluded, refused"
_SUMS = ", ".join(f"coalesce(sum({fate}), 0)::BIGINT AS {fate}" for fate in _FATES.split(", "))

# Rows that were released count twice: as quarantined in their own batch, and with what became of them in the correction.
_ROW_COUNTS = f"""
SELECT {_SUMS}, (SELECT count(released_by) FROM books.quarantine."row") AS released
FROM books.ops.batch_table WHERE NOT derived
"""

_BATCHES = f"""
WITH fate AS (
    SELECT source, company_code, batch_id, {_SUMS}
    FROM books.ops.batch_table
    WHERE NOT derived
    GROUP BY ALL
), release AS (
    SELECT source, company_code, batch_id, count(*) AS released FROM books.quarantine."row"
    WHERE released_by IS NOT NULL GROUP BY ALL
)
SELECT batch.source, batch.company_code, batch.batch_id, batch.status, batch.sequence, batch.extracted_at,
    batch.recorded_at, {", ".join(f"coalesce({fate}, 0) AS {fate}" for fate in _FATES.split(", "))},
    coalesce(released, 0) AS released, batch.corrects, batch.reason
FROM books.ops.batch
LEFT JOIN fate USING (source, company_code, batch_id)
LEFT JOIN release USING (source, company_code, batch_id)
ORDER BY batch.recorded_at DESC, batch.sequence DESC, batch.extracted_at DESC, batch.batch_id DESC
"""

_WAITING = """
SELECT source, company_code, batch_id, table_name, count(*) AS rows
FROM (
    SELECT source, company_code, batch_id, table_name, file, row_number FROM books.quarantine.reason
    GROUP BY ALL HAVING bool_and(rule = 'made_of_quarantined')
)
SEMI JOIN (FROM books.quarantine."row" WHERE released_by IS NULL) AS kept
    USING (source, company_code, batch_id, table_name, file, row_number)
JOIN books.ops.batch USING (source, company_code, batch_id)
GROUP BY source, company_code, batch_id, table_name, batch.recorded_at
ORDER BY batch.recorded_at DESC, source, company_code, batch_id DESC, table_name
"""

_REFUSALS = """
SELECT source, company_code, batch_id, rule, file, row_number, column_name, message, remedy
FROM books.ops.refusal
WHERE batch_id IN ({batches})
ORDER BY recorded_at DESC, batch_id, rule, file, row_number
"""


def findings(mart_file: Path) -> list[Row]:
    """What batches brought that was accepted and counts for nothing yet, and deleted: one row a batch, table and finding, latest first.

    Columns: source_system, company_code, batch_id, table_name, finding, row_count, dated_after, net_sales. None before the
    first publication, nor in a mart that an earlier version published.
    """
    if not mart_file.is_file():
        return []
    with _published(published=mart_file) as connection:
        if not _rows(connection, "FROM duckdb_tables() WHERE table_name = 'batch_finding'"):
            return []
        return _rows(
            connection,
            """SELECT source_system, company_code, batch_id, table_name, finding, row_count, dated_after, net_sales
               FROM published.main.batch_finding
               LEFT JOIN (SELECT DISTINCT source_system, company_code, batch_id, loaded_at FROM published.main.data_quality)
                   USING (source_system, company_code, batch_id)
               ORDER BY loaded_at DESC, source_system, company_code, batch_id DESC, table_name, finding""",
        )


def refused_batches(ops_file: Path) -> dict[tuple[str, str, str, datetime], list[Row]]:
    """(source, company, batch id, when it was refused) to its faults; empty where nothing was published yet."""
    if not ops_file.is_file():
        return {}
    with _published(books=ops_file) as connection:
        faults = _rows(
            connection,
            """SELECT source, company_code, batch_id, recorded_at, rule, message, remedy, file, row_number AS "row",
                      column_name AS "column"
               FROM books.ops.refusal ORDER BY recorded_at, source, company_code, batch_id, rule, file, row_number""",
        )
    found: dict[tuple[str, str, str, datetime], list[Row]] = {}
    for fault in faults:
        batch = (
            fault.pop("source"),
            fault.pop("company_code"),
            fault.pop("batch_id"),
            fault.pop("recorded_at"),
        )
        found.setdefault(batch, []).append(fault)
    return found


def published_batches(ops_file: Path) -> dict[tuple[str, str, str], ledger.KnownBatch]:
    """(source, company, batch id) to what the published ledger says of it; empty where nothing was published yet."""
    if not ops_file.is_file():
        return {}
    with _published(published=ops_file) as connection:
        connection.execute("USE published")
        return ledger.known_batches(connection)


def quarantine_rules(ops_file: Path, wanted: QuarantineFilter, *, examples: int = 0) -> list[Row]:
    """One row a source, company, table, rule and column: how many rows broke it, in how many batches, and the first.

    A row that breaks two rules is counted under both; `released` counts those that a correction batch brought again.
    With `examples`, only rows that are still kept out are looked at, and so many of each are listed.
    """
    where = _conditions(wanted, kept_only=examples > 0)
    first_ones = f", list({_EXAMPLE} ORDER BY batch_id, file, row_number)[:{examples:d}] AS examples"
    with _published(books=ops_file) as connection:
        return _rows(
            connection,
            f"""
            SELECT source, company_code, table_name, rule, column_name, count(*) AS rows, count(released_by) AS released,
                count(DISTINCT batch_id) AS batches,
                arg_min(file || ' row ' || row_number || ': ' || message, (batch_id, file, row_number)) AS first
                {first_ones if examples else ""}
            FROM {_REASONS}
            {where}
            GROUP BY ALL
            ORDER BY rows DESC, source, company_code, table_name, rule, column_name
            """,
        )


def quarantine_rows(ops_file: Path, wanted: QuarantineFilter, *, kept_only: bool) -> list[Row]:
    """Quarantined rows in the order of their files, each with its raw text and every rule it broke.

    `kept_only` leaves out those that a correction batch brought again. Memory grows with their number.
    """
    where = _conditions(wanted, kept_only=kept_only)
    with _published(books=ops_file) as connection:
        return _rows(
            connection,
            f"""
            SELECT {_ROW_KEY}, any_value(raw)::VARCHAR AS raw, any_value(staged)::VARCHAR AS staged,
                any_value(released_by) AS released_by,
                list({{'rule': rule, 'column': column_name, 'value': raw_value, 'message': message}}
                    ORDER BY rule, column_name) AS reasons
            FROM {_REASONS}
            WHERE ({_ROW_KEY}) IN (SELECT ({_ROW_KEY}) FROM {_REASONS} {where})
            GROUP BY {_ROW_KEY}
            ORDER BY {_ROW_KEY}
            """,
        )


_ROW_KEY = "source, company_code, batch_id, table_name, file, row_number"
_EXAMPLE = (
    "{'batch_id': batch_id, 'file': file, 'row_number': row_number, 'value': raw_value, 'message': message, "
    "'raw': raw::VARCHAR}"
)
_REASONS = f'books.quarantine.reason LEFT JOIN books.quarantine."row" USING ({_ROW_KEY})'


def _conditions(wanted: QuarantineFilter, *, kept_only: bool) -> str:
    """A WHERE clause; empty where everything is wanted."""
    asked = {
        "source": wanted.source,
        "company_code": wanted.company,
        "batch_id": wanted.batch,
        "table_name": wanted.table,
        "rule": wanted.rule,
    }
    conditions = [f"{column} = {literal(value)}" for column, value in asked.items() if value is not None]
    conditions += ["released_by IS NULL"] if kept_only else []
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def customer_file(mart_file: Path, customer: str, company: str | None) -> CustomerFile:
    """The rating of one customer, named as `_meant` says. UnknownCustomerError where none or several are meant."""
    with _published(mart=mart_file) as connection:
        code, number = _meant(connection, customer, company)
        meant = f"company_code = {literal(code)} AND customer_id = {literal(number)}"
        periods = _rows(
            connection,
            f"""
            SELECT history.*, customer.name
            FROM mart.customer_value_history AS history
            JOIN mart.customer USING (company_code, customer_id)
            WHERE {meant}
            QUALIFY row_number() OVER (PARTITION BY period ORDER BY revision DESC) = 1
            ORDER BY period DESC
            LIMIT 2
            """,
        )
        [reach] = _rows(
            connection,
            f"""
            SELECT min(month) <= {literal(str(periods[0]["period"]))}::DATE - INTERVAL 23 MONTHS AS covers_two_years
            FROM mart.customer_month WHERE company_code = {literal(code)}
            """,
        )
        moves = _rows(
            connection,
            f"""
            SELECT company_code, customer_id, period, revision, as_of, from_tier, to_tier, direction, cause, reasons
            FROM mart.tier_change
            WHERE {meant}
            ORDER BY period DESC, recorded_at DESC
            LIMIT 5
            """,
        )
        credit = _rows(connection, f"SELECT * FROM mart.credit_watch WHERE {meant}")
        conduct = _rows(connection, f"SELECT * FROM mart.conduct_finding WHERE {meant} ORDER BY kind")
        actions = _rows(connection, f"SELECT * FROM mart.next_action WHERE {meant}")
        expected = _rows(connection, f"SELECT * FROM mart.customer_expectation WHERE {meant}")
        why = reasons.of_customers(connection, code, [number])
    return CustomerFile(
        current=periods[0],
        previous=periods[1] if len(periods) > 1 else None,
        net_sales_year_before=periods[0]["net_sales_12m_before"] if reach["covers_two_years"] else None,
        moves=moves,
        credit=credit[0] if credit else None,
        conduct=conduct,
        next_action=actions[0] if actions else None,
        expectation=expected[0] if expected else None,
        reasons=why,
    )


def credit_standing(mart_file: Path, customer: str, company: str | None) -> Row:
    """One customer's credit: its master's limit, and its row of the credit watch, null where it never owed or ordered.

    `is_watched` tells whether its company has a credit watch at all, `policy_hash` whose bars ruled it; a customer that is
    not in the watch has the headroom of its group from the group's other members, and is known since its first sale. `succeeded_by`: the
    numbers that continue it, null without. `action_reason_reasons`, `warning_reason_reasons`: the reasons behind these texts.
    UnknownCustomerError where none or several are meant.
    """
    with _published(mart=mart_file) as connection:
        code, number = _meant(connection, customer, company, known_in="customer")
        (row,) = _rows(
            connection,
            f"""
            SELECT customer.company_code, customer_id, customer.name, customer.credit_limit AS master_limit,
                customer.credit_currency, customer.group_id, customer.status, publication.as_of, publication.policy_hash,
                watch.* EXCLUDE (company_code, customer_id, as_of, group_id, group_headroom, months_known),
                coalesce(watch.months_known, sold.months_known) AS months_known,
                coalesce(watch.group_headroom, others.group_headroom) AS group_headroom,
                EXISTS (FROM mart.credit_watch WHERE company_code = {literal(code)}) AS is_watched,
                (SELECT string_agg(successor_id, ', ' ORDER BY successor_id) FROM mart.customer_succession
                 WHERE company_code = {literal(code)} AND customer_id = {literal(number)}) AS succeeded_by
            FROM mart.customer
            CROSS JOIN mart.publication
            LEFT JOIN mart.credit_watch AS watch USING (company_code, customer_id)
            CROSS JOIN (
                SELECT datediff('month', min(month), (SELECT as_of FROM mart.publication)) + 1 AS months_known
                FROM mart.customer_month WHERE company_code = {literal(code)} AND customer_id = {literal(number)}
            ) AS sold
            LEFT JOIN (
                SELECT company_code, group_id, any_value(group_headroom) AS group_headroom
                FROM mart.credit_watch WHERE group_id IS NOT NULL GROUP BY ALL
            ) AS others ON others.company_code = customer.company_code AND others.group_id = customer.group_id
            WHERE customer.company_code = {literal(code)} AND customer_id = {literal(number)}
            """,
        )
        why = reasons.of_customers(connection, code, [number])
    for text in ("action_reason", "warning_reason"):
        row = reasons.beside(row, why, f"credit_watch.{text}")
    return row


def _meant(
    connection: duckdb.DuckDBPyConnection,
    asked: str,
    company: str | None,
    *,
    known_in: str = "customer_value_history",
) -> tuple[str, str]:
    """The company and number of the one customer that is meant: by its number, that without leading zeros, or its name.

    The first of these by which any customer is found decides. UnknownCustomerError where it is none, or several.
    """
    number, of_company = literal(asked), f"company_code = {literal(company)}" if company else "true"
    found = _rows(
        connection,
        f"""
        WITH found AS MATERIALIZED (
            SELECT company_code, customer_id, master.name,
                CASE
                    WHEN customer_id = {number} THEN 1
                    WHEN ltrim(customer_id, '0') = ltrim({number}, '0') THEN 2
                    WHEN contains({_folded("master.name")}, {_folded(number)}) THEN 3
                END AS way
            FROM mart.customer AS master
            SEMI JOIN mart.{known_in} AS known USING (company_code, customer_id)
            WHERE {of_company} AND way IS NOT NULL
        )
        -- Not by QUALIFY: DuckDB 1.5 fails now and then where `OVER ()` stands above a semi join that leaves a few rows.
        FROM found WHERE way = (SELECT min(way) FROM found) ORDER BY company_code, customer_id
        """,
    )
    if not found:
        raise UnknownCustomerError(_nobody(connection, asked, company, known_in))
    if len(found) > 1 and len({row["customer_id"] for row in found}) == 1:
        companies = ", ".join(row["company_code"] for row in found)
        raise UnknownCustomerError(f"{asked} is a customer of {companies}; name one with --company")
    if len(found) > 1:
        listed = ", ".join(f"{row['customer_id']} {row['name']}" for row in found[:_MOST_NAMED])
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        raise UnknownCustomerError(
            f"{asked} fits {len(found)} customers: {listed}{more}; name one by its number"
        )
    return str(found[0]["company_code"]), str(found[0]["customer_id"])


def _folded(text: str) -> str:
    """SQL: a name as it is looked for, without case and accents."""
    return f"lower(strip_accents({text}))"


def _nobody(connection: duckdb.DuckDBPyConnection, asked: str, company: str | None, known_in: str) -> str:
    """Say that no customer is meant, and which come nearest by number or name."""
    of_company = f"company_code = {literal(company)}" if company else "true"
    near = _rows(
        connection,
        f"""
        SELECT customer_id, any_value(master.name) AS name,
            greatest(
                jaro_winkler_similarity(customer_id, {literal(asked)}),
                jaro_winkler_similarity({_folded("any_value(master.name)")}, {_folded(literal(asked))})
            ) AS likeness
        FROM mart.customer AS master
        SEMI JOIN mart.{known_in} AS known USING (company_code, customer_id)
        WHERE {of_company}
        GROUP BY customer_id
        ORDER BY likeness DESC NULLS LAST, customer_id
        LIMIT 3
        """,
    )
    nearest = ", ".join(" ".join(filter(None, (row["customer_id"], row["name"]))) for row in near)
    hint = f"; the nearest are {nearest}" if near else ""
    if _rows(
        connection,
        f"SELECT 1 FROM mart.credit_watch WHERE customer_id = {literal(asked)} AND {of_company} LIMIT 1",
    ):
        hint = f": it has no master and was never invoiced; what it owes says `valuemart credit {asked}`"
    where = f" of {company}" if company else ""
    said = "rated" if known_in == "customer_value_history" else "known"
    return f"no customer {asked}{where} is {said}{hint}"


def policy_text(ops_file: Path, policy_hash: str) -> str:
    """The policy a published rating was made by, as it was then; LookupError where the books do not have it."""
    with _published(books=ops_file) as connection:
        rows = connection.execute(
            f"SELECT content FROM books.ops.policy WHERE policy_hash = {literal(policy_hash)}"
        ).fetchall()
    if not rows:
        raise LookupError(policy_hash)
    return str(rows[0][0])


def tiers(mart_file: Path) -> list[Row]:
    """Customers and their sales by company and effective tier, the highest tier first."""
    with _published(mart=mart_file) as connection:
        return _rows(
            connection,
            """
            SELECT company_code, effective_tier, count(*) AS customers, sum(net_sales_12m) AS net_sales_12m,
                sum(contribution_12m) AS contribution_12m
            FROM mart.customer_value
            WHERE effective_rank > 0
            GROUP BY ALL
            ORDER BY company_code, any_value(effective_rank) DESC, effective_tier
            """,
        )


def extent(mart_file: Path) -> tuple[int, int]:
    """How many months the history of customers reaches back, and how many of them have sales."""
    with _published(mart=mart_file) as connection:
        [row] = _rows(
            connection,
            """SELECT coalesce(max(months_of_history), 0) AS months, count(*) FILTER (net_sales_12m > 0) AS customers
               FROM mart.customer_value""",
        )
    return int(row["months"]), int(row["customers"])


def latest_moves(mart_file: Path) -> list[Row]:
    """The tier changes of each company's latest period, the longest moves first, with the reasons behind their texts."""
    with _published(mart=mart_file) as connection:
        moves = _rows(
            connection,
            """
            SELECT company_code, customer_id, customer.name, period, revision, from_tier, to_tier, cause, reasons
            FROM mart.tier_change
            JOIN mart.customer USING (company_code, customer_id)
            WHERE (company_code, period) IN (
                SELECT (company_code, max(period)) FROM mart.customer_value_history GROUP BY company_code
            )
            ORDER BY abs(to_rank - coalesce(from_rank, to_rank)) DESC, company_code, customer_id, revision
            """,
        )
        why: dict[tuple[object, ...], Sequence[Row]] = {}
        for company in {move["company_code"] for move in moves}:
            moved = [move["customer_id"] for move in moves if move["company_code"] == company]
            why.update(reasons.of_customers(connection, company, moved))
    return [reasons.beside(move, why, "tier_change.reasons") for move in moves]


def standing(mart_file: Path, company: str, customers: Sequence[str]) -> dict[str, Row]:
    """Customer to name, tier and credit action, of those among `customers` that are rated."""
    named = ", ".join(literal(customer) for customer in customers) or "NULL"
    with _published(mart=mart_file) as connection:
        rows = _rows(
            connection,
            f"""
            SELECT customer_id, name, effective_tier, credit_action
            FROM mart.customer_value
            WHERE company_code = {literal(company)} AND customer_id IN ({named})
            """,
        )
    return {row["customer_id"]: row for row in rows}
