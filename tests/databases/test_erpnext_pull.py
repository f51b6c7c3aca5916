"""Pulls from MariaDB, of tables as ERPNext has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import erpnext
from tests.databases.pulling import Puller, assert_golden, reach
from tests.databases.servers import MariaDb, own_mariadb


@pytest.fixture
def shop() -> Iterator[MariaDb]:
    with own_mariadb() as database:
        erpnext.build(database)
        yield database


@pytest.fixture
def puller(shop: MariaDb, tmp_path: Path) -> Puller:
    return Puller(tmp_path / "home", "erpnext", reach(shop, erpnext.COMPANY))


def test_a_pull_gives_the_rows_that_the_extracted_files_give_to_the_digit(puller: Puller) -> None:
    puller.pull()
    (outcome,) = puller.load()
    assert outcome.status == "loaded"
    assert_golden(puller, erpnext.GOLDEN)


def test_what_was_deleted_in_the_erp_is_found_by_its_keys(puller: Puller, shop: MariaDb) -> None:
    live = (
        "SELECT count(*) FROM erp.invoice_lines WHERE document_id = 'ACC-SINV-2026-00008' AND NOT is_deleted"
    )
    puller.pull()
    puller.load()
    for table, column in (("Sales Invoice Item", "parent"), ("Sales Invoice", "name")):
        shop.execute(f"DELETE FROM `tab{table}` WHERE {column} = 'ACC-SINV-2026-00008'")
    pulled = puller.pull(compare_keys=True)
    assert pulled.keys == {"invoice_lines": 11}
    assert puller.query(live) == [(1,)]
    (outcome,) = puller.load()
    assert {table.name: table.deleted for table in outcome.tables if table.deleted} == {
        "keys of invoice_lines": 1
    }
    assert puller.query(live) == [(0,)]
