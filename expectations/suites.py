"""From a contract to a Great Expectations suite: one expectation a rule, each carrying the rule's name."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

import great_expectations as gx
import great_expectations.expectations as gxe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from expectations.contract import Column, Contract
    from expectations.rules import Rule

RULE_KEY: Final = "rule"


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


def every_value_was_readable() -> gxe.Expectation:
    """No staged row carries a problem its profile met while casting; a problem names column, rule and raw text.

    A value that could not be cast arrives as null, which in a nullable column no other rule would notice.
    """
    return gxe.ExpectColumnValuesToBeNull(column="_problems")


def no_row_breaks(rule: Rule) -> gxe.Expectation:
    """No row meets the rule's predicate.

    It selects what is violated, not what is not fulfilled: a predicate that comes out null, since a nullable column is
    empty, is no violation, and an `OR` still finds the condition that holds beside it. Duplicates are found this way
    too, in a small table that staging fills by key hash: Great Expectations' own compound uniqueness takes seconds on
    ten million rows.
    """
    return _no_rows_where(rule.violated_where)


def no_row_is_listed_of(table: str) -> gxe.Expectation:
    """A list of the rows that break any rule, in a column `table_name`, names none of that table."""
    return _no_rows_where(f"table_name = '{table}'")


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


def _no_rows_where(predicate: str) -> gxe.Expectation:
    # Braces would be taken for parameters of the query by Great Expectations, and colons by SQLAlchemy.
    escaped = predicate.replace("{", "{{").replace("}", "}}").replace(":", "\\:")
    return gxe.UnexpectedRowsExpectation(
        unexpected_rows_query=f"SELECT _file, _row FROM {{batch}} WHERE {escaped}"
    )
