"""A running installation for the tests: a clone of the project, a small company, and `valuemart serve` on a free port."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from expectations.gate import Gate
from flows.server.supervised import descendants, is_running
from flows.settings import Settings, yesterday
from tests.flows.small_company import customer, land, line, refresh, settings_of
from transforms.frames.periods import first_of_month, months_before

PROJECT = Path(__file__).parents[2]
BUYERS, MONTHS = ("AMBER", "BRASS", "CORAL", "DELTA"), 14
PATIENCE = 240

Found = TypeVar("Found")


def wait_for(what: str, look: Callable[[], Found | None], patience: float = PATIENCE) -> Found:
    """What `look` finds, as soon as it finds something; fails after the patience."""
    give_up = time.monotonic() + patience
    while time.monotonic() < give_up:
        if (found := look()) is not None:
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited {patience:.0f} s in vain for {what}")


def clone(folder: Path, *, on_schedule: bool) -> Path:
    """What a fresh clone of the project holds.

    Unless it is to run on schedule, nothing runs that is not asked for: tests share their cores.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "flows", "transforms", "expectations", "warehouse", "*.toml", "*.yaml", "*.md"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, target)
    deployments = folder / "prefect.yaml"
    text = deployments.read_text(encoding="utf-8")
    if not on_schedule:
        text = text.replace("active: true", "active: false")
    deployments.write_text(text, encoding="utf-8")
    return folder


def company(home: Path) -> Settings:
    """A small company with a year of sales, loaded and rated as of yesterday."""
    settings = settings_of(home)
    today = yesterday(settings.timezone)
    first = months_before(first_of_month(today), MONTHS)
    months = [months_before(first, -number) for number in range(MONTHS)]
    lines = [
        line(f"{buyer}-{month:%Y%m}", buyer, month + timedelta(days=4), 4_000 * 3**rank)
        for rank, buyer in enumerate(BUYERS)
        for month in months
    ]
    land(
        settings,
        {"customers": [customer(buyer, created_on=first) for buyer in BUYERS], "invoice_lines": lines},
        taken=today,
        sequence=1,
    )
    refresh(settings, Gate(), today)
    return settings


def override(settings: Settings, buyer: str, tier: str, *, sequence: int) -> Path:
    """Drop a batch in which a person decides on a customer's tier: it moves the next time it is rated."""
    today = yesterday(settings.timezone)
    decided = {
        "customer_id": buyer,
        "valid_from": first_of_month(today) - timedelta(days=20),
        "tier": tier,
        "owner": "A. Manager",
        "reason": "a joint project",
        "valid_to": today + timedelta(days=300),
    }
    return land(settings, {"tier_overrides": [decided]}, taken=today, sequence=sequence).folder


@dataclass(frozen=True)
class Receiver:
    """A webhook of a consumer of events, and of people: it keeps what either is sent."""

    url: str
    texts: list[str]
    events: list[dict[str, Any]]


@contextmanager
def receiver() -> Iterator[Receiver]:
    texts: list[str] = []
    events: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if "specversion" in received:
                events.append(received)
            else:
                texts.append(received["text"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Receiver(f"http://127.0.0.1:{server.server_address[1]}/", texts, events)
        server.shutdown()
        thread.join()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _words(process: int) -> list[str]:
    """A process's command line; of one that has ended meanwhile, none."""
    try:
        return psutil.Process(process).cmdline()
    except psutil.NoSuchProcess:  # a zombie, too
        return []


@dataclass
class Plant:
    """A running `valuemart serve`, and what a test asks of it."""

    settings: Settings
    project: Path
    url: str
    variables: Mapping[str, str]
    process: subprocess.Popen[str]
    said: list[str]
    receiver: Receiver

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every event that arrived at the webhook, as often as it arrived."""
        return list(self.receiver.events)

    def moved(self, buyer: str) -> bool | None:
        """Whether an event says that a person moved that customer."""
        return (
            any(
                event["type"].startswith("valuemart.customer.tier.changed")
                and event["subject"].endswith(f"/{buyer}")
                for event in self.events
            )
            or None
        )

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        auth = (self.settings.home / "server" / "auth-string").read_text().strip()
        with (
            temporary_settings({PREFECT_API_URL: self.url, PREFECT_API_AUTH_STRING: auth}),
            get_client(sync_client=True) as client,
        ):
            yield client

    def ask(self, deployment: str, **parameters: object) -> UUID:
        """Ask for a run; its id."""
        with self.client() as client:
            found = client.read_deployment_by_name(deployment)
            return client.create_flow_run_from_deployment(found.id, parameters=parameters).id

    def run(self, run_id: UUID) -> FlowRun:
        with self.client() as client:
            return client.read_flow_run(run_id)

    def ended(self, *run_ids: UUID, patience: float = PATIENCE) -> list[FlowRun]:
        """Those runs, once all of them have ended."""

        def look() -> list[FlowRun] | None:
            runs = [self.run(run_id) for run_id in run_ids]
            return runs if all(run.state and run.state.is_final() for run in runs) else None

        return wait_for("the runs to end", look, patience)

    def worker(self) -> list[int]:
        """The processes of the worker and of the runs it has begun."""
        (worker,) = (
            process
            for process in descendants(self.process.pid)
            if {"worker", "supervised.py"} <= {Path(word).name for word in _words(process)}
        )
        return [worker, *descendants(worker)]


@contextmanager
def plant(settings: Settings, project: Path, there: Receiver, **variables: str) -> Iterator[Plant]:
    """`valuemart serve` from that project for the length of the block; it must end cleanly, and leave no process.

    Events go to files and to the receiver's webhook, messages to people there, too.
    """
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        "VALUEMART_HOME": str(settings.home),
        "VALUEMART_POLICY": str(settings.policy),
        "VALUEMART_NOTIFY_URL": there.url,
        "VALUEMART_SINKS": json.dumps(
            {
                "files": {"kind": "file"},
                "crm": {"kind": "webhook", "url": there.url, "secret_env": "CRM_WEBHOOK_SECRET"},
            }
        ),
        "CRM_WEBHOOK_SECRET": f"whsec_{base64.b64encode(bytes(range(32))).decode()}",
        "PYTHONPATH": str(project),
        **variables,
    }
    program = "from flows.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "serve", "--port", str(port)],
        cwd=settings.home.parent, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    said: list[str] = []
    reading = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
    reading.start()
    running = Plant(settings, project, f"http://127.0.0.1:{port}/api", environment, process, said, there)
    try:
        wait_for(
            "the server, the deployments and the worker",
            lambda: True if any("stop with" in line for line in said) or process.poll() is not None else None,
        )
        assert process.poll() is None, "".join(said)
        yield running
    finally:
        processes = descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=120)
        reading.join()
        assert process.stderr is not None
        process.stderr.close()
    assert code == 0, "".join(said)
    assert said[-1] == "stopped\n"
    assert not [each for each in processes if is_running(each)]


def overlapping(runs: list[FlowRun]) -> list[tuple[str, str]]:
    """Pairs of runs that were under way at the same time."""
    timed = sorted((run.start_time, run.end_time, run.name) for run in runs)
    return [(one[2], other[2]) for one, other in pairwise(timed) if other[0] < one[1]]


def months_ago(settings: Settings, number: int) -> date:
    return months_before(first_of_month(yesterday(settings.timezone)), number)
