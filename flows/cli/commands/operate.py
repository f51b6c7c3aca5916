"""Run it day by day: serve, bootstrap, watch, backup, restore, doctor, maintain."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flows.cli.commands.common import Json, app, operate, settings_of_this_process
from flows.errors import OTHER, UsageError


@app.command(group=operate)
def serve(
    *,
    port: Annotated[int, Parameter(help="The port of the Prefect server.")] = 4200,
    host: Annotated[
        str,
        Parameter(help="The address it listens on; this machine's own is not to be reached from elsewhere."),
    ] = "127.0.0.1",
) -> None:
    """Run a Prefect server, the deployments, a worker and the watcher of the inbox here, until Ctrl-C."""
    from flows.console.output import echo_err
    from flows.server import serve as serving

    serving.serve(settings_of_this_process(), host=host, port=port, echo=echo_err)


@app.command(group=operate)
def bootstrap(*, as_json: Json = False) -> None:
    """Set up the Prefect server of PREFECT_API_URL: pool, queues, automations, deployments; again, it mends."""
    from flows.cli.views.operate import show_bootstrapped
    from flows.server import bootstrap as bootstrapping

    _asked_server("is to be set up")
    show_bootstrapped(bootstrapping.bootstrap(), as_json=as_json)


@app.command(group=operate)
def watch() -> None:
    """Watch the inbox and the runs of the Prefect server of PREFECT_API_URL, and ask it for refreshes; until Ctrl-C.

    A batch that lands is told of at once; what landed unheard or was left undone is asked for every five minutes. Runs that
    failed or crashed are said, a line each.
    """
    from flows.console.output import echo_err

    _asked_server("is to be asked for refreshes")
    for level in ("PREFECT_LOGGING_LEVEL", "PREFECT_LOGGING_INTERNAL_LEVEL"):
        os.environ.setdefault(level, "CRITICAL")  # what goes wrong is said once, a line each
    from flows.server.attendant import watch as attend

    attend(settings_of_this_process(), echo=echo_err)


def _asked_server(purpose: str) -> str:
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        raise UsageError(
            f"set PREFECT_API_URL to the Prefect server that {purpose}, such as http://127.0.0.1:4200/api"
        )
    return url


@app.command(group=operate)
def backup(
    *,
    out: Annotated[
        Path | None, Parameter(help="Where the backup's folder is made; else `backups` in the home.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Copy what cannot be made again, as of one moment: warehouse, relay's store, event files, policy, keys."""
    from datetime import UTC, datetime

    from flows.backup import back_up
    from flows.cli.views.operate import show_backup

    settings = settings_of_this_process()
    show_backup(back_up(settings, out or settings.backups_folder, datetime.now(UTC)), as_json=as_json)


@app.command(group=operate)
def restore(
    folder: Annotated[Path, Parameter(help="The folder that `valuemart backup` made.")],
    /,
    *,
    as_json: Json = False,
) -> None:
    """Put a backup in the place of what the home holds, and publish it; the former files are moved aside."""
    from datetime import UTC, datetime

    from flows.backup import restore
    from flows.cli.views.operate import show_restored

    settings = settings_of_this_process()
    restored, aside = restore(settings, folder, datetime.now(UTC))
    show_restored(settings, restored, aside, as_json=as_json)


@app.command(group=operate)
def doctor(*, as_json: Json = False) -> int:
    """Say whether the home is sound: versions, migrations, files, policy, published state, relay, rows, room.

    Changes nothing. Ends with 1 if something is wrong.
    """
    from flows.cli.views.operate import show_diagnosis
    from flows.doctor import examine

    found = examine(settings_of_this_process())
    show_diagnosis(found, as_json=as_json)
    return found.exit_code


@app.command(group=operate)
def maintain(
    *,
    fix_modes: Annotated[
        bool,
        Parameter(
            negative=(),
            show_default=False,
            help="Only give the home to its owner, and what is published to its readers.",
        ),
    ] = False,
    keep_archive_days: Annotated[
        int | None, Parameter(help="Drop raw batches that were loaded longer ago; else keep all.")
    ] = None,
    backups: Annotated[
        int, Parameter(help="How many backups to keep, the new one included; 0 makes none.")
    ] = 7,
    as_json: Json = False,
) -> int:
    """Look after a home as the deployment `maintain` does: back up, drop what is too old, compact; or put its file modes right."""
    from datetime import UTC, datetime

    from flows.cli.run_flow import shown
    from flows.cli.views.operate import show_fixed_modes, show_maintained

    if backups < 0 or (keep_archive_days is not None and keep_archive_days < 1):
        raise UsageError("--backups is 0 or more, --keep-archive-days 1 or more")
    settings = settings_of_this_process()
    if fix_modes:
        from flows.file_modes import fix_modes as give_to_owner

        fixed = give_to_owner(settings)
        show_fixed_modes(settings, fixed, as_json=as_json)
        return OTHER if fixed.left else 0
    from flows.upkeep import look_after

    with shown():
        look_after(settings, datetime.now(UTC), keep_archive_days=keep_archive_days, backups=backups)
    show_maintained(settings, as_json=as_json)
    return 0
