"""A corrected mapping, read again from the archive: what stands is what one landing by today's mapping would have given."""

from __future__ import annotations

import shutil
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from flows.inbox.corrections import release
from flows.pipeline import rate
from flows.pipeline.reload import ReloadError, ReloadReport, reload
from flows.pipeline.stages import rate_stage
from tests.flows.test_mending import exported, write
from tests.warehouse.making import (
    NOW,
    SQL,
    Loader,
    assert_conserved,
    gate,
    line,
    of_customers,
    of_lines,
)

WITHOUT_R2 = SQL["invoice_lines"].replace(
    "CASE WHEN document = 'Summe'", "CASE WHEN document = 'R2' THEN 'test_line' WHEN document = 'Summe'"
)
LIVE = """SELECT document_id, net_amount::VARCHAR, batch_id, batch_sequence, recorded_at, available_on
          FROM erp.invoice_lines WHERE NOT is_deleted ORDER BY ALL"""


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    made = Loader(tmp_path)
    made.source()
    return made


def reloaded(loader: Loader, **asked: Any) -> ReloadReport:
    arguments = {"keep_missing": False, "dry_run": False, "recorded_at": NOW.replace(year=2026), **asked}
    return reload(loader.settings, gate(), "shop", None, **arguments)


def test_a_reload_takes_back_what_the_old_mapping_gave_and_keeps_order_and_times(loader: Loader) -> None:
    loader.loaded(of_lines(line(1), line(2), number=1))
    loader.loaded(of_lines(line(1, net="11,00"), line(3), number=2))
    times = loader.query("SELECT batch_id, recorded_at FROM ops.batch ORDER BY ALL")
    before = loader.query(LIVE)
    loader.source(sql={"invoice_lines": WITHOUT_R2})
    report = reloaded(loader)
    assert (report.batches, dict(report.rows)) == (2, {"invoice_lines": 1})
    assert loader.query(LIVE) == [row for row in before if row[0] != "R2"]
    assert loader.query("SELECT batch_id, recorded_at FROM ops.batch ORDER BY ALL") == times
    assert loader.column("SELECT deleted_by FROM erp.invoice_lines WHERE is_deleted") == ["mapping"]
    assert_conserved(loader)

    loader.source()
    assert dict(reloaded(loader).rows) == {"invoice_lines": 1}
    assert loader.query(LIVE) == before


def test_a_reload_gives_the_tables_that_landing_all_of_it_by_todays_mapping_gives(tmp_path: Path) -> None:
    batches = [
        of_customers("K1;Eins", "K2;Zwei", number=1),
        of_lines(line(1), line(2), line(4, net="x"), number=2),
        of_customers("K1;Einzig", number=3),
        of_lines(line(2, net="12,00"), line(3), number=4),
    ]
    once, twice = Loader(tmp_path / "once"), Loader(tmp_path / "twice")
    twice.with_settings(shrink_limit=1.0)
    once.with_settings(shrink_limit=1.0)
    twice.source(sql={"invoice_lines": WITHOUT_R2})
    once.source()
    for each in batches:
        once.loaded(each)
        twice.loaded(each)
    twice.source()
    reloaded(twice)
    for table in (
        "erp.invoice_lines",
        "erp.customers",
        'quarantine."row"',
        "ops.batch_table",
    ):
        columns = {"erp": "* EXCLUDE (deleted_by)", "ops": "* EXCLUDE (inserted, updated)"}.get(
            table[:3], "*"
        )
        sql = f"SELECT {columns} FROM {table} ORDER BY ALL"
        assert twice.query(sql) == once.query(sql), table


def test_a_dry_run_changes_nothing_and_says_what_would_change(loader: Loader) -> None:
    loader.with_settings(policy=rate.SHIPPED_POLICIES / "default.toml")
    loader.loaded(of_customers("K1;Eins", number=1))
    loader.loaded(of_lines(line(1), line(2, net="90,00"), number=2))
    rate_stage(loader.settings, date(2025, 6, 15))
    loader.source(sql={"invoice_lines": WITHOUT_R2})
    content = loader.settings.warehouse_file.read_bytes()
    report = reloaded(loader, dry_run=True)
    assert loader.settings.warehouse_file.read_bytes() == content
    assert dict(report.rows) == {"invoice_lines": 1}
    assert report.before
    assert report.after
    assert (report.before.net_sales, report.after.net_sales) == (100, 10)
    assert report.customers == 1
    assert list(loader.settings.home.glob(".reloading*")) == []


