"""Numbers of more than 18 digits are rounded by way of narrower ones, and come out as if they were not."""

from __future__ import annotations

import duckdb
import pytest

from warehouse.staging.casts import _converted
from warehouse.staging.scratch import MACROS

WHOLES = [
    "0",
    "7",
    "999999999",
    "1000000000",
    "999999999999",
    "1000000000000",
    "99999999999999",
    "100000000000000",
]
FRACTIONS = ["", ".5", ".00005", ".000049999", ".00015", ".99994", ".99995", ".999999499", ".9999995"]
NUMBERS = [f"{sign}{whole}{fraction}" for sign in ("", "-") for whole in WHOLES for fraction in FRACTIONS]


@pytest.mark.parametrize(
    "given", ["DECIMAL(19,9)", "DECIMAL(38,4)", "DECIMAL(38,9)", "DECIMAL(38,18)", "DECIMAL(38,20)"]
)
@pytest.mark.parametrize("wanted", ["DECIMAL(18,4)", "DECIMAL(18,6)"])
def test_a_wide_number_becomes_what_a_plain_cast_makes_of_it(given: str, wanted: str) -> None:
    _assert_same(f"TRY_CAST(amount AS {wanted})", _converted("amount", given, wanted), given)


def test_an_amount_is_rounded_to_four_decimals_whatever_its_width() -> None:
    _assert_same("CAST(amount AS DECIMAL(38, 4))", "in_four_decimals(amount)", "DECIMAL(38,9)")


def _assert_same(plain: str, ours: str, given: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(MACROS.read_text(encoding="utf-8"))
        differing = connection.execute(
            f"""SELECT amount, {plain}, {ours}
                FROM (SELECT TRY_CAST(unnest(?::VARCHAR[]) AS {given}) AS amount)
                WHERE {plain} IS DISTINCT FROM {ours}""",
            [NUMBERS],
        ).fetchall()
    assert differing == []
