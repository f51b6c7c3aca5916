"""From canonical rows to ratings: the wiring of a rating run. What a number means is said in the transforms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import TypedDict

import duckdb
import polars as pl

from flows import events
from flows.event_types import (
    ConductCleared,
    ConductFlagged,
    CreditWarningCleared,
    CreditWarningRaised,
    TierChanged,
)
from flows.known_facts import facts_of
from flows.load import open_warehouse
from flows.progress import say
from flows.settings import Settings
from transforms import plan, revisions
from transforms.calibrate import calibrate
from transforms.credit_warning import credit_warnings, standing_warnings
from transforms.customer_month import customer_months, order_days
from transforms.explain import explain, explanation_terms
from transforms.facts import Facts
from transforms.measures import measure_customers
from transforms.periods import first_of_month, months_before
from transforms.playbook import next_actions, partner_cards
from transforms.policy import Policy, in_force, parse_policy
from transforms.policy_problems import PolicyError
from transforms.rating import RatedPeriod, rate_period
from transforms.sales_cell import SALES_LINES, sales_cells
from transforms.schemas import EXPLANATION
from transforms.structure import customer_structure, sales_since, value_curve
from warehouse import cells, history, ledger, outbox
from warehouse import facts as stored_facts
from warehouse.connection import transaction
from warehouse.durable import write_text
from warehouse.ledger import Generation

SHIPPED_POLICIES = Path(plan.__file__).with_name("policies")


@dataclass(slots=True)
class RatingReport:
    """What a rating run found and wrote."""

    as_of: date
    policy: Policy
    calibrated: Path | None = None
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


def bring_up(
    settings: Settings, as_of: date, *, recorded_at: datetime, shown: bool = True
) -> RatingReport | None:
    """Rate what changed since the last rating, and every period that is missing; None where all is current.

    Ratings, moves, the credit watch and the outbox are committed together. Without a configured policy, the first
    rating calibrates one from the data up to its own period into the home; from then on that file rules. A day whose mart
    nobody will see need not be `shown`: the tables that explain the day are left to the next one, or to the next run.
    """
    policy = read_policy(settings.policy_file) if settings.policy_file.exists() else None
    # Customers and their months fit into memory, and the streaming engine takes longer to set up than they take to rate.
    with pl.Config() as config, open_warehouse(settings, recorded_at) as connection:
        config.set_engine_affinity("in-memory")
        loaded = ledger.generation(connection, "load").generation
        before = ledger.generation(connection, "rating")
        wanted = policy and Generation(loaded, as_of, policy.content_hash)
        if before == wanted and (not shown or ledger.generation(connection, "display") == wanted):
            return None
        with transaction(connection):
            run = _Run(connection, settings, as_of, before.as_of, recorded_at, shown=shown)
            report = run.rate(policy)
            cells.clear_dirty(connection, run.left_behind)
            reached = Generation(loaded, as_of, report.policy.content_hash)
            ledger.set_generation(connection, "rating", reached, recorded_at)
            if shown:
                ledger.set_generation(connection, "display", reached, recorded_at)
            ledger.advance_state(connection, recorded_at)
    return report


class _Run:
    """One rating run inside one transaction."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        as_of: date,
        rated_as_of: date | None,
        recorded_at: datetime,
        *,
        shown: bool,
    ) -> None:
        self.connection = connection
        self.settings = settings
        self.as_of = as_of
        self.shown = shown
        self.rated_as_of = rated_as_of
        self.recorded_at = recorded_at
        self.target = first_of_month(plan.closed_through(as_of))
        self.looks_back = rated_as_of is not None and as_of < rated_as_of
        self.left_behind: dict[str, date] = {}
        self.remembered: list[Policy] = []

    def rate(self, policy: Policy | None) -> RatingReport:
        """Compute the touched cells, then rate each company's periods in order."""
        touched = self._bring_cells_up()
        companies = {
            company: facts_of(self.connection, company, self.as_of)
            for company in stored_facts.companies(self.connection)
        }
        calibrated = None
        if policy is None:
            policy = self._calibrate(companies)
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
        report = RatingReport(self.as_of, policy, calibrated, touched)
        for company, facts in companies.items():
            _Company(self, company, facts, report).rate()
        return report

    def _bring_cells_up(self) -> int:
        touched = cells.touched_cells(self.connection, rated_as_of=self.rated_as_of, as_of=self.as_of)
        if touched:
            say(f"summing {touched:,} customer-months")
            products = stored_facts.read_products(self.connection)
            for _ in cells.parts(self.connection):
                self._sum_part(products)
        return touched

    def _sum_part(self, products: pl.LazyFrame | None) -> None:
        columns = [name for name in SALES_LINES.names() if name not in {"known_on", "referenced_on"}]
        lines = cells.lines_of_cells(self.connection, columns, self.as_of)
        wanted = cells.wanted(self.connection)
        months, days, sales = pl.collect_all(
            [
                customer_months(lines, products, wanted, self.as_of),
                order_days(lines, self.as_of),
                sales_cells(lines, products, wanted, self.as_of),
            ],
            engine="streaming",
        )
        cells.replace_cells(self.connection, months, days, sales)

    def _calibrate(self, companies: Mapping[str, Facts]) -> Policy:
        """Fit the shipped policy to the data up to the period to be rated, and put it into the home for review."""
        path, base = self.settings.policy_file, parse_policy(default_policy())
        say(f"no policy is configured: calibrating one into {path}")
        closed_through = plan.month_end(self.target)
        measures = pl.concat(
            pl.collect_all([measure_customers(facts, base, closed_through) for facts in companies.values()])
        )
        write_text(
            path,
            calibrate(
                measures,
                base,
                effective_from=self.target,
                reason=f"calibrated from the data up to {closed_through}, for a person to review",
            ),
        )
        return read_policy(path)


