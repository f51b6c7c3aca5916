"""From changes to events: ids and payloads. Which changes give events is decided in transforms/rating/events.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import polars as pl

from flows.events.types import (
    MOST_PERIODS,
    ConductCleared,
    ConductFinding,
    ConductFlagged,
    CorrectedPeriod,
    CreditWarning,
    CreditWarningCleared,
    CreditWarningRaised,
    Data,
    DeclineCleared,
    DeclineFound,
    DeclineWarned,
    Driver,
    Event,
    ExpectedTierMove,
    NextTier,
    PolicyStamp,
    RatingCorrected,
    TierChanged,
    TierWatch,
    Unassessed,
    event_id,
    state_version,
)
from flows.wording.reasons import with_text
from transforms.measures.descriptor import MEASURES
from transforms.policy.model import Policy
from transforms.rating.events import CONDUCT, NO_CREDIT_ACTION, NOTHING
from transforms.rating.explain_score import explain_move, score_term_names

Row = Mapping[str, Any]
Customer = tuple[str, str]

_KEY = ["company_code", "customer_id"]
_CREDIT_FIGURES = (
    "warning_causes",
    "warning_reason",
    "credit_grade",
    "action_reason",
    "open_balance",
    "overdue_share",
    "overdue_over_90",
    "oldest_overdue_days",
    "credit_limit",
    "exposure",
    "utilisation",
    "next_order_headroom",
    "group_id",
    "group_headroom",
)
_DECLINE = (
    "decline_state",
    "decline_since",
    "decline_stake",
    "decline_reason",
    "pace_ratio",
    "pace_basis",
    "pace_months",
    "last_order_on",
    "days_since_last_order",
    "usual_gap_days",
    "gap_multiple",
    "net_sales_12m",
    "net_sales_12m_before",
    "quantity_effect_12m",
    "price_effect_12m",
)
_FINDING = (
    "reason",
    "measure",
    "value",
    "threshold",
    "evidence_count",
    "evidence_from",
    "evidence_to",
    "concerned_amount",
    "evidence",
)


@dataclass(frozen=True, slots=True)
class EventContext:
    """What every event of a run carries: for whom, of which day, under which policy, and when it is written.

    `cause`: why it is written though nothing changed; None where something did.
    """

    tenant: str
    as_of: date
    recorded_at: datetime
    policy: Policy
    cause: str | None = None


Emitted = tuple[Row, list[Event]]
"""A difference that was told, and its event first, with that of the type before it behind."""


def tier_events(
    differences: pl.DataFrame,
    moved: pl.DataFrame,
    ratings: pl.DataFrame,
    base: pl.DataFrame,
    context: EventContext,
) -> list[Emitted]:
    """The tiers that differ from those told last. `differences`: as `to_emit` lists them, of tiers.

    `ratings`: these customers' rating rows; `base`: the ratings that they are compared with, of those who have one; `moved`: the
    moves from the tiers told last, with their reasons as text. A correction names the event that it takes the place of.
    """
    now, before, moves = _by_customer(ratings), _by_customer(base), _by_customer(moved)
    explained = _explained(ratings, base, context.policy)
    told: list[Emitted] = []
    for row in differences.iter_rows(named=True):
        customer = _customer(row)
        move = moves[customer]
        data = _tier_changed(
            move,
            now[customer],
            before.get(customer),
            explained[customer],
            _stamp(context.policy),
            row["previous_event_id"] if move["cause"] == "correction" and context.cause is None else None,
        )
        told.append((row, _told(context, data, row, day=now[customer]["as_of"])))
    return told


def watch_events(
    differences: pl.DataFrame, ratings: pl.DataFrame, shown: pl.DataFrame, context: EventContext
) -> list[Emitted]:
    """The expected moves that differ from those told last; `shown`: the ratings that were told last, of those of whom any was."""
    now, before = _by_customer(ratings, differences), _by_customer(shown)
    told: list[Emitted] = []
    for row in differences.iter_rows(named=True):
        customer = _customer(row)
        rating = now[customer]
        data = TierWatch(
            **_of_rating(customer, rating, context.policy),
            rank=rating["effective_rank"],
            expected=_expected(rating),
            expected_before=_expected(before[customer]) if customer in before else None,
        )
        told.append((row, _told(context, data, row, day=rating["as_of"])))
    return told


def decline_events(differences: pl.DataFrame, ratings: pl.DataFrame, context: EventContext) -> list[Emitted]:
    """The declines that differ from those told last; `ratings`: the rating rows of the company, reasons as text."""
    now = _by_customer(ratings, differences)
    told: list[Emitted] = []
    for row in differences.iter_rows(named=True):
        customer = _customer(row)
        rating = now[customer]
        decline: type[DeclineFound] = DeclineWarned if row["holds"] != NOTHING else DeclineCleared
        data = decline(
            **_of_rating(customer, rating, context.policy),
            decline_state_from=row["emitted"] or NOTHING,
            **{name: rating[name] for name in _DECLINE},
        )
        told.append((row, _told(context, data, row, day=rating["as_of"])))
    return told


def correction_events(corrected: pl.DataFrame, context: EventContext) -> list[Event]:
    """One event a customer whose published periods were rated anew; `corrected`: as `correction_changes` gathers them."""
    emitted = []
    for row in corrected.iter_rows(named=True):
        customer, periods = _customer(row), row["periods"]
        transitions = [
            f"{each['period']}.{each['revision']}:{each['from_tier']}>{each['to_tier']}" for each in periods
        ]
        listed = periods[-MOST_PERIODS:]
        data = RatingCorrected(
            **_whose(customer),
            as_of=context.as_of,
            policy=_stamp(context.policy),
            state_version=state_version(periods[-1]["period"], periods[-1]["revision"]),
            periods=tuple(
                CorrectedPeriod(**each, supersedes=state_version(each["period"], each["revision"] - 1))
                for each in listed
            ),
            earlier_periods=len(periods) - len(listed),
        )
        emitted += _events(context, data, "corrected", *transitions, context.policy.content_hash)
    return emitted


def credit_events(differences: pl.DataFrame, watch: pl.DataFrame, context: EventContext) -> list[Emitted]:
    """The credit warnings that differ from those told last; `watch`: the company's credit watch, reasons as text."""
    now = _by_customer(watch, differences)
    told: list[Emitted] = []
    for row in differences.iter_rows(named=True):
        customer = _customer(row)
        figures = now.get(customer, {})
        is_raised = row["holds"] != NOTHING
        warning: type[CreditWarning] = CreditWarningRaised if is_raised else CreditWarningCleared
        data = warning(
            **_whose(customer),
            as_of=context.as_of,
            policy=_stamp(context.policy),
            state_version=_version_of_day(context, row),
            credit_action_from=NO_CREDIT_ACTION if row["emitted"] in {None, NOTHING} else row["emitted"],
            credit_action=figures.get("credit_action", NO_CREDIT_ACTION),
            warning_since=row["since"] if is_raised else row["emitted_since"],
            **{name: figures.get(name) for name in _CREDIT_FIGURES},
        )
        told.append((row, _told(context, data, row)))
    return told


