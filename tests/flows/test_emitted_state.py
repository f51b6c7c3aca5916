"""What consumers are told is the difference to what they were told last, in whatever order days are rated."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from expectations.gate import Gate
from flows.pipeline import stages
from flows.settings import Settings
from tests.flows.small_company import Tables, assert_same, land, load, settings_of, table
from tests.flows.small_history import extract, invoice, months, rated_months, taken_on
from transforms.frames.plan import month_end
from warehouse.connection import open_database

pytestmark = pytest.mark.slow

DAYS = [month_end(month) for month in rated_months()[-3:]]
LAST = DAYS[-1]
# When and in which revision something was written, by which event it was told, and why it was written anew.
ABOUT_THE_RUN = {"revision", "recorded_at", "cause", "cause_reason", "event_id", "supersedes"}


@pytest.fixture(scope="module")
def landed(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home into which the whole history was loaded, and of which nothing was rated."""
    settings = settings_of(tmp_path_factory.mktemp("landed") / "home")
    for number, month in enumerate(months()):
        land(settings, extract(month), taken=taken_on(month), sequence=number)
    load(settings, gate)
    return settings


@pytest.fixture
def fresh(landed: Settings, tmp_path: Path) -> Settings:
    return settings_of(shutil.copytree(landed.home, tmp_path / "home", symlinks=True))


def another(landed: Settings, folder: Path) -> Settings:
    return settings_of(shutil.copytree(landed.home, folder, symlinks=True))


def refresh(settings: Settings, day: date) -> int:
    """Rate a day as a refresh does; how many events it wrote."""
    rating = stages.rate_stage(settings, day)
    return rating.events if rating else 0


def backfill(settings: Settings, days: Sequence[date], *, killed_after: int | None = None) -> None:
    """Rate past days as a backfill does, which may be killed after some of them."""
    every = [*days, *stages.rated_after(settings, days[-1])]
    for number, day in enumerate(every):
        if number == killed_after:
            return
        stages.rate_stage(settings, day, shown=day == every[-1])


def query(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    with open_database(settings.warehouse_file, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def told(settings: Settings, kinds: str = "%") -> list[tuple[Any, ...]]:
    """Customer, kind and value of what consumers were told last, where anything stands."""
    return query(
        settings,
        f"""SELECT customer_id, kind, emitted FROM ops.emitted_state
            WHERE emitted <> 'none' AND kind LIKE '{kinds}' ORDER BY ALL""",
    )


def events(settings: Settings) -> list[dict[str, Any]]:
    return [
        json.loads(body)
        for (body,) in query(settings, "SELECT body FROM ops.outbox ORDER BY customer_id, sequence")
    ]


def history(settings: Settings, *, told_late: bool = False) -> Tables:
    """The latest revisions of all periods, and the moves between them, but that facts came late where they did."""
    stages.publish_stage(settings)
    latest = """FROM customer_value_history QUALIFY row_number() OVER (PARTITION BY customer_id, period ORDER BY revision DESC) = 1"""
    return {
        "latest revisions": table(settings.home, latest, without={*ABOUT_THE_RUN, "abc_class"}),
        "moves": table(
            settings.home, "FROM tier_change", without=ABOUT_THE_RUN | ({"reasons"} if told_late else set())
        ),
        "warnings": query(
            settings, "SELECT customer_id, as_of, warning_since FROM rated.credit_warning_day ORDER BY ALL"
        ),
    }


ORDERS = {
    "the last month before the first ones": lambda home: (backfill(home, DAYS[2:]), backfill(home, DAYS[:2])),
    "refresh, killed backfill, a look back, backfill": lambda home: (
        refresh(home, LAST),
        backfill(home, DAYS, killed_after=1),
        refresh(home, DAYS[1]),
        backfill(home, DAYS),
    ),
}


@pytest.fixture(scope="module")
def in_order(landed: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = another(landed, tmp_path_factory.mktemp("in_order") / "home")
    backfill(settings, DAYS)
    return settings


@pytest.mark.parametrize("order", ORDERS)
def test_history_moves_and_what_was_told_are_the_same_in_whatever_order_the_days_were_rated(
    in_order: Settings, fresh: Settings, order: str
):
    ORDERS[order](fresh)
    expected = history(in_order)
    assert expected["moves"]
    assert expected["warnings"]
    assert_same(expected, history(fresh))
    assert told(fresh) == told(in_order)


CLOSED = rated_months()[-3]
WITH_CORRECTION = {
    "refreshes, a correction of a closed month, refresh": lambda home, gate: (
        *(refresh(home, day) for day in DAYS),
        correct(home, gate),
        refresh(home, LAST),
    ),
    "killed backfill, a correction, a look back, backfill": lambda home, gate: (
        backfill(home, DAYS, killed_after=2),
        correct(home, gate),
        refresh(home, DAYS[0]),
        backfill(home, DAYS),
    ),
}


def correct(settings: Settings, gate: Gate) -> None:
    """A month that is closed: what one bought was much more, and what another bought was somebody else's."""
    corrected = {**invoice("LOYAL", CLOSED), "net_amount": 90_000}
    moved = {**invoice("GROWS", CLOSED), "customer_id": "YOUNG"}
    land(settings, {"invoice_lines": [corrected, moved]}, taken=taken_on(months()[-1]), sequence=99)
    load(settings, gate)


@pytest.fixture(scope="module")
def corrected_first(landed: Settings, gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = another(landed, tmp_path_factory.mktemp("corrected_first") / "home")
    correct(settings, gate)
    backfill(settings, DAYS)
    return settings


@pytest.mark.parametrize("order", WITH_CORRECTION)
def test_a_correction_ends_where_it_would_have_if_it_had_been_known_from_the_start(
    corrected_first: Settings, in_order: Settings, fresh: Settings, gate: Gate, order: str
):
    WITH_CORRECTION[order](fresh, gate)
    expected = history(corrected_first, told_late=True)
    assert expected["latest revisions"] != history(in_order)["latest revisions"]
    assert_same(expected, history(fresh, told_late=True))
    assert told(fresh) == told(corrected_first)
