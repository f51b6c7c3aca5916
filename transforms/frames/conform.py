"""Frames at the borders of this room: what comes in has the columns a rule needs, what goes out is its contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable


def columns_of(schema: pl.Schema, names: Iterable[str]) -> pl.Schema:
    """Take some columns of a contract's schema; KeyError for a column the contract does not have."""
    return pl.Schema({name: schema[name] for name in names})


def require_columns(frame: pl.LazyFrame, schema: pl.Schema) -> pl.LazyFrame:
    """Keep the columns of `schema`; polars raises when it is collected if one is missing or of another type."""
    return frame.match_to_schema(schema, extra_columns="ignore").select(schema.names())


def conform_to(frame: pl.LazyFrame, schema: pl.Schema) -> pl.LazyFrame:
    """End a transform at its contract: exactly these columns, in this order and of these types.

    Raises, when collected, where a value does not fit its type; nothing is cut off or made null.
    """
    return frame.select(schema.names()).cast(schema).match_to_schema(schema)
