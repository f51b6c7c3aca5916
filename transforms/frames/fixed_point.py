"""Exact arithmetic on money and ratios: whole numbers of the smallest unit, and one rounding at the end.

Sums of binary fractions differ from run to run, since their order does. So sums and products are taken on 128-bit
whole numbers (an amount of 1.5 at 4 places is 15000 units), quotients are rounded once, half to even, and a
result does not depend on the order of rows. Amounts up to 10¹⁴ a customer and month, the most one line's DECIMAL(18,4)
can hold, stay within 128 bits even squared.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

MONEY_PLACES: Final = 4
QUANTITY_PLACES: Final = 6
RATIO_PLACES: Final = 6
SCORE_PLACES: Final = 4

MONEY_SUM: Final = pl.Decimal(38, MONEY_PLACES)
RATIO: Final = pl.Decimal(9, RATIO_PLACES)
WIDE_RATIO: Final = pl.Decimal(18, RATIO_PLACES)
SCORE: Final = pl.Decimal(7, SCORE_PLACES)

_DIVISOR: Final = "_divisor"


def to_scaled_int(column: str | pl.Expr, places: int = MONEY_PLACES) -> pl.Expr:
    """Express a decimal or whole number in whole units of 10⁻ᵖˡᵃᶜᵉˢ (Int128); null stays null."""
    expression = pl.col(column) if isinstance(column, str) else column
    return expression.cast(pl.Decimal(38, places)).to_physical()


def scaled_int_of(number: Decimal | int, places: int = MONEY_PLACES) -> int:
    """Express a policy's number in whole units of 10⁻ᵖˡᵃᶜᵉˢ; it must not have more places than that."""
    scaled = Decimal(number).scaleb(places)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{number} has more than {places} decimal places")
    return int(scaled)


def int128(number: int) -> pl.Expr:
    """Make a 128-bit literal, for numbers that do not fit into 64."""
    return pl.lit(number, dtype=pl.Int128)


def div_half_even(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Divide whole numbers, half to even; null where the denominator is null or not positive."""
    # By way of a struct, so that each operand stands once in the expression: quotients of quotients would else repeat
    # them a dozen times a level, and planning would take longer than dividing.
    dividend, divisor, floor, twice_rest = (pl.field(name) for name in ("n", "d", "floor", "twice_rest"))
    up = (twice_rest > divisor) | ((twice_rest == divisor) & (floor % 2 != 0))
    return (
        pl.struct(n=numerator, d=denominator.cast(pl.Int128))
        .struct.with_fields(d=pl.when(divisor > 0).then(divisor))
        .struct.with_fields(floor=dividend // divisor)
        .struct.with_fields(twice_rest=2 * (dividend - floor * divisor))
        .struct.with_fields(quotient=floor + up.cast(pl.Int128))
        .struct.field("quotient")
    )


def from_scaled_int(expression: pl.Expr, dtype: pl.Decimal) -> pl.Expr:
    """Turn whole units of the type's own scale back into its decimal."""
    return (expression.cast(pl.Decimal(38, 0)) * pl.lit(Decimal(1).scaleb(-dtype.scale))).cast(dtype)


def ratio(numerator: pl.Expr, denominator: pl.Expr, dtype: pl.Decimal = RATIO) -> pl.Expr:
    """Divide whole numbers into a decimal, rounded once, half to even; null where the denominator is not positive."""
    return from_scaled_int(div_half_even(numerator.cast(pl.Int128) * 10**dtype.scale, denominator), dtype)


def with_rounded_shares(frame: pl.LazyFrame, parts: Mapping[str, pl.Expr], divisor: pl.Expr) -> pl.LazyFrame:
    """Add each part ÷ `divisor` in whole units, under its name, so that they sum to the rounded whole. Grain and row order are kept.

    Not the parts but their running sum is rounded, in the order given, and a part gets the step it makes: each is within a
    unit of its exact value, one of 0 has exactly 0, and no rest is left. A null part is 0; all are
    null where the divisor is null or not positive.
    """
    # In columns of their own: within one expression each sum and each quotient would hold all those before it, twice.
    names = list(parts)
    quotients = {
        _running(name): div_half_even(pl.sum_horizontal(map(_part, names[:place])), pl.col(_DIVISOR))
        for place, name in enumerate(names, start=1)
    }
    steps = {
        name: pl.col(_running(name)) - (int128(0) if before is None else pl.col(_running(before)))
        for before, name in pairwise([None, *names])
        if name is not None
    }
    return (
        frame.with_columns(
            divisor.alias(_DIVISOR), **{_part(name): part.fill_null(0) for name, part in parts.items()}
        )
        .with_columns(**quotients)
        .with_columns(**steps)
        .drop(_DIVISOR, *map(_part, names), *map(_running, names))
    )


def rounded(expression: pl.Expr, dtype: pl.Decimal = RATIO) -> pl.Expr:
    """Round a binary fraction once, half to even, into a decimal; null and NaN become null."""
    scaled = (expression.fill_nan(None) * 10**dtype.scale).round(0, mode="half_to_even")
    return from_scaled_int(scaled.cast(pl.Int128), dtype)


def sum_or_null(expression: pl.Expr) -> pl.Expr:
    """Sum within a group; null where the group has no value at all (polars would say 0)."""
    return pl.when(expression.is_not_null().any()).then(expression.sum())


def begins(group: str) -> pl.Expr:
    """Tell the first row of each group whose rows lie together."""
    return pl.col(group).ne_missing(pl.col(group).shift(1))


def running_sum(amount: str, group: str) -> pl.Expr:
    """Sum whole numbers row by row within each group, whose rows lie together in the order in which they are summed.

    By one pass over all rows: with many small groups, `over` takes twenty times as long.
    """
    total = pl.col(amount).cum_sum()
    return total - pl.when(begins(group)).then(total - pl.col(amount)).forward_fill()


def _part(name: str) -> str:
    return f"_part_of_{name}"


def _running(name: str) -> str:
    return f"_running_to_{name}"
