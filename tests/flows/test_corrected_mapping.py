"""Every batch landed again by a corrected mapping, in whatever order: the end is that of landing them by it from the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.warehouse.making import LINE_HEADER, SQL, Delivery, Loader, lines, numbered

STATED = "CASE WHEN document = 'Summe' THEN 'totals_line' END AS _excluded"
OLD = SQL["invoice_lines"].replace(STATED, "CASE WHEN note = 'draft' THEN 'draft' END AS _excluded")
# Drafts count after all, tests never do, and amounts are others.
NEW = (
    SQL["invoice_lines"]
    .replace(STATED, "CASE WHEN note = 'test' THEN 'test' END AS _excluded")
    .replace("net AS net_amount,", "net * 2 AS net_amount,")
    .replace("net AS net_amount_company,", "net * 2 AS net_amount_company,")
)
RULES = {"draft": "gone", "test": "never"}


def delivery(number: int, *rows: str) -> Delivery:
    """The n-th batch; `R1;1` or `R1;1 note`, with the batch's number as its amount."""
    records = [
        f"{key};05.05.2025;K1;1;{number};{note}" for key, _, note in (row.partition(" ") for row in rows)
    ]
    content = lines(*records, header=f"{LINE_HEADER};Text")
    return Delivery({"LINES": {f"lines{number}.csv": content}}, **numbered(number))


HISTORY = [
    delivery(1, "R1;1", "R2;1", "R3;1", "R4;1", "R5;1 draft"),
    delivery(2, "R1;1 draft", "R2;1 test", "R3;1", "R6;1 test", "R7;1 test"),
    delivery(3, "R6;1", "R4;1 draft", "R7;1 draft"),
]


def contents(loader: Loader) -> list[tuple[Any, ...]]:
    return loader.query(
        """SELECT document_id, line_id, net_amount, available_on, batch_id, batch_sequence, recorded_at, source_file
           FROM erp.invoice_lines WHERE NOT is_deleted ORDER BY ALL"""
    )


def test_all_batches_landed_again_by_another_mapping_end_as_if_it_had_been_theirs(tmp_path: Path) -> None:
    right = Loader(tmp_path / "right")
    right.source(sql={"invoice_lines": NEW}, rules=RULES)
    for each in HISTORY:
        right.loaded(each)
    wanted = contents(right)
    assert len(wanted) == 7
    for number, places in enumerate(((0, 1, 2), (2, 1, 0), (1, 2, 0))):
        order = [HISTORY[place] for place in places]
        loader = Loader(tmp_path / str(number))
        loader.source(sql={"invoice_lines": OLD}, rules=RULES)
        for each in HISTORY:
            loader.loaded(each)
        loader.source(sql={"invoice_lines": NEW}, rules=RULES)
        for each in order:
            loader.loaded(each)
        assert contents(loader) == wanted, [each.batch_id for each in order]
