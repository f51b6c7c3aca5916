"""The customer ledger on a day: what is open of each item, gross and net, how late it is, and how it was settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.credit.disputes import with_disputes
from transforms.credit.matching import left_over, matched
from transforms.credit.references import by_named_document
from transforms.frames.fixed_point import (
    MONEY_SUM,
    div_half_even,
    from_scaled_int,
    running_sum,
    to_scaled_int,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from transforms.facts.model import Facts
    from transforms.policy.credit import CreditRule

CUSTOMER: Final = ("company_code", "customer_id")
ITEM: Final = ("company_code", "item_id")
PAYMENTS: Final = ("payment", "set_off", "bill", "unknown")
"""How an item may be settled so that it tells how late the customer pays."""

_BY: Final = ("day", *CUSTOMER, "currency")
_CREDIT: Final = ("day", "company_code", "credit_id")
_SLOT: Final = ("day", *ITEM, "is_contested_part")
_CREDIT_ORDER: Final = ("credit_posted", "credit_id")
_TOGETHER: Final = ("cleared_date", "clearing_id")
_WORTH: Final = ("original", "original_amount_company", "company_currency")
_DEBT_ORDER: Final = ("due_date", "posting_date", "item_id")
SETS_NOTHING: Final = ("deposit", "advance", "other")
_ENTERED: Final = ("set_off", "write_off", "transfer")
"""What an entry by hand, that is neither money nor a credit note, may do to the items that it settles."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger of a day.

    `items`, grain item posted by then: company_code, customer_id, item_id, posting_date, due_date, `late_from`,
    `is_late_counted`, `is_contested`, `is_stale`, promised_on, item_type, currency, `amount` (original), `open_amount` (0 once
    settled), `net_open` (what is left of it once unapplied credit is set against it, contested parts left out), `net_contested` (the
    same of the contested part; stale disputes are none) and `days_past_due`; amounts are company currency.
    `parts`, grain settled part of an item of more than 0: company_code, customer_id, item_id, `item` (its number within the
    ledger, by which it is found faster than by its texts), posting_date, late_from, is_late_counted, `original` and `amount` (the item's, document and company currency), `kind` (see `item_settlement`),
    `settled_on`, `is_virtual` (by credit not applied yet), `bill_until`, `matched` (document currency, whole units) and `part` (the same in company currency).
    """

    items: pl.LazyFrame
    parts: pl.LazyFrame


def ledger_on(facts: Facts, rule: CreditRule, day: date) -> Ledger:
    """Show the ledger as it stood at the end of a day.

    An item is settled on its cleared date, or with the allocations that left nothing open; settled on a day means closed on
    that day. A part was settled on the day of its payment, which is never before the item was posted: the payment's own
    date; where items were cleared together (see `clearing_id`), the posting date of the credit that covers it, be it in another
    currency, oldest due first; otherwise the
    day it was allocated or cleared. Unapplied credit is set against open items as it would be applied, and counts from its
    posting date, so that applying it later changes nothing. Amounts of another currency take the same share of the
    item's company amount. ValueError where receivables were not delivered. Source: docs/figures.md, Credit: what is owed.
    """
    receivables = receivables_of(facts)
    posted = with_disputes(receivables.filter(pl.col("posting_date") <= day), rule, day)
    # what follows reads the allocations three times, and the items a dozen times
    applied = _applied(posted, _allocations(facts, day)).collect().lazy()
    items = _standing(posted, applied, rule, day).collect().lazy()
    virtual = _netted(items, _spent(posted, applied, day), facts.document_references).collect().lazy()
    shown = _shown(items, virtual).drop("day").collect().lazy()  # read by every figure of the watch
    return Ledger(shown, _parts(items, applied, virtual, day))


def open_items_on(facts: Facts, rule: CreditRule, days: Sequence[date]) -> pl.LazyFrame:
    """Show what was open at the end of each day. Grain: day × item of the ledger of that day with something open.

    The columns of `Ledger.items`, with `day`. How items were settled is not asked, so this takes a part of what a ledger
    takes. ValueError where receivables were not delivered.
    """
    receivables = receivables_of(facts)
    standing, spent = [], []
    for day in days:
        posted = with_disputes(receivables.filter(pl.col("posting_date") <= day), rule, day).filter(
            ~_is_cleared(day)
        )
        applied = _applied(posted, _allocations(facts, day))
        standing.append(_standing(posted, applied, rule, day))
        spent.append(_spent(posted, applied, day))
    items = pl.concat(standing).filter(pl.col("rest") != 0).collect().lazy()
    virtual = _netted(items, pl.concat(spent), facts.document_references)
    return _shown(items, virtual.collect().lazy())


def receivables_of(facts: Facts) -> pl.LazyFrame:
    """Give the ledger items that are known; ValueError where receivables were not delivered."""
    if facts.receivables is None:
        raise ValueError("a credit watch needs receivables, and they were not delivered")
    return facts.receivables


def _allocations(facts: Facts, day: date) -> pl.LazyFrame:
    """Grain: allocation by then, with the payment's own day and whether money came in with it."""
    if facts.payment_allocations is None:
        allocations = pl.LazyFrame(
            schema={
                "company_code": pl.String(),
                "payment_id": pl.String(),
                "item_id": pl.String(),
                "allocated_on": pl.Date(),
                "amount": MONEY_SUM,
            }
        )
    else:
        allocations = facts.payment_allocations.filter(pl.col("allocated_on") <= day).select(
            "company_code", "payment_id", "item_id", "allocated_on", "amount"
        )
    if facts.payments is None:
        return allocations.with_columns(
            payment_date=pl.lit(None, dtype=pl.Date), brought_money=pl.lit(value=False)
        )
    payments = facts.payments.select(
        "company_code", "payment_id", "payment_date", brought_money=pl.col("amount") > 0
    )
    return allocations.join(
        payments, on=["company_code", "payment_id"], how="left", validate="m:1"
    ).with_columns(pl.col("brought_money").fill_null(value=False))


def _applied(posted: pl.LazyFrame, allocations: pl.LazyFrame) -> pl.LazyFrame:
    """Put what an allocation needs of its item beside it. Grain: allocation of an item posted by the day."""
    of_item = posted.select(
        *ITEM,
        "customer_id",
        "document_id",
        "currency",
        "item_type",
        "item_settlement",
        "posting_date",
        "due_date",
        is_owed=pl.col("original_amount") > 0,
    )
    return allocations.join(of_item, on=ITEM, how="inner", validate="m:1").with_columns(
        applied=to_scaled_int("amount"),
        paid_on=pl.max_horizontal(pl.coalesce("payment_date", "allocated_on"), "posting_date"),
    )


def _is_cleared(day: date) -> pl.Expr:
    return (pl.col("cleared_date") <= day).fill_null(value=False)


def _standing(posted: pl.LazyFrame, applied: pl.LazyFrame, rule: CreditRule, day: date) -> pl.LazyFrame:
    """Put what was settled of an item, and what is left of it, beside it. Grain: item posted by the `day`."""
    summed = applied.group_by(ITEM).agg(applied=pl.col("applied").sum(), last_paid_on=pl.col("paid_on").max())
    return _with_rests(
        posted.join(summed, on=ITEM, how="left", validate="m:1").with_columns(
            day=pl.lit(day), applied=pl.col("applied").fill_null(0), original=to_scaled_int("original_amount")
        ),
        rule,
        day,
    )


def _with_rests(items: pl.LazyFrame, rule: CreditRule, day: date) -> pl.LazyFrame:
    """Add what was allocated within the item (`within`), what clearing settled (`cleared`), and what is open (`rest`)."""
    is_cleared = _is_cleared(day)
    original, applied = pl.col("original"), pl.col("applied")
    within = pl.when(original > 0).then(applied.clip(0, original)).otherwise(applied.clip(original, 0))
    rest = pl.when(is_cleared).then(0).otherwise(original - applied)
    bill_until = pl.coalesce("bill_due_on", pl.col("cleared_date").dt.offset_by(f"{rule.bill_days}d"))
    return items.with_columns(within=within, rest=rest).with_columns(
        cleared=pl.when(is_cleared).then(original - pl.col("within")).otherwise(0),
        kind=pl.col("item_settlement").fill_null("unknown"),
        bill_until=pl.when(pl.col("item_settlement") == "bill").then(bill_until),
        counted_contested=pl.when(pl.col("is_contested") & ~pl.col("is_stale"))
        .then(pl.min_horizontal("contested", rest).clip(lower_bound=0))
        .otherwise(0),
    )


# --- Netting


def _slots(items: pl.LazyFrame) -> pl.LazyFrame:
    """Cut each open item into its contested part and the rest. Grain: item × is_contested_part; `amount` may be 0."""
    owed = items.filter(pl.col("rest") > 0).select(
        *_BY, "item_id", "document_id", "references_order_id", *_DEBT_ORDER[:2], "rest", "counted_contested"
    )
    contested, calm = (
        owed.with_columns(is_contested_part=pl.lit(part), amount=amount).drop("rest", "counted_contested")
        for part, amount in (
            (True, pl.col("counted_contested")),
            (False, pl.col("rest") - pl.col("counted_contested")),
        )
    )
    return pl.concat([contested, calm])


def _open_credits(items: pl.LazyFrame) -> pl.LazyFrame:
    """Credits that may be set against something. Grain: item of which more was paid than owed, or that is a credit."""
    was_owed = pl.col("original") > 0
    credit_type = pl.when(was_owed).then(pl.lit("payment_on_account")).otherwise("item_type")
    return (
        items.filter(pl.col("rest") < 0)
        .with_columns(credit_type=credit_type)
        .filter(pl.col("credit_type") != "deposit")
        .select(
            *_BY,
            "credit_type",
            credit_id="item_id",
            credit_posted=pl.when(was_owed).then("last_paid_on").otherwise("posting_date"),
            credit_kind=_kind_of_credit(pl.col("credit_type"), pl.col("item_settlement")),
            names_document=pl.when(~was_owed).then("references_document_id"),
            own_document=pl.when(~was_owed).then("document_id"),
            names_order=pl.when(~was_owed).then("references_order_id"),
            total=0 - pl.col("original"),
            amount=0 - pl.col("rest"),
        )
    )


def _spent(posted: pl.LazyFrame, applied: pl.LazyFrame, day: date) -> pl.LazyFrame:
    """Sum what credits took off documents already. Grain: credit × document of an item of the same currency."""
    own = posted.filter(pl.col("original_amount") < 0).select(*CUSTOMER, "currency", credit_id="item_id")
    return (
        applied.filter("is_owed", pl.col("document_id").is_not_null())
        .rename({"payment_id": "credit_id"})
        .join(own, on=[*CUSTOMER, "currency", "credit_id"], how="semi")
        .group_by(*CUSTOMER, "currency", "credit_id", document="document_id")
        .agg(spent=pl.col("applied").sum())
        .with_columns(day=pl.lit(day))
    )


def _netted(items: pl.LazyFrame, spent: pl.LazyFrame, references: pl.LazyFrame | None) -> pl.LazyFrame:
    """Set open credits against open items, by purpose before age. Grain: pair of a credit and a slot."""
    slots, open_credits = _slots(items), _open_credits(items)
    contested_first = ("is_calm", *_DEBT_ORDER)
    orderly = slots.with_columns(is_calm=~pl.col("is_contested_part"))
    by_document = (
        matched(
            by_named_document(open_credits, spent, references, _BY),
            orderly.rename({"document_id": "document"}),
            (*_BY, "document"),
            credit_order=_CREDIT_ORDER,
            debt_order=contested_first,
        )
        .collect()
        .lazy()
    )
    rest = left_over(open_credits, by_document, _CREDIT)
    left = left_over(orderly, by_document, _SLOT)
    is_advance = (pl.col("credit_type") == "advance") | pl.col("names_order").is_not_null()
    by_order = (
        matched(
            rest.filter(is_advance).rename({"names_order": "order"}),
            left.rename({"references_order_id": "order"}),
            (*_BY, "order"),
            credit_order=_CREDIT_ORDER,
            debt_order=contested_first,
        )
        .collect()
        .lazy()
    )
    left = left_over(left, by_order, _SLOT)
    freely = matched(
        rest.filter(~is_advance, ~pl.col("credit_type").is_in(SETS_NOTHING)),
        left.filter("is_calm"),
        _BY,
        credit_order=_CREDIT_ORDER,
        debt_order=_DEBT_ORDER,
    )
    columns = (
        "day",
        *CUSTOMER,
        "item_id",
        "is_contested_part",
        "credit_id",
        "credit_posted",
        "credit_kind",
        "matched",
    )
    return pl.concat(each.select(columns) for each in (by_document, by_order, freely))


# --- Parts


def _parts(items: pl.LazyFrame, applied: pl.LazyFrame, virtual: pl.LazyFrame, day: date) -> pl.LazyFrame:
    """List how items of more than 0 were settled, part by part. Grain: see `Ledger`."""
    parts = pl.concat(
        [
            _within(_by_allocation(applied), items),
            _by_clearing(items),
            virtual.select(
                *ITEM,
                kind="credit_kind",
                settled_on="credit_posted",
                matched="matched",
                is_virtual=pl.lit(value=True),
            ),
        ]
    )
    of_item = items.with_row_index("item").select(
        *ITEM,
        "item",
        "customer_id",
        "posting_date",
        "late_from",
        "is_late_counted",
        "original",
        *_COMPANY_SHARE,
        "bill_until",
    )
    return (
        parts.filter(pl.col("matched") > 0)
        .join(of_item, on=ITEM, how="inner", validate="m:1")
        .with_columns(
            settled_on=pl.max_horizontal(pl.min_horizontal("settled_on", pl.lit(day)), "posting_date"),
            part=in_company_currency(pl.col("matched")),
            amount=pl.col("original_amount_company").cast(MONEY_SUM),
        )
        .select(
            *CUSTOMER,
            "item_id",
            "item",
            "posting_date",
            "late_from",
            "is_late_counted",
            "original",
            "kind",
            "settled_on",
            "is_virtual",
            "amount",
            "matched",
            "part",
            bill_until=pl.when(pl.col("kind") == "bill").then("bill_until"),
        )
        .collect()
        .lazy()
    )


def _kind_of_credit(item_type: pl.Expr, settlement: pl.Expr) -> pl.Expr:
    """Tell how a credit settles an item: as a credit note, as an entry says that it does, else as a payment."""
    return (
        pl.when(item_type == "credit_note")
        .then(pl.lit("credit_note"))
        .when(item_type == "other", settlement.is_in(_ENTERED))
        .then(settlement)
        .otherwise(pl.lit("payment"))
    )


def _by_allocation(applied: pl.LazyFrame) -> pl.LazyFrame:
    """Part what was allocated into what credits covered that were allocated with it, and what was paid."""
    by = (*CUSTOMER, "currency", "payment_id")
    allocated = applied.with_columns(
        allocation_kind=pl.when("brought_money")
        .then(pl.lit("payment"))
        .otherwise(pl.col("item_settlement").fill_null("unknown")),
    )
    debts = (
        allocated.filter(pl.col("is_owed"), pl.col("applied") > 0)
        .group_by(*by, "item_id", "allocated_on")
        .agg(
            pl.col("applied").sum().alias("amount"),
            pl.col("due_date", "posting_date", "paid_on", "allocation_kind").first(),
        )
    )
    set_against = (
        allocated.filter(~pl.col("is_owed"), pl.col("applied") < 0)
        .group_by(*by, credit_id="item_id")
        .agg(
            amount=0 - pl.col("applied").sum(),
            credit_kind=_kind_of_credit(pl.col("item_type"), pl.col("item_settlement")).first(),
            credit_posted=pl.col("posting_date").first(),
        )
    )
    key = ("company_code", "payment_id", "item_id", "allocated_on")
    pairs = (
        matched(set_against, debts, by, credit_order=_CREDIT_ORDER, debt_order=(*_DEBT_ORDER, "allocated_on"))
        .collect()
        .lazy()
    )
    covered = pairs.select(*ITEM, kind="credit_kind", settled_on="credit_posted", matched="matched")
    paid = left_over(debts, pairs, key).select(
        *ITEM, kind="allocation_kind", settled_on="paid_on", matched="amount"
    )
    return pl.concat([covered, paid]).filter(pl.col("matched") > 0)


def _within(parts: pl.LazyFrame, items: pl.LazyFrame) -> pl.LazyFrame:
    """Cut parts that go beyond the item, latest first: what was overpaid, or allocated and taken back."""
    order = ("settled_on", "kind")
    numbered = items.select(*ITEM, "within").with_row_index("item")
    return (
        parts.group_by(*ITEM, *order)
        .agg(pl.col("matched").sum())
        .join(numbered, on=ITEM, how="inner", validate="m:1")
        .sort("item", *order)
        .with_columns(ends=running_sum("matched", "item"))
        .with_columns(
            matched=pl.min_horizontal("ends", "within") - (pl.col("ends") - pl.col("matched")),
            is_virtual=pl.lit(value=False),
        )
        .select(*ITEM, "kind", "settled_on", "matched", "is_virtual")
    )


def _by_clearing(items: pl.LazyFrame) -> pl.LazyFrame:
    """Part what clearing settled: by the customer's credits cleared with it, oldest due first, then by the clearing.

    Cleared with it is what was cleared on the same day and, where that is known, by the same posting: in the same currency
    first, and what that leaves in another, by what both were worth in company currency.
    """
    cleared = items.filter(pl.col("cleared") != 0).with_columns(pl.col("clearing_id").fill_null(""))
    debts = cleared.filter(pl.col("cleared") > 0).select(
        *_BY, *_TOGETHER, *_DEBT_ORDER, *_WORTH, "item_settlement", amount="cleared"
    )
    set_against = cleared.filter(pl.col("cleared") < 0).select(
        *_BY,
        *_TOGETHER,
        *_WORTH,
        credit_id="item_id",
        credit_posted="posting_date",
        credit_kind=_kind_of_credit(pl.col("item_type"), pl.col("item_settlement")),
        amount=0 - pl.col("cleared"),
    )
    same = (
        matched(
            set_against.drop(_WORTH),
            debts,
            (*_BY, *_TOGETHER),
            credit_order=_CREDIT_ORDER,
            debt_order=_DEBT_ORDER,
        )
        .collect()
        .lazy()
    )
    left = left_over(debts, same, ITEM)
    other = _in_another_currency(left_over(set_against, same, _CREDIT), left).collect().lazy()
    said = pl.col("item_settlement")
    is_said = said.is_not_null() & (said != "unknown")
    covered = pl.concat([same, other], how="diagonal").select(
        *ITEM,
        kind=pl.when(is_said).then(said).otherwise("credit_kind"),
        settled_on="credit_posted",
        matched="matched",
        is_virtual=pl.lit(value=False),
    )
    rest = left_over(left, other, ITEM).select(
        *ITEM,
        kind=said.fill_null("unknown"),
        settled_on="cleared_date",
        matched="amount",
        is_virtual=pl.lit(value=False),
    )
    return pl.concat([covered, rest])


def _in_another_currency(credits_: pl.LazyFrame, debts: pl.LazyFrame) -> pl.LazyFrame:
    """Set what was cleared together against one another by its worth in company currency. Grain: pair; `matched` is the debt's."""
    worth = to_scaled_int(in_company_currency(pl.col("amount")))
    pairs = matched(
        credits_.with_columns(amount=worth).drop("currency", *_WORTH),
        debts.with_columns(whole=pl.col("amount"), worth=worth, amount=worth),
        ("day", *CUSTOMER, *_TOGETHER),
        credit_order=_CREDIT_ORDER,
        debt_order=_DEBT_ORDER,
    )
    upto = pl.col("matched").cum_sum().over(ITEM, order_by=list(_CREDIT_ORDER))
    ends = div_half_even(pl.col("whole") * upto, pl.col("worth"))
    starts = div_half_even(pl.col("whole") * (upto - pl.col("matched")), pl.col("worth"))
    return pairs.with_columns(matched=ends - starts).drop("whole", "worth")


# --- What is shown

_COMPANY_SHARE: Final = ("currency", "company_currency", "original_amount_company")


def in_company_currency(amount: pl.Expr) -> pl.Expr:
    """Turn whole units of an item's own currency into company money: as they are, or the same share of its company amount."""
    sign = pl.col("original").sign()
    share = div_half_even(
        to_scaled_int("original_amount_company") * amount * sign, pl.col("original") * sign
    ).fill_null(0)
    is_own = pl.col("currency") == pl.col("company_currency")
    return from_scaled_int(pl.when(is_own).then(amount).otherwise(share), MONEY_SUM)


def _shown(items: pl.LazyFrame, virtual: pl.LazyFrame) -> pl.LazyFrame:
    covered = virtual.group_by("day", *ITEM).agg(
        covered=pl.col("matched").sum(),
        covered_contested=pl.col("matched").filter("is_contested_part").sum(),
    )
    owed = pl.col("rest").clip(lower_bound=0)
    contested = pl.col("counted_contested") - pl.col("covered_contested")
    net = in_company_currency(owed - pl.col("covered"))
    return (
        items.join(covered, on=["day", *ITEM], how="left", validate="m:1")
        .with_columns(pl.col("covered", "covered_contested").fill_null(0))
        .with_columns(
            amount=pl.col("original_amount_company").cast(MONEY_SUM),
            open_amount=in_company_currency(pl.col("rest")),
            net_contested=in_company_currency(contested),
            days_past_due=(pl.col("day") - pl.col("due_date")).dt.total_days(),
        )
        .with_columns(net_open=net - pl.col("net_contested"))
        .select(
            "day",
            *CUSTOMER,
            "item_id",
            "item_type",
            "currency",
            "posting_date",
            "due_date",
            "late_from",
            "is_late_counted",
            "is_contested",
            "is_stale",
            "promised_on",
            "original",
            "amount",
            "open_amount",
            "net_open",
            "net_contested",
            "days_past_due",
        )
    )
