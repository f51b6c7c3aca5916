"""The order-free law of loading: whichever order batches land in, the tables end as if they had come one after the other.

A model of the protocol, a few lines of Python that know no SQL, says what must come out; the merge is run over every
landing order of the same few batches. The judge plays no part in it and is left out for speed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.warehouse.landing_orders import Bench
from tests.warehouse.making import COMPANY, FIRST_EXTRACT, Delivery, csv_text, numbered

pytestmark = pytest.mark.slow

KEYS = ("K1", "K2", "K3")
GONE = "gone"


@pytest.fixture(scope="module", autouse=True)
def few_rows_are_many() -> Iterator[None]:
    """Batches of a few rows are merged as large ones are, which enter uncompared if all their keys are new."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warehouse.merge.actions.MANY_ROWS", 1)
        yield


@dataclass(frozen=True)
class Said:
    """What one batch says of customers: key to name, or to GONE, of which it brings a tombstone."""

    number: int
    rows: tuple[tuple[str, str], ...]
    snapshot: bool = False
    source: str = "shop"

    @property
    def recorded(self) -> date:
        return (FIRST_EXTRACT + timedelta(days=self.number)).date()

    def delivery(self) -> Delivery:
        rows = [(key, "" if name == GONE else name, "1" if name == GONE else "0") for key, name in self.rows]
        content = csv_text([("Kunde", "Firma", "Weg"), *rows])
        return Delivery(
            {"CUSTOMERS": {"customers.csv": content}},
            source=self.source,
            mode="full_snapshot" if self.snapshot else "delta_upsert",
            **numbered(self.number),
        )


@dataclass
class Row:
    """A customer as the model has it."""

    name: str
    source: str
    available_on: date
    alive: bool = True


def expected(batches: Iterable[Said], owners: Sequence[str] = ("shop",)) -> dict[str, Row]:
    """The customers after each source's batches in their order; a key that several bring is the first owner's."""
    by_source = {source: _of_one_source(batches, source) for source in owners}
    available_on: dict[str, date] = {}
    for batch in batches:
        for key, name in batch.rows:
            if name != GONE:
                available_on[key] = min(available_on.get(key, batch.recorded), batch.recorded)
    return {
        key: replace(
            next(rows[key] for rows in by_source.values() if key in rows), available_on=available_on[key]
        )
        for key in available_on
    }


def _of_one_source(batches: Iterable[Said], source: str) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for batch in sorted((b for b in batches if b.source == source), key=lambda b: b.number):
        said = dict(batch.rows)
        if batch.snapshot:
            for key, row in rows.items():
                row.alive = row.alive and key in said
        for key, name in said.items():
            if name != GONE:
                rows[key] = Row(name, source, batch.recorded)
            elif key in rows:
                rows[key].alive = False
    return rows


def _customers(bench: Bench) -> dict[str, Row]:
    found = bench.rows(
        "SELECT customer_id, name, source_system, available_on, NOT is_deleted FROM erp.customers"
    )
    assert len({row[0] for row in found}) == len(found), found
    return {key: Row(*row) for key, *row in found}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("bench"))
    yield made
    made.connection.close()


def shown(rows: Mapping[str, Row]) -> dict[str, Any]:
    """Live rows whole; of dead ones that they are dead, and whose: what they last said moves nobody."""
    return {
        key: (row.name, row.source, row.available_on) if row.alive else ("dead", row.source)
        for key, row in sorted(rows.items())
    }


def assert_every_order_gives_the_same(
    bench: Bench, batches: Sequence[Said], owners: Sequence[str] = ("shop",)
) -> None:
    judged = [bench.judged(batch.delivery()) for batch in batches]
    wanted = shown(expected(batches, owners))
    for order in permutations(range(len(batches))):
        bench.land([judged[place] for place in order], {COMPANY: {"customers": owners}})
        assert shown(_customers(bench)) == wanted, f"landed in the order {[batches[p].number for p in order]}"


def rows(names: Sequence[str]) -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    said = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(names), min_size=1)
    return said.map(lambda rows: tuple(sorted(rows.items())))


@st.composite
def said(draw: st.DrawFn, batches: int, sources: Sequence[str] = ("shop",)) -> tuple[Said, ...]:
    return tuple(
        Said(
            number,
            draw(rows(("A", "B", GONE))),
            snapshot=draw(st.booleans()),
            source=draw(st.sampled_from(sources)),
        )
        for number in range(1, batches + 1)
    )


def delta(number: int, **rows: str) -> Said:
    return Said(number, tuple(rows.items()))


def snapshot(number: int, **rows: str) -> Said:
    return Said(number, tuple(rows.items()), snapshot=True)


@pytest.mark.parametrize(
    "batches",
    [
        pytest.param((delta(1, K1="A"), delta(2, K1="B"), delta(3, K1="A")), id="there and back again"),
        pytest.param((delta(1, K1="A"), delta(2, K1=GONE)), id="a tombstone before its row"),
        pytest.param(
            (delta(1, K1="A"), delta(2, K1="B"), delta(3, K1=GONE)), id="two versions after their tombstone"
        ),
        pytest.param((delta(1, K1="A"), delta(2, K1=GONE), delta(3, K1="A")), id="gone and back"),
        pytest.param((delta(1, K1=GONE), delta(2, K1="A"), delta(3, K1=GONE)), id="two tombstones around"),
        pytest.param(
            (delta(1, K1="A"), delta(2, K1=GONE), delta(3, K1=GONE), delta(4, K2="A")), id="buried twice"
        ),
        pytest.param(
            (snapshot(1, K1="A"), delta(2, K1="B"), snapshot(3, K1="A")), id="a snapshot as it was before"
        ),
        pytest.param(
            (snapshot(1, K1="A", K2="A"), snapshot(2, K2="A"), delta(3, K1="B")), id="back by delta"
        ),
        pytest.param(
            (delta(1, K1="A"), snapshot(2, K2="A"), delta(3, K2=GONE)), id="missing from a snapshot"
        ),
        pytest.param(
            (delta(1, K1="A"), snapshot(2, K1=GONE), delta(3, K2="A")), id="a tombstone in a snapshot"
        ),
        pytest.param(
            (delta(1, K1=GONE), snapshot(2, K1="A"), delta(3, K2="A")), id="a snapshot after a tombstone"
        ),
    ],
)
def test_batches_may_land_in_any_order(bench: Bench, batches: tuple[Said, ...]) -> None:
    assert_every_order_gives_the_same(bench, batches)


@settings(max_examples=12)
@given(batches=said(3))
def test_any_three_batches_may_land_in_any_order(bench: Bench, batches: tuple[Said, ...]) -> None:
    assert_every_order_gives_the_same(bench, batches)


@settings(max_examples=2)
@given(batches=said(4))
def test_any_four_batches_may_land_in_any_order(bench: Bench, batches: tuple[Said, ...]) -> None:
    assert_every_order_gives_the_same(bench, batches)


@settings(max_examples=12)
@given(batches=said(3, ("shop", "till")))
@example(
    (Said(1, (("K1", "A"),), source="till"), Said(2, (("K1", "B"),)), Said(3, (("K2", "A"),), snapshot=True))
)
def test_batches_of_two_sources_may_land_in_any_order(bench: Bench, batches: tuple[Said, ...]) -> None:
    """A key that both bring is the first owner's, dead or alive; of the others each source disposes alone."""
    assert_every_order_gives_the_same(bench, batches, owners=("shop", "till"))
