"""What a policy is fitted to, gathered from the warehouse, and whether a person has confirmed the one that was fitted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

import duckdb
import polars as pl

from flows.settings import Settings
from transforms.facts.handover import succeed
from transforms.facts.model import Facts
from transforms.frames.periods import first_of_month
from transforms.measures import measure_customers
from transforms.policy.model import Policy
from transforms.rating.structure import sales_since
from transforms.simulation.calibrate import CURRENCY_OF_DEFAULT, Sample, calibrate, in_currency, is_calibrated
from warehouse.files import write_text
from warehouse.rating import facts as stored_facts


def sample_of(
    connection: duckdb.DuckDBPyConnection,
    companies: Mapping[str, Facts],
    policy: Policy,
    closed_through: date,
    currency: str,
) -> Sample:
    """All companies' customers, as they are measured at a month's end, and what the default's money is worth to them."""
    since = sales_since(first_of_month(closed_through))
    rated = [
        succeed(facts, stored_facts.read_sales(connection, company, since), closed_through)
        for company, facts in companies.items()
    ]
    measured = [measure_customers(facts, policy, closed_through, sales) for facts, sales in rated]
    measures, days = (
        pl.concat(pl.collect_all(frames)) for frames in (measured, [facts.order_day for facts, _ in rated])
    )
    rate = stored_facts.latest_rate(connection, CURRENCY_OF_DEFAULT, currency, closed_through)
    return Sample(measures, days, closed_through, currency, rate)


def fitted(sample: Sample, default: Policy) -> str:
    """The text of a policy fitted to a sample, its money in the company's currency where a rate is known."""
    base = in_currency(default, sample.rate) if sample.rate not in (None, Decimal(1)) else default
    return calibrate(
        sample,
        base,
        default,
        effective_from=first_of_month(sample.closed_through),
        reason=f"calibrated from the data up to {sample.closed_through}, for a person to review",
    )


def is_unconfirmed(settings: Settings, policy: Policy) -> bool:
    """Whether the policy was fitted by the program into the home, and nobody has said since that it may rule."""
    if settings.policy is not None or not is_calibrated(policy):
        return False
    return _confirmed_hash(settings) != policy.content_hash


def confirm(settings: Settings, policy: Policy, *, by: str, at: datetime) -> None:
    """Note who has read the policy and lets it rule."""
    noted = {"policy_hash": policy.content_hash, "by": by, "at": at.isoformat(timespec="seconds")}
    write_text(settings.confirmation_file, json.dumps(noted, indent=2, ensure_ascii=False) + "\n")


def _confirmed_hash(settings: Settings) -> str | None:
    path = settings.confirmation_file
    if not path.is_file():
        return None
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return str(noted["policy_hash"]) if isinstance(noted, dict) and "policy_hash" in noted else None
