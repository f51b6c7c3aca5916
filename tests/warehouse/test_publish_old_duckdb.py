"""A BI tool embeds whatever DuckDB its driver was built with: the mart opens in old ones and new ones alike.

Opt-in, `make test-long`, since each version is installed into a throw-away environment of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from expectations.contract import contracts, load
from tests.warehouse.publishing import RECORDED_AT, bring_to, open_warehouse
from warehouse.mart.publish import publish

LOOK = """
import duckdb, json, sys
mart = duckdb.connect(sys.argv[1], read_only=True)
print(json.dumps({
    "version": duckdb.__version__,
    "sales": str(mart.execute("SELECT sum(net_sales_12m) FROM mart.customer_value").fetchall()[0][0]),
    "lifetime": str(mart.execute("SELECT sum(net_sales) FROM mart.customer_lifetime").fetchall()[0][0]),
    "about": mart.execute("SELECT comment FROM duckdb_tables() WHERE table_name = 'customer_value'").fetchall()[0][0],
    "uncommented": mart.execute(
        "SELECT count(*) FROM duckdb_columns() WHERE database_name = 'mart' AND NOT internal AND comment IS NULL"
    ).fetchall()[0][0],
}))
"""


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", ["1.0.0", "1.2.2", "1.4.1", "1.5.5", "2.0.0"])
def test_the_mart_opens_in(version: str, tmp_path: Path):
    home = tmp_path / "home"
    connection = open_warehouse(home)
    bring_to(connection, 3)
    publish(connection, home, contracts(), 1, RECORDED_AT)
    connection.close()

    python = environment_with(tmp_path / "venv", f"duckdb=={version}")
    looked = subprocess.run(
        [python, "-c", LOOK, str(home / "mart.duckdb")], capture_output=True, text=True, check=False
    )
    assert looked.returncode == 0, looked.stderr
    contract = load("customer_value")
    assert json.loads(looked.stdout) == {
        "version": version,
        "sales": "120.0000",
        "lifetime": "120.0000",
        "about": f"{contract.grain} {contract.description}",
        "uncommented": 0,
    }


def environment_with(folder: Path, *requirements: str, builds: bool = False) -> Path:
    """The Python of a new environment with these packages; skips where one cannot be had, or must be built and `builds` is false."""
    wheels = () if builds else ("--only-binary=:all:",)
    venv.create(folder)
    python = folder / "bin" / "python"
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", *wheels, *requirements],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if installed.returncode != 0:
        reason = installed.stderr.strip().splitlines() or ["no reason given"]
        pytest.skip(f"{', '.join(requirements)} cannot be installed: {reason[-1]}")
    return python
