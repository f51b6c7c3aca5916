"""What a rating shows of a whole company, to be held against what another one shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import duckdb

from warehouse.connection import count, scalar


@dataclass(frozen=True, slots=True)
class Figures:
    """All companies' net sales and latest open balance, in company currency, and the number of ratings and events written."""

    net_sales: Decimal
    open_balance: Decimal
    ratings: int
    events: int


def figures(connection: duckdb.DuckDBPyConnection) -> Figures:
    """The figures of the warehouse as it was rated last; zeros before the first rating."""
    return Figures(
        Decimal(str(scalar(connection, "SELECT coalesce(sum(net_sales), 0) FROM rated.customer_month"))),
        Decimal(
            str(
                scalar(
                    connection,
                    "SELECT coalesce(sum(open_balance), 0) FROM rated.credit_watch "
                    "WHERE as_of = (SELECT max(as_of) FROM rated.credit_watch)",
                )
            )
        ),
        count(connection, "SELECT count(*) FROM rated.customer_value_history"),
        count(connection, "SELECT count(*) FROM ops.outbox"),
    )


def rated_since(connection: duckdb.DuckDBPyConnection, since: datetime) -> int:
    """Customers of whom a rating was written at an instant (naive UTC) or later."""
    sql = "SELECT count(DISTINCT (company_code, customer_id)) FROM rated.customer_value_history WHERE recorded_at >= ?"
    return count(connection, sql, [since])
