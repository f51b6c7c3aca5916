"""Quarantined rows as a sheet that a clerk mends, and the mended sheet as correction batches in the inbox.

A correction is a batch like any other. It takes its place right behind the batch that it corrects, so that a mended row
never overwrites what a newer batch said of the same key; and it carries that batch's other resources along, to look
things up in only.
"""

from __future__ import annotations

import csv
import glob
import hashlib
import io
import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from flows.inbox import landing
from flows.inbox.landing import Landed, LandingError
from flows.settings import Settings
from warehouse.delivery.grouping import grouping
from warehouse.delivery.manifest import (
    MANIFEST,
    READY,
    About,
    Batch,
    BatchResource,
    Correction,
    Manifest,
    Taking,
    as_written,
    locate,
    read_manifest,
)
from warehouse.delivery.profile import Source, get_source
from warehouse.errors import BatchRefusedError
from warehouse.mart import queries
from warehouse.mart.queries import QuarantineFilter
from warehouse.staging.derived import WAITS

Row = Mapping[str, Any]
Place = tuple[str, str, str, str, str, int]
Record = dict[str, str]

PLACE = ("_source", "_company", "_batch", "_table", "_file", "_row")
WHY = "_why"
# The text of a record that could not be split into columns.
UNSPLIT = "record"
# A spreadsheet takes a cell that begins like this for a formula, or drops what it begins with.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_GUARD = "'"
# Each is named in the manifest, which may have 4 MiB.
MOST_ROWS = 20_000


def guarded(text: str) -> str:
    """A cell that no spreadsheet takes for a formula; `unguarded` gives the text back, whatever it was."""
    return _GUARD + text if text.startswith((*_FORMULA, _GUARD)) else text


def unguarded(cell: str) -> str:
    """The text of a cell that was guarded; another one as it is."""
    return cell.removeprefix(_GUARD)


@dataclass(frozen=True, slots=True)
class Release:
    """What became of the rows of a mended sheet."""

    landed: list[Landed] = field(default_factory=list)
    released: int = 0
    untouched: int = 0
    released_before: int = 0


def sheet(settings: Settings, wanted: QuarantineFilter) -> Iterator[list[str]]:
    """The sheet's lines, its header first: where a row is from, why it is kept out, and its cells as they were delivered.

    One line a row that is still in quarantine, but for those that wait for records of theirs: they are made again when these
    are released. The cells' columns are those of all its rows.
    """
    rows = [
        row for row in queries.quarantine_rows(settings.ops_file, wanted, kept_only=True) if not _waits(row)
    ]
    sources: dict[str, Source] = {}
    records = []
    for row in rows:
        source = _source(settings, sources, row["source"])
        records.append(_delivered(row, source, _resource_of(settings, source, row)))
    columns = list(dict.fromkeys(name for record in records for name in record))
    yield [*PLACE, WHY, *map(guarded, columns)]
    for row, record in zip(rows, records, strict=True):
        cells = [*map(str, _place(row)), _why(row), *(record.get(name, "") for name in columns)]
        yield [guarded(cell) for cell in cells]


def _waits(row: Row) -> bool:
    return any(reason["rule"] == WAITS for reason in row["reasons"])


def _why(row: Row) -> str:
    return "; ".join(
        f"{reason['column'] + ': ' if reason['column'] else ''}{reason['message']} [{reason['rule']}]"
        for reason in row["reasons"]
    )


def _place(row: Row) -> Place:
    return (
        row["source"], row["company_code"], row["batch_id"], row["table_name"], row["file"], row["row_number"],
    )  # fmt: skip


def _source(settings: Settings, known: dict[str, Source], name: str) -> Source:
    if name not in known:
        known[name] = get_source(name, settings.sources_path)
    return known[name]


def _delivered(row: Row, source: Source, of: str) -> Record:
    """A row's cells by header, as text files of its source write them; under all headers where it could not be split."""
    raw: Mapping[str, str | None] = json.loads(row["raw"]) if row["raw"] else {}
    record = {name: value or "" for name, value in raw.items()}
    resource = source.profile.resources.get(of)
    if resource is None:
        return record
    if set(record) <= {UNSPLIT}:
        return {(each.header or (name,))[0]: "" for name, each in resource.columns.items()} | record
    return record


