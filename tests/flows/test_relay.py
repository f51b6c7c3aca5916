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
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.delivery.relay import RelayReport, Retry, SinkRoute, backlogs, relay, serve_for_ever
from flows.delivery.sinks import Sent, Sink, SinkDownError
from warehouse.relay.records import Backlog, Selection, StoredEvent
from warehouse.relay.schema import MIGRATIONS
from warehouse.relay.store import RelayStoreError, open_store

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
    """Keeps what it gets; refuses `poison`, fails at `failing`, is down while `down`, chokes on `choke`."""

    def __init__(self, name: str = "receiver") -> None:
        self.name = name
        self.got: list[str] = []
        self.poison: set[str] = set()
        self.choke: set[str] = set()
        self.failing: set[str] = set()
        self.down = False
        self.closed = 0

    def send(self, events: Sequence[StoredEvent]) -> Sent:
        if self.down:
            raise SinkDownError("connection refused")
        if any(each.event_id in self.choke for each in events):
            raise ValueError("cannot encode")
        ids = [each.event_id for each in events]
        taken = [each for each in ids if each not in self.poison | self.failing]
        self.got += taken
        return Sent(
            taken,
            refused={each: "422 no such customer" for each in ids if each in self.poison},
            failed={each: "500 out of order" for each in ids if each in self.failing},
        )

    def close(self) -> None:
        self.closed += 1

    def of(self, customer: str) -> list[str]:
        return [event_id for event_id in self.got if event_id.startswith(customer)]


def run(books: Path, sinks: Sequence[Sink], *, retry: Retry | None = None, **more: Any) -> RelayReport:
    return relay(books, [SinkRoute(sink, retry=retry or Retry()) for sink in sinks], **more)


def at(moment: datetime):
    return lambda: moment


def test_every_event_arrives_once_and_each_customer_in_order(books: Path):
    receiver = Receiver()
    report = run(books, [receiver])
    assert receiver.of("A") == ["A-1", "A-2", "A-3"]
    assert receiver.of("B") == ["B-1", "B-2"]
    assert report.delivered == 5
    assert report.sinks[0].backlog == Backlog(0, 0, 0, None)


def test_a_second_run_sends_nothing(books: Path):
    receiver = Receiver()
    run(books, [receiver])
    assert run(books, [receiver]).delivered == 0


def test_a_batch_never_holds_two_events_of_a_customer(books: Path):
    batches: list[list[str]] = []

    class Watching(Receiver):
        def send(self, events: Sequence[StoredEvent]) -> Sent:
            batches.append([each.customer_id for each in events])
            return super().send(events)

    run(books, [Watching()])
    assert batches == [["A", "B"], ["A", "B"], ["A"]]


def test_a_refused_event_holds_back_its_own_customer_only(books: Path):
    receiver = Receiver()
    receiver.poison = {"A-2"}
    report = run(books, [receiver], clock=at(NOON))
    assert receiver.got == ["A-1", "B-1", "B-2"]
    assert report.sinks[0].backlog == Backlog(waiting=2, dead=0, blocked=1, oldest=NOON)


def test_a_refused_event_is_tried_again_after_its_pause_and_not_before(books: Path):
    receiver = Receiver()
    receiver.poison = {"A-2"}
    retry = Retry(first_pause=timedelta(minutes=1))
    run(books, [receiver], retry=retry, clock=at(NOON))
    receiver.poison = set()
    run(books, [receiver], retry=retry, clock=at(NOON + timedelta(seconds=59)))
    assert receiver.of("A") == ["A-1"]
    run(books, [receiver], retry=retry, clock=at(NOON + timedelta(seconds=75)))  # a quarter longer at most
    assert receiver.of("A") == ["A-1", "A-2", "A-3"]


@pytest.mark.parametrize(
    ("failed", "pause"), [(1, 30), (2, 60), (3, 120), (6, 960), (7, 1800), (9, 1800), (10, None)]
)
def test_pauses_double_up_to_half_an_hour_until_the_tenth_failure(failed: int, pause: int | None):
    expected = None if pause is None else NOON + timedelta(seconds=pause)
    assert Retry().next_attempt(failed, NOON) == expected


def test_what_failed_together_does_not_come_back_together_and_never_early():
    pauses = {Retry().next_attempt(1, NOON, spread=spread) for spread in (0, 0.5, 1)}
    assert pauses == {NOON + timedelta(seconds=seconds) for seconds in (30, 33.75, 37.5)}


