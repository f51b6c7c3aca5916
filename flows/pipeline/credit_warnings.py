"""The credit warnings of watched days, each remembered from the watched day before, in the rating's transaction."""

from __future__ import annotations

from datetime import date, datetime

import duckdb
import polars as pl

from flows.wording.reasons import with_text
from transforms.credit import warnings as rules
from transforms.policy.credit import CreditRule
from warehouse.rating import cells, history

# The extracts whose changes may change what a past day warned of.
_OF_CREDIT = ("receivables", "payments", "payment_allocations", "customer_successions")


def doubt(connection: duckdb.DuckDBPyConnection, company: str) -> None:
    """Note the watched days whose facts have changed since: what they warned of is to be found anew."""
    since = cells.earliest_of(connection, company, _OF_CREDIT)
    if since is not None:
        history.doubt_warnings(connection, company, since)


def update(
    connection: duckdb.DuckDBPyConnection,
    company: str,
    watched: pl.LazyFrame,
    rule: CreditRule,
    day: date,
    seen_until: datetime | None,
    succession: pl.LazyFrame | None,
) -> pl.DataFrame:
    """Remember the warnings of a watched day. The credit watch of the day, a customer a row, its warnings with it.

    `succession`: who stands for whom on the day (PARTS); None: nobody is succeeded.
    """
    stood = rules.still_standing(history.warnings_standing(connection, company, day).lazy(), succession)
    watch = rules.credit_warnings(watched, stood, rule, day).collect()
    standing = with_text(rules.standing_warnings(watch.lazy()).collect())
    history.keep_warnings(connection, company, day, standing, seen_until)
    return watch
