"""A source: a folder with the dialect of an ERP's files (profile.yaml) and one reviewed SELECT a canonical table."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from expectations import contract as contracts
from warehouse.delivery.dialect import STATED, Dialect, Model, ResourceColumn, plain_keys
from warehouse.delivery.manifest import named_sheet
from warehouse.delivery.pull_section import Pull
from warehouse.errors import SourceError

# libyaml's, where it is there: some ten times faster than the one in Python.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
BUILT_IN = Path(__file__).parents[1] / "sources"
_SHARED = re.compile(r"\bsql_from:\s*['\"]?([a-z][a-z0-9_]*)")
_WILDCARDS = re.compile(r"[*?\[]")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _identifier(name: str) -> str:
    if not IDENTIFIER.fullmatch(name):
        raise ValueError(
            f"{name!r} is no identifier: use letters, digits and underscores, not starting with a digit"
        )
    return name


Identifier = Annotated[str, AfterValidator(_identifier)]
Mode = Literal["full_snapshot", "window_replace", "delta_upsert"]
# What it says of a row that a rule leaves out: its document is no longer valid, and what was accepted of it is gone; its
# amount is in another row of the batch; or it never was a row of the table.
Exclusion = Literal["gone", "part_of", "never"]


class Totals(Model):
    """The totals rows of a report: how they are known, and which of their figures must be what the rows above sum to.

    `marks` stand in the column `column` of a totals row; rows with one of `subtotals` are no rows to be summed either.
    Without `column`, they are those of the dialect's `totals_marks` whose figures count, wherever they stand.
    """

    column: Identifier | None = None
    marks: tuple[str, ...] = Field(min_length=1)
    subtotals: tuple[str, ...] = ()
    check: tuple[Identifier, ...] = Field(min_length=1)


class Resource(Model):
    """One of the ERP's own tables or reports."""

    pattern: str
    required: bool = True
    mode: Mode = "delta_upsert"
    may_be_empty: bool = False
    dialect: Mapping[str, Any] = Field(default_factory=dict)
    totals: Totals | None = None
    columns: Mapping[Identifier, ResourceColumn]

    @field_validator("pattern")
    @classmethod
    def _a_sheet_is_named(cls, pattern: str) -> str:
        _, sheet = named_sheet(pattern)
        if sheet is not None and _WILDCARDS.search(sheet):
            raise ValueError(f"pattern: {sheet!r} names no sheet: behind # stands one name, without * ? [")
        return pattern

    def fits(self, file_name: str) -> bool:
        """Whether a file's name is like its pattern, regardless of case, and of the sheet that either names."""
        (wanted, _), (name, _) = named_sheet(self.pattern), named_sheet(file_name)
        return fnmatch.fnmatchcase(name.casefold(), wanted.casefold())

    @property
    def sheet(self) -> str | None:
        """The sheet of a workbook that its pattern names."""
        return named_sheet(self.pattern)[1]

    @model_validator(mode="before")
    @classmethod
    def _dialect_settings_may_stand_beside(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        named = plain_keys(data)
        own = {key: value for key, value in named.items() if key not in Dialect.model_fields}
        beside = {key: value for key, value in named.items() if key in Dialect.model_fields}
        return {**own, "dialect": {**plain_keys(own.get("dialect", {})), **beside}}

    @model_validator(mode="after")
    def _totals_are_of_its_columns(self) -> Resource:
        if self.totals is None:
            return self
        for name in (self.totals.column, *self.totals.check):
            if name is not None and name not in self.columns:
                raise ValueError(f"totals: {name!r} is not one of the columns")
        if self.totals.column is None and self.totals.subtotals:
            raise ValueError(
                "totals.subtotals: without column, what totals_marks leave out is not summed anyway"
            )
        for name in self.totals.check:
            if not self.columns[name].type.startswith(("decimal", "integer")):
                raise ValueError(f"totals.check: {name!r} is no number")
        return self


SourceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class View(Model):
    """What several tables of a source read: one SELECT, `<name>.sql`; `sql_from` names the source whose file it is."""

    sql_from: SourceName | None = None


class Heads(Model):
    """The records that a document has one of each: delivered alone, they say that it has no lines."""

    resource: Identifier
    column: Identifier


def _columns_of_resources(stated: Any, driving: object) -> Any:
    """`grouped_by` by resource: of the driving one, where columns are named alone."""
    if stated is None or isinstance(stated, Mapping):
        return stated
    return {driving: [stated] if isinstance(stated, str) else stated}


_INSTEAD = {
    "driving": "each of them drives",
    "derived": "make a view of them, and let one drive",
    "sql": "each has a SELECT of its own, TABLE.RESOURCE.sql",
}


class TableMapping(Model):
    """One canonical table the source delivers; `sql_from` names the source whose file `<table>.sql` it shares.

    Its rows are the records of the resource `driving`, or of several `sources`, each of which has a SELECT of its own,
    `<table>.<RESOURCE>.sql`.

    `grouped_by` names, by resource, the columns that the records of a row have in common, where a row is made of several;
    with none of them a row is made of its one record. None leaves it to what the SELECT itself shows.

    `whole_by` names the column of its SELECT that says which document a row is of, and never changes in the ERP: a document
    that a batch holds a row of, or one of its `heads`, is there whole, and rows that it lacks are gone.
    """

    driving: Identifier
    sources: tuple[Identifier, ...] = ()
    sql: str | None = None
    sql_from: SourceName | None = None
    derived: bool = False
    identical_rows: Literal["quarantine", "one"] = "quarantine"
    whole_by: Identifier | None = None
    heads: Heads | None = None
    grouped_by: Mapping[Identifier, tuple[Identifier, ...]] | None = None

    @model_validator(mode="before")
    @classmethod
    def _columns_alone_are_of_the_driving_resource(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "grouped_by" not in data:
            return data
        return {**data, "grouped_by": _columns_of_resources(data["grouped_by"], data.get("driving"))}

    @model_validator(mode="before")
    @classmethod
    def _several_sources_drive_together(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "sources" not in data:
            return data
        sources = data["sources"]
        if not isinstance(sources, Sequence) or isinstance(sources, str) or len(set(sources)) < 2:
            raise ValueError("sources: name two resources or more; one alone is driving")
        if len(set(sources)) < len(sources):
            raise ValueError("sources: names a resource twice")
        for key in ("driving", "derived", "sql"):
            if key in data:
                raise ValueError(f"{key}: does not go with sources; {_INSTEAD[key]}")
        return {**data, "driving": sources[0]}

    @property
    def drivers(self) -> tuple[str, ...]:
        """The resources whose records are its rows."""
        return self.sources or (self.driving,)

    @model_validator(mode="after")
    def _heads_are_of_documents(self) -> TableMapping:
        if self.heads and not self.whole_by:
            raise ValueError("heads: whole_by must name the column of the SELECT that they are looked up by")
        return self


class Setting(Model):
    """Something that a batch may say of its files, and the source's SQL asks for with `getvariable('<name>')`."""

    default: str
    values: tuple[str, ...]

    @model_validator(mode="after")
    def _the_default_is_one_of_the_values(self) -> Setting:
        if self.default not in self.values:
            raise ValueError(f"default: {self.default!r} is not one of {', '.join(self.values)}")
        return self


class Profile(Model):
    """The whole of a profile.yaml."""

    source: SourceName
    title: str
    version: Annotated[str, AfterValidator(str)]
    settings: Mapping[Identifier, Setting] = Field(default_factory=dict)
    defaults: Dialect = Dialect()
    resources: Mapping[Identifier, Resource]
    rules: Mapping[Identifier, Exclusion] = Field(default_factory=dict)
    views: Mapping[Identifier, View] = Field(default_factory=dict)
    tables: Mapping[str, TableMapping]
    pull: Pull | None = None

    @model_validator(mode="after")
    def _tables_are_driven_by_declared_resources(self) -> Profile:
        known = {contract.name for contract in contracts.contracts("extract")}
        for name, mapping in self.tables.items():
            if name not in known:
                raise ValueError(
                    f"tables.{name}: no such canonical table; there are {', '.join(sorted(known))}"
                )
            for driver in mapping.drivers:
                if driver not in self.resources:
                    key = "sources" if mapping.sources else "driving"
                    raise ValueError(f"tables.{name}.{key}: {driver!r} is not one of the resources")
            if mapping.heads and mapping.heads.column not in self._columns_of(mapping.heads.resource):
                raise ValueError(
                    f"tables.{name}.heads: {mapping.heads.resource}.{mapping.heads.column} is no column of a resource"
                )
        if self.pull:
            self.pull.check(self.resources, self.tables)
        return self

    @model_validator(mode="after")
    def _resources_have_columns_and_units_of_their_dialect(self) -> Profile:
        for name, resource in self.resources.items():
            dialect = Dialect.model_validate({**self.defaults.model_dump(), **resource.dialect})
            if not resource.columns:
                raise ValueError(f"resources.{name}.columns: name at least one column")
            if resource.totals and resource.totals.column is None:
                strange = [mark for mark in resource.totals.marks if mark not in dialect.totals_marks]
                if strange:
                    raise ValueError(
                        f"resources.{name}.totals.marks: {strange[0]!r} is not one of totals_marks; "
                        "name it there too, or the column that it stands in"
                    )
            for column in resource.columns.values():
                if isinstance(column.unit, str) and column.unit not in {STATED, *dialect.all_units}:
                    raise ValueError(
                        f"resources.{name}: {column.unit!r} is no unit: use one of {', '.join(dialect.all_units)}, "
                        f"one that you name in units, a whole number, or {STATED!r}"
                    )
        return self

    def _columns_of(self, resource: str) -> Container[str]:
        return self.resources[resource].columns if resource in self.resources else ()

    @model_validator(mode="after")
    def _rows_are_grouped_by_columns_of_resources(self) -> Profile:
        for name, mapping in self.tables.items():
            for resource, columns in (mapping.grouped_by or {}).items():
                for column in columns:
                    if column not in self._columns_of(resource):
                        raise ValueError(
                            f"tables.{name}.grouped_by: {resource}.{column} is no column of a resource"
                        )
        return self

    @model_validator(mode="after")
    def _views_bear_names_of_their_own(self) -> Profile:
        for name in self.views:
            if name in self.resources:
                raise ValueError(f"views.{name}: is the name of a resource too; give the view another")
        return self


@dataclass(frozen=True)
class Source:
    """A source folder, read and checked."""

    folder: Path
    profile: Profile

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.profile.source

    def dialect(self, resource: str) -> Dialect:
        """The dialect of one resource: the profile's defaults, overridden by the resource's own settings."""
        own = self.profile.resources[resource].dialect
        return Dialect.model_validate({**self.profile.defaults.model_dump(), **own})

    def settings(self, stated: Mapping[str, str]) -> dict[str, str]:
        """What the source's SQL can ask for: as a batch states it, else the profile's default."""
        return {name: stated.get(name, setting.default) for name, setting in self.profile.settings.items()}

    def sql_file(self, table: str, resource: str) -> str:
        """The name of the file with the SELECT that makes rows of a canonical table of a resource's records."""
        mapping = self.profile.tables[table]
        return mapping.sql or (f"{table}.{resource}.sql" if mapping.sources else f"{table}.sql")

    def sql(self, table: str, resource: str | None = None) -> str:
        """The reviewed SELECT of one canonical table; of several, that of the resource."""
        mapping = self.profile.tables[table]
        return self._read(self.sql_file(table, resource or mapping.driving), mapping.sql_from)

    @property
    def views(self) -> dict[str, str]:
        """The source's own views, each with its SELECT."""
        return {name: self.view_sql(name) for name in self.profile.views}

    def view_sql(self, view: str) -> str:
        """The SELECT of one of the source's views."""
        return self._read(f"{view}.sql", self.profile.views[view].sql_from)

    def _read(self, file: str, sql_from: str | None) -> str:
        folder = _beside(self.folder, sql_from) if sql_from else self.folder
        return (folder / file).read_text(encoding="utf-8")

    @cached_property
    def mapping_version(self) -> str:
        """The profile's version and a hash of every file that shapes the mapping; part of the no-op rule."""
        return f"{self.profile.version}+{_folder_hash(self.folder)[:12]}"

    def resources_of(self, file_name: str) -> dict[str, str]:
        """The resources that a file brings, each with its path in a manifest; none where it cannot be told.

        It is the one whose pattern its name is like, or, of a workbook, those whose patterns each name a sheet of it. A name
        with a sheet (`Export.xlsx#Returns`) is of the resource that names this sheet, else of the one that names none.
        """
        name, sheet = named_sheet(file_name)
        fitting = {key: each.sheet for key, each in self.profile.resources.items() if each.fits(name)}
        if sheet is not None:
            same = [key for key, each in fitting.items() if each and each.casefold() == sheet.casefold()]
            found = same or [key for key, each in fitting.items() if each is None]
            return {found[0]: file_name} if len(found) == 1 else {}
        if len(fitting) > 1 and None in fitting.values():
            return {}
        return {key: f"{name}#{each}" if each else name for key, each in fitting.items()}


def read_source(folder: Path) -> Source:
    """Read and check one source folder; SourceError names the key and the remedy."""
    path = folder / "profile.yaml"
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - a safe loader
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: is not valid YAML in UTF-8: {' '.join(str(error).split())}") from error
    try:
        profile = Profile.model_validate(document)
    except ValidationError as error:
        found = [
            f"{path}: {'.'.join(map(str, each['loc'])) or 'profile'}: {each['msg'].removeprefix('Value error, ')}"
            for each in error.errors(include_url=False)
        ]
        raise SourceError(*found) from error
    if profile.source != folder.name:
        raise SourceError(f"{path}: source: {profile.source!r} must be the folder's name, {folder.name!r}")
    source = Source(folder, profile)
    reads = [
        (f"tables.{name}", partial(source.sql, name, resource))
        for name, mapping in profile.tables.items()
        for resource in mapping.drivers
    ]
    reads += [(f"views.{name}", partial(source.view_sql, name)) for name in profile.views]
    for key, read in reads:
        try:
            read()
        except OSError as error:
            raise SourceError(f"{path}: {key}: its SQL file cannot be read: {error}") from error
    return source


def _beside(folder: Path, name: str) -> Path:
    """The folder of the source that a file is shared from: one beside this source, otherwise the built-in one."""
    beside = folder.parent / name
    return beside if beside.is_dir() else BUILT_IN / name


def _folder_hash(folder: Path) -> str:
    """Over the source's own files and, if it shares any, the SQL of the sources that it shares them from."""
    digest = hashlib.sha256()
    files = [path for path in sorted(folder.glob("*")) if path.suffix in {".yaml", ".sql"}]
    profile = folder / "profile.yaml"
    shared = _SHARED.findall(profile.read_text("utf-8", errors="replace")) if profile.is_file() else []
    for name in sorted(set(shared)):
        files += sorted(_beside(folder, name).glob("*.sql"))
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def find_sources(search: Iterable[Path]) -> dict[str, Path]:
    """Source name to folder over the user's own paths and the built-in ones; the user's own come first and win."""
    found: dict[str, Path] = {}
    for root in (*search, BUILT_IN):
        for folder in sorted(root.glob("*/profile.yaml")):
            found.setdefault(folder.parent.name, folder.parent)
    return found


def get_source(name: str, search: Sequence[Path]) -> Source:
    """The source of that name; SourceError lists the known ones otherwise."""
    found = find_sources(search)
    if name not in found:
        raise SourceError(
            f"no source {name!r}: there are {', '.join(sorted(found)) or 'none'}; "
            "add a folder with profile.yaml to a directory named by sources_path"
        )
    return read_source(found[name])


def mapping_hash(name: str, search: Sequence[Path]) -> str:
    """Changes with every file that shapes a source's mapping, be it right or wrong; empty where there is no such source."""
    folder = find_sources(search).get(name)
    return _folder_hash(folder) if folder else ""
