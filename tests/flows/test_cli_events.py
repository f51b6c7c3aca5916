"""Sending events from the command line, and looking after what did not go through."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from flows.cli import main
from flows.delivery.relay import RelayReport, SinkRoute, relay
from flows.delivery.sinks import Sent
from flows.deployments import run_stages
from flows.pipeline import stages
from flows.pipeline.load import LoadReport
from flows.settings import Settings, load
from flows.settings.sinks import Retry
from warehouse.relay.records import StoredEvent
from warehouse.relay.store import open_store

WRITTEN = datetime(2026, 6, 3, 2, tzinfo=UTC)
CHANGED, WATCH = "valuemart.customer.tier.changed.v1", "valuemart.customer.tier.watch.v1"


def event(customer: str, sequence: int, type_: str = CHANGED) -> StoredEvent:
    identity = f"{customer}-{sequence}"
    body = json.dumps({"id": identity, "subject": f"1000/{customer}", "type": type_})
    written = WRITTEN + timedelta(days=sequence)
    return StoredEvent(identity, "1000", customer, sequence, type_, WRITTEN, written, body)


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three events of two customers, and a sink that writes files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VALUEMART_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    with open_store(tmp_path / "home" / "relay.db") as store:
        store.add([event("A", 1), event("B", 1, WATCH), event("A", 2)])
    return tmp_path / "home" / "relay.db"


def sent(books: Path) -> list[str]:
    lines = (books.parent / "events" / "2026-06.jsonl").read_text().splitlines()
    return [json.loads(line)["id"] for line in lines]


def heard(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main.run(arguments) == 0
    return capsys.readouterr().out


def refused(books: Path) -> None:
    """A sink `crm` that would not have A-1."""

    class Refusing:
        name = "crm"

        def send(self, events):
            return Sent(
                [each.event_id for each in events if each.event_id != "A-1"],
                refused={each.event_id: "422 unknown" for each in events if each.event_id == "A-1"},
            )

        def close(self) -> None:
            pass

    relay(books, [SinkRoute(Refusing(), retry=Retry(attempts=1))])


def test_relay_sends_what_the_sinks_have_not_got_yet(books: Path, capsys: pytest.CaptureFixture[str]):
    assert heard(capsys, "relay", "--once") == "  sink file  3 delivered, has everything\n"
    assert heard(capsys, "relay") == "  sink file  0 delivered, has everything\n"
    assert sorted(sent(books)) == ["A-1", "A-2", "B-1"]


def test_relay_says_which_sink_is_down_and_ends_with_1(books: Path, capsys: pytest.CaptureFixture[str]):
    (books.parent / "events").write_text("in the way")
    assert main.run(["relay", "--json"]) == 1
    out, err = capsys.readouterr()
    assert err.startswith("valuemart: sink file is down: ")
    (sink,) = json.loads(out)["sinks"]
    assert (sink["sink"], sink["delivered"], sink["backlog"]["waiting"]) == ("file", 0, 3)


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_a_relay_that_goes_on_sends_what_comes_and_ends_when_it_is_told_to(books: Path, told: signal.Signals):
    program = "from flows.cli import main; import sys; sys.argv = ['valuemart', 'relay', '--every', '0.1']; main.main()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "sink file: 3 delivered, has everything\n"
        with open_store(books) as store:
            store.add([event("A", 3)])
        assert process.stdout.readline() == "sink file: 1 delivered, has everything\n"
        process.send_signal(told)
        assert process.wait(60) == 0


def test_a_relay_ends_though_the_signal_reaches_another_thread_than_the_main_one(books: Path):
    program = """
import signal, sys, threading, time
from flows.cli import main
sys.argv = ["valuemart", "relay", "--every", "60"]
def tell():
    while not any(each.name.startswith("sink") for each in threading.enumerate()):
        time.sleep(0.1)
    time.sleep(3)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
threading.Thread(target=tell).start()
main.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "sink file: 3 delivered, has everything\n")


