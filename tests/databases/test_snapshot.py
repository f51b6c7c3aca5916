"""What a pull may count on: one moment for all resources, nothing written, and no digit, zero or second lost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
import yaml

from expectations.contract import contracts
from flows.console.progress import listening
from flows.extract.batch import Pulled, pull_batch
from flows.extract.databases import open_snapshot
from flows.extract.databases.errors import DatabaseRefusedError
from flows.extract.parquet import read_scalar
from flows.settings import Settings
from flows.settings.connections import Connection
from tests.databases.pulling import COMPANY, reach
from tests.databases.servers import HOST, MARIADB_USER, MariaDb, Postgres, own_mariadb, own_postgres
from warehouse.connection import open_database
from warehouse.delivery.manifest import read_manifest
from warehouse.errors import SourceError
from warehouse.mart.publish import publish
from warehouse.merge.watermarks import advance
from warehouse.store.migrate import migrate

SERVERS: dict[str, Callable[[], Any]] = {"PostgreSQL": own_postgres, "MariaDB": own_mariadb}
CLOCK = {Postgres: "SELECT now() AT TIME ZONE 'UTC'", MariaDb: "SELECT utc_timestamp(6)"}
PROFILE: dict[str, Any] = {
    "source": "shop",
    "title": "A shop's own database",
    "version": "1",
    "resources": {
        "lines": {
            "pattern": "lines*",
            "columns": {
                "code": "text",
                "number": "text",
                "amount": "decimal(18,4)",
                "quantity": "decimal(21,9)",
                "paid": "boolean",
                "day": "date",
            },
        },
        "parts": {"pattern": "parts*", "columns": {"code": "text"}},
    },
    "tables": {"customers": {"driving": "lines"}},
}
QUERIES = {
    "lines": "SELECT code, number, amount, quantity, paid, day, changed FROM line WHERE changed >= :since OR changed IS NULL",
    "parts": "SELECT code FROM part",
}


@pytest.fixture(params=SERVERS)
def database(request: pytest.FixtureRequest) -> Iterator[Postgres | MariaDb]:
    with SERVERS[request.param]() as opened:
        opened.execute(
            """CREATE TABLE line (code varchar(20), number integer, amount decimal(18,4), quantity decimal(21,9),
               paid boolean, day date, changed timestamp(6) NULL)""",
            "CREATE TABLE part (code varchar(20))",
        )
        yield opened


def settings_for(
    folder: Path, database: Postgres | MariaDb, queries: dict[str, str], **changes: Any
) -> Settings:
    source = folder / "sources" / "shop"
    (source / "pull").mkdir(parents=True, exist_ok=True)
    pull = {
        "clock": CLOCK[type(database)],
        "resources": {name: {"watermark": "changed"} if name == "lines" else {} for name in queries},
    }
    (source / "profile.yaml").write_text(yaml.safe_dump(PROFILE | {"pull": pull}), encoding="utf-8")
    (source / "customers.sql").write_text("SELECT code AS customer_id FROM lines", encoding="utf-8")
    for name, sql in queries.items():
        (source / "pull" / f"{name}.sql").write_text(sql, encoding="utf-8")
    return Settings(
        home=folder / "home",
        sources_path=[folder / "sources"],
        connections={"shop": reach(database, "1", **changes)},
    )


def pull(settings: Settings) -> Pulled:
    return pull_batch(settings, "shop", COMPANY, taken_at=datetime.now(UTC))


def written(pulled: Pulled, resource: str) -> list[dict[str, Any]]:
    return pq.read_table(pulled.landed.folder / f"{resource}.parquet").to_pylist()


def manifest(pulled: Pulled) -> dict[str, Any]:
    text = (pulled.landed.folder / "datapackage.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def test_all_resources_are_read_as_of_one_moment(database: Postgres | MariaDb, tmp_path: Path) -> None:
    database.execute("INSERT INTO line (code) VALUES ('a')", "INSERT INTO part VALUES ('a')")
    meanwhile = database.another()

    def commit_between_the_resources(step: str) -> None:
        if step == "pulling parts":
            meanwhile.execute("INSERT INTO part VALUES ('b')", "INSERT INTO line (code) VALUES ('b')")

    with listening(commit_between_the_resources):
        first = pull(settings_for(tmp_path, database, QUERIES))
    assert [row["code"] for row in written(first, "lines")] == ["a"]
    assert [row["code"] for row in written(first, "parts")] == ["a"]
    second = pull(settings_for(tmp_path, database, QUERIES))
    assert sorted(row["code"] for row in written(second, "parts")) == ["a", "b"]
    meanwhile.close()


@pytest.mark.parametrize("by_dsn", [False, True])
def test_any_odbc_source_is_read_as_of_one_moment_once_it_is_told_how(
    by_dsn: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = (
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    )
    with own_mariadb() as database:
        database.execute("CREATE TABLE part (code varchar(20))")
        place = {"driver": "MariaDB Unicode", "host": HOST, "database": database.database}
        if by_dsn:
            (tmp_path / "odbc.ini").write_text(
                f"[erp]\nDriver = MariaDB Unicode\nServer = {HOST}\nDatabase = {database.database}\n",
                encoding="utf-8",
            )
            monkeypatch.setenv("ODBCINI", str(tmp_path / "odbc.ini"))
            place = {"dsn": "erp"}
        connection = Connection.model_validate(
            {"kind": "odbc", "user": MARIADB_USER, "snapshot": begin} | place
        )
        with open_snapshot("erp", connection) as snapshot:
            database.execute("INSERT INTO part VALUES ('x')")
            assert read_scalar(snapshot, "SELECT count(*) FROM part", "a query") == 0
        with open_snapshot("erp", connection) as snapshot:
            assert read_scalar(snapshot, "SELECT count(*) FROM part", "a query") == 1


def test_a_snapshot_writes_nothing(database: Postgres | MariaDb) -> None:
    with (
        open_snapshot("shop", reach(database, "1")) as snapshot,
        pytest.raises(DatabaseRefusedError, match=r"(?i)read.only"),
        snapshot.read("INSERT INTO part VALUES ('x')", "pull/parts.sql") as stream,
    ):
        list(stream.batches)
    assert database.rows("SELECT count(*) FROM part") == [(0,)]


def test_no_digit_zero_or_second_is_lost(database: Postgres | MariaDb, tmp_path: Path) -> None:
    database.execute(
        """INSERT INTO line VALUES ('000007', 7, 12345678901234.5678, 0.100000001, true, '2026-02-28',
                                    '2026-02-28 23:59:59.123456'), ('客户 é', NULL, -0.01, NULL, false, NULL, NULL)"""
    )
    pulled = pull(settings_for(tmp_path, database, QUERIES))
    file = pulled.landed.folder / "lines.parquet"
    rows = duckdb.sql(
        f"""SELECT code, number, amount::DECIMAL(18,4)::VARCHAR, quantity::DECIMAL(21,9)::VARCHAR, paid::INT, day::VARCHAR
            FROM '{file}' ORDER BY code"""
    ).fetchall()
    assert rows == [
        ("000007", "7", "12345678901234.5678", "0.100000001", 1, "2026-02-28"),
        ("客户 é", None, "-0.0100", None, 0, None),
    ]
    kinds = {field.name: str(field.type) for field in pq.read_schema(file)}
    assert kinds["number"] == "string", "a code that is a number in the database is text in the batch"
    assert "double" not in kinds.values()
    assert manifest(pulled)["valuemart"]["watermarks"] == {
        "lines": {"since": None, "until": "2026-02-28T23:59:59.123456"}
    }


def test_a_row_stamped_in_the_future_does_not_move_the_watermark_beyond_the_clock(
    database: Postgres | MariaDb, tmp_path: Path
) -> None:
    database.execute(
        "INSERT INTO line (code, changed) VALUES ('now', '2026-02-01 10:00:00'), ('typo', '2037-02-01 10:00:00')"
    )
    pulled = pull(settings_for(tmp_path, database, QUERIES))
    assert manifest(pulled)["valuemart"]["watermarks"]["lines"]["until"] == "2026-02-01T10:00:00"
    assert len(written(pulled, "lines")) == 2


def test_an_amount_that_the_database_keeps_as_a_binary_fraction_is_refused(
    database: Postgres | MariaDb, tmp_path: Path
) -> None:
    queries = QUERIES | {
        "lines": "SELECT code, number, 1.5e0 * 1 AS amount, quantity, paid, day, changed FROM line WHERE changed > :since"
    }
    if isinstance(database, Postgres):
        queries["lines"] = queries["lines"].replace("1.5e0 * 1", "1.5::float8")
    with pytest.raises(
        SourceError, match=r"pull/lines\.sql: the column amount is double and holds binary fractions"
    ):
        pull(settings_for(tmp_path, database, queries))
    assert not (tmp_path / "home" / "inbox").exists()


def test_a_company_with_a_quote_in_its_name_is_one_text(database: Postgres | MariaDb, tmp_path: Path) -> None:
    queries = QUERIES | {"parts": "SELECT code FROM part WHERE code = :company"}
    name = "O'Neill \\' OR 1=1"
    quoted = name.replace("'", "''").replace("\\", "\\\\" if isinstance(database, MariaDb) else "\\")
    database.execute(f"INSERT INTO part VALUES ('{quoted}'), ('other')")
    pulled = pull(settings_for(tmp_path, database, queries, companies={COMPANY: name}))
    assert [row["code"] for row in written(pulled, "parts")] == [name]


def note_as_loaded(settings: Settings, pulled: Pulled) -> None:
    """Move the watermark as the load of the batch would, without loading it."""
    settings.home.mkdir(exist_ok=True)
    with open_database(settings.warehouse_file) as warehouse:
        migrate(warehouse, datetime(2026, 2, 1))
        advance(warehouse, read_manifest(pulled.landed.folder))


@pytest.mark.parametrize(
    ("lag_minutes", "read"),
    [(20, ["early", "late", "next"]), (19, ["early", "next"])],
    ids=["the lag reaches it", "the lag is shorter than the transaction"],
)
def test_what_commits_after_a_pull_is_read_by_the_next_where_the_lag_is_as_long_as_the_transaction(
    lag_minutes: int, read: list[str], database: Postgres | MariaDb, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path, database, QUERIES, lag_minutes=lag_minutes)
    late = database.another()
    late.execute(
        "START TRANSACTION", "INSERT INTO line (code, changed) VALUES ('late', '2026-02-01 10:00:00')"
    )
    database.execute("INSERT INTO line (code, changed) VALUES ('early', '2026-02-01 10:20:00.9')")
    first = pull(settings)
    assert [row["code"] for row in written(first, "lines")] == ["early"]
    note_as_loaded(settings, first)
    late.execute("COMMIT")
    database.execute("INSERT INTO line (code, changed) VALUES ('next', '2026-02-01 10:30:00')")
    second = pull(settings)
    assert sorted(row["code"] for row in written(second, "lines")) == read
    late.close()


def test_a_pull_that_was_not_loaded_is_read_again(database: Postgres | MariaDb, tmp_path: Path) -> None:
    database.execute("INSERT INTO line (code, changed) VALUES ('a', '2026-02-01 10:00:00')")
    settings = settings_for(tmp_path, database, QUERIES, lag_minutes=0)
    assert written(pull(settings), "lines") == written(pull(settings), "lines")
    note_as_loaded(settings, pull(settings))
    full = pull_batch(settings, "shop", COMPANY, taken_at=datetime.now(UTC), full=True)
    assert full.since == {"lines": None}


def test_while_a_run_holds_the_warehouse_a_pull_goes_by_the_published_books(
    database: Postgres | MariaDb, tmp_path: Path
) -> None:
    database.execute("INSERT INTO line (code, changed) VALUES ('a', '2026-02-01 10:00:00')")
    settings = settings_for(tmp_path, database, QUERIES, lag_minutes=0)
    note_as_loaded(settings, pull(settings))
    with open_database(settings.warehouse_file) as warehouse:
        publish(warehouse, settings.home, contracts(), 1, datetime(2026, 2, 1))
    holder = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(settings.warehouse_file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert pull(settings).since == {"lines": datetime(2026, 2, 1, 10)}
        process.communicate()


def test_settings_hold_no_password(tmp_path: Path) -> None:
    for given in ({"password": "x"}, {"options": {"PWD": "x"}}):
        with pytest.raises(ValueError, match="does not belong into settings"):
            Connection.model_validate({"kind": "postgresql", "host": "h", "database": "d"} | given)
