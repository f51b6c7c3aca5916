"""A made ledger of 500 customers of whom some fail, for `make bench-credit`: who is warned of before, and who for nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import Any, Final

import polars as pl

from flows.wording.reasons import with_text
from tests.unit.transforms.small_worlds import facts, line
from transforms.credit.warnings import credit_warnings, standing_warnings, still_standing
from transforms.credit.watch import credit_watch
from transforms.facts.model import Facts
from transforms.frames.periods import months_before
from transforms.frames.plan import month_end, months_between
from transforms.policy.model import Policy

LAST: Final = date(2024, 12, 1)
MONTHS: Final = 36
LOOKS: Final = 18
HORIZON: Final = timedelta(
    days=183
)  # a flag is right if the customer fails within half a year, or has failed
DECLINE: Final = 9  # months from the first sign to the day from which nothing is paid

FAILS: Final = "fails over nine months"
KINDS: Final = {
    "pays on the day": 200,
    "always three to six weeks late": 100,
    "one invoice two months late": 80,
    "one invoice disputed": 40,
    "pays on account, applied weeks later": 40,
    FAILS: 40,
}

OVERDUE: Final = pl.sum_horizontal("overdue_1_30", "overdue_31_60", "overdue_61_90", "overdue_over_90")
OWED: Final = OVERDUE + pl.col("not_yet_due")
RULES: Final = {
    "credit warning in force": pl.col("warning_since").is_not_null(),
    "prepay or stop": pl.col("credit_action").is_in(["prepay", "stop"]),
    "stop": pl.col("credit_action") == "stop",
    "naive: anything overdue": OVERDUE > 0,
    **{
        f"naive: more than {days} days past due": pl.col("oldest_overdue_days") > days
        for days in (15, 30, 45, 60, 75, 90)
    },
    **{
        f"naive: more than {share} % of what is owed overdue": (OVERDUE * 100).gt(OWED * share)
        for share in (30, 50, 70, 90)
    },
}


@dataclass(frozen=True)
class Ledger:
    """What is known of the customers, the kind of each, and the day from which who fails pays nothing."""

    facts: Facts
    kinds: dict[str, str]
    failed_on: dict[str, date]


def made_ledger(seed: int = 7) -> Ledger:
    """Three years of invoices and payments; who fails does so between ten months and one before the end."""
    chance = random.Random(seed)
    kinds: dict[str, str] = {}
    failed: dict[str, date] = {}
    sold: list[dict[str, Any]] = []
    items: list[dict[str, Any]] = []
    applied: list[dict[str, Any]] = []
    for kind, count in KINDS.items():
        for _ in range(count):
            customer = f"C{len(kinds):03}"
            kinds[customer] = kind
            if kind == FAILS:
                failed[customer] = months_before(LAST, chance.randint(1, 10))
            for row in _invoices(customer, kind, failed.get(customer), chance):
                sold.append(row.sale)
                items += row.items
                applied += row.applied
    return Ledger(facts(sold, receivables=items, payment_allocations=applied), kinds, failed)


@dataclass(frozen=True)
class _Invoice:
    sale: dict[str, Any]
    items: list[dict[str, Any]]
    applied: list[dict[str, Any]]


def _invoices(customer: str, kind: str, failed: date | None, chance: random.Random) -> Iterator[_Invoice]:
    """An invoice or two a month, due in 30 days, each paid as its kind has it."""
    size, a_month = chance.lognormvariate(9, 0.8), chance.choice([1, 2])
    special = months_before(LAST, chance.randint(3, LOOKS - 3))
    habit = chance.randint(21, 42)
    for month in months_between(months_before(LAST, MONTHS - 1), LAST):
        for place in range(a_month):
            day = month + timedelta(chance.randint(place * 14, place * 14 + 13))
            amount = round(max(50, size * chance.lognormvariate(0, 0.3)), 2)
            if failed is not None and month >= failed:
                continue  # it orders no more, and owes what it owes
            due = day + timedelta(30)
            paid: date | None = due - timedelta(chance.randint(0, 5))
            is_special = month == special and place == 0
            about: dict[str, Any] = {}
            if kind == "always three to six weeks late":
                paid = due + timedelta(max(0, habit + chance.randint(-7, 7)))
            elif kind == "one invoice two months late" and is_special:
                paid = due + timedelta(chance.randint(50, 70))
            elif kind == "one invoice disputed" and is_special:
                paid = due + timedelta(chance.randint(60, 150))
                about = {"disputed_amount": amount, "disputed_from": day + timedelta(10), "disputed_to": paid}
            elif failed is not None:
                ago = (failed.year - due.year) * 12 + failed.month - due.month
                if ago < DECLINE:
                    paid = due + timedelta(max(0, (DECLINE - ago) * 7 + chance.randint(-5, 5)))
                paid = paid if paid < failed else None
            yield _booked(
                customer, day, due, amount, paid, about, on_account=kind.startswith("pays on account")
            )


def _booked(
    customer: str,
    day: date,
    due: date,
    amount: float,
    paid: date | None,
    about: dict[str, Any],
    *,
    on_account: bool,
) -> _Invoice:
    number = f"{customer}-{day}-{amount}"
    who = {"customer_id": customer, "currency": "EUR", "company_currency": "EUR"}
    item = {
        **who,
        "item_id": number,
        "document_id": number,
        "posting_date": day,
        "due_date": due,
        "original_amount": amount,
        "original_amount_company": amount,
        "available_on": day,
        **about,
    }
    sale = line(day, amount, customer_id=customer, document_id=number, available_on=day)
    if paid is None:
        return _Invoice(sale, [item], [])
    if not on_account:
        return _Invoice(sale, [item | {"cleared_date": paid}], [])
    cash = {
        **who,
        "item_id": f"{number}-cash",
        "item_type": "payment_on_account",
        "posting_date": paid,
        "due_date": paid,
        "original_amount": -amount,
        "original_amount_company": -amount,
        "available_on": paid,
    }
    on = paid + timedelta(40)
    applied = [
        {
            "payment_id": cash["item_id"],
            "item_id": each,
            "allocated_on": on,
            "amount": part,
            "available_on": on,
        }
        for each, part in ((number, amount), (cash["item_id"], -amount))
    ]
    return _Invoice(sale, [item, cash], applied)


def known_by(known: Facts, day: date) -> Facts:
    """The facts as they were known on a day: a settlement of a later day is none yet."""
    items, applied = known.receivables, known.payment_allocations
    if items is None or applied is None:
        raise ValueError("a ledger has items, and payments of them")
    is_settled = pl.col("cleared_date") <= day
    return Facts(
        customers=known.customers,
        customer_month=known.customer_month.filter(pl.col("month") <= day),
        order_day=known.order_day.filter(pl.col("order_on") <= day),
        receivables=items.filter(pl.col("posting_date") <= day).with_columns(
            cleared_date=pl.when(is_settled).then("cleared_date")
        ),
        payment_allocations=applied.filter(pl.col("allocated_on") <= day),
    )


def looks(ledger: Ledger, policy: Policy, count: int = LOOKS) -> pl.DataFrame:
    """The credit watch of each of the last months' last day, its warnings remembered from the one before."""
    stood, found = None, []
    for month in months_between(months_before(LAST, count - 1), LAST):
        day = month_end(month)
        watched = credit_watch(known_by(ledger.facts, day), policy, day)
        before = None if stood is None else still_standing(stood.lazy(), None)
        watch = credit_warnings(watched, before, policy.credit, day).collect()
        stood = standing_warnings(watch.lazy()).collect()
        found.append(with_text(watch))
    return pl.concat(found)


