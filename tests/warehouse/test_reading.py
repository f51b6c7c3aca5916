from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations import contract
from warehouse.mart import queries
from warehouse.mart.excerpt import OF_ONE_CUSTOMER
from warehouse.mart.files import NothingPublishedError
from warehouse.mart.queries import QuarantineFilter

STORE = Path(queries.__file__).parents[1] / "store"
NOW = datetime(2025, 6, 1, 3, 30)
BATCH = {"source": "erp", "company_code": "DE01"}
# What a column holds that a test does not speak of.
FILLER = {"DATE": date(2025, 5, 31), "TIMESTAMP": NOW, "VARCHAR": "-", "BOOLEAN": False, "JSON": "{}"}


def insert(connection: duckdb.DuckDBPyConnection, table: str, *rows: dict[str, Any]) -> None:
    """Rows into a table, with a filler in every NOT NULL column that a row does not name."""
    columns = connection.execute(
        f"SELECT name, type, \"notnull\" FROM pragma_table_info('{table}')"
    ).fetchall()
    for given in rows:
        filled = {name: FILLER.get(kind, 0) for name, kind, required in columns if required} | given
        names, marks = ", ".join(f'"{name}"' for name in filled), ", ".join("?" * len(filled))
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(filled.values()))


def create(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """A published table by its contract."""
    columns = [
        f'"{column.name}" {column.type}{"" if column.nullable else " NOT NULL"}'
        for column in contract.load(table).columns
    ]
    connection.execute(f"CREATE TABLE {table} ({', '.join(columns)})")


@pytest.fixture
def ops(tmp_path: Path) -> Path:
    """The published books of two batches: one loaded with three bad rows, one refused."""
    file = tmp_path / "ops.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{file}' AS publishing; USE publishing")
        for migration in sorted((STORE / "migrations").glob("*.sql")):
            connection.execute(migration.read_text())
        create(connection, "publication")
        insert(connection, "publication", {"generation": 7, "as_of": date(2025, 5, 31), "published_at": NOW})
        insert(
            connection,
            "ops.batch",
            BATCH | {"batch_id": "b1", "status": "loaded", "sequence": 1},
            BATCH | {"batch_id": "b2", "status": "refused", "sequence": 2, "reason": "VBRP.csv: bad hash"},
        )
        insert(
            connection,
            "ops.batch_table",
            BATCH
            | {
                "batch_id": "b1",
                "table_name": "invoice_lines",
                "rows_in": 10,
                "accepted": 7,
                "quarantined": 3,
                "waiting": 0,
            },
            BATCH
            | {"batch_id": "b1", "table_name": "customers", "derived": True, "rows_in": 4, "accepted": 4},
            BATCH | {"batch_id": "b2", "table_name": "invoice_lines", "rows_in": 5, "refused": 5},
        )
        insert(connection, "ops.refusal", BATCH | {"batch_id": "b2", "rule": "bad_hash", "file": "VBRP.csv"})
        line = BATCH | {"batch_id": "b1", "table_name": "invoice_lines", "file": "VBRP.csv"}
        insert(
            connection,
            'quarantine."row"',
            *(line | {"row_number": number, "raw": f'{{"NETWR": "{number}x"}}'} for number in (2, 5)),
            line | {"row_number": 9, "released_by": "b1-mended-1"},
        )
        insert(
            connection,
            "quarantine.reason",
            line
            | {
                "row_number": 2,
                "rule": "unparsable",
                "column_name": "net_amount",
                "message": "2x is no amount",
            },
            line
            | {
                "row_number": 5,
                "rule": "unparsable",
                "column_name": "net_amount",
                "message": "5x is no amount",
            },
            line
            | {
                "row_number": 5,
                "rule": "customer_missing",
                "column_name": "customer_id",
                "message": "no customer",
            },
            line | {"row_number": 9, "rule": "duplicate_key", "message": "9 and 10 have one key"},
        )
        connection.execute("USE memory; DETACH publishing")
    return file


