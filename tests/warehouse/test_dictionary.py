"""The tables made from a contract are those it describes, and say so to whoever opens them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from expectations.contract import Contract, contracts, load, stored_columns, stored_key
from warehouse.connection import open_database
from warehouse.store.ddl import column_comment, comments, create_table, dictionary_rows

TABLES = [contract for contract in contracts() if contract.physical == "table"]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_database(tmp_path / "file.duckdb") as opened:
        opened.execute("CREATE SCHEMA made")
        yield opened


def _make(connection: duckdb.DuckDBPyConnection, contract: Contract, schema: str = "made") -> None:
    for statement in create_table(contract, schema):
        connection.execute(statement)


@pytest.mark.parametrize("contract", TABLES, ids=lambda contract: contract.name)
def test_a_table_is_what_its_contract_describes(
    connection: duckdb.DuckDBPyConnection, contract: Contract
) -> None:
    _make(connection, contract)
    made = connection.execute(
        "SELECT column_name, data_type, is_nullable, comment FROM duckdb_columns() "
        "WHERE schema_name = 'made' ORDER BY column_index"
    ).fetchall()
    assert made == [(c.name, c.type, c.nullable, column_comment(c)) for c in stored_columns(contract)]
    [(about,)] = connection.execute(
        "SELECT comment FROM duckdb_tables() WHERE schema_name = 'made'"
    ).fetchall()
    assert about == f"{contract.grain} {contract.description}"


@pytest.mark.parametrize("contract", TABLES, ids=lambda contract: contract.name)
def test_a_table_has_no_key_or_index_to_slow_its_loading(
    connection: duckdb.DuckDBPyConnection, contract: Contract
) -> None:
    _make(connection, contract)
    kinds = {
        kind for (kind,) in connection.execute("SELECT constraint_type FROM duckdb_constraints()").fetchall()
    }
    assert kinds <= {"NOT NULL"}
    assert connection.execute("SELECT * FROM duckdb_indexes()").fetchall() == []


def test_a_canonical_table_keeps_the_legal_entity_and_where_a_row_came_from(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    _make(connection, load("fx_rates"))
    names = [name for (name, *_) in connection.execute("DESCRIBE made.fx_rates").fetchall()]
    assert names == [
        *("company_code", "from_currency", "to_currency", "rate_date", "rate"),
        *("source_system", "batch_id", "batch_sequence", "source_file", "source_file_sha256", "source_row"),
        *("source_changed_at", "is_deleted", "recorded_at", "available_on", "deleted_by", "source_document"),
    ]


def test_a_table_can_be_made_in_another_catalog(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("ATTACH ':memory:' AS publishing")
    _make(connection, load("customer"), "publishing.main")
    assert connection.execute("SELECT count(*) FROM publishing.main.customer").fetchall() == [(0,)]


def test_a_unit_stands_in_the_comment_beside_the_description() -> None:
    month = load("customer_month")
    assert column_comment(month.column("returns")).endswith(" Unit: company currency.")
    assert column_comment(month.column("month")) == month.column("month").description


def test_words_with_quotes_survive_as_comments(connection: duckdb.DuckDBPyConnection) -> None:
    _make(connection, load("customers"))
    [(comment,)] = connection.execute(
        "SELECT comment FROM duckdb_columns() WHERE schema_name = 'made' AND column_name = 'customer_id'"
    ).fetchall()
    assert comment == "The customer's number in the company's books, with its leading zeros."


def test_a_view_is_described_and_not_made(connection: duckdb.DuckDBPyConnection) -> None:
    lifetime = load("customer_lifetime")
    with pytest.raises(ValueError, match="customer_lifetime is a view"):
        create_table(lifetime, "made")
    columns = ", ".join(f'NULL::{column.type} AS "{column.name}"' for column in lifetime.columns)
    connection.execute(f"CREATE VIEW made.customer_lifetime AS SELECT {columns}")
    for statement in comments(lifetime, "made"):
        connection.execute(statement)
    described = connection.execute(
        "SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = 'made' ORDER BY column_index"
    ).fetchall()
    assert described == [(column.name, column_comment(column)) for column in lifetime.columns]


def test_the_dictionary_lists_every_column_of_every_table_in_its_own_table(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    listing = load("column_dictionary")
    _make(connection, listing)
    rows = dictionary_rows(contracts())
    marks = ", ".join("?" for _ in listing.columns)
    connection.executemany(f"INSERT INTO made.column_dictionary VALUES ({marks})", rows)
    assert len(rows) == sum(len(stored_columns(contract)) for contract in contracts())
    score = connection.execute(
        "SELECT data_type, is_nullable, key_position, unit, source FROM made.column_dictionary "
        "WHERE table_name = 'customer_value' AND column_name = 'score'"
    ).fetchall()
    assert score == [("DECIMAL(7,4)", True, None, "points 0–100", "policy, measures")]
    key = connection.execute(
        "SELECT column_name FROM made.column_dictionary WHERE table_name = 'invoice_lines' "
        "AND key_position IS NOT NULL ORDER BY key_position"
    ).fetchall()
    assert tuple(name for (name,) in key) == stored_key(load("invoice_lines"))
    tiers = connection.execute(
        "SELECT allowed_values FROM made.column_dictionary WHERE table_name = 'tier_change' AND column_name = 'direction'"
    ).fetchall()
    assert tiers == [("up, down, lateral",)]
