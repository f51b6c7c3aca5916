"""A small shop whose extracts a test writes by hand, and the loader around it: files in, canonical rows and counts out."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import yaml

from expectations.gate import Gate
from flows.pipeline import load
from flows.pipeline.stages import RefreshResult
from flows.settings import Settings
from warehouse.connection import open_database
from warehouse.store.ledger import BatchOutcome
from warehouse.store.migrate import migrate

COMPANY = "DE01"
NOW = datetime(2025, 7, 1, 3)
FIRST_EXTRACT = datetime(2025, 6, 1, 2)

PROFILE: dict[str, Any] = {
    "source": "shop",
    "title": "A shop's own exports",
    "version": "1",
    "defaults": {"delimiter": ";", "decimal_mark": ",", "group_mark": ".", "date_formats": ["%d.%m.%Y"]},
    "resources": {
        "LINES": {
            "pattern": "lines*",
            "required": False,
            "columns": {
                "document": {"header": ["Beleg", "Document"]},
                "position": {"header": "Pos"},
                "invoiced_on": {"header": "Datum", "type": "date"},
                "customer": {"header": "Kunde"},
                "quantity": {"header": "Menge", "type": "decimal"},
                "net": {"header": "Netto", "type": "decimal(18,4)"},
                "note": {"header": "Text", "optional": True},
                "deleted": {"header": "Weg", "type": "boolean", "optional": True},
            },
        },
        "CUSTOMERS": {
            "pattern": "customers*",
            "required": False,
            "mode": "full_snapshot",
            "columns": {
                "customer": {"header": "Kunde"},
                "name": {"header": "Firma"},
                "credit_limit": {"header": "Limit", "type": "decimal(18,4)", "optional": True},
                "deleted": {"header": "Weg", "type": "boolean", "optional": True},
            },
        },
    },
    "tables": {"invoice_lines": {"driving": "LINES"}, "customers": {"driving": "CUSTOMERS"}},
}
SQL = {
    "invoice_lines": """
        SELECT document AS document_id, position AS line_id, 'invoice' AS document_type, invoiced_on AS invoice_date,
               customer AS customer_id, note AS product_id, quantity, 'ST' AS uom, net AS net_amount, 'EUR' AS currency,
               net AS net_amount_company, 'EUR' AS company_currency, false AS is_cancelled, deleted AS is_deleted,
               CASE WHEN document = 'Summe' THEN 'totals_line' END AS _excluded, _file, _row
        FROM LINES
    """,
    "customers": """
        SELECT customer AS customer_id, name, credit_limit, 'active' AS status, deleted AS is_deleted, _file, _row
        FROM CUSTOMERS
    """,
}
LINE_HEADER = "Beleg;Pos;Datum;Kunde;Menge;Netto"


def changed(profile: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy of a profile with some of its entries changed, `resources__LINES__required=False` by path."""
    copy: dict[str, Any] = json.loads(json.dumps(profile))
    for path, value in changes.items():
        place: Any = copy
        *outer, last = path.split("__")
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = value
    return copy