@pytest.fixture
def mart(tmp_path: Path) -> Path:
    """A published mart of two companies: 4711 rated twice in May, once in April; 0815 is a customer of both."""
    file = tmp_path / "mart.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{file}' AS publishing; USE publishing")
        for name in (*OF_ONE_CUSTOMER, "customer_succession", "publication"):
            create(connection, name)
        may, april = date(2025, 5, 1), date(2025, 4, 1)
        steel = {"company_code": "DE01", "customer_id": "4711"}
        rated = [
            steel
            | {"period": april, "revision": 1, "score": Decimal("50.0000"), "effective_tier": "cultivate"},
            steel
            | {"period": may, "revision": 1, "score": Decimal("60.0000"), "effective_tier": "cultivate"},
            steel | {"period": may, "revision": 2, "score": Decimal("71.5000"), "effective_tier": "core"},
            *(
                {"company_code": code, "customer_id": "0815", "period": may, "revision": 1}
                for code in ("DE01", "CN01")
            ),
        ]
        insert(connection, "customer_value_history", *rated)
        insert(
            connection,
            "customer",
            steel | {"name": "Weser Stahl"},
            *(
                {"company_code": code, "customer_id": "0815", "name": "Elbe Handel"}
                for code in ("DE01", "CN01")
            ),
        )
        insert(
            connection,
            "tier_change",
            steel | {"period": may, "from_tier": "cultivate", "to_tier": "core", "revision": 2},
        )
        insert(
            connection,
            "conduct_finding",
            steel | {"kind": "dumping", "confidence": "suspected"},
            steel | {"kind": "arrears", "confidence": "none"},
        )
        insert(connection, "next_action", steel | {"action": "investigate"})
        insert(connection, "publication", {"as_of": date(2025, 5, 31), "policy_hash": "abc"})
        grouped = {"company_code": "CN01", "group_id": "G1", "credit_limit": Decimal(500)}
        insert(connection, "customer", grouped | {"customer_id": "new"}, grouped | {"customer_id": "old"})
        insert(
            connection,
            "credit_watch",
            {"company_code": "CN01", "customer_id": "old", "group_id": "G1", "group_headroom": Decimal(70)},
        )
        bought = {"company_code": "CN01", "customer_id": "new"}
        insert(connection, "customer_month", *(bought | {"month": date(2025, month, 1)} for month in (3, 5)))
        connection.execute("USE memory; DETACH publishing")
    return file


def test_before_the_first_run_the_reader_is_told_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(NothingPublishedError, match=r"nothing is published in .* yet; land a batch"):
        queries.status(tmp_path / "ops.duckdb")


def test_the_status_counts_rows_by_fate_without_derived_tables(ops: Path) -> None:
    counts = queries.status(ops).row_counts

    assert counts == {
        "rows_in": 15,
        "accepted": 7,
        "quarantined": 3,
        "waiting": 0,
        "excluded": 0,
        "refused": 5,
        "released": 1,
    }


def test_the_status_lists_the_latest_batches_first_with_why_one_was_refused(ops: Path) -> None:
    found = queries.status(ops, latest=1)

    assert [(batch["batch_id"], batch["status"], batch["refused"]) for batch in found.batches] == [
        ("b2", "refused", 5)
    ]
    assert [refusal["rule"] for refusal in found.refusals] == ["bad_hash"]
    assert found.batch_counts == [{"status": "loaded", "batches": 1}, {"status": "refused", "batches": 1}]
    assert found.publication["generation"] == 7


def test_quarantined_rows_are_counted_by_rule_with_the_first_of_each(ops: Path) -> None:
    found = queries.quarantine_rules(ops, QuarantineFilter())

    assert [(rule["rule"], rule["rows"]) for rule in found] == [
        ("unparsable", 2),
        ("customer_missing", 1),
        ("duplicate_key", 1),
    ]
    assert [rule["released"] for rule in found] == [0, 0, 1]
    assert found[0]["first"] == "VBRP.csv row 2: 2x is no amount"


def test_a_quarantined_row_comes_with_its_text_and_every_rule_it_broke(ops: Path) -> None:
    (row,) = queries.quarantine_rows(ops, QuarantineFilter(rule="customer_missing"), kept_only=True)

    assert row["row_number"] == 5
    assert row["raw"] == '{"NETWR": "5x"}'
    assert [reason["rule"] for reason in row["reasons"]] == ["customer_missing", "unparsable"]


def test_rows_that_were_released_are_listed_only_if_asked_for(ops: Path) -> None:
    every = queries.quarantine_rows(ops, QuarantineFilter(), kept_only=False)
    assert [(row["row_number"], row["released_by"]) for row in every] == [
        (2, None),
        (5, None),
        (9, "b1-mended-1"),
    ]
    assert queries.quarantine_rows(ops, QuarantineFilter(), kept_only=True) == every[:2]


