"""What the order of extracts decides is not decided without a word: one number for two records, and corrections that are older."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.warehouse.landing_orders import Bench
from tests.warehouse.making import SQL, Delivery, line, of_lines
from warehouse.merge.actions import DAYS_MOVED


@pytest.fixture(scope="module")
def _bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("bench"), dict(SQL))
    yield made
    made.connection.close()


@pytest.fixture
def bench(_bench: Bench) -> Bench:
    _bench.empty()
    return _bench


def told(bench: Bench, delivery: Delivery) -> list[str]:
    return [each for each in bench.loaded(delivery).warnings if "[number_used_again]" in each]


def test_a_number_that_begins_anew_each_year_is_told_with_both_records(bench: Bench) -> None:
    assert told(bench, of_lines(line(1, day="05.05.2024"), line(2, day="06.05.2024"), number=1)) == []
    again = of_lines(line(1, day="07.05.2025", customer="K2"), line(3, day="07.05.2025"), number=2)
    (warning,) = told(bench, again)
    assert warning.startswith("invoice_lines: 1 rows bear the number of another record")
    assert "R1/1 of 2025-05-07 (K2) and of 2024-05-05 (K1)" in warning
    assert "in front of document_id" in warning


def test_it_is_told_too_where_the_earlier_extract_lands_last(bench: Bench) -> None:
    bench.loaded(of_lines(line(1, day="05.05.2025"), number=2))
    assert len(told(bench, of_lines(line(1, day="05.05.2024"), number=1))) == 1


@pytest.mark.parametrize(
    ("day", "customer", "is_another"),
    [
        ("05.05.2025", "K2", False),  # moved to another customer
        ("06.05.2025", "K2", True),
        ("05.06.2025", "K1", False),  # its date was put right
        ("06.06.2025", "K1", True),
    ],
)
def test_a_date_put_right_and_a_document_moved_to_another_customer_are_the_same_record(
    bench: Bench, day: str, customer: str, *, is_another: bool
) -> None:
    assert DAYS_MOVED == 31
    bench.loaded(of_lines(line(1, day="05.05.2025"), number=1))
    assert bool(told(bench, of_lines(line(1, day=day, customer=customer), number=2))) is is_another


def test_a_number_whose_record_is_gone_may_be_used_again(bench: Bench) -> None:
    bench.loaded(of_lines(line(1, day="05.05.2024"), line(2, day="05.05.2024"), number=1))
    bench.loaded(of_lines(line(2, day="05.05.2024"), number=2, mode="full_snapshot"))
    assert told(bench, of_lines(line(1, day="05.05.2025"), number=3)) == []


def outdated(bench: Bench, delivery: Delivery) -> list[str]:
    return [each for each in bench.loaded(delivery).warnings if "[older_extract]" in each]


def test_rows_that_a_later_extract_says_something_else_of_change_nothing_and_are_told(bench: Bench) -> None:
    assert outdated(bench, of_lines(line(1, net="10,00"), line(2), number=2)) == []
    (warning,) = outdated(bench, of_lines(line(1, net="11,00"), line(2), line(3), number=1))
    assert warning.startswith("invoice_lines: 1 rows differ from those of a later extract")
    assert "such as R1/1 of b2" in warning
    assert bench.rows("SELECT net_amount::INTEGER FROM erp.invoice_lines ORDER BY document_id") == [(10,)] * 3


def test_an_older_extract_of_what_is_gone_or_the_same_is_no_correction(bench: Bench) -> None:
    bench.loaded(of_lines(line(1), line(2), number=2, mode="full_snapshot"))
    bench.loaded(of_lines(line(1), number=3, mode="full_snapshot"))
    assert outdated(bench, of_lines(line(1), line(2, net="11,00"), number=1, mode="full_snapshot")) == []
