"""The mart as tables and views of the lake itself: brought up in one commit, so that who reads it sees one generation whole.

It lies in the schema `mart` beside the canonical tables, and no migration makes it: like the published files, it is made of what the
warehouse holds, and laid out anew where they would be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb

from expectations.contract import Contract
from warehouse.connection import literal, quoted, scalar, transaction
from warehouse.store import ddl

SCHEMA = "mart"
_PUBLICATION = f"{SCHEMA}.publication"
_IS_THERE = f"""
SELECT count(*) FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = '{SCHEMA}' AND table_name = 'publication'"""

# What it shows: which generation of the warehouse, laid out how.
State = tuple[int, str]


def state(connection: duckdb.DuckDBPyConnection) -> State | None:
    """What the lake of the connection shows of itself; None where it has no mart of its own."""
    if not scalar(connection, _IS_THERE):
        return None
    ((generation, content_version),) = connection.execute(
        f"SELECT generation, content_version FROM {_PUBLICATION}"
    ).fetchall()
    return int(generation), str(content_version)


def bring_up(
    connection: duckdb.DuckDBPyConnection,
    contracts: Iterable[Contract],
    views: Mapping[str, str],
    content_version: str,
    made: str,
) -> None:
    """Let the lake show what the schema `made` holds; `views` are the SQL of those that are views, each of what is before it."""
    before = state(connection)
    with transaction(connection):
        if before is None or before[1] != content_version:
            connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}")
            for contract in contracts:
                connection.execute(";\n".join(_made_anew(contract, views.get(contract.name))))
        for contract in contracts:
            if contract.name not in views:
                name = quoted(contract.name)
                connection.execute(
                    f"DELETE FROM {SCHEMA}.{name}; INSERT INTO {SCHEMA}.{name} BY NAME FROM {made}.{name}"
                )


def _made_anew(contract: Contract, view: str | None) -> tuple[str, ...]:
    if view is None:
        return ddl.create_table(contract, SCHEMA)
    name = f"{SCHEMA}.{quoted(contract.name)}"
    # A lake takes no comments on a view's columns; `column_dictionary` has their words.
    return (
        f"CREATE VIEW {name} AS\n{view}",
        f"COMMENT ON VIEW {name} IS {literal(ddl.table_comment(contract))}",
    )
