"""Whether a warehouse is sound: what the ledger says of every row, held against the rows. Reads, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from expectations.contract import Contract, contracts
from warehouse.connection import quoted
from warehouse.store import migrate

# Derived tables are counted apart: a driving record may give several of their rows.
_UNBALANCED = """
    SELECT source, company_code, batch_id, table_name, rows_in, accepted, quarantined, {waiting}, excluded, refused
    FROM ops.batch_table WHERE rows_in <> accepted + quarantined + {waiting} + excluded + refused ORDER BY ALL"""
_QUARANTINED = """
    WITH kept AS (SELECT source, company_code, batch_id, table_name, count(*) AS kept FROM quarantine."row" GROUP BY ALL),
    told AS (SELECT source, company_code, batch_id, table_name, sum(quarantined + {waiting})::BIGINT AS told FROM ops.batch_table
             JOIN ops.batch USING (source, company_code, batch_id) WHERE status <> 'refused' GROUP BY ALL)
    SELECT source, company_code, batch_id, table_name, coalesce(told, 0), coalesce(kept, 0)
    FROM told FULL JOIN kept USING (source, company_code, batch_id, table_name)
    WHERE coalesce(told, 0) <> coalesce(kept, 0) ORDER BY ALL"""


def conservation_problems(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Where rows are not accounted for, one sentence each; nothing if all are.

    Per batch and table: rows in = accepted + quarantined + waiting + excluded + refused, and as many rows lie in quarantine as the
    ledger says. Per source, company and table: no fewer rows than the ledger says were inserted, since none is ever
    removed, and each row's batch stands in the ledger. Per company and table: rows accepted = live rows + deleted ones +
    those that were overwritten; per batch: no more live rows than it accepted. These two ask for tables of this version.
    """
    found = [*_batch_problems(connection), *_quarantine_problems(connection), *_row_problems(connection)]
    if not migrate.due(connection):
        found += _removed_or_added(connection)
        found += _owner_problems(connection)
        found += [each.problem for each in balances(connection) if each.problem]
    return found


@dataclass(frozen=True, slots=True)
class Balance:
    """What was accepted for a table of a company, and what became of it.

    `deleted` leaves out what another mapping gave and today's does not: no batch in the ledger accepted it.
    """

    company: str
    table: str
    accepted: int
    live: int
    deleted: int

    @property
    def overwritten(self) -> int:
        """Accepted rows in whose place a later one stands, or that said what stood there already."""
        return self.accepted - self.live - self.deleted

    @property
    def problem(self) -> str | None:
        """More rows are there than were accepted."""
        if self.overwritten >= 0:
            return None
        return (
            f"{self.company}: {self.table} has {self.live} live and {self.deleted} deleted rows, and the ledger says that "
            f"{self.accepted} were accepted"
        )


def balances(connection: duckdb.DuckDBPyConnection) -> list[Balance]:
    """One of each company and table that has rows, in order."""
    found = []
    for contract in _stored(connection):
        rows = connection.execute(
            f"""WITH told AS (
                    SELECT company_code, sum(accepted)::BIGINT AS accepted FROM ops.batch_table
                    WHERE table_name = ? GROUP BY ALL)
                SELECT company_code, coalesce(any_value(accepted), 0), count(*) FILTER (NOT is_deleted),
                       count(*) FILTER (is_deleted AND deleted_by IS DISTINCT FROM 'mapping')
                FROM erp.{quoted(contract.name)} LEFT JOIN told USING (company_code) GROUP BY company_code ORDER BY ALL""",
            [contract.name],
        ).fetchall()
        found += [Balance(company, contract.name, *counts) for company, *counts in rows]
    return found


def _stored(connection: duckdb.DuckDBPyConnection) -> list[Contract]:
    """The extracts that have a table here: an older warehouse has none for those that came later."""
    there = {
        name
        for (name,) in connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'erp'"
        ).fetchall()
    }
    return [contract for contract in contracts("extract") if contract.name in there]


