"""One night of a small company, as a process that can be killed: land the month's extracts, load, rate, publish, relay.

Run as `python nightly.py YEAR-MONTH-DAY`, or with several days for several nights; the home is in VALUEMART_HOME. Prints
`ready` once everything is imported, so that a killer aims at the work and not at the imports.
"""

from __future__ import annotations

import importlib
import sys
from datetime import date

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


def main() -> None:
    """Every night that was asked for."""
    importlib.import_module("expectations.suites")
    gate = Gate()
    print("ready", flush=True)
    for day in sys.argv[1:]:
        night(date.fromisoformat(day), gate)


if __name__ == "__main__":
    main()
