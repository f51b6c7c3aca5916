"""Workbooks and text exports as they come, in small: each folder is read by the source `quick`, or by `generic_csv`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from tests.warehouse import dialects
from tests.warehouse.making import Delivery
from warehouse.delivery.manifest import read_manifest
from warehouse.delivery.profile import BUILT_IN, Source, read_source
from warehouse.errors import BatchRefusedError
from warehouse.staging import scratch as staging

HERE = Path(__file__).parent / "erp"
RESOURCES = {"lines": "LINES", "cust": "CUSTOMERS"}


@dataclass(frozen=True)
class Staged:
    """The rows of a table that nothing is wrong with, by document or customer, and of the others what is."""

    rows: dict[str, dict[str, Any]]
    wrong: dict[int, set[str]]
    unreadable: dict[int, str]

    def values(self, column: str) -> dict[str, Any]:
        return {key: row[column] for key, row in self.rows.items()}


def read(
    folder: Path,
    scratch: Path,
    table: str = "invoice_lines",
    source: str = "quick",
    time_zone: str | None = None,
) -> Staged:
    """Stage a folder's files, with another time zone in the source's profile; BatchRefusedError as the loader has it."""
    shutil.copytree((HERE if source == "quick" else BUILT_IN) / source, scratch / "sources" / source)
    known = read_source(scratch / "sources" / source)
    if time_zone:
        defaults = known.profile.defaults.model_copy(update={"time_zone": time_zone})
        known = Source(known.folder, known.profile.model_copy(update={"defaults": defaults}))
    files: dict[str, dict[str, bytes]] = {}
    for file in sorted(folder.iterdir()):
        files.setdefault(RESOURCES.get(file.stem, file.stem), {})[file.name] = file.read_bytes()
    batch = read_manifest(Delivery(files, source=source).write(scratch / "inbox"))
    with staging.stage(batch, known, scratch / "scratch" / "batch.duckdb") as staged:
        found = staged.connection.execute(f"FROM staging.{table} ORDER BY _row")
        names = [column[0] for column in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        unreadable = staged.connection.execute("SELECT row_number, rule FROM rejected.record").fetchall()
    key = "document_id" if table == "invoice_lines" else "customer_id"
    good = {row[key]: row for row in rows if not row["_problems"]}
    wrong = {
        row["_row"]: {problem.split(":")[1] for problem in row["_problems"]}
        for row in rows
        if row["_problems"]
    }
    return Staged(good, wrong, dict(unreadable))


def test_a_code_that_a_spreadsheet_destroyed_is_none(tmp_path: Path) -> None:
    found = read(HERE / "05-number-and-code-text", tmp_path)
    destroyed = {row: found.wrong[row] for row in range(15, 22) if row in found.wrong}
    assert destroyed == {
        15: {"code_is_numeric"},
        16: {"code_is_numeric"},
        17: {"cell_is_an_error"},
        18: {"cell_is_an_error"},
        21: {"cell_is_an_error"},
    }
    assert found.rows["a18"]["customer_id"] == "0"
    assert found.rows["a26"]["customer_id"] == "C1"


def test_numbers_are_read_in_the_file_s_own_notation_and_in_no_other(tmp_path: Path) -> None:
    found = read(HERE / "05-number-and-code-text", tmp_path)
    read_as = {key: str(found.rows[key]["net_amount"]) for key in found.rows if key < "a14" or key == "a27"}
    assert read_as == {
        "a05": "1234.0000",
        "a06": "1234.5000",
        "a07": "1234.5000",
        "a09": "-1234.5000",
        "a10": "-1234.5000",
        "a27": "1234567.0000",
    }
    assert found.wrong[26] == {"cell_is_an_error"}  # neither Menge nor Kosten


LINES = "Beleg;Pos;Datum;Kunde;Artikel;Menge;Netto;Kosten\n"


def customers(tmp_path: Path, texts: Sequence[str]) -> dict[str, str | set[str]]:
    """By the text of a cell, the customer that it names, or the rules by which it names none."""
    folder = tmp_path / "files"
    folder.mkdir()
    rows = "".join(f'{place};1;02.01.2026;"{text}";P;1;1,00;\n' for place, text in enumerate(texts))
    (folder / "lines.csv").write_bytes((LINES + rows).encode())
    found = read(folder, tmp_path)
    named = found.values("customer_id")
    return {
        text: named[str(place)] if str(place) in named else found.wrong[place + 2]
        for place, text in enumerate(texts)
    }


def test_an_error_is_no_code_in_any_language(tmp_path: Path) -> None:
    errors = [
        "#N/A", "#NV", "#N/D", "#N/B", "#Н/Д", "#I/T", "#WERT!", "#BEZUG!", "#VALEUR!", "#NOM?", "#¿NOMBRE?", "#¡VALOR!",
        "#NÚM!", "#DZIEL/0!", "#ССЫЛКА!", "#DEĞER!", "#SAKNAS!", "#ÜBERLAUF!", "#SPILL!", "Err:502", "########", "nan", "NaN",
        "-1.#IND",
    ]  # fmt: skip
    assert customers(tmp_path, errors) == {text: {"cell_is_an_error"} for text in errors}


def test_digits_shown_in_exponents_are_no_code(tmp_path: Path) -> None:
    shown = ["1,23E+11", "1.23457e+11", "4E+10", "1.23456789E11", "-1,2E+05"]
    assert customers(tmp_path, shown) == {text: {"code_is_numeric"} for text in shown}


def test_what_only_looks_alike_is_a_code(tmp_path: Path) -> None:
    codes = ["1E3", "12E+4X", "#17", "#1 Store", "Nan", "3E-12", "E+10", "C/1", "NATO", "00017", "1.5E10"]
    assert customers(tmp_path, codes) == dict(zip(codes, codes, strict=True))


UNSEEN = ["\u00a0", "\u200b", "\ufeff", "\u202f", "\u2060", "\u200e", "\u00ad", "\x00", "\t"]


def test_unseen_characters_around_a_code_make_no_second_customer(tmp_path: Path) -> None:
    around = [f"{unseen}C1 {unseen}" for unseen in (*UNSEEN, "\u3000")]
    assert customers(tmp_path, around) == dict.fromkeys(around, "C1")


def test_unseen_characters_inside_a_code_make_no_second_customer(tmp_path: Path) -> None:
    inside = [f"C{unseen}1" for unseen in UNSEEN]
    assert customers(tmp_path, inside) == {text: {"invisible_character"} for text in inside}


def test_a_code_guarded_from_spreadsheets_keeps_its_zeros_and_a_formula_is_none(tmp_path: Path) -> None:
    guarded, formula = '=""00017""', "=VLOOKUP(A1;B:C;2)"
    assert customers(tmp_path, [guarded, formula]) == {guarded: "00017", formula: {"formula_without_value"}}


@pytest.mark.parametrize(
    ("case", "rows", "wrong"),
    [
        ("bom_middle", {"b1": "10.0000", "b2": "20.0000"}, {3: {"not_a_date", "not_a_number"}}),
        ("cr_only", {"c1": "10.0000", "c2": "20.0000"}, {}),
        ("crlf_mixed", {"m1": "10.0000", "m2": "20.0000"}, {}),
        (
            "errors",
            {"x1": "10.0000"},
            {3: {"cell_is_an_error"}, 4: {"cell_is_an_error"}, 5: {"cell_is_an_error"}},
        ),
        ("formula", {"f1": "10.0000"}, {3: {"formula_without_value"}, 4: {"formula_without_value"}}),
        ("hidden_row", {"r1": "10.0000", "r2_hidden": "500.0000"}, {}),
        ("hidden_sheet", {"h_new": "10.0000"}, {}),
        ("mac1904", {"m1": "10.0000"}, {}),
        ("merged", {"g1": "10.0000", "g2": "10.0000"}, {}),
        ("nul", {"n1": "10.0000"}, {3: {"invisible_character"}}),
        ("quote_newline", {"q1": "10.0000", "q2": "20.0000"}, {}),
        ("sepline", {"s1": "10.0000"}, {}),
        (
            "textnumbers",
            {"t1": "1234.5000", "t3": "0.3000", "t4": "1234567.8900", "t5": "10.0050"},
            {3: {"not_a_number"}, 7: {"too_many_digits"}},
        ),
        ("trailing", {"t1": "10.0000", "t2": "20.0000"}, {}),
    ],
)
def test_each_file_gives_its_amounts_or_says_which_row_has_none(
    tmp_path: Path, case: str, rows: dict[str, str], wrong: dict[int, set[str]]
) -> None:
    found = read(HERE / "06-files" / case, tmp_path)
    assert {key: str(row["net_amount"]) for key, row in found.rows.items()} == rows
    assert (found.wrong, found.unreadable) == (wrong, {})


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("badutf8", "wrong_encoding"),
        ("unbalanced", "unclosed_quote"),
        ("dup_header", r"read from 'Netto' or 'Netto \(8\)'.*ambiguous_column"),
    ],
)
def test_a_file_that_cannot_be_told_is_refused(tmp_path: Path, case: str, told: str) -> None:
    with pytest.raises(BatchRefusedError, match=told):
        read(HERE / "06-files" / case, tmp_path)


def test_a_day_is_the_day_until_its_last_millisecond(tmp_path: Path) -> None:
    days = read(HERE / "06-files" / "dates", tmp_path).values("invoice_date")
    assert {key: str(day) for key, day in days.items() if key != "k5"} == dict.fromkeys(
        ["k1", "k2", "k3"], "2026-01-31"
    )


def test_a_formula_that_nobody_computed_makes_no_optional_value_empty(tmp_path: Path) -> None:
    found = read(HERE / "06-files" / "formula", tmp_path, "customers")
    assert found.rows == {}
    assert found.wrong == {
        2: {"formula_without_value"},
        3: {"formula_without_value"},
        4: {"cell_is_an_error"},
    }


@pytest.mark.parametrize("twin", ["Kunde", "KUNDE", "Kundennr", "Kunde\u200b"])
def test_two_headers_for_one_column_are_refused_and_both_named(tmp_path: Path, twin: str) -> None:
    text = f"Beleg;Kunde;{twin};Datum;Netto\nR1;1;2;31.01.2026;1,00\n"
    named = f"'Kunde' or '{twin}" if twin == "Kundennr" else "'Kunde' or "
    with pytest.raises(BatchRefusedError, match=f"{named}.*ambiguous_column"):
        dialects.read(tmp_path, {"a.csv": text.encode()}, {"customer": {"header": ["Kunde", "Kundennr"]}})


@pytest.mark.parametrize(
    "header",
    [
        "Netto\u200b EUR",
        "\ufeffNetto EUR",
        '"Netto\nEUR"',
        "Netto\u00a0EUR",
        " netto  eur ",
        "Net\u00adto EUR",
    ],
)
def test_a_header_is_found_as_a_person_reads_it(tmp_path: Path, header: str) -> None:
    text = f"Beleg;Kunde;Datum;{header}\nR1;1;31.01.2026;1,50\n"
    net = {"net": {"header": "Netto EUR", "type": "decimal(18,4)"}}
    assert dialects.read(tmp_path, {"a.csv": text.encode()}, net).nets == ["1.5000"]


def test_quoted_line_breaks_are_no_other_line_ends(tmp_path: Path) -> None:
    text = 'Beleg;Kunde;Datum;Netto\r\nR1;"K\n1";31.01.2026;1,00\r\nR2;K2;31.01.2026;2,00\n\nR3;K3;31.01.2026;3,00\r\n'
    mixed = dialects.read(tmp_path / "mixed", {"a.csv": text.encode()})
    assert [row[:3] for row in mixed.rows] == [(2, "R1", "K\n1"), (3, "R2", "K2"), (5, "R3", "K3")]
    steady = text.replace("2,00\n\n", "2,00\r\n")
    assert [row[1] for row in dialects.read(tmp_path / "steady", {"a.csv": steady.encode()}).rows] == [
        "R1",
        "R2",
        "R3",
    ]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "\ufeffsep=;", "sep=\t"])
def test_a_first_line_that_says_what_parts_the_cells_is_no_header(tmp_path: Path, first: str) -> None:
    text = f"{first}\r\nBeleg;Kunde;Datum;Netto\r\nR1;K;31.01.2026;1,00\r\n"
    text = text.replace(";", "\t") if first.endswith("\t") else text
    found = dialects.read(tmp_path, {"a.csv": text.encode()}, delimiter="," if "\t" not in first else ";")
    assert [row[:3] for row in found.rows] == [(3, "R1", "K")]


def sheets(*states: str) -> bytes:
    book = openpyxl.Workbook()
    for place, state in enumerate(states):
        sheet = book.active if place == 0 else book.create_sheet(f"S{place + 1}")
        sheet.sheet_state = state
        for row in (["Beleg", "Kunde", "Datum", "Netto"], [f"R{place + 1}", "K", date(2026, 1, 31), 1]):
            sheet.append(row)
    stream = BytesIO()
    book.save(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("states", "sheet", "document"),
    [
        (("veryHidden", "hidden", "visible", "visible"), None, "R3"),
        (("hidden", "visible"), 1, "R1"),
        (("hidden", "visible"), "Sheet", "R1"),
        (("visible", "hidden"), None, "R1"),
    ],
)
def test_the_first_sheet_that_is_shown_is_read_unless_the_profile_names_one(
    tmp_path: Path, states: tuple[str, ...], sheet: int | str | None, document: str
) -> None:
    named = {} if sheet is None else {"sheet": sheet}
    found = dialects.read(tmp_path, {"a.xlsx": sheets(*states)}, **named)
    assert [row[1] for row in found.rows] == [document]


@pytest.mark.parametrize(
    ("states", "sheet", "unread"),
    [
        (("visible", "visible", "hidden", "visible"), None, ["S2", "S4"]),
        (("hidden", "visible", "visible"), None, ["S3"]),
        (("visible", "hidden"), None, []),
        (("visible", "visible"), "S2", []),
        (("visible", "visible"), 1, []),
    ],
)
def test_a_further_sheet_with_the_columns_is_not_left_unread_without_a_word(
    tmp_path: Path, states: tuple[str, ...], sheet: int | str | None, unread: list[str]
) -> None:
    named = {} if sheet is None else {"sheet": sheet}
    found = dialects.read(tmp_path, {"a.xlsx": sheets(*states)}, **named)
    assert [warning.split("'")[1] for warning in found.warnings] == unread
    assert all("[unread_sheet]" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("encodings", "warned"),
    [
        (("utf-8", "windows-1252"), True),
        (("windows-1252", "windows-1252"), False),
        (("utf-8", "utf-8"), False),
    ],
)
def test_two_encodings_in_one_file_spoil_no_names_without_a_word(
    tmp_path: Path, encodings: tuple[str, str], warned: bool
) -> None:
    rows = zip(("R1;Müller;31.01.2026;1\n", "R2;Jäger «CAFÉ»;31.01.2026;1\n"), encodings, strict=True)
    lines = b"".join(row.encode(encoding) for row, encoding in rows)
    file = b"Beleg;Kunde;Datum;Netto\n" + lines
    found = dialects.read(tmp_path, {"a.csv": file}, fallback_encoding="windows-1252")
    assert ["[mixed_encoding]" in warning for warning in found.warnings] == [True] * warned


def test_a_sheet_of_notes_beside_the_table_is_no_matter(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["Beleg", "Kunde", "Datum", "Netto"], ["R1", "K", date(2026, 1, 31), 1]):
        book.active.append(row)
    book.create_sheet("Notes").append(["as of today"])
    book.create_sheet("Nothing")
    stream = BytesIO()
    book.save(stream)
    assert dialects.read(tmp_path, {"a.xlsx": stream.getvalue()}).warnings == ()


def test_an_instant_is_of_the_day_that_it_is_in_berlin(tmp_path: Path) -> None:
    found = read(HERE / "10-timezone", tmp_path, source="generic_csv", time_zone="Europe/Berlin")
    assert {key: str(day) for key, day in found.values("invoice_date").items()} == {
        "T1": "2026-02-01",
        "T3": "2026-01-31",
    }


def test_an_instant_is_no_day_where_the_profile_gives_no_time_zone(tmp_path: Path) -> None:
    found = read(HERE / "10-timezone", tmp_path, source="generic_csv")
    assert [str(day) for day in found.values("invoice_date").values()] == ["2026-01-31"]
    assert found.wrong == {2: {"instant_without_zone"}, 3: {"not_a_date"}}


INSTANTS = [
    "2026-01-31T23:30:00Z",
    "2026-01-31T23:30Z",
    "2026-01-31 23:30:00.123+00:00",
    "2026-02-01T07:30:00+0800",
    "2026-01-31 18:30:00-05",
]
FIRST_OF_FEBRUARY = [date(2026, 2, 1)] * len(INSTANTS)


def instants() -> dict[str, bytes]:
    lines = "".join(f"R{place};K;{text};1,00\n" for place, text in enumerate(INSTANTS))
    moments = [datetime.fromisoformat(text) for text in INSTANTS]
    table = pl.DataFrame(
        {
            "Beleg": [f"R{place}" for place in range(len(moments))],
            "Kunde": "K",
            "Datum": pl.Series(moments, dtype=pl.Datetime("us", "UTC")),
            "Netto": pl.Series([Decimal("1.00")] * len(moments)),
        }
    )
    stream = BytesIO()
    table.write_parquet(stream)
    return {"a.csv": f"Beleg;Kunde;Datum;Netto\n{lines}".encode(), "a.parquet": stream.getvalue()}


@pytest.mark.parametrize("file", ["a.csv", "a.parquet"])
def test_an_instant_is_of_the_day_that_it_is_in_the_company_s_time_zone(tmp_path: Path, file: str) -> None:
    files = {file: instants()[file]}
    berlin = dialects.read(tmp_path / "berlin", files, time_zone="Europe/Berlin")
    assert [row[3] for row in berlin.rows] == FIRST_OF_FEBRUARY
    lima = dialects.read(tmp_path / "lima", files, time_zone="America/Lima")
    assert {row[3] for row in lima.rows} == {date(2026, 1, 31)}
    nowhere = dialects.read(tmp_path / "nowhere", files)
    assert {problem.split(":")[1] for _, problem in nowhere.problems} == {"instant_without_zone"}
    assert len(nowhere.problems) == len(INSTANTS)


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y %H:%M:%S%z"])
def test_a_date_format_does_not_hide_that_a_day_is_another_one_elsewhere(tmp_path: Path, form: str) -> None:
    moment = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
    files = {"a.csv": f"Beleg;Kunde;Datum;Netto\nR1;K;{moment.strftime(form)};1,00\n".encode()}
    berlin = dialects.read(tmp_path / "berlin", files, date_formats=[form], time_zone="Europe/Berlin")
    assert berlin.rows[0][3] == date(2026, 2, 1)
    assert len(dialects.read(tmp_path / "nowhere", files, date_formats=[form]).problems) == 1


def test_a_double_of_a_parquet_file_is_read_to_fifteen_digits(tmp_path: Path) -> None:
    found = read(HERE / "11-parquet", tmp_path, source="generic_csv", time_zone="Europe/Berlin")
    read_as = {key: (str(row["net_amount"]), str(row["invoice_date"])) for key, row in found.rows.items()}
    assert read_as == {
        "P1": ("19.9900", "2026-02-01"),
        "P2": ("0.3000", "2026-01-15"),
        "P3": ("1234567.8900", "2026-01-31"),
    }


@pytest.mark.parametrize("mark", [",", "\t", "|"])
def test_a_file_whose_cells_something_else_parts_is_told_so_and_not_that_it_lacks_every_column(
    tmp_path: Path, mark: str
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "lines.csv").write_text((LINES + '1;1;02.01.2026;"C1";P;1;1;\n').replace(";", mark), "utf-8")
    with pytest.raises(BatchRefusedError) as refused:
        read(folder, tmp_path)
    (fault,) = refused.value.faults
    assert f"its cells are parted by {mark!r}, and the profile's delimiter is ';'" in str(fault)


def test_a_file_with_lines_above_its_header_is_told_so_once_and_not_that_it_lacks_every_column(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "lines.csv").write_text("Rechnungsliste\nStand 1.2.2026\n" + LINES, "utf-8")
    with pytest.raises(BatchRefusedError) as refused:
        read(folder, tmp_path)
    (fault,) = refused.value.faults
    assert "none of its columns stands there, but Rechnungsliste [missing_column]" in str(fault)
    assert "set preamble: true in the profile" in str(fault)


@pytest.mark.parametrize(
    ("number", "rule"), [(float("inf"), "not_a_number"), (float("nan"), "cell_is_an_error")]
)
def test_a_double_of_a_parquet_file_that_is_no_number_is_called_so(
    tmp_path: Path, number: float, rule: str
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    line = {
        "Beleg": "R1",
        "Pos": "1",
        "Datum": date(2026, 1, 2),
        "Kunde": "C1",
        "Menge": 1.0,
        "Netto": number,
    }
    pl.DataFrame([line]).write_parquet(folder / "lines.parquet")
    assert read(folder, tmp_path).wrong == {2: {rule}}


def test_an_instant_of_a_parquet_file_is_no_day_without_a_time_zone(tmp_path: Path) -> None:
    found = read(HERE / "11-parquet", tmp_path, source="generic_csv")
    assert found.wrong == {
        2: {"instant_without_zone"},
        3: {"instant_without_zone"},
        4: {"instant_without_zone"},
    }


# As they come from computing in binary, and what they are; None is no amount of four decimals.
COMPUTED = {
    1000.10 - 999.99: "0.1100",
    1234567.10 - 1234567.00: "0.1000",
    0.1 * 3: "0.3000",
    4503.59999999999: "4503.6000",
    12345678.1200001: "12345678.1200",
    12345678.1200005: None,
    -1234.56000000001: "-1234.5600",
    1234567890.12: "1234567890.1200",
    1e-09: None,
    10 / 3: None,
    0.00005: None,
    1.23456: None,
}


@pytest.mark.parametrize("file", ["a.xlsx", "a.parquet"])
def test_the_noise_of_binary_fractions_is_rounded_and_nothing_else(tmp_path: Path, file: str) -> None:
    stream = BytesIO()
    records = [
        {"Beleg": f"R{place}", "Kunde": "K", "Datum": date(2026, 1, 31), "Netto": net}
        for place, net in enumerate(COMPUTED)
    ]
    if file == "a.parquet":
        pl.DataFrame(records).write_parquet(stream)
        content = stream.getvalue()
    else:
        content = dialects.workbook([list(records[0]), *(list(each.values()) for each in records)])
    found = dialects.read(tmp_path, {file: content})
    wrong = {row for row, problem in found.problems if "too_many_digits" in problem}
    read_as = [None if row[0] in wrong else str(row[4]) for row in found.rows]
    assert read_as == list(COMPUTED.values())
    (warning,) = found.warnings
    assert warning == (
        f"{file}, column Netto: 5 numbers hold noise of binary fractions beyond the column's decimals, and are rounded to "
        "them [rounded_noise]"
    )


def test_digits_of_a_text_file_are_never_noise(tmp_path: Path) -> None:
    found = dialects.read(
        tmp_path, {"a.csv": b"Beleg;Kunde;Datum;Netto\nR1;K;31.01.2026;0,110000000000014\n"}
    )
    assert found.problems == [(2, "Netto:too_many_digits:0,110000000000014")]
