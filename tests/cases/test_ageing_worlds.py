"""The ageing of each pack against an oracle: whatever happened, each customer's balance, buckets and days late on any day are right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from expectations.gate import Gate
from flows.inbox import landing
from flows.pipeline import rate, stages
from flows.settings import Settings
from tests.cases import ledger_world
from transforms.credit.watch import credit_watch
from transforms.facts.model import Facts
from warehouse.connection import connect
from warehouse.rating import facts

COMPANY = "1000"
DATES = [date(2025, month, 28) for month in range(3, 13)]
TAKEN = datetime(2026, 3, 1, 2, tzinfo=UTC)
PACKS: dict[str, tuple[Callable[[ledger_world.World], ledger_world.Files], str, int]] = {
    "erpnext": (ledger_world.as_erpnext, ",", 0),
    "kingdee": (ledger_world.as_kingdee, ",", 0),
    "odoo": (ledger_world.as_odoo, ",", 100),
    "sap_s4": (ledger_world.as_sap, ",", 0),
    "yonyou_u8": (ledger_world.as_u8, ",", 0),
}


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.usefixtures("collected_as_rated")
def test_every_customer_owes_and_is_late_on_ten_days_by_what_happened_until_then(
    pack: str, tmp_path: Path
) -> None:
    world = ledger_world.make_world(customers=200, seed=20261128)
    writer, delimiter, offset = PACKS[pack]
    settings = Settings(home=tmp_path / "home")
    files = ledger_world.write(tmp_path / "extract", writer(world), delimiter)
    landing.land(settings, files, source=pack, company=COMPANY, extracted_at=TAKEN)
    (outcome,) = stages.load_stage(settings, Gate()).outcomes
    assert not outcome.faults
    assert not [table.name for table in outcome.tables if table.quarantined]
    policy = rate.read_policy(rate.SHIPPED_POLICIES / "default.toml")
    settled_on = ledger_world.applied_on if pack == "erpnext" else lambda settlement: settlement.day
    with connect(settings.warehouse_file, read_only=True) as connection:
        for day in DATES:
            tables = {
                name: facts.read_extract(connection, name, COMPANY, day)
                for name in ("customers", "receivables", "payments", "payment_allocations")
            }
            cells = {
                name: facts.read_cells(connection, name, COMPANY) for name in ("customer_month", "order_day")
            }
            watched = credit_watch(Facts(**tables, **cells), policy, day).collect()
            found = {
                row["customer_id"]: tuple(row[name] for name in (*ledger_world.BUCKETS, "unapplied_credit"))
                for row in watched.iter_rows(named=True)
            }
            names = {
                customer: customer if not offset else str(int(customer[1:]) + offset)
                for customer in ledger_world.customers_of(world)
            }
            standing = ledger_world.standing(world, day, settled_on)
            differ = {
                customer: (found.get(names[customer]), amounts)
                for customer, amounts in standing.items()
                if found.get(names[customer], (Decimal(0),) * 6) != amounts
            }
            assert not differ, (
                f"{day}: {len(differ)} of {len(standing)}, such as {next(iter(differ.items()))}"
            )
            late = {
                row["customer_id"]: row["days_late_12m"]
                for row in watched.iter_rows(named=True)
                if row["days_late_12m"] is not None
            }
            expected = {
                names[customer]: days
                for customer, days in ledger_world.days_late(world, day, settled_on).items()
            }
            wrong = {
                customer: (late.get(customer), expected.get(customer))
                for customer in late.keys() | expected.keys()
                if late.get(customer) != expected.get(customer)
            }
            assert not wrong, f"{day}: {len(wrong)} of {len(expected)}, such as {next(iter(wrong.items()))}"
