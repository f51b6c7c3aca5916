"""How the text of a cell becomes a value of the type that the profile names, as SQL."""

from __future__ import annotations

from warehouse.connection import literal, quoted
from warehouse.dialect import EXCEL_SERIAL, EXCEL_SERIAL_1904, Dialect, ResourceColumn

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
}
LOST_CODE = tuple(_NO_CODES.values())
# How Parquet's and workbooks' own dates print as text.
_NATIVE_DATES = ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")
# Decimals of a number that is counted in a larger unit.
_UNIT_DECIMALS = 10


def duckdb_type(column: ResourceColumn) -> str:
    """The type a column of a resource has in SQL."""
    return _DUCKDB_TYPES.get(column.type) or column.type.upper().replace(" ", "")


def clean(cell: str, physical: str, dialect: Dialect) -> str:
    """A cell as text without surrounding blanks; null where it holds one of the null marks."""
    if physical in {"DOUBLE", "FLOAT"}:
        exact = f"CAST(TRY_CAST({cell} AS DECIMAL(38, 10)) AS VARCHAR)"
        cell = f"coalesce(rtrim(rtrim({exact}, '0'), '.'), CAST({cell} AS VARCHAR))"
    elif physical.startswith("TIMESTAMP"):
        cell = f"CAST(CAST({cell} AS TIMESTAMP) AS VARCHAR)"
    elif physical != "VARCHAR":
        cell = f"CAST({cell} AS VARCHAR)"
    text = f"trim({cell})"
    if physical == "VARCHAR":
        # To look for a blank takes a third of the time that trim does, and most cells have none.
        text = f"CASE WHEN contains({cell}, ' ') THEN trim({cell}) ELSE {cell} END"
    marks = ", ".join(literal(mark) for mark in dialect.null_marks)
    return f"CASE WHEN ({text}) NOT IN ({marks}) THEN ({text}) END" if marks else text


def written(cell: str, physical: str, column: ResourceColumn | None, dialect: Dialect) -> str:
    """A cell as text files of its source write it, so that text in its place is read as it would be."""
    text = f"CAST({cell} AS VARCHAR)"
    if physical == "VARCHAR" or column is None:
        return text
    if column.type == "boolean" and physical == "BOOLEAN":
        true, false = ((*marks, text)[0] for marks in (dialect.true_marks, dialect.false_marks))
        return f"CASE WHEN {cell} THEN {literal(true)} WHEN NOT {cell} THEN {literal(false)} END"
    if column.type in {"date", "timestamp"} and physical.startswith(("DATE", "TIMESTAMP")):
        moment = f"CAST({cell} AS TIMESTAMP)"
        serials = {EXCEL_SERIAL, EXCEL_SERIAL_1904}
        tries = [
            f"CASE WHEN CAST(try_strptime(strftime({moment}, {literal(form)}), {literal(form)}) AS {duckdb_type(column)}) "
            f"= CAST({moment} AS {duckdb_type(column)}) THEN strftime({moment}, {literal(form)}) END"
            for form in column.date_formats or dialect.date_formats
            if form not in serials
        ]
        return f"coalesce({', '.join([*tries, clean(cell, physical, dialect)])})"
    if column.type.startswith(("decimal", "integer")):
        return f"replace({clean(cell, physical, dialect)}, '.', {literal(dialect.decimal_mark)})"
    return clean(cell, physical, dialect)


def readable(raw: str, column: ResourceColumn, physical: str, dialect: Dialect, factor: int) -> str:
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


def value(text: str, column: ResourceColumn, physical: str, dialect: Dialect, *, native_dates: bool) -> str:
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
        return _date(text, (*declared, *(_NATIVE_DATES if native_dates else ())), kind)
    if column.type == "integer":
        return f"CASE WHEN decimal_places({text}) = 0 THEN TRY_CAST({text} AS BIGINT) END"
    return f"TRY_CAST({text} AS {kind})"


def _date(text: str, formats: tuple[str, ...], kind: str) -> str:
    """The date of a text by the first format that fits; full-width digits are read where plain ones do not fit."""
    serials = {EXCEL_SERIAL: "1899-12-30", EXCEL_SERIAL_1904: "1904-01-01"}
    written = ", ".join(literal(form) for form in formats if form not in serials)
    tries = []
    if written:
        wide = f"translate({text}, '０１２３４５６７８９／－．：', '0123456789/-.:')"
        tries += [f"try_strptime({text}, [{written}])", f"try_strptime({wide}, [{written}])"]
    tries += [f"day_of_serial({text}, DATE {literal(serials[form])})" for form in formats if form in serials]
    return f"CAST(coalesce({', '.join([*tries, 'NULL'])}) AS {kind})"


def misfit(name: str, column: ResourceColumn) -> tuple[str, str]:
    """The test for a text that is no such value, and the rule that it breaks; of the cells `<name>__raw`, `<name>__text`."""
    raw, text, given = quoted(f"{name}__raw"), quoted(f"{name}__text"), quoted(name)
    bad = f"{raw} IS NOT NULL AND {given} IS NULL"
    rule = literal(_RULES[column.type.split("(")[0]])
    if column.type.startswith("decimal"):
        scale = int(duckdb_type(column).rstrip(")").split(",")[1])
        bad = f"{raw} IS NOT NULL AND ({given} IS NULL OR more_places_than({text}, {scale}))"
        rule = f"CASE WHEN {text} IS NULL THEN {rule} ELSE 'too_many_digits' END"
    elif column.type == "integer":
        rule = f"CASE WHEN decimal_places({text}) = 0 THEN 'too_many_digits' ELSE {rule} END"
    return bad, rule


def no_code(name: str) -> tuple[str, str]:
    """The test for a workbook's cell that holds no text where a code ought to be, and the rule that it breaks."""
    raw, kind = quoted(f"{name}__raw"), quoted(f"{name}__kind")
    rules = " ".join(f"WHEN {literal(each)} THEN {literal(rule)}" for each, rule in _NO_CODES.items())
    return f"{raw} IS NOT NULL AND {kind} IS NOT NULL", f"CASE {kind} {rules} END"
