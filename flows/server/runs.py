"""The runs on the Prefect server: how many are in which state, which ended badly, and which nobody needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from flows.server.automations import TAG

if TYPE_CHECKING:
    from prefect.client.schemas.filters import FlowRunFilterTags

# Of a state's message; the run's own page has all of it.
_LONGEST_MESSAGE = 200


@dataclass(frozen=True, slots=True)
class BadEnd:
    """A run that failed or crashed, and what its last state says of it, in one line."""

    id: UUID
    flow: str
    run: str
    state: str
    message: str

    def __str__(self) -> str:
        return (
            f"{self.state.lower()}: {self.flow}, run {self.run}{f': {self.message}' if self.message else ''}"
        )


def bad_ends(since: datetime) -> list[BadEnd]:
    """The runs of ours that failed or crashed after an instant, which is aware, in the order of their ends."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterEndTime,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    ended_badly = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.FAILED, StateType.CRASHED]))
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                state=ended_badly, end_time=FlowRunFilterEndTime(after_=since), tags=_ours()
            ),
            sort=FlowRunSort.END_TIME_DESC,
        )
        flows = {run.flow_id: client.read_flow(run.flow_id).name for run in runs}
    return [
        BadEnd(
            run.id,
            flows[run.flow_id],
            run.name,
            run.state.name or run.state.type.value if run.state else "ended badly",
            " ".join(((run.state.message if run.state else None) or "").split())[:_LONGEST_MESSAGE],
        )
        for run in reversed(runs)
    ]


def cancel_surplus(deployment: str, now: datetime) -> int:
    """Leave one run of a deployment waiting, the first, and cancel those behind it; how many. `now` is aware.

    A refresh takes all that has landed by its beginning: under a stream of batches, those behind the first would find nothing.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterName,
        FlowRunFilter,
        FlowRunFilterExpectedStartTime,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort
    from prefect.states import Cancelled

    waiting = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
    with get_client(sync_client=True) as client:
        surplus = client.read_flow_runs(
            deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[deployment])),
            flow_run_filter=FlowRunFilter(
                state=waiting, expected_start_time=FlowRunFilterExpectedStartTime(before_=now)
            ),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        )[1:]
        for run in surplus:
            client.set_flow_run_state(
                run.id, Cancelled(message="A refresh that waits already takes its batches along.")
            )
    return len(surplus)


def counts() -> Mapping[str, int]:
    """How many runs of ours the server knows in each state, by the state's name in small letters; 0 where none is."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
    from prefect.client.schemas.objects import StateType

    with get_client(sync_client=True) as client:
        return {
            state.value.lower(): client.count_flow_runs(
                flow_run_filter=FlowRunFilter(
                    state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[state])), tags=_ours()
                )
            )
            for state in StateType
        }


def forget_ended_before(instant: datetime) -> int:
    """Delete the runs that ended before an instant, which is aware, with their tasks and artifacts; how many runs.

    A server of one run does not live long enough to do so by itself, as that of `serve` does.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        ArtifactFilter,
        ArtifactFilterFlowRunId,
        FlowRunFilter,
        FlowRunFilterEndTime,
    )

    ended = FlowRunFilter(end_time=FlowRunFilterEndTime(before_=instant))
    forgotten = 0
    with get_client(sync_client=True) as client:
        while runs := client.read_flow_runs(flow_run_filter=ended):  # a page at a time
            of_theirs = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id for run in runs]))
            while artifacts := client.read_artifacts(artifact_filter=of_theirs):
                for artifact in artifacts:
                    client.delete_artifact(artifact.id)
            for run in runs:
                client.delete_flow_run(run.id)
            forgotten += len(runs)
    return forgotten


def _ours() -> FlowRunFilterTags:
    from prefect.client.schemas.filters import FlowRunFilterTags

    return FlowRunFilterTags(all_=[TAG])
