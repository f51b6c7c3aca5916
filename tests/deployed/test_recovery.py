"""What is lost or killed under the deployments is made up for; each of these waits minutes for somebody to be missed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.deployed.plant import Plant, clone, company, override, plant, receiver, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

ON_SCHEDULE = True
POSTGRES = "postgresql+asyncpg://postgres@127.0.0.1:5432"


def test_a_batch_whose_event_was_lost_is_brought_by_the_sweep_within_its_period(running: Plant) -> None:
    with running.client() as client:
        (landing,) = client.read_automations_by_name("A batch has landed")
        client.pause_automation(landing.id)
    override(running.settings, "BRASS", "strategic", sequence=11)
    try:
        # The sweep looks every five minutes; a minute and a half for the sweep and the refresh themselves.
        wait_for("the tier change of BRASS", lambda: running.moved("BRASS"), patience=300 + 90)
    finally:
        with running.client() as client:
            client.resume_automation(landing.id)


def test_the_queue_moves_again_within_three_minutes_of_a_worker_and_its_run_being_killed(
    running: Plant,
) -> None:
    override(running.settings, "DELTA", "marginal", sequence=12)
    first, second = running.ask("refresh/refresh-nightly"), running.ask("refresh/refresh-nightly")
    wait_for("the first run to begin", lambda: True if _state(running, first) == "Running" else None)

    for process in running.worker():
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    killed_at = datetime.now(UTC)

    runs = running.ended(first, second, patience=400)
    assert [run.state_name for run in runs] == ["Crashed", "Completed"]
    assert runs[1].start_time is not None
    print(f"the queue moved again after {(runs[1].start_time - killed_at).total_seconds():.0f} s")
    assert runs[1].start_time - killed_at < timedelta(minutes=3)
    assert running.moved("DELTA")
    assert max(Counter(event["id"] for event in running.events).values()) == 1


def _state(running: Plant, run_id: uuid.UUID) -> str | None:
    return running.run(run_id).state_name


@pytest.fixture
def database() -> Iterator[str]:
    """An empty database on this machine's PostgreSQL, dropped afterwards."""
    name = f"valuemart_{uuid.uuid4().hex[:12]}"
    made = _psql(f"CREATE DATABASE {name}")
    if made.returncode:
        reason = f"no PostgreSQL on 127.0.0.1:5432: {made.stderr.strip()}"
        if os.environ.get("VALUEMART_REQUIRE_SERVICES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    yield name
    assert _psql(f"DROP DATABASE {name} WITH (FORCE)").returncode == 0


def _psql(statement: str, database: str = "postgres") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["psql", "-h", "127.0.0.1", "-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1", "-Atc", statement],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def _completed_runs(database: str) -> int:
    counted = _psql("SELECT count(*) FROM flow_run WHERE state_type = 'COMPLETED'", database)
    assert not counted.returncode, counted.stderr
    return int(counted.stdout)


def test_the_server_keeps_its_books_in_postgresql_where_a_team_wants_that(
    database: str, tmp_path: Path
) -> None:
    settings = company(tmp_path / "home")
    project = clone(tmp_path / "project", on_schedule=False)
    books = f"{POSTGRES}/{database}"
    with (
        receiver() as there,
        plant(settings, project, there, PREFECT_API_DATABASE_CONNECTION_URL=books) as running,
    ):
        override(settings, "AMBER", "strategic", sequence=2)
        wait_for("the tier change of AMBER", lambda: running.moved("AMBER"))
        # The event leaves while its refresh still has the report to write; stopped here, the run would never end.
        wait_for("the refresh to end in PostgreSQL", lambda: _completed_runs(database) or None)
    assert not list(settings.home.glob("server/*.db"))


def test_a_stop_lets_the_run_in_progress_end_and_nothing_dies_loudly(tmp_path: Path) -> None:
    settings = company(tmp_path / "home")
    project = clone(tmp_path / "project", on_schedule=False)
    with receiver() as there, plant(settings, project, there) as running:
        override(settings, "AMBER", "strategic", sequence=2)
        asked = running.ask("refresh/refresh-nightly")
        wait_for("the run to begin", lambda: True if _state(running, asked) == "Running" else None)
    # The block ends with SIGTERM, and sees to it that `stopped` is said and no process is left.
    assert any(
        each.startswith("stopping: waiting for the run in progress, 20 s at most") for each in running.said
    )
    with closing(sqlite3.connect(settings.home / "server" / "prefect.db")) as books:
        (state,) = books.execute("SELECT state_type FROM flow_run WHERE id = ?", [str(asked)]).fetchone()
    assert state == "COMPLETED"
    for log in (settings.home / "server").glob("*.log"):
        assert "Fatal Python error" not in log.read_text(encoding="utf-8", errors="replace")
