"""Dumping: our goods offered below the floor price; and, apart from it, our own invoices below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.conduct.evidence import (
    CONFIRMED,
    NONE,
    NOT_ASSESSABLE,
    OWN_CONCESSION,
    SUSPECTED,
    evidence_refs,
    in_force,
    to_finding,
)
from transforms.frames.fixed_point import (
    QUANTITY_PLACES,
    div_half_even,
    from_scaled_int,
    int128,
    ratio,
    to_scaled_int,
)
from transforms.frames.fixed_point import WIDE_RATIO as RATIO
from transforms.frames.periods import YEAR, first_of_month, months_before
from transforms.frames.plan import closed_through
from transforms.frames.reasons import reason, reasons
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from datetime import date

    from transforms.facts.model import Facts
    from transforms.policy.credit import DumpingRule

BELOW_FLOOR: Final = "below_floor_share_of_price"
OWN_BELOW_FLOOR: Final = "own_sales_below_floor_share"


def dumping(facts: Facts, rule: DumpingRule, as_of: date) -> pl.LazyFrame | None:
    """Compare observed resale prices with the floor over the 12 months to `as_of`. Grain: customer with a priced sighting.

    By product and month the mean of (floor − resale price) ÷ floor; a product's month that reaches the policy's bar is a
    month of dumping, and its sightings are evidence. `confirmed`: at least `min_observations` of them were checked by a
    second person; `suspected`: at least so many at all; `none`: so many sightings, but not so many below; else not
    assessable (`too_few_observations`). `value` is the mean over the evidence, else over all sightings.
    None where observations or floors were not delivered: then nothing can be said, least of all that all is well.
    The floor is that of the product's base unit in company currency in force on the day, the one for the territory where
    the goods were found and the customer's channel before more general ones. Source: docs/figures.md, Conduct.
    """
    if facts.market_observations is None or facts.price_floors is None or facts.products is None:
        return None
    priced = (
        facts.market_observations.filter(
            pl.col("customer_id").is_not_null(),
            pl.col("resale_price").is_not_null(),
            pl.col("observed_on") > months_before(as_of, YEAR),
            pl.col("observed_on") <= as_of,
        )
        .select(
            *KEY,
            "observation_id",
            "product_id",
            "evidence_ref",
            "confirmed",
            "resale_price",
            day="observed_on",
            territory="found_territory",
        )
        .join(facts.customers.select(*KEY, "channel"), on=KEY, how="left", validate="m:1")
    )
    compared = with_floor(priced, facts, ["observation_id"]).with_columns(
        gap=ratio(to_scaled_int("floor") - to_scaled_int("resale_price"), to_scaled_int("floor"), RATIO),
        month=pl.col("day").dt.truncate("1mo"),
    )
    mean = ratio(to_scaled_int("gap", 6).sum(), int128(10**6) * pl.len(), RATIO).over(
        *KEY, "product_id", "month"
    )
    below = pl.col("month_gap") >= pl.lit(rule.below_floor_from)
    gap = to_scaled_int("gap", 6)
    return to_finding(
        compared.with_columns(month_gap=mean)
        .group_by(KEY)
        .agg(
            sightings=pl.len(),
            below=below.sum(),
            below_checked=(below & pl.col("confirmed")).sum(),
            gap_below=ratio(gap.filter(below).sum(), int128(10**6) * below.sum(), RATIO),
            gap_all=ratio(gap.sum(), int128(10**6) * pl.len(), RATIO),
            evidence_from=pl.col("day").filter(below).min(),
            evidence_to=pl.col("day").filter(below).max(),
            references=evidence_refs("evidence_ref", below),
        )
        .with_columns(confidence=_confidence(rule))
        .with_columns(
            reason=pl.when(pl.col("confidence") == NOT_ASSESSABLE).then(pl.lit("too_few_observations")),
            measure=pl.lit(BELOW_FLOOR),
            value=pl.coalesce("gap_below", "gap_all"),
            threshold=pl.lit(rule.below_floor_from),
            evidence_count=pl.col("below").cast(pl.Int32),
            evidence=reasons(
                pl.when(pl.col("below") > 0).then(
                    reason(
                        "offered_below_floor",
                        counted=pl.col("below"),
                        out_of=pl.col("sightings"),
                        name=pl.col("references"),
                    )
                )
            ),
        )
    )


def own_below_floor(
    facts: Facts, sales: pl.LazyFrame | None, rule: DumpingRule, as_of: date
) -> pl.LazyFrame | None:
    """Compare our own invoiced prices with the floor over the 12 closed months. Grain: customer with floors to compare.

    By product, month, channel and ship-to territory the mean invoiced price of a base unit; `value` is the share of the
    year's sales that were invoiced below the floor, `concerned_amount` what we let go. From the policy's bar on it is our own
    concession (`own_concession`): never held against the customer. None where floors or sales are not delivered.
    """
    if sales is None or facts.price_floors is None or facts.products is None:
        return None
    last = first_of_month(closed_through(as_of))
    sold = (
        sales.filter(
            pl.col("month").is_between(months_before(last, YEAR - 1), last),
            pl.col("invoiced_quantity") > 0,
            pl.col("product_id").is_not_null(),
        )
        .join(facts.customers.select(*KEY, master_channel="channel"), on=KEY, how="left", validate="m:1")
        .with_columns(
            pl.coalesce("channel", "master_channel").alias("channel"),
            day=pl.col("month"),
            territory=pl.col("ship_to_territory"),
        )
        .group_by(*KEY, "product_id", "day", "channel", "territory")
        .agg(pl.col("invoiced_net_sales", "invoiced_quantity").sum())
    )
    grain = ["product_id", "day", "channel", "territory"]
    at_floor = div_half_even(
        to_scaled_int("floor") * to_scaled_int("invoiced_quantity", QUANTITY_PLACES),
        int128(10**QUANTITY_PLACES),
    )
    conceded = at_floor - to_scaled_int("invoiced_net_sales")
    below = pl.col("conceded") > 0
    return to_finding(
        with_floor(sold, facts, grain)
        .with_columns(conceded=conceded)
        .group_by(KEY)
        .agg(
            sold=to_scaled_int("invoiced_net_sales").sum(),
            sold_below=to_scaled_int("invoiced_net_sales").filter(below).sum(),
            concerned_amount=from_scaled_int(pl.col("conceded").filter(below).sum(), pl.Decimal(38, 4)),
            evidence_count=below.sum().cast(pl.Int32),
            evidence_from=pl.col("day").filter(below).min(),
            evidence_to=pl.col("day").filter(below).max().dt.month_end(),
        )
        .with_columns(value=ratio(pl.col("sold_below"), pl.col("sold"), RATIO))
        .with_columns(
            confidence=pl.when(pl.col("value") >= pl.lit(rule.own_below_floor_from))
            .then(pl.lit(OWN_CONCESSION))
            .otherwise(pl.lit(NONE)),
            measure=pl.lit(OWN_BELOW_FLOOR),
            threshold=pl.lit(rule.own_below_floor_from),
            evidence=reasons(
                pl.when((pl.col("evidence_count") > 0) & pl.col("value").is_not_null()).then(
                    reason("invoiced_below_floor", value=pl.col("value"))
                )
            ),
        )
    )


def with_floor(goods: pl.LazyFrame, facts: Facts, grain: list[str]) -> pl.LazyFrame:
    """Add the floor of one base unit in force on `day`; goods without one are left out.

    Needs product_id, day, territory and channel. A floor for the territory goes before one for all, then one for the
    channel; of several equally special ones the one that began last holds.
    """
    if facts.price_floors is None or facts.products is None:
        raise ValueError("a floor needs price_floors and products, and they were not delivered")
    currency = _company_currency(facts)
    floors = (
        facts.price_floors.join(
            facts.products.select("company_code", "product_id", "base_uom"),
            on=["company_code", "product_id"],
            how="inner",
            validate="m:1",
        )
        .join(currency, on="company_code", how="left", validate="m:1")
        .filter(
            pl.col("uom") == pl.col("base_uom"),
            pl.col("company_currency").is_null() | (pl.col("currency") == pl.col("company_currency")),
            pl.col("floor_net_price") > 0,
        )
        .select(
            "company_code",
            "product_id",
            "valid_from",
            "valid_to",
            floor="floor_net_price",
            floor_territory="territory_id",
            floor_channel="channel",
        )
    )
    fits = (pl.col("floor_territory").is_null() | (pl.col("floor_territory") == pl.col("territory"))) & (
        pl.col("floor_channel").is_null() | (pl.col("floor_channel") == pl.col("channel"))
    )
    special = ["has_territory", "has_channel", "valid_from"]
    chosen = (
        goods.join(floors, on=["company_code", "product_id"], how="inner")
        .filter(in_force(pl.col("day")), fits.fill_null(value=False))
        .with_columns(
            has_territory=pl.col("floor_territory").is_not_null(),
            has_channel=pl.col("floor_channel").is_not_null(),
        )
        .group_by(*KEY, *grain)
        .agg(pl.col("floor").sort_by(special).last())
    )
    return goods.join(chosen, on=[*KEY, *grain], how="inner", validate="1:1", nulls_equal=True)


def _company_currency(facts: Facts) -> pl.LazyFrame:
    """Take the company currency from the ledger; without a ledger floors of every currency are taken as the company's."""
    if facts.receivables is None:
        return pl.LazyFrame(schema={"company_code": pl.String(), "company_currency": pl.String()})
    return facts.receivables.group_by("company_code").agg(pl.col("company_currency").min())


def _confidence(rule: DumpingRule) -> pl.Expr:
    enough = rule.min_observations
    return (
        pl.when(pl.col("below_checked") >= enough)
        .then(pl.lit(CONFIRMED))
        .when(pl.col("below") >= enough)
        .then(pl.lit(SUSPECTED))
        .when(pl.col("sightings") >= enough)
        .then(pl.lit(NONE))
        .otherwise(pl.lit(NOT_ASSESSABLE))
    )
