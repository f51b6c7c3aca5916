"""Tables are made by migrations alone: from empty and on an older warehouse alike, in a DuckDB file and in a DuckLake."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import duckdb
import pytest

import warehouse
from expectations.contract import contracts, stored_columns
from tests.warehouse.lakes import a_lake
from warehouse.connection import connect, insert
from warehouse.store import ddl, migrate
from warehouse.store.migrate import Migration, MigrationError

FIRST, LATER = datetime(2026, 1, 1), datetime(2026, 2, 1)
COLUMNS = """SELECT schema_name, table_name, column_name, data_type, is_nullable FROM duckdb_columns()
             WHERE database_name = current_database() AND schema_name IN ('erp', 'rated', 'ops', 'quarantine')
             ORDER BY schema_name, table_name, column_index"""


@pytest.fixture(params=["duckdb", "ducklake"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = connect(tmp_path / "warehouse.duckdb") if request.param == "duckdb" else a_lake(tmp_path)
    yield connection
    connection.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


def with_added(monkeypatch: pytest.MonkeyPatch, *added: Migration) -> None:
    """This version, with migrations that it does not have."""
    known = migrate.migrations()
    monkeypatch.setattr(migrate, "migrations", lambda: (*known, *added))


def test_migrated_from_empty_the_tables_are_those_of_the_contracts(empty: duckdb.DuckDBPyConnection):
    assert migrate.migrate(empty, FIRST) == len(migrate.migrations())
    assert migrate.differences(empty) == []
    made = {
        f"{schema}.{table}"
        for schema, table in empty.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE schema_name IN ('erp', 'rated')"
        ).fetchall()
    }
    described = {f"erp.{each.name}" for each in contracts("extract")}
    assert made == described | {f"rated.{each.name}" for each in contracts("rated")}


def test_every_column_bears_the_words_of_its_contract(empty: duckdb.DuckDBPyConnection):
    migrate.migrate(empty, FIRST)
    contract = next(each for each in contracts("extract") if each.name == "customers")
    told = empty.execute(
        "SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = 'erp' AND table_name = 'customers'"
    ).fetchall()
    assert dict(told) == {c.name: ddl.column_comment(c) for c in stored_columns(contract)}


def test_words_that_changed_are_put_anew_and_words_that_stand_are_not_written(file: Path):
    with connect(file) as connection:
        migrate.migrate(connection, FIRST)
        connection.execute("COMMENT ON COLUMN erp.customers.name IS 'as an older version put it'")
    with connect(file) as connection:
        migrate.migrate(connection, LATER)
        ((comment,),) = connection.execute(
            "SELECT comment FROM duckdb_columns() WHERE table_name = 'customers' AND column_name = 'name'"
        ).fetchall()
    assert "older" not in comment
    before = file.read_bytes()
    with connect(file) as connection:
        migrate.migrate(connection, LATER)
    assert file.read_bytes() == before


def test_a_column_added_by_a_migration_need_not_stand_where_the_contract_has_it(
    empty: duckdb.DuckDBPyConnection,
):
    migrate.migrate(empty, FIRST)
    empty.execute("ALTER TABLE erp.customers DROP COLUMN channel")
    empty.execute("ALTER TABLE erp.customers ADD COLUMN channel VARCHAR")
    assert migrate.migrate(empty, LATER) == 0
    assert migrate.differences(empty) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("DROP COLUMN channel", "erp.customers lacks the column channel"),
        ("ADD COLUMN shoe_size INTEGER", "erp.customers has a column shoe_size that its contract does not"),
        ("ALTER COLUMN name TYPE INTEGER", "erp.customers.name is INTEGER, and VARCHAR in its contract"),
        (
            "ALTER COLUMN customer_id DROP NOT NULL",
            "erp.customers.customer_id may be null, against its contract",
        ),
    ],
)
def test_a_table_that_left_its_contract_is_refused(file: Path, change: str, told: str):
    with connect(file) as connection:
        migrate.migrate(connection, FIRST)
        connection.execute(f"ALTER TABLE erp.customers {change}")
        with pytest.raises(MigrationError, match=re.escape(f"{file}: {told}")):
            migrate.migrate(connection, LATER)


def test_the_number_2_is_retired_and_no_number_is_used_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    numbers = [each.number for each in migrate.migrations()]
    assert 2 not in numbers
    assert numbers == sorted(set(numbers))
    for name in ("0002_back.sql", "0003_again.sql"):
        folder = tmp_path / name.removesuffix(".sql")
        folder.mkdir()
        for path in (*migrate.FOLDER.glob("*.sql"),):
            (folder / path.name).write_text(path.read_text())
        (folder / name).write_text("SELECT 1")
        monkeypatch.setattr(migrate, "FOLDER", folder)
        migrate.migrations.cache_clear()
        with pytest.raises(MigrationError, match="each is used once"):
            migrate.migrations()
    monkeypatch.undo()
    migrate.migrations.cache_clear()


@pytest.mark.parametrize("step", migrate.migrations(), ids=lambda step: step.name)
def test_a_migration_asks_for_nothing_that_a_lake_does_not_have(step: Migration):
    sql = re.sub(r"--.*", "", step.sql)
    assert not re.search(
        r"\b(CHECK|UNIQUE|ENUM|DEFAULT|PRIMARY|REFERENCES|CREATE INDEX|CREATE SEQUENCE)\b", sql, re.IGNORECASE
    )


def test_a_warehouse_of_a_newer_version_is_refused_in_one_sentence(
    file: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as newer, connect(file) as connection:
        with_added(newer, Migration(9001, "9001_later", "ALTER TABLE ops.batch ADD COLUMN later VARCHAR"))
        migrate.migrate(connection, FIRST)
    before = file.read_bytes()
    with connect(file) as connection, pytest.raises(MigrationError) as refused:
        migrate.migrate(connection, LATER)
    assert str(refused.value).startswith(f"{file} was made by a newer version of valuemart (migration 9001; ")
    assert "\n" not in str(refused.value)
    assert file.read_bytes() == before


def test_whoever_only_reads_is_told_of_an_older_warehouse(file: Path, monkeypatch: pytest.MonkeyPatch):
    with connect(file) as connection:
        migrate.migrate(connection, FIRST)
        migrate.require_current(connection)
    with_added(monkeypatch, Migration(9001, "9001_later", "SELECT 1"))
    with connect(file, read_only=True) as connection:
        assert [each.name for each in migrate.due(connection)] == ["9001_later"]
        with pytest.raises(
            MigrationError, match=r"made by an older version of valuemart \(it lacks 9001_later\)"
        ):
            migrate.require_current(connection)


def test_a_database_of_somebody_else_is_left_alone(file: Path):
    with connect(file) as connection:
        connection.execute("CREATE TABLE recipes (name VARCHAR)")
        with pytest.raises(MigrationError, match=r"holds main\.recipes, and is no warehouse of valuemart"):
            migrate.migrate(connection, FIRST)
        assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(1,)]


def test_a_migration_that_fails_leaves_nothing_of_itself(file: Path, monkeypatch: pytest.MonkeyPatch):
    with connect(file) as connection:
        migrate.migrate(connection, FIRST)
        before = connection.execute(COLUMNS).fetchall()
        with monkeypatch.context() as broken:
            with_added(
                broken,
                Migration(9001, "9001_b", "ALTER TABLE ops.batch ADD COLUMN later VARCHAR; SELECT nothing"),
            )
            with pytest.raises(duckdb.Error):
                migrate.migrate(connection, LATER)
        assert connection.execute(COLUMNS).fetchall() == before
        assert migrate.migrate(connection, LATER) == 0


def test_a_warehouse_remembers_which_versions_wrote_it(file: Path):
    with connect(file) as connection:
        assert migrate.made_by(connection) == []
        migrate.migrate(connection, FIRST)
        migrate.migrate(connection, LATER)
        assert migrate.made_by(connection) == [(version("valuemart"), FIRST)]


def test_a_warehouse_older_than_that_record_was_made_by_the_first_version(
    file: Path, monkeypatch: pytest.MonkeyPatch
):
    with connect(file) as connection:
        for step in migrate.migrations()[:3]:
            connection.execute(step.sql)
            row = {"number": step.number, "name": step.name, "applied_at": FIRST}
            insert(connection, "ops.migration", row)
        assert migrate.made_by(connection) == [("0.1.0", FIRST)]
        monkeypatch.setattr(migrate, "version", lambda _: "99.0.0")
        migrate.migrate(connection, LATER)
        assert migrate.made_by(connection) == [("0.1.0", FIRST), ("99.0.0", LATER)]


def test_every_write_into_the_warehouse_names_its_columns():
    root = Path(warehouse.__file__).parent
    positional = [
        f"{path.relative_to(root)}: {matched[0]}"
        for path in sorted(root.rglob("*.py"))
        for matched in re.finditer(
            r"INSERT INTO (?:erp|rated|ops|quarantine|publishing)\.\S+ (?!\(|BY NAME)", path.read_text()
        )
    ]
    assert positional == []
