"""What was accepted and yet counts for nothing is counted in data_quality, and deletions are by their cause."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from expectations.contract import contract_names, contracts
from flows.pipeline.facts import facts_of
from tests.warehouse.publishing import RECORDED_AT, insert, open_warehouse
from warehouse.mart import queries
from warehouse.mart.publish import publish

pytestmark = pytest.mark.slow

OF_BATCH = {"company_code": "1000", "source_system": "s", "batch_id": "B1", "is_deleted": False}


EXTRACTS = contract_names("extract")


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_warehouse(tmp_path)
    connection.execute(
        """INSERT INTO ops.batch BY NAME SELECT 's' AS source, '1000' AS company_code, 'B1' AS batch_id, 'loaded' AS status,
           1 AS sequence, TIMESTAMP '2024-06-01' AS extracted_at, 'f' AS fingerprint, 'm' AS mapping_version,
           1 AS load_generation, TIMESTAMP '2024-06-01' AS recorded_at"""
    )
    for table in EXTRACTS:
        connection.execute(
            """INSERT INTO ops.batch_table BY NAME SELECT 's' AS source, '1000' AS company_code, 'B1' AS batch_id,
               ? AS table_name, 'X' AS driving_resource, false AS derived, 'delta_upsert' AS mode, 1 AS rows_in, 1 AS accepted,
               0 AS quarantined, 0 AS excluded, 0 AS refused, 1 AS inserted, 0 AS updated, 0 AS unchanged, 0 AS deleted,
               'h' AS row_hash""",
            [table],
        )
    yield connection
    connection.close()


def findings(warehouse: duckdb.DuckDBPyConnection, home: Path) -> dict[str, str]:
    publish(warehouse, home, contracts(), 1, RECORDED_AT)
    sql = "SELECT table_name, findings FROM data_quality WHERE findings IS NOT NULL"
    with duckdb.connect(str(home / "mart.duckdb"), read_only=True) as mart:
        return dict(mart.execute(sql).fetchall())


def test_an_allocation_that_settles_nothing_is_counted(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    line = {**OF_BATCH, "document_id": "R1", "line_id": "1", "invoice_date": date(2024, 5, 1)}
    insert(warehouse, "invoice_lines", **line, is_cancelled=True)
    insert(warehouse, "receivables", **OF_BATCH, item_id="I1", document_id="R1", original_amount=100)
    insert(warehouse, "receivables", **OF_BATCH, item_id="I2", document_id="R2", original_amount=100)
    for payment, item, amount in (("P1", "I1", 10), ("P1", "I2", 120), ("P2", "I9", 5)):
        insert(warehouse, "payment_allocations", **OF_BATCH, payment_id=payment, item_id=item, amount=amount)
    assert findings(warehouse, tmp_path) == {
        "payment_allocations": "allocation_of_cancelled_document: 1, allocation_without_item: 1",
        "receivables": "paid_beyond_its_amount: 1",
    }


def test_a_document_that_cancels_one_that_counts_on_is_counted(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    documents = (
        ("R1", False, None),
        ("N1", True, "R1"),  # whose original did not come again
        ("R2", True, None),
        ("N2", True, "R2"),
        ("R3", False, None),
        ("N3", False, "R3"),  # counts itself, against it
    )
    for document, is_cancelled, reverses in documents:
        line = {**OF_BATCH, "document_id": document, "line_id": "1", "invoice_date": date(2024, 5, 1)}
        insert(warehouse, "invoice_lines", **line, is_cancelled=is_cancelled, reverses_document_id=reverses)
    assert findings(warehouse, tmp_path) == {"invoice_lines": "cancelled_document_still_counts: 1"}


def test_an_allocation_of_a_payment_that_is_gone_is_counted_and_of_one_that_a_snapshot_lacks_is_not(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    insert(warehouse, "receivables", **OF_BATCH, item_id="I1", original_amount=300)
    for payment, cause in (("P1", "tombstone"), ("P2", "snapshot")):
        insert(
            warehouse, "payments", **{**OF_BATCH, "is_deleted": True, "deleted_by": cause}, payment_id=payment
        )
        insert(warehouse, "payment_allocations", **OF_BATCH, payment_id=payment, item_id="I1", amount=100)
    found = findings(warehouse, tmp_path)["payment_allocations"]
    assert found == "allocation_of_deleted_payment: 1"


def test_what_is_counted_as_an_allocation_of_a_deleted_payment_is_what_settles_nothing_in_a_rating(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    insert(warehouse, "receivables", **OF_BATCH, item_id="I1", original_amount=1000)
    causes = ["tombstone", "rule", "snapshot", "window", "key_set", "whole_document", "mapping", None]
    for number, cause in enumerate(causes):
        of_it = {**OF_BATCH, "is_deleted": cause is not None, "deleted_by": cause}
        insert(warehouse, "payments", **of_it, payment_id=f"P{number}")
        insert(warehouse, "receivables", **of_it, item_id=f"N{number}", original_amount=-1)
        for payment in (f"P{number}", f"N{number}"):
            insert(warehouse, "payment_allocations", **OF_BATCH, payment_id=payment, item_id="I1", amount=1)
    settling = facts_of(warehouse, "1000", date(2099, 1, 1)).payment_allocations
    assert settling is not None
    told = f"allocation_of_deleted_payment: {2 * len(causes) - settling.collect().height}"
    assert told in findings(warehouse, tmp_path)["payment_allocations"]


def test_a_payment_beyond_its_items_is_counted_unless_its_rest_is_an_item_of_its_own(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for payment in ("P1", "P2", "P3"):
        insert(warehouse, "payments", **OF_BATCH, payment_id=payment, amount=100)
    insert(warehouse, "receivables", **OF_BATCH, item_id="I1", original_amount=300)
    insert(warehouse, "receivables", **OF_BATCH, item_id="P2", original_amount=-100)
    insert(warehouse, "payment_allocations", **OF_BATCH, payment_id="P1", item_id="I1", amount=60)
    insert(warehouse, "payment_allocations", **OF_BATCH, payment_id="P3", item_id="I1", amount=100)
    assert findings(warehouse, tmp_path) == {"payments": "payment_beyond_its_items: 1"}


def test_credit_notes_that_raise_sales_are_counted_and_one_line_of_several_is_none(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    notes = [("C1", 40, False), ("C1", -10, False), ("C2", -40, False), ("C2", 30, False), ("C3", 5, True)]
    for number, (document, net, is_cancelled) in enumerate(notes):
        insert(
            warehouse,
            "invoice_lines",
            **OF_BATCH,
            document_id=document,
            line_id=str(number),
            document_type="credit_note",
            net_amount_company=net,
            is_cancelled=is_cancelled,
        )
    assert findings(warehouse, tmp_path) == {"invoice_lines": "credit_note_above_zero: 2"}


def test_credits_above_zero_are_counted_and_a_refund_beside_payments_is_none(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    items = [
        ("s", "credit_note", 40),
        ("s", "credit_note", -40),
        ("s", "invoice", 40),
        ("s", "payment_on_account", 40),  # a refund
        ("s", "payment_on_account", -40),
        ("t", "payment_on_account", 40),
        ("t", "payment_on_account", 50),
    ]
    for number, (source, kind, amount) in enumerate(items):
        about = {**OF_BATCH, "source_system": source, "item_type": kind, "original_amount": amount}
        insert(warehouse, "receivables", **about, item_id=f"I{number}")
    counted = "SELECT source_system, finding, row_count FROM batch_finding ORDER BY 1"
    publish(warehouse, tmp_path, contracts(), 1, RECORDED_AT)
    with duckdb.connect(str(tmp_path / "mart.duckdb"), read_only=True) as mart:
        assert mart.execute(counted).fetchall() == [
            ("s", "credit_item_above_zero", 1),
            ("t", "credit_item_above_zero", 2),
        ]


def test_documents_that_claim_less_than_their_lines_are_counted(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    # By document: lines' net amounts, currency, what is cancelled; its items.
    documents: list[tuple[str, list[int], str, bool, list[int]]] = [
        ("R1", [100, 50, 100, 50], "EUR", False, [178]),  # its lines came twice
        ("R2", [100, 50], "EUR", False, [100, 78]),  # two instalments
        ("R3", [100], "EUR", False, [98]),  # no tax, and a cent or two
        ("R4", [100], "EUR", False, [97]),
        ("R5", [100], "EUR", True, [97]),
        ("R6", [100], "USD", False, [92]),  # owed in another currency
        ("C1", [-100], "EUR", False, [-119]),
        ("C2", [-100, -100], "EUR", False, [-119]),
        ("R7", [100], "EUR", False, []),
    ]
    for document, lines, currency, is_cancelled, items in documents:
        kind = "credit_note" if document.startswith("C") else "invoice"
        for number, net in enumerate(lines):
            about = {**OF_BATCH, "document_id": document, "document_type": kind, "currency": currency}
            amounts = {"net_amount": net, "net_amount_company": net, "is_cancelled": is_cancelled}
            insert(warehouse, "invoice_lines", **about, **amounts, line_id=str(number))
        for number, amount in enumerate(items):
            about = {**OF_BATCH, "document_id": document, "item_type": kind, "currency": "EUR"}
            insert(warehouse, "receivables", **about, item_id=f"{document}/{number}", original_amount=amount)
    assert findings(warehouse, tmp_path) == {"receivables": "owed_less_than_its_lines: 3"}


def test_amounts_that_were_converted_before_the_rate_of_their_day_came_are_counted(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    landed, later = datetime(2024, 6, 1), datetime(2024, 6, 2)
    rates = [
        ("USD", date(2024, 1, 1), "0.5", landed),
        ("USD", date(2024, 5, 1), "0.9", later),
        ("DKK", date(2024, 1, 1), "0.134", landed),
        ("DKK", date(2024, 5, 1), "0.134", later),  # the same as before
    ]
    for currency, day, rate, known in rates:
        about = {**OF_BATCH, "from_currency": currency, "to_currency": "EUR", "rate_date": day}
        insert(warehouse, "fx_rates", **about, rate=Decimal(rate), recorded_at=known)
    lines = [
        ("USD", date(2024, 5, 2), "100", "50", landed),
        ("USD", date(2024, 5, 2), "100", "90", later),  # landed again
        ("USD", date(2024, 4, 30), "100", "50", landed),  # before the rate that came
        ("USD", date(2024, 5, 2), "100", "51", landed),  # the company's own
        ("DKK", date(2024, 5, 2), "100", "13.4", landed),
        ("EUR", date(2024, 5, 2), "100", "100", landed),
    ]
    for number, (currency, day, net, company, recorded) in enumerate(lines):
        about = {**OF_BATCH, "currency": currency, "company_currency": "EUR", "recorded_at": recorded}
        amounts = (Decimal(net), Decimal(company))
        named = dict(zip(("net_amount", "net_amount_company"), amounts, strict=True))
        insert(
            warehouse,
            "invoice_lines",
            **about,
            **named,
            document_id=f"R{number}",
            line_id="1",
            invoice_date=day,
        )
        named = dict(zip(("original_amount", "original_amount_company"), amounts, strict=True))
        insert(warehouse, "receivables", **about, **named, item_id=f"I{number}", posting_date=day)
    assert findings(warehouse, tmp_path) == dict.fromkeys(
        ("invoice_lines", "receivables"), "converted_by_an_older_rate: 1"
    )


def test_items_that_their_allocations_raise_are_counted_and_one_that_is_owed_again_is_none(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for item, amount in (("I1", 100), ("I2", 100), ("I3", -100), ("I4", -100)):
        insert(warehouse, "receivables", **OF_BATCH, item_id=item, original_amount=amount)
    taken = [("P1", "I1", -60), ("P2", "I2", 60), ("P3", "I2", -60), ("P4", "I3", 60), ("P5", "I4", -60)]
    for payment, item, amount in taken:
        insert(warehouse, "payment_allocations", **OF_BATCH, payment_id=payment, item_id=item, amount=amount)
    assert findings(warehouse, tmp_path) == {"receivables": "raised_by_what_settles_it: 2"}


def test_costs_against_their_quantity_and_charges_below_zero_are_counted(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    lines = [
        (-5, -100, 60, None, None, False),  # a return that costs
        (5, 100, -60, None, None, False),
        (5, 100, -60, None, None, True),
        (5, 100, 60, 1, -1, False),  # a rebate that brings money in
        (5, 100, 60, -1, None, False),
        (-5, -100, -60, 2, -1, False),  # a rebate taken back with the goods
        (0, -10, 3, None, None, False),
        (5, 100, 0, 0, None, False),
    ]
    names = ("quantity", "net_amount_company", "cost_amount_company", "freight_amount", "rebate_amount")
    for number, (*amounts, is_cancelled) in enumerate(lines):
        about = {**OF_BATCH, **dict(zip(names, amounts, strict=True)), "is_cancelled": is_cancelled}
        insert(warehouse, "invoice_lines", **about, document_id=f"R{number}", line_id="1")
    assert findings(warehouse, tmp_path) == {
        "invoice_lines": "charge_below_zero: 2, cost_against_its_quantity: 2"
    }


@pytest.mark.parametrize(
    ("masters", "found"),
    [
        (
            ["00017", "K7"],
            {"invoice_lines": "customer_code_like_another: 4"},
        ),  # 17, '00017, k7 and K7 in wide letters are nobody's masters
        (["00017", "17", "'00017", "K7", "k7", "\uff2b\uff17"], {}),  # each of them is a customer
        ([], {"invoice_lines": "customer_code_like_another: 6"}),  # nothing tells which of two is right
    ],
)
def test_a_customer_s_code_without_its_zeros_in_another_case_or_width_is_counted_where_no_master_bears_it(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, masters: list[str], found: dict[str, str]
) -> None:
    for master in masters:
        insert(warehouse, "customers", **OF_BATCH, customer_id=master)
    for number, customer in enumerate(("00017", "17", "'00017", "K7", "k7", "\uff2b\uff17", "00018")):
        insert(
            warehouse,
            "invoice_lines",
            **OF_BATCH,
            document_id=f"R{number}",
            line_id="1",
            customer_id=customer,
        )
    assert findings(warehouse, tmp_path) == found


def rated_on(warehouse: duckdb.DuckDBPyConnection, day: date) -> None:
    warehouse.execute(
        "INSERT INTO ops.generation (stage, generation, as_of, recorded_at) VALUES ('rating', 1, ?, now()::TIMESTAMP)",
        [day],
    )


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ([("A", "B", 1, None), ("B", "C", 2, None)], None),
        ([("A", "B", 1, None), ("B", "A", 2, None)], "succession_circle: 1"),
        ([("A", "B", 1, None), ("B", "C", 2, None), ("C", "A", 3, None)], "succession_circle: 1"),
        ([("A", "B", 1, None), ("B", "A", 30, None)], None),  # not in force yet
        ([("A", "B", 1, "0.7"), ("A", "C", 2, "0.3")], None),
        ([("A", "B", 1, "0.7"), ("A", "C", 2, "0.4")], "succession_of_more_than_all: 1"),
        ([("A", "B", 1, None), ("A", "C", 1, None)], "succession_of_more_than_all: 1"),
    ],
)
def test_a_succession_that_counts_for_nothing_beside_another_batch_s_is_named(
    warehouse: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    said: list[tuple[str, str, int, str | None]],
    found: str | None,
) -> None:
    rated_on(warehouse, date(2024, 5, 20))
    for old, new, day, share in said:
        pair = {"old_customer_id": old, "new_customer_id": new, "share": share}
        insert(warehouse, "customer_successions", **OF_BATCH, **pair, valid_from=date(2024, 5, day))
    assert findings(warehouse, tmp_path).get("customer_successions") == found


def test_lines_after_the_rated_day_and_deletions_by_cause_are_counted(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rated_on(warehouse, date(2024, 5, 31))
    for number, day, deleted in (
        (1, date(2024, 5, 31), None),
        (2, date(2024, 6, 1), None),
        (3, date(2024, 6, 1), "rule"),
    ):
        about = {**OF_BATCH, "is_deleted": deleted is not None, "deleted_by": deleted}
        insert(
            warehouse, "invoice_lines", **about, document_id="R1", line_id=str(number), invoice_date=day,
            net_amount_company=1234,
        )  # fmt: skip
    assert findings(warehouse, tmp_path) == {
        "invoice_lines": "dated_after_2024-05-31: 1 (1234.0000), deleted_by_rule: 1"
    }


@pytest.mark.parametrize("table", EXTRACTS)
def test_what_was_deleted_of_any_extract_is_counted_by_its_cause(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, table: str
) -> None:
    insert(warehouse, table, **{**OF_BATCH, "is_deleted": True, "deleted_by": "snapshot"})
    assert findings(warehouse, tmp_path) == {table: "deleted_by_snapshot: 1"}


def test_a_finding_is_a_row_with_its_figures(warehouse: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    warehouse.execute(
        "INSERT INTO ops.generation (stage, generation, as_of, recorded_at) VALUES ('rating', 1, DATE '2024-05-31', now()::TIMESTAMP)"
    )
    line = {**OF_BATCH, "document_id": "R1", "invoice_date": date(2024, 6, 1), "net_amount_company": 1234}
    insert(warehouse, "invoice_lines", **line, line_id="1")
    insert(warehouse, "invoice_lines", **line, line_id="2")
    insert(warehouse, "payment_allocations", **OF_BATCH, payment_id="P1", item_id="I9", amount=5)
    publish(warehouse, tmp_path, contracts(), 1, RECORDED_AT)
    assert [
        (row["table_name"], row["finding"], row["row_count"], row["dated_after"], row["net_sales"])
        for row in queries.findings(tmp_path / "mart.duckdb")
    ] == [
        ("invoice_lines", "dated_after", 2, date(2024, 5, 31), Decimal(2468)),
        ("payment_allocations", "allocation_without_item", 1, None, None),
    ]


def test_a_mart_of_an_earlier_version_has_no_findings(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    insert(warehouse, "invoice_lines", **{**OF_BATCH, "is_deleted": True, "deleted_by": "rule"})
    publish(warehouse, tmp_path, contracts(), 1, RECORDED_AT)
    mart_file = tmp_path / "mart.duckdb"
    assert queries.findings(mart_file)
    mart_file.chmod(0o644)
    with duckdb.connect(str(mart_file)) as mart:
        mart.execute("DROP TABLE batch_finding")
    assert queries.findings(mart_file) == []
    assert queries.findings(tmp_path / "none.duckdb") == []
