"""What is new in a rating: the rows to write as revisions, the moves to tell, and the corrections of what was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.conform import columns_of, conform_to, require_columns
from transforms.frames.reasons import with_reasons, without_reasons
from transforms.frames.schemas import CUSTOMER_VALUE_HISTORY, CUSTOMERS, TIER_CHANGE
from transforms.measures.window import KEY
from transforms.rating.explain_score import score_terms
from transforms.rating.move_reasons import base_rows, move_reasons
from transforms.rating.period import RATED, TOLD
from transforms.rating.rules_version import FIRST
from transforms.tiers.raw import NO_CUSTOMERS, direction, rank

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from transforms.policy.model import Policy

REVISION: Final = with_reasons(
    columns_of(
        CUSTOMER_VALUE_HISTORY, (name for name in CUSTOMER_VALUE_HISTORY.names() if name != "recorded_at")
    ),
    TOLD,
)
"""A rating row to write: the history's columns but for the time it is written."""

REFERENCE: Final = without_reasons(REVISION)
"""What a rating row is compared by. Reasons are left out: they follow from the figures, which are all among it."""

MOVE: Final = with_reasons(
    columns_of(
        TIER_CHANGE,
        (name for name in TIER_CHANGE.names() if name not in {"event_id", "recorded_at", "supersedes"}),
    ),
    ("reasons",),
)
"""A change of the effective tier: tier_change but for what telling it adds."""

_MEMBER: Final = columns_of(CUSTOMERS, (*KEY, "group_id", "territory_id"))
_SAME_ANYWAY: Final = {*KEY, "period", "as_of"}
# What the other customers do to these makes no revision of a closed period: they enter no score.
_OF_ALL_CUSTOMERS: Final = {"abc_class", "steadiness_seasonal"}
_COMPARED: Final = tuple(name for name in without_reasons(RATED).names() if name not in _SAME_ANYWAY)
_SUCCESSION: Final = ("continues", "succeeded_by")
_OVERRIDE: Final = ("override_tier", "override_owner", "override_reason", "override_valid_to")
_COMPARED_WITH: Final = ("policy_hash", "rules_version", *_SUCCESSION, *_OVERRIDE)
_SHOWN: Final = columns_of(CUSTOMER_VALUE_HISTORY, (*KEY, "effective_tier", "effective_rank"))
_THEN: Final = "_then"


def revise(
    rated: pl.LazyFrame,
    *,
    stored: pl.LazyFrame | None,
    previous: pl.LazyFrame | None,
    is_closed: bool,
    corrected: pl.LazyFrame | None = None,
    affected: pl.LazyFrame | None = None,
    is_restated: bool = False,
) -> pl.LazyFrame:
    """Keep the rated rows that differ from what is stored of their period. Grain: customer; ends at REVISION.

    `stored`: the latest revisions of the same period (None: never rated); `previous`: those of the predecessor (None:
    none). Two rows differ if any column but as_of, revision, recorded_at and cause does; nulls are equal to each other.
    `is_closed`: a later period has been rated already, or is rated by the same run; then figures relative to all customers
    (abc_class, steadiness_seasonal) make no difference by themselves. `corrected`: customers (key) of whom this run corrected an earlier period.
    `affected`: the customers (key) whose stored rows may be revised (None: everyone's); who is not stored yet is written
    anyway, and so is whom other bars are asked of, for that is a matter of all customers. `cause`: baseline (nothing was rated before), correction (a closed period, or one that follows from it),
    policy_change (another policy or other rules than in the row compared with), override (another override), else data; but
    succession, before all but the baseline, where it is succeeded by or continues others than in the row compared with.
    Compared with is the stored row of the period, else that of the predecessor. `cause_reason` of a policy_change: policy
    or rules; of a correction: restated where the run `is_restated`. Source: docs/figures.md, Corrections.
    """
    of_period, before = _reference(stored), _reference(previous).select(*KEY, *_COMPARED_WITH)
    is_first = stored is None and previous is None
    compared = (
        rated.join(of_period.rename(_then("stored", REFERENCE)), on=KEY, how="left", validate="1:1")
        .join(before.rename(_then("previous", _COMPARED_WITH)), on=KEY, how="left", validate="1:1")
        .join(_flagged(corrected), on=KEY, how="left", validate="1:1")
        .filter(pl.col(f"revision{_THEN}_stored").is_null() | _differs(is_closed=is_closed))
        .with_columns(
            revision=(pl.col(f"revision{_THEN}_stored").fill_null(0) + 1).cast(pl.Int32),
            cause=pl.lit("baseline") if is_first else _cause(is_closed=is_closed),
        )
        .with_columns(cause_reason=_cause_reason(is_restated=is_restated))
    )
    if affected is not None:
        is_anyway = ~_is_revised() | _is_asked_otherwise()
        compared = pl.concat(
            [compared.filter(is_anyway), compared.filter(~is_anyway).join(affected, on=KEY, how="semi")]
        )
    return conform_to(compared, REVISION).sort(KEY)


