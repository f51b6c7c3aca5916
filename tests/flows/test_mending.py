"""Quarantine as a workbench: a sheet a clerk can mend, and the mended sheet as a correction of the batch it came from."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.inbox import corrections
from flows.inbox.corrections import Release, guarded, release, sheet, unguarded
from flows.inbox.landing import LandingError
from tests.warehouse.making import (
    PROFILE,
    SQL,
    Delivery,
    Loader,
    assert_conserved,
    line,
    lines,
    of_customers,
    of_lines,
)
from warehouse.mart.queries import QuarantineFilter

pytestmark = pytest.mark.slow

Mend = Callable[[dict[str, str]], object]


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    made = Loader(tmp_path)
    made.source()
    return made


def publish(loader: Loader) -> None:
    """The books as the reading commands see them; publishing the mart as well would take longer than all the rest."""
    shutil.copyfile(loader.settings.warehouse_file, loader.settings.ops_file)


def exported(loader: Loader) -> list[dict[str, str]]:
    publish(loader)
    header, *rows = sheet(loader.settings, QuarantineFilter())
    return [dict(zip(header, row, strict=True)) for row in rows]


def write(
    loader: Loader, rows: list[dict[str, str]], *, delimiter: str = ",", encoding: str = "utf-8-sig"
) -> Path:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    file = loader.root / "mended.csv"
    file.write_bytes(stream.getvalue().encode(encoding))
    return file


def mend(loader: Loader, change: Mend, **style: str) -> Release:
    """Export, change every line, release."""
    rows = exported(loader)
    for row in rows:
        change(row)
    return release(loader.settings, write(loader, rows, **style))


def set_net(text: str) -> Mend:
    return lambda row: row.update(Netto=text)


@given(st.text())
def test_no_cell_of_a_sheet_is_a_formula_and_every_one_is_read_back_as_it_was(text: str) -> None:
    cell = guarded(text)
    assert unguarded(cell) == text
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_line_of_the_sheet_shows_the_cells_as_delivered_and_why_they_are_kept_out(loader: Loader) -> None:
    loader.loaded(of_lines(line(1, net="-x"), line(2)))
    (row,) = exported(loader)
    assert row == {
        "_source": "shop", "_company": "DE01", "_batch": "b1", "_table": "invoice_lines", "_file": "lines.csv", "_row": "2",
        "_why": row["_why"], "Beleg": "R1", "Pos": "1", "Datum": "05.05.2025", "Kunde": "K1", "Menge": "1", "Netto": "'-x",
    }  # fmt: skip
    assert "Netto: the value cannot be taken as it stands [not_a_number]" in row["_why"]


def test_mended_rows_come_in_as_a_correction_of_their_batch(loader: Loader) -> None:
    loader.loaded(of_lines(line(1), line(2, net="-1x"), line(3, net="2x"), number=1))
    done = mend(loader, lambda row: row.update(Netto=row["Netto"].replace("x", "0,50")))
    (landed,) = done.landed
    assert landed.batch_id.startswith("b1-mended-")
    assert done.released == 2

    (outcome,) = loader.load()
    assert (outcome.status, outcome.tables[0].rows_in, outcome.tables[0].inserted) == ("loaded", 2, 2)
    assert loader.query(
        "SELECT document_id, net_amount::VARCHAR, batch_id FROM erp.invoice_lines ORDER BY ALL"
    ) == [
        ("R1", "10.0000", "b1"),
        ("R2", "-10.5000", landed.batch_id),
        ("R3", "20.5000", landed.batch_id),
    ]
    assert loader.query("SELECT batch_id, corrects FROM ops.batch ORDER BY ALL") == [
        ("b1", None),
        (landed.batch_id, "b1"),
    ]
    assert loader.column('SELECT DISTINCT released_by FROM quarantine."row"') == [landed.batch_id]
    assert exported(loader) == []
    assert_conserved(loader)


def test_the_same_sheet_again_is_the_same_correction(loader: Loader) -> None:
    loader.loaded(of_lines(line(1, net="x")))
    first = mend(loader, set_net("7,00"))
    again = release(loader.settings, loader.root / "mended.csv")
    assert again.landed == first.landed
    assert len(loader.load()) == 1

    publish(loader)
    later = release(loader.settings, loader.root / "mended.csv")
    assert (later.landed, later.released_before) == ([], 1)


def test_a_row_that_nobody_changed_stays_in_quarantine_unless_it_is_meant(loader: Loader) -> None:
    loader.loaded(of_lines(line(1, net="x"), line(2, net="y")))
    rows = exported(loader)
    rows[0]["Netto"] = "7,00"
    done = release(loader.settings, write(loader, rows))
    assert (done.released, done.untouched) == (1, 1)
    loader.load()
    assert [row["Netto"] for row in exported(loader)] == ["y"]
    assert release(loader.settings, write(loader, exported(loader)), untouched_too=True).released == 1


def test_a_mended_row_that_is_wrong_again_is_kept_out_again_as_the_corrections_own(loader: Loader) -> None:
    loader.loaded(of_lines(line(1, net="x")))
    (landed,) = mend(loader, set_net("still wrong")).landed
    loader.load()
    (row,) = exported(loader)
    assert (row["_batch"], row["Netto"]) == (landed.batch_id, "still wrong")
    assert mend(loader, set_net("7,00")).landed[0].batch_id.startswith(f"{landed.batch_id}-mended-")
    (outcome,) = loader.load()
    assert outcome.tables[0].inserted == 1
    assert_conserved(loader)


def test_a_mended_row_does_not_overwrite_what_a_newer_batch_said(loader: Loader) -> None:
    loader.loaded(of_lines(line(1, net="x"), number=1))
    loader.loaded(of_lines(line(1, net="99,00"), number=2))
    mend(loader, set_net("7,00"))
    loader.load()
    assert loader.column("SELECT net_amount::VARCHAR FROM erp.invoice_lines") == ["99.0000"]


def test_a_row_of_a_snapshot_is_not_dead_for_having_been_in_quarantine_in_the_next_one(
    loader: Loader,
) -> None:
    loader.source(resources__CUSTOMERS__columns__credit_limit={"header": "Limit", "type": "decimal"})
    for number in (1, 2):
        content = b"Kunde;Firma;Limit\nK1;Eins;1,00\nK2;Zwei;x\n"
        loader.loaded(at_snapshot(content, number))
    rows = exported(loader)
    assert [row["_batch"] for row in rows] == ["b1", "b2"]
    rows[0]["Limit"] = "5,00"
    release(loader.settings, write(loader, rows))
    loader.load()
    assert loader.query("SELECT customer_id, is_deleted FROM erp.customers ORDER BY ALL") == [
        ("K1", False),
        ("K2", False),
    ]


def at_snapshot(content: bytes, number: int) -> Delivery:
    made = of_customers(number=number)
    return Delivery(
        {"CUSTOMERS": {"customers.csv": content}},
        batch_id=made.batch_id,
        sequence=made.sequence,
        extracted_at=made.extracted_at,
        mode="full_snapshot",
    )


def test_what_a_mended_row_is_joined_with_comes_along_and_is_loaded_once(loader: Loader) -> None:
    """The customer's name stands in another file of the batch, which drives a table of its own."""
    loader.source(
        sql={"invoice_lines": SQL["invoice_lines"].replace("note AS product_id", "(SELECT any_value(name) FROM CUSTOMERS AS c WHERE c.customer = LINES.customer) AS product_id")},
    )  # fmt: skip
    loader.loaded(
        Delivery(
            {
                "LINES": {"lines.csv": lines(line(1, net="x"))},
                "CUSTOMERS": {"customers.csv": b"Kunde;Firma\nK1;Eins\n"},
            }
        )
    )
    mend(loader, set_net("7,00"))
    (outcome,) = loader.load()
    assert [table.name for table in outcome.tables] == ["invoice_lines"]
    assert loader.column("SELECT product_id FROM erp.invoice_lines") == ["Eins"]
    assert_conserved(loader)


