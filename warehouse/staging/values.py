"""How the text of a cell becomes a value of the type that the profile names, as SQL."""

from __future__ import annotations

import re
from collections.abc import Sequence

from warehouse.connection import literal
from warehouse.delivery.dialect import EXCEL_SERIAL, EXCEL_SERIAL_1904, Dialect, ResourceColumn

_DUCKDB_TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "decimal": "DECIMAL(18,6)",
}
_RULES = {
    "integer": "not_an_integer",
    "boolean": "not_a_boolean",
    "date": "not_a_date",
    "timestamp": "not_a_timestamp",
    "decimal": "not_a_number",
}
# What a workbook's cell may be that ought to hold a code.
_NO_CODES = {
    "number": "code_is_numeric",
    "date": "code_is_a_date",
    "boolean": "code_is_a_boolean",
    "error": "cell_is_an_error",
    "formula": "formula_without_value",
}
LOST_CODE = tuple(_NO_CODES.values())
# How Parquet's and workbooks' own dates print as text.
_NATIVE_DATES = ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")
# A format that ends in a Z after hours: the clock of UTC.
_IN_UTC = re.compile(r"%[HMSfT].*Z$")
_INSTANT = "TIMESTAMP WITH TIME ZONE"
_WHOLE_DAY = ("%Y", "%m", "%d")
_WHOLE_DAY_LENGTH = 8  # 20260131, 2026-1-3
# What stands between the texts of a record that are looked at together.
_BETWEEN = "\x01"
# Blanks and what is not seen, as the macro `cell_text` takes them from a text's ends.
_UNSEEN = r"\x00-\x20\x7F-\xA0\x{00AD}\x{1680}\x{180E}\x{2000}-\x{200F}\x{2028}-\x{202F}\x{205F}-\x{206F}\x{3000}\x{FEFF}"


def _rest(no: str = "") -> str:
    """The pattern of what may follow in a plain text: nothing, or what does not begin with one of `no` and ends in what is seen."""
    return rf"(?:[^{no}{_UNSEEN}]|[^{no}\x01][^\x01]*[^{_UNSEEN}])?"


# A text as nearly all are: it does not begin as an error, a formula, or digits and a power of ten do, as the macro `lost_code`
# knows them.
_PLAIN = (
    rf"(?:[^#=<+ENn0-9-{_UNSEEN}]{_rest()}|E{_rest('r')}|[Nn]{_rest('aA')}"
    rf"|-?[0-9](?:[.,][0-9]*{_rest('0-9eE#')}|{_rest('.,eE')}))?"
)
# Decimals of a number that is counted in a larger unit.
_UNIT_DECIMALS = 10


def duckdb_type(column: ResourceColumn) -> str:
    """The type a column of a resource has in SQL."""
    return _DUCKDB_TYPES.get(column.type) or column.type.upper().replace(" ", "")


def trimmed(cell: str, physical: str, dialect: Dialect) -> str:
    """A cell as text without blanks and unseen characters at its ends; null where it holds one of the null marks."""
    return unmarked(bare(cell, physical), dialect)


def bare(cell: str, physical: str) -> str:
    """A cell as text without blanks and unseen characters at its ends."""
    if physical == "DOUBLE":
        cell = f"double_text({cell})"
    elif physical == "FLOAT":
        cell = f"double_text(CAST(CAST({cell} AS VARCHAR) AS DOUBLE))"
    elif physical.startswith("TIMESTAMP"):
        cell = f"CAST(CAST({cell} AS TIMESTAMP) AS VARCHAR)"
    elif physical != "VARCHAR":
        cell = f"CAST({cell} AS VARCHAR)"
    return f"cell_text({cell})" if physical == "VARCHAR" else cell


def unmarked(text: str, dialect: Dialect) -> str:
    """A text; null where it is one of the null marks."""
    marks = ", ".join(literal(mark) for mark in dialect.null_marks)
    return f"CASE WHEN ({text}) NOT IN ({marks}) THEN ({text}) END" if marks else text


def are_plain(cells: Sequence[str]) -> str:
    """Whether `cell_text` leaves each of these texts as it is, and `lost_code` says nothing of any; false where it is not known."""
    if not cells:
        return "true"
    joined = f"concat({f', {literal(_BETWEEN)}, '.join(cells)})"
    # As many marks as there are between them, so that one within a text is none.
    return f"regexp_full_match({joined}, {literal(f'(?:{_PLAIN}{_BETWEEN}){{{len(cells) - 1}}}{_PLAIN}')})"


