"""What goes on beside the runs in `serve` and `watch`: each thing is said once, and a fault of one keeps no other from its turn."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import httpx
import pytest
from pydantic import SecretStr

from flows.cli import run_flow
from flows.console.progress import listening
from flows.errors import ServerError
from flows.observe import messages, metrics
from flows.pipeline.committed import behind_since
from flows.server import attendant, bootstrap, run_server, runs, serve, sweep
from flows.server.attendant import SWEEP_EACH, Attendant
from flows.server.logs import ADVICE, Log
from flows.settings import Settings
from tests.flows.small_company import customer, land, settings_of
from tests.flows.test_metrics import numbers
from warehouse.relay.records import Backlog

pytestmark = pytest.mark.slow

NOW = datetime(2025, 7, 1, 4, 0, tzinfo=UTC)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path / "home")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def attending(
    settings: Settings, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[Attendant, Clock, list[runs.BadEnd]]:
    """Somebody who attends to a server on which these runs ended badly."""
    ended: list[runs.BadEnd] = []
    monkeypatch.setattr(runs, "bad_ends", lambda _: list(ended))
    monkeypatch.setattr(runs, "cancel_surplus", lambda *_: 0)
    monkeypatch.setattr(runs, "counts", lambda: {"failed": len(ended)})
    monkeypatch.setattr(sweep, "sweep", lambda _: None)
    clock = Clock()
    return Attendant(settings, said.append, clock=clock, now=clock.now), clock, ended


def bad_end(name: str) -> runs.BadEnd:
    return runs.BadEnd(uuid.uuid4(), "refresh", name, "Crashed", "its process is gone")


def test_a_run_that_ended_badly_is_said_in_one_line_and_once(
    attending: tuple[Attendant, Clock, list[runs.BadEnd]], said: list[str]
) -> None:
    there, clock, ended = attending
    ended.append(bad_end("2025-06-30 nothing new"))
    for clock.seconds in (0.0, 10.0, 400.0):
        there.attend(look=False)
    assert said == ["crashed: refresh, run 2025-06-30 nothing new: its process is gone"]


def test_people_hear_of_a_flow_that_fails_once_in_twelve_hours_and_again_until_the_webhook_takes_it(
    attending: tuple[Attendant, Clock, list[runs.BadEnd]], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, clock, ended = attending
    there.settings = there.settings.model_copy(update={"notify_url": SecretStr("https://chat.example/T0KEN")})
    sent: list[str] = []
    answers = iter([503, 503, *[204] * 10])

    def chat(url: str, *, json: dict[str, str], timeout: float) -> httpx.Response:
        assert (url, timeout) == ("https://chat.example/T0KEN", messages.TIMEOUT_SECONDS)
        answer = httpx.Response(next(answers), request=httpx.Request("POST", url))
        if answer.is_success:
            sent.append(json["text"])
        return answer

    monkeypatch.setattr(httpx, "post", chat)
    first, second, later = (bad_end(name) for name in ("first", "second", "later"))
    ended += [first, second]
    for clock.seconds in (0.0, 10.0, 20.0, 30.0):
        there.attend(look=False)
    assert sent == ["valuemart: crashed: refresh, run first: its process is gone"]
    ended.append(later)
    for clock.seconds in (12 * 3600 + 1.0, 12 * 3600 + 20.0):
        there.attend(look=False)
    assert sent[1:] == ["valuemart: crashed: refresh, run later: its process is gone"]
    # The lines for a person who looks: one a run, and one for what kept the message, which does not name the address.
    assert len(said) == 4
    assert [line for line in said if line.startswith("messages: ")] == [
        "messages: could not be looked after (ServerError: the webhook for messages answered 503); it is tried again"
    ]


@pytest.fixture
def people(
    attending: tuple[Attendant, Clock, list[runs.BadEnd]], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """What people hear at the webhook."""
    attending[0].settings = attending[0].settings.model_copy(
        update={"notify_url": SecretStr("https://chat.example/T0KEN")}
    )
    sent: list[str] = []
    monkeypatch.setattr(messages, "send", lambda _, text: sent.append(text))
    return sent


def publish_refusals(settings: Settings, **minutes: int) -> None:
    """Published books in which each batch was refused in its minute."""
    books = settings.ops_file.with_name("new_books.duckdb")
    with duckdb.connect(str(books)) as connection:
        connection.execute("CREATE SCHEMA ops")
        connection.execute(
            """CREATE TABLE ops.refusal AS
               SELECT 'dealer' AS source, 'DE01' AS company_code, batch_id, 'missing_column' AS rule, 'sales.csv' AS file,
                   1::BIGINT AS row_number, 'Net' AS column_name, 'the column is missing' AS message, 'Export it.' AS remedy,
                   TIMESTAMP '2025-07-01 04:00' + to_minutes(minute) AS recorded_at
               FROM (SELECT unnest(?) AS batch_id, unnest(?) AS minute)""",
            [list(minutes), list(minutes.values())],
        )
    books.replace(settings.ops_file)
    os.utime(settings.ops_file, (max(minutes.values()),) * 2)


def test_people_hear_of_every_refused_batch_once_and_again_when_it_is_refused_anew(
    attending: tuple[Attendant, Clock, list[runs.BadEnd]], people: list[str]
) -> None:
    there, clock, _ = attending
    there.settings.home.mkdir()
    publish_refusals(there.settings, before=1)
    there.attend(look=False)
    publish_refusals(there.settings, before=1, spoilt=2)
    for clock.seconds in (10.0, 20.0, 30.0):
        there.attend(look=False)
    told = "sales.csv, row 1, column Net: the column is missing [missing_column]. Export it."
    assert people == [f"valuemart refused the batch dealer/DE01/spoilt: {told}"]
    publish_refusals(there.settings, before=1, spoilt=3)
    for clock.seconds in (40.0, 50.0):
        there.attend(look=False)
    assert people[1:] == people[:1]


def test_people_hear_of_a_stuck_sink_once_in_twelve_hours(
    attending: tuple[Attendant, Clock, list[runs.BadEnd]], people: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, clock, _ = attending
    waiting = Backlog(waiting=1_200, dead=3, blocked=1, oldest=datetime(2025, 6, 30, 4, 0, tzinfo=UTC))
    monkeypatch.setattr(attendant, "backlogs", lambda _: {"webhook": waiting})
    monkeypatch.setattr(metrics, "write_events", lambda *_: None)
    for clock.seconds in (61.0, 400.0, 420.0, 11 * 3600.0, 11 * 3600.0 + 20):
        there.attend(look=False)
    [told] = people
    assert "the sink webhook has 1,200 events waiting, the oldest for 24.0 hours, and 3 given up" in told
    for clock.seconds in (13 * 3600.0, 13 * 3600.0 + 20):
        there.attend(look=False)
    assert len(people) == 2


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://127.0.0.1:9/T0KEN", "does not answer: ConnectError"),
        ("T0KEN", "does not answer: UnsupportedProtocol"),
    ],
)
def test_a_webhook_that_cannot_be_called_is_named_by_no_error(address: str, why: str) -> None:
    with pytest.raises(ServerError) as refused:
        messages.send(SecretStr(address), "a text")
    assert why in str(refused.value)
    assert "T0KEN" not in "".join(traceback.format_exception(refused.value))


def test_a_server_that_does_not_answer_is_said_once_until_it_has_answered_again(
    attending: tuple[Attendant, Clock, list[runs.BadEnd]], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, clock, _ = attending
    answers = runs.bad_ends

    def silent(_: datetime) -> list[runs.BadEnd]:
        raise ConnectionError("refused")

    for clock.seconds, answer in ((0.0, silent), (10.0, silent), (20.0, answers), (30.0, silent)):
        monkeypatch.setattr(runs, "bad_ends", answer)
        there.attend(look=False)
    assert said == ["runs: could not be looked after (ConnectionError: refused); it is tried again"] * 2


def test_the_sweep_waits_a_minute_and_then_comes_every_five(
    attending: tuple[Attendant, Clock, list[runs.BadEnd]], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, clock, _ = attending
    swept: list[float] = []
    monkeypatch.setattr(sweep, "sweep", lambda _: swept.append(clock.seconds))
    for second in range(int(60 + 2 * SWEEP_EACH + 2)):
        clock.seconds = float(second)
        there.attend(look=False)
    assert swept == [60.0, 60.0 + SWEEP_EACH, 60.0 + 2 * SWEEP_EACH]
    assert said == []


def test_the_published_files_are_behind_since_the_oldest_batch_that_waits(settings: Settings) -> None:
    assert behind_since(settings, is_unpublished=False) is None
    for sequence in (1, 2):
        land(settings, {"customers": [customer(f"C{sequence}")]}, taken=date(2025, 6, 30), sequence=sequence)
    since = behind_since(settings, is_unpublished=False)
    assert since is not None

    metrics.write_runs(settings, {"failed": 2, "completed": 40}, since, since + timedelta(minutes=5))
    found = numbers(settings.metrics_folder / "valuemart_runs.prom")
    assert found["valuemart_runs", "failed"] == 2
    assert found["valuemart_runs", "completed"] == 40
    assert found["valuemart_published_behind_seconds",] == 300


def test_a_log_that_grows_too_large_begins_anew_and_its_program_writes_on(
    tmp_path: Path, said: list[str]
) -> None:
    file = tmp_path / "server.log"
    with file.open("ab", buffering=0) as program:
        log = Log(file, largest=100)
        program.write(b"x" * 101)
        log.look(said.append)
        assert (file.stat().st_size, (tmp_path / "server.log.1").stat().st_size) == (0, 101)
        program.write(b"and on")
    assert file.read_bytes() == b"and on"
    assert said == []


def test_postgresql_is_recommended_once_where_sqlite_is_locked(tmp_path: Path, said: list[str]) -> None:
    file = tmp_path / "server.log"
    file.write_text("sqlite3.OperationalError: database is locked\n")  # of an earlier life
    log = Log(file)
    log.look(said.append)
    assert said == []
    for _ in range(2):
        with file.open("a") as program:
            program.write("sqlite3.OperationalError: database is locked\n")
        log.look(said.append)
    assert said == [ADVICE]
    assert "\n" not in ADVICE


def test_a_supervised_program_ends_without_a_word_while_its_supervisor_waits(tmp_path: Path) -> None:
    (tmp_path / "brief.py").write_text("import time; time.sleep(0.5)\n")
    process = subprocess.Popen(
        [sys.executable, Path(serve.__file__).with_name("supervised.py"), "brief"],
        env={"PYTHONPATH": str(tmp_path)}, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.wait(30) == 0
    assert process.communicate() == (b"", b"")


def test_a_server_is_told_to_refuse_strangers_and_to_forget_what_is_old() -> None:
    told = serve.at_rest("http://127.0.0.1:4200", keep_runs_days=30)
    assert told["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:4200"
    assert told["PREFECT_SERVER_CSRF_PROTECTION_ENABLED"] == "true"

    # As Prefect itself understands it.
    from prefect.settings.models.server.services import ServerServicesDBVacuumSettings

    vacuum = ServerServicesDBVacuumSettings.model_validate(
        {
            "enabled": told["PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"],
            "retention_period": told["PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD"],
        }
    )
    assert {"events", "flow_runs", "orphans"} <= vacuum.enabled_vacuum_types
    assert vacuum.retention_period == timedelta(days=30)


def test_what_an_earlier_version_deployed_is_taken_away() -> None:
    class Server:
        def __init__(self) -> None:
            self.gone: list[str] = []

        def read_deployment_by_name(self, name: str) -> object:
            from prefect.exceptions import ObjectNotFound

            if name == "sweep/sweep":
                raise ObjectNotFound(Exception("already gone"))
            return type("Deployment", (), {"id": name})

        def delete_deployment(self, name: str) -> None:
            self.gone.append(name)

        def read_work_queue_by_name(self, name: str, *, work_pool_name: str) -> object:
            assert work_pool_name == bootstrap.POOL
            return type("Queue", (), {"id": name})

        def delete_work_queue_by_id(self, name: str) -> None:
            self.gone.append(name)

        def read_automations_by_name(self, name: str) -> list[object]:
            return [type("Automation", (), {"id": name})]

        def delete_automation(self, name: str) -> None:
            self.gone.append(name)

        def read_block_document_by_name(self, name: str, kind: str) -> object:
            return type("Block", (), {"id": f"{kind}/{name}"})

        def delete_block_document(self, name: str) -> None:
            self.gone.append(name)

    server = Server()
    bootstrap._retire(server)  # type: ignore[arg-type]
    assert server.gone == [
        "relay/relay",
        "relay",
        "valuemart: tell of failed runs",
        "valuemart: tell of refused batches",
        "valuemart: tell of a stuck outbox",
        "webhook/valuemart-notify",
    ]


def test_attending_needs_no_prefect_before_its_servers_address_is_known() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, flows.server.serve; sys.exit('prefect' in sys.modules)"],
        check=False,
    )
    assert done.returncode == 0
    assert attendant.RUNS_EACH < attendant.NUMBERS_EACH < SWEEP_EACH


OWN_SERVER = """
import sys, httpx
from pathlib import Path
from flows.server import run_server
server = run_server.prepare(Path(sys.argv[1]))
server.wait()
address = f"{server.url}/flow_runs/filter"
stranger = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
preflight = httpx.options(address, headers=stranger)
print(preflight.status_code, "access-control-allow-origin" in preflight.headers, httpx.post(address, json={}).status_code)
from prefect.client.orchestration import get_client
with get_client(sync_client=True) as client:
    print(client.read_flow_runs())
