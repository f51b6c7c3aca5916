"""Numbers for Prometheus, as text files that its node exporter picks up (`--collector.textfile.directory`).

A refresh writes `valuemart.prom`; who looks after the events writes `valuemart_events.prom`, who looks after the runs
`valuemart_runs.prom`. Each is put in its place whole. The counts are gauges: they are read from the books, and go down where a batch is delivered again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from flows.settings import Settings
from warehouse.files import write_text
from warehouse.mart import queries
from warehouse.mart.publish import open_folder
from warehouse.relay.records import Backlog

if TYPE_CHECKING:
    from flows.pipeline.stages import RefreshResult


def write_refresh(settings: Settings, results: Sequence[RefreshResult], ended: datetime) -> None:
    """What the books hold now, and what the refresh that has just ended took; `ended` is aware."""
    registry = CollectorRegistry()
    books = queries.status(settings.ops_file, latest=0)
    batches = _gauge(registry, "batches", "Batches ever delivered, by what became of them", "status")
    for row in books.batch_counts:
        batches.labels(row["status"]).set(row["batches"])
    rows = _gauge(
        registry, "rows", "Rows ever delivered, by what became of them; rows_in is their sum", "fate"
    )
    for fate, counted in books.row_counts.items():
        rows.labels(fate).set(counted)
    _gauge(registry, "events_written", "Events ever written to the outbox").set(books.events)
    took = _gauge(registry, "refresh_duration_seconds", "What each stage of the last refresh took", "stage")
    for stage in {stage for result in results for stage in result.seconds}:
        took.labels(stage).set(sum(result.seconds.get(stage, 0.0) for result in results))
    _gauge(registry, "refresh_batches", "Batches that the last refresh worked on").set(
        sum(len(result.load.outcomes) for result in results)
    )
    _gauge(registry, "refresh_last_success_timestamp_seconds", "When a refresh last ended well").set(
        ended.timestamp()
    )
    as_of = _gauge(registry, "rated_as_of_timestamp_seconds", "The day of the last rating, at its start, UTC")
    if (day := books.publication["as_of"]) is not None:
        as_of.set(datetime(day.year, day.month, day.day, tzinfo=ended.tzinfo).timestamp())
    _write(settings, "valuemart.prom", registry)


def write_events(settings: Settings, backlogs: Mapping[str, Backlog], now: datetime) -> None:
    """What each sink has not got yet, and for how long its oldest event has been waiting; `now` is aware."""
    registry = CollectorRegistry()
    waiting = _gauge(registry, "outbox_waiting", "Events that a sink has not got yet", "sink")
    dead = _gauge(registry, "outbox_dead", "Events that were given up for a sink", "sink")
    held = _gauge(registry, "outbox_held_customers", "Customers behind an event that failed", "sink")
    age = _gauge(
        registry, "outbox_oldest_age_seconds", "Age of a sink's oldest outstanding event; 0: none", "sink"
    )
    for sink, backlog in backlogs.items():
        waiting.labels(sink).set(backlog.waiting)
        dead.labels(sink).set(backlog.dead)
        held.labels(sink).set(backlog.blocked)
        age.labels(sink).set(backlog.age(now).total_seconds())
    _gauge(registry, "outbox_counted_timestamp_seconds", "When this was counted").set(now.timestamp())
    _write(settings, "valuemart_events.prom", registry)


def write_runs(settings: Settings, runs: Mapping[str, int], behind: datetime | None, now: datetime) -> None:
    """How many runs the Prefect server knows, by their state, and since when something waits to be published; both aware."""
    registry = CollectorRegistry()
    counted = _gauge(registry, "runs", "Runs that the Prefect server knows, by their state", "state")
    for state, number in runs.items():
        counted.labels(state).set(number)
    late = 0.0 if behind is None else max((now - behind).total_seconds(), 0.0)
    _gauge(
        registry,
        "published_behind_seconds",
        "For how long something has landed, or was committed, and is not published; 0: nothing",
    ).set(late)
    _gauge(registry, "runs_counted_timestamp_seconds", "When this was counted").set(now.timestamp())
    _write(settings, "valuemart_runs.prom", registry)


def _gauge(registry: CollectorRegistry, name: str, meaning: str, *labels: str) -> Gauge:
    return Gauge(f"valuemart_{name}", meaning, labels, registry=registry)


def _write(settings: Settings, name: str, registry: CollectorRegistry) -> None:
    for folder in (settings.published_folder, settings.metrics_folder):
        open_folder(folder, settings.readers)
    write_text(settings.metrics_folder / name, generate_latest(registry).decode(), settings.readers)
