"""From landed batches to canonical rows: stage, judge, merge, archive; in the batches' order, whoever stages them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import duckdb

from expectations.gate import Gate
from flows.console.progress import reached, report_step
from flows.inbox import landing
from flows.runner import data_docs
from flows.runner.ahead import Ahead
from flows.runner.task import Order, mapping_version, stage_and_judge
from flows.settings import Settings
from flows.settings.values import LEAST_MEMORY
from warehouse.delivery.manifest import MANIFEST, Batch, read_manifest
from warehouse.delivery.profile import Source, get_source
from warehouse.errors import BatchRefusedError, Fault, SourceError
from warehouse.lake.opening import open_at
from warehouse.merge import merge
from warehouse.merge.corrected import Corrected, what_it_corrects
from warehouse.staging import currency
from warehouse.staging.scratch import remove_scratch
from warehouse.store import ledger
from warehouse.store.ledger import Attempt, BatchOutcome, KnownBatch, TableOutcome
from warehouse.store.migrate import migrate


@dataclass(slots=True)
class LoadReport:
    """What a load did: one outcome a batch, and the folders still waiting for `_SUCCESS`."""

    outcomes: list[BatchOutcome] = field(default_factory=list)
    waiting: tuple[str, ...] = ()


_held: ContextVar[duckdb.DuckDBPyConnection | None] = ContextVar("warehouse held open", default=None)


@contextmanager
def open_warehouse(settings: Settings, recorded_at: datetime) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, with its tables brought up to this version; the one held open, where one is."""
    held = _held.get()
    if held is not None:
        yield held
        return
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_new = not settings.warehouse_at.exists()
    if is_new:
        # A new home, whoever made its folder; one that is in use changes by `maintain --fix-modes` alone.
        with suppress(PermissionError):
            settings.home.chmod(0o700)
    with open_at(settings.warehouse_at, memory=settings.memory_limit) as connection:
        applied = migrate(connection, recorded_at)
        if applied and not is_new:
            report_step(f"upgraded the warehouse, by {applied} migration{'s' if applied > 1 else ''}")
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


_kept: ContextVar[Ahead | None] = ContextVar("hands kept between loads", default=None)


@contextmanager
def staging_meanwhile(settings: Settings, gate: Gate, recorded_at: datetime) -> Iterator[None]:
    """Keep other hands between the loads of the block: what is left for a later one is staged while this process rates.

    They begin with what has landed before the block.
    """
    with (
        open_warehouse(settings, recorded_at) as connection,
        _ahead(connection, settings, gate, meanwhile=True) as ahead,
    ):
        known = ledger.known_batches(connection)
        landed = _arrivals(settings, landing.scan_inbox(settings.inbox), known, recorded_at)
        if landed:
            ahead.begin(_orders(settings, landed, known))
        token = _kept.set(ahead)
        try:
            yield
        finally:
            _kept.reset(token)


def load_inbox(
    settings: Settings, gate: Gate, *, recorded_at: datetime, until: datetime | None = None
) -> LoadReport:
    """Load every complete batch of the inbox that the ledger does not know yet; of those, what was extracted before `until`.

    A batch that is refused leaves the others alone; SourceError of a batch's mapping refuses that batch.
    """
    inbox = landing.scan_inbox(settings.inbox)
    report = LoadReport(waiting=tuple("/".join(landed.identity) for landed in inbox.waiting))
    with open_warehouse(settings, recorded_at) as connection, _ahead(connection, settings, gate) as ahead:
        known = ledger.known_batches(connection)
        read = _arrivals(settings, inbox, known, recorded_at)
        later: list[_Arrival] = []
        if until is not None:
            later = [each for each in read if each.batch.extracted_at >= until]
            read = [each for each in read if each.batch.extracted_at < until]
        number = 0
        while read:
            ahead.begin(_orders(settings, [*read, *later], known))
            arrival = read.pop(0)
            number += 1
            report_step(f"loading {'/'.join(arrival.landed.identity)} ({number} of {number + len(read)})")
            _take_the_place_of_the_same_files(connection, arrival)
            now = ledger.known_batches(connection) if arrival.replaces else known
            before = now.get(arrival.identity)
            again = _land_corrections_again(settings, arrival, before)
            corrected = what_it_corrects(connection, arrival.batch)
            outcome = _load(connection, settings, gate, arrival, before, corrected, recorded_at, ahead)
            reached(number, number + len(read))
            report.outcomes.append(outcome)
            if outcome.status != "refused":
                if arrival.replaces:
                    landing.archive_in_place_of(arrival.landed, arrival.batch, settings.archive)
                else:
                    landing.archive(arrival.landed, settings.archive, delivered_again=not outcome.tables)
            if outcome.took_back:
                _load_older_again(connection, settings, gate, arrival, recorded_at)
            for landed in again:
                if outcome.status == "refused":
                    landing.archive(landed, settings.archive)
                else:
                    known.pop(landed.identity, None)
                    read.append(_read(landed, settings))
            read.sort(key=lambda each: each.order)
    return report


