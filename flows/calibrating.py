"""Proposes a policy fitted to what is loaded, as a file for a person to review. Nothing is rated by it."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from flows.faults import UsageError
from flows.rate import default_policy
from flows.settings import Settings
from transforms.calibrate import calibrate
from transforms.facts import Facts
from transforms.measures import measure_customers
from transforms.periods import first_of_month
from transforms.plan import closed_through
from transforms.policy import parse_policy
from transforms.schemas import CUSTOMERS
from warehouse import facts as stored_facts
from warehouse import ledger
from warehouse.connection import open_database
from warehouse.durable import write_text

CELLS = ("customer_month", "order_day")
EXTRACTS = tuple(each.name for each in fields(Facts) if each.name not in CELLS)


def propose(settings: Settings) -> str:
    """A policy's text, fitted to the period that was rated last, from the policy in force.

    UsageError where nothing is rated yet: the first refresh calibrates a policy by itself.
    """
    path = settings.policy_file
    base = parse_policy(path.read_text(encoding="utf-8") if path.is_file() else default_policy())
    if not settings.warehouse_file.exists():
        raise UsageError(f"nothing is loaded in {settings.home} yet; run `valuemart refresh` first")
    with open_database(settings.warehouse_file, read_only=True) as connection:
        rated = ledger.generation(connection, "rating").as_of
        if rated is None:
            raise UsageError(f"nothing is rated in {settings.home} yet; run `valuemart refresh` first")
        through = closed_through(rated)
        measured = [
            measure_customers(facts_of(connection, company, rated), base, through)
            for company in stored_facts.companies(connection)
        ]
        measures = pl.concat(pl.collect_all(measured))
    reason = f"calibrated from the data up to {through}, for a person to review"
    return calibrate(measures, base, effective_from=first_of_month(through), reason=reason)


def write(text: str, out: Path) -> None:
    """Put a proposal into a file of its own. UsageError where there is one: it may hold a person's decisions."""
    if out.exists():
        raise UsageError(f"{out} exists; name another file, or remove it")
    write_text(out, text)


def facts_of(connection: duckdb.DuckDBPyConnection, company: str, as_of: date) -> Facts:
    """What a rating of one company may see on a day; None in place of an extract that was never delivered."""
    extracts = {table: stored_facts.read_extract(connection, table, company, as_of) for table in EXTRACTS}
    customers = extracts.pop("customers")
    return Facts(
        customers=pl.LazyFrame(schema=CUSTOMERS) if customers is None else customers,
        customer_month=stored_facts.read_cells(connection, "customer_month", company),
        order_day=stored_facts.read_cells(connection, "order_day", company),
        **extracts,
    )
