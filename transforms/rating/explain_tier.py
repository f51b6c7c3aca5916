"""What holds a tier and what would move it, as reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.reasons import joined, reason, reasons
from transforms.rating.nearest_tier import nearest, relative_gap
from transforms.rating.what_it_takes import what_it_takes
from transforms.tiers.caps import binds, cap_causes
from transforms.tiers.gaps import Requirement, bars_of, first_of, for_each_bar, shortfalls, tightest_slack
from transforms.tiers.raw import Bars, other_kind, rank

if TYPE_CHECKING:
    from transforms.policy.model import Policy

_TOP: Final = "strategic"


def what_holds_it(policy: Policy) -> tuple[pl.Expr, ...]:
    """Give `tier_basis`, `gates`, `memory`, `what_it_takes` and `counterfactual_tier` of rows of the rating history with TARGET.

    `tier_basis`: what decides the effective tier: that it is succeeded, an override, a cap, a gate, the
    memory, or the period itself; and whom it continues. `gates`: the
    gate that fires in the period and the cap that fires or is still held. `memory`: the runs that count toward a move. `what_it_takes`: what would move
    or keep the effective tier, with memory and margin, or lift a cap.
    `counterfactual_tier`: the nearest higher rung the period's own figures could reach, by the policy's plain bars; null
    for a state, and at the top.
    """
    return (
        _tier_basis().alias("tier_basis"),
        _gates(policy).alias("gates"),
        _memory(policy).alias("memory"),
        what_it_takes(policy).alias("what_it_takes"),
        counterfactual_tier(policy).alias("counterfactual_tier"),
    )


def counterfactual_tier(policy: Policy) -> pl.Expr:
    """Name the nearest higher rung the period's own figures could reach; null for a state, and at the top."""
    return nearest(policy, Bars.of(policy), "raw_tier")


def shortfall(policy: Policy) -> pl.Expr:
    """Give every bar the counterfactual tier asks for and the customer misses (reasons); needs `counterfactual_tier`."""
    return shortfalls("counterfactual_tier", Bars.of(policy), policy)


def what_would_move_it(policy: Policy) -> tuple[pl.Expr, ...]:
    """Give `binding_bar`, `shortfall` and `counterfactual`; needs `counterfactual_tier`.

    `shortfall`: every bar the counterfactual tier asks for and the customer misses; `binding_bar`: the one of them that is
    furthest away, or at the top the one that would be missed first. `counterfactual`: what would make the customer that.
    """
    bars = Bars.of(policy)
    reached_by = for_each_bar("counterfactual_tier", bars, policy, Requirement.target_gap)
    at_the_top = pl.when(pl.col("raw_tier") == _TOP).then(tightest_slack("raw_tier", bars, policy))
    furthest = _furthest("counterfactual_tier", bars, policy)
    return (
        pl.coalesce(furthest, at_the_top).alias("binding_bar"),
        shortfall(policy).alias("shortfall"),
        pl.when(reached_by.is_not_null())
        .then(joined(reached_by, reasons(reason("would_become", label=pl.col("counterfactual_tier")))))
        .alias("counterfactual"),
    )


def _gates(policy: Policy) -> pl.Expr:
    gate = reason(
        "gate_fires",
        subject=pl.col("gate"),
        amount=pl.col("contribution_12m"),
        label=policy.gates.loss_making,
    )
    clean = pl.col("cap_clean_periods")
    since, tier = pl.col("cap_since"), pl.col("cap_tier")
    fires = reason("cap_fires", day=since, label=tier)
    held = reason("cap_held", day=since, label=tier, counted=clean, out_of=policy.memory.clean_periods)
    return reasons(
        pl.when(pl.col("gate").is_not_null()).then(gate),
        *cap_causes(),
        pl.when(clean > 0).then(held).when(tier.is_not_null()).then(fires),
    )


def _furthest(tier: str, bars: Bars, policy: Policy) -> pl.Expr:
    """Give the missed bar of the tier of the row that is furthest away (reasons); null where none is missed."""
    gaps = [
        (requirement, pl.when(asks & ~requirement.is_met()).then(relative_gap(requirement)))
        for requirement, asks in bars_of(tier, bars, policy)
    ]
    widest = pl.max_horizontal(*(gap for _, gap in gaps))
    return reasons(
        first_of(*(pl.when(gap == widest).then(requirement.shortfall()) for requirement, gap in gaps))
    )


def _tier_basis() -> pl.Expr:
    owner = pl.col("override_owner")
    by_hand = reason(
        "override_until", name=owner, day=pl.col("override_valid_to"), remark=pl.col("override_reason")
    )
    cap = reasons(reason("cap_at", label=pl.col("cap_tier"), day=pl.col("cap_since")), *cap_causes())
    is_capped = (rank("cap_tier") <= rank("effective_tier")) & binds()
    since = pl.col("succession_on")
    succeeded = reason("succeeded_by", name=pl.col("succeeded_by"), day=since)
    basis = (
        pl.when(pl.col("succeeded_by").is_not_null())
        .then(reasons(succeeded))
        .when(pl.col("override_tier") == pl.col("effective_tier"))
        .then(reasons(by_hand))
        .when(pl.col("override_tier").is_not_null())
        .then(reasons(reason("override_stopped", label=pl.col("override_tier"), name=owner)))
        .when(is_capped.fill_null(value=False))
        .then(cap)
        .when(pl.col("memory_tier") != pl.col("raw_tier"))
        .then(reasons(reason("memory_holds", label=pl.col("raw_tier"))))
        .when(pl.col("gate").is_not_null())
        .then(reasons(reason("gate_holds", subject=pl.col("gate"), label=pl.col("ungated_tier"))))
        .otherwise(reasons(reason("own_figures")))
    )
    continues = reason("continues", name=pl.col("continues"), day=since)
    return joined(basis, reasons(pl.when(pl.col("continues").is_not_null()).then(continues)))


def _memory(policy: Policy) -> pl.Expr:
    rule = policy.memory
    run_up = reason("run_up", counted=pl.col("periods_up"), out_of=rule.up_after, label=pl.col("up_tier"))
    run_down = reason(
        "run_down", counted=pl.col("periods_down"), out_of=rule.down_after, label=pl.col("down_tier")
    )
    run_aside = reason(
        "run_aside",
        counted=pl.col("periods_lateral"),
        out_of=rule.down_after,
        label=other_kind(pl.col("memory_tier")),
    )
    return reasons(
        reason("tier_since", label=pl.col("memory_tier"), day=pl.col("tier_since")),
        pl.when(pl.col("periods_up") > 0).then(run_up),
        pl.when(pl.col("periods_down") > 0).then(run_down),
        pl.when(pl.col("periods_lateral") > 0).then(run_aside),
    )
