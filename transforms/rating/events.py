"""Which events a rating gives: the difference between what they were told last and what holds, kind by kind.

Told is state, not history: a value that was passed through between two tellings is no news, and one that was told is not
told again, whatever was rated in between and in which order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.conduct.evidence import FLAGGED
from transforms.facts.continued import from_all_continued
from transforms.measures.window import KEY
from transforms.tiers.raw import NO_CUSTOMERS, rank

if TYPE_CHECKING:
    from datetime import date

    from transforms.policy.model import Policy

NO_CREDIT_ACTION: Final = "open"
"""The credit action of a customer who is in no credit watch: he owes nothing, and sales on credit are open to him."""

TIER: Final = "tier"
WATCH: Final = "watch"
WARNING: Final = "warning"
CONDUCT: Final = "conduct."
DECLINE: Final = "decline"
NOTHING: Final = "none"
"""What is told of a kind of which nothing stands (any more)."""

SILENT: Final = "silent"
"""In the place of an event's id: nobody was told, and it is taken for known."""

OF_A_RATING: Final = (TIER, WATCH)
"""The kinds that a first rating begins with in silence: what a customer is worth is in the mart, and is news once it changes."""
KEPT: Final = (*OF_A_RATING, DECLINE)
"""The kinds of which what was told stands where a customer is not rated any more."""

EMITTED: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "kind": pl.String(),
        "emitted": pl.String(),
        "since": pl.Date(),
        "period": pl.Date(),
        "revision": pl.Int32(),
        "event_id": pl.String(),
        "state_version": pl.Int64(),
    }
)
"""The emitted state. Grain: customer × kind. `emitted` as HELD's `holds`; `period`, `revision`: the rating it was told of."""

HELD: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "kind": pl.String(),
        "holds": pl.String(),
        "since": pl.Date(),
        "period": pl.Date(),
        "revision": pl.Int32(),
    }
)
"""What holds. Grain: customer × kind. `holds`: the tier; the tier and direction of an expected move; the credit action under a
warning; the confidence of a finding; the state of a decline; or NOTHING. `since`: the day from which it holds."""

TO_EMIT: Final = pl.Schema(
    {
        **HELD,
        "emitted": pl.String(),
        "emitted_since": pl.Date(),
        "emitted_period": pl.Date(),
        "emitted_revision": pl.Int32(),
        "previous_event_id": pl.String(),
        "state_version": pl.Int64(),
    }
)
"""A difference. Grain: customer × kind. `emitted…`: what was told last (null: never anything); `previous_event_id`: by which event
(null: by none); `state_version`: how often this kind will have been told of this customer."""

_GRAIN: Final = [*KEY, "kind"]


def held_by_rating(ratings: pl.LazyFrame) -> pl.LazyFrame:
    """Give the tiers and expected moves of a period's latest rating rows. Grain: customer × kind; ends at HELD.

    Of a prospect nothing is told, nor of who is succeeded.
    """
    customers = ratings.filter(~pl.col("effective_tier").is_in(NO_CUSTOMERS))
    expected = pl.when(pl.col("watch_direction").is_not_null()).then(
        pl.concat_str("watch_tier", "watch_direction", separator=" ")
    )
    rated = {TIER: pl.col("effective_tier"), WATCH: expected.fill_null(NOTHING)}
    return pl.concat(
        _held(customers, kind=pl.lit(kind), holds=holds, since="as_of", period="period", revision="revision")
        for kind, holds in rated.items()
    )


def held_by_decline(ratings: pl.LazyFrame) -> pl.LazyFrame:
    """Give the declines of a period's latest rating rows. Grain: customer × kind; ends at HELD.

    NOTHING, too, of who is in none, or of whom it cannot be told: so it is known that it was looked at. Of who is no customer nothing.
    """
    customers = ratings.filter(~pl.col("effective_tier").is_in(NO_CUSTOMERS))
    return _held(
        customers,
        kind=pl.lit(DECLINE),
        holds=pl.col("decline_state").fill_null(NOTHING),
        since="as_of",
        period="period",
        revision="revision",
    )


def held_by_credit(watch: pl.LazyFrame) -> pl.LazyFrame:
    """Give the credit warnings that stand in a credit watch. Grain: customer × kind; ends at HELD.

    Their value is the credit action: a customer who may not be sold to any more is news, whatever was known of him. Who is in
    no watch, or in it without a warning, has none.
    """
    standing = watch.filter(pl.col("warning_since").is_not_null())
    return _held(standing, kind=pl.lit(WARNING), holds="credit_action", since="warning_since")


