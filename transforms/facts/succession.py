"""Successions: one customer continued under another number, and what of its facts goes over."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final, overload

import polars as pl

from transforms.frames.conform import conform_to, require_columns
from transforms.frames.fixed_point import (
    MONEY_SUM,
    RATIO,
    RATIO_PLACES,
    div_half_even,
    from_scaled_int,
    int128,
    sum_or_null,
    to_scaled_int,
)
from transforms.frames.schemas import (
    CUSTOMER_MONTH,
    CUSTOMER_SUCCESSION,
    CUSTOMER_SUCCESSIONS,
    CUSTOMERS,
    ORDER_DAY,
    SALES_CELL,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from transforms.facts.model import Facts

WHOLE: Final = 10**12
"""All of a customer, in the units of `from_part` and `to_part`: the product of two shares has twelve places."""

PARTS: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "successor_id": pl.String(),
        "from_part": pl.Int128(),
        "to_part": pl.Int128(),
        "valid_from": pl.Date(),
    }
)
"""Who stands for whom. Grain: succeeded customer × successor; a customer of whom something is left is its own successor.

`to_part` − `from_part` is the share, and the spans of one customer fill the whole, so that an amount is split without a
rest. `valid_from`: the latest day from which one of the links of the chain between the two holds.
"""

_NOT_JUDGED: Final = ("new", "unrated", "prospect", "succeeded")
_KEY: Final = ("company_code", "customer_id")
_CUSTOMER: Final = ["company_code", "customer_id"]


def successions_on(successions: pl.LazyFrame, day: date) -> pl.DataFrame:
    """Resolve the successions that hold on a day, chains to their ends. Ends at PARTS, sorted.

    `successions`: CUSTOMER_SUCCESSIONS rows of one company. A row holds from its `valid_from` on; no share is the whole. A row
    that would close a circle, or give over more of a customer than there is, is left out: a batch with such rows is
    quarantined, and only two batches together can hold them. Source: docs/figures.md, Successions.
    """
    rows = require_columns(successions, CUSTOMER_SUCCESSIONS).filter(pl.col("valid_from") <= day)
    ordered = rows.sort("company_code", "valid_from", "old_customer_id", "new_customer_id").collect()
    found = []
    for (company,), of_company in ordered.group_by("company_code", maintain_order=True):
        chains = _Chains()
        for row in of_company.iter_rows(named=True):
            chains.add(row["old_customer_id"], row["new_customer_id"], row["share"], row["valid_from"])
        found += [(company, *part) for part in chains.parts()]
    return pl.DataFrame(found, schema=PARTS, orient="row").sort(*_KEY, "successor_id")


def succession_on(facts: Facts, day: date) -> pl.LazyFrame | None:
    """Who stands for whom on a day (PARTS); None where nobody is succeeded. Who is in no master and no book is left out."""
    if facts.customer_successions is None:
        return facts.succession
    parts = successions_on(facts.customer_successions, day)
    if parts.is_empty():
        return None
    books = [
        facts.customers,
        facts.customer_month,
        *([] if facts.receivables is None else [facts.receivables]),
    ]
    wanted = parts.lazy().select(_KEY).unique()
    known = pl.concat(each.select(_KEY).join(wanted, on=_CUSTOMER, how="semi") for each in books).unique()
    found = parts.lazy().join(known, on=_CUSTOMER, how="semi").sort(*_KEY, "successor_id").collect()
    return None if found.is_empty() else found.lazy()


class _Chains:
    """The successions of one company as a graph without circles: to whom which share of a customer goes, and since when."""

    def __init__(self) -> None:
        self.heirs: dict[str, dict[str, tuple[Decimal, date]]] = {}
        self.ends: dict[str, dict[str, tuple[Decimal, date | None]]] = {}

    def add(self, old: str, new: str, share: Decimal | None, since: date) -> None:
        """Let a number continue another one, unless that leads back to it, or more than all of it would be given over."""
        of_old = self.heirs.setdefault(old, {})
        part = Decimal(1) if share is None else share
        given = sum((each for each, _ in of_old.values()), Decimal(0))
        if given + part <= 1 and not self._leads_to(new, old):
            before = of_old.get(new, (Decimal(0), since))[0]
            of_old[new] = (before + part, since)

    def parts(self) -> list[tuple[str, str, int, int, date]]:
        """Each succeeded customer's successors at the ends of its chains, with the span of its whole that they take."""
        found = []
        for old in sorted(customer for customer, heirs in self.heirs.items() if heirs):
            taken = Decimal(0)
            first = min(since for _, since in self.heirs[old].values())
            for end, (share, since) in sorted(self._ends_of(old).items()):
                span = (int(taken * WHOLE), int((taken + share) * WHOLE))
                found.append((old, end, *span, since or first))
                taken += share
        return found

    def _ends_of(self, customer: str) -> Mapping[str, tuple[Decimal, date | None]]:
        """At whom a customer ends up: its heirs' ends, and itself with what is not given over."""
        if customer not in self.ends:
            found: dict[str, tuple[Decimal, date | None]] = {}
            left = Decimal(1)
            for heir, (share, since) in self.heirs.get(customer, {}).items():
                left -= share
                for end, (part, later) in self._ends_of(heir).items():
                    before, known = found.get(end, (Decimal(0), since))
                    found[end] = (before + share * part, max(known or since, since, later or since))
            if left > 0:
                found[customer] = (left, None)
            self.ends[customer] = found
        return self.ends[customer]

    def _leads_to(self, customer: str, wanted: str) -> bool:
        return customer == wanted or any(
            self._leads_to(heir, wanted) for heir in self.heirs.get(customer, {})
        )


