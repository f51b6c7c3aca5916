"""The demonstration: a sample company made, landed, loaded, rated and published, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from flows.cli.run_flow import run_demo, run_refresh
from flows.cli.views.moves import as_published, why_moved
from flows.cli.views.status import FATES
from flows.console.output import echo, echo_json, pairs, place, plain, table
from flows.demo.world import COMPANY, World, build_world
from flows.errors import UsageError
from flows.settings import Settings, yesterday
from transforms.frames.plan import closed_through
from warehouse.files import write_text
from warehouse.mart import queries
from warehouse.mart.files import Row
from warehouse.mart.queries import QuarantineFilter, Status

MOST_MOVES = 12


@dataclass(frozen=True, slots=True)
class Showcase:
    """What the demonstration has to show, all of it read from the published files."""

    company: str
    books: Status
    tiers: Sequence[Row]
    stories: Sequence[Row]
    moves: Sequence[Row]
    quarantined: Sequence[Row]
    exit_code: int


@dataclass(frozen=True, slots=True)
class Sample:
    """Which sample company a home holds; written beside it, since only the same one may be added to it."""

    customers: int
    seed: int
    last_month: date
    is_complete: bool = False

    def write(self, file: Path) -> None:
        """Keep it; the file appears whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(plain(self)) + "\n")

    @classmethod
    def read(cls, file: Path) -> Sample | None:
        """The sample company of a home; None where it holds none."""
        if not file.is_file():
            return None
        kept = json.loads(file.read_text(encoding="utf-8"))
        return cls(**kept | {"last_month": date.fromisoformat(kept["last_month"])})


def run(settings: Settings, *, customers: int, seed: int) -> Showcase:
    """Make, load, rate and publish a company up to the last closed month; one that is there already is only shown.

    UsageError where the home holds other data, or another sample company.
    """
    marker = settings.home / "demo.json"
    sample = Sample.read(marker) or Sample(customers, seed, closed_through(yesterday(settings.timezone)))
    if (sample.customers, sample.seed) != (customers, seed):
        raise UsageError(
            f"{place(settings.home)} holds the sample company of {sample.customers} customers and seed {sample.seed}; "
            "remove that folder, or name another by VALUEMART_HOME"
        )
    if not marker.exists() and settings.warehouse_at.exists():
        raise UsageError(
            f"{place(settings.home)} holds data already, which a sample company would mix with; "
            "name another folder by VALUEMART_HOME"
        )
    try:
        world = build_world(last_month=sample.last_month, customers=customers, seed=seed)
    except ValueError as error:
        raise UsageError(str(error)) from error
    sample.write(marker)
    results = [run_refresh(settings, sample.last_month)] if sample.is_complete else run_demo(settings, world)
    replace(sample, is_complete=True).write(marker)
    return Showcase(
        company=COMPANY,
        books=queries.status(settings.ops_file),
        tiers=queries.tiers(settings.mart_file),
        stories=_stories(settings, world),
        moves=queries.latest_moves(settings.mart_file),
        quarantined=queries.quarantine_rules(settings.ops_file, QuarantineFilter()),
        exit_code=max(result.exit_code(strict=False) for result in results),
    )


def _stories(settings: Settings, world: World) -> list[Row]:
    """The customers that were given a story: what the mart says of them now, and what it should."""
    rated = queries.standing(
        settings.mart_file, COMPANY, [each.customer_id for each in world.planted.values()]
    )
    return [
        {"customer_id": each.customer_id, "expected": each.expectation, **rated[each.customer_id]}
        for each in world.planted.values()
        if each.customer_id in rated
    ]


def show(settings: Settings, shown: Showcase, *, as_json: bool) -> None:
    """Tiers now, who moved and why, what was quarantined, where mart, report and events are."""
    if as_json:
        echo_json(replace(shown, moves=as_published(shown.moves)))
        return
    out = shown.books.publication
    echo(
        f"A sample company, rated as of {out['as_of']} by the policy {out['policy_id']} {out['policy_version']}"
    )
    table(
        shown.tiers,
        {
            "effective_tier": "tier",
            "customers": "customers",
            "net_sales_12m": "net sales of 12 months",
            "contribution_12m": "contribution",
        },
        title="Tiers now",
    )
    table(
        [{**move, "reasons": why_moved(move)} for move in shown.moves[:MOST_MOVES]],
        {"customer_id": "customer", "name": "name", "from_tier": "from", "to_tier": "to", "reasons": "why"},
        title=f"Who moved in the last month ({min(MOST_MOVES, len(shown.moves))} of {len(shown.moves):,})",
    )
    table(
        shown.stories,
        {
            "customer_id": "customer",
            "name": "name",
            "effective_tier": "tier",
            "credit_action": "credit",
            "expected": "its story",
        },
        title="Customers with a story",
    )
    table(
        shown.quarantined,
        {
            "source": "source",
            "table_name": "table",
            "rule": "rule",
            "column_name": "column",
            "rows": "rows",
            "first": "the first of them",
        },
        title="What was put into quarantine",
    )
    echo()
    rows = ", ".join(f"{shown.books.row_counts[key]:,} {heading}" for key, heading in FATES.items())
    pairs(
        {
            "rows": rows,
            "events": f"{shown.books.events:,} in {place(settings.events_folder)}",
            "mart": place(settings.mart_file),
            "report": place(settings.report_file),
            "next": f"valuemart explain {shown.stories[0]['customer_id']}" if shown.stories else None,
        }
    )
