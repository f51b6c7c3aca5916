"""What a real Prefect server with a worker makes of the deployments, on one machine, as `valuemart serve` runs it."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import duckdb
import httpx
import pytest
import yaml
from prefect.exceptions import PrefectHTTPStatusError

from flows.settings import yesterday
from tests.deployed.plant import Plant, Receiver, months_ago, overlapping, override, wait_for
from tests.flows.test_metrics import numbers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def on_the_server(running: Plant) -> dict[str, Any]:
    """Everything that deploying makes, by what identifies it."""
    with running.client() as client:
        flows = {flow.id: flow.name for flow in client.read_flows()}
        automations = client.read_automations()
        return {
            "deployments": sorted(f"{flows[each.flow_id]}/{each.name}" for each in client.read_deployments()),
            "schedules": sorted(
                str(schedule.schedule) for each in client.read_deployments() for schedule in each.schedules
            ),
            "queues": {
                queue.name: queue.concurrency_limit
                for queue in client.read_work_queues(work_pool_name="valuemart")
            },
            "automations": sorted(each.name for each in automations),
            "ours": {each.name: each.id for each in automations if each.name.startswith("valuemart: ")},
            "blocks": sorted(str(each.name) for each in client.read_block_documents()),
        }


def command(running: Plant, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from flows.cli.main import main; main()", *words],
        env={**running.variables, **variables},
        cwd=running.settings.home.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_fresh_clone_deploys_everything_and_again_adds_nothing(running: Plant) -> None:
    deployed = yaml.safe_load((running.project / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    before = on_the_server(running)
    names = [name.rpartition("/")[2] for name in before["deployments"]]
    assert sorted(names) == sorted(each["name"] for each in deployed)
    assert {"writer": 1, "asking": None}.items() <= before["queues"].items()
    assert Counter(before["automations"]).most_common(1)[0][1] == 1
    assert len(before["ours"]) == 2
    assert [each.partition(";")[0] for each in running.said[:2]] == [
        "waiting for Prefect's server",
        "setting up its queues, automations and deployments\n",
    ]

    auth = (running.settings.home / "server" / "auth-string").read_text().strip()
    done = command(running, "bootstrap", "--json", PREFECT_API_URL=running.url, PREFECT_API_AUTH_STRING=auth)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pool"] == "valuemart"
    # The same ids, too: an automation that is made anew forgets which runs it has an eye on.
    assert on_the_server(running) == before


def test_the_server_asks_for_the_password_that_only_its_owner_can_read(running: Plant) -> None:
    file = running.settings.home / "server" / "auth-string"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(HTTPError, match="401"):
        urlopen(f"{running.url}/admin/settings")
    assert "password" not in running.variables
    assert file.read_text().strip() not in "".join(running.said)

    done = command(
        running, "bootstrap", PREFECT_API_URL=running.url, PREFECT_API_AUTH_STRING="valuemart:guessed"
    )
    assert done.returncode == 1
    assert "does not let us in: set PREFECT_API_AUTH_STRING" in done.stderr


def test_a_batch_dropped_into_the_inbox_arrives_as_an_event_with_no_other_action(running: Plant) -> None:
    folder = override(running.settings, "AMBER", "strategic", sequence=2)

    wait_for("the tier change of AMBER", lambda: running.moved("AMBER"))
    assert not folder.exists()
    with running.client() as client:
        (run_id,) = (run.id for run in client.read_flow_runs() if folder.name in run.name)
        (run,) = running.ended(run_id)
        left = {each.key for each in client.read_artifacts() if each.flow_run_id == run_id}
    assert run.name == f"{yesterday(running.settings.timezone)} generic_csv/1000/{folder.name}"
    assert {"batches", "rating", "movers", "published"} <= left
    metrics = (running.settings.metrics_folder / "valuemart.prom").read_text(encoding="utf-8")
    assert "valuemart_refresh_last_success_timestamp_seconds" in metrics


def spoil(folder: Path) -> None:
    """Let a batch's manifest promise another content than its file has."""
    manifest = json.loads((folder / "datapackage.json").read_text())
    manifest["resources"][0]["hash"] = "sha256:" + "0" * 64
    (folder / "datapackage.json").write_text(json.dumps(manifest))


def test_runs_that_are_asked_for_together_wait_for_each_other_and_write_nothing_twice(
    running: Plant, people: Receiver
) -> None:
    folder = override(running.settings, "BRASS", "strategic", sequence=3)
    spoilt = override(running.settings, "CORAL", "strategic", sequence=4)
    spoil(spoilt)
    asked = [
        running.ask("refresh/refresh-nightly"),
        running.ask(
            "backfill/backfill",
            first=str(months_ago(running.settings, 2)),
            last=str(months_ago(running.settings, 2)),
        ),
        running.ask("refresh/refresh-nightly"),
    ]

    runs = running.ended(*asked)
    assert [run.state_name for run in runs] == ["Completed"] * 3
    assert overlapping(runs) == []
    with duckdb.connect(str(running.settings.ops_file), read_only=True) as books:
        loaded = books.execute(
            "SELECT accepted, inserted FROM ops.ops.batch_table WHERE batch_id = ?", [folder.name]
        ).fetchall()
    assert loaded == [(1, 1)]
    assert running.moved("BRASS")
    assert [
        event for event, times in Counter(event["id"] for event in running.events).items() if times > 1
    ] == []
    # What was refused is said to people, once.
    told = wait_for("the message", lambda: [text for text in people.texts if spoilt.name in text] or None)
    assert len(told) == 1
    assert told[0].startswith(f"valuemart refused the batch generic_csv/1000/{spoilt.name}: ")


