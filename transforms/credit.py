"""The credit watch: what a customer owes on a day, how late it pays, and what may still be sold to it on credit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.credit_action import credit_action, credit_grade
from transforms.credit_items import CUSTOMER, items_on
from transforms.credit_lateness import RECENT_MONTHS, broken_promises, lateness
from transforms.exact import MONEY_SUM, WIDE_RATIO, ratio, units
from transforms.frames import ending_at
from transforms.periods import months_before
from transforms.schemas import CREDIT_WATCH

if TYPE_CHECKING:
    from datetime import date

    from transforms.facts import Facts
    from transforms.policy import Policy
    from transforms.policy_credit import CreditRule

BEHIND_A_WARNING: Final = pl.Schema(
    {
        "severe": MONEY_SUM,
        "past_grace": MONEY_SUM,
        "newly_past_grace": MONEY_SUM,
        "late_amount": MONEY_SUM,
        "counted_amount": MONEY_SUM,
        "broken_amount": MONEY_SUM,
    }
)
"""What is not published, but weighed by the warnings: whether the amount behind a figure is material."""

WATCHED: Final = pl.Schema(
    {
        **{name: dtype for name, dtype in CREDIT_WATCH.items() if not name.startswith("warning_")},
        **BEHIND_A_WARNING,
    }
)
"""The credit watch of a day by itself, without the memory of the watch before."""

_BUCKETS: Final = ("not_yet_due", "overdue_1_30", "overdue_31_60", "overdue_61_90", "overdue_over_90")
_OVERDUE: Final = _BUCKETS[1:]


def credit_watch(facts: Facts, policy: Policy, as_of: date) -> pl.LazyFrame:
    """Judge every customer's credit on `as_of`. Grain: customer with a ledger item posted by then, or an open order.

    Ends at WATCHED. Money is company currency; buckets hold items of more than 0, `disputed` is an of-which, and
    Σ buckets + `unapplied_credit` = `open_balance`. Ratios are null where their denominator is not positive, the
    limit's figures where no limit can be compared. `broken_promises` is null where no item of the company bears a
    promise. What the watch before has to say is added by `credit_warnings`. ValueError where receivables were not
    delivered. Source: DOMAIN §5, DECISIONS 2 and 8.
    """
    if facts.receivables is None:
        raise ValueError("a credit watch needs receivables, and they were not delivered")
    items = items_on(facts.receivables, facts.payment_allocations, as_of)
    quarter_ago = items_on(facts.receivables, facts.payment_allocations, months_before(as_of, RECENT_MONTHS))
    orders = _open_orders(facts.open_orders)
    customers = pl.concat([items.select(CUSTOMER), orders.select(CUSTOMER)]).unique()
    return ending_at(
        customers.join(ageing(items, policy.credit), on=CUSTOMER, how="left", validate="1:1")
        .join(lateness(items, policy.credit, as_of), on=CUSTOMER, how="left", validate="1:1")
        .join(countback(items, as_of), on=CUSTOMER, how="left", validate="1:1")
        .join(_collected(items, quarter_ago, as_of), on=CUSTOMER, how="left", validate="1:1")
        .join(broken_promises(items, as_of), on=CUSTOMER, how="left", validate="1:1")
        .join(orders, on=CUSTOMER, how="left", validate="1:1")
        .join(_limits(facts.customers, facts.receivables), on=CUSTOMER, how="left", validate="1:1")
        .with_columns(
            pl.col(*_BUCKETS, "unapplied_credit", "disputed", "open_balance").fill_null(0),
            pl.col("severe", "past_grace", "newly_past_grace").fill_null(0),
        )
        .with_columns(_open_orders_or_zero(delivered=facts.open_orders is not None))
        .with_columns(_overdue_share(), _newly_overdue_share(), _exposure(), _limit_reason())
        .with_columns(_utilisation(), next_order_headroom=pl.col("credit_limit") - pl.col("exposure"))
        .with_columns(
            *_of_the_group(),
            _broken_or_none(),
            pl.lit(as_of).alias("as_of"),
            credit_grade(policy.credit).alias("credit_grade"),
        )
        .with_columns(group_headroom=pl.col("group_limit") - pl.col("group_exposure"))
        .with_columns(credit_action(policy.credit)),
        WATCHED,
    ).sort(CUSTOMER)


def ageing(items: pl.LazyFrame, rule: CreditRule) -> pl.LazyFrame:
    """Age the open amounts of `items_on`. Grain: customer.

    Items of more than 0 lie in one bucket by days past due (1–30, 31–60, 61–90, more; due today is not past due);
    `unapplied_credit` (≤ 0) holds the others. Of-which are `disputed`, `severe` (more than the policy's `severe_days` past
    due), `past_grace` (more than its `grace_days`) and `newly_past_grace` (that, and 30 days at most).
    `oldest_overdue_days` is 0 where nothing is overdue.
    """
    owed = pl.col("open_amount") > 0
    past = pl.col("days_past_due")
    edges = (past <= 0, past.is_between(1, 30), past.is_between(31, 60), past.is_between(61, 90), past > 90)
    buckets = {
        name: pl.col("open_amount").filter(owed & within).sum()
        for name, within in zip(_BUCKETS, edges, strict=True)
    }
    return items.group_by(CUSTOMER).agg(
        **buckets,
        unapplied_credit=pl.col("open_amount").filter(~owed).sum(),
        disputed=pl.col("open_amount").filter(owed & pl.col("is_disputed")).sum(),
        severe=pl.col("open_amount").filter(owed & (past > rule.severe_days)).sum(),
        past_grace=pl.col("open_amount").filter(owed & (past > rule.grace_days)).sum(),
        newly_past_grace=pl.col("open_amount").filter(owed & (past > rule.grace_days) & (past <= 30)).sum(),
        open_balance=pl.col("open_amount").sum(),
        oldest_overdue_days=past.filter(owed & (past > 0)).max().fill_null(0).cast(WIDE_RATIO),
    )


def countback(items: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """Count sales outstanding back through the months of billing, in days. Grain: customer with something billed.

    Going back from `as_of`, a month's whole days count while the receivables (open items of more than 0) exceed all
    billed since, and the share of its billing for the month in which they are used up; months without billing count
    whole. Billed = items of more than 0 by posting month, tax included as receivables are.
    `best_possible_dso` does the same for what is not yet due; `average_days_delinquent` is the difference. 0 where
    nothing is open; null where more is open than was ever billed.
    """
    open_amount = pl.col("open_amount").clip(lower_bound=0)
    owed = items.group_by(CUSTOMER).agg(
        receivable=units(open_amount.sum()),
        current=units(open_amount.filter(pl.col("days_past_due") <= 0).sum()),
    )
    months = (
        items.filter(pl.col("amount") > 0)
        .group_by(*CUSTOMER, month=pl.col("posting_date").dt.truncate("1mo"))
        .agg(billed=units(pl.col("amount").sum()))
        .with_columns(
            since=pl.col("billed").cum_sum().over(CUSTOMER, order_by="month", descending=True),
            days=(_last_day(as_of) - pl.col("month")).dt.total_days() + 1,
            days_after=(pl.lit(as_of) - _last_day(as_of)).dt.total_days(),
        )
        .join(owed, on=CUSTOMER, how="inner", validate="m:1")
    )
    return (
        months.group_by(CUSTOMER)
        .agg(
            dso_countback=_days_back("receivable"),
            best_possible_dso=_days_back("current"),
        )
        .with_columns(average_days_delinquent=pl.col("dso_countback") - pl.col("best_possible_dso"))
    )


def _last_day(as_of: date) -> pl.Expr:
    """Last day of the month that has passed: its end, or `as_of` in the month that is running."""
    return pl.min_horizontal(pl.col("month").dt.month_end(), pl.lit(as_of))


def _days_back(owed: str) -> pl.Expr:
    """Days until billing, latest month first, uses up the amount."""
    before = pl.col("since") - pl.col("billed")
    is_last = (before < pl.col(owed)) & (pl.col(owed) <= pl.col("since"))
    share = (pl.col(owed) - before) * pl.col("days") + pl.col("days_after") * pl.col("billed")
    days = ratio(share.filter(is_last).sum(), pl.col("billed").filter(is_last).sum(), WIDE_RATIO)
    return pl.when(pl.col(owed).max() == 0).then(pl.lit(0).cast(WIDE_RATIO)).otherwise(days)


def _collected(items: pl.LazyFrame, quarter_ago: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """Collection effectiveness of the last 3 months. Grain: customer.

    (opening receivables + billed − closing receivables) ÷ (opening + billed − closing not yet due), items of more than 0;
    null where nothing was collectable.
    """
    opened = months_before(as_of, RECENT_MONTHS)
    opening = quarter_ago.group_by(CUSTOMER).agg(
        opening=units(pl.col("open_amount").clip(lower_bound=0).sum())
    )
    owed = pl.col("open_amount").clip(lower_bound=0)
    closing = items.group_by(CUSTOMER).agg(
        billed=units(
            pl.col("amount").filter((pl.col("posting_date") > opened) & (pl.col("amount") > 0)).sum()
        ),
        closing=units(owed.sum()),
        closing_current=units(owed.filter(pl.col("days_past_due") <= 0).sum()),
    )
    collectable = pl.col("opening").fill_null(0) + pl.col("billed")
    return closing.join(opening, on=CUSTOMER, how="left", validate="1:1").select(
        *CUSTOMER,
        collection_effectiveness=ratio(
            collectable - pl.col("closing"), collectable - pl.col("closing_current"), WIDE_RATIO
        ),
    )


def _open_orders(open_orders: pl.LazyFrame | None) -> pl.LazyFrame:
    """Ordered and not billed. Grain: customer with an open order; no row where orders are not delivered."""
    if open_orders is None:
        return pl.LazyFrame(
            schema={"company_code": pl.String(), "customer_id": pl.String(), "open_orders": MONEY_SUM}
        )
    return open_orders.group_by(CUSTOMER).agg(open_orders=pl.col("amount").sum().cast(MONEY_SUM))


def _open_orders_or_zero(*, delivered: bool) -> pl.Expr:
    """0 for a customer without an open order; null where the extract is not delivered."""
    return pl.col("open_orders").fill_null(0) if delivered else pl.col("open_orders")


def _limits(customers: pl.LazyFrame, receivables: pl.LazyFrame) -> pl.LazyFrame:
    """Take the credit limits that can be compared. Grain: customer with a master."""
    currency = receivables.group_by("company_code").agg(pl.col("company_currency").min())
    is_foreign = pl.col("credit_currency").is_not_null() & (
        pl.col("credit_currency") != pl.col("company_currency")
    )
    return customers.join(currency, on="company_code", how="left", validate="m:1").select(
        *CUSTOMER,
        "group_id",
        credit_limit=pl.when(~is_foreign).then(pl.col("credit_limit").cast(MONEY_SUM)),
        limit_fault=pl.when(pl.col("credit_limit").is_null())
        .then(pl.lit("no_limit_set"))
        .when(is_foreign)
        .then(pl.lit("other_currency")),
    )


def _broken_or_none() -> pl.Expr:
    """0 for a customer without a broken promise; null in a company where none was ever noted."""
    broken = pl.col("broken_promises")
    return pl.when(broken.is_not_null().any().over("company_code")).then(broken.fill_null(0))


def _of_the_group() -> tuple[pl.Expr, pl.Expr]:
    """Sum exposure and limits over the members in the watch; null without a group, the limit where a member has none."""
    limit = pl.col("credit_limit")

    def of_group(amount: pl.Expr) -> pl.Expr:
        return pl.when(pl.col("group_id").is_not_null()).then(amount.over("company_code", "group_id"))

    return (
        of_group(pl.col("exposure").sum()).alias("group_exposure"),
        of_group(pl.when(limit.is_not_null().all()).then(limit.sum())).alias("group_limit"),
    )


def _limit_reason() -> pl.Expr:
    """Why no limit can be compared; null where one can."""
    return (
        pl.when(pl.col("credit_limit").is_null())
        .then(pl.coalesce("limit_fault", pl.lit("master_missing")))
        .alias("credit_limit_reason")
    )


def _receivable() -> pl.Expr:
    return units(pl.sum_horizontal(pl.col(_BUCKETS)))


def _overdue_share() -> pl.Expr:
    """Overdue ÷ Σ items of more than 0; null where nothing is open."""
    return ratio(units(pl.sum_horizontal(pl.col(_OVERDUE))), _receivable(), WIDE_RATIO).alias("overdue_share")


def _newly_overdue_share() -> pl.Expr:
    """Share of the open items of more than 0 that became overdue in the last 30 days; null where nothing is open."""
    return ratio(units("overdue_1_30"), _receivable(), WIDE_RATIO).alias("newly_overdue_share")


def _exposure() -> pl.Expr:
    """Open balance and open orders, where delivered."""
    return (pl.col("open_balance") + pl.col("open_orders").fill_null(0)).alias("exposure")


def _utilisation() -> pl.Expr:
    """Exposure ÷ limit; null without a limit above 0."""
    return ratio(units("exposure"), units("credit_limit"), WIDE_RATIO).alias("utilisation")
