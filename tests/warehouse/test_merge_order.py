"""The order-free law of loading: whichever order batches land in, the tables end as if they had come one after the other.

A model of the protocol, a few lines of Python that know no SQL, says what must come out; the merge is run over every
landing order of the same few batches. The judge plays no part in it and is left out for speed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import count, permutations
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.warehouse.making import (
    COMPANY,
    FIRST_EXTRACT,
    NOW,
    Delivery,
    csv_text,
    numbered,
    write_source,
)
from warehouse import merge, quarantine, staging
from warehouse.batch import read_manifest
from warehouse.migrate import migrate
from warehouse.source import read_source

KEYS = ("K1", "K2", "K3")
GONE = "gone"


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
    known_on: date
    alive: bool = True


def expected(batches: Iterable[Said], owners: Sequence[str] = ("shop",)) -> dict[str, Row]:
    """The customers after each source's batches in their order; a key that several bring is the first owner's."""
    by_source = {source: _of_one_source(batches, source) for source in owners}
    known_on: dict[str, date] = {}
    for batch in batches:
        for key, name in batch.rows:
            if name != GONE:
                known_on[key] = min(known_on.get(key, batch.recorded), batch.recorded)
    return {
        key: replace(next(rows[key] for rows in by_source.values() if key in rows), known_on=known_on[key])
        for key in known_on
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


class Bench:
    """A warehouse in memory that batches are merged into, and emptied again for the next order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = count()
        self.connection = duckdb.connect()
        migrate(self.connection, NOW)
        self.sources = {
            name: read_source(write_source(folder / "sources", source=name)) for name in ("shop", "till")
        }

    def judged(self, delivery: Delivery) -> merge.Judged:
        """A batch staged once, for all the orders it lands in."""
        number = next(self.numbers)
        batch = read_manifest(delivery.write(self.folder / f"inbox{number}"))
        path = self.folder / f"{number}.duckdb"
        with staging.stage(batch, self.sources[delivery.source], path) as scratch:
            for table in scratch.tables:
                quarantine.put_aside(scratch, table, [])
            return merge.Judged(
                path, batch, scratch.tables, (), "1", "", scratch.record_counts, scratch.bytes_read
            )

    def empty(self) -> None:
        for table in ("erp.customers", "ops.batch", "ops.batch_table", "ops.batch_resource", "ops.tombstone"):
            self.connection.execute(f"DELETE FROM {table}")
        self.connection.execute("DELETE FROM quarantine.row; DELETE FROM quarantine.reason")

    def land(self, batches: Iterable[merge.Judged], owners: Mapping[str, Any]) -> None:
        self.empty()
        for judged in batches:
            merge.merge_batch(self.connection, judged, owners=owners, shrink_limit=1, recorded_at=NOW)

    def customers(self) -> dict[str, Row]:
        found = self.connection.execute(
            "SELECT customer_id, name, source_system, known_on, NOT is_deleted FROM erp.customers"
        ).fetchall()
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
        key: (row.name, row.source, row.known_on) if row.alive else ("dead", row.source)
        for key, row in sorted(rows.items())
    }


def assert_every_order_gives_the_same(
    bench: Bench, batches: Sequence[Said], owners: Sequence[str] = ("shop",)
) -> None:
    judged = [bench.judged(batch.delivery()) for batch in batches]
    wanted = shown(expected(batches, owners))
    for order in permutations(range(len(batches))):
        bench.land([judged[place] for place in order], {COMPANY: {"customers": owners}})
        assert shown(bench.customers()) == wanted, f"landed in the order {[batches[p].number for p in order]}"


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
