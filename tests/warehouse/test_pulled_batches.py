"""What a load makes of a batch that a pull has landed: how far the source was read, and which rows it no longer has."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.warehouse.making import (
    COMPANY,
    Delivery,
    Loader,
    assert_conserved,
    at,
    customers,
    line,
    lines,
    numbered,
    of_lines,
)
from warehouse.store import ledger
from warehouse.store.ledger import BatchOutcome


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    loader = Loader(tmp_path)
    loader.source()
    return loader


def read(loader: Loader, number: int, since: str | None, until: str | None, *rows: str) -> BatchOutcome:
    """Load the n-th pull, which read LINES from `since` to `until`."""
    delivery = of_lines(*rows or (line(number),), **numbered(number) | {"sequence": 0})
    manifest = delivery.manifest()
    manifest["valuemart"]["watermarks"] = {"LINES": {"since": since, "until": until}}
    delivery.write(loader.settings.inbox, manifest=manifest)
    (outcome,) = loader.load()
    return outcome


def watermark(loader: Loader) -> list[Any]:
    return loader.column("SELECT watermark FROM ops.watermark")


MONDAY, TUESDAY, WEDNESDAY = "2025-06-02T10:00:00", "2025-06-03T10:00:00", "2025-06-04T10:00:00"


def test_the_watermark_moves_with_the_rows_of_a_loaded_batch(loader: Loader) -> None:
    read(loader, 1, None, MONDAY)
    assert watermark(loader) == [datetime.fromisoformat(MONDAY)]
    read(loader, 2, "2025-06-02T09:00:00", TUESDAY)
    assert watermark(loader) == [datetime.fromisoformat(TUESDAY)]


def test_a_pull_that_found_nothing_leaves_the_watermark(loader: Loader) -> None:
    read(loader, 1, None, MONDAY)
    read(loader, 2, "2025-06-02T09:00:00", None)
    assert watermark(loader) == [datetime.fromisoformat(MONDAY)]


def test_a_load_that_breaks_before_its_commit_moves_neither_rows_nor_watermark(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "write_batch", breaks)
        with pytest.raises(KeyboardInterrupt):
            read(loader, 1, None, MONDAY)
    assert (watermark(loader), documents(loader)) == ([], [])
    (outcome,) = loader.load()
    assert outcome.status == "loaded"
    assert (watermark(loader), documents(loader)) == ([datetime.fromisoformat(MONDAY)], ["R1"])


def test_a_refused_batch_moves_nothing(loader: Loader) -> None:
    read(loader, 1, None, MONDAY)
    delivery = of_lines(line(2), number=2, rows={"LINES": 7})
    manifest = delivery.manifest()
    manifest["valuemart"]["watermarks"] = {"LINES": {"since": "2025-06-02T09:00:00", "until": TUESDAY}}
    delivery.write(loader.settings.inbox, manifest=manifest)
    (outcome,) = loader.load()
    assert outcome.status == "refused"
    assert watermark(loader) == [datetime.fromisoformat(MONDAY)]


@pytest.mark.parametrize("reached", [None, MONDAY])
def test_a_batch_read_from_beyond_the_watermark_leaves_a_gap_to_the_next_pull(
    loader: Loader, reached: str | None
) -> None:
    if reached:
        read(loader, 1, None, reached)
    outcome = read(loader, 3, "2025-06-03T09:00:00", WEDNESDAY)
    assert outcome.status == "loaded"
    assert any("the next pull reads it again" in warning for warning in outcome.warnings)
    assert watermark(loader) == ([datetime.fromisoformat(reached)] if reached else [])


def test_everything_read_again_sets_the_watermark_back_too(loader: Loader) -> None:
    read(loader, 1, None, WEDNESDAY)
    read(loader, 2, None, TUESDAY)
    assert watermark(loader) == [datetime.fromisoformat(TUESDAY)]


def test_an_older_batch_that_comes_late_does_not_set_it_back(loader: Loader) -> None:
    read(loader, 2, None, WEDNESDAY)
    read(loader, 1, None, MONDAY)
    assert watermark(loader) == [datetime.fromisoformat(WEDNESDAY)]


@pytest.mark.parametrize("stated", ["yesterday", 5, {"since": 1}])
def test_a_manifest_whose_watermarks_cannot_be_read_is_refused(loader: Loader, stated: Any) -> None:
    delivery = of_lines(line(1))
    manifest = delivery.manifest()
    manifest["valuemart"]["watermarks"] = {"LINES": stated}
    delivery.write(loader.settings.inbox, manifest=manifest)
    (outcome,) = loader.load()
    assert [fault.rule for fault in outcome.faults] == ["manifest_incomplete"]


def keys_of(*keys: tuple[str | None, str], names: tuple[str, str] = ("document_id", "line_id")) -> bytes:
    """A set of keys of invoice lines as Parquet."""
    columns = list(zip(*keys, strict=True)) or [(), ()]
    table = pa.table(
        {name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)}
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def compare(
    loader: Loader, number: int, content: bytes, *, table: str = "invoice_lines", **files: Any
) -> BatchOutcome:
    """Load the n-th batch, which brings a set of keys beside what `files` hold."""
    delivery = Delivery(files, **numbered(number) | {"sequence": 0})
    with_keys = at(delivery, files={**files, table: {"keys.parquet": content}})
    manifest = with_keys.manifest()
    manifest["resources"][-1]["valuemart"] = {"mode": "key_set"}
    with_keys.write(loader.settings.inbox, manifest=manifest)
    (outcome,) = loader.load()
    return outcome


def documents(loader: Loader) -> list[Any]:
    return loader.column("SELECT document_id FROM erp.invoice_lines WHERE NOT is_deleted ORDER BY ALL")


def test_rows_whose_keys_are_gone_are_marked_as_deleted_and_their_cells_computed_again(
    loader: Loader,
) -> None:
    loader.loaded(of_lines(line(1), line(2), line(3, customer="K3"), number=1, sequence=0))
    outcome = compare(loader, 2, keys_of(("R1", "1"), ("R2", "1"), ("R2", "1"), ("R9", "1")))
    assert (outcome.status, outcome.tables[0].deleted) == ("loaded", 1)
    assert documents(loader) == ["R1", "R2"]
    assert loader.query("SELECT DISTINCT customer_id FROM ops.dirty_cell WHERE customer_id = 'K3'") == [
        ("K3",)
    ]
    assert_conserved(loader)


def test_the_same_keys_again_are_no_news(loader: Loader) -> None:
    loader.loaded(of_lines(line(1), number=1, sequence=0))
    assert compare(loader, 2, keys_of(("R1", "1"))).status == "unchanged"


def test_keys_delete_no_row_that_is_newer_than_they_are(loader: Loader) -> None:
    loader.loaded(of_lines(line(1), number=1, sequence=0))
    loader.loaded(of_lines(line(2), number=3, sequence=0))
    compare(loader, 2, keys_of(("R1", "1")))
    assert documents(loader) == ["R1", "R2"]


def test_a_row_that_comes_with_the_keys_needs_not_be_among_them(loader: Loader) -> None:
    compare(loader, 1, keys_of(("R1", "1")), LINES={"lines.csv": lines(line(1), line(2))})
    assert documents(loader) == ["R1", "R2"]


def test_a_buried_row_that_an_older_batch_brings_again_stays_buried(loader: Loader) -> None:
    loader.with_settings(shrink_limit=1.0)
    loader.loaded(of_lines(line(1), line(2), number=1, sequence=0))
    compare(loader, 3, keys_of(("R1", "1")))
    loader.loaded(of_lines(line(2, net="11,00"), number=2, sequence=0))
    assert documents(loader) == ["R1"]


@pytest.mark.parametrize(
    ("content", "table", "rule"),
    [
        (keys_of(("R1", "1")), "invoice_lines", "snapshot_shrunk"),
        (keys_of(), "invoice_lines", "snapshot_shrunk"),
        (keys_of((None, "1")), "invoice_lines", "unreadable_key"),
        (keys_of(("R1", "1"), names=("document_id", "other")), "invoice_lines", "unreadable_file"),
        (keys_of(("R1", "1")), "payments", "unknown_resource"),
        (b"document_id;line_id\nR1;1\n", "invoice_lines", "wrong_file_type"),
    ],
)
def test_keys_that_may_be_cut_or_cannot_be_read_delete_nothing(
    loader: Loader, content: bytes, table: str, rule: str
) -> None:
    loader.loaded(of_lines(*(line(number) for number in range(1, 5)), number=1, sequence=0))
    outcome = compare(loader, 2, content, table=table)
    assert rule in [fault.rule for fault in outcome.faults]
    assert documents(loader) == ["R1", "R2", "R3", "R4"]


def test_a_snapshot_that_was_counted_empty_is_believed_where_nothing_was_there(loader: Loader) -> None:
    empty = Delivery(
        {"CUSTOMERS": {"customers.csv": customers()}}, mode="full_snapshot", rows={"CUSTOMERS": 0}
    )
    assert loader.one(empty).status != "refused"
    loader.loaded(
        Delivery({"CUSTOMERS": {"customers.csv": customers("K1;Weser")}}, mode="full_snapshot", **numbered(2))
    )
    again = loader.one(at(empty, **numbered(3)))
    assert [fault.rule for fault in again.faults] == ["empty_snapshot"]
    assert loader.column(f"SELECT name FROM erp.customers WHERE company_code = '{COMPANY}'") == ["Weser"]
