"""The runs on the Prefect server: how many are in which state, which ended badly, and which nobody needs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from flows.errors import ServerError
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


def keeps_its_books_in(folder: Path) -> bool:
    """Whether a server of this process's Prefect settings has its books in that folder, and not where others' runs are, too."""
    from prefect.settings import get_current_settings

    url = get_current_settings().server.database.connection_url
    file = url.get_secret_value().partition(":///")[2] if url else ""
    return Path(file).absolute() == (folder / "prefect.db").absolute()


def forget_ended_before(instant: datetime, *, at_most: int) -> int:
    """Delete runs that ended before an instant, which is aware, the oldest first, with their tasks and artifacts; how many.

    A server of one run does not live long enough to do so by itself, as that of `serve` does. ServerError where it refuses.
    """
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        ArtifactFilter,
        ArtifactFilterFlowRunId,
        FlowRunFilter,
        FlowRunFilterEndTime,
    )
    from prefect.client.schemas.sorting import FlowRunSort
    from prefect.exceptions import ObjectNotFound, PrefectException

    ended = FlowRunFilter(end_time=FlowRunFilterEndTime(before_=instant))
    try:
        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs(
                flow_run_filter=ended, sort=FlowRunSort.START_TIME_ASC, limit=at_most
            )
            if not runs:
                return 0
            of_theirs = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id for run in runs]))
            while artifacts := client.read_artifacts(artifact_filter=of_theirs):  # a page at a time
                for artifact in artifacts:
                    with suppress(ObjectNotFound):  # another command of the home forgets, too
                        client.delete_artifact(artifact.id)
            for run in runs:
                with suppress(ObjectNotFound):
                    client.delete_flow_run(run.id)
    except (httpx.HTTPError, PrefectException) as error:
        said = (
            f"it answers with {error.response.status_code}"
            if isinstance(error, httpx.HTTPStatusError)
            else str(error)
        )
        raise ServerError(
            f"Prefect's server did not forget its old runs: {said}; the next run tries again"
        ) from error
    return len(runs)


def _ours() -> FlowRunFilterTags:
    from prefect.client.schemas.filters import FlowRunFilterTags

    return FlowRunFilterTags(all_=[TAG])