def test_an_event_at_which_a_receiver_fails_is_given_up_where_the_receiver_takes_others(books: Path):
    receiver = Receiver()
    receiver.failing = {"A-2"}
    report = run(books, [receiver], retry=Retry(attempts=1), clock=at(NOON))
    assert report.sinks[0].backlog == Backlog(waiting=1, dead=1, blocked=1, oldest=NOON)


def test_a_receiver_that_fails_at_everything_gets_no_dead_letters_however_long_it_takes(books: Path):
    receiver = Receiver()
    receiver.failing = {"A-1", "B-1"}
    for hours in range(20):
        report = run(books, [receiver], retry=ONCE_MORE, clock=at(NOON + timedelta(hours=hours)))
    assert report.sinks[0].backlog == Backlog(waiting=5, dead=0, blocked=2, oldest=NOON)
    receiver.failing = set()
    run(books, [receiver], clock=at(NOON + timedelta(days=2)))
    assert receiver.of("A") == ["A-1", "A-2", "A-3"]


def test_a_poison_event_that_stands_alone_is_a_dead_letter_all_the_same(tmp_path: Path):
    receiver = Receiver()
    receiver.poison = {"A-1"}
    books = fill(tmp_path / "relay.db", event("A", 1))
    assert run(books, [receiver], retry=Retry(attempts=1)).sinks[0].backlog.dead == 1


def test_a_poison_event_becomes_a_dead_letter_and_its_customer_waits_for_a_person(books: Path):
    receiver = Receiver()
    receiver.poison = {"A-2"}
    for minutes in (0, 1, 60):
        report = run(books, [receiver], retry=ONCE_MORE, clock=at(NOON + timedelta(minutes=minutes)))
    assert report.sinks[0].backlog == Backlog(waiting=1, dead=1, blocked=1, oldest=NOON)
    with open_store(books) as store:
        (letter,) = store.dead_letters()
    assert (letter.sink, letter.event.event_id, letter.attempts) == ("receiver", "A-2", 2)
    assert letter.error == "422 no such customer"
    assert letter.event.body == event("A", 2).body


def kill_off(books: Path, receiver: Receiver) -> None:
    receiver.poison = {"A-2"}
    run(books, [receiver], retry=Retry(attempts=1), clock=at(NOON))


def test_a_dead_letter_that_is_reopened_goes_out_before_what_waited_behind_it(books: Path):
    receiver = Receiver()
    kill_off(books, receiver)
    receiver.poison = set()
    with open_store(books) as store:
        store.reopen("receiver", "A-2")
    run(books, [receiver], clock=at(NOON))
    assert receiver.of("A") == ["A-1", "A-2", "A-3"]


def test_a_dead_letter_that_is_discarded_lets_its_customer_go_on(books: Path):
    receiver = Receiver()
    kill_off(books, receiver)
    with open_store(books) as store:
        store.discard("receiver", "A-2")
        assert store.dead_letters() == []
    run(books, [receiver], clock=at(NOON))
    assert receiver.of("A") == ["A-1", "A-3"]


def test_only_a_dead_letter_can_be_reopened(books: Path):
    run(books, [Receiver()])
    with open_store(books) as store, pytest.raises(RelayStoreError, match="A-1 is no dead letter"):
        store.reopen("receiver", "A-1")


def test_an_event_that_makes_a_sink_raise_is_found_and_the_others_go_out(books: Path):
    receiver = Receiver()
    receiver.choke = {"B-1"}
    report = run(books, [receiver], clock=at(NOON))
    assert receiver.got == ["A-1", "A-2", "A-3"]
    assert report.sinks[0].refused == 1
    assert report.sinks[0].down is None


def test_a_sink_that_is_down_leaves_a_backlog_and_holds_nothing_against_an_event(books: Path):
    receiver = Receiver()
    receiver.down = True
    for _ in range(20):
        report = run(books, [receiver], retry=Retry(attempts=1), clock=at(NOON))
    assert report.sinks[0].down == "SinkDownError: connection refused"
    assert report.sinks[0].backlog == Backlog(waiting=5, dead=0, blocked=0, oldest=NOON)
    receiver.down = False
    run(books, [receiver], clock=at(NOON))
    assert receiver.of("A") == ["A-1", "A-2", "A-3"]


def test_one_sink_that_is_down_delays_no_other(books: Path):
    up, down = Receiver("up"), Receiver("down")
    down.down = True
    report = run(books, [down, up])
    assert len(up.got) == 5
    assert [(sink.sink, sink.backlog.waiting) for sink in report.sinks] == [("down", 5), ("up", 0)]
    assert {
        name: backlog.waiting for name, backlog in backlogs(books, {"up": None, "down": None}).items()
    } == {
        "up": 0,
        "down": 5,
    }


