"""From rated rows to events: who is told what. What a number means was decided in the transforms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import polars as pl

from flows.event_types import (
    MOST_PERIODS,
    ConductCleared,
    ConductFinding,
    ConductFlagged,
    CorrectedPeriod,
    CreditWarning,
    CreditWarningCleared,
    CreditWarningRaised,
    Driver,
    Event,
    ExpectedMove,
    NextTier,
    PolicyStamp,
    RatingCorrected,
    TierChanged,
    TierWatch,
    Unassessed,
    event_id,
    state_version,
)
from transforms.conduct_evidence import FLAGGED
from transforms.explain import TERMS, explain
from transforms.policy import Policy
from transforms.schemas import TIER_CHANGE
from transforms.scoring import SCORED_COLUMN

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
class Told:
    """What a rating tells: the rows of tier_change, and the events, of which tier changes share their rows' ids."""

    tier_changes: pl.DataFrame
    events: list[Event]


def tier_events(
    moved: pl.DataFrame,
    revised: pl.DataFrame,
    shown: pl.DataFrame | None,
    policy: Policy,
    *,
    tenant: str,
    recorded_at: datetime,
    told_before: Mapping[Customer, str] | None = None,
) -> Told:
    """Tell the moves of a period, and the moves that are expected now or no longer.

    `moved`: the changes of the effective tier to tell; `revised`: the rating rows a run wrote for the current period;
    `shown`: what was shown of each customer before (None: nothing). `told_before`: each customer's last tier.changed,
    which a correction supersedes. Of a silent baseline nothing is told.
    """
    concerned = _concerned(moved, revised, shown)
    ratings = _by_customer(revised.join(concerned, on=_KEY, how="semi"))
    before = _by_customer(None if shown is None else shown.join(concerned, on=_KEY, how="semi"))
    stamp = _stamp(policy)
    changes: list[dict[str, Any]] = []
    events: list[Event] = []
    explained = _explained(moved, revised, shown, policy)
    for change in moved.sort(_KEY).iter_rows(named=True):
        customer = _customer(change)
        identity = event_id(
            tenant, *customer, TierChanged.type, change["cause"], change["period"],
            change["from_tier"], change["to_tier"], change["revision"], change["policy_hash"],
        )  # fmt: skip
        supersedes = (told_before or {}).get(customer) if change["cause"] == "correction" else None
        changes.append({**change, "event_id": identity, "recorded_at": recorded_at, "supersedes": supersedes})
        data = _tier_changed(
            change, ratings[customer], before.get(customer), explained[customer], stamp, supersedes
        )
        events.append(_event(identity, tenant, change["as_of"], recorded_at, data))
    for customer, rating in ratings.items():
        if rating["cause"] == "baseline" and not policy.events.baseline_events:
            continue
        watch = _tier_watch(rating, before.get(customer), stamp)
        if watch is not None:
            identity = event_id(
                tenant, *customer, TierWatch.type, "expected" if watch.expected else "over", rating["period"],
                rating["effective_tier"], rating["watch_tier"], rating["revision"], rating["policy_hash"],
            )  # fmt: skip
            events.append(_event(identity, tenant, rating["as_of"], recorded_at, watch))
    return Told(pl.DataFrame(changes, schema=TIER_CHANGE, orient="row"), events)


def _concerned(moved: pl.DataFrame, revised: pl.DataFrame, shown: pl.DataFrame | None) -> pl.DataFrame:
    """Who moved, or is or was expected to move: all others are told nothing, and most customers are others."""
    expected = [
        rows.filter(pl.col("watch_tier").is_not_null()).select(_KEY)
        for rows in (revised, shown)
        if rows is not None
    ]
    return pl.concat([moved.select(_KEY), *expected]).unique()


