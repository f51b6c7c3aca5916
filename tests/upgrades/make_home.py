"""Make the golden home of a released state: a small company, loaded and rated by that state's own commands.

    python tests/upgrades/make_home.py CHECKOUT NAME

CHECKOUT is a checkout of the state with its .venv; the home is packed into tests/upgrades/homes/NAME.tar.xz. It uses the
command line alone, since that is what a released state promises. A home that is packed is never made again.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

HOMES = Path(__file__).with_name("homes")
MONTHS = [date(2024, month, 1) for month in range(1, 8)]
CUSTOMERS = [f"C{number:02}" for number in range(1, 21)]
NEVER_PAYS, PAYS_LATE, DISPUTES, CORRECTED = "C05", "C09", "C12", "C03"
BROKEN, MENDED = "1.234,56", "1234.56"
# What a home can do without: the report and the pages of the judge are made anew, scratch is nobody's.
LEFT_OUT = {
    "report",
    "data_docs",
    "scratch",
    "prefect",
    "pulling",
    "exports",
    "server",
    "mart",
    "mart.duckdb",
}

Record = Mapping[str, object]


def main() -> None:
    """Make, pack and say how large."""
    checkout, name = Path(sys.argv[1]).resolve(), sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        company = _Company(checkout, home)
        for month in MONTHS[:5]:
            company.land(month)
        company.run("backfill", "--from", "2024-01", "--to", "2024-05")
        company.mend()
        company.land(MONTHS[5])
        company.run("refresh", "--as-of", "2024-06-30")
        company.run("backup")
        company.land(MONTHS[6])  # stays in the inbox
        packed = HOMES / f"{name}.tar.xz"
        packed.parent.mkdir(exist_ok=True)
        with tarfile.open(packed, "w:xz", preset=9) as archive:
            for path in sorted(home.iterdir()):
                if path.name not in LEFT_OUT:
                    archive.add(path, path.name, filter=_nobodys)
    sys.stdout.write(f"{packed}: {packed.stat().st_size} bytes\n")


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


class _Company:
    """The company's home, and the commands of a checkout that work on it."""

    def __init__(self, checkout: Path, home: Path) -> None:
        self.checkout, self.home = checkout, home

    def run(self, *arguments: str) -> str:
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("VALUEMART_", "PREFECT_"))
        }
        environment |= {"VALUEMART_HOME": str(self.home), "VALUEMART_DATA_DOCS": "never"}
        done = subprocess.run(
            [str(self.checkout / ".venv/bin/valuemart"), *arguments],
            cwd=self.checkout,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def land(self, month: date) -> None:
        """The extract of one month, taken on the first day of the next; the masters come with the first."""
        folder = self.home / "exports" / f"{month:%Y-%m}"
        folder.mkdir(parents=True)
        tables: dict[str, Sequence[Record]] = {
            "invoice_lines": lines(month),
            "receivables": items(month),
            "payments": [payment for payment, _ in payments(month)],
            "payment_allocations": [allocation for _, allocation in payments(month)],
        }
        if month == MONTHS[0]:
            tables |= {"customers": customers(), "products": products()}
        for table, records in tables.items():
            if records:
                _write(folder / f"{table}.csv", records)
        self.run(
            "land", *(str(path) for path in sorted(folder.iterdir())), "--source", "generic_csv", "--company", "1000",
            "--extracted-at", f"{_next(month)}T02:00:00", "--sequence", f"{month:%Y%m}",
        )  # fmt: skip

    def mend(self) -> None:
        """Let the row in that a clerk can mend; the other stays in quarantine."""
        sheet = self.home / "exports" / "sheet.csv"
        self.run("quarantine", "export", "--out", str(sheet))
        text = sheet.read_text(encoding="utf-8-sig")
        if BROKEN not in text:
            raise SystemExit(f"{sheet} holds no {BROKEN}")
        sheet.write_text(text.replace(f'"{BROKEN}"', MENDED), encoding="utf-8")
        self.run("quarantine", "release", str(sheet))


def customers() -> list[Record]:
    """Twenty, five in a group, most with a limit."""
    return [
        {
            "customer_id": customer,
            "name": f"Customer {customer}",
            "group_id": "G1" if customer in CUSTOMERS[:5] else "",
            "industry_code": "PACK" if place % 2 else "CHEM",
            "channel": "direct" if place % 3 else "distribution",
            "credit_limit": "" if place == 19 else f"{(place + 1) * 3000}.0000",
            "credit_currency": "" if place == 19 else "EUR",
            "payment_term_days": 30,
            "created_on": "2020-05-04",
            "status": "active",
        }
        for place, customer in enumerate(CUSTOMERS)
    ]


def products() -> list[Record]:
    """Four, each with a cost."""
    return [
        {
            "product_id": f"P{number}",
            "name": f"Product {number}",
            "category": "goods",
            "base_uom": "KG",
            "lifecycle_stage": "maturity",
            "status_from": "2019-01-01",
            "standard_cost": f"{number}.5000",
        }
        for number in range(1, 5)
    ]


def invoices(month: date) -> list[tuple[str, str, date, int]]:
    """Number, customer, day and amount in whole euros of a month's invoices: two of most, none of some."""
    made = []
    for place, customer in enumerate(CUSTOMERS):
        if (place + month.month) % 7 == 0:
            continue
        for which in range(1 + (place + month.month) % 3):
            day = month + timedelta(days=(place * 3 + which * 9) % 27)
            amount = 150 + 60 * place * place + 37 * month.month * (which + 1)
            made.append((f"{month:%y%m}{place:02}{which}", customer, day, amount))
    return made


def lines(month: date) -> list[Record]:
    """A line an invoice; a return in May, a row that can be mended in March, one that cannot in April, a late change in June."""
    made = [
        _line(number, customer, day, f"{amount}.0000") for number, customer, day, amount in invoices(month)
    ]
    if month == MONTHS[2]:
        made.append(_line("BROKEN-1", "C07", date(2024, 3, 14), BROKEN))
    if month == MONTHS[3]:
        made.append({**_line("BROKEN-2", "C08", date(2024, 4, 14), "800.0000"), "quantity": "zehn"})
    if month == MONTHS[4]:
        note = _line("NOTE-1", CORRECTED, date(2024, 5, 20), "-120.0000")
        made.append({**note, "document_type": "credit_note", "quantity": "-10.000000"})
    if month == MONTHS[5]:
        number, customer, day, amount = next(each for each in invoices(MONTHS[1]) if each[1] == CORRECTED)
        changed = {"source_changed_at": "2024-06-11 09:00:00"}
        made.append({**_line(number, customer, day, f"{amount + 4000}.0000"), **changed})
    return made


def _line(number: str, customer: str, day: date, net: str) -> Record:
    return {
        "document_id": number,
        "line_id": "1",
        "document_type": "invoice",
        "invoice_date": day,
        "customer_id": customer,
        "product_id": f"P{1 + sum(number.encode()) % 4}",
        "quantity": "100.000000",
        "uom": "KG",
        "net_amount": net,
        "currency": "EUR",
        "company_currency": "EUR",
        "is_cancelled": "false",
        "source_changed_at": "",
    }


def items(month: date) -> list[Record]:
    """An open item an invoice, and again with its clearing date once it was paid."""
    return [
        {
            "item_id": f"I{number}",
            "customer_id": customer,
            "document_id": number,
            "item_type": "invoice",
            "posting_date": day,
            "due_date": day + timedelta(days=30),
            "original_amount": f"{amount}.0000",
            "currency": "EUR",
            "company_currency": "EUR",
            "cleared_date": paid if (paid := paid_on(customer, day)) and paid < _next(month) else "",
            "is_disputed": "true" if customer == DISPUTES and issued == MONTHS[3] else "false",
        }
        for issued in MONTHS
        if issued <= month
        for number, customer, day, amount in invoices(issued)
        if issued == month or ((paid := paid_on(customer, day)) and month <= paid < _next(month))
    ]


def payments(month: date) -> list[tuple[Record, Record]]:
    """Each payment of the month, and what it pays."""
    return [
        (
            {
                "payment_id": f"Z{number}",
                "customer_id": customer,
                "payment_date": paid,
                "amount": f"{amount}.0000",
                "currency": "EUR",
                "method": "transfer",
            },
            {
                "payment_id": f"Z{number}",
                "item_id": f"I{number}",
                "allocated_on": paid,
                "amount": f"{amount}.0000",
            },
        )
        for issued in MONTHS
        if issued <= month
        for number, customer, day, amount in invoices(issued)
        if (paid := paid_on(customer, day)) and month <= paid < _next(month)
    ]


def paid_on(customer: str, day: date) -> date | None:
    """When an invoice is paid: in time, eight weeks late, or never."""
    if customer == NEVER_PAYS:
        return None
    return day + timedelta(days=86 if customer == PAYS_LATE else 28)


def _next(month: date) -> date:
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def _write(file: Path, records: Sequence[Record]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(records[0]))
        writer.writeheader()
        writer.writerows(records)


if __name__ == "__main__":
    main()
