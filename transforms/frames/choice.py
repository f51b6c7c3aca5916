"""Tables of rules: the first row whose condition holds is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable


def first_that_holds(rows: Iterable[tuple[pl.Expr, pl.Expr]]) -> pl.Expr:
    """Give the value of the first row (condition, value) whose condition holds; null does not hold.

    The last row is what is left: its condition is not asked. ValueError if there is no row.
    """
    *rules, (_, chosen) = rows
    for holds, value in reversed(rules):
        chosen = pl.when(holds.fill_null(value=False)).then(value).otherwise(chosen)
    return chosen
