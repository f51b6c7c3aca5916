"""The customer ledger: items as they are posted, disputed, paid in one or two parts, or never."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from flows.demo.calendar import Calendar, next_weekday, plus, stream
from flows.demo.company import DOMESTIC_TAX_PERCENT, EXPORT
from flows.demo.sales import CANCELLATION, CREDIT

if TYPE_CHECKING:
    from flows.demo.company import Population
    from flows.demo.sales import Sales

FIRST_PAYMENT = 1_400_000_001
DISPUTED = 0.008
DISPUTE_DAYS = 25  # longer to pay than usual
IN_PARTS = 0.03  # of items, paid in two parts
SECOND_PART_AFTER = 21
CALLED_AFTER = 20  # days past due the collector calls, and is promised the money …
PROMISED_WITHIN = 14  # … within two weeks
CREDIT_KEPT_DAYS = 30  # after which a credit note that speaks of no open invoice is paid out


@dataclass(frozen=True)
class Ledger:
    """`items`: one row a posted item; `payments`: one a payment; `allocations`: one a payment and item. Cents, tax included."""

    items: pl.DataFrame
    payments: pl.DataFrame
    allocations: pl.DataFrame


def keep_ledger(people: Population, sales: Sales, calendar: Calendar, seed: int) -> Ledger:
    """Post every document but the cancelling twins, and let the customers pay as they are."""
    random = stream(seed, 5)
    items = _post(people, sales)
    count = len(items)
    customer = items["customer"].to_numpy()
    posted = items["posted_on"].to_numpy()
    due = items["due_on"].to_numpy()
    late = people.days_late[customer, calendar.index_of(posted)]
    late = late + random.normal(0, 1, count) * people.spread_of_lateness[customer]
    disputed = (random.random(count) < DISPUTED) & (items["amount"] > 0).to_numpy()
    late = late + disputed * DISPUTE_DAYS
    wanted = np.maximum(plus(due, np.rint(late).astype(np.int64)), plus(posted, 1))
    paid = next_weekday(wanted, people.pay_weekday[customer])
    items = _clear(items.with_columns(paid_on=pl.Series(paid)))
    in_parts = (random.random(count) < IN_PARTS) & (items["payable"] > 100).to_numpy()
    part = np.where(
        in_parts, (items["payable"].to_numpy() * random.uniform(0.4, 0.8, count)).astype(np.int64), 0
    )
    items = items.with_columns(
        first_part=pl.Series(part),
        first_part_on=pl.when(pl.Series(in_parts)).then("cleared_on"),
        cleared_on=pl.when(pl.Series(in_parts))
        .then(pl.col("cleared_on").dt.offset_by(f"{SECOND_PART_AFTER}d"))
        .otherwise("cleared_on"),
        disputed_on=pl.when(pl.Series(disputed)).then(pl.col("posted_on").dt.offset_by("12d")),
    ).with_columns(
        disputed_on=pl.when(pl.col("disputed_on") < pl.col("cleared_on")).then("disputed_on"), **_promises()
    )
    payments, allocations = _pay(items, calendar)
    return Ledger(items.drop("paid_on", "payable", "first_part", "first_part_on"), payments, allocations)


def _promises() -> dict[str, pl.Expr]:
    """When the collector noted a promise for what was still owed, and for which day."""
    called = pl.col("due_on").dt.offset_by(f"{CALLED_AFTER}d")
    is_called = (pl.col("payable") > 0) & (called < pl.col("cleared_on"))
    return {
        "called_on": pl.when(is_called).then(called),
        "promised_on": pl.when(is_called).then(called.dt.offset_by(f"{PROMISED_WITHIN}d")),
    }


def _post(people: Population, sales: Sales) -> pl.DataFrame:
    """One item a document, gross; the document's row number names the item."""
    tax = np.where(people.channel == EXPORT, 0, DOMESTIC_TAX_PERCENT)
    customers = pl.DataFrame({"customer": np.arange(len(people)), "tax": tax, "term_days": people.term_days})
    net = sales.lines.group_by("document").agg(pl.col("net").sum())
    gross = (pl.col("net") * (100 + pl.col("tax")) + 50) // 100
    due = pl.col("day") + pl.duration(days=pl.when(pl.col("type") == CREDIT).then(0).otherwise("term_days"))
    return (
        sales.documents.filter(pl.col("type") != CANCELLATION)
        .join(net, on="document", validate="1:1")
        .join(customers, on="customer", validate="m:1")
        .filter(pl.col("net") != 0)
        .select(
            "document",
            "customer",
            "type",
            "reference",
            "cancelled_on",
            gross.alias("amount"),
            pl.col("day").alias("posted_on"),
            due.cast(pl.Date).alias("due_on"),
        )
        .sort("document")
    )


def _clear(items: pl.DataFrame) -> pl.DataFrame:
    """When each item is settled, and what is left to pay of it by then.

    A cancelled invoice is settled by its twin. A credit note that speaks of an invoice is kept back when that is paid,
    or paid out later where it came too late.
    """
    invoice = items.select(pl.col("document").alias("reference"), pl.col("paid_on").alias("invoice_paid_on"))
    credit = pl.col("type") == CREDIT
    kept = pl.col("invoice_paid_on") > pl.col("posted_on")
    items = items.join(invoice, on="reference", how="left", validate="m:1").with_columns(
        cleared_on=pl.when(pl.col("cancelled_on").is_not_null())
        .then("cancelled_on")
        .when(credit & kept)
        .then("invoice_paid_on")
        .when(credit)
        .then(pl.col("posted_on").dt.offset_by(f"{CREDIT_KEPT_DAYS}d"))
        .otherwise("paid_on"),
        kept=credit & kept.fill_null(value=False),
    )
    kept_back = items.filter("kept").group_by("reference").agg(pl.col("amount").sum().alias("kept_back"))
    return (
        items.join(kept_back.rename({"reference": "document"}), on="document", how="left", validate="1:1")
        .with_columns(
            payable=pl.when(credit | pl.col("cancelled_on").is_not_null())
            .then(0)
            .otherwise(pl.max_horizontal(pl.col("amount") + pl.col("kept_back").fill_null(0), 0))
        )
        .drop("invoice_paid_on", "kept", "kept_back")
        .sort("document")
    )


def _pay(items: pl.DataFrame, calendar: Calendar) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Payments, one a customer and day, and what each settles."""
    whole = items.select(
        "document", "customer", day="cleared_on", amount=pl.col("payable") - pl.col("first_part")
    )
    first = items.select("document", "customer", day="first_part_on", amount="first_part")
    parts = (
        pl.concat([whole, first])
        .filter((pl.col("amount") > 0) & (pl.col("day") < pl.lit(calendar.end.astype(object))))
        .sort("day", "customer", "document")
    )
    payments = (
        parts.group_by("day", "customer")
        .agg(pl.col("amount").sum())
        .sort("day", "customer")
        .with_row_index("payment")
        .with_columns(pl.col("payment").cast(pl.Int64))
    )
    allocations = parts.join(
        payments.select("day", "customer", "payment"), on=["day", "customer"], validate="m:1"
    )
    return payments, allocations.select("payment", "document", "day", "amount").sort("payment", "document")
