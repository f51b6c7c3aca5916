"""Look at the report: where it lies, and in a browser."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from flows.cli.commands.common import Json, app, look, settings_of_this_process
from flows.errors import UsageError


@app.command(group=look)
def report(
    *,
    in_browser: Annotated[
        bool,
        Parameter(name="--open", negative=(), show_default=False, help="Open it in your browser."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Say where the report lies that the last refresh published; open it with `--open`."""
    from flows.console import output
    from flows.report import stamp
    from warehouse.mart.files import HOW_TO_PUBLISH, NothingPublishedError

    settings = settings_of_this_process()
    file, home = settings.report_file, output.place(settings.home)
    if not file.is_file():
        raise NothingPublishedError(f"no report is published in {home} yet; {HOW_TO_PUBLISH}")
    is_current = stamp.is_current(settings)
    if not is_current:
        output.echo_err(
            "valuemart: warning: the report does not show the mart as it is now; `valuemart refresh` brings it up"
        )
    if as_json:
        output.echo_json({"report": file, "current": is_current})
    else:
        output.echo(output.place(file))
    if in_browser:
        import webbrowser

        if not webbrowser.open(file.as_uri()):
            raise UsageError(f"no browser can be started here; open {file} in yours")