@overload
def succeed(facts: Facts, sales: pl.LazyFrame, day: date) -> tuple[Facts, pl.LazyFrame]: ...


@overload
def succeed(facts: Facts, sales: None, day: date) -> tuple[Facts, None]: ...


@overload
def succeed(facts: Facts, sales: pl.LazyFrame | None, day: date) -> tuple[Facts, pl.LazyFrame | None]: ...


def succeed(facts: Facts, sales: pl.LazyFrame | None, day: date) -> tuple[Facts, pl.LazyFrame | None]:
    """Give the facts and sales cells as they are rated on a day: what was a succeeded customer's is its successor's.

    Money and quantities are split by the shares without a rest, counts and dates go to each successor whole. `succession`
    of the facts then tells who stands for whom (PARTS), and their `customer_successions` are resolved: a second time changes
    nothing, and nor does it where nobody is succeeded. What is not given over stays with the old number. A successor is a customer
    for as long as the one it continues, and what its own master says of it else is what counts. `sales`: SALES_CELL rows, None if
    they are not kept. Source: docs/figures.md, Successions.
    """
    if facts.customer_successions is None:
        return facts, sales
    parts = succession_on(facts, day)
    resolved = replace(facts, customer_successions=None)
    if parts is None:
        return resolved, sales
    over = _Handover(parts)
    moved = replace(
        resolved,
        succession=parts,
        customers=_as_long_a_customer(facts.customers, parts),
        customer_month=over.summed(facts.customer_month, _month_of_parts, CUSTOMER_MONTH),
        order_day=over.summed(facts.order_day, _day_of_parts, ORDER_DAY),
        receivables=_items(facts.receivables, over),
        payment_allocations=_allocations(facts.payment_allocations, facts.receivables, over),
        open_orders=over.rows(facts.open_orders, ("amount",)),
        interactions=over.rows(facts.interactions),
        demand_estimates=over.rows(facts.demand_estimates, ("amount", "quantity")),
        customer_assessments=over.rows(facts.customer_assessments, once=("assessed_on",)),
        tier_overrides=over.rows(facts.tier_overrides, once=("valid_from",)),
        territories=over.rows(facts.territories, once=("territory_id", "product_group", "valid_from")),
        market_observations=over.rows(facts.market_observations),
    )
    return moved, None if sales is None else over.summed(sales, _cell_of_parts, SALES_CELL)


def succeeded(facts: Facts) -> pl.LazyFrame:
    """List who is succeeded on the day of a rating. Grain: customer; the key. `facts`: as `succeed` gives them."""
    parts = pl.LazyFrame(schema=PARTS) if facts.succession is None else facts.succession
    return parts.select(_KEY).unique()


def still_customers(facts: Facts) -> Facts:
    """Leave out the masters of those of whom nothing is left under their own number. `facts`: as `succeed` gives them."""
    if facts.succession is None:
        return facts
    is_left = (pl.col("customer_id") == pl.col("successor_id")).any()
    gone = facts.succession.group_by(_CUSTOMER).agg(is_left=is_left).filter(~pl.col("is_left"))
    return replace(facts, customers=facts.customers.join(gone, on=_CUSTOMER, how="anti"))


def handed_over(rows: pl.LazyFrame, parts: pl.LazyFrame, amounts: Iterable[str]) -> pl.LazyFrame:
    """Put the rows of succeeded customers down to their successors, `amounts` by their shares. Grain: row × successor.

    `parts`: PARTS; columns and types are kept. Who is not succeeded keeps its rows.
    """
    schema = rows.collect_schema()
    names = [name for name in amounts if name in schema]
    return (
        rows.join(parts.select(PARTS.names()).drop("valid_from"), on=_CUSTOMER, how="left")
        .with_columns(_part_of(name, schema[name]) for name in names)
        .with_columns(customer_id=pl.coalesce("successor_id", "customer_id"))
        .select(schema.names())
    )