def affected_by(
    changes: pl.LazyFrame, customers: pl.LazyFrame, through: date, succession: pl.LazyFrame | None = None
) -> pl.LazyFrame:
    """List whom changed facts affect in a period that ends on `through`. Grain: customer; columns: the key.

    `changes`: customers with the first day, `since`, that their changed facts reach back to. Affected are those whose facts
    changed by then, who continues one of them (`succession`: PARTS of the period's day; None: nobody does), and who shares
    their group or their territory. `customers`: CUSTOMERS rows. Source: docs/figures.md, Corrections.
    """
    changed = changes.filter(pl.col("since") <= through).select(KEY).unique()
    if succession is not None:
        heirs = succession.join(changed, on=KEY, how="semi").select(
            "company_code", customer_id="successor_id"
        )
        changed = pl.concat([changed, heirs]).unique()
    members = require_columns(customers, _MEMBER)
    kin = [
        members.join(
            members.join(changed, on=KEY, how="semi")
            .select("company_code", shared)
            .filter(pl.col(shared).is_not_null())
            .unique(),
            on=["company_code", shared],
            how="semi",
        ).select(KEY)
        for shared in ("group_id", "territory_id")
    ]
    return pl.concat([changed, *kin]).unique()


def movers(revised: pl.LazyFrame, shown: pl.LazyFrame | None) -> pl.LazyFrame:
    """Keep the ratings whose effective tier is another than was shown. Grain: customer; REVISION, `effective_tier_then_shown` and `effective_rank_then_shown`.

    `revised`: REVISION rows of the current period; `shown`: what each customer's latest written rating was before this
    run (history columns; None: nothing was), so that a customer's first rating moves from null. A prospect is no customer:
    nothing is told of it, and its first order is told as a first rating. So nothing is told of who is succeeded.
    """
    is_customer = ~pl.col("effective_tier").is_in(NO_CUSTOMERS)
    then = pl.LazyFrame(schema=_SHOWN) if shown is None else require_columns(shown, _SHOWN)
    return (
        revised.filter(is_customer)
        .join(then.filter(is_customer).rename(_then("shown", _SHOWN)), on=KEY, how="left", validate="1:1")
        .filter(pl.col("effective_tier").ne_missing(pl.col(f"effective_tier{_THEN}_shown")))
    )


