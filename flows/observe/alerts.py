"""What needs a person, told to the Prefect server as events; its automations pass them on (flows/server/automations.py).

Best effort, as everything said to Prefect: the ledger has every refusal, and `valuemart status` every backlog.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from prefect.events import emit_event

from warehouse.relay.records import Backlog
from warehouse.store.ledger import BatchOutcome

BATCH_REFUSED = "valuemart.batch.refused"
OUTBOX_STUCK = "valuemart.outbox.stuck"


def batch_refused(outcome: BatchOutcome) -> None:
    """Tell of a batch that was refused, with what to do about it."""
    place = outcome.batch.place
    faults = [str(fault) for fault in outcome.faults]
    emit_event(
        BATCH_REFUSED,
        resource={"prefect.resource.id": f"valuemart.batch.{place}", "prefect.resource.name": place},
        payload={"text": f"valuemart refused the batch {place}: {'; '.join(faults)}", "faults": faults},
    )


def outbox_stuck(sink: str, backlog: Backlog, now: datetime) -> None:
    """Tell of a sink whose oldest event has been waiting for too long."""
    hours = backlog.age(now) / timedelta(hours=1)
    emit_event(
        OUTBOX_STUCK,
        resource={"prefect.resource.id": f"valuemart.sink.{sink}", "prefect.resource.name": sink},
        payload={
            "text": (
                f"valuemart: the sink {sink} has {backlog.waiting:,} events waiting, the oldest for {hours:.1f} hours, "
                f"and {backlog.dead:,} given up; see `valuemart status`"
            )
        },
    )
