"""From contracts to tables that explain themselves: DDL, comments, and the rows of the column dictionary."""

from __future__ import annotations

from collections.abc import Iterable

from expectations.contract import Column, Contract, stored_columns, stored_key
from warehouse.connection import literal, quoted

# One row of the table column_dictionary, in the order of its columns.
DictionaryRow = tuple[
    str, str, int, str, bool, int | None, str | None, str | None, str | None, str, str | None, str | None
]


def create_table(contract: Contract, schema: str) -> tuple[str, ...]:
    """The statements that make the contract's table, empty and commented, in `schema` (which may name a catalog too).

    Columns are those of `stored_columns`. NOT NULL is declared; primary keys and indexes are not, since they make
    loading two to three times dearer, and what loads here has been judged. ValueError for the contract of a view.
    """
    if contract.physical != "table":
        raise ValueError(f"{contract.name} is a {contract.physical}: its SQL makes it, not its contract")
    lines = ",\n    ".join(
        f"{quoted(column.name)} {column.type}{'' if column.nullable else ' NOT NULL'}"
        for column in stored_columns(contract)
    )
    return (f"CREATE TABLE {schema}.{quoted(contract.name)} (\n    {lines}\n)", *comments(contract, schema))


def comments(contract: Contract, schema: str) -> tuple[str, ...]:
    """The statements that put the contract's words on its table or view and on each of its columns."""
    name = f"{schema}.{quoted(contract.name)}"
    return (
        f"COMMENT ON {contract.physical.upper()} {name} IS {literal(table_comment(contract))}",
        *(
            f"COMMENT ON COLUMN {name}.{quoted(column.name)} IS {literal(column_comment(column))}"
            for column in stored_columns(contract)
        ),
    )


def table_comment(contract: Contract) -> str:
    """What a reader of the database sees beside a table: what one row is, and what the table is for."""
    return f"{contract.grain} {contract.description}"


def column_comment(column: Column) -> str:
    """What a reader of the database sees beside a column: its description, and its unit where it has one."""
    return f"{column.description} Unit: {column.unit}." if column.unit else column.description


def dictionary_rows(contracts: Iterable[Contract]) -> list[DictionaryRow]:
    """The rows of column_dictionary for these contracts' tables: a row a column, in the order given."""
    return [
        (
            contract.name,
            column.name,
            position,
            column.type,
            column.nullable,
            _position_in_key(column.name, contract),
            column.refers_to,
            column.unit,
            column.source,
            column.description,
            column.example,
            ", ".join(column.allowed) or None,
        )
        for contract in contracts
        for position, column in enumerate(stored_columns(contract), start=1)
    ]


def _position_in_key(column: str, contract: Contract) -> int | None:
    key = stored_key(contract)
    return key.index(column) + 1 if column in key else None
