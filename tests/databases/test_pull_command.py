"""`valuemart pull` at a prompt: what went wrong is one line that says what to mend, and holds no password."""

from __future__ import annotations

import builtins
import fcntl
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main
from flows.extract.databases import odbc, postgresql
from tests.databases import erpnext, odoo
from tests.databases.servers import HOST, MariaDb, Postgres, own_mariadb, own_postgres

SECRET = "tr0ub4dor'&}3 \\x"  # what a connection string would have to quote


@pytest.fixture(scope="module")
def odoo_there() -> Iterator[Postgres]:
    with own_postgres() as database:
        odoo.build(database)
        yield database


@pytest.fixture(scope="module")
def erpnext_there() -> Iterator[MariaDb]:
    with own_mariadb() as database:
        erpnext.build(database)
        user = database.database[:30]
        quoted = SECRET.replace("\\", "\\\\").replace("'", "''")
        database.execute(
            f"CREATE USER '{user}'@'%' IDENTIFIED BY '{quoted}'",
            f"GRANT SELECT ON {database.database}.* TO '{user}'@'%'",
        )
        yield database
        database.execute(f"DROP USER '{user}'@'%'")


def connect(monkeypatch: pytest.MonkeyPatch, **connections: dict[str, Any]) -> None:
    monkeypatch.setenv("VALUEMART_CONNECTIONS", json.dumps(connections))


def of_odoo(there: Postgres, /, **changes: Any) -> dict[str, Any]:
    reached = {"kind": "postgresql", "host": HOST, "database": there.database, "user": "postgres"}
    return reached | {"companies": {"1000": "1"}} | changes


