"""How long it takes from a batch's `_SUCCESS` to the event at a webhook: `python -m tests.bench.latency [TIMES]`.

A real server, worker and watcher on this machine, as `valuemart serve` runs them, with the deployments as they are shipped. Each
batch lands by itself, behind the pause in which a further landing asks for no refresh of its own.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from flows.inbox import watch
from tests.deployed.plant import BUYERS, Plant, clone, company, override, plant, receiver, wait_for

TIERS = ("strategic", "marginal", "core", "cultivate")
PAUSE, SWEEP_PERIOD = watch.PAUSE_SECONDS + 1, 300


def arrival(running: Plant, sequence: int, patience: float) -> float:
    """Seconds from the moment a batch was complete to the tier change at the consumer."""
    buyer = BUYERS[sequence % len(BUYERS)]
    before = len(running.events)
    folder = override(running.settings, buyer, TIERS[sequence // len(BUYERS) % len(TIERS)], sequence=sequence)
    landed = (folder / "_SUCCESS").stat().st_mtime

    def arrived() -> float | None:
        fresh = running.events[before:]
        moved = any(
            "tier.changed" in each["type"] and each["subject"].endswith(f"/{buyer}") for each in fresh
        )
        return time.time() - landed if moved else None

    return wait_for(f"the tier change of {buyer}", arrived, patience)


def main(times: int) -> None:
    """Print the times of several landings and their median, and the time of one whose event was lost."""
    with tempfile.TemporaryDirectory(prefix="valuemart-latency-") as folder:
        settings = company(Path(folder) / "home")
        project = clone(Path(folder) / "project", on_schedule=True)
        with receiver() as there, plant(settings, project, there) as running:
            time.sleep(2 * PAUSE)  # the refresh that follows every deployment
            took = []
            for number in range(4, 4 + times):
                time.sleep(PAUSE)
                took.append(arrival(running, number, patience=600))
            print(f"from _SUCCESS to the event: {', '.join(f'{each:.1f}' for each in took)} s")
            print(f"median of {times}: {statistics.median(took):.1f} s")
            with running.client() as client:
                (landing,) = client.read_automations_by_name("A batch has landed")
                client.pause_automation(landing.id)
            lost = arrival(running, 4 + times, patience=2 * SWEEP_PERIOD)
            print(f"with the landing's event lost, by the sweep each {SWEEP_PERIOD} s: {lost:.1f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