def held_by_conduct(findings: pl.LazyFrame) -> pl.LazyFrame:
    """Give the misconduct that is suspected or confirmed. Grain: customer × kind; ends at HELD.

    That something cannot be assessed, or was our own concession, says nothing of the customer.
    """
    flagged = findings.filter(pl.col("confidence").is_in(FLAGGED))
    return _held(flagged, kind=pl.concat_str(pl.lit(CONDUCT), "kind"), holds="confidence", since="as_of")


def as_continued(emitted: pl.LazyFrame, succession: pl.LazyFrame | None) -> pl.LazyFrame:
    """Give the emitted state as it goes over to successors. Grain: customer × kind; EMITTED and `was`, of whom it was told.

    What was told of a successor itself stands, unless it was nothing, before it was the successor; of several it continues, what
    holds longest. Of who is succeeded, nothing of it is left, unless a share of it is. `succession`: PARTS; None: nobody is succeeded.
    """
    told = from_all_continued(emitted, succession)
    is_own = pl.col("was") == pl.col("customer_id")
    since = pl.col("valid_from").max().over(_GRAIN)
    was_nothing = ((pl.col("emitted") == NOTHING) & (pl.col("since") < since)).fill_null(value=False)
    return (
        told.sort(~is_own | was_nothing, is_own, "since", "was")
        .unique(_GRAIN, keep="first", maintain_order=True)
        .drop("valid_from")
    )