def correction_events(
    corrected: pl.DataFrame, policy: Policy, *, tenant: str, as_of: date, recorded_at: datetime
) -> list[Event]:
    """Tell which published periods were rated anew: one event a customer and run.

    `corrected`: rows of customer and `periods`, as the transforms list them; several rows of a customer count together.
    """
    of_customer: dict[Customer, list[Row]] = defaultdict(list)
    for row in corrected.iter_rows(named=True):
        of_customer[_customer(row)] += row["periods"]
    events = []
    for customer, unordered in sorted(of_customer.items()):
        periods = sorted(unordered, key=lambda each: each["period"])
        transitions = [
            f"{each['period']}.{each['revision']}:{each['from_tier']}>{each['to_tier']}" for each in periods
        ]
        identity = event_id(
            tenant, *customer, RatingCorrected.type, "corrected", *transitions, policy.content_hash
        )
        shown = periods[-MOST_PERIODS:]
        data = RatingCorrected(
            **_whose(customer),
            as_of=as_of,
            policy=_stamp(policy),
            state_version=state_version(periods[-1]["period"], periods[-1]["revision"]),
            periods=tuple(
                CorrectedPeriod(**each, supersedes=state_version(each["period"], each["revision"] - 1))
                for each in shown
            ),
            earlier_periods=len(periods) - len(shown),
        )
        events.append(_event(identity, tenant, as_of, recorded_at, data))
    return events


def credit_events(
    before: pl.DataFrame,
    after: pl.DataFrame,
    policy: Policy,
    *,
    tenant: str,
    as_of: date,
    recorded_at: datetime,
    told_before: Mapping[Customer, str],
) -> list[Event]:
    """Tell which credit warnings began, in which the credit action changed, and which ended.

    `before` and `after`: a company's rows of credit_watch before and after a rating; who is in neither is open, without a
    warning. A first watch (`before` has no rows) is a baseline, of which nothing is told unless the policy asks for it.
    `told_before`: each customer's last credit warning of either type. It is part of the id, so that a warning that comes
    back on the same day is another one.
    """
    if before.is_empty() and not policy.events.baseline_events:
        return []
    then, now = _by_customer(before), _by_customer(after)
    events = []
    for customer in sorted({*then, *now}):
        row_before, row = then.get(customer, {}), now.get(customer, {})
        since_before, since = row_before.get("warning_since"), row.get("warning_since")
        action_from, action = row_before.get("credit_action", "open"), row.get("credit_action", "open")
        if (since is None and since_before is None) or (since == since_before and action == action_from):
            continue
        warning: type[CreditWarning] = CreditWarningCleared if since is None else CreditWarningRaised
        identity = event_id(
            tenant, *customer, warning.type, as_of, since or since_before, action_from, action, policy.content_hash,
            told_before.get(customer),
        )  # fmt: skip
        data = warning(
            **_whose(customer),
            as_of=as_of,
            policy=_stamp(policy),
            state_version=as_of.isoformat(),
            credit_action_from=action_from,
            credit_action=action,
            warning_since=since or since_before,
            **{figure: row.get(figure) for figure in _CREDIT_FIGURES},
        )
        events.append(_event(identity, tenant, as_of, recorded_at, data))
    return events


def conduct_events(
    before: pl.DataFrame,
    after: pl.DataFrame,
    policy: Policy,
    *,
    tenant: str,
    as_of: date,
    recorded_at: datetime,
    told_before: Mapping[Customer, str],
) -> list[Event]:
    """Tell which misconduct is suspected or confirmed now and was not so before, and which no longer: one event a kind.

    `before` and `after`: a company's rows of conduct_finding before and after a rating. Of the first findings (`before`
    has no rows) nothing is told unless the policy asks for it. `told_before`: each customer's last conduct event of either
    type, part of the id as with credit warnings.
    """
    if before.is_empty() and not policy.events.baseline_events:
        return []
    then, now = ({(*_customer(row), row["kind"]): row for row in each.to_dicts()} for each in (before, after))
    events = []
    for found in sorted({*then, *now}):
        company_code, customer_id, kind = found
        customer, row = (company_code, customer_id), now.get(found, {})
        confidence_from, confidence = then.get(found, {}).get("confidence"), row.get("confidence")
        if confidence == confidence_from or not {confidence, confidence_from} & {*FLAGGED}:
            continue
        finding: type[ConductFinding] = ConductFlagged if confidence in FLAGGED else ConductCleared
        identity = event_id(
            tenant, *customer, finding.type, as_of, kind, confidence_from, confidence, policy.content_hash,
            told_before.get(customer),
        )  # fmt: skip
        data = finding(
            **_whose(customer),
            as_of=as_of,
            policy=_stamp(policy),
            state_version=as_of.isoformat(),
            kind=kind,
            confidence_from=confidence_from,
            confidence=confidence,
            **{name: row.get(name) for name in _FINDING},
        )
        events.append(_event(identity, tenant, as_of, recorded_at, data))
    return events


