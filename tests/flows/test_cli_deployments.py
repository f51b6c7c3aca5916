from __future__ import annotations

import importlib
import inspect
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.inbox.announce import LANDED
from flows.inbox.watch import PAUSE_SECONDS
from flows.server.automations import TAG
from flows.server.bootstrap import POOL, QUEUES
from flows.server.sweep import REFRESH, REFRESHES

PROJECT = Path(__file__).parents[2]
DEPLOYED: dict[str, dict[str, Any]] = {
    each["name"]: each
    for each in yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
}
FOLDER = PROJECT / "flows" / "deployments"
SHARED = {"parameters", "run_names", "run_stages"}
OPEN_THE_WAREHOUSE = {"refresh-nightly", "refresh-on-landing", "backfill", "restate", "simulate", "maintain"}
RUN_BY_HAND = {"backfill", "restate", "simulate"}


def flow_of(name: str) -> Any:
    path, _, function = DEPLOYED[name]["entrypoint"].partition(":")
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    return getattr(module, function)


@pytest.mark.parametrize("name", sorted(DEPLOYED))
def test_a_deployment_names_a_flow_and_parameters_that_are_there(name: str) -> None:
    known = inspect.signature(flow_of(name).fn).parameters

    assert set(DEPLOYED[name]["parameters"]) <= set(known)


def test_each_deployed_flow_has_the_file_of_its_name_and_no_file_has_another_flow() -> None:
    deployed = {tuple(each["entrypoint"].split(":")) for each in DEPLOYED.values()}
    files = {file.stem for file in FOLDER.glob("*.py")} - {"__init__"} - SHARED

    assert deployed == {(f"flows/deployments/{name}.py", name) for name in files}


@pytest.mark.parametrize("name", sorted(DEPLOYED))
def test_a_deployment_says_what_it_does_and_what_each_parameter_means(name: str) -> None:
    assert DEPLOYED[name]["description"].endswith(".")
    for parameter, described in flow_of(name).parameters.properties.items():
        assert described.get("description"), f"{name}: {parameter}"


@pytest.mark.parametrize("name", sorted(DEPLOYED))
def test_whatever_opens_the_warehouse_goes_through_the_queue_with_a_limit_of_one(name: str) -> None:
    pool = DEPLOYED[name]["work_pool"]

    assert pool["name"] == POOL
    assert pool["work_queue_name"] in QUEUES
    assert (pool["work_queue_name"] == "writer") == (name in OPEN_THE_WAREHOUSE)
    assert QUEUES["writer"] == 1


@pytest.mark.parametrize("name", sorted(DEPLOYED))
def test_every_run_can_be_missed_when_it_dies(name: str) -> None:
    # The automation that crashes zombie runs sees this tag alone, and gives them three of these heartbeats.
    assert TAG in DEPLOYED[name]["tags"]
    variables = DEPLOYED[name]["work_pool"]["job_variables"]["env"]
    assert variables["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"


@pytest.mark.parametrize("name", sorted(DEPLOYED))
def test_a_deployment_runs_by_itself_unless_it_is_meant_for_a_person(name: str) -> None:
    runs_by_itself = bool(DEPLOYED[name].get("schedules") or DEPLOYED[name].get("triggers"))

    assert runs_by_itself == (name not in RUN_BY_HAND)


def test_the_sweep_asks_for_a_deployment_that_is_there_and_knows_all_refreshes_by_their_tag() -> None:
    flow, _, name = REFRESH.partition("/")
    refreshes = {each for each, deployed in DEPLOYED.items() if deployed["entrypoint"].endswith(":refresh")}

    assert flow_of(name).name == flow
    assert {each for each, deployed in DEPLOYED.items() if REFRESHES in deployed["tags"]} == refreshes


def test_a_landing_is_answered_at_once_and_what_is_told_behind_the_pause_again() -> None:
    (trigger,) = DEPLOYED["refresh-on-landing"]["triggers"]

    # Reactive: it fires at the first, and is deaf for so long; the watcher must not tell of others meanwhile.
    assert (trigger["posture"], trigger["threshold"]) == ("Reactive", 1)
    assert 0 < trigger["within"] < PAUSE_SECONDS
    assert trigger["expect"] == [LANDED]
    # One for all sources and companies.
    assert "for_each" not in trigger
    assert LANDED.rpartition(".")[0] + ".*" == trigger["match"]["prefect.resource.id"]


def test_the_night_run_is_in_the_companys_time_zone() -> None:
    (schedule,) = DEPLOYED["refresh-nightly"]["schedules"]

    assert schedule == {"cron": "30 3 * * *", "timezone": "Europe/Berlin", "active": True}


@pytest.mark.parametrize("name", sorted(DEPLOYED))
def test_what_runs_more_often_than_daily_is_in_utc_where_no_hour_comes_twice_or_not_at_all(name: str) -> None:
    for schedule in DEPLOYED[name].get("schedules", ()):
        minute, hour, *_ = schedule["cron"].split()
        if "*" in hour or "*" in minute:
            assert schedule["timezone"] == "UTC"


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2025-06", date(2025, 6, 1)),
        ("2025-06-30", date(2025, 6, 30)),
        ("2025-13", None),
        ("2025-6", None),
        ("June", None),
        ("2025-06-32", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("name", ["backfill", "restate"])
def test_a_month_is_taken_as_the_command_line_takes_it_and_else_refused_by_the_schema(
    name: str, written: str, day: date | None
) -> None:
    schema = flow_of(name).parameters.model_dump()["properties"]["first"]
    assert bool(re.match(schema["pattern"], written)) == (day is not None)
    if day is not None:
        parameters = {"first": written} | ({"last": written} if name == "backfill" else {})
        assert flow_of(name).validate_parameters(parameters)["first"] == day
