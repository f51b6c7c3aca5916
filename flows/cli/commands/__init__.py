"""The commands of `valuemart`, one module a group; importing this registers them all.

Nothing heavy is imported before a command needs it, so that `--help` answers at once.
"""

from flows.cli.commands import (
    bring_in,
    credit,
    databases,
    events,
    look,
    operate,
    quarantine,
    report,
    rules,
    simulate,
    warehouse,
)
from flows.cli.commands.common import app

__all__ = [
    "app",
    "bring_in",
    "credit",
    "databases",
    "events",
    "look",
    "operate",
    "quarantine",
    "report",
    "rules",
    "simulate",
    "warehouse",
]
