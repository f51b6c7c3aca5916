"""A report's totals row against the rows above it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.warehouse.making import Delivery, Loader, line, lines, numbered, of_lines
from warehouse.delivery.profile import get_source
from warehouse.errors import SourceError

TOTALS = {
    "column": "document",
    "marks": ["合计", "Summe"],
    "subtotals": ["小计"],
    "check": ["net", "quantity"],
}
LEFT_OUT = "CASE WHEN document IN ('合计', 'Summe', '小计') THEN 'totals_line' END AS _excluded"


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    from tests.warehouse.making import SQL

    made = Loader(tmp_path)
    sql = SQL["invoice_lines"].replace(
        "CASE WHEN document = 'Summe' THEN 'totals_line' END AS _excluded", LEFT_OUT
    )
    made.source(sql={"invoice_lines": sql}, resources__LINES__totals=TOTALS)
    return made


@pytest.mark.parametrize(
    "rows",
    [
        (line(1), line(2), "合计;;;;2;20,00"),
        (line(1), line(2), "合计;;;;;20,00"),
        (line(1), "小计;;;;1;10,00", line(2), "小计;;;;1;10,00", "合计;;;;2;20,00"),
        (line(1), line(2), "合计;;;;2;20,00", line(3), "合计;;;;1;10,00", "Summe;;;;;0,00"),
        (line(1), "", line(2), "Summe;;;;2;1.020,00".replace("1.020", "20")),
        (line(1), line(2)),
    ],
)
def test_a_total_that_the_rows_sum_to_is_left_out_by_name(loader: Loader, rows: tuple[str, ...]) -> None:
    outcome = loader.loaded(of_lines(*rows))
    assert outcome.tables[0].excluded == sum(";;;;" in row for row in rows)


def test_a_total_that_the_rows_do_not_sum_to_refuses_the_batch_with_both_sums(loader: Loader) -> None:
    outcome = loader.one(of_lines(line(1), line(2), "合计;;;;2;30,00"))
    (fault,) = outcome.faults
    assert (outcome.status, fault.rule, fault.column) == ("refused", "totals_row_mismatch", "Netto")
    assert "the row 合计 states 30.00 for net, the rows above it sum to 20.0000" in str(fault)
    assert outcome.tables[0].refused == 3


def test_each_file_has_its_own_total(loader: Loader) -> None:
    files = {"a.csv": lines(line(1), "合计;;;;1;10,00"), "b.csv": lines(line(2), line(3), "合计;;;;2;21,00")}
    (fault,) = loader.one(Delivery({"LINES": files})).faults
    assert fault.file == "b.csv"


def test_a_total_that_a_row_in_quarantine_is_part_of_is_not_checked(loader: Loader) -> None:
    outcome = loader.loaded(of_lines(line(1), line(2, net="x"), "合计;;;;2;30,00"))
    assert (outcome.tables[0].quarantined, outcome.tables[0].excluded) == (1, 1)


def test_it_is_not_checked_either_where_the_header_says_what_it_counts_in(tmp_path: Path) -> None:
    loader = Loader(tmp_path)
    loader.source(
        resources__LINES__totals_marks=["合计"],
        resources__LINES__totals={"marks": ["合计"], "check": ["net"]},
        resources__LINES__columns__net={"header": "Größe", "type": "decimal(18,4)", "unit": "stated"},
    )
    for number, header in enumerate(("Größe", "GRÖSSE", "Größe (TEUR)"), start=1):
        table = lines(
            line(1), line(2, net="x"), "合计;;;;;30,00", header=f"Beleg;Pos;Datum;Kunde;Menge;{header}"
        )
        outcome = loader.loaded(Delivery({"LINES": {"lines.csv": table}}, **numbered(number)))
        assert (outcome.tables[0].quarantined, outcome.tables[0].excluded) == (1, 1)


@pytest.fixture
def marked(tmp_path: Path) -> Loader:
    """A source whose dialect leaves totals rows out, wherever their mark stands."""
    made = Loader(tmp_path)
    made.source(
        resources__LINES__totals_marks=["合计", "小计", "总计"],
        resources__LINES__totals={"marks": ["合计", "总计"], "check": ["net"]},
    )
    return made


@pytest.mark.parametrize("total", ["合计;;;;;20,00", ";合 计：;;;2;20,00", "总计;;;;;"])
def test_a_total_that_the_dialect_leaves_out_is_what_the_rows_sum_to(marked: Loader, total: str) -> None:
    rows = [line(1), "小计;;;;;99,00", line(2), total]
    outcome = marked.loaded(of_lines(*rows))
    assert outcome.tables[0].accepted == 2


@pytest.mark.parametrize("total", ["合计;;;;;20,01", ";;总 计;;;19,99"])
def test_a_total_that_the_dialect_leaves_out_refuses_a_batch_that_lost_rows(
    marked: Loader, total: str
) -> None:
    (fault,) = marked.one(of_lines(line(1), "小计;;;;;10,00", line(2), total)).faults
    assert (fault.rule, fault.column) == ("totals_row_mismatch", "Netto")
    assert "the rows above it sum to 20.0000" in fault.message


@pytest.mark.parametrize(
    ("total", "expected"), [("0,04", "loaded"), ("0,08", "loaded"), ("0,03", "refused"), ("0,09", "refused")]
)
def test_a_total_in_a_larger_unit_may_be_off_by_the_rounding_of_its_figures_and_no_more(
    marked: Loader, total: str, expected: str
) -> None:
    """Three figures of 0,02 万元 and their total, each rounded by at most half of 0,01."""
    marked.source(
        resources__LINES__totals_marks=["合计"],
        resources__LINES__totals={"marks": ["合计"], "check": ["net"]},
        resources__LINES__columns__net__unit="万元",
    )
    rows = [line(number, net="0,02") for number in (1, 2, 3)]
    assert marked.one(of_lines(*rows, f"合计;;;;;{total}")).status == expected


@pytest.mark.parametrize(
    ("totals", "said"),
    [
        ({**TOTALS, "column": "beleg"}, "'beleg' is not one of the columns"),
        ({**TOTALS, "check": ["customer"]}, "'customer' is no number"),
        ({**TOTALS, "column": None}, "totals.subtotals: without column"),
        ({"marks": ["合计"], "check": ["net"]}, "'合计' is not one of totals_marks"),
    ],
)
def test_totals_that_cannot_be_checked_are_a_mistake_of_the_profile(
    loader: Loader, totals: object, said: str
) -> None:
    loader.source(resources__LINES__totals=totals)
    with pytest.raises(SourceError, match=said):
        get_source("shop", loader.settings.sources_path)
