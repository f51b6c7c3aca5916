"""What a run had committed before it was ended, and nobody sees yet: told, and caught up with."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from expectations.gate import Gate
from flows.cli import main
from flows.pipeline import stages
from flows.pipeline.committed import unpublished
from flows.settings import Settings
from tests.flows.small_company import customer, land, line, load, refresh, settings_of

MAY, JUNE = date(2025, 5, 31), date(2025, 6, 30)


@pytest.fixture
def settings(home: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Settings:
    settings = settings_of(home)
    monkeypatch.setenv("VALUEMART_POLICY", str(settings.policy))
    sold = [line(f"I{month}", "C1", date(2025, month, 3), 100) for month in range(1, 7)]
    land(settings, {"customers": [customer("C1")], "invoice_lines": sold}, taken=JUNE, sequence=1)
    refresh(settings, gate, JUNE)
    return settings


def status(capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main.run(["status"]) == 0
    return capsys.readouterr().out


def test_where_all_is_published_nothing_is_said(settings: Settings, capsys: pytest.CaptureFixture[str]):
    assert unpublished(settings) is None
    assert "committed" not in status(capsys)


def test_a_backfill_that_was_ended_leaves_months_of_which_status_says_that_nobody_sees_them(
    settings: Settings, capsys: pytest.CaptureFixture[str]
):
    stages.rate_stage(settings, date(2025, 4, 30), shown=False)
    stages.rate_stage(settings, MAY, shown=False)
    said = status(capsys)
    assert "periods 2025-04 to 2025-05 rated, the last as of 2025-05-31" in said
    assert "`valuemart refresh` publishes it" in said
    stages.rate_stage(settings, JUNE)
    stages.publish_stage(settings)
    assert unpublished(settings) is None


def test_a_batch_that_was_loaded_and_not_rated_is_told(settings: Settings, gate: Gate):
    land(settings, {"customers": [customer("C2")]}, taken=JUNE, sequence=2)
    load(settings, gate)
    left = unpublished(settings)
    assert left is not None
    assert (left.batches, left.periods) == (1, ())


def test_who_only_looks_waits_for_no_run_that_holds_the_warehouse(settings: Settings):
    stages.rate_stage(settings, date(2025, 4, 30), shown=False)
    held = f"import duckdb; c = duckdb.connect({str(settings.warehouse_file)!r}); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", held], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert unpublished(settings) is None
        holder.communicate("\n")
    assert unpublished(settings) is not None
