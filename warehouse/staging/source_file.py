"""One delivered file as DuckDB reads it: a table function, its header, and which of its records are none of the table's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from warehouse.connection import literal, quoted
from warehouse.delivery import inspect
from warehouse.delivery.dialect import Dialect
from warehouse.delivery.encodings import encoding_of
from warehouse.delivery.formats import convert
from warehouse.delivery.headers import Binding, factor
from warehouse.delivery.inspect import CheckedFile
from warehouse.delivery.profile import Resource
from warehouse.staging import values

# Of a file of fewer bytes all are looked at at once.
_SMALL_TEXT = 8 * 1024 * 1024
_WILDCARD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Cut:
    """How a text file is read: its pieces in their order, the first with the header; none, and `reason`, if as it lies there.

    Of one that has pieces it is known that every quote in it is closed.
    """

    pieces: tuple[Path, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """What one reader gives of a file, and the number of its records."""

    reader: str
    number: str


@dataclass(frozen=True)
class SourceFile:
    """How one file is read: its headers with their physical types, and which of them is which column of the profile.

    In one that `is_plain` each record stands for itself, whatever is filled down in the source's own files. `cut` says
    whether it is read in pieces; `above`, as soon as they are counted, how many records of its own can be split above each.
    """

    path: str
    checked: CheckedFile
    resource: Resource
    headers: Mapping[str, str]
    binding: Binding
    is_plain: bool = False
    cut: Cut = Cut()
    above: tuple[int, ...] = (0,)

    @property
    def dialect(self) -> Dialect:
        """How its values are written."""
        return self.checked.dialect

    @property
    def kinds(self) -> Mapping[str, str]:
        """By header the column that tells what its cells hold, in a workbook."""
        return self.checked.table.kinds if self.checked.table else {}

    @property
    def native_dates(self) -> bool:
        """Whether its dates are written as ISO 8601 has them, whatever the profile's formats."""
        if self._is_parquet:
            return False
        return self.checked.kind != "text" if self.checked.table else self.is_plain

    @cached_property
    def binary(self) -> frozenset[str]:
        """The headers whose numbers are binary fractions, as those of every workbook."""
        if self.checked.table and self.checked.kind != "text":
            return frozenset(self.headers)
        return frozenset(header for header, kind in self.headers.items() if kind in {"DOUBLE", "FLOAT"})

    @cached_property
    def units(self) -> Mapping[str, int]:
        """By column of the profile, how many of its own unit the file's number counts by."""
        columns = self.resource.columns
        return {
            name: factor(columns[name], header, self.dialect) for name, header in self.binding.headers.items()
        }

    @cached_property
    def noise(self) -> Mapping[str, str]:
        """By header, whether a number holds noise of binary fractions beyond its column's scale; of columns that may."""
        tests: dict[str, str] = {}
        for name, header in self.binding.headers.items():
            column, physical = self.resource.columns[name], self.headers[header]
            if header in self.binary and column.type.startswith("decimal"):
                raw = values.trimmed(quoted(header), physical, self.dialect)
                text = values.numeric_text(raw, column, physical, self.dialect, self.units[name])
                tests[header] = values.rounded_noise(text, column)
        return tests

    @property
    def _is_parquet(self) -> bool:
        """Whether it was delivered as Parquet, so that no line of it is a total or left blank."""
        return self.checked.table is None and self.checked.kind == "parquet"

    @property
    def readers(self) -> tuple[str, ...]:
        """The table functions that read it: one, or one a piece."""
        if self._is_parquet:
            return (parquet_reader(self.checked.readable),)
        if self.checked.table:
            return (
                f"read_parquet({literal(readable_path(self.checked.readable))}, hive_partitioning=false)",
            )
        # In parallel, DuckDB loses what follows 8 MB of records that cannot be split; in one thread, which numbering them
        # takes anyway, it says nothing of a quote that is never closed, and of what that hides: see quotes.
        padded = ", null_padding=true" if self.dialect.short_rows == "fill" else ""
        files = self.cut.pieces or (self.checked.readable,)
        return tuple(
            f"read_csv({self._as_text(file, header=not place)}, parallel=false{padded})"
            for place, file in enumerate(files)
        )

    @property
    def quotes(self) -> str | None:
        """Reads text so that quote_error lists the record of a quote that is never closed; None where there is none such."""
        if self.checked.table or self._is_parquet or self.cut.pieces or self._has_no_quote:
            return None
        text = self._as_text(self.checked.readable, header=True)
        return f"read_csv({text}, rejects_table='quote_error', rejects_scan='quote_scan')"

    @property
    def _has_no_quote(self) -> bool:
        """Whether no cell of a text is quoted: there is no such mark, or not in the bytes of one that is read faster than split."""
        quote, file = self.dialect.quote, self.checked.readable
        if not quote:
            return True
        is_bare = quote.isascii() and inspect.compression(file) == "none"
        return is_bare and self.checked.size < _SMALL_TEXT and quote.encode() not in file.read_bytes()

    def _as_text(self, file: Path, *, header: bool) -> str:
        dialect = self.dialect
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in self.headers)
        return (
            f"{literal(readable_path(file))}, auto_detect=false, header={header}, delim={literal(dialect.delimiter)}, "
            f"quote={literal(dialect.quote)}, escape={literal(dialect.escape if dialect.quote else '')}, "
            f"columns={{{columns}}}, encoding={literal(encoding_of(dialect.encoding).duckdb or 'utf-8')}, nullstr='\x01', "
            f"compression={literal(inspect.compression(file))}, hive_partitioning=false, store_rejects=true, rejects_limit=0"
        )

    @property
    def _parts(self) -> tuple[_Part, ...]:
        """What is read of it, with a record's number in the file as a spreadsheet shows it: the header is 1."""
        if self._is_parquet or self.checked.table:
            number = "file_row_number + 2" if self._is_parquet else quoted(convert.NUMBER)
            return (_Part(self.readers[0], number),)
        return tuple(
            _Part(reader, f"row_number() OVER () + {above + 1}")
            for reader, above in zip(self.readers, self.above, strict=True)
        )

    @cached_property
    def left_out(self) -> str | None:
        """The rule by which a record is none of the table's, null for those that are; None where there is no such rule."""
        if self._is_parquet:
            return None
        rule = self._left_out_rule
        return f"coalesce({quoted(convert.LEFT_OUT)}, {rule or 'NULL'})" if self.checked.table else rule

    @cached_property
    def filled(self) -> tuple[str, ...]:
        """The columns whose blanks below a group's first row are filled from it, as expressions.

        A column is filled unless one declared before it has a value of its own in the row: then a new group has begun.
        """
        if self._is_parquet or (self.is_plain and self.checked.table is None):
            return ()
        begins: list[str] = []
        replaced: list[str] = []
        for header in self._groups:
            begins.append(f"{values.trimmed(quoted(header), self.headers[header], self.dialect)} IS NOT NULL")
            cells = filter(None, (header, self.kinds.get(header)))
            replaced += [_last_of_group(cell, " OR ".join(begins)) for cell in cells]
        return tuple(replaced)

    @cached_property
    def marked(self) -> tuple[str, ...]:
        """The cells of a record in which a mark makes it a total: the first filled one, and those that are filled down."""
        if self._is_parquet:
            return ()
        filled = ", ".join(f"nullif(trim({quoted(header)}), '')" for header in self.headers)
        return (f"coalesce({filled})", *dict.fromkeys(map(quoted, self._groups)))

    @property
    def _groups(self) -> list[str]:
        """The headers of the columns that are filled down."""
        bound = self.binding.headers
        return [bound[n] for n, column in self.resource.columns.items() if column.forward_fill and n in bound]

    @property
    def _left_out_rule(self) -> str | None:
        """The rule by which a record is a total or the header once more, null for any other; None where the dialect has none."""
        dialect = self.dialect
        rules = []
        if dialect.repeated_headers:
            same = " AND ".join(f"trim({quoted(header)}) = {literal(header)}" for header in self.headers)
            rules.append(f"WHEN {same} THEN 'repeated_header'")
        if dialect.totals_marks or dialect.totals_endings:
            tests = " OR ".join(test for cell in self.marked for test in _is_total(cell, dialect))
            rules.append(f"WHEN {tests} THEN 'totals_row'")
        return f"CASE {' '.join(rules)} END" if rules else None

    @property
    def rules(self) -> str:
        """Selects of each record the piece that it is of, from 0 on, and the rule that leaves it out (see left_out)."""
        rule = self.left_out or "NULL::VARCHAR"
        return " UNION ALL ".join(
            f"SELECT {piece} AS piece, {rule} AS rule FROM {reader}"
            for piece, reader in enumerate(self.readers)
        )

    @property
    def every_record(self) -> str:
        """Selects all records with their number and the rule that leaves them out."""
        rule = self.left_out or "NULL::VARCHAR"
        return " UNION ALL ".join(
            f"SELECT *, {rule} AS __rule FROM (SELECT *, {part.number} AS __number FROM {part.reader})"
            for part in self._parts
        )

    @property
    def records(self) -> str:
        """Selects the table's own records with their number, groups filled down."""
        if self.left_out is None:
            own = " UNION ALL ".join(
                f"SELECT *, {part.number} AS __number FROM {part.reader}" for part in self._parts
            )
        else:
            own = f"SELECT * EXCLUDE (__rule) FROM ({self.every_record}) WHERE __rule IS NULL"
        return f"SELECT * REPLACE ({', '.join(self.filled)}) FROM ({own})" if self.filled else own


