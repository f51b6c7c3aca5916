"""What a profile can say of workbooks and of what only calls itself one; and how little a hostile one can do."""

from __future__ import annotations

import gzip
import re
import zipfile
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pytest

from tests.warehouse.dialects import read, workbook
from warehouse.delivery.formats import excel_dates, xlsx
from warehouse.delivery.formats.cells import DateCell, ErrorCell, Number, number
from warehouse.errors import BatchRefusedError

HEADER = ["Beleg", "Kunde", "Datum", "Netto"]
DAY = date(2026, 1, 31)


def rezipped(content: bytes, change: dict[str, bytes]) -> bytes:
    """The same archive with some of its parts replaced."""
    result = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, change.get(info.filename, old.read(info)))
    return result.getvalue()


def sheet(rows: str) -> bytes:
    """A workbook whose sheet has these rows, as XML."""
    xml = (
        '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f"<sheetData>{rows}</sheetData></worksheet>"
    )
    return rezipped(workbook([HEADER]), {"xl/worksheets/sheet1.xml": xml.encode()})


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls", "a.csv"])
def test_a_workbook_is_known_by_its_content_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    content = workbook(
        [HEADER, ["R1", "00017", DAY, 1234.5], [], ["R2", "00023", datetime(2026, 1, 31, 23, 59), -0.1]]
    )
    found = read(tmp_path, {name: content})
    assert [(*row[:4], str(row[4])) for row in found.rows] == [
        (2, "R1", "00017", DAY, "1234.5000"),
        (4, "R2", "00023", DAY, "-0.1000"),
    ]


def test_numbers_and_dates_of_a_sheet_need_no_notation_and_typed_ones_have_the_profiles(
    tmp_path: Path,
) -> None:
    rows = [
        HEADER,
        ["R1", "K", "31.01.2026", "1.234,50"],
        ["R2", "K", DAY, 0.1 + 0.2],
        ["R3", "K", 46053, Decimal("19.899999999999999")],
        ["R4", "K", DAY, "#N/A"],
        ["R5", "K", 1.5, True],
    ]
    found = read(tmp_path, {"a.xlsx": workbook(rows)}, date_formats=["%d.%m.%Y", "excel"])
    assert [row[3] for row in found.rows] == [DAY, DAY, DAY, DAY, None]
    assert found.nets == ["1234.5000", "0.3000", "19.9000", "None", "None"]
    assert found.problems == [
        (5, "Netto:cell_is_an_error:#N/A"),
        (6, "Datum:not_a_date:1,5"),
        (6, "Netto:not_a_number:true"),
    ]


def test_a_code_that_a_cell_holds_as_a_number_is_refused_and_not_padded(tmp_path: Path) -> None:
    rows = [HEADER, ["R1", "00017", DAY, 1], ["R2", 17, DAY, 2], ["R3", DAY, DAY, 3], [True, "K", DAY, 4]]
    found = read(tmp_path / "1", {"a.xlsx": workbook(rows)})
    assert found.problems == [
        (3, "Kunde:code_is_numeric:17"),
        (4, "Kunde:code_is_a_date:2026-01-31"),
        (5, "Beleg:code_is_a_boolean:true"),
    ]
    assert [row[2] for row in found.rows] == ["00017", None, None, "K"]
    accepted = read(
        tmp_path / "2",
        {"a.xlsx": workbook(rows[:3])},
        {"customer": {"header": "Kunde", "accept_number": True}},
    )
    assert [row[2] for row in accepted.rows] == ["00017", "17"]
    with pytest.raises(
        BatchRefusedError,
        match=r"row 2, column Kunde: is a code, but every value in the file is a number \(2, such as 17\)",
    ):
        read(tmp_path / "3", {"a.xlsx": workbook([HEADER, ["R1", 17, DAY, 1], ["R2", 23, DAY, 1]])})


