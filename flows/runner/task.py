"""Staging and judging one batch: from its files to a scratch file and a verdict, in whatever process or machine."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import duckdb

from expectations.gate import Gate, GateError
from flows.runner import data_docs
from warehouse.delivery.profile import get_source
from warehouse.errors import BatchRefusedError, Fault
from warehouse.merge.merge import Judged
from warehouse.staging import currency, derived, quarantine
from warehouse.staging import scratch as staging

if TYPE_CHECKING:
    from collections.abc import Mapping

    from expectations.gate import Judgement
    from flows.runner.data_docs import Wanted
    from warehouse.delivery.manifest import Batch
    from warehouse.delivery.profile import Source
    from warehouse.staging.currency import Asked, Known
    from warehouse.staging.derived import KeptOut
    from warehouse.staging.tables import StagedTable
    from warehouse.store.ledger import Attempt

SCRATCH = "batch.duckdb"


@dataclass(frozen=True, slots=True)
class Order:
    """What staging a batch takes, apart from the files that it names and what the warehouse knows already.

    Two that are equal come to the same verdict. No secret is in it: it may go to another machine. Scratch files go into folders
    of their own below `folder`.
    """

    batch: Batch
    sources_path: tuple[Path, ...]
    attempt: Attempt
    folder: Path
    days_ahead: int
    memory: int
    data_docs: Wanted
    kept_out: tuple[KeptOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """A batch that may be merged, and the pages on its judgement; `asked` is what was looked up in a copy of what is known."""

    judged: Judged
    pages: Mapping[str, str]
    asked: tuple[Asked, ...] = ()


def mapping_version(source: Source | None, batch: Batch) -> str:
    """What shapes the mapping: the source's folder, and what the batch says of its files."""
    stated = "".join(f"+{name}={value}" for name, value in sorted(batch.about.settings.items()))
    return source.mapping_version + stated if source else ""


def stage_and_judge(order: Order, source: Source, gate: Gate, known: Known) -> Verdict:
    """Fill a scratch file with the batch's typed rows, judge them, and put aside those that may not enter.

    BatchRefusedError, SourceError.
    """
    # Of its own for each try: whoever comes late with one that was given up writes where nobody reads.
    path = order.folder / uuid.uuid4().hex / SCRATCH
    pages: dict[str, str] = {}
    old_rates: list[str] = []
    with staging.stage(
        order.batch, source, path, days_ahead=order.days_ahead, memory=order.memory
    ) as scratch:
        for tables in currency.rounds(scratch):
            for table in tables:
                old_rates += currency.convert(scratch, table, known)
            judgements = _judged(gate, scratch, tables)
            for table, judgement in zip(tables, judgements, strict=True):
                quarantine.quarantine_rows(scratch, table, judgement.violations)
            pages |= data_docs.render(gate, order.data_docs, scratch, judgements)
        tables, waiting = derived.wait_for_records(scratch, order.kept_out)
        quarantine.quarantine_reference_resources(scratch)
        quarantine.number_rows_as_the_file_does(scratch)
    judged = Judged(
        scratch=path,
        batch=order.batch,
        tables=tables,
        reference_resources=scratch.reference_resources,
        key_sets=scratch.key_sets,
        warnings=(*scratch.warnings, *old_rates, *waiting),
        attempt=replace(order.attempt, record_counts=scratch.record_counts, bytes_read=scratch.bytes_read),
    )
    return Verdict(judged, pages)


def _judged(gate: Gate, scratch: staging.Scratch, tables: tuple[StagedTable, ...]) -> list[Judgement]:
    try:
        return gate.judge_all(scratch.connection, [table.contract for table in tables])
    except GateError as error:
        raise BatchRefusedError(_unjudged(error)) from error


def _unjudged(error: GateError) -> Fault:
    remedy = (
        "Nothing is loaded on the word of a rule that could not be asked: report it, and try the batch again."
    )
    return Fault("judgement_failed", " ".join(str(error).split()), remedy)


def made_by() -> tuple[str, str]:
    """What stages here: only a verdict of the same is one."""
    return version("valuemart"), duckdb.__version__


class OtherMappingError(Exception):
    """The source's folder, or the program, is not the same here as where the order was given."""


# A worker of several threads has one judge, which takes one table after the other.
_one_at_a_time = Lock()
_gate = cache(Gate)


def stage_elsewhere(order: Order, wanted: tuple[str, str], known: Path) -> Verdict:
    """An order from another process, which has put what its warehouse knows into the folder `known`.

    Whatever it raises, whoever gave the order stages the batch itself: what is missing here may not be missing there.
    """
    source = get_source(order.batch.source, order.sources_path)
    if made_by() != wanted or mapping_version(source, order.batch) != order.attempt.mapping_version:
        raise OtherMappingError(
            f"{order.batch.place}: this worker is of {made_by()}, and reads {source.folder}"
        )
    copied = currency.Copied(known)
    with _one_at_a_time:
        return replace(stage_and_judge(order, source, _gate(), copied), asked=tuple(copied.asked))
