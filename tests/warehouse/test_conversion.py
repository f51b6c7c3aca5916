"""Amounts in foreign currency and quantities in other units, delivered without what they are in the company's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.warehouse.converting import FACTOR, PRODUCT, batch, line
from tests.warehouse.making import Loader, assert_conserved

RATE = {"from_currency": "USD", "to_currency": "EUR", "rate_date": "2025-05-05", "rate": "0.912345678"}


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    return Loader(tmp_path)


def of_lines(loader: Loader, column: str) -> Mapping[str, Any]:
    return dict(loader.query(f"SELECT document_id, {column}::VARCHAR FROM erp.invoice_lines"))


def test_an_amount_is_converted_with_the_rate_of_its_day_and_rounded_to_four_digits(loader: Loader) -> None:
    loader.loaded(batch(fx_rates=[RATE], invoice_lines=[line(1), line(2, net_amount="-0.01")]))
    assert of_lines(loader, "net_amount_company") == {"R1": "91.2346", "R2": "-0.0091"}


def test_a_rate_that_landed_before_serves_and_the_batchs_own_goes_before_it(loader: Loader) -> None:
    loader.loaded(batch(1, fx_rates=[RATE]))
    loader.loaded(batch(2, invoice_lines=[line(1)]))
    loader.loaded(batch(3, fx_rates=[{**RATE, "rate": "0.5"}], invoice_lines=[line(2)]))
    assert of_lines(loader, "net_amount_company") == {"R1": "91.2346", "R2": "50.0000"}


@pytest.mark.parametrize(
    ("rate_date", "serves"),
    [("2025-05-06", False), ("2025-05-05", True), ("2024-01-01", True)],
)
def test_a_rate_holds_from_its_day_on(loader: Loader, rate_date: str, serves: bool) -> None:
    loader.loaded(batch(fx_rates=[{**RATE, "rate_date": rate_date}], invoice_lines=[line(1)]))
    assert bool(of_lines(loader, "net_amount_company")) is serves


def test_the_latest_of_several_rates_is_taken(loader: Loader) -> None:
    rates = [{**RATE, "rate_date": f"2025-05-0{day}", "rate": f"0.{day}"} for day in (1, 4, 3)]
    loader.loaded(batch(fx_rates=rates, invoice_lines=[line(1)]))
    assert of_lines(loader, "net_amount_company") == {"R1": "40.0000"}


def test_a_line_without_a_rate_is_put_aside_with_its_currencies_and_day(loader: Loader) -> None:
    outcome = loader.loaded(
        batch(fx_rates=[{**RATE, "from_currency": "CHF"}], invoice_lines=[line(1), line(2, currency="CHF")])
    )
    assert loader.reasons() == [
        ("invoice_lines.csv", 2, "net_amount_company", "fx_rate_missing", "USD/EUR 2025-05-05")
    ]
    assert "land fx_rates" in loader.column("SELECT message FROM quarantine.reason")[0]
    assert {table.name: table.accepted for table in outcome.tables} == {"fx_rates": 1, "invoice_lines": 1}
    assert_conserved(loader)


def test_a_rate_that_was_put_aside_itself_does_not_serve(loader: Loader) -> None:
    loader.loaded(batch(fx_rates=[{**RATE, "rate": "-1"}], invoice_lines=[line(1)]))
    assert [reason[3] for reason in loader.reasons()] == ["rate_not_positive", "fx_rate_missing"]


def test_a_delivered_amount_stands_whatever_the_rate(loader: Loader) -> None:
    loader.loaded(batch(fx_rates=[RATE], invoice_lines=[line(1, net_amount_company="99.0000")]))
    assert of_lines(loader, "net_amount_company") == {"R1": "99.0000"}


def test_an_amount_that_no_longer_fits_is_put_aside(loader: Loader) -> None:
    loader.loaded(
        batch(fx_rates=[{**RATE, "rate": "99999999"}], invoice_lines=[line(1, net_amount="99999999999999")])
    )
    assert [reason[2:4] for reason in loader.reasons()] == [("net_amount_company", "too_many_digits")]


def test_open_items_are_converted_with_the_rate_of_their_posting_date(loader: Loader) -> None:
    item = {
        "item_id": "I1", "customer_id": "K1", "item_type": "invoice", "posting_date": "2025-05-05",
        "due_date": "2025-06-05", "original_amount": "10", "currency": "USD", "company_currency": "EUR",
    }  # fmt: skip
    loader.loaded(batch(fx_rates=[RATE], receivables=[item]))
    assert loader.column("SELECT original_amount_company::VARCHAR FROM erp.receivables") == ["9.1235"]


def in_euro(number: int = 1, **changes: str) -> dict[str, str]:
    return line(number, currency="EUR", **changes)


def test_a_quantity_is_converted_into_the_products_base_unit(loader: Loader) -> None:
    loader.loaded(
        batch(
            uom_conversions=[FACTOR],
            products=[PRODUCT],
            invoice_lines=[in_euro(1), in_euro(2, quantity="-0.5")],
        )
    )
    assert of_lines(loader, "base_quantity") == {"R1": "48.000000", "R2": "-12.000000"}


def test_a_products_own_factor_goes_before_the_one_of_all_products(loader: Loader) -> None:
    loader.loaded(batch(1, products=[PRODUCT, {**PRODUCT, "product_id": "P2"}]))
    loader.loaded(
        batch(
            2,
            uom_conversions=[FACTOR, {**FACTOR, "product_id": "P1", "factor": "10"}],
            invoice_lines=[in_euro(1), in_euro(2, product_id="P2")],
        )
    )
    assert of_lines(loader, "base_quantity") == {"R1": "20.000000", "R2": "48.000000"}


def test_a_quantity_without_a_factor_stays_in_no_common_unit_and_a_delivered_one_stands(
    loader: Loader,
) -> None:
    loader.loaded(
        batch(
            uom_conversions=[FACTOR],
            products=[PRODUCT],
            invoice_lines=[in_euro(1, uom="KG"), in_euro(2, base_quantity="50"), in_euro(3, product_id="P9")],
        )
    )
    assert of_lines(loader, "base_quantity") == {"R1": None, "R2": "50.000000", "R3": None}


@pytest.mark.parametrize(("rate_date", "is_old"), [("2025-03-31", False), ("2025-03-30", True)])
def test_an_amount_converted_by_a_rate_of_more_than_a_month_ago_is_told(
    loader: Loader, rate_date: str, is_old: bool
) -> None:
    rates = [{**RATE, "rate_date": rate_date}, {**RATE, "from_currency": "CHF"}]
    lines = [line(1), line(2, invoice_date="2025-04-05"), line(3, currency="CHF")]
    outcome = loader.loaded(batch(fx_rates=rates, invoice_lines=lines))
    told = [warning for warning in outcome.warnings if "[old_rate]" in warning]
    assert len(told) == is_old
    if told:
        assert "1 amounts in USD were converted into EUR" in told[0]
        assert "as that of 2025-03-30 for 2025-05-05" in told[0]
