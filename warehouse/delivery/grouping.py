"""Which records a row of a canonical table is made of, and which columns of theirs it reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from expectations.contract import load as load_contract
from warehouse.delivery.profile import Source

# What of an SQL text names no column: comments and texts in quotes.
_NO_NAMES = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_NAME = re.compile(r"\w+")
_STAR = re.compile(r"(?<!\()\*|\bCOLUMNS\s*\(", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Grouping:
    """What the rows of a table that are made of several records have in common, by resource.

    `read` are the columns that its SELECT may read, of any resource; none where a row is made of one record. A record of a
    resource that is not in `groups` is a group of its own. `is_unknown` if the table is derived, and neither its profile nor its
    SELECT says of which records a row is made.
    """

    groups: Mapping[str, tuple[str, ...]]
    read: frozenset[str]
    is_unknown: bool = False

    def reads_more_than_groups(self, resource: str) -> bool:
        """Whether anything of a record counts but to which group it belongs."""
        return bool(self.read - set(self.groups.get(resource, ())))


def grouping(connection: duckdb.DuckDBPyConnection, source: Source, table: str) -> Grouping:
    """How a table's rows are grouped: as the profile says, otherwise as a derived table's SELECT shows it.

    The connection only parses.
    """
    mapping = source.profile.tables[table]
    columns = _shown(connection, source, table) if mapping.derived and mapping.grouped_by is None else ()
    groups = mapping.grouped_by or ({mapping.driving: columns} if columns else {})
    read = _read_columns(source, table) if groups or mapping.derived else frozenset[str]()
    return Grouping(groups, read, is_unknown=columns is None)


def _read_columns(source: Source, table: str) -> frozenset[str]:
    """The resources' columns that a table's SELECT may read, itself or by a view: those that are named in it."""
    drivers = source.profile.tables[table].drivers
    texts, names = [source.sql(table, each) for each in drivers], set[str]()
    views = dict(source.views)
    has_star = False
    while texts:
        text = _NO_NAMES.sub(" ", texts.pop())
        has_star = has_star or bool(_STAR.search(text))
        names |= {name.casefold() for name in _NAME.findall(text)}
        texts += [views.pop(name) for name in list(views) if name.casefold() in names]
    if has_star:
        names |= {name.casefold() for name in load_contract(table).column_names}
    return frozenset(
        column
        for resource in source.profile.resources.values()
        for column in resource.columns
        if column.casefold() in names
    )


def _shown(connection: duckdb.DuckDBPyConnection, source: Source, table: str) -> tuple[str, ...] | None:
    """The columns that a plain SELECT groups the driving resource by; none if it groups nothing, None if it is not plain."""
    mapping = source.profile.tables[table]
    [(text,)] = connection.execute(
        "SELECT json_serialize_sql(CAST(? AS VARCHAR))", [source.sql(table)]
    ).fetchall()
    statements: list[dict[str, Any]] = json.loads(text).get("statements", [])
    node = statements[0]["node"] if len(statements) == 1 else {}
    origin = node.get("from_table", {})
    if node.get("type") != "SELECT_NODE" or node["cte_map"]["map"] or origin.get("type") != "BASE_TABLE":
        return None
    if origin["table_name"].casefold() != mapping.driving.casefold():
        return None
    chosen: list[dict[str, Any]] = node["select_list"]
    known = {name.casefold(): name for name in source.profile.resources[mapping.driving].columns}
    if node["aggregate_handling"] == "FORCE_AGGREGATES":
        expressions = [each for each in chosen if not _holds_a_call(each)]
    else:
        expressions = [_resolved(each, chosen, known) for each in node["group_expressions"]]
    if not expressions:
        # One row a record, or one of several that are alike in what the row tells.
        return None if any(map(_holds_a_call, chosen)) else ()
    if any(each["class"] != "CONSTANT" and not _is_column(each) for each in expressions):
        return None
    columns = [each["column_names"][-1].casefold() for each in expressions if _is_column(each)]
    return tuple(known[name] for name in columns if name in known) or None


def _is_column(expression: Mapping[str, Any]) -> bool:
    return bool(expression["class"] == "COLUMN_REF")


def _resolved(
    expression: dict[str, Any], chosen: list[dict[str, Any]], known: Mapping[str, str]
) -> dict[str, Any]:
    """What `GROUP BY 1`, or an alias that is no column's name, stands for."""
    if expression["class"] == "CONSTANT" and isinstance(expression["value"].get("value"), int):
        place = expression["value"]["value"]
        return chosen[place - 1] if 1 <= place <= len(chosen) else expression
    if _is_column(expression) and len(expression["column_names"]) == 1:
        name = expression["column_names"][0].casefold()
        named = [each for each in chosen if each["alias"].casefold() == name]
        return named[0] if named and name not in known else expression
    return expression


def _holds_a_call(expression: object) -> bool:
    """Whether a function, which may sum up, or a window is called in it."""
    if isinstance(expression, Mapping):
        if expression.get("class") in {"FUNCTION", "WINDOW", "SUBQUERY"}:
            return True
        return any(_holds_a_call(part) for part in expression.values())
    return isinstance(expression, list) and any(_holds_a_call(part) for part in expression)
