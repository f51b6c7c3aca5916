"""Before the sale: may an order be sold on credit? A rule on one customer's standing, in plain values."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transforms.policy_credit import CreditAction, CreditRule

Answer = Literal["allowed", "prepay", "stop"]
_ANSWERS: dict[CreditAction, Answer] = {
    "open": "allowed",
    "watch": "allowed",
    "prepay": "prepay",
    "stop": "stop",
}
_HARDNESS: tuple[Answer, ...] = ("allowed", "prepay", "stop")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a customer's credit; money in company currency, None where it is not known or not limited.

    `headroom` is the limit less what is owed and ordered, `group_headroom` the same for the customer's group.
    """

    credit_action: CreditAction
    action_reason: str | None
    credit_limit: Decimal | None
    headroom: Decimal | None
    group_id: str | None
    group_headroom: Decimal | None
    warning_reason: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, why, what to bear in mind though it is allowed, and how much could be sold on credit at most.

    `at_most` None: no limit is set.
    """

    answer: Answer
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]
    at_most: Decimal | None


def decide(standing: Standing, order: Decimal, rule: CreditRule) -> Decision:
    """Decide on an order of that amount, company currency, tax included as receivables are.

    The hardest of these holds: the credit action as it stands, an order above the customer's headroom, and one above its
    group's, both by the policy's `over_limit_action`; an order of exactly the headroom still fits. A customer or a group
    without a limit is not stopped by one. ValueError where the order is not more than 0. Source: DOMAIN §5.
    """
    if order <= 0:
        raise ValueError(f"an order of {order} is none")
    found = list(_objections(standing, order, rule))
    answer: Answer = max((each for each, _ in found), key=_HARDNESS.index, default=_HARDNESS[0])
    return Decision(
        answer=answer,
        reasons=tuple(reason for each, reason in found if each == answer != "allowed"),
        remarks=tuple(_remarks(standing, found, answer)),
        at_most=_at_most(standing, rule),
    )


def _objections(standing: Standing, order: Decimal, rule: CreditRule) -> Iterator[tuple[Answer, str]]:
    action = _ANSWERS[standing.credit_action]
    if action != "allowed":
        yield action, f"credit action {standing.credit_action}: {standing.action_reason}"
    over = _ANSWERS[rule.over_limit_action]
    if standing.headroom is not None and order > standing.headroom:
        yield (
            over,
            f"the order exceeds the headroom of {standing.headroom:,.2f} by {order - standing.headroom:,.2f}",
        )
    if standing.group_headroom is not None and order > standing.group_headroom:
        excess = order - standing.group_headroom
        yield (
            over,
            f"the order exceeds the headroom of the group {standing.group_id}, {standing.group_headroom:,.2f}, by {excess:,.2f}",
        )


def _remarks(standing: Standing, found: list[tuple[Answer, str]], answer: Answer) -> Iterator[str]:
    yield from (reason for each, reason in found if each == "allowed" or each != answer)
    if standing.credit_limit is None:
        yield "no credit limit is set"
    if standing.credit_action == "watch":
        yield f"to be watched: {standing.action_reason}"
    if standing.warning_reason and standing.credit_action in {"open", "watch"}:
        yield f"warning: {standing.warning_reason}"


def _at_most(standing: Standing, rule: CreditRule) -> Decimal | None:
    if _ANSWERS[standing.credit_action] != "allowed":
        return Decimal(0)
    if _ANSWERS[rule.over_limit_action] == "allowed":
        return None
    known = [each for each in (standing.headroom, standing.group_headroom) if each is not None]
    return max(min(known), Decimal(0)) if known else None
