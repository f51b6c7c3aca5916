"""A source: a folder with the dialect of an ERP's files (profile.yaml) and one reviewed SELECT a canonical table."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from expectations import contract as contracts
from warehouse.dialect import STATED, Dialect, Model, ResourceColumn, plain_keys
from warehouse.faults import SourceError
from warehouse.pull_plan import Pull

# libyaml's, where it is there: some ten times faster than the one in Python.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
BUILT_IN = Path(__file__).parent / "sources"
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _identifier(name: str) -> str:
    if not IDENTIFIER.fullmatch(name):
        raise ValueError(
            f"{name!r} is no identifier: use letters, digits and underscores, not starting with a digit"
        )
    return name


Identifier = Annotated[str, AfterValidator(_identifier)]
Mode = Literal["full_snapshot", "window_replace", "delta_upsert"]


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
    dialect: Mapping[str, Any] = Field(default_factory=dict)
    totals: Totals | None = None
    columns: Mapping[Identifier, ResourceColumn]

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


class TableMapping(Model):
    """One canonical table the source delivers."""

    driving: Identifier
    sql: str | None = None
    derived: bool = False
    identical_rows: Literal["quarantine", "one"] = "quarantine"


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

    source: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: str
    version: Annotated[str, AfterValidator(str)]
    settings: Mapping[Identifier, Setting] = Field(default_factory=dict)
    defaults: Dialect = Dialect()
    resources: Mapping[Identifier, Resource]
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
            if mapping.driving not in self.resources:
                raise ValueError(f"tables.{name}.driving: {mapping.driving!r} is not one of the resources")
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
        if self.pull:
            self.pull.check(self.resources, self.tables)
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

    def sql(self, table: str) -> str:
        """The reviewed SELECT of one canonical table."""
        return (self.folder / (self.profile.tables[table].sql or f"{table}.sql")).read_text(encoding="utf-8")

    @cached_property
    def mapping_version(self) -> str:
        """The profile's version and a hash of every file that shapes the mapping; part of the no-op rule."""
        return f"{self.profile.version}+{_folder_hash(self.folder)[:12]}"

    def resource_of(self, file_name: str) -> str | None:
        """The resource whose pattern matches a file's name, regardless of case; None where none or several do."""
        names = [
            name
            for name, resource in self.profile.resources.items()
            if fnmatch.fnmatchcase(file_name.casefold(), resource.pattern.casefold())
        ]
        return names[0] if len(names) == 1 else None


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
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise SourceError(
            f"{path}: {key or 'profile'}: {first['msg'].removeprefix('Value error, ')}{more}"
        ) from error
    if profile.source != folder.name:
        raise SourceError(f"{path}: source: {profile.source!r} must be the folder's name, {folder.name!r}")
    source = Source(folder, profile)
    for table in profile.tables:
        try:
            source.sql(table)
        except OSError as error:
            raise SourceError(f"{path}: tables.{table}: its SQL file cannot be read: {error}") from error
    return source


def _folder_hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        if path.suffix in {".yaml", ".sql"}:
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
