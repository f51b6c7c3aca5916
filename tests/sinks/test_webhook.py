"""The webhook sink against receivers that are slow, broken, hostile, or simply right."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest

from flows.delivery.relay import SinkReport, SinkRoute, relay
from flows.delivery.sinks.webhook import WebhookSink, signature, signing_keys
from flows.settings.sinks import Retry
from tests.sinks.brokers import SECRET
from warehouse.relay.records import StoredEvent
from warehouse.relay.store import open_store

NOON = datetime(2026, 6, 3, 12, tzinfo=UTC)
TWO_GB = 2 * 1024**3


@dataclass(slots=True)
class Request:
    """What a receiver got."""

    headers: dict[str, str]
    body: bytes


Answer = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Receiver:
    """A receiver that answers as a test says, and keeps what it got."""

    answer: Answer
    port: int = 0
    got: list[Request] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
                pairs = (line.split(": ", 1) for line in head.splitlines()[1:] if line)
                headers = {name.lower(): value for name, value in pairs}
                request = Request(headers, await reader.readexactly(int(headers["content-length"])))
                self.got.append(request)
                await self.answer(request, writer)
        writer.transport.abort()


@contextmanager
def receiving(answer: Answer) -> Iterator[Receiver]:
    """A receiver on a free port, on a loop of its own."""
    receiver, started, stop = Receiver(answer), threading.Event(), threading.Event()

    async def run() -> None:
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
        receiver.port = server.sockets[0].getsockname()[1]
        started.set()
        await asyncio.to_thread(stop.wait)
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert started.wait(30)
    try:
        yield receiver
    finally:
        stop.set()
        thread.join(30)


def status(code: int, *more: str, body: bytes = b"") -> Answer:
    head = "\r\n".join([f"HTTP/1.1 {code} x", f"content-length: {len(body)}", *more, "", ""]).encode()

    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head + body)
        await writer.drain()

    return answer


async def hang(_: Request, __: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


def of_customer(customer: str, special: Answer) -> Answer:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        is_special = json.loads(request.body)["subject"] == f"1000/{customer}"
        await (special if is_special else status(204))(request, writer)

    return answer


def event(customer: str, sequence: int) -> StoredEvent:
    body = {
        "specversion": "1.0",
        "id": f"{customer}-{sequence}",
        "type": "valuemart.customer.tier.changed.v1",
        "subject": f"1000/{customer}",
        "datacontenttype": "application/json",
        "data": {"customer_id": customer, "score_to": "7.5000"},
    }
    return StoredEvent(
        body["id"], "1000", customer, sequence, body["type"], NOON, NOON, json.dumps(body, ensure_ascii=False)
    )


def sink(receiver: Receiver, *, timeout: float = 5, **more: object) -> WebhookSink:
    keys = signing_keys(SECRET)
    return WebhookSink("hook", f"http://127.0.0.1:{receiver.port}/events", keys, timeout=timeout, **more)


class Books:
    """A relay's books with ten customers of two events each."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "relay.db"
        self.now = NOON
        with open_store(self.path) as store:
            store.add(event(f"C{number}", sequence) for sequence in (1, 2) for number in range(10))

    def relay(self, receiver: Receiver, *, timeout: float = 5, attempts: int = 3) -> SinkReport:
        route = SinkRoute(sink(receiver, timeout=timeout), retry=Retry(attempts=attempts))
        (report,) = relay(self.path, [route], clock=lambda: self.now).sinks
        self.now += timedelta(hours=1)
        return report

    def dead(self) -> list[str]:
        with open_store(self.path) as store:
            return [letter.event.event_id for letter in store.dead_letters()]


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path)


def ids(receiver: Receiver, customer: str) -> list[str]:
    found = (json.loads(request.body) for request in receiver.got)
    return [each["id"] for each in found if each["subject"] == f"1000/{customer}"]


