"""The canonical tables of a batch, as the source's SQL made them: each record accounted for, not yet judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import duckdb

from expectations.contract import Contract
from warehouse.connection import count, literal, quoted
from warehouse.delivery.manifest import WINDOW, Window
from warehouse.errors import BatchRefusedError, Fault, SourceError
from warehouse.staging import records as as_text
from warehouse.staging.casts import EXTRA
from warehouse.staging.delivered import Delivered, Delivery
from warehouse.staging.source_sql import Made
from warehouse.staging.values import LOST_CODE


@dataclass(frozen=True, slots=True)
class StagedTable:
    """One canonical table of a batch, typed and not yet judged.

    `records` counts, by driving resource, its records, readable or not; `rows_in` all of them, for a derived table the rows
    that its SQL gave.
    `unexplained` are the rules that left rows out without the profile saying what that means. `whole_if_split` are the
    resources whose every record must be split for its documents, in whole.<table>, to be whole; none if they never are.
    `says_gone` if a rule left out rows because they are gone, which are in gone.<table> then.
    """

    contract: Contract
    records: Mapping[str, int]
    derived: bool
    mode: str
    rows_in: int
    excluded: Mapping[str, int]
    row_hash: str
    window: Window | None = None
    may_be_empty: bool = False
    unexplained: tuple[str, ...] = ()
    whole_if_split: tuple[str, ...] = ()
    says_gone: bool = False

    @property
    def name(self) -> str:
        """The canonical table's name."""
        return self.contract.name

    @property
    def drivers(self) -> tuple[str, ...]:
        """The resources of the batch whose records are its rows."""
        return tuple(self.records)

    @property
    def driving(self) -> str:
        """The driving resources, as the ledger names them."""
        return ", ".join(self.records)


def account(connection: duckdb.DuckDBPyConnection, delivery: Delivery, made: Made) -> StagedTable:
    """A made table with every record of its driving resources in it once, left out by a rule, or in quarantine."""
    contract, mapping, drivers, name = made.contract, made.mapping, made.drivers, made.name
    driving = drivers[0]
    # Rows that a source makes up out of several records are not what the sender declared a window of.
    window = driving.stated.window if driving.stated and not mapping.derived else None
    if window and contract.is_undated:
        raise BatchRefusedError(_undated(contract, driving))
    staged = count(connection, f"SELECT count(*) FROM staging.{quoted(name)}")
    left_out = Counter[str]()
    if not mapping.derived:
        _account_for_every_record(connection, made, staged)
        for each in drivers:
            left_out.update(each.left_out)
    whole_if_split, rules = _list_documents(connection, delivery, made), delivery.source.profile.rules
    excluded = Counter(_leave_out(connection, contract, rules))
    says_gone = any(rules.get(rule) == "gone" for rule in excluded)
    unexplained = tuple(rule for rule in excluded if rule not in rules)
    excluded.update(left_out)
    identical = _list_duplicates(connection, contract, take_identical=mapping.identical_rows == "one")
    if identical:
        excluded["identical_row"] = identical
    if window:
        _quarantine_outside(connection, contract, window)
    records = {each.name: each.records for each in drivers}
    return StagedTable(
        contract=contract,
        records=records,
        derived=mapping.derived,
        mode="delta_upsert" if driving.mode == WINDOW and not window else driving.mode,
        window=window,
        rows_in=staged if mapping.derived else sum(records.values()) + made.made_again,
        excluded=excluded,
        row_hash=_row_hash(connection, contract, tuple(records)),
        may_be_empty=all(each.resource.may_be_empty for each in drivers),
        unexplained=unexplained,
        whole_if_split=whole_if_split,
        says_gone=says_gone,
    )


def _undated(contract: Contract, delivered: Delivered) -> Fault:
    return Fault(
        "window_without_date",
        f"the mode of {delivered.name} is {WINDOW}, but rows of {contract.name} bear no date of their own",
        "Deliver it as full_snapshot or delta_upsert.",
        delivered.first_path,
    )


