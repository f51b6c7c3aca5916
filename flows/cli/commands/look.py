"""Look at the results: status, explain."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from flows.cli.commands.common import CompanyOfNumber, Json, app, look, settings_of_this_process

if TYPE_CHECKING:
    from flows.wording.reasons import Form


@app.command(group=look)
def status(
    *, latest: Annotated[int, Parameter(help="How many batches to list.")] = 10, as_json: Json = False
) -> None:
    """Show what was loaded, what was kept out, what is waiting or not published yet, and whether events went out."""
    from flows.cli.views.status import Standing, show_status
    from flows.delivery.routes import backlogs
    from flows.inbox.landing import scan_inbox
    from flows.pipeline.committed import unpublished
    from flows.policy.confirm import asked_of_a_person
    from warehouse.mart import queries

    settings = settings_of_this_process()
    standing = Standing(
        queries.status(settings.ops_file, latest=latest),
        scan_inbox(settings.inbox),
        backlogs(settings),
        asked_of_a_person(settings),
        queries.findings(settings.mart_file),
        unpublished(settings),
    )
    show_status(settings, standing, as_json=as_json)


@app.command(group=look)
def explain_document(
    document: Annotated[str, Parameter(help="The number of a document, open item or payment.")],
    /,
    *,
    company: Annotated[str | None, Parameter(help="The legal entity; else all.")] = None,
    as_json: Json = False,
) -> None:
    """Show the life of a document: which batches brought its rows, what kept them out, and by what they went."""
    from flows.cli.views.document import show_document
    from flows.errors import UserError
    from warehouse.lake.opening import open_at
    from warehouse.store.document_life import document_life

    settings = settings_of_this_process()
    if not settings.warehouse_at.exists():
        raise UserError(f"nothing was loaded in {settings.home} yet")
    with open_at(settings.warehouse_at, read_only=True) as connection:
        life = document_life(connection, document, company)
    if life.is_unknown:
        raise UserError(
            f"no batch brought a document, item or payment {document}: numbers are text, zeros count"
        )
    show_document(life, as_json=as_json)


@app.command(group=look)
def explain(
    customer: Annotated[
        str, Parameter(help="The customer's number, with or without zeros in front, or a part of its name.")
    ],
    /,
    *,
    company: CompanyOfNumber = None,
    as_recorded: Annotated[
        datetime | None,
        Parameter(
            help="By what the warehouse held at this moment, which a lake keeps for warehouse_keep_days; without an offset "
            "it is meant in the company's time zone.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say why a customer has its tier: measures, scores, what changed, gates, memory, what would move it."""
    from flows.cli.views.customer import show_customer
    from flows.policy.explain import explain_customer, recorded
    from flows.settings.days import aware
    from warehouse.mart import queries

    settings = settings_of_this_process()
    form: Form = "exact" if as_json else "en"
    if as_recorded is not None:
        then = recorded(settings, aware(as_recorded, settings.timezone), customer, company)
        explained = explain_customer(then.file, then.policy_text, form)
        show_customer(then.file, explained, as_json=as_json, recorded=then.committed)
        return
    file = queries.customer_file(settings.mart_file, customer, company)
    ruling_policy = queries.policy_text(settings.ops_file, file.current["policy_hash"])
    show_customer(file, explain_customer(file, ruling_policy, form), as_json=as_json)
