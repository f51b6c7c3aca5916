"""Look at the report: where it lies, and in a browser."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from flows.commands.common import Json, app, look, settings_of_this_process
from flows.faults import UsageError


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
    from flows import render
    from flows.report import stamp
    from warehouse.published_files import HOW_TO_PUBLISH, NothingPublishedError

    settings = settings_of_this_process()
    file, home = settings.report_file, render.place(settings.home)
    if not file.is_file():
        raise NothingPublishedError(f"no report is published in {home} yet; {HOW_TO_PUBLISH}")
    is_current = stamp.is_current(settings)
    if not is_current:
        render.complain(
            "valuemart: warning: the report does not show the mart as it is now; `valuemart refresh` brings it up"
        )
    if as_json:
        render.say_json({"report": file, "current": is_current})
    else:
        render.say(render.place(file))
    if in_browser:
        import webbrowser

        if not webbrowser.open(file.as_uri()):
            raise UsageError(f"no browser can be started here; open {file} in yours")
