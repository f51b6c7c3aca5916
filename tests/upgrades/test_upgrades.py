"""A home made by a released state: this version opens it, upgrades it and goes on; what is stored and sent stays."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from expectations.contract import contracts
from flows import backup
from flows.cli import main
from flows.console.progress import listening
from flows.pipeline import rate, stages
from flows.settings import Settings
from tests.upgrades.golden import AS_OF, HOMES, STATES, blessed, refresh, results, unpack
from tests.warehouse.lakes import a_lake
from warehouse.connection import connect
from warehouse.store import migrate

pytestmark = pytest.mark.slow

Rows = dict[str, list[tuple[object, ...]]]
Columns = dict[str, list[str]]
LATER = datetime(2026, 2, 1)
# What is kept for ever: a rated period's revision, an event, a move, a batch's entry, a row in quarantine.
KEPT = (
    "rated.customer_value_history",
    "rated.credit_warning_day",
    "rated.credit_watch_day",
    "ops.outbox",
    "ops.batch",
    "ops.batch_table",
    "ops.batch_resource",
    "ops.policy",
    'quarantine."row"',
    "quarantine.reason",
)


# Columns that a migration put others in the place of, as the CHANGELOG says; what they said is kept in those.
REPLACED: set[tuple[str, str]] = set()
# Columns and tables that a migration named anew, and codes and names of columns that stand in cells of rated.reason: before and after.
RENAMED = {
    ("rated.explanation", "held_by"): "tier_basis",
    ("rated.customer_structure", "contribution_12m"): "gross_contribution_12m",
    ("ops.emitted_state", "told"): "emitted",
    **{(f"erp.{table.name}", "known_on"): "available_on" for table in contracts("extract")},
}
RENAMED_TABLES = {"ops.told_day": "ops.emitted_day"}
RENAMED_REASONS = {
    "explanation.held_by": "explanation.tier_basis",
    "wish_more": "target_gap",
    "wish_bar": "target_bar",
}
# Sums of the accepted lines, which a migration may drop to have them summed anew, and the list of what is to be summed.
SUMMED_ANEW = {
    "rated.customer_month",
    "rated.order_day",
    "rated.sales_cell",
    "rated.salesperson_month",
    "ops.dirty_cell",
}


@dataclass(frozen=True)
class Upgraded:
    home: Path
    before: Rows
    columns: Columns
    sent_before: Rows


def columns_of(home: Path) -> Columns:
    """Each table's columns that are kept for good, by the names that they have after all migrations."""
    found: Columns = {}
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        for schema, table, column in connection.execute(
            "SELECT schema_name, table_name, column_name FROM duckdb_columns() "
            "WHERE schema_name IN ('erp', 'rated', 'ops', 'quarantine') ORDER BY column_index"
        ).fetchall():
            name = f'{schema}."{table}"' if table == "row" else f"{schema}.{table}"
            if (name, column) not in REPLACED and name not in SUMMED_ANEW:
                kept = found.setdefault(RENAMED_TABLES.get(name, name), [])
                kept.append(RENAMED.get((name, column), column))
    return found


