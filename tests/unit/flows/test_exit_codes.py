"""What a person can mend ends the command line with its own code; a fault of ours or of a library is no such thing."""

from __future__ import annotations

import pytest

from expectations.contract import ContractError
from flows.backup import BackupError
from flows.cli.exit_codes import exit_code
from flows.errors import PullRunningError, ServerError, UsageError
from flows.extract.databases.errors import DatabaseRefusedError, DatabaseUnreachableError
from flows.inbox.landing import LandingError
from flows.settings import SettingsError
from transforms.policy.errors import PolicyError
from warehouse.errors import BatchRefusedError, SourceError, WarehouseBusyError
from warehouse.mart.files import NothingPublishedError
from warehouse.mart.queries import UnknownCustomerError
from warehouse.mart.share import ShareError
from warehouse.relay.store import RelayStoreError
from warehouse.store.migrate import MigrationError

TO_BE_MENDED_FIRST = [
    UsageError("x"),
    BackupError("x"),
    SettingsError("x"),
    LandingError("x"),
    DatabaseRefusedError("x"),
    SourceError("x"),
    ContractError("x"),
    PolicyError(["x"]),
    ShareError("x"),
    NothingPublishedError("x"),
    UnknownCustomerError("x"),
    RelayStoreError("x"),
]
MAY_SUCCEED_LATER = [
    ServerError("x"),
    PullRunningError("x"),
    DatabaseUnreachableError("x"),
    WarehouseBusyError("x"),
    MigrationError("x"),
]


@pytest.mark.parametrize("error", TO_BE_MENDED_FIRST, ids=lambda error: type(error).__name__)
def test_a_mistake_of_a_person_ends_with_2(error: Exception):
    assert exit_code(error) == 2


@pytest.mark.parametrize("error", MAY_SUCCEED_LATER, ids=lambda error: type(error).__name__)
def test_what_may_succeed_later_ends_with_1(error: Exception):
    assert exit_code(error) == 1


def test_a_refused_batch_ends_with_3():
    assert exit_code(BatchRefusedError()) == 3


def test_an_exit_code_of_a_librarys_error_is_none_of_ours():
    foreign = type("ClickException", (Exception,), {"exit_code": 1, "__module__": "click.exceptions"})
    assert exit_code(foreign("x")) is None
    assert exit_code(ZeroDivisionError()) is None
