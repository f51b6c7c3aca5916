"""The outbox: numbered per customer, silent on repetition, and copied whole to the relay's books."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.connection import transaction
from warehouse.outbox import append, copy_to_relay, is_copied, last_event_ids
from warehouse.relay_store import open_store

OPERATIONS = Path(__file__).parents[2] / "warehouse" / "migrations" / "0001_operations.sql"
NOON = datetime(2024, 5, 31, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Event:
    event_id: str
    customer_id: str = "C1"
    company_code: str = "1000"
    time: datetime = NOON
    recorded_at: datetime = NOON
    type: str = "valuemart.customer.tier.changed.v1"

    def body(self, sequence: int) -> str:
        return json.dumps({"id": self.event_id, "sequence": sequence})


def warehouse() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA ops; CREATE SCHEMA quarantine")
    connection.execute(OPERATIONS.read_text(encoding="utf-8"))
    return connection


def outbox(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, int]]:
    return connection.execute(
        "SELECT event_id, customer_id, sequence FROM ops.outbox ORDER BY customer_id, sequence"
    ).fetchall()


def test_each_customer_of_each_company_counts_from_one():
    connection = warehouse()
    append(
        connection,
        [Event("a"), Event("b", customer_id="C2"), Event("c"), Event("d", company_code="2000")],
    )
    rows = connection.execute(
        "SELECT company_code, customer_id, sequence, event_id FROM ops.outbox ORDER BY ALL"
    ).fetchall()
    assert rows == [
        ("1000", "C1", 1, "a"),
        ("1000", "C1", 2, "c"),
        ("1000", "C2", 1, "b"),
        ("2000", "C1", 1, "d"),
    ]


def test_a_later_rating_goes_on_where_the_sequence_stopped():
    connection = warehouse()
    append(connection, [Event("a"), Event("b")])
    append(connection, [Event("c", time=NOON - timedelta(days=60))])
    assert outbox(connection) == [("a", "C1", 1), ("b", "C1", 2), ("c", "C1", 3)]


def test_what_happened_first_is_numbered_first():
    connection = warehouse()
    append(connection, [Event("june", time=NOON + timedelta(days=30)), Event("may", time=NOON)])
    assert outbox(connection) == [("may", "C1", 1), ("june", "C1", 2)]


def test_at_the_same_time_the_order_given_counts():
    connection = warehouse()
    append(connection, [Event("z"), Event("a")])
    assert outbox(connection) == [("z", "C1", 1), ("a", "C1", 2)]


def test_a_rerun_is_silent_and_leaves_no_gap():
    connection = warehouse()
    assert append(connection, [Event("a"), Event("b")]) == ["a", "b"]
    assert append(connection, [Event("a"), Event("b"), Event("c"), Event("c")]) == ["c"]
    assert outbox(connection) == [("a", "C1", 1), ("b", "C1", 2), ("c", "C1", 3)]


def test_no_events_are_no_trouble():
    assert append(warehouse(), []) == []


def test_the_body_carries_the_number_the_outbox_gave():
    connection = warehouse()
    append(connection, [Event("a"), Event("b")])
    bodies = connection.execute("SELECT body FROM ops.outbox ORDER BY sequence").fetchall()
    assert [json.loads(body)["sequence"] for (body,) in bodies] == [1, 2]


def test_events_fall_with_the_rating_they_belong_to():
    connection = warehouse()

    def rate() -> None:
        with transaction(connection):
            append(connection, [Event("a")])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        rate()
    assert outbox(connection) == []


@settings(deadline=None, max_examples=30)
@given(
    runs=st.lists(
        st.lists(
            st.builds(
                Event,
                event_id=st.integers(0, 30).map(str),
                customer_id=st.sampled_from(["C1", "C2", "Ü/3"]),
                time=st.integers(0, 3).map(lambda days: NOON + timedelta(days=days)),
            ),
            max_size=8,
        ),
        max_size=5,
    )
)
def test_sequences_have_no_gap_and_no_double_whatever_is_repeated(runs: list[list[Event]]):
    connection = warehouse()
    for run in runs:
        with transaction(connection):
            append(connection, run)
    ids = [row[0] for row in outbox(connection)]
    assert sorted(ids) == sorted({event.event_id for run in runs for event in run})
    rows = connection.execute(
        "SELECT count(*), min(sequence), max(sequence), count(DISTINCT sequence) FROM ops.outbox "
        "GROUP BY company_code, customer_id"
    ).fetchall()
    assert all(row == (row[0], 1, row[0], row[0]) for row in rows)


def test_the_last_event_of_a_customer_is_the_one_with_the_highest_number():
    connection = warehouse()
    append(connection, [Event("z"), Event("a"), Event("b", type="other"), Event("c", company_code="2000")])
    assert last_event_ids(connection, "1000", [Event("z").type]) == {("1000", "C1"): "a"}
    assert last_event_ids(connection, "1000", []) == {}


def test_the_relay_gets_each_event_once_however_often_it_is_copied(tmp_path: Path):
    connection = warehouse()
    append(connection, [Event("a"), Event("b")])
    assert copy_to_relay(connection, tmp_path / "relay.db") == 2
    assert copy_to_relay(connection, tmp_path / "relay.db") == 0
    append(connection, [Event("c")])
    assert copy_to_relay(connection, tmp_path / "relay.db") == 1
    with open_store(tmp_path / "relay.db") as store:
        assert sorted(store.event_ids()) == ["a", "b", "c"]


def test_the_copy_keeps_bytes_and_instants(tmp_path: Path):
    connection = warehouse()
    event = Event("a", time=datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC))
    append(connection, [event])
    copy_to_relay(connection, tmp_path / "relay.db")
    with open_store(tmp_path / "relay.db") as store:
        store.enrol("file")
        (waiting,) = store.due("file", NOON, 10)
    assert (waiting.event.time, waiting.event.recorded_at) == (event.time, event.recorded_at)
    assert waiting.event.body == event.body(1)


def test_a_clock_set_back_does_not_let_a_later_event_overtake(tmp_path: Path):
    connection = warehouse()
    append(connection, [Event("z", recorded_at=NOON)])
    append(connection, [Event("a", recorded_at=NOON - timedelta(days=2))])
    copy_to_relay(connection, tmp_path / "relay.db")
    with closing(sqlite3.connect(tmp_path / "relay.db")) as books:
        assert books.execute("SELECT event_id FROM event ORDER BY position").fetchall() == [("z",), ("a",)]


def test_the_books_are_copied_once_they_have_every_event(tmp_path: Path):
    connection, books = warehouse(), tmp_path / "relay.db"
    assert is_copied(connection, books)
    append(connection, [Event("a")])
    assert not is_copied(connection, books)
    assert list(tmp_path.iterdir()) == []
    copy_to_relay(connection, books)
    assert is_copied(connection, books)
    append(connection, [Event("b")])
    assert not is_copied(connection, books)
