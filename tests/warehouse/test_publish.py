"""The published files: what they hold, and that a reader gets a state whole or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.contract import as_published, contracts, load
from tests.warehouse.publishing import POLICY, RECORDED_AT, STATES_SEEN, bring_to, insert, open_warehouse
from warehouse.connection import connect
from warehouse.mart.files import rows
from warehouse.mart.publish import (
    MART_VERSION,
    PUBLISHED_TABLES,
    Publication,
    content_version,
    publish,
    published_generation,
    read_publication,
)
from warehouse.store import ddl

pytestmark = pytest.mark.slow

ALL_TABLES = {*PUBLISHED_TABLES, "column_dictionary", "publication"}


@pytest.fixture(scope="module")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once and copied, since making all tables takes longer than publishing them."""
    folder = tmp_path_factory.mktemp("empty")
    open_warehouse(folder).close()
    return folder / "warehouse.duckdb"


@pytest.fixture
def warehouse(empty_warehouse: Path, home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    home.mkdir()
    shutil.copy(empty_warehouse, home)
    connection = connect(home / "warehouse.duckdb")
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def empty_mart(empty_warehouse: Path) -> Path:
    """A home with the mart of an empty warehouse; not to be changed."""
    with connect(empty_warehouse, read_only=True) as connection:
        put_out(connection, empty_warehouse.parent)
    return empty_warehouse.parent


def put_out(
    warehouse: duckdb.DuckDBPyConnection, home: Path, generation: int = 1, *, force: bool = False
) -> bool:
    return publish(warehouse, home, contracts(), generation, RECORDED_AT, force=force).rebuilt


def read(home: Path, sql: str) -> list[tuple[object, ...]]:
    """One look at the mart as a BI tool takes it, over a connection of its own."""
    with duckdb.connect(str(home / "mart.duckdb"), read_only=True) as mart:
        return mart.execute(sql).fetchall()


def test_an_empty_warehouse_publishes_every_table_empty(empty_mart: Path):
    shown = read(
        empty_mart,
        "SELECT table_name FROM duckdb_tables() UNION SELECT view_name FROM duckdb_views() WHERE NOT internal",
    )
    assert {name for (name,) in shown} == ALL_TABLES
    assert read(empty_mart, "SELECT count(*) FROM mart.customer_value") == [(0,)]


def test_tables_answer_to_the_name_of_the_file(warehouse: duckdb.DuckDBPyConnection, home: Path):
    bring_to(warehouse, 1)
    put_out(warehouse, home)
    assert read(home, "SELECT count(*) FROM mart.customer_value") == [(20,)]


@pytest.mark.parametrize("name", sorted(ALL_TABLES))
def test_each_table_is_what_its_contract_says(empty_mart: Path, name: str):
    contract = as_published(load(name))
    columns = read(
        empty_mart,
        "SELECT column_name, data_type, comment FROM duckdb_columns() "
        f"WHERE table_name = '{name}' ORDER BY column_index",
    )
    assert columns == [(c.name, c.type, ddl.column_comment(c)) for c in contract.columns]
    comments = read(
        empty_mart,
        f"SELECT comment FROM duckdb_tables() WHERE table_name = '{name}' "
        f"UNION ALL SELECT comment FROM duckdb_views() WHERE view_name = '{name}'",
    )
    assert comments == [(f"{contract.grain} {contract.description}",)]


def test_the_dictionary_lists_every_column_that_is_out(empty_mart: Path):
    missing = read(
        empty_mart,
        "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal "
        "EXCEPT SELECT table_name, column_name FROM column_dictionary",
    )
    assert missing == []


def test_the_current_value_is_the_latest_revision_of_the_latest_period(
    warehouse: duckdb.DuckDBPyConnection, home: Path
):
    for period, revision in (("2024-03-01", 9), ("2024-04-01", 1), ("2024-04-01", 2)):
        insert(
            warehouse,
            "customer_value_history",
            company_code="1000",
            customer_id="C1",
            period=period,
            revision=revision,
        )
    insert(
        warehouse,
        "customer_value_history",
        company_code="2000",
        customer_id="C1",
        period="2024-02-01",
        revision=1,
    )
    put_out(warehouse, home)
    assert read(home, "SELECT company_code, period, revision FROM mart.customer_value ORDER BY ALL") == [
        ("1000", date(2024, 4, 1), 2),
        ("2000", date(2024, 2, 1), 1),
    ]
    assert read(home, "SELECT count(*) FROM mart.customer_value_history") == [(4,)]


def test_a_customer_carries_master_data_and_credit_standing(warehouse: duckdb.DuckDBPyConnection, home: Path):
    insert(
        warehouse,
        "customers",
        company_code="1000",
        customer_id="C1",
        name="Weser Pumpen GmbH",
        territory_id="DE-NORTH",
    )
    insert(warehouse, "customer_value_history", company_code="1000", customer_id="C1")
    insert(
        warehouse,
        "credit_watch",
        company_code="1000",
        customer_id="C1",
        open_balance="41.5",
        credit_action="watch",
    )
    put_out(warehouse, home)
    assert read(
        home, "SELECT name, territory_id, open_balance::VARCHAR, credit_action FROM mart.customer_value"
    ) == [("Weser Pumpen GmbH", "DE-NORTH", "41.5000", "watch")]


@pytest.mark.parametrize("table", ["customer_month", "customer_value_history", "credit_watch"])
def test_a_customer_without_a_master_still_has_a_row_to_join_to(
    warehouse: duckdb.DuckDBPyConnection, home: Path, table: str
):
    insert(warehouse, table, company_code="1000", customer_id="0042")
    insert(warehouse, "customers", company_code="1000", customer_id="0042", name="Gone", is_deleted="true")
    put_out(warehouse, home)
    assert read(home, "SELECT customer_id, name, status, master_missing FROM mart.customer") == [
        ("0042", "0042", None, True)
    ]


def test_a_customer_who_never_bought_is_listed_too(warehouse: duckdb.DuckDBPyConnection, home: Path):
    insert(warehouse, "customers", company_code="1000", customer_id="C1", name="Prospect", status="prospect")
    put_out(warehouse, home)
    assert read(home, "SELECT name, status, master_missing FROM mart.customer") == [
        ("Prospect", "prospect", False)
    ]


def test_the_lifetime_sums_every_month_to_the_last_digit(warehouse: duckdb.DuckDBPyConnection, home: Path):
    for month, net_sales, contribution in (
        ("2024-01-01", "0.1001", "0.03"),
        ("2024-02-01", "0.2002", None),
        ("2024-03-01", "-0.05", "0.01"),
    ):
        insert(
            warehouse,
            "customer_month",
            company_code="1000",
            customer_id="C1",
            month=month,
            net_sales=net_sales,
            contribution=contribution,
        )
    put_out(warehouse, home)
    assert read(
        home,
        "SELECT first_month, months, net_sales::VARCHAR, contribution::VARCHAR FROM mart.customer_lifetime",
    ) == [(date(2024, 1, 1), 3, "0.2503", "0.0400")]


def test_data_quality_names_the_rules_that_rows_broke(warehouse: duckdb.DuckDBPyConnection, home: Path):
    _land(warehouse, "B1", status="loaded", reason=None)
    for row, rule in (
        (1, "duplicate_key"),
        (2, "customer_id_missing"),
        (3, "customer_id_missing"),
        (3, "duplicate_key"),
        (4, "customer_id_missing"),
    ):
        warehouse.execute(
            "INSERT INTO quarantine.reason (source, company_code, batch_id, table_name, file, row_number, rule, message) "
            "VALUES ('s', '1000', 'B1', 'invoice_lines', 'f.csv', ?, ?, 'm')",
            [row, rule],
        )
    put_out(warehouse, home)
    assert read(home, "SELECT source_system, rows_in, status, reasons FROM mart.data_quality") == [
        ("s", 10, "loaded", "customer_id_missing: 3, duplicate_key: 2")
    ]


def test_data_quality_says_why_a_batch_was_refused(warehouse: duckdb.DuckDBPyConnection, home: Path):
    _land(warehouse, "B1", status="refused", reason="VBRP.csv: its hash is not the manifest's")
    put_out(warehouse, home)
    assert read(home, "SELECT status, reasons FROM mart.data_quality") == [
        ("refused", "VBRP.csv: its hash is not the manifest's")
    ]


def _land(warehouse: duckdb.DuckDBPyConnection, batch_id: str, *, status: str, reason: str | None) -> None:
    for table, values in (
        ("batch", {"status": status, "reason": reason}),
        ("batch_table", {"table_name": "invoice_lines", "mode": "delta_upsert", "rows_in": 10}),
    ):
        columns = warehouse.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = 'ops' AND table_name = ?",
            [table],
        ).fetchall()
        examples = {
            "VARCHAR": "x",
            "BIGINT": 0,
            "BOOLEAN": False,
            "TIMESTAMP": RECORDED_AT,
            "DATE": RECORDED_AT.date(),
        }
        row = {name: examples[kind] for name, kind in columns}
        row |= {"source": "s", "company_code": "1000", "batch_id": batch_id, **values}
        warehouse.execute(
            f"INSERT INTO ops.{table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
            list(row.values()),
        )


