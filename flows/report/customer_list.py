"""The data of the list of all customers, as a script: a page that was opened from a file may load no other kind of data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from flows.wording import numbers
from flows.wording.words import label, words
from warehouse.mart.files import Row

# How a column of the list is called in the script, and the row's own name for it.
COLUMNS = {
    "company": "company_code",
    "id": "customer_id",
    "name": "name",
    "tier": "effective_tier",
    "salesperson": "salesperson_id",
    "territory": "territory_id",
    "net_sales": "net_sales_12m",
    "difference": "net_sales_difference",
    "contribution": "contribution_12m",
    "overdue": "overdue",
    "action": "action",
}
# Column: the words its codes are said in, in whose order they sort.
_CODED = {"tier": "tier", "action": "next_action"}


def script(rows: Sequence[Row], files: Mapping[tuple[str, str], str]) -> str:
    """Rows as the page shows them, amounts in whole units, what is not known as an empty text; `files` by company and customer."""
    said = {
        column: {code: _pair(group, code) for code in words()[group] if code}
        for column, group in _CODED.items()
    }
    data = {
        "columns": ["page", *COLUMNS],
        "words": said,
        "rows": [
            [
                files.get((row["company_code"], row["customer_id"]), ""),
                *(_text(column, row[name]) for column, name in COLUMNS.items()),
            ]
            for row in rows
        ],
    }
    return f"window.valuemart = {json.dumps(data, ensure_ascii=False, separators=(',', ':'))};\n"


def _pair(group: str, code: str) -> tuple[str, str]:
    found = label(group, code)
    return found.en, found.zh


def _text(column: str, value: Any) -> str:
    if value is None:
        return ""
    if column == "difference":
        return numbers.signed(value)
    return numbers.grouped(value) if isinstance(value, Decimal) else str(value)
