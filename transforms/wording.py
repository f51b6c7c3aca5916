"""Numbers in words, for the texts that name a reason: whole columns at a time, the same everywhere."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from transforms.exact import divide, units

_CENTS_PER_UNIT = 100


# Each operand stands once in these expressions: sentences nest them, and what stands twice is worked out twice a level.


def money(expression: pl.Expr) -> pl.Expr:
    """Write an amount as 1,234.50: two places, half-even; null stays null."""
    cents = divide(units(expression.abs()), pl.lit(_CENTS_PER_UNIT))
    backwards = cents.cast(pl.String).str.zfill(3).str.reverse().str.replace(r"^(\d\d)", "${1}.")
    grouped = backwards.str.replace_all(r"(\d{3})", "${1},").str.strip_chars_end(",").str.reverse()
    sign = pl.when(expression < 0).then(pl.lit("−")).otherwise(pl.lit(""))
    return (sign + grouped).replace("−0.00", "0.00")


def number(expression: pl.Expr) -> pl.Expr:
    """Write a decimal without the zeros at its end, 0.250000 as 0.25; null stays null."""
    trimmed = expression.cast(pl.String).str.replace(r"(\.\d*?)0+$", "${1}").str.strip_chars_end(".")
    return trimmed.str.replace("-", "−", literal=True)


def bar(value: Decimal) -> str:
    """Write a policy's number as a person would: 150,000 or 0.6."""
    whole_number = value == value.to_integral_value()
    return f"{int(value):,}" if whole_number else format(value.normalize(), "f")


def sentence(*parts: pl.Expr, separator: str = "; ") -> pl.Expr:
    """Put the parts that are there one after another; null where none is."""
    return pl.concat_str(*parts, separator=separator, ignore_nulls=True).replace("", None)
