"""What a profile can say of text files: encodings, printed lists, headers, totals, units, filled groups."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.warehouse.dialects import SQL, read
from warehouse.delivery.dialect import Dialect, ResourceColumn
from warehouse.delivery.encodings import encoding_of
from warehouse.errors import BatchRefusedError

HEADER = "Beleg;Kunde;Datum;Netto"
ONE = (2, "R1", "00017", date(2026, 1, 31), "1234.5000")


def one(row: tuple[object, ...]) -> tuple[object, ...]:
    return (*row[:4], str(row[4]))


@pytest.mark.parametrize(
    ("encoding", "codec", "mark"),
    [
        ("utf-8", "utf-8", b""),
        ("utf-8", "utf-8", b"\xef\xbb\xbf"),
        ("utf-16", "utf-16-le", b"\xff\xfe"),
        ("utf-16", "utf-16-be", b"\xfe\xff"),
        ("utf-16", "utf-16-le", b""),
        ("GB18030", "gb18030", b""),
        ("big5", "cp950", b""),
        # The mark at a file's start says more of it than the profile.
        ("gb18030", "utf-8", b"\xef\xbb\xbf"),
        ("utf-8", "utf-16-le", b"\xff\xfe"),
        ("latin-1", "utf-16-be", b"\xfe\xff"),
    ],
)
def test_a_file_is_read_in_its_encoding(tmp_path: Path, encoding: str, codec: str, mark: bytes) -> None:
    text = "單據編號;客戶;Datum;Netto\nR1;客戶一;31.01.2026;1.234,50\n"
    columns = {"document": {"header": "單據編號"}, "customer": {"header": "客戶"}}
    found = read(tmp_path, {"a.csv": mark + text.encode(codec)}, columns, encoding=encoding)
    assert [one(row) for row in found.rows] == [(2, "R1", "客戶一", date(2026, 1, 31), "1234.5000")]


@pytest.mark.parametrize("alias", ["GB18030", "gbk", "GB2312", "cp936"])
def test_every_name_of_the_chinese_encodings_is_the_widest_of_them(alias: str) -> None:
    assert encoding_of(alias).codec == "gb18030"


def test_characters_outside_gbk_are_read_as_gb18030(tmp_path: Path) -> None:
    text = f"{HEADER}\nR1;𠮷野㐂;31.01.2026;1,00\n"
    found = read(tmp_path, {"a.csv": text.encode("gb18030")}, encoding="gbk")
    assert found.rows[0][2] == "𠮷野㐂"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", ""])
@pytest.mark.parametrize("empty", [";;;", ";;;;;;", '"";"";"";""', " ; ; ; "])
def test_a_record_of_delimiters_alone_is_a_blank_line_as_an_empty_row_of_a_workbook_is(
    tmp_path: Path, empty: str, end: str
) -> None:
    rows = [HEADER, "R1;K1;31.01.2026;1,00", empty, ";K2;31.01.2026;2,00", empty]
    found = read(tmp_path, {"a.csv": (end or "\n").join(rows).encode() + end.encode()})
    assert [row[:3] for row in found.rows] == [(2, "R1", "K1"), (4, None, "K2")]


def test_a_row_of_tabs_alone_is_a_blank_line_in_text_that_is_called_a_workbook(tmp_path: Path) -> None:
    rows = [HEADER, "R1;K1;31.01.2026;1,00", ";;;"]
    found = read(tmp_path, {"a.xls": "\n".join(rows).replace(";", "\t").encode()})
    assert [row[:3] for row in found.rows] == [(2, "R1", "K1")]


def test_a_long_file_is_searched_for_records_of_delimiters_alone_to_its_end(tmp_path: Path) -> None:
    rows = [HEADER, *(f"R{n};K1;31.01.2026;1,00" for n in range(100_000)), ";;;"]
    found = read(tmp_path, {"a.csv": "\n".join(rows).encode()})
    assert len(found.rows) == 100_000


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_refused_with_the_encoding_that_is_to_be_stated(
    tmp_path: Path, codec: str
) -> None:
    with pytest.raises(
        BatchRefusedError, match=r"beside each letter, as UTF-16 does.* state its encoding, utf-16"
    ):
        read(tmp_path, {"a.csv": f"{HEADER}\nR1;K1;31.01.2026;1,00\n".encode(codec)})


SE16N = """\
Table:          VBRK
Displayed Fields:  4 of   4  Fixed Columns:   1  List Width 0250

