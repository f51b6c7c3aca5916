"""How a simulation is shown: tables for a person, JSON, or a page in a file."""

from __future__ import annotations

import json
from pathlib import Path

from flows.cli.views.simulation_page import OUTCOMES, outcome_rows, page, what_differs
from flows.console.output import echo, echo_json, pairs, place, plain, table
from flows.errors import UsageError
from flows.policy.simulate import Simulation
from warehouse.files import write_text

MOST_MOVERS = 12


def check(out: Path) -> None:
    """UsageError where a file could not be written: before minutes are spent on what goes into it."""
    if not out.absolute().parent.is_dir():
        raise UsageError(f"{out} cannot be written: there is no folder {out.absolute().parent}")


def write(found: Simulation, out: Path) -> None:
    """A page where the file's name ends with .html, else JSON. UsageError where it cannot be written."""
    content = page(found) if out.suffix == ".html" else json.dumps(plain(found), ensure_ascii=False) + "\n"
    try:
        write_text(out, content)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}") from error


def show(found: Simulation, out: Path | None, *, as_json: bool) -> None:
    """What would differ, and how far to believe it."""
    if as_json:
        echo_json(found)
        return
    compared = found.comparison
    ours, theirs = compared.ruling, compared.candidate
    ruling, candidate = compared.names
    echo(
        f"{candidate} instead of {ruling}, {compared.first:%Y-%m} to {compared.last:%Y-%m}; nothing was published"
    )
    sums = {
        "customers": "customers",
        "net_sales_12m": "net sales of 12 months",
        "contribution_12m": "contribution",
        "exposure": "exposure",
    }
    moved = [row for row in compared.migration if row["from_tier"] != row["to_tier"]]
    table(moved, {"from_tier": "in force", "to_tier": "candidate", **sums}, title="Other tiers at the end")
    table(
        [{**row, "drivers": what_differs(row)} for row in compared.movers[:MOST_MOVERS]],
        {
            "customer_id": "customer",
            "from_tier": "in force",
            "to_tier": "candidate",
            "net_sales_12m": "net sales of 12 months",
            "drivers": "what differs",
        },
        title=f"Who moves ({min(MOST_MOVERS, len(compared.movers))} of {len(compared.movers):,})",
    )
    if compared.outcomes:
        table(
            outcome_rows(compared.outcomes),
            OUTCOMES,
            title="What came, in the last twelve months, of the tiers given a year ago",
        )
    table(
        [
            {"policy": name, **side.volatility, **side.warnings}
            for name, side in (("in force", ours), ("candidate", theirs))
        ],
        {
            "policy": "policy",
            "moves": "moves",
            "reversals": "there and back",
            "reversals_per_100_customer_years": "in 100 customer-years",
            "lapses": "lapses over 90 days",
            "flagged_before": "flagged before",
            "median_days": "days before, median",
        },
        title="Calm and warning",
    )
    echo()
    pairs(
        {
            "reproduced": f"{found.reproduced['same_tier']:,} of {found.reproduced['ratings']:,} stored ratings have the same "
            "tier when the policy in force is replayed",
            **_hindsight(found),
            **({"written": place(out)} if out else {}),
        }
    )


def _hindsight(found: Simulation) -> dict[str, object]:
    if found.hindsight is None:
        return {}
    other = found.hindsight["ratings"] - found.hindsight["same_tier"]
    return {
        "hindsight": f"{other:,} of {found.hindsight['ratings']:,} ratings of the candidate would have another tier"
    }
