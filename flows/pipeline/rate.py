"""From canonical rows to ratings: a run's customer-months, its policy and its companies. What a number means is said in the transforms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import date, datetime
from pathlib import Path

import duckdb
import polars as pl

from flows.console.progress import report_step
from flows.errors import UserError
from flows.pipeline import calibration
from flows.pipeline.facts import facts_of, other_currencies
from flows.pipeline.load import open_warehouse
from flows.pipeline.rate_company import RatedCompany, RatingReport, RatingRun
from flows.settings import Settings
from transforms.facts.customer_month import customer_months
from transforms.facts.model import Facts
from transforms.facts.order_day import order_days
from transforms.facts.sales_cell import SALES_LINES, sales_cells
from transforms.facts.salesperson_month import SALESPERSON_LINES, salesperson_months
from transforms.frames import plan
from transforms.policy import model as policy_model
from transforms.policy.errors import PolicyError
from transforms.policy.model import Policy, in_force, parse_policy
from transforms.rating.rules_version import RULES_VERSION
from warehouse.connection import in_one_thread, is_small, let_go, transaction
from warehouse.files import write_text
from warehouse.lake.opening import open_at
from warehouse.rating import cells
from warehouse.rating import facts as stored_facts
from warehouse.store import ledger
from warehouse.store.ledger import Generation

SHIPPED_POLICIES = Path(policy_model.__file__).parent
_FEW_ROWS = 500_000


def read_policy(path: Path) -> Policy:
    """The policy of a file; PolicyError names file and key."""
    text = policy_text(path)
    try:
        return parse_policy(text)
    except PolicyError as error:
        raise PolicyError([f"{path}: {problem}" for problem in error.problems]) from error


def policy_text(path: Path) -> str:
    """A policy file as it was written; PolicyError where it is not text in UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PolicyError([f"{path}: this is not text in UTF-8; save it anew in this encoding"]) from error


def default_policy() -> str:
    """The shipped policy's text."""
    return (SHIPPED_POLICIES / "default.toml").read_text(encoding="utf-8")


class PolicyMissingError(UserError):
    """The policy that ruled so far is not where it was: another one would change every rating."""


def require_policy(settings: Settings) -> None:
    """PolicyMissingError where a home was rated, and the policy that ruled is not there any more. Changes nothing."""
    path = settings.policy_file
    if path.exists() or not settings.warehouse_at.exists():
        return
    with open_at(settings.warehouse_at, read_only=True) as connection:
        _require_policy(connection, path)


def _require_policy(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    if not path.exists() and ledger.ruling_policy(connection) is not None:
        raise PolicyMissingError(
            f"{path} is not there, and the policy in it has ruled the ratings of this home: put it back, or write the one that "
            f"ruled last with `valuemart policy ruled --out {path}`"
        )


def has_nothing_to_rate(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether nothing was ever rated, and no customer, invoice line or receivable was accepted."""
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
        with _threads_for(connection), transaction(connection):
            run = _Run(
                connection, settings, as_of, ledger.generation(connection, "rating"), recorded_at, shown=shown
            )
            run.restate_from = restate_from
            run.tells = shown if tells is None else tells
            report = run.rate(policy)
            report.calibrated = settings.policy_file if looks_ahead else report.calibrated
            report.unconfirmed = calibration.is_unconfirmed(settings, report.policy)
            report.other_currencies = other_currencies(connection, settings.company_currency)
            report.looked_back_from = run.rated_as_of if shown and run.looks_back else None
            cells.clear_dirty(connection, run.left_behind, looks_back=run.looks_back)
            reached = _due(connection, report.policy, as_of)
            ledger.set_generation(connection, "rating", reached, recorded_at)
            if shown:
                ledger.set_generation(connection, "display", reached, recorded_at)
            ledger.advance_state(connection, recorded_at)
    return report


def _threads_for(connection: duckdb.DuckDBPyConnection) -> AbstractContextManager[None]:
    """One thread where no table of the warehouse is large, else as many as there are."""
    is_little = all(is_small(connection, schema, _FEW_ROWS) for schema in ("erp", "rated"))
    return in_one_thread(connection) if is_little else nullcontext()


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


class _Run(RatingRun):
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
        super().__init__(connection, settings, as_of, before, recorded_at, shown=shown)
        self.rated_as_of = before.as_of
        self.summed_with = _no_order_categories(connection, before)

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
            content=policy_text(self.settings.policy_file),
            recorded_at=self.recorded_at,
        )
        self.remembered = [parse_policy(text) for text in ledger.policy_texts(self.connection)]
        ruling = in_force(policy, self.remembered, plan.month_end(self.target))
        report = RatingReport(
            self.as_of, policy, ruling, self.settings.policy_file, calibrated, cells=touched
        )
        for company, facts in companies.items():
            RatedCompany(self, company, facts, report).rate()
        return report

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
            is_first = cells.is_first(self.connection)
            for chunk in cells.chunks(self.connection, self.as_of, is_first=is_first):
                self._sum_chunk(chunk, products, no_order_categories)
            # From here on the frames of the rating need the room.
            let_go(self.connection, self.settings.memory_limit)
        return touched

    def _sum_chunk(
        self,
        chunk: cells.Chunk,
        products: pl.LazyFrame | None,
        no_order_categories: Sequence[str],
    ) -> None:
        needed = dict.fromkeys((*SALES_LINES, *SALESPERSON_LINES))
        columns = [name for name in needed if name not in {"available_on", "referenced_on"}]
        lines = cells.lines_of_cells(self.connection, chunk, columns, self.as_of)
        target_cells = cells.target_cells(self.connection, chunk)
        months, days, sales, by_salesperson = pl.collect_all(
            [
                customer_months(lines, products, target_cells, self.as_of, no_order_categories),
                order_days(lines, products, target_cells, self.as_of, no_order_categories),
                sales_cells(lines, products, target_cells, self.as_of),
                salesperson_months(lines, target_cells, self.as_of),
            ]
        )
        cells.replace_cells(self.connection, chunk, months, days, sales, by_salesperson)

    def _calibrate(self, companies: Mapping[str, Facts], default: Policy) -> Policy:
        path, closed_through = self.settings.policy_file, plan.month_end(self.target)
        report_step(f"no policy is configured: calibrating one into {path}")
        sample = calibration.sample_of(
            self.connection, companies, default, closed_through, self.settings.company_currency
        )
        write_text(path, calibration.fitted(sample, default))
        return read_policy(path)


def _no_order_categories(connection: duckdb.DuckDBPyConnection, rated: Generation) -> tuple[str, ...] | None:
    """The product categories that were no order when the cells were last summed; None where nothing was rated yet."""
    if rated.policy_hash is None:
        return None
    return parse_policy(ledger.policy_text(connection, rated.policy_hash)).loyalty.no_order_categories