def stored_as(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """The name that a table has here, be it migrated or not."""
    old = next((old for old, new in RENAMED_TABLES.items() if new == name), name)
    schema, table = old.split(".")
    sql = "SELECT 1 FROM duckdb_tables() WHERE database_name = current_database() AND (schema_name, table_name) = (?, ?)"
    return old if connection.execute(sql, [schema, table]).fetchone() else name


def rows_of(connection: duckdb.DuckDBPyConnection, name: str, columns: list[str]) -> list[tuple[object, ...]]:
    """A table's rows by the names of today, in an order of their own, be it migrated or not."""
    table = stored_as(connection, name)
    there = {column[0] for column in connection.execute(f"FROM {table} LIMIT 0").description}
    before = {new: old for (renamed, old), new in RENAMED.items() if renamed == name}
    selected = ", ".join(f'"{each if each in there else before[each]}"' for each in columns)
    rows = connection.execute(f"SELECT {selected} FROM {table}").fetchall()
    if name == "rated.reason":
        rows = [
            tuple(RENAMED_REASONS.get(cell, cell) if isinstance(cell, str) else cell for cell in row)
            for row in rows
        ]
    return sorted(rows, key=repr)


def stored(home: Path, columns: Columns) -> Rows:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        return {name: rows_of(connection, name, columns[name]) for name in columns}


def sent(home: Path) -> Rows:
    """The relay's books, and what the file sink wrote."""
    with closing(sqlite3.connect(home / "relay.db")) as connection:
        books = {
            name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()
            for name in ("event", "delivery")
        }
    files = {f"file {path.name}": [(path.read_text(),)] for path in sorted((home / "events").iterdir())}
    return {**books, **files}


@pytest.fixture(scope="module", params=STATES)
def state(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def upgraded(state: str, tmp_path_factory: pytest.TempPathFactory) -> Upgraded:
    home = unpack(state, tmp_path_factory.mktemp(state))
    columns = columns_of(home)
    before, sent_before = stored(home, columns), sent(home)
    refresh(home)
    return Upgraded(home, before, columns, sent_before)


def test_a_golden_home_is_small():
    assert STATES
    assert all(path.stat().st_size <= 300_000 for path in HOMES.glob("*.tar.xz"))


def test_migrated_from_a_golden_home_the_tables_are_those_of_the_contracts(state: str, tmp_path: Path):
    home = unpack(state, tmp_path)
    columns = columns_of(home)
    before = stored(home, columns)
    with connect(home / "warehouse.duckdb") as connection:
        due = migrate.due(connection)
        assert migrate.migrate(connection, LATER) == len(due)
        assert migrate.differences(connection) == []
        assert migrate.migrate(connection, LATER) == 0
    after = stored(home, columns)
    assert set(after) == set(before)
    for name in before.keys() - {"ops.migration", "ops.version"}:
        assert after[name] == before[name], name


def test_migrated_from_a_golden_home_and_from_empty_the_books_are_alike(state: str, tmp_path: Path):
    home = unpack(state, tmp_path)
    sql = """SELECT schema_name, table_name, column_name, data_type, is_nullable FROM duckdb_columns()
             WHERE schema_name IN ('erp', 'rated', 'ops', 'quarantine') ORDER BY ALL"""
    with connect(home / "warehouse.duckdb") as old, connect(tmp_path / "new.duckdb") as new:
        migrate.migrate(old, LATER)
        migrate.migrate(new, LATER)
        assert old.execute(sql).fetchall() == new.execute(sql).fetchall()


def test_the_rows_of_a_golden_home_are_migrated_in_a_lake_as_in_a_file(state: str, tmp_path: Path):
    home = unpack(state, tmp_path)
    columns = columns_of(home)
    with a_lake(tmp_path) as lake:
        lake.execute(f"ATTACH '{home / 'warehouse.duckdb'}' AS golden (READ_ONLY)")
        numbers = {number for (number,) in lake.execute("SELECT number FROM golden.ops.migration").fetchall()}
        for step in migrate.migrations():
            if step.number in numbers:
                lake.execute(step.sql)
        for name in columns:
            table = stored_as(lake, name)
            lake.execute(f"INSERT INTO {table} BY NAME FROM golden.{table}")
        lake.execute("DETACH golden")
        migrate.migrate(lake, LATER)
        assert migrate.differences(lake) == []
        with connect(home / "warehouse.duckdb") as file:
            migrate.migrate(file, LATER)
            for name, kept in columns.items():
                assert rows_of(lake, name, kept) == rows_of(file, name, kept), name


@pytest.mark.parametrize("command", [["simulate", "growth"], ["calibrate"]], ids=lambda command: command[0])
def test_who_only_reads_the_warehouse_says_that_it_is_to_be_upgraded_first(
    state: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
):
    monkeypatch.setenv("VALUEMART_HOME", str(unpack(state, tmp_path)))
    shipped = str(rate.SHIPPED_POLICIES / "growth.toml")
    assert main.run([shipped if each == "growth" else each for each in command]) == 1
    told = capsys.readouterr().err
    assert "was made by an older version of valuemart" in told
    assert "run `valuemart refresh`, which upgrades it" in told


def test_a_backfill_of_an_older_home_upgrades_it_first_and_says_so_once(state: str, tmp_path: Path):
    settings = Settings.model_validate({"home": unpack(state, tmp_path)})
    with connect(settings.warehouse_file) as connection:
        due = len(migrate.due(connection))
    said: list[str] = []
    with listening(said.append):
        assert stages.rated_after(settings, date(2024, 5, 31)) == [date(2024, 6, 30)]
        assert not stages.is_current(settings, date(2024, 6, 30))
    assert said == [f"upgraded the warehouse, by {due} migrations"]


@pytest.mark.parametrize("name", KEPT)
def test_what_was_stored_for_good_stays_as_it_was(upgraded: Upgraded, name: str):
    after = stored(upgraded.home, {name: upgraded.columns[name]})[name]
    lost = [row for row in upgraded.before[name] if row not in after]
    assert upgraded.before[name]
    assert lost == []


def test_what_was_sent_is_not_sent_again_and_numbers_go_on(upgraded: Upgraded):
    after = sent(upgraded.home)
    for name, rows in upgraded.sent_before.items():
        if name.startswith("file "):
            assert after[name][0][0].startswith(str(rows[0][0])), name
        else:
            known = len(rows[0]) if rows else 0  # columns of the version that sent them
            assert set(rows) <= {row[:known] for row in after[name]}, name
    with duckdb.connect(str(upgraded.home / "warehouse.duckdb"), read_only=True) as connection:
        doubles = connection.execute(
            """SELECT customer_id FROM ops.outbox GROUP BY company_code, customer_id
               HAVING count(DISTINCT sequence) <> count(*)"""
        ).fetchall()
        unsent = connection.execute("SELECT event_id FROM ops.outbox ORDER BY 1").fetchall()
    assert doubles == []
    assert unsent == sorted((row[1],) for row in after["event"])


def test_the_batch_that_waited_is_loaded_and_all_is_current(upgraded: Upgraded):
    settings = Settings.model_validate({"home": upgraded.home})
    assert not list((upgraded.home / "inbox").rglob("datapackage.json"))
    before = stored(upgraded.home, upgraded.columns)
    refresh(upgraded.home)
    assert stored(upgraded.home, upgraded.columns) == before
    assert stages.rated_after(settings, AS_OF) == []


def test_what_this_version_computes_is_what_was_blessed(upgraded: Upgraded, state: str):
    """Look at the differences; `python -m tests.upgrades.golden` blesses what is meant."""
    found = results(upgraded.home).splitlines()
    wanted = blessed(state).read_text(encoding="utf-8").splitlines()
    assert found == wanted


def test_an_old_backup_restored_into_this_version_is_upgraded(state: str, tmp_path: Path):
    home = unpack(state, tmp_path)
    columns = columns_of(home)
    before = stored(home, columns)
    (made,) = (home / "backups").iterdir()
    settings = Settings.model_validate({"home": home})
    refresh(home)
    backup.restore(settings, made, datetime(2026, 2, 1, tzinfo=UTC))
    after = stored(home, columns)
    for name in before.keys() - {"ops.migration", "ops.version"}:
        assert after[name] == before[name], name
    with connect(home / "warehouse.duckdb", read_only=True) as connection:
        migrate.require_current(connection)
