"""The policy: every weight, bar, length and cost a rating uses, as typed, frozen, hashed values.

A policy is written as TOML (see `policies/default.toml`, which gives the reason of every threshold) and read at the
edge; here its text becomes values, or a `PolicyError` that says which key is wrong and what is allowed. Nothing has
a default: a key left out is an error. Numbers are Decimal throughout, so that a bar written as 0.6 is 0.6.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError, field_validator, model_validator

from transforms.policy.credit import ConductRule, CreditRule
from transforms.policy.decline import DeclineRule
from transforms.policy.errors import PolicyError, describe
from transforms.policy.identity import content_hash
from transforms.policy.numbers import (
    Breakpoint,
    Count,
    Margin,
    Money,
    Number,
    Periods,
    PositiveNumber,
    PositiveRatio,
    Ratio,
    Score,
    Section,
    listed,
)
from transforms.policy.upgrade import STEPS, Step, newest, upgraded, written_version

TIER_RANKS: Final[dict[str, int]] = {
    "strategic": 6,
    "core": 5,
    "cultivate": 4,
    "new": 3,
    "unrated": 3,
    "marginal": 2,
    "speculative": 2,  # of another kind than marginal, not below it
    "prospect": 0,  # no customer yet: below every cap, so that none is said of it
    "succeeded": 0,  # continued under another number, and so no customer any more
}

CapTier = Literal["core", "cultivate", "marginal", "speculative"]
Text = Annotated[str, Field(min_length=1)]
PAliveUse = Literal["off", "shown", "scored"]


class Identity(Section):
    """Who speaks, since when, and why: `[policy]`."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    effective_from: date
    author: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]


class MeasureScale(Section):
    """A measure's weight in the score, and the absolute breakpoints (measured value, score) that map it to 0–100."""

    weight: Number
    breakpoints: Annotated[tuple[Breakpoint, ...], Field(min_length=2), BeforeValidator(listed)]

    @field_validator("breakpoints")
    @classmethod
    def _rise(cls, points: tuple[tuple[Decimal, Decimal], ...]) -> tuple[tuple[Decimal, Decimal], ...]:
        for (low, low_score), (high, high_score) in pairwise(points):
            if high <= low:
                raise ValueError(f"values must rise strictly from point to point; {high} follows {low}")
            if high_score < low_score:
                raise ValueError(
                    f"a score must not fall as its measure rises; {high_score} (at {high}) follows {low_score} (at {low})"
                )
        return points


class Measures(Section):
    """The measures' scales, `[measures.*]`; what each measure is stands in `transforms.measures.descriptor`."""

    volume: MeasureScale
    steadiness: MeasureScale
    contribution: MeasureScale
    loyalty: MeasureScale
    feedback: MeasureScale
    influence: MeasureScale
    potential: MeasureScale

    def scale(self, measure: str) -> MeasureScale:
        """Return the scale of the measure of that name."""
        scale: MeasureScale = getattr(self, measure)
        return scale

    @property
    def total_weight(self) -> Decimal:
        """Σ of all weights; more than 0."""
        return sum((self.scale(measure).weight for measure in type(self).model_fields), Decimal(0))

    @model_validator(mode="after")
    def _weigh_something(self) -> Self:
        if self.total_weight == 0:
            raise ValueError("at least one weight must be more than 0")
        return self


class SteadinessRule(Section):
    """When steadiness can be told, and the XYZ cut-offs on the coefficient of variation: `[steadiness]`."""

    min_months: Annotated[int, Field(ge=2, le=12)]
    x_cv_max: Number
    y_cv_max: Number
    seasonal_min_peers: Count

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.y_cv_max < self.x_cv_max:
            raise ValueError(f"y_cv_max ({self.y_cv_max}) must not be below x_cv_max ({self.x_cv_max})")
        return self


class ServiceCost(Section):
    """Cost of one interaction by kind, company currency: `[contribution.service_cost]`."""

    order_inquiry: Money
    complaint: Money
    product_feedback: Money
    market_information: Money
    growth_plan: Money
    new_product_need: Money
    campaign_participation: Money
    technical_exchange: Money
    joint_project: Money
    visit: Money


class ContributionRule(Section):
    """What is taken off net sales, and how much of them must have a cost: `[contribution]`."""

    cost_coverage_floor: Ratio
    carrying_rate_yearly: Ratio
    return_rate_from: Ratio
    service_cost: ServiceCost


class LoyaltyWeights(Section):
    """Weights of the parts of loyalty; only parts that can be assessed count: `[loyalty.weights]`."""

    active_months: Number
    tenure: Number
    timeliness: Number
    share_of_wallet: Number
    p_alive: Number


