"""One workbook for several resources, and one table of several resources: sales on one sheet, returns on another."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from flows.inbox import landing
from flows.inbox.corrections import release, sheet
from flows.inbox.landing import LandingError
from flows.pipeline import reload
from tests.warehouse.making import (
    NOW,
    PROFILE,
    SQL,
    Delivery,
    Loader,
    assert_conserved,
    gate,
    line,
    lines,
    numbered,
    write_source,
)
from warehouse.delivery.profile import read_source
from warehouse.errors import SourceError
from warehouse.mart.queries import QuarantineFilter

LINES = PROFILE["resources"]["LINES"]
HEADER = ["Beleg", "Pos", "Datum", "Kunde", "Menge", "Netto"]
SELECT = SQL["invoice_lines"]
RETURNED = (
    SELECT.replace("FROM LINES", "FROM RETURNS")
    .replace("net AS", "-net AS")
    .replace(" quantity,", " -quantity AS quantity,")
    .replace("'invoice' AS", "'credit_note' AS")
)
BOTH = {"invoice_lines.LINES": SELECT, "invoice_lines.RETURNS": RETURNED}


def source(loader: Loader, **changes: Any) -> None:
    """The shop, with returns in files of their own."""
    loader.source(
        PROFILE,
        BOTH,
        **{
            "resources__RETURNS": {**LINES, "pattern": "returns*"},
            "tables__invoice_lines": {"sources": ["LINES", "RETURNS"]},
            **changes,
        },
    )


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    made = Loader(tmp_path)
    source(made)
    return made


def both(sold: list[str], returned: list[str], number: int = 1, **about: Any) -> Delivery:
    """Sales and returns of one batch."""
    files = {"LINES": {"lines.csv": lines(*sold)}, "RETURNS": {"returns.csv": lines(*returned)}}
    return Delivery(files, **{**numbered(number), **about})


NETS = "SELECT document_id, net_amount::DOUBLE FROM erp.invoice_lines WHERE NOT is_deleted ORDER BY ALL"


def test_a_table_of_two_resources_has_the_rows_of_both_each_by_its_own_select(loader: Loader) -> None:
    outcome = loader.loaded(both([line(1), line(2)], [line(3, net="4,00"), "Summe;;;;;4,00"]))
    assert loader.query(NETS) == [("R1", 10.0), ("R2", 10.0), ("R3", -4.0)]
    (table,) = outcome.tables
    assert (table.driving, table.rows_in, table.accepted, table.excluded_by) == (
        "LINES, RETURNS",
        4,
        3,
        {"totals_line": 1},
    )
    assert_conserved(loader)


def test_each_of_the_two_may_come_alone(loader: Loader) -> None:
    loader.loaded(both([line(1)], [line(2)]))
    only = Delivery({"RETURNS": {"returns.csv": lines(line(3))}}, **numbered(2))
    loader.loaded(only)
    assert loader.query(NETS) == [("R1", 10.0), ("R2", -10.0), ("R3", -10.0)]


def test_records_that_a_select_drops_or_that_cannot_be_split_are_kept_out_by_their_resource(
    loader: Loader,
) -> None:
    loader.source(
        PROFILE,
        {**BOTH, "invoice_lines.RETURNS": RETURNED + " WHERE document <> 'R4'"},
        resources__RETURNS={**LINES, "pattern": "returns*"},
        tables__invoice_lines={"sources": ["LINES", "RETURNS"]},
    )
    loader.loaded(both([line(1), "R2;1;ragged"], [line(3), line(4), "R5;ragged"]))
    found = [(file, row, rule) for file, row, _, rule, _ in loader.reasons()]
    assert found == [
        ("lines.csv", 3, "ragged_record"),
        ("returns.csv", 3, "unmatched_by_source_sql"),
        ("returns.csv", 4, "ragged_record"),
    ]
    assert_conserved(loader)


def test_the_same_key_in_both_is_a_key_that_stands_twice(loader: Loader) -> None:
    loader.loaded(both([line(1), line(2)], [line(1)]))
    assert {rule for *_, rule, _ in loader.reasons()} == {"duplicate_key"}
    assert loader.query(NETS) == [("R2", 10.0)]


def test_a_row_of_either_is_mended_in_its_own_resource(loader: Loader) -> None:
    loader.loaded(both([line(1, net="x"), line(2)], [line(3, net="y"), "R4;ragged"]))
    shutil.copyfile(loader.settings.warehouse_file, loader.settings.ops_file)
    header, *rows = sheet(loader.settings, QuarantineFilter())
    mended = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["_file"] for row in mended] == ["lines.csv", "returns.csv", "returns.csv"]
    for row in mended:
        row["Netto"] = "7,00"
        if row["_row"] == "3":
            row |= {"Beleg": "R4", "Pos": "1", "Datum": "05.05.2025", "Kunde": "K1", "Menge": "1"}
    file = loader.root / "mended.csv"
    text = [header, *([row[name] for name in header] for row in mended)]
    file.write_text("\n".join(";".join(cells) for cells in text) + "\n")
    assert release(loader.settings, file).released == 3
    assert all(outcome.status == "loaded" for outcome in loader.report().outcomes)
    assert loader.query(NETS) == [("R1", 7.0), ("R2", 10.0), ("R3", -7.0), ("R4", -7.0)]
    assert_conserved(loader)


def test_a_snapshot_of_a_table_of_two_resources_needs_both(loader: Loader) -> None:
    loader.with_settings(shrink_limit=0.9)
    loader.loaded(both([line(1), line(2)], [line(3)], mode="full_snapshot"))
    alone = Delivery({"LINES": {"lines.csv": lines(line(1))}}, mode="full_snapshot", **numbered(2))
    refused = loader.one(alone)
    assert [fault.rule for fault in refused.faults] == ["missing_resource"]
    assert "lacks 'RETURNS': its rows would be taken for gone" in refused.faults[0].message
    loader.loaded(both([line(1)], [line(3)], number=3, mode="full_snapshot"))
    assert loader.query(NETS) == [("R1", 10.0), ("R3", -10.0)]


def test_both_resources_of_a_table_are_taken_in_one_mode(loader: Loader) -> None:
    delivery = both([line(1)], [line(2)])
    manifest = delivery.manifest()
    manifest["resources"][0]["valuemart"]["mode"] = "full_snapshot"
    delivery.write(loader.settings.inbox, manifest=manifest)
    (refused,) = loader.report().outcomes
    assert [fault.rule for fault in refused.faults] == ["several_modes"]


def test_whole_documents_of_two_resources_need_both(loader: Loader) -> None:
    source(loader, tables__invoice_lines={"sources": ["LINES", "RETURNS"], "whole_by": "document_id"})
    refused = loader.one(Delivery({"LINES": {"lines.csv": lines(line(1))}}))
    assert [fault.rule for fault in refused.faults] == ["missing_resource"]
    loader.loaded(both(["R1;1;05.05.2025;K1;1;10,00"], ["R1;2;05.05.2025;K1;1;3,00"], number=2))
    loader.loaded(both(["R1;1;05.05.2025;K1;1;10,00"], [], number=3))
    assert loader.query(NETS) == [("R1", 10.0)]


def test_a_corrected_mapping_of_either_select_is_read_again(loader: Loader) -> None:
    loader.loaded(both([line(1)], [line(2)]))
    write_source(
        loader.root / "sources",
        PROFILE,
        {**BOTH, "invoice_lines.RETURNS": RETURNED.replace("-net", "-2 * net")},
        resources__RETURNS={**LINES, "pattern": "returns*"},
        tables__invoice_lines={"sources": ["LINES", "RETURNS"]},
    )
    reload.reload(loader.settings, gate(), "shop", None, keep_missing=False, dry_run=False, recorded_at=NOW)
    assert loader.query(NETS) == [("R1", 10.0), ("R2", -20.0)]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"sources": ["LINES"]}, "name two resources or more"),
        ({"sources": "LINES"}, "name two resources or more"),
        ({"sources": ["LINES", "RETURNS", "LINES"]}, "names a resource twice"),
        (
            {"sources": ["LINES", "STRANGE"]},
            "tables.invoice_lines.sources: 'STRANGE' is not one of the resources",
        ),
        ({"sources": ["LINES", "RETURNS"], "driving": "LINES"}, "driving: does not go with sources"),
        ({"sources": ["LINES", "RETURNS"], "derived": True}, "derived: does not go with sources"),
        ({"sources": ["LINES", "CUSTOMERS"]}, "invoice_lines.CUSTOMERS.sql"),
    ],
)
def test_sources_that_cannot_make_a_table_are_refused_by_their_name(
    tmp_path: Path, mapping: dict[str, Any], message: str
) -> None:
    folder = write_source(
        tmp_path,
        PROFILE,
        BOTH,
        resources__RETURNS={**LINES, "pattern": "returns*"},
        tables__invoice_lines=mapping,
    )
    with pytest.raises(SourceError, match=message):
        read_source(folder)


def workbook(**sheets: list[list[Any]]) -> bytes:
    """A workbook of named sheets."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        made = book.create_sheet(name)
        for row in rows:
            made.append(row)
    stream = BytesIO()
    book.save(stream)
    return stream.getvalue()


