"""From landed batches to canonical rows: stage, judge, merge, archive; one batch after the other, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from expectations.gate import Gate, GateError
from flows import pull
from flows.data_docs import DataDocs
from flows.progress import reached, say
from flows.settings import Settings
from warehouse import conversion, ledger, merge, quarantine, staging
from warehouse.batch import Batch, read_manifest
from warehouse.connection import open_database
from warehouse.faults import BatchRefusedError, Fault, SourceError
from warehouse.ledger import BatchOutcome, KnownBatch, TableOutcome
from warehouse.migrate import migrate
from warehouse.source import Source, get_source


@dataclass(slots=True)
class LoadReport:
    """What a load did: one outcome a batch, and the folders still waiting for `_SUCCESS`."""

    outcomes: list[BatchOutcome] = field(default_factory=list)
    waiting: tuple[str, ...] = ()


# Of a batch whose manifest cannot be read: it is refused, and comes first.
_NO_TIME = datetime(1970, 1, 1)  # noqa: DTZ001 - instants are naive UTC in the warehouse


_held: ContextVar[duckdb.DuckDBPyConnection | None] = ContextVar("warehouse held open", default=None)


@contextmanager
def open_warehouse(settings: Settings, recorded_at: datetime) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, with its tables brought up to this version; the one held open, where one is."""
    held = _held.get()
    if held is not None:
        yield held
        return
    settings.home.mkdir(parents=True, exist_ok=True)
    with open_database(settings.warehouse_file) as connection:
        migrate(connection, recorded_at)
        yield connection


@contextmanager
def warehouse_held_open(settings: Settings, recorded_at: datetime) -> Iterator[None]:
    """Keep the warehouse open between the stages of the block: opening and closing costs more than a small day's work."""
    with open_warehouse(settings, recorded_at) as connection:
        token = _held.set(connection)
        try:
            yield
        finally:
            _held.reset(token)


def load_inbox(settings: Settings, gate: Gate, *, recorded_at: datetime) -> LoadReport:
    """Load every complete batch of the inbox that the ledger does not know yet.

    A batch that is refused leaves the others alone; SourceError of a batch's mapping refuses that batch.
    """
    inbox = pull.scan_inbox(settings.inbox)
    report = LoadReport(waiting=tuple("/".join(landed.identity) for landed in inbox.waiting))
    staging.remove_scratch(settings.scratch)
    with open_warehouse(settings, recorded_at) as connection:
        known = ledger.known_batches(connection)
        todo = pull.new_batches(inbox, known, settings)
        read = [_read(landed, settings) for landed in todo]
        read.sort(key=lambda each: each.order)
        for number, arrival in enumerate(read, start=1):
            say(f"loading {'/'.join(arrival.landed.identity)} ({number} of {len(read)})")
            before = known.get(arrival.landed.identity)
            outcome = _load(connection, settings, gate, arrival, before, recorded_at)
            reached(number, len(read))
            report.outcomes.append(outcome)
            staging.remove_scratch(settings.scratch)
            if outcome.status != "refused":
                pull.archive(arrival.landed, settings.archive, delivered_again=not outcome.tables)
    return report


@dataclass(slots=True)
class _Arrival:
    """A landed batch with whatever could be read of it."""

    landed: pull.Landed
    batch: Batch
    source: Source | None
    faults: tuple[Fault, ...] = ()

    @property
    def order(self) -> tuple[object, ...]:
        return (self.batch.sequence, self.batch.extracted_at, self.batch.source, self.batch.batch_id)

    @property
    def mapping_version(self) -> str:
        """What shapes the mapping: the source's folder, and what the batch says of its files."""
        stated = "".join(f"+{name}={value}" for name, value in sorted(self.batch.settings.items()))
        return self.source.mapping_version + stated if self.source else ""


def _read(landed: pull.Landed, settings: Settings) -> _Arrival:
    blank = Batch(landed.folder, *landed.identity, 0, _NO_TIME, None, (), "")
    faults: tuple[Fault, ...] = ()
    source = None
    try:
        source = get_source(landed.source, settings.sources_path)
    except SourceError as error:
        faults = (_mapping_fault(error),)
    try:
        pull.require_own_folder(landed, settings.inbox)
        return _Arrival(landed, read_manifest(landed.folder), source, faults)
    except BatchRefusedError as error:
        return _Arrival(landed, blank, source, (*faults, *error.faults))


def _faults(error: BatchRefusedError | SourceError) -> tuple[Fault, ...]:
    return error.faults if isinstance(error, BatchRefusedError) else (_mapping_fault(error),)


