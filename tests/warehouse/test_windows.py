"""`window_replace`: a batch that brings every row of some days, and so says which rows of those days are gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.warehouse.landing_orders import Bench
from tests.warehouse.making import (
    LINE_HEADER,
    Delivery,
    Loader,
    assert_conserved,
    line,
    lines,
    numbered,
    of_lines,
)

pytestmark = pytest.mark.slow

MAY, JUNE = ("2025-05-01", "2025-05-31"), ("2025-06-01", "2025-06-30")
GONE = "gone"
DAYS = {"05.05.2025": MAY, "31.05.2025": MAY, "01.06.2025": JUNE}


def window(*rows: str, days: tuple[str, str] = MAY, number: int = 2, **about: Any) -> Delivery:
    """The n-th batch: all lines there are of these days."""
    return of_lines(*rows, mode="window_replace", window=days, number=number, **about)


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    made = Loader(tmp_path)
    made.source()
    made.with_settings(shrink_limit=1)
    return made


def live(loader: Loader) -> list[str]:
    return loader.column("SELECT document_id FROM erp.invoice_lines WHERE NOT is_deleted ORDER BY ALL")


def test_a_row_that_the_window_does_not_name_is_gone_and_no_row_of_another_day(loader: Loader) -> None:
    loader.loaded(
        of_lines(
            line(1, day="30.04.2025"), line(2, day="01.05.2025"), line(3, day="31.05.2025"), line(4), number=1
        )
    )
    outcome = loader.loaded(window(line(4)))
    assert (outcome.tables[0].deleted, outcome.tables[0].unchanged) == (2, 1)
    assert live(loader) == ["R1", "R4"]
    assert loader.query("SELECT mode, window_from::VARCHAR, window_to::VARCHAR FROM ops.batch_table ORDER BY ALL")[1] == (
        "window_replace", *MAY,
    )  # fmt: skip


def test_both_ends_of_a_window_belong_to_it(loader: Loader) -> None:
    loader.loaded(
        of_lines(line(1, day="01.05.2025"), line(2, day="31.05.2025"), line(3, day="01.06.2025"), number=1)
    )
    assert loader.loaded(window()).tables[0].deleted == 2
    assert live(loader) == ["R3"]


def test_a_window_in_which_nothing_ever_was_may_be_empty(loader: Loader) -> None:
    loader.with_settings(shrink_limit=0)
    assert loader.loaded(window()).status == "unchanged"


def test_a_window_that_lost_most_of_its_rows_is_refused(loader: Loader) -> None:
    loader.with_settings(shrink_limit=0.5)
    loader.loaded(of_lines(line(1), line(2), line(3), line(9, day="01.06.2025"), number=1))
    (fault,) = loader.one(window(line(1))).faults
    assert fault.rule == "window_shrunk"
    assert "the window 2025-05-01 to 2025-05-31 lacks 2 of 3 live rows of invoice_lines" in str(fault)
    assert live(loader) == ["R1", "R2", "R3", "R9"]


def test_a_row_outside_the_window_its_batch_declares_is_put_aside(loader: Loader) -> None:
    outcome = loader.loaded(window(line(1), line(2, day="01.06.2025")))
    assert (outcome.tables[0].accepted, outcome.tables[0].quarantined) == (1, 1)
    assert loader.reasons() == [("lines.csv", 3, "invoice_date", "outside_window", "2025-06-01")]
    assert_conserved(loader)


def test_a_row_put_aside_is_named_all_the_same_and_not_deleted(loader: Loader) -> None:
    loader.loaded(of_lines(line(1), line(2), number=1))
    loader.loaded(window(line(1), line(2, net="x")))
    assert live(loader) == ["R1", "R2"]


def test_a_window_deletes_nothing_of_another_source(loader: Loader) -> None:
    loader.source(source="till")
    loader.loaded(of_lines(line(1), number=1, source="till"))
    loader.loaded(window(line(2)))
    assert live(loader) == ["R1", "R2"]


def test_the_same_window_again_changes_nothing(loader: Loader) -> None:
    loader.loaded(of_lines(line(1), line(2), number=1))
    assert loader.loaded(window(line(1))).status == "loaded"
    assert loader.loaded(window(line(1), number=3)).status == "unchanged"


@dataclass(frozen=True)
class Said:
    """What one batch says of invoices: key to day, or to GONE; all of `days` where it replaces a window."""

    number: int
    rows: tuple[tuple[str, str], ...]
    days: tuple[str, str] | None = None
    snapshot: bool = False

    def delivery(self) -> Delivery:
        rows = [
            f"{key};1;{'' if day == GONE else day};K1;1;{self.number},00;{int(day == GONE)}"
            for key, day in self.rows
        ]
        return Delivery(
            {"LINES": {"lines.csv": lines(*rows, header=LINE_HEADER + ";Weg")}},
            mode="window_replace" if self.days else "full_snapshot" if self.snapshot else "delta_upsert",
            window=self.days,
            **numbered(self.number),
        )


def expected(batches: Sequence[Said]) -> dict[str, tuple[str, int]]:
    """The live invoices after the batches in their order: key to day and the number of the batch that said so."""
    rows: dict[str, tuple[str, int]] = {}
    for batch in sorted(batches, key=lambda each: each.number):
        said = dict(batch.rows)
        covered = [key for key, (day, _) in rows.items() if batch.snapshot or DAYS[day] == batch.days]
        for key in [
            *[each for each in covered if each not in said],
            *[k for k, day in said.items() if day == GONE],
        ]:
            rows.pop(key, None)
        for key, day in said.items():
            if day != GONE and batch.days in {None, DAYS.get(day)}:
                rows[key] = (day, batch.number)
    return rows


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("bench"))
    yield made
    made.connection.close()


def found(bench: Bench) -> Mapping[str, tuple[str, int]]:
    rows = bench.rows(
        "SELECT document_id, strftime(invoice_date, '%d.%m.%Y'), net_amount::INTEGER FROM erp.invoice_lines WHERE NOT is_deleted"
    )
    return {key: (day, number) for key, day, number in rows}


def assert_every_order_gives_the_same(bench: Bench, batches: Sequence[Said]) -> None:
    judged = [bench.judged(batch.delivery()) for batch in batches]
    for order in permutations(range(len(batches))):
        bench.land([judged[place] for place in order], {})
        assert found(bench) == expected(batches), f"landed in the order {[batches[p].number for p in order]}"


@st.composite
def said(draw: st.DrawFn, batches: int) -> tuple[Said, ...]:
    made = []
    for number in range(1, batches + 1):
        kind = draw(st.sampled_from(["delta", "delta", "window", "window", "snapshot"]))
        days = draw(st.sampled_from([MAY, JUNE])) if kind == "window" else None
        rows = draw(st.dictionaries(st.sampled_from("KLM"), st.sampled_from([*DAYS, GONE]), min_size=1))
        made.append(Said(number, tuple(sorted(rows.items())), days, snapshot=kind == "snapshot"))
    return tuple(made)


def delta(number: int, **rows: str) -> Said:
    return Said(number, tuple(rows.items()))


def replaced(number: int, days: tuple[str, str], **rows: str) -> Said:
    return Said(number, tuple(rows.items()), days)


IN_MAY, IN_JUNE = "05.05.2025", "01.06.2025"


@pytest.mark.parametrize(
    "batches",
    [
        pytest.param(
            (delta(1, K=IN_MAY), replaced(2, MAY, L=IN_MAY), delta(3, K=IN_MAY)), id="gone and back"
        ),
        pytest.param(
            (delta(1, K=IN_MAY), delta(2, K=IN_JUNE), replaced(3, MAY, L=IN_MAY)), id="moved out before"
        ),
        pytest.param(
            (delta(1, K=IN_JUNE), delta(2, K=IN_MAY), replaced(3, MAY, L=IN_MAY)), id="moved in before"
        ),
        pytest.param(
            (
                delta(1, K=IN_MAY),
                delta(2, K=IN_JUNE),
                replaced(3, MAY, L=IN_MAY),
                replaced(4, JUNE, M=IN_JUNE),
            ),
            id="moved from one window into another",
        ),
        pytest.param(
            (replaced(1, MAY, K=IN_MAY), replaced(2, MAY, K=IN_JUNE), delta(3, L=IN_MAY)), id="put aside"
        ),
        pytest.param(
            (delta(1, K=IN_MAY), replaced(2, MAY, L=IN_MAY), Said(3, (("K", IN_MAY),), snapshot=True)),
            id="a snapshot behind a window",
        ),
    ],
)
def test_windows_may_land_in_any_order(bench: Bench, batches: tuple[Said, ...]) -> None:
    assert_every_order_gives_the_same(bench, batches)


@settings(
    max_examples=5, phases=[Phase.generate]
)  # a smaller one is no easier to read, and takes minutes to find
@given(batches=said(3))
def test_any_three_batches_with_windows_may_land_in_any_order(
    bench: Bench, batches: tuple[Said, ...]
) -> None:
    assert_every_order_gives_the_same(bench, batches)
