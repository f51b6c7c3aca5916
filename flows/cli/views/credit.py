"""The answer to an order, before the sale, to a person or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.console.output import echo, echo_json, fields_of, pairs

if TYPE_CHECKING:
    from flows.policy.credit_order import Ordered
    from flows.wording.reasons import Form


def show_order(asked: Ordered, *, as_json: bool) -> None:
    """Whether an order may be sold on credit, and why."""
    from flows.wording.reasons import render

    decision, standing = asked.decision, asked.standing
    form: Form = "exact" if as_json else "en"
    reasons, remarks = (
        [render([each], form) for each in said] for said in (decision.reasons, decision.remarks)
    )
    if as_json:
        about = {name: value for name, value in fields_of(asked).items() if name != "decision"}
        echo_json({**fields_of(decision), "reasons": reasons, "remarks": remarks, **about})
        return
    order = f"{asked.order:,.2f} {asked.currency}"
    echo(f"{decision.answer}: {order} for {asked.customer_id} {asked.name} ({asked.company_code})")
    at_most = decision.at_most
    lines = {
        **{f"why {place}": reason for place, reason in enumerate(reasons, start=1)},
        **{f"note {place}": remark for place, remark in enumerate(remarks, start=1)},
        "on credit at most": "no limit" if at_most is None else f"{at_most:,.2f} {asked.currency}",
        "exposure": asked.exposure,
        "credit limit": standing.credit_limit,
        "known as of": asked.as_of,
    }
    pairs(lines)
