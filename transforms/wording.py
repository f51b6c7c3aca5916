"""Numbers in words, for the texts that name a reason: whole columns at a time, the same everywhere."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from transforms.exact import divide, units

_CENTS_PER_UNIT = 100


def money(expression: pl.Expr) -> pl.Expr:
    """Write an amount as 1,234.50: two places, half-even; null stays null."""
    cents = divide(units(expression.abs()), pl.lit(_CENTS_PER_UNIT))
    whole_part = (cents // _CENTS_PER_UNIT).cast(pl.String)
    grouped = (
        whole_part.str.reverse().str.replace_all(r"(\d{3})", "${1},").str.strip_chars_end(",").str.reverse()
    )
    fraction = (cents % _CENTS_PER_UNIT).cast(pl.String).str.zfill(2)
    sign = pl.when((expression < 0) & (cents > 0)).then(pl.lit("−")).otherwise(pl.lit(""))
    return sign + grouped + pl.lit(".") + fraction


def number(expression: pl.Expr) -> pl.Expr:
    """Write a decimal without the zeros at its end, 0.250000 as 0.25; null stays null."""
    text = expression.cast(pl.String)
    trimmed = (
        pl.when(text.str.contains(".", literal=True))
        .then(text.str.strip_chars_end("0").str.strip_chars_end("."))
        .otherwise(text)
    )
    return trimmed.str.replace("-", "−", literal=True)


def bar(value: Decimal) -> str:
    """Write a policy's number as a person would: 150,000 or 0.6."""
    whole_number = value == value.to_integral_value()
    return f"{int(value):,}" if whole_number else format(value.normalize(), "f")


def sentence(*parts: pl.Expr, separator: str = "; ") -> pl.Expr:
    """Put the parts that are there one after another; null where none is."""
    joined = pl.concat_str(*parts, separator=separator, ignore_nulls=True)
    return pl.when(pl.any_horizontal(*(part.is_not_null() for part in parts))).then(joined)