def row(document: str, net: float) -> list[Any]:
    """A line of a sheet."""
    return [document, "1", "05.05.2025", "K1", 1, net]


@pytest.fixture
def export(loader: Loader) -> Path:
    source(
        loader,
        resources__LINES__pattern="Export*.xlsx#Sales",
        resources__RETURNS={**LINES, "pattern": "Export*.xlsx#Returns"},
    )
    file = loader.root / "Export 05.xlsx"
    file.write_bytes(
        workbook(Notes=[["nothing"]], Sales=[HEADER, row("R1", 10)], Returns=[HEADER, row("R2", 4)])
    )
    return file


def land(loader: Loader, *files: str) -> landing.Landed:
    """Land files of the shop."""
    moment = datetime(2025, 6, 1, tzinfo=UTC)
    return landing.land(loader.settings, files, source="shop", company="DE01", extracted_at=moment)


@pytest.mark.parametrize(
    "names",
    [("{}",), ("{}#Sales", "{}#returns"), ("LINES={}#Sales", "RETURNS={}")],
    ids=["the workbook", "its sheets", "by resource"],
)
def test_two_sheets_of_one_workbook_are_two_resources(
    loader: Loader, export: Path, names: tuple[str, ...]
) -> None:
    if "#returns" in names[-1]:
        names = (names[0], "{}#Returns")
    landed = land(loader, *(name.format(export) for name in names))
    manifest = json.loads((landed.folder / "datapackage.json").read_text())
    assert [each["path"] for each in manifest["resources"]] == [
        "Export 05.xlsx#Sales",
        "Export 05.xlsx#Returns",
    ]
    assert sorted(path.name for path in landed.folder.iterdir()) == [
        "Export 05.xlsx",
        "_SUCCESS",
        "datapackage.json",
    ]
    (outcome,) = loader.report().outcomes
    assert outcome.status == "loaded", outcome.faults
    assert loader.query(NETS) == [("R1", 10.0), ("R2", -4.0)]
    assert loader.query("SELECT DISTINCT source_file FROM erp.invoice_lines ORDER BY 1") == [
        ("Export 05.xlsx#Returns",),
        ("Export 05.xlsx#Sales",),
    ]


