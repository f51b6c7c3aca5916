"""The flow `relay`: offers the sinks what they have not got yet, beside anything else that runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prefect import flow, get_run_logger

from flows import settings as configuration
from flows.delivery import relay as relaying
from flows.delivery.relay import RelayReport
from flows.delivery.routes import sink_routes
from flows.observe import metrics


@flow(name="relay", persist_result=False, validate_parameters=True)
def relay(seconds: float = 45) -> RelayReport:
    """Serve every sink until it has everything, is down, or its time is over.

    Args:
        seconds: How long a run may send; less than the time between two runs.
    """
    settings = configuration.load()
    settings.home.mkdir(parents=True, exist_ok=True)
    report = relaying.relay(settings.relay_file, sink_routes(settings), budget=timedelta(seconds=seconds))
    metrics.write_events(settings, {sink.sink: sink.backlog for sink in report.sinks}, datetime.now(UTC))
    log = get_run_logger()
    for sink in report.sinks:
        if sink.down:
            log.warning("sink %s: %s; %d events wait", sink.sink, sink.down, sink.backlog.waiting)
    return report
