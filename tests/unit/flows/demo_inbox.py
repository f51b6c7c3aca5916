"""A landed sample company and its files read back by DuckDB as text, without anything of the project's own loader."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from flows.demo.world import World, build_world, write_month

LAST_MONTH = date(2025, 6, 1)
READ = {
    "hanse_erp": "delim=';', encoding='latin-1', ignore_errors=true",
    "hanse_crm": "delim=','",
}
# The numbers and dates of the ERP's dialect, spelled out once more from its description.
DIALECT = """
CREATE MACRO number(v) AS CAST(
    CASE WHEN suffix(v, '-') THEN '-' ELSE '' END || replace(replace(rtrim(v, '-'), '.', ''), ',', '.') AS DECIMAL(18, 5));
CREATE MACRO day(v) AS CAST(strptime(v, '%d.%m.%Y') AS DATE);
"""


@dataclass(frozen=True)
class Inbox:
    """The world, the folder it was landed in, and what DuckDB reads there."""

    world: World
    folder: Path
    batches: tuple[Path, ...]

    def manifests(self) -> list[tuple[Path, dict[str, Any]]]:
        return [
            (folder, json.loads((folder / "datapackage.json").read_text("utf-8"))) for folder in self.batches
        ]

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Every resource as a view of text columns over all months, `file` the path of each row."""
        connection = duckdb.connect()
        connection.execute(DIALECT)
        files: dict[tuple[str, str], list[str]] = {}
        for folder, manifest in self.manifests():
            for resource in manifest["resources"]:
                files.setdefault((folder.parts[-3], resource["name"]), []).append(
                    str(folder / resource["path"])
                )
        for (source, name), paths in files.items():
            connection.execute(
                f"CREATE VIEW {name} AS FROM read_csv({paths}, all_varchar=true, header=true, union_by_name=true, "
                f"filename='file', quote='\"', escape='\"', {READ[source]})"
            )
        return connection


def land(folder: Path, *, customers: int = 80, months: int = 36, seed: int = 7) -> Inbox:
    """Build a world and land all of it."""
    world = build_world(last_month=LAST_MONTH, customers=customers, months=months, seed=seed)
    batches = [batch for month in world.months for batch in write_month(world, month, folder)]
    return Inbox(world, folder, tuple(batches))
