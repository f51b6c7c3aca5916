"""Reads the data contracts (ODCS v3.1.0, one YAML a table) into typed values.

From these values and nothing else come the DuckDB tables with their comments, the Great Expectations suites, the
polars frame schemas and the data dictionary. This module imports nothing else of ours, and no data library.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, cast, get_args

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from open_data_contract_standard.model import (
        DataQuality,
        OpenDataContractStandard,
        SchemaObject,
        SchemaProperty,
    )

Area = Literal["extract", "rated", "mart"]
Physical = Literal["table", "view"]

API_VERSION: Final = "v3.1.0"
CONTRACTS_PATH: Final = Path(__file__).parent / "contracts"

_FOLDERS: Final[dict[Area, str]] = {"extract": "extracts", "rated": "rated", "mart": "mart"}
_SUFFIX: Final = ".odcs.yaml"
_COMMON: Final = f"common{_SUFFIX}"
_LOGICAL_TYPES: Final = {
    "VARCHAR": "string",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "BOOLEAN": "boolean",
    "INTEGER": "integer",
    "BIGINT": "integer",
    "DECIMAL": "number",
    "DOUBLE": "number",
    "VARCHAR[]": "array",
}
_PHYSICAL_TYPE: Final = re.compile(
    r"VARCHAR(?:\[\])?|DATE|TIMESTAMP|BOOLEAN|INTEGER|BIGINT|DOUBLE|DECIMAL\(\d{1,2},\d{1,2}\)"
)
_SHARES: Final = ("ratio", "share")  # how the unit of what the mart holds as DOUBLE begins
_RULE_QUERY: Final = re.compile(
    r"\s*SELECT count\(\*\) FROM \$\{object\} WHERE (?P<predicate>.+?)\s*", re.DOTALL
)


class ContractError(Exception):
    """A contract that cannot be read as one: the message names the file and what is wrong with it."""

    exit_code: ClassVar[int] = 2  # of the command line, which answers with the message alone


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it holds, in which unit, and which values it may take.

    `type` is DuckDB type text. `key_position` counts from 1 inside the table's key and is None outside it; a key
    column may be nullable (then null is a value of the key). `minimum` and `maximum` are inclusive, as text.
    `source` names where the value comes from. An empty `allowed` means any value. `refers_to` is the published column
    that holds the same identifiers, as `table.column`, or None; identifiers are unique within a company_code.
    Where a value was not delivered, it can be converted from the column `converted_from` by the table `converted_by`.
    `formerly`: the name that the mart had for it, and has still for one minor version. `as_of`: the column with the day from
    which on it says anything, where that is not the fact's own date.
    """

    name: str
    type: str
    nullable: bool
    key_position: int | None
    unit: str | None
    allowed: tuple[str, ...]
    minimum: str | None
    maximum: str | None
    description: str
    example: str | None
    source: str | None
    refers_to: str | None = None
    converted_from: str | None = None
    converted_by: str | None = None
    formerly: str | None = None
    as_of: str | None = None


@dataclass(frozen=True, slots=True)
class RowRule:
    """A named condition under which one row is wrong.

    `violated_where` is a DuckDB predicate over one row's columns; null means "not violated". `column` is the column
    the rule speaks of, or None where it speaks of several.
    """

    name: str
    violated_where: str
    reason: str
    column: str | None


@dataclass(frozen=True, slots=True)
class Contract:
    """One table: its columns in order, its key, its row rules.

    `own_date` is the column that dates the fact itself (available_on falls back to it), or None. `required_for` names the
    results that cannot be had without this table. An extract's columns and key leave out company_code and provenance,
    which are common to all extracts: see `stored_columns` and `stored_key`.
    `is_master`: the table says what is, not what happened, so a change in it bears no date, whatever dates its rows bear.
    `is_current`: a rating of any day reads all rows as they are now, whenever they were recorded. `is_reference`: other
    tables' columns are converted by it, so it is judged before them.
    """

    name: str
    area: Area
    title: str
    grain: str
    description: str
    columns: tuple[Column, ...]
    rules: tuple[RowRule, ...]
    own_date: str | None
    required_for: tuple[str, ...]
    physical: Physical = "table"
    is_master: bool = False
    is_current: bool = False
    is_reference: bool = False

    @property
    def is_undated(self) -> bool:
        """Whether a change of the table's rows bears no date of its own: masters, and facts without one."""
        return self.is_master or self.own_date is None

    @property
    def key(self) -> tuple[str, ...]:
        """The key's columns, in the key's order."""
        positions = {c.key_position: c.name for c in self.columns if c.key_position is not None}
        return tuple(positions[position] for position in sorted(positions))

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(c.name for c in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError where the contract has none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}")


