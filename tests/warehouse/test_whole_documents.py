"""Documents come whole: what a delivered document does not hold any more is gone, whichever order the batches land in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.warehouse.landing_orders import Bench
from tests.warehouse.making import (
    FIRST_EXTRACT,
    LINE_HEADER,
    PROFILE,
    SQL,
    Delivery,
    lines,
    numbered,
    write_source,
)
from warehouse.delivery.manifest import read_manifest
from warehouse.delivery.profile import read_source
from warehouse.errors import SourceError
from warehouse.merge import remembered
from warehouse.staging import scratch as staging
from warehouse.store.ledger import BatchOutcome

pytestmark = pytest.mark.slow

STATED = "CASE WHEN document = 'Summe' THEN 'totals_line' END AS _excluded"
LINES_SQL = SQL["invoice_lines"].replace(STATED, "note AS _excluded")
RULES = {"draft": "gone", "cancelled": "gone", "tax": "never"}
HEADS = {"pattern": "heads*", "required": False, "columns": {"number": {"header": "Beleg"}}}
WHOLE = {"driving": "LINES", "whole_by": "document_id", "heads": {"resource": "HEADS", "column": "number"}}


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(
        tmp_path_factory.mktemp("bench"),
        {"invoice_lines": LINES_SQL},
        rules=RULES,
        resources__HEADS=HEADS,
        tables__invoice_lines=WHOLE,
    )
    yield made
    made.connection.close()


@pytest.fixture
def bench(shared_bench: Bench) -> Bench:
    shared_bench.empty()
    return shared_bench


def written(number: int, rows: Sequence[str]) -> bytes:
    """`R1;1` posted, `R1;1 draft` left out by that rule, `R1;1=x` with an amount that cannot be read, `R1;1@…` on a day."""
    records = []
    for row in rows:
        place, _, rule = row.partition(" ")
        place, _, day = place.partition("@")
        key, _, net = place.partition("=")
        records.append(f"{key};{day or '05.05.2025'};K1;1;{net or number};{rule}")
    return lines(*records, header=f"{LINE_HEADER};Text")


def batch(number: int, *rows: str, more: bytes = b"", heads: Sequence[str] = (), **about: Any) -> Delivery:
    """The n-th batch, of one file; `more` are records as they are, behind the others."""
    files: dict[str, Mapping[str, bytes]] = {"LINES": {"lines.csv": written(number, rows) + more}}
    if heads:
        files["HEADS"] = {"heads.csv": ("\n".join(["Beleg", *heads]) + "\n").encode()}
    return Delivery(files, **(numbered(number) | about))


def live(bench: Bench) -> list[str]:
    found = bench.rows(
        "SELECT document_id || ';' || line_id FROM erp.invoice_lines WHERE NOT is_deleted ORDER BY 1"
    )
    return [key for (key,) in found]


def deleted(outcome: BatchOutcome) -> int:
    return sum(table.deleted for table in outcome.tables)


def test_a_line_that_its_document_does_not_hold_any_more_is_gone_in_the_order_of_the_batch(bench: Bench):
    bench.loaded(batch(1, "R1;1", "R1;2", "R2;1"))
    outcome = bench.loaded(batch(2, "R1;1", "R1;3"))
    assert (live(bench), deleted(outcome)) == (["R1;1", "R1;3", "R2;1"], 1)
    gone = "SELECT line_id, deleted_by, batch_id, source_document FROM erp.invoice_lines WHERE is_deleted"
    assert bench.rows(gone) == [("2", "whole_document", "b2", "R1")]


def test_a_document_of_which_only_a_row_that_is_left_out_comes_holds_nothing_else(bench: Bench):
    bench.loaded(batch(1, "R1;1", "R1;2"))
    bench.loaded(batch(2, "R1;9 tax"))
    assert live(bench) == []


def test_a_document_is_delivered_by_its_head_alone(bench: Bench):
    bench.loaded(batch(1, "R1;1", "R2;1", "R3;1", heads=["R1", "R2", "R3"]))
    bench.loaded(batch(2, "R3;1", heads=["R1"]))
    assert live(bench) == ["R2;1", "R3;1"]


def test_a_document_may_be_parted_over_the_files_of_a_batch(bench: Bench):
    bench.loaded(batch(1, "R1;1", "R1;2", "R1;3"))
    files = {"lines1.csv": written(2, ["R1;1"]), "lines2.csv": written(2, ["R1;2"])}
    bench.loaded(Delivery({"LINES": files}, **numbered(2)))
    assert live(bench) == ["R1;1", "R1;2"]


def test_what_a_document_holds_in_quarantine_stays_as_it_was(bench: Bench):
    bench.loaded(batch(1, "R1;1", "R1;2"))
    bench.loaded(batch(2, "R1;1=x"))
    assert live(bench) == ["R1;1"]
    assert bench.rows("SELECT batch_id FROM erp.invoice_lines WHERE line_id = '1'") == [("b1",)]


def test_a_document_with_a_line_whose_key_cannot_be_read_is_not_whole_and_another_one_is(bench: Bench):
    bench.loaded(batch(1, "R1;1", "R1;2", "R2;1", "R2;2"))
    bench.loaded(batch(2, "R1;=x", "R2;1"))
    assert live(bench) == ["R1;1", "R1;2", "R2;1"]


def test_nothing_is_whole_when_a_record_could_not_be_split_and_the_batch_says_so(bench: Bench):
    bench.loaded(batch(1, "R1;1", "R1;2"))
    outcome = bench.loaded(batch(2, "R1;1", more=b"R7;1;05.05.2025\n"))
    assert (live(bench), deleted(outcome)) == (["R1;1", "R1;2"], 0)
    (told,) = outcome.warnings
    assert told.startswith(
        "invoice_lines: a record of it could not be read so far as to say of which document it is"
    )


def test_a_release_is_never_whole(bench: Bench):
    bench.loaded(batch(1, "R1;1", "R1;2"))
    made = batch(2, "R1;2")
    manifest = made.manifest()
    manifest["valuemart"]["corrects"] = {"batchId": "b1", "rows": [["invoice_lines", "lines.csv", 3]]}
    folder = made.write(bench.folder / "release", manifest=manifest)
    with staging.stage(
        read_manifest(folder), bench.sources["shop"], bench.folder / "release.duckdb"
    ) as scratch:
        assert [table.whole_if_split for table in scratch.tables] == [()]


def test_inside_its_window_a_document_adds_nothing_and_outside_it_holds(bench: Bench):
    bench.loaded(batch(1, "R1;1@05.05.2025", "R1;2@05.04.2025", "R2;1@05.05.2025", "R2;2@05.04.2025"))
    window = ("2025-05-01", "2025-05-31")
    bench.loaded(batch(2, "R1;1@05.05.2025", mode="window_replace", window=window))
    assert live(bench) == ["R1;1", "R2;2"]
    causes = "SELECT document_id, line_id, deleted_by FROM erp.invoice_lines WHERE is_deleted ORDER BY ALL"
    assert bench.rows(causes) == [("R1", "2", "whole_document"), ("R2", "1", "window")]


def test_another_source_s_lines_of_a_document_of_that_name_stay(bench: Bench):
    bench.loaded(batch(1, "R1;1"))
    bench.loaded(batch(2, "R1;2", source="till"))
    assert live(bench) == ["R1;1", "R1;2"]


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ({"driving": "LINES", "heads": WHOLE["heads"]}, "heads: whole_by must name the column"),
        (WHOLE | {"heads": {"resource": "HEADS", "column": "nr"}}, "HEADS.nr is no column of a resource"),
        (WHOLE | {"heads": {"resource": "TOPS", "column": "nr"}}, "TOPS.nr is no column of a resource"),
    ],
)
def test_a_profile_whose_heads_are_no_documents_is_refused(tmp_path: Path, mapping: Any, told: str):
    folder = write_source(tmp_path, PROFILE, None, resources__HEADS=HEADS, tables__invoice_lines=mapping)
    with pytest.raises(SourceError, match=told):
        read_source(folder)


def test_a_select_without_the_column_of_its_document_is_refused_by_its_name(bench: Bench):
    folder = write_source(
        bench.folder / "strange", tables__invoice_lines={"driving": "LINES", "whole_by": "move_id"}
    )
    made = read_manifest(batch(1, "R1;1").write(bench.folder / "strange_inbox"))
    with (
        pytest.raises(SourceError, match="does not give move_id, which whole_by names"),
        staging.stage(made, read_source(folder), bench.folder / "strange.duckdb"),
    ):
        pass


# --- what is forgotten


def test_what_is_gone_is_remembered_as_long_as_an_older_batch_may_land(bench: Bench):
    oldest, older = batch(1, "R1;1", "R2;1"), batch(2, "R1;2", "R2;1")
    bench.loaded(batch(3, "R1;3", "R2;1 draft"))
    extracted = FIRST_EXTRACT + timedelta(days=3)
    assert remembered.forget_before(bench.connection, extracted) == 0
    assert (bench.loaded(older).warnings, live(bench)) == ((), ["R1;3"])
    # The tombstone of R2;1, and R1 and R2 as the third batch and the second, which is older, delivered them.
    forgotten = bench.rows(
        "SELECT (SELECT count(*) FROM ops.tombstone) + (SELECT count(*) FROM ops.whole_document)"
    )
    assert remembered.forget_before(bench.connection, extracted + timedelta(days=1)) == forgotten[0][0] > 0
    (told,) = bench.loaded(oldest).warnings
    assert told.startswith("invoice_lines: 1 rows entered from a batch that is older than what is remembered")
    assert "up to batch b3 of 2025-06-04" in told


def test_a_batch_newer_than_what_is_forgotten_is_not_warned_of(bench: Bench):
    bench.loaded(batch(1, "R1;1", "R1;2 draft"))
    assert remembered.forget_before(bench.connection, FIRST_EXTRACT + timedelta(days=9)) > 0
    assert bench.loaded(batch(2, "R1;1", "R1;2")).warnings == ()
    assert live(bench) == ["R1;1", "R1;2"]


def test_what_was_forgotten_later_does_not_hide_what_was_forgotten_before(bench: Bench):
    bench.loaded(batch(5, "R1;1"))
    remembered.forget_before(bench.connection, FIRST_EXTRACT + timedelta(days=6))
    bench.loaded(batch(3, "R2;1"))
    remembered.forget_before(bench.connection, FIRST_EXTRACT + timedelta(days=6))
    assert bench.rows("SELECT batch_id FROM ops.forgotten") == [("b5",)]
    (told,) = bench.loaded(batch(4, "R3;1")).warnings
    assert "up to batch b5" in told


# --- every order of landing

# A batch of the law: document to what it holds and as what it stands.
Told = Mapping[str, tuple[str, tuple[str, ...]]]


def delivery(number: int, told: Told) -> Delivery:
    rows = [f"{document};{line} {state}".strip() for document, (state, held) in told.items() for line in held]
    return batch(number, *rows)


def contents(bench: Bench) -> list[tuple[Any, ...]]:
    """What lives, without the batch that brought it."""
    return bench.rows(
        """SELECT document_id, line_id, net_amount_company, source_document, available_on FROM erp.invoice_lines
           WHERE NOT is_deleted ORDER BY ALL"""
    )


def assert_any_order_ends_as_the_final_state(bench: Bench, history: Sequence[Told]) -> None:
    judged = [bench.judged(delivery(number, told)) for number, told in enumerate(history, 1)]
    final = {
        document: (number, stood)
        for number, told in enumerate(history, 1)
        for document, stood in told.items()
    }
    at_once = [
        f"{document};{line}={number} {state}".strip()
        for document, (number, (state, held)) in final.items()
        for line in held
    ]
    bench.land([bench.judged(batch(1, *at_once))], {})
    wanted = contents(bench)
    for order in permutations(judged):
        bench.land(order, {})
        assert contents(bench) == wanted, f"landed in the order {[each.batch.batch_id for each in order]}"


_held = st.sets(st.sampled_from(["1", "2", "3"]), min_size=1).map(lambda held: tuple(sorted(held)))
_stood = st.tuples(st.sampled_from(["", "", "draft", "cancelled"]), _held)
_told = st.dictionaries(st.sampled_from(["R1", "R2"]), _stood, min_size=1)


@settings(max_examples=10)
@given(history=st.lists(_told, min_size=3, max_size=3))
@example([{"R1": ("", ("1", "2"))}, {"R1": ("draft", ("1",))}, {"R1": ("", ("1", "3"))}])
@example([{"R1": ("", ("1",))}, {"R1": ("", ("2",))}, {"R1": ("", ("1",))}, {"R1": ("", ("2",))}])
def test_any_history_of_documents_ends_as_its_final_state_whichever_order_it_lands_in(
    shared_bench: Bench, history: list[Told]
):
    """Posted, withdrawn, edited, cancelled and posted again."""
    assert_any_order_ends_as_the_final_state(shared_bench, history)


def in_every_order(bench: Bench, batches: Sequence[Delivery]) -> None:
    """Landing in any order ends as landing in the batches' own."""
    judged = [bench.judged(each) for each in batches]
    bench.land(judged, {})
    wanted = contents(bench)
    for order in permutations(judged):
        bench.land(order, {})
        assert contents(bench) == wanted, f"landed in the order {[each.batch.batch_id for each in order]}"


