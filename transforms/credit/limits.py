"""What may be owed at most: limits and security in company currency, of a customer and of its group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.credit.items import CUSTOMER
from transforms.frames.fixed_point import MONEY_SUM, div_half_even, from_scaled_int, int128, to_scaled_int

if TYPE_CHECKING:
    from datetime import date

    from transforms.facts.model import Facts
    from transforms.policy.credit import CreditRule

_RATE_PLACES: Final = 9
_PAIR: Final = ("company_code", "from_currency", "to_currency")


def limits(facts: Facts, rule: CreditRule, as_of: date) -> pl.LazyFrame:
    """Give limit and security of each customer in company currency. Grain: customer with a master.

    `credit_limit` and `own_group_limit` (the group's, as the master states it; null: none), `secured_amount` (0 without
    security on `as_of`). Amounts of another currency are converted with the last rate up to `as_of`, quoted either way; the
    direct one wins on a day. `limit_fault`: no_limit_set, no_rate (a limit that cannot be converted), old_rate (converted
    with a rate of more than `limit_rate_max_days` ago); null otherwise. `limit_rate_on`: the day of the rate.
    Source: docs/figures.md, Credit: before the sale.
    """
    masters = facts.customers.join(_company_currency(facts), on="company_code", how="left", validate="m:1")
    own = pl.coalesce("credit_currency", "company_currency")
    rated = masters.with_columns(from_currency=own, to_currency="company_currency").join(
        _rates(facts, as_of), on=_PAIR, how="left", validate="m:1"
    )
    is_foreign = (pl.col("from_currency") != pl.col("to_currency")).fill_null(value=False)
    is_limited = pl.col("credit_limit").is_not_null()
    is_secured = (pl.col("secured_until") >= as_of).fill_null(value=True)
    age = (pl.lit(as_of) - pl.col("rate_date")).dt.total_days()

    def converted(amount: str) -> pl.Expr:
        numerator, denominator = pl.col("rate_numerator"), pl.col("rate_denominator")
        by_rate = from_scaled_int(div_half_even(to_scaled_int(amount) * numerator, denominator), MONEY_SUM)
        return pl.when(is_foreign).then(by_rate).otherwise(pl.col(amount).cast(MONEY_SUM))

    return rated.select(
        *CUSTOMER,
        "group_id",
        "status",
        "status_reason",
        credit_limit=converted("credit_limit"),
        own_group_limit=converted("group_limit"),
        secured_amount=pl.when(is_secured).then(converted("secured_amount")).fill_null(0),
        limit_fault=pl.when(~is_limited)
        .then(pl.lit("no_limit_set"))
        .when(is_foreign & pl.col("rate_date").is_null())
        .then(pl.lit("no_rate"))
        .when(is_foreign & (age > rule.limit_rate_max_days))
        .then(pl.lit("old_rate")),
        limit_rate_on=pl.when(is_limited & is_foreign).then("rate_date"),
    )


def _company_currency(facts: Facts) -> pl.LazyFrame:
    if facts.receivables is None:
        raise ValueError("a credit watch needs receivables, and they were not delivered")
    return facts.receivables.group_by("company_code").agg(pl.col("company_currency").min())


def _rates(facts: Facts, as_of: date) -> pl.LazyFrame:
    """The last rate of each pair up to a day, as a fraction of whole numbers. Grain: company and pair of currencies."""
    if facts.fx_rates is None:
        fraction = dict.fromkeys(("rate_numerator", "rate_denominator"), pl.Int128())
        keys = dict.fromkeys(_PAIR, pl.String())
        return pl.LazyFrame(schema={**keys, "rate_date": pl.Date(), **fraction})
    one, rate = int128(10**_RATE_PLACES), to_scaled_int("rate", _RATE_PLACES)
    quoted = facts.fx_rates.filter(pl.col("rate_date") <= as_of).select(
        *_PAIR, "rate_date", rate_numerator=rate, rate_denominator=one, is_direct=pl.lit(value=True)
    )
    turned = quoted.select(
        "company_code",
        from_currency="to_currency",
        to_currency="from_currency",
        rate_date="rate_date",
        rate_numerator="rate_denominator",
        rate_denominator="rate_numerator",
        is_direct=pl.lit(value=False),
    )
    return (
        pl.concat([quoted, turned])
        .sort("rate_date", "is_direct")
        .unique(list(_PAIR), keep="last", maintain_order=True)
        .drop("is_direct")
    )


def with_groups(watched: pl.LazyFrame) -> pl.LazyFrame:
    """Add exposure, limit and headroom of each customer's group. Grain: as given, customer; nulls without a group.

    Needs group_id, exposure, credit_limit, own_group_limit. Where the group has a limit of its own, all members use it up; otherwise
    those with a limit use up the sum of their limits, so that a member without one switches nothing off. Where no member has
    a limit there is none, and the exposure is that of all.
    """
    limit, exposure = pl.col("credit_limit"), pl.col("exposure")
    group = ("company_code", "group_id")
    of_its_own = pl.col("own_group_limit").max().over(group)
    has_limits = limit.is_not_null().any().over(group)
    of_members = pl.when(has_limits).then(limit.sum().over(group))
    of_limited = exposure.filter(limit.is_not_null()).sum().over(group)
    counts_all = of_its_own.is_not_null() | ~has_limits
    in_a_group = pl.col("group_id").is_not_null()
    return watched.with_columns(
        group_exposure=pl.when(in_a_group)
        .then(pl.when(counts_all).then(exposure.sum().over(group)).otherwise(of_limited))
        .cast(MONEY_SUM),
        group_limit=pl.when(in_a_group).then(pl.coalesce(of_its_own, of_members)).cast(MONEY_SUM),
    ).with_columns(group_headroom=pl.col("group_limit") - pl.col("group_exposure"))