def of_erpnext(there: MariaDb, /, **changes: Any) -> dict[str, Any]:
    reached = {"kind": "mariadb", "host": HOST, "database": there.database, "user": there.database[:30]}
    return reached | {"companies": {"1000": erpnext.COMPANY}} | changes


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error that is no step."""
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    return line


def test_a_pull_lands_a_batch_and_says_how_to_load_it(
    home: Path, odoo_there: Postgres, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connect(monkeypatch, odoo=of_odoo(odoo_there))
    assert main.run(["pull", "odoo", "--company", "1000", "--compare-keys"]) == 0
    said = capsys.readouterr().out
    assert "keys of invoice_lines" in said
    assert "valuemart refresh" in said
    (success,) = home.glob("inbox/odoo/1000/*/_SUCCESS")
    manifest = json.loads((success.parent / "datapackage.json").read_text(encoding="utf-8"))
    assert manifest["valuemart"]["watermarks"]["account_move"]["since"] is None
    assert not (home / "pulling" / "odoo-1000" / "batch").exists()


def test_the_flow_pulls_and_leaves_the_loading_to_a_refresh(
    home: Path, odoo_there: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.deployments.pull import pull

    connect(monkeypatch, odoo=of_odoo(odoo_there))
    pulled = pull.fn("odoo", "1000", compare_keys=True)
    assert (pulled.landed.folder / "_SUCCESS").exists()
    assert set(pulled.keys) == {"invoice_lines", "receivables"}
    assert not (home / "warehouse.duckdb").exists()


def test_a_second_pull_of_the_same_company_waits_for_its_turn(
    home: Path, odoo_there: Postgres, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connect(monkeypatch, odoo=of_odoo(odoo_there))
    place = home / "pulling" / "odoo-1000"
    (place / "batch").mkdir(parents=True)
    (place / "batch" / "half.parquet").write_text("left by a pull that was killed", encoding="utf-8")
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main.run(["pull", "odoo", "--company", "1000"]) == 1
    assert "another pull of odoo, company 1000, is running" in complaint(capsys)
    assert main.run(["pull", "odoo", "--company", "1000"]) == 0
    (folder,) = home.glob("inbox/odoo/1000/*")
    assert not (folder / "half.parquet").exists()


@pytest.mark.parametrize("by_file", [False, True])
def test_the_password_comes_from_a_variable_or_a_file_and_stands_nowhere(
    by_file: bool,
    home: Path,
    erpnext_there: MariaDb,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    connect(monkeypatch, erpnext=of_erpnext(erpnext_there))
    if by_file:
        (tmp_path / "secret").write_text(SECRET + "\n", encoding="utf-8")
        monkeypatch.setenv("VALUEMART_PASSWORD_ERPNEXT_FILE", str(tmp_path / "secret"))
    else:
        monkeypatch.setenv("VALUEMART_PASSWORD_ERPNEXT", SECRET)
    assert main.run(["pull", "erpnext", "--company", "1000", "--json"]) == 0
    shown = capsys.readouterr()
    told = shown.out + shown.err + caplog.text
    written = [file.read_bytes() for file in home.rglob("*") if file.is_file()]
    assert SECRET not in told
    assert not any(SECRET.encode() in content for content in written)


def test_a_wrong_password_is_a_setting_to_mend(
    home: Path, erpnext_there: MariaDb, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connect(monkeypatch, erpnext=of_erpnext(erpnext_there))
    monkeypatch.setenv("VALUEMART_PASSWORD_ERPNEXT", "hunter2")
    assert main.run(["pull", "erpnext", "--company", "1000"]) == 2
    line = complaint(capsys)
    assert "connection erpnext (127.0.0.1/" in line
    assert "Access denied" in line
    assert "hunter2" not in line


@pytest.mark.parametrize("source", ["odoo", "erpnext"])
@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"port": 1}, 1, "cannot be reached"),
        ({"database": "nosuch"}, 2, "nosuch"),
        ({"user": "nobody_at_all"}, 2, "nobody_at_all"),
    ],
)
def test_who_cannot_be_reached_may_be_later_and_who_refuses_must_be_mended(
    source: str,
    changes: dict[str, Any],
    code: int,
    said: str,
    home: Path,
    odoo_there: Postgres,
    erpnext_there: MariaDb,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reached = of_odoo(odoo_there, **changes) if source == "odoo" else of_erpnext(erpnext_there, **changes)
    connect(monkeypatch, **{source: reached})
    monkeypatch.setenv(f"VALUEMART_PASSWORD_{source.upper()}", SECRET)
    assert main.run(["pull", source, "--company", "1000"]) == code
    line = complaint(capsys)
    assert said in line
    assert SECRET not in line


@pytest.mark.parametrize("source", ["odoo", "erpnext"])
@pytest.mark.parametrize("missing", ["table", "column"])
def test_a_table_or_column_that_is_missing_is_named_with_the_query(
    source: str,
    missing: str,
    home: Path,
    odoo_there: Postgres,
    erpnext_there: MariaDb,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    database: Postgres | MariaDb = odoo_there if source == "odoo" else erpnext_there
    table, column = ("uom_uom", "name") if source == "odoo" else ("`tabItem`", "item_group")
    file = "uom_uom" if source == "odoo" else "item"
    rename = {
        "table": (f"ALTER TABLE {table} RENAME TO gone", f"ALTER TABLE gone RENAME TO {table}"),
        "column": (
            f"ALTER TABLE {table} RENAME COLUMN {column} TO gone",
            f"ALTER TABLE {table} RENAME COLUMN gone TO {column}",
        ),
    }[missing]
    reached = of_odoo(odoo_there) if source == "odoo" else of_erpnext(erpnext_there, user="root")
    connect(monkeypatch, **{source: reached})
    database.execute(rename[0])
    try:
        assert main.run(["pull", source, "--company", "1000"]) == 2
    finally:
        database.execute(rename[1])
    line = complaint(capsys)
    assert f"pull/{file}.sql" in line
    assert (table.strip("`") if missing == "table" else column) in line
    assert not (home / "inbox").exists()


def test_a_driver_that_is_not_installed_is_named_with_the_extra(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def without_drivers(name: str, *arguments: Any, **more: Any) -> Any:
        if name in {"adbc_driver_postgresql", "arrow_odbc"}:
            raise ModuleNotFoundError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without_drivers)
    for kind, source in (("postgresql", "odoo"), ("mariadb", "erpnext")):
        connect(monkeypatch, **{source: {"kind": kind, "host": HOST, "database": "d"}})
        assert main.run(["pull", source, "--company", "1000"]) == 2
        assert "valuemart[databases]" in complaint(capsys)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "no connection serves source odoo"),
        ({"VALUEMART_PASSWORD_ODO": "hunter2"}, "VALUEMART_PASSWORD_ODO is the password of no connection"),
        (
            {
                "VALUEMART_CONNECTIONS": '{"odoo": {"kind": "postgresql", "host": "h", "database": "d", "password": "hunter2"}}'
            },
            "'password' does not belong into settings",
        ),
        ({"VALUEMART_CONNECTIONS": '{"odoo": {"kind": "odbc", "dsn": "X"}}'}, "says in snapshot"),
        (
            {
                "VALUEMART_CONNECTIONS": '{"odoo": {"kind": "postgresql", "host": "h", "database": "d"}}',
                "VALUEMART_PASSWORD_ODOO_FILE": "/nowhere/secret",
            },
            "cannot be read from /nowhere/secret",
        ),
    ],
)
def test_a_connection_that_is_wrong_is_told_before_anything_is_touched(
    variables: dict[str, str],
    said: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main.run(["pull", "odoo", "--company", "1000"]) == 2
    line = complaint(capsys)
    assert said in line
    assert "hunter2" not in line


def test_a_password_file_named_by_the_settings_lies_beside_them(
    home: Path, erpnext_there: MariaDb, tmp_path: Path
) -> None:
    there = of_erpnext(erpnext_there)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "erp").write_text(SECRET, encoding="utf-8")
    (tmp_path / "valuemart.toml").write_text(
        f"""
        [connections.erp_of_the_north]
        source = "erpnext"
        kind = "mariadb"
        host = "{there["host"]}"
        database = "{there["database"]}"
        user = "{there["user"]}"
        companies = {{ "1000" = "{erpnext.COMPANY}" }}
        password_file = "secrets/erp"
        """,
        encoding="utf-8",
    )
    assert main.run(["pull", "erpnext", "--company", "1000"]) == 0
    assert list(home.glob("inbox/erpnext/1000/*/_SUCCESS"))


def test_a_source_without_queries_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["pull", "generic_csv", "--company", "1000"]) == 2
    assert "says nothing of its database" in complaint(capsys)


def test_the_words_of_a_driver_are_masked_wherever_the_password_stands_in_them() -> None:
    from pydantic import SecretStr

    from flows.extract.databases.errors import masked

    password = SecretStr("hunter2")
    assert masked("bad option hunter2\n in 'hunter2'", password) == "bad option ••• in '•••'"
    snapshots = (
        postgresql.PostgresSnapshot(None, ValueError, "connection x", password),
        odbc.OdbcSnapshot(None, ValueError, "connection x", password),
    )
    for snapshot in snapshots:
        assert "hunter2" not in str(snapshot.fault_of(ValueError("hunter2 is wrong"), "pull/x.sql"))
