"""The books in brief: what was loaded, kept out, waits or was not published yet; to a person or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.views.events import backlog_text
from flows.console.output import Row, echo, echo_json, fields_of, pairs, place, table, text
from flows.runner.data_docs import INDEX, folder_of
from flows.wording.rules import finding_said

if TYPE_CHECKING:
    from flows.inbox.landing import Inbox
    from flows.pipeline.committed import Unpublished
    from flows.settings import Settings
    from warehouse.mart.queries import Status
    from warehouse.relay.records import Backlog

FATES = {
    "rows_in": "in",
    "accepted": "accepted",
    "quarantined": "quarantined",
    "waiting": "waiting",
    "excluded": "excluded",
    "refused": "refused",
}
# Of what counts for nothing, and of what waits, the latest batches and tables are shown.
MOST_LISTED = 10
# What became of the rows of a batch, beside being accepted, as a narrow column says it.
KEPT_OUT = {"quarantined": "quar.", "excluded": "excl.", "refused": "ref.", "released": "rel."}
TERMINAL = 80


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand: the books, what landed and is not loaded yet, what the sinks lack, what else a person should know.

    `policy` is what the policy asks of a person, None if nothing; `findings` what was accepted and counts for nothing yet, or
    was deleted; `unpublished` what is committed and not published yet.
    """

    books: Status
    inbox: Inbox
    backlogs: Mapping[str, Backlog]
    policy: str | None
    findings: Sequence[Row]
    unpublished: Unpublished | None


def show_status(settings: Settings, standing: Standing, *, as_json: bool) -> None:
    """How things stand, in brief; as JSON all of it."""
    if as_json:
        home = {
            "home": settings.home,
            "published_folder": settings.published_folder,
            "publish_group": settings.publish_group,
        }
        echo_json(home | fields_of(standing))
        return
    books = standing.books
    pairs(_brief(settings, standing))
    table(books.batches, _batch_columns(books.batches), title="Latest batches")
    pages = {batch["batch_id"]: _data_docs(settings, batch) for batch in books.batches}
    documented = {name: place(page) for name, page in pages.items() if page.is_file()}
    if documented:
        echo()
        echo("Data Docs")
        pairs(documented)
    _list(
        "Accepted, and doubtful, counted for nothing yet, or deleted",
        [f"{row['batch_id']} {row['table_name']}: {_finding(row)}" for row in standing.findings],
        "batch_finding of the mart has them all",
    )
    _list(
        "Waiting for a record that they are made of, which is in quarantine: mend and release that one",
        [f"{row['batch_id']} {row['table_name']}: {row['rows']:,} rows" for row in books.waiting],
        "`valuemart status --json` has them all",
    )
    _list("Refused", [_refusal(row) for row in books.refusals])


def _brief(settings: Settings, standing: Standing) -> Row:
    books, inbox, left = standing.books, standing.inbox, standing.unpublished
    out, rows = books.publication, books.row_counts
    counts = {row["status"]: row["batches"] for row in books.batch_counts}
    return {
        "home": place(settings.home),
        "published": f"{text(out['published_at'])} UTC, generation {out['generation']}",
        "readers": _readers(settings),
        **({"committed": f"and not published: {left}; `valuemart refresh` publishes it"} if left else {}),
        "rated": f"as of {out['as_of']}, policy {out['policy_id']} {out['policy_version']}"
        if out["as_of"]
        else "never",
        **({"policy": standing.policy} if standing.policy else {}),
        "batches": ", ".join(f"{batches:,} {status}" for status, batches in counts.items()) or "none",
        "inbox": f"{len(inbox.ready):,} to load, {len(inbox.waiting):,} waiting for _SUCCESS",
        "rows": ", ".join(f"{rows[key]:,} {heading}" for key, heading in FATES.items()),
        "released": f"{rows['released']:,} of the quarantined, by corrections"
        if rows["released"]
        else "none of the quarantined",
        "events": f"{books.events:,} written",
        **{f"sink {sink}": backlog_text(backlog) for sink, backlog in standing.backlogs.items()},
    }


def _list(heading: str, lines: Sequence[str], elsewhere: str | None = None) -> None:
    """Lines under a heading, nothing where there are none; where the rest stands `elsewhere`, the first of them."""
    if not lines:
        return
    echo()
    echo(heading)
    shown = lines[:MOST_LISTED] if elsewhere else lines
    for line in shown:
        echo(f"  {line}")
    if len(lines) > len(shown):
        echo(f"  and {len(lines) - len(shown):,} more: {elsewhere}")


def _data_docs(settings: Settings, batch: Row) -> Path:
    return folder_of(settings, batch["source"], batch["company_code"], batch["batch_id"]) / INDEX


def _refusal(row: Row) -> str:
    where = ", ".join(str(row[key]) for key in ("file", "column_name") if row[key])
    return f"{row['batch_id']}: {where + ': ' if where else ''}{row['message']}. {row['remedy']}"


def _finding(row: Row) -> str:
    """`3 rows [allocation_without_item]`, and what that is."""
    rows = "1 row" if row["row_count"] == 1 else f"{row['row_count']:,} rows"
    said = finding_said(row["finding"], row["dated_after"], row["net_sales"]).en
    return f"{rows} [{row['finding']}], {said[0].lower()}{said[1:]}"


def _readers(settings: Settings) -> str:
    """Who may read what is published, as a line of the status."""
    if settings.publish_group is None:
        return "this user alone; set publish_group to let others read the mart and the report"
    return f"this user and the group {settings.publish_group}, in {place(settings.published_folder)}"


def _batch_columns(batches: Sequence[Row]) -> dict[str, str]:
    """The columns in which batches fit a terminal, one a line: none that says nothing, nor what their number says (the day).

    Headings are cut short where they must be. JSON has every column.
    """
    several = len({batch["company_code"] for batch in batches}) > 1
    fates = [fate for fate in KEPT_OUT if any(batch[fate] for batch in batches)]
    columns = {
        "source": "source",
        **({"company_code": "company"} if several else {}),
        "batch_id": "batch",
        "status": "status",
        "rows_in": "in",
        **{fate: fate for fate in fates},
    }
    width = sum(
        2 + max(len(heading), *(len(text(batch[key])) for batch in batches))
        for key, heading in columns.items()
        if batches
    )
    return columns if width <= TERMINAL else columns | {fate: KEPT_OUT[fate] for fate in fates}
