"""The automations that keep the deployments going: dead runs are declared dead.

People are told by whoever attends to the server (flows/server/attendant.py), out of the books: an automation misses what the
server loses, as it may while its database is locked. They act on runs tagged `valuemart` alone, so that a server which others use, too, is left as it is for them.
"""

from __future__ import annotations

from datetime import timedelta

from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.states import StateType

TAG = "valuemart"
# Three heartbeats of 30 s: prefect.yaml asks every run for them.
SILENT_FOR = timedelta(seconds=90)
# A run's process imports everything before it says that it runs; on a cold disk that takes a while.
PENDING_FOR = timedelta(seconds=120)

_FINAL = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
_RUN = "prefect.flow-run.*"


def reapers() -> list[AutomationCore]:
    """Without these, a run that died keeps its place in the queue `writer`, and the queue stands still."""
    heartbeat = "prefect.flow-run.heartbeat"
    running, pending = "prefect.flow-run.Running", "prefect.flow-run.Pending"
    return [
        _reaper(
            "valuemart: crash zombie runs",
            "A run that has not been heard of for 90 s is dead.",
            after={running, heartbeat},  # a run may die before its first heartbeat is out
            expect={heartbeat, *_FINAL},
            within=SILENT_FOR,
            message="Nothing was heard of it for 90 s: its process is gone.",
        ),
        _reaper(
            "valuemart: crash stuck pending runs",
            "A run that has been pending for two minutes never began.",
            after={pending, "prefect.flow-run.Submitting"},
            expect={running, "prefect.flow-run.Cancelling", *_FINAL},
            within=PENDING_FOR,
            message="It was pending for 120 s: its process never began, or is gone.",
        ),
    ]


def _reaper(
    name: str, description: str, *, after: set[str], expect: set[str], within: timedelta, message: str
) -> AutomationCore:
    """Declares a run of ours dead where nothing of what is expected follows within the time."""
    trigger = EventTrigger(
        posture=Posture.Proactive,
        after=after,
        expect=expect,
        match=_resource(_RUN),
        match_related=_ours(),
        for_each={"prefect.resource.id"},
        threshold=1,
        within=within,
    )
    return AutomationCore(name=name, description=description, trigger=trigger, actions=[_crash(message)])


def _resource(pattern: str) -> ResourceSpecification:
    return ResourceSpecification({"prefect.resource.id": pattern})


def _ours() -> ResourceSpecification:
    return ResourceSpecification(
        {"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"}
    )


def _crash(message: str) -> ChangeFlowRunState:
    return ChangeFlowRunState(state=StateType.CRASHED, name="Crashed", message=message)
