"""What a Prefect server needs to run the deployments: pool, queues, automations. Run again, it mends and adds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flows.errors import ServerError, UsageError
from flows.server.run_server import refusal

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import AutomationCore

POOL = "valuemart"
# The warehouse has one writer. The limit is the queue's, since that one holds for all deployments together.
QUEUES: dict[str, int | None] = {"writer": 1, "asking": None}

# What earlier versions deployed: a run a minute for what processes of their own do now, `valuemart relay` and `watch`.
RETIRED_DEPLOYMENTS, RETIRED_QUEUES = ("relay/relay", "sweep/sweep"), ("relay",)
# The attendant of `serve` and `watch` tells people; the block held the address that they are told at.
RETIRED_AUTOMATIONS = tuple(
    f"valuemart: tell of {what}" for what in ("failed runs", "refused batches", "a stuck outbox")
)
RETIRED_BLOCK = ("webhook", "valuemart-notify")

DEPLOYMENTS = "prefect.yaml"
# Characters of what `prefect deploy` says last, which is where it says what is wrong.
DEPLOY_SAID = 400
PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """What is on the server now."""

    pool: str
    queues: tuple[str, ...]
    automations: tuple[str, ...]
    deployments: tuple[str, ...]


def deployments_file() -> Path:
    """The project's own `prefect.yaml`; UsageError where the program was installed without the project around it."""
    file = PROJECT / DEPLOYMENTS
    if not file.is_file():
        raise UsageError(
            f"{file} is not there: deployments run from the project's folder; run `pip install -e .` in it"
        )
    return file


def bootstrap() -> Bootstrapped:
    """Bring the server of this process's Prefect settings up to what the deployments need, and deploy them.

    ServerError where it does not answer, does not let us in, or does not take something.
    """
    import httpx
    from prefect.client.orchestration import get_client

    from flows.server.automations import reapers

    file = deployments_file()
    try:
        with get_client(sync_client=True) as client:
            _ensure_pool(client)
            _ensure_queues(client)
            automations = reapers()
            for automation in automations:
                _ensure_automation(client, automation)
            _retire(client)
            _deploy(file)
            deployments = _deployed(client)
    except httpx.HTTPError as error:
        raise refusal(error) from error
    return Bootstrapped(
        POOL,
        tuple(QUEUES),
        tuple(each.name for each in automations),
        tuple(sorted(deployments)),
    )


def _ensure_pool(client: SyncPrefectClient) -> None:
    """The pool; where there is one, the job template that somebody may have changed stays."""
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectNotFound
    from prefect.workers.process import ProcessWorker

    try:
        client.read_work_pool(POOL)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))


def _ensure_queues(client: SyncPrefectClient) -> None:
    from prefect.exceptions import ObjectNotFound

    for name, limit in QUEUES.items():
        try:
            queue = client.read_work_queue_by_name(name, work_pool_name=POOL)
        except ObjectNotFound:
            client.create_work_queue(name, concurrency_limit=limit, work_pool_name=POOL)
        else:
            if queue.concurrency_limit != limit:
                client.update_work_queue(queue.id, concurrency_limit=limit)


def _retire(client: SyncPrefectClient) -> None:
    """Take away what an earlier version left: its schedules would go on asking for flows that are gone."""
    from prefect.exceptions import ObjectNotFound

    for name in RETIRED_DEPLOYMENTS:
        with suppress(ObjectNotFound):
            client.delete_deployment(client.read_deployment_by_name(name).id)
    for name in RETIRED_QUEUES:
        with suppress(ObjectNotFound):
            client.delete_work_queue_by_id(client.read_work_queue_by_name(name, work_pool_name=POOL).id)
    for name in RETIRED_AUTOMATIONS:
        for automation in client.read_automations_by_name(name):
            client.delete_automation(automation.id)
    kind, name = RETIRED_BLOCK
    with suppress(ObjectNotFound):
        client.delete_block_document(client.read_block_document_by_name(name, kind).id)


def _ensure_automation(client: SyncPrefectClient, wanted: AutomationCore) -> None:
    """One automation of that name, as wanted; one that is so already keeps the runs it has an eye on."""
    from prefect.events.schemas.automations import AutomationCore

    found = client.read_automations_by_name(wanted.name)
    for surplus in found[1:]:
        client.delete_automation(surplus.id)
    if not found:
        client.create_automation(wanted)
        return
    is_there = AutomationCore.model_validate(found[0].model_dump(mode="json"))
    if _settled(is_there) != _settled(wanted):
        client.update_automation(found[0].id, AutomationCore.model_validate(wanted.model_dump(mode="json")))


def _settled(automation: AutomationCore) -> dict[str, object]:
    """What an automation does, without what the server adds; sets in one order."""
    return {
        name: _in_order(value)
        for name, value in automation.model_dump(mode="json", exclude={"enabled"}).items()
    }


def _in_order(value: object) -> object:
    if isinstance(value, dict):
        return {key: _in_order(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted((_in_order(each) for each in value), key=repr)
    return value


def _deploy(file: Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "prefect", "deploy", "--all", "--no-prompt", "--prefect-file", file.name],
        cwd=file.parent,
        env={**os.environ, "PREFECT_LOGGING_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())
        raise ServerError(f"prefect deploy failed: {said[-DEPLOY_SAID:]}")


def _deployed(client: SyncPrefectClient) -> list[str]:
    """The names of the pool's deployments, `flow/deployment`."""
    from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName

    mine = WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL]))
    found = client.read_deployments(work_pool_filter=mine)
    flows = {each.flow_id: client.read_flow(each.flow_id).name for each in found}
    return [f"{flows[each.flow_id]}/{each.name}" for each in found]
