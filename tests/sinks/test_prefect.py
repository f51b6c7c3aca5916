"""The Prefect sink: an event counts as delivered only when a query finds it."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from flows.delivery.sinks import SinkDownError
from flows.delivery.sinks.prefect import PrefectSink
from warehouse.relay.records import StoredEvent

NOON = datetime(2026, 6, 3, 12, tzinfo=UTC)


def event(number: int) -> StoredEvent:
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))
    body = json.dumps({"id": identity, "time": "2026-06-03T00:00:00Z"})
    return StoredEvent(
        identity, "1000", f"C{number}", 1, "valuemart.customer.tier.changed.v1", NOON, NOON, body
    )


class Api:
    """Takes events as a Prefect server does: at once, and stores them some queries later, or loses them."""

    def __init__(self) -> None:
        self.posted: list[dict[str, object]] = []
        self.headers: list[str | None] = []
        self.lost: set[str] = set()
        self.queries_until_stored = 1
        self.status = 204


@contextmanager
def served(api: Api) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path == "/api/events":
                api.posted += asked
                api.headers.append(self.headers["authorization"])
                self.answer(api.status)
                return
            api.queries_until_stored -= 1
            stored = api.posted if api.queries_until_stored < 0 else []
            wanted = asked["filter"]["id"]["id"]
            found = [each for each in stored if each["id"] in wanted and each["id"] not in api.lost]
            self.answer(200, json.dumps({"events": found, "total": len(found)}).encode())

        def answer(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/api"
        finally:
            server.shutdown()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A server in place of the one that PREFECT_API_URL names."""
    api = Api()
    with served(api) as url:
        monkeypatch.setenv("PREFECT_API_URL", url)
        yield api


def test_an_event_is_delivered_when_the_server_has_written_it_down(api: Api):
    sent = PrefectSink("prefect", timeout=30).send([event(1), event(2)])
    assert sorted(sent.delivered) == sorted([event(1).event_id, event(2).event_id])
    assert api.queries_until_stored < 0


def test_an_event_that_the_server_loses_has_failed_and_comes_again(api: Api):
    api.lost = {event(1).event_id}
    sent = PrefectSink("prefect", timeout=1).send([event(1), event(2)])
    assert list(sent.delivered) == [event(2).event_id]
    assert sent.failed == {event(1).event_id: "not stored within 1 s"}


def test_what_prefect_gets_names_the_customer_and_holds_the_event(api: Api):
    PrefectSink("prefect", timeout=30).send([event(1)])
    (posted,) = api.posted
    assert posted["event"] == "valuemart.customer.tier.changed.v1"
    assert posted["resource"]["prefect.resource.id"] == "valuemart.customer.1000.C1"
    assert posted["payload"] == json.loads(event(1).body)


@pytest.mark.parametrize(
    ("variable", "value", "header"),
    [
        ("PREFECT_API_AUTH_STRING", "admin:pass", "Basic YWRtaW46cGFzcw=="),
        ("PREFECT_API_KEY", "pnu_1", "Bearer pnu_1"),
    ],
)
def test_it_goes_with_the_credentials_that_prefect_itself_would_use(
    api: Api, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, header: str
):
    monkeypatch.setenv(variable, value)
    PrefectSink("prefect", timeout=30).send([event(1)])
    assert api.headers == [header]


def test_a_server_that_does_not_let_us_in_is_down(api: Api):
    api.status = 401
    with pytest.raises(SinkDownError, match="401"):
        PrefectSink("prefect").send([event(1)])


def test_a_real_server_takes_events_and_the_same_ones_again(
    prefect_server: None, monkeypatch: pytest.MonkeyPatch
):
    from prefect.settings import PREFECT_API_URL

    monkeypatch.setenv("PREFECT_API_URL", PREFECT_API_URL.value())
    events = [event(number) for number in range(60)]
    sink = PrefectSink("prefect", timeout=60)
    assert sorted(sink.send(events).delivered) == sorted(each.event_id for each in events[:50])
    assert list(sink.send(events[:1]).delivered) == [events[0].event_id]
