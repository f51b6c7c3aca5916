"""The flow `refresh`: loads what landed, rates, publishes the mart, sends the events and writes the report."""

from __future__ import annotations

from prefect import flow

from flows import settings as configuration
from flows.deployments import run_names
from flows.deployments.parameters import Day
from flows.deployments.run_stages import run_stages
from flows.pipeline.stages import RefreshResult


@flow(name="refresh", flow_run_name=run_names.of_refresh, persist_result=False, validate_parameters=True)
def refresh(as_of: Day | None = None) -> RefreshResult:
    """Bring everything up to what has landed and to a day: load, rate, publish the mart, send the events.

    Args:
        as_of: Rate as of this day, as 2025-06-30; empty means yesterday in the company's time zone.
    """
    settings = configuration.load()
    day = as_of or configuration.yesterday(settings.timezone)
    configuration.require_in_reach(day, settings.days_ahead)
    return run_stages(settings, [day])[-1]
