"""The catalogue of quirks holds: every one demanded is in it, every file shows what it is said to show, and so does the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from warehouse.delivery.formats import xls, xlsx
from warehouse.delivery.formats.cells import DateCell, Number

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "source-quirks.md"
CATALOGUE: list[dict[str, Any]] = yaml.safe_load((HERE / "quirks.yaml").read_text("utf-8"))
QUIRKS: dict[str, dict[str, Any]] = {quirk["id"]: quirk for area in CATALOGUE for quirk in area["quirks"]}
# What the packs and the dialect must be able to read, whoever changes the golden files.
DEMANDED = [
    "sap_signs",
    "sap_lists_and_pro_formas",
    "sap_intercompany",
    "sap_cancelled",
    "sap_amount_basis",
    "sap_amounts_as_printed",
    "sap_due_date",
    "sap_debit_credit",
    "sap_no_date",
    "sap_zeros",
    "sap_credit_management",
    "sap_fscm",
    "sap_open_and_cleared",
    "sap_clearing_document",
    "sap_partial_payment",
    "sap_credit_memo_names_item",
    "sap_half_allocated",
    "sap_allocation_without_item",
    "sap_letter_names_nothing",
    "sap_cleared_apart",
    "sap_residual",
    "sap_residual_no_item",
    "sap_reversal",
    "sap_taken_back",
    "sap_transfer",
    "sap_cancelled_billing_not_paid",
    "sap_down_payment_request",
    "sap_returns_item",
    "sap_returns_item_cancelled",
    "sap_returns_mark_in_credit_memos",
    "sap_invoice_correction",
    "sap_unknown_settlement",
    "sap_guarantee",
    "sap_special_credit",
    "sap_two_company_codes",
    "odoo_posted",
    "odoo_net",
    "odoo_commercial_partner",
    "odoo_residual",
    "odoo_cost_posted",
    "odoo_cost_ordered",
    "odoo_limit_zero",
    "odoo_exchange_difference",
    "odoo_residual_company",
    "odoo_instalments",
    "odoo_nobody",
    "odoo_cash_entry",
    "odoo_entries",
    "erpnext_submitted",
    "erpnext_signed",
    "erpnext_ledger",
    "erpnext_limits",
    "erpnext_advance",
    "erpnext_advance_account",
    "erpnext_payment_schedule",
    "erpnext_schedule_and_advance",
    "erpnext_paid_before",
    "erpnext_immutable",
    "erpnext_return",
    "erpnext_till_return",
    "erpnext_write_off",
    "erpnext_return_kept_open",
    "kingdee_headers",
    "u8_headers",
    "kingdee_tax",
    "u8_tax",
    "kingdee_approved",
    "kingdee_estimated",
    "kingdee_receipts",
    "kingdee_other_receivables",
    "kingdee_refunds",
    "kingdee_set_off",
    "u8_approved",
    "u8_gone",
    "kingdee_red",
    "kingdee_red_names",
    "u8_red",
    "u8_red_names",
    "u8_moved",
    "u8_bad_debt",
    "u8_note_returned",
    "kingdee_unapproved",
    "gb18030",
    "bom_utf8",
    "bom_utf16",
    "latin_1",
    "delimiter_and_quotes",
    "ragged",
    "se16n",
    "se16n_counted",
    "header_aliases",
    "merged_headers",
    "forward_fill",
    "totals",
    "subtotals",
    "xlsx",
    "xls",
    "xls_is_html",
    "xls_is_tsv",
    "lost_zeros",
    "decimal_comma",
    "group_commas",
    "trailing_minus",
    "parentheses",
    "u2212",
    "full_width",
    "currency_marks",
    "chinese_dates",
    "german_dates",
    "excel_serials",
    "null_marks",
    "units",
    "units_above",
    "too_many_digits",
]


def shown(cell: str) -> str:
    """A workbook's cell as the catalogue writes it."""
    return f"={cell}" if isinstance(cell, Number) else f"@{cell}" if isinstance(cell, DateCell) else str(cell)


def text_of(file: Path, encoding: str) -> str:
    readers = {b"PK\x03\x04": xlsx.rows, b"\xd0\xcf\x11\xe0": xls.rows}
    reader = readers.get(file.read_bytes()[:4])
    if reader is None:
        return file.read_bytes().decode(encoding).replace("\r\n", "\n")
    return "\n".join("\t".join(map(shown, cells)) for _, cells in reader(file, file.name, 1))


def page() -> str:
    """docs/source-quirks.md, as the catalogue has it."""
    lines = [
        "# Which golden file shows which quirk",
        "",
        "Made of `tests/golden/quirks.yaml` by `python -m tests.golden.test_quirks`, and held to the files by a test: each",
        "extract really has what is said of it, and the canonical rows beside it show what becomes of it. Paths are below",
        "`tests/golden/`.",
    ]
    for area in CATALOGUE:
        lines += ["", f"## {area['area']}", "", "| quirk | extract | what becomes of it |", "|---|---|---|"]
        lines += [f"| {quirk['says']} | `{quirk['in']}` | `{quirk['out']}` |" for quirk in area["quirks"]]
    return "\n".join(lines) + "\n"


def test_every_quirk_demanded_is_in_the_catalogue_once() -> None:
    assert sorted(QUIRKS) == sorted(DEMANDED)
    assert len(QUIRKS) == sum(len(area["quirks"]) for area in CATALOGUE)


@pytest.mark.parametrize("quirk", QUIRKS.values(), ids=QUIRKS)
def test_a_file_shows_the_quirk_it_is_said_to_show(quirk: dict[str, Any]) -> None:
    file = HERE / quirk["in"]
    assert file.parent.name == "extract"
    assert quirk.get("has") or quirk.get("bytes")
    assert file.read_bytes().hex().startswith(quirk.get("bytes", ""))
    text = text_of(file, quirk.get("encoding", "utf-8"))
    assert [part for part in quirk.get("has", ()) if not re.search(part, text, re.MULTILINE)] == []


@pytest.mark.parametrize("quirk", QUIRKS.values(), ids=QUIRKS)
def test_the_canonical_rows_show_what_becomes_of_the_quirk(quirk: dict[str, Any]) -> None:
    file = HERE / quirk["out"]
    assert (file.parent.name, file.parent.parent) == ("expected", (HERE / quirk["in"]).parent.parent)
    text = file.read_text("utf-8")
    assert quirk["gives"]
    assert [part for part in quirk["gives"] if not re.search(part, text, re.MULTILINE)] == []


def test_the_page_on_quirks_is_what_the_catalogue_makes_of_it() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it anew: python -m tests.golden.test_quirks"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
