"""Replays stored facts under a candidate policy, in memory: nothing in the home is touched, and nothing is published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from flows.faults import UsageError
from flows.known_facts import facts_of
from flows.progress import say
from flows.rate import read_policy
from flows.settings import Settings
from transforms.known import Known, LateCells, known_on
from transforms.policy import Policy
from transforms.replay import Look, Replayed, replay
from transforms.sales_cell import SALES_LINES
from transforms.simulation import Comparison, Row, agreement, compare, other_tiers
from transforms.structure import sales_since
from warehouse import facts as stored_facts
from warehouse import history
from warehouse.connection import open_database
from warehouse.late_cells import late_cells


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

    now: Known
    late: LateCells
    looks: Sequence[Look]
    stored: pl.DataFrame

    def replay(self, policy: Policy, *, hindsight: bool = False) -> Replayed:
        """Replay all looks; with hindsight, each sees what is known now."""
        known: Callable[[date], Known] = (
            (lambda _: self.now) if hindsight else (lambda day: known_on(self.now, self.late, day))
        )
        return replay(known, policy, self.looks)


def simulate(
    settings: Settings, candidate: Policy, *, first: date | None, last: date | None, hindsight: bool
) -> Simulation:
    """Replay the rated periods under the policy in force and under a candidate, and compare them from `first` to `last`.

    Every replay begins at the first rated period, whatever `first` is, since tiers remember. UsageError where nothing is
    rated, or nothing in that span.
    """
    if not settings.warehouse_file.exists():
        raise UsageError(f"nothing is loaded in {settings.home} yet; run `valuemart refresh` first")
    ruling = read_policy(settings.policy_file)
    with (
        pl.Config() as config,
        open_database(settings.warehouse_file, read_only=True) as connection,
    ):
        config.set_engine_affinity("in-memory")  # small frames: the streaming engine takes longer to set up
        companies = _companies(connection, last)
        looks = [look for company in companies for look in company.looks]
        if not any(first is None or look.period >= first for look in looks):
            raise UsageError(_nothing_rated(settings, first, last))
        say(f"replaying {len(looks)} periods under {ruling.id} {ruling.version}, in force")
        ours = _together(company.replay(ruling) for company in companies)
        say(f"replaying them under {candidate.id} {candidate.version}, the candidate")
        theirs = _together(company.replay(candidate) for company in companies)
        later = None
        if hindsight:
            say("replaying them once more, with hindsight")
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


def _companies(connection: duckdb.DuckDBPyConnection, last: date | None) -> list[_Company]:
    """The companies that were rated, each with its looks up to `last`, judged on the days on which it was last looked at."""
    found = []
    for company in stored_facts.companies(connection):
        rated = history.rated_periods(connection, company)
        looks = [Look(each.period, each.as_of) for each in rated if last is None or each.period <= last]
        if not looks:
            continue
        known_by = max(each.as_of for each in rated)
        columns = [name for name in SALES_LINES.names() if name not in {"known_on", "referenced_on"}]
        found.append(
            _Company(
                now=Known(
                    facts_of(connection, company, known_by),
                    stored_facts.read_sales(connection, company, sales_since(looks[0].period)),
                ),
                late=LateCells(*late_cells(connection, company, columns, known_by)),
                looks=looks,
                stored=pl.concat(history.latest_rows(connection, company, look.period) for look in looks),
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