-----------------------------------------------------
|   |Beleg     |Kunde     |Datum     |         Netto|
-----------------------------------------------------
|   |R1        |0000000017|31.01.2026|     1.234,50 |
|   |R2        |0000000017|31.01.2026|       200,00-|
05.02.2026        Dynamic list display        2
-----------------------------------------------------
|   |Beleg     |Kunde     |Datum     |         Netto|
-----------------------------------------------------
|   |R3        |0000000023|01.02.2026|         0,50 |
|   |R4        |too|many  |01.02.2026|         0,50 |
-----------------------------------------------------
|*  |          |          |          |     1.035,00 |
-----------------------------------------------------
"""


@pytest.mark.parametrize("layout", ["list", "either"])
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_a_printed_list_is_read_between_its_strokes(tmp_path: Path, layout: str, name: str) -> None:
    content = SE16N.encode()
    content = gzip.compress(content) if name.endswith("gz") else content
    found = read(tmp_path, {name: content}, layout=layout, totals_marks=["*", "**"])
    assert [one(row) for row in found.rows] == [
        (7, "R1", "0000000017", date(2026, 1, 31), "1234.5000"),
        (8, "R2", "0000000017", date(2026, 1, 31), "-200.0000"),
        (13, "R3", "0000000023", date(2026, 2, 1), "0.5000"),
    ]
    assert found.rejects == [(14, "ragged_record")]
    assert found.left_out == {"page_heading": 1, "repeated_header": 1, "totals_row": 1}


def test_a_plain_file_of_a_source_that_may_print_lists_is_read_as_it_lies(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.csv": f"{HEADER}\nR1;00017;31.01.2026;1.234,50\n".encode()}, layout="either")
    assert [one(row) for row in found.rows] == [ONE]


def test_a_list_without_the_wanted_header_is_refused_with_the_nearest_row(tmp_path: Path) -> None:
    with pytest.raises(
        BatchRefusedError, match=r"row 5: no row is the header: row 5 comes nearest, and lacks 'Saldo'"
    ):
        read(
            tmp_path,
            {"a.txt": SE16N.encode()},
            {"net": {"header": "Saldo", "type": "decimal"}},
            layout="list",
        )


def test_lines_above_the_header_are_passed_over(tmp_path: Path) -> None:
    text = f'Bericht "Umsatz"\n\nStand: 01.02.2026;von;bis\n{HEADER}\nR1;00017;31.01.2026;1.234,50\n;;;\n'
    found = read(tmp_path, {"a.csv": text.replace('"', "").encode()}, preamble=True)
    assert [one(row) for row in found.rows] == [(5, *ONE[1:])]


def test_a_header_may_be_named_by_its_row(tmp_path: Path) -> None:
    text = f"Umsatz\nJanuar\n{HEADER}\nR1;00017;31.01.2026;1.234,50\n"
    found = read(tmp_path, {"a.csv": text.encode()}, headerRows=[3])
    assert [one(row) for row in found.rows] == [(4, *ONE[1:])]


def test_a_header_of_two_rows_is_joined_under_what_it_is_merged_over(tmp_path: Path) -> None:
    text = "Beleg;Kunde;Datum;Betrag;;Text\n;;;Netto;Brutto;\nR1;00017;31.01.2026;1.234,50;1.468,00;x\n"
    columns = {"net": {"header": "Betrag Netto", "type": "decimal"}}
    found = read(tmp_path, {"a.csv": text.encode()}, columns, header_rows=2)
    assert [one(row) for row in found.rows] == [(3, *ONE[1:])]
    gross = {"net": {"header": "Betrag/Brutto", "type": "decimal"}}
    assert read(tmp_path / "2", {"a.csv": text.encode()}, gross, header_rows=2, header_join="/").nets == [
        "1468.0000"
    ]


def test_a_short_record_is_put_aside_or_filled_as_the_profile_says(tmp_path: Path) -> None:
    text = f"{HEADER};Text\nR1;00017;31.01.2026;1.234,50\nR2;00017;31.01.2026;1,00;x;y\n"
    found = read(tmp_path / "1", {"a.csv": text.encode()})
    assert found.rejects == [(2, "ragged_record"), (3, "ragged_record")]
    found = read(tmp_path / "2", {"a.csv": text.encode()}, short_rows="fill")
    assert [one(row) for row in found.rows] == [ONE]
    assert found.rejects == [(3, "ragged_record")]
    found = read(tmp_path / "3", {"a.csv": text.encode()}, short_rows="fill", preamble=True)
    assert [one(row) for row in found.rows] == [ONE]
    assert found.rejects == [(3, "ragged_record")]


def test_quotes_that_do_not_fit_together_are_put_aside_below_a_preamble_too(tmp_path: Path) -> None:
    text = f'x\n{HEADER}\nR1;"00017"x;31.01.2026;1,00\nR2;"0;0""1\n7";31.01.2026;1,00\n'
    found = read(tmp_path, {"a.csv": text.encode()}, preamble=True)
    assert found.rejects == [(3, "broken_quoting")]
    assert [row[:3] for row in found.rows] == [(4, "R2", '0;0"1\n7')]
    never_closed = f'x\n{HEADER}\nR1;"00017;31.01.2026;1,00\nR2;00017;31.01.2026;1,00\n'
    with pytest.raises(BatchRefusedError, match=r"row 3: a quote is opened and not closed"):
        read(tmp_path / "2", {"a.csv": never_closed.encode()}, preamble=True)


@pytest.mark.parametrize("preamble", [False, True])
def test_rows_of_totals_are_left_out_by_name_before_anything_is_summed(
    tmp_path: Path, *, preamble: bool
) -> None:
    marks = ["合计", "合 计", "合计：", "小计", "总计", "本页合计"]
    totals = "".join(f"{mark};;;3,00\n" for mark in marks)
    text = f"{HEADER}\nR1;00017;31.01.2026;1,00\nR2;合计;31.01.2026;2,00\n{totals}"
    found = read(
        tmp_path,
        {"a.csv": text.encode()},
        sql=SQL.replace("net AS net_amount,", "sum(net) OVER () AS net_amount,"),
        preamble=preamble,
        totals_marks=["合计", "小计", "总计", "本页合计"],
    )
    assert found.nets == ["3.0000", "3.0000"]
    assert found.left_out == {"totals_row": len(marks)}
    assert found.rows_in == 2 + len(marks)


def test_a_header_that_stands_again_is_left_out_where_the_profile_says_so(tmp_path: Path) -> None:
    text = f"{HEADER}\nR1;00017;31.01.2026;1,00\n{HEADER}\nR2;00017;31.01.2026;2,00\n".encode()
    found = read(tmp_path, {"a.csv": text}, repeated_headers=True)
    assert ([row[0] for row in found.rows], found.left_out) == ([2, 4], {"repeated_header": 1})


def test_groups_are_filled_down_after_totals_and_never_into_the_next_group(tmp_path: Path) -> None:
    text = (
        "Kunde;Beleg;Text;Datum;Netto\n"
        "K1;R1;urgent;31.01.2026;1,00\n;;;31.01.2026;2,00\n;R2;;31.01.2026;3,00\n;;;31.01.2026;4,00\n"
        "K1小计;;;;10,00\nK2;;;31.01.2026;5,00\n合计;;;;15,00\n"
    )
    columns = {
        name: {"header": header, "forward_fill": True}
        for name, header in (("customer", "Kunde"), ("document", "Beleg"), ("note", "Text"))
    }
    sql = SQL.replace("customer AS customer_id", "concat_ws('/', customer, note) AS customer_id")
    found = read(
        tmp_path, {"a.csv": text.encode()}, columns, sql, totals_marks=["合计"], totals_endings=["小计"]
    )
    assert [row[:3] for row in found.rows] == [
        (2, "R1", "K1/urgent"), (3, "R1", "K1/urgent"), (4, "R2", "K1"), (5, "R2", "K1"), (7, None, "K2"),
    ]  # fmt: skip
    assert found.left_out == {"totals_row": 2}


@pytest.mark.parametrize(
    ("unit", "header", "above", "expected"),
    [
        ("万元", "Netto", "", "12345.6000"),
        (1000, "Netto", "", "1234.5600"),
        ("stated", "Netto(万元)", "", "12345.6000"),
        ("stated", "Netto（单位：千元）", "", "1234.5600"),
        ("stated", "Netto [TEUR]", "", "1234.5600"),
        ("stated", "Netto", "单位：人民币万元", "12345.6000"),
        ("stated", "Netto", "单位：上海某某公司", "1.2346"),
        ("stated", "Netto", "", "1.2346"),
    ],
)
def test_amounts_are_multiplied_by_the_unit_they_are_counted_in(
    tmp_path: Path, unit: str | int, header: str, above: str, expected: str
) -> None:
    amount = "1,23456" if expected != "1.2346" else "1,2346"
    text = f"Umsatz;;;{above}\nBeleg;Kunde;Datum;{header}\nR1;00017;31.01.2026;{amount}\n"
    columns = {"net": {"header": "Netto", "type": "decimal(18,4)", "unit": unit}}
    found = read(tmp_path, {"a.csv": text.encode()}, columns, preamble=True, units={"TEUR": 1000})
    assert found.nets == [expected]
    assert found.problems == []


def test_more_digits_than_an_amount_keeps_are_told_after_the_multiplication(tmp_path: Path) -> None:
    columns = {"net": {"header": "Netto", "type": "decimal(18,4)", "unit": "万元"}}
    found = read(tmp_path, {"a.csv": f"{HEADER}\nR1;K;31.01.2026;1,123456789\n".encode()}, columns)
    assert found.problems == [(2, "Netto:too_many_digits:1,123456789")]


def test_a_report_in_ten_thousands_is_not_taken_for_one_in_ones(tmp_path: Path) -> None:
    text = f"金额单位：万元\n{HEADER}\nR1;00017;31.01.2026;1,00\n"
    with pytest.raises(BatchRefusedError, match="counts in 万元"):
        read(tmp_path, {"a.csv": text.encode()}, preamble=True)


POINT = {"decimal_mark": ".", "group_mark": ","}


@pytest.mark.parametrize(
    ("dialect", "numbers"),
    [
        (
            {"currency_marks": ["EUR"]},
            {
                "1.234,50-": "-1234.5000", "(1.234,50)": "-1234.5000", "（１．２３４，５０）": "-1234.5000",
                "−1.234,50": "-1234.5000", "€ 1.234,50": "1234.5000", "1.234,50 EUR-": "-1234.5000",
                "+1234": "1234.0000", "1234,5元": "1234.5000",
            },
        ),
        (
            POINT | {"currency_marks": ["RMB"]},
            {"¥1,234.50": "1234.5000", "￥－１，２３４．５０": "-1234.5000", "RMB 1,234.50": "1234.5000"},
        ),
        ({"decimal_mark": ".", "group_mark": "'"}, {"1'234.50": "1234.5000"}),
        ({"group_mark": " "}, {"1 234,50": "1234.5000", "1\u00a0234,50": "1234.5000"}),
    ],
)  # fmt: skip
def test_a_number_is_read_as_it_is_written(
    tmp_path: Path, dialect: dict[str, object], numbers: dict[str, str]
) -> None:
    rows = "".join(f"R1;K;31.01.2026;{written}\n" for written in numbers)
    assert read(tmp_path, {"a.csv": f"{HEADER}\n{rows}".encode()}, **dialect).nets == list(numbers.values())


def test_a_number_in_another_notation_is_put_aside_not_guessed(tmp_path: Path) -> None:
    strange = [
        "1,234.50",
        "1.23",
        "12,5万",
        "1.234,50 CHF",
        "1E5",
        "--1",
        "1 234,50 0",
        "1.234,-",
        "1.234,--",
    ]
    rows = "".join(f"R1;K;31.01.2026;{written}\n" for written in strange)
    found = read(tmp_path, {"a.csv": f"{HEADER}\n{rows}".encode()})
    assert found.problems == [
        (row, f"Netto:not_a_number:{written}") for row, written in enumerate(strange, start=2)
    ]


def test_a_date_is_read_in_the_first_of_its_formats_that_fits(tmp_path: Path) -> None:
    written = [
        "2017年8月25日", "２０１７年８月２５日", "25.08.2017", "20170825", "2017/8/25", "25-AUG-2017", "42972", "42972.75",
    ]  # fmt: skip
    forms = ["%Y年%m月%d日", "%d.%m.%Y", "%Y%m%d", "%Y/%m/%d", "%d-%b-%Y", "excel"]
    rows = "".join(f"R1;K;{each};1,00\n" for each in written)
    found = read(tmp_path, {"a.csv": f"{HEADER}\n{rows}".encode()}, date_formats=forms)
    assert [row[3] for row in found.rows] == [date(2017, 8, 25)] * len(written)


@pytest.mark.parametrize(
    ("forms", "text"),
    [
        (["%d/%m/%Y", "%m/%d/%Y"], "07/08/2009"),
        (["%Y-%m-%d", "%m-%d-%y", "%d-%m-%y"], "08-07-09"),
        (["excel", "%y%m%d", "%d%m%y"], "090807"),
        (["%-d.%-m.%Y", "%-m.%-d.%Y"], "7.8.2009"),
        (["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"], "07/08/2009 00:00"),
    ],
)
def test_formats_that_read_one_text_as_two_days_are_refused(forms: list[str], text: str) -> None:
    for holder in (Dialect, ResourceColumn):
        with pytest.raises(ValueError, match=f"read {text} as two days; keep the one that the source writes"):
            holder.model_validate({"date_formats": forms})


def test_formats_that_read_a_text_as_one_day_or_not_at_all_may_stand_together() -> None:
    forms = [
        "%Y-%m-%d",
        "%d.%m.%Y",
        "%d.%m.%y",
        "%Y%m%d",
        "%d%m%Y",
        "%Y/%m/%d",
        "%Y年%m月%d日",
        "%Y-%m-%dT%H:%M:%SZ",
        "excel",
    ]
    assert Dialect.model_validate({"date_formats": forms}).date_formats == tuple(forms)


@pytest.mark.parametrize("forms", [["%d.%m.%Y", "%d.%m.%y"], ["%d.%m.%y", "%d.%m.%Y"]])
def test_a_year_of_two_digits_is_of_this_century_where_the_source_writes_both(
    tmp_path: Path, forms: list[str]
) -> None:
    rows = "R1;K;31.01.26;1,00\nR1;K;31.01.2026;1,00\n"
    found = read(tmp_path, {"a.csv": f"{HEADER}\n{rows}".encode()}, date_formats=forms)
    assert [row[3] for row in found.rows] == [date(2026, 1, 31)] * 2


def test_a_day_that_was_cut_off_is_no_earlier_one(tmp_path: Path) -> None:
    strange = ["2026013", "202601", "26.1.3"]
    rows = "".join(f"R1;K;{written};1,00\n" for written in strange)
    found = read(tmp_path, {"a.csv": f"{HEADER}\n{rows}".encode()}, date_formats=["%Y%m%d", "%d.%m.%Y"])
    assert found.problems == [
        (row, f"Datum:not_a_date:{written}") for row, written in enumerate(strange, start=2)
    ]


def test_day_numbers_may_be_counted_from_1904(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.csv": f"{HEADER}\nR1;K;41510;1,00\n".encode()}, date_formats=["excel1904"])
    assert found.rows[0][3] == date(2017, 8, 25)


def test_what_is_no_day_is_put_aside(tmp_path: Path) -> None:
    strange = ["60", "2958466", "abc", "31.02.2026"]
    rows = "".join(f"R1;K;{written};1,00\n" for written in strange)
    found = read(tmp_path, {"a.csv": f"{HEADER}\n{rows}".encode()}, date_formats=["%d.%m.%Y", "excel"])
    assert found.problems == [
        (row, f"Datum:not_a_date:{written}") for row, written in enumerate(strange, start=2)
    ]


def test_every_key_of_a_profile_is_described() -> None:
    page = (Path(__file__).parents[2] / "docs" / "adding-a-source.md").read_text("utf-8")
    keys = {*Dialect.model_fields, *ResourceColumn.model_fields}
    assert {key for key in keys if f"`{key}`" not in page} == set()


def test_the_names_of_data_package_are_understood() -> None:
    own = Dialect(
        quote="'", escape="\\", header_rows=2, header_join="/", null_marks=["-"], decimal_mark=",", sheet=2
    )
    standard = {
        "quoteChar": "'", "escapeChar": "\\", "headerRows": [1, 2], "headerJoin": "/", "nullSequence": "-",
        "decimalChar": ",", "sheetNumber": 2,
    }  # fmt: skip
    assert Dialect.model_validate(standard) == own
    assert Dialect.model_validate({"valuemart:totals_marks": ["合计"]}).totals_marks == ("合计",)
    with pytest.raises(ValueError, match="stands twice"):
        Dialect.model_validate({"quoteChar": "'", "quote": '"'})


LISTED = "Beleg  Kunde  Datum       Netto\n\nR1\t00017  31.01.2026  1.234,50\n"


def test_cells_are_parted_by_any_run_of_blanks_where_the_profile_says_so(tmp_path: Path) -> None:
    content = LISTED + '"R 2" 00017   01.02.2026  -2,00\nR3   01.02.2026  5,00\nR4 "00 17 01.02.2026 1\n'
    found = read(tmp_path, {"a.txt": content.encode()}, delimiter="whitespace")
    assert [one(row) for row in found.rows] == [
        (3, "R1", "00017", date(2026, 1, 31), "1234.5000"),
        (4, "R 2", "00017", date(2026, 2, 1), "-2.0000"),
    ]
    assert found.rejects == [(5, "ragged_record"), (6, "broken_quoting")]


FIXED = """\
Beleg Kunde Datum     Netto
R1    00017 31.01.2026  1.234,50
R 2         01.02.2026     -2,00