def conduct_events(differences: pl.DataFrame, findings: pl.DataFrame, context: EventContext) -> list[Emitted]:
    """The misconduct that differs from what was told last; `findings`: the company's conduct findings, reasons as text."""
    now = {(*_customer(row), row["kind"]): row for row in findings.iter_rows(named=True)}
    told: list[Emitted] = []
    for row in differences.iter_rows(named=True):
        customer, kind = _customer(row), row["kind"].removeprefix(CONDUCT)
        found = now.get((*customer, kind), {})
        finding: type[ConductFinding] = ConductFlagged if row["holds"] != NOTHING else ConductCleared
        data = finding(
            **_whose(customer),
            as_of=context.as_of,
            policy=_stamp(context.policy),
            state_version=_version_of_day(context, row),
            kind=kind,
            confidence_from=row["emitted"],
            confidence=found.get("confidence"),
            **{name: found.get(name) for name in _FINDING},
        )
        told.append((row, _told(context, data, row)))
    return told


def _version_of_day(context: EventContext, row: Row) -> str:
    """The state of a day as text that sorts as it runs, several of a day included."""
    return f"{context.as_of}.{row['state_version']:06}"


def _told(context: EventContext, data: Data, row: Row, day: date | None = None) -> list[Event]:
    """The events of a difference: known by what was told before, what is told now, and the day from which it holds."""
    facts = (row["kind"], row["previous_event_id"] or "none", row["holds"], row["since"])
    return _events(context, data, *facts, day=day)