def test_relay_makes_a_home_and_needs_no_warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VALUEMART_HOME", str(tmp_path / "new"))
    assert main.run(["relay"]) == 0
    assert not (tmp_path / "new" / "warehouse.duckdb").exists()


def test_the_relay_does_not_even_load_duckdb_or_prefect(books: Path):
    program = (
        "import sys; from flows.cli import main; main.run(['relay']); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "3 delivered" in done.stdout
    assert {"duckdb", "polars", "prefect"}.isdisjoint(done.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["relay", "--once", "--every", "5"], "--once and --every exclude each other"),
        (["relay", "--every", "0"], "--every 0 is no pause"),
        (["relay", "--sink", "crm"], "there is no sink 'crm'; the sinks are file"),
        (["events", "replay", "--sink", "file"], "say which events: --all, or some of"),
        (["events", "replay", "--sink", "file", "--all", "--customer", "A"], "say which events"),
        (["events", "list", "--type", "tier"], "no event type fits 'tier'"),
        (["events", "dead-letter", "retry"], "name the ids of the events, or --all"),
        (["events", "dead-letter", "drop", "A-9"], "A-9 is no dead letter"),
        (["events", "enable", "file"], "the sink file is not disabled"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(
    books: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
):
    assert main.run(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


@pytest.mark.parametrize(
    "arguments", [["events", "list"], ["events", "tail"], ["events", "dead-letter", "list"]]
)
def test_where_no_event_was_written_yet_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
):
    monkeypatch.setenv("VALUEMART_HOME", str(tmp_path))
    assert main.run(arguments) == 2
    assert "there are no events in" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_events_are_listed_by_what_is_asked_for(books: Path, capsys: pytest.CaptureFixture[str]):
    def ids(*arguments: str) -> list[str]:
        return [each["id"] for each in json.loads(heard(capsys, "events", "list", "--json", *arguments))]

    assert ids() == ["A-1", "B-1", "A-2"]
    assert ids("--limit", "2") == ["B-1", "A-2"]
    assert ids("--customer", "A") == ["A-1", "A-2"]
    assert ids("--type", "*.watch.*") == ["B-1"]
    assert ids("--company", "2000") == []
    assert ids("--since", "2026-06-05T04:00:00") == ["A-2"], "in the company's time zone, two hours ahead"
    assert ids("--since", "2026-06-05T04:00:01") == []


def test_a_person_sees_a_line_an_event(books: Path, capsys: pytest.CaptureFixture[str]):
    lines = heard(capsys, "events", "list", "--customer", "B").splitlines()
    assert lines[0].split() == ["written", "company", "customer", "sequence", "type", "id"]
    assert lines[1].split() == ["2026-06-04", "02:00", "1000", "B", "1", WATCH, "B-1"]


def test_tail_prints_the_stored_bytes(books: Path, capsys: pytest.CaptureFixture[str]):
    assert heard(capsys, "events", "tail", "--limit", "2").splitlines() == [
        event("B", 1, WATCH).body,
        event("A", 2).body,
    ]


def test_tail_follows_what_comes(books: Path):
    program = "from flows.cli import main; main.run(['events', 'tail', '--limit', '1', '--follow'])"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == event("A", 2).body + "\n"
        with open_store(books) as store:
            store.add([event("A", 3)])
        assert process.stdout.readline() == event("A", 3).body + "\n"
        process.kill()


def test_a_replay_sends_the_stored_bytes_again(books: Path, capsys: pytest.CaptureFixture[str]):
    main.run(["relay"])
    said = heard(capsys, "events", "replay", "--sink", "file", "--customer", "A")
    assert said == "2 events go to the sink file again with the next relay\n"
    main.run(["relay"])
    assert sorted(sent(books)) == ["A-1", "A-1", "A-2", "A-2", "B-1"]


def test_dead_letters_are_listed_with_the_receivers_reason(books: Path, capsys: pytest.CaptureFixture[str]):
    refused(books)
    (letter,) = json.loads(heard(capsys, "events", "dead-letter", "list", "--json"))
    assert (letter["sink"], letter["id"], letter["error"], letter["attempts"]) == (
        "crm",
        "A-1",
        "422 unknown",
        1,
    )
    assert "422 unknown" in heard(capsys, "events", "dead-letter", "list")


def test_a_dead_letter_is_tried_again_or_given_up_and_its_customer_goes_on(
    books: Path, capsys: pytest.CaptureFixture[str]
):
    refused(books)
    assert (
        heard(capsys, "events", "dead-letter", "retry", "A-1") == "1 will be tried again by the next relay\n"
    )
    refused(books)
    said = heard(capsys, "events", "dead-letter", "drop", "--all", "--sink", "crm")
    assert said == "1 given up; what waited behind them goes out with the next relay\n"
    refused(books)
    with open_store(books) as store:
        assert (store.backlog("crm").waiting, store.backlog("crm").dead) == (0, 0)


def test_a_disabled_sink_is_enabled_by_hand(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    class Gone(BaseHTTPRequestHandler):
        answers = 410

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(type(self).answers)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Gone) as server:
        threading.Thread(target=server.serve_forever).start()
        (tmp_path / "valuemart.toml").write_text(
            f'[sinks.hook]\nkind = "webhook"\nurl = "http://127.0.0.1:{server.server_port}/"\nsecret_env = "HOOK"\n'
        )
        monkeypatch.setenv("HOOK", "whsec_" + "a2V5a2V5" * 4)
        assert main.run(["relay"]) == 1
        Gone.answers = 204
        assert main.run(["relay"]) == 1
        assert "sink hook is down: disabled: 410 Gone" in capsys.readouterr().err
        assert (
            heard(capsys, "events", "enable", "hook")
            == "the sink hook is served again from the next relay on\n"
        )
        assert "3 delivered" in heard(capsys, "relay")
        server.shutdown()


def test_the_warehouse_is_free_while_a_refresh_waits_for_its_sinks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    configured = Settings.model_validate({"home": tmp_path})
    opened: list[str] = []

    def elsewhere(_: Settings) -> RelayReport:
        """Another process opens the warehouse for writing."""
        program = "import sys, duckdb; print(duckdb.connect(sys.argv[1]).execute('SELECT 1').fetchall())"
        run = [sys.executable, "-c", program, str(configured.warehouse_file)]
        opened.append(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
        return RelayReport()

    monkeypatch.setattr(stages, "load_stage", lambda *_: LoadReport())
    for idle in ("rate_stage", "publish_stage", "report_stage"):
        monkeypatch.setattr(stages, idle, lambda *_, **__: None)
    monkeypatch.setattr(stages, "relay_stage", elsewhere)
    monkeypatch.setattr(run_stages, "_as_task", lambda stage, run: partial(stage.update, run))
    monkeypatch.setattr(run_stages.run_outputs, "publish_run_outputs", lambda *_: None)
    results = run_stages.run_stages(configured, [date(2026, 1, 31), date(2026, 2, 28)])
    assert opened == ["[(1,)]\n"]
    assert [result.relayed for result in results] == [None, RelayReport()]


def test_a_sink_that_cannot_be_used_stops_a_refresh_before_anything_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "valuemart.toml").write_text('[sinks.q]\nkind = "redis"\nurl_env = "NO_SUCH"\n')
    assert main.run(["refresh"]) == 2
    assert "sink q: the variable NO_SUCH is empty or not set" in capsys.readouterr().err
    assert not (tmp_path / "var").exists()


def test_the_relay_stage_leaves_what_a_slow_sink_has_not_got_to_the_relay(
    books: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stages, "SENDING_AT_MOST", timedelta(0))
    (sink,) = stages.relay_stage(load()).sinks
    assert (sink.delivered, sink.backlog.waiting) == (0, 3)
