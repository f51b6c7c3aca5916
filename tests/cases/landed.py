"""A folder of cases: landed as a batch of `generic_csv`, refreshed, and read from the published mart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from expectations.gate import Gate
from flows.inbox import landing
from flows.pipeline import rate, stages
from flows.pipeline.rate_company import RatingReport
from flows.settings import Settings
from warehouse.mart.files import rows

CUSTOMERS = Path(__file__).with_name("customers")
COMPANY = "1000"
AS_OF = date(2026, 11, 5)
POLICY = rate.SHIPPED_POLICIES / "default.toml"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A home into which folders of cases are landed one after another."""

    settings: Settings

    def land(self, folder: Path, extracted_at: datetime | None = None) -> None:
        """Land the extract files of a folder as one batch; taken on the morning after AS_OF unless said otherwise."""
        landing.land(
            self.settings,
            [str(file) for file in sorted(folder.iterdir()) if ".csv" in file.suffixes],
            source="generic_csv",
            company=COMPANY,
            extracted_at=extracted_at or datetime(2026, 11, 6, 2, tzinfo=UTC),
        )

    def refresh(self, gate: Gate, as_of: date = AS_OF) -> RatingReport | None:
        """Do what a refresh does, without Prefect; nothing may be refused or put into quarantine."""
        report = stages.load_stage(self.settings, gate)
        assert [str(fault) for outcome in report.outcomes for fault in outcome.faults] == []
        assert [table for outcome in report.outcomes for table in outcome.tables if table.quarantined] == []
        rating = stages.rate_stage(self.settings, as_of)
        stages.publish_stage(self.settings)
        return rating

    def rows(self, sql: str) -> list[Row]:
        """The rows of a query on the published mart, by column; ratios as exact as the warehouse has them."""
        with duckdb.connect(str(self.settings.mart_file), read_only=True) as connection:
            return rows(connection, sql)

    def one(self, table: str, customer: str) -> Row:
        """A customer's only row of a published table."""
        (row,) = self.rows(f"SELECT * FROM {table} WHERE customer_id = '{customer}'")
        return row


def case(home: Path, policy: Path | None = POLICY, **more: object) -> Case:
    """A home of its own under the shipped policy, another one, or None: the first rating calibrates one."""
    named = {} if policy is None else {"policy": policy}
    return Case(Settings.model_validate({"home": home, **named, **more}))


def refreshed(
    home: Path, folder: str, gate: Gate, *, as_of: date = AS_OF, policy: Path | None = POLICY
) -> Case:
    """A home with one folder of customers landed and refreshed."""
    made = case(home, policy)
    made.land(CUSTOMERS / folder)
    made.refresh(gate, as_of)
    return made
