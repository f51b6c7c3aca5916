"""The kinds of value a policy holds: exact numbers with their bounds, and sections that forbid unknown keys."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _exact(value: object) -> object:
    """Read a whole number, a Decimal or a quoted number; a float is refused, for it is not what was written."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        given = "a binary fraction" if isinstance(value, float) else "not a number"
        # a TypeError would leave pydantic instead of becoming a fault of this key
        raise ValueError(f"is {value!r}, {given}; write a decimal number, or one in quotes")  # noqa: TRY004
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"is {value!r}; a decimal number is expected, such as 1500 or 0.25") from None
    if not number.is_finite():
        raise ValueError(f"is {value!r}; a finite number is expected")
    return number


def listed(value: object) -> object:
    """Turn a list, as TOML gives it, into a tuple, which cannot change."""
    return tuple(value) if isinstance(value, list) else value


def _places(limit: int) -> BeforeValidator:
    def check(value: object) -> object:
        number = _exact(value)
        if isinstance(number, Decimal) and number != round(number, limit):
            raise ValueError(f"is {value}; at most {limit} decimal places are kept")
        return number

    return BeforeValidator(check)


Money = Annotated[Decimal, Field(ge=0, le=Decimal(10) ** 14), _places(4)]
Ratio = Annotated[Decimal, Field(ge=0, le=1), _places(6)]
Margin = Annotated[Decimal, Field(ge=0, lt=1), _places(6)]
PositiveRatio = Annotated[Decimal, Field(gt=0, le=1), _places(6)]
Number = Annotated[Decimal, Field(ge=0, le=Decimal(10) ** 6), _places(6)]
PositiveNumber = Annotated[Decimal, Field(gt=0, le=Decimal(10) ** 6), _places(6)]
Score = Annotated[Decimal, Field(ge=0, le=100), _places(4)]
MeasureValue = Annotated[Decimal, Field(ge=-(Decimal(10) ** 14), le=Decimal(10) ** 14), _places(6)]
Months = Annotated[int, Field(ge=1, le=120)]
Periods = Annotated[int, Field(ge=1, le=36)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Days = Annotated[int, Field(ge=0, le=3650)]
Breakpoint = Annotated[tuple[MeasureValue, Score], BeforeValidator(listed)]


class Section(BaseModel):
    """A section of the policy: frozen, every key required, unknown keys refused, no type guessed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
