"""What a conduct finding is made of, and how evidence is put into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.conform import conform_to
from transforms.frames.reasons import with_reasons
from transforms.frames.schemas import CONDUCT_FINDING
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from collections.abc import Iterable

CONFIRMED: Final = "confirmed"
SUSPECTED: Final = "suspected"
NONE: Final = "none"
OWN_CONCESSION: Final = "own_concession"
NOT_ASSESSABLE: Final = "not_assessable"
FLAGGED: Final = (SUSPECTED, CONFIRMED)
"""What speaks against a customer; an own concession does not."""

FINDING: Final = with_reasons(CONDUCT_FINDING, ("evidence",))
"""CONDUCT_FINDING before its evidence becomes text."""

FOUND: Final = pl.Schema({name: dtype for name, dtype in FINDING.items() if name not in {"kind", "as_of"}})
"""A finding of one kind: conduct_finding but for its kind and day. Grain: customer."""

_EVIDENCE_SHOWN: Final = 20  # references a finding lists; all of them lie in market_observations


def to_finding(assessed: pl.LazyFrame) -> pl.LazyFrame:
    """End at FOUND; a column the kind does not have is null."""
    known = assessed.collect_schema()
    missing = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in FOUND.items() if name not in known]
    return conform_to(assessed.with_columns(missing), FOUND)


def evidence_refs(column: str, where: pl.Expr) -> pl.Expr:
    """List the first references of a group's evidence on one line, in their own order, so not in that of the rows."""
    on_one_line = pl.col(column).str.replace_all(r"\s+", " ")
    return on_one_line.filter(where).unique().sort().head(_EVIDENCE_SHOWN).str.join(", ")


def not_assessable(customers: pl.LazyFrame, assessed: pl.LazyFrame | None, reason: str) -> pl.LazyFrame:
    """Give a row to every customer: what was found, else that nothing could be, and why."""
    unknown = customers.select(KEY).with_columns(confidence=pl.lit(NOT_ASSESSABLE), reason=pl.lit(reason))
    if assessed is None:
        return to_finding(unknown)
    # Collected, since it is read twice over: planned again each time it would take longer than it runs.
    found = assessed.collect().lazy()
    rest = unknown.join(found, on=KEY, how="anti")
    return pl.concat([found, to_finding(rest)])


def in_force(day: pl.Expr, names: Iterable[str] = ("valid_from", "valid_to")) -> pl.Expr:
    """Tell whether a row is in force on a day; an end that is null is open."""
    start, end = (pl.col(name) for name in names)
    return (start <= day) & (end.is_null() | (day <= end))
