"""The relay: at least once, each customer in order, and nobody held up by somebody else's trouble."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.relay import Retry, backlogs, relay
from flows.sinks import SinkDownError
from warehouse.relay_store import Backlog, RelayStoreError, StoredEvent, open_store

ROOT = Path(__file__).parents[2]
NOON = datetime(2024, 6, 3, 12, tzinfo=UTC)
ONCE_MORE = Retry(attempts=2, first_pause=timedelta(minutes=1))


def event(customer: str, sequence: int) -> StoredEvent:
    return StoredEvent(
        event_id=f"{customer}-{sequence}",
        company_code="1000",
        customer_id=customer,
        sequence=sequence,
        type="valuemart.customer.tier.changed.v1",
        time=datetime(2024, 1 + sequence % 12, 28, tzinfo=UTC),
        recorded_at=NOON,
        body=f'{{"id":"{customer}-{sequence}"}}',
    )


def fill(path: Path, *events: StoredEvent) -> Path:
    with open_store(path) as store:
        store.add(events)
    return path


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """Three events of A, two of B."""
    return fill(
        tmp_path / "relay.db", event("A", 1), event("B", 1), event("A", 2), event("B", 2), event("A", 3)
    )


class Receiver:
    """Keeps what it gets; refuses `poison`, is down while `down`, chokes on `choke`."""

    def __init__(self, name: str = "receiver") -> None:
        self.name = name
        self.got: list[str] = []
        self.poison: set[str] = set()
        self.choke: set[str] = set()
        self.down = False

    def send(self, events: Sequence[StoredEvent]) -> Mapping[str, str]:
        if self.down:
            raise SinkDownError("connection refused")
        if any(each.event_id in self.choke for each in events):
            raise ValueError("cannot encode")
        self.got += [each.event_id for each in events if each.event_id not in self.poison]
        return {each.event_id: "422 no such customer" for each in events if each.event_id in self.poison}

    def of(self, customer: str) -> list[str]:
        return [event_id for event_id in self.got if event_id.startswith(customer)]


def at(moment: datetime):
    return lambda: moment


def test_every_event_arrives_once_and_each_customer_in_order(books: Path):
    receiver = Receiver()
    report = relay(books, [receiver])
    assert receiver.of("A") == ["A-1", "A-2", "A-3"]
    assert receiver.of("B") == ["B-1", "B-2"]
    assert report.delivered == 5
    assert report.sinks[0].backlog == Backlog(0, 0, 0, None)


def test_a_second_run_sends_nothing(books: Path):
    receiver = Receiver()
    relay(books, [receiver])
    assert relay(books, [receiver]).delivered == 0


def test_a_batch_never_holds_two_events_of_a_customer(books: Path):
    batches: list[list[str]] = []

    class Watching(Receiver):
        def send(self, events: Sequence[StoredEvent]) -> Mapping[str, str]:
            batches.append([each.customer_id for each in events])
            return super().send(events)

    relay(books, [Watching()])
    assert batches == [["A", "B"], ["A", "B"], ["A"]]


def test_a_refused_event_holds_back_its_own_customer_only(books: Path):
    receiver = Receiver()
    receiver.poison = {"A-2"}
    report = relay(books, [receiver], clock=at(NOON))
    assert receiver.got == ["A-1", "B-1", "B-2"]
    assert report.sinks[0].backlog == Backlog(waiting=2, dead=0, blocked=1, oldest=NOON)


def test_a_refused_event_is_tried_again_after_its_pause_and_not_before(books: Path):
    receiver = Receiver()
    receiver.poison = {"A-2"}
    retry = Retry(first_pause=timedelta(minutes=1))
    relay(books, [receiver], retry=retry, clock=at(NOON))
    receiver.poison = set()
    relay(books, [receiver], retry=retry, clock=at(NOON + timedelta(seconds=59)))
    assert receiver.of("A") == ["A-1"]
    relay(books, [receiver], retry=retry, clock=at(NOON + timedelta(seconds=60)))
    assert receiver.of("A") == ["A-1", "A-2", "A-3"]


@pytest.mark.parametrize(
    ("failed", "pause"), [(1, 30), (2, 60), (3, 120), (6, 960), (7, 1800), (9, 1800), (10, None)]
)
def test_pauses_double_up_to_half_an_hour_until_the_tenth_failure(failed: int, pause: int | None):
    expected = None if pause is None else NOON + timedelta(seconds=pause)
    assert Retry().next_attempt(failed, NOON) == expected


def test_a_poison_event_becomes_a_dead_letter_and_its_customer_waits_for_a_person(books: Path):
    receiver = Receiver()
    receiver.poison = {"A-2"}
    for minutes in (0, 1, 60):
        report = relay(books, [receiver], retry=ONCE_MORE, clock=at(NOON + timedelta(minutes=minutes)))
    assert report.sinks[0].backlog == Backlog(waiting=1, dead=1, blocked=1, oldest=NOON)
    with open_store(books) as store:
        (letter,) = store.dead_letters()
    assert (letter.sink, letter.event.event_id, letter.attempts) == ("receiver", "A-2", 2)
    assert letter.error == "422 no such customer"
    assert letter.event.body == event("A", 2).body


def kill_off(books: Path, receiver: Receiver) -> None:
    receiver.poison = {"A-2"}
    relay(books, [receiver], retry=Retry(attempts=1), clock=at(NOON))


def test_a_dead_letter_that_is_reopened_goes_out_before_what_waited_behind_it(books: Path):
    receiver = Receiver()
    kill_off(books, receiver)
    receiver.poison = set()
    with open_store(books) as store:
        store.reopen("receiver", "A-2")
    relay(books, [receiver], clock=at(NOON))
    assert receiver.of("A") == ["A-1", "A-2", "A-3"]


def test_a_dead_letter_that_is_discarded_lets_its_customer_go_on(books: Path):
    receiver = Receiver()
    kill_off(books, receiver)
    with open_store(books) as store:
        store.discard("receiver", "A-2")
        assert store.dead_letters() == []
    relay(books, [receiver], clock=at(NOON))
    assert receiver.of("A") == ["A-1", "A-3"]


def test_only_a_dead_letter_can_be_reopened(books: Path):
    relay(books, [Receiver()])
    with open_store(books) as store, pytest.raises(RelayStoreError, match="A-1 is no dead letter"):
        store.reopen("receiver", "A-1")


def test_an_event_that_makes_a_sink_raise_is_found_and_the_others_go_out(books: Path):
    receiver = Receiver()
    receiver.choke = {"B-1"}
    report = relay(books, [receiver], clock=at(NOON))
    assert receiver.got == ["A-1", "A-2", "A-3"]
    assert report.sinks[0].refused == 1
    assert report.sinks[0].down is None


def test_a_sink_that_is_down_leaves_a_backlog_and_holds_nothing_against_an_event(books: Path):
    receiver = Receiver()
    receiver.down = True
    for _ in range(20):
        report = relay(books, [receiver], retry=Retry(attempts=1), clock=at(NOON))
    assert report.sinks[0].down == "SinkDownError: connection refused"
    assert report.sinks[0].backlog == Backlog(waiting=5, dead=0, blocked=0, oldest=NOON)
    receiver.down = False
    relay(books, [receiver], clock=at(NOON))
    assert receiver.of("A") == ["A-1", "A-2", "A-3"]


def test_one_sink_that_is_down_delays_no_other(books: Path):
    up, down = Receiver("up"), Receiver("down")
    down.down = True
    report = relay(books, [down, up])
    assert len(up.got) == 5
    assert [(sink.sink, sink.backlog.waiting) for sink in report.sinks] == [("down", 5), ("up", 0)]
    assert {name: backlog.waiting for name, backlog in backlogs(books, ["up", "down"]).items()} == {
        "up": 0,
        "down": 5,
    }


def test_a_sink_added_later_gets_everything(books: Path):
    relay(books, [Receiver("first")])
    late = Receiver("late")
    relay(books, [late])
    assert len(late.got) == 5


def test_two_sinks_of_one_name_are_refused(books: Path):
    with pytest.raises(ValueError, match="two sinks share a name"):
        relay(books, [Receiver(), Receiver()])


def test_a_relay_beside_another_one_leaves_it_alone(books: Path):
    inner = []

    class Nested(Receiver):
        def send(self, events: Sequence[StoredEvent]) -> Mapping[str, str]:
            inner.append(relay(books, [Receiver("other")]).busy)
            return super().send(events)

    assert relay(books, [Nested()]).busy is False
    assert set(inner) == {True}


def test_the_backlog_counts_what_no_run_has_seen_yet(books: Path):
    relay(books, [Receiver()])
    fill(books, event("C", 1))
    assert backlogs(books, ["receiver"])["receiver"].waiting == 1


def test_asking_for_a_backlog_makes_no_books(tmp_path: Path):
    assert backlogs(tmp_path / "relay.db", ["file"])["file"] == Backlog(0, 0, 0, None)
    assert list(tmp_path.iterdir()) == []


def test_books_of_a_later_version_are_left_alone(books: Path):
    with closing(sqlite3.connect(books)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(RelayStoreError, match="later version"):
        relay(books, [Receiver()])


@settings(deadline=None, max_examples=40)
@given(
    counts=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    batch_size=st.integers(1, 4),
    seed=st.integers(0, 10_000),
)
def test_whatever_fails_on_the_way_each_customer_gets_everything_in_order(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], batch_size: int, seed: int
):
    chance = random.Random(seed)
    books = tmp_path_factory.mktemp("relay") / "relay.db"
    events = [event(f"C{c}", n) for c, count in enumerate(counts) for n in range(1, count + 1)]
    fill(books, *events)

    class Moody(Receiver):
        def send(self, events: Sequence[StoredEvent]) -> Mapping[str, str]:
            mood = chance.random()
            if mood < 0.2:
                raise SinkDownError
            if mood < 0.3:
                raise KeyError("moody")
            self.poison = {each.event_id for each in events if chance.random() < 0.3}
            return super().send(events)

    receiver, now = Moody(), NOON
    while (
        relay(books, [receiver], retry=Retry(attempts=10_000), batch_size=batch_size, clock=at(now))
        .sinks[0]
        .backlog.waiting
    ):
        now += timedelta(hours=1)
    by_customer: dict[str, list[str]] = defaultdict(list)
    for event_id in receiver.got:
        by_customer[event_id.partition("-")[0]].append(event_id)
    assert dict(by_customer) == {
        f"C{c}": [f"C{c}-{n}" for n in range(1, count + 1)] for c, count in enumerate(counts)
    }


KILLED = """
import os, random, signal, sys
from pathlib import Path
from flows.relay import relay
from flows.sinks.file import FileSink
from warehouse.relay_store import RelayStore

