"""From canonical rows to ratings: the wiring of a rating run. What a number means is said in the transforms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import duckdb
import polars as pl

from flows.console.progress import report_step
from flows.errors import UserError
from flows.events.build import EventContext, correction_events
from flows.events.types import Event, TierChanged
from flows.pipeline import calibration, telling
from flows.pipeline.facts import facts_of
from flows.pipeline.load import open_warehouse
from flows.settings import Settings
from flows.wording.reasons import with_text
from transforms.credit.warnings import credit_warnings, standing_warnings
from transforms.credit.watch import credit_watch
from transforms.facts.customer_month import customer_months
from transforms.facts.model import Facts
from transforms.facts.order_day import order_days
from transforms.facts.sales_cell import SALES_LINES, sales_cells
from transforms.frames import plan
from transforms.frames.periods import first_of_month, months_before
from transforms.frames.reasons import reason_rows
from transforms.frames.schemas import EXPLANATION
from transforms.measures.window import KEY
from transforms.policy import model as policy_model
from transforms.policy.errors import PolicyError
from transforms.policy.model import Policy, in_force, parse_policy
from transforms.rating import revisions
from transforms.rating.events import correction_changes, period_moves
from transforms.rating.explain_score import explain, explanation_terms
from transforms.rating.period import TOLD, RatedPeriod, rate_period
from transforms.rating.playbook import next_actions, partner_cards
from transforms.rating.rules_version import RULES_VERSION
from transforms.rating.structure import customer_structure, sales_since, value_curve
from warehouse.connection import open_database, transaction
from warehouse.files import write_text
from warehouse.rating import cells, emitted, history, outbox
from warehouse.rating import facts as stored_facts
from warehouse.store import ledger
from warehouse.store.ledger import Generation

# The extracts whose changes may change what a past day warned of.
OF_CREDIT = ("receivables", "payments", "payment_allocations")

SHIPPED_POLICIES = Path(policy_model.__file__).parent


@dataclass(slots=True)
class RatingReport:
    """What a rating run found and wrote."""

    as_of: date
    policy: Policy
    ruling: Policy  # the period of the day: another than `policy` if that is not effective yet
    policy_file: Path
    calibrated: Path | None = None
    unconfirmed: bool = False
    cells: int = 0
    periods: list[date] = field(default_factory=list)
    rated_customers: int = 0
    new_rows: int = 0
    events: int = 0
    moves: list[dict[str, object]] = field(default_factory=list)


def read_policy(path: Path) -> Policy:
    """The policy of a file; PolicyError names file and key."""
    try:
        return parse_policy(path.read_text(encoding="utf-8"))
    except PolicyError as error:
        raise PolicyError([f"{path}: {line}" for line in str(error).splitlines()]) from error


def default_policy() -> str:
    """The shipped policy's text."""
    return (SHIPPED_POLICIES / "default.toml").read_text(encoding="utf-8")


class PolicyMissingError(UserError):
    """The policy that ruled so far is not where it was: another one would change every rating."""


def require_policy(settings: Settings) -> None:
    """PolicyMissingError where a home was rated, and the policy that ruled is not there any more. Changes nothing."""
    path = settings.policy_file
    if path.exists() or not settings.warehouse_file.exists():
        return
    with open_database(settings.warehouse_file, read_only=True) as connection:
        _require_policy(connection, path)


