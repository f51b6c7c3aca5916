"""From a contract to a Great Expectations suite: one expectation a rule, each carrying the rule's name."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

import great_expectations as gx
import great_expectations.expectations as gxe

from expectations.business import breaks_any, every_value_was_readable, no_row_breaks, no_row_is_listed_of
from expectations.rules import Rule, rules_of, staging_rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from expectations.contract import Column, Contract

RULE_KEY: Final = "rule"


def contract_suite(contract: Contract) -> gx.ExpectationSuite:
    """What the contract alone asks of a table: one expectation a rule of it."""
    return rule_suite(contract, rules_of(contract))


def rule_suite(contract: Contract, rules: Sequence[Rule]) -> gx.ExpectationSuite:
    """A suite of one expectation a rule, in the rules' order."""
    suite = gx.ExpectationSuite(name=contract.name)
    for rule in rules:
        expectation = _expectation(rule, contract)
        expectation.meta = {RULE_KEY: rule.name}
        expectation.notes = rule.message
        suite.expectations.append(expectation)
    return suite


def clean_suite(tables: Sequence[str]) -> gx.ExpectationSuite:
    """A suite for the list of rows that break a rule, one expectation a table: none of its rows is listed."""
    suite = gx.ExpectationSuite(name="clean")
    for table in tables:
        expectation = no_row_is_listed_of(table)
        expectation.meta = {RULE_KEY: table}
        suite.expectations.append(expectation)
    return suite


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


def _expectation(rule: Rule, contract: Contract) -> gxe.Expectation:
    if rule.kind == "unreadable":
        return every_value_was_readable()
    if rule.column is None or rule.kind == "row":
        return no_row_breaks(rule)
    column = contract.column(rule.column)
    if rule.kind == "missing":
        return gxe.ExpectColumnValuesToNotBeNull(column=column.name)
    if rule.kind == "not_allowed":
        return gxe.ExpectColumnValuesToBeInSet(column=column.name, value_set=list(column.allowed))
    return gxe.ExpectColumnValuesToBeBetween(
        column=column.name,
        min_value=_bound(column, column.minimum),
        max_value=_bound(column, column.maximum),
    )


def _bound(column: Column, text: str | None) -> date | float | None:
    """A bound as Great Expectations takes it; of a timestamp's, its day."""
    if text is None:
        return None
    return date.fromisoformat(text[:10]) if column.type in {"DATE", "TIMESTAMP"} else float(text)
