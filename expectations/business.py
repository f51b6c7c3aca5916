"""Hand-written expectations that no contract can state, since they speak of a batch and not of a table's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import great_expectations.expectations as gxe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from expectations.rules import Rule


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


def breaks_any(everywhere: Sequence[Rule], where_not_deleted: Sequence[Rule]) -> str:
    """The predicate of the rows that break any of the rules; those of the second kind do not bind tombstones."""
    identity = " OR ".join(f"({rule.violated_where})" for rule in everywhere)
    content = " OR ".join(f"({rule.violated_where})" for rule in where_not_deleted)
    tombstones_apart = f" OR (is_deleted IS NOT TRUE AND ({content}))" if content else ""
    return identity + tombstones_apart


def _no_rows_where(predicate: str) -> gxe.Expectation:
    # Braces would be taken for parameters of the query by Great Expectations, and colons by SQLAlchemy.
    escaped = predicate.replace("{", "{{").replace("}", "}}").replace(":", "\\:")
    return gxe.UnexpectedRowsExpectation(
        unexpected_rows_query=f"SELECT _file, _row FROM {{batch}} WHERE {escaped}"
    )
