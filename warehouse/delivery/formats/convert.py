"""Rows of cells as a table: where its header stands, which rows are records, and a Parquet file that DuckDB can read."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from warehouse.delivery.dialect import EXCEL_SERIAL, EXCEL_SERIAL_1904, Dialect
from warehouse.delivery.formats import html, text, xls, xlsx
from warehouse.delivery.formats.cells import (
    BoolCell,
    DateCell,
    ErrorCell,
    FormulaCell,
    Number,
    Row,
    decompression_bomb,
    max_unpacked,
    refused,
)
from warehouse.delivery.formats.sniff import Kind
from warehouse.delivery.formats.text import Heading, Misquoted, UnclosedQuoteError
from warehouse.delivery.headers import bind, header_names, unit_above, with_unit
from warehouse.delivery.profile import Resource
from warehouse.errors import BatchRefusedError, Fault

# Columns that stand beside the file's own.
NUMBER, LEFT_OUT, KIND = "__row_number", "__left_out", "__kind"
# How far down a header is looked for.
_SEARCHED_ROWS = 1000
_ROWS, _CHARACTERS = 20_000, 16 * 1024 * 1024
_KINDS: tuple[tuple[type, str], ...] = (
    (Number, "number"),
    (DateCell, "date"),
    (BoolCell, "boolean"),
    (ErrorCell, "error"),
    (FormulaCell, "formula"),
)


# What reads the rows of each kind of file that DuckDB does not read: the file, its name in messages, how it is written.
FORMATS: Mapping[Kind, Callable[[Path, str, Dialect], Generator[Row]]] = {
    "xlsx": lambda file, path, dialect: xlsx.rows(file, path, dialect.sheet),
    "xls": lambda file, path, dialect: xls.rows(file, path, dialect.sheet),
    "html": html.rows,
    "text": lambda file, _, dialect: text.rows(file, dialect),
}
_SHOWN_SHEETS: Mapping[Kind, Callable[[Path], list[str]]] = {
    "xlsx": xlsx.shown_sheets,
    "xls": xls.shown_sheets,
}


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that has not the header's columns."""

    row: int
    rule: str
    message: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A file made into Parquet: its header, by which column the kind of a header's cells is told, and what did not fit.

    `unread` are further sheets of a workbook that have the resource's columns, where nobody says which sheet is meant.
    """

    file: Path
    headers: tuple[str, ...]
    kinds: Mapping[str, str]
    rejects: tuple[Reject, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(slots=True)
class _Header:
    names: list[str]
    rows: list[list[str]]
    unit: str | None


def convert(file: Path, kind: Kind, path: str, dialect: Dialect, resource: Resource, target: Path) -> Table:
    """Write a workbook, page, printed list, or text with lines above its header to `target`; BatchRefusedError if it cannot be.

    `path` is the file's name in messages.
    """
    listed = kind == "text" and (
        dialect.layout == "list" or (dialect.layout == "either" and text.is_list(file, dialect))
    )
    rows = _rows(file, kind, path, dialect, listed=listed)
    try:
        with closing(rows):
            try:
                header = _header(rows, path, dialect, resource, search=listed or dialect.preamble)
            except BatchRefusedError as error:
                if not {fault.rule for fault in error.faults} <= {"missing_header", "missing_column"}:
                    raise
                raise _with_sheets(error, path, _unread(file, kind, path, dialect, resource)) from None
            _require_a_declared_unit(header.unit, path, dialect, resource)
            if header.unit and dialect.all_units[header.unit] != 1:
                counted = with_unit(header.names, header.unit, resource, dialect)
                header.names = header_names(counted, path)
            builder = _Builder(file, kind, path, dialect, resource, header, target, listed=listed)
            table = builder.build(rows)
        return replace(table, unread=tuple(_unread(file, kind, path, dialect, resource)))
    except UnclosedQuoteError as error:
        message = "a quote is opened and not closed: the lines after it cannot be told apart"
        remedy = "Correct the row, or set quote in the profile to what the file uses."
        raise refused("unclosed_quote", message, remedy, path, error.row) from None


def _unread(file: Path, kind: Kind, path: str, dialect: Dialect, resource: Resource) -> Iterator[str]:
    """The shown sheets of a workbook behind the first that hold the resource's columns, if none is named."""
    if dialect.sheet is not None or kind not in _SHOWN_SHEETS:
        return
    for name in _SHOWN_SHEETS[kind](file)[1:]:
        named = dialect.model_copy(update={"sheet": name})
        try:
            with closing(_rows(file, kind, path, named, listed=False)) as rows:
                header = _header(rows, path, named, resource, search=dialect.preamble)
        except BatchRefusedError:
            continue  # no table that this resource could be read from
        if not bind(header.names, resource, dialect).missing:
            yield name


