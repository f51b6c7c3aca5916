"""The file sink: whole lines only, a month of recording a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.delivery.sinks.file import FileSink
from warehouse.relay.records import StoredEvent


def event(
    name: str, month: int = 5, *, speaks_of: datetime = datetime(2023, 1, 31, tzinfo=UTC)
) -> StoredEvent:
    recorded = datetime(2024, month, 31 if month == 5 else 1, tzinfo=UTC)
    return StoredEvent(name, "1000", "C1", 1, "t", speaks_of, recorded, f'{{"id":"{name}","ü":"客户"}}')


def test_each_event_is_a_line_of_the_month_in_which_it_was_recorded_whatever_it_speaks_of(tmp_path: Path):
    FileSink(tmp_path / "events").send([event("a"), event("b", month=6), event("c")])
    assert {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "events").iterdir()} == {
        "2024-05.jsonl": '{"id":"a","ü":"客户"}\n{"id":"c","ü":"客户"}\n',
        "2024-06.jsonl": '{"id":"b","ü":"客户"}\n',
    }


def test_events_of_an_old_month_that_is_rated_today_stand_behind_what_was_told_before(tmp_path: Path):
    sink = FileSink(tmp_path)
    sink.send([event("told first", speaks_of=datetime(2024, 5, 30, tzinfo=UTC))])
    sink.send([event("told second", month=6, speaks_of=datetime(2022, 1, 31, tzinfo=UTC))])
    lines = [line for file in sorted(tmp_path.glob("*.jsonl")) for line in file.read_text().splitlines()]
    assert [json.loads(line)["id"] for line in lines] == ["told first", "told second"]


@pytest.mark.parametrize("torn", [b'{"id":"b"', b"x" * 200_000, b"\x00" * 70_000])
def test_what_a_killed_run_left_of_a_line_is_cut_off_before_the_next(tmp_path: Path, torn: bytes):
    sink = FileSink(tmp_path)
    sink.send([event("a")])
    path = tmp_path / "2024-05.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    sink.send([event("b")])
    assert path.read_bytes() == whole + event("b").body.encode() + b"\n"


def test_a_file_that_holds_nothing_but_a_torn_line_starts_anew(tmp_path: Path):
    path = tmp_path / "2024-05.jsonl"
    path.write_bytes(b'{"id":')
    FileSink(tmp_path).send([event("a")])
    assert path.read_bytes() == event("a").body.encode() + b"\n"


def test_a_folder_that_cannot_be_written_is_a_sink_that_is_down(tmp_path: Path):
    (tmp_path / "events").write_text("a file in the way")
    with pytest.raises(OSError):
        FileSink(tmp_path / "events").send([event("a")])
