"""A database as ERPNext 15 has it, with as much of it as the source `erpnext` reads, holding the golden extract's company."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.databases.servers import MariaDb, insert

GOLDEN = Path(__file__).parents[1] / "golden" / "erpnext"
COMPANY = "Rhein Papier GmbH"
BOOKED = "2026-01-31 12:00:00.000001"

_STANDARD = "name varchar(140) PRIMARY KEY, creation datetime(6), modified datetime(6)"
_CHILD = f"{_STANDARD}, parent varchar(140), parenttype varchar(140), idx int"
_AMOUNT = "decimal(21,9) NOT NULL DEFAULT 0"
TABLES = {
    "Company": f"{_STANDARD}, abbr varchar(140), default_currency varchar(140), country varchar(140)",
    "Customer": f"""{_STANDARD}, customer_name varchar(140), customer_group varchar(140), territory varchar(140),
        industry varchar(140), disabled int(1) NOT NULL DEFAULT 0, is_frozen int(1) NOT NULL DEFAULT 0""",
    "Customer Credit Limit": f"""{_CHILD}, company varchar(140), credit_limit {_AMOUNT},
        bypass_credit_limit_check int(1)""",
    "Item": f"""{_STANDARD}, item_name varchar(140), item_group varchar(140), stock_uom varchar(140),
        disabled int(1) NOT NULL DEFAULT 0, valuation_rate {_AMOUNT}""",
    "Sales Invoice": f"""{_STANDARD}, docstatus int(1) NOT NULL DEFAULT 0, company varchar(140), customer varchar(140),
        posting_date date, due_date date, currency varchar(140), conversion_rate {_AMOUNT}, is_return int(1),
        return_against varchar(140), is_debit_note int(1), is_internal_customer int(1), is_opening varchar(140),
        territory varchar(140), amended_from varchar(140)""",
    "Sales Invoice Item": f"""{_CHILD}, item_code varchar(140), qty {_AMOUNT}, uom varchar(140),
        conversion_factor {_AMOUNT}, stock_qty {_AMOUNT}, stock_uom varchar(140), net_amount {_AMOUNT},
        base_net_amount {_AMOUNT}, incoming_rate {_AMOUNT}, is_free_item int(1) NOT NULL DEFAULT 0""",
    "Payment Ledger Entry": f"""{_STANDARD}, posting_date date, company varchar(140), account_type varchar(140),
        account varchar(140), party_type varchar(140), party varchar(140), due_date date, voucher_type varchar(140),
        voucher_no varchar(140), against_voucher_type varchar(140), against_voucher_no varchar(140), amount {_AMOUNT},
        account_currency varchar(140), amount_in_account_currency {_AMOUNT}, delinked int(1) NOT NULL DEFAULT 0,
        KEY (against_voucher_no)""",
    "Journal Entry": f"""{_STANDARD}, docstatus int(1) NOT NULL DEFAULT 0, company varchar(140), posting_date date,
        voucher_type varchar(140)""",
    "Payment Schedule": f"""{_CHILD}, payment_term varchar(140), due_date date, payment_amount {_AMOUNT},
        base_payment_amount {_AMOUNT}, KEY (parent)""",
}


def build(database: MariaDb) -> None:
    """Create the tables and fill them."""
    database.execute(
        "CREATE TABLE `tabSingles` (doctype varchar(255), field varchar(255), value text)",
        "INSERT INTO `tabSingles` VALUES ('System Settings', 'time_zone', 'Europe/Berlin')",
    )
    for name, columns in TABLES.items():
        database.execute(f"CREATE TABLE `tab{name}` ({columns})")
        file = GOLDEN / "extract" / f"{name.lower().replace(' ', '_')}.csv"
        if not file.exists():
            continue
        with file.open(encoding="utf-8", newline="") as stream:
            rows = [
                {key: "" if value in {"NULL", "\\N"} else value for key, value in row.items()}
                for row in csv.DictReader(stream)
            ]
        for row in rows:
            row.setdefault("modified", BOOKED)
        database.execute(insert(f"`tab{name}`", list(rows[0]), [list(row.values()) for row in rows]))
