"""See which rows were kept out, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from flows.commands.common import (
    Batch,
    Company,
    Json,
    Rule,
    Source,
    Table,
    app,
    look,
    settings_of_this_process,
)

if TYPE_CHECKING:
    from warehouse.reading import QuarantineFilter

quarantine = App(name="quarantine", help="See which rows were kept out, and why.", group=look)
app.command(quarantine)


def _wanted(
    source: str | None, company: str | None, batch: str | None, table: str | None, rule: str | None
) -> QuarantineFilter:
    from warehouse.reading import QuarantineFilter

    return QuarantineFilter(source=source, company=company, batch=batch, table=table, rule=rule)


@quarantine.command(name="list")
def quarantine_list(
    *,
    source: Source = None,
    company: Company = None,
    batch: Batch = None,
    table: Table = None,
    rule: Rule = None,
    as_json: Json = False,
) -> None:
    """Count quarantined rows by the rule they broke, with the first of each."""
    from flows import views
    from warehouse import reading

    found = reading.quarantine_rules(
        settings_of_this_process().ops_file, _wanted(source, company, batch, table, rule)
    )
    views.show_quarantine_rules(found, as_json=as_json)


@quarantine.command(name="show")
def quarantine_show(
    *,
    source: Source = None,
    company: Company = None,
    batch: Batch = None,
    table: Table = None,
    rule: Rule = None,
    limit: Annotated[int, Parameter(help="How many rows to show.")] = 20,
    as_json: Json = False,
) -> None:
    """Show quarantined rows: file, row, the text as delivered, and every rule it broke."""
    from flows import views
    from warehouse import reading

    found = reading.quarantine_rows(
        settings_of_this_process().ops_file, _wanted(source, company, batch, table, rule), limit=limit
    )
    views.show_quarantine_rows(found, as_json=as_json)


@quarantine.command(name="export")
def quarantine_export(
    *,
    out: Annotated[
        Path | None, Parameter(help="The file to write; standard output if none is named.")
    ] = None,
    source: Source = None,
    company: Company = None,
    batch: Batch = None,
    table: Table = None,
    rule: Rule = None,
    as_json: Annotated[
        bool, Parameter(name="--json", negative=(), show_default=False, help="One JSON object a line.")
    ] = False,
) -> None:
    """Write quarantined rows as CSV, one line a row and rule, to send to whoever keeps the ERP."""
    from flows import views
    from warehouse import reading

    found = reading.quarantine_export(
        settings_of_this_process().ops_file, _wanted(source, company, batch, table, rule)
    )
    views.export(reading.EXPORT_COLUMNS, found, out, as_json=as_json)
