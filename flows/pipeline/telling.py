"""Telling: what holds against what consumers were told last, and the events of what differs, in the rating's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import duckdb
import polars as pl

from flows.events import build
from flows.events.build import Emitted, EventContext
from flows.events.types import Event
from flows.wording.reasons import with_text
from transforms.facts.continued import from_the_main_one
from transforms.facts.succession import continued_numbers, successions_on
from transforms.measures.window import KEY
from transforms.rating import events as rules
from transforms.rating.move_reasons import base_rows
from transforms.rating.revisions import movers, moves
from warehouse.rating import emitted, history, outbox
from warehouse.rating.facts import read_extract

_GRAIN = [*KEY, "kind"]


def tell(
    connection: duckdb.DuckDBPyConnection,
    company: str,
    period: date,
    context: EventContext,
    ratings: pl.DataFrame,
    *,
    judges_credit: bool,
) -> Sequence[Event]:
    """Tell what a company's latest rated day says that consumers were not told; the events that this makes.

    `period`: the latest rated one; `ratings`: its ratings. `judges_credit`: whether there is a credit watch of the day; without one, what was told of
    warnings stands.
    """
    state = _State(connection, company, period, context.as_of, ratings, judges_credit=judges_credit)
    differences = rules.to_emit(state.held, state.emitted.lazy(), context.as_of).collect()
    is_baseline = state.known.filter(pl.col("kind") == rules.TIER).is_empty()
    begins_decline = state.known.filter(pl.col("kind") == rules.DECLINE).is_empty()
    news = differences.filter(
        rules.is_emitted(context.policy, is_baseline=is_baseline, begins_decline=begins_decline)
    )
    events = _keep(connection, differences, state.events(news, context))
    written = set(outbox.append(connection, events))
    return [event for event in events if event.event_id in written]


def announce(connection: duckdb.DuckDBPyConnection, company: str, period: date, context: EventContext) -> int:
    """Tell what stands and was taken for known; how many events that makes. `period`: the latest that was told."""
    ratings = history.latest_rows(connection, company, period)
    state = _State(connection, company, period, context.as_of, ratings, judges_credit=True)
    news = rules.standing(state.held, state.emitted.lazy()).filter(pl.col("holds") != rules.NOTHING).collect()
    return len(outbox.append(connection, _keep(connection, news, state.events(news, context))))


def resync(
    connection: duckdb.DuckDBPyConnection,
    company: str,
    period: date,
    context: EventContext,
    *,
    sink: str | None,
    customer: str | None,
) -> int:
    """Send what holds, of a company or a customer, to every sink or to one; how many events that makes. What was told stands."""
    ratings = history.latest_rows(connection, company, period)
    state = _State(connection, company, period, context.as_of, ratings, judges_credit=True)
    rows = [(*key, sequence) for key, sequence in outbox.last_sequences(connection).items()]
    sequences = pl.DataFrame(
        rows, schema={**dict.fromkeys(KEY, pl.String()), "sequence": pl.Int64()}, orient="row"
    )
    news = rules.again(
        state.held,
        state.known.lazy(),
        sequences.lazy(),
        context.as_of,
        judges_credit=not state.watch.is_empty(),
    ).collect()
    if customer is not None:
        news = news.filter(pl.col("customer_id") == customer)
    told = state.events(news, context)
    return len(outbox.append(connection, [event for _, events in told for event in events], sink=sink))


class _State:
    """What holds of a company on its latest rated day, and what was told last."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        company: str,
        period: date,
        as_of: date,
        ratings: pl.DataFrame,
        *,
        judges_credit: bool,
    ) -> None:
        self.connection, self.company, self.period = connection, company, period
        self.known = emitted.state(connection, company)
        self.succession = self._succession(as_of)
        self.ratings = ratings
        self.watch = history.current_rows(connection, "credit_watch", company)
        self.findings = history.current_rows(connection, "conduct_finding", company)
        held = [
            rules.held_by_rating(ratings.lazy()),
            rules.held_by_decline(ratings.lazy()),
            rules.held_by_conduct(self.findings.lazy()),
        ]
        if judges_credit:
            held.append(rules.held_by_credit(self.watch.lazy()))
        self.held = pl.concat(held)
        told = rules.as_continued(self.known.lazy(), self.succession).collect()
        self.emitted_of = told.filter(pl.col("was") != pl.col("customer_id")).select(*_GRAIN, "was")
        self.emitted = told.drop("was")
        if not judges_credit:
            self.emitted = self.emitted.filter(pl.col("kind") != rules.WARNING)

    def events(self, news: pl.DataFrame, context: EventContext) -> list[Emitted]:
        """The events of the news."""
        moved = news.filter(pl.col("kind") == rules.TIER, pl.col("emitted").is_not_null())[
            "customer_id"
        ].to_list()
        numbers = continued_numbers(moved, self.succession)
        rows = history.rows_before(self.connection, self.company, self.period, numbers).lazy()
        earlier = from_the_main_one(rows, self.succession, own_first=True).collect()
        before = self._emitted_ratings(news)
        return events_of(news, before, earlier, self.ratings, self.watch, self.findings, context)

    def _succession(self, as_of: date) -> pl.LazyFrame | None:
        """Who stands for whom on the day (PARTS); None where nobody is succeeded."""
        rows = read_extract(self.connection, "customer_successions", self.company, as_of)
        parts = None if rows is None else successions_on(rows, as_of)
        return None if parts is None or parts.is_empty() else parts.lazy()

    def _emitted_ratings(self, news: pl.DataFrame) -> pl.DataFrame:
        """The ratings that were told last of the customers of whom there is news, be it of whom they continue."""
        wanted = (
            news.join(self.emitted_of, on=_GRAIN, how="left")
            .select(
                *KEY,
                period="emitted_period",
                revision="emitted_revision",
                was=pl.coalesce("was", "customer_id"),
            )
            .drop_nulls()
            .unique()
        )
        rating = ["company_code", "was", "period", "revision"]
        of_numbers = wanted.select(rating).unique().rename({"was": "customer_id"})
        rows = history.rows_of(self.connection, of_numbers)
        return rows.rename({"customer_id": "was"}).join(wanted, on=rating, how="inner").select(rows.columns)


