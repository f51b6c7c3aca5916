"""Set the rules: calibrate, policy check, policy upgrade, policy confirm, policy ruled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from flows.cli.commands.common import Json, app, rules, settings_of_this_process, text_of
from flows.console import output

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
    from flows.cli.views.policy import show_policy
    from flows.policy.calibrate import propose, write
    from transforms.policy.model import parse_policy

    proposal = propose(settings_of_this_process())
    if out is None:
        if as_json:
            output.echo_json({"toml": proposal})
        else:
            output.echo(proposal.rstrip("\n"))
        return
    write(proposal, out)
    show_policy(parse_policy(proposal), out, as_json=as_json)


@policy.command(name="check")
def policy_check(
    file: Annotated[Path, Parameter(help="The policy file, TOML.")], /, *, as_json: Json = False
) -> None:
    """Check a policy file before it rules: every wrong key, weight and bar is named."""
    from flows.cli.views.policy import show_policy
    from transforms.policy.model import parse_policy

    show_policy(parse_policy(text_of(file)), file, as_json=as_json)


@policy.command(name="upgrade")
def policy_upgrade(
    file: Annotated[Path, Parameter(help="The policy file, TOML.")],
    /,
    *,
    out: Annotated[Path | None, Parameter(help="The file to write; FILE itself if none is named.")] = None,
    as_json: Json = False,
) -> None:
    """Write a policy of an earlier schema version anew: it rules as before, and comments stay."""
    from flows.cli.views.policy import show_upgraded
    from flows.policy.upgrade import upgrade
    from transforms.policy.model import parse_policy

    before = text_of(file)
    after = upgrade(before, out or file)
    show_upgraded(parse_policy(before), parse_policy(after), file, out or file, as_json=as_json)


@policy.command(name="confirm")
def policy_confirm(
    *,
    by: Annotated[
        str | None, Parameter(help="Who has read it; the account this runs under if nobody is named.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Confirm the policy that was fitted to your data: you have read it, and it may rule."""
    from flows.cli.views.policy import show_confirmed
    from flows.policy.confirm import confirm

    settings = settings_of_this_process()
    confirmed, who = confirm(settings, by)
    show_confirmed(confirmed, settings.policy_file, who, as_json=as_json)


@policy.command(name="ruled")
def policy_ruled(
    *,
    out: Annotated[
        Path | None, Parameter(help="The file to write; standard output if none is named.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Give the text of the policy that ruled the last rating, as the warehouse keeps it: to put back a file that is gone."""
    from flows.cli.views.policy import show_policy
    from flows.policy.calibrate import write
    from flows.policy.ruled import ruling_text
    from transforms.policy.model import parse_policy

    text = ruling_text(settings_of_this_process())
    if out is not None:
        write(text, out)
        show_policy(parse_policy(text), out, as_json=as_json)
    elif as_json:
        output.echo_json({"toml": text})
    else:
        output.echo(text.rstrip("\n"))
