"""A wholesaler's real invoice lines: nothing is lost, months are rated in order, and no order of arrival matters."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from tests.bench.real_sets import SETS

if TYPE_CHECKING:
    from expectations.gate import Gate
    from flows.pipeline.stages import RefreshResult
    from tests.real.conftest import Installation

_, CURRENCY, EXTRACTED_AT = SETS["online_retail"]
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]
RATED_MONTHS = [
    date(2011, 6, 30),
    date(2011, 7, 31),
    date(2011, 8, 31),
    date(2011, 9, 30),
    date(2011, 10, 31),
    date(2011, 11, 30),
]
# Where a row came from and when it was written down differs between two deliveries of the same facts.
PROVENANCE = {"batch_id", "source_file", "source_file_sha256", "source_row", "batch_sequence", "recorded_at"}
OF_A_DELIVERY = {"batch_finding", "batch_refusal", "data_quality", "publication"}

Fingerprints = dict[str, tuple[object, ...]]


@pytest.fixture(scope="module")
def whole_file(real_data: Path) -> Path:
    return real_data / "online_retail" / "online_retail_all.csv.zst"


@pytest.fixture(scope="module")
def in_one_batch(
    install: Callable[[str], Installation], loaded_online_retail: Path
) -> Callable[[], Installation]:
    """Makes an installation of its own that has loaded the whole file as one batch."""

    def copied() -> Installation:
        installation = install(CURRENCY)
        shutil.copytree(loaded_online_retail, installation.settings.home, symlinks=True)
        return installation

    return copied


@pytest.fixture(scope="module")
def rated(in_one_batch: Callable[[], Installation]) -> tuple[Installation, list[RefreshResult]]:
    """The whole file as one batch, rated at the end of each month from June to November."""
    installation = in_one_batch()
    return installation, installation.backfill(RATED_MONTHS[0], RATED_MONTHS[-1])


@pytest.fixture(scope="module")
def whole_year(online_retail: Installation) -> Installation:
    """The same installation once December's days are let in; for the tests behind those of the months."""
    rate_and_publish(online_retail, [date(2011, 12, 31)])
    return online_retail


@pytest.fixture(scope="module")
def online_retail(rated: tuple[Installation, list[RefreshResult]]) -> Installation:
    return rated[0]


def fingerprints(
    connection: duckdb.DuckDBPyConnection,
    *,
    without_columns: set[str] = frozenset(),
    without_tables: set[str] = frozenset(),
) -> Fingerprints:
    """Rows and a hash of each table's content, whatever the order of its rows."""
    found: Fingerprints = {}
    tables = connection.sql(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal AND NOT temporary ORDER BY ALL"
    ).fetchall()
    for schema, table in tables:
        if table in without_tables:
            continue
        columns = [
            name
            for (name,) in connection.execute(
                "SELECT column_name FROM duckdb_columns() WHERE schema_name = ? AND table_name = ? ORDER BY column_name",
                [schema, table],
            ).fetchall()
            if name not in without_columns
        ]
        hashed = ", ".join(f'"{name}"' for name in columns)
        query = f'SELECT count(*), sum(hash({hashed})::HUGEINT) FROM "{schema}"."{table}"'
        (found[f"{schema}.{table}"],) = connection.sql(query).fetchall()
    return found


def test_every_line_is_accepted_or_quarantined(online_retail: Installation) -> None:
    assert online_retail.one(
        """SELECT rows_in, accepted, quarantined, excluded, refused FROM ops.batch_table
           WHERE table_name = 'invoice_lines'"""
    ) == (541_909, 406_829, 135_080, 0, 0)


def test_the_lines_without_a_customer_are_in_quarantine_under_that_rule_and_no_other(
    online_retail: Installation,
) -> None:
    with online_retail.warehouse() as warehouse:
        assert warehouse.sql(
            "SELECT table_name, rule, column_name, count(*) FROM quarantine.reason GROUP BY ALL"
        ).fetchall() == [("invoice_lines", "customer_id_missing", "customer_id", 135_080)]


def test_a_quarantined_line_still_shows_what_the_file_said(online_retail: Installation) -> None:
    assert online_retail.one(
        """SELECT raw->>'InvoiceNo', raw->>'Description', raw->>'UnitPrice' FROM quarantine.row
           WHERE raw->>'InvoiceNo' = 'A563185'"""
    ) == ("A563185", "Adjust bad debt", "11062.06")


def test_exact_repeats_are_lines_of_their_own(online_retail: Installation) -> None:
    lines, keys = online_retail.one(
        "SELECT count(*), count(DISTINCT (document_id, line_id)) FROM erp.invoice_lines"
    )
    assert lines == keys == 406_829
    repeats, net = online_retail.one(
        "SELECT count(*), sum(net_amount) FROM erp.invoice_lines WHERE NOT ends_with(line_id, '-1')"
    )
    assert repeats == 5_226
    assert net == Decimal("21550.2900")


def test_customers_and_products_come_out_of_the_lines(online_retail: Installation) -> None:
    assert online_retail.one(
        "SELECT count(*), min(customer_id), max(customer_id), count(*) FILTER (contains(customer_id, '.')) FROM erp.customers"
    ) == (4_372, "12346", "18287", 0)
    assert online_retail.one("SELECT count(*) FROM erp.products") == (4_070,)


