"""From an ERP's database into the inbox: one snapshot a batch, streamed as Arrow into Parquet, then in with `_SUCCESS`.

The batch says in its manifest from where to where each resource was read; only the load that takes its rows moves the
watermark. So a pull that is killed, refused or never loaded is made up for by the next, which begins where the last
loaded one ended, less a lag. Rows read twice are the same rows, and merge.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flows.console.progress import report_step
from flows.errors import PullRunningError, UsageError
from flows.extract.databases import open_snapshot
from flows.extract.databases.snapshot import Snapshot
from flows.extract.parquet import exact, read_scalar, write
from flows.inbox.landing import SAFE_NAME, Landed, LandingError
from flows.settings import Settings
from flows.settings.connections import connection_of
from warehouse.delivery import pull_queries
from warehouse.delivery.manifest import (
    KEY_SET,
    READY,
    About,
    BatchResource,
    Manifest,
    Taking,
    Watermark,
    as_written,
)
from warehouse.delivery.profile import Source, get_source
from warehouse.delivery.pull_section import Pull
from warehouse.files import held_alone, sync
from warehouse.merge.watermarks import watermarks

if TYPE_CHECKING:
    from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Pulled:
    """A batch that a pull put into the inbox; rows by resource, and by table the keys that were compared."""

    landed: Landed
    rows: Mapping[str, int]
    keys: Mapping[str, int]
    since: Mapping[str, datetime | None]


def pull_batch(
    settings: Settings,
    source: str,
    company: str,
    *,
    taken_at: datetime,
    full: bool = False,
    compare_keys: bool = False,
) -> Pulled:
    """Read what changed in the ERP since the last loaded pull (everything, where `full`) and land it as one batch.

    `taken_at` is the aware instant of the pull, `compare_keys` adds the keys that are there, so that the load finds what
    is gone. SourceError, UsageError, LandingError, DatabaseError and PullRunningError each say in one line what to mend.
    """
    mapping = get_source(source, settings.sources_path)
    plan = pull_queries.pull_of(mapping)
    if not SAFE_NAME.fullmatch(company):
        raise LandingError(
            f"{company!r} is no company code: use letters, digits, dots, dashes and underscores"
        )
    if compare_keys and not plan.keys:
        raise UsageError(
            f"--compare-keys: source {source} has no query of all keys, so that nothing that is gone would be found; "
            "name its tables in pull.keys of the profile, with a query each in pull/keys/"
        )
    name, connection, company_there = connection_of(settings.connections, source, company)
    books = (settings.warehouse_at, settings.ops_file)
    reached = {} if full else watermarks(books, source, company)
    since = _since(plan, reached, connection.lag)
    with _workplace(settings, source, company) as folder:
        report_step(f"connecting to {name}")
        with open_snapshot(name, connection) as snapshot:
            reading = _Reading(mapping, plan, snapshot, company_there, folder)
            resources = [
                entry for name in plan.resources for entry in reading.resource(name, since.get(name))
            ]
            key_sets = [reading.keys(table) for table in plan.keys] if compare_keys else []
        report_step("landing the batch")
        landed = _land(
            settings.inbox, folder, _manifest(source, company, taken_at, [*resources, *key_sets], reading)
        )
    return Pulled(
        landed,
        {entry.name: entry.rows or 0 for entry in resources},
        {entry.name: entry.rows or 0 for entry in key_sets},
        since,
    )


def _since(plan: Pull, reached: Mapping[str, datetime], lag: timedelta) -> dict[str, datetime | None]:
    """From where on each resource that is read in parts is read: whole seconds, which can only be earlier; None for all."""
    since: dict[str, datetime | None] = {}
    for name in plan.resources:
        clocked_by = plan.clocked_by(name)
        if clocked_by is not None:
            mark = reached.get(clocked_by)
            since[name] = mark and (mark - lag).replace(microsecond=0)
    return since


class _Reading:
    """The resources of one snapshot, one after the other, each into a file of the batch."""

    def __init__(self, source: Source, plan: Pull, snapshot: Snapshot, company: str, folder: Path) -> None:
        self.source = source
        self.plan = plan
        self.snapshot = snapshot
        self.company = company
        self.folder = folder
        self.clock = read_scalar(snapshot, plan.clock, f"source {source.name}, pull.clock")
        self.watermarks: dict[str, Watermark] = {}

    def resource(self, name: str, since: datetime | None) -> Iterator[BatchResource]:
        """The manifest entry of a resource, once its file is written; none where the ERP does not have it."""
        pulled, resource = self.plan.resources[name], self.source.profile.resources[name]
        where = pull_queries.place_of(self.source, name)
        if pulled.when and not read_scalar(self.snapshot, pulled.when, f"{where}, when"):
            return
        report_step(f"pulling {name}")
        sql = pull_queries.query(self.source, name, company=self.company, since=since)
        with self.snapshot.read(sql, where) as stream:
            columns = pull_queries.placed_columns(resource, stream.schema.names, where)
            kept = exact(stream.schema, columns, pulled.watermark, where)
            written = write(
                stream,
                kept,
                self.folder / f"{name}.parquet",
                decimal_mark=self.source.dialect(name).decimal_mark,
                watermark=pulled.watermark,
                clock=self.clock,
            )
        if pulled.watermark:
            self.watermarks[name] = Watermark(since=since, until=written.until)
        file = self.folder / f"{name}.parquet"
        # What was read whole is all there is, whatever the profile takes a landed file of it for.
        mode = resource.mode if self.plan.clocked_by(name) else "full_snapshot"
        yield BatchResource.of_files(name, {file.name: file}, Taking(mode=mode, rows=written.rows))

    def keys(self, table: str) -> BatchResource:
        """The manifest entry of a table's keys, once their file is written."""
        report_step(f"comparing the keys of {table}")
        where = pull_queries.place_of(self.source, f"keys/{table}")
        with self.snapshot.read(
            pull_queries.key_query(self.source, table, company=self.company), where
        ) as stream:
            key = pull_queries.key_columns(table, stream.schema.names, where)
            kept = exact(stream.schema, dict.fromkeys(key), None, where)
            written = write(stream, kept, self.folder / f"{table}.keys.parquet")
        file = self.folder / f"{table}.keys.parquet"
        return BatchResource.of_files(table, {file.name: file}, Taking(mode=KEY_SET, rows=written.rows))


