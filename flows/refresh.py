"""The flows: `refresh` loads what landed, rates, publishes and sends; `backfill` and `sample` do the same day by day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import date

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from expectations.gate import Gate
from flows import aftermath, artifacts, run_names, stages
from flows import settings as configuration
from flows.load import warehouse_held_open
from flows.stages import RefreshResult
from transforms.plan import month_end, months_between

# What a task gives back lies in DuckDB: with a result kept elsewhere, a restored warehouse would miss data.
load_task = task(name="load", cache_policy=NO_CACHE, persist_result=False)(stages.load_stage)
rate_task = task(name="rate", cache_policy=NO_CACHE, persist_result=False)(stages.rate_stage)
publish_task = task(name="publish", cache_policy=NO_CACHE, persist_result=False)(stages.publish_stage)
report_task = task(name="report", cache_policy=NO_CACHE, persist_result=False)(stages.report_stage)
relay_task = task(name="relay", cache_policy=NO_CACHE, persist_result=False)(stages.relay_stage)


@flow(name="refresh", flow_run_name=run_names.of_refresh, persist_result=False, validate_parameters=True)
def refresh(as_of: date | None = None) -> RefreshResult:
    """Bring everything up to what has landed and to a day: load, rate, publish the mart, send the events.

    Args:
        as_of: Rate as of this day; empty means yesterday in the company's time zone.
    """
    settings = configuration.load()
    return _run(settings, [as_of or configuration.yesterday(settings.timezone)])[-1]


@flow(name="backfill", flow_run_name=run_names.of_backfill, persist_result=False, validate_parameters=True)
def backfill(first: date, last: date) -> list[RefreshResult]:
    """Rate past months in order, each by what was known at its end, then catch up with the latest rating.

    Args:
        first: Any day of the first month to rate.
        last: Any day of the last month to rate.
    """
    settings = configuration.load()
    days = [month_end(month) for month in months_between(first, last)]
    return _run(settings, [*days, *stages.rated_after(settings, days[-1])])


def day_by_day(
    name: str, settings: configuration.Settings, days: Sequence[date], prepare: Callable[[date], object]
) -> list[RefreshResult]:
    """One flow run of that name over several days; `prepare` is called before each, and lands what the day brings."""
    return flow(name=name, persist_result=False)(lambda: _run(settings, days, prepare))()


def _run(
    settings: configuration.Settings,
    days: Sequence[date],
    prepare: Callable[[date], object] = lambda _: None,
) -> list[RefreshResult]:
    """Load and rate day by day; at the end publish the mart and, the warehouse closed, send the events and report."""
    stages.check(settings)
    gate = Gate()
    results = []
    with warehouse_held_open(settings, stages.now()) if len(days) > 1 else nullcontext():
        for day in days:
            prepare(day)
            result = RefreshResult(day)
            with result.timed("load"), artifacts.progress():
                result.load = load_task(settings, gate)
            with result.timed("rate"):
                result.rating = rate_task(settings, day, shown=day == days[-1])
            if day == days[-1]:
                with result.timed("publish"):
                    result.published = publish_task(settings)
            results.append(result)
    with results[-1].timed("relay"):
        results[-1].relayed = relay_task(settings)
    # Last, and outside the warehouse: it is made of the published mart, and whoever waits for events does not wait for it.
    with results[-1].timed("report"):
        results[-1].report = report_task(settings)
    aftermath.leave(settings, results)
    return results
