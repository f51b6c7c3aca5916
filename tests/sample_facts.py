"""The sample company's facts put together in memory, for tests and measurements that rate it without loading it.

What was billed, owed, estimated and said is the sample company's own; what its files do to it on the way (dirt, late
deliveries, formats) is left out, and so is what has no bearing on calm: observations, territories, overrides.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import polars as pl

from flows.demo.sales import CANCELLATION, CREDIT, DEBIT, INTERCOMPANY
from flows.demo.world import COMPANY, World, build_world
from transforms.facts.as_of import AsOfFacts
from transforms.facts.customer_month import customer_months
from transforms.facts.model import Facts
from transforms.facts.order_day import order_days
from transforms.facts.sales_cell import SALES_LINES, sales_cells
from transforms.frames import schemas
from transforms.frames.plan import month_end
from transforms.policy.model import Policy
from transforms.simulation.replay import EvaluationDate

FAR = date(2099, 12, 31)
CENTS = Decimal("0.01")
NO_ORDERS = ("fee", "freight", "sample", "deposit")


def sample_company(*, customers: int, last_month: date = date(2025, 6, 1), seed: int = 7) -> World:
    """36 months of the sample company."""
    return build_world(last_month=last_month, customers=customers, seed=seed)


def looks_of(world: World, periods: int) -> list[EvaluationDate]:
    """The last periods, each looked at on its last day."""
    return [EvaluationDate(month, month_end(month)) for month in world.months[-periods:]]


def known_of(world: World, *, noise: float = 0, seed: int = 0) -> AsOfFacts:
    """Everything a rating may see of the company; with noise, every amount is off by up to that share, each by its own."""
    off = _AmountsOff(noise, np.random.default_rng(seed))
    lines, products = _lines(world, off), _products(world)
    return AsOfFacts(
        Facts(
            customers=_customers(world),
            customer_month=customer_months(lines, products, None, FAR, NO_ORDERS).collect().lazy(),
            order_day=order_days(lines, products, None, FAR, NO_ORDERS).collect().lazy(),
            products=products,
            receivables=_receivables(world, off),
            interactions=_interactions(world),
            demand_estimates=_estimates(world, off),
        ),
        sales_cells(lines, products, None, FAR).collect().lazy(),
    )


def memory_off(policy: Policy) -> Policy:
    """The policy with every move at once: no margin, no run of periods, no dwell, and a cap that ends with its cause."""
    off = {"margin": Decimal(0), "up_after": 1, "down_after": 1, "min_dwell": 0, "clean_periods": 1}
    return policy.model_copy(update={"memory": policy.memory.model_copy(update=off)})


class _AmountsOff:
    """Multiplies whole columns of cents, each value by a factor of its own."""

    def __init__(self, noise: float, random: np.random.Generator) -> None:
        self.noise = noise
        self.random = random

    def __call__(self, frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
        if not self.noise:
            return frame
        factor = pl.Series(self.random.uniform(1 - self.noise, 1 + self.noise, frame.height))
        return frame.with_columns((pl.col(name) * factor).round().cast(pl.Int64) for name in columns)


def _lines(world: World, off: _AmountsOff) -> pl.LazyFrame:
    documents = world.erp.documents.frame.select("document", "type", "cancelled_on", "reference", "day")
    days = documents.select(reference="document", referenced_on="day")
    lines = off(world.erp.lines.frame.drop("day", "month"), "net", "cost", "freight", "rebate")
    return _as_contract(
        SALES_LINES,
        lines.join(documents, on="document")
        .join(days, on="reference", how="left")
        .select(
            company_code=pl.lit(COMPANY),
            customer_id=_code(world.erp.customer_codes, "customer"),
            document_id=pl.col("document").cast(pl.String),
            document_type=pl.col("type").replace_strict(
                {CREDIT: "credit_note", DEBIT: "debit_note"}, default="invoice"
            ),
            invoice_date="day",
            product_id=_code(world.erp.product_codes, "product"),
            quantity=pl.col("quantity"),
            uom=pl.lit("PCE"),
            base_quantity=pl.col("quantity"),
            net_amount_company=_money("net"),
            cost_amount_company=_money("cost"),
            freight_amount=_money("freight"),
            rebate_amount=_money("rebate"),
            is_cancelled=(pl.col("type") == CANCELLATION) | pl.col("cancelled_on").is_not_null(),
            is_intercompany=pl.col("type") == INTERCOMPANY,
            is_free_goods="free",
            available_on="day",
            referenced_on="referenced_on",
        ),
    )


def _customers(world: World) -> pl.LazyFrame:
    frame = world.erp.customers.frame.sort("month").group_by("customer", maintain_order=True).last()
    return _as_contract(
        schemas.CUSTOMERS,
        frame.select(
            company_code=pl.lit(COMPANY),
            customer_id=_code(world.erp.customer_codes, "customer"),
            name=_code(world.erp.customer_codes, "customer"),
            status=pl.lit("active"),
            created_on="created_on",
            credit_limit=pl.col("credit_limit"),
            available_on="created_on",
        ),
    )


def _products(world: World) -> pl.LazyFrame:
    codes = world.erp.product_codes
    rows = pl.DataFrame({"product_id": codes}).with_columns(
        company_code=pl.lit(COMPANY),
        name="product_id",
        base_uom=pl.lit("PCE"),
        available_on=pl.lit(world.months[0]),
    )
    return _as_contract(schemas.PRODUCTS, rows)


def _receivables(world: World, off: _AmountsOff) -> pl.LazyFrame:
    # an item that changes is delivered again: the latest delivery says how it stands
    latest = world.erp.items.frame.sort("month").group_by("document", maintain_order=True).last()
    items = off(latest.filter(pl.col("cancelled_on").is_null()), "amount")
    return _as_contract(
        schemas.RECEIVABLES,
        items.select(
            company_code=pl.lit(COMPANY),
            customer_id=_code(world.erp.customer_codes, "customer"),
            item_id=pl.col("document").cast(pl.String),
            item_type=pl.lit("invoice"),
            posting_date="posted_on",
            due_date="due_on",
            original_amount=_money("amount"),
            original_amount_company=_money("amount"),
            currency=pl.lit("EUR"),
            company_currency=pl.lit("EUR"),
            cleared_date="cleared_on",
            available_on="posted_on",
        ),
    )


def _interactions(world: World) -> pl.LazyFrame:
    when = pl.col("Start").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)
    rows = world.crm.tables["ACTIVITIES"].frame.select(
        company_code=pl.lit(COMPANY),
        customer_id=_account(),
        interaction_id="Activity ID",
        occurred_at=when,
        kind="Type",
        direction=pl.lit("inbound"),
        is_feedback=pl.col("Feedback") == "yes",
        available_on=when.dt.date(),
    )
    return _as_contract(schemas.INTERACTIONS, rows.filter(pl.col("occurred_at").is_not_null()))


def _estimates(world: World, off: _AmountsOff) -> pl.LazyFrame:
    rows = (
        world.crm.tables["DEMAND"]
        .frame.filter(pl.col("Amount").is_not_null())
        .with_columns(cents=(pl.col("Amount").cast(pl.Decimal(18, 2)) * 100).cast(pl.Int64))
    )
    return _as_contract(
        schemas.DEMAND_ESTIMATES,
        off(rows, "cents").select(
            company_code=pl.lit(COMPANY),
            customer_id=_account(),
            product_group="Product group",
            period_start=pl.col("Year from").str.to_date(),
            estimate_version="Version",
            amount=_money("cents"),
            source="Source",
            estimated_on=pl.col("Estimated on").str.to_date(),
            available_on=pl.col("Estimated on").str.to_date(),
        ),
    )


def _as_contract(schema: pl.Schema, frame: pl.DataFrame) -> pl.LazyFrame:
    """The frame with all columns of the contract, those it does not have null."""
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in frame.columns]
    return frame.with_columns(missing).select(schema.names()).cast(schema).lazy()  # type: ignore[arg-type]


def _code(codes: pl.Series, number: str) -> pl.Expr:
    return pl.col(number).replace_strict(range(len(codes)), codes.to_list(), return_dtype=pl.String)


def _account() -> pl.Expr:
    return pl.col("Account").str.zfill(10)


def _money(cents: str) -> pl.Expr:
    return pl.col(cents).cast(pl.Decimal(18, 4)) * pl.lit(CENTS)
