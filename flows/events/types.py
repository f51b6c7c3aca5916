"""What an event says: one model a type, and the CloudEvents envelope around it.

The models are the source of the JSON Schemas in docs/events. Amounts, ratios and scores are strings of digits, so that
no reader turns them into binary fractions. A field may be added, with a new minor version of the type's own schema; a
field that changes its meaning or goes away needs a new type, which is sent beside the old one for two releases.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

LARGEST = 64 * 1024
LONGEST_TEXT = 1000
MOST_PERIODS = 200

_NAMESPACE = uuid.UUID("8f9d3a52-6f0e-5c07-9d0c-0a3f1f6b2e41")

Tier = Literal["strategic", "core", "cultivate", "new", "unrated", "marginal", "speculative"]
Segment = Literal["core", "cultivate", "speculative", "marginal", "new", "unrated"]
CauseV1 = Literal["baseline", "data", "policy_change", "override", "correction"]
Cause = Literal["baseline", "data", "policy_change", "override", "correction", "succession"]
CreditAction = Literal["open", "watch", "prepay", "stop"]
DeclineState = Literal["none", "slowing", "declining", "lapsed"]
Confidence = Literal["confirmed", "suspected", "none", "not_assessable"]

Number = Annotated[
    Decimal,
    PlainSerializer(lambda value: format(value, "f"), return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}),
]


def _shortened(text: object) -> object:
    """Free text comes from extracts, and may be of any length."""
    return text[: LONGEST_TEXT - 1] + "…" if isinstance(text, str) and len(text) > LONGEST_TEXT else text


Text = Annotated[str, BeforeValidator(_shortened), Field(max_length=LONGEST_TEXT)]


class EventTooLargeError(Exception):
    """An event that no receiver is bound to take."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PolicyStamp(_Model):
    """The policy that ruled."""

    id: str
    version: str
    hash: str = Field(description="Hash of the policy's content.")


class ExpectedTierMove(_Model):
    """A move of the effective tier that happens if nothing changes."""

    tier: Tier
    direction: Literal["up", "down", "lateral"] = Field(
        description="lateral: to the other kind of the same rank, marginal or speculative."
    )
    gap: Text | None = Field(description="What is lacking to keep the tier, or what the move still needs.")
    deadline: date | None = Field(description="The day it happens if nothing changes.")


class ExpectedMove(_Model):
    """A move of the effective tier that happens if nothing changes."""

    tier: Tier
    direction: Literal["up", "down"]
    gap: Text | None = Field(description="What is lacking to keep the tier, or what the move still needs.")
    deadline: date | None = Field(description="The day it happens if nothing changes.")


class NextTier(_Model):
    """The nearest higher tier the period's own figures could reach."""

    tier: Tier
    gap: Text | None


class Driver(_Model):
    """One term of the score's change. Over all drivers of an event, `points` sum to score_to − score_from exactly."""

    term: str = Field(description="A measure; or coverage (measures that came or went), or policy.")
    value_from: Number | None = Field(description="The measure's figure before, in its own unit.")
    value_to: Number | None = Field(description="The measure's figure now, in its own unit.")
    points: Number


class Unassessed(_Model):
    """A measure that could not be assessed."""

    measure: str
    reason: str


class Data(_Model):
    """What the payloads of all types share."""

    type: ClassVar[str]
    schema_version: ClassVar[str]

    def beside(self) -> Data | None:
        """The same as the type says it that this one took the place of, for its readers; None where there is none.

        For two releases both are sent, each with an id of its own. SUPERSEDED says since when.
        """
        return None

    company_code: str = Field(description="The legal entity.")
    customer_id: str = Field(description="The customer's number in that company's books.")
    as_of: date = Field(description="The day the rating speaks for.")
    policy: PolicyStamp
    state_version: str = Field(
        description="The state of the customer this event speaks of; later states sort behind earlier ones of a type."
    )


class _OfPeriod(Data):
    period: date = Field(description="First day of the rating period.")
    revision: int = Field(ge=1, description="Revision of the period's rating in mart.customer_value_history.")
    cause: Cause


