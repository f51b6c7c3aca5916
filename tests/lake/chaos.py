"""A run of a small company on a lake, as a process that can be killed: it loads what has landed, rates some days, publishes, relays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path

from expectations.gate import Gate
from flows import settings
from flows.pipeline import stages
from flows.runner import ahead
from flows.runner.task import Order, Verdict
from tests.faults.nightly import set_up
from warehouse.lake.lease import Lease

PROCESSES = 2


def work(home: Path, days: tuple[date, ...], killer: Connection, variables: Mapping[str, str]) -> None:
    """Go on from where the run before ended; says that it begins, and when it turns to a batch and is about to commit."""
    set_up(home, variables)
    ahead.FEWEST_FOR_PROCESSES = 2
    os.cpu_count = lambda: PROCESSES
    check, verdict = Lease.check, ahead.Ahead.verdict

    def checked(lease: Lease) -> None:
        check(lease)
        killer.send("commits")

    def taken(self: ahead.Ahead, order: Order) -> Verdict | None:
        killer.send("takes a batch")
        return verdict(self, order)

    Lease.check = checked  # type: ignore[method-assign]
    ahead.Ahead.verdict = taken  # type: ignore[method-assign]
    gate, configured = Gate(), settings.load()
    killer.send("ready")
    stages.load_stage(configured, gate)
    rated = stages.last_rated(configured)
    for day in days:
        if rated is None or day >= rated:
            stages.rate_stage(configured, day)
    stages.publish_stage(configured)
    stages.relay_stage(configured)
