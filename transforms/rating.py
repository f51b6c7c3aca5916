"""One rating period, from the facts to the tier the business sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.credit import credit_watch
from transforms.frames import columns_of, ending_at, needing
from transforms.measures import measure_customers
from transforms.measures.window import KEY
from transforms.periods import first_of_month
from transforms.schemas import CUSTOMER_VALUE_HISTORY
from transforms.scoring import score_customers
from transforms.segments import segment_customers
from transforms.tier_caps import CAP_COLUMNS, cap, effective_tier, override
from transforms.tier_memory import BEFORE, STATE_COLUMNS, remember
from transforms.tier_watch import watch
from transforms.tiers import rank, raw_tiers

if TYPE_CHECKING:
    from datetime import date

    from transforms.facts import Facts
    from transforms.policy import Policy

RECORDING: Final = ("revision", "recorded_at", "cause")
RATED: Final = columns_of(
    CUSTOMER_VALUE_HISTORY, (name for name in CUSTOMER_VALUE_HISTORY.names() if name not in RECORDING)
)
"""The columns of a rating: those of the history but for what writing it adds."""

_STATE: Final = columns_of(CUSTOMER_VALUE_HISTORY, (*KEY, *STATE_COLUMNS, *CAP_COLUMNS))


@dataclass(frozen=True, slots=True)
class RatedPeriod:
    """What one rating found. `values` is RATED, one row a rated customer; `credit` is CREDIT_WATCH, None without receivables."""

    values: pl.LazyFrame
    credit: pl.LazyFrame | None


def rate_period(
    facts: Facts, policy: Policy, *, closed_through: date, as_of: date, previous: pl.LazyFrame | None
) -> RatedPeriod:
    """Rate the month that ends with `closed_through`. A pure function of its arguments, in whatever order rows come.

    `previous`: the latest revision of each customer in the predecessor period (history columns), the state from which
    memory and caps step; None where nothing was rated before (the baseline). Measures, scores, raw tier and memory
    look back from `closed_through`; credit, caps and overrides from `as_of` (not before it). The same month rated again
    with the same `previous` advances nothing. Raises ValueError where the days do not fit together.
    Source: DOMAIN §1 and §4, DECISIONS 2 and 3.
    """
    if as_of < closed_through:
        raise ValueError(
            f"a rating of the month to {closed_through} cannot speak for {as_of}, before its end"
        )
    period = first_of_month(closed_through)
    credit = None if facts.receivables is None else credit_watch(facts, policy, as_of)
    scored = score_customers(measure_customers(facts, policy, closed_through), policy)
    tiered = raw_tiers(segment_customers(scored, policy), policy)
    remembered = remember(_after(tiered, previous, period), policy.memory, period)
    capped = cap(remembered, policy, as_of, credit=credit, confirmed_conduct=None)
    effective = override(capped, facts.tier_overrides, as_of).with_columns(effective_tier(policy.gates))
    watched = watch(effective, policy, period)
    values = watched.with_columns(
        pl.lit(period).alias("period"),
        pl.lit(closed_through).alias("closed_through"),
        pl.lit(as_of).alias("as_of"),
        pl.lit(policy.id).alias("policy_id"),
        pl.lit(policy.version).alias("policy_version"),
        pl.lit(policy.content_hash).alias("policy_hash"),
        rank("effective_tier").alias("effective_rank"),
    )
    return RatedPeriod(values=ending_at(values, RATED).sort(KEY), credit=credit)


def _after(tiered: pl.LazyFrame, previous: pl.LazyFrame | None, period: date) -> pl.LazyFrame:
    """Put the predecessor period's state beside this period's tiers; null for who was not rated then."""
    if previous is None:
        before = pl.LazyFrame(schema=_STATE)
    else:
        before = needing(previous.filter(pl.col("period") < period), _STATE)
    return tiered.join(
        before.rename({name: f"{name}{BEFORE}" for name in _STATE.names() if name not in KEY}),
        on=KEY,
        how="left",
        validate="1:1",
    )
