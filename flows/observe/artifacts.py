"""What a run leaves on the Prefect server for people to read: the batches' fates, the rating, the moves, where things lie."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from flows.console.progress import counting
from flows.pipeline.stages import RefreshResult
from flows.settings import Settings
from warehouse.store.ledger import BatchOutcome, TableOutcome

MOST_MOVES = 50
MOVE_COLUMNS = {
    "company_code": "company",
    "customer_id": "customer",
    "from_tier": "from",
    "to_tier": "to",
    "cause": "cause",
    "reasons": "why",
}
# A load that is over sooner than this needs no progress bar; a longer one moves it as often.
PROGRESS_EACH_SECONDS = 5


def publish_artifacts(settings: Settings, results: Sequence[RefreshResult]) -> None:
    """Artifacts of one run: `batches`, `rating`, `movers`, and where mart and report lie."""
    batches = [
        {
            "batch": outcome.batch.place,
            "status": outcome.status,
            "table": table.name if table else "",
            "in": table.rows_in if table else "",
            "accepted": table.accepted if table else "",
            "quarantined": table.quarantined if table else "",
            "waiting": table.waiting if table else "",
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
            key="rating", markdown="\n\n".join(map(summary, rated)), description="Rating"
        )
    moves = [move for result in rated if result.rating for move in result.rating.moves]
    if moves:
        create_table_artifact(
            key="movers",
            table=[
                {heading: str(move[key] or "") for key, heading in MOVE_COLUMNS.items()}
                for move in moves[:MOST_MOVES]
            ],
            description=f"Whose tier changed, {min(len(moves), MOST_MOVES)} of {len(moves)}",
        )
    _publish_places(settings)


def _publish_places(settings: Settings) -> None:
    """Where people find what is published: links if a web server shows the folder, else paths.

    A browser opens no link to a file from a page of a server.
    """
    places = {
        "report": settings.report_file,
        "workbook": settings.workbook_file,
        "mart": settings.mart_file,
    }
    there = {key: path for key, path in places.items() if path.exists()}
    if settings.publish_url is not None:
        for key, path in there.items():
            link = (
                f"{settings.publish_url.rstrip('/')}/{path.relative_to(settings.published_folder).as_posix()}"
            )
            create_link_artifact(key=key, link=link, link_text=path.name, description=str(path))
    elif there:
        listed = "\n".join(f"- {key}: `{path}`" for key, path in there.items())
        create_markdown_artifact(
            key="published",
            markdown=f"{listed}\n\nSet `publish_url` in the settings to have links here.",
            description="Where it lies",
        )


@contextmanager
def progress() -> Iterator[None]:
    """A progress bar on the server for the loads of the block, where they take long."""
    bar: UUID | None = None
    moved_at = time.monotonic()

    def move(done: int, of: int) -> None:
        nonlocal bar, moved_at
        if time.monotonic() < moved_at + PROGRESS_EACH_SECONDS:
            return
        moved_at, percent = time.monotonic(), 100 * done / of
        if bar is None:
            bar = UUID(
                str(create_progress_artifact(percent, key="loading", description=f"Loading {of} batches"))
            )
        else:
            update_progress_artifact(bar, percent)

    with counting(move):
        yield
        if bar is not None:
            update_progress_artifact(bar, 100.0)


def _tables(outcome: BatchOutcome) -> Sequence[TableOutcome | None]:
    """A refused batch has no tables, and still has a line."""
    return outcome.tables or [None]


def summary(result: RefreshResult) -> str:
    """What a run rated, as Markdown; empty where it rated nothing."""
    rating = result.rating
    if rating is None:
        return ""
    lines = [
        f"### As of {result.as_of}",
        (
            f"Policy {rating.policy_named}. {len(rating.periods)} periods rated, "
            f"{rating.new_rows} rows new or revised, {len(rating.moves)} moves, {rating.events} events."
        ),
    ]
    return "\n".join(lines)
