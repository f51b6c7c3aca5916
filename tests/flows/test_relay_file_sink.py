"""The file sink: whole lines only, a month a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.sinks.file import FileSink
from warehouse.relay_records import StoredEvent


def event(name: str, month: int = 5) -> StoredEvent:
    moment = datetime(2024, month, 31 if month == 5 else 1, tzinfo=UTC)
    return StoredEvent(name, "1000", "C1", 1, "t", moment, moment, f'{{"id":"{name}","ü":"客户"}}')


def test_each_event_is_a_line_of_its_month(tmp_path: Path):
    FileSink(tmp_path / "events").send([event("a"), event("b", month=6), event("c")])
    assert {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "events").iterdir()} == {
        "2024-05.jsonl": '{"id":"a","ü":"客户"}\n{"id":"c","ü":"客户"}\n',
        "2024-06.jsonl": '{"id":"b","ü":"客户"}\n',
    }


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
