"""The order in which rows lie in a file, documents in batches, and batches in time, changes nothing of the mart.

What may differ is what is about the delivery itself: which batch brought a row, and when something was written down.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from expectations.gate import Gate
from flows.pipeline import rate, stages
from flows.settings import Settings
from tests.flows.small_company import (
    WRITTEN_DOWN,
    Extract,
    Record,
    Tables,
    assert_same,
    customer,
    gone,
    item,
    land,
    line,
    load,
    mart,
    merged,
    refresh,
    settings_of,
    table,
)
from tests.flows.small_history import (
    BUYERS,
    FIRST_RATED,
    LAST_MONTH,
    extract,
    invoice,
    months,
    rated_months,
    taken_on,
)
from transforms.frames.periods import first_of_month
from transforms.frames.plan import closed_through, month_end
from warehouse.connection import open_database

FIRST_DAY, LAST_DAY = date(2023, 11, 1), date(2025, 1, 15)
# Everything is delivered once and some of it again later, changed or withdrawn.
DELIVERED_ON = (date(2025, 1, 20), date(2025, 2, 5))
AS_OF = date(2025, 2, 10)
CUSTOMERS = ("A", "B", "C")
FIRST, AGAIN = 0, 1
# When a rating was written down, how often before, and why again; and the class among all of a period, which a revision of
# others does not move (it is kept as it was told).
REVISED = WRITTEN_DOWN | {"revision", "cause", "abc_class"}


@dataclass(frozen=True)
class Piece:
    """What must stay together: all records of one document, customer or item, in one of its two deliveries."""

    delivery: int
    table: str
    records: tuple[Record, ...]


amounts = st.decimals(min_value=1, max_value=90_000, places=2)
days = st.dates(FIRST_DAY, LAST_DAY)


@st.composite
def companies(draw: st.DrawFn) -> list[Piece]:
    """Customers, invoices, credit notes that name an invoice (or none there is), open and settled items, changes of all."""
    pieces = []

    def deliver(
        table: str, records: Sequence[Record], changed: Sequence[Record], gone: Sequence[Record]
    ) -> None:
        pieces.append(Piece(FIRST, table, tuple(records)))
        again = draw(st.sampled_from(["never"] * 3 + ["the same", "changed", "gone"]))
        if again != "never":
            pieces.append(
                Piece(AGAIN, table, tuple({"the same": records, "changed": changed, "gone": gone}[again]))
            )

    for number in CUSTOMERS[: draw(st.integers(1, 3))]:
        since = draw(st.none() | days)
        deliver(
            "customers",
            [customer(number, created_on=since)],
            [customer(number, created_on=since, credit_limit=5000)],
            [gone(customer(number), "customer_id")],
        )
    invoices = draw(st.lists(st.tuples(st.sampled_from(CUSTOMERS), days, amounts), min_size=2, max_size=9))
    for number, (buyer, day, net) in enumerate(invoices):
        document = f"R{number}"
        lines = [line(document, buyer, day, net), line(document, buyer, day, 50, line_id="2")]
        deliver(
            "invoice_lines",
            lines,
            [line(document, buyer, day + timedelta(days=draw(st.integers(0, 40))), net + 7), lines[1]],
            [gone(each, "document_id", "line_id") for each in lines],
        )
        due = day + timedelta(days=30)
        owed = item(f"I{number}", buyer, day, due, net)
        settled = draw(st.dates(day, AS_OF + timedelta(days=10)))
        deliver("receivables", [owed], [{**owed, "cleared_date": settled}], [gone(owed, "item_id")])
    for number, credited in enumerate(draw(st.lists(st.integers(0, len(invoices)), max_size=3))):
        buyer, day, net = invoices[min(credited, len(invoices) - 1)]
        later = day + timedelta(days=draw(st.integers(1, 60)))
        note = line(
            f"G{number}",
            buyer,
            later,
            -net / 2,
            document_type="credit_note",
            quantity=-1,
            references_document_id=f"R{credited}",
        )
        deliver(
            "invoice_lines",
            [note],
            [{**note, "references_document_id": None}],
            [gone(note, "document_id", "line_id")],
        )
    return pieces


@dataclass(frozen=True)
class Batch:
    """A batch by its place among all batches."""

    sequence: int
    taken: date
    extract: Extract


def batches(pieces: Sequence[Piece], parts: int, chance: random.Random) -> list[Batch]:
    """Each delivery in so many batches, each piece in any one of them, the rows of each file in any order."""
    made = []
    for delivery, taken in enumerate(DELIVERED_ON):
        lots: list[list[Extract]] = [[] for _ in range(parts)]
        for piece in pieces:
            if piece.delivery == delivery:
                chance.choice(lots).append({piece.table: piece.records})
        for part, lot in enumerate(lots):
            extract = merged(lot)
            for records in extract.values():
                chance.shuffle(records)
            if extract:
                made.append(Batch(delivery * parts + part + 1, taken, extract))
    return made


def mart_of(arrivals: Sequence[Sequence[Batch]], gate: Gate) -> Tables:
    """The mart after one rating, where the batches of each arrival are loaded before the next one comes."""
    with tempfile.TemporaryDirectory() as folder:
        configured = settings_of(Path(folder) / "home")
        for arrival in arrivals:
            for batch in arrival:
                land(configured, batch.extract, taken=batch.taken, sequence=batch.sequence)
            load(configured, gate)
        stages.rate_stage(configured, AS_OF)
        stages.publish_stage(configured)
        return mart(configured.home)


@pytest.fixture(scope="module")
def gate() -> Gate:
    """One for all, since it takes seconds to be made."""
    return Gate()


@pytest.mark.slow
@settings(
    max_examples=10,
    # Shrinking a failure would take minutes, and the first one found is small enough to read.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(pieces=companies(), parts=st.integers(1, 2), chance=st.randoms(use_true_random=False))
def test_neither_shuffled_rows_nor_split_batches_nor_the_order_of_arrival_change_the_mart(
    gate: Gate, pieces: list[Piece], parts: int, chance: random.Random
) -> None:
    in_order = mart_of([batches(pieces, 1, random.Random(0))], gate)
    split = batches(pieces, parts, chance)
    chance.shuffle(split)
    assert_same(in_order, mart_of([[batch] for batch in split], gate))


def landed(configured: Settings, month: date) -> None:
    land(configured, extract(month), taken=taken_on(month), sequence=months().index(month) + 1)


def final(home: Path, without: Collection[str] = REVISED) -> Tables:
    """What stands at the end: of every period the latest revision, without how often and why it was revised."""
    tables = mart(home)
    tables["customer_value_history"] = table(
        home,
        """FROM customer_value_history
           QUALIFY row_number() OVER (PARTITION BY company_code, customer_id, period ORDER BY revision DESC) = 1""",
        without=without,
    )
    for name in ("customer_value", "customer_value_by_month", "customer_period", "credit_watch"):
        tables[name] = table(home, f"FROM {name}", without=without)
    del tables["tier_change"]
    tables["reason"] = table(home, "FROM reason WHERE about NOT LIKE 'tier_change.%'", without=without)
    return tables


@pytest.fixture(scope="module")
def month_by_month(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home in which each month was landed after its end, and rated."""
    configured = settings_of(tmp_path_factory.mktemp("month_by_month") / "home")
    for month in months():
        landed(configured, month)
        if month >= FIRST_RATED:
            refresh(configured, gate, month_end(month))
    return configured


