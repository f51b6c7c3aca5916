"""One night of a small company, as a process that can be killed: land the month's extracts, load, rate, publish, relay."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path

from expectations.gate import Gate
from flows import settings
from flows.demo.world import build_world, write_month
from flows.inbox import landing
from flows.pipeline import stages
from transforms.frames.periods import first_of_month

CUSTOMERS, MONTHS, LAST_MONTH = 46, 3, date(2025, 5, 1)


def night(as_of: date, gate: Gate) -> None:
    """What the night after the last day of a month does."""
    configured = settings.load()
    world = build_world(customers=CUSTOMERS, months=MONTHS, last_month=LAST_MONTH)
    month = first_of_month(as_of)
    arrived = {batch.batch_id for batch in landing.scan_inbox(configured.archive).ready}
    for folder in write_month(world, month, configured.inbox):
        if folder.name in arrived:
            landing.archive(landing.Landed(folder, *folder.parts[-3:]), configured.archive)
    stages.load_stage(configured, gate)
    stages.rate_stage(configured, as_of)
    stages.publish_stage(configured)
    stages.relay_stage(configured)
    stages.report_stage(configured)


def set_up(home: Path, variables: Mapping[str, str]) -> None:
    """Take the home and the test's variables: a process that is forked from a server has those of the server's start."""
    os.environ.update(variables, VALUEMART_HOME=str(home))
    os.chdir(home.parent)


def variables() -> dict[str, str]:
    """The settings that are set in the environment now."""
    return {name: value for name, value in os.environ.items() if name.startswith("VALUEMART_")}


def nights(home: Path, days: tuple[date, ...], killer: Connection, variables: Mapping[str, str]) -> None:
    """Every night that was asked for; says first that it is there, so that a killer aims at the work and not at the start."""
    set_up(home, variables)
    gate = Gate()
    killer.send("ready")
    for day in days:
        night(day, gate)
