"""A source's SELECT wrapped so that every column has the contract's type, and every misfit is noted beside the row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
    values, misfits = [], []
    for column in columns:
        if column.name not in given:
            absent = "false" if column.name == "is_deleted" else f"NULL::{column.type}"
            values.append(f"{absent} AS {quoted(column.name)}")
            continue
        value, misfit = _cast(column, given[column.name], where)
        values.append(f"{value} AS {quoted(column.name)}")
        misfits += [misfit] if misfit else []
        if latest and column.name == contract.own_date and not contract.is_undated:
            note = f"{literal(f'{column.name}:{TOO_FAR_AHEAD}:')} || CAST({value} AS VARCHAR)"
            misfits.append((f"CAST({value} AS DATE) > DATE '{latest}'", note))
    noted = problems
    if misfits:
        condition = " OR ".join(f"({test})" for test, _ in misfits)
        entries = ", ".join(f"CASE WHEN {test} THEN {entry} END" for test, entry in misfits)
        noted = (
            f"CASE WHEN {condition} THEN list_concat(coalesce({problems}, []::VARCHAR[]), "
            f"list_filter([{entries}], lambda entry: entry IS NOT NULL)) ELSE {problems} END"
        )
    excluded = "CAST(_excluded AS VARCHAR)" if "_excluded" in given else "NULL::VARCHAR"
    document = f"CAST(given.{quoted(whole_by)} AS VARCHAR)" if whole_by else "NULL::VARCHAR"
    return (
        f"SELECT {', '.join(values)}, {document} AS _document, _file, _row.number AS _row, {noted} AS _problems, "
        f"{excluded} AS _excluded FROM ({sql}) AS given"
    )


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


def _cast(column: Column, given: str, where: str) -> tuple[str, tuple[str, str] | None]:
    """The value as the contract types it, and, where it may not fit, the test for a misfit and its note."""
    name = f"given.{quoted(column.name)}"
    if column.name == "is_deleted":
        return f"coalesce(CAST({name} AS BOOLEAN), false)", None
    if column.type == "VARCHAR":
        value = name if given == "VARCHAR" else f"CAST({name} AS VARCHAR)"
        if not _is_identifier(column):
            return value, None
        note = f"{literal(f'{column.name}:invisible_character:')} || left({value}, 200)"
        return value, (f"has_invisible({value})", note)
    if given == column.type:
        return name, None
    if given in _LOSSY and column.type.startswith("DECIMAL"):
        raise SourceError(f"{where}: {column.name} is {given}, which loses digits: keep amounts DECIMAL")
    if given == "VARCHAR":
        return _from_text(column, name)
    cast = f"TRY_CAST({name} AS {column.type})"
    misfit = f"{name} IS NOT NULL AND {cast} IS NULL"
    if column.type.startswith(_NUMBERS):
        # A cast to fewer digits rounds.
        misfit = f"{name} IS NOT NULL AND ({cast} IS NULL OR {cast} <> {name})"
    rule = "too_many_digits" if column.type.startswith("DECIMAL") else "out_of_range"
    return cast, (misfit, f"{literal(f'{column.name}:{rule}:')} || CAST({name} AS VARCHAR)")


def _is_identifier(column: Column) -> bool:
    """Whether rows are found by its text, so that two that look alike must be one."""
    return (
        column.key_position is not None
        or column.refers_to is not None
        or column.name.endswith(("_id", "_code"))
        or column.name in {"currency", "uom"}
    )


def _from_text(column: Column, name: str) -> tuple[str, tuple[str, str]]:
    """A value that the SQL gives as text: numbers as plain digits with a point, dates as ISO 8601."""
    rule = literal(_WRONG_TYPE.get(column.type, "not_a_number"))
    cast = f"TRY_CAST({name} AS {column.type})"
    if column.type.startswith(_NUMBERS):
        scale = int(column.type.rstrip(")").split(",")[1]) if column.type.startswith("DECIMAL") else 0
        digits = f"decimal_text({name}, '.', NULL)"
        cast = f"CASE WHEN decimal_places({digits}) <= {scale} THEN TRY_CAST({digits} AS {column.type}) END"
        too_long = "true" if column.type.startswith("DECIMAL") else f"decimal_places({digits}) = 0"
        rule = f"CASE WHEN {digits} IS NOT NULL AND {too_long} THEN 'too_many_digits' ELSE {rule} END"
    note = f"{literal(column.name + ':')} || {rule} || ':' || left({name}, 200)"
    return cast, (f"{name} IS NOT NULL AND {cast} IS NULL", note)