def test_a_record_that_could_not_be_split_is_mended_in_the_columns_of_its_resource(loader: Loader) -> None:
    loader.loaded(of_lines("R1;1;05.05.2025"))
    (row,) = exported(loader)
    assert (row["record"], row["Beleg"]) == ("R1;1;05.05.2025", "")
    with pytest.raises(LandingError, match="line 2: the record could not be split"):
        mend(loader, lambda row: row.update(record="R1;1;05.05.2025;K1;1;7,00"))

    mend(
        loader,
        lambda row: row.update(Beleg="R1", Pos="1", Datum="05.05.2025", Kunde="K1", Menge="1", Netto="7,00"),
    )
    (outcome,) = loader.load()
    assert outcome.tables[0].inserted == 1


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_sheet_may_part_its_cells_as_the_spreadsheet_likes(loader: Loader, delimiter: str) -> None:
    loader.loaded(of_lines(line(1, net="x")))
    mend(loader, set_net("7,00"), delimiter=delimiter)
    assert loader.load()[0].tables[0].inserted == 1


def test_a_mended_row_is_read_whatever_the_encoding_and_delimiter_of_its_source(loader: Loader) -> None:
    loader.source(defaults={**PROFILE["defaults"], "encoding": "latin-1", "delimiter": "|", "quote": ""})
    content = lines(line(1, net="x")).replace(b";", b"|").replace(b"K1", "Kühn".encode("latin-1"))
    loader.loaded(Delivery({"LINES": {"lines.csv": content}}))
    mend(loader, lambda row: row.update(Netto="7,00", Kunde="Kühn | 北京"))
    loader.load()
    assert loader.column("SELECT customer_id FROM erp.invoice_lines") == ["Kühn | 北京"]


