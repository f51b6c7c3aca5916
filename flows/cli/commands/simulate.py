"""See what another policy would have made of the same facts: simulate."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flows.cli.commands.common import Json, app, month, rules, settings_of_this_process, text_of
from flows.errors import UsageError


@app.command(group=rules)
def simulate(
    policy: Annotated[Path, Parameter(help="The candidate: a policy file, TOML.")],
    /,
    *,
    first: Annotated[
        date | None,
        Parameter(
            name="--from", converter=month, help="The first month to show, as 2024-01; else the first rated."
        ),
    ] = None,
    last: Annotated[
        date | None,
        Parameter(name="--to", converter=month, help="The last month to replay; else the last rated."),
    ] = None,
    out: Annotated[
        Path | None, Parameter(help="A file to write: a page if it ends with .html, else JSON.")
    ] = None,
    hindsight: Annotated[
        bool,
        Parameter(
            negative=(),
            show_default=False,
            help="Show too what differs had later facts been known already.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Replay the rated months under another policy: who would move, what moves with them, how calm it is, how early it warns.

    Nothing is published, and nothing in the home changes. Each month sees only what was known on the day it was rated.
    """
    if first and last and last < first:
        raise UsageError(f"--from {first:%Y-%m} lies after --to {last:%Y-%m}; name the earlier month first")

    from flows.cli.run_flow import shown
    from flows.cli.views.policy import complain_if_outdated
    from flows.cli.views.simulation import check, show, write
    from flows.policy.simulate import simulate
    from transforms.policy.model import parse_policy

    candidate = parse_policy(text_of(policy))
    complain_if_outdated(candidate, policy)
    if out:
        check(out)
    with shown():
        found = simulate(settings_of_this_process(), candidate, first=first, last=last, hindsight=hindsight)
    if out:
        write(found, out)
    show(found, out, as_json=as_json)