def test_the_signature_is_that_of_the_standard_webhooks_specification():
    """`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; the value is openssl's: `openssl dgst -sha256 -hmac`."""
    keys, body = signing_keys("whsec_" + base64.b64encode(b"k" * 32).decode()), b'{"test": 2432232314}'
    signed = signature(keys, "msg_1", 1614265330, body)
    assert signed == "v1,keC6SK7hva7tpDMHnhgXibnFVk8sNTGJjntgOgwmokc="


def test_two_secrets_make_two_signatures_while_one_takes_over_from_the_other():
    one, other = "whsec_" + "b25l" * 8, "whsec_" + "b3Ro" * 8
    both = signature(signing_keys(f"{one} {other}"), "id", 1, b"{}")
    assert both.split() == [signature(signing_keys(each), "id", 1, b"{}") for each in (one, other)]


@pytest.mark.parametrize(
    ("secret", "reason"), [("whsec_&", "must be whsec_ and base64"), ("whsec_c2hvcnQ=", "at least 24 bytes")]
)
def test_a_secret_that_is_none_is_said_so(secret: str, reason: str):
    with pytest.raises(ValueError, match=reason):
        signing_keys(secret)


def test_a_receiver_gets_the_stored_bytes_signed_with_the_time_they_were_sent():
    with receiving(status(204)) as receiver:
        hook = sink(receiver, clock=lambda: 1_780_000_000.9)
        assert hook.send([replace(event("客户 1", 1), event_id="1")]).delivered == ["1"]
        hook.close()
    (request,) = receiver.got
    assert request.body.decode() == event("客户 1", 1).body
    assert request.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert request.headers["webhook-id"] == "1"
    assert request.headers["webhook-timestamp"] == "1780000000"
    signed = signature(signing_keys(SECRET), "1", 1_780_000_000, request.body)
    assert request.headers["webhook-signature"] == signed
    assert unquote(request.headers["ce-subject"]) == "1000/客户 1"


def test_in_binary_mode_the_body_is_the_data_and_the_headers_are_the_rest():
    with receiving(status(204)) as receiver:
        hook = sink(receiver, mode="binary")
        hook.send([event("C1", 1)])
        hook.close()
    (request,) = receiver.got
    assert request.body == b'{"customer_id":"C1","score_to":"7.5000"}'
    assert request.headers["content-type"] == "application/json"
    assert {name: value for name, value in request.headers.items() if name.startswith("ce-")} == {
        "ce-specversion": "1.0",
        "ce-id": "C1-1",
        "ce-type": "valuemart.customer.tier.changed.v1",
        "ce-subject": "1000/C1",
    }


def test_a_receiver_gets_every_customer_in_order(books: Books):
    with receiving(status(200, body=b"thanks")) as receiver:
        assert books.relay(receiver).delivered == 20
    assert all(ids(receiver, f"C{number}") == [f"C{number}-1", f"C{number}-2"] for number in range(10))


@pytest.mark.parametrize("code", [500, 502, 503, 504, 429, 408, 401, 403, 404])
def test_a_receiver_that_is_broken_for_all_gets_everything_once_it_is_mended(books: Books, code: int):
    with receiving(status(code, body=b"out of order")) as receiver:
        for _ in range(5):
            report = books.relay(receiver)
            assert report.down == f"{code} x out of order"
        assert (report.backlog.waiting, books.dead()) == (20, [])
        receiver.answer = status(204)
        assert books.relay(receiver).delivered == 20


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize(
    "asked",
    [
        ("retry-after: 7200",),
        ("date: Thu, 01 Jan 2026 00:00:00 GMT", "retry-after: Thu, 01 Jan 2026 02:00:00 GMT"),
    ],
    ids=["seconds", "date"],
)
def test_a_receiver_that_asks_for_a_pause_is_left_alone_so_long_an_hour_at_most(
    books: Books, code: int, asked: tuple[str, ...]
):
    with receiving(status(code, *asked)) as receiver:
        first = books.relay(receiver)
        called = len(receiver.got)
        books.now -= timedelta(seconds=1)
        report = books.relay(receiver)
        assert (first.down, report.down) == (
            f"{code} x",
            f"asked to be left alone until {NOON + timedelta(hours=1):%Y-%m-%d %H:%M:%S} UTC",
        )
        assert (len(receiver.got), report.backlog.waiting, books.dead()) == (called, 20, [])
        receiver.answer = status(204)
        assert books.relay(receiver).delivered == 20


