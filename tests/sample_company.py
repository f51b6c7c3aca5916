"""The sample company at moderate size, landed as one history and rated month by month; without a Prefect run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

from flows.demo import files, hanse_crm, hanse_erp
from flows.demo.world import COMPANY, World, build_world
from transforms.frames.periods import months_before
from transforms.frames.plan import month_end

if TYPE_CHECKING:
    from expectations.gate import Gate
    from flows.settings import Settings

CUSTOMERS, MONTHS, LAST_MONTH = 240, 36, date(2025, 6, 1)
LAST_DAY = month_end(LAST_MONTH)
BASELINE_AGO = 12  # months before the last one: two years of history behind it, and most stories before it
BASELINE = month_end(months_before(LAST_MONTH, BASELINE_AGO))
DEFAULT_POLICY = Path(__file__).resolve().parents[1] / "transforms" / "policy" / "default.toml"

# What makes a row of a resource the same row, delivered again in a later month.
_KEYS = {
    "VBRK": ["VBELN"],
    "VBRP": ["VBELN", "POSNR"],
    "OPOS": ["Belegnummer"],
    "ZAHL": ["Zahlung"],
    "ZUOR": ["Zahlung", "Belegnummer", "Datum"],
    "KNA1": ["KUNNR"],
    "MARA": ["MATNR"],
    "PRICE_FLOORS": ["Product", "Channel", "Valid from"],
    "OVERRIDES": ["Account", "Valid from"],
}
_FIRST_DIRTY_DOCUMENT = "0099000001"


@dataclass(frozen=True)
class SampleCompany:
    """A home in which the company was rated for every month from BASELINE on, and published."""

    world: World
    settings: Settings

    def who(self, role: str) -> str:
        """The number of the customer with that story."""
        return self.world.planted[role].customer_id

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the published mart answers."""
        with duckdb.connect(str(self.settings.mart_file), read_only=True) as mart:
            return mart.execute(sql).fetchall()

    def one(self, columns: str, table: str, role: str) -> Any:
        """One column, or a tuple of several, of the row of the customer with that story."""
        (row,) = self.rows(f"SELECT {columns} FROM {table} WHERE customer_id = '{self.who(role)}'")
        return row[0] if len(row) == 1 else row

    def history(self, column: str, role: str) -> dict[date, Any]:
        """A figure of the customer's ratings, by period."""
        return dict(
            self.rows(
                f"""SELECT period, arg_max({column}, revision) FROM customer_value_history
                    WHERE customer_id = '{self.who(role)}' GROUP BY period ORDER BY period"""
            )
        )

    def told(self, kind: str = "") -> list[dict[str, Any]]:
        """The events of types that hold `kind`, in the order in which they went out."""
        lines = [
            line
            for file in sorted(self.settings.events_folder.glob("*.jsonl"))
            for line in file.read_text(encoding="utf-8").splitlines()
        ]
        return [event for line in lines if kind in (event := json.loads(line))["type"]]


def update(settings: Settings, as_of: date) -> None:
    """What a refresh does after loading."""
    from flows.pipeline import stages

    stages.rate_stage(settings, as_of)
    stages.publish_stage(settings)
    stages.relay_stage(settings)


def founded_at(home: Path) -> SampleCompany:
    """The company whose home that is, or is to be."""
    from flows.settings import Settings

    world = build_world(customers=CUSTOMERS, months=MONTHS, last_month=LAST_MONTH)
    return SampleCompany(world, Settings(home=home, policy=DEFAULT_POLICY))


def found_company(home: Path, gate: Gate) -> None:
    """Land the company's history, load it, and rate it from BASELINE to its last month."""
    from flows.pipeline.stages import load_stage

    company = founded_at(home)
    land_history(company.world, company.settings.inbox)
    report = load_stage(company.settings, gate)
    assert {outcome.status for outcome in report.outcomes} == {"loaded"}
    update(company.settings, BASELINE)
    update(company.settings, LAST_DAY)


def land_history(world: World, inbox: Path) -> None:
    """All months of each system as one batch: a row as it was delivered last, and none of the dirty ones.

    One batch instead of one a month, since each batch costs a run of the judge.
    """
    taken_at = datetime(LAST_DAY.year, LAST_DAY.month + 1, 1, 2, tzinfo=UTC)
    numbers = range(len(world.months))
    for source, monthly, separator, encoding in (
        (hanse_erp.NAME, [hanse_erp.extracts(world.erp, number) for number in numbers], ";", "latin-1"),
        (hanse_crm.NAME, [hanse_crm.extracts(world.crm, number) for number in numbers], ",", "utf-8"),
    ):
        frames: dict[str, list[pl.DataFrame]] = {}
        for extract in (each for month in monthly for each in month):
            frames.setdefault(extract.resource, []).append(_read(extract.content, separator, encoding))
        extracts = []
        for resource, parts in frames.items():
            rows = pl.concat(parts).unique(subset=_KEYS.get(resource), keep="last", maintain_order=True)
            if "VBELN" in rows.columns:
                rows = rows.filter(pl.col("VBELN") < _FIRST_DIRTY_DOCUMENT)
            content = rows.write_csv(separator=separator, line_terminator="\r\n").encode(encoding)
            extracts.append(files.Extract(resource, f"{resource.lower()}.csv", content, len(rows), {}))
        files.land(inbox, source, COMPANY, 1, taken_at, extracts)


def _read(content: bytes, separator: str, encoding: str) -> pl.DataFrame:
    """A file as texts, under the headers of the older release."""
    german = {english: name for name, english in hanse_erp.ENGLISH.items()}
    rows = pl.read_csv(
        content.decode(encoding).encode(),
        separator=separator,
        infer_schema=False,
        truncate_ragged_lines=True,
    )
    renamed = rows.rename(
        {name: german[name] for name in rows.columns if name in german and separator == ";"}
    )
    return renamed.select(*hanse_erp.ENGLISH) if "Belegart" in renamed.columns else renamed
