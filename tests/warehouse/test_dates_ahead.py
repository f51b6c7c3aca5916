"""A fact that is dated years after it was extracted is a slip of the pen: it waits in quarantine."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.warehouse.making import FIRST_EXTRACT, Loader, line, of_lines


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    made = Loader(tmp_path)
    made.source()
    return made


def test_a_line_may_be_dated_so_many_days_after_its_extraction_and_no_more(loader: Loader) -> None:
    days = [f"{FIRST_EXTRACT.date() + timedelta(ahead):%d.%m.%Y}" for ahead in (731, 732)]
    loader.loaded(of_lines(*(line(number, day=day) for number, day in enumerate(days))))
    assert loader.column("SELECT document_id FROM erp.invoice_lines") == ["R0"]
    ((file, row, column, rule, raw),) = loader.reasons()
    assert (file, row, column, rule, raw) == (
        "lines.csv",
        3,
        "invoice_date",
        "date_too_far_ahead",
        "2027-06-03",
    )
    (message,) = loader.column("SELECT message FROM quarantine.reason")
    assert "raise days_ahead" in message


def test_a_day_that_is_right_after_all_comes_in_under_a_wider_bar(loader: Loader) -> None:
    loader.with_settings(days_ahead=20_000)
    loader.loaded(of_lines(line(1, day="01.01.2062")))
    assert not loader.reasons()


def test_a_line_that_is_left_out_anyway_is_not_held_back_by_its_day(loader: Loader) -> None:
    outcome = loader.loaded(of_lines("Summe;1;01.01.2099;K1;1;10,00", line(1)))
    assert (outcome.tables[0].excluded, outcome.tables[0].quarantined) == (1, 0)
