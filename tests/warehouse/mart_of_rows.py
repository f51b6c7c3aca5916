"""A published mart made of a few rows, whose answers can be worked out by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from expectations.contract import as_published, load
from tests.warehouse.publishing import POLICY, insert
from warehouse.mart import publish
from warehouse.store.ddl import create_table

NOW, BEFORE, YEAR_BEFORE = date(2024, 5, 1), date(2024, 4, 1), date(2023, 5, 1)


TABLES = [
    as_published(load(name)) for name in (*publish.PUBLISHED_TABLES, "publication", "column_dictionary")
]
CURRENT = """
    INSERT INTO customer_value BY NAME
    SELECT rating.*, customer_id AS name, is_value_customer, is_loss_making, credit_action
    FROM (
        FROM customer_value_history
        WHERE (company_code, period) IN (SELECT (company_code, max(period)) FROM customer_value_history GROUP BY company_code)
        QUALIFY row_number() OVER (PARTITION BY company_code, customer_id ORDER BY revision DESC) = 1
    ) AS rating JOIN customer_period USING (company_code, customer_id, period) LEFT JOIN credit_watch USING (company_code, customer_id);
    UPDATE customer_value SET (name, territory_id, channel) = (master.name, master.territory_id, master.channel)
    FROM customer AS master
    WHERE (customer_value.company_code, customer_value.customer_id) = (master.company_code, master.customer_id);
    INSERT INTO customer BY NAME SELECT company_code, customer_id, name, master_missing FROM customer_value
    ANTI JOIN customer USING (company_code, customer_id)
"""


def published(home: Path, *rows: tuple[str, dict[str, Any]]) -> Path:
    """A mart of these rows, in a company 1000 unless a row names another; customer_value follows from the history."""
    home.mkdir(exist_ok=True)
    with duckdb.connect(str(home / publish.MART_FILE)) as connection:
        for contract in TABLES:
            if contract.physical == "table":
                connection.execute(create_table(contract, "main")[0])
            else:
                connection.execute(f"CREATE VIEW {contract.name} AS {publish.selection(contract.name)}")
        for table, values in [*rows, ("publication", {"generation": 1})]:
            company = {} if table == "publication" else {"company_code": "1000"}
            insert(connection, table, schema="main", **{**company, **values})
        connection.execute(CURRENT)
    return home / publish.MART_FILE


def rating(
    customer: str, period: date, tier: str, rank: int, sales: object, **more: object
) -> tuple[str, dict]:
    return "customer_value_history", {
        "customer_id": customer,
        "period": period,
        "revision": 1,
        "net_sales_12m": sales,
        "effective_tier": tier,
        "effective_rank": rank,
        "contribution_12m": None,
        "headroom_12m": None,
        "loyalty": None,
        "segment": "unrated",
        "watch_tier": None,
        **POLICY,
        **more,
    }


def move(
    customer: str, direction: str, before: object, after: object, **more: object
) -> tuple[str, dict[str, Any]]:
    return "tier_change", {
        "customer_id": customer,
        "period": NOW,
        "revision": 1,
        "cause": "data",
        "from_tier": "core",
        "to_tier": "marginal",
        "direction": direction,
        "net_sales_from": before,
        "net_sales_to": after,
        "contribution_from": None,
        "contribution_to": None,
        **more,
    }
