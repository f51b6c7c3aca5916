"""The credit watch: what a customer owes on a day, how late it pays, and what may still be sold to it on credit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.credit.action import (
    WRITTEN_OFF_MONTHS,
    credit_grade,
    with_credit_action,
    with_credit_elsewhere,
    with_stops_in_the_group,
)
from transforms.credit.collection import collected, countback
from transforms.credit.items import CUSTOMER, SETS_NOTHING, ledger_on, open_items_on
from transforms.credit.lateness import RECENT_MONTHS, broken_promises, lateness
from transforms.credit.limits import limits, with_groups
from transforms.credit.material import YEARLY_SALES, yearly_sales
from transforms.credit.overdue import FIRM, overdue_figures
from transforms.frames.conform import conform_to
from transforms.frames.fixed_point import MONEY_SUM, WIDE_RATIO, ratio, to_scaled_int
from transforms.frames.periods import months_before
from transforms.frames.reasons import with_reasons
from transforms.frames.schemas import CREDIT_WATCH

if TYPE_CHECKING:
    from datetime import date

    from transforms.facts.model import Facts
    from transforms.policy.credit import CreditRule
    from transforms.policy.model import Policy

BEHIND_A_WARNING: Final = pl.Schema(
    {
        **dict.fromkeys(
            (
                "net_owed",
                "severe",
                "past_grace",
                "newly_past_grace",
                "late_amount",
                "counted_amount",
                "broken_amount",
                YEARLY_SALES,
            ),
            MONEY_SUM,
        ),
        "paid_late_trend": WIDE_RATIO,
        "is_credit_stop": pl.Boolean(),
        "is_blocked": pl.Boolean(),
        "is_chronically_late": pl.Boolean(),
    }
)
"""What is not published, but weighed by the warnings (is the amount behind a figure material?) and the tier's gates."""

WATCHED: Final = pl.Schema(
    {
        **{
            name: dtype
            for name, dtype in with_reasons(CREDIT_WATCH, ("action_reason",)).items()
            if not name.startswith("warning_")
        },
        **BEHIND_A_WARNING,
    }
)
"""The credit watch of a day by itself, without the memory of the watch before."""

_BUCKETS: Final = ("not_yet_due", "overdue_1_30", "overdue_31_60", "overdue_61_90", "overdue_over_90")
_OVERDUE: Final = _BUCKETS[1:]
_NOTHING: Final = (
    *_BUCKETS,
    "unapplied_credit",
    "deposits",
    "disputed",
    "open_balance",
    "net_overdue",
    "net_overdue_1_30",
    "net_overdue_over_90",
    "to_be_applied",
    "disputed_open",
    "newly_past_grace",
    "bills_outstanding",
    "written_off_24m",
    "written_off_of",
    *(
        f"{name}{suffix}"
        for name in ("net_owed", "past_grace", "severe", "severe_long")
        for suffix in ("", FIRM)
    ),
)


