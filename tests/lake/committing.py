"""A committer of a lake as a process that can be killed: it goes on committing one row into each of two tables.

Run as `python committing.py URL DATA`; prints `ready` once it holds the lake.
"""

from __future__ import annotations

import sys
from pathlib import Path

from warehouse.connection import transaction
from warehouse.lake.address import Lake
from warehouse.lake.opening import open_at

# More than are kept in the catalog, so that each commit writes files, too.
ROWS = 600


def lake_of(url: str, data: Path) -> Lake:
    _, catalog, where = url.split(":", 2)
    assert catalog in {"sqlite", "postgres"}
    return Lake(catalog, where, data, data.with_name("spill"))  # type: ignore[arg-type]


def main() -> None:
    with open_at(lake_of(sys.argv[1], Path(sys.argv[2]))) as lake:
        print("ready", flush=True)
        number = 0
        while True:
            number += 1
            with transaction(lake):
                for table in ("left_side", "right_side"):
                    lake.execute(f"INSERT INTO {table} SELECT {number}, i FROM range({ROWS}) AS r(i)")


if __name__ == "__main__":
    main()
