"""What `refresh`, `backfill`, `restate` and the demo share: the stages of one or several days, each a task of the flow run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date, datetime, time, timedelta

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from expectations.gate import Gate
from flows.console.stopping import terminated_outside_of_imports
from flows.observe import artifacts, run_outputs
from flows.pipeline import stages
from flows.pipeline.load import warehouse_held_open
from flows.pipeline.stages import RefreshResult, Run, Stage
from flows.settings import Settings
from warehouse.lake.address import Lake


@terminated_outside_of_imports()
def run_stages(
    settings: Settings,
    days: Sequence[date],
    prepare: Callable[[date], object] = lambda _: None,
    *,
    held: AbstractContextManager[object] | None = None,
    lives_each_day: bool = False,
    restate_from: date | None = None,
    calibrate_to: date | None = None,
) -> list[RefreshResult]:
    """Load and rate day by day; at the end publish the mart and, the warehouse closed, send the events and report.

    `prepare` is called before each day, and lands what the day brings. Consumers are told what differs at the end of the last day.
    Or each day is as if it had been lived through (`lives_each_day`): it ends with telling, and sees what was extracted by the end of
    the night that follows. `held`: what whoever calls holds of the warehouse, let go of once the mart is published. With
    `restate_from`, nothing is loaded, and the months from that one on are rated anew. `calibrate_to`: the day to whose facts a
    policy is calibrated if there is none, where all of them have landed before the first day is rated.
    """
    stages.check(settings)
    gate = Gate()
    runs = [
        Run(
            settings,
            gate,
            RefreshResult(day),
            shown=day == days[-1],
            tells=lives_each_day or day == days[-1],
            restate_from=restate_from,
            calibrate_to=calibrate_to,
            until=_end_of_the_night_after(day) if lives_each_day else None,
        )
        for day in days
    ]
    # A lake is slow to open, and its readers need not wait for one who has.
    if held is None and (len(days) > 1 or isinstance(settings.warehouse_at, Lake)):
        held = warehouse_held_open(settings, stages.now())
    with held or nullcontext():
        for run in runs:
            prepare(run.result.as_of)
            _fold(stages.OF_EACH_DAY, run)
        _fold(stages.OF_THE_LAST_DAY, runs[-1])
    _fold(stages.AFTER_THE_WAREHOUSE, runs[-1])
    results = [run.result for run in runs]
    run_outputs.publish_run_outputs(settings, results)
    return results


def run_days(
    name: str,
    settings: Settings,
    days: Sequence[date],
    prepare: Callable[[date], object],
    held: AbstractContextManager[object],
) -> list[RefreshResult]:
    """One flow run of that name over several days, each as if it had been lived through."""
    return flow(name=name, persist_result=False)(
        lambda: run_stages(settings, days, prepare, held=held, lives_each_day=True)
    )()


def _end_of_the_night_after(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=2), time())


def _fold(folded: Sequence[Stage], run: Run) -> None:
    """Bring each stage up in turn, as a task that takes the stage's name."""
    for stage in folded:
        with run.result.timed(stage.name), artifacts.progress():
            _as_task(stage, run)()


def _as_task(stage: Stage, run: Run) -> Callable[[], None]:
    """The update as a Prefect task. What it gives lies in DuckDB: kept elsewhere, a restored warehouse would miss it."""

    @task(name=stage.name, cache_policy=NO_CACHE, persist_result=False)
    def update() -> None:
        stage.update(run)

    return update