def _arrivals(
    settings: Settings,
    inbox: landing.Inbox,
    known: Mapping[tuple[str, str, str], KnownBatch],
    recorded_at: datetime,
) -> list[_Arrival]:
    """What of the inbox is to be loaded, in the order of the batches."""
    todo = landing.new_batches(inbox, known, settings)
    arrivals = [_not_of_tomorrow(_read(landed, settings), recorded_at) for landed in todo]
    return sorted(arrivals, key=lambda each: each.order)


@contextmanager
def _ahead(
    connection: duckdb.DuckDBPyConnection, settings: Settings, gate: Gate, *, meanwhile: bool = False
) -> Iterator[Ahead]:
    """Whoever helps staging, in a scratch folder that is empty before and behind the block: this run holds the warehouse.

    Those that are kept between loads, where some are.
    """
    kept = _kept.get()
    if kept is not None:
        yield kept
        return
    remove_scratch(settings.scratch)
    try:
        with Ahead(connection, settings, gate, meanwhile=meanwhile) as ahead:
            yield ahead
    finally:
        remove_scratch(settings.scratch)


def _orders(
    settings: Settings, arrivals: Iterable[_Arrival], known: Mapping[tuple[str, str, str], KnownBatch]
) -> Iterator[Order]:
    """The batches that can be staged before it is their turn, by what is known of them now.

    What a correction mends depends on what the batches before it left in quarantine.
    """
    for arrival in arrivals:
        depends = arrival.batch.about.corrects or arrival.batch.before
        if not depends and _may_be_tried(arrival, known.get(arrival.identity)):
            yield _order(settings, arrival)


def _load_older_again(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    gate: Gate,
    arrival: _Arrival,
    recorded_at: datetime,
) -> None:
    """Where a batch takes back what it said by another mapping, say again what older ones say of it by today's.

    Of those that were loaded by another mapping themselves, what was overwritten is not known any more.
    """
    batch, mapping_version = arrival.batch, arrival.attempt.mapping_version
    for batch_id in ledger.older_batches(connection, batch, mapping_version):
        folder = settings.archive / batch.source / batch.company / batch_id
        if folder.is_dir():
            landed = landing.Landed(folder, batch.source, batch.company, batch_id)
            arrival = _read(landed, settings, root=landed.folder.parents[2])
            _load_landed(connection, settings, gate, arrival, recorded_at)


def load_landed(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    gate: Gate,
    batches: Sequence[tuple[landing.Landed, datetime]],
) -> Generator[BatchOutcome]:
    """Load batches from wherever their folders lie, each as recorded at its instant and as one that was never loaded.

    In that order; what becomes of each is given as soon as it is known. They stay where they are.
    """
    arrivals = [_read(landed, settings, root=landed.folder.parents[2]) for landed, _ in batches]
    with _ahead(connection, settings, gate) as ahead:
        for number, (arrival, (_, recorded_at)) in enumerate(zip(arrivals, batches, strict=True)):
            ahead.begin(_orders(settings, arrivals[number:], {}))
            yield _load_landed(connection, settings, gate, arrival, recorded_at, ahead)


