"""Run it day by day: serve, bootstrap, watch, backup, restore."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flows.commands.common import Json, app, operate, settings_of_this_process
from flows.faults import UsageError


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
    from flows import serving
    from flows.render import complain

    serving.serve(settings_of_this_process(), host=host, port=port, say=complain)


@app.command(group=operate)
def bootstrap(*, as_json: Json = False) -> None:
    """Set up the Prefect server of PREFECT_API_URL: pool, queues, automations, deployments; again, it mends."""
    from flows import bootstrapping
    from flows.operate_views import show_bootstrapped

    _asked_server("is to be set up")
    show_bootstrapped(bootstrapping.bootstrap(settings_of_this_process().notify_url), as_json=as_json)


@app.command(group=operate)
def watch() -> None:
    """Watch the inbox, and ask the Prefect server of PREFECT_API_URL for a refresh when a batch lands; until Ctrl-C."""
    from flows import watching
    from flows.render import complain

    _asked_server("is to be asked for refreshes")
    watching.watch(settings_of_this_process(), say=complain)


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
    """Copy what cannot be made again, as of one moment: warehouse, relay's books, event files, policy, keys."""
    from datetime import UTC, datetime

    from flows.backing_up import back_up
    from flows.operate_views import show_backup

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

    from flows.backing_up import restore
    from flows.operate_views import show_restored

    settings = settings_of_this_process()
    restored, aside = restore(settings, folder, datetime.now(UTC))
    show_restored(settings, restored, aside, as_json=as_json)