@pytest.mark.parametrize(
    ("deployment", "parameters", "said"),
    [
        ("backfill/backfill", {"first": "June", "last": "2025-06"}, "first"),
        ("backfill/backfill", {"first": "2025-13", "last": "2025-06"}, "first"),
        ("backfill/backfill", {"last": "2025-06"}, "first"),
        ("refresh/refresh-nightly", {"as_of": "yesterday"}, "as_of"),
        ("pull/pull-example", {"source": "", "company": "1000"}, "source"),
        ("pull/pull-example", {"source": "odoo", "company": ""}, "company"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused_when_it_is_asked_for(
    running: Plant, deployment: str, parameters: dict[str, str], said: str
) -> None:
    with pytest.raises(PrefectHTTPStatusError) as refused:
        running.ask(deployment, **parameters)
    assert refused.value.response.status_code in {409, 422}
    assert said in refused.value.response.text


def test_a_backfill_takes_months_as_the_command_line_does_and_who_fails_is_said_in_one_line(
    running: Plant, people: Receiver
) -> None:
    month = f"{months_ago(running.settings, 2):%Y-%m}"
    backfill = running.ask("backfill/backfill", first=month, last=month)
    pull = running.ask("pull/pull-example", source="no_such_source", company="1000")

    done, failed = running.ended(backfill, pull)
    assert (done.state_name, done.name) == ("Completed", f"{month} to {month}")
    assert failed.state_name == "Failed"
    (line,) = wait_for(
        "the line of the failed run", lambda: [each for each in running.said if failed.name in each] or None
    )
    assert line.startswith("failed: pull, run ")
    assert "no_such_source" in line
    (text,) = wait_for("the message", lambda: [each for each in people.texts if failed.name in each] or None)
    assert text.startswith("valuemart: failed: pull, run ")

    def counted() -> dict[tuple[str, ...], float] | None:
        file = running.settings.metrics_folder / "valuemart_runs.prom"
        found = numbers(file) if file.exists() else {}
        return found if found.get(("valuemart_runs", "failed")) else None

    found = wait_for("the metric", counted)
    assert found["valuemart_runs", "failed"] == 1
    assert found["valuemart_published_behind_seconds",] < 300


def test_a_command_of_the_home_runs_on_the_server_that_serves_it(running: Plant) -> None:
    month = f"{months_ago(running.settings, 3):%Y-%m}"
    done = command(running, "backfill", "--from", month, "--to", month)

    assert done.returncode == 0, done.stderr
    with running.client() as client:
        flows = {flow.id: flow.name for flow in client.read_flows()}
        by_hand = [run for run in client.read_flow_runs() if run.deployment_id is None]
    assert [(flows[run.flow_id], run.name, run.state_name) for run in by_hand] == [
        ("backfill", f"{month} to {month}", "Completed")
    ]
    assert not (running.settings.home / "prefect" / "prefect.db").exists()


def test_other_origins_and_forged_requests_are_refused(running: Plant) -> None:
    auth = base64.b64encode((running.settings.home / "server" / "auth-string").read_bytes()).decode()
    preflight = httpx.options(
        f"{running.url}/flow_runs/filter",
        headers={"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"},
    )
    assert preflight.status_code in {400, 401}
    assert "access-control-allow-origin" not in preflight.headers
    forged = httpx.post(
        f"{running.url}/flow_runs/filter", json={}, headers={"Authorization": f"Basic {auth}"}
    )
    assert (forged.status_code, "CSRF" in forged.text) == (403, True)


def test_relaying_and_sweeping_leave_no_run(running: Plant) -> None:
    with running.client() as client:
        flows = {flow.id: flow.name for flow in client.read_flows()}
        names = {flows[run.flow_id] for run in client.read_flow_runs()}
    assert names <= {"refresh", "backfill", "pull"}
    assert (running.settings.home / "server" / "relay.log").exists()


def test_nothing_is_refreshed_that_nobody_asked_for(running: Plant) -> None:
    with running.client() as client:
        runs = client.read_flow_runs()
    asked_by_landings = [run for run in runs if run.created_by and run.created_by.type == "AUTOMATION"]

    # One for AMBER, one for BRASS, and one for CORAL, which landed right behind it, unless the refresh before brought it.
    assert 1 <= len(asked_by_landings) <= 3