def _load_landed(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    gate: Gate,
    arrival: _Arrival,
    recorded_at: datetime,
    ahead: Ahead | None = None,
) -> BatchOutcome:
    corrected = what_it_corrects(connection, arrival.batch)
    return _load(connection, settings, gate, arrival, None, corrected, recorded_at, ahead)


def _take_the_place_of_the_same_files(connection: duckdb.DuckDBPyConnection, arrival: _Arrival) -> None:
    """The same files by another mapping are the batch that they were, in its order, whenever they are said to be taken."""
    if arrival.faults or arrival.batch.about.corrects:
        return
    found = ledger.same_files(connection, arrival.batch, arrival.attempt.mapping_version)
    if found:
        arrival.batch = arrival.batch.in_place_of(*found)
        arrival.replaces = True


def _land_corrections_again(
    settings: Settings, arrival: _Arrival, before: KnownBatch | None
) -> list[landing.Landed]:
    """The corrections of a batch that is to be loaded by another mapping, back in the inbox: it takes back what they gave."""
    if before is None or before.status == "refused" or arrival.faults:
        return []
    if before.mapping_version == arrival.attempt.mapping_version:
        return []
    return landing.land_corrections_again(settings, arrival.batch)


@dataclass(slots=True)
class _Arrival:
    """A landed batch with whatever could be read of it, and what the ledger will say of the attempt to load it.

    One that `replaces` another bears that one's name and order: it holds the same files, read by another mapping.
    """

    landed: landing.Landed
    batch: Batch
    source: Source | None
    attempt: Attempt
    faults: tuple[Fault, ...] = ()
    replaces: bool = False

    @property
    def identity(self) -> tuple[str, str, str]:
        """What the ledger knows it by: its folder, if it does not take the place of a batch of the same files."""
        return (*self.landed.identity[:2], self.batch.batch_id) if self.replaces else self.landed.identity

    @property
    def order(self) -> tuple[object, ...]:
        return (self.batch.sequence, self.batch.extracted_at, self.batch.source, self.batch.batch_id)


def _read(landed: landing.Landed, settings: Settings, root: Path | None = None) -> _Arrival:
    faults: tuple[Fault, ...] = ()
    source = None
    try:
        source = get_source(landed.source, settings.sources_path)
    except SourceError as error:
        faults = error.faults
    try:
        landing.require_own_folder(landed, root or settings.inbox)
        batch = read_manifest(landed.folder)
    except BatchRefusedError as error:
        batch = Batch.unread(landed.folder)
        faults = (*faults, *error.faults)
    fingerprint = landing.fingerprint(landed, settings)
    attempt = Attempt(mapping_version(source, batch), fingerprint)
    return _Arrival(landed, batch, source, attempt, faults)


def _not_of_tomorrow(arrival: _Arrival, now: datetime) -> _Arrival:
    """Refuse a batch that says it was taken later than now: all that comes until then would be older, and change nothing."""
    taken = arrival.batch.extracted_at
    if taken <= now + landing.FURTHEST_AHEAD:
        return arrival
    fault = Fault(
        "extracted_in_the_future",
        f"extractedAt is {taken:%Y-%m-%d %H:%M} UTC, more than a day ahead of this machine's clock, {now:%Y-%m-%d %H:%M} UTC: "
        "whatever comes until then would count as older than its rows",
        "Mend extractedAt, or the clock of the machine that wrote it, and hand the batch over again.",
        MANIFEST,
    )
    return replace(arrival, faults=(*arrival.faults, fault))


