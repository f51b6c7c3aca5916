"""A source's own SQL, run over what a batch delivers: its views, and what it makes of each canonical table, typed.

A row bears the problems of its records that are its own; of what a correction makes, only mended records and what they are
part of are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import duckdb

from expectations.contract import Contract
from expectations.contract import load as load_contract
from warehouse.connection import count, literal, quoted
from warehouse.delivery.grouping import Grouping, grouping
from warehouse.delivery.profile import TableMapping
from warehouse.errors import Mistakes, SourceError
from warehouse.staging.casts import typed_select
from warehouse.staging.delivered import Delivered, Delivery
from warehouse.staging.making import make_table
from warehouse.staging.views import REPLACED


@dataclass(frozen=True, slots=True)
class Made:
    """What a source's SQL made of one canonical table, in `staging.<name>`: rows not yet held against their records.

    `drivers` are the resources of the batch whose records they are, at least one, `where` names the SQL in messages;
    `made_again` of the rows are of records that an earlier batch delivered.
    """

    contract: Contract
    mapping: TableMapping
    drivers: tuple[Delivered, ...]
    grouping: Grouping
    where: str
    made_again: int = 0

    @property
    def name(self) -> str:
        """The canonical table's name."""
        return self.contract.name

    @property
    def driving(self) -> str:
        """Its drivers, as a message names them."""
        return " or ".join(each.name for each in self.drivers)


