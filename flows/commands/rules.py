"""Set the rules: calibrate, policy check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from flows import render
from flows.commands.common import Json, app, rules, settings_of_this_process, text_of

policy = App(name="policy", help="Look after the policy, the file with every weight and bar.", group=rules)
app.command(policy)


@app.command(group=rules)
def calibrate(
    *,
    out: Annotated[
        Path | None, Parameter(help="The file to write; standard output if none is named.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Propose a policy fitted to your data, as a file to review; nothing is rated by it until you configure it."""
    from flows import views
    from flows.calibrating import propose, write
    from transforms.policy import parse_policy

    proposal = propose(settings_of_this_process())
    if out is None:
        if as_json:
            render.say_json({"toml": proposal})
        else:
            render.say(proposal.rstrip("\n"))
        return
    write(proposal, out)
    views.show_policy(parse_policy(proposal), out, as_json=as_json)


@policy.command(name="check")
def policy_check(
    file: Annotated[Path, Parameter(help="The policy file, TOML.")], /, *, as_json: Json = False
) -> None:
    """Check a policy file before it rules: every wrong key, weight and bar is named."""
    from flows import views
    from transforms.policy import parse_policy

    views.show_policy(parse_policy(text_of(file)), file, as_json=as_json)
