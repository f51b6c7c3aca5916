from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.announce import LANDED

PROJECT = Path(__file__).parents[2]
DEPLOYED: dict[str, dict[str, Any]] = {
    each["name"]: each
    for each in yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
}


@pytest.mark.parametrize("name", sorted(DEPLOYED))
def test_a_deployment_names_a_flow_and_parameters_that_are_there(name: str) -> None:
    path, _, function = DEPLOYED[name]["entrypoint"].partition(":")
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))

    known = inspect.signature(getattr(module, function).fn).parameters
    assert set(DEPLOYED[name]["parameters"]) <= set(known)


@pytest.mark.parametrize("name", sorted(DEPLOYED))
def test_whatever_writes_the_warehouse_goes_through_the_queue_with_a_limit_of_one(name: str) -> None:
    assert DEPLOYED[name]["work_pool"] == {"name": "valuemart", "work_queue_name": "writer"}


def test_a_landing_is_answered_half_a_minute_after_the_last_of_several() -> None:
    (trigger,) = DEPLOYED["refresh-on-landing"]["triggers"]

    # Proactive with `after` = `expect`: each further landing begins the half minute anew, and its end fires once.
    assert (trigger["posture"], trigger["within"], trigger["threshold"]) == ("Proactive", 30, 1)
    assert trigger["after"] == trigger["expect"] == [LANDED]
    assert LANDED.rpartition(".")[0] + ".*" == trigger["match"]["prefect.resource.id"]


def test_the_night_run_is_in_the_companys_time_zone() -> None:
    (schedule,) = DEPLOYED["refresh-nightly"]["schedules"]

    assert schedule == {"cron": "30 3 * * *", "timezone": "Europe/Berlin", "active": True}