def contract_names(area: Area | None = None) -> tuple[str, ...]:
    """The names of all contracts, or of one area's, without reading the files; areas in the order of the data's way."""
    areas: Iterable[Area] = get_args(Area) if area is None else (area,)
    return tuple(
        path.name.removesuffix(_SUFFIX)
        for each in areas
        for path in sorted((CONTRACTS_PATH / _FOLDERS[each]).glob(f"*{_SUFFIX}"))
    )


@cache
def load(name: str) -> Contract:
    """The contract of that table, read once a process; KeyError where there is none, ContractError if it is no good."""
    for area, folder in _FOLDERS.items():
        path = CONTRACTS_PATH / folder / f"{name}{_SUFFIX}"
        if path.is_file():
            return read(path, area)
    raise KeyError(f"no contract named {name}")


def contracts(area: Area | None = None) -> tuple[Contract, ...]:
    """All contracts, or those of one area, in the order of `contract_names`."""
    return tuple(load(name) for name in contract_names(area))


def company_code() -> Column:
    """The column that leads every extract's key: the legal entity."""
    return _common("company")[0]


def provenance() -> tuple[Column, ...]:
    """Where and when a stored row came from; the last columns of every canonical table in the warehouse."""
    return _common("provenance")


def stored_columns(contract: Contract) -> tuple[Column, ...]:
    """The columns of the table as the warehouse keeps it: an extract gains company_code in front and provenance behind."""
    if contract.area == "extract":
        return (company_code(), *contract.columns, *provenance())
    return contract.columns


def stored_key(contract: Contract) -> tuple[str, ...]:
    """The key of the table as the warehouse keeps it: an extract's key led by company_code."""
    return (company_code().name, *contract.key) if contract.area == "extract" else contract.key


def frame_columns(contract: Contract) -> tuple[Column, ...]:
    """The columns of the table's frames: an extract gains company_code in front and available_on behind."""
    if contract.area != "extract":
        return contract.columns
    available_on = next(c for c in provenance() if c.name == "available_on")
    return (company_code(), *contract.columns, available_on)


def as_published(contract: Contract) -> Contract:
    """The table as the mart holds it: ratios and shares are DOUBLE, the nearest to the digits stored, and old names last.

    Tools average, plot and compare a DOUBLE, and many take a DECIMAL for text. Amounts, scores and points stay exact.
    """
    columns = [
        replace(each, type="DOUBLE", example=each.example and str(float(each.example)))
        if _is_share(each)
        else each
        for each in contract.columns
    ]
    old = [
        replace(
            each,
            name=each.formerly,
            key_position=None,
            description=f"The old name of {each.name}, which goes with the next minor version.",
            formerly=each.name,
        )
        for each in columns
        if each.formerly
    ]
    return replace(contract, columns=(*columns, *old))


def _is_share(column: Column) -> bool:
    return column.type.startswith("DECIMAL") and (column.unit or "").startswith(_SHARES)