class TierChangedV1(_OfPeriod):
    """The effective tier of a customer changed."""

    type: ClassVar[str] = "valuemart.customer.tier.changed.v1"
    schema_version: ClassVar[str] = "1.0"
    cause: CauseV1

    direction: Literal["up", "down", "lateral"]
    from_tier: Tier | None = Field(description="Null for a customer's first rating.")
    from_rank: int | None
    to_tier: Tier
    to_rank: int = Field(
        ge=1,
        le=6,
        description="strategic 6, core 5, cultivate 4, new and unrated 3, marginal 2, speculative 1.",
    )
    raw_tier: Tier = Field(description="The period's tier after the gates, without memory.")
    segment_from: Segment | None
    segment_to: Segment
    score_from: Number | None
    score_to: Number | None
    drivers: tuple[Driver, ...] = Field(
        description="Largest first; empty where there is no score now or before."
    )
    reasons: Text | None = Field(description="The same in words, with what holds the tier.")
    next_tier: NextTier | None
    expected: ExpectedMove | None
    unassessed: tuple[Unassessed, ...]
    supersedes: str | None = Field(description="Id of the event that this one corrects.")


class TierChanged(_OfPeriod):
    """The effective tier of a customer changed."""

    type: ClassVar[str] = "valuemart.customer.tier.changed.v2"
    schema_version: ClassVar[str] = "1.0"

    direction: Literal["up", "down", "lateral"] = Field(
        description="By rank; lateral between tiers of one rank, and from nowhere."
    )
    from_tier: Tier | None = Field(description="Null for a customer's first rating.")
    from_rank: int | None
    to_tier: Tier
    to_rank: int = Field(
        ge=2,
        le=6,
        description="strategic 6, core 5, cultivate 4, new and unrated 3, marginal and speculative 2.",
    )
    raw_tier: Tier = Field(description="The period's tier after the gates, without memory.")
    base_period: date | None = Field(
        description="The rating period that the move is compared with, the last one before it began; null where there is none."
    )
    segment_from: Segment | None = Field(description="In the base period.")
    segment_to: Segment
    score_from: Number | None = Field(description="In the base period.")
    score_to: Number | None
    net_sales_from: Number | None = Field(
        description="Net sales of the 12 months to the base period, company currency."
    )
    net_sales_to: Number | None
    contribution_from: Number | None = Field(
        description="Contribution of the 12 months to the base period, company currency."
    )
    contribution_to: Number | None
    quantity_effect_12m: Number | None = Field(
        description="Of the change of net sales on the 12 months before, what quantity did."
    )
    price_effect_12m: Number | None = Field(description="The rest of that change.")
    drivers: tuple[Driver, ...] = Field(
        description="Since the base period, largest first; empty where there is no score now or then."
    )
    reasons: Text | None = Field(
        description="Why, the strongest reason first: override, cap, late facts, the bar crossed, the business, points."
    )
    next_tier: NextTier | None
    expected: ExpectedTierMove | None
    unassessed: tuple[Unassessed, ...]
    supersedes: str | None = Field(description="Id of the event that this one corrects.")

    def beside(self) -> TierChangedV1:
        """The same with the ranks of before, in which speculative lay below marginal."""
        from_rank, to_rank = _rank_v1(self.from_tier, self.from_rank), _rank_v1(self.to_tier, self.to_rank)
        shared = {name: getattr(self, name) for name in TierChangedV1.model_fields}
        return TierChangedV1(
            **shared
            | {
                "cause": _cause_v1(self.cause),
                "from_rank": from_rank,
                "to_rank": to_rank,
                "direction": _direction_v1(from_rank, to_rank),
                "expected": _expected_v1(self.expected),
            }
        )


class TierWatchV1(_OfPeriod):
    """A move of a customer's effective tier is expected now, or no longer."""

    type: ClassVar[str] = "valuemart.customer.tier.watch.v1"
    schema_version: ClassVar[str] = "1.0"
    cause: CauseV1

    tier: Tier = Field(description="The effective tier.")
    rank: int
    expected: ExpectedMove | None = Field(description="Null: the move that was expected is no longer.")
    expected_before: ExpectedMove | None


class TierWatch(_OfPeriod):
    """A move of a customer's effective tier is expected now, or no longer."""

    type: ClassVar[str] = "valuemart.customer.tier.watch.v2"
    schema_version: ClassVar[str] = "1.0"

    tier: Tier = Field(description="The effective tier.")
    rank: int = Field(description="Marginal and speculative are both of rank 2.")
    expected: ExpectedTierMove | None = Field(description="Null: the move that was expected is no longer.")
    expected_before: ExpectedTierMove | None

    def beside(self) -> TierWatchV1 | None:
        """The same without lateral moves; None where it speaks of nothing else."""
        now, before = _expected_v1(self.expected), _expected_v1(self.expected_before)
        if now is None and before is None:
            return None
        shared = {name: getattr(self, name) for name in TierWatchV1.model_fields}
        ranked = _rank_v1(self.tier, self.rank)
        told = {"cause": _cause_v1(self.cause), "rank": ranked, "expected": now, "expected_before": before}
        return TierWatchV1(**shared | told)