folder, point, chance = Path(sys.argv[1]), sys.argv[2], random.Random(int(sys.argv[3]))

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Dying(FileSink):
    def _append(self, path, lines):
        super()._append(path, lines)
        if point == "torn" and chance.random() < 0.4:
            os.truncate(path, path.stat().st_size - chance.randrange(1, 15))
            die()
        if point == "written" and chance.random() < 0.4:
            die()

settle = RelayStore.settle
def dying_settle(self, *args):
    if point == "unsettled" and chance.random() < 0.4:
        die()
    settle(self, *args)
    if point == "settled" and chance.random() < 0.4:
        die()
RelayStore.settle = dying_settle
relay(folder / "relay.db", [Dying(folder / "events")], batch_size=4)
"""


@pytest.mark.parametrize("point", ["torn", "written", "unsettled", "settled"])
def test_a_relay_killed_over_and_over_loses_nothing_and_keeps_the_order(tmp_path: Path, point: str):
    customers = [f"C{number}" for number in range(5)]
    events = [replace(event(customer, n), time=NOON) for n in range(1, 7) for customer in customers]
    fill(tmp_path / "relay.db", *events)
    kills = 0
    while True:
        run = subprocess.run(
            [sys.executable, "-c", KILLED, str(tmp_path), point, str(kills)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
        if run.returncode == 0:
            break
        assert run.returncode == -signal.SIGKILL
        kills += 1
    assert kills >= 1
    lines = (tmp_path / "events" / "2024-06.jsonl").read_text(encoding="utf-8").splitlines()
    first_seen = [json.loads(line)["id"] for line in dict.fromkeys(lines)]
    for customer in customers:
        mine = [event_id for event_id in first_seen if event_id.startswith(customer)]
        assert mine == [f"{customer}-{n}" for n in range(1, 7)]
