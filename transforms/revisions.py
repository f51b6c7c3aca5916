"""What is new in a rating: the rows to write as revisions, the moves to tell, and the corrections of what was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.explain import drivers_text, score_terms
from transforms.frames import columns_of, ending_at, needing
from transforms.measures.window import KEY
from transforms.rating import RATED
from transforms.schemas import CUSTOMER_VALUE_HISTORY, TIER_CHANGE
from transforms.tier_caps import binds
from transforms.tiers import direction, rank
from transforms.wording import sentence

if TYPE_CHECKING:
    from transforms.policy import Policy

REVISION: Final = columns_of(
    CUSTOMER_VALUE_HISTORY, (name for name in CUSTOMER_VALUE_HISTORY.names() if name != "recorded_at")
)
"""A rating row to write: the history's columns but for the time it is written."""

MOVE: Final = columns_of(
    TIER_CHANGE,
    (name for name in TIER_CHANGE.names() if name not in {"event_id", "recorded_at", "supersedes"}),
)
"""A change of the effective tier: tier_change but for what telling it adds."""

_SAME_ANYWAY: Final = {*KEY, "period", "as_of"}
_COMPARED: Final = tuple(name for name in RATED.names() if name not in _SAME_ANYWAY)
_OVERRIDE: Final = ("override_tier", "override_owner", "override_reason", "override_valid_to")
_THEN: Final = "_then"


def revise(
    rated: pl.LazyFrame,
    *,
    stored: pl.LazyFrame | None,
    previous: pl.LazyFrame | None,
    is_closed: bool,
    corrected: pl.LazyFrame | None = None,
) -> pl.LazyFrame:
    """Keep the rated rows that differ from what is stored of their period. Grain: customer; ends at REVISION.

    `stored`: the latest revisions of the same period (None: never rated); `previous`: those of the predecessor (None:
    none). Two rows differ if any column but as_of, revision, recorded_at and cause does; nulls are equal to each other.
    `is_closed`: a later period has been rated already, or is rated by the same run. `corrected`: customers (key) of whom this run corrected an earlier period.
    `cause`: baseline (nothing was rated before), correction (a closed period, or one that follows from it),
    policy_change (another policy than in the row compared with), override (another override), else data. Compared with
    is the stored row of the period, else that of the predecessor. Source: DOMAIN §4, DECISIONS 4.
    """
    of_period, before = _reference(stored), _reference(previous)
    is_first = stored is None and previous is None
    compared = (
        rated.join(of_period.rename(_then("stored")), on=KEY, how="left", validate="1:1")
        .join(before.rename(_then("previous")), on=KEY, how="left", validate="1:1")
        .join(_flagged(corrected), on=KEY, how="left", validate="1:1")
        .filter(pl.col(f"revision{_THEN}_stored").is_null() | _differs())
        .with_columns(
            revision=(pl.col(f"revision{_THEN}_stored").fill_null(0) + 1).cast(pl.Int32),
            cause=pl.lit("baseline") if is_first else _cause(is_closed=is_closed),
        )
    )
    return ending_at(compared, REVISION).sort(KEY)


def moves(revised: pl.LazyFrame, shown: pl.LazyFrame | None, policy: Policy) -> pl.LazyFrame:
    """List the changes of the effective tier. Grain: customer; ends at MOVE.

    `revised`: REVISION rows of the current period; `shown`: what each customer's latest written rating was before this
    run (history columns; None: nothing was), so that a customer's first rating moves from null. `reasons`: what holds
    the tier now, and the terms of the score's change, largest first. `direction` is lateral between equal ranks.
    """
    then = _reference(shown)
    moved = (
        revised.join(then.rename(_then("shown")), on=KEY, how="left", validate="1:1")
        .filter(pl.col("effective_tier").ne_missing(pl.col(f"effective_tier{_THEN}_shown")))
        .collect()
        .lazy()
    )
    movers = moved.select(KEY)
    terms = score_terms(
        revised.join(movers, on=KEY, how="semi"),
        None if shown is None else shown.join(movers, on=KEY, how="semi"),
        policy,
    )
    moved = moved.join(terms, on=KEY, how="left", validate="1:1")
    return ending_at(
        moved.with_columns(
            from_tier=pl.col(f"effective_tier{_THEN}_shown"),
            from_rank=pl.col(f"effective_rank{_THEN}_shown"),
            to_tier=pl.col("effective_tier"),
            to_rank=pl.col("effective_rank"),
            segment_from=pl.col(f"segment{_THEN}_shown"),
            segment_to=pl.col("segment"),
            score_from=pl.col(f"score{_THEN}_shown"),
            score_to=pl.col("score"),
        ).with_columns(direction=direction(pl.col("from_rank"), rank("to_tier")), reasons=_reasons()),
        MOVE,
    ).sort(KEY)


