"""The report's list of all customers, asked of one published mart."""

from __future__ import annotations

from pathlib import Path

from warehouse.mart.files import Row, attached, rows


def read(mart_file: Path) -> list[Row]:
    """Every rated customer with what it is found by and its money, the largest first; null where a figure is not known.

    NothingPublishedError where no mart is out.
    """
    with attached(mart=mart_file) as connection:
        return rows(connection, _LISTED)


_LISTED = """
    SELECT company_code, customer_id, year.name, effective_tier, salesperson_id, territory_id, net_sales_12m,
        net_sales_difference, contribution_12m, overdue, action
    FROM mart.customer_year AS year
    LEFT JOIN mart.customer_overdue USING (company_code, customer_id)
    LEFT JOIN mart.next_action USING (company_code, customer_id)
    ORDER BY net_sales_12m DESC NULLS LAST, company_code, customer_id
"""