def _tier_changed(
    change: Row, rating: Row, before: Row | None, explanation: Row, stamp: PolicyStamp, supersedes: str | None
) -> TierChanged:
    return TierChanged(
        **{name: change[name] for name in change if name in TierChanged.model_fields},
        policy=stamp,
        state_version=state_version(change["period"], change["revision"]),
        drivers=tuple(_drivers(rating, before, explanation)),
        next_tier=_next_tier(explanation),
        expected=_expected(rating),
        unassessed=tuple(_unassessed(rating)),
        supersedes=supersedes,
    )


def _expected(row: Row) -> ExpectedTierMove | None:
    """The move that a rating row expects."""
    if row["watch_direction"] is None:
        return None
    return ExpectedTierMove(
        tier=row["watch_tier"],
        direction=row["watch_direction"],
        gap=row["watch_gap"],
        deadline=row["watch_deadline"],
    )


def _explained(ratings: pl.DataFrame, base: pl.DataFrame, policy: Policy) -> dict[Customer, Row]:
    return _by_customer(with_text(explain_move(ratings.lazy(), base.lazy(), policy).collect()))


def _drivers(rating: Row, before: Row | None, explanation: Row) -> list[Driver]:
    """The terms that are not 0, largest first."""
    measured = {measure.name: measure.column for measure in MEASURES}
    drivers = [
        Driver(
            term=term,
            value_from=before[column] if before and (column := measured.get(term)) else None,
            value_to=rating[column] if (column := measured.get(term)) else None,
            points=points,
        )
        for term in score_term_names()
        if (points := explanation[f"{term}_delta"])
    ]
    return sorted(drivers, key=lambda driver: -abs(driver.points))


def _next_tier(explanation: Row) -> NextTier | None:
    if explanation["counterfactual_tier"] is None:
        return None
    return NextTier(tier=explanation["counterfactual_tier"], gap=explanation["shortfall"])


def _unassessed(rating: Row) -> Iterable[Unassessed]:
    """The measures that have a reason not to be assessed."""
    for measure in MEASURES:
        if (reason := rating[measure.reason_column]) is not None:
            yield Unassessed(measure=measure.name, reason=reason)


def _events(context: EventContext, data: Data, *facts: object, day: date | None = None) -> list[Event]:
    """The event that says the data, of the context's day or of its own, and beside it that of the type before it."""
    recorded_at = context.recorded_at
    event = Event(
        event_id(context.tenant, data.company_code, data.customer_id, data.type, *facts),
        context.tenant,
        time=datetime.combine(day or context.as_of, time.min, UTC),
        recorded_at=recorded_at if recorded_at.tzinfo else recorded_at.replace(tzinfo=UTC),
        data=data,
        cause=context.cause,
    )
    beside = data.beside()
    return [event, *(_events(context, beside, *facts, day=day) if beside is not None else ())]


def _stamp(policy: Policy) -> PolicyStamp:
    return PolicyStamp(id=policy.id, version=policy.version, hash=policy.content_hash)


def _of_rating(customer: Customer, rating: Row, policy: Policy) -> Row:
    """What an event that tells of a rating row says of it, whatever else it tells."""
    return {
        **_whose(customer),
        "as_of": rating["as_of"],
        "policy": _stamp(policy),
        "state_version": state_version(rating["period"], rating["revision"]),
        "period": rating["period"],
        "revision": rating["revision"],
        "cause": rating["cause"],
        "tier": rating["effective_tier"],
    }


def _whose(customer: Customer) -> dict[str, str]:
    company_code, customer_id = customer
    return {"company_code": company_code, "customer_id": customer_id}


def _customer(row: Row) -> Customer:
    return row["company_code"], row["customer_id"]


def _by_customer(rows: pl.DataFrame, of: pl.DataFrame | None = None) -> dict[Customer, Row]:
    """One row a customer, in the customers' order; with `of`, only of the customers in it: few of all are news."""
    wanted = rows if of is None else rows.join(of, on=_KEY, how="semi")
    return {_customer(row): row for row in wanted.sort(_KEY).iter_rows(named=True)}
