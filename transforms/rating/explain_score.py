"""Why a customer stands where it stands: what moved the score, what holds the tier, and what would move it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.conform import columns_of, conform_to
from transforms.frames.fixed_point import (
    RATIO_PLACES,
    SCORE,
    SCORE_PLACES,
    from_scaled_int,
    int128,
    scaled_int_of,
    to_scaled_int,
    with_rounded_shares,
)
from transforms.frames.reasons import REASONS, joined, listed, reason, reasons, several, with_reasons
from transforms.frames.schemas import EXPLANATION, EXPLANATION_TERM
from transforms.measures.descriptor import MEASURES, Measure
from transforms.measures.window import KEY
from transforms.rating.explain_tier import counterfactual_tier, shortfall, what_holds_it, what_would_move_it
from transforms.rating.what_it_takes import TARGET, target_tier
from transforms.scoring.scores import score_customers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transforms.policy.model import Policy

OTHER_TERMS: Final = ("coverage", "policy")  # of a score's change, beside what each measure gives

VALUE: Final = EXPLANATION_TERM["value_to"]
MOST_NAMED: Final = 3  # terms a sentence names; a reader does not weigh five


def score_term_names(measures: Sequence[Measure] = MEASURES) -> tuple[str, ...]:
    """What a change of the score is made of, in the order in which it is shown."""
    return (*(measure.name for measure in measures), *OTHER_TERMS)


def explained_columns(measures: Sequence[Measure] = MEASURES) -> pl.Schema:
    """The columns of `explain`.

    One row a customer: EXPLANATION, `shortfall` (every bar the counterfactual tier asks for and the customer misses), and
    `<term>_delta` in points, which sum to score_to − score_from exactly; null where either is null.
    """
    deltas = {f"{term}_delta": SCORE for term in score_term_names(measures)}
    told = ("tier_basis", "gates", "memory", "what_it_takes", "binding_bar", "counterfactual", "drivers")
    return pl.Schema({**with_reasons(EXPLANATION, told), "shortfall": REASONS, **deltas})


def explain(
    now: pl.LazyFrame, before: pl.LazyFrame | None, policy: Policy, measures: Sequence[Measure] = MEASURES
) -> pl.LazyFrame:
    """Explain ratings. Grain: customer of `now`; ends at `explained_columns`.

    `now` and `before` are rows of the rating history, one a customer: what is explained, and what it is compared with
    (None: nothing); `policy` is the one that ruled `now`. `drivers`: the terms of the score's change, largest first.
    What is said of the tier is described in `explain_tier`. Source: docs/figures.md, Scores.
    """
    terms = score_terms(now, before, policy, measures)
    return conform_to(
        now.join(terms, on=KEY, how="left", validate="1:1")
        .with_columns(target_tier(policy).alias(TARGET), drivers=drivers(measures))
        .with_columns(*what_holds_it(policy))
        .with_columns(*what_would_move_it(policy)),
        explained_columns(measures),
    ).sort(KEY)


def explain_move(
    now: pl.LazyFrame, before: pl.LazyFrame | None, policy: Policy, measures: Sequence[Measure] = MEASURES
) -> pl.LazyFrame:
    """Explain of ratings what an event of a move says, and no more: the rest is most of the work. Grain: customer of `now`.

    The key, `counterfactual_tier`, `shortfall` and `<term>_delta`, all as `explain` gives them.
    """
    said = ("counterfactual_tier", "shortfall", *(f"{term}_delta" for term in score_term_names(measures)))
    next_tier = (
        now.with_columns(counterfactual_tier(policy).alias("counterfactual_tier"))
        .with_columns(shortfall(policy).alias("shortfall"))
        .select(*KEY, "counterfactual_tier", "shortfall")
    )
    terms = score_terms(now, before, policy, measures)
    return conform_to(
        next_tier.join(terms, on=KEY, how="left", validate="1:1"),
        columns_of(explained_columns(measures), (*KEY, *said)),
    ).sort(KEY)


def explanation_terms(
    now: pl.LazyFrame,
    before: pl.LazyFrame | None,
    explained: pl.LazyFrame,
    measures: Sequence[Measure] = MEASURES,
) -> pl.LazyFrame:
    """Set the terms of each explained change one below the other. Grain: customer × term; ends at EXPLANATION_TERM.

    `now`, `before`: as for `explain`; `explained`: as `explain` gives it. Coverage and policy are terms without a figure of their own.
    """
    terms = score_term_names(measures)
    described = {measure.name: measure for measure in measures}
    taken = dict.fromkeys(
        name for each in measures for name in (each.column, each.score_column, each.points_column)
    )
    rows = now.clear() if before is None else before
    wide = (
        now.join(explained.select(*KEY, *(f"{term}_delta" for term in terms)), on=KEY, validate="1:1")
        .join(rows.select(*KEY, *taken), on=KEY, how="left", suffix="_then", validate="1:1")
        .collect()
        .lazy()
    )

    def of_term(place: int, term: str) -> pl.LazyFrame:
        measure = described.get(term)
        nothing = pl.lit(None)
        return wide.select(
            *KEY,
            pl.lit(term).alias("term"),
            "period",
            pl.lit(place, dtype=pl.Int32).alias("place"),
            *(
                (pl.col(f"{column}{suffix}") if column else nothing).cast(dtype).alias(f"{name}_{side}")
                for name, column, dtype in (
                    ("value", measure and measure.column, VALUE),
                    ("score", measure and measure.score_column, SCORE),
                    ("points", measure and measure.points_column, SCORE),
                )
                for side, suffix in (("from", "_then"), ("to", ""))
            ),
            pl.col(f"{term}_delta").alias("delta"),
            (pl.col(measure.reason_column) if measure else nothing).cast(pl.String).alias("reason"),
        )

    return conform_to(
        pl.concat(of_term(place, term) for place, term in enumerate(terms, start=1)), EXPLANATION_TERM
    ).sort(*KEY, "place")


def score_terms(
    now: pl.LazyFrame, before: pl.LazyFrame | None, policy: Policy, measures: Sequence[Measure] = MEASURES
) -> pl.LazyFrame:
    """Split the change of the score into terms. Grain: customer of `now`.

    `policy_delta`: what the new policy makes of the old measures, less the old score. `<measure>_delta` = w·Δs ÷ Σ w over
    the measures assessed both times, by the new policy's weights. `coverage_delta`: what is left, from measures that are
    assessed only now or only then. Rounded to 4 digits so that the terms sum to the change of the score exactly: where
    no measure came or went, the last measure that changed takes the rest. Null where there is no score now or before.
    """
    rescored = _before(now, before, policy, measures)
    scores = [measure.score_column for measure in measures]
    joined = now.select(*KEY, "score", *scores).join(rescored, on=KEY, how="left", validate="1:1")
    change = to_scaled_int("score", SCORE_PLACES) - to_scaled_int("score_from", SCORE_PLACES)
    by_policy = to_scaled_int("score_rescored", SCORE_PLACES) - to_scaled_int("score_from", SCORE_PLACES)
    exact = [_step(measure) for measure in measures]
    return (
        _with_steps(joined, policy, measures)
        .with_columns(
            change=change,
            by_policy=by_policy,
            rest=change - by_policy - pl.sum_horizontal(exact),
            coverage_changed=pl.any_horizontal(
                pl.col(score).is_null() != pl.col(f"{score}_before").is_null() for score in scores
            ),
        )
        .with_columns(*_with_rest(measures))
        .select(
            *KEY,
            "period_before",
            "score_from",
            pl.col("score").alias("score_to"),
            *(_points(_step(measure)).alias(measure.delta_column) for measure in measures),
            _points(pl.when("coverage_changed").then("rest").otherwise(int128(0))).alias("coverage_delta"),
            _points("by_policy").alias("policy_delta"),
        )
    )


def drivers(measures: Sequence[Measure] = MEASURES) -> pl.Expr:
    """List the terms that are not 0, largest first (reasons); null where nothing changed.

    The largest three are named, what is left is summed up as others, so that what is shown adds up; a single one that is
    left is named too.
    """
    entries = [
        pl.struct(
            size=-to_scaled_int(f"{term}_delta", SCORE_PLACES).abs().cast(pl.Int64),
            order=pl.lit(order),
            points=to_scaled_int(f"{term}_delta", SCORE_PLACES).cast(pl.Int64),
            said=reason("driver", subject=term, value=pl.col(f"{term}_delta")),
        )
        for order, term in enumerate(score_term_names(measures))
    ]
    is_moving = pl.element().struct.field("size") < 0
    ordered, named, rest = (pl.field(name) for name in ("ordered", "named", "rest"))
    others = reason("other_drivers", value=from_scaled_int(rest.cast(pl.Int128), SCORE))
    summed_up = joined(named.list.head(MOST_NAMED), reasons(others))
    # By way of a struct, so that the list of entries stands once in the expression.
    return (
        pl.struct(ordered=listed(entries).list.eval(pl.element().filter(is_moving).sort()))
        .struct.with_fields(
            named=ordered.list.eval(pl.element().struct.field("said")),
            rest=ordered.list.eval(pl.element().struct.field("points")).list.slice(MOST_NAMED).list.sum(),
        )
        .struct.with_fields(
            said=pl.when(named.list.len() > MOST_NAMED + 1).then(summed_up).otherwise(several(named))
        )
        .struct.field("said")
    )


def _before(
    now: pl.LazyFrame, before: pl.LazyFrame | None, policy: Policy, measures: Sequence[Measure]
) -> pl.LazyFrame:
    """Score what was measured then by the policy of now.

    Columns: key, period_before, score_from, score_rescored, `<measure>_score_before`.
    """
    rows = now.clear() if before is None else before
    by_this_policy = pl.col("policy_hash").eq_missing(policy.content_hash).all()
    is_scored = rows.select(by_this_policy).collect().item()
    scored_from = dict.fromkeys(name for each in measures for name in (each.column, each.reason_column))
    rescored = (
        rows if is_scored else score_customers(rows.select(*KEY, *scored_from), policy, measures)
    ).select(
        *KEY,
        pl.col("score").alias("score_rescored"),
        *(pl.col(each.score_column).alias(f"{each.score_column}_before") for each in measures),
    )
    return rows.select(
        *KEY, pl.col("score").alias("score_from"), pl.col("period").alias("period_before")
    ).join(rescored, on=KEY, how="inner", validate="1:1")


def _step(measure: Measure) -> str:
    return f"{measure.name}_step"


def _with_steps(joined: pl.LazyFrame, policy: Policy, measures: Sequence[Measure]) -> pl.LazyFrame:
    """Add w·Δs ÷ Σ w over the measures assessed both times, in whole 10⁻⁴ points."""
    weighed, weights = {}, []
    for measure in measures:
        score = measure.score_column
        change = to_scaled_int(score, SCORE_PLACES) - to_scaled_int(f"{score}_before", SCORE_PLACES)
        weight = int128(scaled_int_of(measure.scale(policy).weight, RATIO_PLACES))
        weighed[_step(measure)] = change * weight
        weights.append(pl.when(change.is_not_null()).then(weight).otherwise(int128(0)))
    steps = with_rounded_shares(joined, weighed, pl.sum_horizontal(weights))
    return steps.with_columns(pl.col(list(weighed)).fill_null(0))


def _with_rest(measures: Sequence[Measure]) -> list[pl.Expr]:
    """Give the rest to the last measure whose score changed, unless coverage takes it."""
    taken = pl.col("coverage_changed")
    steps = []
    for measure in reversed(measures):
        score = measure.score_column
        changed = (pl.col(score) != pl.col(f"{score}_before")).fill_null(value=False)
        step = pl.col(_step(measure))
        steps.append(
            pl.when(changed & ~taken).then(step + pl.col("rest")).otherwise(step).alias(_step(measure))
        )
        taken |= changed
    return steps


def _points(term: str | pl.Expr) -> pl.Expr:
    """A term in points; null where there is no change to speak of."""
    expression = pl.col(term) if isinstance(term, str) else term
    return from_scaled_int(pl.when(pl.col("change").is_not_null()).then(expression), SCORE)
