"""What a customer's rating would be had its year gone otherwise: asks the warehouse for the facts, and hands them to the transforms."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from flows.pipeline.facts import facts_of
from flows.settings import Settings
from flows.wording.reasons import with_text
from transforms.facts.as_of import AsOfFacts
from transforms.facts.handover import succeed
from transforms.measures.window import Window
from transforms.policy.model import parse_policy
from transforms.rating.period import rate_period
from transforms.rating.structure import sales_since
from transforms.simulation.what_if import Supposition, suppose
from warehouse.lake.opening import open_at
from warehouse.mart import queries
from warehouse.mart.files import Row
from warehouse.rating import facts as stored_facts
from warehouse.rating import history
from warehouse.store import ledger
from warehouse.store.migrate import require_current


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A customer's latest rating by the facts as they are, and as they would be; both are rows of a rating, in words."""

    name: str
    currency: str
    supposed: Supposition
    now: Row
    then: Row


def what_if(settings: Settings, customer: str, company: str | None, supposed: Supposition) -> WhatIf:
    """Rate the customer's latest period twice, in memory. UnknownCustomerError where none or several customers are meant."""
    current = queries.customer_file(settings.mart_file, customer, company).current
    code, number = current["company_code"], current["customer_id"]
    period, as_of = current["period"], current["as_of"]
    window = Window(current["closed_through"])
    with pl.Config() as config, open_at(settings.warehouse_at, read_only=True) as connection:
        require_current(connection)
        config.set_engine_affinity("in-memory")  # small frames: the streaming engine takes longer to set up
        policy = parse_policy(ledger.policy_text(connection, current["policy_hash"]))
        seen_until = history.seen_until(connection, code, as_of)
        # Resolved before anything is supposed, so that what it continues of another number is supposed with it.
        known = AsOfFacts(
            *succeed(
                facts_of(connection, code, as_of, seen_until),
                stored_facts.read_sales(connection, code, sales_since(period)),
                as_of,
            )
        )
        before = history.latest_rows(connection, code, window.month_before(1))
        stored = history.latest_rows(connection, code, period)

    def rated(facts: AsOfFacts) -> Row:
        found = rate_period(
            facts.facts,
            policy,
            closed_through=window.closed_through,
            as_of=as_of,
            previous=before.lazy(),
            stored=stored.lazy(),
            sales=facts.sales,
            judged_by=known,
        )
        return with_text(found.values.filter(pl.col("customer_id") == number).collect()).row(0, named=True)

    return WhatIf(
        current["name"],
        settings.company_currency,
        supposed,
        now=rated(known),
        then=rated(suppose(known, number, window, supposed)),
    )
