"""Pulls from PostgreSQL, of tables as Odoo has them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from expectations.contract import load as load_contract
from tests.databases import odoo
from tests.databases.pulling import Puller, reach
from tests.databases.servers import Postgres, own_postgres

TABLES = ("customers", "products", "invoice_lines", "receivables", "payment_allocations")


@pytest.fixture(scope="module")
def _golden() -> Iterator[Postgres]:
    with own_postgres() as database:
        odoo.build(database)
        yield database


@pytest.fixture
def shop() -> Iterator[Postgres]:
    with own_postgres() as database:
        odoo.build(database)
        yield database


@pytest.fixture
def puller(shop: Postgres, tmp_path: Path) -> Puller:
    return Puller(tmp_path / "home", "odoo", reach(shop, "1"))


def test_a_pull_gives_the_rows_that_the_extracted_files_give_to_the_digit(puller: Puller) -> None:
    puller.pull()
    (outcome,) = puller.load()
    assert outcome.status == "loaded"
    for table in TABLES:
        with (odoo.GOLDEN / "expected" / f"{table}.csv").open(encoding="utf-8", newline="") as stream:
            expected = list(csv.DictReader(stream))
        names = ", ".join(f"coalesce({name}::VARCHAR, '')" for name in expected[0])
        key = ", ".join(load_contract(table).key)
        rows = puller.query(f"SELECT {names} FROM erp.{table} ORDER BY {key}")
        assert rows == [tuple(row.values()) for row in expected], table