def test_each_rule_is_shown_with_the_first_rows_that_are_still_kept_out(ops: Path) -> None:
    found = queries.quarantine_rules(ops, QuarantineFilter(), examples=1)

    assert [(rule["rule"], rule["rows"]) for rule in found] == [("unparsable", 2), ("customer_missing", 1)]
    assert [[each["row_number"] for each in rule["examples"]] for rule in found] == [[2], [5]]
    assert found[0]["examples"][0]["raw"] == '{"NETWR": "2x"}'


@pytest.mark.parametrize(
    "wanted",
    [
        QuarantineFilter(source="crm"),
        QuarantineFilter(company="CN01"),
        QuarantineFilter(batch="b2"),
        QuarantineFilter(table="customers"),
        QuarantineFilter(rule="no_such_rule"),
    ],
)
def test_a_filter_that_nothing_meets_finds_nothing(ops: Path, wanted: QuarantineFilter) -> None:
    assert queries.quarantine_rules(ops, wanted) == []
    assert queries.quarantine_rows(ops, wanted, kept_only=True) == []


def test_a_customer_is_shown_by_the_latest_revision_and_the_period_before(mart: Path) -> None:
    file = queries.customer_file(mart, "4711", None)

    assert (file.current["period"], file.current["revision"], file.current["name"]) == (
        date(2025, 5, 1),
        2,
        "Weser Stahl",
    )
    assert file.previous is not None
    assert file.previous["score"] == Decimal("50.0000")
    assert [(move["from_tier"], move["to_tier"]) for move in file.moves] == [("cultivate", "core")]
    assert file.credit is None
    assert [(each["kind"], each["confidence"]) for each in file.conduct] == [
        ("arrears", "none"),
        ("dumping", "suspected"),
    ]
    assert file.next_action is not None
    assert file.next_action["action"] == "investigate"


def test_a_customer_of_several_companies_needs_the_company(mart: Path) -> None:
    with pytest.raises(
        queries.UnknownCustomerError, match="0815 is a customer of CN01, DE01; name one with --company"
    ):
        queries.customer_file(mart, "0815", None)

    assert queries.customer_file(mart, "0815", "CN01").current["company_code"] == "CN01"


def test_an_unknown_customer_is_answered_with_the_nearest(mart: Path) -> None:
    with pytest.raises(
        queries.UnknownCustomerError, match="no customer 4712 is rated; the nearest are 4711 Weser Stahl"
    ):
        queries.customer_file(mart, "4712", None)


@pytest.mark.parametrize("asked", ["4711", "0004711", "Weser Stahl", "weser", "WÉSER ST"])
def test_a_customer_is_found_by_its_number_without_zeros_or_a_part_of_its_name(
    mart: Path, asked: str
) -> None:
    assert queries.customer_file(mart, asked, None).current["customer_id"] == "4711"


def test_a_name_that_fits_several_customers_is_answered_with_all_of_them(mart: Path) -> None:
    with pytest.raises(
        queries.UnknownCustomerError, match=r"e fits 2 customers: 0815 .*, 4711 .*; name one by"
    ):
        queries.customer_file(mart, "e", "DE01")


def test_the_credit_of_a_customer_that_never_owed_is_its_masters_limit_and_its_groups_headroom(
    mart: Path,
) -> None:
    row = queries.credit_standing(mart, "new", None)

    assert (row["company_code"], row["master_limit"], row["credit_action"]) == ("CN01", 500, None)
    assert (row["group_id"], row["group_headroom"], row["is_watched"]) == ("G1", 70, True)
    assert (row["as_of"], row["policy_hash"], row["months_known"]) == (date(2025, 5, 31), "abc", 3)


def test_a_company_without_receivables_has_no_credit_watch(mart: Path) -> None:
    assert not queries.credit_standing(mart, "4711", None)["is_watched"]


def test_a_reader_leaves_the_published_file_as_it_was_and_holds_nothing_open(ops: Path) -> None:
    before = ops.read_bytes()
    queries.status(ops)

    assert ops.read_bytes() == before
    with duckdb.connect(str(ops)) as connection:  # fails while anybody of this process has it attached
        connection.execute("CREATE TABLE written AS SELECT 1")
