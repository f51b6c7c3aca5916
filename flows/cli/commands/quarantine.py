"""See which rows were kept out, and why; have them mended, and let them in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from flows.cli.commands.common import (
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
from flows.errors import UsageError

if TYPE_CHECKING:
    from warehouse.mart.queries import QuarantineFilter

quarantine = App(
    name="quarantine", help="See which rows were kept out, have them mended, let them in.", group=look
)
app.command(quarantine)


def _wanted(
    source: str | None, company: str | None, batch: str | None, table: str | None, rule: str | None
) -> QuarantineFilter:
    from warehouse.mart.queries import QuarantineFilter

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
    from flows.cli.views import quarantine as quarantine_views
    from warehouse.mart import queries

    found = queries.quarantine_rules(
        settings_of_this_process().ops_file, _wanted(source, company, batch, table, rule)
    )
    quarantine_views.show_rules(found, as_json=as_json)


@quarantine.command(name="show")
def quarantine_show(
    *,
    source: Source = None,
    company: Company = None,
    batch: Batch = None,
    table: Table = None,
    rule: Rule = None,
    limit: Annotated[int, Parameter(help="How many rows of each rule to show.")] = 3,
    as_json: Json = False,
) -> None:
    """Show, by the rule they broke, the first rows that are kept out: file, row, and the text as delivered."""
    from flows.cli.views import quarantine as quarantine_views
    from warehouse.mart import queries

    if limit < 1:
        raise UsageError(f"--limit {limit} shows nothing; name 1 or more")
    found = queries.quarantine_rules(
        settings_of_this_process().ops_file, _wanted(source, company, batch, table, rule), examples=limit
    )
    quarantine_views.show_examples(found, as_json=as_json)


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
    """Write the rows that are kept out as a CSV sheet to mend: one line a row, its cells as delivered, and why.

    Mend the cells, leave the columns whose names begin with _ alone, and give the sheet to `quarantine release`.
    """
    from flows.cli.views import quarantine as quarantine_views
    from flows.inbox import corrections
    from warehouse.mart import queries

    settings, wanted = settings_of_this_process(), _wanted(source, company, batch, table, rule)
    if as_json:
        found = queries.quarantine_rows(settings.ops_file, wanted, kept_only=True)
        quarantine_views.export_json(found, out)
    else:
        quarantine_views.export_sheet(corrections.sheet(settings, wanted), out)


@quarantine.command(name="release")
def quarantine_release(
    file: Annotated[Path, Parameter(help="The mended sheet, CSV in UTF-8.")],
    /,
    *,
    untouched: Annotated[
        bool,
        Parameter(
            negative=(),
            show_default=False,
            help="Release rows that nobody changed as well: what they lacked, an exchange rate perhaps, has come since.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Put the mended rows of an exported sheet into the inbox, as corrections of their batches; `refresh` loads them.

    Rows that were not changed stay in quarantine. The same sheet again is the same corrections.
    """
    from flows.cli.views import quarantine as quarantine_views
    from flows.inbox import corrections
    from flows.inbox.announce import announce

    done = corrections.release(settings_of_this_process(), file, untouched_too=untouched)
    for landed in done.landed:
        announce(landed)
    quarantine_views.show_release(done, as_json=as_json)