def _require_policy(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    if not path.exists() and ledger.ruling_policy(connection) is not None:
        raise PolicyMissingError(
            f"{path} is not there, and the policy in it has ruled the ratings of this home: put it back, or write the one that "
            f"ruled last with `valuemart policy ruled --out {path}`"
        )


def has_nothing_to_rate(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether nothing was ever rated, and no customer and no invoice line was accepted: there is nothing to fit a policy to."""
    return ledger.generation(connection, "rating") == Generation() and not stored_facts.companies(connection)


def is_behind(
    connection: duckdb.DuckDBPyConnection, policy: Policy | None, as_of: date, *, shown: bool = True
) -> bool:
    """Whether the ratings are of other facts, another day, another policy or other rules, or the tables that explain the day are.

    Never where there is nothing to rate.
    """
    if has_nothing_to_rate(connection):
        return False
    stages = ("rating", "display") if shown else ("rating",)
    due = policy and _due(connection, policy, as_of)
    return any(ledger.generation(connection, stage) != due for stage in stages)


def _due(connection: duckdb.DuckDBPyConnection, policy: Policy, as_of: date) -> Generation:
    loaded = ledger.generation(connection, "load").generation
    return Generation(loaded, as_of, policy.content_hash, RULES_VERSION)


def update(
    settings: Settings,
    as_of: date,
    *,
    recorded_at: datetime,
    shown: bool = True,
    tells: bool | None = None,
    restate_from: date | None = None,
    calibrate_to: date | None = None,
) -> RatingReport | None:
    """Rate what changed since the last rating, and every period that is missing; None where all is current.

    Ratings, moves, the credit watch and the outbox are committed together. Without a configured policy, the first
    rating calibrates one into the home, from the data up to its own period, or to that of `calibrate_to`, the last day that
    the run will rate; from then on that file rules. A day whose mart nobody will see need not be `shown`: the tables that explain the day are left to the next one, or to the next run.
    A day that `tells` (one that is shown, if nothing is said) ends with telling consumers what differs from what they were told last.
    With `restate_from`, the rated periods from that month on are rated anew for everybody, each by its own policy.
    PolicyMissingError where the policy that ruled so far is gone.
    """
    looks_ahead = calibrate_to is not None and calibrate_to > as_of and not settings.policy_file.exists()
    if calibrate_to and looks_ahead:
        _look_ahead(settings, calibrate_to, recorded_at)
    policy = read_policy(settings.policy_file) if settings.policy_file.exists() else None
    # Customers and their months fit into memory, and the streaming engine takes longer to set up than they take to rate.
    with pl.Config() as config, open_warehouse(settings, recorded_at) as connection:
        config.set_engine_affinity("in-memory")
        _require_policy(connection, settings.policy_file)
        if has_nothing_to_rate(connection):
            return None
        if restate_from is None and not is_behind(connection, policy, as_of, shown=shown):
            return None
        with transaction(connection):
            run = _Run(
                connection, settings, as_of, ledger.generation(connection, "rating"), recorded_at, shown=shown
            )
            run.restate_from = restate_from
            run.tells = shown if tells is None else tells
            report = run.rate(policy)
            report.calibrated = settings.policy_file if looks_ahead else report.calibrated
            report.unconfirmed = calibration.is_unconfirmed(settings, report.policy)
            cells.clear_dirty(connection, run.left_behind, looks_back=run.looks_back)
            reached = _due(connection, report.policy, as_of)
            ledger.set_generation(connection, "rating", reached, recorded_at)
            if shown:
                ledger.set_generation(connection, "display", reached, recorded_at)
            ledger.advance_state(connection, recorded_at)
    return report


class _OnlyLookedError(Exception):
    """Ends a transaction that was to leave nothing behind."""


def _look_ahead(settings: Settings, last: date, recorded_at: datetime) -> None:
    """Calibrate a policy to all that is known on the last day of a run, before its first day is rated; nothing else is kept."""
    with pl.Config() as config, open_warehouse(settings, recorded_at) as connection:
        config.set_engine_affinity("in-memory")
        before = ledger.generation(connection, "rating")
        _require_policy(connection, settings.policy_file)
        if has_nothing_to_rate(connection):
            return
        with suppress(_OnlyLookedError), transaction(connection):
            _Run(connection, settings, last, before, recorded_at, shown=False).calibrate()
            raise _OnlyLookedError


class _Run:
    """One rating run inside one transaction."""

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
        self.rated_as_of = before.as_of
        self.summed_with = _no_order_categories(connection, before)
        self.recorded_at = recorded_at
        self.target = first_of_month(plan.closed_through(as_of))
        self.looks_back = before.as_of is not None and as_of < before.as_of
        self.restate_from: date | None = None
        self.tells = shown
        self.left_behind: dict[str, date] = {}
        self.remembered: list[Policy] = []

    def rate(self, policy: Policy | None) -> RatingReport:
        """Compute the touched cells, then rate each company's periods in order."""
        base = policy or parse_policy(default_policy())
        touched = self._update_cells(base.loyalty.no_order_categories)
        companies = self._companies()
        calibrated = None
        if policy is None:
            policy = self._calibrate(companies, base)
            calibrated = self.settings.policy_file
        ledger.remember_policy(
            self.connection,
            policy_hash=policy.content_hash,
            policy_id=policy.id,
            version=policy.version,
            content=self.settings.policy_file.read_text(encoding="utf-8"),
            recorded_at=self.recorded_at,
        )
        self.remembered = [parse_policy(text) for text in ledger.policy_texts(self.connection)]
        ruling = in_force(policy, self.remembered, plan.month_end(self.target))
        report = RatingReport(
            self.as_of, policy, ruling, self.settings.policy_file, calibrated, cells=touched
        )
        for company, facts in companies.items():
            _Company(self, company, facts, report).rate()
        return report

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

    def calibrate(self) -> None:
        """Fit the default policy to the data up to the period of the run, and put it into the home for review."""
        default = parse_policy(default_policy())
        self._update_cells(default.loyalty.no_order_categories)
        self._calibrate(self._companies(), default)

    def _companies(self) -> dict[str, Facts]:
        return {
            company: facts_of(self.connection, company, self.as_of, self.seen_until(company, self.as_of))
            for company in stored_facts.companies(self.connection)
        }

    def _update_cells(self, no_order_categories: Sequence[str]) -> int:
        if self.summed_with is not None and self.summed_with != no_order_categories:
            report_step("what is no order has changed: every customer-month is summed again")
            cells.mark_all(self.connection)
        touched = cells.touched_cells(self.connection, rated_as_of=self.rated_as_of, as_of=self.as_of)
        if touched:
            report_step(f"summing {touched:,} customer-months")
            products = stored_facts.read_products(self.connection)
            for chunk in cells.chunks(self.connection):
                self._sum_chunk(chunk, products, no_order_categories)
        return touched

    def _sum_chunk(
        self, chunk: str, products: pl.LazyFrame | None, no_order_categories: Sequence[str]
    ) -> None:
        columns = [name for name in SALES_LINES.names() if name not in {"known_on", "referenced_on"}]
        lines = cells.lines_of_cells(self.connection, chunk, columns, self.as_of)
        target_cells = cells.target_cells(self.connection, chunk)
        months, days, sales = pl.collect_all(
            [
                customer_months(lines, products, target_cells, self.as_of, no_order_categories),
                order_days(lines, products, target_cells, self.as_of, no_order_categories),
                sales_cells(lines, products, target_cells, self.as_of),
            ],
            engine="streaming",
        )
        cells.replace_cells(self.connection, chunk, months, days, sales)

    def _calibrate(self, companies: Mapping[str, Facts], default: Policy) -> Policy:
        path, closed_through = self.settings.policy_file, plan.month_end(self.target)
        report_step(f"no policy is configured: calibrating one into {path}")
        sample = calibration.sample_of(
            self.connection, companies, default, closed_through, self.settings.company_currency
        )
        write_text(path, calibration.fitted(sample, default))
        return read_policy(path)


class _Company:
    """The rating of one legal entity within a run."""

    def __init__(self, run: _Run, company: str, facts: Facts, report: RatingReport) -> None:
        self.run = run
        self.connection = run.connection
        self.company = company
        self.facts = facts
        self.report = report
        self.rated = {each.period: each for each in history.rated_periods(run.connection, company)}
        self.corrected: pl.DataFrame | None = None
        self.corrections: pl.DataFrame | None = None
        self.changed: pl.DataFrame | None = None  # whose facts changed, and since when; None: anybody's

    def rate(self) -> None:
        """Rate the company's periods in order, write what is new, and put its events into the outbox."""
        run = self.run
        earliest = cells.earliest_change(self.connection, self.company)
        in_doubt = cells.earliest_of(self.connection, self.company, OF_CREDIT)
        if in_doubt is not None:
            history.doubt_warnings(self.connection, self.company, in_doubt)
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
            context = EventContext(run.settings.tenant, run.as_of, run.recorded_at, self.report.policy)
            changes = correction_changes(self.corrections.lazy()).collect()
            self._write(correction_events(changes, context))
        self._keep_moves(periods, opened)
        self._tell()

    def _rows(self, period: date | None) -> pl.DataFrame | None:
        if period is None or period not in self.rated:
            return None
        return history.latest_rows(self.connection, self.company, period)

    def _rate_period(self, period: date, sales: pl.LazyFrame, *, is_closed: bool) -> None:
        """Rate one period, and write what is new of it."""
        policy = self._policy_of(period)
        previous, stored = self._rows(months_before(period, 1)), self._rows(period)
        judged_on = self._judged_on(period)
        rated = rate_period(
            self._facts_on(judged_on),
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
            affected=self._affected(period) if is_closed else None,
            is_restated=self.run.restate_from is not None,
        ).collect()
        written = with_text(revised)
        rows = written.with_columns(pl.lit(self.run.recorded_at).alias("recorded_at"))
        history.append(self.connection, "customer_value_history", rows)
        self.report.periods.append(period)
        self.report.new_rows += rows.height
        structure = customer_structure(self.facts, sales, closed_through=plan.month_end(period))
        # The one plan that goes through two years of sales by product as they are, which may be millions of rows.
        of_period = structure.collect(engine="streaming")
        history.replace_period(self.connection, "customer_structure", self.company, period, of_period)
        if period == self.run.target:
            if self.run.shown:
                self._show_current(rated, policy, _lazy(previous))
            self._replace("conduct_finding", rated.conduct.collect())
            if rated.credit is not None:
                self._watch_credit(rated.credit, policy)
        self.rated.setdefault(period, history.RatedPeriod(period, self.run.as_of, policy.content_hash))
        if is_closed:
            self._correct(written, stored)

    def _affected(self, period: date) -> pl.LazyFrame | None:
        """Whose rows of a closed period may be revised; None: everybody's, as in the period that the run itself is about."""
        if self.changed is None or period == self.run.target:
            return None
        return revisions.affected_by(self.changed.lazy(), self.facts.customers, plan.month_end(period))

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

    def _show_current(self, rated: RatedPeriod, policy: Policy, previous: pl.LazyFrame | None) -> None:
        """Put what speaks for the run's own day in the place of what spoke for the last one's."""
        explained = explain(rated.values, previous, policy).collect().lazy()
        shown = {
            "value_curve": value_curve(rated.values),
            "next_action": next_actions(rated, self.facts, self.run.as_of, policy),
            "partner_card": partner_cards(rated, self.facts, self.run.as_of),
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

    def _watch_credit(self, watched: pl.LazyFrame, policy: Policy) -> None:
        """Put the credit watch of the day in the place of the last one; its warnings are remembered from the watched day before.

        A day that tells first has the days before it found anew that were watched since an earlier one came between, or whose
        facts have changed: what stands is a matter of the watched days in their order, not of when they were watched.
        """
        if self.run.tells:
            for day in history.doubtful_days(self.connection, self.company, self.run.as_of):
                of_day = self._policy_of(first_of_month(plan.closed_through(day)))
                self._warn(credit_watch(self._facts_on(day), of_day, day), of_day, day)
        self._replace("credit_watch", self._warn(watched, policy, self.run.as_of))

    def _warn(self, watched: pl.LazyFrame, policy: Policy, day: date) -> pl.DataFrame:
        """Remember the warnings of a watched day; the watch with them."""
        stood = history.warnings_standing(self.connection, self.company, day)
        watch = credit_warnings(watched, stood.lazy(), policy.credit, day).collect()
        standing = with_text(standing_warnings(watch.lazy()).collect())
        seen = self.run.seen_until(self.company, day)
        history.keep_warnings(self.connection, self.company, day, standing, seen)
        return watch

    def _keep_moves(self, periods: Sequence[date], opened: Sequence[date]) -> None:
        """Bring the moves into the periods, and into the one that follows each, up to the history; report those of `opened` ones."""
        rated = sorted(self.rated)
        behind = {following for before, following in pairwise(rated) if before in periods}
        for period in sorted({*periods, *behind}):
            before = max((each for each in rated if each < period), default=None)
            policy = self._policy_of(period)
            ratings = history.latest_rows(self.connection, self.company, period)
            moved = revisions.movers(ratings.lazy(), _lazy(self._rows(before))).collect()
            customers = moved["customer_id"].to_list()
            earlier = history.rows_before(self.connection, self.company, period, customers)
            told = revisions.moves(moved.lazy(), earlier.lazy(), policy)
            moves = period_moves(told, policy, is_first=before is None).collect()
            fresh = history.replace_moves(
                self.connection,
                self.company,
                period,
                with_text(moves).with_columns(pl.lit(self.run.recorded_at).alias("recorded_at")),
                reason_rows(moves, "tier_change", (*KEY, "period", "revision")),
            )
            if period in opened:
                self.report.moves.extend(fresh.select(revisions.MOVE.names()).to_dicts())

    def _tell(self) -> None:
        """Tell what differs from what was told last, if this is the latest day that was told."""
        run = self.run
        until = emitted.told_until(self.connection, self.company)
        if not run.tells or (until is not None and run.as_of < until):
            return
        context = EventContext(run.settings.tenant, run.as_of, run.recorded_at, self._policy_of(run.target))
        told = telling.tell(
            self.connection,
            self.company,
            run.target,
            context,
            judges_credit=self.facts.receivables is not None,
        )
        self.report.events += len(told)
        self._report_told([event.data for event in told if isinstance(event.data, TierChanged)])
        emitted.note_day(self.connection, self.company, run.as_of, run.target, run.recorded_at)

    def _report_told(self, changes: Sequence[TierChanged]) -> None:
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
        known = superseded.filter(pl.col("period").is_in(emitted.told_periods(self.connection, self.company)))
        corrected = revisions.corrections(revised.lazy(), known.lazy()).collect()
        self.corrections = (
            pl.concat([self.corrections, corrected]) if self.corrections is not None else corrected
        )
        changed = revised.select("company_code", "customer_id")
        self.corrected = changed if self.corrected is None else pl.concat([self.corrected, changed]).unique()


def _no_order_categories(connection: duckdb.DuckDBPyConnection, rated: Generation) -> tuple[str, ...] | None:
    """The product categories that were no order when the cells were last summed; None where nothing was rated yet."""
    if rated.policy_hash is None:
        return None
    return parse_policy(ledger.policy_text(connection, rated.policy_hash)).loyalty.no_order_categories


def _lazy(rows: pl.DataFrame | None) -> pl.LazyFrame | None:
    return None if rows is None else rows.lazy()