def test_a_report_with_title_unit_merged_header_groups_and_totals_is_read(tmp_path: Path) -> None:
    rows = [
        ["销售明细表"],
        ["单位：万元"],
        ["客户编码", "单据编号", "业务日期", "金额", None],
        [None, None, None, "不含税", "价税合计"],
        ["K1", "R1", "2026年1月31日", 1.23, 1.39],
        [None, "R2", "2026年1月31日", 2, 2.26],
        ["小计", None, None, 3.23, 3.65],
        ["K2", "R3", "2026年1月31日", -1, -1.13],
        ["合 计", None, None, 2.23, 2.52],
    ]
    columns = {
        "customer": {"header": "客户编码", "forward_fill": True},
        "document": {"header": "单据编号"},
        "day": {"header": "业务日期", "type": "date"},
        "net": {"header": "金额 不含税", "type": "decimal(18,4)", "unit": "stated"},
    }
    found = read(
        tmp_path,
        {"a.xlsx": workbook(rows)},
        columns,
        preamble=True,
        header_rows=2,
        date_formats=["%Y年%m月%d日"],
        totals_marks=["合计", "小计"],
    )
    assert [(row[0], row[1], row[2]) for row in found.rows] == [
        (5, "R1", "K1"),
        (6, "R2", "K1"),
        (8, "R3", "K2"),
    ]
    assert found.nets == ["12300.0000", "20000.0000", "-10000.0000"]
    assert found.left_out == {"totals_row": 2}
    # What quarantine keeps of a record can be mended and read again by itself, away from what stood above it.
    assert found.raw[1] == {
        "客户编码": "K1", "单据编号": "R2", "业务日期": "2026年1月31日", "金额 不含税(万元)": "2", "金额 价税合计": "2,26",
    }  # fmt: skip


@pytest.mark.parametrize("sheet_of", ["Sheet2", 2])
def test_the_profile_names_the_sheet(tmp_path: Path, sheet_of: str | int) -> None:
    content = workbook([["Deckblatt"]], [HEADER, ["R1", "K", DAY, 1]])
    assert read(tmp_path / "1", {"a.xlsx": content}, sheet=sheet_of).nets == ["1.0000"]
    with pytest.raises(BatchRefusedError, match=r"has no sheet 'Januar'; it has Sheet, Sheet2"):
        read(tmp_path / "2", {"a.xlsx": content}, sheet="Januar")


@pytest.mark.parametrize("cover", [[None], ["Deckblatt"], ["Beleg", "Betrag"]])
def test_a_sheet_without_the_columns_is_refused_with_the_sheet_that_has_them(
    tmp_path: Path, cover: list[object]
) -> None:
    content = workbook([cover], [HEADER, ["R1", "K", DAY, 1]])
    with pytest.raises(BatchRefusedError) as refused:
        read(tmp_path, {"a.xlsx": content})
    assert all("hand over a.xlsx#Sheet2, which has them" in str(fault) for fault in refused.value.faults)


def test_an_open_document_spreadsheet_is_called_what_it_is(tmp_path: Path) -> None:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as parts:
        parts.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        parts.writestr("content.xml", "<office:document-content/>")
    with pytest.raises(BatchRefusedError, match="it is an OpenDocument file"):
        read(tmp_path, {"a.ods": archive.getvalue()})


@pytest.mark.parametrize("name", ["a.xls", "a.xml", "a.csv"])
@pytest.mark.parametrize(
    ("begins", "called"),
    [
        (
            '<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"><Worksheet><Table>',
            "it is an XML spreadsheet",
        ),
        ("<Invoices>", "it is an XML document"),
    ],
)
def test_xml_is_called_what_it_is(tmp_path: Path, name: str, begins: str, called: str) -> None:
    with pytest.raises(BatchRefusedError, match=called):
        read(tmp_path, {name: f'<?xml version="1.0"?>\n{begins}'.encode()})