def _cause_v1(cause: Cause) -> CauseV1:
    """The readers of v1 know of no successions."""
    return "data" if cause == "succession" else cause


def _rank_v1(tier: str | None, rank: int | None) -> int | None:
    return 1 if tier == "speculative" else rank


def _direction_v1(from_rank: int | None, to_rank: int | None) -> str:
    if from_rank is None or to_rank is None or from_rank == to_rank:
        return "lateral"
    return "up" if to_rank > from_rank else "down"


def _expected_v1(move: ExpectedTierMove | None) -> ExpectedMove | None:
    if move is None or move.direction == "lateral":
        return None
    return ExpectedMove(**dict(move))


class CreditWarning(Data):
    """A credit warning began, changed or ended; the figures are those of mart.credit_watch, company currency."""

    credit_action_from: CreditAction
    credit_action: CreditAction
    warning_since: date | None = Field(description="The day the warning was raised that ends or stands.")
    warning_causes: Text | None = Field(
        description="What it stands on, as names of the policy's bars; null where it ends, or waits to."
    )
    warning_reason: Text | None = Field(description="Each cause with its figure and its bar.")
    credit_grade: Literal["A", "B", "C", "D", "E"] | None
    action_reason: Text | None
    open_balance: Number | None
    overdue_share: Number | None
    overdue_over_90: Number | None
    oldest_overdue_days: Number | None
    credit_limit: Number | None = Field(description="Null: no limit set, or none known.")
    exposure: Number | None
    utilisation: Number | None
    next_order_headroom: Number | None = Field(
        description="What may still be sold on credit; null: no limit set."
    )
    group_id: str | None
    group_headroom: Number | None = Field(
        description="The same for the customer's group; null without one, or where a member has no limit."
    )


class CreditWarningRaised(CreditWarning):
    """Something about a customer's credit needs a look; told again where the credit action changes meanwhile."""

    type: ClassVar[str] = "valuemart.customer.credit.warning.raised.v1"
    schema_version: ClassVar[str] = "1.0"


class CreditWarningCleared(CreditWarning):
    """Nothing has spoken against the customer's credit for as long as the policy asks."""

    type: ClassVar[str] = "valuemart.customer.credit.warning.cleared.v1"
    schema_version: ClassVar[str] = "1.0"


class DeclineFound(_OfPeriod):
    """How a customer's business goes; the figures are those of mart.customer_value, company currency."""

    tier: Tier = Field(description="The effective tier.")
    decline_state_from: DeclineState = Field(description="What was told last; none: nothing was.")
    decline_state: DeclineState | None = Field(description="Null: it cannot be told any more.")
    decline_since: date | None = Field(description="First day of the period in which the state began.")
    decline_stake: Number | None = Field(
        description="The business at stake: of a lapse net sales of the 12 months to the last order, for 24 months; else the best "
        "12 months that ended within the last 24, less those of now."
    )
    decline_reason: Text | None = Field(description="What it rests on, in words.")
    pace_ratio: Number | None = Field(description="What was bought lately ÷ the same months a year before.")
    pace_basis: Literal["quantity", "money"] | None
    pace_months: int | None = Field(description="How many months are compared.")
    last_order_on: date | None
    days_since_last_order: int | None
    usual_gap_days: Number | None
    gap_multiple: Number | None = Field(description="days_since_last_order ÷ usual_gap_days.")
    net_sales_12m: Number | None
    net_sales_12m_before: Number | None = Field(description="Net sales of the 12 months before those.")
    quantity_effect_12m: Number | None = Field(description="Of the difference of the two, what quantity did.")
    price_effect_12m: Number | None = Field(description="The rest of that difference.")


class DeclineWarned(DeclineFound):
    """A customer slows down, declines or has lapsed; told again where the state changes."""

    type: ClassVar[str] = "valuemart.customer.decline.warned.v1"
    schema_version: ClassVar[str] = "1.0"


class DeclineCleared(DeclineFound):
    """A customer that was warned of buys as it did, or has ordered again after a lapse."""

    type: ClassVar[str] = "valuemart.customer.decline.cleared.v1"
    schema_version: ClassVar[str] = "1.0"


class ConductFinding(Data):
    """What is found on a customer's conduct now; the figures are those of mart.conduct_finding."""

    kind: Literal["arrears", "diversion", "dumping"]
    confidence_from: Confidence | None = Field(description="Null: not judged before.")
    confidence: Confidence | None = Field(
        description="not_assessable says nothing of the customer, good or bad; null: not judged any more."
    )
    reason: Text | None = Field(description="Why it cannot be assessed.")
    measure: str | None = Field(description="What was measured for the strongest evidence.")
    value: Number | None
    threshold: Number | None = Field(description="The policy's bar for it, inclusive.")
    evidence_count: int | None
    evidence_from: date | None
    evidence_to: date | None
    concerned_amount: Number | None = Field(description="The money concerned, company currency.")
    evidence: Text | None = Field(description="Where the evidence lies, in words and references.")