def _resource_of(settings: Settings, source: Source, row: Row) -> str:
    """The resource whose record a quarantined row is; of a table that is made of several, as its batch says of the file."""
    mapping = source.profile.tables.get(row["table_name"])
    if mapping is None or not mapping.sources:
        return mapping.driving if mapping else str(row["table_name"])
    batch = _original(settings, source.name, row["company_code"], row["batch_id"])
    return next(each.name for each in batch.resources if row["file"] in each.paths)


def release(settings: Settings, file: Path, *, untouched_too: bool = False) -> Release:
    """Make correction batches of a mended sheet, one a batch that they correct; LandingError names the line at fault.

    Rows that nobody changed stay in quarantine unless `untouched_too`; rows released before are passed over. The same
    sheet again is the same batches.
    """
    lines = _read(file)
    found = Release()
    counts: Counter[str] = Counter()
    for (name, company, batch), of_batch in sorted(_by_batch(lines).items()):
        source = get_source(name, settings.sources_path)
        kept = {
            _place(row): row
            for row in queries.quarantine_rows(
                settings.ops_file,
                QuarantineFilter(source=name, company=company, batch=batch),
                kept_only=False,
            )
        }
        mended = _Mended()
        for line in of_batch:
            row = kept.get(line.place)
            if row is None:
                raise LandingError(
                    f"{file}, line {line.number}: no row {line.said} is in quarantine; export it anew"
                )
            resource = _resource_of(settings, source, row)
            before = _delivered(row, source, resource)
            after = {header: line.cells.get(header, text) for header, text in before.items()}
            if row["released_by"] is not None:
                counts["released_before"] += 1
            elif after == before and not untouched_too:
                counts["untouched"] += 1
            else:
                _check(file, line, row, source, before, after)
                mended.add(file, line, row, resource, after)
                counts["released"] += 1
        if mended.rows:
            found.landed.append(_land(settings, source, company, batch, mended))
    return Release(found.landed, counts["released"], counts["untouched"], counts["released_before"])


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a mended sheet: its number, the row it speaks of, and its cells by header."""

    number: int
    place: Place
    cells: Record

    @property
    def said(self) -> str:
        """The row, as a person reads it."""
        return f"{self.place[5]} of {self.place[4]} in batch {self.place[2]}"


@dataclass(slots=True)
class _Mended:
    """The mended records of one batch, by resource."""

    records: dict[str, dict[tuple[str, int], Record]] = field(default_factory=dict)
    rows: list[tuple[str, str, int]] = field(default_factory=list)

    def add(self, file: Path, line: _Line, row: Row, resource: str, after: Record) -> None:
        """Take one more, of a resource; LandingError where the same record was mended otherwise on another line."""
        after.pop(UNSPLIT, None)
        records = self.records.setdefault(resource, {})
        if records.setdefault((row["file"], row["row_number"]), after) != after:
            raise LandingError(f"{file}, line {line.number}: row {line.said} is mended in two ways; keep one")
        self.rows.append((row["table_name"], row["file"], row["row_number"]))
        if len(self.rows) > MOST_ROWS:
            raise LandingError(
                f"{file}: mends more than {MOST_ROWS:,} rows of one batch; release them in parts"
            )


def _read(file: Path) -> list[_Line]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise LandingError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise LandingError(f"{file} is not UTF-8; save it as “CSV UTF-8”") from None
    first = text.split("\n", 1)[0]
    # Spreadsheets part cells as their country writes numbers.
    delimiter = max(",;\t", key=first.count)
    try:
        header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    except (csv.Error, ValueError) as error:
        raise LandingError(
            f"{file} is no CSV ({error or 'it is empty'}); mend a sheet of `quarantine export`"
        ) from error
    missing = [name for name in PLACE if name not in header]
    if missing:
        raise LandingError(
            f"{file} lacks the column {missing[0]}; mend a sheet of `quarantine export`, and keep its columns"
        )
    names = [unguarded(name) for name in header]
    return [
        _line(file, number, dict(zip(names, row, strict=False)))
        for number, row in enumerate(rows, 2)
        if any(row)
    ]


def _line(file: Path, number: int, cells: Record) -> _Line:
    source, company, batch, table, path, row = (unguarded(cells.get(name, "")) for name in PLACE)
    if not row.isdigit():
        raise LandingError(
            f"{file}, line {number}: _row is {row!r}, no row number; leave the columns with _ as they are"
        )
    values = {name: unguarded(cell) for name, cell in cells.items() if name not in {*PLACE, WHY}}
    return _Line(number, (source, company, batch, table, path, int(row)), values)


def _by_batch(lines: Iterable[_Line]) -> dict[tuple[str, str, str], list[_Line]]:
    batches: dict[tuple[str, str, str], list[_Line]] = {}
    for line in lines:
        batches.setdefault(line.place[:3], []).append(line)
    return batches


def _check(file: Path, line: _Line, row: Row, source: Source, before: Record, after: Record) -> None:
    """LandingError where a mended line cannot be what the clerk meant."""
    where = f"{file}, line {line.number}"
    if row["table_name"] not in source.profile.tables:
        raise LandingError(
            f"{where}: {row['table_name']} is only looked up in, so no row of a table would come of it; "
            "deliver the whole batch again"
        )
    if UNSPLIT in before and not any(text for name, text in after.items() if name != UNSPLIT):
        raise LandingError(
            f"{where}: the record could not be split; put its cells into their columns, {UNSPLIT} shows it"
        )
    for name, text in before.items():
        lost = (
            text != after[name] and text.isdigit() and after[name].isdigit() and int(text) == int(after[name])
        )
        if lost and text.startswith("0"):
            raise LandingError(
                f"{where}, column {name}: {after[name]} was {text}; a spreadsheet took its zeros: "
                "open the sheet with all columns as text, and mend it again"
            )


def _land(settings: Settings, source: Source, company: str, batch_id: str, mended: _Mended) -> Landed:
    """The correction batch of mended rows; made once however often it is asked for."""
    original = _original(settings, source.name, company, batch_id)
    files = {
        f"{resource}.mended.csv": _csv(records.values())
        for resource, records in sorted(mended.records.items())
    }
    resources = tuple(
        BatchResource(
            name=resource,
            paths=(name,),
            hashes=(hashlib.sha256(content).hexdigest(),),
            taking=Taking(mode="delta_upsert", rows=len(mended.records[resource]), plain=True),
        )
        for (name, content), resource in zip(files.items(), sorted(mended.records), strict=True)
    )
    carried = tuple(each for each in original.resources if each.name not in mended.records)
    resources += tuple(
        BatchResource(
            name=each.name,
            paths=each.paths,
            hashes=each.hashes,
            taking=Taking(mode="delta_upsert", is_reference=True, plain=each.taking.plain),
        )
        for each in carried
    )
    rows = sorted(mended.rows)
    entries = [as_written(resource) for resource in resources]
    content = hashlib.sha256(json.dumps([entries, rows], sort_keys=True).encode()).hexdigest()[:12]
    landed = _landed_before(settings, original, content)
    if landed:
        return landed
    earlier = _Earlier.of(settings, original, rows)
    before = earlier.records(_grouped(source, mended.records))
    about = About(
        source=source.name,
        company=company,
        batch_id=f"{batch_id}-mended-{earlier.number(batch_id):04}-{content}",
        sequence=original.sequence,
        extracted_at=original.extracted_at,
        corrects=Correction(batch_id=batch_id, rows=tuple(rows)),
    )
    copies = {path: locate(original, path) for each in carried for path in each.paths}
    for each, found in before:
        copies |= dict(zip(each.paths, found, strict=True))
    manifest = Manifest(about=about, resources=(*resources, *(each for each, _ in before)))
    return landing.write_batch(settings.inbox, manifest, copies, files)


def _grouped(source: Source, resources: Iterable[str]) -> set[str]:
    """Those of the resources that rows are made of several records of."""
    with duckdb.connect() as parser:
        groups = [grouping(parser, source, table) for table in source.profile.tables]
    return set(resources) & {resource for each in groups for resource in each.groups}


def _folders(settings: Settings, batch: Batch, pattern: str) -> list[Path]:
    """Folders of complete batches of the same source and company, loaded or not."""
    roots = (settings.archive, settings.inbox)
    found = (
        folder
        for root in roots
        for folder in (root / batch.source / batch.company).glob(f"{glob.escape(pattern)}*")
    )
    return sorted(folder for folder in found if (folder / READY).exists())


def _landed_before(settings: Settings, original: Batch, content: str) -> Landed | None:
    """The correction that is the same, if it was made before."""
    for folder in _folders(settings, original, f"{original.batch_id}-mended-"):
        if folder.name.removeprefix(f"{original.batch_id}-mended-").split("-")[1:] == [content]:
            return Landed(folder, original.source, original.company, folder.name)
    return None


@dataclass(frozen=True, slots=True)
class _Earlier:
    """A batch, and all corrections of it and of each other; `mended` by batch id the (file, row) that are mended since."""

    batches: tuple[Batch, ...]
    mended: Mapping[str, frozenset[tuple[str, int]]]

    @classmethod
    def of(cls, settings: Settings, corrected: Batch, rows: Iterable[tuple[str, str, int]]) -> _Earlier:
        """What was there before a correction of these rows of a batch."""
        root = corrected
        while root.about.corrects:
            root = _original(settings, root.source, root.company, root.about.corrects.batch_id)
        batches = [root]
        batches += [read_manifest(folder) for folder in _folders(settings, root, f"{root.batch_id}-mended-")]
        mended: dict[str, set[tuple[str, int]]] = {}
        for each in batches[1:]:
            if each.about.corrects:
                of_batch = mended.setdefault(each.about.corrects.batch_id, set())
                of_batch |= {(file, number) for _, file, number in each.about.corrects.rows}
        mended.setdefault(corrected.batch_id, set()).update((file, number) for _, file, number in rows)
        return cls(tuple(batches), {name: frozenset(places) for name, places in mended.items()})

    def number(self, batch_id: str) -> int:
        """Which correction of a batch the next one is: of the same row, the later one counts."""
        corrections = (each.about.corrects for each in self.batches)
        return 1 + sum(each is not None and each.batch_id == batch_id for each in corrections)

    def records(self, resources: Container[str]) -> list[tuple[BatchResource, tuple[Path, ...]]]:
        """What these batches delivered of resources, as entries of a manifest, with their files."""
        found: list[tuple[BatchResource, tuple[Path, ...]]] = []
        for batch in self.batches:
            inside = f"{batch.batch_id}/" if batch.about.corrects else ""
            mended = self.mended.get(batch.batch_id, frozenset())
            for each in batch.resources:
                if each.name not in resources or each.taking.is_reference:
                    continue
                replaced = tuple(
                    (inside + path, number) for path, number in sorted(mended) if path in each.paths
                )
                entry = BatchResource(
                    name=each.name,
                    paths=tuple(inside + path for path in each.paths),
                    hashes=each.hashes,
                    taking=Taking(
                        mode="delta_upsert",
                        plain=each.taking.plain,
                        before=batch.batch_id,
                        replaced=replaced,
                    ),
                )
                found.append((entry, tuple(locate(batch, path) for path in each.paths)))
        return found


def _original(settings: Settings, source: str, company: str, batch_id: str) -> Batch:
    """The batch that is corrected, as it lies in the archive."""
    folder = settings.archive / source / company / batch_id
    try:
        return read_manifest(folder)
    except BatchRefusedError as error:
        raise LandingError(
            f"the batch {batch_id} cannot be read in the archive, {folder / MANIFEST} ({error.faults[0].message}); "
            "a correction needs it: put it back, or deliver the rows in a batch of their own"
        ) from error


def _csv(records: Iterable[Record]) -> bytes:
    rows = list(records)
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([row.get(name, "") for name in names] for row in rows)
    return stream.getvalue().encode()