MAY = {"mode": "window_replace", "window": ("2025-05-01", "2025-05-31")}
WHOLE_TABLE = {"mode": "full_snapshot"}


@pytest.mark.parametrize(
    "batches",
    [
        pytest.param(
            [batch(1, "R1;1", "R1;2"), batch(2, "R1;1"), batch(3, "R1;1", "R1;2=x")], id="in quarantine"
        ),
        pytest.param(
            [batch(1, "R1;1"), batch(2, "R1;1", "R1;2"), batch(3, "R1;1", heads=["R1"])], id="heads"
        ),
        pytest.param(
            [batch(1, "R1;1", "R1;2"), batch(2, "R1;1"), batch(3, "R1;2", **WHOLE_TABLE)], id="snapshot"
        ),
        pytest.param(
            [batch(1, "R1;2", **WHOLE_TABLE), batch(2, "R1;1"), batch(3, "R2;1")], id="older snapshot"
        ),
        pytest.param([batch(1, "R1;1", "R1;2"), batch(2, "R1;1", **MAY), batch(3, "R1;2")], id="window"),
        pytest.param(
            [batch(1, "R1;1", "R1;2"), batch(2, "R1;1", more=b"R7;1;05.05.2025\n"), batch(3, "R1;2")],
            id="unsplit",
        ),
    ],
)
def test_whole_documents_agree_with_what_else_a_batch_may_say_in_every_order(
    bench: Bench, batches: list[Delivery]
):
    in_every_order(bench, batches)
