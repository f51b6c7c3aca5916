"""The sweep: every few minutes, it asks for what was missed. It changes nothing itself, and leaves no run of its own.

An event that a batch has landed can get lost, and a run that crashed is not tried again by Prefect. The sweep looks at
the inbox, the books and the latest runs, and asks for a refresh where one is due and nothing that writes is on its way: what
a backfill had committed before it crashed or was cancelled is caught up with and published as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flows.inbox import watch
from flows.pipeline.committed import unpublished
from flows.settings import Settings

if TYPE_CHECKING:
    from prefect.client.schemas.filters import DeploymentFilter
    from prefect.states import State

REFRESH, REFRESHES = "refresh/refresh-on-landing", "refresh"
# Other runs that rate and publish; after a bad end, a refresh brings on what they had committed.
OTHERS = ("backfill", "restate")

# After so many bad ends in a row, another run would end as they did: a person has been told, and the night tries again.
BAD_ENDS = 3


def sweep(settings: Settings) -> str | None:
    """Ask for a refresh where something landed unheard, or was left undone; the reason, None where nothing was due."""
    from prefect.deployments import run_deployment

    landed = ["/".join(batch.identity) for batch in watch.awaiting(settings)]
    reason = due(landed, latest_states(), latest_states_of_others(), lambda: unpublished(settings))
    if reason:
        run_deployment(REFRESH, timeout=0, as_subflow=False)
    return reason


def due(
    landed: Sequence[str],
    latest: Sequence[State],
    others: Sequence[State] = (),
    committed: Callable[[], object | None] = lambda: None,
) -> str | None:
    """Why a refresh is due; None where none is, or a run that writes is on its way.

    `latest` are the refreshes' states, `others` those of backfills and restatements, newest first; `committed` is asked what
    is committed and not published.
    """
    if any(not state.is_final() for state in (*latest, *others)):
        return None
    if len(latest) >= BAD_ENDS and all(
        state.is_crashed() or state.is_failed() for state in latest[:BAD_ENDS]
    ):
        return None
    if landed:
        return f"{len(landed)} landed: {', '.join(landed[:3])}{', …' if len(landed) > 3 else ''}"
    if latest and latest[0].is_crashed():
        return "the last refresh crashed"
    if (left := committed()) is not None:
        return f"committed and not published: {left}"
    return None


def latest_states() -> list[State]:
    """The states of the latest refreshes that should have begun by now, newest first."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags

    return _states(DeploymentFilter(tags=DeploymentFilterTags(all_=[REFRESHES])))


def latest_states_of_others() -> list[State]:
    """The states of the latest backfills and restatements that should have begun by now, newest first."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName

    return _states(DeploymentFilter(name=DeploymentFilterName(any_=list(OTHERS))))


def _states(deployments: DeploymentFilter) -> list[State]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterExpectedStartTime
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            deployment_filter=deployments,
            flow_run_filter=FlowRunFilter(
                expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC))
            ),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=BAD_ENDS + 1,
        )
    return [run.state for run in runs if run.state is not None]
