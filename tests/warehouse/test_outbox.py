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
from warehouse.rating.outbox import SameIdError, append, copy_to_relay, is_copied, raise_sequences
from warehouse.relay.store import open_store

MIGRATIONS = Path(__file__).parents[2] / "warehouse" / "store" / "migrations"
NOON = datetime(2024, 5, 31, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Event:
    event_id: str
    customer_id: str = "C1"
    company_code: str = "1000"
    time: datetime = NOON
    recorded_at: datetime = NOON
    type: str = "valuemart.customer.tier.changed.v1"
    says: str = ""

    def body(self, sequence: int) -> str:
        return json.dumps({"id": self.event_id, "sequence": sequence, "data": self.says})


def warehouse() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for name in ("0001_operations.sql", "0071_resync.sql"):
        connection.execute((MIGRATIONS / name).read_text(encoding="utf-8"))
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


def test_an_event_whose_id_was_given_to_something_else_is_no_repetition():
    connection = warehouse()
    append(connection, [Event("a", says="core")])
    assert append(connection, [Event("a", says="core")]) == []
    with pytest.raises(
        SameIdError, match="the event a of 1000/C1 was written before and said something else"
    ):
        append(connection, [Event("a", says="cultivate")])
    with pytest.raises(SameIdError):
        append(connection, [Event("b", says="core"), Event("b", says="cultivate")])


def numbers(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    return dict(connection.execute("SELECT event_id, sequence FROM ops.outbox").fetchall())


def test_after_a_restore_numbers_go_on_above_those_that_the_relay_or_a_file_knew():
    connection = warehouse()
    append(connection, [Event("a"), Event("b"), Event("c", customer_id="C2")])
    raise_sequences(connection, {("1000", "C1"): 7, ("1000", "C3"): 4})
    append(connection, [Event("d"), Event("e", customer_id="C2"), Event("f", customer_id="C3"), Event("g")])
    assert {each: numbers(connection)[each] for each in "defg"} == {"d": 8, "e": 2, "f": 5, "g": 9}


def test_after_a_restore_of_which_nobody_knows_what_was_sent_numbers_go_on_a_million_higher():
    connection = warehouse()
    append(connection, [Event("a"), Event("b")])
    raise_sequences(connection, None)
    append(connection, [Event("c"), Event("d", customer_id="C2"), Event("e", customer_id="C2")])
    assert {each: numbers(connection)[each] for each in "cde"} == {
        "c": 1_000_003,
        "d": 1_000_001,
        "e": 1_000_002,
    }


def test_an_event_that_is_meant_for_one_sink_is_put_before_no_other(tmp_path: Path):
    connection = warehouse()
    append(connection, [Event("a")])
    append(connection, [Event("b")], sink="crm")
    copy_to_relay(connection, tmp_path / "relay.db")
    with open_store(tmp_path / "relay.db") as store:
        assert [store.backlog(sink).waiting for sink in ("crm", "file")] == [2, 1]
        assert [store.enrol(sink) for sink in ("crm", "file")] == [2, 1]


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


def in_the_books(path: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(path)) as books:
        return books.execute("SELECT event_id, sequence FROM event ORDER BY position").fetchall()


def later(event_id: str, minutes: int, customer: str = "C1") -> Event:
    moment = NOON + timedelta(minutes=minutes)
    return Event(event_id, customer, time=moment, recorded_at=moment)


def test_only_what_is_new_is_looked_at_where_both_sides_went_on_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    connection, books = warehouse(), tmp_path / "relay.db"
    append(connection, [later("a", 0)])
    assert copy_to_relay(connection, books) == 1
    monkeypatch.setattr(
        "warehouse.relay.store.RelayStore.event_ids", lambda _: pytest.fail("all ids were read")
    )
    append(connection, [later("b", 1)])
    assert not is_copied(connection, books)
    assert copy_to_relay(connection, books) == 1
    assert is_copied(connection, books)
    assert copy_to_relay(connection, books) == 0


def test_an_older_warehouse_that_went_another_way_hands_over_what_is_new(tmp_path: Path):
    connection, books = warehouse(), tmp_path / "relay.db"
    append(connection, [later("a", 0), later("b", 1), later("c", 2, "C2")])
    copy_to_relay(connection, books)
    # Restored to where only `a` was, then rated anew: as many events as before, and others.
    connection.execute("DELETE FROM ops.outbox WHERE event_id <> 'a'")
    append(connection, [later("d", 60), later("e", 60, "C3")])
    assert not is_copied(connection, books)
    assert copy_to_relay(connection, books) == 2
    assert is_copied(connection, books)
    assert [event_id for event_id, _ in in_the_books(books)] == ["a", "b", "c", "d", "e"]


def test_older_books_are_filled_up_again(tmp_path: Path):
    connection, books, older = warehouse(), tmp_path / "relay.db", tmp_path / "older.db"
    append(connection, [later("a", 0)])
    copy_to_relay(connection, older)
    append(connection, [later("b", 1)])
    copy_to_relay(connection, books)
    older.replace(books)
    for rest in ("-wal", "-shm"):
        books.with_name(books.name + rest).unlink(missing_ok=True)
    assert not is_copied(connection, books)
    assert copy_to_relay(connection, books) == 1
    assert [event_id for event_id, _ in in_the_books(books)] == ["a", "b"]


def test_an_event_recorded_by_a_clock_that_was_set_back_is_handed_over(tmp_path: Path):
    connection, books = warehouse(), tmp_path / "relay.db"
    append(connection, [later("a", 10)])
    copy_to_relay(connection, books)
    append(connection, [Event("b", time=NOON + timedelta(minutes=20), recorded_at=NOON)])
    assert not is_copied(connection, books)
    assert copy_to_relay(connection, books) == 1
    assert is_copied(connection, books)