def readable_path(file: Path) -> str:
    """A file's path for DuckDB's readers, which take `*`, `?` and `[` for wildcards."""
    return _WILDCARD.sub(r"[\g<0>]", str(file))


def parquet_reader(file: Path) -> str:
    """Reads a delivered Parquet file with the numbers of its rows, which begin at 0."""
    return f"read_parquet({literal(readable_path(file))}, file_row_number=true, hive_partitioning=false)"


def _last_of_group(cell: str, begins: str) -> str:
    """A cell's value in the first row of the group, kept in a structure: what that row leaves empty is empty below it."""
    return (
        f"last_value(CASE WHEN {begins} THEN {{'cell': {quoted(cell)}}} END IGNORE NULLS) "
        f"OVER (ORDER BY __number ROWS UNBOUNDED PRECEDING).cell AS {quoted(cell)}"
    )


def _is_total(cell: str, dialect: Dialect) -> Iterator[str]:
    """The tests, any of which says that a cell marks its record as a total."""
    if dialect.totals_marks:
        bare = [bare_mark(mark) for mark in dialect.totals_marks]
        marks, initials = (
            ", ".join(map(literal, texts)) for texts in (bare, sorted({mark[:1] for mark in bare}))
        )
        # The first letter alone tells nearly every record from them, and costs nothing.
        yield f"(left(ltrim({cell}, ' \u3000\u00a0'), 1) IN ({initials}) AND bare_mark({cell}) IN ({marks}))"
    for end in dialect.totals_endings:
        yield f"suffix(bare_mark({cell}), {literal(bare_mark(end))})"


def bare_mark(mark: str) -> str:
    """A mark without blanks and colons, as the macro bare_mark makes it."""
    return re.sub(r"[\s\u00a0\u3000:：]", "", mark)


def told(header: str) -> str:
    """A header as a problem names it: the problem's parts are told apart by colons."""
    return header.replace(":", " ").strip()