def read(path: Path, area: Area) -> Contract:
    """One contract file as a typed value; ContractError names what is wrong with it."""
    document = _document(path)
    if document.apiVersion != API_VERSION:
        raise ContractError(f"{path.name}: apiVersion is {document.apiVersion}, not {API_VERSION}")
    if document.schema_ is None or len(document.schema_) != 1:
        raise ContractError(f"{path.name}: a contract describes exactly one table")
    table = document.schema_[0]
    name = path.name.removesuffix(_SUFFIX)
    if table.name != name:
        raise ContractError(f"{path.name}: describes the table {table.name}, but is named {name}")
    custom = {p.property: p.value for p in document.customProperties or []}
    if custom.get("area") != area:
        raise ContractError(
            f"{path.name}: the area is {custom.get('area')}, but the file lies among {area} tables"
        )
    if table.physicalType not in get_args(Physical):
        raise ContractError(f"{path.name}: physicalType is {table.physicalType}, neither table nor view")
    columns, rules = _with_columns_of(custom, _columns(table, path), _rules(table, path), path)
    contract = Contract(
        name=name,
        area=area,
        title=_text(table.businessName, path, "businessName"),
        grain=_text(table.dataGranularityDescription, path, "dataGranularityDescription"),
        description=_text(table.description, path, "description"),
        columns=columns,
        rules=rules,
        own_date=cast("str | None", custom.get("ownDate")),
        required_for=tuple(cast("Sequence[str]", custom.get("requiredFor", ()))),
        physical=cast("Physical", table.physicalType),
        is_master=_flag(custom, "master", path),
        is_current=_flag(custom, "current", path),
        is_reference=_flag(custom, "reference", path),
    )
    _check(contract, path)
    return contract


def _with_columns_of(
    custom: Mapping[str | None, object], own: tuple[Column, ...], rules: tuple[RowRule, ...], path: Path
) -> tuple[tuple[Column, ...], tuple[RowRule, ...]]:
    """A table made of another's rows has that one's columns (`columnsOf`) behind one of its own (`columnsBehind`).

    They are described where they come from, and are of the mart's types; the other table's key is none here.
    """
    if "columnsOf" not in custom:
        return own, rules
    names = [column.name for column in own]
    behind = custom.get("columnsBehind")
    if behind not in names:
        raise ContractError(f"{path.name}: columnsBehind names {behind}, which is not one of its columns")
    try:
        other = as_published(load(str(custom["columnsOf"])))
    except KeyError:
        raise ContractError(
            f"{path.name}: columnsOf names {custom['columnsOf']}, which is no contract"
        ) from None
    taken = tuple(replace(each, key_position=None) for each in other.columns if each.name not in names)
    place = names.index(str(behind)) + 1
    taken_names = {column.name for column in taken}
    return (
        (*own[:place], *taken, *own[place:]),
        (*rules, *(rule for rule in other.rules if rule.column in taken_names)),
    )


@cache
def _common(name: str) -> tuple[Column, ...]:
    path = CONTRACTS_PATH / _COMMON
    tables = {table.name: table for table in _document(path).schema_ or []}
    return _columns(tables[name], path)


def _document(path: Path) -> OpenDataContractStandard:
    # Imported here, for the models take 0.1 s to import and most commands read no contract.
    from open_data_contract_standard.model import OpenDataContractStandard
    from pydantic import ValidationError

    # The package's own reader uses PyYAML's pure Python loader, some ten times slower than libyaml's safe one.
    safe_loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=safe_loader)  # noqa: S506
        return OpenDataContractStandard(**content)
    except (yaml.YAMLError, TypeError, ValidationError) as error:
        raise ContractError(f"{path.name}: is not a data contract: {error}") from error


def _text(value: str | None, path: Path, what: str) -> str:
    if not value or not value.strip():
        raise ContractError(f"{path.name}: {what} is missing")
    return " ".join(value.split())


def _flag(custom: Mapping[str | None, Any], name: str, path: Path) -> bool:
    value = custom.get(name, False)
    if not isinstance(value, bool):
        raise ContractError(f"{path.name}: {name} is {value!r}, neither true nor false")
    return value


def _columns(table: SchemaObject, path: Path) -> tuple[Column, ...]:
    return tuple(_column(each, path) for each in table.properties or [])


