"""A relay that kills itself with SIGKILL at a given point: `dying_relay.py HOME SINK BATCH [POINT COUNT]`.

Points: `sending` (some moment while a batch is under way), `sent` (before it is written down), `settled` (after that);
at the COUNTth batch, or the first after it that the receiver is there for. Without a point it goes on until the sink has everything.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

from flows import settings
from flows.delivery import relay
from flows.delivery.routes import sink_routes
from warehouse.relay.store import RelayStore


def die() -> None:
    """At once, whatever is under way."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(home: Path, sink: str, batch: int, point: str = "", count: int = 0) -> None:
    """Serve the sink until it has everything, or this process its end."""
    os.chdir(home)
    configured = settings.load()
    (route,) = sink_routes(configured, [sink])
    send, settle = route.sink.send, RelayStore.settle
    batches = 0

    def dying_send(events):
        nonlocal batches
        batches += 1
        if batches >= count and point == "sending":
            threading.Timer(0.001 * (count % 7), die).start()
        sent = send(events)
        if batches >= count and point == "sent":
            die()
        if batches >= count and point == "sending":
            time.sleep(60)  # the timer is on its way
        return sent

    def dying_settle(self, *arguments):
        settle(self, *arguments)
        if batches >= count and point == "settled":
            die()

    route.sink.send = dying_send
    RelayStore.settle = dying_settle
    while True:
        report = relay.serve(configured.relay_file, route, batch_size=batch, budget=timedelta(seconds=30))
        if not report.backlog.waiting:
            return
        time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), *sys.argv[4:5], *map(int, sys.argv[5:6]))