def sheets_that_fit(path: str, names: Sequence[str]) -> str:
    """Say in a remedy which sheets of a workbook have what the one that was read lacks; empty without any."""
    return (
        f" Or hand over {' or '.join(f'{path}#{name}' for name in names)}, which has them." if names else ""
    )


def _with_sheets(error: BatchRefusedError, path: str, names: Iterator[str]) -> BatchRefusedError:
    """The refusal of a sheet without its header, with the sheets beside it that have it."""
    fitting = sheets_that_fit(path, list(names))
    return BatchRefusedError(*(replace(fault, remedy=fault.remedy + fitting) for fault in error.faults))


def _rows(file: Path, kind: Kind, path: str, dialect: Dialect, *, listed: bool) -> Generator[Row]:
    return text.list_rows(file, dialect) if listed else FORMATS[kind](file, path, dialect)


def _header(rows: Iterator[Row], path: str, dialect: Dialect, resource: Resource, *, search: bool) -> _Header:
    """The header at its stated rows, or the first rows that hold every required column: as many as stated, or fewer."""
    depth, first = len(dialect.header_rows), dialect.header_rows[0]
    above: list[list[str]] = []
    unit: str | None = None
    nearest: tuple[int, int, tuple[str, ...]] | None = None
    for number, cells in islice(rows, _SEARCHED_ROWS):
        above = [*above, cells][-depth:]
        unit = unit_above(cells, dialect) or unit
        if isinstance(cells[0], Heading):
            continue
        if not search and number > first + depth - 1:
            break
        if not search and number == first + depth - 1 and len(above) == depth:
            return _Header(header_names(_joined(above, dialect.header_join), path), above, unit)
        for height in range(1, len(above) + 1) if search else ():
            names = header_names(_joined(above[-height:], dialect.header_join), path)
            missing = bind(names, resource, dialect).missing
            if not missing:
                return _Header(names, above[-height:], unit)
            if nearest is None or len(missing) < nearest[1]:
                nearest = (number, len(missing), missing)
    if not search:
        message = f"has nothing in row {first}, where its header should be"
        remedy = "State where it is in the profile: header_rows, or preamble: true to have it looked for."
        raise refused("missing_header", message, remedy, path, first)
    raise _no_header(nearest, path, resource)


def _no_header(
    nearest: tuple[int, int, tuple[str, ...]] | None, path: str, resource: Resource
) -> BatchRefusedError:
    if nearest is None:
        return refused("missing_header", "holds no table", "Export it again, with its header.", path)
    number, _, missing = nearest
    wanted = ", ".join(" or ".join(map(repr, resource.columns[name].header or (name,))) for name in missing)
    message = f"no row is the header: row {number} comes nearest, and lacks {wanted}"
    remedy = "Export it with these columns, or add their names in the file to the profile."
    return BatchRefusedError(Fault("missing_column", message, remedy, path, number))


