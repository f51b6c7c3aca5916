"""One rating period, from the facts to the tier the business sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.conduct.findings import conduct_findings, confirmed_conduct
from transforms.credit.watch import credit_watch
from transforms.facts.continued import from_the_main_one
from transforms.facts.handover import succeed
from transforms.facts.succession import still_customers
from transforms.frames.conform import columns_of, conform_to, require_columns
from transforms.frames.periods import first_of_month
from transforms.frames.reasons import with_reasons
from transforms.frames.schemas import CUSTOMER_VALUE_HISTORY
from transforms.measures import measure_customers
from transforms.measures.customers import billed_by_the_ledger
from transforms.measures.feedback import announced_feedback
from transforms.measures.window import KEY, Window
from transforms.rating import decline
from transforms.rating.rules_version import RULES_VERSION
from transforms.scoring.scores import score_customers
from transforms.scoring.segments import segment_customers, with_ledger, with_succession
from transforms.tiers.caps import CAP_COLUMNS, cap, effective_tier, override
from transforms.tiers.expected import watch
from transforms.tiers.memory import BEFORE, STATE_COLUMNS, remember
from transforms.tiers.raw import rank, raw_tiers

if TYPE_CHECKING:
    from datetime import date

    from transforms.facts.as_of import AsOfFacts
    from transforms.facts.model import Facts
    from transforms.policy.model import Policy

RECORDING: Final = ("revision", "recorded_at", "cause", "cause_reason")
TOLD: Final = ("unassessed", "cap_reason", "watch_gap", "decline_reason")
"""The columns of a rating that give reasons; the history keeps them as text."""

RATED: Final = with_reasons(
    columns_of(
        CUSTOMER_VALUE_HISTORY, (name for name in CUSTOMER_VALUE_HISTORY.names() if name not in RECORDING)
    ),
    TOLD,
)
"""The columns of a rating: those of the history but for what writing it adds."""

_CAPS: Final = columns_of(CUSTOMER_VALUE_HISTORY, (*KEY, *CAP_COLUMNS))
_STATE: Final = columns_of(CUSTOMER_VALUE_HISTORY, (*KEY, *STATE_COLUMNS, *CAP_COLUMNS, *decline.MEMORY))


@dataclass(frozen=True, slots=True)
class RatedPeriod:
    """What one rating found.

    `values` is RATED, one row a rated customer; `credit` is `credit.WATCHED`, None without receivables; `conduct` is
    CONDUCT_FINDING, one row a customer and kind.
    """

    values: pl.LazyFrame
    credit: pl.LazyFrame | None
    conduct: pl.LazyFrame


def rate_period(
    facts: Facts,
    policy: Policy,
    *,
    closed_through: date,
    as_of: date,
    previous: pl.LazyFrame | None,
    stored: pl.LazyFrame | None = None,
    sales: pl.LazyFrame | None = None,
    judged_by: AsOfFacts | None = None,
) -> RatedPeriod:
    """Rate the month that ends with `closed_through`. A pure function of its arguments, in whatever order rows come.

    `previous`: the latest revision of each customer in the predecessor period (history columns), the state from which
    memory, caps and decline step; None where nothing was rated before (the baseline). Measures, scores, raw tier, memory
    and decline look back from `closed_through`; credit, caps and overrides from `as_of` (not before it). The same month rated again
    with the same `previous` advances nothing; `stored`, its own latest revisions, only tell of caps that began within it.
    `sales` are SALES_CELL rows of 24 months, None where they are not kept: conduct then has less to go by, no cost is
    estimated, and no change is split into price and quantity. `judged_by`: the facts, and sales cells, by which credit and conduct are judged
    where those of value are only supposed; None: the same. Who is succeeded on `as_of` is `succeeded`, and its successor is rated
    as one continuous customer: by the facts of both, and from what the predecessor period knew of whom it continues.
    Raises ValueError where the days do not fit together.
    Source: docs/figures.md, Time, Tiers.
    """
    if as_of < closed_through:
        raise ValueError(
            f"a rating of the month to {closed_through} cannot speak for {as_of}, before its end"
        )
    period = first_of_month(closed_through)
    facts, sales = succeed(facts, sales, as_of)
    judged, judged_sales = facts, sales
    if judged_by is not None:
        judged, judged_sales = succeed(judged_by.facts, judged_by.sales, as_of)
    judged = still_customers(judged)
    # What is read several times over by what follows is computed once: left lazy, it would be planned again each time.
    measured = measure_customers(facts, policy, closed_through, sales).collect().lazy()
    credit = None if judged.receivables is None else credit_watch(judged, policy, as_of).collect().lazy()
    conduct = conduct_findings(judged, policy, as_of, sales=judged_sales).collect().lazy()
    can_confirm = judged.receivables is not None or judged.market_observations is not None
    scored = score_customers(measured, policy).collect().lazy()
    window = Window(closed_through)
    segmented = with_ledger(segment_customers(scored, policy), billed_by_the_ledger(facts, window))
    segmented = with_succession(segmented, facts.succession)
    tiered = raw_tiers(segmented, policy)
    before = _before(previous, period, facts.succession)
    after = _with_caps_of_the_period(
        tiered.join(before, on=KEY, how="left", validate="1:1"), _now(stored, period, facts.succession), as_of
    )
    remembered = remember(after, policy.memory, period)
    capped = cap(
        remembered,
        policy,
        as_of,
        credit=credit,
        confirmed_conduct=confirmed_conduct(conduct) if can_confirm else None,
    )
    effective = override(capped, facts.tier_overrides, as_of).with_columns(effective_tier(policy.gates))
    announced = announced_feedback(measured, facts, window, policy.feedback)
    watched = watch(effective, policy, period, announced).collect().lazy()
    declined = decline.tell_decline(watched, facts, policy, window)
    values = declined.with_columns(
        pl.lit(period).alias("period"),
        pl.lit(closed_through).alias("closed_through"),
        pl.lit(as_of).alias("as_of"),
        pl.lit(policy.id).alias("policy_id"),
        pl.lit(policy.version).alias("policy_version"),
        pl.lit(policy.content_hash).alias("policy_hash"),
        pl.lit(RULES_VERSION).alias("rules_version"),
        rank("effective_tier").alias("effective_rank"),
    )
    return RatedPeriod(values=conform_to(values, RATED).sort(KEY), credit=credit, conduct=conduct)


def _with_caps_of_the_period(after: pl.LazyFrame, now: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """Let a cap that was seen to begin on an earlier day of this same period stand before the predecessor's.

    Such a cap has no clean period yet; one carried over from the predecessor has counted this one already. What was seen on
    the day itself is seen anew; since when a customer is capped, the predecessor may know better. Adds `capped_in_period`.
    """
    began = now.filter(pl.col("cap_clean_periods") == 0, pl.col("cap_since") < as_of).rename(
        {name: f"{name}_now" for name in CAP_COLUMNS}
    )
    return (
        after.join(began, on=KEY, how="left", validate="1:1")
        .with_columns(capped_in_period=pl.col("cap_tier_now").is_not_null())
        .with_columns(
            pl.when("capped_in_period")
            .then(f"{name}_now")
            .otherwise(f"{name}{BEFORE}")
            .alias(f"{name}{BEFORE}")
            for name in CAP_COLUMNS
            if name != "cap_since"
        )
        .with_columns(pl.min_horizontal("cap_since_now", f"cap_since{BEFORE}").alias(f"cap_since{BEFORE}"))
        .drop(f"{name}_now" for name in CAP_COLUMNS)
    )


def _now(stored: pl.LazyFrame | None, period: date, succession: pl.LazyFrame | None) -> pl.LazyFrame:
    """Give the caps as they were stored of this same period; none where it was not rated yet. Grain: customer."""
    if stored is None:
        return pl.LazyFrame(schema=_CAPS)
    rows = stored.filter(pl.col("period") == period)
    return require_columns(from_the_main_one(rows, succession, own_first=False), _CAPS)


def _before(previous: pl.LazyFrame | None, period: date, succession: pl.LazyFrame | None) -> pl.LazyFrame:
    """Give the predecessor period's state, in columns that end in `_before`. Grain: customer rated then, or continuing one that was."""
    if previous is None:
        before = pl.LazyFrame(schema=_STATE)
    else:
        rows = previous.filter(pl.col("period") < period)
        before = require_columns(from_the_main_one(rows, succession, own_first=False), _STATE)
    return before.rename({name: f"{name}{BEFORE}" for name in _STATE.names() if name not in KEY})
