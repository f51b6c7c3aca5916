"""Whoever mends a refused batch sees all that is wrong with it, whichever step met it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.warehouse.making import SQL, Delivery, Loader, customers, line, lines, numbered
from warehouse.store.ledger import BatchOutcome


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    made = Loader(tmp_path)
    made.source()
    return made


def told(outcome: BatchOutcome) -> list[tuple[str, str | None, str | None]]:
    """Rule, file and column of each mistake."""
    return [(fault.rule, fault.file, fault.column) for fault in outcome.faults]


def test_what_is_missing_what_is_cut_and_what_lacks_a_column_is_shown_together(loader: Loader) -> None:
    loader.source(resources__CUSTOMERS__required=True)
    delivery = Delivery(
        {
            "LINES": {
                "lines.csv": lines(line(1), header="Beleg;Pos;Tag;Kunde;Menge;Netto"),
                "lines2.csv": lines(line(2)),
                "lines3.csv": b"",
            },
            "STRANGE": {"strange.csv": b"a\n1\n"},
        }
    )
    manifest = delivery.manifest()
    manifest["resources"][0]["hash"][1] = "sha256:" + "0" * 64
    delivery.write(loader.settings.inbox, manifest=manifest)
    (outcome,) = loader.report().outcomes
    assert told(outcome) == [
        ("missing_resource", "datapackage.json", None),
        ("unknown_resource", "datapackage.json", None),
        ("hash_mismatch", "lines2.csv", None),
        ("empty_file", "lines3.csv", None),
        ("missing_column", "lines.csv", "Datum"),
    ]


def test_every_wrong_entry_of_a_manifest_is_shown(loader: Loader) -> None:
    delivery = Delivery({"LINES": {"lines.csv": lines(line(1))}})
    manifest = delivery.manifest()
    manifest["resources"][0]["valuemart"] |= {"mode": "always", "rows": "many"}
    del manifest["valuemart"]["extractedAt"]
    delivery.write(loader.settings.inbox, manifest=manifest)
    (outcome,) = loader.report().outcomes
    assert {fault.rule for fault in outcome.faults} == {"manifest_incomplete"}
    messages = "\n".join(fault.message for fault in outcome.faults)
    for said in ("lacks the entry 'extractedAt'", "the mode is 'always'", "rows"):
        assert said in messages


def test_a_count_that_does_not_agree_and_sql_that_cannot_run_are_shown_together(loader: Loader) -> None:
    loader.source(
        sql={"invoice_lines": SQL["invoice_lines"].replace("quantity,", "amount,"), "customers": "SELECT 1"}
    )
    both = Delivery(
        {"LINES": {"lines.csv": lines(line(1))}, "CUSTOMERS": {"customers.csv": customers("K1;One")}},
        rows={"LINES": 7},
    )
    outcome = loader.one(both)
    assert [rule for rule, *_ in told(outcome)] == ["row_count_mismatch", "source_mapping", "source_mapping"]
    assert ["customers.sql" in fault.message for fault in outcome.faults] == [False, True, False]
    assert "invoice_lines.sql" in outcome.faults[2].message


def test_every_table_whose_snapshot_looks_cut_is_shown(loader: Loader) -> None:
    many = [line(number) for number in range(5)]
    masters = [f"K{number};Name" for number in range(5)]

    def both(sold: list[str], known: list[str], number: int) -> Delivery:
        files = {"LINES": {"lines.csv": lines(*sold)}, "CUSTOMERS": {"customers.csv": customers(*known)}}
        return Delivery(files, mode="full_snapshot", **numbered(number))

    loader.loaded(both(many, masters, 1))
    outcome = loader.one(both(many[:1], masters[:1], 2))
    assert sorted(told(outcome)) == [
        ("snapshot_shrunk", "customers.csv", None),
        ("snapshot_shrunk", "lines.csv", None),
    ]
    assert loader.column("SELECT count(*) FROM erp.invoice_lines WHERE NOT is_deleted") == [5]
