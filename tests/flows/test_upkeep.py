"""Upkeep forgets which rows are gone once no batch may ask it any more, and a batch that asks it yet is told of."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path

import pytest

from flows.upkeep import look_after
from tests.warehouse.making import FIRST_EXTRACT, SQL, Loader, line, of_lines

REMEMBERED = "SELECT key FROM ops.tombstone"
DRAFTS = SQL["invoice_lines"].replace("document = 'Summe' THEN 'totals_line'", "net = 0 THEN 'draft'")


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    made = Loader(tmp_path)
    made.source(sql={"invoice_lines": DRAFTS}, rules={"draft": "gone"})
    made.loaded(of_lines(line(1, net="0"), line(2), number=2))
    return made


def look(loader: Loader, days: int, late_days: int | None = None) -> None:
    """Upkeep, so many days after the second batch was extracted."""
    now = (FIRST_EXTRACT + timedelta(days=2 + days, seconds=1)).replace(tzinfo=UTC)
    look_after(
        loader.settings, now, keep_archive_days=None, backups=0, backup_folder=None, late_days=late_days
    )


@pytest.mark.parametrize(("setting", "asked", "days"), [(731, None, 731), (30, None, 30), (731, 10, 10)])
def test_what_is_gone_is_forgotten_after_the_days_in_which_a_batch_may_land(
    loader: Loader, setting: int, asked: int | None, days: int
) -> None:
    loader.with_settings(late_days=setting)
    look(loader, days - 1, asked)
    assert loader.column(REMEMBERED) == ['["R1","1"]']
    look(loader, days, asked)
    assert loader.column(REMEMBERED) == []


def test_a_batch_that_lands_later_than_that_is_warned_of_and_one_in_time_is_not(loader: Loader) -> None:
    look(loader, 731)
    (told,) = loader.loaded(of_lines(line(1), number=1)).warnings
    assert "older than what is remembered" in told
    assert "(late_days)" in told
    assert loader.loaded(of_lines(line(3), number=3)).warnings == ()


def test_an_older_batch_changes_nothing_while_it_is_remembered(loader: Loader) -> None:
    look(loader, 730)
    assert loader.loaded(of_lines(line(1), number=1)).warnings == ()
    assert loader.column("SELECT document_id FROM erp.invoice_lines WHERE NOT is_deleted") == ["R2"]