def test_what_a_corrected_mapping_changes_is_told_as_a_correction_also_of_the_latest_period(
    loader: Loader,
) -> None:
    """K2 loses all of its lines but the small ones; K1, whose rows are the same, is told nothing of."""
    loader.with_settings(policy=rate.SHIPPED_POLICIES / "default.toml")
    days = [f"10.{month:02}.{year}" for year in (2023, 2024) for month in range(1, 13)]
    rows = [
        line(number, customer=customer, net="90.000,00", day=day)
        for number, (day, customer) in enumerate(product(days, ("K1", "K2")), start=1)
    ]
    loader.loaded(of_customers("K1;Eins", "K2;Zwei", number=1))
    loader.loaded(of_lines(*rows, number=2))
    rate_stage(loader.settings, date(2025, 1, 15))
    assert loader.column("SELECT count(*) FROM ops.outbox WHERE type LIKE '%tier.changed%'") == [0]

    small = SQL["invoice_lines"].replace("net AS", "if(customer = 'K2', net / 1000, net)::DECIMAL(18, 4) AS")
    loader.source(sql={"invoice_lines": small})
    assert dict(reloaded(loader).rows) == {"invoice_lines": 24}
    rate_stage(loader.settings, date(2025, 1, 15))
    told = loader.query(
        """SELECT DISTINCT customer_id, body::JSON->'data'->>'cause' FROM ops.outbox WHERE type LIKE '%tier.changed%'"""
    )
    assert told == [("K2", "correction")]
    latest = loader.query(
        """SELECT customer_id, revision, cause FROM rated.customer_value_history
           WHERE period = (SELECT max(period) FROM rated.customer_value_history) ORDER BY ALL"""
    )
    assert latest == [("K1", 1, "baseline"), ("K2", 1, "baseline"), ("K2", 2, "correction")]

    loader.loaded(
        of_lines(*(line(90 + n, customer="K1", net="-900.000,00", day=days[-1]) for n in (1, 2)), number=3)
    )
    rate_stage(loader.settings, date(2025, 1, 15))
    causes = loader.query(
        """SELECT customer_id, cause FROM rated.customer_value_history
           WHERE (period, recorded_at) = (SELECT (max(period), max(recorded_at)) FROM rated.customer_value_history)"""
    )
    assert causes == [("K1", "data")]


def test_a_reload_refuses_where_the_archive_is_not_whole_and_names_what_is_missing(loader: Loader) -> None:
    loader.loaded(of_lines(line(1), line(2), number=1))
    loader.loaded(of_lines(line(3), number=2))
    loader.loaded(of_lines(line(4), number=3))
    archive = loader.settings.archive / "shop" / "DE01"
    shutil.rmtree(archive / "b1")
    (archive / "b3" / "lines.csv").write_bytes(b"other")
    loader.source(sql={"invoice_lines": SQL["invoice_lines"].replace("'ST'", "'KG'")})
    before = loader.query("SELECT * FROM erp.invoice_lines ORDER BY ALL")
    with pytest.raises(
        ReloadError, match=r"(?s)2 loaded batches.*shop/DE01/b1: .*shop/DE01/b3: lines.csv is not"
    ):
        reloaded(loader)
    assert loader.query("SELECT * FROM erp.invoice_lines ORDER BY ALL") == before

    report = reloaded(loader, keep_missing=True)
    assert report.kept == ("shop/DE01/b1", "shop/DE01/b3")
    assert loader.query("SELECT document_id, uom FROM erp.invoice_lines WHERE NOT is_deleted ORDER BY ALL") == [
        ("R1", "ST"), ("R2", "ST"), ("R3", "KG"), ("R4", "ST"),
    ]  # fmt: skip


def test_a_mapping_that_refuses_a_batch_changes_nothing(loader: Loader) -> None:
    loader.loaded(of_lines(line(1)))
    loader.source(sql={"invoice_lines": "SELECT nonsense FROM LINES"})
    before = loader.query("SELECT * FROM erp.invoice_lines")
    with pytest.raises(ReloadError, match="nothing was changed: shop/DE01/b1 is refused"):
        reloaded(loader)
    assert loader.query("SELECT * FROM erp.invoice_lines") == before


def test_what_was_released_is_applied_again_where_it_is_still_in_quarantine_and_otherwise_named(
    loader: Loader,
) -> None:
    loader.loaded(of_lines(line(1), line(2, net="x"), number=1))
    (row,) = exported(loader)
    (landed,) = release(loader.settings, write(loader, [{**row, "Netto": "7,00"}])).landed
    loader.load()
    before = loader.query(LIVE)
    assert reloaded(loader).left_out == ()
    assert loader.query(LIVE) == before
    assert loader.column('SELECT released_by FROM quarantine."row"') == [landed.batch_id]

    loader.source(sql={"invoice_lines": WITHOUT_R2}, resources__LINES__columns__net={"header": "Netto"})
    loader.source(
        sql={"invoice_lines": WITHOUT_R2.replace("net AS", "coalesce(TRY_CAST(net AS DECIMAL(18,4)), 1) AS")},
        resources__LINES__columns__net={"header": "Netto"},
    )
    assert reloaded(loader).left_out == (f"shop/DE01/{landed.batch_id}",)
    assert [row[0] for row in loader.query(LIVE)] == ["R1"]
