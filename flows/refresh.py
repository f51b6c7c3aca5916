"""The flows: `refresh` loads what landed, rates, publishes and sends; `backfill` and `sample` do the same day by day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import date

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from expectations.gate import Gate
from flows import artifacts, stages
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


@flow(name="refresh", persist_result=False, validate_parameters=True)
def refresh(as_of: date | None = None) -> RefreshResult:
    """Bring everything up to what has landed and to a day; without one, to yesterday in the company's time zone."""
    settings = configuration.load()
    return _run(settings, [as_of or configuration.yesterday(settings.timezone)])[-1]


@flow(name="backfill", persist_result=False, validate_parameters=True)
def backfill(first: date, last: date) -> list[RefreshResult]:
    """Rate the months from `first` to `last` in order, each by what was known at its end, then catch up with today."""
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
            result = RefreshResult(day, load=load_task(settings, gate), rating=rate_task(settings, day))
            if day == days[-1]:
                result.published = publish_task(settings)
            results.append(result)
    results[-1].relayed = relay_task(settings)
    # Last, and outside the warehouse: it is made of the published mart, and whoever waits for events does not wait for it.
    results[-1].report = report_task(settings)
    artifacts.leave(settings, results)
    return results
