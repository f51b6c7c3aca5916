"""One resource of a source, as a batch delivers it: what each step of staging finds of it, and the next one asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from warehouse.delivery.dialect import PLAIN, Dialect
from warehouse.delivery.inspect import CheckedFile
from warehouse.delivery.manifest import Batch, BatchResource
from warehouse.delivery.profile import Resource, Source
from warehouse.staging.source_file import Cut, SourceFile, told


@dataclass(slots=True)
class Delivered:
    """A resource of a source's profile on its way through staging.

    `stated` is what the manifest says of it; None, and no files, if the batch does not hold it. `before` is what was delivered of
    it before the batch, if that is a correction. `checked` are its files by
    their manifest path, `cuts` says of each whether it is read in pieces, `files` are the same as DuckDB reads them. Records
    that can be split are the table's `own` or `left_out` by rule, and together `split` by file and piece; `unreadable` ones
    cannot, and are None until they are counted.
    """

    name: str
    resource: Resource
    stated: BatchResource | None
    dialect: Dialect
    before: tuple[Delivered, ...] = ()
    checked: dict[str, CheckedFile] = field(default_factory=dict)
    cuts: dict[str, Cut] = field(default_factory=dict)
    files: tuple[SourceFile, ...] = ()
    own: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    split: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    unreadable: int | None = None

    @property
    def is_brought(self) -> bool:
        """Whether the batch brings its rows; those of a reference resource were loaded by an earlier batch."""
        return self.stated is not None and not self.stated.taking.is_reference

    @property
    def is_plain(self) -> bool:
        """Whether it is CSV as every program writes it."""
        return self.stated is not None and self.stated.taking.plain

    @property
    def replaced(self) -> tuple[tuple[str, int], ...]:
        """Of what an earlier batch delivered, the file and row number of the records that were mended since."""
        return self.stated.taking.replaced if self.stated else ()

    @property
    def records(self) -> int:
        """All its records, readable or not."""
        return self.own + (self.unreadable or 0) + sum(self.left_out.values())

    @property
    def mode(self) -> str:
        """How its rows are to be taken."""
        return self.stated.mode if self.stated else self.resource.mode

    @property
    def first_path(self) -> str:
        """The file that a message names."""
        return self.stated.paths[0] if self.stated else self.name

    def problem_names(self, columns: Iterable[str]) -> set[str]:
        """What a problem in one of these columns names it by, in its files and in what was delivered before: their headers."""
        files = [file for each in (self, *self.before) for file in each.files]
        return {
            told(file.binding.headers[name])
            for name in columns
            for file in files
            if name in file.binding.headers
        }

    @property
    def bytes_read(self) -> int:
        """The size of its files as they were delivered."""
        return sum(file.size for file in self.checked.values())


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a batch delivers: each resource of its source's profile by name, and its sets of keys by path.

    `drivers` are, by canonical table, the resources whose records its rows are; tables that the batch says nothing of are not
    in it. `settings` is what the source's SQL can ask for: as the batch states it, otherwise the profile's default. `before` is what
    the batches that a correction mends delivered of its resources, one entry a batch and resource, named by their label.
    A fact is not dated after `latest`; None if it may be of any day.
    """

    batch: Batch
    source: Source
    resources: Mapping[str, Delivered]
    drivers: Mapping[str, tuple[Delivered, ...]]
    settings: Mapping[str, str]
    before: tuple[Delivered, ...] = ()
    latest: date | None = None
    key_sets: dict[str, CheckedFile] = field(default_factory=dict)

    @classmethod
    def of(cls, batch: Batch, source: Source, days_ahead: int | None) -> Delivery:
        """The resources with nothing found yet; no fact is dated more than `days_ahead` after the batch was extracted."""
        resources = {name: _delivered(batch, source, name) for name in source.profile.resources}
        before = []
        for stated in batch.before:
            if stated.name in resources:
                before.append(_of(stated, source, stated.label))
                resources[stated.name].before += (before[-1],)
        drivers = {
            table: tuple(each for each in map(resources.__getitem__, mapping.drivers) if each.is_brought)
            for table, mapping in source.profile.tables.items()
        }
        driven = {table: found for table, found in drivers.items() if found}
        settings = source.settings(batch.about.settings)
        latest = None if days_ahead is None else batch.extracted_at.date() + timedelta(days_ahead)
        return cls(batch, source, resources, driven, settings, tuple(before), latest)

    @property
    def held(self) -> list[Delivered]:
        """The resources that the batch holds, in its manifest's order."""
        return [self.resources[each.name] for each in self.batch.resources if each.name in self.resources]

    @property
    def every(self) -> list[Delivered]:
        """All whose files are read: those that the batch holds, and those from before it."""
        return [*self.held, *self.before]

    @property
    def checked(self) -> Iterable[tuple[str, CheckedFile]]:
        """All files with their manifest path."""
        yield from (pair for each in self.every for pair in each.checked.items())
        yield from self.key_sets.items()

    @property
    def size(self) -> int:
        """The size of all files as they were delivered."""
        return sum(file.size for _, file in self.checked)

    @property
    def is_cut(self) -> bool:
        """Whether any of its files is read in pieces, so that rows come in no order."""
        return any(cut.pieces for each in self.every for cut in each.cuts.values())

    @property
    def records(self) -> dict[str, int]:
        """The number of records of each resource, readable or not, as far as they are counted."""
        return {each.name: each.records for each in self.held if each.unreadable is not None}


def _delivered(batch: Batch, source: Source, name: str) -> Delivered:
    stated = batch.resource(name)
    return _of(stated, source, name) if stated else _absent(source, name)


def _absent(source: Source, name: str) -> Delivered:
    return Delivered(name, source.profile.resources[name], None, source.dialect(name))


def _of(stated: BatchResource, source: Source, name: str) -> Delivered:
    """A resource, written as the profile says, but for the layout of one that is plain CSV."""
    dialect = source.dialect(stated.name)
    if stated.taking.plain:
        dialect = dialect.model_copy(update=dict(PLAIN))
    return Delivered(name, source.profile.resources[stated.name], stated, dialect)
