"""Batches that others stage ahead of their turn: no row, reason or count differs from what one after the other gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from flows.pipeline.load import load_inbox, staging_meanwhile
from flows.runner import processes
from flows.runner.ahead import Ahead
from flows.runner.task import Order
from tests.runner.rows import held
from tests.runner.threads import counted_verdicts, opened, stage_in_threads
from tests.warehouse.converting import FACTOR, PRODUCT, batch
from tests.warehouse.converting import line as sold
from tests.warehouse.making import (
    FIRST_EXTRACT,
    NOW,
    PROFILE,
    SQL,
    Delivery,
    Loader,
    gate,
    line,
    numbered,
    of_customers,
    of_lines,
)

pytestmark = pytest.mark.slow

RATE = {"from_currency": "USD", "to_currency": "EUR", "rate_date": "2025-05-01", "rate": "0.9"}

Runs = Sequence[Callable[[Loader], object]]


def lived(root: Path, runs: Runs) -> Loader:
    loader = Loader(root)
    loader.source()
    for run in runs:
        run(loader)
        loader.report()
    assert not list(loader.settings.scratch.rglob("*")), "scratch files were left"
    return loader


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Runs], dict[str, bool]]:
    """Lives through the same twice, and says which batches counted that were staged ahead of their turn."""

    def live(runs: Runs) -> dict[str, bool]:
        alone = lived(tmp_path / "alone", runs)
        with monkeypatch.context() as patch:
            counted = stage_in_threads(patch)
            ahead = lived(tmp_path / "ahead", runs)
        assert held(ahead.settings) == held(alone.settings)
        return counted

    return live


def test_batches_that_need_nothing_of_each_other_are_all_staged_ahead(
    both: Callable[[Runs], dict[str, bool]],
) -> None:
    deliveries = [of_lines(line(each), line(each + 1, net="x"), number=each) for each in range(1, 7)]
    assert both([lambda loader: loader.land(*deliveries)]) == {f"b{each}": True for each in range(1, 7)}


def test_what_an_earlier_batch_of_the_run_says_of_rates_and_units_is_waited_for_and_nothing_else(
    both: Callable[[Runs], dict[str, bool]],
) -> None:
    own = {"base_quantity": "48"}
    counted = both(
        [
            lambda loader: loader.land(
                batch(1, fx_rates=[RATE], uom_conversions=[FACTOR], products=[PRODUCT]),
                batch(2, invoice_lines=[sold(1)]),
            ),
            lambda loader: loader.land(
                batch(3, invoice_lines=[sold(2)]),
                # a rate that is too old to be asked for, and one of a later day
                batch(4, fx_rates=[RATE | {"rate_date": "2020-01-01"}, RATE | {"rate_date": "2025-06-01"}]),
                batch(5, invoice_lines=[sold(3, **own)]),
                batch(6, fx_rates=[RATE | {"rate_date": "2025-05-05", "rate": "0.5"}]),
                batch(7, invoice_lines=[sold(4, **own)]),
                # what it brings itself goes before what anybody else says
                batch(8, fx_rates=[RATE | {"rate_date": "2025-05-05"}], invoice_lines=[sold(5, **own)]),
                batch(9, uom_conversions=[FACTOR | {"product_id": "P1", "factor": "6"}]),
                batch(10, products=[PRODUCT | {"product_id": "P2"}]),
                batch(11, invoice_lines=[sold(6, currency="EUR", net_amount_company="100.00")]),
            ),
        ]
    )
    late = {batch_id for batch_id, is_ahead in counted.items() if not is_ahead}
    assert {"b2", "b7", "b11"} <= late
    assert late <= {"b2", "b7", "b8", "b11"}


def test_a_batch_that_others_would_refuse_is_refused_by_the_one_that_commits(
    both: Callable[[Runs], dict[str, bool]],
) -> None:
    counted = both(
        [
            lambda loader: loader.land(
                of_lines(line(1), number=1),
                Delivery({"LINES": {"lines.csv": b"no header of ours\n1\n"}}, **numbered(2)),
                of_lines(line(3), number=3, rows={"LINES": 7}),
                of_lines(line(4), number=4),
            ),
            lambda loader: loader.land(
                of_lines(line(1, net="12,00"), number=1),  # other content, and nothing says that it is meant
                of_lines(line(4, net="12,00"), number=4, supersedes="b4"),
                of_lines(line(5), number=5),
            ),
        ]
    )
    assert counted == {"b1": True, "b2": False, "b3": False, "b4": True, "b5": True}


def test_a_link_that_leads_in_a_circle_is_refused_by_the_one_that_commits(
    both: Callable[[Runs], dict[str, bool]],
) -> None:
    def land_with_a_circle(loader: Loader) -> None:
        loader.land(of_lines(line(1), number=1), of_lines(line(2), number=2))
        [file] = loader.settings.inbox.rglob("b2/lines.csv")
        file.unlink()
        file.symlink_to(file)

    counted = both([land_with_a_circle])
    assert counted == {"b1": True, "b2": False}


def test_a_batch_that_takes_the_place_of_another_one_is_staged_as_that_one(
    both: Callable[[Runs], dict[str, bool]],
) -> None:
    def remap(loader: Loader) -> None:
        doubled = SQL["invoice_lines"].replace("quantity,", "2 * quantity AS quantity,")
        loader.source(PROFILE, {"invoice_lines": doubled}, version="2")
        loader.land(
            of_lines(line(1), number=1, batch_id="b8"),
            of_lines(line(9), number=9),
        )

    counted = both(
        [
            lambda loader: loader.land(of_lines(line(1), number=1), of_customers("K1;A", number=2)),
            remap,
        ]
    )
    assert counted["b9"]
    assert not counted["b1"], "the order was given for b8"


def test_what_is_left_for_a_later_day_is_staged_meanwhile_and_loaded_on_its_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries = [of_lines(line(each), number=each) for each in range(1, 5)]
    alone = lived(tmp_path / "alone", [lambda loader, each=each: loader.land(each) for each in deliveries])
    counted = counted_verdicts(monkeypatch)
    monkeypatch.setattr(processes, "workers", opened)
    ahead = Loader(tmp_path / "ahead")
    ahead.source()
    ahead.land(*deliveries)
    with staging_meanwhile(ahead.settings, gate(), NOW):
        for number in range(1, 5):
            until = FIRST_EXTRACT + timedelta(days=number + 1)
            report = load_inbox(ahead.settings, gate(), recorded_at=NOW, until=until)
            assert [outcome.batch.batch_id for outcome in report.outcomes] == [f"b{number}"]
    assert counted == {f"b{each}": True for each in range(1, 5)}
    assert held(ahead.settings) == held(alone.settings)
    assert not list(ahead.settings.scratch.rglob("*")), "scratch files were left"


def test_what_has_landed_already_is_begun_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[str] = []
    begin = Ahead.begin

    def noted(self: Ahead, given: Iterable[Order]) -> None:
        listed = list(given)
        orders.extend(order.batch.batch_id for order in listed)
        begin(self, listed)

    monkeypatch.setattr(Ahead, "begin", noted)
    monkeypatch.setattr(processes, "workers", opened)
    ahead = Loader(tmp_path)
    ahead.source()
    ahead.land(of_lines(line(2), number=2), of_lines(line(1), number=1))
    with staging_meanwhile(ahead.settings, gate(), NOW):
        assert orders == ["b1", "b2"], "in the order in which they will be loaded"
    assert not list(ahead.settings.scratch.rglob("*")), "scratch files were left"