class ConductFlagged(ConductFinding):
    """Misconduct is suspected or confirmed, and was not with that confidence before."""

    type: ClassVar[str] = "valuemart.customer.conduct.flagged.v1"
    schema_version: ClassVar[str] = "1.0"


class ConductCleared(ConductFinding):
    """Misconduct of that kind is neither suspected nor confirmed any more."""

    type: ClassVar[str] = "valuemart.customer.conduct.cleared.v1"
    schema_version: ClassVar[str] = "1.0"


class CorrectedPeriod(_Model):
    """A period whose published tier or segment was not right."""

    period: date
    revision: int
    supersedes: str = Field(description="state_version of what was published.")
    from_tier: Tier
    to_tier: Tier
    segment_from: Segment
    segment_to: Segment


class RatingCorrected(Data):
    """Closed periods were rated anew, since facts came late; the current tier is told by tier.changed."""

    type: ClassVar[str] = "valuemart.customer.rating.corrected.v1"
    schema_version: ClassVar[str] = "1.0"

    periods: tuple[CorrectedPeriod, ...] = Field(
        max_length=MOST_PERIODS, description="In order, the latest ones."
    )
    earlier_periods: int = Field(ge=0, description="Corrected periods that are left out for length.")


DATA_TYPES: tuple[type[Data], ...] = (
    TierChanged,
    TierChangedV1,
    TierWatch,
    TierWatchV1,
    CreditWarningRaised,
    CreditWarningCleared,
    DeclineWarned,
    DeclineCleared,
    ConductFlagged,
    ConductCleared,
    RatingCorrected,
)


SUPERSEDED: Mapping[str, str] = {TierChangedV1.type: "0.3.0", TierWatchV1.type: "0.3.0"}
"""Types that another one took the place of: the release that brought the other one. They are sent for two releases more."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event but for its place in its customer's sequence, which the outbox gives. Instants are aware.

    `cause`: why it is sent though nothing changed, in the envelope; None where something did.
    """

    event_id: str
    tenant: str
    time: datetime
    recorded_at: datetime
    data: Data
    cause: str | None = None

    @property
    def company_code(self) -> str:
        """The customer's legal entity."""
        return self.data.company_code

    @property
    def customer_id(self) -> str:
        """The customer within that entity."""
        return self.data.customer_id

    @property
    def type(self) -> str:
        """The CloudEvents type."""
        return self.data.type

    def body(self, sequence: int) -> str:
        """The CloudEvent 1.0 in JSON: sorted keys, no spaces, so that equal events are equal bytes.

        EventTooLargeError from 64 KiB on, which is the size every receiver must take.
        """
        customer = f"{self.company_code}/{self.customer_id}"
        envelope: dict[str, Any] = {
            "specversion": "1.0",
            "id": self.event_id,
            "source": f"/valuemart/{quote(self.tenant, safe='')}",
            "type": self.type,
            "subject": customer,
            "partitionkey": customer,
            "sequence": f"{sequence:020}",
            "time": instant(self.time),
            "recordedtime": instant(self.recorded_at),
            "datacontenttype": "application/json",
            "dataschema": schema_id(type(self.data)),
            "data": self.data.model_dump(mode="json"),
            **({"cause": self.cause} if self.cause else {}),
        }
        body = json.dumps(envelope, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        size = len(body.encode())
        if size >= LARGEST:
            raise EventTooLargeError(f"{self.type} of {customer} takes {size} bytes; {LARGEST} are too many")
        return body


def schema_id(data: type[Data]) -> str:
    """The name of the JSON Schema of a payload; a compatible change of it counts up the last number."""
    return f"urn:valuemart:schema:{data.type}:{data.schema_version}"


def event_id(tenant: str, company_code: str, customer_id: str, type_: str, *facts: object) -> str:
    """UUIDv5 of the facts of an event: the same facts have the same id, whenever and wherever they are rated."""
    return str(
        uuid.uuid5(
            _NAMESPACE,
            json.dumps([tenant, company_code, customer_id, type_, *map(str, facts)], ensure_ascii=False),
        )
    )


def state_version(period: date, revision: int) -> str:
    """A rating's state as text that sorts as it runs."""
    return f"{period:%Y-%m}.{revision:04}"


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC, fractions only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