def corrections(revised: pl.LazyFrame, superseded: pl.LazyFrame) -> pl.LazyFrame:
    """List the published periods whose tier or segment a run corrected. Grain: customer with at least one.

    `revised`: the REVISION rows a run writes for closed periods; `superseded`: the latest stored revisions of those
    periods. Columns: the key and `periods`, in order, each with period, revision, from and to effective tier and segment.
    A closed period rated for the first time corrects nothing. Source: DECISIONS 4.
    """
    then = superseded.select(*KEY, "period", "effective_tier", "segment")
    return (
        revised.join(then, on=[*KEY, "period"], how="inner", suffix=_THEN, validate="m:1")
        .filter(
            (pl.col("effective_tier") != pl.col(f"effective_tier{_THEN}"))
            | (pl.col("segment") != pl.col(f"segment{_THEN}"))
        )
        .select(
            *KEY,
            pl.struct(
                "period",
                "revision",
                from_tier=f"effective_tier{_THEN}",
                to_tier="effective_tier",
                segment_from=f"segment{_THEN}",
                segment_to="segment",
            ).alias("corrected"),
        )
        .group_by(KEY)
        .agg(periods=pl.col("corrected").sort())
        .sort(KEY)
    )


def _reference(rows: pl.LazyFrame | None) -> pl.LazyFrame:
    if rows is None:
        return pl.LazyFrame(schema=CUSTOMER_VALUE_HISTORY).drop("recorded_at")
    return needing(rows, REVISION)


def _then(which: str) -> dict[str, str]:
    return {name: f"{name}{_THEN}_{which}" for name in REVISION.names() if name not in KEY}


def _flagged(corrected: pl.LazyFrame | None) -> pl.LazyFrame:
    keys = pl.LazyFrame(schema=dict.fromkeys(KEY, pl.String())) if corrected is None else corrected
    return keys.select(KEY).unique().with_columns(is_corrected=pl.lit(value=True))


def _differs() -> pl.Expr:
    return pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}{_THEN}_stored")) for name in _COMPARED)


def _cause(*, is_closed: bool) -> pl.Expr:
    is_revised = pl.col(f"revision{_THEN}_stored").is_not_null()
    is_correction = is_revised & (pl.lit(is_closed) | pl.col("is_corrected").fill_null(value=False))

    def compared(column: str) -> pl.Expr:
        stored, previous = pl.col(f"{column}{_THEN}_stored"), pl.col(f"{column}{_THEN}_previous")
        return pl.when(is_revised).then(stored).otherwise(previous)

    has_reference = compared("policy_hash").is_not_null()
    other_override = pl.any_horizontal(pl.col(name).ne_missing(compared(name)) for name in _OVERRIDE)
    return (
        pl.when(is_correction)
        .then(pl.lit("correction"))
        .when(has_reference & (pl.col("policy_hash") != compared("policy_hash")))
        .then(pl.lit("policy_change"))
        .when(has_reference & other_override | ~has_reference & pl.col("override_tier").is_not_null())
        .then(pl.lit("override"))
        .otherwise(pl.lit("data"))
    )


def _reasons() -> pl.Expr:
    """What holds the tier now, then the score's terms."""
    by_hand = pl.format("override by {}: {}", "override_owner", "override_reason")
    return sentence(
        pl.when(pl.col("override_tier").is_not_null()).then(by_hand),
        pl.when(binds()).then(pl.format("cap: {}", "cap_reason")),
        pl.when(pl.col("gate").is_not_null()).then(pl.format("gate: {}", "gate")),
        drivers_text(),
    )