def credit_watch(facts: Facts, policy: Policy, as_of: date) -> pl.LazyFrame:
    """Judge every customer's credit on `as_of`. Grain: customer with a ledger item posted by then, or an open order.

    Ends at WATCHED. Money is company currency; buckets hold items of more than 0, `disputed` is an of-which, and
    Σ buckets + `unapplied_credit` = `open_balance`. What judges is net of unapplied credit and without disputes, in columns
    of its own. Ratios are null where their denominator is not positive, the limit's figures where no limit can be
    compared. `broken_promises` is null where no item of the company bears a promise. What the watch before has to say is
    added by `credit_warnings`. ValueError where receivables were not delivered. Source: docs/figures.md, the sections on credit.
    """
    rule = policy.credit
    ledger = ledger_on(facts, rule, as_of)
    quarter_ago = open_items_on(facts, rule, [months_before(as_of, RECENT_MONTHS)])
    sales = yearly_sales(facts, as_of).collect().lazy()
    orders = _open_orders(facts.open_orders)
    customers = pl.concat([ledger.items.select(CUSTOMER), orders.select(CUSTOMER)]).unique()
    of_customer = (
        ageing(ledger.items, rule),
        _credit_left(ledger.items),
        overdue_figures(ledger.items, sales, rule),
        overdue_figures(ledger.items.filter(~pl.col("is_stale")), sales, rule, suffix=FIRM),
        lateness(ledger, rule, as_of),
        countback(ledger, as_of),
        collected(ledger, quarter_ago, as_of),
        broken_promises(ledger, as_of),
        _otherwise_settled(ledger.parts, as_of),
        sales,
        orders,
        limits(facts, rule, as_of),
    )
    for figures in of_customer:
        customers = customers.join(figures, on=CUSTOMER, how="left", validate="1:1")
    known = customers.with_columns(pl.col(_NOTHING).fill_null(0), _months_known(as_of)).with_columns(
        _open_orders_or_zero(delivered=facts.open_orders is not None),
        pl.col("secured_amount").fill_null(0),
        is_blocked=(pl.col("status") == "blocked").fill_null(value=False),
    )
    figured = with_groups(
        known.with_columns(
            _overdue_share(), *_newly_overdue_shares(), _exposure(), _limit_reason()
        ).with_columns(
            _utilisation(),
            _net_overdue_share(),
            _broken_or_none(),
            pl.lit(as_of).alias("as_of"),
            credit_grade(rule).alias("credit_grade"),
            next_order_headroom=pl.col("credit_limit") - pl.col("exposure"),
            exposure_unsecured=(pl.col("exposure") - pl.col("secured_amount")).clip(lower_bound=0),
        )
    )
    judged = with_credit_action(figured, rule, policy.segments.new_below_months).collect().lazy()
    grouped = with_credit_elsewhere(with_stops_in_the_group(judged, rule), rule)
    return conform_to(grouped, WATCHED).sort(CUSTOMER)


def ageing(items: pl.LazyFrame, rule: CreditRule) -> pl.LazyFrame:
    """Age the open amounts of a ledger's items. Grain: customer.

    Items of more than 0 lie in one bucket by days past due (1–30, 31–60, 61–90, more; due today is not past due), gross;
    `unapplied_credit` (≤ 0) holds the others, `deposits` among them. `disputed` is an of-which. Net of unapplied credit
    and without disputes are `net_overdue`, of it `net_overdue_1_30` and `net_overdue_over_90`, and `newly_past_grace` (more
    than the policy's `grace_days` and 30 days at most). `to_be_applied` is the credit that would be set against open items,
    `disputed_open` what is in dispute, net. `oldest_overdue_days` and `net_oldest_overdue_days` are 0 where nothing is
    overdue.
    """
    amount, net, past = pl.col("open_amount"), pl.col("net_open"), pl.col("days_past_due")
    owed = amount > 0
    edges = (past <= 0, past.is_between(1, 30), past.is_between(31, 60), past.is_between(61, 90), past > 90)
    buckets = {name: amount.filter(owed & within).sum() for name, within in zip(_BUCKETS, edges, strict=True)}

    def oldest(is_open: pl.Expr) -> pl.Expr:
        return past.filter(is_open & (past > 0)).max().fill_null(0).cast(WIDE_RATIO)

    return items.group_by(CUSTOMER).agg(
        **buckets,
        unapplied_credit=amount.filter(~owed).sum(),
        deposits=amount.filter(~owed & (pl.col("item_type") == "deposit")).sum(),
        disputed=amount.filter(owed & pl.col("is_contested")).sum(),
        open_balance=amount.sum(),
        net_overdue=net.filter(past > 0).sum(),
        net_overdue_1_30=net.filter(past.is_between(1, 30)).sum(),
        net_overdue_over_90=net.filter(past > 90).sum(),
        newly_past_grace=net.filter((past > rule.grace_days) & (past <= 30)).sum(),
        to_be_applied=amount.filter(owed).sum() - net.sum() - pl.col("net_contested").sum(),
        disputed_open=pl.col("net_contested").sum(),
        first_posted=pl.col("posting_date").min(),
        oldest_overdue_days=oldest(owed),
        net_oldest_overdue_days=oldest(net > 0),
    )


