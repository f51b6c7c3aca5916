"""`make soak-consumers`: every consumer of the page at once, half of them quiet until the end: who missed something, or died.

python -m tests.sinks.soak MINUTES
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty

from flows.events.types import TierChanged
from tests.sinks.newcomer import CONSUMERS, PATIENCE, Newcomer, settings, settled, stored, wait_for

EVENT_EACH = 10  # seconds
CUSTOMERS = tuple("ABCDEFGHIJKL")


@dataclass(frozen=True, slots=True)
class Audience:
    """A sink, by its name in the settings, and who listens to it."""

    name: str
    consumer: Newcomer

    def lost(self, last: int) -> list[str]:
        """What it did not print once and in each customer's order, of events up to this number."""
        heard: list[str] = []
        awaited = {spoken(number) for number in range(1, last + 1)}
        ends_at = time.monotonic() + PATIENCE
        while not awaited <= set(heard) and time.monotonic() < ends_at:
            try:
                heard.append(self.consumer.heard.get(timeout=1))
            except Empty:
                continue
        missed = [f"{self.name} has not heard {each}" for each in sorted(awaited - set(heard))]
        twice = [
            f"{self.name} took {each} more than once" for each in sorted(awaited) if heard.count(each) > 1
        ]
        late = [
            f"{self.name} took the events of 1000/{customer} out of order"
            for customer in CUSTOMERS
            if not _rises([int(each.split()[0]) for each in heard if each.split()[1] == f"1000/{customer}"])
        ]
        return missed + twice + late


def _rises(numbers: Sequence[int]) -> bool:
    return list(numbers) == sorted(numbers)


def customer(number: int) -> tuple[str, int]:
    """Whom the event of this number is about, and the customer's own number of it."""
    return CUSTOMERS[number % len(CUSTOMERS)], number // len(CUSTOMERS) + 1


def spoken(number: int) -> str:
    """What a consumer prints of the event."""
    name, sequence = customer(number)
    return f"{sequence} 1000/{name} {TierChanged.type}"


@contextmanager
def sender(folder: Path, sinks: Sequence[Newcomer], names: Sequence[str]) -> Iterator[Newcomer]:
    """A home whose relay serves these sinks."""
    home = settled(folder)
    for each, name in zip(sinks, names, strict=True):
        text = each.in_own_names(settings(name.split("_")[0]))
        extra = f'folder = "{each.folder}/var/events"\n' if name.startswith("archive") else ""
        with (folder / "valuemart.toml").open("a") as file:
            file.write(text.replace(f"[sinks.{name.split('_')[0]}]", f"[sinks.{name}]") + extra + "\n")
    command = [sys.executable, "-c", "from flows.cli.main import main; main()", "relay", "--every", "2"]
    with (folder / "relay.log").open("wb") as log:
        relay = subprocess.Popen(command, cwd=folder, env=home.environment, stdout=log, stderr=log)
    try:
        yield home
        assert relay.poll() is None, (folder / "relay.log").read_text()
    finally:
        relay.terminate()
        relay.wait()


def audience(folder: Path, role: str, stack: ExitStack) -> list[Audience]:
    """One consumer of each kind, running."""
    made = []
    for sink, (program, cared_for, arguments) in CONSUMERS.items():
        place = folder / f"{sink}_{role}"
        place.mkdir(parents=True)
        consumer = settled(place)
        port = consumer.names.pop("8080") if sink != "hook" else consumer.names["8080"]
        stack.enter_context(cared_for(consumer))
        if sink == "archive":
            (place / "var" / "events").mkdir(parents=True)
        stack.enter_context(consumer.consuming(program, *arguments))
        if sink == "hook":
            wait_for(int(port))
        made.append(Audience(f"{sink}_{role}", consumer))
    return made


def main(minutes: float) -> int:
    """Run it and print what came of it; 1 if a consumer missed an event, took one twice, out of order, or died."""
    with tempfile.TemporaryDirectory(prefix="valuemart-soak-") as name, ExitStack() as stack:
        folder = Path(name)
        heard = {role: audience(folder, role, stack) for role in ("busy", "quiet")}
        homes = {}
        for role, listeners in heard.items():
            (folder / role).mkdir()
            homes[role] = stack.enter_context(
                sender(
                    folder / role, [each.consumer for each in listeners], [each.name for each in listeners]
                )
            )
        ends_at, last = time.monotonic() + minutes * 60, 1
        homes["quiet"].add(stored(*customer(1)))
        homes["busy"].add(stored(*customer(1)))
        while time.monotonic() < ends_at:
            time.sleep(EVENT_EACH)
            last += 1
            homes["busy"].add(stored(*customer(last)))
        homes["quiet"].add(stored(*customer(2)))
        wrong = [line for each in heard["busy"] for line in each.lost(last)]
        wrong += [line for each in heard["quiet"] for line in each.lost(2)]
        print(
            f"{minutes:g} minutes, {len(CONSUMERS)} consumers with {last} events each, as many with one event before and one behind "
            f"the silence\n" + ("\n".join(wrong) or "nothing lost, nothing taken twice, order kept")
        )
        return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60))
