"""Why a customer stands where it stands: what moved the score, what holds the tier, and what would move it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.exact import RATIO_PLACES, SCORE, SCORE_PLACES, divide, from_units, units, units_of, whole
from transforms.explain_tier import tier_in_words, what_would_move_it
from transforms.frames import ending_at
from transforms.measures.window import KEY
from transforms.policy import MEASURES
from transforms.schemas import EXPLANATION, EXPLANATION_TERM
from transforms.scoring import REASON_COLUMN, SCORED_COLUMN, score_customers
from transforms.wording import number

if TYPE_CHECKING:
    from transforms.policy import Policy

TERMS: Final = (*MEASURES, "coverage", "policy")
"""What a change of the score is made of, in the order in which it is shown."""

VALUE: Final = EXPLANATION_TERM["value_to"]
_SCORES: Final = tuple(f"{measure}_score" for measure in MEASURES)
_MEASURED: Final = tuple(
    dict.fromkeys((*KEY, *(SCORED_COLUMN[m] for m in MEASURES), *(REASON_COLUMN[m] for m in MEASURES)))
)
MOST_NAMED: Final = 3  # terms a sentence names; a reader does not weigh five
EXPLAINED: Final = pl.Schema(
    {**EXPLANATION, "lacking": pl.String(), **{f"{term}_delta": SCORE for term in TERMS}}
)
"""One row a customer: EXPLANATION, `lacking` (every bar the counterfactual tier asks for and the customer misses), and
`<term>_delta` in points, which sum to score_to − score_from exactly; null where either is null."""


def explain(now: pl.LazyFrame, before: pl.LazyFrame | None, policy: Policy) -> pl.LazyFrame:
    """Explain ratings. Grain: customer of `now`; ends at EXPLAINED.

    `now` and `before` are rows of the rating history, one a customer: what is explained, and what it is compared with
    (None: nothing); `policy` is the one that ruled `now`. `drivers`: the terms of the score's change, largest first.
    What is said of the tier is described in `explain_tier`. Source: DECISIONS 6.
    """
    terms = score_terms(now, before, policy)
    return ending_at(
        now.join(terms, on=KEY, how="left", validate="1:1")
        .with_columns(drivers=drivers_text())
        .with_columns(*tier_in_words(policy))
        .with_columns(*what_would_move_it(policy)),
        EXPLAINED,
    ).sort(KEY)


def explanation_terms(
    now: pl.LazyFrame, before: pl.LazyFrame | None, explained: pl.LazyFrame
) -> pl.LazyFrame:
    """Set the terms of each explained change one below the other. Grain: customer × term; ends at EXPLANATION_TERM.

    `now`, `before`: as for `explain`; `explained`: EXPLAINED. Coverage and policy are terms without a figure of their own.
    """
    figures = {
        measure: (SCORED_COLUMN[measure], f"{measure}_score", f"{measure}_points") for measure in MEASURES
    }
    taken = dict.fromkeys(column for columns in figures.values() for column in columns)
    rows = now.clear() if before is None else before
    wide = (
        now.join(explained.select(*KEY, *(f"{term}_delta" for term in TERMS)), on=KEY, validate="1:1")
        .join(rows.select(*KEY, *taken), on=KEY, how="left", suffix="_before", validate="1:1")
        .collect()
        .lazy()
    )

    def of_term(place: int, term: str) -> pl.LazyFrame:
        value, score, points = figures.get(term, (None, None, None))
        nothing = pl.lit(None)
        return wide.select(
            *KEY,
            pl.lit(term).alias("term"),
            "period",
            pl.lit(place, dtype=pl.Int32).alias("place"),
            *(
                (pl.col(f"{column}{suffix}") if column else nothing).cast(dtype).alias(f"{name}_{side}")
                for name, column, dtype in (
                    ("value", value, VALUE),
                    ("score", score, SCORE),
                    ("points", points, SCORE),
                )
                for side, suffix in (("from", "_before"), ("to", ""))
            ),
            pl.col(f"{term}_delta").alias("delta"),
            (pl.col(REASON_COLUMN[term]) if value else nothing).cast(pl.String).alias("reason"),
        )

    return ending_at(
        pl.concat(of_term(place, term) for place, term in enumerate(TERMS, start=1)), EXPLANATION_TERM
    ).sort(*KEY, "place")


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
            "period_before",
            "score_from",
            pl.col("score").alias("score_to"),
            *(_points(f"{measure}_step").alias(f"{measure}_delta") for measure in MEASURES),
            _points(pl.when("coverage_changed").then("rest").otherwise(whole(0))).alias("coverage_delta"),
            _points("by_policy").alias("policy_delta"),
        )
    )


def drivers_text() -> pl.Expr:
    """List the terms that are not 0, largest first, as "volume +4.21, loyalty −1.1"; null where nothing changed.

    The largest three are named, what is left is summed up as "others −0.12", so that what is shown adds up; a single
    one that is left is named too.
    """
    entries = [
        pl.struct(
            size=-units(f"{term}_delta", SCORE_PLACES).abs().cast(pl.Int64),
            order=pl.lit(order),
            points=units(f"{term}_delta", SCORE_PLACES).cast(pl.Int64),
            text=pl.lit(f"{term} ") + _signed(pl.col(f"{term}_delta")),
        )
        for order, term in enumerate(TERMS)
    ]
    is_moving = pl.element().struct.field("size") < 0
    ordered = pl.concat_list(entries).list.eval(pl.element().filter(is_moving).sort())
    texts = ordered.list.eval(pl.element().struct.field("text"))
    rest = ordered.list.eval(pl.element().struct.field("points")).list.slice(MOST_NAMED).list.sum()
    others = pl.lit("others ") + _signed(from_units(rest.cast(pl.Int128), SCORE))
    named = texts.list.head(MOST_NAMED).list.join(", ")
    return (
        pl.when(texts.list.len() > MOST_NAMED + 1)
        .then(named + pl.lit(", ") + others)
        .when(texts.list.len() > 0)
        .then(texts.list.join(", "))
    )


def _before(now: pl.LazyFrame, before: pl.LazyFrame | None, policy: Policy) -> pl.LazyFrame:
    """Score what was measured then by the policy of now.

    Columns: key, period_before, score_from, score_rescored, `<measure>_score_before`.
    """
    rows = now.clear() if before is None else before
    by_this_policy = pl.col("policy_hash").eq_missing(policy.content_hash).all()
    is_scored = rows.select(by_this_policy).collect().item()
    rescored = (rows if is_scored else score_customers(rows.select(_MEASURED), policy)).select(
        *KEY,
        pl.col("score").alias("score_rescored"),
        *(pl.col(score).alias(f"{score}_before") for score in _SCORES),
    )
    return rows.select(
        *KEY, pl.col("score").alias("score_from"), pl.col("period").alias("period_before")
    ).join(rescored, on=KEY, how="inner", validate="1:1")


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
