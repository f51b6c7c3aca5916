"""The page on adding a source is all the help there is: its example is run as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.errors import REFUSED

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-source.md"
FILE = re.compile(r"\*\*`(?P<path>[^`]+)`\*\*\n\n```\w+\n(?P<text>.*?)```", re.DOTALL)

Valuemart = Callable[..., Any]


@pytest.fixture
def valuemart(tmp_path: Path) -> Valuemart:
    """The command line, run in a folder that holds the page's files, with its JSON as the result."""
    for block in FILE.finditer(PAGE.read_text(encoding="utf-8")):
        file = tmp_path / block["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block["text"], encoding="utf-8")
    environment = os.environ | {"VALUEMART_SOURCES_PATH": "sources", "VALUEMART_HOME": "try"}

    def run(*arguments: str, ending: int = 0) -> Any:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys; from flows.cli.main import main; main()",
                *arguments,
                "--json",
            ],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == ending, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.slow
def test_the_pages_example_loads_and_rates_as_the_page_says(valuemart: Valuemart, tmp_path: Path) -> None:
    assert "dealer" in [source["source"] for source in valuemart("sources")]

    exports = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "exports").iterdir())
    tables = valuemart("check", "dealer", *exports, ending=REFUSED)["tables"]
    checked = {table["table"]: table for table in tables}
    assert (checked["invoice_lines"]["rows_in"], checked["invoice_lines"]["accepted"]) == (7, 5)
    valuemart("land", *exports, "--source", "dealer", "--company", "DE01")
    refreshed = valuemart("refresh", "--as-of", "2025-06-15")

    (batch,) = refreshed["load"]["outcomes"]
    lines = next(table for table in batch["tables"] if table["name"] == "invoice_lines")
    assert (lines["rows_in"], lines["accepted"], lines["quarantined"]) == (7, 5, 1)
    assert lines["excluded_by"] == {"totals_line": 1}

    shown = {rule["rule"]: rule for rule in valuemart("quarantine", "show")}
    (bad,) = shown["not_a_number"]["examples"]
    assert bad["row_number"] == 7
    assert bad["raw"]["Menge"] == "abc"

    steel = valuemart("explain", "00017")["current"]
    assert steel["name"] == "Weser Stahl GmbH"
    assert steel["net_sales_12m"] == "1274.5000"  # 1,234.50 + 80.00 − 40.00

    again = valuemart("refresh", "--as-of", "2025-06-15")
    assert again["load"]["outcomes"] == []
    assert again["rating"] is None
