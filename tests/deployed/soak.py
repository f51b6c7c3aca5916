"""`make soak`: an installation at work for a while, with landings, readers and kills: what was lost, and how large all became.

python -m tests.deployed.soak MINUTES
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import duckdb
import psutil

from flows.delivery.routes import backlogs
from flows.server.supervised import descendants
from flows.settings import Settings
from tests.deployed.plant import BUYERS, Plant, clone, company, override, plant, receiver, wait_for
from warehouse.relay.store import read_store

BATCH_EACH, KILL_EACH = 20, 240  # seconds
WEBHOOKS = ("crm", "erp", "bi")
TIERS = ("strategic", "marginal", "core", "cultivate")
# For the last runs to end and the last events to arrive; a sweep comes within five minutes.
PATIENCE = 900

Event = Mapping[str, Any]


class Reader(threading.Thread):
    """Somebody who opens the mart again and again, and reads it."""

    def __init__(self, mart: Path) -> None:
        super().__init__(daemon=True)
        self.mart, self.reads, self.errors, self.over = mart, 0, Counter[str](), threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.5):
            try:
                with duckdb.connect(str(self.mart), read_only=True) as connection:
                    ((customers,),) = connection.execute("SELECT count(*) FROM customer_value").fetchall()
                    assert customers == len(BUYERS)
            except (duckdb.Error, AssertionError) as error:
                self.errors[" ".join(str(error).split())[:120]] += 1
            self.reads += 1


def kill(processes: Sequence[int]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def server(running: Plant) -> list[int]:
    """The process of the Prefect server."""
    return [
        each
        for each in descendants(running.process.pid)
        if {"server", "start", "supervised.py"}
        <= {Path(word).name for word in psutil.Process(each).cmdline()}
    ]


def of_files(folder: Path) -> list[Event]:
    """The events of a file sink, in the order of its files."""
    return [
        json.loads(each)
        for file in sorted(folder.glob("*.jsonl"))
        for each in file.read_text(encoding="utf-8").splitlines()
    ]


def faults(name: str, heard: Sequence[Event], written: set[str]) -> list[str]:
    """What is wrong with what a sink got: lost, changed, or out of its customer's order once each id is taken once."""
    bodies = {(each["id"], json.dumps(each, sort_keys=True)) for each in heard}
    first = {each["id"]: each for each in reversed(heard)}
    wrong = [f"{name} lost {each}" for each in sorted(written - first.keys())]
    wrong += (
        [f"{name} got {len(bodies) - len(first)} ids with two bodies"] if len(bodies) > len(first) else []
    )
    last: dict[str, int] = {}
    for each in dict.fromkeys(each["id"] for each in heard):
        event = first[each]
        if int(event["sequence"]) <= last.get(event["subject"], 0):
            wrong.append(f"{name} got {event['subject']} {event['sequence']} after {last[event['subject']]}")
        last[event["subject"]] = int(event["sequence"])
    return wrong


def work(running: Plant, minutes: float) -> int:
    """Land, and kill, for so long; how many batches landed."""
    ends = time.monotonic() + minutes * 60
    killing, halfway, sequence = time.monotonic() + KILL_EACH, time.monotonic() + minutes * 30, 1
    while time.monotonic() < ends:
        sequence += 1
        buyer = BUYERS[sequence % len(BUYERS)]
        override(running.settings, buyer, TIERS[sequence // len(BUYERS) % len(TIERS)], sequence=sequence)
        if time.monotonic() > killing:
            killing += KILL_EACH
            kill(running.worker())
        if halfway and time.monotonic() > halfway:
            halfway = 0.0
            kill(server(running))
        time.sleep(BATCH_EACH)
    return sequence


def is_quiet(settings: Settings, batches: int) -> bool | None:
    """Whether everything that landed is loaded and published, and every sink has every event."""
    with suppress(duckdb.Error), duckdb.connect(str(settings.ops_file), read_only=True) as books:
        ((loaded,),) = books.execute("SELECT count(*) FROM ops.ops.batch WHERE status = 'loaded'").fetchall()
        waiting = any(each.waiting for each in backlogs(settings).values())
        return True if loaded >= batches and not waiting else None
    return None


def sizes(running: Plant) -> list[str]:
    """Memory of each process, runs in the list, logs."""
    told = []
    for each in (running.process.pid, *descendants(running.process.pid)):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(each)
            words = " ".join(Path(word).name for word in process.cmdline()[1:6])
            told.append(f"{process.memory_info().rss / 1e6:6.0f} MB  {words}")
    with running.client() as client:
        flows = {flow.id: flow.name for flow in client.read_flows()}
        runs = Counter(
            f"{flows[run.flow_id]} {run.state_name}"
            for offset in range(0, 2_000, 200)
            for run in client.read_flow_runs(limit=200, offset=offset)
        )
    told += [f"{number:6d} runs {name}" for name, number in sorted(runs.items())]
    logs = (running.settings.home / "server").glob("*.log*")
    return told + [f"{file.stat().st_size / 1e6:6.1f} MB  {file.name}" for file in sorted(logs)]


def main(minutes: float) -> int:
    """Run it and print what came of it; 1 if an event was lost, changed, or out of order, or a reader was disturbed."""
    with tempfile.TemporaryDirectory(prefix="valuemart-soak-") as name, ExitStack() as stack:
        folder = Path(name)
        hooks = {each: stack.enter_context(receiver()) for each in WEBHOOKS}
        sinks: dict[str, dict[str, str]] = {
            "files": {"kind": "file"},
            "copy": {"kind": "file", "folder": str(folder / "copy")},
            **{
                each: {"kind": "webhook", "url": there.url, "secret_env": "CRM_WEBHOOK_SECRET"}
                for each, there in hooks.items()
            },
        }
        configured = Settings.model_validate({"sinks": sinks}).sinks
        settings = company(folder / "home").model_copy(update={"sinks": configured})
        project = clone(folder / "project", on_schedule=False)
        people = stack.enter_context(receiver())
        with plant(settings, project, people, VALUEMART_SINKS=json.dumps(sinks)) as running:
            reader = Reader(settings.mart_file)
            reader.start()
            batches = work(running, minutes)
            wait_for("all to be loaded, published and sent", lambda: is_quiet(settings, batches), PATIENCE)
            reader.over.set()
            reader.join()
            print("\n".join(sizes(running)))
            said = list(running.said)
        with read_store(settings.relay_file) as store:
            written = set(store.event_ids())
        heard = {
            "files": of_files(settings.events_folder),
            "copy": of_files(folder / "copy"),
            **{each: there.events for each, there in hooks.items()},
        }
        wrong = [each for sink, events in heard.items() for each in faults(sink, events, written)]
        wrong += [f"a reader was disturbed {times} times: {what}" for what, times in reader.errors.items()]
        print("".join(each for each in said if "landed" not in each), end="")
        print(
            f"{batches} batches, {len(written)} events, {reader.reads} reads; "
            f"arrivals { ({sink: len(events) for sink, events in heard.items()}) }"
        )
        print("\n".join(wrong) or "nothing lost, nothing changed, order kept")
        return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 30))