def test_the_file_says_which_state_and_whose_policy_it_shows(
    warehouse: duckdb.DuckDBPyConnection, home: Path
):
    bring_to(warehouse, 1)
    put_out(warehouse, home, generation=7)
    expected = Publication(7, date(2024, 6, 2), *POLICY.values(), RECORDED_AT, content_version())
    assert read_publication(home / "mart.duckdb") == expected
    assert read_publication(home / "ops.duckdb") == expected
    assert read(home, "SELECT mart_version FROM publication") == [(MART_VERSION,)]


def test_an_aware_instant_is_written_in_utc(warehouse: duckdb.DuckDBPyConnection, home: Path):
    publish(warehouse, home, contracts(), 1, datetime.fromisoformat("2024-06-03T04:10:00+02:00"))
    assert read(home, "SELECT published_at FROM publication") == [(datetime(2024, 6, 3, 2, 10),)]
    assert datetime(2024, 6, 3, 2, 10, tzinfo=UTC) == datetime.fromisoformat("2024-06-03T04:10:00+02:00")


def test_the_books_and_the_quarantine_are_copied_as_they_are(
    warehouse: duckdb.DuckDBPyConnection, home: Path
):
    _land(warehouse, "B1", status="loaded", reason=None)
    put_out(warehouse, home)
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{home / 'ops.duckdb'}' AS books (READ_ONLY)")
        assert connection.execute("SELECT batch_id FROM books.ops.batch").fetchall() == [("B1",)]
        assert connection.execute('SELECT count(*) FROM books.quarantine."row"').fetchall() == [(0,)]


