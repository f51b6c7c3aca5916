"""A company small enough to be loaded and rated in a second, its extracts landed by hand as batches of `generic_csv`."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from expectations.gate import Gate
from flows.inbox import landing
from flows.pipeline import rate, stages
from flows.pipeline.rate_company import RatingReport
from flows.settings import Settings

SOURCE, COMPANY = "generic_csv", "1000"

Record = Mapping[str, object]
# Records by the name of their table.
Extract = Mapping[str, Sequence[Record]]
Tables = dict[str, list[tuple[object, ...]]]

# When something was written down, and which batch brought it.
WRITTEN_DOWN = frozenset({"recorded_at", "loaded_at", "published_at"})
ABOUT_THE_RUN = frozenset({"batch_finding", "batch_quality", "batch_refusal", "data_quality", "publication"})


def customer(customer_id: str, **more: object) -> Record:
    return {"customer_id": customer_id, "name": f"Customer {customer_id}", "status": "active", **more}


def line(
    document_id: str, customer_id: str, day: date, net: object, *, line_id: str = "1", **more: object
) -> Record:
    """An invoice line of one piece, of which three quarters are cost."""
    return {
        "document_id": document_id,
        "line_id": line_id,
        "document_type": "invoice",
        "invoice_date": day,
        "customer_id": customer_id,
        "quantity": 1,
        "uom": "EA",
        "net_amount": net,
        "currency": "EUR",
        "company_currency": "EUR",
        "cost_amount_company": f"{float(str(net)) * 0.75:.4f}",
        "is_cancelled": "false",
        **more,
    }


def item(item_id: str, customer_id: str, posted: date, due: date, amount: object, **more: object) -> Record:
    return {
        "item_id": item_id,
        "customer_id": customer_id,
        "item_type": "invoice",
        "posting_date": posted,
        "due_date": due,
        "original_amount": amount,
        "currency": "EUR",
        "company_currency": "EUR",
        **more,
    }


def gone(record: Record, *key: str) -> Record:
    """The tombstone of a record: its key, and nothing else."""
    return {name: value if name in key else None for name, value in record.items()} | {"is_deleted": "true"}


def settings_of(home: Path, **more: object) -> Settings:
    """A home of its own, under the shipped policy unless another is named."""
    policy = {"policy": rate.SHIPPED_POLICIES / "default.toml"}
    return Settings.model_validate({"home": home, **policy, **more})


def land(settings: Settings, extract: Extract, *, taken: date, sequence: int) -> landing.Landed:
    """One batch with one file a table; its number is its place among the batches, whenever it arrives."""
    folder = settings.home / "exports" / f"{sequence:03}"
    files = [_write(folder / f"{table}.csv", records) for table, records in extract.items() if records]
    moment = datetime(taken.year, taken.month, taken.day, 2, tzinfo=UTC)
    return landing.land(
        settings,
        [str(file) for file in files],
        source=SOURCE,
        company=COMPANY,
        extracted_at=moment,
        sequence=sequence,
    )


def _write(file: Path, records: Sequence[Record]) -> Path:
    columns = list(dict.fromkeys(name for record in records for name in record))
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows({key: "" if v is None else v for key, v in record.items()} for record in records)
    return file


def load(settings: Settings, gate: Gate) -> None:
    """Load what has landed, and let nothing be refused or put aside unnoticed."""
    report = stages.load_stage(settings, gate)
    faults = [str(fault) for outcome in report.outcomes for fault in outcome.faults]
    quarantined = [table for outcome in report.outcomes for table in outcome.tables if table.quarantined]
    assert not faults
    assert not quarantined


def refresh(settings: Settings, gate: Gate, as_of: date) -> RatingReport | None:
    """Everything a refresh does, without Prefect; what its rating did."""
    load(settings, gate)
    rating = stages.rate_stage(settings, as_of)
    stages.publish_stage(settings)
    return rating


def mart(home: Path, *, without: Collection[str] = WRITTEN_DOWN) -> Tables:
    """The rows of every published table but the books on batches and runs, in one order."""
    with duckdb.connect(str(home / "mart.duckdb"), read_only=True) as connection:
        names = connection.execute("SELECT table_name FROM information_schema.tables ORDER BY 1").fetchall()
        return {
            name: _rows(connection, f'SELECT * FROM "{name}"', without)
            for (name,) in names
            if name not in ABOUT_THE_RUN
        }


def assert_same(expected: Tables, found: Tables) -> None:
    """Fail with the rows that only one of two marts has."""
    differences = [
        f"{side} {name} {row}"
        for name in {**expected, **found}
        for side, these, those in (("-", expected, found), ("+", found, expected))
        for row in (Counter(these.get(name, [])) - Counter(those.get(name, []))).elements()
    ]
    if differences:
        pytest.fail("\n".join(differences))


def table(home: Path, sql: str, *, without: Collection[str] = ()) -> list[tuple[object, ...]]:
    """The rows of a query on the published mart, in one order, but for some columns."""
    with duckdb.connect(str(home / "mart.duckdb"), read_only=True) as connection:
        return _rows(connection, sql, without)


def _rows(
    connection: duckdb.DuckDBPyConnection, sql: str, without: Collection[str]
) -> list[tuple[object, ...]]:
    columns = [str(row[0]) for row in connection.execute(f"DESCRIBE {sql}").fetchall()]
    kept = ", ".join(f'"{column}"' for column in columns if column not in without)
    return connection.execute(f"SELECT {kept} FROM ({sql}) ORDER BY ALL").fetchall()


def merged(extracts: Iterable[Extract]) -> dict[str, list[Record]]:
    """Several extracts as one."""
    together: dict[str, list[Record]] = {}
    for extract in extracts:
        for name, records in extract.items():
            together.setdefault(name, []).extend(records)
    return together
