"""The flow `backfill`: what `refresh` does, for past months, in order."""

from __future__ import annotations

from prefect import flow

from flows import settings as configuration
from flows.deployments import run_names
from flows.deployments.parameters import Month
from flows.deployments.run_stages import run_stages
from flows.errors import UsageError
from flows.pipeline import stages
from flows.pipeline.stages import RefreshResult
from transforms.frames.plan import month_end, months_between


@flow(name="backfill", flow_run_name=run_names.of_backfill, persist_result=False, validate_parameters=True)
def backfill(first: Month, last: Month) -> list[RefreshResult]:
    """Rate past months in order, each by what was known at its end, then catch up with the latest rating. UsageError for none.

    Args:
        first: The first month to rate, as 2025-01, or any day of it.
        last: The last month to rate, as 2025-06, or any day of it.
    """
    if last < first:
        raise UsageError(f"first {first:%Y-%m} lies after last {last:%Y-%m}; name the earlier month first")
    settings = configuration.load()
    configuration.require_in_reach(last, settings.days_ahead)
    days = [month_end(month) for month in months_between(first, last)]
    days += stages.rated_after(settings, days[-1])
    return run_stages(settings, days, calibrate_to=days[-1])
