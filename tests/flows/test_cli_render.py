from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from flows.console import output


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (True, "yes"),
        (1234567, "1,234,567"),
        (Decimal("1234567.8000"), "1,234,567.80"),
        (Decimal("8300065.8149"), "8,300,065.81"),
        (Decimal("0.745176"), "0.7452"),
        (Decimal("-2.8149"), "−2.8149"),
        (Decimal("-12.0000"), "−12"),
        (Decimal("0.500000"), "0.50"),
        (date(2025, 5, 31), "2025-05-31"),
        (datetime(2025, 5, 31, 3, 30, tzinfo=UTC), "2025-05-31 03:30"),
    ],
)
def test_a_cell_shows_money_to_the_cent_and_ratios_to_four_places(value: object, shown: str) -> None:
    assert output.text(value) == shown


def test_json_keeps_amounts_to_the_last_digit(capsys: pytest.CaptureFixture[str]) -> None:
    output.echo_json(
        {"net_sales": Decimal("8300065.814"), "as_of": date(2025, 5, 31), "at": Path("var"), "of": (1, None)}
    )

    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "net_sales": "8300065.814",
        "as_of": "2025-05-31",
        "at": "var",
        "of": [1, None],
    }


def test_off_a_terminal_a_table_is_plain_aligned_lines(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"name": "价值客户", "sales": Decimal("1234.5"), "tier": "core"},
        {"name": "Weser [bold]Stahl", "sales": None, "tier": "new"},
    ]

    output.table(rows, {"name": "name", "sales": "sales", "tier": "tier"})

    assert capsys.readouterr().out.splitlines() == [
        "  name                  sales  tier",
        "  价值客户           1,234.50  core",
        "  Weser [bold]Stahl         -  new",
    ]


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([], {"name": "name"}, title="Moves")

    assert capsys.readouterr().out.splitlines() == ["", "Moves", "  none"]


def test_a_path_below_the_working_folder_is_shown_as_a_person_would_type_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert output.place(tmp_path / "var" / "mart.duckdb") == "./var/mart.duckdb"
    assert output.place(Path("/elsewhere/mart.duckdb")) == "/elsewhere/mart.duckdb"