def judge(seen: pl.DataFrame, ledger: Ledger) -> list[tuple[object, ...]]:
    """By rule: flags, precision, how many failures were seen before the day, and the median of the days before."""
    failed = pl.DataFrame(
        list(ledger.failed_on.items()),
        schema={"customer_id": pl.String(), "failed_on": pl.Date()},
        orient="row",
    )
    told = seen.join(failed, on="customer_id", how="left")
    is_right = (pl.col("failed_on") <= pl.col("as_of") + HORIZON).fill_null(value=False)
    rows = []
    for rule, condition in RULES.items():
        flagged = told.filter(condition.fill_null(value=False)).with_columns(is_right=is_right)
        in_time = flagged.filter("is_right", pl.col("as_of") < pl.col("failed_on"))
        first = in_time.group_by("customer_id").agg(
            lead=(pl.col("failed_on") - pl.col("as_of").min()).dt.total_days().max()
        )
        right = int(flagged["is_right"].sum())
        precision = f"{100 * right / flagged.height:.0f} %" if flagged.height else "-"
        rows.append(
            (
                rule,
                flagged.height,
                precision,
                flagged["customer_id"].n_unique(),
                f"{first.height} of {len(ledger.failed_on)}",
                median(first["lead"]) if first.height else "-",
            )
        )
    return rows


def by_kind(seen: pl.DataFrame, ledger: Ledger) -> list[tuple[object, ...]]:
    """How many customers of each kind were ever warned of, asked to prepay, or stopped."""
    kinds = pl.DataFrame(
        list(ledger.kinds.items()), schema={"customer_id": pl.String(), "of_kind": pl.String()}, orient="row"
    )
    told = seen.join(kinds, on="customer_id")
    rules = list(RULES)[:3]
    return [
        (
            kind,
            count,
            *(told.filter(RULES[rule], of_kind=kind)["customer_id"].n_unique() for rule in rules),
        )
        for kind, count in KINDS.items()
    ]


def without_cause(seen: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Stops and prepays by what is overdue of customers who owe nothing net overdue and material. Grain: customer × look.

    Who always pays late is asked to prepay for that, a reason of its own.
    """
    by_habit = pl.col("action_reason").str.contains("days_late_12m")
    is_material = pl.col("net_overdue") >= pl.lit(policy.credit.material_amount)
    return seen.filter(RULES["prepay or stop"], ~by_habit, ~is_material.fill_null(value=False))