def to_emit(held: pl.LazyFrame, emitted: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """List what differs between what holds and what was told last. Grain: customer × kind; ends at TO_EMIT.

    `held`: HELD rows of a company on its latest rated day; `emitted`: its emitted state (EMITTED), of the kinds that could be judged
    on that day. A warning or finding that was told and is not held any more has ended, on `as_of`; who is not rated any more
    keeps the tier and decline that were told. Nothing, where nothing was told, is no news; but where no decline was ever
    looked at, everybody's is listed once: from then on it is known.
    """
    before = emitted.rename({"event_id": "previous_event_id"}).rename(
        {name: f"emitted_{name}" for name in ("since", "period", "revision")}
    )
    joined = held.join(before, on=_GRAIN, how="full", coalesce=True, validate="1:1")
    gone = pl.col("holds").is_null()
    is_decline = pl.col("kind") == DECLINE
    return (
        joined.with_columns(begins=~(is_decline & pl.col("emitted").is_not_null()).any())
        .filter(~(gone & pl.col("kind").is_in(KEPT)))
        .with_columns(
            holds=pl.col("holds").fill_null(NOTHING), since=pl.col("since").fill_null(pl.lit(as_of))
        )
        .filter((pl.col("holds") != pl.col("emitted").fill_null(NOTHING)) | (is_decline & pl.col("begins")))
        .with_columns(
            previous_event_id=pl.when(pl.col("previous_event_id") != SILENT).then("previous_event_id"),
            state_version=pl.col("state_version").fill_null(0) + 1,
        )
        .select(TO_EMIT.names())
        .cast(TO_EMIT)
        .sort(_GRAIN)
    )


def standing(held: pl.LazyFrame, emitted: pl.LazyFrame) -> pl.LazyFrame:
    """List what holds and was taken for known, to be told after all. Grain: customer × kind; ends at TO_EMIT. Arguments as in `to_emit`."""
    known = emitted.filter(pl.col("event_id") == SILENT).select(*_GRAIN, "emitted", "state_version")
    return _from_nothing(
        held.join(known, on=_GRAIN, how="inner", validate="1:1")
        .filter(pl.col("holds") == pl.col("emitted"))
        .with_columns(
            previous_event_id=pl.lit(None, dtype=pl.String), state_version=pl.col("state_version") + 1
        )
    )


def again(
    held: pl.LazyFrame, emitted: pl.LazyFrame, sequences: pl.LazyFrame, as_of: date, *, judges_credit: bool
) -> pl.LazyFrame:
    """List all that holds, for somebody who cannot know what he was told. Grain: customer × kind; ends at TO_EMIT.

    Of every customer that is rated, its tier, the move that is expected or none, and (if it `judges_credit`) the warning that
    stands or none; of misconduct and decline what stands, and what was told of it. `sequences`: each customer's last number (`sequence`),
    0 where it has none: it tells one such list from the next.
    """
    rated = held.filter(pl.col("kind") == TIER).select(KEY)
    none = _held(
        rated.with_columns(as_of=pl.lit(as_of)), kind=pl.lit(WARNING), holds=pl.lit(NOTHING), since="as_of"
    ).filter(pl.lit(judges_credit))
    is_decline = pl.col("kind") == DECLINE
    of_a_day = pl.col("kind").str.starts_with(CONDUCT) | (pl.lit(judges_credit) & (pl.col("kind") == WARNING))
    declined = emitted.filter(is_decline, pl.col("event_id") != SILENT).join(rated, on=KEY, how="semi")
    ended = pl.concat([emitted.filter(of_a_day), declined]).select(
        *_GRAIN, holds=pl.lit(NOTHING), since=pl.lit(as_of), period="period", revision="revision"
    )
    stands = held.filter(~(is_decline & (pl.col("holds") == NOTHING)))
    holds = pl.concat([stands, none, ended.cast(HELD)]).unique(_GRAIN, keep="first", maintain_order=True)
    return _from_nothing(
        holds.join(emitted.select(*_GRAIN, "state_version"), on=_GRAIN, how="left", validate="1:1")
        .join(sequences, on=KEY, how="left", validate="m:1")
        .with_columns(
            previous_event_id=pl.format("resync after {}", pl.col("sequence").fill_null(0)),
            state_version=pl.col("state_version").fill_null(0),
        )
    )


def _from_nothing(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Give rows as if nothing had been told before."""
    nothing = {
        name: pl.lit(None) for name in ("emitted", "emitted_since", "emitted_period", "emitted_revision")
    }
    return rows.with_columns(**nothing).select(TO_EMIT.names()).cast(TO_EMIT).sort(_GRAIN)


def is_emitted(policy: Policy, *, is_baseline: bool, begins_decline: bool = False) -> pl.Expr:
    """Whether a difference (TO_EMIT) is told, or taken for known: a first rating is no news, unless the policy says so.

    `is_baseline`: no tier of the company was told, or taken for known, before; `begins_decline`: no decline was, which is no news
    in a company that was rated before either.
    """
    is_news = not is_baseline or policy.events.baseline_events
    decline_is_news = not begins_decline or (is_baseline and policy.events.baseline_events)
    is_something = (pl.col("holds") != NOTHING) | pl.col("emitted").is_not_null()
    return (
        (pl.lit(is_news) | ~pl.col("kind").is_in(OF_A_RATING))
        & (pl.lit(decline_is_news) | (pl.col("kind") != DECLINE))
        & is_something
    )


def period_moves(moves: pl.LazyFrame, policy: Policy, *, is_first: bool) -> pl.LazyFrame:
    """Keep the moves into a period that the history shows. Grain: customer; as given (MOVE).

    `moves`: as `revisions.moves` lists them from the rated period before; `is_first`: there is none before, so that nobody
    moved, unless the policy asks for the events of a baseline. Who was rated first with a later period before its own moved all the same.
    """
    if is_first and not policy.events.baseline_events:
        return moves.clear()
    is_baseline = pl.col("cause") == "baseline"
    return moves.with_columns(
        cause=pl.when(is_baseline & pl.col("from_tier").is_not_null()).then(pl.lit("data")).otherwise("cause")
    )


def as_emitted(ratings: pl.LazyFrame, differences: pl.LazyFrame) -> pl.LazyFrame:
    """Give the rating rows that were told last the tier that was told. Grain: as given, for the customers among TO_EMIT's tiers.

    They are the same, unless the warehouse was restored to before it was told.
    """
    tiers = differences.filter(pl.col("kind") == TIER).select(*KEY, "emitted")
    return (
        ratings.join(tiers, on=KEY, how="inner", validate="1:1")
        .with_columns(effective_tier=pl.col("emitted"), effective_rank=rank("emitted"))
        .drop("emitted")
    )


def after_emitting(differences: pl.LazyFrame, event_ids: pl.LazyFrame) -> pl.LazyFrame:
    """Give the emitted state after the differences were told or taken for known. Grain: customer × kind; ends at EMITTED.

    `event_ids`: the event of each customer and kind that was told (event_id); the others were silent.
    """
    return (
        differences.join(event_ids, on=_GRAIN, how="left", validate="1:1")
        .with_columns(emitted=pl.col("holds"), event_id=pl.col("event_id").fill_null(SILENT))
        .select(EMITTED.names())
    )


def correction_changes(corrections: pl.LazyFrame) -> pl.LazyFrame:
    """Gather the corrected periods of a run: one event a customer. Grain: customer; `periods`, in order of time.

    `corrections`: as `revisions.corrections` lists them, several rows of a customer included.
    """
    period = pl.col("periods").struct.field("period")
    return (
        corrections.select(*KEY, "periods")
        .explode("periods")
        .group_by(KEY)
        .agg(pl.col("periods").sort_by(period, maintain_order=True))
        .sort(KEY)
    )


def _held(
    rows: pl.LazyFrame,
    *,
    kind: pl.Expr,
    holds: pl.Expr | str,
    since: str,
    period: str | None = None,
    revision: str | None = None,
) -> pl.LazyFrame:
    return rows.select(
        *KEY,
        kind=kind,
        holds=holds,
        since=since,
        period=period or pl.lit(None),
        revision=revision or pl.lit(None),
    ).cast(HELD)