def _mapping_fault(error: SourceError) -> Fault:
    return Fault(
        "source_mapping", str(error), "Mend the source's folder; the batch is tried again by itself."
    )


def _load(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    gate: Gate,
    arrival: _Arrival,
    before: KnownBatch | None,
    recorded_at: datetime,
) -> BatchOutcome:
    batch = arrival.batch
    if not arrival.faults and _was_loaded(before, arrival):
        return BatchOutcome(batch, "unchanged")
    try:
        source = _accepted_source(arrival, before)
        known = conversion.Known(connection, batch.company)
        docs = DataDocs.of_batch(settings, gate, arrival.landed.identity)
        judged = _stage_and_judge(settings, gate, arrival, source, known, docs)
        merged = merge.merge_batch(
            connection,
            judged,
            owners=settings.owners,
            shrink_limit=settings.shrink_limit,
            recorded_at=recorded_at,
        )
        merged.data_docs = docs.write()
    except (BatchRefusedError, SourceError) as error:
        outcome = BatchOutcome(batch, "refused", _refused_tables(arrival, error.records), _faults(error))
        merge.refuse_batch(
            connection,
            outcome,
            loaded_before=before is not None and before.status != "refused",
            mapping_version=arrival.mapping_version,
            fingerprint=pull.fingerprint(arrival.landed, settings),
            recorded_at=recorded_at,
        )
        return outcome
    return merged


def _refused_tables(arrival: _Arrival, records: Mapping[str, int]) -> list[TableOutcome]:
    """The rows that were refused, by table: as many as were counted, else as many as the sender says."""
    tables = []
    for name, mapping in arrival.source.profile.tables.items() if arrival.source else ():
        resource = arrival.batch.resource(mapping.driving)
        if resource is not None and not mapping.derived:
            rows = records.get(resource.name, resource.rows or 0)
            tables.append(
                TableOutcome(name, resource.name, False, resource.mode, rows, "", refused=rows)  # noqa: FBT003
            )
    return tables


def _was_loaded(before: KnownBatch | None, arrival: _Arrival) -> bool:
    """The same batch id with the same content was loaded before, by the same mapping."""
    return (
        before is not None
        and before.status != "refused"
        and before.hashes == arrival.batch.contents
        and before.mapping_version == arrival.mapping_version
    )


def _accepted_source(arrival: _Arrival, before: KnownBatch | None) -> Source:
    """The source of a batch that may be tried; BatchRefusedError where it may not."""
    if arrival.faults or arrival.source is None:
        raise BatchRefusedError(*arrival.faults)
    changed = before is not None and before.status != "refused" and before.hashes != arrival.batch.contents
    if changed and arrival.batch.supersedes != arrival.batch.batch_id:
        raise BatchRefusedError(_changed_content(arrival.batch))
    return arrival.source


def _changed_content(batch: Batch) -> Fault:
    return Fault(
        "batch_changed",
        f"the batch {batch.place} was loaded before with other content",
        "Give it a new batch id, or let its manifest say that it supersedes itself.",
        "datapackage.json",
    )


def _unjudged(error: GateError) -> Fault:
    remedy = (
        "Nothing is loaded on the word of a rule that could not be asked: report it, and try the batch again."
    )
    return Fault("judgement_failed", " ".join(str(error).split()), remedy)


def _stage_and_judge(
    settings: Settings,
    gate: Gate,
    arrival: _Arrival,
    source: Source,
    known: conversion.Known,
    docs: DataDocs,
) -> merge.Judged:
    """Fill the batch's scratch file with typed rows, judge them, and put aside those that may not enter."""
    path = settings.scratch / f"{'-'.join(arrival.landed.identity)}.duckdb"
    with staging.stage(arrival.batch, source, path) as scratch:
        for tables in conversion.rounds(scratch):
            for table in tables:
                conversion.convert(scratch, table, known)
            try:
                judgements = gate.judge_all(scratch.connection, [table.contract for table in tables])
            except GateError as error:
                raise BatchRefusedError(_unjudged(error)) from error
            for table, judgement in zip(tables, judgements, strict=True):
                quarantine.put_aside(scratch, table, judgement.violations)
            docs.add(scratch, {judgement.table: judgement for judgement in judgements})
        quarantine.put_look_ups_aside(scratch)
        quarantine.number_rows_as_the_file_does(scratch)
    return merge.Judged(
        scratch=path,
        batch=arrival.batch,
        tables=scratch.tables,
        look_ups=scratch.look_ups,
        key_sets=scratch.key_sets,
        mapping_version=arrival.mapping_version,
        fingerprint=pull.fingerprint(arrival.landed, settings),
        record_counts=scratch.record_counts,
        bytes_read=scratch.bytes_read,
    )