def test_months_are_rated_in_order_and_customers_move(
    rated: tuple[Installation, list[RefreshResult]],
) -> None:
    installation, results = rated
    assert all(result.rating is not None for result in results)
    with installation.warehouse() as warehouse:
        periods = warehouse.sql(
            "SELECT DISTINCT period FROM rated.customer_value_history ORDER BY 1"
        ).fetchall()
        assert [period for (period,) in periods] == [day.replace(day=1) for day in RATED_MONTHS]
        moved = warehouse.sql(
            "SELECT period, count(*) FROM rated.tier_change WHERE cause <> 'baseline' GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert moved
    assert all(period > date(2011, 6, 1) for period, _ in moved)


def test_every_tier_that_holds_was_told_or_taken_for_known_and_every_event_left(
    rated: tuple[Installation, list[RefreshResult]],
) -> None:
    installation, _ = rated
    untold, moves, events, unknown = installation.one(
        """SELECT count(*) FILTER (told.emitted IS DISTINCT FROM latest.effective_tier), count(moved.event_id),
                  count(DISTINCT moved.event_id), count(moved.event_id) FILTER (event.event_id IS NULL)
           FROM (FROM rated.customer_value_history
                 QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY period DESC, revision DESC) = 1) AS latest
           LEFT JOIN ops.emitted_state AS told ON told.customer_id = latest.customer_id AND told.kind = 'tier'
           LEFT JOIN rated.tier_change AS moved
               ON moved.customer_id = latest.customer_id AND moved.period = latest.period
           LEFT JOIN ops.outbox AS event ON event.event_id = moved.event_id
           WHERE latest.effective_tier <> 'prospect'"""
    )
    assert (untold, unknown) == (0, 0)
    assert moves == events
    lines = [
        line
        for path in installation.settings.events_folder.glob("*.jsonl")
        for line in path.read_text("utf-8").splitlines()
    ]
    assert installation.one("SELECT count(*) FROM ops.outbox") == (len(lines),)


def test_a_second_refresh_changes_no_table(rated: tuple[Installation, list[RefreshResult]]) -> None:
    installation, _ = rated
    with installation.warehouse() as warehouse:
        before = fingerprints(warehouse)
    with installation.mart() as mart:
        mart_before = fingerprints(mart)
    again = installation.refresh(RATED_MONTHS[-1])
    assert again.rating is None
    with installation.warehouse() as warehouse:
        assert fingerprints(warehouse) == before
    with installation.mart() as mart:
        assert fingerprints(mart) == mart_before


def test_no_sale_is_lost_or_invented(whole_year: Installation) -> None:
    assert whole_year.one("SELECT sum(net_sales) FROM rated.customer_month") == (Decimal("8300065.8140"),)
    with whole_year.mart() as mart:
        assert mart.sql("SELECT sum(net_sales) FROM customer_month").fetchall() == [
            (Decimal("8300065.8140"),)
        ]


@pytest.mark.parametrize(
    ("customer", "net_sales"), [("14646", "279489.0200"), ("18102", "256438.4900"), ("17450", "187482.1700")]
)
def test_a_customers_sales_are_those_of_its_lines(
    customer: str, net_sales: str, whole_year: Installation
) -> None:
    query = f"SELECT sum(net_sales) FROM rated.customer_month WHERE customer_id = '{customer}'"
    assert whole_year.one(query) == (Decimal(net_sales),)


def test_what_a_customer_sent_back_is_shown_apart(whole_year: Installation) -> None:
    query = "SELECT sum(returns) FROM rated.customer_month WHERE customer_id = '17450'"
    assert whole_year.one(query) == (Decimal("-7068.6200"),)


def split_and_shuffled(whole_file: Path, folder: Path, parts: int) -> list[Path]:
    """The same lines in another order, in as many files, each with whole invoices."""
    paths = [folder / f"online_retail_{part}.csv{'.gz' if part == 0 else ''}" for part in range(parts)]
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE line AS SELECT * FROM read_csv('{whole_file}', all_varchar=true, header=true)"
        )
        for part, path in enumerate(paths):
            connection.execute(
                f"""COPY (SELECT * FROM line WHERE hash(InvoiceNo) % {parts} = {part} ORDER BY hash(rowid, 7))
                    TO '{path}' (FORMAT csv, HEADER true)"""
            )
    return paths


def rate_and_publish(installation: Installation, days: Sequence[date]) -> None:
    """What a refresh of each day does to the mart; the report, which takes longer than the rest, nobody looks at here."""
    from flows.pipeline.stages import publish_stage, rate_stage

    for as_of in days:
        assert rate_stage(installation.settings, as_of) is not None
        publish_stage(installation.settings)


def mart_content(installation: Installation) -> Fingerprints:
    with installation.mart() as mart:
        return fingerprints(mart, without_columns=PROVENANCE, without_tables=OF_A_DELIVERY)


def test_neither_the_order_of_lines_nor_of_batches_nor_their_split_changes_the_mart(
    install: Callable[[str], Installation],
    in_one_batch: Callable[[], Installation],
    whole_file: Path,
    gate: Gate,
    tmp_path: Path,
) -> None:
    from flows.pipeline.stages import load_stage

    in_order = in_one_batch()
    rate_and_publish(in_order, RATED_MONTHS[-2:])
    in_parts = install(CURRENCY)
    parts: Sequence[Path] = split_and_shuffled(whole_file, tmp_path, 3)
    for part in reversed(parts):
        in_parts.land([part], "online_retail", EXTRACTED_AT)
    assert [outcome.status for outcome in load_stage(in_parts.settings, gate).outcomes] == ["loaded"] * 3
    rate_and_publish(in_parts, RATED_MONTHS[-2:])
    assert mart_content(in_parts) == mart_content(in_order)