def _tier_changed(
    change: Row, rating: Row, before: Row | None, explanation: Row, stamp: PolicyStamp, supersedes: str | None
) -> TierChanged:
    told = {name: change[name] for name in change if name in TierChanged.model_fields}
    return TierChanged(
        **told,
        policy=stamp,
        state_version=state_version(change["period"], change["revision"]),
        drivers=tuple(_drivers(rating, before, explanation)),
        next_tier=_next_tier(explanation),
        expected=_expected(rating),
        unassessed=tuple(_unassessed(rating["unassessed"])),
        supersedes=supersedes,
    )


def _tier_watch(rating: Row, before: Row | None, stamp: PolicyStamp) -> TierWatch | None:
    """The watch of a customer where another move is expected than was, or none any more; else None."""
    expected, expected_before = _expected(rating), _expected(before)
    if _move(expected) == _move(expected_before):
        return None
    return TierWatch(
        **_whose(_customer(rating)),
        as_of=rating["as_of"],
        policy=stamp,
        state_version=state_version(rating["period"], rating["revision"]),
        period=rating["period"],
        revision=rating["revision"],
        cause=rating["cause"],
        tier=rating["effective_tier"],
        rank=rating["effective_rank"],
        expected=expected,
        expected_before=expected_before,
    )


def _expected(rating: Row | None) -> ExpectedMove | None:
    if rating is None or rating["watch_tier"] is None:
        return None
    return ExpectedMove(
        tier=rating["watch_tier"],
        direction=rating["watch_direction"],
        gap=rating["watch_gap"],
        deadline=rating["watch_deadline"],
    )


def _move(expected: ExpectedMove | None) -> tuple[str, str] | None:
    """What makes an expected move another one; its gap and its deadline may drift."""
    return None if expected is None else (expected.tier, expected.direction)


def _explained(
    moved: pl.DataFrame, revised: pl.DataFrame, shown: pl.DataFrame | None, policy: Policy
) -> dict[Customer, Row]:
    now = revised.join(moved.select(_KEY), on=_KEY, how="semi")
    return _by_customer(explain(now.lazy(), None if shown is None else shown.lazy(), policy).collect())


def _drivers(rating: Row, before: Row | None, explanation: Row) -> list[Driver]:
    """The terms that are not 0, largest first."""
    drivers = [
        Driver(
            term=term,
            value_from=before[column] if before and (column := SCORED_COLUMN.get(term)) else None,
            value_to=rating[column] if (column := SCORED_COLUMN.get(term)) else None,
            points=points,
        )
        for term in TERMS
        if (points := explanation[f"{term}_delta"])
    ]
    return sorted(drivers, key=lambda driver: -abs(driver.points))


def _next_tier(explanation: Row) -> NextTier | None:
    if explanation["counterfactual_tier"] is None:
        return None
    return NextTier(tier=explanation["counterfactual_tier"], gap=explanation["lacking"])


def _unassessed(listed: str | None) -> Iterable[Unassessed]:
    """The rating row's "feedback: not_delivered, influence: not_delivered", parted."""
    for entry in listed.split(", ") if listed else ():
        measure, _, reason = entry.partition(": ")
        yield Unassessed(measure=measure, reason=reason)


def _event(identity: str, tenant: str, day: date, recorded_at: datetime, data: Any) -> Event:
    return Event(
        identity,
        tenant,
        time=datetime.combine(day, time.min, UTC),
        recorded_at=recorded_at if recorded_at.tzinfo else recorded_at.replace(tzinfo=UTC),
        data=data,
    )


def _stamp(policy: Policy) -> PolicyStamp:
    return PolicyStamp(id=policy.id, version=policy.version, hash=policy.content_hash)


def _whose(customer: Customer) -> dict[str, str]:
    company_code, customer_id = customer
    return {"company_code": company_code, "customer_id": customer_id}


def _customer(row: Row) -> Customer:
    return row["company_code"], row["customer_id"]


def _by_customer(rows: pl.DataFrame | None) -> dict[Customer, Row]:
    """One row a customer, in the customers' order."""
    if rows is None:
        return {}
    return {_customer(row): row for row in rows.sort(_KEY).iter_rows(named=True)}
