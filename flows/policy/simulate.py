"""Replays stored facts under a candidate policy, in memory: nothing in the home is touched, and nothing is published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from flows.console.progress import report_step
from flows.errors import UsageError
from flows.pipeline.facts import facts_of
from flows.pipeline.rate import read_policy, require_policy
from flows.settings import Settings
from transforms.facts.as_of import AsOfFacts, LateArriving, available_on
from transforms.facts.sales_cell import SALES_LINES
from transforms.frames import plan
from transforms.policy.model import Policy, in_force, parse_policy
from transforms.rating.structure import sales_since
from transforms.simulation.compare import Comparison, Row, agreement, compare, other_tiers
from transforms.simulation.replay import EvaluationDate, Replayed, replay
from warehouse.lake.opening import open_at
from warehouse.rating import facts as stored_facts
from warehouse.rating import history
from warehouse.rating.cells import late_arriving
from warehouse.store import ledger
from warehouse.store.migrate import require_current


@dataclass(frozen=True, slots=True)
class Simulation:
    """The comparison, and how far it can be believed.

    `reproduced`: how many stored ratings (latest revisions) the replay of the policy in force finds again. `hindsight`:
    what the candidate would have said had later facts been known already; None where that was not asked for.
    """

    comparison: Comparison
    reproduced: Row
    hindsight: Row | None


@dataclass(frozen=True, slots=True)
class _Company:
    """One legal entity: all that is known now, what of it came late, the looks to replay, and the history as stored."""

    now: AsOfFacts
    late: LateArriving
    looks: Sequence[EvaluationDate]
    stored: pl.DataFrame

    summed_under: Policy

    def replay(self, policy: Policy, *, hindsight: bool = False) -> Replayed:
        """Replay all looks; with hindsight, each sees what is known now. What is an order, the stored cells have settled."""
        categories = self.summed_under.loyalty.no_order_categories
        known: Callable[[date], AsOfFacts] = (
            (lambda _: self.now)
            if hindsight
            else (lambda day: available_on(self.now, self.late, day, categories))
        )
        return replay(known, policy, self.looks)


def simulate(
    settings: Settings, candidate: Policy, *, first: date | None, last: date | None, hindsight: bool
) -> Simulation:
    """Replay the rated periods under the policy in force and under a candidate, and compare them from `first` to `last`.

    Every replay begins at the first rated period, whatever `first` is, since tiers remember. UsageError where nothing is
    rated, or nothing in that span.
    """
    if not settings.warehouse_at.exists():
        raise UsageError(f"nothing is loaded in {settings.home} yet; run `valuemart refresh` first")
    require_policy(settings)
    if not settings.policy_file.exists():
        raise UsageError(f"nothing is rated in {settings.home} yet; run `valuemart refresh` first")
    configured = read_policy(settings.policy_file)
    with (
        pl.Config() as config,
        open_at(settings.warehouse_at, read_only=True) as connection,
    ):
        require_current(connection)
        config.set_engine_affinity("in-memory")  # small frames: the streaming engine takes longer to set up
        companies = _companies(connection, configured, last)
        looks = [look for company in companies for look in company.looks]
        if not any(first is None or look.period >= first for look in looks):
            raise UsageError(_nothing_rated(settings, first, last))
        remembered = [parse_policy(text) for text in ledger.policy_texts(connection)]
        ruling = in_force(configured, remembered, plan.month_end(max(look.period for look in looks)))
        report_step(f"replaying {len(looks)} periods under {ruling.id} {ruling.version}, in force")
        ours = _together(company.replay(ruling) for company in companies)
        report_step(f"replaying them under {candidate.id} {candidate.version}, the candidate")
        theirs = _together(company.replay(candidate) for company in companies)
        later = None
        if hindsight:
            report_step("replaying them once more, with hindsight")
            later = _together(company.replay(candidate, hindsight=True) for company in companies)
    periods = sorted({look.period for look in looks})
    shown = [period for period in periods if first is None or period >= first]
    return Simulation(
        comparison=compare(ours, theirs, (ruling, candidate), first=shown[0], last=shown[-1]),
        reproduced=agreement(ours.values, pl.concat([company.stored for company in companies])),
        hindsight=None
        if later is None
        else {
            **agreement(theirs.values, later.values),
            "other_tiers": other_tiers(theirs.values, later.values),
        },
    )


def _companies(
    connection: duckdb.DuckDBPyConnection, configured: Policy, last: date | None
) -> list[_Company]:
    """The companies that were rated, each with its looks up to `last`, judged on the days on which it was last looked at."""
    found = []
    for company in stored_facts.companies(connection):
        rated = history.rated_periods(connection, company)
        looks = [
            EvaluationDate(each.period, each.as_of) for each in rated if last is None or each.period <= last
        ]
        if not looks:
            continue
        known_by = max(each.as_of for each in rated)
        columns = [name for name in SALES_LINES.names() if name not in {"available_on", "referenced_on"}]
        found.append(
            _Company(
                now=AsOfFacts(
                    facts_of(connection, company, known_by),
                    stored_facts.read_sales(connection, company, sales_since(looks[0].period)),
                ),
                late=LateArriving(*late_arriving(connection, company, columns, known_by)),
                looks=looks,
                stored=pl.concat(history.latest_rows(connection, company, look.period) for look in looks),
                summed_under=configured,
            )
        )
    return found


def _together(replays: Iterable[Replayed]) -> Replayed:
    parts = list(replays)
    return Replayed(pl.concat(part.values for part in parts), pl.concat(part.credit for part in parts))


def _nothing_rated(settings: Settings, first: date | None, last: date | None) -> str:
    span = " ".join(
        f"{word} {month:%Y-%m}" for word, month in (("from", first), ("to", last)) if month is not None
    )
    return f"no period {span} is rated in {settings.home}; `valuemart status` shows what is".replace(
        "  ", " "
    )