def from_the_main_one(
    rows: pl.LazyFrame, succession: pl.LazyFrame | None, *, own_first: bool
) -> pl.LazyFrame:
    """Let a successor go on from the rating rows of whom it continues, if that was not succeeded then. Grain: customer × period.

    `rows`: rating rows (history columns, `succeeded_by`, `memory_tier` and `net_sales_12m` among them); columns are kept, and who
    is succeeded keeps its rows. Of several rows, its own among them, the one that had been judged before one in a state,
    then that with most of the net sales of 12 months, then its own, then by number; with `own_first`, its own before any.
    """
    if succession is None:
        return rows
    grain = [*_KEY, "period"]
    names = rows.collect_schema().names()
    to_others = succession.filter(pl.col("customer_id") != pl.col("successor_id"))
    known = rows.with_columns(was=pl.col("customer_id"), weight=pl.col("net_sales_12m"))
    continued = handed_over(
        known.filter(pl.col("succeeded_by").is_null()).join(to_others, on=_CUSTOMER, how="semi"),
        to_others,
        ["weight"],
    )
    concerned = continued.select(grain).unique()
    is_other = pl.col("was") != pl.col("customer_id")
    chosen = (
        pl.concat([known.join(concerned, on=grain, how="semi"), continued])
        .sort(
            is_other & pl.lit(own_first),
            pl.col("memory_tier").is_in(_NOT_JUDGED),
            "weight",
            is_other,
            "was",
            descending=[False, False, True, False, False],
            nulls_last=True,
        )
        .unique(grain, keep="first", maintain_order=True)
    )
    return pl.concat([known.join(concerned, on=grain, how="anti"), chosen]).select(names)


def continued_numbers(customers: Sequence[str], succession: pl.LazyFrame | None) -> list[str]:
    """Add the numbers that some customers continue. Grain: customer of one company."""
    if succession is None:
        return list(customers)
    of_them = succession.filter(pl.col("successor_id").is_in(list(customers))).select("customer_id").collect()
    return sorted({*customers, *of_them["customer_id"]})


def from_all_of_it(rows: pl.LazyFrame, succession: pl.LazyFrame | None) -> pl.LazyFrame:
    """Put down to the successors, too, what is known of those of whom nothing is left, whose own rows go. Grain: row × successor.

    Adds `was`, whose row it was, and `valid_from`, since when it is the successor's; null for its own.
    """
    own = rows.with_columns(was=pl.col("customer_id"), valid_from=pl.lit(None, pl.Date))
    if succession is None:
        return own
    is_left = (pl.col("customer_id") == pl.col("successor_id")).any().over(_CUSTOMER)
    gone = succession.filter(~is_left).select(*_KEY, "successor_id", "valid_from")
    return pl.concat(
        [
            own.join(gone, on=_CUSTOMER, how="anti"),
            own.drop("valid_from")
            .join(gone, on=_CUSTOMER, how="inner")
            .with_columns(customer_id="successor_id")
            .select(own.collect_schema().names()),
        ]
    )


