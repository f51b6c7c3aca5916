"""What operating the pipeline shows, to a person or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.render import pairs, place, say, say_json

if TYPE_CHECKING:
    from pathlib import Path

    from flows.backing_up import Backup
    from flows.bootstrapping import Bootstrapped
    from flows.settings import Settings


def show_bootstrapped(there: Bootstrapped, *, as_json: bool) -> None:
    """What is on the Prefect server now, and what to start next."""
    if as_json:
        say_json(there)
        return
    pairs(
        {
            "pool": there.pool,
            "queues": ", ".join(there.queues),
            "automations": len(there.automations),
            "deployments": ", ".join(there.deployments),
            "notifies": "yes" if there.notifies else "nobody: set VALUEMART_NOTIFY_URL and run this again",
        }
    )
    say(f"start a worker with `prefect worker start --pool {there.pool}`")


def show_backup(made: Backup, *, as_json: bool) -> None:
    """Where a backup lies and what it shows."""
    if as_json:
        say_json(made)
        return
    say(f"backed up into {place(made.folder)}: {_shown(made)}")


def show_restored(settings: Settings, restored: Backup, aside: Path | None, *, as_json: bool) -> None:
    """What a home holds again, and what is left for a person to do."""
    if as_json:
        say_json({"restored": restored, "replaced": aside})
        return
    say(f"restored {place(restored.folder)}: {_shown(restored)}")
    if aside is not None:
        say(f"what was there before is in {place(aside)}; remove it when you are content")
    say(
        f"move batches that were loaded after {restored.made_at:%Y-%m-%d %H:%M} UTC from {place(settings.archive)} "
        "back into the inbox, and run `valuemart refresh`"
    )


def _shown(made: Backup) -> str:
    rated = f"rated as of {made.as_of}" if made.as_of else "never rated"
    return f"{made.loads:,} loads, {rated}, {made.bytes / 1e6:,.1f} MB"