HTML = """<html><head><meta http-equiv="Content-Type" content="text/html; charset=gb2312"><style>td{}</style></head>
<body><!-- <table><tr><td>no</td></tr></table> -->
<table><tr><td colspan=4>销售明细</td></tr>
<tr><th>Beleg</th><th>Kunde</th><th>Datum</th><th>Netto</th></tr>
<tr><td rowspan="2">R1</td><td>00017 &amp; Co&#46;</td><td>31.01.2026</td><td x:num="1234.5678">1.234,57</td></tr>
<tr><td>00<b>02</b>3</td><td>31.01.2026</td><td>&nbsp;1,00&nbsp;</td>
<tr><td>R3<td>K3<td>31.01.2026<td>2,00
</table></body></html>"""


def test_an_html_page_that_calls_itself_a_workbook_is_read_as_what_it_is(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {"a.xls": HTML.encode("gb18030")},
        {"document": {"header": "Beleg", "forward_fill": True}},
        preamble=True,
    )
    assert [(*row[:4], str(row[4])) for row in found.rows] == [
        (3, "R1", "00017 & Co.", DAY, "1234.5678"),
        (4, "R1", "00023", DAY, "1.0000"),
        (5, "R3", "K3", DAY, "2.0000"),
    ]


@pytest.mark.parametrize(("codec", "mark"), [("utf-8", b""), ("utf-16-le", b"\xff\xfe")])
def test_tab_separated_text_that_calls_itself_a_workbook_is_read_as_what_it_is(
    tmp_path: Path, codec: str, mark: bytes
) -> None:
    text = "\t".join(HEADER) + "\nR1\t00017\t31.01.2026\t1.234,50\n"
    found = read(tmp_path, {"a.xls": mark + text.encode(codec)})
    assert [(*row[:4], str(row[4])) for row in found.rows] == [(2, "R1", "00017", DAY, "1234.5000")]


def row_of(cells: str, at: int = 1) -> str:
    return f'<row r="{at}">{cells}</row>'


TITLES = row_of("".join(f'<c r="{letter}1" t="inlineStr"><is><t>{name}</t></is></c>' for letter, name in zip("ABCD", HEADER, strict=True)))  # fmt: skip
HOSTILE = {
    # A reader that takes a sheet as one block would ask for 550 GB.
    "opposite_corners": (sheet(TITLES + row_of('<c r="XFD1048576"><v>1</v></c>', 1048576)), "column 16384, of 2000"),
    "beyond_the_last_row": (sheet(TITLES + row_of('<c r="A9"><v>1</v></c>', 9999999)), "row 9999999 follows row 1"),
    "rows_in_disorder": (sheet(TITLES + TITLES), "row 1 follows row 1"),
    "no_such_text": (sheet(TITLES + row_of('<c r="A2" t="s"><v>99</v></c>', 2)), "cannot be read as an Excel workbook"),
    "no_such_cell": (sheet(TITLES + row_of('<c r="2A"><v>9</v></c>', 2)), "'2A' is no cell"),
    "broken_xml": (sheet(TITLES + "<row>"), "cannot be read as an Excel workbook"),
    "a_document_type": (
        rezipped(sheet(TITLES), {"xl/worksheets/sheet1.xml": b'<!DOCTYPE a [<!ENTITY b "bb">]><worksheet/>'}),
        "declares a document type",
    ),
    "a_cell_of_a_book": (
        sheet(TITLES + row_of(f'<c r="A2" t="inlineStr"><is><t>{"x" * 40_000}</t></is></c>', 2)),
        "40000 characters",
    ),
    "zip_bomb": (sheet(TITLES + " " * 80_000_000), "unpacks_too_large"),
    "texts_repeated_without_end": (
        sheet(TITLES + "".join(row_of(f'<c r="A{at}" t="inlineStr"><is><t>{"x" * 32_000}</t></is></c>', at) for at in range(2, 2200))),
        "unpacks_too_large",
    ),
    "cut": (workbook([HEADER])[:-200], "wrong_file_type"),
    "no_workbook": (rezipped(workbook([HEADER]), {})[:0] + b"PK\x03\x04" + b"\0" * 60, "wrong_file_type"),
    "old_and_damaged": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 2048, "cannot be read as an Excel workbook"),
    "a_page_without_a_table": (b"<html><body>Sitzung abgelaufen</body></html>", "HTML page without a table"),
    "nothing_below": (workbook([[None], [None, None]]), "missing_header"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_or_damaged_workbook_is_refused_with_what_is_wrong(tmp_path: Path, case: str) -> None:
    content, said = HOSTILE[case]
    with pytest.raises(BatchRefusedError, match=re.escape(said)):
        read(tmp_path, {"a.xlsx": content})


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_an_archive_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path: Path, suffix: str) -> None:
    text = b"Beleg;Kunde;Datum;Netto\n" + b";;;\n" * 20_000_000
    packed = gzip.compress(text, 1) if suffix == "gz" else pa.compress(text, codec="zstd", asbytes=True)
    with pytest.raises(BatchRefusedError, match="unpacks_too_large"):
        read(tmp_path, {f"a.csv.{suffix}": packed})


