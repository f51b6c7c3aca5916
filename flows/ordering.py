"""Decides on one order from the published mart: hands the customer's standing and the policy to the transforms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from flows.faults import UsageError
from flows.settings import Settings
from transforms.credit_order import Decision, Standing, decide
from transforms.policy import parse_policy
from warehouse import reading
from warehouse.published_files import Row


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order that was asked about, the standing it was decided on, and the decision."""

    company_code: str
    customer_id: str
    name: str
    as_of: date
    currency: str
    order: Decimal
    open_balance: Decimal | None
    exposure: Decimal | None
    standing: Standing
    decision: Decision


def decide_order(settings: Settings, customer: str, company: str | None, order: Decimal) -> Ordered:
    """Whether an order may be sold on credit, by what was published last.

    UsageError where the company's receivables were never delivered, so that nothing is known of its customers' credit.
    """
    row = reading.credit_standing(settings.mart_file, customer, company)
    if not row["is_watched"]:
        raise UsageError(
            f"nothing is known of the credit of {customer}: no receivables of {row['company_code']} were delivered"
        )
    policy = parse_policy(reading.policy_text(settings.ops_file, row["policy_hash"]))
    standing = _standing(row, settings.company_currency)
    return Ordered(
        company_code=row["company_code"],
        customer_id=row["customer_id"],
        name=row["name"],
        as_of=row["as_of"],
        currency=settings.company_currency,
        order=order,
        open_balance=row["open_balance"],
        exposure=row["exposure"],
        standing=standing,
        decision=decide(standing, order, policy.credit),
    )


def _standing(row: Row, currency: str) -> Standing:
    """The customer's row of the watch; who never owed or ordered is open, up to its master's limit."""
    known = {"group_id": row["group_id"], "group_headroom": row["group_headroom"]}
    if row["credit_action"] is None:
        limit = row["master_limit"] if row["credit_currency"] in {None, currency} else None
        return Standing("open", None, limit, limit, warning_reason=None, **known)
    return Standing(
        credit_action=row["credit_action"],
        action_reason=row["action_reason"],
        credit_limit=row["credit_limit"],
        headroom=row["next_order_headroom"],
        warning_reason=row["warning_reason"],
        **known,
    )
