"""What can be wrong with a delivery, in words a person can act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: where it is, which rule it breaks, and what to do about it."""

    rule: str
    message: str
    remedy: str
    file: str | None = None
    row: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        place = [
            part
            for part in (
                self.file,
                f"row {self.row}" if self.row is not None else None,
                f"column {self.column}" if self.column is not None else None,
            )
            if part
        ]
        where = ", ".join(place)
        return f"{where + ': ' if where else ''}{self.message} [{self.rule}]. {self.remedy}"


class UserError(Exception):
    """An error of this room that a person can mend; the command line ends with its exit code, and says its message."""

    exit_code: ClassVar[int] = 2


class BatchRefusedError(UserError):
    """The batch as a whole cannot be trusted; none of its rows may enter.

    `records` counts those of its resources, as far as they could be counted before it was refused.
    """

    exit_code = 3

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = faults
        self.records: Mapping[str, int] = {}


class SourceError(UserError):
    """A source folder (profile.yaml or its SQL) is wrong: the mapping must be mended, not the data.

    `records` counts those of the batch at hand, as far as they could be counted before.
    """

    def __init__(self, *messages: str) -> None:
        super().__init__("; ".join(messages))
        self.messages = messages
        self.records: Mapping[str, int] = {}

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The same as what is wrong with a batch that is to be read by the source."""
        remedy = "Mend the source's folder, and the batch is tried again by itself; or land files as the source expects them."
        return tuple(Fault("source_mapping", message, remedy) for message in self.messages)


class Mistakes:
    """What several steps find wrong with a batch, to be shown together: each step goes on where the one before it stopped."""

    def __init__(self) -> None:
        self.of_batch: list[Fault] = []
        self.of_source: list[str] = []

    def __bool__(self) -> bool:
        """Whether anything was found."""
        return bool(self.of_batch or self.of_source)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note what the block refuses, and go on behind it."""
        try:
            yield
        except BatchRefusedError as error:
            self.of_batch += error.faults
        except SourceError as error:
            self.of_source += error.messages

    def require_none(self) -> None:
        """Raise all that was noted: SourceError if it is the source's alone, otherwise BatchRefusedError."""
        source = SourceError(*self.of_source)
        if self.of_batch:
            # Steps that go on behind a mistake may meet it again.
            raise BatchRefusedError(*dict.fromkeys((*self.of_batch, *source.faults)))
        if self.of_source:
            raise source


class WarehouseBusyError(UserError):
    """Another process holds the warehouse; nothing was touched."""

    exit_code = 1
