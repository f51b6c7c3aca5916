from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from expectations.gate import Gate
from flows.observe import metrics
from flows.pipeline import stages
from flows.pipeline.stages import RefreshResult
from tests.flows.small_company import customer, land, settings_of
from warehouse.relay.records import Backlog

NOW = datetime(2025, 7, 1, 4, 0, tzinfo=UTC)
NONE = Backlog(waiting=0, dead=0, blocked=0, oldest=None)


def numbers(file: Path) -> dict[tuple[str, ...], float]:
    """Every sample of a file, by its name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(file.read_text())
        for sample in family.samples
    }


def test_a_refresh_leaves_its_rows_by_fate_its_durations_and_when_it_ended(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "home")
    good, bad = customer("C1"), customer("C2", credit_limit="much")
    land(settings, {"customers": [good, bad]}, taken=date(2025, 6, 30), sequence=1)
    result = RefreshResult(date(2025, 6, 30))
    with result.timed("load"):
        result.load = stages.load_stage(settings, Gate())
    result.rating = stages.rate_stage(settings, result.as_of)
    result.published = stages.publish_stage(settings)

    metrics.write_refresh(settings, [result], NOW)

    found = numbers(settings.metrics_folder / "valuemart.prom")
    assert found["valuemart_batches", "loaded"] == 1
    assert [found["valuemart_rows", fate] for fate in ("rows_in", "accepted", "quarantined")] == [2, 1, 1]
    assert found["valuemart_refresh_duration_seconds", "load"] == result.seconds["load"]
    assert found["valuemart_refresh_last_success_timestamp_seconds",] == NOW.timestamp()
    assert found["valuemart_rated_as_of_timestamp_seconds",] == datetime(2025, 6, 30, tzinfo=UTC).timestamp()


def test_the_age_of_the_oldest_event_is_told_for_each_sink(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "home")
    behind = Backlog(waiting=12, dead=1, blocked=2, oldest=NOW - timedelta(minutes=90))

    metrics.write_events(settings, {"file": NONE, "webhook": behind}, NOW)

    found = numbers(settings.metrics_folder / "valuemart_events.prom")
    assert found["valuemart_outbox_waiting", "webhook"] == 12
    assert found["valuemart_outbox_oldest_age_seconds", "webhook"] == 5400
    assert found["valuemart_outbox_oldest_age_seconds", "file"] == 0
    assert found["valuemart_outbox_waiting", "file"] == 0
