"""Pulls from PostgreSQL, of tables as Odoo has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import odoo
from tests.databases.pulling import Puller, assert_golden, reach
from tests.databases.servers import Postgres, own_postgres


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
    assert_golden(puller, odoo.GOLDEN)
