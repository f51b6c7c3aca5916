"""What a batch may say of itself and of earlier ones: again, otherwise, instead, before."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.warehouse.making import NOW, Loader, assert_conserved, line, of_customers, of_lines


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    made = Loader(tmp_path)
    made.source()
    return made


def net(loader: Loader) -> dict[str, str]:
    return dict(
        loader.query(
            "SELECT document_id, net_amount::VARCHAR FROM erp.invoice_lines WHERE NOT is_deleted ORDER BY ALL"
        )
    )


def test_the_same_batch_again_is_passed_over_without_being_read(loader: Loader) -> None:
    delivery = of_lines(line(1), line(2, net="x"))
    loader.loaded(delivery)
    outcome = loader.one(delivery)
    assert (outcome.status, outcome.tables) == ("unchanged", [])
    assert loader.column("SELECT count(*) FROM ops.batch") == [1]
    assert_conserved(loader)


def test_a_batch_that_comes_again_with_other_content_is_refused_and_the_first_stands(loader: Loader) -> None:
    loader.loaded(of_lines(line(1)))
    (fault,) = loader.one(of_lines(line(1, net="99,00"))).faults
    assert fault.rule == "batch_changed"
    assert net(loader) == {"R1": "10.0000"}
    assert loader.column("SELECT status FROM ops.batch") == ["loaded"]


def test_a_batch_that_supersedes_itself_takes_the_place_of_the_first_with_its_quarantine(
    loader: Loader,
) -> None:
    loader.loaded(of_lines(line(1), line(2, net="x")))
    outcome = loader.loaded(of_lines(line(1, net="99,00"), line(2), supersedes="b1"))
    assert (outcome.tables[0].inserted, outcome.tables[0].updated) == (1, 1)
    assert net(loader) == {"R1": "99.0000", "R2": "10.0000"}
    assert loader.column("SELECT count(*) FROM quarantine.row") == [0]
    assert_conserved(loader)


def test_naming_another_batch_is_no_leave_to_replace_this_one(loader: Loader) -> None:
    loader.loaded(of_lines(line(1)))
    assert loader.one(of_lines(line(2), supersedes="b0")).faults[0].rule == "batch_changed"


def test_a_batch_from_the_future_is_refused_since_all_that_comes_until_then_would_be_older(
    loader: Loader,
) -> None:
    (fault,) = loader.one(of_lines(line(1), extracted_at=datetime(9999, 12, 31))).faults
    assert (fault.rule, fault.file) == ("extracted_in_the_future", "datapackage.json")
    assert net(loader) == {}
    tomorrow = NOW + timedelta(days=1)
    assert loader.one(of_lines(line(1), number=2, extracted_at=tomorrow + timedelta(minutes=1))).faults
    loader.loaded(of_lines(line(1), number=3, extracted_at=tomorrow))
    assert net(loader) == {"R1": "10.0000"}


def test_an_older_batch_that_lands_later_overwrites_nothing_newer(loader: Loader) -> None:
    loader.loaded(of_lines(line(1, net="99,00"), number=7))
    loader.loaded(of_lines(line(1, net="1,00"), line(2), number=3))
    assert net(loader) == {"R1": "99.0000", "R2": "10.0000"}


def test_a_file_saved_again_with_the_same_rows_changes_nothing(loader: Loader) -> None:
    """Other bytes, another time, another order of the same rows."""
    loader.loaded(of_lines(line(1), line(2), line(3, net="x"), number=1))
    again = of_lines(line(3, net="x"), line(2, net="10,0000"), line(1), number=2)
    outcome = loader.loaded(again)
    assert (outcome.status, outcome.tables[0].unchanged, outcome.tables[0].quarantined) == ("unchanged", 2, 1)


@pytest.mark.parametrize("mode", ["full_snapshot", "delta_upsert"])
def test_the_same_rows_in_another_mode_are_not_taken_for_the_same(loader: Loader, mode: str) -> None:
    loader.loaded(of_lines(line(1), line(2, net="x"), number=1))
    outcome = loader.loaded(replace(of_lines(line(1), line(2, net="x"), number=2), mode=mode))
    assert outcome.status == ("loaded" if mode == "full_snapshot" else "unchanged")


def test_what_a_snapshot_lacks_is_deleted_softly_and_comes_back_with_the_next_that_has_it(
    loader: Loader,
) -> None:
    loader.loaded(of_customers("K1;Eins", "K2;Zwei", number=1))
    loader.loaded(of_customers("K1;Eins", number=2))
    assert loader.query("SELECT customer_id, is_deleted FROM erp.customers ORDER BY ALL") == [
        ("K1", False),
        ("K2", True),
    ]
    loader.loaded(of_customers("K1;Eins", "K2;Zwei", number=3))
    assert loader.column("SELECT is_deleted FROM erp.customers") == [False, False]


def test_row_counts_and_control_totals_are_checked_resource_by_resource(loader: Loader) -> None:
    both = replace(of_lines(line(1)), files={**of_lines(line(1)).files, **of_customers("K1;Eins").files})
    wrong = replace(both, rows={"LINES": 1, "CUSTOMERS": 2}, totals={"LINES": {"net": "11.00"}})
    faults = {fault.file: fault.rule for fault in loader.one(wrong).faults}
    assert faults == {"lines.csv": "control_total_mismatch", "customers.csv": "row_count_mismatch"}
    right = replace(
        both, batch_id="b2", rows={"LINES": 1, "CUSTOMERS": 1}, totals={"LINES": {"net": "10.00"}}
    )
    assert loader.loaded(right).status == "loaded"
