"""Values of a policy as TOML, by tomlkit, which keeps comments and the way things were written."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import tomlkit


def toml_item(value: object) -> Any:
    """A value as an item of a TOML document; a number as it is, without a detour over binary fractions."""
    if isinstance(value, Decimal):
        return tomlkit.value(plain_number(value))
    if isinstance(value, tuple | list):
        array = tomlkit.array()
        array.extend(toml_item(part) for part in value)
        return array.multiline(multiline=bool(value) and isinstance(value[0], tuple | list))
    if isinstance(value, Mapping):
        table = tomlkit.table(is_super_table=all(isinstance(part, Mapping) for part in value.values()))
        for key, part in value.items():
            table.add(key, toml_item(part))
        return table
    return tomlkit.item(value)


def plain_number(value: Decimal) -> str:
    """A number without trailing zeros and exponent: 150000, not 1.5E+5 or 150000.00."""
    return format(value.normalize(), "f")