@pytest.mark.parametrize("asked", ["soon", "-1", "Thu, 01 Jan 2026 02:00:00 GMT", "9" * 400])
def test_a_pause_that_cannot_be_understood_is_none_and_one_beyond_measure_is_an_hour(
    books: Books, asked: str
):
    with receiving(status(429, f"retry-after: {asked}")) as receiver:
        assert books.relay(receiver).down == "429 x"
        receiver.answer = status(204)
        assert books.relay(receiver).delivered == 20


def test_a_receiver_that_hangs_holds_nobody_up_and_loses_nothing(books: Books):
    with receiving(hang) as receiver:
        report = books.relay(receiver, timeout=0.2)
    assert report.down == "no answer within 0.2 s"
    assert (report.backlog.waiting, books.dead()) == (20, [])


def test_a_receiver_that_answers_byte_by_byte_has_one_deadline_for_it_all(books: Books):
    async def drip(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nx-")
        while True:
            writer.write(b"y")
            await writer.drain()
            await asyncio.sleep(0.01)

    with receiving(drip) as receiver:
        assert books.relay(receiver, timeout=0.3).down == "no answer within 0.3 s"


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_no_redirect_is_followed(books: Books, code: int):
    with receiving(status(204)) as elsewhere:
        target = f"http://localhost:{elsewhere.port}/"
        with receiving(status(code, f"location: {target}")) as receiver:
            report = books.relay(receiver)
        assert report.down == f"{code} x to {target}, not followed"
        assert (elsewhere.got, report.backlog.waiting) == ([], 20)


@pytest.mark.parametrize("code", [200, 500])
def test_of_an_answer_of_two_gigabytes_only_the_beginning_is_taken(code: int):
    sent = 0

    async def flood(_: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(f"HTTP/1.1 {code} x\r\ncontent-length: {TWO_GB}\r\n\r\n".encode())
        chunk = b"x" * 65536
        while sent < TWO_GB:
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)

    with receiving(flood) as receiver:
        hook = sink(receiver, timeout=30)
        outcome = hook.send([event("C1", 1)])
        hook.close()
    assert list(outcome.delivered) == (["C1-1"] if code == 200 else [])
    assert sent < 64 * 1024**2, "what lies in the buffers of two sockets, and no more"


def test_a_compressed_answer_is_not_unpacked():
    with receiving(status(500, "content-encoding: gzip", body=b"\x1f\x8bnot gzip at all")) as receiver:
        hook = sink(receiver)
        assert hook.send([event("C1", 1)]).failed["C1-1"].startswith("500 x")
        hook.close()


def test_a_receiver_that_is_gone_is_not_called_again(books: Books):
    with receiving(status(410)) as receiver:
        books.relay(receiver)
        called = len(receiver.got)
        report = books.relay(receiver)
        assert (report.down, len(receiver.got)) == ("disabled: 410 x", called)
    assert (report.backlog.waiting, report.backlog.disabled) == (20, "410 x")


def test_nobody_at_the_address_is_a_sink_that_is_down(books: Books):
    report = books.relay(Receiver(status(204), port=1))
    assert report.down is not None
    assert report.down.startswith("ConnectError")
    assert (report.backlog.waiting, books.dead()) == (20, [])


@pytest.mark.parametrize("trouble", [status(422), status(500), hang], ids=["422", "500", "hangs"])
def test_an_event_that_a_receiver_cannot_take_stops_only_its_own_customer(books: Books, trouble: Answer):
    with receiving(of_customer("C3", trouble)) as receiver:
        for _ in range(3):
            report = books.relay(receiver, timeout=0.5)
    assert books.dead() == ["C3-1"]
    assert (report.backlog.waiting, report.backlog.blocked) == (1, 1)
    delivered = {each for number in range(10) if number != 3 for each in ids(receiver, f"C{number}")}
    assert len(delivered) == 18