def _keep(
    connection: duckdb.DuckDBPyConnection, differences: pl.DataFrame, told: list[Emitted]
) -> list[Event]:
    """Note what was told by which event, and what was taken for known; the events."""
    identified = pl.DataFrame(
        [{**{name: row[name] for name in _GRAIN}, "event_id": events[0].event_id} for row, events in told],
        schema={**dict.fromkeys(_GRAIN, pl.String()), "event_id": pl.String()},
    )
    emitted.keep(connection, rules.after_emitting(differences.lazy(), identified.lazy()).collect())
    history.name_events(connection, _emitted_tiers(told))
    return [event for _, events in told for event in events]


def events_of(
    news: pl.DataFrame,
    emitted_ratings: pl.DataFrame,
    earlier: pl.DataFrame,
    ratings: pl.DataFrame,
    watch: pl.DataFrame,
    findings: pl.DataFrame,
    context: EventContext,
) -> list[Emitted]:
    """The events of the news, as `to_emit` lists it: of each customer its tier first, then the move that is expected.

    `emitted_ratings`: the ratings that were told last; `earlier`: those of the periods before, of whose tier there is news; `ratings`, `watch`, `findings`: what holds.
    """
    kind = pl.col("kind")
    tiers, expected = news.filter(kind == rules.TIER), news.filter(kind == rules.WATCH)
    return [
        # Explaining moves takes its time even of nobody, and on most days nobody's tier is news.
        *([] if tiers.is_empty() else _tier_events(tiers, emitted_ratings, earlier, ratings, context)),
        *build.watch_events(expected, ratings, _of(emitted_ratings, expected), context),
        *build.decline_events(news.filter(kind == rules.DECLINE), ratings, context),
        *build.credit_events(news.filter(kind == rules.WARNING), watch, context),
        *build.conduct_events(news.filter(kind.str.starts_with(rules.CONDUCT)), findings, context),
    ]


def _tier_events(
    tiers: pl.DataFrame,
    emitted_ratings: pl.DataFrame,
    earlier: pl.DataFrame,
    ratings: pl.DataFrame,
    context: EventContext,
) -> list[Emitted]:
    changed = ratings.join(tiers, on=KEY, how="semi")
    shown = rules.as_emitted(_of(emitted_ratings, tiers).lazy(), tiers.lazy()).collect()
    moved = movers(changed.lazy(), shown.lazy()).collect().lazy()
    base = base_rows(moved, earlier.lazy()).collect()
    told = with_text(moves(moved, earlier.lazy(), context.policy).collect())
    return build.tier_events(tiers, told, changed, base, context)


def _of(emitted_ratings: pl.DataFrame, news: pl.DataFrame) -> pl.DataFrame:
    """Those among the ratings told that this news differs from; no customer twice."""
    wanted = news.select(*KEY, period="emitted_period", revision="emitted_revision")
    return emitted_ratings.join(wanted, on=[*KEY, "period", "revision"], how="semi")


def _emitted_tiers(told: list[Emitted]) -> pl.DataFrame:
    """The tiers that were told, each by which event, and in the place of which one."""
    schema = dict.fromkeys((*KEY, "to_tier", "event_id", "supersedes"), pl.String())
    rows = [
        {
            **{name: row[name] for name in KEY},
            "to_tier": row["holds"],
            "event_id": events[0].event_id,
            "supersedes": events[0].data.model_dump().get("supersedes"),
        }
        for row, events in told
        if row["kind"] == rules.TIER
    ]
    return pl.DataFrame(rows, schema=schema)