def test_the_numbers_and_dates_of_a_parquet_file_are_mended_as_the_source_writes_them(
    loader: Loader, tmp_path: Path
) -> None:
    frame = pl.DataFrame(
        {
            "Beleg": ["R1"],
            "Pos": ["1"],
            "Datum": ["2025-05-05"],
            "Kunde": [None],
            "Menge": [1],
            "Netto": ["7.50"],
        }
    ).with_columns(
        pl.col("Datum").str.to_date(),
        pl.col("Netto").cast(pl.Decimal(18, 2)),
        pl.col("Kunde").cast(pl.String),
    )
    frame.write_parquet(tmp_path / "lines.parquet")
    loader.loaded(Delivery({"LINES": {"lines.parquet": (tmp_path / "lines.parquet").read_bytes()}}))
    (row,) = exported(loader)
    assert (row["Datum"], row["Netto"]) == ("05.05.2025", "7,50")
    mend(loader, lambda row: row.update(Kunde="K1"))
    loader.load()
    assert loader.query("SELECT invoice_date::VARCHAR, net_amount::VARCHAR FROM erp.invoice_lines") == [
        ("2025-05-05", "7.5000")
    ]


# The same amounts as a German source's files hold them: as text, with and without groups, and as numbers.
HEADERS = ["Beleg", "Pos", "Datum", "Kunde", "Menge", "Netto", "Weg"]
CELLS: list[tuple[object, object]] = [
    ("2", "1.234,50"),
    ("1.234", "1.234"),
    (1.5, 1234.5),
    (1234, -0.05),
    ("0,125", "12,00-"),
]
DAY = date(2025, 5, 5)


def _pairs(*, day: object, is_deleted: object) -> list[list[object]]:
    """Each amount in two rows: one that is kept out for want of its customer, and one that is not."""
    return [
        [f"{kind}{number}", "1", day, customer, quantity, net, is_deleted]
        for number, (quantity, net) in enumerate(CELLS)
        for kind, customer in (("kept", None), ("taken", "K1"))
    ]


def _workbook() -> bytes:
    book = openpyxl.Workbook()
    for row in [HEADERS, *_pairs(day=DAY, is_deleted=False)]:
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _page() -> bytes:
    """A page of cells, those that are numbers with their value beside a text that says it for a person."""
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td x:num="{cell}">{cell}</td>' if isinstance(cell, int | float) else f"<td>{cell or ''}</td>"
            for cell in row
        )
        + "</tr>"
        for row in [HEADERS, *_pairs(day="05.05.2025", is_deleted="nein")]
    )
    return f'<html xmlns:x="urn:schemas-microsoft-com:office:excel"><table>{rows}</table></html>'.encode()


def _tabbed() -> bytes:
    rows = [HEADERS, *_pairs(day="05.05.2025", is_deleted="nein")]
    return "".join(
        "\t".join(str(cell).replace(".", ",") if isinstance(cell, float) else str(cell or "") for cell in row)
        + "\n"
        for row in rows
    ).encode()


