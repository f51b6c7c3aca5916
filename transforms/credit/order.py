"""Before the sale: may an order be sold on credit? A rule on one customer's standing, in plain values."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

from transforms.frames.reasons import plain_reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from transforms.policy.credit import CreditAction, CreditRule

Answer = Literal["allowed", "ask", "prepay", "stop"]
_Objection: TypeAlias = "tuple[Answer, Mapping[str, object]]"
_ANSWERS: dict[CreditAction, Answer] = {
    "open": "allowed",
    "watch": "allowed",
    "prepay": "prepay",
    "stop": "stop",
}
_HARDNESS: tuple[Answer, ...] = ("allowed", "ask", "prepay", "stop")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a customer's credit; money in company currency, None where it is not known or not limited.

    `headroom` is the limit less what is owed and ordered, `group_headroom` the same for the customer's group. `exposure` is
    what is owed and ordered; `is_new`: it has not been known for as long as the policy asks; `has_no_rate`: a limit is set, but
    in a currency for which there is no rate.
    """

    credit_action: CreditAction
    action_reason: str | None
    credit_limit: Decimal | None
    headroom: Decimal | None
    group_id: str | None
    group_headroom: Decimal | None
    warning_reason: str | None
    exposure: Decimal = Decimal(0)
    is_new: bool = False
    has_no_rate: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, why, what to bear in mind though it is allowed, and how much could be sold on credit at most.

    `ask`: somebody who answers for credit decides. `reasons` and `remarks`: each a code and its figures. `at_most` None: no limit
    is set.
    """

    answer: Answer
    reasons: tuple[Mapping[str, object], ...]
    remarks: tuple[Mapping[str, object], ...]
    at_most: Decimal | None


def decide(standing: Standing, order: Decimal, rule: CreditRule) -> Decision:
    """Decide on an order of that amount, company currency, tax included as receivables are.

    The hardest of these holds: the credit action as it stands, an order above the customer's headroom, and one above its
    group's, both by the policy's `over_limit_action`; an order of exactly the headroom still fits. A group without a limit
    is not stopped by one; a customer without one by the policy's `no_limit_action`, and a new one, once it owes and orders
    more than `new_no_limit_free`, by `new_no_limit_action`, of which `watch` means to ask first. ValueError where the order is
    not more than 0. Source: docs/figures.md, Credit: before the sale.
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


def _objections(standing: Standing, order: Decimal, rule: CreditRule) -> Iterator[_Objection]:
    action = _ANSWERS[standing.credit_action]
    if action != "allowed":
        yield (
            action,
            plain_reason("credit_action_holds", label=standing.credit_action, remark=standing.action_reason),
        )
    over = _ANSWERS[rule.over_limit_action]
    if standing.headroom is not None and order > standing.headroom:
        excess = order - standing.headroom
        yield over, plain_reason("order_above_headroom", bar=standing.headroom, amount=excess)
    if standing.group_headroom is not None and order > standing.group_headroom:
        excess = order - standing.group_headroom
        group = {"name": standing.group_id, "bar": standing.group_headroom}
        yield over, plain_reason("order_above_group_headroom", **group, amount=excess)
    if standing.credit_limit is None:
        yield from _without_a_limit(standing, order, rule)


def _without_a_limit(standing: Standing, order: Decimal, rule: CreditRule) -> Iterator[_Objection]:
    if _ANSWERS[rule.no_limit_action] != "allowed":
        yield _ANSWERS[rule.no_limit_action], _no_limit(standing)
    is_beyond = standing.exposure + order > rule.new_no_limit_free
    if standing.is_new and is_beyond and rule.new_no_limit_action != "open":
        answer: Answer = "ask" if rule.new_no_limit_action == "watch" else _ANSWERS[rule.new_no_limit_action]
        has_no_rate = standing.has_no_rate
        yield (
            answer,
            plain_reason("new_and_no_limit_rate") if has_no_rate else plain_reason("new_and_no_limit_set"),
        )


def _no_limit(standing: Standing) -> Mapping[str, object]:
    return plain_reason("no_limit_rate") if standing.has_no_rate else plain_reason("no_limit_set")


def _remarks(standing: Standing, found: list[_Objection], answer: Answer) -> Iterator[Mapping[str, object]]:
    yield from (reason for each, reason in found if each == "allowed" or each != answer)
    is_said = any(reason["code"] in {"new_and_no_limit_set", "new_and_no_limit_rate"} for _, reason in found)
    if standing.credit_limit is None and not is_said:
        yield _no_limit(standing)
    if standing.credit_action == "watch":
        yield plain_reason("to_be_watched", remark=standing.action_reason)
    if standing.warning_reason and standing.credit_action in {"open", "watch"}:
        yield plain_reason("warned", remark=standing.warning_reason)


def _at_most(standing: Standing, rule: CreditRule) -> Decimal | None:
    if _ANSWERS[standing.credit_action] != "allowed":
        return Decimal(0)
    if _ANSWERS[rule.over_limit_action] == "allowed":
        return None
    free = None
    if standing.credit_limit is None and standing.is_new and rule.new_no_limit_action != "open":
        free = rule.new_no_limit_free - standing.exposure
    known = [each for each in (standing.headroom, standing.group_headroom, free) if each is not None]
    return max(min(known), Decimal(0)) if known else None
