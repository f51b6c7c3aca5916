"""Explains one customer's rating, published or recorded: hands its rows and the policy that ruled them to the transforms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl

from expectations.contract import contracts
from flows.errors import UserError
from flows.wording.reasons import with_text
from transforms.frames.schemas import CUSTOMER_VALUE_HISTORY
from transforms.policy.model import parse_policy
from transforms.rating.explain_score import explain
from warehouse.lake.address import Lake
from warehouse.lake.opening import NoStateError, open_as_recorded
from warehouse.mart.excerpt import OF_ONE_CUSTOMER, excerpt
from warehouse.mart.queries import customer_file
from warehouse.store import ledger
from warehouse.store.migrate import due

if TYPE_CHECKING:
    from flows.settings import Settings
    from flows.wording.reasons import Form
    from warehouse.mart.files import Row
    from warehouse.mart.queries import CustomerFile


def explain_customer(file: CustomerFile, policy_text: str, form: Form = "exact") -> dict[str, Any]:
    """One row of `transforms.rating.explain_score.explained_columns` in words; the policy is the one of the current rating."""
    before = _frame(file.previous) if file.previous else None
    explained = explain(_frame(file.current), before, parse_policy(policy_text)).collect(engine="in-memory")
    return with_text(explained, form).row(0, named=True)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the warehouse held of a customer at an instant, and the policy of its rating; `committed` is when that was written."""

    file: CustomerFile
    policy_text: str
    committed: datetime


def recorded(settings: Settings, moment: datetime, customer: str, company: str | None) -> Recorded:
    """What the warehouse held of one customer at an instant that is aware.

    UserError where it lies in a file, where no such state is kept, where it is of an earlier version or nothing was rated in it, and
    as `customer_file` says.
    """
    lake = settings.warehouse_at
    if not isinstance(lake, Lake):
        raise UserError(
            "former states are kept on a lake only, and this home's warehouse is a file (docs/scaling.md); the mart's "
            "customer_value_history has every revision of a rating, with when it was recorded"
        )
    if not lake.exists():
        raise UserError(f"nothing was loaded in {settings.home} yet")
    asked = moment.astimezone(UTC).replace(tzinfo=None)
    try:
        with (
            open_as_recorded(lake, asked, memory=settings.memory_limit) as (warehouse, committed),
            TemporaryDirectory(prefix="valuemart-") as folder,
        ):
            if due(warehouse):
                raise UserError(
                    f"the state of {committed:%Y-%m-%d %H:%M} UTC is of an earlier version of valuemart: its tables are other ones"
                )
            made = excerpt(warehouse, contracts(), OF_ONE_CUSTOMER, Path(folder))
            file = customer_file(made, customer, company)
            return Recorded(file, ledger.policy_text(warehouse, file.current["policy_hash"]), committed)
    except NoStateError as error:
        raise UserError(
            f"no state of {asked:%Y-%m-%d %H:%M} UTC is kept: the oldest is of {error.oldest:%Y-%m-%d %H:%M} UTC; "
            f"warehouse_keep_days ({settings.warehouse_keep_days}) says how long `maintain` keeps them"
        ) from None


def _frame(row: Row) -> pl.LazyFrame:
    return pl.LazyFrame(
        [{name: row[name] for name in CUSTOMER_VALUE_HISTORY.names()}], schema=CUSTOMER_VALUE_HISTORY
    )