def _joined(rows: Sequence[Sequence[str]], sep: str) -> list[str]:
    """One name a column of a header of several rows: an upper cell goes for those beside it that it is merged over."""
    names = [" ".join(cell.split()) for cell in rows[0]]
    for row in rows[1:]:
        lower = [" ".join(cell.split()) for cell in row]
        width = max(len(names), len(lower))
        upper = names + [""] * (width - len(names))
        lower += [""] * (width - len(lower))
        group, names = "", []
        for above, below in zip(upper, lower, strict=True):
            if above:
                group = above if below else ""
            name = above or (group if below else "")
            names.append(name if not below or below == name else sep.join(filter(None, (name, below))))
    return names


def _require_a_declared_unit(unit: str | None, path: str, dialect: Dialect, resource: Resource) -> None:
    """A report that says it counts in 万元 is not to be taken for one in 元."""
    if (
        unit
        and dialect.all_units[unit] != 1
        and all(column.unit is None for column in resource.columns.values())
    ):
        message = (
            f"states above its table that it counts in {unit}, and the profile has no column with a unit"
        )
        remedy = "Say unit: stated at the columns that count so, or name their unit."
        raise refused("undeclared_unit", message, remedy, path)


@dataclass(slots=True)
class _Code:
    """A column of codes that a workbook may have turned into numbers."""

    place: int
    header: str
    filled: int = 0
    numbers: int = 0
    first: tuple[int, str] = (0, "")


