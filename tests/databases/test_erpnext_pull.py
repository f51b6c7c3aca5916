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