def current_succession(parts: pl.LazyFrame | None) -> pl.LazyFrame:
    """List who continues whom on the day that is rated. Grain: succeeded customer × successor; ends at CUSTOMER_SUCCESSION."""
    rows = pl.LazyFrame(schema=PARTS) if parts is None else parts
    links = rows.filter(pl.col("customer_id") != pl.col("successor_id")).with_columns(
        share=from_scaled_int(
            div_half_even(pl.col("to_part") - pl.col("from_part"), int128(WHOLE // 10**RATIO_PLACES)), RATIO
        ),
        succession_on="valid_from",
    )
    return conform_to(links, CUSTOMER_SUCCESSION).sort(*_KEY, "successor_id")


def succession_told(parts: pl.LazyFrame) -> pl.LazyFrame:
    """Tell who continues whom. Grain: customer that is succeeded or continues one.

    `continues`, `succeeded_by`: the other numbers in their order, each with its share where that is not the whole;
    `succession_on`: since when, the latest day. What is left of a customer makes it no successor of its own.
    """
    links = parts.filter(pl.col("customer_id") != pl.col("successor_id")).with_columns(share=_share())

    def side(of: str, other: str, name: str) -> pl.LazyFrame:
        text = pl.concat_str(pl.col(other), pl.col("share"), separator=" ", ignore_nulls=True)
        return links.group_by("company_code", pl.col(of).alias("customer_id")).agg(
            text.sort_by(other).str.join(", ").alias(name), pl.col("valid_from").max().alias(f"on_{name}")
        )

    return (
        side("successor_id", "customer_id", "continues")
        .join(
            side("customer_id", "successor_id", "succeeded_by"),
            on=_CUSTOMER,
            how="full",
            coalesce=True,
            validate="1:1",
        )
        .select(
            *_KEY,
            "continues",
            "succeeded_by",
            succession_on=pl.max_horizontal("on_continues", "on_succeeded_by"),
        )
    )


class _Handover:
    """What goes over between some customers; those whom no succession concerns keep their rows as they are."""

    def __init__(self, parts: pl.LazyFrame) -> None:
        self.parts = parts
        sides = [parts.select(*_KEY), parts.select("company_code", customer_id="successor_id")]
        self.concerned = pl.concat(sides).unique()

    def rows(
        self, frame: pl.LazyFrame | None, amounts: Sequence[str] = (), once: Sequence[str] = ()
    ) -> pl.LazyFrame | None:
        """Hand rows over as they are. With `once`, a customer has one row of it: its own before another's, then the first by number."""
        if frame is None:
            return None
        rows = handed_over(frame.with_columns(was=pl.col("customer_id")), self.parts, amounts)
        if once:
            other = pl.col("was") != pl.col("customer_id")
            rows = rows.sort(other, "was", maintain_order=True).unique(
                [*_KEY, *once], keep="first", maintain_order=True
            )
        return rows.drop("was").collect().lazy()

    def summed(self, frame: pl.LazyFrame, merge: _Merge, schema: pl.Schema) -> pl.LazyFrame:
        """Hand cells over and sum those that meet; ends at `schema`."""
        cells = require_columns(frame, schema)
        rest = cells.join(self.concerned, on=_CUSTOMER, how="anti")
        amounts = [name for name, dtype in schema.items() if dtype.is_decimal()]
        moved = handed_over(cells.join(self.concerned, on=_CUSTOMER, how="semi"), self.parts, amounts)
        return pl.concat([rest, conform_to(merge(moved), schema)]).collect().lazy()


def _part_of(column: str, dtype: pl.DataType) -> pl.Expr:
    """What falls to a successor of an amount: the rounded amount up to the end of its span less that up to its beginning."""
    if not isinstance(dtype, pl.Decimal):
        raise TypeError(f"{column} is no amount")
    units = to_scaled_int(column, dtype.scale)
    return (
        pl.when(pl.col("successor_id").is_null())
        .then(column)
        .otherwise(from_scaled_int(_up_to("to_part", units) - _up_to("from_part", units), dtype))
    )


def _up_to(part: str, units: pl.Expr) -> pl.Expr:
    return div_half_even(units * pl.col(part), int128(WHOLE))


def _share() -> pl.Expr:
    """The share as text, as short as it can be said; null for the whole."""
    part = (pl.col("to_part") - pl.col("from_part")).cast(pl.Decimal(38, 0)) * pl.lit(Decimal(1) / WHOLE)
    text = part.cast(pl.Decimal(38, 6)).cast(pl.String).str.strip_chars_end("0")
    return pl.when(pl.col("to_part") - pl.col("from_part") < WHOLE).then(text)


def _month_of_parts(months: pl.LazyFrame) -> pl.LazyFrame:
    """Sum the months that meet as one customer's are summed. Grain: company × customer × month."""
    key = [*_KEY, "month"]
    basis = pl.col("cost_basis").filter(pl.col("cost").is_not_null())
    nullable = ("quantity", "cost", "freight", "rebates")
    added = ("net_sales", "orders", "invoiced", "returns", "price_credits", "gross_amount")
    charged = pl.col("freight").fill_null(0) + pl.col("rebates").fill_null(0)
    return (
        months.group_by(key)
        .agg(
            pl.col(*added, "gross_amount_with_cost").sum(),
            *(sum_or_null(pl.col(name)).alias(name) for name in nullable),
            cost_basis=pl.when(basis.n_unique() > 1).then(pl.lit("mixed")).otherwise(basis.first()),
        )
        .with_columns(contribution=(pl.col("net_sales") - pl.col("cost") - charged).cast(MONEY_SUM))
    )


def _day_of_parts(days: pl.LazyFrame) -> pl.LazyFrame:
    """Sum the order days that meet. Grain: company × customer × day."""
    amounts = pl.col("orders", "net_sales", "credited_orders", "credited_net_sales")
    return days.group_by(*_KEY, "order_on").agg(amounts.sum())


def _cell_of_parts(cells: pl.LazyFrame) -> pl.LazyFrame:
    """Sum the sales cells that meet. Grain: that of SALES_CELL."""
    names = [name for name, dtype in SALES_CELL.items() if dtype.is_decimal()]
    return cells.group_by(*_KEY, "month", "product_id", "channel", "ship_to_territory").agg(
        sum_or_null(pl.col(name)).alias(name) for name in names
    )


if TYPE_CHECKING:
    from collections.abc import Callable

    _Merge = Callable[[pl.LazyFrame], pl.LazyFrame]


def _as_long_a_customer(customers: pl.LazyFrame, parts: pl.LazyFrame) -> pl.LazyFrame:
    """Let a successor be a customer for as long as whom it continues: unknown since when, if that is of one of them."""
    masters = require_columns(customers, CUSTOMERS)
    since = masters.select(*_KEY, old_created_on="created_on", old_available_on="available_on")
    older = (
        parts.filter(pl.col("customer_id") != pl.col("successor_id"))
        .join(since, on=_CUSTOMER, how="left", validate="m:1")
        .group_by("company_code", customer_id="successor_id")
        .agg(
            knows_all=pl.col("old_created_on").is_not_null().all(),
            old_created_on=pl.col("old_created_on").min(),
            old_available_on=pl.col("old_available_on").min(),
        )
    )
    earliest = pl.when("knows_all", pl.col("created_on").is_not_null()).then(
        pl.min_horizontal("created_on", "old_created_on")
    )
    return (
        masters.join(older, on=_CUSTOMER, how="left", validate="1:1")
        .with_columns(
            created_on=pl.when(pl.col("knows_all").is_null()).then("created_on").otherwise(earliest),
            available_on=pl.min_horizontal("available_on", "old_available_on"),
        )
        .select(CUSTOMERS.names())
    )


def _items(receivables: pl.LazyFrame | None, over: _Handover) -> pl.LazyFrame | None:
    """Hand ledger items over; one that falls to several successors is an item of each, with the successor's number in its own."""
    if receivables is None:
        return None
    schema = receivables.collect_schema()
    amounts = [name for name, dtype in schema.items() if dtype.is_decimal()]
    split = _split(over.parts)
    numbered = (
        handed_over(receivables.with_columns(was=pl.col("customer_id")), over.parts, amounts)
        .join(split, left_on=["company_code", "was"], right_on=_CUSTOMER, how="left", validate="m:1")
        .with_columns(item_id=pl.when("is_split").then(_part_number()).otherwise("item_id"))
    )
    return numbered.select(schema.names()).collect().lazy()


def _allocations(
    allocations: pl.LazyFrame | None, receivables: pl.LazyFrame | None, over: _Handover
) -> pl.LazyFrame | None:
    """Split what was set against an item that falls to several successors, so that what settled it settles each part."""
    if allocations is None or receivables is None:
        return allocations
    schema = allocations.collect_schema()
    item = ["company_code", "item_id"]
    of_split = (
        receivables.select(*item, "customer_id")
        .join(_split(over.parts), on=_CUSTOMER, how="semi")
        .join(over.parts.select(PARTS.names()).drop("valid_from"), on=_CUSTOMER, how="inner")
        .select(*item, "successor_id", "from_part", "to_part")
    )
    so_far = (
        to_scaled_int("amount")
        .cum_sum()
        .over([*item, "successor_id"], order_by=["allocated_on", "payment_id"])
    )
    due = _up_to("to_part", pl.col("so_far")) - _up_to("from_part", pl.col("so_far"))
    before = pl.col("due").shift(1).over([*item, "successor_id"], order_by=["allocated_on", "payment_id"])
    split = (
        allocations.join(of_split, on=item, how="inner")
        .with_columns(so_far=so_far)
        .with_columns(due=due)
        .with_columns(
            amount=from_scaled_int(pl.col("due") - before.fill_null(int128(0)), pl.Decimal(18, 4)),
            customer_id="successor_id",
        )
        .with_columns(item_id=_part_number())
        .select(schema.names())
    )
    whole = allocations.join(of_split, on=item, how="anti")
    return pl.concat([whole, split]).collect().lazy()


def _split(parts: pl.LazyFrame) -> pl.LazyFrame:
    """The customers that fall to several, themselves among them: the key and `is_split`."""
    return (
        parts.group_by(_CUSTOMER).len().filter(pl.col("len") > 1).select(*_KEY, is_split=pl.lit(value=True))
    )


def _part_number() -> pl.Expr:
    return pl.concat_str("item_id", "customer_id", separator="/")
