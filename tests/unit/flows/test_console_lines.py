"""What a person at a terminal reads: batches a line each, and how far a long piece of work has got."""

from __future__ import annotations

from datetime import datetime

import pytest

from flows.cli.run_flow import Countdown
from flows.cli.views.status import TERMINAL, _batch_columns
from flows.console.output import table
from flows.console.progress import listening, report_step, saying_first


def batch(**more: object) -> dict[str, object]:
    return {
        "source": "hanse_erp",
        "company_code": "1000",
        "batch_id": "20261101T020000Z-506c29dad6e6",
        "status": "loaded",
        "extracted_at": datetime(2026, 11, 1, 2),
        "rows_in": 1_458,
        "accepted": 1_453,
        "quarantined": 5,
        "excluded": 0,
        "refused": 0,
        "released": 0,
        **more,
    }


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"excluded": 4},
        {"status": "superseded", "rows_in": 123_456, "excluded": 1_234},
        {"quarantined": 0},
    ],
)
def test_a_batch_takes_one_line_of_eighty_places(
    more: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [batch(**more), batch()]
    table(rows, _batch_columns(rows))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(len(line) <= TERMINAL for line in lines), lines


def test_the_company_of_a_batch_is_named_where_there_are_several() -> None:
    assert "company_code" not in _batch_columns([batch(), batch()])
    assert "company_code" in _batch_columns([batch(), batch(company_code="2000")])


def test_what_no_batch_has_takes_no_column() -> None:
    assert list(_batch_columns([batch(quarantined=0)])) == ["source", "batch_id", "status", "rows_in"]
    assert _batch_columns([batch(refused=1, quarantined=0)])["refused"] == "refused"
    assert _batch_columns([])


def test_a_long_work_says_how_far_it_is_and_after_some_pieces_how_long_it_will_take() -> None:
    now = 0.0
    months = Countdown("month", 36, clock=lambda: now)
    told: list[str] = []
    with listening(told.append), saying_first(months.told):
        report_step("starting")
        for _ in range(36):
            months.begin_next()
            report_step("rating")
            now += 10
    assert told[0] == "starting"
    assert told[1] == "month 1 of 36: rating"
    assert told[3] == "month 3 of 36: rating", "two done say too little"
    assert told[12] == "month 12 of 36, 5 min left: rating"
    assert told[31] == "month 31 of 36, less than a minute left: rating"


def test_who_does_not_listen_is_told_nothing() -> None:
    with saying_first(lambda: "month 1 of 36: "):
        report_step("rating")
