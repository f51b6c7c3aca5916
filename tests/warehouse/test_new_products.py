"""Who takes up what is new, since when and for how much; and what imports are worth, by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from expectations.contract import contracts
from tests.warehouse.publishing import POLICY, RECORDED_AT, insert, open_warehouse
from warehouse.mart.publish import publish

NOW = date(2024, 5, 1)
BEGIN = date(2022, 1, 1)
ADOPTION = (
    "SELECT product_id, level, member, months_since_launch, customers, customers_buying, adoption, net_sales_12m "
    "FROM new_product_adoption ORDER BY ALL"
)
BUYERS = (
    "SELECT product_id, customer_id, name, first_bought_in, months_after_launch, net_sales_12m, net_sales "
    "FROM new_product_buyer ORDER BY ALL"
)

Sale = tuple[str, str, date, object]


@contextmanager
def warehouse(
    home: Path, *sales: Sale, products: dict[str, str | None]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Customers A (direct), B and C (export) with 100 of net sales each, D without any, and these sales of products."""
    with open_warehouse(home) as connection:
        for product, stage in products.items():
            insert(
                connection, "products", company_code="1000", product_id=product, name=f"Product {product}",
                category="PUMPS", lifecycle_stage=stage, status_from=date(2023, 11, 1),
            )  # fmt: skip
        for customer, channel, total, rank in [
            ("A", "direct", 100, 5),
            ("B", "export", 100, 2),
            ("C", "export", 100, 2),
            ("D", None, 0, 0),
        ]:
            insert(
                connection, "customers", company_code="1000", customer_id=customer, name=f"{customer} GmbH",
                channel=channel,
            )  # fmt: skip
            insert(
                connection, "customer_value_history", company_code="1000", customer_id=customer, period=NOW,
                revision=1, net_sales_12m=total, effective_rank=rank, **POLICY,
            )  # fmt: skip
        for customer, product, month, amount in [("A", "OLD", BEGIN, 1), *sales]:
            insert(
                connection, "sales_cell", company_code="1000", customer_id=customer, product_id=product,
                month=month, net_sales=amount,
            )  # fmt: skip
        yield connection