class LoyaltyRule(Section):
    """How the parts of loyalty are scaled and weighted: `[loyalty]`."""

    weights: LoyaltyWeights
    tenure_full_years: PositiveNumber
    timely_until: Number
    lost_from: PositiveNumber
    p_alive: PAliveUse
    no_order_categories: Annotated[tuple[Text, ...], BeforeValidator(listed)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.lost_from <= self.timely_until:
            raise ValueError(
                f"lost_from ({self.lost_from}) must be more than timely_until ({self.timely_until})"
            )
        if self.weights.active_months == 0:
            raise ValueError("weights.active_months must be more than 0: it is the part every buyer has")
        if (self.p_alive == "scored") != (self.weights.p_alive > 0):
            raise ValueError('weights.p_alive is more than 0 exactly when p_alive = "scored"')
        return self


class FeedbackRule(Section):
    """The prior of the feedback rate, (n + alpha)/(N + beta): `[feedback]`."""

    alpha: Number
    beta: PositiveNumber


class PotentialRule(Section):
    """Whether peers may stand in for a missing demand estimate: `[potential]`."""

    peers: bool
    min_peers: Count
    quantile: PositiveRatio


class SegmentRule(Section):
    """The bars between the segments: `[segments]`."""

    volume_high_from: Money
    loyalty_from: Ratio
    new_below_months: Annotated[int, Field(ge=0, le=12)]
    coverage_floor: Ratio


class StrategicRule(Section):
    """What a core customer must show to be a strategic partner: `[strategic]`."""

    score_from: Score
    steadiness_from: Ratio
    feedback_from: Number


class GateRule(Section):
    """The highest tier a customer may have while a gate holds: `[gates]`."""

    loss_making: CapTier
    credit_stop: CapTier
    confirmed_conduct: CapTier
    erp_block: CapTier | Literal["off"]
    chronic_lateness: CapTier | Literal["off"]
    loss_at_estimated_cost: Ratio


class MemoryRule(Section):
    """How slowly the effective tier follows the raw one: `[memory]`. Periods are rating periods (months)."""

    margin: Margin
    up_after: Periods
    down_after: Periods
    min_dwell: Annotated[int, Field(ge=0, le=36)]
    one_step: bool
    clean_periods: Periods

    @model_validator(mode="after")
    def _down_is_not_hastier_than_up(self) -> Self:
        if self.down_after < self.up_after:
            raise ValueError(f"down_after ({self.down_after}) must not be below up_after ({self.up_after})")
        return self


class EventRule(Section):
    """Which events leave at all: `[events]`."""

    baseline_events: bool


@dataclass(frozen=True, slots=True)
class Written:
    """How a policy was written, before any upgrade."""

    schema_version: int
    content_hash: str


class Policy(Section):
    """One whole policy, as the newest schema version says it."""

    _written: Written = PrivateAttr()

    schema_version: Annotated[int, Field(ge=1)]
    policy: Identity
    measures: Measures
    steadiness: SteadinessRule
    contribution: ContributionRule
    loyalty: LoyaltyRule
    feedback: FeedbackRule
    potential: PotentialRule
    segments: SegmentRule
    strategic: StrategicRule
    gates: GateRule
    memory: MemoryRule
    credit: CreditRule
    conduct: ConductRule
    decline: DeclineRule
    events: EventRule

    @property
    def id(self) -> str:
        """The policy's name."""
        return self.policy.id

    @property
    def version(self) -> str:
        """The policy's semantic version."""
        return self.policy.version

    @property
    def content_hash(self) -> str:
        """What the policy is known by: the hash of its values as written (`identity.content_hash`); 64 hex digits."""
        return self._written.content_hash

    @property
    def written_version(self) -> int:
        """The schema version that the policy is written in; `schema_version` is what it was upgraded to."""
        return self._written.schema_version

    def model_post_init(self, context: Any, /) -> None:
        """Keep how the policy was written: `parse_policy` hands its content over as the context of the validation."""
        content, version = context
        self._written = Written(version, content_hash(content, version))

    @model_validator(mode="after")
    def _nobody_is_unrated_for_missing_extracts(self) -> Self:
        always = ("volume", "steadiness", "loyalty")
        share = (
            sum((self.measures.scale(name).weight for name in always), Decimal(0))
            / self.measures.total_weight
        )
        if self.segments.coverage_floor > share:
            raise ValueError(
                f"segments.coverage_floor is {self.segments.coverage_floor}; it must be at most {share:.6f}, the share of "
                "weight of volume, steadiness and loyalty, or customers would be unrated merely because extracts are "
                "not delivered"
            )
        return self


def in_force(configured: Policy, remembered: Sequence[Policy], day: date) -> Policy:
    """Choose the policy that rules a period which ends on `day`.

    The configured one from its effective date on; before that the last of those ratings were made under (`remembered`, in
    the order in which they came into use) that was effective by then; where there is none, the configured one.
    """
    if configured.policy.effective_from <= day:
        return configured
    earlier = [each for each in remembered if each.policy.effective_from <= day]
    return earlier[-1] if earlier else configured


def parse_policy(
    source: str | Mapping[str, Any], *, model: type[Policy] = Policy, steps: Sequence[Step] = STEPS
) -> Policy:
    """Read the policy from a TOML text, or from a mapping of its sections, of this schema version or an earlier one.

    `model` is of the version that `steps` lead to. Raises PolicyError with one sentence a fault: the key, what is wrong,
    and what is allowed.
    """
    if isinstance(source, str) and model is Policy and steps is STEPS:
        return _of_text(source)
    return _of_content(policy_content(source) if isinstance(source, str) else source, model, steps)


@lru_cache(maxsize=32)
def _of_text(text: str) -> Policy:
    """Read a TOML text once: a run over years asks for the same few texts every month, and a policy is frozen."""
    return _of_content(policy_content(text), Policy, STEPS)


def _of_content(content: Mapping[str, Any], model: type[Policy], steps: Sequence[Step]) -> Policy:
    version = written_version(content, steps)
    try:
        return model.model_validate(upgraded(content, steps), context=(content, version))
    except ValidationError as error:
        raise PolicyError(describe(error, model)) from None


def is_outdated(policy: Policy) -> bool:
    """Whether the policy is written in an earlier schema version than this valuemart writes."""
    return policy.written_version < newest()


def policy_content(text: str) -> dict[str, Any]:
    """The sections of a TOML text, as they are written. PolicyError if it is not TOML."""
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, InvalidOperation) as error:
        raise PolicyError([f"policy: this is not TOML: {error}"]) from None
