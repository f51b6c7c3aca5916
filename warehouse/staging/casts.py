"""A source's SELECT wrapped so that every column has the contract's type, and every misfit is noted beside the row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from expectations.contract import Column, Contract, provenance
from warehouse.connection import literal, quoted
from warehouse.errors import SourceError

# What a source's SQL may give beside a table's own columns.
EXTRA = tuple(
    replace(column, nullable=True)
    for column in provenance()
    if column.name in {"source_changed_at", "is_deleted"}
)
_HANDLES = {"_file": "VARCHAR", "_row": "STRUCT(number BIGINT, problems VARCHAR[])"}
_NUMBERS = ("DECIMAL", "INTEGER", "BIGINT")
_WIDE_DECIMAL = re.compile(r"DECIMAL\((?:19|[23]\d),(\d|1[0-8])\)")
_LOSSY = {"DOUBLE", "FLOAT", "REAL"}
_WRONG_TYPE = {
    "DATE": "not_a_date",
    "TIMESTAMP": "not_a_timestamp",
    "BOOLEAN": "not_a_boolean",
    "INTEGER": "not_an_integer",
    "BIGINT": "not_an_integer",
}

# Of a fact that is dated years after it was extracted.
TOO_FAR_AHEAD = "date_too_far_ahead"


def typed_select(
    contract: Contract,
    given: Mapping[str, str],
    sql: str,
    where: str,
    *,
    whole_by: str | None = None,
    problems: str = "_row.problems",
    latest: date | None = None,
) -> str:
    """A source's SELECT with every column cast to the contract's type and every misfit noted in `_problems`.

    `given` are the columns of the SELECT with their types, `where` names it in messages, `whole_by` the one of them that
    says which document a row is of (`_document`), `problems` are those of its record that are the row's own. A fact is not dated
    after `latest`, if there is such a day. SourceError where a column is missing, surplus, or of a type that loses digits.
    """
    columns = (*contract.columns, *EXTRA)
    _check_columns(contract, given, where, whole_by)
    cells, made, notes, identifiers, told = [], [], list[str](), list[str](), list[str]()
    for column in columns:
        if column.name not in given:
            absent = "false" if column.name == "is_deleted" else f"NULL::{column.type}"
            made.append(f"{absent} AS {quoted(column.name)}")
            continue
        cast = _cast(column, given[column.name], where)
        cells.append(f"{cast.cell or _given(column)} AS {_cell(column)}")
        made += [f"{cast.value} AS {quoted(column.name)}", _cell(column)]
        if cast.note and column.type == "VARCHAR":
            identifiers.append(quoted(column.name))
            told.append(cast.note)
        elif cast.note:
            told.append(_noted(cast.note, notes))
        if latest and column.name == contract.own_date and not contract.is_undated:
            day = quoted(column.name)
            note = f"{literal(f'{column.name}:{TOO_FAR_AHEAD}:')} || CAST({day} AS VARCHAR)"
            told.append(_noted(f"CASE WHEN CAST({day} AS DATE) > DATE '{latest}' THEN {note} END", notes))
    excluded = "CAST(given._excluded AS VARCHAR)" if "_excluded" in given else "NULL::VARCHAR"
    document = f"CAST(given.{quoted(whole_by)} AS VARCHAR)" if whole_by else "NULL::VARCHAR"
    cells += [f"{document} AS _document", f"{excluded} AS _excluded", "given._file", "given._row"]
    names = [quoted(column.name) for column in columns]
    about = ["_document", "_excluded", "_file", "_row"]
    # Three steps, each a SELECT of its own: an expression is planned, and computed, once.
    typed = f"SELECT {', '.join([*made, *about])} FROM (SELECT {', '.join(cells)} FROM ({sql}) AS given)"
    # Identifiers are looked at all together first: hardly a row has one that needs a look at each.
    tests = [f"__note{place} IS NOT NULL" for place in range(len(notes))]
    tests += [f"has_invisible(concat({', '.join(identifiers)}))"] if identifiers else []
    every = (
        f"CASE WHEN {' OR '.join(tests)} THEN list_concat(coalesce({problems}, []::VARCHAR[]), "
        f"list_filter([{', '.join(told)}], lambda entry: entry IS NOT NULL)) ELSE {problems} END"
        if told
        else problems
    )
    return (
        f"SELECT {', '.join(names)}, _document, _file, _row.number AS _row, {every} AS _problems, _excluded "
        f"FROM (SELECT {', '.join([*names, *about, *notes])} FROM ({typed}))"
    )


def _noted(note: str, notes: list[str]) -> str:
    """The name of a note among `notes`, which are made for every row, once it is one of them."""
    name = f"__note{len(notes)}"
    notes.append(f"{note} AS {name}")
    return name


@dataclass(frozen=True, slots=True)
class _Cast:
    """How one column is made: its `cell`, if that is not what is given, its value of the cell, and a note of both if it misfits."""

    value: str
    cell: str | None = None
    note: str | None = None


def _given(column: Column) -> str:
    return f"given.{quoted(column.name)}"


def _cell(column: Column) -> str:
    return quoted(f"{column.name}__cell")


def _check_columns(contract: Contract, given: Mapping[str, str], where: str, whole_by: str | None) -> None:
    columns = (*contract.columns, *EXTRA)
    if whole_by and whole_by not in given:
        raise SourceError(f"{where}: does not give {whole_by}, which whole_by names: select it")
    surplus = set(given) - {column.name for column in columns} - {*_HANDLES, "_excluded", whole_by}
    if surplus:
        raise SourceError(f"{where}: {contract.name} has no column {', '.join(sorted(surplus))}")
    wrong = [name for name, kind in _HANDLES.items() if given.get(name) != kind]
    if wrong:
        raise SourceError(
            f"{where}: select {' and '.join(wrong)} of the driving resource as well, untouched: "
            "they say which record a row is"
        )
    missing = [column.name for column in columns if not column.nullable and column.name not in given]
    if missing:
        raise SourceError(f"{where}: does not give {', '.join(missing)}, which {contract.name} requires")


def _cast(column: Column, given: str, where: str) -> _Cast:
    """The value as the contract types it, with a note of what may not fit."""
    cell, made = _cell(column), quoted(column.name)
    if column.name == "is_deleted":
        return _Cast(f"coalesce(CAST({cell} AS BOOLEAN), false)")
    if column.type == "VARCHAR":
        value = cell if given == "VARCHAR" else f"CAST({cell} AS VARCHAR)"
        if not _is_identifier(column):
            return _Cast(value)
        test, rule, told = f"has_invisible({made})", "invisible_character", f"left({made}, 200)"
    elif given == column.type:
        return _Cast(cell)
    elif given in _LOSSY and column.type.startswith("DECIMAL"):
        raise SourceError(f"{where}: {column.name} is {given}, which loses digits: keep amounts DECIMAL")
    elif given == "VARCHAR":
        return _from_text(column)
    else:
        value, told = _converted(cell, given, column.type), f"CAST({cell} AS VARCHAR)"
        # A cast to fewer digits rounds.
        rounded = f" OR {made} <> {cell}" if column.type.startswith(_NUMBERS) else ""
        test = f"{cell} IS NOT NULL AND ({made} IS NULL{rounded})"
        rule = "too_many_digits" if column.type.startswith("DECIMAL") else "out_of_range"
    return _Cast(value, note=f"CASE WHEN {test} THEN {literal(f'{column.name}:{rule}:')} || {told} END")


def _converted(cell: str, given: str, wanted: str) -> str:
    """A value as another type, null where it does not fit.

    DuckDB takes forty times as long to round a number of more than 18 digits, so one that fits into 18 is made one of 18 first.
    """
    value = f"TRY_CAST({cell} AS {wanted})"
    if wanted.startswith("DECIMAL(18,") and (wide := _WIDE_DECIMAL.fullmatch(given)):
        return f"coalesce(TRY_CAST(TRY_CAST({cell} AS DECIMAL(18,{wide[1]})) AS {wanted}), {value})"
    return value


def _is_identifier(column: Column) -> bool:
    """Whether rows are found by its text, so that two that look alike must be one."""
    return (
        column.key_position is not None
        or column.refers_to is not None
        or column.name.endswith(("_id", "_code"))
        or column.name in {"currency", "uom"}
    )


def _from_text(column: Column) -> _Cast:
    """A value that the SQL gives as text: numbers as plain digits with a point, dates as ISO 8601."""
    rule, name = literal(_WRONG_TYPE.get(column.type, "not_a_number")), _given(column)
    text, cell, value = _cell(column), None, f"TRY_CAST({_cell(column)} AS {column.type})"
    if column.type.startswith(_NUMBERS):
        scale = int(column.type.rstrip(")").split(",")[1]) if column.type.startswith("DECIMAL") else 0
        cell = f"{{'text': {name}, 'digits': decimal_text({name}, '.', NULL)}}"
        text, digits = f"{_cell(column)}.text", f"{_cell(column)}.digits"
        value = f"CASE WHEN decimal_places({digits}) <= {scale} THEN TRY_CAST({digits} AS {column.type}) END"
        too_long = "true" if column.type.startswith("DECIMAL") else f"decimal_places({digits}) = 0"
        rule = f"CASE WHEN {digits} IS NOT NULL AND {too_long} THEN 'too_many_digits' ELSE {rule} END"
    note = f"{literal(column.name + ':')} || {rule} || ':' || left({text}, 200)"
    return _Cast(
        value, cell, f"CASE WHEN {text} IS NOT NULL AND {quoted(column.name)} IS NULL THEN {note} END"
    )
