"""The life of a document through batches, quarantine and deletion."""

from __future__ import annotations

from pathlib import Path

from tests.warehouse.making import Loader, line, of_lines
from warehouse.connection import open_database
from warehouse.store.document_life import DocumentLife, document_life


def life_of(loader: Loader, document: str) -> DocumentLife:
    with open_database(loader.settings.warehouse_file, read_only=True) as connection:
        return document_life(connection, document)


def test_a_document_tells_by_which_batch_it_stands_what_kept_it_out_and_by_what_it_went(
    tmp_path: Path,
) -> None:
    loader = Loader(tmp_path)
    loader.source(tables__invoice_lines__whole_by="document_id")
    loader.loaded(of_lines(line(1), "R1;2;05.05.2025;K1;1;5,00", line(2, net="x"), number=1))
    loader.loaded(of_lines(line(1, net="11,00"), number=2))
    life = life_of(loader, "R1")
    assert [(row.key, row.row, row.batch_id, row.deleted_by) for row in life.rows] == [
        ("R1 / 1", 2, "b2", None),
        ("R1 / 2", 3, "b2", "whole_document"),
    ]
    assert [(said.batch_id, said.what) for said in life.said] == [("b2", "whole")]
    (kept,) = life_of(loader, "R2").quarantined
    assert (kept.batch_id, kept.row, kept.released_by) == ("b1", 4, None)
    assert "[not_a_number]" in kept.reasons
    assert life_of(loader, "R9").is_unknown
