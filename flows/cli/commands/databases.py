"""Read an ERP's own database: pull."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from flows.cli.commands.common import Json, app, settings_of_this_process, work


@app.command(group=work)
def pull(
    source: Annotated[str, Parameter(help="The source whose database is read; see `valuemart sources`.")],
    /,
    *,
    company: Annotated[str, Parameter(help="The legal entity to read.")],
    full: Annotated[
        bool, Parameter(negative=(), show_default=False, help="Read everything, not what changed since.")
    ] = False,
    compare_keys: Annotated[
        bool,
        Parameter(
            negative=(), show_default=False, help="Read all keys as well, so that what was deleted is found."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Read what changed in an ERP's database since the last loaded pull, and put it into the inbox as one batch.

    It only reads, all of it as of one moment. `refresh` loads the batch; only then the next pull begins after it.
    """
    from datetime import UTC, datetime

    from flows.cli.run_flow import shown
    from flows.cli.views.run import show_pulled
    from flows.extract.batch import pull_batch
    from flows.inbox.announce import announce

    settings = settings_of_this_process()
    with shown():
        pulled = pull_batch(
            settings, source, company, taken_at=datetime.now(UTC), full=full, compare_keys=compare_keys
        )
    show_pulled(pulled, untold=announce(pulled.landed), as_json=as_json)