def moves(moved: pl.LazyFrame, earlier: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    """List the changes of the effective tier, with their reasons. Grain: customer; ends at MOVE.

    `moved`: as `movers` gives it; `earlier`: the latest revisions of the same customers in the periods before (history
    columns). `base_period`, `segment_from`, `score_from`, `net_sales_from` and `contribution_from` are of the rating that
    `base_rows` chooses, null without one; `reasons` as `move_reasons` orders them, of which the points sum to
    score_to − score_from. `direction` is lateral between equal ranks.
    """
    base = base_rows(moved, earlier).collect().lazy()
    terms = score_terms(moved, base, policy)
    told = moved.join(terms, on=KEY, how="left", validate="1:1").drop("score_from")
    then = base.select(
        *KEY,
        base_period="period",
        segment_from="segment",
        score_from="score",
        net_sales_from="net_sales_12m",
        contribution_from="contribution_12m",
    )
    return conform_to(
        told.join(then, on=KEY, how="left", validate="1:1")
        .join(move_reasons(told, base, earlier, policy), on=KEY, how="left", validate="1:1")
        .with_columns(
            from_tier=pl.col(f"effective_tier{_THEN}_shown"),
            from_rank=pl.col(f"effective_rank{_THEN}_shown"),
            to_tier=pl.col("effective_tier"),
            to_rank=pl.col("effective_rank"),
            segment_to=pl.col("segment"),
            score_to=pl.col("score"),
            net_sales_to=pl.col("net_sales_12m"),
            contribution_to=pl.col("contribution_12m"),
        )
        .with_columns(direction=direction(pl.col("from_rank"), rank("to_tier"))),
        MOVE,
    ).sort(KEY)


def corrections(revised: pl.LazyFrame, superseded: pl.LazyFrame) -> pl.LazyFrame:
    """List the published periods whose tier or segment a run corrected. Grain: customer with at least one.

    `revised`: the REVISION rows a run writes for closed periods; `superseded`: the latest stored revisions of those
    periods. Columns: the key and `periods`, in order, each with period, revision, from and to effective tier and segment.
    A closed period rated for the first time corrects nothing, nor does one of a prospect, then or now: nobody was told of it. Nor is
    it a correction that a number is succeeded, or not any more: the cause of its rating says so.
    Source: docs/figures.md, Corrections.
    """
    is_customer = ~pl.col("segment").is_in(NO_CUSTOMERS)
    then = superseded.filter(is_customer).select(*KEY, "period", "effective_tier", "segment")
    return (
        revised.filter(is_customer)
        .join(then, on=[*KEY, "period"], how="inner", suffix=_THEN, validate="m:1")
        .filter(
            (pl.col("effective_tier") != pl.col(f"effective_tier{_THEN}"))
            | (pl.col("segment") != pl.col(f"segment{_THEN}"))
        )
        .select(
            *KEY,
            pl.struct(
                "period",
                "revision",
                from_tier=f"effective_tier{_THEN}",
                to_tier="effective_tier",
                segment_from=f"segment{_THEN}",
                segment_to="segment",
            ).alias("corrected"),
        )
        .group_by(KEY)
        .agg(periods=pl.col("corrected").sort())
        .sort(KEY)
    )


def _reference(rows: pl.LazyFrame | None) -> pl.LazyFrame:
    if rows is None:
        return pl.LazyFrame(schema=REFERENCE)
    return require_columns(rows, REFERENCE).with_columns(pl.col("rules_version").fill_null(FIRST))


def _then(which: str, names: Iterable[str]) -> dict[str, str]:
    return {name: f"{name}{_THEN}_{which}" for name in names if name not in KEY}


def _flagged(corrected: pl.LazyFrame | None) -> pl.LazyFrame:
    keys = pl.LazyFrame(schema=dict.fromkeys(KEY, pl.String())) if corrected is None else corrected
    return keys.select(KEY).unique().with_columns(is_corrected=pl.lit(value=True))


def _differs(*, is_closed: bool) -> pl.Expr:
    names = [name for name in _COMPARED if not (is_closed and name in _OF_ALL_CUSTOMERS)]
    return pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}{_THEN}_stored")) for name in names)


def _is_revised() -> pl.Expr:
    return pl.col(f"revision{_THEN}_stored").is_not_null()


def _is_asked_otherwise() -> pl.Expr:
    """Tell whether other bars are asked than in the stored row, under the same rules."""
    other = pl.col("strategic_basis").ne_missing(pl.col(f"strategic_basis{_THEN}_stored"))
    return other & (pl.col("rules_version") == pl.col(f"rules_version{_THEN}_stored"))


def _compared(column: str) -> pl.Expr:
    """What a column was in the row compared with: the stored one of the period, else the predecessor's."""
    stored, previous = pl.col(f"{column}{_THEN}_stored"), pl.col(f"{column}{_THEN}_previous")
    return pl.when(_is_revised()).then(stored).otherwise(previous)


def _cause(*, is_closed: bool) -> pl.Expr:
    is_revised = _is_revised()
    is_correction = is_revised & (pl.lit(is_closed) | pl.col("is_corrected").fill_null(value=False))

    has_reference = _compared("policy_hash").is_not_null()
    is_other = pl.any_horizontal(pl.col(name) != _compared(name) for name in ("policy_hash", "rules_version"))
    other_override = pl.any_horizontal(pl.col(name).ne_missing(_compared(name)) for name in _OVERRIDE)
    other_succession = pl.any_horizontal(pl.col(name).ne_missing(_compared(name)) for name in _SUCCESSION)
    return (
        pl.when(other_succession)
        .then(pl.lit("succession"))
        .when(is_correction)
        .then(pl.lit("correction"))
        .when(has_reference & is_other)
        .then(pl.lit("policy_change"))
        .when(has_reference & other_override | ~has_reference & pl.col("override_tier").is_not_null())
        .then(pl.lit("override"))
        .otherwise(pl.lit("data"))
    )


def _cause_reason(*, is_restated: bool) -> pl.Expr:
    other_policy = pl.col("policy_hash") != _compared("policy_hash")
    return (
        pl.when(pl.col("cause") == "policy_change")
        .then(pl.when(other_policy).then(pl.lit("policy")).otherwise(pl.lit("rules")))
        .when((pl.col("cause") == "correction") & is_restated)
        .then(pl.lit("restated"))
    )
