"""The sample company's first months as an inbox, and a home into which they were loaded."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from shutil import copytree
from typing import Any

from expectations.gate import Gate
from flows.demo.world import build_world, write_month
from flows.pipeline import load
from flows.settings import Settings
from tests.warehouse.making import NOW

CUSTOMERS, MONTHS = 46, 3


def land(inbox: Path) -> Path:
    world = build_world(customers=CUSTOMERS, months=MONTHS, last_month=date(2025, 6, 1))
    for month in world.months:
        write_month(world, month, inbox)
    return inbox


def loaded(home: Path, inbox: Path, gate: Gate, **more: Any) -> Settings:
    """The batches of that inbox in a home of their own, all of them loaded."""
    copytree(inbox, home / "inbox")
    settings = Settings.model_validate({"home": home, **more})
    outcomes = load.load_inbox(settings, gate, recorded_at=NOW).outcomes
    assert len(outcomes) == 2 * MONTHS
    assert {outcome.status for outcome in outcomes} == {"loaded"}
    assert not settings.scratch.exists()
    return settings
