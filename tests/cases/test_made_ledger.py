"""A made ledger of 500 customers, of whom 40 fail: nobody is asked to prepay for nothing, and who fails is warned of before."""

from __future__ import annotations

import polars as pl
import pytest

from tests.bench import made_ledger
from tests.unit.transforms.small_worlds import policy

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("collected_as_rated")]


@pytest.fixture(scope="module")
def ledger() -> made_ledger.Ledger:
    return made_ledger.made_ledger()


@pytest.fixture(scope="module")
def seen(ledger: made_ledger.Ledger) -> pl.DataFrame:
    return made_ledger.looks(ledger, policy(), count=6)


def test_nobody_who_owes_nothing_net_overdue_and_material_is_stopped_or_asked_to_prepay(
    seen: pl.DataFrame,
) -> None:
    assert made_ledger.without_cause(seen, policy()).is_empty()


def test_who_pays_on_the_day_disputes_an_invoice_or_waits_for_its_cash_to_be_applied_is_not_warned_of(
    seen: pl.DataFrame, ledger: made_ledger.Ledger
) -> None:
    harmless = {"pays on the day", "one invoice disputed", "pays on account, applied weeks later"}
    warned = {row[0]: row[2:] for row in made_ledger.by_kind(seen, ledger)}
    assert {warned[kind] for kind in harmless} == {(0, 0, 0)}


def test_who_fails_is_warned_of_at_the_last_look_before_it_does(
    seen: pl.DataFrame, ledger: made_ledger.Ledger
) -> None:
    warned = seen.filter(pl.col("warning_since").is_not_null())
    looks = sorted(set(seen["as_of"]))
    for customer, day in ledger.failed_on.items():
        before = [look for look in looks if look < day]
        if before:
            assert customer in warned.filter(as_of=before[-1])["customer_id"], customer
