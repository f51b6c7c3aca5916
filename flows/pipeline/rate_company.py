"""One company's rating within a run: its periods in order, and what follows from them, in the run's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

import duckdb
import polars as pl

from flows.console.progress import report_step
from flows.events.build import EventContext, correction_events
from flows.events.types import Event, TierChanged
from flows.pipeline import credit_warnings, forecast, moves, telling
from flows.pipeline.ratings import Ratings
from flows.settings import Settings
from flows.wording.reasons import with_text
from transforms.credit.watch import credit_watch
from transforms.facts.handover import succeed
from transforms.facts.model import Facts
from transforms.facts.succession import current_succession, succession_on
from transforms.frames import plan
from transforms.frames.periods import first_of_month, months_before
from transforms.frames.reasons import reason_rows
from transforms.frames.schemas import EXPLANATION
from transforms.measures.window import KEY
from transforms.policy.model import Policy, in_force, parse_policy
from transforms.rating import revisions
from transforms.rating.events import correction_changes
from transforms.rating.explain_score import explain, explanation_terms
from transforms.rating.import_cases import import_cases
from transforms.rating.period import TOLD, RatedPeriod, rate_period
from transforms.rating.playbook import next_actions, partner_cards
from transforms.rating.structure import customer_structure, sales_since, value_curve
from warehouse.rating import cells, emitted, history, outbox
from warehouse.rating import facts as stored_facts
from warehouse.store import ledger
from warehouse.store.ledger import Generation


@dataclass(slots=True)
class RatingReport:
    """What a rating run found and wrote."""

    as_of: date
    policy: Policy
    ruling: Policy  # the period of the day: another than `policy` if that is not effective yet
    policy_file: Path
    calibrated: Path | None = None
    unconfirmed: bool = False
    # A sentence for each company whose books are in another currency than is set.
    other_currencies: Sequence[str] = ()
    # The later day as of which everything was rated before, where this run looks back and its mart is shown.
    looked_back_from: date | None = None
    cells: int = 0
    periods: list[date] = field(default_factory=list)
    new_rows: int = 0
    events: int = 0
    moves: list[dict[str, object]] = field(default_factory=list)

    @property
    def policy_named(self) -> str:
        """The policy that ruled, and the configured one where that waits for its day."""
        ruling = f"{self.ruling.id} {self.ruling.version}"
        if self.ruling.content_hash == self.policy.content_hash:
            return ruling
        waiting = f"{self.policy.id} {self.policy.version}"
        return f"{ruling}; {waiting} waits until {self.policy.policy.effective_from}"


class RatingRun:
    """What the companies of a rating run share: the day, what the run sees and tells, and its transaction."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        as_of: date,
        before: Generation,
        recorded_at: datetime,
        *,
        shown: bool,
    ) -> None:
        self.connection = connection
        self.settings = settings
        self.as_of = as_of
        self.shown = shown
        self.recorded_at = recorded_at
        self.target = first_of_month(plan.closed_through(as_of))
        self.looks_back = before.as_of is not None and as_of < before.as_of
        self.restate_from: date | None = None
        self.tells = shown
        self.left_behind: dict[str, date] = {}
        self.remembered: list[Policy] = []

    def seen_until(self, company: str, day: date) -> datetime | None:
        """Up to when undated facts are read for a day: the latest run's own day sees the latest landing.

        Any other day sees what it saw when it was rated last, and one never rated what had landed by its end, or first.
        """
        first, last = stored_facts.landed_between(self.connection, company)
        if self.shown and not self.looks_back and day == self.as_of:
            return last
        stored = history.seen_until(self.connection, company, day)
        if stored or first is None:
            return stored
        return max(first, stored_facts.end_of(day))


