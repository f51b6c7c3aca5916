"""Are those who leave warned of in time, and only those? `make bench-decline`.

Customers are looked at on the last day of each month by what was billed by then. A flag is the first look of a run of looks
on which a rule finds a customer; every rule is asked about the same customers: those with the policy's months of history and
material sales in the year before. Of a real set a loss is an order that none follows for so many days; a flag is right from as
many days before it on, until the customer comes back. To be found are those from the month before the first look on. In the made
world it is known who leaves, and a flag is right from the turn on. `delay` is the median of the days from the last order, or
from the turn, to the first right flag: the smaller, the earlier.

online_retail has one year, so nothing can be compared with a year before: there the silence alone is tried, without memory, on
those with three months of history, two occasions and material sales.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from expectations.gate import Gate
from flows.pipeline import rate, stages
from flows.settings import Settings
from tests.bench.real_sets import SETS, loaded, table
from tests.unit.transforms.small_worlds import facts, line, sales
from transforms.credit.material import is_material
from transforms.facts.model import Facts
from transforms.frames import schemas
from transforms.frames.periods import months_before
from transforms.frames.plan import month_end, months_between
from transforms.measures import measure_customers
from transforms.measures.window import KEY, Window
from transforms.policy.model import Policy, parse_policy
from transforms.rating.decline import MEMORY, WARNED, tell_decline
from transforms.tiers.memory import BEFORE
from warehouse.connection import open_database

STATE = pl.col("decline_state")
RULES = {
    "slowing, declining or lapsed": STATE.is_in(WARNED),
    "- declining or lapsed": STATE.is_in(["declining", "lapsed"]),
    "- lapsed": STATE == "lapsed",
    "no order for 90 days": pl.col("days_since_last_order") >= 90,
    "below half of last year": pl.col("sales_trend") < Decimal("-0.5"),
}

BY_SILENCE = {
    f"silent for more than {gaps} usual gaps": (pl.col("gap_multiple") > gaps)
    & (pl.col("days_since_last_order") >= 30)
    for gaps in (2, 3, 4)
} | {f"no order for {days} days": pl.col("days_since_last_order") >= days for days in (45, 60)}


@dataclass(frozen=True)
class Fate:
    """What became of a customer: the days it left on, each with the day it came back, and how long before a flag is right."""

    losses: tuple[tuple[date, date], ...] = ()
    ahead: timedelta = timedelta(0)

    def foretold(self, flagged: date) -> date | None:
        """The loss that a flag speaks of, by its day; None where it is wrong."""
        return next(
            (left for left, back in self.losses if left - self.ahead <= flagged < back),
            None,
        )


def main() -> None:
    """Measure and print."""
    policy = parse_policy(rate.default_policy())
    gate = Gate()
    with tempfile.TemporaryDirectory() as folder:
        retail = loaded("online_retail", Path(folder) / "online_retail", gate)
        first, last = date(2011, 3, 1), date(2011, 8, 1)
        world, cells = _read(retail, "online_retail")
        looks = look_for_silence(world, policy, first, last)
        judge(
            f"online_retail, {first:%Y-%m} to {last:%Y-%m}, lost by 90 days",
            looks,
            BY_SILENCE,
            _fates(world, 90),
        )
        resellers = loaded("adventureworks", Path(folder) / "adventureworks", gate)
        first, last = date(2018, 10, 1), date(2019, 11, 1)
        world, cells = _read(resellers, "adventureworks")
        looks = look(world, cells, policy, first, last)
        judge(
            f"adventureworks, {first:%Y-%m} to {last:%Y-%m}, lost by 180 days",
            looks,
            RULES,
            _fates(world, 180),
        )
    world, cells, fates, kinds = made_world()
    looks = look(world, cells, policy, months_before(MADE_LAST, 23), MADE_LAST)
    judge(f"a made world of {len(fates)}, 24 months", looks, RULES, fates)
    by_kind(looks, fates, kinds)


def look(world: Facts, cells: pl.LazyFrame, policy: Policy, first: date, last: date) -> pl.DataFrame:
    """Look at a world month by month: a row a customer that is asked about and look, with a column a rule."""
    before = pl.LazyFrame(
        schema={
            **dict.fromkeys(KEY, pl.String()),
            **{name: schemas.CUSTOMER_VALUE_HISTORY[name] for name in MEMORY},
        }
    )
    found = []
    for month in months_between(first, last):
        end = month_end(month)
        measured = measure_customers(world, policy, end, cells.filter(pl.col("month") <= month))
        memory = before.select(*KEY, *(pl.col(name).alias(f"{name}{BEFORE}") for name in MEMORY))
        told = tell_decline(measured.join(memory, on=KEY, how="left"), world, policy, Window(end)).collect()
        before = told.lazy()
        year_before = pl.col("net_sales_12m_before")
        asked = STATE.is_not_null() & is_material(year_before, year_before, policy.credit, sales=year_before)
        found.append(
            told.filter(asked).select(
                "customer_id",
                "last_order_on",
                day=pl.lit(end),
                **{rule: holds.fill_null(value=False) for rule, holds in RULES.items()},
            )
        )
    return pl.concat(found)


def look_for_silence(world: Facts, policy: Policy, first: date, last: date) -> pl.DataFrame:
    """The same by the silence alone, of a world that is too young for anything else."""
    found = []
    for month in months_between(first, last):
        measured = measure_customers(world, policy, month_end(month))
        asked = (
            (pl.col("months_of_history") >= 3)
            & pl.col("usual_gap_days").is_not_null()
            & is_material(
                pl.col("net_sales_12m"), pl.col("net_sales_12m"), policy.credit, sales=pl.col("net_sales_12m")
            )
        )
        found.append(
            measured.filter(asked)
            .select(
                "customer_id",
                "last_order_on",
                day=pl.lit(month_end(month)),
                **{rule: holds.fill_null(value=False) for rule, holds in BY_SILENCE.items()},
            )
            .collect()
        )
    return pl.concat(found)


def flags(looks: pl.DataFrame, rule: str) -> list[tuple[str, date]]:
    """The first look of every run of looks on which a rule finds a customer; a look without it ends a run."""
    was = pl.col(rule).shift(1).over("customer_id", order_by="day").fill_null(value=False)
    begun = looks.filter(pl.col(rule) & ~was).sort("customer_id", "day")
    return list(begun.select("customer_id", "day").iter_rows())


def judge(title: str, looks: pl.DataFrame, rules: Mapping[str, pl.Expr], fates: Mapping[str, Fate]) -> None:
    """Print what each rule found, and how early."""
    asked = set(looks["customer_id"])
    begin, end = months_before(min(looks["day"].to_list()), 1), max(looks["day"].to_list())
    leavers = {
        (customer, left) for customer in asked for left, _ in fates[customer].losses if begin <= left <= end
    }
    rows = []
    for rule in rules:
        found = flags(looks, rule)
        right = [(who, left, day) for who, day in found if (left := fates[who].foretold(day))]
        first = {(who, left): day for who, left, day in reversed(right) if (who, left) in leavers}
        delays = [(day - left).days for (_, left), day in first.items()]
        rows.append(
            (
                rule,
                len(found),
                len(right),
                f"{100 * len(right) / len(found):.0f} %" if found else "-",
                f"{len(first)} of {len(leavers)}",
                f"{median(delays):.0f}" if delays else "-",
            )
        )
    table(
        f"{title}: {len(asked)} customers, {len(leavers)} losses",
        ("rule", "flags", "right", "precision", "losses found", "delay"),
        rows,
    )


def by_kind(looks: pl.DataFrame, fates: Mapping[str, Fate], kinds: Mapping[str, str]) -> None:
    """Print how many customers of each kind were ever flagged wrongly, and how many of them rightly."""
    names = list(dict.fromkeys(kinds.values()))
    rows = []
    for rule in RULES:
        found = flags(looks, rule)
        cells = []
        for name in names:
            of_kind = [(who, day) for who, day in found if kinds[who] == name]
            right = {who for who, day in of_kind if fates[who].foretold(day)}
            wrong = {who for who, day in of_kind if not fates[who].foretold(day)}
            cells.append(f"{len(right)} / {len(wrong)}")
        rows.append((rule, *cells))
    counted = [f"{name} ({sum(1 for kind in kinds.values() if kind == name)})" for name in names]
    table("customers flagged rightly / wrongly, by kind", ("rule", *counted), rows)


def _read(settings: Settings, name: str) -> tuple[Facts, pl.LazyFrame]:
    """The facts of a set that a decline is told from, to the end of its data, summed by a rating."""
    stages.rate_stage(settings, SETS[name][2].date())
    with open_database(settings.warehouse_file, read_only=True) as connection:

        def rows(name: str, schema: pl.Schema, where: str = "true") -> pl.LazyFrame:
            found = pl.DataFrame(connection.execute(f"FROM {name} WHERE {where}").to_arrow_reader())
            return found.select(schema.names()).cast(schema).lazy()  # type: ignore[arg-type]

        world = Facts(
            customers=rows("erp.customers", schemas.CUSTOMERS, "NOT is_deleted"),
            customer_month=rows("rated.customer_month", schemas.CUSTOMER_MONTH),
            order_day=rows("rated.order_day", schemas.ORDER_DAY),
            products=rows("erp.products", schemas.PRODUCTS, "NOT is_deleted"),
        )
        return world, rows("rated.sales_cell", schemas.SALES_CELL)


def _fates(world: Facts, lost: int) -> dict[str, Fate]:
    """What became of the customers of a real set: the orders that none followed for so many days, to the end of its data."""
    ordered = world.order_day.filter(pl.col("orders") > 0).sort("customer_id", "order_on").collect()
    known_until = max(ordered["order_on"].to_list())
    fates = {}
    for (customer,), rows in ordered.group_by("customer_id", maintain_order=True):
        days = tuple(rows["order_on"].to_list())
        losses = tuple(
            (day, following)
            for day, following in zip(days, (*days[1:], date.max), strict=True)
            if (min(following, known_until) - day).days > lost
        )
        fates[str(customer)] = Fate(losses, timedelta(lost))
    return fates


# The made world: who does what, and how many of them.
MADE_LAST = date(2024, 12, 1)
MONTHS = 60
KINDS = {
    "stopped": 60,
    "halved": 60,
    "slowed": 40,
    "price falls": 40,
    "seasonal": 40,
    "closed for a month": 40,
    "growing": 40,
    "steady": 180,
}
LEAVING = ("stopped", "halved", "slowed")


def made_world(seed: int = 5) -> tuple[Facts, pl.LazyFrame, dict[str, Fate], dict[str, str]]:
    """500 customers of five years; who leaves turns between ten months and half a year before the end."""
    chance = random.Random(seed)
    records: list[dict[str, Any]] = []
    fates: dict[str, Fate] = {}
    kinds: dict[str, str] = {}
    for kind, count in KINDS.items():
        for _ in range(count):
            customer = f"C{len(kinds):03}"
            kinds[customer] = kind
            turn = months_before(MADE_LAST, chance.randint(6, 10))
            fates[customer] = Fate(((turn, date.max),) if kind in LEAVING else ())
            records += _orders(customer, kind, turn, chance)
    goods = [{"product_id": "P1"}]
    return facts(records, products=goods), sales(records, goods), fates, kinds


def _orders(customer: str, kind: str, turn: date, chance: random.Random) -> Iterator[dict[str, Any]]:
    """A customer's orders: one to four a month, each of its own size, as its kind has it from the turn on."""
    a_month = chance.choice([1, 1, 2, 4])
    size = chance.lognormvariate(6.5, 0.8)
    begins = chance.randint(0, 11)
    season = {(begins + ahead) % 12 + 1 for ahead in range(4)}
    number = 0
    for month in months_between(months_before(MADE_LAST, MONTHS - 1), MADE_LAST):
        has_turned = month >= turn
        if (kind == "stopped" and has_turned) or (kind == "closed for a month" and month == turn):
            continue
        if kind == "seasonal" and month.month not in season:
            continue
        quantity_factor = 0.5 if kind == "halved" and has_turned else 1.0
        if kind == "growing":
            ago = (MADE_LAST.year - month.year) * 12 + MADE_LAST.month - month.month
            quantity_factor = 1.03**-ago
        price = Decimal(6) if kind == "price falls" and has_turned else Decimal(10)
        for place in range(a_month):
            number += 1
            if kind == "slowed" and has_turned and number % 2:
                continue
            day = month + timedelta(min(27, place * 28 // a_month + chance.randint(0, 28 // a_month - 1)))
            quantity = max(1, round(size * quantity_factor * chance.lognormvariate(0, 0.2) / a_month))
            yield line(
                day,
                quantity * price,
                customer_id=customer,
                quantity=quantity,
                document_id=f"{customer}-{number}",
            )


if __name__ == "__main__":
    main()