def _load(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    gate: Gate,
    arrival: _Arrival,
    before: KnownBatch | None,
    corrected: Corrected,
    recorded_at: datetime,
    ahead: Ahead | None,
) -> BatchOutcome:
    batch, order = arrival.batch, _order(settings, arrival, corrected)
    if not arrival.faults and _was_loaded(before, arrival):
        return BatchOutcome(batch, "unchanged")
    if not arrival.faults and corrected.mends_nothing:
        return _mends_nothing(batch)
    try:
        source = _accepted_source(arrival, before)
        verdict = ahead.verdict(order) if ahead else None
        if verdict is None:
            known = currency.Stored(connection, batch.company)
            verdict = stage_and_judge(order, source, gate, known)
        merged = merge.merge_batch(
            connection,
            verdict.judged,
            owners=settings.owners,
            shrink_limit=settings.shrink_limit,
            recorded_at=recorded_at,
        )
        merged.data_docs = data_docs.write(settings, batch, verdict.pages)
    except (BatchRefusedError, SourceError) as error:
        outcome = BatchOutcome(batch, "refused", _refused_tables(arrival, error.records), error.faults)
        was_loaded = before is not None and before.status != "refused"
        attempt = replace(arrival.attempt, record_counts=error.records)
        ledger.write_refusal(connection, outcome, attempt, recorded_at, loaded_before=was_loaded)
        return outcome
    finally:
        remove_scratch(order.folder)
    return merged


def _order(settings: Settings, arrival: _Arrival, corrected: Corrected | None = None) -> Order:
    """What staging a batch takes; not all the memory, since the warehouse is open beside, and buffers of text count in neither."""
    return Order(
        batch=arrival.batch,
        sources_path=tuple(folder.absolute() for folder in settings.sources_path),
        attempt=arrival.attempt,
        folder=settings.scratch / "-".join(arrival.landed.identity),
        days_ahead=settings.days_ahead,
        memory=max(settings.memory_limit * 5 // 6, LEAST_MEMORY),
        data_docs=settings.data_docs,
        kept_out=corrected.kept_out if corrected else (),
    )


def _may_be_tried(arrival: _Arrival, before: KnownBatch | None) -> bool:
    """Whether a batch is neither loaded already nor refused before any of its rows is read."""
    if _was_loaded(before, arrival):
        return False
    try:
        _accepted_source(arrival, before)
    except BatchRefusedError:
        return False
    return True


def _mends_nothing(batch: Batch) -> BatchOutcome:
    said = f"{batch.batch_id}: the rows that it mends are not in quarantine any more, and it is left out"
    return BatchOutcome(batch, "unchanged", warnings=(said,))


def _refused_tables(arrival: _Arrival, records: Mapping[str, int]) -> list[TableOutcome]:
    """The rows that were refused, by table: as many as were counted, else as many as the sender says."""
    tables = []
    for name, mapping in arrival.source.profile.tables.items() if arrival.source else ():
        held = [each for each in map(arrival.batch.resource, mapping.drivers) if each is not None]
        if held and not mapping.derived:
            rows = sum(records.get(each.name, each.rows or 0) for each in held)
            driving = ", ".join(each.name for each in held)
            tables.append(TableOutcome(name, driving, False, held[0].mode, rows, "", refused=rows))  # noqa: FBT003
    return tables


def _was_loaded(before: KnownBatch | None, arrival: _Arrival) -> bool:
    """The same batch id with the same content was loaded before, by the same mapping."""
    return (
        before is not None
        and before.status != "refused"
        and before.hashes == arrival.batch.contents
        and before.mapping_version == arrival.attempt.mapping_version
    )


def _accepted_source(arrival: _Arrival, before: KnownBatch | None) -> Source:
    """The source of a batch that may be tried; BatchRefusedError where it may not."""
    if arrival.faults or arrival.source is None:
        raise BatchRefusedError(*arrival.faults)
    changed = before is not None and before.status != "refused" and before.hashes != arrival.batch.contents
    if changed and arrival.batch.about.supersedes != arrival.batch.batch_id:
        raise BatchRefusedError(_changed_content(arrival.batch))
    return arrival.source


def _changed_content(batch: Batch) -> Fault:
    return Fault(
        "batch_changed",
        f"the batch {batch.place} was loaded before with other content",
        "Give it a new batch id, or let its manifest say that it supersedes itself.",
        MANIFEST,
    )
