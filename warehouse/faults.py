"""What can be wrong with a delivery, in words a person can act on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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


class BatchRefusedError(Exception):
    """The batch as a whole cannot be trusted; none of its rows may enter.

    `records` counts those of its resources, as far as they could be counted before it was refused.
    """

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = faults
        self.records: Mapping[str, int] = {}


class SourceError(Exception):
    """A source folder (profile.yaml or its SQL) is wrong: the mapping must be mended, not the data.

    `records` counts those of the batch at hand, as far as they could be counted before.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.records: Mapping[str, int] = {}


class WarehouseBusyError(Exception):
    """Another process holds the warehouse; nothing was touched."""
