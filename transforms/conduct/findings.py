"""Conduct findings: evidence and confidence, never guilt. One row a customer and kind, also where nothing can be said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transforms.conduct.arrears import arrears
from transforms.conduct.diversion import diversion
from transforms.conduct.dumping import dumping, own_below_floor
from transforms.conduct.evidence import CONFIRMED, FINDING, not_assessable
from transforms.frames.conform import conform_to
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from datetime import date

    from transforms.facts.model import Facts
    from transforms.policy.model import Policy


def conduct_findings(
    facts: Facts, policy: Policy, as_of: date, *, sales: pl.LazyFrame | None = None
) -> pl.LazyFrame:
    """Judge every customer's conduct on `as_of`. Grain: customer × kind; ends at FINDING.

    Customers are those with a master, an order or a ledger item by then. Kinds: arrears, diversion, dumping, and
    own_below_floor, which is our own concession and never the customer's conduct. `sales`: SALES_CELL rows; None where
    they are not kept. `confidence`: confirmed (the only one that gates a tier), suspected, own_concession, none (looked
    at, and nothing found) or not_assessable with its reason. Source: docs/figures.md, Conduct.
    """
    customers = _customers(facts, as_of).collect().lazy()
    rule = policy.conduct
    owed = None if facts.receivables is None else arrears(facts, policy.credit, rule.arrears, as_of)
    dumped = dumping(facts, rule.dumping, as_of)
    conceded = own_below_floor(facts, sales, rule.dumping, as_of)
    kinds = {
        "arrears": not_assessable(customers, owed, "not_delivered" if owed is None else "no_items"),
        "diversion": diversion(facts, policy, as_of, customers, sales),
        "dumping": not_assessable(
            customers, dumped, "not_delivered" if dumped is None else "no_observations"
        ),
        "own_below_floor": not_assessable(
            customers, conceded, "not_delivered" if conceded is None else "no_floor"
        ),
    }
    findings = pl.concat(frame.with_columns(kind=pl.lit(kind)) for kind, frame in kinds.items())
    return conform_to(findings.with_columns(as_of=pl.lit(as_of)), FINDING).sort(*KEY, "kind")


def confirmed_conduct(findings: pl.LazyFrame) -> pl.LazyFrame:
    """List the customers whose misconduct is confirmed. Grain: customer."""
    return findings.filter(pl.col("confidence") == CONFIRMED).select(KEY).unique().sort(KEY)


def _customers(facts: Facts, as_of: date) -> pl.LazyFrame:
    known = [
        facts.customers.filter(pl.col("available_on") <= as_of),
        facts.order_day.filter(pl.col("order_on") <= as_of),
    ]
    if facts.receivables is not None:
        known.append(facts.receivables.filter(pl.col("posting_date") <= as_of))
    return pl.concat(frame.select(KEY) for frame in known).unique()
