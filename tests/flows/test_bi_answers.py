"""A question has one answer, to the last digit, whichever way of docs/bi.md it is asked; names with quotes and 汉字 among it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from expectations.contract import load
from flows.settings import Settings
from tests.flows.small_company import settings_of
from tests.made_once import made_once
from tests.report.reported_company import publish
from warehouse.mart.publish import PUBLISHED_TABLES

Rows = Iterable[Iterable[object]]

# Every type that the mart has, nulls, sums of money, and joins.
QUESTIONS = {
    "money by tier": """
        SELECT effective_tier, count(*) AS customers, sum(net_sales_12m) AS net_sales FROM customer_value
        GROUP BY 1 ORDER BY 1""",
    "who is rated": """
        SELECT customer_id, name, period, closed_through, revision, master_missing, first_order_on, net_sales_12m,
            contribution_12m, score, loyalty, influence
        FROM customer_value ORDER BY 1""",
    "sales by month": """
        SELECT month, count(*) AS customers, sum(net_sales) AS net_sales, avg(net_sales)::DECIMAL(18, 4) AS mean
        FROM customer_month GROUP BY 1 ORDER BY 1""",
    "credit beside the master": """
        SELECT customer.name, credit.as_of, credit.open_balance, credit.credit_limit, credit.action_reason
        FROM credit_watch AS credit JOIN customer USING (company_code, customer_id) ORDER BY customer_id""",
    "what columns mean": "SELECT table_name, column_name, description, unit FROM column_dictionary ORDER BY 1, 2",
    "which state it is": "SELECT generation, as_of, published_at, policy_version, policy_hash FROM publication",
}
VIEWS = [name for name in PUBLISHED_TABLES if load(name).physical == "view"]


def by_duckdb(home: Path, question: str) -> Rows:
    with duckdb.connect(str(home / "mart.duckdb"), read_only=True) as connection:
        return connection.execute(question).fetchall()


def by_sqlalchemy(home: Path, question: str) -> Rows:
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    url = f"duckdb:///{home / 'mart.duckdb'}"
    engine = create_engine(url, connect_args={"read_only": True}, poolclass=NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(question))]


def by_the_command_line(home: Path, question: str) -> Rows:
    tool = str(Path(sys.executable).with_name("duckdb"))
    command = [tool, "-readonly", "-json", str(home / "mart.duckdb"), question]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [row.values() for row in json.loads(said or "[]", parse_float=Decimal)]


def by_adbc(home: Path, question: str) -> Rows:
    import adbc_driver_duckdb
    from adbc_driver_manager import dbapi

    mart = {"path": str(home / "mart.duckdb"), "access_mode": "read_only"}
    driver = adbc_driver_duckdb.driver_path()
    with (
        dbapi.connect(driver, entrypoint="duckdb_adbc_init", db_kwargs=mart) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(question)
        return [row.values() for row in cursor.fetch_arrow_table().to_pylist()]


def by_parquet(home: Path, question: str) -> Rows:
    with duckdb.connect() as connection:
        for file in (home / "mart" / "current").glob("*.parquet"):
            connection.execute(f"CREATE VIEW {file.stem} AS FROM '{file}'")
        return connection.execute(question).fetchall()


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_of(made_once(tmp_path_factory, "reported", publish))


@pytest.mark.parametrize("way", [by_sqlalchemy, by_the_command_line, by_adbc, by_parquet])
@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_a_question_has_one_answer_whatever_the_way_it_is_asked(
    reported: Settings, way: Callable[[Path, str], Rows], question: str
) -> None:
    expected = written(by_duckdb(reported.home, question))
    assert expected
    assert written(way(reported.home, question)) == expected


@pytest.mark.parametrize("way", [by_sqlalchemy, by_the_command_line, by_adbc])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_one_answer_whatever_the_way_it_is_asked(
    reported: Settings, way: Callable[[Path, str], Rows], view: str
) -> None:
    question = f"FROM {view} ORDER BY ALL"
    assert written(way(reported.home, question)) == written(by_duckdb(reported.home, question))


def written(rows: Rows) -> list[tuple[object, ...]]:
    """Values as every way can write them: JSON has no dates, and writes sums too long for its numbers as texts."""
    return [tuple(map(_written, row)) for row in rows]


def _written(value: object) -> object:
    if isinstance(value, float):
        return Decimal(repr(value))
    text = str(value) if isinstance(value, date) else value  # an instant is a date, too
    if not isinstance(text, str):
        return text
    if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+", text):
        return text.rstrip("0").rstrip(".")  # the command line leaves out what the microseconds end with
    return Decimal(text) if re.fullmatch(r"-?\d+\.\d+", text) else text