def test_parquet_holds_what_the_mart_holds(warehouse: duckdb.DuckDBPyConnection, home: Path):
    bring_to(warehouse, 3)
    put_out(warehouse, home)
    folder = home / "mart" / "current"
    tables = {name for name in ALL_TABLES if load(name).physical == "table"}
    assert {path.stem for path in folder.iterdir()} == tables
    with duckdb.connect(str(home / "mart.duckdb"), read_only=True) as mart:
        for name in tables:
            assert (
                pl.read_parquet(folder / f"{name}.parquet").rows() == mart.execute(f"FROM {name}").fetchall()
            )


def test_a_readers_window_over_any_view_stands_above_no_semi_join(
    warehouse: duckdb.DuckDBPyConnection, home: Path
):
    """DuckDB 1.5 ends with an internal error now and then where `OVER ()` does, on a machine that is busy."""
    bring_to(warehouse, 3)
    put_out(warehouse, home)
    views = [name for name in ALL_TABLES if load(name).physical == "view"]
    with duckdb.connect(str(home / "mart.duckdb"), read_only=True) as mart:
        for name in views:
            plans = mart.execute(f"EXPLAIN SELECT *, count(*) OVER () FROM {name}").fetchall()
            assert not re.search(r"\b(SEMI|ANTI|MARK)\b", "".join(plan for _, plan in plans)), name


