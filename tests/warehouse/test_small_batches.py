"""A small batch costs little: what nothing hangs on is not asked, and its cells are read together, to the same end."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import duckdb
import pytest

from tests.warehouse.making import Loader, line, of_lines
from warehouse.connection import count, in_one_thread
from warehouse.merge import merge
from warehouse.staging import scratch

CELLS = (
    *("1.234,50", "1.234,50-", "(7,00)", "+3", "12,3456", "12,34567", "1.23", "12 34", "1 234,00", "€ 5,00"),
    *(
        "#NV",
        "=A1*2",
        "1,5E+10",
        "nan",
        "",
        " ",
        "\u00a07,00\u200b",
        "１２，５０",
        "99999999999999999",
        "x:y",
    ),
)
DAYS = ("05.05.2025", "2025-05-05", "５.5.2025", "31.02.2025", "2025-05-05T10:00:00Z", "", "#WERT!", "45000")
CODES = ("K1", ' ="00017"', "1,23E+11", "#N/A", "=SUM(A1)", "K\u200b1", "nan", "-1.#IND", "")


class Counted:
    """A connection that counts how often it is asked, its cursors counted along."""

    def __init__(self, connection: Any, asked: list[str]) -> None:
        self.connection, self.asked = connection, asked

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    def __enter__(self) -> Self:
        self.connection.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self.connection.__exit__(*raised)

    def cursor(self) -> Counted:
        return Counted(self.connection.cursor(), self.asked)

    def execute(self, query: str, *parameters: Any) -> Counted:
        self.asked.append(query)
        self.connection.execute(query, *parameters)
        return self


def from_now_on(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What every connection that is opened from now on will be asked, as it is asked."""
    asked: list[str] = []
    connect = duckdb.connect
    monkeypatch.setattr(duckdb, "connect", lambda *a, **given: Counted(connect(*a, **given), asked))
    return asked


def test_a_batch_of_a_thousand_lines_asks_duckdb_at_most_eighty_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    loader = Loader(tmp_path)
    loader.source()
    loader.loaded(of_lines(*map(line, range(1_000)), number=1))
    asked = from_now_on(monkeypatch)
    loaded = loader.loaded(of_lines(*map(line, range(500, 1_500)), number=2))
    (table,) = loaded.tables
    assert (table.inserted, table.unchanged) == (500, 500)
    assert len(asked) <= 80, "\n".join(each[:200] for each in asked)


@pytest.mark.parametrize(("rows_stored", "times"), [(merge.FEW_STORED_ROWS, 1), (499, 0)])
def test_a_few_rows_are_merged_in_one_thread_and_into_a_large_warehouse_in_all_there_are(
    rows_stored: int, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    loader = Loader(tmp_path)
    loader.source()
    loader.loaded(of_lines(*map(line, range(500)), number=1))
    asked = from_now_on(monkeypatch)
    monkeypatch.setattr(merge, "FEW_STORED_ROWS", rows_stored)
    loader.loaded(of_lines(*map(line, range(500, 510)), number=2))
    assert asked.count("SET threads = 1") == times


def test_whatever_becomes_of_a_small_task_the_database_has_its_threads_again():
    with duckdb.connect(config={"threads": "3"}) as connection:
        with in_one_thread(connection):
            assert count(connection, "SELECT current_setting('threads')") == 1
        with pytest.raises(duckdb.CatalogException), in_one_thread(connection):
            connection.execute("FROM nothing")
        assert count(connection, "SELECT current_setting('threads')") == 3


def test_cells_mean_the_same_read_together_and_read_column_by_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    rows = [line(number, net=cell) for number, cell in enumerate(CELLS)]
    rows += [line(number, day=day) for number, day in enumerate(DAYS, 100)]
    rows += [line(number, customer=code) for number, code in enumerate(CODES, 200)]
    found = []
    for name, limit in (("together", scratch.SMALL_BATCH_BYTES), ("apart", 0)):
        monkeypatch.setattr(scratch, "SMALL_BATCH_BYTES", limit)
        loader = Loader(tmp_path / name)
        loader.source()
        outcome = loader.loaded(of_lines(*rows))
        accepted = loader.query(
            "SELECT document_id, invoice_date, customer_id, net_amount, source_row FROM erp.invoice_lines ORDER BY ALL"
        )
        found.append((outcome.tables[0].quarantined, outcome.tables[0].row_hash, loader.reasons(), accepted))
    assert found[0] == found[1]
    assert found[0][0] > 15