class RatedCompany:
    """The rating of one legal entity within a run."""

    def __init__(self, run: RatingRun, company: str, facts: Facts, report: RatingReport) -> None:
        self.run = run
        self.connection = run.connection
        self.company = company
        self.facts = facts
        self.report = report
        self.standing = Ratings(run.connection, company)
        self.rated = {each.period: each for each in history.rated_periods(run.connection, company)}
        # What a corrected mapping changed is a correction in the latest period, too.
        self.corrected = cells.remapped_customers(run.connection, company)
        self.corrections: pl.DataFrame | None = None
        self.changed: pl.DataFrame | None = None  # whose facts changed, and since when; None: anybody's

    def rate(self) -> None:
        """Rate the company's periods in order, write what is new, and put its events into the outbox."""
        run = self.run
        earliest = cells.earliest_change(self.connection, self.company)
        credit_warnings.doubt(self.connection, self.company)
        if run.restate_from is None:
            self.changed = cells.changed_customers(self.connection, self.company)
        else:
            earliest = min(run.restate_from, earliest or run.restate_from)
        periods = plan.periods_to_rate(
            self.rated, run.target, earliest_change=earliest, looks_back=run.looks_back
        )
        behind = plan.left_behind(self.rated, run.target, earliest_change=earliest, looks_back=run.looks_back)
        if behind:
            run.left_behind[self.company] = behind
        sales = stored_facts.read_sales(self.connection, self.company, sales_since(periods[0]))
        last = max(self.rated, default=None)
        opened: list[date] = []
        for period in periods:
            report_step(f"rating {self.company} for {period:%Y-%m}")
            is_closed = plan.is_closed(period, latest_rated=last, target=run.target)
            self._rate_period(period, sales, is_closed=is_closed)
            if not is_closed:
                opened.append(period)
        # Who restates knows that closed periods change: told is only what differs at the end.
        if self.corrections is not None and run.restate_from is None:
            context = EventContext(run.settings.tenant, run.as_of, run.recorded_at, self.report.ruling)
            changes = correction_changes(self.corrections.lazy()).collect()
            self._write(correction_events(changes, context))
        self._keep_moves(periods, opened)
        self._tell()

    def _rows(self, period: date | None) -> pl.DataFrame | None:
        if period is None or period not in self.rated:
            return None
        return self.standing.of(period)

    def _rate_period(self, period: date, sales: pl.LazyFrame, *, is_closed: bool) -> None:
        """Rate one period, and write what is new of it."""
        policy = self._policy_of(period)
        previous, stored = self._rows(months_before(period, 1)), self._rows(period)
        judged_on = self._judged_on(period)
        facts, sales = succeed(self._facts_on(judged_on), sales, judged_on)
        rated = rate_period(
            facts,
            policy,
            closed_through=plan.month_end(period),
            as_of=judged_on,
            previous=_lazy(previous),
            stored=_lazy(stored),
            sales=sales,
        )
        rated = replace(rated, values=rated.values.collect().lazy())
        revised = revisions.revise(
            rated.values,
            stored=_lazy(stored),
            previous=_lazy(previous),
            is_closed=is_closed,
            corrected=_lazy(self.corrected),
            affected=self._affected(period, facts) if is_closed else None,
            is_restated=self.run.restate_from is not None,
        ).collect()
        written = with_text(revised)
        rows = written.with_columns(pl.lit(self.run.recorded_at).alias("recorded_at"))
        self.standing.append(period, rows, is_first=stored is None)
        self.report.periods.append(period)
        self.report.new_rows += rows.height
        end = plan.month_end(period)
        structure = customer_structure(facts, sales, rated.values, closed_through=end).collect()
        history.replace_period(self.connection, "customer_structure", self.company, period, structure)
        is_shown = period == self.run.target and self.run.shown
        forecast.update(
            self.connection,
            self.company,
            facts,
            rated.values,
            period,
            self.run.recorded_at,
            shown_on=self.run.as_of if is_shown else None,
        )
        if period == self.run.target:
            if is_shown:
                self._show_current(rated, facts, sales, policy, _lazy(previous))
            self._replace("conduct_finding", rated.conduct.collect())
            if rated.credit is not None:
                self._watch_credit(rated.credit, policy, facts.succession)
        self.rated.setdefault(period, history.RatedPeriod(period, self.run.as_of, policy.content_hash))
        if is_closed:
            self._correct(written, stored)

    def _affected(self, period: date, facts: Facts) -> pl.LazyFrame | None:
        """Whose rows of a closed period may be revised; None: everybody's, as in the period that the run itself is about."""
        if self.changed is None or period == self.run.target:
            return None
        end = plan.month_end(period)
        affected = revisions.affected_by(self.changed.lazy(), facts.customers, end, facts.succession)
        # Who was corrected in an earlier period goes on from there, for whatever reason it was.
        return affected if self.corrected is None else pl.concat([affected, self.corrected.lazy()]).unique()

    def _facts_on(self, day: date) -> Facts:
        """The run's facts, with open orders as they were seen on the day."""
        if day == self.run.as_of or self.facts.open_orders is None:
            return self.facts
        until = self.run.seen_until(self.company, day)
        orders = stored_facts.read_extract(self.connection, "open_orders", self.company, day, until)
        return replace(self.facts, open_orders=orders)

    def _policy_of(self, period: date) -> Policy:
        """The policy in force for the current period and those never rated; the one it was rated under for any other."""
        before = self.rated.get(period)
        current = in_force(self.report.policy, self.run.remembered, plan.month_end(period))
        if period == self.run.target or before is None or before.policy_hash == current.content_hash:
            return current
        return parse_policy(ledger.policy_text(self.connection, before.policy_hash))

    def _judged_on(self, period: date) -> date:
        """The day on which credit and caps of a period are judged: for a past one, the day it was last looked at."""
        if period == self.run.target:
            return self.run.as_of
        before = self.rated.get(period)
        return before.as_of if before else plan.month_end(period)

    def _succession_in(self, period: date) -> pl.LazyFrame | None:
        """Who stands for whom on the day on which a period is judged; None where nobody is succeeded."""
        return succession_on(self.facts, self._judged_on(period))

    def _show_current(
        self,
        rated: RatedPeriod,
        facts: Facts,
        sales: pl.LazyFrame,
        policy: Policy,
        previous: pl.LazyFrame | None,
    ) -> None:
        """Put what speaks for the run's own day in the place of what spoke for the last one's."""
        explained = explain(rated.values, previous, policy).collect().lazy()
        shown = {
            "customer_succession": current_succession(facts.succession),
            "value_curve": value_curve(rated.values),
            "next_action": next_actions(rated, facts, self.run.as_of, policy),
            "partner_card": partner_cards(rated, facts, self.run.as_of),
            "import_case": import_cases(
                facts, sales, closed_through=plan.month_end(self.run.target), as_of=self.run.as_of
            ),
            "explanation": explained.select(EXPLANATION.names()),
            "explanation_term": explanation_terms(rated.values, previous, explained),
        }
        for table, rows in zip(shown, pl.collect_all([*shown.values()]), strict=True):
            self._replace(table, rows)
        values = rated.values.select(*KEY, *TOLD).collect()
        history.replace_reasons(
            self.connection, self.company, "customer_value", reason_rows(values, "customer_value", KEY)
        )

    def _replace(self, table: str, rows: pl.DataFrame) -> None:
        """Put rows in the place of a current table's, reasons as text and beside it as facts."""
        history.replace(self.connection, table, self.company, with_text(rows))
        key = (*KEY, "kind") if "kind" in rows.columns else KEY
        history.replace_reasons(self.connection, self.company, table, reason_rows(rows, table, key))

    def _watch_credit(self, watched: pl.LazyFrame, policy: Policy, succession: pl.LazyFrame | None) -> None:
        """Put the credit watch of the day in the place of the last one, its warnings remembered.

        A day that tells first has the days before it found anew that were watched since an earlier one came between, or whose
        facts have changed: what stands is a matter of the watched days in their order, not of when they were watched.
        """
        if self.run.tells:
            for day in history.doubtful_days(self.connection, self.company, self.run.as_of):
                of_day = self._policy_of(first_of_month(plan.closed_through(day)))
                facts, _ = succeed(self._facts_on(day), None, day)
                self._warn(credit_watch(facts, of_day, day), of_day, day, facts.succession)
        self._replace("credit_watch", self._warn(watched, policy, self.run.as_of, succession))

    def _warn(
        self, watched: pl.LazyFrame, policy: Policy, day: date, succession: pl.LazyFrame | None
    ) -> pl.DataFrame:
        seen = self.run.seen_until(self.company, day)
        rule = policy.credit
        return credit_warnings.update(self.connection, self.company, watched, rule, day, seen, succession)

    def _keep_moves(self, periods: Sequence[date], opened: Sequence[date]) -> None:
        """Bring the moves up to the history; report those of `opened` periods."""
        kept = moves.update(
            self.connection,
            self.company,
            periods,
            sorted(self.rated),
            self._policy_of,
            self._succession_in,
            self.standing,
            self.run.recorded_at,
        )
        for period in opened:
            self.report.moves.extend(kept[period].to_dicts())

    def _tell(self) -> None:
        """Tell what differs from what was told last, if this is the latest day that was told."""
        run = self.run
        until = emitted.latest_day(self.connection, self.company)
        if not run.tells or (until is not None and run.as_of < until):
            return
        context = EventContext(run.settings.tenant, run.as_of, run.recorded_at, self._policy_of(run.target))
        told = telling.tell(
            self.connection,
            self.company,
            run.target,
            context,
            self.standing.of(run.target),
            judges_credit=self.facts.receivables is not None,
        )
        self.report.events += len(told)
        self._report_emitted([event.data for event in told if isinstance(event.data, TierChanged)])
        emitted.note_day(self.connection, self.company, run.as_of, run.target, run.recorded_at)

    def _report_emitted(self, changes: Sequence[TierChanged]) -> None:
        """Report what was told and is no move between two periods as well, such as one within the first of all."""
        listed = {(move["company_code"], move["customer_id"], move["to_tier"]) for move in self.report.moves}
        self.report.moves.extend(
            change.model_dump(include=set(revisions.MOVE.names()))
            for change in changes
            if (change.company_code, change.customer_id, change.to_tier) not in listed
        )

    def _write(self, events: Sequence[Event]) -> None:
        self.report.events += len(outbox.append(self.connection, events))

    def _correct(self, revised: pl.DataFrame, superseded: pl.DataFrame | None) -> None:
        """Remember whose closed periods were corrected, for the correction events and the cause of what follows."""
        if superseded is None or revised.is_empty():
            return
        known = superseded.filter(pl.col("period").is_in(emitted.periods(self.connection, self.company)))
        corrected = revisions.corrections(revised.lazy(), known.lazy()).collect()
        self.corrections = (
            pl.concat([self.corrections, corrected]) if self.corrections is not None else corrected
        )
        changed = revised.select("company_code", "customer_id")
        self.corrected = changed if self.corrected is None else pl.concat([self.corrected, changed]).unique()


def _lazy(rows: pl.DataFrame | None) -> pl.LazyFrame | None:
    return None if rows is None else rows.lazy()
