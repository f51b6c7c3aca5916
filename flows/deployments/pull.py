"""The flow `pull`: an ERP's database into the inbox. It asks for a refresh by landing; loading is no business of its own."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import flow

from flows import settings as configuration
from flows.deployments.parameters import Code, Name
from flows.extract.batch import Pulled, pull_batch
from flows.inbox.announce import announce


@flow(name="pull", persist_result=False, validate_parameters=True)
def pull(source: Name, company: Code, compare_keys: bool = False) -> Pulled:  # noqa: FBT001, FBT002 - a deployment's parameters
    """Read what changed in a source's database, as one batch in the inbox.

    Args:
        source: The source whose database is read, such as odoo.
        company: The legal entity to read.
        compare_keys: Read all keys, too, and find what was deleted.
    """
    pulled = pull_batch(
        configuration.load(), source, company, taken_at=datetime.now(UTC), compare_keys=compare_keys
    )
    announce(pulled.landed)
    return pulled
