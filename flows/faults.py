"""Mistakes that a person can mend, and the exit codes that tell them apart."""

from __future__ import annotations

OTHER, USAGE, REFUSED, INTERRUPTED = 1, 2, 3, 130


class UsageError(Exception):
    """What was asked for on the command line cannot be; the message says what to do instead."""


class ServerError(Exception):
    """A Prefect server did not start, or does not take what it is asked; the message says where to look."""


class PullRunningError(Exception):
    """Another pull of the same source and company is at work; nothing was touched."""


def exit_code(error: Exception) -> int | None:
    """The exit code of an error that a person can mend; None for a fault of our own."""
    from expectations.contract import ContractError
    from flows.backing_up import BackupError
    from flows.databases.faults import DatabaseRefusedError, DatabaseUnreachableError
    from flows.pull import LandingError
    from flows.settings import SettingsError
    from transforms.policy_problems import PolicyError
    from warehouse.faults import BatchRefusedError, SourceError, WarehouseBusyError
    from warehouse.migrate import MigrationError
    from warehouse.published_files import NothingPublishedError
    from warehouse.reading import UnknownCustomerError
    from warehouse.relay_store import RelayStoreError
    from warehouse.share import ShareError

    if isinstance(error, BatchRefusedError):
        return REFUSED
    later = (WarehouseBusyError, MigrationError, ServerError, PullRunningError, DatabaseUnreachableError)
    if isinstance(error, later):
        return OTHER
    mistakes = (
        UsageError,
        BackupError,
        SettingsError,
        LandingError,
        DatabaseRefusedError,
        SourceError,
        ContractError,
        PolicyError,
        ShareError,
        NothingPublishedError,
        UnknownCustomerError,
        RelayStoreError,
    )
    return USAGE if isinstance(error, mistakes) else None


def is_of_an_interrupt(error: BaseException | None) -> bool:
    """Ctrl-C in the middle of a query is an error of DuckDB's, and what fails on its way up hides it further."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False
