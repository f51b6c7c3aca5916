"""A record is looked at as a whole first: one that is said to be plain needs no look at each of its cells."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.staging import scratch, values

PIECES = (
    *"aEeNnT0159.,+-#=<>:/\"' \t\n\r\x00\x01\x7f",
    *("\u00a0", "\u00ad", "\u200b", "\u3000", "\ufeff", "é", "件", "１"),
    *("nan", "NaN", "NAN", "NaT", "<NA>", "Err:502", "1.#INF", '="', "1,23E+11", "E+", "#N/A", "=SUM"),
)
cells = st.lists(st.sampled_from(PIECES), max_size=5).map("".join)


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(Path(scratch.MACROS).read_text(encoding="utf-8"))
    return connection


def is_plain(connection: duckdb.DuckDBPyConnection, record: list[str | None]) -> bool:
    names = [f"c{place}" for place in range(len(record))]
    given = ", ".join(f"CAST(? AS VARCHAR) AS {name}" for name in names)
    [(found,)] = connection.execute(
        f"SELECT {values.are_plain(names)} FROM (SELECT {given})", record
    ).fetchall()
    return bool(found)


@given(record=st.lists(cells, min_size=1, max_size=4))
def test_no_cell_of_a_plain_record_is_cleaned_or_a_lost_code(
    connection: duckdb.DuckDBPyConnection, record: list[str]
) -> None:
    if is_plain(connection, [*record]):
        for cell in record:
            found = connection.execute("SELECT cell_text(c), lost_code(c) FROM (SELECT ? AS c)", [cell])
            assert found.fetchall() == [(cell, None)]


@pytest.mark.parametrize(
    "record",
    [
        ["D0000000017", "10", "2026-01-31", "-1234.50", "EUR", "", "true"],
        ["销售出库单", "恒达五金（集团）有限公司", "1.234,50", "件", None],
        ["Müller & Söhne, Köln", "E17", "EA", "N2", "NL", "5.", "3 Stück", "17-B"],
    ],
)
def test_ordinary_records_are_plain(connection: duckdb.DuckDBPyConnection, record: list[str | None]) -> None:
    assert is_plain(connection, record)


@pytest.mark.parametrize(
    "cell", [" 17", "17\u00a0", "\u200b17", "#N/A", "=A1", '="0017"', "1,23E+11", "NaN", "a\x01b"]
)
def test_one_cell_that_needs_a_look_makes_its_record_need_it(
    connection: duckdb.DuckDBPyConnection, cell: str
) -> None:
    assert not is_plain(connection, ["D17", cell, "EUR"])
