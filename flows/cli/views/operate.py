"""What operating the pipeline shows, to a person or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.console.output import echo, echo_json, pairs, place

if TYPE_CHECKING:
    from pathlib import Path

    from flows.backup import Backup
    from flows.doctor import Diagnosis
    from flows.file_modes import FixedModes
    from flows.move import Move
    from flows.server.bootstrap import Bootstrapped
    from flows.settings import Settings


def show_bootstrapped(there: Bootstrapped, *, as_json: bool) -> None:
    """What is on the Prefect server now, and what to start next."""
    if as_json:
        echo_json(there)
        return
    pairs(
        {
            "pool": there.pool,
            "queues": ", ".join(there.queues),
            "automations": len(there.automations),
            "deployments": ", ".join(there.deployments),
        }
    )
    echo(
        f"start a worker with `prefect worker start --pool {there.pool}`, and `valuemart watch`, which tells people what needs one"
    )


def show_backup(made: Backup, *, as_json: bool) -> None:
    """Where a backup lies and what it shows."""
    if as_json:
        echo_json(made)
        return
    echo(f"backed up into {place(made.folder)}: {_shown(made)}")


def show_restored(settings: Settings, restored: Backup, aside: Path | None, *, as_json: bool) -> None:
    """What a home holds again, and what is left for a person to do."""
    if as_json:
        echo_json({"restored": restored, "replaced": aside})
        return
    echo(f"restored {place(restored.folder)}: {_shown(restored)}")
    if aside is not None:
        echo(f"what was there before is in {place(aside)}; remove it when you are content")
    echo(
        f"move batches that were loaded after {restored.made_at:%Y-%m-%d %H:%M} UTC from {place(settings.archive)} "
        "back into the inbox, and run `valuemart refresh`"
    )


def show_moved(moved: Move, *, as_json: bool) -> None:
    """What was copied, and what the settings are to say from now on."""
    if as_json:
        echo_json(moved)
        return
    rows = sum(table.rows for table in moved.tables)
    echo(
        f"copied {len(moved.tables)} tables with {rows:,} rows from {moved.before} into {moved.after}, and found each equal "
        f"({moved.bytes_before / 1e6:,.1f} MB there, {moved.bytes_after / 1e6:,.1f} MB here)"
    )
    data = f" and warehouse_data = '{moved.data}'" if moved.data else ""
    echo(
        f"let the settings say warehouse = '{moved.url}'{data} before anything is loaded again; the former is as it was"
    )


def show_diagnosis(found: Diagnosis, *, as_json: bool) -> None:
    """What was looked at, a line each, and whether all of it is sound."""
    if as_json:
        echo_json({"sound": not found.exit_code, "version": found.version, "findings": found.findings})
        return
    for each in found.findings:
        echo(f"{each.state:<5}  {each.what}: {each.message}")
    echo("something is wrong: see the lines that say fault" if found.exit_code else "nothing is wrong")


def show_fixed_modes(settings: Settings, fixed: FixedModes, *, as_json: bool) -> None:
    """What was given to its owner and its readers, and what is another user's."""
    if as_json:
        echo_json(fixed)
        return
    readers = f"the group {settings.publish_group}" if settings.publish_group else "nobody else"
    echo(
        f"{fixed.fixed:,} files and folders of {place(settings.home)} were given to their owner; "
        f"what is published is read by {readers}"
    )
    if fixed.left:
        echo(
            f"{len(fixed.left):,} are another user's, such as {place(fixed.left[0])}: run this as that user or as root"
        )


def show_maintained(settings: Settings, *, as_json: bool) -> None:
    """That upkeep is done, and where backups lie."""
    if as_json:
        echo_json({"home": settings.home, "backups": settings.backups_folder})
        return
    echo(f"looked after {place(settings.home)}; backups are in {place(settings.backups_folder)}")


def _shown(made: Backup) -> str:
    rated = f"rated as of {made.as_of}" if made.as_of else "never rated"
    return f"{made.loads:,} loads, {rated}, {made.bytes / 1e6:,.1f} MB"
