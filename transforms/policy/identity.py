"""What makes two policies the same: the hash of the values as they were written, in the version they were written in.

It stands in every rating row, so it must never change for a text that ruled once: it is made of what was written, not of
the model, and of each schema version by that version's own rules.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

# Keys that are whole numbers in version 1, whose hash tells 6 from "6"; from version 2 on a number is a number.
_WHOLE_NUMBERS_OF_1: Final = frozenset(
    {
        "steadiness.min_months",
        "steadiness.seasonal_min_peers",
        "potential.min_peers",
        "segments.new_below_months",
        "memory.up_after",
        "memory.down_after",
        "memory.min_dwell",
        "memory.clean_periods",
        "credit.severe_days",
        "credit.grace_days",
        "credit.habit_min_items",
        "credit.warnings.clear_after_days",
        "credit.warnings.raise_from.broken_promises",
        "credit.warnings.clear_at.broken_promises",
        "conduct.arrears.overdue_days",
        "conduct.arrears.periods",
        "conduct.arrears.of_periods",
        "conduct.diversion.min_observations",
        "conduct.diversion.ewma_half_life_months",
        "conduct.dumping.min_observations",
    }
)
_TEXTS: Final = "policy."  # the section whose texts stay texts, even if they look like numbers


def content_hash(content: Mapping[str, Any], schema_version: int) -> str:
    """SHA-256 of a valid policy's values, free of key order, comments and ways to write a number; 64 hex digits.

    `content` is what was written, before any upgrade; a version 1 that says so is the same as one that says nothing.
    """
    written = dict(content)
    whole: frozenset[str] = frozenset()
    if schema_version == 1:
        written.pop("schema_version", None)
        whole = _WHOLE_NUMBERS_OF_1
    canonical = json.dumps(_canonical(written, "", whole), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical(value: object, key: str, whole: frozenset[str]) -> object:
    if isinstance(value, Mapping):
        return {
            name: _canonical(inner, f"{key}.{name}" if key else name, whole) for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_canonical(inner, key, whole) for inner in value]
    if isinstance(value, bool) or (isinstance(value, int) and key in whole):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return value if key.startswith(_TEXTS) else _number(value) or value
    if isinstance(value, int | Decimal):
        return _number(value)
    raise TypeError(f"a policy holds no {type(value).__name__}")


def _number(value: str | int | Decimal) -> str | None:
    """The one way to write a number, which may have been given in quotes; None if it is none."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return format(number.normalize(), "f") if number.is_finite() else None