def _quarantine_outside(connection: duckdb.DuckDBPyConnection, contract: Contract, window: Window) -> None:
    """Rows that lie outside the declared window: either the window or the date is wrong, and nobody here knows which."""
    day = f"CAST({quoted(str(contract.own_date))} AS DATE)"
    message = f"the day lies outside the window that the batch declares, {window}: one of them is wrong"
    connection.execute(
        f"""INSERT INTO rejected.reason
            SELECT {literal(contract.name)}, _file, _row, 'outside_window', {literal(str(contract.own_date))},
                   CAST({day} AS VARCHAR), {literal(message)}
            FROM staging.{quoted(contract.name)}
            WHERE NOT is_deleted AND {day} NOT BETWEEN ? AND ?""",
        [window.first, window.last],
    )


def _account_for_every_record(connection: duckdb.DuckDBPyConnection, made: Made, staged: int) -> None:
    """Every record of the driving resources came out once, or is put into quarantine by name; SourceError where one came out twice."""
    table = f"staging.{quoted(made.name)}"
    # A bit a record: to sort out millions of numbers by their hashes takes fifteen times as long.
    distinct = count(
        connection,
        f"""SELECT sum(bit_count(records)) FROM (
                SELECT bitstring_agg(_row & 65535, 0, 65535) AS records FROM {table} GROUP BY _file, _row >> 16)""",
    )
    if distinct < staged:
        file, row = connection.execute(
            f"SELECT _file, _row FROM {table} GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
        ).fetchall()[0]
        raise SourceError(
            f"{made.where}: gives {staged - distinct} rows more than one a record of {made.driving}, such as of {file}, row {row}: "
            "a join matches several rows, as where a file that is looked up has a key twice; make it match one, or declare the table "
            "derived"
        )
    if distinct - made.made_again < sum(each.own for each in made.drivers):
        for each in made.drivers:
            connection.execute(
                f"""INSERT INTO rejected.reason
                    SELECT {literal(made.name)}, _file, _row, 'unmatched_by_source_sql', NULL, NULL,
                           'the source''s SQL gives no row for this record'
                    FROM ({as_text.raw(each)}) AS record
                    WHERE NOT EXISTS (SELECT 1 FROM {table} AS staged
                                      WHERE staged._file = record._file AND staged._row = record._row)"""
            )


def _list_documents(connection: duckdb.DuckDBPyConnection, delivery: Delivery, made: Made) -> tuple[str, ...]:
    """Fill whole.<table> with the documents that the batch delivers; the resources that must be read whole for it.

    Nothing for a snapshot, which is whole itself, and for a release, whose rows are of a batch that was.
    """
    name, mapping, drivers = made.name, made.mapping, made.drivers
    if not mapping.whole_by or drivers[0].mode == "full_snapshot" or delivery.batch.about.corrects:
        return ()
    documents, read = f"SELECT _document FROM staging.{quoted(name)}", [each.name for each in drivers]
    heads = mapping.heads
    if heads and delivery.resources[heads.resource].stated:
        documents += (
            f" UNION SELECT CAST({quoted(heads.column)} AS VARCHAR) FROM resource.{quoted(heads.resource)}"
        )
        read.append(heads.resource)
    connection.execute(
        f"""CREATE TABLE whole.{quoted(name)} AS
            SELECT DISTINCT _document AS document FROM ({documents}) WHERE _document IS NOT NULL"""
    )
    return tuple(each.name for each in delivery.batch.resources) if mapping.derived else tuple(read)


def _leave_out(
    connection: duckdb.DuckDBPyConnection, contract: Contract, meaning: Mapping[str, str]
) -> dict[str, int]:
    """Remove the rows that the source's SQL excludes by a named rule; rule to number of rows.

    One whose code was lost in its file stays, to be put aside: without it the SQL cannot know what the row is. So does one
    that could not be read and whose amount is in another row. What a rule
    that means `gone` leaves out is kept in gone.<table>, as the tombstone that it is: see `_keep_gone`.
    """
    table = f"staging.{quoted(contract.name)}"
    lost = ", ".join(literal(rule) for rule in LOST_CODE)
    parts = ", ".join(["''", *(literal(rule) for rule, said in meaning.items() if said == "part_of")])
    excluded = (
        f"_excluded IS NOT NULL AND (_problems IS NULL OR len(list_filter("
        f"_problems, lambda problem: split_part(problem, ':', 2) IN ({lost}))) = 0)"
        f" AND (_problems IS NULL OR _excluded NOT IN ({parts}))"
    )
    counted = connection.execute(
        f"SELECT _excluded, count(*) FROM {table} WHERE {excluded} GROUP BY 1 ORDER BY 1"
    ).fetchall()
    gone = [rule for rule, _ in counted if meaning.get(rule) == "gone"]
    if gone:
        _keep_gone(connection, contract, f"{excluded} AND _excluded IN ({', '.join(map(literal, gone))})")
    if counted:
        connection.execute(f"DELETE FROM {table} WHERE {excluded}")
    if gone:
        _forget_gone_that_is_here(connection, contract)
    return {str(rule): int(rows) for rule, rows in counted}


