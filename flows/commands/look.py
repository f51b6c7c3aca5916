"""Look at the results: status, explain."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from flows.commands.common import CompanyOfNumber, Json, app, look, settings_of_this_process


@app.command(group=look)
def status(
    *, latest: Annotated[int, Parameter(help="How many batches to list.")] = 10, as_json: Json = False
) -> None:
    """Show what was loaded, what was kept out, what is waiting, and whether events went out."""
    from flows import views
    from flows.pull import scan_inbox
    from flows.sinks.building import backlogs
    from warehouse import reading

    settings = settings_of_this_process()
    views.show_status(
        settings,
        reading.status(settings.ops_file, latest=latest),
        scan_inbox(settings.inbox),
        backlogs(settings),
        as_json=as_json,
    )


@app.command(group=look)
def explain(
    customer: Annotated[str, Parameter(help="The customer's number.")],
    /,
    *,
    company: CompanyOfNumber = None,
    as_json: Json = False,
) -> None:
    """Say why a customer has its tier: measures, scores, what changed, gates, memory, what would move it."""
    from flows import views
    from flows.explaining import explain_customer
    from warehouse import reading

    settings = settings_of_this_process()
    file = reading.customer_file(settings.mart_file, customer, company)
    ruling_policy = reading.policy_text(settings.ops_file, file.current["policy_hash"])
    views.show_customer(file, explain_customer(file, ruling_policy), as_json=as_json)
