"""Pulls and loads of one company into a home of a test's own."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from expectations.contract import load as load_contract
from flows.extract.batch import Pulled, pull_batch
from flows.pipeline import load
from flows.settings import Settings
from flows.settings.connections import Connection
from tests.databases.servers import HOST, MARIADB_USER, POSTGRES_USER, MariaDb, Postgres
from tests.warehouse.making import gate
from warehouse.store.ledger import BatchOutcome

COMPANY = "1000"
PROVENANCE = (
    "batch_id", "batch_sequence", "source_file", "source_file_sha256", "source_row", "recorded_at", "available_on",
)  # fmt: skip


def reach(database: Postgres | MariaDb, company_there: str, **changes: Any) -> Connection:
    """The connection to a test's database."""
    kind, user = (
        ("postgresql", POSTGRES_USER) if isinstance(database, Postgres) else ("mariadb", MARIADB_USER)
    )
    values: dict[str, Any] = {
        "kind": kind,
        "host": HOST,
        "database": database.database,
        "user": user,
        "companies": {COMPANY: company_there},
    }
    return Connection(**values | changes)


@dataclass
class Puller:
    """A home that pulls one source from one database."""

    home: Path
    source: str
    connection: Connection

    def __post_init__(self) -> None:
        # A writer in a hurry may cancel more between two loads than the guard against cut extracts lets go.
        self.settings = Settings(home=self.home, connections={self.source: self.connection}, shrink_limit=1.0)
        self.home.mkdir(parents=True, exist_ok=True)

    def pull(self, **about: Any) -> Pulled:
        """Land a batch."""
        return pull_batch(self.settings, self.source, COMPANY, taken_at=datetime.now(UTC), **about)

    def load(self) -> list[BatchOutcome]:
        """Load everything that lies in the inbox; none of it may be refused."""
        outcomes = load.load_inbox(
            self.settings, gate(), recorded_at=datetime.now(UTC).replace(tzinfo=None)
        ).outcomes
        for outcome in outcomes:
            assert outcome.status != "refused", outcome.faults
        return outcomes

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        with duckdb.connect(str(self.settings.warehouse_file), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def table(self, name: str) -> list[tuple[Any, ...]]:
        """A canonical table's live rows, without where they came from and when."""
        columns = ", ".join(PROVENANCE)
        return self.query(f"SELECT * EXCLUDE ({columns}) FROM erp.{name} WHERE NOT is_deleted ORDER BY ALL")


def assert_golden(puller: Puller, golden: Path) -> None:
    """The warehouse holds what the golden extract of the same company gives, to the digit."""
    for file in sorted((golden / "expected").glob("*.csv")):
        table = file.stem
        if table in {"left_out", "quarantine", "gone"}:
            continue
        with file.open(encoding="utf-8", newline="") as stream:
            expected = list(csv.DictReader(stream))
        names = ", ".join(f"coalesce({name}::VARCHAR, '')" for name in expected[0])
        key = ", ".join(load_contract(table).key)
        rows = puller.query(f"SELECT {names} FROM erp.{table} ORDER BY {key}")
        assert rows == [tuple(row.values()) for row in expected], table
