"""Credit warnings are remembered by the day on which they stood, whichever day is looked at next."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from transforms.frames.schemas import CREDIT_WARNING_DAY
from warehouse.connection import open_database
from warehouse.rating import history
from warehouse.store.migrate import migrate

COMPANY = "1000"
JANUARY, FEBRUARY, MARCH = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)


def standing(as_of: date, *customers: str, since: date | None = None) -> pl.DataFrame:
    rows = [
        {"company_code": COMPANY, "customer_id": each, "as_of": as_of, "warning_since": since or as_of}
        for each in customers
    ]
    return pl.DataFrame(rows, schema=CREDIT_WARNING_DAY)


@pytest.fixture
def connection(tmp_path: Path):
    with open_database(tmp_path / "warehouse.duckdb") as opened:
        migrate(opened, datetime(2024, 1, 1))
        yield opened


def stood(connection, as_of: date, company: str = COMPANY) -> list[tuple[str, date]]:
    found = history.warnings_standing(connection, company, as_of)
    assert found.schema == CREDIT_WARNING_DAY
    return found.sort("customer_id").select("customer_id", "warning_since").rows()


def test_what_stood_is_taken_from_the_latest_watched_day_before_the_one_looked_at(connection):
    history.keep_warnings(connection, COMPANY, JANUARY, standing(JANUARY, "A"))
    history.keep_warnings(connection, COMPANY, MARCH, standing(MARCH, "A", "B", since=JANUARY))
    assert stood(connection, JANUARY) == []
    assert stood(connection, date(2024, 2, 1)) == stood(connection, MARCH) == [("A", JANUARY)]
    assert stood(connection, date(2024, 4, 1)) == [("A", JANUARY), ("B", JANUARY)]
    assert stood(connection, date(2024, 4, 1), "2000") == []


def test_a_day_on_which_no_warning_stood_is_remembered_too(connection):
    history.keep_warnings(connection, COMPANY, JANUARY, standing(JANUARY, "A"))
    history.keep_warnings(connection, COMPANY, MARCH, standing(MARCH))
    assert stood(connection, date(2024, 4, 1)) == []


def test_a_day_watched_again_holds_what_was_found_last(connection):
    history.keep_warnings(connection, COMPANY, MARCH, standing(MARCH, "A", "B"))
    history.keep_warnings(connection, COMPANY, MARCH, standing(MARCH, "B"))
    assert stood(connection, date(2024, 4, 1)) == [("B", MARCH)]


def test_days_behind_one_that_came_between_are_to_be_found_anew(connection):
    for day in (JANUARY, MARCH, date(2024, 4, 30)):
        history.keep_warnings(connection, COMPANY, day, standing(day))
    assert history.doubtful_days(connection, COMPANY, date(2024, 5, 31)) == []
    history.keep_warnings(connection, COMPANY, FEBRUARY, standing(FEBRUARY, "A"))
    assert history.doubtful_days(connection, COMPANY, date(2024, 5, 31)) == [MARCH, date(2024, 4, 30)]
    assert history.doubtful_days(connection, COMPANY, date(2024, 4, 30)) == [MARCH]
    for day in (MARCH, date(2024, 4, 30)):
        history.keep_warnings(connection, COMPANY, day, standing(day))
    assert history.doubtful_days(connection, COMPANY, date(2024, 5, 31)) == []


def test_days_whose_facts_have_changed_are_to_be_found_anew(connection):
    for day in (JANUARY, FEBRUARY, MARCH):
        history.keep_warnings(connection, COMPANY, day, standing(day))
    history.doubt_warnings(connection, COMPANY, date(2024, 2, 10))
    assert history.doubtful_days(connection, COMPANY, date(2024, 5, 31)) == [FEBRUARY, MARCH]
    assert history.doubtful_days(connection, "2000", date(2024, 5, 31)) == []
