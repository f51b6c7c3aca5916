"""The report's workbook, read back with a reader of its own: ids as text, figures of the mart, and nothing that Excel would compute."""

from __future__ import annotations

import zipfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from flows.report import workbook
from flows.settings import Settings
from flows.wording.words import words
from tests.report.reported_company import PATH_ID
from warehouse.mart import report_workbook
from warehouse.mart.report_workbook import Sheet

SHEETS = [
    "customers",
    "moves",
    "cultivate",
    "at_risk",
    "loss_making",
    "credit",
    "conduct",
    "plan",
    "definitions",
]


@pytest.fixture(scope="module")
def book(reported: Settings) -> openpyxl.Workbook:
    return openpyxl.load_workbook(reported.report_folder / "mart.xlsx")


def sheet_of(book: openpyxl.Workbook, name: str) -> Worksheet:
    return next(book[title] for title in book.sheetnames if title.startswith(words()["sheet"][name][0]))


def column(sheet: Worksheet, name: str) -> list[Any]:
    [place] = [cell.column for cell in sheet[1] if cell.value == " ".join(words()["column"][name])]
    return [row[place - 1].value for row in sheet.iter_rows(min_row=2)]


def mart(settings: Settings, sql: str) -> list[tuple]:
    with duckdb.connect(str(settings.mart_file), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_there_is_a_sheet_for_each_list_and_one_of_definitions(book: openpyxl.Workbook) -> None:
    assert [title.split(" ")[0] for title in book.sheetnames] == [
        words()["sheet"][name][0].split(" ")[0] for name in SHEETS
    ]


def test_the_customers_and_their_money_are_those_of_the_mart(
    book: openpyxl.Workbook, reported: Settings
) -> None:
    sheet = sheet_of(book, "customers")
    asked = mart(
        reported,
        "SELECT customer_id, net_sales_12m, contribution_12m FROM customer_value ORDER BY net_sales_12m DESC NULLS LAST, customer_id",
    )
    shown = zip(
        column(sheet, "customer_id"),
        column(sheet, "net_sales_12m"),
        column(sheet, "contribution_12m"),
        strict=True,
    )
    as_decimal = [
        tuple(value if isinstance(value, str) or value is None else Decimal(str(value)) for value in row)
        for row in shown
    ]
    assert as_decimal == asked
    assert PATH_ID in column(sheet, "customer_id")


def test_every_list_has_the_rows_of_its_view(book: openpyxl.Workbook, reported: Settings) -> None:
    for name, view in {
        "moves": "tier_move",
        "cultivate": "cultivate_list",
        "at_risk": "call_now",
        "loss_making": "loss_making",
        "credit": "credit_watch",
        "conduct": "conduct_list",
    }.items():
        [(rows,)] = mart(reported, f"SELECT count(*) FROM {view}")
        assert sheet_of(book, name).max_row == rows + 1, name


def test_a_sheet_can_be_filtered_and_keeps_its_heading_in_sight(book: openpyxl.Workbook) -> None:
    for sheet in book:
        assert sheet.freeze_panes in {"D2", "A2"}
        assert sheet.auto_filter.ref.startswith("A1:")


def test_every_column_has_a_heading_in_both_languages_and_every_mart_column_a_meaning(
    book: openpyxl.Workbook, reported: Settings
) -> None:
    sheets = report_workbook.read(reported.mart_file)
    for sheet in sheets:
        for each in sheet.columns:
            assert each["column_name"] in words()["column"], each
            assert each["description"], each
    assert sheet_of(book, "definitions").max_row == 1 + sum(len(sheet.columns) for sheet in sheets)


def test_reasons_are_said_in_words_of_both_languages_and_not_in_codes(
    book: openpyxl.Workbook, reported: Settings
) -> None:
    owes = column(sheet_of(book, "credit"), "customer_id").index("OWES")
    said = column(sheet_of(book, "credit"), "action_reason")[owes]
    [(text,)] = mart(reported, "SELECT action_reason FROM credit_watch WHERE customer_id = 'OWES'")
    assert "graded_overdue_share" in text
    english, chinese = said.split(" / ")
    assert "net overdue share" in english
    assert "净逾期占比" in chinese
    for name, texts in (
        ("moves", "reasons"),
        ("at_risk", "decline_reason"),
        ("at_risk", "watch_gap"),
        ("at_risk", "reason"),
        ("loss_making", "reason"),
    ):
        for told in column(sheet_of(book, name), texts):
            assert told is None or (" / " in told and "_" not in told), told


def test_every_coded_column_says_its_codes_in_words() -> None:
    from expectations.contract import load

    for name, group in {"call_now.sign": "sign", "customer.status": "customer_status"}.items():
        table, coded = name.split(".")
        [found] = [each for each in load(table).columns if each.name == coded]
        assert found.allowed
        assert set(found.allowed) <= set(words()[group]), name


def test_what_looks_like_a_formula_is_text_and_an_id_keeps_its_zeros(tmp_path: Path) -> None:
    names = [
        "company_code",
        "customer_id",
        "name",
        "net_sales_12m",
        "overdue",
        "last_order_on",
        "utilisation",
    ]
    units = {"net_sales_12m": "company currency", "utilisation": "share 0–1"}
    columns = [
        {"table_name": "t", "column_name": name, "description": "", "unit": units.get(name)} for name in names
    ]
    harm = ["=1+1", "+CMD|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "a\x00b\x0b"]
    rows = [
        dict(
            zip(names, ["0100", "0042", name, Decimal("-12.5000"), None, date(2024, 5, 1), 0.5], strict=True)
        )
        for name in harm
    ]
    workbook.write(tmp_path / "mart.xlsx", [Sheet("customers", columns, rows)], datetime(2024, 6, 1))
    sheet = openpyxl.load_workbook(tmp_path / "mart.xlsx").worksheets[0]
    lines = list(sheet.iter_rows(min_row=2))
    assert [line[2].value for line in lines[:5]] == harm[:5]
    assert [line[2].data_type for line in lines] == ["s"] * len(harm)
    assert all(line[2].quotePrefix for line in lines[:5])
    assert [cell.value for cell in lines[0]][:2] == ["0100", "0042"]
    assert lines[0][1].number_format == "@"
    assert (lines[0][3].value, lines[0][3].number_format) == (-12.5, "#,##0.00")
    assert lines[0][4].value is None, "what is not known is no zero"
    assert lines[0][5].number_format == "yyyy-mm-dd"
    assert lines[0][6].number_format == "0.0%"
    with zipfile.ZipFile(tmp_path / "mart.xlsx") as packed:
        assert not any(b"<f>" in packed.read(name) for name in packed.namelist())
