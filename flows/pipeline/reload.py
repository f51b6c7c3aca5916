"""Reading a source's archive again by today's mapping: all of it, in order, and all or nothing.

It is done in a copy of the warehouse, which then takes its place: a mapping that refuses a batch, or a run that is killed,
changes nothing, and a dry run rates the copy and throws it away.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from expectations.gate import Gate
from flows.console.progress import reached, report_step
from flows.errors import UserError
from flows.inbox.landing import Landed
from flows.pipeline import load, rate
from flows.settings import Settings
from warehouse.connection import open_database, transaction
from warehouse.delivery.manifest import file_sha256, locate, read_manifest
from warehouse.errors import BatchRefusedError
from warehouse.merge import replacing
from warehouse.merge.replacing import LoadedBatch
from warehouse.rating.figures import Figures, figures, rated_since
from warehouse.store import backup, ledger
from warehouse.store.ledger import BatchOutcome

_FOLDER = ".reloading"
_NAMED = 20


class ReloadError(UserError):
    """The archive cannot be loaded again; nothing was changed, and the message says what is missing or wrong."""


@dataclass(slots=True)
class ReloadReport:
    """What a reload did, or would do.

    `rows` counts, by canonical table, the live rows that came, went or are others now. `kept` are batches that do not lie in
    the archive and keep their rows, `left_out` corrections whose rows are in quarantine no more. The figures are of a dry run
    alone: before and after a rating of the day that was rated last, None where none was.
    """

    source: str
    dry_run: bool
    batches: int
    rows: Mapping[str, int]
    kept: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    quarantined: int = 0
    before: Figures | None = None
    after: Figures | None = None
    customers: int = 0
    warnings: list[str] = field(default_factory=list)


def reload(
    settings: Settings,
    gate: Gate,
    source: str,
    company: str | None,
    *,
    keep_missing: bool,
    dry_run: bool,
    recorded_at: datetime,
) -> ReloadReport:
    """Load every batch of a source, of one company or of all, from the archive again; recording times stay the first ones.

    ReloadError if a loaded batch does not lie in the archive as it was, unless its rows are to be kept, or is refused by
    today's mapping; WarehouseBusyError where a run holds the warehouse.
    """
    if not settings.warehouse_at.exists():
        raise ReloadError(f"nothing was loaded in {settings.home} yet: there is nothing to load again")
    with _copy_of(settings) as apart:
        with backup.exclusive_snapshot(settings.warehouse_at, settings.memory_limit) as held:
            warehouse = held.connection
            batches = replacing.loaded_batches(warehouse, source, company)
            if not batches:
                whose = f"{source}, company {company}" if company else source
                raise ReloadError(f"no batch of {whose} was loaded: `valuemart status` shows which were")
            found, missing = _look_up(settings, batches)
            if missing and not keep_missing:
                raise ReloadError(_what_is_missing(missing))
            last = ledger.generation(warehouse, "rating").as_of
            before = figures(warehouse) if dry_run and last is not None else None
            held.copy_to(apart.warehouse_file)
            if not dry_run:
                report = _load_again(apart, gate, source, found, missing, dry_run, recorded_at)
                held.take(apart.warehouse_file)
                return report
        # The warehouse is free again: what the copy would show takes a load, and a rating, to find out.
        report = _load_again(apart, gate, source, found, missing, dry_run, recorded_at)
        if last is not None:
            report.before = before
            rate.update(apart, last, recorded_at=recorded_at)
            with open_database(apart.warehouse_file) as connection:
                report.after = figures(connection)
                report.customers = rated_since(connection, recorded_at)
    return report


@contextmanager
def _copy_of(settings: Settings) -> Iterator[Settings]:
    """A home beside the own files of this one, with its policy; removed behind the block."""
    folder = settings.home / _FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        if settings.policy is None and settings.policy_file.exists():
            shutil.copyfile(settings.policy_file, folder / settings.policy_file.name)
        yield settings.apart(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _look_up(
    settings: Settings, batches: Sequence[LoadedBatch]
) -> tuple[dict[str, tuple[LoadedBatch, Landed]], dict[str, str]]:
    """The batches that lie in the archive as they were loaded, and of the others what is missing, by place and in order."""
    found: dict[str, tuple[LoadedBatch, Landed]] = {}
    missing: dict[str, str] = {}
    for each in batches:
        place = f"{each.source}/{each.company}/{each.batch_id}"
        folder = settings.archive / each.source / each.company / each.batch_id
        try:
            batch = read_manifest(folder)
            paths = (
                (path, sha256)
                for resource in batch.manifest.resources
                for path, sha256 in zip(resource.paths, resource.hashes, strict=True)
            )
            changed = [path for path, sha256 in paths if file_sha256(locate(batch, path)) != sha256]
            if batch.contents != each.hashes:
                missing[place] = "its manifest is of other files than were loaded"
            elif changed:
                missing[place] = f"{changed[0]} is not the file that was loaded"
            else:
                found[place] = (each, Landed(folder, each.source, each.company, each.batch_id))
        except (BatchRefusedError, OSError) as error:
            missing[place] = str(error).splitlines()[0]
    return found, missing


def _what_is_missing(missing: Mapping[str, str]) -> str:
    named = [f"  {place}: {why}" for place, why in list(missing.items())[:_NAMED]]
    more = [f"  and {len(missing) - _NAMED} more"] if len(missing) > _NAMED else []
    return "\n".join(
        [
            (
                f"nothing was changed: {len(missing)} loaded batches do not lie in the archive as they were loaded; put them back, "
                "or keep what they gave with --keep-missing:"
            ),
            *named,
            *more,
        ]
    )


def _load_again(
    apart: Settings,
    gate: Gate,
    source: str,
    found: Mapping[str, tuple[LoadedBatch, Landed]],
    missing: Mapping[str, str],
    dry_run: bool,  # noqa: FBT001
    recorded_at: datetime,
) -> ReloadReport:
    """Forget the batches in the copied warehouse, and load them there one after another."""
    outcomes: list[BatchOutcome] = []
    with load.open_warehouse(apart, recorded_at) as connection:
        replacing.keep_versions(connection)
        with transaction(connection):
            replacing.forget(connection, [batch for batch, _ in found.values()])
        batches = [(landed, batch.recorded_at) for batch, landed in found.values()]
        with closing(load.load_landed(connection, apart, gate, batches)) as loading:
            for number, place in enumerate(found, start=1):
                report_step(f"loading {place} again ({number} of {len(found)})")
                outcome = next(loading)
                if outcome.status == "refused":
                    raise ReloadError(
                        f"nothing was changed: {place} is refused by today's mapping: {outcome.faults[0]}"
                    )
                outcomes.append(outcome)
                reached(number, len(found))
        rows = replacing.changed_rows(connection)
        replacing.note_whose_rows_changed(connection)
    return ReloadReport(
        source=source,
        dry_run=dry_run,
        batches=len(outcomes),
        rows=rows,
        kept=tuple(missing),
        left_out=tuple(
            outcome.batch.place for outcome in outcomes if outcome.batch.about.corrects and not outcome.tables
        ),
        quarantined=sum(
            table.quarantined + table.waiting for outcome in outcomes for table in outcome.tables
        ),
        warnings=[
            f"{outcome.batch.batch_id}: {warning}" for outcome in outcomes for warning in outcome.warnings
        ],
    )
