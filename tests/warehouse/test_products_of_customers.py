"""What a customer buys of which product group, and what its peers buy that it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.contract import contracts
from tests.warehouse.mart_of_rows import NOW, YEAR_BEFORE, published, rating
from tests.warehouse.publishing import POLICY, RECORDED_AT, insert, open_warehouse
from warehouse.mart.publish import publish

PEERS = {"industry_code": "28", "channel": "direct"}


def sold(customer: str, group: str | None, amount: int, month: date = NOW) -> tuple[str, dict[str, Any]]:
    return "sales_by_customer_product", {
        "customer_id": customer,
        "month": month,
        "product_category": group,
        "net_sales": amount,
    }


def buyer(customer: str, sales: object, buys: Mapping[str, int], **more: object) -> Iterator[Any]:
    yield rating(customer, NOW, "marginal", 2, sales)
    yield (
        "customer",
        {
            "customer_id": customer,
            "status": None,
            "territory_id": None,
            "salesperson_id": None,
            **PEERS,
            **more,
        },
    )
    for group, amount in buys.items():
        yield sold(customer, group, amount)


def white_spots(home: Path, *rows: Any) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(published(home, *rows)), read_only=True) as connection:
        return connection.execute(
            "SELECT customer_id, product_category, peers, peers_buying, peer_share, worth_12m FROM white_spot ORDER BY ALL"
        ).fetchall()


def test_a_group_that_half_the_peers_buy_is_a_white_spot_of_the_others_at_the_middle_share(
    tmp_path: Path,
) -> None:
    shares = [10, 20, 30, 40, 50]
    buying = [row for each in shares for row in buyer(f"B{each}", 100, {"VALVES": each, "PUMPS": 100 - each})]
    others = [row for number in range(5) for row in buyer(f"C{number}", 200, {"PUMPS": 200})]
    assert white_spots(tmp_path, *buying, *others) == [
        (f"C{number}", "VALVES", 10, 5, 0.3, 60) for number in range(5)
    ]


@pytest.mark.parametrize(
    ("buying", "others", "spots"), [(5, 5, 5), (4, 4, 0), (5, 6, 0), (6, 6, 6), (5, 0, 0)]
)
def test_it_takes_five_peers_and_half_of_them(tmp_path: Path, buying: int, others: int, spots: int) -> None:
    rows = [row for number in range(buying) for row in buyer(f"B{number}", 100, {"VALVES": 100})]
    rest = [row for number in range(others) for row in buyer(f"C{number}", 100, {})]
    assert len(white_spots(tmp_path, *rows, *rest)) == spots


def test_what_was_bought_and_given_back_or_bought_a_year_ago_is_a_white_spot_again(tmp_path: Path) -> None:
    rows = [row for number in range(5) for row in buyer(f"B{number}", 100, {"VALVES": 100})]
    returned = [*buyer("RETURNED", 100, {"VALVES": 0, "PUMPS": 100})]
    earlier = [*buyer("EARLIER", 100, {"PUMPS": 100}), sold("EARLIER", "VALVES", 70, YEAR_BEFORE)]
    assert [spot[:2] for spot in white_spots(tmp_path, *rows, *returned, *earlier)] == [
        ("EARLIER", "VALVES"),
        ("RETURNED", "VALVES"),
    ]


def test_nobody_else_is_a_peer(tmp_path: Path) -> None:
    rows = [row for number in range(5) for row in buyer(f"B{number}", 100, {"VALVES": 100})]
    strangers = [
        *buyer("EXPORT", 100, {"PUMPS": 100}, channel="export"),
        *buyer("TRADE", 100, {"PUMPS": 100}, industry_code="46"),
        *buyer("UNKNOWN", 100, {"PUMPS": 100}, industry_code=None),
        *buyer("BOUGHT_NOTHING", 0, {}),
        *buyer("BLOCKED", 100, {"PUMPS": 100}, status="blocked"),
    ]
    assert white_spots(tmp_path, *rows, *strangers) == []


def test_a_product_group_is_summed_over_products_channels_and_territories_for_two_years(
    tmp_path: Path,
) -> None:
    with open_warehouse(tmp_path) as connection:
        for product, group in (("P1", "PUMPS"), ("P2", "PUMPS"), ("P3", None)):
            insert(connection, "products", company_code="1000", product_id=product, category=group)
        for month, product, channel, amount in [
            (NOW, "P1", "direct", 10),
            (NOW, "P1", "export", 1),
            (NOW, "P2", None, 20),
            (NOW, "P3", None, 3),
            (NOW, "P9", None, 4),  # no master was delivered
            (NOW, None, None, 5),  # a line without goods
            (date(2022, 6, 1), "P1", None, 7),
            (date(2022, 5, 1), "P1", None, 8),  # two years and a month ago
            (date(2024, 6, 1), "P1", None, 9),  # not closed
        ]:
            insert(
                connection, "sales_cell", company_code="1000", customer_id="A", month=month,
                product_id=product, channel=channel, net_sales=amount,
            )  # fmt: skip
        insert(
            connection, "customer_value_history",
            company_code="1000", customer_id="A", period=NOW, revision=1, **POLICY,
        )  # fmt: skip
        out = publish(connection, tmp_path, contracts(), 1, RECORDED_AT)
    with duckdb.connect(str(out.mart), read_only=True) as mart:
        asked = (
            "SELECT product_category, month, net_sales FROM sales_by_customer_product ORDER BY ALL NULLS LAST"
        )
        assert mart.execute(asked).fetchall() == [
            ("PUMPS", date(2022, 6, 1), 7),
            ("PUMPS", NOW, 31),
            (None, NOW, 12),
        ]