class _Telling(TypedDict):
    """What every event carries of the run that tells it."""

    tenant: str
    recorded_at: datetime


class _Company:
    """The rating of one legal entity within a run."""

    def __init__(self, run: _Run, company: str, facts: Facts, report: RatingReport) -> None:
        self.run = run
        self.connection = run.connection
        self.company = company
        self.facts = facts
        self.report = report
        self.rated = {each.period: each for each in history.rated_periods(run.connection, company)}
        self.is_baseline = not self.rated
        self.corrected: pl.DataFrame | None = None
        self.corrections: pl.DataFrame | None = None

    def rate(self) -> None:
        """Rate the company's periods in order, write what is new, and put its events into the outbox."""
        run = self.run
        earliest = cells.earliest_change(self.connection, self.company)
        periods = plan.periods_to_rate(
            self.rated, run.target, earliest_change=earliest, looks_back=run.looks_back
        )
        behind = plan.left_behind(self.rated, run.target, earliest_change=earliest, looks_back=run.looks_back)
        if behind:
            run.left_behind[self.company] = behind
        sales = stored_facts.read_sales(self.connection, self.company, sales_since(periods[0]))
        last = max(self.rated, default=None)
        shown = self._rows(max((each for each in self.rated if each <= run.target), default=None))
        for period in periods:
            say(f"rating {self.company} for {period:%Y-%m}")
            is_closed = last is not None and (period < last or period == last < run.target)
            shown = self._rate_period(period, shown, sales, is_closed=is_closed)
        if self.corrections is not None:
            self._write(
                events.correction_events(
                    self.corrections, self.report.policy, as_of=run.as_of, **self._told()
                )
            )

    def _rows(self, period: date | None) -> pl.DataFrame | None:
        if period is None or period not in self.rated:
            return None
        return history.latest_rows(self.connection, self.company, period)

    def _rate_period(
        self, period: date, shown: pl.DataFrame | None, sales: pl.LazyFrame, *, is_closed: bool
    ) -> pl.DataFrame | None:
        """Rate one period; what a customer's latest rating looks like to the world afterwards."""
        policy = self._policy_of(period)
        previous, stored = self._rows(months_before(period, 1)), self._rows(period)
        rated = rate_period(
            self.facts,
            policy,
            closed_through=plan.month_end(period),
            as_of=self._judged_on(period),
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
        ).collect()
        rows = revised.with_columns(pl.lit(self.run.recorded_at).alias("recorded_at"))
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
            self._watch_conduct(rated.conduct.collect(), policy)
            if rated.credit is not None:
                self._watch_credit(rated.credit, policy)
        self.rated.setdefault(period, history.RatedPeriod(period, self.run.as_of, policy.content_hash))
        if is_closed:
            self._correct(revised, stored)
            return shown
        self._announce(revised, shown, policy)
        return history.latest_rows(self.connection, self.company, period)

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

    def _announce(self, revised: pl.DataFrame, shown: pl.DataFrame | None, policy: Policy) -> None:
        """Write the moves of the current tier and put them into the outbox; a silent baseline moves nobody."""
        if revised.is_empty():
            return
        moved = revisions.moves(revised.lazy(), _lazy(shown), policy).collect()
        if not policy.events.baseline_events:
            moved = moved.filter(pl.col("cause") != "baseline")
        told = events.tier_events(
            moved, revised, shown, policy, told_before=self._last(TierChanged.type), **self._told()
        )
        history.append(self.connection, "tier_change", told.tier_changes)
        self._write(told.events)
        self.report.moves.extend(moved.to_dicts())

    def _show_current(self, rated: RatedPeriod, policy: Policy, previous: pl.LazyFrame | None) -> None:
        """Put what speaks for the run's own day in the place of what spoke for the last one's."""
        explained = explain(rated.values, previous, policy).collect().lazy()
        shown = {
            "value_curve": value_curve(rated.values),
            "next_action": next_actions(rated, self.facts, self.run.as_of),
            "partner_card": partner_cards(rated, self.facts, self.run.as_of),
            "explanation": explained.select(EXPLANATION.names()),
            "explanation_term": explanation_terms(rated.values, previous, explained),
        }
        for table, rows in zip(shown, pl.collect_all([*shown.values()]), strict=True):
            history.replace(self.connection, table, self.company, rows)

    def _watch_conduct(self, findings: pl.DataFrame, policy: Policy) -> None:
        """Put the findings of the day in the place of the last ones, and tell which appeared and which ended."""
        before = history.current_rows(self.connection, "conduct_finding", self.company)
        told = events.conduct_events(
            before,
            findings,
            policy,
            as_of=self.run.as_of,
            told_before=self._last(ConductFlagged.type, ConductCleared.type),
            **self._told(),
        )
        history.replace(self.connection, "conduct_finding", self.company, findings)
        if not self.is_baseline or policy.events.baseline_events:
            self._write(told)

    def _watch_credit(self, watched: pl.LazyFrame, policy: Policy) -> None:
        """Put the credit watch of the day in the place of the last one, and tell which warnings begin, change or end.

        Warnings are remembered from the latest watched day up to this one; told is what differs from the last watch.
        """
        before = history.current_rows(self.connection, "credit_watch", self.company)
        stood = history.warnings_standing(self.connection, self.company, self.run.as_of)
        watch = credit_warnings(watched, stood.lazy(), policy.credit, self.run.as_of).collect()
        told = events.credit_events(
            before,
            watch,
            policy,
            as_of=self.run.as_of,
            told_before=self._last(CreditWarningRaised.type, CreditWarningCleared.type),
            **self._told(),
        )
        history.replace(self.connection, "credit_watch", self.company, watch)
        history.keep_warnings(
            self.connection, self.company, self.run.as_of, standing_warnings(watch.lazy()).collect()
        )
        if not self.is_baseline or policy.events.baseline_events:
            self._write(told)

    def _told(self) -> _Telling:
        return {"tenant": self.run.settings.tenant, "recorded_at": self.run.recorded_at}

    def _last(self, *types: str) -> dict[tuple[str, str], str]:
        return outbox.last_event_ids(self.connection, self.company, types)

    def _write(self, told: Sequence[events.Event]) -> None:
        self.report.events += len(outbox.append(self.connection, told))

    def _correct(self, revised: pl.DataFrame, superseded: pl.DataFrame | None) -> None:
        """Remember whose closed periods were corrected, for the correction events and the cause of what follows."""
        if superseded is None or revised.is_empty():
            return
        corrected = revisions.corrections(revised.lazy(), superseded.lazy()).collect()
        self.corrections = (
            pl.concat([self.corrections, corrected]) if self.corrections is not None else corrected
        )
        changed = revised.select("company_code", "customer_id")
        self.corrected = changed if self.corrected is None else pl.concat([self.corrected, changed]).unique()


def _lazy(rows: pl.DataFrame | None) -> pl.LazyFrame | None:
    return None if rows is None else rows.lazy()
