"""What every group of commands shares: the application, its groups, and options of the same meaning."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Group, Parameter, Token

from flows.errors import UsageError

if TYPE_CHECKING:
    from flows.settings import Settings

Json = Annotated[
    bool, Parameter(name="--json", negative=(), show_default=False, help="Print JSON instead of a table.")
]
Company = Annotated[str | None, Parameter(help="Only this legal entity.")]
CompanyOfNumber = Annotated[str | None, Parameter(help="The legal entity, where several have that number.")]
Source = Annotated[str | None, Parameter(help="Only what this source delivered.")]
Batch = Annotated[str | None, Parameter(help="Only this batch.")]
Table = Annotated[str | None, Parameter(help="Only this canonical table, such as invoice_lines.")]
Rule = Annotated[str | None, Parameter(help="Only rows that broke this rule.")]


def month(_: type, tokens: Sequence[Token]) -> date:
    """The first day of a month written as 2024-01."""
    try:
        return datetime.strptime(tokens[0].value, "%Y-%m").date()  # noqa: DTZ007 - a month, nowhere in particular
    except ValueError:
        raise UsageError(f"{tokens[0].value!r} is no month; write it as 2024-01") from None


def _version() -> str:
    from importlib.metadata import version

    return version("valuemart")


work = Group("Bring data in and rate", sort_key=1)
look = Group("Look at the results", sort_key=2)
send = Group("Send events", sort_key=3)
rules = Group("Set the rules", sort_key=4)
operate = Group("Run it day by day", sort_key=5)

app = App(
    name="valuemart",
    help="Rates customers from ERP extracts and keeps a mart of what each is worth.",
    help_format="plaintext",
    version=_version,
    suppress_keyboard_interrupt=False,
)


def settings_of_this_process() -> Settings:
    """The settings, read when a command needs them."""
    from flows.settings import load

    return load()


def text_of(file: Path) -> str:
    """A text file that a person named."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise UsageError(f"{file} cannot be read: {reason}") from error