def make_tables(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> list[Made]:
    """Make `staging.<name>` of every table that a resource of the batch drives, by the source's SQL.

    SourceError with each table whose SQL cannot run, or gives what is no row of a record.
    """
    source, mistakes, made = delivery.source, Mistakes(), list[Made]()
    _create_views(connection, delivery)
    for name in delivery.drivers:
        with mistakes.noted():
            made.append(_make_table(connection, delivery, name, grouping(connection, source, name)))
    mistakes.require_none()
    return made


def _make_table(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery, name: str, grouped: Grouping
) -> Made:
    source = delivery.source
    mapping = source.profile.tables[name]
    drivers = delivery.drivers[name]
    where = f"source {source.name}, {' and '.join(source.sql_file(name, each.name) for each in drivers)}"
    made = Made(load_contract(name), mapping, drivers, grouped, where)
    _run_sql(connection, delivery, made)
    _require_records(connection, delivery, made)
    if not delivery.before:
        return made
    return replace(made, made_again=_keep_made_again(connection, delivery, made))


def _create_views(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> None:
    """The source's own views, kept as tables: several of its SELECTs read them."""
    source = delivery.source
    for name, statement in source.views.items():
        where = f"source {source.name}, {name}.sql"
        try:
            sql = _one_select(connection, statement, where)
            make_table(connection, delivery, f"resource.{quoted(name)}", sql)
        except duckdb.OutOfMemoryException:
            raise  # no fault of what was read: see scratch.stage
        except duckdb.Error as error:
            raise SourceError(f"{where}: {complaint(error)}") from error


def _run_sql(connection: duckdb.DuckDBPyConnection, delivery: Delivery, made: Made) -> None:
    """Make a table of what the source's SQL gives, typed as the contract says; SourceError if it cannot run."""
    source, contract, selects = delivery.source, made.contract, list[str]()
    problems, latest = _own_problems(delivery, made), delivery.latest
    for driver in made.drivers:
        where = f"source {source.name}, {source.sql_file(contract.name, driver.name)}"
        try:
            sql = _one_select(connection, source.sql(contract.name, driver.name), where)
            given = {str(row[0]): str(row[1]) for row in connection.execute(f"DESCRIBE ({sql}\n)").fetchall()}
            selects.append(
                typed_select(
                    contract,
                    given,
                    sql,
                    where,
                    whole_by=made.mapping.whole_by,
                    problems=problems,
                    latest=latest,
                )
            )
        except duckdb.OutOfMemoryException:
            raise  # no fault of what was read: see scratch.stage
        except duckdb.Error as error:
            raise SourceError(f"{where}: {complaint(error)}") from error
    try:
        make_table(connection, delivery, f"staging.{quoted(contract.name)}", " UNION ALL ".join(selects))
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise SourceError(f"{where}: {complaint(error)}") from error


def _one_select(connection: duckdb.DuckDBPyConnection, sql: str, where: str) -> str:
    """The statement of a source's SQL file; SourceError where it holds anything but one SELECT."""
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
        raise SourceError(
            f"{where}: holds {kinds}, and may hold one SELECT only: it reads, and changes nothing"
        )
    return str(statements[0].query).strip().rstrip(";")


def _require_records(connection: duckdb.DuckDBPyConnection, delivery: Delivery, made: Made) -> None:
    """Every row says which record it is of; SourceError otherwise."""
    own = (record for each in made.drivers for record in (each, *each.before))
    records = delivery.every if made.mapping.derived else own
    known = ", ".join(literal(path) for each in records for path in each.checked)
    strange = count(
        connection,
        f"""SELECT count(*) FROM staging.{quoted(made.name)}
            WHERE _row IS NULL OR _file IS NULL OR _file NOT IN ({known})""",
    )
    if strange:
        raise SourceError(
            f"{made.where}: gives {strange} rows that are of no record of {made.driving}: "
            f"select _file and _row of {made.driving}, and let no join add rows that it does not have"
        )


def _own_problems(delivery: Delivery, made: Made) -> str:
    """The problems of a record that a row has by it, as SQL: of a derived one, those in columns that its SELECT reads.

    A row that is made of several records has none where another table tells of each record: it waits for them.
    """
    profile = delivery.source.profile
    if not made.mapping.derived:
        return "_row.problems"
    read = made.grouping.read
    headers = {header for each in delivery.every for header in each.problem_names(read)}
    own = (
        "nullif(list_filter(_row.problems, lambda problem: split_part(problem, ':', 1) IN "
        f"({', '.join(map(literal, sorted(headers))) or 'NULL'})), [])"
    )
    told_of = {each for mapping in profile.tables.values() if not mapping.derived for each in mapping.drivers}
    paths = [
        path
        for each in delivery.every
        if made.grouping.groups and each.stated and each.stated.name in told_of
        for path in each.checked
    ]
    return f"CASE WHEN _file NOT IN ({', '.join(map(literal, paths))}) THEN {own} END" if paths else own


def _keep_made_again(connection: duckdb.DuckDBPyConnection, delivery: Delivery, made: Made) -> int:
    """Of what a correction stages, keep the rows of mended records and of their groups; how many are of other records."""
    own = ", ".join(literal(path) for each in delivery.held for path in each.checked) or "NULL"
    again = ["false"]
    for resource, columns in made.grouping.groups.items():
        names = ", ".join(map(quoted, columns))
        replaced = "".join(
            f" UNION SELECT {names} FROM resource.{quoted(each.name + REPLACED)}"
            for each in delivery.resources[resource].before
        )
        same = " AND ".join(
            f"again.{quoted(each)} IS NOT DISTINCT FROM record.{quoted(each)}" for each in columns
        )
        again.append(
            f"""EXISTS (SELECT 1 FROM resource.{quoted(resource)} AS record
                        JOIN (SELECT {names} FROM resource.{quoted(resource)} WHERE _file IN ({own}){replaced}) AS again
                          ON {same}
                        WHERE record._file = staged._file AND record._row.number = staged._row)"""
        )
    name = f"staging.{quoted(made.name)}"
    connection.execute(
        f"DELETE FROM {name} AS staged WHERE _file NOT IN ({own}) AND NOT ({' OR '.join(again)})"
    )
    return count(connection, f"SELECT count(*) FROM {name} WHERE _file NOT IN ({own})")


def has_problem(columns: Iterable[str], delivered: Delivered) -> str:
    """The condition that a cell of one of these columns of a resource could not be read, as SQL over `_row`."""
    headers = ", ".join(map(literal, sorted(delivered.problem_names(columns))))
    if not headers:
        return "false"
    return (
        "len(list_filter(coalesce(_row.problems, []), "
        f"lambda problem: split_part(problem, ':', 1) IN ({headers}))) > 0"
    )


def complaint(error: duckdb.Error) -> str:
    """What DuckDB says of a statement, in one line, without the text that the loader has put around it."""
    return " ".join(str(error).split("\nLINE ")[0].split())[:500]
