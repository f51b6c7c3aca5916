"""The customer ledger on a day: what is open of each item, how late it is, and when it was settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.exact import MONEY_SUM, divide, from_units, units

if TYPE_CHECKING:
    from datetime import date

CUSTOMER: Final = ("company_code", "customer_id")
ITEM: Final = ("company_code", "item_id")


def items_on(receivables: pl.LazyFrame, allocations: pl.LazyFrame | None, day: date) -> pl.LazyFrame:
    """Show each item posted by `day` as it stood at the end of it. Grain: ledger item.

    Columns: company_code, customer_id, item_id, posting_date, due_date, `is_disputed` (null: false), `amount`
    (original, company currency, owed by the customer = +), `promised_on`, `open_amount` (company currency, 0 once settled),
    `settled_on` (null while open) and `days_past_due` (`day` − due date; negative before it is due).
    An item is settled on its cleared date, or with the allocation that left nothing open; settled on a day means
    closed on that day. Part payments come in the item's own currency and take the same share of the company amount.
    `allocations` None: not delivered, so that only whole items can be settled. Source: DOMAIN §5.
    """
    posted = receivables.filter(pl.col("posting_date") <= day)
    if allocations is None:
        applied = posted.with_columns(
            applied=pl.lit(0).cast(MONEY_SUM), last_applied_on=pl.lit(None, dtype=pl.Date)
        )
    else:
        by_item = (
            allocations.filter(pl.col("allocated_on") <= day)
            .group_by(ITEM)
            .agg(applied=pl.col("amount").sum().cast(MONEY_SUM), last_applied_on=pl.col("allocated_on").max())
        )
        applied = posted.join(by_item, on=ITEM, how="left", validate="m:1").with_columns(
            pl.col("applied").fill_null(0)
        )
    return applied.with_columns(
        amount=pl.col("original_amount_company").cast(MONEY_SUM),
        is_disputed=pl.col("is_disputed").fill_null(value=False),
        open_amount=_open_amount(day),
        settled_on=_settled_on(day),
        days_past_due=(pl.lit(day) - pl.col("due_date")).dt.total_days(),
    ).select(
        *CUSTOMER,
        "item_id",
        "posting_date",
        "due_date",
        "is_disputed",
        "promised_on",
        "amount",
        "open_amount",
        "settled_on",
        "days_past_due",
    )


def _is_cleared(day: date) -> pl.Expr:
    return (pl.col("cleared_date") <= day).fill_null(value=False)


def _left_open() -> pl.Expr:
    """Original less what was applied, document currency."""
    return pl.col("original_amount").cast(MONEY_SUM) - pl.col("applied")


def _open_amount(day: date) -> pl.Expr:
    """Company currency; where the item is in another one, the open share of the company amount, half-even."""
    sign = units("original_amount").sign()
    converted = from_units(
        divide(
            units("original_amount_company") * units(_left_open()) * sign, units("original_amount") * sign
        ),
        MONEY_SUM,
    ).fill_null(0)
    is_own_currency = pl.col("currency") == pl.col("company_currency")
    return (
        pl.when(_is_cleared(day))
        .then(pl.lit(0).cast(MONEY_SUM))
        .when(is_own_currency)
        .then(_left_open())
        .otherwise(converted)
    )


def _settled_on(day: date) -> pl.Expr:
    return pl.when(_is_cleared(day)).then("cleared_date").when(_left_open() == 0).then("last_applied_on")
