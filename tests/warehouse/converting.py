"""Batches of generic_csv that need rates and units to be converted."""

from __future__ import annotations

from tests.warehouse.making import Delivery, csv_text, numbered

LINE = {
    "document_id": "R1", "line_id": "1", "document_type": "invoice", "invoice_date": "2025-05-05", "customer_id": "K1",
    "product_id": "P1", "quantity": "2", "uom": "BOX", "net_amount": "100.00", "currency": "USD", "net_amount_company": "",
    "company_currency": "EUR", "is_cancelled": "false", "base_quantity": "",
}  # fmt: skip
FACTOR = {"product_id": "", "from_uom": "BOX", "to_uom": "PCE", "factor": "24"}
PRODUCT = {"product_id": "P1", "name": "Pump", "base_uom": "PCE"}

Rows = list[dict[str, str]]


def batch(number: int = 1, **tables: Rows) -> Delivery:
    files = {
        table: {
            f"{table}.csv": csv_text([list(rows[0]), *(list(row.values()) for row in rows)], delimiter=",")
        }
        for table, rows in tables.items()
    }
    return Delivery(files, source="generic_csv", **numbered(number))


def line(number: int = 1, **changes: str) -> dict[str, str]:
    return {**LINE, "document_id": f"R{number}", **changes}