def _manifest(
    source: str, company: str, taken_at: datetime, resources: list[BatchResource], reading: _Reading
) -> Manifest:
    entries = [as_written(resource) for resource in resources]
    marks = {name: as_written(mark) for name, mark in reading.watermarks.items()}
    content = hashlib.sha256(json.dumps([entries, marks], sort_keys=True).encode()).hexdigest()
    about = About(
        source=source,
        company=company,
        batch_id=f"{taken_at:%Y%m%dT%H%M%S.%fZ}-{content[:12]}",
        extracted_at=taken_at,
        watermarks=reading.watermarks,
    )
    return Manifest(about=about, resources=tuple(resources))


@contextmanager
def _workplace(settings: Settings, source: str, company: str) -> Iterator[Path]:
    """An empty folder of this pull's own, outside the inbox; what a killed one left there is dropped.

    PullRunningError where another pull of the same source and company is at work.
    """
    place = settings.home / "pulling" / f"{source}-{company}"
    place.mkdir(parents=True, exist_ok=True)
    with held_alone(place / "lock") as alone:
        if not alone:
            raise PullRunningError(f"another pull of {source}, company {company}, is running; let it end")
        folder = place / "batch"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _land(inbox: Path, folder: Path, manifest: Manifest) -> Landed:
    """Move the finished folder into the inbox, where it appears whole, by one rename."""
    about = manifest.about
    manifest.write(folder)
    (folder / READY).touch()
    for file in folder.iterdir():
        sync(file)
    target = inbox / about.source / about.company / about.batch_id
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(target)
    sync(target.parent)
    return Landed(target, about.source, about.company, about.batch_id)
