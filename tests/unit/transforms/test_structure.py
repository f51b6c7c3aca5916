"""Who the sales rest on, and what the tail of the curve takes away."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transforms.small_worlds import FAR, YEAR_END, facts, frame
from transforms.facts.sales_cell import SALES_LINES, sales_cells
from transforms.frames.schemas import CUSTOMER_STRUCTURE, CUSTOMER_VALUE_HISTORY, VALUE_CURVE
from transforms.measures.customers import first_and_last_orders
from transforms.measures.orders import order_history
from transforms.measures.window import Window
from transforms.rating.structure import ALL, LEVELS, customer_structure, value_curve

NOW, THEN, BEFORE = date(2024, 6, 3), date(2023, 6, 3), date(2022, 12, 31)


def sold(net: Decimal | int, on: date = NOW, customer: str = "C1", **other: Any) -> dict[str, Any]:
    return {"net_amount_company": net, "invoice_date": on, "customer_id": customer, **other}


def structure(*lines: dict[str, Any], **extracts: Any) -> pl.DataFrame:
    numbered = [{"document_id": f"D{n}"} | line for n, line in enumerate(lines)]
    plain = [
        {k: v for k, v in line.items() if k not in ("channel", "ship_to_territory")} for line in numbered
    ]
    world = facts(plain, **extracts)
    cells = sales_cells(frame(SALES_LINES, numbered), world.products, None, FAR)
    window = Window(YEAR_END)
    rated = first_and_last_orders(world, order_history(world, window), window)
    found = customer_structure(world, cells, rated, closed_through=YEAR_END).collect()
    assert found.schema == CUSTOMER_STRUCTURE
    return found


def company(*lines: dict[str, Any], **extracts: Any) -> dict[str, Any]:
    [row] = structure(*lines, **extracts).filter(pl.col("level") == "company").to_dicts()
    return row


def test_the_whole_company_is_one_row_with_all_dimensions_summed():
    row = company(sold(60, channel="direct"), sold(40, customer="C2", channel="export"), sold(80, THEN))
    assert (row["channel"], row["lifecycle_stage"], row["territory"]) == (ALL, ALL, ALL)
    assert (row["net_sales_12m"], row["customers"], row["share_of_sales"]) == (100, 2, 1)
    assert (row["direct_share"], row["export_share"]) == (Decimal("0.6"), Decimal("0.4"))
    assert (row["net_sales_change"], row["customers_change"]) == (Decimal("0.25"), 1)


def test_a_sale_is_placed_by_its_line_then_its_customer_then_nowhere():
    customers = [{"customer_id": "C1", "channel": "direct", "territory_id": "NORTH"}]
    found = structure(
        sold(1, channel="export", ship_to_territory="AT"),
        sold(2),
        sold(4, customer="C2"),
        customers=customers,
    )
    cells = found.filter(pl.col("level") == "cell")
    assert cells.select("channel", "territory", "net_sales_12m").rows() == [
        ("direct", "NORTH", 2),
        ("export", "AT", 1),
        ("unknown", "unknown", 4),
    ]


def test_sales_in_new_products_are_those_in_introduction():
    products = [
        {"product_id": "P1", "base_uom": "PCE", "lifecycle_stage": "introduction"},
        {"product_id": "P2", "base_uom": "PCE", "lifecycle_stage": "maturity"},
    ]
    row = company(sold(1), sold(3, product_id="P2"), products=products)
    assert row["new_product_share"] == Decimal("0.25")


def test_new_customers_are_those_whose_first_order_of_all_lies_in_the_year():
    row = company(sold(1), sold(1, THEN), sold(1, customer="C2"), sold(5, BEFORE, customer="C3"))
    assert (row["customers"], row["new_customers"], row["customers_change"]) == (2, 1, 1)


def test_concentration_is_one_for_one_customer_and_falls_with_equal_ones():
    assert company(sold(7))["hhi"] == 1
    equal = company(*(sold(10, customer=f"C{n}") for n in range(20)))
    assert (equal["hhi"], equal["top10_share"]) == (Decimal("0.05"), Decimal("0.5"))


def test_a_customer_that_returned_more_than_it_bought_is_no_customer_but_counts_in_the_sum():
    row = company(sold(100), sold(-30, customer="C2", document_type="credit_note"))
    assert (row["net_sales_12m"], row["customers"], row["hhi"]) == (70, 1, 1)


def test_contribution_is_null_where_no_line_has_a_cost():
    assert company(sold(100))["gross_contribution_12m"] is None
    known = company(sold(100, cost_amount_company=60), sold(50, THEN, cost_amount_company=20))
    assert (known["gross_contribution_12m"], known["contribution_change"]) == (40, 10)


lines = st.lists(
    st.builds(
        sold,
        st.decimals(-500, 5000, places=2),
        st.dates(date(2023, 1, 1), YEAR_END),
        st.sampled_from(["C1", "C2", "C3"]),
        channel=st.sampled_from(["direct", "export", None]),
        ship_to_territory=st.sampled_from(["NORTH", None]),
    ),
    max_size=12,
)


@given(lines)
@settings(max_examples=15)
def test_every_level_sums_to_the_company(sales):
    found = structure(*sales)
    sums = found.group_by("level").agg(pl.col("net_sales_12m").sum(), pl.col("new_customers").count())
    assert sums["net_sales_12m"].n_unique() <= 1
    assert set(found["level"]) in (set(LEVELS), set())
    assert found.filter((pl.col("hhi") <= 0) | (pl.col("top10_share") > 1)).is_empty()


def curve(*contributions: float | None) -> pl.DataFrame:
    rated = [{"customer_id": f"C{n}", "contribution_12m": each} for n, each in enumerate(contributions)]
    found = value_curve(frame(CUSTOMER_VALUE_HISTORY, rated)).collect()
    assert found.schema == VALUE_CURVE
    return found


def test_the_curve_runs_from_the_largest_down_and_peaks_at_the_last_that_adds():
    found = curve(5, -3, 10, 5, None, -4)
    assert found["customer_id"].to_list() == ["C2", "C0", "C3", "C1", "C5"]
    assert found["cumulative_contribution"].to_list() == [10, 15, 20, 17, 13]
    assert found["is_peak"].to_list() == [False, False, True, False, False]
    assert found["destroyed"].to_list() == [0, 0, 0, 3, 7]
    assert found["cumulative_share"].to_list()[-1] == 1


def test_a_company_where_nobody_adds_anything_has_no_peak():
    found = curve(-1, 0, -2)
    assert not found["is_peak"].any()
    assert found["destroyed"].to_list() == [0, 1, 3]
    assert found["cumulative_share"].to_list() == [None] * 3


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=12))
@settings(max_examples=25)
def test_what_the_tail_destroys_is_peak_less_total(contributions):
    found = curve(*contributions)
    peak = max(0, sum(each for each in contributions if each > 0))
    assert found["destroyed"].to_list()[-1] == peak - sum(contributions)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_equal_contributions_are_placed_by_number(order):
    rated = [{"customer_id": f"C{n}", "contribution_12m": 5} for n in order]
    found = value_curve(frame(CUSTOMER_VALUE_HISTORY, rated)).collect()
    assert found["customer_id"].to_list() == ["C0", "C1", "C2"]