def _parquet(amounts: str) -> bytes:
    """Amounts as numbers of that kind, or as text; the day as an instant."""
    rows = _pairs(day=datetime(2025, 5, 5, 12), is_deleted=False)
    typed = [isinstance(row[5], float) is (amounts != "text") for row in rows]
    frame = pl.DataFrame(
        [row for row, wanted in zip(rows, typed, strict=True) if wanted],
        schema=HEADERS,
        orient="row",
        strict=False,
    )
    if amounts == "decimal":
        frame = frame.with_columns(pl.col("Netto").cast(pl.Decimal(18, 4)), pl.col("Menge").cast(pl.Float64))
    stream = io.BytesIO()
    frame.write_parquet(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("lines.xlsx", _workbook()),
        ("lines.xls", _workbook()),
        ("lines.xls", _page()),
        ("lines.xlsx", _page()),
        ("lines.xls", _tabbed()),
        ("lines.parquet", _parquet("text")),
        ("lines.parquet", _parquet("float")),
        ("lines.parquet", _parquet("decimal")),
    ],
)
@pytest.mark.parametrize("formats", [["%d.%m.%Y"], ["excel", "%d.%m.%Y"]])
def test_a_released_row_is_read_as_its_cells_were_whatever_file_it_came_in(
    loader: Loader, name: str, content: bytes, formats: list[str]
) -> None:
    marks = {"true_marks": ["ja"], "false_marks": ["nein"], "date_formats": formats}
    loader.source(defaults={**PROFILE["defaults"], **marks})
    loader.loaded(Delivery({"LINES": {name: content}}))
    mend(loader, lambda row: row.update(Kunde="K1"))
    loader.load()
    read = "SELECT substr(document_id, {first}), invoice_date, quantity, net_amount, is_deleted FROM erp.invoice_lines"
    kept, taken = (
        loader.query(f"{read.format(first=len(kind) + 1)} WHERE document_id LIKE '{kind}%' ORDER BY 1")
        for kind in ("kept", "taken")
    )
    assert kept == taken
    assert taken


def test_a_released_row_is_not_filled_down_from_another(loader: Loader) -> None:
    """A blank that its own file had nothing above to fill with is no reason to take the number of another row's document."""
    loader.source(resources__LINES__columns__document={"header": "Beleg", "forward_fill": True})
    loader.loaded(of_lines(line(1, net="x"), "R2;1;05.05.2025;;1;7,00"))
    rows = exported(loader)
    rows[0].update(Netto="7,00")
    rows[1].update(Kunde="K2", Beleg="")
    release(loader.settings, write(loader, rows))
    (outcome,) = loader.load()
    assert (outcome.tables[0].inserted, outcome.tables[0].quarantined) == (1, 1)


def test_zeros_that_a_spreadsheet_took_are_not_released(loader: Loader) -> None:
    loader.loaded(of_lines(line(1, net="x", customer="00017")))
    with pytest.raises(LandingError, match="line 2, column Kunde: 17 was 00017"):
        mend(loader, lambda row: row.update(Netto="7,00", Kunde="17"))


def test_a_row_of_a_look_up_cannot_be_released_alone(loader: Loader) -> None:
    loader.source({**PROFILE, "tables": {"invoice_lines": {"driving": "LINES"}}})
    loader.loaded(
        Delivery(
            {"LINES": {"l.csv": lines(line(1))}, "CUSTOMERS": {"c.csv": b"Kunde;Firma;Limit\nK1;Eins;x\n"}}
        )
    )
    with pytest.raises(LandingError, match="CUSTOMERS is only looked up in"):
        mend(loader, lambda row: row.update(Limit="1,00"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row.pop("_batch"), "lacks the column _batch"),
        (lambda row: row.update(_row="two"), "line 2: _row is 'two'"),
        (lambda row: row.update(_row="99"), "line 2: no row 99 of lines.csv in batch b1 is in quarantine"),
        (lambda row: row.update(_batch="b9"), "in batch b9 is in quarantine"),
    ],
)
def test_a_sheet_that_speaks_of_no_row_is_refused_by_its_line(
    loader: Loader, change: Mend, said: str
) -> None:
    loader.loaded(of_lines(line(1, net="x")))
    with pytest.raises(LandingError, match=said):
        mend(loader, change)


def test_a_sheet_in_another_encoding_is_refused(loader: Loader) -> None:
    loader.loaded(of_lines(line(1, net="ü")))
    with pytest.raises(LandingError, match="not UTF-8"):
        mend(loader, set_net("ö"), encoding="latin-1")


def test_a_row_mended_in_two_ways_is_refused(loader: Loader) -> None:
    loader.loaded(of_lines(line(1, net="x")))
    (row,) = exported(loader)
    with pytest.raises(LandingError, match=r"line 3: .*two ways"):
        release(loader.settings, write(loader, [{**row, "Netto": "1,00"}, {**row, "Netto": "2,00"}]))


def test_a_correction_needs_the_batch_that_it_corrects(loader: Loader) -> None:
    loader.loaded(of_lines(line(1, net="x")))
    shutil.rmtree(loader.settings.archive)
    with pytest.raises(LandingError, match="cannot be read in the archive"):
        mend(loader, set_net("1,00"))


def test_more_rows_than_a_manifest_can_name_are_released_in_parts(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corrections, "MOST_ROWS", 1)
    loader.loaded(of_lines(line(1, net="x"), line(2, net="x")))
    with pytest.raises(LandingError, match="in parts"):
        mend(loader, set_net("1,00"))
