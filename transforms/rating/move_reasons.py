"""Why a tier moved: the period it is compared with, and what happened since, the strongest reason first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.fixed_point import WIDE_RATIO, ratio, to_scaled_int
from transforms.frames.periods import YEAR
from transforms.frames.reasons import joined, reason, reasons
from transforms.measures.window import KEY
from transforms.rating.explain_score import drivers
from transforms.tiers.caps import binds, cap_causes
from transforms.tiers.gaps import Requirement, for_each_bar, requirements
from transforms.tiers.raw import STATES, keep_bars, rank, reach_bars

if TYPE_CHECKING:
    from transforms.policy.model import Policy

BASE: Final = "_base"
"""What a mover was in its base period."""

_BEFORE: Final = "_before"
_STATE: Final = (
    "memory_tier",
    "effective_tier",
    "override_tier",
    "override_owner",
    "override_valid_to",
    "cap_tier",
    "cap_since",
)
_RUNS: Final = {
    "up": "periods_up",
    "down": "periods_down",
    "lateral": "periods_lateral",
    "cap_over": "cap_clean_periods",
}
_PRICE_CHANGE: Final = "_price_change"
_TOP: Final = "strategic"


def base_rows(movers: pl.LazyFrame, earlier: pl.LazyFrame) -> pl.LazyFrame:
    """Choose for each mover the rating it is compared with. Grain: customer that has one; the columns of `earlier`.

    `movers`: rating rows of one period; `earlier`: the latest revisions of the same customers in the periods before it. The
    base is the last period before the run of the move began: the last one that did not yet speak for it, or in which a
    cap that has ended still had its cause. Where a cap or an override sets in, an override ends, or what moved the tier
    is a revision of the period itself, it is the period before. None where the customer leaves a state, or was not rated
    before. Source: docs/figures.md, Tiers.
    """
    how = _with_state_before(movers, earlier).select(*KEY, how=_how())
    is_before_the_run = pl.lit(value=True)
    for run, column in _RUNS.items():
        is_before_the_run = (
            pl.when(pl.col("how") == run).then(pl.col(column).fill_null(0) == 0).otherwise(is_before_the_run)
        )
    return (
        earlier.join(how.filter(pl.col("how").is_not_null()), on=KEY, how="inner", validate="m:1")
        .filter(is_before_the_run.fill_null(value=False))
        .filter(pl.col("period") == pl.col("period").max().over(KEY))
        .drop("how")
    )


def move_reasons(
    movers: pl.LazyFrame, base: pl.LazyFrame, earlier: pl.LazyFrame, policy: Policy
) -> pl.LazyFrame:
    """Say why each mover moved. Grain: customer of `movers`; the key and `reasons`.

    `movers`: rating rows with the terms of the score's change since the base; `base`: as `base_rows` gives it. In this
    order: an override; a cap, or the end of one; late facts, a succession, other rules or another policy; the bars that were crossed, by the margin of the policy;
    what happened to the business: net sales then and now, quantity and price within a year (neither where both are as they were, no
    growth on a year in which it only began), the last order where it is
    overdue by the customer's own rhythm; and the terms of the score, largest first. Source: docs/figures.md, Tiers.
    """
    met = [met.alias(f"met_{each.measure}{BASE}") for each, met in _met(policy)]
    then = base.select(*KEY, pl.col("net_sales_12m").alias(f"net_sales_12m{BASE}"), *met)
    told = (
        _with_state_before(movers, earlier)
        .join(then, on=KEY, how="left", validate="1:1")
        .with_columns(_price_change().alias(_PRICE_CHANGE), how=_how())
    )
    said = {
        "override": reasons(*_override()),
        "cap": pl.when(binds()).then(reasons(reason("cap"), *cap_causes())),
        "cap_over": pl.when(pl.col("how") == "cap_over").then(_cap_over()),
        "recorded_anew": reasons(*_recorded_anew()),
        "gate": reasons(pl.when(pl.col("gate").is_not_null()).then(reason("gate", subject=pl.col("gate")))),
        "fallen": pl.when(pl.col("how") == "down").then(_fallen(policy)),
        "risen": pl.when(pl.col("how") == "up").then(_risen(policy)),
        "across": pl.when(pl.col("how") == "lateral").then(_across(policy)),
        "business": reasons(*_business()),
        "drivers": drivers(),
    }
    # In columns of their own first: within one expression each would be checked anew at every level above it.
    return told.select(*KEY, **said).select(*KEY, reasons=joined(*map(pl.col, said)))


def _with_state_before(movers: pl.LazyFrame, earlier: pl.LazyFrame) -> pl.LazyFrame:
    state = (*_STATE, *(name for name in earlier.collect_schema().names() if name.startswith("capped_by_")))
    before = earlier.filter(pl.col("period") == pl.col("period").max().over(KEY)).select(
        *KEY, *(pl.col(name).alias(f"{name}{_BEFORE}") for name in state)
    )
    return movers.join(before, on=KEY, how="left", validate="1:1")


def _how() -> pl.Expr:
    """Name what moved the tier; null where there is nothing to compare it with."""
    before, now = pl.col(f"memory_tier{_BEFORE}"), pl.col("memory_tier")
    other_override = pl.col("override_tier").ne_missing(pl.col(f"override_tier{_BEFORE}"))
    was_capped = pl.col(f"cap_tier{_BEFORE}").is_not_null() & (pl.col(f"effective_tier{_BEFORE}") != before)
    cap_set = binds() & pl.col("cap_tier").ne_missing(pl.col(f"cap_tier{_BEFORE}"))
    return (
        pl.when(before.is_null())
        .then(None)
        .when(other_override)
        .then(pl.lit("override"))
        .when(cap_set)
        .then(pl.lit("cap"))
        .when(was_capped & pl.col("cap_tier").is_null())
        .then(pl.lit("cap_over"))
        .when(before.is_in(STATES) & (before != now))
        .then(None)
        .when(rank(now) > rank(before))
        .then(pl.lit("up"))
        .when(rank(now) < rank(before))
        .then(pl.lit("down"))
        .when(now != before)
        .then(pl.lit("lateral"))
        .otherwise(pl.lit("revision"))
    )


def _override() -> tuple[pl.Expr, ...]:
    by_hand = reason("override_by", name=pl.col("override_owner"), remark=pl.col("override_reason"))
    has_ended = (pl.col("how") == "override") & pl.col("override_tier").is_null()
    owner, last = pl.col(f"override_owner{_BEFORE}"), pl.col(f"override_valid_to{_BEFORE}")
    return (
        pl.when(pl.col("override_tier").is_not_null()).then(by_hand),
        pl.when(has_ended).then(reason("override_ended", name=owner, day=last)),
    )


def _cap_over() -> pl.Expr:
    return reasons(reason("cap_over", day=pl.col(f"cap_since{_BEFORE}")), *cap_causes(_BEFORE))


def _recorded_anew() -> tuple[pl.Expr, ...]:
    cause, why = pl.col("cause"), pl.col("cause_reason")
    return (
        pl.when(why == "rules").then(reason("rules_changed")),
        pl.when(why == "policy").then(reason("policy_changed")),
        pl.when((cause == "correction") & why.is_null()).then(reason("late_facts")),
        pl.when((cause == "succession") & pl.col("continues").is_not_null()).then(
            reason("continues", name=pl.col("continues"), day=pl.col("succession_on"))
        ),
        pl.when((cause == "succession") & pl.col("continues").is_null()).then(reason("continues_no_more")),
    )


def _met(policy: Policy) -> list[tuple[Requirement, pl.Expr]]:
    """Pair every bar there is, at the height a move up asks for, with whether it was met."""
    return [(each, each.is_met()) for each in requirements(_TOP, reach_bars(policy), policy)]


def _fallen(policy: Policy) -> pl.Expr:
    """Give the bars of the tier before that are missed, each lowered by the margin (reasons)."""
    return for_each_bar(f"memory_tier{_BEFORE}", keep_bars(policy), policy, Requirement.missed)


def _risen(policy: Policy) -> pl.Expr:
    """Give the bars of the tier now that were missed in the base period, each raised by the margin (reasons)."""

    def risen(asked: Requirement) -> pl.Expr:
        was_missed = ~pl.col(f"met_{asked.measure}{BASE}")
        is_new = asked.is_met() & was_missed.fill_null(value=True) & pl.col(asked.measure).is_not_null()
        return pl.when(is_new).then(
            reason("rose_to", subject=asked.measure, value=pl.col(asked.measure), bar=asked.bar)
        )

    return for_each_bar("memory_tier", reach_bars(policy), policy, risen)


def _across(policy: Policy) -> pl.Expr:
    """Give the bar of volume on which the kind of the lowest rank turns (reasons)."""
    volume = pl.col("net_sales_12m")
    fallen = Requirement("net_sales_12m", keep_bars(policy).net_sales_12m).missed()
    bar = reach_bars(policy).net_sales_12m
    risen = reason("rose_to", subject="net_sales_12m", value=volume, bar=bar)
    return pl.when(pl.col("memory_tier") == "marginal").then(reasons(fallen)).otherwise(reasons(risen))


def _price_change() -> pl.Expr:
    """Give what prices changed within a year, as a share of net sales at the old ones; null where those were not above 0."""
    before_price = to_scaled_int("net_sales_12m") - to_scaled_int("price_effect_12m")
    return ratio(to_scaled_int("price_effect_12m"), before_price, WIDE_RATIO)


def _business() -> tuple[pl.Expr, ...]:
    now, then = pl.col("net_sales_12m"), pl.col(f"net_sales_12m{BASE}")
    by_price, by_quantity = pl.col(_PRICE_CHANGE), pl.col("quantity_change_12m")
    since = (pl.col("closed_through") - pl.col("last_order_on")).dt.total_days()
    usual = pl.col("usual_gap_days")
    is_compared = then.is_not_null()
    # Where neither moved anything, there is nothing to say of them.
    is_split = (pl.col("quantity_effect_12m") != 0) | (pl.col("price_effect_12m") != 0)
    # Who began within the year that it is compared with has grown by far more than its business did.
    year_before = pl.col("period").dt.offset_by(f"-{2 * YEAR - 1}mo")
    has_begun = (pl.col("first_order_on").dt.month_start() > year_before).fill_null(value=False)
    return (
        pl.when(is_compared & (now != then)).then(reason("sales_moved", bar=then, value=now)),
        pl.when(is_compared & is_split & by_quantity.is_not_null() & ~(has_begun & (by_quantity > 0))).then(
            reason("quantity_moved", value=by_quantity)
        ),
        pl.when(is_compared & is_split & by_price.is_not_null()).then(reason("price_moved", value=by_price)),
        pl.when(is_compared & (since > usual)).then(reason("last_order", counted=since, value=usual)),
    )