@pytest.fixture
def grown(month_by_month: Settings, tmp_path: Path) -> Settings:
    """A copy of it, to go on with."""
    shutil.copytree(month_by_month.home, tmp_path / "home", symlinks=True)
    return settings_of(tmp_path / "home")


@pytest.mark.slow
def test_months_landed_at_once_and_rated_in_order_end_where_months_landed_one_by_one_do(
    gate: Gate, month_by_month: Settings, tmp_path: Path
) -> None:
    """A rating sees what had happened by its day, whenever it was delivered; what comes late rates its own and all later
    periods anew, each from its predecessor. So every period ends at the same latest revision. What
    may differ is who was told something in between: revisions, causes, moves. Exempt are changes of masters, which bear
    no date, caps on credit facts that came late (a cap is a state of its own), and the class among all of a period.
    """
    configured = settings_of(tmp_path / "home")
    for month in months():
        landed(configured, month)
    load(configured, gate)
    for month in rated_months():
        stages.rate_stage(configured, month_end(month), shown=month == rated_months()[-1])
    stages.publish_stage(configured)
    assert_same(final(month_by_month.home), final(configured.home))
    revised = table(
        month_by_month.home, "SELECT DISTINCT cause FROM customer_value_history WHERE revision > 1"
    )
    assert revised == [("correction",)], "nothing came late, and nothing was tried"


@pytest.mark.slow
def test_a_late_correction_touches_its_own_cell_and_writes_only_rows_that_differ(
    gate: Gate, grown: Settings
) -> None:
    before = mart(grown.home)
    closed = rated_months()[2]
    corrected = {**invoice("LOYAL", closed), "net_amount": 950}
    land(grown, {"invoice_lines": [corrected]}, taken=taken_on(LAST_MONTH), sequence=99)
    rating = refresh(grown, gate, month_end(LAST_MONTH))
    assert rating is not None
    assert rating.cells == 1
    assert rating.periods == [month for month in rated_months() if month >= closed]
    new = Counter(mart(grown.home)["customer_value_history"]) - Counter(before["customer_value_history"])
    assert sum(new.values()) == rating.new_rows == len(rating.periods)
    written = table(
        grown.home,
        f"""SELECT customer_id, period, cause FROM customer_value_history AS newest
            WHERE customer_id = 'LOYAL' AND period >= DATE '{closed}' AND revision =
                (SELECT max(revision) FROM customer_value_history AS h
                 WHERE h.customer_id = newest.customer_id AND h.period = newest.period)""",
    )
    assert written == [("LOYAL", month, "correction") for month in rating.periods]
    assert not Counter(before["customer_value_history"]) - Counter(mart(grown.home)["customer_value_history"])


