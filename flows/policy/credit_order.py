"""Decides on one order from the published mart: hands the customer's standing and the policy to the transforms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from flows.errors import UsageError
from flows.settings import Settings
from flows.wording.reasons import Form, render
from transforms.credit.order import Decision, Standing, decide
from transforms.policy.model import Policy, parse_policy
from warehouse.mart import queries
from warehouse.mart.files import Row


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


def decide_order(
    settings: Settings, customer: str, company: str | None, order: Decimal, form: Form = "exact"
) -> Ordered:
    """Whether an order may be sold on credit, by what was published last; what is said of it is the mart's text, or a person's.

    UsageError where the company's receivables were never delivered, so that nothing is known of its customers' credit, and where
    another number continues the customer.
    """
    row = queries.credit_standing(settings.mart_file, customer, company)
    if not row["is_watched"]:
        raise UsageError(
            f"nothing is known of the credit of {customer}: no receivables of {row['company_code']} were delivered"
        )
    if row["succeeded_by"]:
        raise UsageError(
            f"{row['customer_id']} is no customer any more, it is continued by {row['succeeded_by']}: ask for that number"
        )
    policy = parse_policy(queries.policy_text(settings.ops_file, row["policy_hash"]))
    said = {
        name: render(row[f"{name}_reasons"], form) or row[name]
        for name in ("action_reason", "warning_reason")
    }
    standing = _standing({**row, **said}, settings.company_currency, policy)
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


def _standing(row: Row, currency: str, policy: Policy) -> Standing:
    """The customer's row of the watch; who never owed or ordered is open up to its master's limit, unless it is blocked."""
    known = {
        "group_id": row["group_id"],
        "group_headroom": row["group_headroom"],
        "is_new": (row["months_known"] or 0) < policy.segments.new_below_months,
    }
    if row["credit_action"] is None:
        is_comparable = row["credit_currency"] in {None, currency}
        limit = row["master_limit"] if is_comparable else None
        is_blocked = row["status"] == "blocked" and policy.credit.blocked_action != "open"
        return Standing(
            policy.credit.blocked_action if is_blocked else "open",
            "blocked in the ERP" if is_blocked else None,
            limit,
            limit,
            warning_reason=None,
            has_no_rate=row["master_limit"] is not None and not is_comparable,
            **known,
        )
    return Standing(
        credit_action=row["credit_action"],
        action_reason=row["action_reason"],
        credit_limit=row["credit_limit"],
        headroom=row["next_order_headroom"],
        warning_reason=row["warning_reason"],
        exposure=row["exposure"],
        has_no_rate=row["credit_limit_reason"] == "no_rate",
        **known,
    )