def _credit_left(items: pl.LazyFrame) -> pl.LazyFrame:
    """Sum the unapplied credit that meets no debt of its own currency. Grain: customer with a credit; `credit_left`, 0 or more.

    What may be set against any debt counts, not deposits, advances and accruals.
    """
    amount, net = pl.col("open_amount"), pl.col("net_open").sum()
    credit = -amount.filter((amount < 0) & ~pl.col("item_type").is_in(SETS_NOTHING)).sum()
    covered = amount.filter(amount > 0).sum() - net - pl.col("net_contested").sum()
    left = pl.when(net == 0).then((credit - covered).clip(lower_bound=0)).otherwise(0)
    return (
        items.group_by(*CUSTOMER, "currency")
        .agg(credit_left=left.cast(MONEY_SUM))
        .group_by(CUSTOMER)
        .agg(pl.col("credit_left").sum())
    )


def _otherwise_settled(parts: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """Sum what was settled by something that is no money yet, or never. Grain: customer with a settled part.

    `bills_outstanding`: bills of exchange that fall due after `as_of`. `written_off_24m` in the 24 months to it, of items
    whose original amounts sum to `written_off_of`.
    """
    is_out = (pl.col("bill_until") > as_of).fill_null(value=False)
    is_written_off = (pl.col("kind") == "write_off") & (
        pl.col("settled_on") > months_before(as_of, WRITTEN_OFF_MONTHS)
    )
    part = pl.col("part")
    return parts.group_by(CUSTOMER).agg(
        bills_outstanding=part.filter(is_out).sum(),
        written_off_24m=part.filter(is_written_off).sum(),
        written_off_of=pl.col("amount").filter(is_written_off).sum(),
    )


def _months_known(as_of: date) -> pl.Expr:
    """Calendar months from the first sale or ledger item on, to the month of `as_of`."""
    first = pl.min_horizontal("first_month", "first_posted")
    months = (as_of.year * 12 + as_of.month) - (first.dt.year().cast(pl.Int32) * 12 + first.dt.month()) + 1
    return months.cast(pl.Int32).alias("months_known")


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


def _broken_or_none() -> pl.Expr:
    """0 for a customer without a broken promise; null in a company where none was ever noted."""
    broken = pl.col("broken_promises")
    return pl.when(broken.is_not_null().any().over("company_code")).then(broken.fill_null(0))


def _limit_reason() -> pl.Expr:
    """Why no limit can be compared, or that it was converted with an old rate; null where nothing is to be said."""
    return (
        pl.when(pl.col("credit_limit").is_null())
        .then(pl.coalesce("limit_fault", pl.lit("master_missing")))
        .otherwise("limit_fault")
        .alias("credit_limit_reason")
    )


def _receivable() -> pl.Expr:
    return to_scaled_int(pl.sum_horizontal(pl.col(_BUCKETS)))


def _overdue_share() -> pl.Expr:
    """Overdue ÷ Σ items of more than 0; null where nothing is open."""
    return ratio(to_scaled_int(pl.sum_horizontal(pl.col(_OVERDUE))), _receivable(), WIDE_RATIO).alias(
        "overdue_share"
    )


def _net_overdue_share() -> pl.Expr:
    """The same net of unapplied credit and without disputes; null where nothing is owed net."""
    return ratio(to_scaled_int("net_overdue"), to_scaled_int("net_owed"), WIDE_RATIO).alias(
        "net_overdue_share"
    )


def _newly_overdue_shares() -> tuple[pl.Expr, pl.Expr]:
    """Share of what is owed that became overdue in the last 30 days, gross and net; null where nothing is open."""
    return (
        ratio(to_scaled_int("overdue_1_30"), _receivable(), WIDE_RATIO).alias("newly_overdue_share"),
        ratio(to_scaled_int("net_overdue_1_30"), to_scaled_int("net_owed"), WIDE_RATIO).alias(
            "net_newly_overdue_share"
        ),
    )


def _exposure() -> pl.Expr:
    """Open balance, open orders where delivered, and bills outstanding; a deposit lowers nothing."""
    owed = pl.col("open_balance") - pl.col("deposits") + pl.col("bills_outstanding")
    return (owed + pl.col("open_orders").fill_null(0)).alias("exposure")


def _utilisation() -> pl.Expr:
    """Exposure ÷ limit; null without a limit above 0."""
    return ratio(to_scaled_int("exposure"), to_scaled_int("credit_limit"), WIDE_RATIO).alias("utilisation")