@pytest.mark.slow
def test_a_second_rating_of_a_day_writes_nothing(gate: Gate, grown: Settings) -> None:
    before, as_of = mart(grown.home), month_end(LAST_MONTH)
    assert refresh(grown, gate, as_of) is None
    # The same rows in a new batch are a new state of the books, and still nothing to tell.
    land(grown, {"invoice_lines": [invoice("GIANT", LAST_MONTH)]}, taken=taken_on(LAST_MONTH), sequence=99)
    rating = refresh(grown, gate, as_of)
    assert rating is not None
    assert (rating.new_rows, rating.events, rating.moves) == (0, 0, [])
    assert_same(before, mart(grown.home))


@pytest.mark.slow
def test_a_day_that_was_rated_and_not_shown_is_shown_by_the_next_run_which_rates_nothing_anew(
    grown: Settings,
) -> None:
    next_day = month_end(LAST_MONTH) + timedelta(days=1)
    days = "SELECT DISTINCT as_of FROM next_action"
    stages.rate_stage(grown, next_day, shown=False)
    stages.publish_stage(grown)
    assert table(grown.home, days) == [(month_end(LAST_MONTH),)]
    assert table(grown.home, "SELECT DISTINCT as_of FROM credit_watch") == [(next_day,)]
    again = stages.rate_stage(grown, next_day)
    assert again is not None
    assert (again.new_rows, again.events) == (0, 0)
    stages.publish_stage(grown)
    assert table(grown.home, days) == [(next_day,)]
    assert stages.rate_stage(grown, next_day) is None


@pytest.mark.slow
def test_another_policy_rates_the_current_period_anew_and_no_closed_one(
    gate: Gate, grown: Settings, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(rate.default_policy().replace("volume_high_from = 150000", "volume_high_from = 10000"))
    before = mart(grown.home)["customer_value_history"]
    rating = refresh(settings_of(grown.home, policy=policy), gate, month_end(LAST_MONTH))
    assert rating is not None
    assert rating.periods == [LAST_MONTH]
    after = table(
        grown.home, "SELECT period, cause, policy_hash FROM customer_value_history WHERE revision > 1"
    )
    new = [row for row in after if row[2] == rating.policy.content_hash]
    assert new == [(LAST_MONTH, "policy_change", rating.policy.content_hash)] * len(BUYERS)
    assert rating.new_rows == len(BUYERS)
    assert not Counter(before) - Counter(mart(grown.home)["customer_value_history"])


@pytest.mark.slow
@pytest.mark.parametrize("day", ["2024-09-30", "2024-10-17", "2024-12-30"])
def test_who_looks_back_and_forward_again_ends_where_he_was(gate: Gate, grown: Settings, day: str) -> None:
    """But for the day on which a past period was last looked at, which may be the day looked back to."""
    aside = REVISED | {"as_of"}
    before = final(grown.home, aside)
    looked = refresh(grown, gate, date.fromisoformat(day))
    assert looked is not None
    assert looked.periods == [first_of_month(closed_through(date.fromisoformat(day)))]
    assert looked.looked_back_from == month_end(LAST_MONTH)
    forward = refresh(grown, gate, month_end(LAST_MONTH))
    assert forward is not None
    assert forward.looked_back_from is None
    assert_same(before, final(grown.home, aside))


@pytest.mark.slow
def test_who_looks_back_and_forward_again_finds_a_warning_standing_since_it_was_raised(
    gate: Gate, grown: Settings
) -> None:
    since = "SELECT customer_id, warning_since FROM credit_watch WHERE warning_since IS NOT NULL ORDER BY ALL"
    before = table(grown.home, since)
    refresh(grown, gate, date(2024, 9, 30))
    assert table(grown.home, since) == stood_on(grown, date(2024, 9, 30))
    refresh(grown, gate, date(2024, 10, 17))
    assert set(stood_on(grown, date(2024, 9, 30))) <= set(table(grown.home, since))
    refresh(grown, gate, month_end(LAST_MONTH))
    assert table(grown.home, since) == before != []


def stood_on(configured: Settings, day: date) -> list[tuple[object, ...]]:
    """Customers and since when they were warned of, as was found on a day."""
    with open_database(configured.warehouse_file, read_only=True) as connection:
        return connection.execute(
            "SELECT customer_id, warning_since FROM rated.credit_warning_day WHERE as_of = ? ORDER BY ALL",
            [day],
        ).fetchall()