def local(cell: str, physical: str, column: ResourceColumn, dialect: Dialect) -> tuple[str, str]:
    """A cell of a day that a Parquet file holds as an instant: in the company's time zone, else as text that no day is read from."""
    if column.type != "date" or physical != _INSTANT:
        return cell, physical
    if dialect.time_zone:
        return f"timezone({literal(dialect.time_zone)}, {cell})", "TIMESTAMP"
    return _instant_text(cell), "VARCHAR"


def _instant_text(cell: str) -> str:
    return f"strftime(timezone('UTC', {cell}), '%Y-%m-%dT%H:%M:%S.%fZ')"


def as_delivered(cell: str, physical: str, column: ResourceColumn | None, dialect: Dialect) -> str:
    """A cell as text files of its source write it, so that text in its place is read as it would be."""
    text = f"CAST({cell} AS VARCHAR)"
    if physical == "VARCHAR" or column is None:
        return text
    if column.type == "boolean" and physical == "BOOLEAN":
        true, false = ((*marks, text)[0] for marks in (dialect.true_marks, dialect.false_marks))
        return f"CASE WHEN {cell} THEN {literal(true)} WHEN NOT {cell} THEN {literal(false)} END"
    if column.type == "date" and physical == _INSTANT:
        return _instant_text(cell)
    if column.type in {"date", "timestamp"} and physical.startswith(("DATE", "TIMESTAMP")):
        moment = f"CAST({cell} AS TIMESTAMP)"
        serials = {EXCEL_SERIAL, EXCEL_SERIAL_1904}
        tries = [
            f"CASE WHEN CAST(try_strptime(strftime({moment}, {literal(form)}), {literal(form)}) AS {duckdb_type(column)}) "
            f"= CAST({moment} AS {duckdb_type(column)}) THEN strftime({moment}, {literal(form)}) END"
            for form in column.date_formats or dialect.date_formats
            if form not in serials
        ]
        return f"coalesce({', '.join([*tries, trimmed(cell, physical, dialect)])})"
    if column.type.startswith(("decimal", "integer")):
        return f"replace({trimmed(cell, physical, dialect)}, '.', {literal(dialect.decimal_mark)})"
    return trimmed(cell, physical, dialect)


def numeric_text(raw: str, column: ResourceColumn, physical: str, dialect: Dialect, factor: int) -> str:
    """The cleaned text of a cell as one that a cast understands: numbers as plain digits, in the column's own unit."""
    if not (column.type.startswith("decimal") or column.type == "integer"):
        return raw
    text = raw
    if physical == "VARCHAR":
        for mark in dialect.currency_marks:
            text = f"replace({text}, {literal(mark)}, '')"
        group = literal(dialect.group_mark) if dialect.group_mark else "NULL"
        text = f"decimal_text({text}, {literal(dialect.decimal_mark)}, {group})"
    if factor == 1:
        return text
    return (
        f"CASE WHEN decimal_places({text}) <= {_UNIT_DECIMALS} "
        f"THEN CAST(TRY_CAST({text} AS DECIMAL(28, {_UNIT_DECIMALS})) * {factor}::DECIMAL(10, 0) AS VARCHAR) END"
    )


def cast(text: str, column: ResourceColumn, physical: str, dialect: Dialect, *, native_dates: bool) -> str:
    """The value of a readable text; null where it is none."""
    kind = duckdb_type(column)
    if column.type == "boolean" and physical == "BOOLEAN":
        return f"TRY_CAST({text} AS BOOLEAN)"
    if column.type == "boolean":
        true, false = (
            ", ".join(literal(mark) for mark in marks) for marks in (dialect.true_marks, dialect.false_marks)
        )
        return f"CASE WHEN {text} IN ({true}) THEN true WHEN {text} IN ({false}) THEN false END"
    if column.type in {"date", "timestamp"}:
        declared = column.date_formats or dialect.date_formats if physical == "VARCHAR" else _NATIVE_DATES
        formats = (*declared, *(_NATIVE_DATES if native_dates else ()))
        return _day(text, formats, dialect.time_zone) if column.type == "date" else _date(text, formats, kind)
    if column.type == "integer":
        return f"CASE WHEN decimal_places({text}) = 0 THEN TRY_CAST({text} AS BIGINT) END"
    return f"TRY_CAST({text} AS {kind})"


