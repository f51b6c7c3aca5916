"""Look after the place of the warehouse: a file in the home, or a lake."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from flows.cli.commands.common import Json, app, operate, settings_of_this_process

warehouse = App(
    name="warehouse", help="Look after the place of the warehouse, a file or a lake.", group=operate
)
app.command(warehouse)


@warehouse.command
def move(
    *,
    to: Annotated[
        str,
        Parameter(
            help="Where to: duckdb:, ducklake:sqlite:PATH, or ducklake:postgres:HOW (docs/scaling.md)."
        ),
    ],
    data: Annotated[
        str | None,
        Parameter(
            help="The folder or s3://BUCKET/PREFIX for a lake's files, empty or new; else `lake` in the home."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Copy the warehouse to another place and compare it table for table; what is there now stays as it is."""
    from datetime import UTC, datetime

    from flows.cli.run_flow import shown
    from flows.cli.views.operate import show_moved
    from flows.move import move as move_warehouse
    from flows.settings.warehouse import given_data, given_url

    settings, url = settings_of_this_process(), given_url(to)
    with shown():
        moved = move_warehouse(settings, url, given_data(data), datetime.now(UTC).replace(tzinfo=None))
    show_moved(moved, as_json=as_json)