@dataclass(slots=True)
class _Builder:
    """Takes the rows below a header and writes those that are records."""

    file: Path
    kind: Kind
    path: str
    dialect: Dialect
    resource: Resource
    header: _Header
    target: Path
    listed: bool
    rejects: list[Reject] = field(default_factory=list)
    codes: list[_Code] = field(default_factory=list)
    days: dict[int, str] = field(default_factory=dict)
    batch: list[tuple[int, str | None, list[str]]] = field(default_factory=list)

    def build(self, rows: Iterator[Row]) -> Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = self.header.names
        bound_headers = bind(names, self.resource, self.dialect).headers
        if self.kind != "text":
            self.codes = [
                _Code(names.index(header), header)
                for name, header in bound_headers.items()
                if self.resource.columns[name].type == "text"
                and not self.resource.columns[name].accept_number
            ]
        self.days = {
            names.index(header): form
            for name, header in bound_headers.items()
            if self.resource.columns[name].type == "date"
            for form in (self.resource.columns[name].date_formats or self.dialect.date_formats)[:1]
            if form not in {EXCEL_SERIAL, EXCEL_SERIAL_1904}
        }
        kinds = {code.header: f"{KIND} {code.place}" for code in self.codes}
        schema = pa.schema(
            [
                (NUMBER, pa.int64()),
                (LEFT_OUT, pa.string()),
                *((name, pa.string()) for name in names),
                *((column, pa.string()) for column in kinds.values()),
            ]
        )
        budget = max_unpacked(self.file.stat().st_size)
        characters = written = 0
        with pq.ParquetWriter(str(self.target), schema) as writer:
            for number, cells in rows:
                characters += self._take(number, cells)
                if len(self.batch) >= _ROWS or characters > _CHARACTERS:
                    written, characters = written + characters, 0
                    if written > budget:
                        raise decompression_bomb(self.path, budget)
                    self._write(writer, schema)
            self._write(writer, schema)
        self._refuse_codes_that_are_all_numbers()
        return Table(self.target, tuple(names), kinds, tuple(self.rejects))

    def _take(self, number: int, cells: list[str]) -> int:
        """Keep a record, or what it is instead; how many characters it has."""
        width = len(self.header.names)
        if cells and isinstance(cells[0], Heading):
            self.batch.append((number, "page_heading", [cells[0], *[""] * (width - 1)]))
            return len(cells[0])
        if not any(cell.strip() for cell in cells):
            return 0
        if isinstance(cells[0], Misquoted):
            told = "its quotes do not fit together, or a cell is longer than 4 MiB"
            self.rejects.append(Reject(number, "broken_quoting", told, cells[0][:10_000]))
            return 0
        if (self.listed or self.dialect.repeated_headers) and self._is_header(cells):
            self.batch.append((number, "repeated_header", _fitted(cells, width)))
            return 0
        if self.kind == "text" and len(cells) != width and not self._may_be_filled(cells):
            told = f"has {len(cells)} cells, and the header {width}"
            mark = "|" if self.listed else " " if self.dialect.is_columned else self.dialect.delimiter
            self.rejects.append(Reject(number, "ragged_record", told, mark.join(cells)[:10_000]))
            return 0
        self.batch.append((number, None, _fitted(cells, width)))
        return sum(map(len, cells))

    def _may_be_filled(self, cells: list[str]) -> bool:
        return self.dialect.short_rows == "fill" and len(cells) < len(self.header.names)

    def _is_header(self, cells: list[str]) -> bool:
        trimmed = [cell.strip() for cell in cells]
        return any(trimmed == [cell.strip() for cell in row] for row in self.header.rows)

    def _write(self, writer: Any, schema: Any) -> None:
        import pyarrow as pa

        if not self.batch:
            return
        numbers, left_out, records = zip(*self.batch, strict=True)
        columns = list(zip(*records, strict=True))
        kinds = [self._kinds(code, numbers, left_out, columns[code.place]) for code in self.codes]
        texts = [[self._text(cell, place) for cell in column] for place, column in enumerate(columns)]
        arrays = [
            pa.array(values, type=kind)
            for values, kind in zip((numbers, left_out, *texts, *kinds), schema.types, strict=True)
        ]
        writer.write_batch(pa.record_batch(arrays, schema=schema))
        self.batch.clear()

    def _kinds(
        self, code: _Code, numbers: Sequence[int], left_out: Sequence[str | None], cells: Sequence[str]
    ) -> list[str | None]:
        kinds = [_kind(cell) for cell in cells]
        for number, rule, cell, kind in zip(numbers, left_out, cells, kinds, strict=True):
            if rule is None and cell:
                code.filled += 1
                if kind == "number":
                    code.numbers += 1
                    code.first = code.first if code.first[0] else (number, cell)
        return kinds

    def _text(self, cell: str, place: int) -> str:
        """The cell as the profile says that values are written."""
        if isinstance(cell, DateCell) and place in self.days:
            return datetime.fromisoformat(cell).strftime(self.days[place])
        if isinstance(cell, Number):
            return cell.replace(".", self.dialect.decimal_mark)
        if isinstance(cell, BoolCell):
            marks = self.dialect.true_marks if cell == "true" else self.dialect.false_marks
            return str(cell) if cell in marks or not marks else marks[0]
        return str(cell)

    def _refuse_codes_that_are_all_numbers(self) -> None:
        faults = [
            Fault(
                "code_is_numeric",
                f"is a code, but every value in the file is a number ({code.filled:,}, such as {code.first[1]}): leading zeros "
                "are lost",
                "Format the column as text before it is filled, or set accept_number for it in the profile where codes "
                "never have any.",
                self.path,
                code.first[0],
                code.header,
            )
            for code in self.codes
            if code.numbers and code.numbers == code.filled
        ]
        if faults:
            raise BatchRefusedError(*faults)


def _fitted(cells: list[str], width: int) -> list[str]:
    return cells[:width] + [""] * (width - len(cells))


def _kind(cell: str) -> str | None:
    return (
        None if type(cell) is str else next((name for kind, name in _KINDS if isinstance(cell, kind)), None)
    )


def transcode(file: Path, dialect: Dialect, target: Path) -> None:
    """Write a text file in UTF-8, for those encodings that DuckDB does not read, or not whole."""
    with text.lines_of(file, dialect) as source, target.open("w", encoding="utf-8", newline="") as result:
        while part := source.read(1 << 20):
            result.write(part)
