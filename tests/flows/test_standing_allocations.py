"""What a payment took off an item stands as long as nobody said that the payment, or the item, is gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from flows.pipeline.facts import facts_of
from tests.warehouse.publishing import insert, open_warehouse

LIVE = {"company_code": "1000", "source_system": "s", "batch_id": "B1", "is_deleted": False}
DAY = date(2026, 1, 20)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_warehouse(tmp_path)
    yield connection
    connection.close()


def gone(cause: str | None) -> dict[str, object]:
    return {**LIVE, "is_deleted": cause is not None, "deleted_by": cause}


def allocate(warehouse: duckdb.DuckDBPyConnection, payment: str, item: str, amount: int) -> None:
    insert(
        warehouse, "payment_allocations", **LIVE, payment_id=payment, item_id=item, amount=amount, allocated_on=DAY,
        available_on=DAY,
    )  # fmt: skip


def standing(warehouse: duckdb.DuckDBPyConnection) -> list[tuple[str, str, Decimal]]:
    found = facts_of(warehouse, "1000", DAY).payment_allocations
    assert found is not None
    return sorted(found.select("payment_id", "item_id", "amount").collect().rows())


@pytest.mark.parametrize("cause", ["tombstone", "rule"])
@pytest.mark.parametrize("table", ["payments", "receivables"])
def test_a_payment_or_credit_that_is_said_to_be_gone_settles_nothing(
    warehouse: duckdb.DuckDBPyConnection, table: str, cause: str
) -> None:
    key = {"payments": "payment_id", "receivables": "item_id"}[table]
    insert(warehouse, table, **gone(cause), **{key: "P1"})
    insert(warehouse, table, **gone(None), **{key: "P2"})
    allocate(warehouse, "P1", "I1", 100)
    allocate(warehouse, "P2", "I1", 50)
    assert standing(warehouse) == [("P2", "I1", 50)]


@pytest.mark.parametrize("cause", ["snapshot", "window", "key_set"])
def test_a_payment_that_is_in_the_extract_no_more_was_received_all_the_same(
    warehouse: duckdb.DuckDBPyConnection, cause: str
) -> None:
    insert(warehouse, "receivables", **gone(cause), item_id="P1", original_amount=-100)
    allocate(warehouse, "P1", "I1", 100)
    assert standing(warehouse) == [("P1", "I1", 100)]


def test_a_payment_that_stands_is_not_taken_for_an_item_of_its_number(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    insert(warehouse, "payments", **LIVE, payment_id="1")
    insert(warehouse, "receivables", **gone("rule"), item_id="1")
    allocate(warehouse, "1", "I1", 100)
    assert standing(warehouse) == [("1", "I1", 100)]


def test_a_credit_is_not_used_up_by_what_it_took_off_an_item_that_is_gone(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    insert(warehouse, "receivables", **gone("rule"), item_id="I1", original_amount=60)
    insert(warehouse, "receivables", **LIVE, item_id="I2", original_amount=40)
    insert(warehouse, "receivables", **LIVE, item_id="P1", original_amount=-100)
    for item, amount in (("I1", 60), ("I2", 40), ("P1", -100)):
        allocate(warehouse, "P1", item, amount)
    assert ("P1", "P1", Decimal(-40)) in standing(warehouse)