def _with_waiting(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The query for a warehouse of this version, or of an older one that did not count waiting rows apart."""
    counted = connection.execute(
        """SELECT 1 FROM duckdb_columns()
           WHERE schema_name = 'ops' AND table_name = 'batch_table' AND column_name = 'waiting'"""
    ).fetchall()
    return sql.format(waiting="coalesce(waiting, 0)" if counted else "0")


def _batch_problems(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    for row in connection.execute(_with_waiting(connection, _UNBALANCED)).fetchall():
        source, company, batch, table, came, accepted, quarantined, waiting, excluded, refused = row
        yield (
            f"{source}/{company}/{batch}: of {came} rows of {table}, {accepted} are accepted, {quarantined} quarantined, "
            f"{waiting} waiting, {excluded} excluded and {refused} refused"
        )


def _quarantine_problems(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    for source, company, batch, table, told, kept in connection.execute(
        _with_waiting(connection, _QUARANTINED)
    ).fetchall():
        yield f"{source}/{company}/{batch}: {kept} rows of {table} lie in quarantine, and the ledger says {told}"


def _row_problems(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    for contract in _stored(connection):
        stored = f"erp.{quoted(contract.name)}"
        for source, company, batch, rows in connection.execute(
            f"""SELECT source_system, company_code, batch_id, count(*) FROM {stored} AS t
                WHERE NOT EXISTS (SELECT 1 FROM ops.batch AS b WHERE (b.source, b.company_code, b.batch_id)
                                                          = (t.source_system, t.company_code, t.batch_id))
                GROUP BY ALL ORDER BY ALL"""
        ).fetchall():
            yield f"{source}/{company}: {rows} rows of {contract.name} are of batch {batch}, which the ledger does not know"


def _removed_or_added(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    for contract in _stored(connection):
        for company, inserted, rows in connection.execute(
            f"""WITH told AS (
                    SELECT company_code, sum(inserted)::BIGINT AS inserted FROM (
                        SELECT company_code, inserted FROM ops.batch_table WHERE table_name = $table
                        UNION ALL SELECT company_code, inserted FROM ops.replaced_insert WHERE table_name = $table)
                    GROUP BY ALL),
                there AS (SELECT company_code, count(*) AS rows FROM erp.{quoted(contract.name)} GROUP BY ALL)
                SELECT company_code, coalesce(inserted, 0), coalesce(rows, 0) FROM told FULL JOIN there USING (company_code)
                WHERE coalesce(inserted, 0) <> coalesce(rows, 0) ORDER BY ALL""",
            {"table": contract.name},
        ).fetchall():
            yield f"{company}: {contract.name} has {rows} rows, and the ledger says that {inserted} were inserted"


def accepted_rows(connection: duckdb.DuckDBPyConnection) -> tuple[int, int, int]:
    """How many of all accepted rows are live, deleted and overwritten."""
    every = balances(connection)
    return (
        sum(each.live for each in every),
        sum(each.deleted for each in every),
        sum(each.overwritten for each in every),
    )


def _owner_problems(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    for contract in _stored(connection):
        for source, company, batch, rows, accepted in connection.execute(
            f"""WITH told AS (
                    SELECT source, company_code, batch_id, sum(accepted)::BIGINT AS accepted FROM ops.batch_table
                    WHERE table_name = ? GROUP BY ALL),
                own AS (
                    SELECT source_system AS source, company_code, batch_id, count(*) AS rows FROM erp.{quoted(contract.name)}
                    WHERE NOT is_deleted GROUP BY ALL)
                SELECT source, company_code, batch_id, rows, coalesce(accepted, 0)
                FROM own JOIN ops.batch USING (source, company_code, batch_id)
                LEFT JOIN told USING (source, company_code, batch_id) WHERE rows > coalesce(accepted, 0) ORDER BY ALL""",
            [contract.name],
        ).fetchall():
            yield (
                f"{source}/{company}/{batch}: {rows} live rows of {contract.name} are of this batch, and the ledger says that it "
                f"accepted {accepted}"
            )


def doubly_numbered(connection: duckdb.DuckDBPyConnection) -> int:
    """How many customers' events are numbered twice in the outbox; 0 if the outbox is sound."""
    rows = connection.execute(
        """SELECT count(*) FROM (SELECT 1 FROM ops.outbox GROUP BY company_code, customer_id
                                 HAVING count(DISTINCT sequence) <> count(*))"""
    ).fetchall()
    return int(rows[0][0])
