"""What counts in a customer's month, where, and at which cost."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests.unit.transforms.small_worlds import FAR, NO_ORDERS, frame, line, lines
from transforms.facts.customer_month import customer_months
from transforms.facts.order_day import order_days
from transforms.frames.schemas import CUSTOMER_MONTH, ORDER_DAY, PRODUCTS

MARCH, APRIL, MAY = date(2024, 3, 14), date(2024, 4, 2), date(2024, 5, 20)
PRODUCT = {"product_id": "P1", "base_uom": "PCE", "standard_cost": "3.5"}


def months(*records, products=None, cells=None, as_of=FAR) -> pl.DataFrame:
    product_frame = None if products is None else frame(PRODUCTS, products)
    return customer_months(lines(*records), product_frame, cells, as_of, NO_ORDERS).collect()


def cell(*records, **given_too) -> dict:
    [row] = months(*records, **given_too).to_dicts()
    return row


def test_a_month_sums_its_lines() -> None:
    row = cell(line(MARCH, "101.10"), line(MARCH + timedelta(days=2), "102.0001"))
    assert row["month"] == date(2024, 3, 1)
    assert row["net_sales"] == Decimal("203.1001")
    assert row["orders"] == 2


def test_the_result_ends_at_its_contract() -> None:
    assert months(line(MARCH, 1)).schema == CUSTOMER_MONTH
    assert months().schema == CUSTOMER_MONTH
    assert order_days(lines(), None, None, FAR, NO_ORDERS).collect().schema == ORDER_DAY


@pytest.mark.parametrize("mark", [{"is_cancelled": True}, {"is_intercompany": True}])
def test_cancelled_and_intercompany_lines_never_count(mark: dict) -> None:
    assert months(line(MARCH, 100, **mark)).is_empty()
    assert order_days(lines(line(MARCH, 100, **mark)), None, None, FAR, NO_ORDERS).collect().is_empty()


def test_a_line_of_which_nothing_is_said_about_intercompany_counts() -> None:
    assert cell(line(MARCH, 100, is_intercompany=None))["net_sales"] == 100


def test_a_credit_note_that_names_its_invoice_counts_in_that_invoices_month() -> None:
    credit = line(MAY, -30, document_type="credit_note", referenced_on=MARCH, document_id="K1")
    row = cell(line(MARCH, 100), credit)
    assert (row["month"], row["net_sales"], row["returns"]) == (date(2024, 3, 1), 70, -30)


def test_an_unlinked_credit_note_counts_in_its_own_month() -> None:
    credit = line(MAY, -30, document_type="credit_note", document_id="K1")
    assert months(line(MARCH, 100), credit)["net_sales"].to_list() == [100, -30]


def test_a_debit_note_counts_in_its_own_month_even_where_it_names_an_invoice() -> None:
    debit = line(MAY, 30, document_type="debit_note", referenced_on=MARCH, document_id="D1")
    assert months(line(MARCH, 100), debit)["net_sales"].to_list() == [100, 30]


def test_only_invoices_are_orders_and_each_counts_once() -> None:
    row = cell(
        line(MARCH, 100, document_id="R1"),
        line(MARCH, 50, document_id="R1"),
        line(MARCH, 50, document_id="R2"),
        line(MARCH, -5, document_id="K1", document_type="credit_note"),
        line(MARCH, 5, document_id="D1", document_type="debit_note"),
    )
    assert row["orders"] == 2


def test_a_line_is_seen_from_the_day_it_was_known() -> None:
    late = line(MARCH, 100, available_on=MAY)
    assert months(late, as_of=MAY - timedelta(days=1)).is_empty()
    assert months(late, as_of=MAY)["net_sales"].to_list() == [100]


def test_only_the_cells_asked_for_are_computed() -> None:
    cells = pl.LazyFrame({"company_code": ["1000"], "customer_id": ["C1"], "month": [date(2024, 4, 1)]})
    records = (line(MARCH, 1), line(APRIL, 2), line(APRIL, 3, customer_id="C2"))
    assert months(*records, cells=cells)["net_sales"].to_list() == [2]
    assert months(*records, cells=cells.select("month"))["net_sales"].to_list() == [2, 3]


def test_a_cost_not_known_is_not_a_cost_of_0() -> None:
    unknown = cell(line(MARCH, 100))
    assert unknown["cost"] is None
    assert unknown["contribution"] is None
    assert unknown["gross_amount_with_cost"] == 0
    free = cell(line(MARCH, 100, cost_amount_company=0, cost_basis="actual"))
    assert free["cost"] == 0
    assert free["contribution"] == 100
    assert free["gross_amount_with_cost"] == 100


def test_a_line_without_cost_falls_back_to_standard_cost_times_base_quantity() -> None:
    row = cell(line(MARCH, 100, quantity=12), products=[PRODUCT])
    assert row["cost"] == Decimal(42)
    assert row["cost_basis"] == "standard_current"
    assert row["contribution"] == 58


def test_a_lines_own_cost_wins_over_the_standard() -> None:
    row = cell(line(MARCH, 100, quantity=12, cost_amount_company=60, cost_basis="actual"), products=[PRODUCT])
    assert (row["cost"], row["cost_basis"]) == (60, "actual")


def test_standard_costs_are_rounded_once_in_their_cell_half_to_even() -> None:
    product = {**PRODUCT, "standard_cost": "0.0001"}
    half = line(MARCH, 1, quantity="0.5", document_id="R1")
    other_half = line(MARCH, 1, quantity="0.5", document_id="R2")
    assert cell(half, products=[product])["cost"] == Decimal("0.0000")
    assert cell(half, other_half, products=[product])["cost"] == Decimal("0.0001")
    assert cell({**half, "quantity": "1.5"}, products=[product])["cost"] == Decimal("0.0002")


@pytest.mark.parametrize(
    ("bases", "expected"),
    [
        (["actual"], "actual"),
        (["standard_at_sale", "standard_at_sale"], "standard_at_sale"),
        (["actual", "standard_at_sale"], "mixed"),
        (["actual", None], "mixed"),
        ([None], None),
    ],
)
def test_a_cells_cost_basis_is_that_of_all_its_costs_or_mixed(bases: list, expected: str | None) -> None:
    records = [line(MARCH, 10, cost_amount_company=5, cost_basis=basis) for basis in bases]
    assert cell(*records)["cost_basis"] == expected


def test_a_line_without_any_cost_leaves_the_basis_of_the_others_alone() -> None:
    row = cell(line(MARCH, 10, cost_amount_company=5, cost_basis="actual"), line(MARCH, 10))
    assert row["cost_basis"] == "actual"
    assert (row["gross_amount"], row["gross_amount_with_cost"]) == (20, 10)


def test_gross_counts_credits_as_turnover_too() -> None:
    row = cell(line(MARCH, 100), line(MARCH, -40, document_type="credit_note", document_id="K1"))
    assert (row["net_sales"], row["gross_amount"]) == (60, 140)


def test_freight_and_rebates_are_null_until_a_line_has_them() -> None:
    none = cell(line(MARCH, 100, cost_amount_company=60))
    assert (none["freight"], none["rebates"], none["contribution"]) == (None, None, 40)
    some = cell(
        line(MARCH, 100, cost_amount_company=60, freight_amount=5), line(MARCH, 100, cost_amount_company=60)
    )
    assert (some["freight"], some["rebates"], some["contribution"]) == (5, None, 75)
    both = cell(line(MARCH, 100, cost_amount_company=60, freight_amount=5, rebate_amount=3))
    assert both["contribution"] == 32


def test_free_goods_cost_what_they_cost() -> None:
    row = cell(line(MARCH, 100, cost_amount_company=60), line(MARCH, 0, cost_amount_company=7))
    assert row["contribution"] == 33


@pytest.mark.parametrize(
    ("given_quantity", "products", "expected"),
    [
        ({"quantity": 2, "uom": "PCE"}, [PRODUCT], 2),
        ({"quantity": 2, "uom": "BOX"}, [PRODUCT], None),
        ({"quantity": 2, "uom": "BOX", "base_quantity": 24}, [PRODUCT], 24),
        ({"quantity": 2, "uom": "BOX"}, None, 2),
        ({"quantity": 2, "uom": "BOX", "product_id": "P9"}, [PRODUCT], 2),
        ({"quantity": 2, "uom": "BOX", "product_id": None}, [PRODUCT], 2),
    ],
)
def test_quantities_are_summed_in_base_units_only(
    given_quantity: dict, products: list | None, expected
) -> None:
    assert cell(line(MARCH, 100, **given_quantity), products=products)["quantity"] == expected


def test_an_order_day_has_an_invoice() -> None:
    days = order_days(
        lines(
            line(MARCH, 100, document_id="R1"),
            line(MARCH, 50, document_id="R2"),
            line(MARCH, -20, document_id="K1", document_type="credit_note"),
            line(APRIL, -20, document_id="K2", document_type="credit_note"),
        ),
        None,
        None,
        FAR,
        NO_ORDERS,
    ).collect()
    assert days.select("order_on", "orders", "net_sales").rows() == [(MARCH, 2, Decimal(150))]


def test_a_missing_column_is_refused() -> None:
    with pytest.raises(pl.exceptions.SchemaError, match="available_on"):
        customer_months(lines(line(MARCH, 1)).drop("available_on"), None, None, FAR, NO_ORDERS).collect()


any_line = st.builds(
    lambda day, cents, customer, document, kind, cancelled, cost, referenced: line(
        date(2024, 1, 1) + timedelta(days=day),
        Decimal(cents) / 100,
        customer_id=customer,
        document_id=document,
        document_type=kind,
        is_cancelled=cancelled,
        cost_amount_company=cost,
        referenced_on=referenced,
    ),
    st.integers(0, 120),
    st.integers(-(10**15), 10**15),
    st.sampled_from(["C1", "C2"]),
    st.sampled_from(["R1", "R2", "R3"]),
    st.sampled_from(["invoice", "credit_note", "debit_note"]),
    st.booleans(),
    st.none() | st.integers(-1000, 1000),
    st.none() | st.just(MARCH),
)


@settings(max_examples=40)
@given(st.lists(any_line, max_size=12))
def test_no_sale_is_lost_or_invented(records: list[dict]) -> None:
    counted = [record for record in records if not record["is_cancelled"]]
    result = months(*records)
    assert result["net_sales"].sum() == sum(record["net_amount_company"] for record in counted)
    assert result["gross_amount"].sum() == sum(abs(record["net_amount_company"]) for record in counted)
    assert result["invoiced"].sum() == sum(
        record["net_amount_company"] for record in counted if record["document_type"] == "invoice"
    )
    assert (
        result["orders"].sum()
        == order_days(lines(*records), None, None, FAR, NO_ORDERS).collect()["orders"].sum()
    )


@settings(max_examples=30)
@given(st.lists(any_line, max_size=10).flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_the_order_of_lines_changes_nothing(orders: tuple[list[dict], list[dict]]) -> None:
    one, other = orders
    assert_frame_equal(months(*one), months(*other))
    assert_frame_equal(
        order_days(lines(*one), None, None, FAR, NO_ORDERS).collect(),
        order_days(lines(*other), None, None, FAR, NO_ORDERS).collect(),
    )


@settings(max_examples=30)
@given(st.lists(any_line, min_size=1, max_size=10))
def test_a_cell_computed_alone_is_the_cell_computed_with_all(records: list[dict]) -> None:
    whole = months(*records)
    for cells in whole.select("company_code", "customer_id", "month").iter_slices(1):
        assert_frame_equal(
            months(*records, cells=cells.lazy()), whole.join(cells, on=cells.columns, how="semi")
        )
