"""See what another policy would have made of the same facts, or other facts of the same customer: simulate, what-if."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, Token

from flows.cli.commands.common import (
    CompanyOfNumber,
    Json,
    app,
    look,
    month,
    rules,
    settings_of_this_process,
    text_of,
)
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


def _share(_: type, tokens: Sequence[Token]) -> Decimal:
    """A change written as +10% or -2.5%."""
    written = tokens[0].value.strip()
    found = re.fullmatch(r"([+\-−]?)(\d{1,4}(?:\.\d{1,2})?) ?%", written)
    if not found:
        raise UsageError(
            f"{written!r} is no change; write it as +10% or -2.5%, with two decimal places at most"
        )
    sign, percent = found.groups()
    share = Decimal(percent) / 100
    return -share if sign in {"-", "−"} else share


@app.command(group=look)
def what_if(
    customer: Annotated[
        str, Parameter(help="The customer's number, with or without zeros in front, or a part of its name.")
    ],
    /,
    *,
    sales: Annotated[
        Decimal,
        Parameter(
            converter=_share,
            allow_leading_hyphen=True,
            show_default=False,
            help="How much more was bought in the 12 months, at the same prices: +10%, -25%.",
        ),
    ] = Decimal(0),
    price: Annotated[
        Decimal,
        Parameter(
            converter=_share,
            allow_leading_hyphen=True,
            show_default=False,
            help="How much more was asked for the same goods: +2.5%, -3%. No lost quantity is assumed.",
        ),
    ] = Decimal(0),
    terms: Annotated[
        int | None, Parameter(help="Days of payment from posting; the customer's own days late come on top.")
    ] = None,
    company: CompanyOfNumber = None,
    as_json: Json = False,
) -> None:
    """Say what a customer's latest rating would be had its 12 months gone otherwise: what it brings, its score, its tier.

    Nothing is stored, and nobody is told. Credit and conduct are judged by the facts as they are.
    """
    from flows.cli.views.what_if import show_what_if
    from flows.policy.what_if import what_if
    from transforms.simulation.what_if import Supposition

    if not sales and not price and terms is None:
        raise UsageError("suppose something: --sales +10%, --price -3%, --terms 60, or several of them")
    try:
        supposed = Supposition(sales, price, terms)
    except ValueError as error:
        raise UsageError(str(error)) from error
    show_what_if(what_if(settings_of_this_process(), customer, company, supposed), as_json=as_json)
