"""The flow `backfill`: what `refresh` does, for past months, in order."""

from __future__ import annotations

from datetime import date

from prefect import flow

from flows import settings as configuration
from flows.deployments import run_names
from flows.deployments.run_stages import run_stages
from flows.pipeline import stages
from flows.pipeline.stages import RefreshResult
from transforms.frames.plan import month_end, months_between


@flow(name="backfill", flow_run_name=run_names.of_backfill, persist_result=False, validate_parameters=True)
def backfill(first: date, last: date) -> list[RefreshResult]:
    """Rate past months in order, each by what was known at its end, then catch up with the latest rating.

    Args:
        first: Any day of the first month to rate.
        last: Any day of the last month to rate.
    """
    settings = configuration.load()
    days = [month_end(month) for month in months_between(first, last)]
    days += stages.rated_after(settings, days[-1])
    return run_stages(settings, days, calibrate_to=days[-1])
