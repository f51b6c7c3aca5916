"""Decline and loss: who slows down, declines or has lapsed, with a memory, so that one quiet month warns of nobody twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.credit.material import is_material
from transforms.facts.succession import succeeded
from transforms.frames.choice import first_that_holds
from transforms.frames.fixed_point import MONEY_SUM, QUANTITY_PLACES, from_scaled_int, to_scaled_int
from transforms.frames.periods import YEAR, months_since
from transforms.frames.reasons import reason, reasons
from transforms.measures.pace import best_year, last_year
from transforms.measures.window import KEY, Window
from transforms.tiers.memory import BEFORE

if TYPE_CHECKING:
    from decimal import Decimal

    from transforms.facts.model import Facts
    from transforms.policy.credit import CreditRule
    from transforms.policy.decline import DeclineRule
    from transforms.policy.model import Policy

STATES: Final = ("none", "slowing", "declining", "lapsed")  # from mild to hard
WARNED: Final = STATES[1:]
"""The states of decline that a customer is warned of."""

MEMORY: Final = ("decline_state", "decline_since", "decline_low_periods", "decline_calm_periods")
"""What the next period is told from, beside its own figures."""

DECLINE: Final = (*MEMORY, "decline_stake", "decline_reason", "is_growing")
"""The columns that `tell_decline` adds."""

_NONE, _SLOWING, _DECLINING, _LAPSED = range(len(STATES))


def tell_decline(rated: pl.LazyFrame, facts: Facts, policy: Policy, window: Window) -> pl.LazyFrame:
    """Step the decline of every customer by one rating period. Grain: as given, customer × period; adds DECLINE.

    `rated`: the period's measures and, in columns that end in `_before`, MEMORY of the predecessor period (null for who
    was not rated then). `decline_state` is the worst that the pace and the silence say, raised only where net sales of the
    12 months before the last are material, and held until both have been calm for the policy's periods; a lapse until the
    next order. Null below the policy's months of history, and for who is inactive in the master or succeeded.
    `decline_since`: the period the state began with, null at none. `decline_stake`, company currency, null at none: of a
    lapse net sales of the 12 months to the last order, for as long as it is listed; else the best 12 months that ended
    within the last 24 less those of now. `is_growing`: a pace from the policy's bar on at no decline.
    `decline_reason`: REASONS. Source: docs/figures.md, Decline.
    """
    rule = policy.decline
    inactive = facts.customers.filter(pl.col("status") == "inactive").select(KEY)
    gone = pl.concat([inactive, succeeded(facts)]).unique().with_columns(is_inactive=pl.lit(value=True))
    # Collected, since it is read twice over: planned again each time it would take longer than it runs.
    told = (
        rated.join(gone, on=KEY, how="left", validate="1:1")
        .join(_with_open_orders(facts), on=KEY, how="left", validate="1:1")
        .with_columns(
            is_told=(pl.col("months_of_history") >= rule.min_months) & pl.col("is_inactive").is_null(),
            level_before=_level(f"decline_state{BEFORE}"),
            is_back=(pl.col(f"decline_state{BEFORE}") == "lapsed")
            & (pl.col("last_order_on") >= window.period),
            has_open_order=pl.col("has_open_order").fill_null(value=False),
            is_late=pl.col("days_since_last_order") >= rule.gap_counts_from_days,
            is_material=is_material(
                pl.col("net_sales_12m_before"),
                pl.col("net_sales_12m_before"),
                policy.credit,
                sales=pl.col("net_sales_12m_before"),
            ),
        )
        .with_columns(is_calm=_is_calm(rule), decline_low_periods=_low_periods(rule))
        .with_columns(level_now=_level_now(rule))
        .with_columns(decline_calm_periods=_calm_periods())
        .with_columns(level=_level_after(rule))
        .with_columns(
            decline_state=_state("level"),
            decline_low_periods=_if_told("decline_low_periods"),
            decline_calm_periods=_if_told(
                pl.when(pl.col("level") == _NONE).then(0).otherwise("decline_calm_periods")
            ),
            is_growing=_if_told(
                (pl.col("level") == _NONE)
                & pl.col("is_material")
                & (pl.col("pace_ratio") >= rule.growing_ratio).fill_null(value=False)
            ),
        )
        .with_columns(decline_since=_since(window))
        .collect()
        .lazy()
    )
    # What is at stake is asked of the few who are warned of.
    warned = told.filter(pl.col("decline_state").is_in(WARNED)).select(*KEY, "last_order_on", "decline_state")
    months = facts.customer_month.filter(pl.col("month") <= window.period).join(warned, on=KEY, how="semi")
    return (
        told.join(best_year(months, window), on=KEY, how="left", validate="1:1")
        .join(last_year(months, warned), on=KEY, how="left", validate="1:1")
        .join(_in_the_group(warned, facts, window), on=KEY, how="left", validate="1:1")
        .with_columns(decline_stake=_stake(rule, window), decline_reason=_reason(rule, policy.credit))
        .drop(_HELPERS)
    )


def _in_the_group(warned: pl.LazyFrame, facts: Facts, window: Window) -> pl.LazyFrame:
    """Set what the others of a customer's group buy now beside what they bought. Grain: customer of `warned` in a group.

    `others_buy_more`: net sales of the others in the last 12 months less those of 12 months before; of a lapse, the 12 months to
    the customer's own last order. `bought_then`: its own net sales of then.
    """
    member = facts.customers.filter(pl.col("group_id").is_not_null()).select(*KEY, "group_id")
    group = ["company_code", "group_id"]
    sold = (
        facts.customer_month.filter(pl.col("month") <= window.period)
        .join(member, on=KEY, how="inner", validate="m:1")
        .select(
            *KEY, "group_id", age=months_since(pl.col("month"), window.period), net=to_scaled_int("net_sales")
        )
    )
    since_last_order = months_since(pl.col("last_order_on"), window.period)
    asked = warned.join(member, on=KEY, how="inner", validate="1:1").select(
        *KEY,
        "group_id",
        back=pl.when(pl.col("decline_state") == "lapsed").then(since_last_order).otherwise(YEAR),
    )
    net, age, back = pl.col("net"), pl.col("age"), pl.col("back")
    now = net.filter(age < YEAR).sum()
    then = net.filter((age >= back) & (age < back + YEAR)).sum()
    own = asked.join(sold.drop("group_id"), on=KEY, how="inner").group_by(KEY).agg(own_now=now, own_then=then)
    of_group = sold.group_by(*group, "age").agg(net.sum())
    of_all = asked.join(of_group, on=group, how="inner").group_by(KEY).agg(all_now=now, all_then=then)
    of_others = pl.col("all_now") - pl.col("own_now") - (pl.col("all_then") - pl.col("own_then"))
    return of_all.join(own, on=KEY, how="inner", validate="1:1").select(
        *KEY,
        others_buy_more=from_scaled_int(of_others, MONEY_SUM),
        bought_then=from_scaled_int(pl.col("own_then"), MONEY_SUM),
    )


_HELPERS: Final = (
    "is_inactive",
    "has_open_order",
    "is_told",
    "level_before",
    "is_back",
    "is_late",
    "is_material",
    "is_calm",
    "level_now",
    "level",
    "best_net_sales_12m",
    "net_sales_to_last_order",
    "others_buy_more",
    "bought_then",
)


def _with_open_orders(facts: Facts) -> pl.LazyFrame:
    if facts.open_orders is None:
        keys = dict.fromkeys(KEY, pl.String())
        return pl.LazyFrame(schema={**keys, "has_open_order": pl.Boolean()})
    ordered = facts.open_orders.filter(pl.col("amount") > 0)
    return ordered.select(KEY).unique().with_columns(has_open_order=pl.lit(value=True))


def _level(state: str) -> pl.Expr:
    """A state as a number; null is none."""
    return pl.coalesce(
        *(pl.when(pl.col(state) == name).then(level) for level, name in enumerate(STATES)), _NONE
    ).cast(pl.Int32)


def _state(level: str) -> pl.Expr:
    named = pl.coalesce(
        *(pl.when(pl.col(level) == number).then(pl.lit(name)) for number, name in enumerate(STATES))
    )
    return pl.when("is_told").then(named)


def _if_told(value: pl.Expr | str) -> pl.Expr:
    return pl.when("is_told").then(value)


def _silent_beyond(gaps: Decimal) -> pl.Expr:
    """The silence counts, and is longer than so many usual gaps."""
    return (pl.col("is_late") & (pl.col("gap_multiple") > gaps)).fill_null(value=False)


def _is_calm(rule: DeclineRule) -> pl.Expr:
    return (pl.col("pace_ratio") >= rule.clear_ratio).fill_null(value=True) & ~_silent_beyond(rule.clear_gaps)


def _low_periods(rule: DeclineRule) -> pl.Expr:
    """How many periods in a row the pace has been low enough to decline; a return begins anew."""
    is_low = (pl.col("pace_ratio") <= rule.declining_ratio).fill_null(value=False)
    run = pl.col(f"decline_low_periods{BEFORE}").fill_null(0) + 1
    return pl.when(is_low & ~pl.col("is_back").fill_null(value=False)).then(run).otherwise(0).cast(pl.Int32)


def _level_now(rule: DeclineRule) -> pl.Expr:
    """The worst that the period says by itself, and by its run of low ones."""
    beyond = to_scaled_int("usual_gap_days", QUANTITY_PLACES) + rule.lapsed_days * 10**QUANTITY_PLACES
    days = pl.col("days_since_last_order").cast(pl.Int128) * 10**QUANTITY_PLACES
    too_long = (pl.col("is_late") & (days > beyond)).fill_null(value=False)
    return first_that_holds(
        (
            ((_silent_beyond(rule.lapsed_gaps) | too_long) & ~pl.col("has_open_order"), pl.lit(_LAPSED)),
            (
                (pl.col("decline_low_periods") >= rule.declining_periods)
                | _silent_beyond(rule.declining_gaps),
                pl.lit(_DECLINING),
            ),
            (
                (pl.col("pace_ratio") <= rule.slowing_ratio) | _silent_beyond(rule.slowing_gaps),
                pl.lit(_SLOWING),
            ),
            (pl.lit(value=True), pl.lit(_NONE)),
        )
    ).cast(pl.Int32)


def _calm_periods() -> pl.Expr:
    """How many periods in a row have been calm since the customer is warned of."""
    run = pl.col(f"decline_calm_periods{BEFORE}").fill_null(0) + 1
    return pl.when(pl.col("is_calm") & (pl.col("level_before") > _NONE)).then(run).otherwise(0).cast(pl.Int32)


def _level_after(rule: DeclineRule) -> pl.Expr:
    """The level with memory; the first row that holds is taken."""
    now, before = pl.col("level_now"), pl.col("level_before")
    return first_that_holds(
        (
            # a lapse ends with an order; what is ordered and not billed yet makes it a decline
            (pl.col("is_back"), pl.lit(_NONE, pl.Int32)),
            ((before == _LAPSED) & pl.col("has_open_order"), now),
            (before == _LAPSED, before),
            ((now > before) & (pl.col("is_material") | (before > _NONE)), now),
            (pl.col("decline_calm_periods") >= rule.clear_periods, pl.lit(_NONE, pl.Int32)),
            (pl.lit(value=True), before),
        )
    )


def _since(window: Window) -> pl.Expr:
    is_same = pl.col("decline_state") == pl.col(f"decline_state{BEFORE}")
    since = pl.when(is_same).then(f"decline_since{BEFORE}")
    return pl.when(pl.col("decline_state").is_in(WARNED)).then(pl.coalesce(since, pl.lit(window.period)))


def _stake(rule: DeclineRule, window: Window) -> pl.Expr:
    is_listed = months_since(pl.col("last_order_on"), window.period) <= rule.listed_months
    fallen = pl.col("best_net_sales_12m") - pl.col("net_sales_12m").fill_null(0)
    return (
        pl.when((pl.col("decline_state") == "lapsed") & is_listed)
        .then(pl.max_horizontal(pl.col("net_sales_to_last_order").fill_null(0), 0))
        .when(pl.col("decline_state").is_in(["slowing", "declining"]))
        .then(pl.max_horizontal(fallen.fill_null(0), 0))
        .cast(MONEY_SUM)
    )


def _reason(rule: DeclineRule, credit: CreditRule) -> pl.Expr:
    """Give the figures that a decline rests on, and what speaks for its end.

    The pace that is below what clears it (of a lapse the silence alone) and the silence that is beyond; then, once both are calm,
    for how long, and what others of the group buy more, where that is material beside what this one bought.
    """
    figures = {"value": pl.col("pace_ratio"), "counted": pl.col("pace_months")}
    pace = (
        pl.when(pl.col("season_months").is_not_null())
        .then(reason("pace_of_season", value=pl.col("pace_ratio")))
        .when(pl.col("pace_basis") == "quantity")
        .then(reason("pace_of_quantity", **figures))
        .otherwise(reason("pace_of_sales", **figures))
    )
    silence = reason("last_order", counted=pl.col("days_since_last_order"), value=pl.col("usual_gap_days"))
    calm = reason("calm_periods", counted=pl.col("decline_calm_periods"), out_of=rule.clear_periods)
    others, then = pl.col("others_buy_more"), pl.col("bought_then")
    is_warned = pl.col("decline_state").is_in(WARNED)
    is_slow = pl.col("decline_state").is_in(["slowing", "declining"])
    return reasons(
        pl.when((is_slow & (pl.col("pace_ratio") < rule.clear_ratio)) | pl.col("is_growing")).then(pace),
        pl.when(is_warned & _silent_beyond(rule.clear_gaps)).then(silence),
        pl.when(is_warned & (pl.col("decline_calm_periods") > 0)).then(calm),
        pl.when(is_warned & is_material(others, then, credit, sales=then)).then(
            reason("others_of_the_group_buy_more", amount=others)
        ),
    )