def test_what_shows_a_number_as_a_date() -> None:
    dates = [
        (14, None),
        (22, None),
        (31, None),
        (164, "yyyy/m/d"),
        (165, '[$-804]yyyy"年"m"月"d"日"'),
        (166, "[h]:mm"),
    ]
    assert all(excel_dates.shows_a_date(place, code) for place, code in dates)
    numbers = [
        (0, None),
        (4, None),
        (170, "General"),
        (171, '#,##0.00" Tage"'),
        (172, "[Red]0.00"),
        (173, r"0.00\ \d"),
        (174, "0_);(0)"),
    ]
    assert not any(excel_dates.shows_a_date(place, code) for place, code in numbers)


@pytest.mark.parametrize(
    ("serial", "expected"),
    [
        ("1", "1900-01-01"), ("59", "1900-02-28"), ("61", "1900-03-01"), ("46053", "2026-01-31"),
        ("46053.999988426", "2026-01-31 23:59:59"), ("46053.5", "2026-01-31 12:00:00"),
    ],
)  # fmt: skip
def test_day_numbers_count_the_day_that_never_was(serial: str, expected: str) -> None:
    found = excel_dates.moment(serial, from_1904=False)
    assert (type(found), found) == (DateCell, expected)


@pytest.mark.parametrize("serial", ["0.5", "60", "-1", "2958466"])
def test_a_number_of_no_day_stays_a_number(serial: str) -> None:
    assert excel_dates.moment(serial, from_1904=False) == Number(serial)


@pytest.mark.parametrize(
    ("stored", "expected", "kind"),
    [
        ("17", "17", Number), ("1.2345E+3", "1234.5", Number), ("1.0", "1", Number), ("0.30000000000000004", "0.3", Number),
        ("6222021234567890123", "6222021234567890000", Number), ("1E-7", "0.0000001", Number),
        ("nan", "nan", ErrorCell), ("1e999", "1e999", ErrorCell), ("x", "x", ErrorCell),
    ],
)  # fmt: skip
def test_a_workbooks_number_has_fifteen_digits(stored: str, expected: str, kind: type) -> None:
    assert (number(stored), type(number(stored))) == (expected, kind)


def test_readings_beside_chinese_texts_are_no_part_of_them(tmp_path: Path) -> None:
    rows = TITLES + row_of(
        '<c r="A2" t="inlineStr"><is><r><t>東</t></r><r><t>京</t></r><rPh sb="0" eb="1"><t>トウ</t></rPh></is></c>',
        2,
    )
    file = tmp_path / "a.xlsx"
    file.write_bytes(sheet(rows))
    assert [cells for _, cells in xlsx.rows(file, "a.xlsx", 1)][1] == ["東京"]
