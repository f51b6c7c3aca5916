"""The rules a table's rows must keep, each with its name: what a row is quarantined for, and what the dictionary lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from expectations.contract import Column, Contract, RowRule

Kind = Literal["missing", "not_allowed", "out_of_range", "row", "rows", "unreadable", "duplicate"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a table: its name, its kind, the column it speaks of, and what to tell whoever broke it.

    `violated_where` is the DuckDB predicate of the rows that break it; null means "not broken".
    """

    name: str
    kind: Kind
    column: str | None
    message: str
    violated_where: str


def staging_rules(contract: Contract, schema: str) -> tuple[Rule, ...]:
    """The rules of a staged table that no contract can state, since they speak of the batch it came with, or of several rows."""
    copies = f'"{schema}"."{contract.name}__duplicates"'
    return (
        Rule(
            name="unreadable_value",
            kind="unreadable",
            column=None,
            message="a value cannot be read as its column's type",
            violated_where="_problems IS NOT NULL",
        ),
        Rule(
            name="duplicate_key",
            kind="duplicate",
            column=None,
            message="the batch holds another row of the same key",
            violated_where=f"(_file, _row) IN (SELECT (_file, _row) FROM {copies})",
        ),
        *(_succession_rules(f'"{schema}"."{contract.name}"') if contract.name == _SUCCESSIONS else ()),
    )


_SUCCESSIONS = "customer_successions"


def _succession_rules(staged: str) -> tuple[Rule, ...]:
    """What successions owe each other: no way leads back, and nobody is given over more than once."""
    live = f"""(SELECT DISTINCT old_customer_id, new_customer_id, valid_from, share FROM {staged}
        WHERE is_deleted IS NOT TRUE AND old_customer_id <> new_customer_id)"""
    leads_to = f"""WITH RECURSIVE leads_to AS (
        SELECT old_customer_id AS a, new_customer_id AS b FROM {live}
        UNION SELECT leads_to.a, link.new_customer_id FROM leads_to JOIN {live} AS link ON link.old_customer_id = leads_to.b)"""
    given = f"""(SELECT old_customer_id, valid_from,
        sum(coalesce(share, 1)) OVER (PARTITION BY old_customer_id ORDER BY valid_from) AS given FROM {live})"""
    return (
        Rule(
            name="succession_circle",
            kind="rows",
            column=None,
            message="successions of the batch lead back to the customer they begin with",
            violated_where="is_deleted IS NOT TRUE AND old_customer_id <> new_customer_id AND "
            f"(new_customer_id, old_customer_id) IN ({leads_to} SELECT (a, b) FROM leads_to)",
        ),
        Rule(
            name="succession_of_more_than_all",
            kind="rows",
            column=None,
            message="the shares that successors take of a customer up to this day are more than the whole",
            violated_where="is_deleted IS NOT TRUE AND (old_customer_id, valid_from) IN "
            f"(SELECT (old_customer_id, valid_from) FROM {given} WHERE given > 1)",
        ),
    )


def rules_of(contract: Contract) -> tuple[Rule, ...]:
    """Every rule the contract makes, in the order of its columns, then the rules over several columns."""
    of_columns = [rule for column in contract.columns for rule in _rules_of_column(column, contract)]
    return (*of_columns, *(_row_rule(rule) for rule in contract.rules if rule.column is None))


def listing(contract: Contract, schema: str) -> str:
    """A query of the staged rows of one table that break any rule: table_name, _file, _row."""
    broken = breaks_any(identity_rules(contract, schema), content_rules(contract))
    return f'SELECT \'{contract.name}\' AS table_name, _file, _row FROM "{schema}"."{contract.name}" WHERE {broken}'


def identity_rules(contract: Contract, schema: str) -> tuple[Rule, ...]:
    """What binds every staged row, tombstones too: readable values, one row a key, a key that is one."""
    of_key = [rule for rule in rules_of(contract) if rule.column in contract.key]
    return (*staging_rules(contract, schema), *of_key)


def content_rules(contract: Contract) -> tuple[Rule, ...]:
    """What binds the rows that are no tombstones beyond that: the rest of a deleted record may be empty."""
    return tuple(rule for rule in rules_of(contract) if rule.column not in contract.key)


def breaks_any(everywhere: Sequence[Rule], where_not_deleted: Sequence[Rule]) -> str:
    """The predicate of the rows that break any of the rules; those of the second kind do not bind tombstones."""
    identity = " OR ".join(f"({rule.violated_where})" for rule in everywhere)
    content = " OR ".join(f"({rule.violated_where})" for rule in where_not_deleted)
    tombstones_apart = f" OR (is_deleted IS NOT TRUE AND ({content}))" if content else ""
    return identity + tombstones_apart


def _rules_of_column(column: Column, contract: Contract) -> list[Rule]:
    name, quoted = column.name, f'"{column.name}"'
    rules = []
    if not column.nullable:
        rules.append(Rule(f"{name}_missing", "missing", name, f"{name} is missing", f"{quoted} IS NULL"))
    if column.allowed:
        values = ", ".join(f"'{value}'" for value in column.allowed)
        message = f"{name} is none of {', '.join(column.allowed)}"
        rules.append(Rule(f"{name}_not_allowed", "not_allowed", name, message, f"{quoted} NOT IN ({values})"))
    if column.minimum is not None or column.maximum is not None:
        bounds = {"<": column.minimum, ">": column.maximum}
        outside = [
            f"{quoted} {sign} {_literal(bound, column)}"
            for sign, bound in bounds.items()
            if bound is not None
        ]
        message = f"{name} is not {_range(column)}"
        rules.append(Rule(f"{name}_out_of_range", "out_of_range", name, message, " OR ".join(outside)))
    return [*rules, *(_row_rule(rule) for rule in contract.rules if rule.column == name)]


def _row_rule(rule: RowRule) -> Rule:
    return Rule(rule.name, "row", rule.column, rule.reason, rule.violated_where)


def _literal(bound: str, column: Column) -> str:
    return f"{column.type} '{bound}'" if column.type in {"DATE", "TIMESTAMP"} else bound


def _range(column: Column) -> str:
    if column.maximum is None:
        return f"{column.minimum} or more"
    if column.minimum is None:
        return f"{column.maximum} or less"
    return f"from {column.minimum} to {column.maximum}"
