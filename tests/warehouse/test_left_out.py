"""What a rule of a source leaves out: gone, part of another row, or never a row, as the profile says."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pytest

from tests.warehouse.landing_orders import Bench
from tests.warehouse.making import LINE_HEADER, SQL, Delivery, lines, numbered
from warehouse.errors import BatchRefusedError
from warehouse.merge.soft_deletes import FEW_GONE
from warehouse.store.ledger import TableOutcome

STATED = "CASE WHEN document = 'Summe' THEN 'totals_line' END AS _excluded"
RULES = {"not_posted": "gone", "summed_up": "part_of", "other_company": "never"}


@pytest.fixture(scope="module")
def _bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    sql = {"invoice_lines": SQL["invoice_lines"].replace(STATED, "note AS _excluded")}
    made = Bench(tmp_path_factory.mktemp("bench"), sql, rules=RULES)
    yield made
    made.connection.close()


@pytest.fixture
def bench(_bench: Bench) -> Bench:
    _bench.empty()
    return _bench


def batch(number: int, *rows: str, **about: Any) -> Delivery:
    """The n-th batch: `R1;1` posted, `R1;1 not_posted` left out by that rule, `R1;1=x` with an amount that cannot be read."""
    written = []
    for row in rows:
        place, _, rule = row.partition(" ")
        key, _, net = place.partition("=")
        written.append(f"{key};05.05.2025;K1;1;{net or number};{rule}")
    content = lines(*written, header=f"{LINE_HEADER};Text")
    return Delivery({"LINES": {"lines.csv": content}}, **(numbered(number) | about))


def live(bench: Bench) -> list[str]:
    found = bench.rows(
        "SELECT document_id || ';' || line_id FROM erp.invoice_lines WHERE NOT is_deleted ORDER BY 1"
    )
    return [key for (key,) in found]


def of_lines(bench: Bench, delivery: Delivery, **about: Any) -> TableOutcome:
    (outcome,) = bench.loaded(delivery, **about).tables
    return outcome


def test_a_document_that_is_no_longer_valid_is_gone_by_the_rule_and_in_the_order_of_the_batch(bench: Bench):
    bench.loaded(batch(1, "R1;1", "R2;1"))
    outcome = of_lines(bench, batch(2, "R1;1 not_posted", "R3;1"))
    assert live(bench) == ["R2;1", "R3;1"]
    assert bench.rows("SELECT document_id, deleted_by, batch_id FROM erp.invoice_lines ORDER BY 1") == [
        ("R1", "rule", "b2"),
        ("R2", None, "b1"),
        ("R3", None, "b2"),
    ]
    assert (outcome.rows_in, outcome.accepted, outcome.excluded, outcome.deleted) == (2, 1, 1, 1)


@pytest.mark.parametrize("rule", ["summed_up", "other_company", "unheard_of"])
def test_what_is_part_of_another_row_or_never_was_one_deletes_nothing(bench: Bench, rule: str):
    bench.loaded(batch(1, "R1;1"))
    outcome = bench.loaded(batch(2, f"R1;1 {rule}", f"R2;1 {rule}"))
    assert live(bench) == ["R1;1"]
    assert bench.rows("SELECT count(*) FROM ops.tombstone") == [(0,)]
    told = [each for each in outcome.warnings if "rules do not say what that means" in each]
    assert len(told) == (rule == "unheard_of")


@pytest.mark.parametrize("again", ["R1;1", "R1;1=x"])
def test_a_key_that_the_batch_accepts_or_puts_aside_as_well_is_not_gone(bench: Bench, again: str):
    bench.loaded(batch(1, "R1;1"))
    outcome = of_lines(bench, batch(2, "R1;1 not_posted", again))
    assert live(bench) == ["R1;1"]
    assert (outcome.excluded, outcome.deleted, outcome.accepted + outcome.quarantined) == (1, 0, 1)


def test_a_row_whose_key_cannot_be_read_deletes_nothing(bench: Bench):
    bench.loaded(batch(1, "R1;1"))
    outcome = of_lines(bench, batch(2, "R1; not_posted"))
    assert (outcome.excluded, outcome.deleted, live(bench)) == (1, 0, ["R1;1"])


def test_one_source_does_not_delete_what_another_brought(bench: Bench):
    bench.loaded(batch(1, "R1;1"))
    bench.loaded(batch(2, "R1;1 not_posted", source="till"))
    assert live(bench) == ["R1;1"]


def test_a_snapshot_that_leaves_a_row_out_deletes_it_once_and_remembers_no_key(bench: Bench):
    bench.loaded(batch(1, "R1;1", "R2;1", mode="full_snapshot"))
    outcome = of_lines(bench, batch(2, "R1;1 not_posted", "R2;1", "R3;1 not_posted", mode="full_snapshot"))
    assert (outcome.deleted, live(bench)) == (1, ["R2;1"])
    assert bench.rows("SELECT deleted_by FROM erp.invoice_lines WHERE document_id = 'R1'") == [("rule",)]
    assert bench.rows("SELECT count(*) FROM ops.tombstone") == [(0,)]
    bench.loaded(batch(0, "R3;1"))
    assert live(bench) == ["R2;1"]
    assert bench.rows("SELECT deleted_by FROM erp.invoice_lines WHERE document_id = 'R3'") == [("snapshot",)]


def test_a_snapshot_in_fewer_files_that_lacks_rows_is_warned_of(bench: Bench):
    def snapshot(number: int, **files: bytes) -> Delivery:
        held = {"LINES": {f"{name}.csv": content for name, content in files.items()}}
        return Delivery(held, **(numbered(number) | {"mode": "full_snapshot"}))

    first, second = lines("R1;1;05.05.2025;K1;1;1", "R2;1;05.05.2025;K1;1;1"), lines("R3;1;05.05.2025;K1;1;1")
    bench.loaded(snapshot(1, open=first, cleared=second))
    (told,) = bench.loaded(snapshot(2, open=first)).warnings
    assert "1 rows are missing" in told
    assert "fewer files (open.csv) than in the one before (open.csv, cleared.csv) [fewer_files]" in told
    assert live(bench) == ["R1;1", "R2;1"]
    bench.loaded(snapshot(3, open=first, cleared=second))
    assert (
        bench.loaded(snapshot(4, all=first + second.split(b"\n", 1)[1])).warnings == ()
    )  # nothing is missing
    assert bench.loaded(snapshot(5, all=first)).warnings == ()  # nor is a file


@pytest.mark.parametrize(
    ("there", "gone", "is_refused"),
    [
        (FEW_GONE, FEW_GONE, False),
        (FEW_GONE + 1, FEW_GONE + 1, True),
        (2 * FEW_GONE + 1, FEW_GONE + 1, True),
        (2 * FEW_GONE + 2, FEW_GONE + 1, False),
    ],
)
def test_more_than_a_few_rows_are_gone_at_once_only_within_the_shrink_limit(
    bench: Bench, there: int, gone: int, is_refused: bool
):
    bench.loaded(batch(1, *(f"R{number};1" for number in range(there))))
    left_out = batch(2, *(f"R{number};1 not_posted" for number in range(gone)))
    if not is_refused:
        assert of_lines(bench, left_out, shrink_limit=0.5).deleted == gone
        return
    with pytest.raises(BatchRefusedError) as refused:
        bench.loaded(left_out, shrink_limit=0.5)
    (fault,) = refused.value.faults
    assert (fault.rule, fault.file) == ("too_many_gone", "lines.csv")
    assert f"of {gone} of {there} live rows of invoice_lines" in fault.message
    assert len(live(bench)) == there


@pytest.mark.parametrize(
    ("history", "left"),
    [
        pytest.param(["R1;1", "R1;1 not_posted"], [], id="posted, and a draft again"),
        pytest.param(["R1;1 not_posted", "R1;1"], ["R1;1"], id="a draft, and posted"),
        pytest.param(["R1;1", "R1;1 not_posted", "R1;1"], ["R1;1"], id="posted again"),
        pytest.param(["R1;1", "R1;1 not_posted", "R1;1", "R1;1 not_posted"], [], id="withdrawn twice"),
        pytest.param(["R1;1", "R1;1 not_posted", "R1;1 not_posted", "R2;1"], ["R2;1"], id="a draft for long"),
        pytest.param(["R1;1", "R1;1 not_posted", "R1;1=x"], [], id="posted again, and cannot be read"),
    ],
)
def test_what_is_gone_is_gone_in_whichever_order_the_batches_land(
    bench: Bench, history: list[str], left: list[str]
):
    judged = [bench.judged(batch(number, row)) for number, row in enumerate(history, 1)]
    for order in permutations(judged):
        bench.land(order, {})
        assert live(bench) == left, f"landed in the order {[each.batch.batch_id for each in order]}"
