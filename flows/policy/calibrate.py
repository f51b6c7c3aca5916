"""Proposes a policy fitted to what is loaded, as a file for a person to review. Nothing is rated by it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from flows.errors import UsageError
from flows.pipeline.calibration import fitted, sample_of
from flows.pipeline.facts import facts_of
from flows.pipeline.rate import default_policy, read_policy
from flows.settings import Settings
from transforms.frames.periods import first_of_month
from transforms.frames.plan import closed_through
from transforms.policy.model import parse_policy
from transforms.simulation.calibrate import calibrate
from warehouse.files import write_text
from warehouse.lake.opening import open_at
from warehouse.rating import facts as stored_facts
from warehouse.store import ledger
from warehouse.store.migrate import require_current


def propose(settings: Settings) -> str:
    """A policy's text, fitted to the period that was rated last, from the policy in force.

    UsageError where nothing is rated yet: the first refresh calibrates a policy by itself.
    """
    path = settings.policy_file
    default = parse_policy(default_policy())
    base = read_policy(path) if path.is_file() else default
    if not settings.warehouse_at.exists():
        raise UsageError(f"nothing is loaded in {settings.home} yet; run `valuemart refresh` first")
    with open_at(settings.warehouse_at, read_only=True) as connection:
        require_current(connection)
        rated = ledger.generation(connection, "rating").as_of
        if rated is None:
            raise UsageError(f"nothing is rated in {settings.home} yet; run `valuemart refresh` first")
        companies = {
            company: facts_of(connection, company, rated) for company in stored_facts.companies(connection)
        }
        sample = sample_of(connection, companies, base, closed_through(rated), settings.company_currency)
    if not path.is_file():
        return fitted(sample, default)
    through = sample.closed_through
    reason = f"calibrated from the data up to {through}, for a person to review"
    # its money is the company's own: no rate is asked for
    return calibrate(
        replace(sample, rate=Decimal(1)), base, default, effective_from=first_of_month(through), reason=reason
    )


def write(text: str, out: Path) -> None:
    """Put a proposal into a file of its own. UsageError where there is one: it may hold a person's decisions."""
    if out.exists():
        raise UsageError(f"{out} exists; name another file, or remove it")
    write_text(out, text)
