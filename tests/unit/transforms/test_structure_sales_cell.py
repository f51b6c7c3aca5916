"""Sales by customer, month, product, channel and place."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transforms.small_worlds import FAR, frame
from transforms.facts.customer_month import customer_months
from transforms.facts.sales_cell import GRAIN, SALES_LINES, sales_cells
from transforms.frames.schemas import PRODUCTS, SALES_CELL

MARCH = date(2024, 3, 14)


def cells(*lines: dict[str, Any], products: list[dict[str, Any]] | None = None) -> pl.DataFrame:
    numbered = [{"invoice_date": MARCH, "document_id": f"D{n}"} | line for n, line in enumerate(lines)]
    of_products = None if products is None else frame(PRODUCTS, products)
    return sales_cells(frame(SALES_LINES, numbered), of_products, None, FAR).collect()


def test_a_cell_is_one_product_channel_and_place_in_a_month():
    found = cells(
        {"net_amount_company": 10, "channel": "direct"},
        {"net_amount_company": 5, "channel": "direct"},
        {"net_amount_company": 7, "channel": "export", "ship_to_territory": "AT"},
        {"net_amount_company": 1, "product_id": "P2"},
    )
    assert found.schema == SALES_CELL
    assert found.select("product_id", "channel", "ship_to_territory", "net_sales").rows() == [
        ("P1", "direct", None, 15),
        ("P1", "export", "AT", 7),
        ("P2", None, None, 1),
    ]


def test_contribution_takes_cost_freight_and_rebates_off_and_is_null_without_cost():
    known = {"net_amount_company": 100, "cost_amount_company": 60, "freight_amount": 5, "rebate_amount": 1}
    assert cells(known)["contribution"].to_list() == [34]
    assert cells({"net_amount_company": 100})["contribution"].to_list() == [None]
    standard = [{"product_id": "P1", "base_uom": "PCE", "standard_cost": "2.5"}]
    assert cells({"net_amount_company": 100, "quantity": 10}, products=standard)[
        "contribution"
    ].to_list() == [75]


def test_what_was_asked_for_goods_is_of_invoices_at_a_price():
    found = cells(
        {"net_amount_company": 100, "quantity": 10},
        {"net_amount_company": 0, "quantity": 2, "is_free_goods": True},
        {"net_amount_company": -20, "quantity": -2, "document_type": "credit_note"},
    )
    assert found.select("net_sales", "invoiced_net_sales", "invoiced_quantity").rows() == [(80, 100, 10)]


lines = st.lists(
    st.fixed_dictionaries(
        {
            "net_amount_company": st.decimals(-500, 5000, places=2),
            "invoice_date": st.dates(date(2024, 1, 1), date(2024, 4, 30)),
            "product_id": st.sampled_from(["P1", "P2", None]),
            "channel": st.sampled_from(["direct", None]),
            "customer_id": st.sampled_from(["C1", "C2"]),
            "is_cancelled": st.booleans(),
        }
    ),
    max_size=12,
)


@given(lines)
@settings(max_examples=30)
def test_the_cells_of_a_customer_and_month_sum_to_its_month(sold):
    numbered = [line | {"document_id": f"D{n}"} for n, line in enumerate(sold)]
    source = frame(SALES_LINES, numbered)
    found = sales_cells(source, None, None, FAR).collect()
    months = customer_months(source, None, None, FAR, ()).collect()
    summed = found.group_by("company_code", "customer_id", "month").agg(pl.col("net_sales").sum())
    assert sorted(summed.rows()) == sorted(months.select(summed.columns).rows())
    assert found.select(GRAIN).is_unique().all()
