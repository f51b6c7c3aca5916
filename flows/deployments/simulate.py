"""The flow that replays the rated periods under a candidate policy and leaves what it found on the Prefect server."""

from __future__ import annotations

from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows import settings as configuration
from flows.deployments.parameters import Month
from flows.pipeline.rate import read_policy
from flows.policy.simulate import Simulation
from flows.policy.simulate import simulate as replay_stored_facts


@flow(name="simulate", persist_result=False, validate_parameters=True)
def simulate(policy: str, first: Month | None = None, last: Month | None = None) -> Simulation:
    """Replay rated periods under another policy; nothing in the home is touched.

    Args:
        policy: The policy file, on the machine that runs this.
        first: The first month, as 2025-01, or any day of it; empty means as far back as was rated.
        last: The last month, as 2025-06, or any day of it; empty means the latest that was rated.
    """
    found = replay_stored_facts(
        configuration.load(),
        read_policy(Path(policy)),
        first=first and first.replace(day=1),
        last=last and last.replace(day=1),
        hindsight=False,
    )
    create_markdown_artifact(key="simulation", markdown=_summary(found), description="Simulation")
    return found


def _summary(found: Simulation) -> str:
    compared = found.comparison
    ours, theirs = compared.names
    moved = [row for row in compared.migration if row["from_tier"] != row["to_tier"]]
    title = f"{theirs} instead of {ours}"
    return "\n".join(
        [
            f"### {title}, {compared.first:%Y-%m} to {compared.last:%Y-%m}",
            "| from | to | customers | net sales of 12 months |",
            "|---|---|---|---|",
            *("| {from_tier} | {to_tier} | {customers} | {net_sales_12m} |".format(**row) for row in moved),
        ]
    )
