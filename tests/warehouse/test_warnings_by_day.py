"""Credit warnings are remembered by the day on which they stood, whichever day is looked at next."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from transforms.schemas import CREDIT_WARNING_DAY
from warehouse import history
from warehouse.connection import open_database
from warehouse.migrate import migrate

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


def test_what_stood_is_taken_from_the_latest_watched_day_up_to_the_one_looked_at(connection):
    history.keep_warnings(connection, COMPANY, JANUARY, standing(JANUARY, "A"))
    history.keep_warnings(connection, COMPANY, MARCH, standing(MARCH, "A", "B", since=JANUARY))
    assert stood(connection, date(2024, 1, 30)) == []
    assert stood(connection, JANUARY) == stood(connection, date(2024, 3, 30)) == [("A", JANUARY)]
    assert stood(connection, MARCH) == [("A", JANUARY), ("B", JANUARY)]
    assert stood(connection, MARCH, "2000") == []


def test_a_day_on_which_no_warning_stood_is_remembered_too(connection):
    history.keep_warnings(connection, COMPANY, JANUARY, standing(JANUARY, "A"))
    history.keep_warnings(connection, COMPANY, MARCH, standing(MARCH))
    assert stood(connection, date(2024, 4, 1)) == []


def test_a_day_looked_back_to_changes_no_later_day(connection):
    history.keep_warnings(connection, COMPANY, JANUARY, standing(JANUARY))
    history.keep_warnings(connection, COMPANY, MARCH, standing(MARCH))
    history.keep_warnings(connection, COMPANY, FEBRUARY, standing(FEBRUARY, "A"))
    assert stood(connection, FEBRUARY) == [("A", FEBRUARY)]
    assert stood(connection, MARCH) == []


def test_a_day_watched_again_holds_what_was_found_last(connection):
    history.keep_warnings(connection, COMPANY, MARCH, standing(MARCH, "A", "B"))
    history.keep_warnings(connection, COMPANY, MARCH, standing(MARCH, "B"))
    assert stood(connection, MARCH) == [("B", MARCH)]
