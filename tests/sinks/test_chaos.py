"""Every sink while its receiver stops and starts again and the relay is killed: nothing lost, each customer in order."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import tomlkit

from tests.sinks.brokers import BROKERS, Broker
from tests.sinks.proxy import Proxy, proxy_to
from warehouse.relay.records import StoredEvent
from warehouse.relay.store import open_store

RELAY = Path(__file__).with_name("dying_relay.py")
POINTS = ("sending", "sent", "settled")
SINK = "tested"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is sent, and how often things go wrong."""

    events: int
    customers: int
    batch: int
    cuts: int
    kills: int
    batches_before_a_kill: int


SMALL = Size(events=300, customers=30, batch=20, cuts=1, kills=2, batches_before_a_kill=3)
FULL = Size(events=10_000, customers=500, batch=100, cuts=5, kills=20, batches_before_a_kill=4)


def outbox(size: Size) -> list[StoredEvent]:
    written = datetime.now(UTC)
    events = []
    for number in range(size.events):
        customer, sequence = f"C{number % size.customers:04}", number // size.customers + 1
        body = {
            "specversion": "1.0",
            "id": f"{customer}-{sequence}",
            "source": "/valuemart/default",
            "type": "valuemart.customer.tier.changed.v1",
            "subject": f"1000/{customer}",
            "partitionkey": f"1000/{customer}",
            "sequence": f"{sequence:020}",
            "data": {"customer_id": customer},
        }
        events.append(
            StoredEvent(
                body["id"], "1000", customer, sequence, body["type"], written, written, json.dumps(body)
            )
        )
    return events


@dataclass(slots=True)
class Home:
    """A home with a full relay.db and one sink, behind the proxy."""

    folder: Path
    size: Size
    proxy: Proxy
    oldest: timedelta = timedelta(0)

    def waiting(self) -> int:
        with open_store(self.folder / "relay.db") as store:
            backlog = store.backlog(SINK)
        if backlog.oldest is not None:
            self.oldest = max(self.oldest, datetime.now(UTC) - backlog.oldest)
        return backlog.waiting

    def start(self, *dying: object) -> subprocess.Popen[bytes]:
        arguments = [str(each) for each in (self.folder, SINK, self.size.batch, *dying)]
        return subprocess.Popen(
            [sys.executable, str(RELAY), *arguments],
            env={
                **os.environ,
                "PYTHONPATH": str(RELAY.parents[2]),
                "VALUEMART_CONFIG": str(self.folder / "valuemart.toml"),
            },
        )


def relay_through(home: Home, seed: int) -> int:
    """Relay everything, through all cuts and kills; how often the relay was killed."""
    chance = random.Random(seed)
    size, killed, cuts = home.size, 0, 0
    due = [size.events - size.events * (number + 1) // (size.cuts + 1) for number in range(size.cuts)]
    dying: list[object] = []
    while True:
        if killed < size.kills:
            dying = [chance.choice(POINTS), chance.randint(1, size.batches_before_a_kill)]
        else:
            dying = []
        with home.start(*dying) as process:
            while process.poll() is None:
                waiting = home.waiting()
                # A relay that is not killed may be through with the rest before anybody looks again.
                last_chance = not dying and cuts == size.cuts - 1
                if cuts < size.cuts and (last_chance or waiting <= due[cuts]):
                    home.proxy.cut()
                    while process.poll() is None and not home.proxy.missed():
                        home.waiting()
                        time.sleep(0.05)
                    home.proxy.restore()
                    cuts += 1
                time.sleep(0.1)
            if process.returncode == 0:
                assert cuts == size.cuts, "the receiver did not stop as often as it should have"
                return killed
            assert process.returncode == -signal.SIGKILL
            killed += 1


def checked(home: Home, broker: Broker) -> str:
    """Nothing lost, nothing invented, each customer in order, once repetitions are dropped; what it cost."""
    arrived = [json.loads(body) for body in broker.received()]
    first = {event["id"]: event for event in reversed(arrived)}
    seen: set[str] = set()
    of_customer: dict[str, list[int]] = defaultdict(list)
    for event in arrived:
        if event["id"] not in seen:
            seen.add(event["id"])
            of_customer[event["subject"]].append(int(event["sequence"]))
    size = home.size
    assert first == {event.event_id: json.loads(event.body) for event in outbox(size)}
    each = size.events // size.customers
    assert dict(of_customer) == {
        f"1000/C{number:04}": list(range(1, each + 1)) for number in range(size.customers)
    }
    repeated = len(arrived) - len(first)
    return f"{len(first):,} events, {repeated:,} duplicates, worst age {home.oldest.total_seconds():.1f} s"


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    with BROKERS[request.param]() as started:
        yield started


def survive(tmp_path: Path, broker: Broker, size: Size, seed: int) -> str:
    with proxy_to(broker.port, broker.rewrite) as proxy:
        home = Home(tmp_path, size, proxy)
        patience = {"timeout_seconds": 5, "attempts": 1000, "first_pause_seconds": 0.05}
        sink = {**broker.settings(proxy.port), **patience, "longest_pause_seconds": 0.2}
        settings = {"home": str(tmp_path), "sinks": {SINK: sink}}
        (tmp_path / "valuemart.toml").write_text(tomlkit.dumps(settings))
        with open_store(tmp_path / "relay.db") as store:
            store.add(outbox(size))
        killed = relay_through(home, seed)
        assert killed == size.kills
        return checked(home, broker)


@pytest.mark.parametrize("broker", BROKERS, indirect=True)
def test_a_receiver_that_stops_and_a_relay_that_is_killed_lose_nothing(tmp_path: Path, broker: Broker):
    survive(tmp_path, broker, SMALL, seed=5)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("broker", BROKERS, indirect=True)
def test_ten_thousand_events_survive_five_stops_and_twenty_kills(
    tmp_path: Path, broker: Broker, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
):
    summary = survive(tmp_path, broker, FULL, seed=20260601)
    with capsys.disabled():
        print(f"\n  {request.node.callspec.id}: {summary}")
