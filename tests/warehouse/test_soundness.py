"""Rows accepted by the ledger = live rows + deleted ones + overwritten ones, whatever was landed, released and loaded again."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.inbox.corrections import release
from flows.pipeline.reload import reload
from tests.flows.test_mending import exported, write
from tests.warehouse.making import NOW, SQL, Loader, gate, line, of_customers, of_lines
from warehouse.connection import connect
from warehouse.store.soundness import Balance, balances, conservation_problems

WITHOUT_R2 = SQL["invoice_lines"].replace(
    "CASE WHEN document = 'Summe'", "CASE WHEN document = 'R2' THEN 'test_line' WHEN document = 'Summe'"
)


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    made = Loader(tmp_path)
    made.source()
    made.loaded(of_customers("K1;Eins", "K2;Zwei", number=1))
    made.loaded(of_lines(line(1), line(2), line(3, net="x"), number=2))
    made.loaded(of_customers("K1;Einzig", number=3))
    made.loaded(of_lines(line(2, net="12,00"), line(1), number=4))
    return made


def balance(loader: Loader) -> dict[str, tuple[int, int, int, int]]:
    """Table to what was accepted, and is live, deleted and overwritten of it; nothing of the warehouse may be unsound."""
    with connect(loader.settings.warehouse_file) as connection:
        assert conservation_problems(connection) == []
        return {
            each.table: (each.accepted, each.live, each.deleted, each.overwritten)
            for each in balances(connection)
        }


def test_accepted_rows_are_live_deleted_or_overwritten(loader: Loader) -> None:
    assert balance(loader) == {"customers": (3, 1, 1, 1), "invoice_lines": (4, 2, 0, 2)}


def test_a_release_and_a_reload_keep_the_balance(loader: Loader) -> None:
    (row,) = exported(loader)
    release(loader.settings, write(loader, [{**row, "Netto": "7,00"}]))
    loader.load()
    assert balance(loader)["invoice_lines"] == (5, 3, 0, 2)
    for sql, counted in ((WITHOUT_R2, (3, 2, 0, 1)), (SQL["invoice_lines"], (5, 3, 0, 2))):
        loader.source(sql={"invoice_lines": sql})
        reload(loader.settings, gate(), "shop", None, keep_missing=False, dry_run=False, recorded_at=NOW)
        assert balance(loader)["invoice_lines"] == counted


def test_the_same_files_by_another_mapping_keep_the_balance(loader: Loader) -> None:
    loader.source(sql={"invoice_lines": WITHOUT_R2})
    loader.loaded(of_lines(line(2, net="12,00"), line(1), number=4))
    assert balance(loader)["invoice_lines"] == (3, 1, 0, 2)


@pytest.mark.parametrize("change", ["nothing", "release", "mapping", "reload"])
def test_a_row_that_was_removed_by_hand_hides_behind_no_release_mapping_or_reload(
    loader: Loader, change: str
) -> None:
    if change == "release":
        (row,) = exported(loader)
        release(loader.settings, write(loader, [{**row, "Netto": "7,00"}]))
        loader.load()
    if change in ("mapping", "reload"):
        loader.source(sql={"invoice_lines": WITHOUT_R2})
    if change == "mapping":
        loader.loaded(of_lines(line(2, net="12,00"), line(1), number=4))
    if change == "reload":
        for _ in range(2):
            reload(loader.settings, gate(), "shop", None, keep_missing=False, dry_run=False, recorded_at=NOW)
    with connect(loader.settings.warehouse_file) as connection:
        assert conservation_problems(connection) == []
        ((rows,),) = connection.execute("SELECT count(*) FROM erp.invoice_lines").fetchall()
        connection.execute("DELETE FROM erp.invoice_lines WHERE document_id = 'R1'")
        assert conservation_problems(connection) == [
            f"DE01: invoice_lines has {rows - 1} rows, and the ledger says that {rows} were inserted"
        ]


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (
            "UPDATE erp.invoice_lines SET batch_id = 'b1' WHERE document_id = 'R1'",
            "shop/DE01/b1: 1 live rows of invoice_lines are of this batch, and the ledger says that it accepted 0",
        ),
        (
            "INSERT INTO erp.invoice_lines SELECT t.* FROM erp.invoice_lines AS t, range(3)",
            "DE01: invoice_lines has 8 live and 0 deleted rows, and the ledger says that 4 were accepted",
        ),
    ],
)
def test_rows_that_no_batch_accepted_are_found(loader: Loader, harm: str, told: str) -> None:
    with connect(loader.settings.warehouse_file) as connection:
        connection.execute(harm)
        assert told in conservation_problems(connection)


def test_more_rows_than_were_accepted_are_a_problem_and_as_many_are_none() -> None:
    assert Balance("DE01", "customers", 3, 2, 1).problem is None
    assert Balance("DE01", "customers", 2, 2, 1).problem is not None