def _column(each: SchemaProperty, path: Path) -> Column:
    name = _text(each.name, path, "a column's name")
    where = f"{path.name}: {name}"
    kind = each.physicalType or ""
    if not _PHYSICAL_TYPE.fullmatch(kind):
        raise ContractError(f"{where}: {kind!r} is not a type of this warehouse")
    if each.logicalType != _LOGICAL_TYPES[kind.partition("(")[0]]:
        raise ContractError(f"{where}: logicalType {each.logicalType} does not go with {kind}")
    options = each.logicalTypeOptions or {}
    custom = {p.property: p.value for p in each.customProperties or []}
    examples = each.examples or []
    return Column(
        name=name,
        type=kind,
        nullable=not each.required,
        key_position=each.primaryKeyPosition if each.primaryKey else None,
        unit=cast("str | None", custom.get("unit")),
        allowed=_allowed(each, where),
        minimum=_as_text(options.get("minimum")),
        maximum=_as_text(options.get("maximum")),
        description=_text(each.description, path, f"{name}: description"),
        example=_as_text(examples[0]) if examples else None,
        source=", ".join(each.transformSourceObjects or []) or None,
        refers_to=_refers_to(each, where),
        converted_from=cast("str | None", custom.get("convertedFrom")),
        converted_by=cast("str | None", custom.get("convertedBy")),
        formerly=cast("str | None", custom.get("formerly")),
        as_of=cast("str | None", custom.get("asOf")),
    )


def _refers_to(each: SchemaProperty, where: str) -> str | None:
    targets = [relationship.to for relationship in each.relationships or []]
    if not targets:
        return None
    if len(targets) > 1 or not isinstance(targets[0], str) or targets[0].count(".") != 1:
        raise ContractError(f"{where}: a relationship goes to one table.column")
    return targets[0]


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _allowed(each: SchemaProperty, where: str) -> tuple[str, ...]:
    for check in each.quality or []:
        if check.type == "library":
            if check.metric != "invalidValues" or check.mustBe != 0:
                raise ContractError(f"{where}: the only library check used here is invalidValues, mustBe 0")
            return tuple(str(value) for value in (check.arguments or {})["validValues"])
    return ()


def _rules(table: SchemaObject, path: Path) -> tuple[RowRule, ...]:
    of_columns = [
        _rule(check, each.name, path)
        for each in table.properties or []
        for check in each.quality or []
        if check.type == "sql"
    ]
    return (*of_columns, *(_rule(check, None, path) for check in table.quality or []))


def _rule(check: DataQuality, column: str | None, path: Path) -> RowRule:
    name = _text(check.name, path, "a rule's name")
    matched = _RULE_QUERY.fullmatch(check.query or "")
    if check.type != "sql" or check.mustBe != 0 or matched is None:
        raise ContractError(
            f"{path.name}: {name}: a rule is `SELECT count(*) FROM ${{object}} WHERE …`, mustBe 0"
        )
    predicate = " ".join(matched["predicate"].split())
    if column is not None:
        predicate = predicate.replace("${property}", column)
    if "${" in predicate:
        raise ContractError(f"{path.name}: {name}: {predicate} holds a variable that means nothing here")
    return RowRule(name, predicate, _text(check.description, path, f"{name}: description"), column)


def _check(contract: Contract, path: Path) -> None:
    """What the parts of one contract owe each other."""
    names = contract.column_names
    if len(set(names)) != len(names):
        raise ContractError(f"{path.name}: a column is described twice")
    positions = sorted(c.key_position for c in contract.columns if c.key_position is not None)
    if not positions or positions != list(range(1, len(positions) + 1)):
        raise ContractError(f"{path.name}: the key's positions are {positions}, not 1, 2, …")
    rules = [rule.name for rule in contract.rules]
    if len(set(rules)) != len(rules):
        raise ContractError(f"{path.name}: two rules share a name")
    if contract.own_date is not None and contract.own_date not in names:
        raise ContractError(f"{path.name}: the own date {contract.own_date} is not one of its columns")
    dates = {column.name for column in contract.columns if column.type == "DATE"}
    for column in contract.columns:
        if column.as_of is not None and column.as_of not in dates:
            raise ContractError(
                f"{path.name}: {column.name} holds as of {column.as_of}, which is no date of the table"
            )
