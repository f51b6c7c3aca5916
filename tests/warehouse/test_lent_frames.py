"""Frames that SQL reads: handed over as they are, and let go of while the transaction goes on."""

from __future__ import annotations

import gc
import weakref
from datetime import date
from decimal import Decimal

import duckdb
import polars as pl
import pytest

from warehouse.connection import CONFIG, add_frame, lent, transaction

SCHEMA = {
    "code": pl.String,
    "name": pl.String,
    "amount": pl.Decimal(38, 4),
    "day": pl.Date,
    "is_new": pl.Boolean,
}
ROWS = [
    ("A", "a name that is longer than twelve letters", Decimal("12.3400"), date(2025, 6, 30), True),
    ("B", "冷轧", None, None, None),
    (None, "", Decimal("-0.0001"), date(2024, 2, 29), False),
]
TABLE = "CREATE TABLE kept (day DATE, amount DECIMAL(38, 4), code VARCHAR, name VARCHAR, is_new BOOLEAN, more INTEGER)"


def rows() -> pl.DataFrame:
    return pl.DataFrame(ROWS, schema=SCHEMA, orient="row")


def test_a_frame_is_added_by_column_name_and_a_table_of_more_columns_has_nulls_in_them() -> None:
    with duckdb.connect(config=CONFIG) as connection:
        connection.execute(TABLE)
        for frame in (rows(), rows().clear(), pl.concat([rows().clear(), rows(), rows()])):
            add_frame(connection, "kept", frame)
        kept = connection.execute("SELECT code, name, amount, day, is_new, more FROM kept").fetchall()
    assert kept == [(*row, None) for row in ROWS * 3]


@pytest.mark.parametrize("frame", [rows(), rows().clear(), pl.concat([rows().clear(), rows()])])
def test_sql_picks_columns_and_rows_of_a_lent_frame_as_often_as_it_likes(
    frame: pl.DataFrame, capfd: pytest.CaptureFixture[str]
) -> None:
    with duckdb.connect(config=CONFIG) as connection, lent(connection, "given", frame):
        positive = connection.execute("SELECT name FROM given WHERE amount > 0").fetchall()
        same = connection.execute(
            "SELECT count(*) FROM given SEMI JOIN (SELECT name FROM given) AS again USING (name)"
        ).fetchall()
    assert positive == [(row[1],) for row in frame.rows() if row[2] is not None and row[2] > 0]
    assert same == [(frame.height,)]
    assert capfd.readouterr().err == ""


def test_what_was_added_or_lent_is_let_go_of_before_the_transaction_ends() -> None:
    with duckdb.connect(config=CONFIG) as connection:
        connection.execute(TABLE)
        with transaction(connection):
            added, given = rows(), rows()
            held = [weakref.ref(added), weakref.ref(given)]
            add_frame(connection, "kept", added)
            with lent(connection, "given", given):
                connection.execute("INSERT INTO kept BY NAME SELECT code FROM given")
            del added, given
            gc.collect()
            assert [each() for each in held] == [None, None]
        assert connection.execute("SELECT count(*) FROM kept").fetchall() == [(6,)]


def test_a_lent_frame_is_gone_after_the_block() -> None:
    with duckdb.connect(config=CONFIG) as connection:
        with lent(connection, "given", rows()):
            pass
        with pytest.raises(duckdb.CatalogException, match="given"):
            connection.execute("FROM given")