def test_sheets_of_one_workbook_may_be_one_resource(tmp_path: Path) -> None:
    loader = Loader(tmp_path)
    loader.source()
    file = tmp_path / "lines.xlsx"
    file.write_bytes(workbook(May=[HEADER, row("R1", 10)], June=[HEADER, row("R2", 4)]))
    land(loader, f"{file}#May", f"{file}#June")
    (outcome,) = loader.report().outcomes
    assert outcome.status == "loaded", outcome.faults
    assert loader.query(NETS) == [("R1", 10.0), ("R2", 4.0)]


def test_a_sheet_that_the_workbook_lacks_is_named_with_those_that_it_has(
    loader: Loader, export: Path
) -> None:
    land(loader, f"LINES={export}#March", f"RETURNS={export}")
    (outcome,) = loader.report().outcomes
    (fault,) = outcome.faults
    assert (fault.rule, fault.file) == ("missing_sheet", "Export 05.xlsx#March")
    assert "has no sheet 'March'; it has Notes, Sales, Returns" in fault.message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("lines.csv#Sales", "only a workbook .* has sheets to name behind #"),
        ("Export 05.xlsx#Stock", "which resource of shop is it"),
        ("STRANGE=Export 05.xlsx#Sales", "has no resource 'STRANGE'"),
        ("odd.xlsx#1", "is a sheet of it; rename it"),
    ],
)
def test_a_sheet_that_cannot_be_placed_is_not_landed(
    loader: Loader, export: Path, monkeypatch: pytest.MonkeyPatch, given: str, message: str
) -> None:
    monkeypatch.chdir(export.parent)
    for name in ("lines.csv", "odd.xlsx#1"):
        Path(name).write_bytes(lines(line(1)))
    with pytest.raises(LandingError, match=message):
        land(loader, given)


def test_one_sheet_is_not_landed_twice(loader: Loader, export: Path) -> None:
    with pytest.raises(LandingError, match="named twice"):
        land(loader, f"{export}#Sales", f"LINES={export}#Sales")


def test_text_under_a_workbooks_name_has_no_sheets(tmp_path: Path) -> None:
    loader = Loader(tmp_path)
    loader.source()
    file = tmp_path / "lines.xls"
    file.write_bytes(lines(line(1)))
    land(loader, f"{file}#Sales")
    (outcome,) = loader.report().outcomes
    (fault,) = outcome.faults
    assert fault.rule == "wrong_file_type"
    assert "names the sheet 'Sales', and the file is no workbook" in fault.message


def test_a_pattern_names_one_sheet(tmp_path: Path) -> None:
    folder = write_source(tmp_path, PROFILE, resources__LINES__pattern="Export.xlsx#S*")
    with pytest.raises(SourceError, match="behind # stands one name"):
        read_source(folder)