def test_a_sink_added_later_gets_everything(books: Path):
    run(books, [Receiver("first")])
    late = Receiver("late")
    run(books, [late])
    assert len(late.got) == 5


def test_two_sinks_of_one_name_are_refused(books: Path):
    with pytest.raises(ValueError, match="two sinks share a name"):
        run(books, [Receiver(), Receiver()])


def test_a_relay_beside_another_one_leaves_it_alone(books: Path):
    inner = []

    class Nested(Receiver):
        def send(self, events: Sequence[StoredEvent]) -> Sent:
            inner.append(run(books, [Receiver()]).sinks[0].busy)
            return super().send(events)

    assert run(books, [Nested()]).sinks[0].busy is False
    assert set(inner) == {True}


def test_the_backlog_counts_what_no_run_has_seen_yet(books: Path):
    run(books, [Receiver()])
    fill(books, event("C", 1))
    assert backlogs(books, {"receiver": None})["receiver"].waiting == 1


def test_asking_for_a_backlog_makes_no_books(tmp_path: Path):
    assert backlogs(tmp_path / "relay.db", {"receiver": None})["receiver"] == Backlog(0, 0, 0, None)
    assert list(tmp_path.iterdir()) == []


def test_books_of_a_later_version_are_left_alone(books: Path):
    with closing(sqlite3.connect(books)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(RelayStoreError, match="newer version"):
        run(books, [Receiver()])


def test_books_of_an_earlier_version_are_brought_up_and_nothing_goes_out_again(tmp_path: Path):
    books, receiver = tmp_path / "relay.db", Receiver()
    with closing(sqlite3.connect(books)) as connection:
        connection.executescript(MIGRATIONS[0] + "; PRAGMA user_version = 1")
        for position, state in ((1, "delivered"), (2, "waiting")):
            each = event("A", position)
            connection.execute(
                "INSERT INTO event VALUES (?, ?, '1000', 'A', ?, ?, ?, ?, ?)",
                (position, each.event_id, position, each.type, NOON.isoformat(), NOON.isoformat(), each.body),
            )
            connection.execute(
                "INSERT INTO delivery (sink, event_id, position, company_code, customer_id, sequence, state) "
                "VALUES ('receiver', ?, ?, '1000', 'A', ?, ?)",
                (each.event_id, position, position, state),
            )
        connection.commit()
    fill(books, event("A", 3))
    run(books, [receiver])
    assert receiver.got == ["A-2", "A-3"]


def test_a_sink_gets_the_types_it_wants_and_each_customer_in_order(books: Path):
    receiver, watch = Receiver(), "valuemart.customer.tier.watch.v1"
    fill(books, replace(event("A", 4), type=watch), replace(event("C", 1), type=watch))
    route = SinkRoute(receiver, types=frozenset({watch}))
    assert backlogs(books, {"receiver": route.types})["receiver"].waiting == 2
    assert relay(books, [route]).sinks[0].backlog == Backlog(0, 0, 0, None)
    assert receiver.got == ["A-4", "C-1"]


def test_a_type_that_a_sink_takes_later_comes_from_then_on(books: Path):
    receiver, watch = Receiver(), "valuemart.customer.tier.watch.v1"
    relay(books, [SinkRoute(receiver, types=frozenset({watch}))])
    fill(books, event("A", 4))
    relay(books, [SinkRoute(receiver)])
    assert receiver.got == ["A-4"]


def replayed(books: Path, receiver: Receiver, **meant: Any) -> list[str]:
    receiver.got = []
    with open_store(books) as store:
        store.replay("receiver", Selection(**meant))
    run(books, [receiver])
    return receiver.got


def test_a_replay_sends_what_is_meant_again_and_in_order(books: Path):
    receiver = Receiver()
    run(books, [receiver])
    assert replayed(books, receiver, customer_id="A") == ["A-1", "A-2", "A-3"]
    assert replayed(books, receiver, event_ids=["B-2", "A-1"]) == ["A-1", "B-2"]
    assert replayed(books, receiver, company_code="2000") == []
    assert replayed(books, receiver, since=NOON + timedelta(microseconds=1)) == []
    assert sorted(replayed(books, receiver, since=NOON)) == ["A-1", "A-2", "A-3", "B-1", "B-2"]


def test_a_replay_brings_what_came_before_the_sink_took_its_type(books: Path):
    receiver = Receiver()
    relay(books, [SinkRoute(receiver, types=frozenset())])
    assert replayed(books, receiver, customer_id="B") == ["B-1", "B-2"]


def test_a_replay_leaves_what_a_person_gave_up(books: Path):
    receiver = Receiver()
    kill_off(books, receiver)
    with open_store(books) as store:
        store.discard("receiver", "A-2")
    run(books, [receiver], clock=at(NOON))
    assert replayed(books, receiver, customer_id="A") == ["A-1", "A-3"]


def test_a_sink_whose_receiver_asks_never_to_be_called_again_is_not_called_until_a_person_says_so(
    books: Path,
):
    class Leaving(Receiver):
        leaving = True

        def send(self, events: Sequence[StoredEvent]) -> Sent:
            return Sent(disabled="410 Gone") if self.leaving else super().send(events)

    receiver = Leaving()
    assert run(books, [receiver]).sinks[0].down == "410 Gone"
    receiver.leaving = False
    report = run(books, [receiver])
    assert report.sinks[0].down == "disabled: 410 Gone"
    assert report.sinks[0].backlog == Backlog(5, 0, 0, NOON, disabled="410 Gone")
    assert receiver.got == []
    with open_store(books) as store:
        store.enable("receiver")
    assert run(books, [receiver]).delivered == 5


def test_only_a_disabled_sink_can_be_enabled(books: Path):
    with (
        open_store(books) as store,
        pytest.raises(RelayStoreError, match="the sink receiver is not disabled"),
    ):
        store.enable("receiver")


def test_a_sink_that_offers_its_receiver_nothing_ends_the_run(books: Path):
    class Idle(Receiver):
        def send(self, events: Sequence[StoredEvent]) -> Sent:
            return Sent()

    assert run(books, [Idle()]).sinks[0].down == "the sink offered its receiver nothing"


def test_a_run_whose_time_is_over_leaves_the_rest_to_the_next(books: Path):
    receiver = Receiver()
    report = run(books, [receiver], budget=timedelta(0))
    assert (report.delivered, report.sinks[0].backlog.waiting) == (0, 5)


def test_where_one_sink_breaks_the_others_are_asked_to_stop(books: Path):
    ended = Event()

    class Broken(Receiver):
        def close(self) -> None:
            raise MemoryError

    class Endless(Receiver):
        """Has always something more to take, and ends only when the run does."""

        def send(self, events: Sequence[StoredEvent]) -> Sent:
            fill(books, event("Z", len(self.got) + 1))
            with open_store(books) as store:
                store.enrol(self.name)
            return super().send(events)

        def close(self) -> None:
            ended.set()

    with pytest.raises(MemoryError):
        run(books, [Broken("broken"), Endless("endless")])
    assert ended.is_set()


def test_a_sink_is_closed_after_its_run_even_where_it_is_down(books: Path):
    receiver = Receiver()
    receiver.down = True
    run(books, [receiver])
    assert receiver.closed == 1


def test_a_relay_that_goes_on_serves_what_comes_while_another_sink_is_stuck(books: Path):
    stop, stuck, arrived = Event(), Event(), Event()

    class Stuck(Receiver):
        def send(self, events: Sequence[StoredEvent]) -> Sent:
            stuck.set()
            arrived.wait(60)
            return Sent(down="stuck")

    class Late(Receiver):
        def send(self, events: Sequence[StoredEvent]) -> Sent:
            sent = super().send(events)
            if "C-1" in self.got:
                arrived.set()
            return sent

    def more_comes() -> None:
        stuck.wait(60)
        fill(books, event("C", 1))
        arrived.wait(60)
        stop.set()

    late, feeder = Late("late"), Thread(target=more_comes)
    feeder.start()
    serve_for_ever(
        books, [SinkRoute(Stuck("stuck")), SinkRoute(late)], timedelta(milliseconds=10), lambda _: None, stop
    )
    feeder.join()
    assert late.of("C") == ["C-1"]


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
        def send(self, events: Sequence[StoredEvent]) -> Sent:
            mood = chance.random()
            if mood < 0.2:
                raise SinkDownError
            if mood < 0.3:
                raise KeyError("moody")
            self.poison = {each.event_id for each in events if chance.random() < 0.3}
            return super().send(events)

    receiver, now = Moody(), NOON
    while (
        run(books, [receiver], retry=Retry(attempts=10_000), batch_size=batch_size, clock=at(now))
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
from flows.delivery.relay import SinkRoute, relay
from flows.delivery.sinks.file import FileSink
from warehouse.relay.store import RelayStore

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
relay(folder / "relay.db", [SinkRoute(Dying(folder / "events"))], batch_size=4)
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


def test_a_backlog_is_as_old_as_the_oldest_event_that_waits(books: Path):
    backlog = backlogs(books, {"receiver": None})["receiver"]
    assert backlog.age(NOON + timedelta(hours=2)) == timedelta(hours=2)
    assert Backlog(0, 0, 0, None).age(NOON) == timedelta(0)
