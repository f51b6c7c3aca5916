"""What a run leaves on the Prefect server for people to read: the batches' fates and a summary of the rating."""

from __future__ import annotations

from collections.abc import Sequence

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from flows.settings import Settings
from flows.stages import RefreshResult
from warehouse.ledger import BatchOutcome, TableOutcome

MOST_MOVES = 50


def leave(settings: Settings, results: Sequence[RefreshResult]) -> None:
    """Artifacts of one run: `batches`, `rating`, and where mart and report lie."""
    batches = [
        {
            "batch": outcome.batch.place,
            "status": outcome.status,
            "table": table.name if table else "",
            "in": table.rows_in if table else "",
            "accepted": table.accepted if table else "",
            "quarantined": table.quarantined if table else "",
            "excluded": table.excluded if table else "",
            "reason": "; ".join(str(fault) for fault in outcome.faults),
        }
        for result in results
        for outcome in result.load.outcomes
        for table in _tables(outcome)
    ]
    if batches:
        create_table_artifact(
            key="batches", table=batches, description="What became of the rows of each batch"
        )
    rated = [result for result in results if result.rating]
    if rated:
        create_markdown_artifact(
            key="rating", markdown="\n\n".join(map(_summary, rated)), description="Rating"
        )
    if results[-1].published:
        create_link_artifact(key="mart", link=settings.mart_file.as_uri(), link_text="mart.duckdb")
    if results[-1].report:
        create_link_artifact(key="report", link=results[-1].report.as_uri(), link_text="the report")


def _tables(outcome: BatchOutcome) -> Sequence[TableOutcome | None]:
    """A refused batch has no tables, and still has a line."""
    return outcome.tables or [None]


def _summary(result: RefreshResult) -> str:
    rating = result.rating
    if rating is None:
        return ""
    lines = [
        f"### As of {result.as_of}",
        (
            f"Policy {rating.policy.id} {rating.policy.version}; {len(rating.periods)} periods rated, "
            f"{rating.new_rows} rows new or revised, {len(rating.moves)} moves, {rating.events} events."
        ),
    ]
    if rating.moves:
        lines += ["| customer | from | to | cause | why |", "|---|---|---|---|---|"]
        lines += [
            "| {company_code}/{customer_id} | {from_tier} | {to_tier} | {cause} | {reasons} |".format(**move)
            for move in rating.moves[:MOST_MOVES]
        ]
    return "\n".join(lines)