def _day(text: str, formats: tuple[str, ...], zone: str | None) -> str:
    """The day of a text; that of an instant in another place's time is known only where the profile says which zone is meant."""
    zoned = tuple(form for form in formats if "%z" in form or "%Z" in form or _IN_UTC.search(form))
    plain = _date(text, tuple(form for form in formats if form not in zoned), "DATE")
    if zone is None:
        return plain
    tries = [f"local_moment({text}, {literal(zone)})"]
    tries += [
        f"timezone({literal(zone)}, try_strptime({text}, {literal(form)}))"
        if "%z" in form
        else f"timezone({literal(zone)}, timezone('UTC', try_strptime({text}, {literal(form)})))"
        for form in zoned
        if "%Z" not in form
    ]
    return f"coalesce(CAST(coalesce({', '.join(tries)}) AS DATE), {plain})"


def _date(text: str, formats: tuple[str, ...], kind: str) -> str:
    """The date of a text by the first format that fits; full-width digits are read where plain ones do not fit.

    Two-digit years are tried first: strptime takes 26 for a year of four digits, too, but not 2026 for one of two. And it takes
    a single digit for a month or a day, so that a day cut off from 20260131 would be another one.
    """
    serials = {EXCEL_SERIAL: "1899-12-30", EXCEL_SERIAL_1904: "1904-01-01"}
    written = [form for form in formats if form not in serials]
    short = [form for form in written if "%y" in form]
    whole = [form for form in written if form not in short and all(part in form for part in _WHOLE_DAY)]
    wide = f"translate({text}, '０１２３４５６７８９／－．：', '0123456789/-.:')"
    tries = []
    for forms in (short, whole, [form for form in written if form not in (*short, *whole)]):
        known = ", ".join(map(literal, forms))
        texts = [
            f"CASE WHEN length({each}) >= {_WHOLE_DAY_LENGTH} THEN {each} END" if forms is whole else each
            for each in (text, wide)
        ]
        tries += [f"try_strptime({each}, [{known}])" for each in texts if forms]
    tries += [f"day_of_serial({text}, DATE {literal(serials[form])})" for form in formats if form in serials]
    return f"CAST(coalesce({', '.join([*tries, 'NULL'])}) AS {kind})"


def rounded_noise(text: str, column: ResourceColumn) -> str:
    """The test for a binary fraction that is rounded to the column's scale, since it holds no more than noise beyond."""
    scale = _scale(column)
    return f"(more_places_than({text}, {scale}) AND is_noise({text}, {scale}))"


def _scale(column: ResourceColumn) -> int:
    return int(duckdb_type(column).rstrip(")").split(",")[1])


def broken(cell: str, column: ResourceColumn, *, binary: bool = False) -> str:
    """The rule that a cell's text breaks if it is no such value, else null; of a struct of its `raw`, `text` and `value`.

    A number of a `binary` cell may hold noise beyond the column's scale.
    """
    raw, text, given = f"{cell}.raw", f"{cell}.text", f"{cell}.value"
    bad = f"{raw} IS NOT NULL AND {given} IS NULL"
    rule = literal(_RULES[column.type.split("(")[0]])
    if column.type == "date":
        rule = f"CASE WHEN is_instant({raw}) THEN 'instant_without_zone' ELSE {rule} END"
    if column.type.startswith("decimal"):
        scale = _scale(column)
        noise = f" AND NOT is_noise({text}, {scale})" if binary else ""
        bad = f"{raw} IS NOT NULL AND ({given} IS NULL OR (more_places_than({text}, {scale}){noise}))"
        # A DOUBLE may be infinite, of which its text has no digit too many.
        rule = f"CASE WHEN {text} IS NULL OR {text} IN ('inf', '-inf') THEN {rule} ELSE 'too_many_digits' END"
    elif column.type == "integer":
        rule = f"CASE WHEN decimal_places({text}) = 0 THEN 'too_many_digits' ELSE {rule} END"
    return f"CASE WHEN {bad} THEN coalesce(lost_value({raw}), {rule}) END"


def no_code(raw: str, kind: str | None) -> str:
    """The rule by which a cell is no code, null where it may be one; `kind` tells what a workbook's cell holds."""
    lost = f"lost_code({raw})"
    if kind is None:
        return lost
    rules = " ".join(f"WHEN {literal(each)} THEN {literal(rule)}" for each, rule in _NO_CODES.items())
    return f"CASE WHEN {raw} IS NOT NULL THEN coalesce(CASE {kind} {rules} END, {lost}) END"