"""


@pytest.mark.timeout(300)
def test_the_server_of_one_run_answers_the_run_and_no_page_in_a_browser(tmp_path: Path) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-c", OWN_SERVER, str(tmp_path / "home")],
        env=own, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["400 False 403", "[]"]


@pytest.mark.usefixtures("prefect_server")
def test_under_a_stream_of_landings_one_refresh_waits_and_those_behind_it_are_cancelled() -> None:
    from prefect.client.orchestration import get_client
    from prefect.states import Scheduled

    now = datetime.now(UTC)
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("streamed")
        deployments = [client.create_deployment(flow, name) for name in ("streamed", "another")]
        asked = [
            client.create_flow_run_from_deployment(
                deployment, state=Scheduled(scheduled_time=now + timedelta(seconds=seconds))
            ).id
            for deployment, seconds in (
                (deployments[0], -30),
                (deployments[0], -20),
                (deployments[0], -10),
                (deployments[0], 600),
                (deployments[1], -20),
            )
        ]
        assert runs.cancel_surplus("streamed", now) == 2
        assert runs.cancel_surplus("streamed", now) == 0
        states = [client.read_flow_run(each).state_name for each in asked]
    assert [state == "Cancelled" for state in states] == [False, True, True, False, False]


@pytest.mark.usefixtures("prefect_server")
def test_runs_that_ended_too_long_ago_are_forgotten_with_their_artifacts_and_those_at_work_are_not() -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import ArtifactCreate
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
    from prefect.exceptions import ObjectNotFound
    from prefect.flows import Flow
    from prefect.states import Completed, Running

    now = datetime.now(UTC)
    with get_client(sync_client=True) as client:
        flow = Flow(lambda: None, name="told_of")
        ended, at_work = [client.create_flow_run(flow, state=Running()).id for _ in range(2)]
        for run in (ended, at_work):
            client.create_artifact(ArtifactCreate(key="batch", type="markdown", data="-", flow_run_id=run))
        client.set_flow_run_state(ended, Completed(), force=True)
        assert runs.forget_ended_before(now - timedelta(days=1), at_most=100) == 0
        assert runs.forget_ended_before(now + timedelta(days=1), at_most=100) >= 1
        assert client.read_flow_run(at_work).state_name == "Running"
        with pytest.raises(ObjectNotFound):
            client.read_flow_run(ended)
        kept = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[ended, at_work]))
        )
    assert [artifact.flow_run_id for artifact in kept] == [at_work]


@pytest.mark.usefixtures("prefect_server")
def test_books_of_years_lose_a_few_of_their_oldest_runs_at_a_time_so_that_no_command_waits_for_it() -> None:
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound
    from prefect.flows import Flow
    from prefect.states import Completed, Running

    with get_client(sync_client=True) as client:
        while runs.forget_ended_before(datetime.now(UTC) + timedelta(days=1), at_most=100):
            pass  # of other tests
        ended = [
            client.create_flow_run(Flow(lambda: None, name="told_of"), state=Running()).id for _ in range(3)
        ]
        for each in ended:
            client.set_flow_run_state(each, Completed(), force=True)
        assert runs.forget_ended_before(datetime.now(UTC) + timedelta(days=1), at_most=2) == 2
        assert client.read_flow_run(ended[-1]).state_name == "Completed"
        for each in ended[:-1]:
            with pytest.raises(ObjectNotFound):
                client.read_flow_run(each)


def test_a_server_that_forgets_nothing_is_one_sentence_that_ends_no_run(
    settings: Settings, said: list[str]
) -> None:
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL as BOOKS
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    nowhere = {PREFECT_HOME: run_server.own_books(settings.home), PREFECT_API_URL: "http://127.0.0.1:1/api"}
    with temporary_settings(nowhere, restore_defaults={BOOKS}), listening(said.append):
        run_flow._forget_old_runs(settings)
    (sentence,) = said
    assert sentence.startswith("Prefect's server did not forget its old runs: ")


def test_books_that_the_user_keeps_elsewhere_are_left_to_him(settings: Settings, tmp_path: Path) -> None:
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL as BOOKS
    from prefect.settings import PREFECT_HOME, temporary_settings

    own = run_server.own_books(settings.home)
    with temporary_settings({PREFECT_HOME: own}, restore_defaults={BOOKS}):
        assert runs.keeps_its_books_in(own)
    with temporary_settings({PREFECT_HOME: tmp_path / "of all his projects"}, restore_defaults={BOOKS}):
        assert not runs.keeps_its_books_in(own)
    with temporary_settings({PREFECT_HOME: own, BOOKS: "postgresql+asyncpg://prefect@127.0.0.1/prefect"}):
        assert not runs.keeps_its_books_in(own)


@pytest.mark.usefixtures("prefect_server")
def test_the_sweep_asks_the_server_for_a_refresh_of_what_landed_unheard_and_not_for_a_second(
    settings: Settings,
) -> None:
    from prefect.client.orchestration import get_client

    land(settings, {"customers": [customer("C1")]}, taken=date(2025, 6, 30), sequence=1)
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("refresh")
        deployment = client.create_deployment(flow, "refresh-on-landing", tags=["valuemart", "refresh"])
        assert str(sweep.sweep(settings)).startswith("1 landed: generic_csv/1000/")
        (run,) = [each for each in client.read_flow_runs() if each.deployment_id == deployment]
        assert run.state_name == "Scheduled"
    assert sweep.sweep(settings) is None
