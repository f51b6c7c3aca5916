"""The kinds of parameters that a deployment asks a person for, as the command line takes them.

Each says in the deployment's own schema how it is written, so that the server refuses another when it is asked for, and not a
run half a minute later.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

_DAY_OF_MONTH = "(0[1-9]|[12][0-9]|3[01])"
_MONTH = "[0-9]{4}-(0[1-9]|1[0-2])"


def month_of(value: object) -> object:
    """The first day of a month that is written as 2025-06; what is written otherwise, as it is."""
    if isinstance(value, str) and len(value) == len("2025-06"):
        return datetime.strptime(value, "%Y-%m").date()  # noqa: DTZ007 - a month, nowhere in particular
    return value


def code_of(value: object) -> object:
    """A code of digits as text: `prefect deployment run --param company=1000` sends a number, and one with zeros before it, text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Name = Annotated[str, Field(min_length=1)]
Code = Annotated[
    str,
    BeforeValidator(code_of),
    Field(min_length=1),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "minLength": 1}, {"type": "integer"}], "examples": ["1000"]}
    ),
]
Day = Annotated[
    date,
    WithJsonSchema(
        {
            "type": "string",
            "format": "date",
            "pattern": f"^{_MONTH}-{_DAY_OF_MONTH}$",
            "examples": ["2025-06-30"],
        }
    ),
]
Month = Annotated[
    date,
    BeforeValidator(month_of),
    WithJsonSchema({"type": "string", "pattern": f"^{_MONTH}(-{_DAY_OF_MONTH})?$", "examples": ["2025-06"]}),
]
