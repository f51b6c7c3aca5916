"""What came of the tiers that a policy gave: the next twelve months of the customers that held them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from transforms.frames.periods import YEAR, months_before
from transforms.measures.window import KEY
from transforms.simulation.calibrate import fitted_through
from transforms.tiers.raw import NO_CUSTOMERS, rank

if TYPE_CHECKING:
    from datetime import date

    from transforms.policy.model import Policy
    from transforms.simulation.replay import Replayed


def outcomes(replayed: Replayed, policy: Policy, last: date) -> list[dict[str, Any]]:
    """Set beside each tier of a year before `last` what its customers brought in that year. One row a tier, the highest first.

    Of the period twelve months before `last`, a period's first day: `customers`; their `net_sales` and `contribution` of the
    12 months to it, and those of the 12 months after it (`…_after`; contribution null where nobody's is assessed); `lost`, those
    that bought nothing in them; `overdue_over_90_after`, what they owed for so long at the end, null without a ledger. `in_sample`:
    the policy was fitted to data that reach into those months, so that it is no forecast. Who has since been continued as a whole under
    another number is the customer of that number, in the tier of the larger of the two. Empty where that period was not replayed.
    """
    then = months_before(last, YEAR)
    before = replayed.values.filter(pl.col("period") == then, ~pl.col("effective_tier").is_in(NO_CUSTOMERS))
    after = replayed.values.filter(pl.col("period") == last)
    owed = replayed.credit.select(*KEY, "as_of", "overdue_over_90")
    fitted = fitted_through(policy)
    return (
        _continued(before, after)
        .join(
            after.join(owed, on=[*KEY, "as_of"], how="left", validate="1:1").select(
                *KEY,
                net_sales_after="net_sales_12m",
                contribution_after="contribution_12m",
                overdue_over_90_after="overdue_over_90",
            ),
            on=KEY,
            how="left",
            validate="1:1",
        )
        .group_by("tier")
        .agg(
            customers=pl.len(),
            net_sales=pl.col("net_sales").sum(),
            net_sales_after=pl.col("net_sales_after").sum(),
            contribution=_sum_of_known("contribution"),
            contribution_after=_sum_of_known("contribution_after"),
            lost=(pl.col("net_sales_after").fill_null(0) <= 0).sum(),
            overdue_over_90_after=_sum_of_known("overdue_over_90_after"),
        )
        .with_columns(in_sample=pl.lit(fitted is not None and fitted > then))
        .sort(-rank("tier"), "tier")
        .to_dicts()
    )


def _continued(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Put what customers were down to the numbers that continue them now. Grain: customer; key, tier, net_sales, contribution."""
    heirs = after.filter(pl.col("succeeded_by").is_not_null()).select(*KEY, heir="succeeded_by")
    return (
        before.join(heirs, on=KEY, how="left", validate="1:1")
        .with_columns(customer_id=pl.coalesce("heir", "customer_id"))
        .sort("net_sales_12m", descending=True, nulls_last=True)
        .group_by(KEY, maintain_order=True)
        .agg(
            tier=pl.col("effective_tier").first(),
            net_sales=pl.col("net_sales_12m").sum(),
            contribution=_sum_of_known("contribution_12m"),
        )
    )


def _sum_of_known(name: str) -> pl.Expr:
    return pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum())