R3    00023 01.02.2026      0,50 and more
R4    00023 01.02.2026
"""


def test_columns_of_fixed_widths_are_cut_and_freed_of_their_padding(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.txt": FIXED.encode()}, widths=[6, 6, 10, 10])
    assert [(row[0], row[1], row[2], row[4] and str(row[4])) for row in found.rows] == [
        (2, "R1", "00017", "1234.5000"),
        (3, "R 2", None, "-2.0000"),
        (6, "R4", "00023", None),
    ]
    assert found.rejects == [(5, "ragged_record")]


def test_widths_count_characters_in_any_encoding(tmp_path: Path) -> None:
    content = "Beleg 客戶  Datum     Netto\nR1    張三  31.01.2026 1,00\n"
    columns = {"customer": {"header": "客戶"}}
    found = read(tmp_path, {"a.txt": content.encode("big5")}, columns, encoding="big5", widths=[6, 4, 10, 5])
    assert [one(row) for row in found.rows] == [(2, "R1", "張三", date(2026, 1, 31), "1.0000")]


@pytest.mark.parametrize(
    ("dialect", "message"),
    [
        ({"delimiter": "blanks"}, "neither one to four characters nor whitespace"),
        ({"delimiter": "whitespace", "group_mark": " "}, "would part 1 234"),
        ({"widths": [5, 0]}, "greater than or equal to 1"),
        ({"widths": [5], "layout": "list"}, "parts cells by upright strokes"),
    ],
)
def test_what_cannot_part_cells_is_refused_in_the_profile(dialect: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Dialect.model_validate(dialect)
