"""Ask before the sale whether an order may be sold on credit."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, Token

from flows.cli.commands.common import CompanyOfNumber, Json, app, look, settings_of_this_process
from flows.errors import UsageError

if TYPE_CHECKING:
    from flows.wording.reasons import Form

# Money has as many digits before its point, at most; see the contracts.
_DIGITS = 14


def _amount(_: type, tokens: Sequence[Token]) -> Decimal:
    """An amount of money written as 12500 or 12500.50."""
    try:
        amount = Decimal(tokens[0].value)
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or amount <= 0 or amount.adjusted() >= _DIGITS:
        raise UsageError(f"{tokens[0].value!r} is no amount of an order; write it as 12500 or 12500.50")
    return amount


@app.command(group=look)
def credit(
    customer: Annotated[
        str, Parameter(help="The customer's number, with or without zeros in front, or a part of its name.")
    ],
    /,
    *,
    order: Annotated[
        Decimal, Parameter(converter=_amount, help="What the order comes to, with tax, in company currency.")
    ],
    company: CompanyOfNumber = None,
    as_json: Json = False,
) -> None:
    """Say before the sale whether an order may go out on credit: allowed, ask, prepay or stop, and why."""
    from flows.cli.views.credit import show_order
    from flows.policy.credit_order import decide_order

    settings = settings_of_this_process()
    form: Form = "exact" if as_json else "en"
    show_order(decide_order(settings, customer, company, order, form), as_json=as_json)