def _list_duplicates(
    connection: duckdb.DuckDBPyConnection, contract: Contract, *, take_identical: bool
) -> int:
    """Fill staging.<table>__duplicates with all copies of a duplicated key; the number of identical rows taken as one.

    Keys are compared by hash first: grouping millions of rows by their text is what costs.
    """
    table, listing = f"staging.{quoted(contract.name)}", f"staging.{quoted(contract.name + '__duplicates')}"
    key = ", ".join(quoted(name) for name in contract.key)
    content = ", ".join(quoted(column.name) for column in (*contract.columns, *EXTRA))
    complete = " AND ".join(
        f"{quoted(c.name)} IS NOT NULL" for c in contract.columns if c.key_position and not c.nullable
    )
    connection.execute(
        f"""CREATE TABLE {listing} AS
            WITH suspect AS (SELECT hash({key}) AS key_hash FROM {table} WHERE {complete} GROUP BY 1 HAVING count(*) > 1)
            SELECT _file, _row, rowid AS id,
                   count(DISTINCT hash({content})) OVER same_key = 1 AS identical,
                   row_number() OVER (PARTITION BY {key} ORDER BY _file, _row) AS place
            FROM {table} WHERE {complete} AND hash({key}) IN (FROM suspect)
            WINDOW same_key AS (PARTITION BY {key})
            QUALIFY count(*) OVER same_key > 1"""
    )
    taken = 0
    if take_identical:
        surplus = f"FROM {listing} WHERE identical AND place > 1"
        taken = count(connection, f"SELECT count(*) {surplus}")
        connection.execute(f"DELETE FROM {table} WHERE rowid IN (SELECT id {surplus})")
        connection.execute(f"DELETE FROM {listing} WHERE identical")
    return taken


def _row_hash(connection: duckdb.DuckDBPyConnection, contract: Contract, drivers: Iterable[str]) -> str:
    """The multiset of a table's rows, read or unreadable, as a number and a sum of hashes: no order in it."""
    content = ", ".join(quoted(column.name) for column in (*contract.columns, *EXTRA))
    rows = connection.execute(
        f"""SELECT count(*), coalesce(sum(hash({content}, _problems)), 0) FROM staging.{quoted(contract.name)}
            UNION ALL
            SELECT count(*), coalesce(sum(hash(text)), 0) FROM rejected.record
            WHERE resource IN ({", ".join(map(literal, drivers))})"""
    ).fetchall()
    return "/".join(f"{count}:{total}" for count, total in rows)


def _keep_gone(connection: duckdb.DuckDBPyConnection, contract: Contract, gone: str) -> None:
    """Fill gone.<table> with one row a key of the rows for which `gone` holds; without those whose key cannot be read.

    A part of the key that may be empty counts as read only if everything of its row could be.
    """
    key = ", ".join(quoted(name) for name in contract.key)
    required = [c.name for c in contract.columns if c.key_position and not c.nullable]
    filled = [
        " AND ".join(f"{quoted(name)} IS NOT NULL" for name in names) for names in (required, contract.key)
    ]
    connection.execute(
        f"""CREATE TABLE gone.{quoted(contract.name)} AS
            SELECT * EXCLUDE (_excluded) REPLACE (true AS is_deleted) FROM staging.{quoted(contract.name)}
            WHERE {gone} AND {filled[0] or "true"} AND (_problems IS NULL OR ({filled[1]}))
            QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY _file, _row) = 1"""
    )


def _forget_gone_that_is_here(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Of a key that the batch accepts or puts aside, what it leaves out says nothing."""
    name = quoted(contract.name)
    same = " AND ".join(
        f"here.{quoted(each)} IS NOT DISTINCT FROM left_out.{quoted(each)}" for each in contract.key
    )
    connection.execute(
        f"DELETE FROM gone.{name} AS left_out WHERE EXISTS (SELECT 1 FROM staging.{name} AS here WHERE {same})"
    )