def asked(home: Path, connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    out = publish(connection, home, contracts(), 1, RECORDED_AT)
    with duckdb.connect(str(out.mart), read_only=True) as mart:
        return mart.execute(sql).fetchall()


def test_the_adoption_of_a_new_product_is_the_share_of_those_who_buy_anything(tmp_path: Path) -> None:
    sales = [
        ("A", "NEW", date(2023, 11, 1), 10),
        ("A", "NEW", NOW, 5),
        ("B", "NEW", date(2024, 1, 1), 20),
        ("C", "OLD", NOW, 7),
    ]
    with warehouse(tmp_path, *sales, products={"NEW": "introduction", "OLD": "maturity"}) as connection:
        assert asked(tmp_path, connection, ADOPTION) == [
            ("NEW", "channel", "direct", 6, 1, 1, 1.0, 15),
            ("NEW", "channel", "export", 6, 2, 1, 0.5, 20),
            ("NEW", "channel", "unknown", 6, 0, 0, None, 0),
            ("NEW", "company", "all", 6, 3, 2, 0.666667, 35),
            ("NEW", "salesperson", "unknown", 6, 3, 2, 0.666667, 35),
        ]


def test_a_buyer_of_a_new_product_has_its_first_month_and_how_long_after_the_launch_that_was(
    tmp_path: Path,
) -> None:
    sales = [
        ("A", "NEW", date(2023, 5, 1), 10),  # thirteen months ago: in all months, and not in the twelve
        ("A", "NEW", date(2023, 6, 1), 2),
        ("B", "NEW", date(2024, 1, 1), -3),  # given back before it was bought
        ("B", "NEW", date(2024, 2, 1), 20),
        ("C", "NEW", date(2024, 6, 1), 9),  # not closed
    ]
    with warehouse(tmp_path, *sales, products={"NEW": "growth"}) as connection:
        assert asked(tmp_path, connection, BUYERS) == [
            ("NEW", "A", "A GmbH", date(2023, 5, 1), 0, 2, 12),
            ("NEW", "B", "B GmbH", date(2024, 2, 1), 9, 17, 17),
        ]


def test_a_product_that_nobody_bought_is_there_with_none_of_the_customers(tmp_path: Path) -> None:
    given_back = [("A", "NEW", NOW, 5), ("A", "NEW", NOW, -5)]
    with warehouse(tmp_path, *given_back, products={"NEW": "introduction"}) as connection:
        found = asked(tmp_path, connection, ADOPTION)
        assert [row for row in found if row[1] == "company"] == [
            ("NEW", "company", "all", None, 3, 0, 0.0, 0)
        ]
        assert asked(tmp_path, connection, BUYERS) == []


def test_the_launch_of_what_was_sold_in_the_first_month_of_the_books_is_not_known(tmp_path: Path) -> None:
    sales = [("A", "NEW", BEGIN, 5), ("B", "NEW", NOW, 5)]
    with warehouse(tmp_path, *sales, products={"NEW": "growth"}) as connection:
        assert asked(tmp_path, connection, BUYERS) == [
            ("NEW", "A", "A GmbH", BEGIN, None, 0, 5),
            ("NEW", "B", "B GmbH", NOW, None, 5, 5),
        ]
        assert asked(
            tmp_path, connection, "SELECT DISTINCT months_since_launch FROM new_product_adoption"
        ) == [(None,)]


def test_what_is_not_new_is_in_neither_list(tmp_path: Path) -> None:
    sales = [("A", product, NOW, 5) for product in ("OLD", "GONE", "UNKNOWN")]
    stages = {"OLD": "maturity", "GONE": "discontinued", "UNKNOWN": None}
    with warehouse(tmp_path, *sales, products=stages) as connection:
        assert asked(tmp_path, connection, ADOPTION) == []
        assert asked(tmp_path, connection, BUYERS) == []


def test_what_a_succeeded_customer_bought_is_its_successors_by_its_share(tmp_path: Path) -> None:
    sales = [("D", "NEW", date(2024, 1, 1), 100)]
    with warehouse(tmp_path, *sales, products={"NEW": "introduction"}) as connection:
        for successor, share in (("A", "0.25"), ("B", "0.75")):
            insert(
                connection, "customer_succession", company_code="1000", customer_id="D",
                successor_id=successor, share=share,
            )  # fmt: skip
        assert asked(tmp_path, connection, BUYERS) == [
            ("NEW", "A", "A GmbH", date(2024, 1, 1), 0, 25, 25),
            ("NEW", "B", "B GmbH", date(2024, 1, 1), 0, 75, 75),
        ]


def test_the_members_of_a_level_sum_up_to_the_company(tmp_path: Path) -> None:
    sales = [("A", "NEW", NOW, 5), ("B", "NEW", NOW, 7), ("D", "NEW", NOW, 11)]
    with warehouse(tmp_path, *sales, products={"NEW": "introduction"}) as connection:
        found = asked(
            tmp_path,
            connection,
            "SELECT level, sum(net_sales_12m), sum(customers), sum(customers_buying) FROM new_product_adoption "
            "GROUP BY level ORDER BY level",
        )
        assert found == [("channel", 23, 3, 2), ("company", 23, 3, 2), ("salesperson", 23, 3, 2)]


def test_an_import_case_is_published_by_name_and_under_the_product_group(tmp_path: Path) -> None:
    with warehouse(tmp_path, products={}) as connection:
        for customer in ("A", "STRANGER"):
            insert(
                connection, "import_case", company_code="1000", customer_id=customer, product_group="PUMPS",
                stage="open", demand_12m=50,
            )  # fmt: skip
        assert asked(
            tmp_path,
            connection,
            "SELECT customer_id, name, product_category, stage, demand_12m FROM import_substitution ORDER BY 1",
        ) == [("A", "A GmbH", "PUMPS", "open", 50), ("STRANGER", "STRANGER", "PUMPS", "open", 50)]
