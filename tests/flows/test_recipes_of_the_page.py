"""The recipe of the page on adding a source: payments that are applied to the oldest item first."""

from __future__ import annotations

import re
from pathlib import Path

from tests.warehouse.making import PROFILE, Delivery, Loader, changed

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-source.md"
PAID = {
    "pattern": "payments*", "required": False, "mode": "full_snapshot",
    "columns": {
        "payment": {"header": "Zahlung"}, "customer": {"header": "Kunde"},
        "paid_on": {"header": "Tag", "type": "date"}, "amount": {"header": "Betrag", "type": "decimal(18,4)"},
    },
}  # fmt: skip
OWED = {
    "pattern": "items*", "required": False, "mode": "full_snapshot",
    "columns": {
        "item": {"header": "Posten"}, "customer": {"header": "Kunde"},
        "due_on": {"header": "Faellig", "type": "date"}, "amount": {"header": "Betrag", "type": "decimal(18,4)"},
    },
}  # fmt: skip


def test_payments_without_a_reference_are_applied_to_the_oldest_item_first(tmp_path: Path) -> None:
    found = re.search(
        r"```sql\n(  -- payment_allocations: \{.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert found
    loader = Loader(tmp_path)
    grouped = {"PAYMENTS": ["customer"], "ITEMS": ["customer"]}
    mapping = {"driving": "PAYMENTS", "derived": True, "grouped_by": grouped}
    loader.source(
        changed(
            PROFILE, resources__PAYMENTS=PAID, resources__ITEMS=OWED, tables__payment_allocations=mapping
        ),
        {"payment_allocations": found.group(1)},
    )
    payments = (
        "Zahlung;Kunde;Tag;Betrag\nP1;K1;01.05.2025;70,00\nP2;K1;10.05.2025;60,00\nP3;K2;02.05.2025;5,00\n"
    )
    items = "Posten;Kunde;Faellig;Betrag\nI2;K1;20.04.2025;40,00\nI1;K1;10.04.2025;50,00\nI3;K1;30.04.2025;100,00\n"
    loader.loaded(
        Delivery(
            {"PAYMENTS": {"payments.csv": payments.encode()}, "ITEMS": {"items.csv": items.encode()}},
            mode="full_snapshot",
        )
    )
    assert loader.query(
        "SELECT payment_id, item_id, amount::DOUBLE FROM erp.payment_allocations ORDER BY ALL"
    ) == [("P1", "I1", 50.0), ("P1", "I2", 20.0), ("P2", "I2", 20.0), ("P2", "I3", 40.0)]
