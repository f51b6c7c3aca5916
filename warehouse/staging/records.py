"""The records of a batch's files as text, before they are typed: opened, counted, and those kept that cannot be split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import duckdb
import polars as pl

from warehouse.connection import lent, literal, quoted, scalar
from warehouse.delivery.formats.cells import decompression_bomb, max_unpacked
from warehouse.delivery.headers import bind
from warehouse.delivery.inspect import CheckedFile
from warehouse.delivery.profile import Resource
from warehouse.errors import BatchRefusedError, Fault, Mistakes
from warehouse.staging import values
from warehouse.staging.delivered import Delivered, Delivery
from warehouse.staging.source_file import Cut, SourceFile, parquet_reader, readable_path

_HAS_A_REASON = "__number IN (SELECT row_number FROM rejected.reason WHERE file = {path})"
# Of a file; more of them, and it is not written as its profile says.
MOST_REJECTS = 100_000
# File, record number, rule, message, text.
Reject = tuple[str, int, str, str, str]
_REJECTS = {
    "MISSING COLUMNS": "ragged_record",
    "TOO MANY COLUMNS": "ragged_record",
    "UNQUOTED VALUE": "broken_quoting",
    "LINE SIZE OVER MAXIMUM": "record_too_long",
    "INVALID ENCODING": "wrong_encoding",
}


def open_files(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> None:
    """Open the files of each resource that the batch holds, and of those before it.

    BatchRefusedError if a file is no Parquet.
    """
    mistakes = Mistakes()
    for delivered in delivery.every:
        found: list[SourceFile] = []
        for path, checked in delivered.checked.items():
            with mistakes.noted():
                found.append(_open(connection, path, checked, delivered))
        delivered.files = tuple(found)
    mistakes.require_none()


def _open(
    connection: duckdb.DuckDBPyConnection, path: str, checked: CheckedFile, delivered: Delivered
) -> SourceFile:
    """How a checked file is read; BatchRefusedError where it is no Parquet."""
    headers = _headers(connection, path, checked)
    binding = bind(headers, delivered.resource, checked.dialect)
    cut = delivered.cuts.get(path, Cut())
    return SourceFile(
        path, checked, delivered.resource, headers, binding, is_plain=delivered.is_plain, cut=cut
    )


def _headers(connection: duckdb.DuckDBPyConnection, path: str, checked: CheckedFile) -> Mapping[str, str]:
    """A file's headers with their physical types."""
    if checked.headers is not None:
        return dict.fromkeys(checked.headers, "VARCHAR")
    reader = parquet_reader(checked.readable)
    columns = query_or_refuse(connection, f"DESCRIBE SELECT * FROM {reader}", path)
    _require_a_table_of_its_size(connection, path, checked)
    return {str(name): str(kind) for name, kind, *_ in columns if name != "file_row_number"}


def _require_a_table_of_its_size(
    connection: duckdb.DuckDBPyConnection, path: str, checked: CheckedFile
) -> None:
    """A Parquet file of a few kilobytes can hold the same cell a billion times: a cell counts as a byte at least."""
    location, most = literal(readable_path(checked.readable)), max_unpacked(checked.size)
    query = (
        f"SELECT greatest(sum(total_uncompressed_size), sum(num_values)) FROM parquet_metadata({location})"
    )
    [(unpacked,)] = query_or_refuse(connection, query, path)
    if int(str(unpacked or 0)) > most:
        raise decompression_bomb(path, most)


def raw(delivered: Delivered) -> str:
    """Selects the records of a resource as text, as soon as they are counted.

    `_file`, `_row` (the number), and `raw`, JSON by header, written as in the source's text files.
    """
    return _raw(delivered, "true")


def quarantined(delivered: Delivered) -> str:
    """As `raw`, the records that `rejected.reason` names, and makes no text of any other."""
    return _raw(delivered, _HAS_A_REASON)


def _raw(delivered: Delivered, condition: str) -> str:
    return " UNION ALL ".join(
        f"SELECT {literal(file.path)} AS _file, __number AS _row, {_cells(file, delivered.resource)} AS raw "
        f"FROM ({file.records}) WHERE {condition.format(path=literal(file.path))}"
        for file in delivered.files
    )


def _cells(file: SourceFile, resource: Resource) -> str:
    bound = file.binding.headers
    columns = {header: resource.columns[name] for name, header in bound.items()}
    cells = (
        f"{literal(header)}, {values.as_delivered(quoted(header), physical, columns.get(header), file.dialect)}"
        for header, physical in file.headers.items()
    )
    return f"json_object({', '.join(cells)})"