def write_source(
    root: Path, profile: Mapping[str, Any] = PROFILE, sql: Mapping[str, str] | None = None, **changes: Any
) -> Path:
    """A source folder of that profile; `sql` and `changes` replace parts of it."""
    document = changed(profile, **changes)
    folder = root / document["source"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "profile.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    for table, text in {**SQL, **(sql or {})}.items():
        (folder / f"{table}.sql").write_text(text, encoding="utf-8")
    return folder


def lines(*rows: str, header: str = LINE_HEADER) -> bytes:
    """Invoice lines as the shop writes them."""
    return ("\n".join([header, *rows]) + "\n").encode()


def line(number: int = 1, *, net: str = "10,00", customer: str = "K1", day: str = "05.05.2025") -> str:
    """One good line of document R<number>."""
    return f"R{number};1;{day};{customer};1;{net}"


def customers(*rows: str) -> bytes:
    """A customer master as the shop writes it."""
    return ("\n".join(["Kunde;Firma", *rows]) + "\n").encode()


@dataclass(frozen=True)
class Delivery:
    """One batch as it is to be written."""

    files: Mapping[str, Mapping[str, bytes]]
    batch_id: str = "b1"
    source: str = "shop"
    company: str = COMPANY
    sequence: int = 0
    extracted_at: datetime = FIRST_EXTRACT
    mode: str = "delta_upsert"
    window: tuple[str, str] | None = None
    supersedes: str | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    totals: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def manifest(self) -> dict[str, Any]:
        """The manifest that tells the truth about it."""
        return {
            "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
            "name": self.batch_id.lower(),
            "created": self.extracted_at.isoformat(),
            "valuemart": {
                "source": self.source,
                "company": self.company,
                "batchId": self.batch_id,
                "sequence": self.sequence,
                "extractedAt": self.extracted_at.isoformat(),
                "supersedes": self.supersedes,
            },
            "resources": [
                {
                    "name": resource,
                    "path": list(files),
                    "hash": ["sha256:" + hashlib.sha256(content).hexdigest() for content in files.values()],
                    "valuemart": {
                        "mode": self.mode,
                        **(
                            {"window": dict(zip(("from", "to"), self.window, strict=True))}
                            if self.window
                            else {}
                        ),
                        "rows": self.rows.get(resource),
                        "controlTotals": self.totals.get(resource),
                    },
                }
                for resource, files in self.files.items()
            ],
        }

    def write(self, inbox: Path, *, manifest: Any = None, ready: bool = True) -> Path:
        """Write it into an inbox; `manifest` replaces the true one, bytes as they are."""
        folder = inbox / self.source / self.company / self.batch_id
        folder.mkdir(parents=True, exist_ok=True)
        for files in self.files.values():
            for name, content in files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
        stated = self.manifest() if manifest is None else manifest
        text = stated if isinstance(stated, bytes) else json.dumps(stated).encode()
        (folder / "datapackage.json").write_bytes(text)
        if ready:
            (folder / "_SUCCESS").touch()
        return folder


def of_lines(*rows: str, name: str = "lines.csv", **about: Any) -> Delivery:
    """A batch of invoice lines; the n-th batch (`number`) of its source where that is said."""
    number = about.pop("number", None)
    if number is not None:
        about = numbered(number) | about
    return Delivery({"LINES": {name: lines(*rows)}}, **about)


def of_customers(*rows: str, **about: Any) -> Delivery:
    """A full snapshot of customers; the n-th batch of its source where a `number` is said."""
    number = about.pop("number", None)
    if number is not None:
        about = numbered(number) | about
    return Delivery({"CUSTOMERS": {"customers.csv": customers(*rows)}}, **{"mode": "full_snapshot", **about})


def numbered(number: int) -> dict[str, Any]:
    """Identity and order of a source's n-th batch, extracted on the n-th day."""
    return {
        "batch_id": f"b{number}",
        "sequence": number,
        "extracted_at": FIRST_EXTRACT + timedelta(days=number),
    }


@cache
def gate() -> Gate:
    """One judge for all tests: Great Expectations takes seconds to import."""
    return Gate()


@cache
def _empty_warehouse() -> bytes:
    """A migrated file without a row, made once: its forty tables take longer than a small load."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "warehouse.duckdb"
        with open_database(file) as connection:
            migrate(connection, NOW)
        return file.read_bytes()


@dataclass
class Loader:
    """A home with the shop's source, and the plain functions that load what lies in its inbox."""

    root: Path
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        """The settings point at folders of the test's own."""
        sources = self.root / "sources"
        sources.mkdir(parents=True, exist_ok=True)
        self.settings = Settings(home=self.root / "home", sources_path=[sources], data_docs="never")
        self.settings.home.mkdir()
        self.settings.warehouse_file.write_bytes(_empty_warehouse())

    def source(self, *arguments: Any, **changes: Any) -> Path:
        """Write the source that deliveries name; see `write_source`."""
        return write_source(self.root / "sources", *arguments, **changes)

    def with_settings(self, **changes: Any) -> None:
        """Change settings for what is loaded from now on."""
        self.settings = self.settings.model_copy(update=changes)

    def land(self, *deliveries: Delivery) -> None:
        """Put batches into the inbox."""
        for delivery in deliveries:
            delivery.write(self.settings.inbox)

    def load(self, *deliveries: Delivery) -> list[BatchOutcome]:
        """Land these, and load everything that lies in the inbox."""
        self.land(*deliveries)
        return self.report().outcomes

    def report(self) -> load.LoadReport:
        """Load everything that lies in the inbox."""
        return load.load_inbox(self.settings, gate(), recorded_at=NOW)

    def one(self, delivery: Delivery) -> BatchOutcome:
        """Load a single batch."""
        (outcome,) = self.load(delivery)
        return outcome

    def loaded(self, delivery: Delivery) -> BatchOutcome:
        """Load a single batch that must not be refused."""
        outcome = self.one(delivery)
        assert outcome.status != "refused", outcome.faults
        return outcome

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        with duckdb.connect(str(self.settings.warehouse_file), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def column(self, sql: str) -> list[Any]:
        """The first column of a query."""
        return [row[0] for row in self.query(sql)]

    def reasons(self) -> list[tuple[Any, ...]]:
        """File, row, column, rule and raw text of everything in quarantine, in order."""
        return self.query(
            "SELECT file, row_number, column_name, rule, raw_value FROM quarantine.reason ORDER BY ALL"
        )

    def exit_code(self, outcomes: Sequence[BatchOutcome], *, strict: bool = False) -> int:
        """What a refresh that loaded these ends with."""
        result = RefreshResult(NOW.date(), load=load.LoadReport(list(outcomes)))
        return result.exit_code(strict=strict)


def assert_conserved(loader: Loader) -> None:
    """Every row that came in is accepted, quarantined, waiting, excluded or refused; the quarantine holds as many as are told."""
    for name, rows_in, told in loader.query(
        """SELECT source || '/' || batch_id || '/' || table_name, rows_in, accepted + quarantined + waiting + excluded + refused
           FROM ops.batch_table"""
    ):
        assert rows_in == told, name
    counted = loader.query(
        """SELECT batch_id, table_name, sum(quarantined + waiting)::BIGINT FROM ops.batch_table
           GROUP BY ALL HAVING sum(quarantined + waiting) > 0 ORDER BY ALL"""
    )
    kept = loader.query("SELECT batch_id, table_name, count(*) FROM quarantine.row GROUP BY ALL ORDER BY ALL")
    assert counted == kept


def csv_text(rows: Iterable[Sequence[str]], **style: Any) -> bytes:
    """Rows as CSV, as Python's own writer has them."""
    stream = io.StringIO()
    csv.writer(stream, **{"delimiter": ";", "lineterminator": "\n", **style}).writerows(rows)
    return stream.getvalue().encode()


def at(delivery: Delivery, **about: Any) -> Delivery:
    """The same files, delivered otherwise."""
    return replace(delivery, **about)
