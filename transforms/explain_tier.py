"""What holds a tier and what would move it, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.tier_gaps import for_tier, requirements, shortfalls, tightest_slack
from transforms.tiers import Bars, rank
from transforms.wording import money, sentence

if TYPE_CHECKING:
    from transforms.policy import Policy
    from transforms.tier_gaps import Requirement

_REACHABLE: Final = ("cultivate", "core", "strategic")
_TOP: Final = "strategic"


def tier_in_words(policy: Policy) -> tuple[pl.Expr, ...]:
    """Give `held_by`, `gates`, `memory` and `counterfactual_tier` of rows of the rating history.

    `held_by`: what decides the effective tier: an override, a cap, a gate, the memory, or the period itself. `gates`: the
    gate that fires in the period and the cap that fires or is still held. `memory`: the runs that count toward a move.
    `counterfactual_tier`: the nearest higher rung the period's own figures could reach, by the policy's plain bars; null
    for a state, and at the top.
    """
    return (
        _held_by().alias("held_by"),
        _gates(policy).alias("gates"),
        _memory(policy).alias("memory"),
        _nearest(policy).alias("counterfactual_tier"),
    )


def what_would_move_it(policy: Policy) -> tuple[pl.Expr, ...]:
    """Give `binding_bar`, `lacking` and `counterfactual`; needs `counterfactual_tier`.

    `lacking`: every bar the counterfactual tier asks for and the customer misses; `binding_bar`: the one of them that is
    furthest away, or at the top the one that would be missed first. `counterfactual`: what would make the customer that.
    """
    bars = Bars.of(policy)
    asked = {tier: requirements(tier, bars, policy) for tier in _REACHABLE}
    wished = for_tier("counterfactual_tier", {tier: _wishes(needed) for tier, needed in asked.items()})
    at_the_top = pl.when(pl.col("raw_tier") == _TOP).then(tightest_slack(_TOP, bars, policy))
    furthest = for_tier("counterfactual_tier", {tier: _furthest(needed) for tier, needed in asked.items()})
    return (
        pl.coalesce(furthest, at_the_top).alias("binding_bar"),
        for_tier("counterfactual_tier", {tier: shortfalls(tier, bars, policy) for tier in _REACHABLE}).alias(
            "lacking"
        ),
        pl.format("{} would make this customer {}", wished, "counterfactual_tier").alias("counterfactual"),
    )


def _gates(policy: Policy) -> pl.Expr:
    loss = money(pl.col("contribution_12m"))
    gate = pl.format("{} fires: contribution {}, at most {}", "gate", loss, pl.lit(policy.gates.loss_making))
    clean = pl.col("cap_clean_periods")
    fires = pl.format(
        "{} fires since {}: at most {}", "cap_reason", pl.col("cap_since").cast(pl.String), "cap_tier"
    )
    held = pl.format(
        f"{{}} is held since {{}}: at most {{}}, {{}} of {policy.memory.clean_periods} clean periods",
        "cap_reason", pl.col("cap_since").cast(pl.String), "cap_tier", clean,
    )  # fmt: skip
    return sentence(
        pl.when(pl.col("gate").is_not_null()).then(gate),
        pl.when(clean > 0).then(held).when(pl.col("cap_tier").is_not_null()).then(fires),
    )


def _wishes(asked: tuple[Requirement, ...]) -> pl.Expr:
    return sentence(*(requirement.wish() for requirement in asked), separator=" and ")


def _furthest(asked: tuple[Requirement, ...]) -> pl.Expr:
    gaps = [pl.when(~requirement.is_met()).then(_relative_gap(requirement)) for requirement in asked]
    widest = pl.max_horizontal(*gaps)
    return pl.coalesce(
        *(
            pl.when(gap == widest).then(requirement.shortfall())
            for gap, requirement in zip(gaps, asked, strict=True)
        )
    )


def _held_by() -> pl.Expr:
    until = pl.col("override_valid_to").cast(pl.String)
    by_hand = pl.format("override by {} until {}: {}", "override_owner", until, "override_reason")
    cap = pl.format("cap at {} since {}: {}", "cap_tier", pl.col("cap_since").cast(pl.String), "cap_reason")
    is_capped = (rank("cap_tier") <= rank("effective_tier")) & (rank("cap_tier") < rank("memory_tier"))
    return (
        pl.when(pl.col("override_tier") == pl.col("effective_tier"))
        .then(by_hand)
        .when(pl.col("override_tier").is_not_null())
        .then(pl.format("credit stop, against the override to {} by {}", "override_tier", "override_owner"))
        .when(is_capped.fill_null(value=False))
        .then(cap)
        .when(pl.col("memory_tier") != pl.col("raw_tier"))
        .then(pl.format("memory: the period alone says {}", "raw_tier"))
        .when(pl.col("gate").is_not_null())
        .then(pl.format("gate {}: without it {}", "gate", "ungated_tier"))
        .otherwise(pl.lit("the period's own figures"))
    )


def _memory(policy: Policy) -> pl.Expr:
    rule = policy.memory
    run_up = pl.format(f"{{}} of {rule.up_after} periods up to {{}}", "periods_up", "up_tier")
    run_down = pl.format(f"{{}} of {rule.down_after} periods down to {{}}", "periods_down", "down_tier")
    since = pl.format("{} since {}", "memory_tier", pl.col("tier_since").dt.strftime("%Y-%m"))
    return sentence(
        since,
        pl.when(pl.col("periods_up") > 0).then(run_up),
        pl.when(pl.col("periods_down") > 0).then(run_down),
    )


def _nearest(policy: Policy) -> pl.Expr:
    """Name the rung above the raw tier that lacks least, each bar counted in multiples of itself; the higher one on a tie."""
    distances = [
        pl.when((rank("raw_tier") < rank(pl.lit(tier))) & (rank("raw_tier") != rank(pl.lit("new")))).then(
            _distance(requirements(tier, Bars.of(policy), policy))
        )
        for tier in _REACHABLE
    ]
    nearest = pl.min_horizontal(*distances)
    return pl.coalesce(
        *(
            pl.when(distance == nearest).then(pl.lit(tier))
            for tier, distance in reversed(list(zip(_REACHABLE, distances, strict=True)))
        )
    )


def _distance(asked: tuple[Requirement, ...]) -> pl.Expr:
    """Σ of what is lacking; a measure that is not assessed lacks all of its bar, a loss counts against net sales."""
    return pl.sum_horizontal(
        pl.when(requirement.is_met()).then(0.0).otherwise(_relative_gap(requirement)) for requirement in asked
    )


def _relative_gap(requirement: Requirement) -> pl.Expr:
    if requirement.bar > 0:
        return (1 - requirement.relative()).fill_null(1.0)
    return (requirement.missing().cast(pl.Float64) / pl.col("net_sales_12m").cast(pl.Float64)).fill_null(1.0)
