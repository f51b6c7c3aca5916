"""What a run leaves for people and monitors when it has done its work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from flows.delivery.routes import backlogs
from flows.observe import artifacts, metrics
from flows.pipeline.stages import RefreshResult
from flows.settings import Settings


def publish_run_outputs(settings: Settings, results: Sequence[RefreshResult]) -> None:
    """Artifacts on the Prefect server, and the numbers for Prometheus."""
    now = datetime.now(UTC)
    artifacts.publish_artifacts(settings, results)
    metrics.write_events(settings, backlogs(settings), now)
    metrics.write_refresh(settings, results, now)
