"""Which higher tier a customer's figures are nearest to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.tiers.gaps import requirements
from transforms.tiers.raw import is_state, rank

if TYPE_CHECKING:
    from transforms.policy.model import Policy
    from transforms.tiers.gaps import Requirement
    from transforms.tiers.raw import Bars

REACHABLE: Final = ("cultivate", "core", "strategic")


def nearest(policy: Policy, bars: Bars, above: str) -> pl.Expr:
    """Name the rung above the tier in a column that lacks least, each bar counted in multiples of itself; the higher one on a tie.

    Null for a state, and at the top.
    """
    distances = [
        pl.when((rank(above) < rank(pl.lit(tier))) & ~is_state(above)).then(
            _distance(requirements(tier, bars, policy))
        )
        for tier in REACHABLE
    ]
    least = pl.min_horizontal(*distances)
    return pl.coalesce(
        *(
            pl.when(distance == least).then(pl.lit(tier))
            for tier, distance in reversed(list(zip(REACHABLE, distances, strict=True)))
        )
    )


def relative_gap(requirement: Requirement) -> pl.Expr:
    """Give what is lacking in multiples of the bar; a measure that is not assessed lacks all of it, a loss counts against net sales."""
    if requirement.bar > 0:
        return (1 - requirement.relative()).fill_null(1.0)
    return (requirement.missing().cast(pl.Float64) / pl.col("net_sales_12m").cast(pl.Float64)).fill_null(1.0)


def _distance(asked: tuple[Requirement, ...]) -> pl.Expr:
    return pl.sum_horizontal(
        pl.when(requirement.is_met()).then(0.0).otherwise(relative_gap(requirement)) for requirement in asked
    )