def count_records(connection: duckdb.DuckDBPyConnection, delivered: Delivered) -> None:
    """Count the records of a resource that can be split into columns, in one reading; its files know their numbers then."""
    by_rule: Counter[str | None] = Counter()
    by_piece: Counter[tuple[str, int]] = Counter()
    rules = " UNION ALL ".join(
        f"SELECT {literal(file.path)} AS file, piece, rule FROM ({file.rules})" for file in delivered.files
    )
    sql = f"SELECT file, piece, rule, count(*) FROM ({rules}) GROUP BY ALL ORDER BY ALL"
    for path, piece, rule, number in query_or_refuse(connection, sql, delivered.first_path):
        by_rule[rule] += number
        by_piece[path, piece] += number
    delivered.own = by_rule.pop(None, 0)
    delivered.left_out = {str(rule): number for rule, number in by_rule.items()}
    delivered.split = {
        file.path: tuple(by_piece[file.path, piece] for piece in range(len(file.readers)))
        for file in delivered.files
    }
    delivered.files = tuple(
        replace(file, above=tuple(accumulate(delivered.split[file.path][:-1], initial=0)))
        for file in delivered.files
    )


def keep_unreadable_records(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> None:
    """Keep the records that could not be split, since every later scan reports them again, and count them."""
    rejected = list(rejected_records(connection, delivery))
    known = Counter(path for path, *_ in rejected)
    for each in delivery.every:
        known.update({path: sum(numbers) for path, numbers in each.split.items()})
    told = {(path, number) for path, number, *_ in rejected}
    opened = [file for each in delivery.every for file in each.files]
    unclosed = unclosed_records(connection, opened, known)
    # Blank lines push up the numbers of records, so that one from above the end may look like one below it.
    rejected += [reject for reject in unclosed if reject[:2] not in told]
    owner = {path: each for each in delivery.every for path in each.checked}
    found = [(owner[reject[0]], reject) for reject in rejected]
    for delivered, reject in found:
        _require_a_closed_quote(delivered, reject)
    _keep_rejects(connection, found)
    numbers = Counter(delivered.name for delivered, _ in found)
    for each in delivery.every:
        each.unreadable = numbers[each.name]


def rejected_records(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> Iterable[Reject]:
    """Records that could not be split into the header's columns.

    BatchRefusedError where a file has more of them than MOST_REJECTS.
    """
    for path, file in delivery.checked:
        if file.table and len(file.table.rejects) > MOST_REJECTS:
            raise _too_many_rejects(path, len(file.table.rejects))
        for reject in file.table.rejects if file.table else ():
            yield path, reject.row, reject.rule, reject.message, reject.text
    if not scalar(connection, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'"):
        return
    counted = connection.execute(
        "SELECT file_path, count(DISTINCT line) FROM reject_errors JOIN reject_scans USING (scan_id, file_id) GROUP BY ALL"
    ).fetchall()
    above = _records_above(delivery, dict(counted))
    by_file: Counter[str] = Counter()
    for file_path, number in counted:
        by_file[above[file_path][0]] += number
    for path, number in by_file.most_common(1):
        if number > MOST_REJECTS:
            raise _too_many_rejects(path, number)
    rows = connection.execute(
        """SELECT DISTINCT ON (file_path, line) file_path, line, error_type::VARCHAR, error_message, csv_line
           FROM reject_errors JOIN reject_scans USING (scan_id, file_id) ORDER BY file_path, line, column_idx"""
    ).fetchall()
    for file_path, line, kind, message, text in rows:
        path, records = above[file_path]
        yield _reject(path, records + line, kind, message, text)


def _records_above(delivery: Delivery, rejects: Mapping[str, int]) -> Mapping[str, tuple[str, int]]:
    """By each file that DuckDB read, the delivered one that it is a piece of, and the number of records above, all of them."""
    above: dict[str, tuple[str, int]] = {}
    for each in delivery.every:
        for path, checked in each.checked.items():
            pieces, records = each.cuts.get(path, Cut()).pieces or (checked.readable,), 0
            for place, (piece, split) in enumerate(zip(pieces, each.split[path], strict=True)):
                above[str(piece)] = (path, records)
                # The header is a record, and the first.
                records += split + rejects.get(str(piece), 0) + (not place)
    return above


def unclosed_records(
    connection: duckdb.DuckDBPyConnection, opened: Iterable[SourceFile], known: Mapping[str, int]
) -> Iterable[Reject]:
    """Records whose quote is never closed; `known` is by file the number of all others, rejected or not.

    BatchRefusedError where a file cannot be read.
    """
    for file in opened:
        if file.quotes is None:
            continue
        query_or_refuse(connection, f"SELECT count(*) FROM {file.quotes}", file.path)
        found = connection.execute(
            """SELECT line, error_type::VARCHAR, error_message, csv_line FROM quote_error
               WHERE error_type = 'UNQUOTED VALUE' AND line > ? + 1 ORDER BY line""",
            [known[file.path]],
        ).fetchall()
        connection.execute("DROP TABLE quote_error; DROP TABLE quote_scan")
        for line, kind, message, text in found:
            yield _reject(file.path, line, kind, message, text)


def _reject(path: str, line: int, kind: str, message: str, text: str) -> Reject:
    rule = _REJECTS.get(kind, "unreadable_record")
    return path, int(line), rule, " ".join(str(message).split()), str(text).strip("\r\n")


def _too_many_rejects(path: str, number: int) -> BatchRefusedError:
    message = f"has {number:,} records that cannot be split into the columns of its header"
    remedy = "Its delimiter or quote is not the profile's, or it is damaged: mend the profile, or export the file again."
    return BatchRefusedError(Fault("too_many_unreadable_records", message, remedy, path))


def _require_a_closed_quote(delivered: Delivered, reject: Reject) -> None:
    """BatchRefusedError if a quote runs over the lines below its record: they cannot be told apart."""
    path, number, rule, _, text = reject
    if rule != "broken_quoting" or "\n" not in text or text.count(delivered.dialect.quote) % 2 == 0:
        return
    lines = text.count("\n")
    message = f"a quote is opened and not closed: the {lines} lines after it cannot be told apart"
    remedy = "Correct the row, or set quote in the profile to what the file uses."
    raise BatchRefusedError(Fault("unclosed_quote", message, remedy, path, number))


def _keep_rejects(connection: duckdb.DuckDBPyConnection, found: Sequence[tuple[Delivered, Reject]]) -> None:
    """Into `rejected.record`, all at once: inserted one by one, half a million of them would take minutes."""
    if not found:
        return
    rows = [(each.name, *reject, each.checked[reject[0]].table is not None) for each, reject in found]
    columns = ("resource", "file", "row_number", "rule", "message", "text", "is_exact")
    with lent(connection, "unreadable", pl.DataFrame(rows, schema=columns, orient="row")):
        connection.execute("INSERT INTO rejected.record BY NAME FROM unreadable")


def keep_blank_records(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> None:
    """Keep where blank lines stand: they are no records, but they count in the numbers of those below them."""
    for path, file in delivery.checked:
        if file.blank_records:
            with lent(connection, "blank", pl.DataFrame({"row_number": file.blank_records})):
                connection.execute("INSERT INTO rejected.blank SELECT ?, row_number FROM blank", [path])


def unread_sheets(delivery: Delivery) -> Iterator[str]:
    """The sheets of workbooks that hold a resource's columns and are not read, since none is named."""
    for each in delivery.every:
        for path, file in each.checked.items():
            for sheet in file.table.unread if file.table else ():
                yield (
                    f"{path}: its sheet {sheet!r} has the columns of {each.name}, too, and is not read: hand it over as "
                    f"{path}#{sheet} beside the first, or name the sheet that is meant in the profile [unread_sheet]"
                )


def mixed_encodings(delivery: Delivery) -> Iterator[str]:
    """The files that are partly UTF-8, and were read in the profile's other encoding throughout."""
    for path, file in delivery.checked:
        if file.is_mixed:
            yield (
                f"{path}: is partly UTF-8, and is read in the profile's fallback_encoding throughout, so that a letter such as "
                "ü has become Ã¼: export it again in one encoding [mixed_encoding]"
            )


def rounded(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> Iterator[str]:
    """What was rounded by the rule `rounded_noise`, by file and column."""
    for each in delivery.held:
        for file in each.files:
            for header, number in _rounded(connection, file).items():
                yield (
                    f"{file.path}, column {header}: {number:,} numbers hold noise of binary fractions beyond the column's "
                    "decimals, and are rounded to them [rounded_noise]"
                )


def _rounded(connection: duckdb.DuckDBPyConnection, file: SourceFile) -> Mapping[str, int]:
    """By header, how many of a file's numbers are rounded since they hold no more than noise beyond the column's scale."""
    if not file.noise:
        return {}
    counted = ", ".join(f"count(*) FILTER ({test})" for test in file.noise.values())
    [numbers] = query_or_refuse(connection, f"SELECT {counted} FROM ({file.records})", file.path)
    return {header: int(number) for header, number in zip(file.noise, numbers, strict=True) if number}


def query_or_refuse(connection: duckdb.DuckDBPyConnection, sql: str, path: str) -> list[tuple[Any, ...]]:
    """What a query says of a file; BatchRefusedError where it cannot be read."""
    try:
        return connection.execute(sql).fetchall()
    except duckdb.OutOfMemoryException:
        raise  # no fault of what was read: see scratch.stage
    except duckdb.Error as error:
        raise BatchRefusedError(unreadable(path, error)) from error


def unreadable(path: str, error: Exception) -> Fault:
    """The fault of a file DuckDB cannot read at all."""
    reason = " ".join(str(error).split("\n")[0].split())[:200]
    return Fault("unreadable_file", f"cannot be read: {reason}", "Deliver the file again, whole.", path)
