"""An ERP is read while people work in it: once they stop, one more pull and the warehouse holds what the ERP holds."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.databases import erpnext, odoo
from tests.databases.pulling import COMPANY, Puller, reach
from tests.databases.servers import own_mariadb, own_postgres
from tests.databases.writers import ErpnextWriter, OdooWriter, Writer

PROGRAM = Path(__file__).with_name("killed_pull.py")
TABLES = ("customers", "products", "invoice_lines", "receivables", "payment_allocations")
# What a person would ask either database, to compare with their own eyes.
BOTH_SAY = {
    "odoo": (
        """SELECT m.name, l.id::text, l.balance::text, (l.quantity * CASE move_type WHEN 'out_refund' THEN -1 ELSE 1 END)::text,
                  m.state = 'cancel'
           FROM account_move_line AS l JOIN account_move AS m ON m.id = l.move_id
           WHERE m.company_id = 1 AND m.move_type LIKE 'out%' AND l.display_type = 'product'
             AND (m.state = 'posted' OR m.state = 'cancel' AND m.posted_before)""",
        "SELECT document_id, line_id, -net_amount_company, quantity, is_cancelled FROM erp.invoice_lines WHERE NOT is_deleted",
    ),
    "erpnext": (
        """SELECT i.name, l.name, l.base_net_amount, round(l.stock_qty, 6), i.docstatus = 2
           FROM `tabSales Invoice Item` AS l JOIN `tabSales Invoice` AS i ON i.name = l.parent
           WHERE i.company = 'Rhein Papier GmbH' AND i.docstatus > 0 AND i.is_opening = 'No'""",
        "SELECT document_id, line_id, net_amount_company, base_quantity, is_cancelled FROM erp.invoice_lines WHERE NOT is_deleted",
    ),
}


@dataclass
class Shop:
    """An ERP's database, and who works in it."""

    source: str
    database: Any
    company: str
    writer: Callable[..., Writer]

    def puller(self, home: Path, **changes: Any) -> Puller:
        """A home that pulls it."""
        return Puller(home, self.source, reach(self.database, self.company, **changes))


@contextmanager
def odoo_shop() -> Iterator[Shop]:
    with own_postgres() as database:
        odoo.build(database)
        yield Shop("odoo", database, "1", OdooWriter)


@contextmanager
def erpnext_shop() -> Iterator[Shop]:
    with own_mariadb() as database:
        erpnext.build(database)
        yield Shop("erpnext", database, erpnext.COMPANY, ErpnextWriter)


SHOPS: dict[str, Callable[[], AbstractContextManager[Shop]]] = {"odoo": odoo_shop, "erpnext": erpnext_shop}


@pytest.fixture(params=SHOPS)
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    with SHOPS[request.param]() as opened:
        yield opened


def comparable(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows in one order; numbers by what they are worth, whatever zeros follow."""
    return sorted(
        (document, line, Decimal(str(amount)), Decimal(str(quantity)), bool(cancelled))
        for document, line, amount, quantity, cancelled in rows
    )


def assert_equal_to_the_source(shop: Shop, puller: Puller, tmp_path: Path) -> None:
    """By a query that asks the ERP itself, and column for column against one pull of everything into a fresh home."""
    there, here = BOTH_SAY[shop.source]
    assert comparable(puller.query(here)) == comparable(shop.database.rows(there))
    fresh = shop.puller(tmp_path / "fresh")
    fresh.pull()
    fresh.load()
    for table in TABLES:
        assert puller.table(table) == fresh.table(table), table


def kill_a_pull(puller: Puller, step: int) -> None:
    """A pull in a process of its own, killed as it begins its n-th step."""
    connections = {
        name: json.loads(each.model_dump_json(exclude_none=True, exclude_defaults=True))
        for name, each in puller.settings.connections.items()
    }
    environment = {
        **os.environ,
        "VALUEMART_HOME": str(puller.home),
        "VALUEMART_CONNECTIONS": json.dumps(connections),
        "PYTHONPATH": str(PROGRAM.parents[2]),
    }
    command = [sys.executable, str(PROGRAM), puller.source, COMPANY, str(step)]
    ended = subprocess.run(
        command, check=False, env=environment, cwd=puller.home, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def test_once_a_writer_stops_one_more_pull_makes_the_warehouse_equal_to_the_source(
    shop: Shop, tmp_path: Path
) -> None:
    puller, chance = shop.puller(tmp_path / "home"), random.Random(20260201)
    writer = shop.writer(shop.database, seed=3)
    writer.start()
    try:
        for number in range(1, 7):
            if number % 3 == 0:
                kill_a_pull(puller, chance.randrange(1, 8))
            else:
                puller.pull()
            if number % 2:
                puller.load()
    finally:
        writer.stop()
    assert writer.steps > 30
    puller.pull()
    puller.load()
    assert_equal_to_the_source(shop, puller, tmp_path)
