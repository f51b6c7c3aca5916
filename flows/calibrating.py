"""Proposes a policy fitted to what is loaded, as a file for a person to review. Nothing is rated by it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from flows.faults import UsageError
from flows.known_facts import facts_of
from flows.rate import default_policy
from flows.settings import Settings
from transforms.calibrate import calibrate
from transforms.measures import measure_customers
from transforms.periods import first_of_month
from transforms.plan import closed_through
from transforms.policy import parse_policy
from warehouse import facts as stored_facts
from warehouse import ledger
from warehouse.connection import open_database
from warehouse.durable import write_text


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
