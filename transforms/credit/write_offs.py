"""What was written off of what a customer owed: a cost of that customer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.credit.items import CUSTOMER, ledger_on
from transforms.frames.fixed_point import MONEY_SUM

if TYPE_CHECKING:
    from datetime import date

    from transforms.facts.model import Facts
    from transforms.policy.credit import CreditRule

_NOTHING: Final = pl.Schema({**dict.fromkeys(CUSTOMER, pl.String()), "write_offs": MONEY_SUM})


def written_off(
    customers: pl.LazyFrame, facts: Facts, rule: CreditRule, since: date, until: date
) -> pl.LazyFrame:
    """Sum the parts of items that were written off from `since` to `until`. Company currency.

    Grain: customer of `customers`, in a company that says of some item how it was settled (`item_settlement`); 0 where nothing
    was written off. The ledger is that of `until`. Source: docs/figures.md, Credit: written off.
    """
    if facts.receivables is None:
        return pl.LazyFrame(schema=_NOTHING)
    settlement = pl.col("item_settlement")
    debtors = (
        facts.receivables.filter(settlement.is_not_null())
        .group_by(CUSTOMER)
        .agg(has_some=(settlement == "write_off").any())
        .collect()
    )
    told = customers.select(CUSTOMER).join(
        debtors.lazy().select("company_code").unique(), on="company_code", how="semi"
    )
    if not debtors["has_some"].any():
        return told.with_columns(write_offs=pl.lit(0, dtype=MONEY_SUM))
    # Only theirs: an item is settled by its customer's own credits, and the ledger of everybody takes long.
    theirs = facts.receivables.join(debtors.lazy().filter("has_some"), on=CUSTOMER, how="semi")
    is_within = (pl.col("kind") == "write_off") & pl.col("settled_on").is_between(since, until)
    amounts = (
        ledger_on(replace(facts, receivables=theirs), rule, until)
        .parts.filter(is_within)
        .group_by(CUSTOMER)
        .agg(pl.col("part").sum().cast(MONEY_SUM).alias("write_offs"))
    )
    return told.join(amounts, on=CUSTOMER, how="left", validate="1:1").with_columns(
        pl.col("write_offs").fill_null(0)
    )
