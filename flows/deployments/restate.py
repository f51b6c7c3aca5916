"""The flow `restate`: rates closed months anew, as they would be rated today."""

from __future__ import annotations

from prefect import flow

from flows import settings as configuration
from flows.deployments import run_names
from flows.deployments.parameters import Month
from flows.deployments.run_stages import run_stages
from flows.errors import UsageError
from flows.pipeline import stages
from flows.pipeline.stages import RefreshResult


@flow(name="restate", flow_run_name=run_names.of_restate, persist_result=False, validate_parameters=True)
def restate(first: Month) -> RefreshResult:
    """Rate the rated months anew from one on, by today's rules; what has landed since waits for a refresh.

    UsageError if none of them is rated.

    Args:
        first: The first month to rate anew, as 2025-01, or any day of it.
    """
    first = first.replace(day=1)
    settings = configuration.load()
    day = stages.last_rated(settings)
    if day is None or first > day:
        raise UsageError(
            f"no month from {first:%Y-%m} on is rated in {settings.home}; `valuemart status` shows what is"
        )
    return run_stages(settings, [day], restate_from=first)[-1]