def test_pandas_describes_ratios_as_they_are_and_sums_money_exactly_as_arrow(
    warehouse: duckdb.DuckDBPyConnection, home: Path
):
    for customer, loyalty, net_sales in (("A", "0.1", "0.1"), ("B", "0.7", "0.2"), ("C", None, None)):
        insert(
            warehouse, "customer_value_history", company_code="1000", customer_id=customer, revision=1,
            loyalty=loyalty, net_sales_12m=net_sales,
        )  # fmt: skip
    put_out(warehouse, home)
    file = home / "mart" / "current" / "customer_value.parquet"
    described = pd.read_parquet(file).describe()
    assert described["loyalty"]["count"] == 2
    assert described["loyalty"]["mean"] == pytest.approx(0.4, abs=1e-15)
    exact = pd.read_parquet(file, dtype_backend="pyarrow")
    assert exact["net_sales_12m"].sum() == Decimal("0.3")
    types = {field.name: str(field.type) for field in pq.read_schema(file)}
    assert types["loyalty"] == "double"
    assert types["net_sales_12m"] == "decimal128(38, 4)"
    assert types["score"] == "decimal128(7, 4)"
    assert types["period"] == "date32[day]"


@given(digits=st.integers(min_value=-(10**17), max_value=10**17))
def test_a_ratio_of_the_mart_is_the_nearest_to_the_six_digits_stored_and_reads_back_as_them(digits: int):
    stored = Decimal(digits).scaleb(-6)
    with duckdb.connect() as connection:
        [(shown,)] = connection.execute(f"SELECT {stored:.6f}::DECIMAL(18, 6)::DOUBLE").fetchall()
        assert shown == float(stored)
        if abs(digits) < 10**15:
            assert rows(connection, f"SELECT {shown!r}::DOUBLE AS ratio") == [{"ratio": stored}]


def test_what_is_out_is_its_owners_alone_unless_readers_are_named(
    warehouse: duckdb.DuckDBPyConnection, home: Path
):
    put_out(warehouse, home)
    assert {stat.S_IMODE((home / name).stat().st_mode) for name in ("mart.duckdb", "ops.duckdb")} == {0o600}


def test_a_reading_connection_can_publish_too(warehouse: duckdb.DuckDBPyConnection, home: Path):
    bring_to(warehouse, 2)
    warehouse.close()
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as reading:
        assert put_out(reading, home, generation=2)
    assert published_generation(home) == 2


def test_the_same_generation_again_is_a_no_op(warehouse: duckdb.DuckDBPyConnection, home: Path):
    assert put_out(warehouse, home)
    before = (home / "mart.duckdb").stat()
    assert not put_out(warehouse, home)
    after = (home / "mart.duckdb").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert put_out(warehouse, home, force=True)
    assert put_out(warehouse, home, generation=2)


@pytest.mark.parametrize(
    "harm",
    [
        lambda home: (home / "mart.duckdb").unlink(),
        lambda home: (home / "ops.duckdb").unlink(),
        lambda home: _cut(home / "mart.duckdb", 100_000),
        lambda home: _cut(home / "ops.duckdb", 1),
        lambda home: _overwrite(home / "mart.duckdb"),
        lambda home: (home / "mart" / "current").unlink(),
        lambda home: (home / "mart" / "current" / "customer.parquet").unlink(),
    ],
    ids=[
        "no mart",
        "no books",
        "mart cut short",
        "books cut by a byte",
        "no database",
        "no current",
        "no parquet",
    ],
)
def test_a_file_that_is_missing_or_damaged_is_made_again(
    warehouse: duckdb.DuckDBPyConnection, home: Path, harm
):
    bring_to(warehouse, 1)
    put_out(warehouse, home)
    harm(home)
    assert published_generation(home) is None
    assert put_out(warehouse, home)
    assert published_generation(home) == 1
    assert read(home, STATES_SEEN.format(mart="mart")) == [([1],)]


def _cut(path: Path, size: int) -> None:
    path.chmod(0o644)
    os.truncate(path, path.stat().st_size - size)


def _overwrite(path: Path) -> None:
    path.chmod(0o644)
    path.write_text("this is no database")


