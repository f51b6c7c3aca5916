"""Why a customer stands where it stands: what moved the score, what holds the tier, and what would move it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.exact import RATIO_PLACES, SCORE, SCORE_PLACES, divide, from_units, units, units_of, whole
from transforms.frames import columns_of, ending_at
from transforms.measures.window import KEY
from transforms.policy import MEASURES
from transforms.schemas import CUSTOMER_VALUE_HISTORY
from transforms.scoring import REASON_COLUMN, SCORED_COLUMN, score_customers
from transforms.tier_gaps import for_tier, requirements, shortfalls
from transforms.tiers import Bars, rank
from transforms.wording import number, sentence

if TYPE_CHECKING:
    from transforms.policy import Policy
    from transforms.tier_gaps import Requirement

TERMS: Final = (*MEASURES, "coverage", "policy")
"""What a change of the score is made of, in the order in which it is shown."""

_SCORES: Final = tuple(f"{measure}_score" for measure in MEASURES)
_MEASURED: Final = tuple(
    dict.fromkeys((*KEY, *(SCORED_COLUMN[m] for m in MEASURES), *(REASON_COLUMN[m] for m in MEASURES)))
)
EXPLANATION: Final = pl.Schema(
    {
        **columns_of(CUSTOMER_VALUE_HISTORY, (*KEY, "period")),
        "score_from": SCORE,
        "score_to": SCORE,
        **{f"{term}_delta": SCORE for term in TERMS},
        "drivers": pl.String(),
        "held_by": pl.String(),
        "memory": pl.String(),
        "counterfactual_tier": pl.String(),
        "counterfactual": pl.String(),
    }
)
"""One row a customer. `<term>_delta` are points and sum to score_to − score_from exactly; null where either is null."""

_REACHABLE: Final = ("cultivate", "core", "strategic")


def explain(now: pl.LazyFrame, before: pl.LazyFrame | None, policy: Policy) -> pl.LazyFrame:
    """Explain ratings. Grain: customer of `now`; ends at EXPLANATION.

    `now` and `before` are rows of the rating history, one a customer: what is explained, and what it is compared with
    (None: nothing); `policy` is the one that ruled `now`. `drivers`: the terms of the score's change, largest first.
    `held_by`: what decides the effective tier: an override, a cap, a gate, the memory, or the period itself. `memory`:
    the runs that count toward a move. `counterfactual`: the nearest higher rung the period's own figures could reach,
    and all that is lacking for it, by the policy's plain bars; null for a state, and at the top. Source: DECISIONS 6.
    """
    terms = score_terms(now, before, policy)
    return ending_at(
        now.join(terms, on=KEY, how="left", validate="1:1")
        .with_columns(drivers=drivers_text(), held_by=_held_by(), memory=_memory(policy))
        .with_columns(counterfactual_tier=_nearest(policy))
        .with_columns(counterfactual=_lacking(policy)),
        EXPLANATION,
    ).sort(KEY)


def score_terms(now: pl.LazyFrame, before: pl.LazyFrame | None, policy: Policy) -> pl.LazyFrame:
    """Split the change of the score into terms. Grain: customer of `now`.

    `policy_delta`: what the new policy makes of the old measures, less the old score. `<measure>_delta` = w·Δs ÷ Σ w over
    the measures assessed both times, by the new policy's weights. `coverage_delta`: what is left, from measures that are
    assessed only now or only then. Rounded to 4 digits so that the terms sum to the change of the score exactly: where
    no measure came or went, the last measure that changed takes the rest. Null where there is no score now or before.
    """
    rescored = _before(now, before, policy)
    joined = now.select(*KEY, "score", *_SCORES).join(rescored, on=KEY, how="left", validate="1:1")
    change = units("score", SCORE_PLACES) - units("score_from", SCORE_PLACES)
    by_policy = units("score_rescored", SCORE_PLACES) - units("score_from", SCORE_PLACES)
    exact = [name for measure in MEASURES for name in (f"{measure}_step",)]
    return (
        joined.with_columns(*_steps(policy))
        .with_columns(
            change=change,
            by_policy=by_policy,
            rest=change - by_policy - pl.sum_horizontal(exact),
            coverage_changed=pl.any_horizontal(
                pl.col(score).is_null() != pl.col(f"{score}_before").is_null() for score in _SCORES
            ),
        )
        .with_columns(*_with_rest())
        .select(
            *KEY,
            "score_from",
            pl.col("score").alias("score_to"),
            *(_points(f"{measure}_step").alias(f"{measure}_delta") for measure in MEASURES),
            _points(pl.when("coverage_changed").then("rest").otherwise(whole(0))).alias("coverage_delta"),
            _points("by_policy").alias("policy_delta"),
        )
    )


def drivers_text() -> pl.Expr:
    """List the terms that are not 0, largest first, as "volume +4.21, loyalty −1.1"; null where nothing changed."""
    entries = [
        pl.struct(
            size=-pl.col(f"{term}_delta").abs().cast(pl.Float64),
            order=pl.lit(order),
            text=pl.lit(f"{term} ") + _signed(pl.col(f"{term}_delta")),
        )
        for order, term in enumerate(TERMS)
    ]
    is_moving = pl.element().struct.field("size") < 0
    ordered = pl.concat_list(entries).list.eval(pl.element().filter(is_moving).sort().struct.field("text"))
    return pl.when(ordered.list.len() > 0).then(ordered.list.join(", "))


def _before(now: pl.LazyFrame, before: pl.LazyFrame | None, policy: Policy) -> pl.LazyFrame:
    """Score what was measured then by the policy of now. Columns: key, score_from, score_rescored, `<measure>_score_before`."""
    rows = now.clear() if before is None else before
    by_this_policy = pl.col("policy_hash").eq_missing(policy.content_hash).all()
    is_scored = rows.select(by_this_policy).collect().item()
    rescored = (rows if is_scored else score_customers(rows.select(_MEASURED), policy)).select(
        *KEY,
        pl.col("score").alias("score_rescored"),
        *(pl.col(score).alias(f"{score}_before") for score in _SCORES),
    )
    return rows.select(*KEY, pl.col("score").alias("score_from")).join(
        rescored, on=KEY, how="inner", validate="1:1"
    )


def _steps(policy: Policy) -> list[pl.Expr]:
    """w·Δs ÷ Σ w over the measures assessed both times, in whole 10⁻⁴ points; the running sum is what is rounded."""
    both = {score: pl.col(score).is_not_null() & pl.col(f"{score}_before").is_not_null() for score in _SCORES}
    weight = {
        f"{measure}_score": whole(units_of(policy.measures.scale(measure).weight, RATIO_PLACES))
        for measure in MEASURES
    }
    total = pl.sum_horizontal(
        pl.when(both[score]).then(weight[score]).otherwise(whole(0)) for score in _SCORES
    )
    running, rounded, steps = whole(0), whole(0), []
    for measure, score in zip(MEASURES, _SCORES, strict=True):
        change = units(score, SCORE_PLACES) - units(f"{score}_before", SCORE_PLACES)
        running += (change * weight[score]).fill_null(0)
        after = divide(running, total).fill_null(0)
        steps.append((after - rounded).alias(f"{measure}_step"))
        rounded = after
    return steps


def _with_rest() -> list[pl.Expr]:
    """Give the rest to the last measure whose score changed, unless coverage takes it."""
    taken = pl.col("coverage_changed")
    steps = []
    for measure in reversed(MEASURES):
        score = f"{measure}_score"
        changed = (pl.col(score) != pl.col(f"{score}_before")).fill_null(value=False)
        step = pl.col(f"{measure}_step")
        steps.append(
            pl.when(changed & ~taken).then(step + pl.col("rest")).otherwise(step).alias(f"{measure}_step")
        )
        taken |= changed
    return steps


def _points(term: str | pl.Expr) -> pl.Expr:
    """A term in points; null where there is no change to speak of."""
    expression = pl.col(term) if isinstance(term, str) else term
    return from_units(pl.when(pl.col("change").is_not_null()).then(expression), SCORE)


def _signed(points: pl.Expr) -> pl.Expr:
    return pl.when(points > 0).then(pl.lit("+") + number(points)).otherwise(number(points))


def _held_by() -> pl.Expr:
    until = pl.col("override_valid_to").cast(pl.String)
    by_hand = pl.format("override by {} until {}: {}", "override_owner", until, "override_reason")
    cap = pl.format("cap at {} since {}: {}", "cap_tier", pl.col("cap_since").cast(pl.String), "cap_reason")
    is_capped = (rank("cap_tier") <= rank("effective_tier")) & (rank("cap_tier") < rank("memory_tier"))
    return (
        pl.when(pl.col("override_tier") == pl.col("effective_tier"))
        .then(by_hand)
        .when(pl.col("override_tier").is_not_null())
        .then(pl.format("credit stop, against the override to {} by {}", "override_tier", "override_owner"))
        .when(is_capped.fill_null(value=False))
        .then(cap)
        .when(pl.col("memory_tier") != pl.col("raw_tier"))
        .then(pl.format("memory: the period alone says {}", "raw_tier"))
        .when(pl.col("gate").is_not_null())
        .then(pl.format("gate {}: without it {}", "gate", "ungated_tier"))
        .otherwise(pl.lit("the period's own figures"))
    )


def _memory(policy: Policy) -> pl.Expr:
    rule = policy.memory
    run_up = pl.format(f"{{}} of {rule.up_after} periods up to {{}}", "periods_up", "up_tier")
    run_down = pl.format(f"{{}} of {rule.down_after} periods down to {{}}", "periods_down", "down_tier")
    since = pl.format("{} since {}", "memory_tier", pl.col("tier_since").dt.strftime("%Y-%m"))
    return sentence(
        since,
        pl.when(pl.col("periods_up") > 0).then(run_up),
        pl.when(pl.col("periods_down") > 0).then(run_down),
    )


def _nearest(policy: Policy) -> pl.Expr:
    """Name the rung above the raw tier that lacks least, each bar counted in multiples of itself; the higher one on a tie."""
    distances = [
        pl.when((rank("raw_tier") < rank(pl.lit(tier))) & (rank("raw_tier") != rank(pl.lit("new")))).then(
            _distance(requirements(tier, Bars.of(policy), policy))
        )
        for tier in _REACHABLE
    ]
    nearest = pl.min_horizontal(*distances)
    return pl.coalesce(
        *(
            pl.when(distance == nearest).then(pl.lit(tier))
            for tier, distance in reversed(list(zip(_REACHABLE, distances, strict=True)))
        )
    )


def _distance(asked: tuple[Requirement, ...]) -> pl.Expr:
    """Σ of what is lacking; a measure that is not assessed lacks all of its bar, a loss counts against net sales."""
    return pl.sum_horizontal(
        pl.when(requirement.is_met()).then(0.0).otherwise(_relative_gap(requirement)) for requirement in asked
    )


def _relative_gap(requirement: Requirement) -> pl.Expr:
    if requirement.bar > 0:
        return (1 - requirement.relative()).fill_null(1.0)
    return (requirement.missing().cast(pl.Float64) / pl.col("net_sales_12m").cast(pl.Float64)).fill_null(1.0)


def _lacking(policy: Policy) -> pl.Expr:
    bars = Bars.of(policy)
    return for_tier("counterfactual_tier", {tier: shortfalls(tier, bars, policy) for tier in _REACHABLE})
