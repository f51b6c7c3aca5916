"""What of a customer's facts goes over to whom continues it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, overload

import polars as pl

from transforms.facts.succession import CUSTOMER, PARTS, WHOLE, succession_on
from transforms.frames.conform import conform_to, require_columns
from transforms.frames.fixed_point import (
    MONEY_SUM,
    div_half_even,
    from_scaled_int,
    int128,
    sum_or_null,
    to_scaled_int,
)
from transforms.frames.schemas import CUSTOMER_MONTH, CUSTOMERS, ORDER_DAY, SALES_CELL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import date

    from transforms.facts.model import Facts

    _Merge = Callable[[pl.LazyFrame], pl.LazyFrame]


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


def handed_over(rows: pl.LazyFrame, parts: pl.LazyFrame, amounts: Iterable[str]) -> pl.LazyFrame:
    """Put the rows of succeeded customers down to their successors, `amounts` by their shares. Grain: row × successor.

    `parts`: PARTS; columns and types are kept. Who is not succeeded keeps its rows.
    """
    schema = rows.collect_schema()
    names = [name for name in amounts if name in schema]
    return (
        rows.join(parts.select(PARTS.names()).drop("valid_from"), on=CUSTOMER, how="left")
        .with_columns(_part_of(name, schema[name]) for name in names)
        .with_columns(customer_id=pl.coalesce("successor_id", "customer_id"))
        .select(schema.names())
    )


class _Handover:
    """What goes over between some customers; those whom no succession concerns keep their rows as they are."""

    def __init__(self, parts: pl.LazyFrame) -> None:
        self.parts = parts
        sides = [parts.select(*CUSTOMER), parts.select("company_code", customer_id="successor_id")]
        self.concerned = pl.concat(sides).unique().collect().lazy()
        # Who goes over whole takes amounts as they are: most do, and what splits them is dear to plan.
        self.splits = (
            not parts.select((pl.col("to_part") - pl.col("from_part") == WHOLE).all()).collect().item()
        )

    def over(self, rows: pl.LazyFrame, amounts: Iterable[str]) -> pl.LazyFrame:
        """Put rows down to the successors, as `handed_over` does."""
        return handed_over(rows, self.parts, amounts if self.splits else ())

    def rows(
        self, frame: pl.LazyFrame | None, amounts: Sequence[str] = (), once: Sequence[str] = ()
    ) -> pl.LazyFrame | None:
        """Hand rows over as they are. With `once`, a customer has one row of it: its own before another's, then the first by number."""
        if frame is None:
            return None
        rows = self.over(frame.with_columns(was=pl.col("customer_id")), amounts)
        if once:
            other = pl.col("was") != pl.col("customer_id")
            rows = rows.sort(other, "was", maintain_order=True).unique(
                [*CUSTOMER, *once], keep="first", maintain_order=True
            )
        return rows.drop("was").collect().lazy()

    def summed(self, frame: pl.LazyFrame, merge: _Merge, schema: pl.Schema) -> pl.LazyFrame:
        """Hand cells over and sum those that meet; ends at `schema`."""
        cells = require_columns(frame, schema)
        rest = cells.join(self.concerned, on=CUSTOMER, how="anti")
        amounts = [name for name, dtype in schema.items() if dtype.is_decimal()]
        moved = self.over(cells.join(self.concerned, on=CUSTOMER, how="semi"), amounts)
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


def _month_of_parts(months: pl.LazyFrame) -> pl.LazyFrame:
    """Sum the months that meet as one customer's are summed. Grain: company × customer × month."""
    key = [*CUSTOMER, "month"]
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
    return days.group_by(*CUSTOMER, "order_on").agg(amounts.sum())


def _cell_of_parts(cells: pl.LazyFrame) -> pl.LazyFrame:
    """Sum the sales cells that meet. Grain: that of SALES_CELL."""
    names = [name for name, dtype in SALES_CELL.items() if dtype.is_decimal()]
    return cells.group_by(*CUSTOMER, "month", "product_id", "channel", "ship_to_territory").agg(
        sum_or_null(pl.col(name)).alias(name) for name in names
    )


def _as_long_a_customer(customers: pl.LazyFrame, parts: pl.LazyFrame) -> pl.LazyFrame:
    """Let a successor be a customer for as long as whom it continues: unknown since when, if that is of one of them."""
    masters = require_columns(customers, CUSTOMERS)
    since = masters.select(*CUSTOMER, old_created_on="created_on", old_available_on="available_on")
    older = (
        parts.filter(pl.col("customer_id") != pl.col("successor_id"))
        .join(since, on=CUSTOMER, how="left", validate="m:1")
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
        masters.join(older, on=CUSTOMER, how="left", validate="1:1")
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
        over.over(receivables.with_columns(was=pl.col("customer_id")), amounts)
        .join(split, left_on=["company_code", "was"], right_on=CUSTOMER, how="left", validate="m:1")
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
        .join(_split(over.parts), on=CUSTOMER, how="semi")
        .join(over.parts.select(PARTS.names()).drop("valid_from"), on=CUSTOMER, how="inner")
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
        parts.group_by(CUSTOMER)
        .len()
        .filter(pl.col("len") > 1)
        .select(*CUSTOMER, is_split=pl.lit(value=True))
    )


def _part_number() -> pl.Expr:
    return pl.concat_str("item_id", "customer_id", separator="/")