def test_files_of_another_layout_are_made_again(
    warehouse: duckdb.DuckDBPyConnection, home: Path, monkeypatch: pytest.MonkeyPatch
):
    put_out(warehouse, home)
    monkeypatch.setattr("warehouse.mart.publish.content_version", lambda: "another")
    assert published_generation(home) is None
    assert put_out(warehouse, home)


def test_nothing_is_out_in_a_new_home(tmp_path: Path):
    assert published_generation(tmp_path / "home") is None
    assert read_publication(tmp_path / "mart.duckdb") is None


def test_two_generations_of_parquet_are_kept(warehouse: duckdb.DuckDBPyConnection, home: Path):
    for generation in (1, 2, 3, 3, 4):
        put_out(warehouse, home, generation=generation, force=True)
    assert sorted(path.name for path in (home / "mart").iterdir()) == ["3-2", "4", "current"]
    assert (home / "mart" / "current").readlink() == Path("4")


def test_a_log_left_by_a_tool_that_died_is_not_replayed_onto_the_new_file(
    warehouse: duckdb.DuckDBPyConnection, home: Path
):
    put_out(warehouse, home)
    (home / "mart.duckdb").chmod(0o644)
    vandal = "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute('CREATE TABLE mine AS SELECT 1'); os._exit(1)"
    subprocess.run([sys.executable, "-c", vandal, str(home / "mart.duckdb")], check=False)
    assert (home / "mart.duckdb.wal").exists()
    put_out(warehouse, home, generation=2)
    assert not (home / "mart.duckdb.wal").exists()
    assert read(home, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'mine'") == [(0,)]


def test_a_failed_build_leaves_the_old_files_and_the_connection_usable(
    warehouse: duckdb.DuckDBPyConnection, home: Path, monkeypatch: pytest.MonkeyPatch
):
    bring_to(warehouse, 1)
    put_out(warehouse, home)

    def full_disk(path: Path) -> None:
        raise OSError("no space left on device")

    bring_to(warehouse, 2)
    with monkeypatch.context() as patched:
        patched.setattr("warehouse.mart.publish.sync", full_disk)
        with pytest.raises(OSError, match="no space left"):
            put_out(warehouse, home, generation=2)
    assert read(home, STATES_SEEN.format(mart="mart")) == [([1],)]
    assert put_out(warehouse, home, generation=2)
    assert read(home, STATES_SEEN.format(mart="mart")) == [([2],)]


READER = """
import json, sys, time
from pathlib import Path
import duckdb

mart, sql, stop = sys.argv[1], sys.argv[2], Path(sys.argv[3])
held = duckdb.connect(mart, read_only=True)
first, looks = held.execute(sql).fetchall(), 0
seen = set()
while not stop.exists():
    with duckdb.connect() as connection:      # an instance of its own: sees what is out now
        connection.execute(f"ATTACH '{mart}' AS now (READ_ONLY)")
        states = connection.execute(sql.replace("mart.", "now.")).fetchall()[0][0]
    assert len(states) == 1, states
    seen.add(states[0])
    assert held.execute(sql).fetchall() == first
    looks += 1
print(json.dumps({"seen": sorted(seen), "looks": looks, "held": first[0][0]}))
"""


def test_readers_see_one_whole_state_each_time_while_the_pipeline_publishes(
    warehouse: duckdb.DuckDBPyConnection, home: Path
):
    bring_to(warehouse, 1)
    put_out(warehouse, home)
    stop = home / "stop"
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(home / "mart.duckdb"), STATES_SEEN.format(mart="mart"), str(stop)],
        stdout=subprocess.PIPE, text=True,
    ) as reader:  # fmt: skip
        try:
            time.sleep(1)
            for state in range(2, 12):
                bring_to(warehouse, state)
                put_out(warehouse, home, generation=state)
            time.sleep(0.5)
        finally:
            stop.touch()
        told = json.loads(reader.communicate(timeout=60)[0])
    assert reader.returncode == 0
    assert told["held"] == [1]
    assert told["seen"][-1] == 11
    assert told["looks"] >= 10
