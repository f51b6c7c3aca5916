"""The sample company is made from its arguments and nothing else."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import pytest

from flows.demo.world import build_world, describe, write_month
from tests.unit.flows.demo_inbox import LAST_MONTH, Inbox, land


def contents(inbox: Inbox) -> dict[str, str]:
    files = (path for path in inbox.folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(inbox.folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def test_the_same_seed_makes_the_same_files_to_the_byte(tmp_path: Path) -> None:
    first = land(tmp_path / "a", customers=60, months=5)
    again = land(tmp_path / "b", customers=60, months=5)
    assert contents(first) == contents(again)


def test_another_seed_makes_another_company(tmp_path: Path) -> None:
    first = contents(land(tmp_path / "a", customers=60, months=2, seed=7))
    other = contents(land(tmp_path / "b", customers=60, months=2, seed=8))
    assert set(first) != set(other)


def test_a_month_landed_twice_is_one_batch_of_each_source(tmp_path: Path) -> None:
    world = build_world(last_month=LAST_MONTH, customers=60, months=3)
    assert write_month(world, world.months[1], tmp_path) == write_month(world, world.months[1], tmp_path)
    assert sorted(path.parts[-3:-1] for path in tmp_path.glob("*/*/*")) == [
        ("hanse_crm", "1000"),
        ("hanse_erp", "1000"),
    ]


def test_the_months_end_with_the_one_asked_for() -> None:
    world = build_world(last_month=date(2024, 2, 29), customers=60, months=14)
    assert (world.months[0], world.months[-1], len(world.months)) == (date(2023, 1, 1), date(2024, 2, 1), 14)


def test_one_month_is_a_company_too(tmp_path: Path) -> None:
    assert len(land(tmp_path, customers=60, months=1).batches) == 2


def test_a_month_outside_the_company_s_is_refused(tmp_path: Path) -> None:
    world = build_world(last_month=LAST_MONTH, customers=60, months=3)
    with pytest.raises(ValueError, match="2025-07 is not one of the 3 months"):
        write_month(world, date(2025, 7, 1), tmp_path)


def test_a_company_without_a_month_is_refused() -> None:
    with pytest.raises(ValueError, match="0 months are none"):
        build_world(last_month=LAST_MONTH, customers=60, months=0)


@pytest.mark.parametrize("customers", [-3, 0, 10])
def test_a_company_too_small_for_its_stories_is_refused(customers: int) -> None:
    with pytest.raises(ValueError, match=f"{customers} customers are too few"):
        build_world(last_month=LAST_MONTH, customers=customers, months=3)


def test_the_description_names_every_customer_with_a_story() -> None:
    world = build_world(last_month=LAST_MONTH, customers=60, months=36)
    text = describe(world)
    assert all(name in text and who.customer_id in text for name, who in world.planted.items())


def test_stories_belong_to_customers_of_their_own() -> None:
    world = build_world(last_month=LAST_MONTH, customers=60, months=36)
    assert len({who.customer_id for who in world.planted.values()}) == len(world.planted)
    assert all(who.since in world.months for who in world.planted.values())


def test_documents_are_numbered_in_time_order(tmp_path: Path) -> None:
    inbox = land(tmp_path, customers=60, months=6)
    rows = (
        inbox.connect()
        .sql("SELECT VBELN, min(day(FKDAT)) FROM VBRP WHERE VBELN < '0099' GROUP BY 1 ORDER BY 1")
        .fetchall()
    )
    days = [day for _, day in rows]
    assert days == sorted(days)
