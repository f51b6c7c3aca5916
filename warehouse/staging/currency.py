"""Amounts in company currency and quantities in base units, for staged rows that were delivered without.

Which column is converted from which, and by which table, the contracts say. What converts comes from the batch itself,
as far as it was accepted, else from what was loaded before; so what converts must have landed by then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import duckdb
import polars as pl

from expectations.contract import Column
from warehouse.connection import count, frame, lent, literal, quoted
from warehouse.staging.scratch import Scratch
from warehouse.staging.tables import StagedTable

RATES, FACTORS, PRODUCTS = "fx_rates", "uom_conversions", "products"
# A rate that was fixed this long before the day that it is taken for, or less, may be the one of the month.
RATE_MAX_DAYS = 35
_COLUMNS = {
    RATES: "from_currency, to_currency, rate_date, rate",
    FACTORS: "product_id, from_uom, to_uom, factor",
    PRODUCTS: "product_id, base_uom",
}


class Known(Protocol):
    """What earlier batches brought, of one company."""

    def rows(self, table: str) -> pl.DataFrame:
        """The live rows of a canonical table that converts."""
        ...

    def note(self, connection: duckdb.DuckDBPyConnection, table: str, wanted: str) -> None:
        """That of such a table what a query of the scratch file selects was looked up."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """What the warehouse holds."""

    connection: duckdb.DuckDBPyConnection
    company: str

    def rows(self, table: str) -> pl.DataFrame:
        """As they are now."""
        return frame(
            self.connection,
            f"SELECT {_COLUMNS[table]} FROM erp.{quoted(table)} WHERE company_code = $company AND NOT is_deleted",
            {"company": self.company},
        )

    def note(self, connection: duckdb.DuckDBPyConnection, table: str, wanted: str) -> None:
        """Nothing: no batch is merged between the look and the merge of who looked."""

    def copy_to(self, folder: Path) -> None:
        """Write what is known into a folder, for those who cannot open the warehouse."""
        folder.mkdir(parents=True)
        for table in _COLUMNS:
            self.rows(table).write_parquet(_file(folder, table))


@dataclass(frozen=True, slots=True)
class Asked:
    """What was looked up in a copy of a table: of rates each pair and day, and of which day the answer was; else products."""

    table: str
    wanted: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Copied:
    """What a warehouse held when it was copied into a folder, and what was looked up there."""

    folder: Path
    asked: list[Asked] = field(default_factory=list)

    def rows(self, table: str) -> pl.DataFrame:
        """As they were then."""
        return pl.read_parquet(_file(self.folder, table))

    def note(self, connection: duckdb.DuckDBPyConnection, table: str, wanted: str) -> None:
        """Keep it: the warehouse may say something else of it by now."""
        self.asked.append(Asked(table, frame(connection, wanted)))


def answers_alike(asked: tuple[Asked, ...], copied: Path, stored: Stored) -> bool:
    """Whether all that was looked up in a copy is still what the warehouse would say; in doubt it is not."""
    return not any(_concerns(each, _changed(each.table, copied, stored)) for each in asked)


def _file(folder: Path, table: str) -> Path:
    return folder / f"{table}.parquet"


def _changed(table: str, copied: Path, stored: Stored) -> pl.DataFrame:
    """The rows that are not the same there and here."""
    before, now = Copied(copied).rows(table), stored.rows(table)
    sides = ((before, now), (now, before))
    return pl.concat(one.join(other, on=one.columns, how="anti", nulls_equal=True) for one, other in sides)


def _concerns(asked: Asked, changed: pl.DataFrame) -> bool:
    """Whether one of the changed rows could answer what was asked.

    A rate older than the one that answered could not: that one still is the latest, or is itself among the changed.
    """
    if asked.table != RATES:
        products = asked.wanted["product_id"].implode()
        return not changed.filter(
            pl.col("product_id").is_null() | pl.col("product_id").is_in(products)
        ).is_empty()
    by = ["from_currency", "to_currency"]
    found = changed.join(asked.wanted, on=by).filter(
        (pl.col("rate_date") <= pl.col("day"))
        & (pl.col("answered").is_null() | (pl.col("rate_date") >= pl.col("answered")))
    )
    return not found.is_empty()


def rounds(scratch: Scratch) -> list[tuple[StagedTable, ...]]:
    """The tables in the order in which they are to be judged: what converts before what is converted by it."""
    first = tuple(table for table in scratch.tables if table.contract.is_reference)
    then = tuple(table for table in scratch.tables if not table.contract.is_reference)
    lacking = (
        count(
            scratch.connection,
            f"SELECT count(*) FROM staging.{quoted(table.name)} WHERE {quoted(column.name)} IS NULL",
        )
        for table in then
        for column in table.contract.columns
        if column.converted_by
    )
    return [first, then] if first and any(lacking) else [scratch.tables]


def convert(scratch: Scratch, table: StagedTable, known: Known) -> tuple[str, ...]:
    """Fill what is to be converted in one staged table, before it is judged; warnings of rates that are old.

    An amount for which there is no rate becomes a problem of its row (`fx_rate_missing`, with currencies and day); a
    quantity for which there is no factor stays null, which is "in no common unit".
    """
    told: list[str] = []
    for column in table.contract.columns:
        if column.converted_by == RATES:
            told += _convert_amounts(scratch, table, column, known)
        elif column.converted_by == FACTORS:
            _convert_quantities(scratch, table, column, known)
    return tuple(told)


def _convert_amounts(scratch: Scratch, table: StagedTable, column: Column, known: Known) -> list[str]:
    """A rate holds from its day until the next one; there is none before the first."""
    connection, value = scratch.connection, quoted(column.name)
    amount, day = (
        f"staged.{quoted(str(column.converted_from))}",
        f"CAST(staged.{quoted(str(table.contract.own_date))} AS DATE)",
    )
    staged = f"staging.{quoted(table.name)} AS staged"
    missing = (
        f"staged.{value} IS NULL AND staged._problems IS NULL AND NOT staged.is_deleted AND {amount} IS NOT NULL "
        f"AND {day} IS NOT NULL AND staged.currency <> staged.company_currency"
    )
    if not count(connection, f"SELECT count(*) FROM {staged} WHERE {missing}"):
        return []
    _gather(scratch, RATES, known)
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE needed AS
            SELECT wanted.*, arg_max(rate, rate_date) AS rate, max(rate_date) AS answered
            FROM (SELECT DISTINCT currency, company_currency, {day} AS day FROM {staged} WHERE {missing}) AS wanted
            LEFT JOIN reference ON from_currency = currency AND to_currency = company_currency AND rate_date <= day
            GROUP BY ALL"""
    )
    pairs = "currency AS from_currency, company_currency AS to_currency"
    known.note(connection, RATES, f"SELECT {pairs}, day, answered FROM temp.needed")
    converted = f"TRY_CAST({_wide(amount)} * needed.rate AS {column.type})"
    told = "needed.currency || '/' || needed.company_currency || ' ' || needed.day"
    needs = f"""{missing} AND staged.currency = needed.currency AND staged.company_currency = needed.company_currency
              AND {day} = needed.day"""
    old = connection.execute(
        f"""SELECT needed.currency, needed.company_currency, count(*), arg_max(answered, needed.day - answered),
                   arg_max(needed.day, needed.day - answered)
            FROM {staged}, needed WHERE {needs} AND needed.day - answered > {RATE_MAX_DAYS} GROUP BY ALL ORDER BY ALL"""
    ).fetchall()
    connection.execute(
        f"""UPDATE {staged} SET {value} = {converted}, _problems = CASE
                WHEN needed.rate IS NULL THEN [{literal(column.name + ":fx_rate_missing:")} || {told}]
                WHEN {converted} IS NULL THEN [{literal(column.name + ":too_many_digits:")} || {told}] END
            FROM needed
            WHERE {needs}"""
    )
    return [
        f"{table.name}: {rows:,} amounts in {currency} were converted into {company_currency} by a rate of more than "
        f"{RATE_MAX_DAYS} days before, as that of {rate_date} for {of} [old_rate]: land fx_rates with later ones, then these rows "
        "again as a later extract"
        for currency, company_currency, rows, rate_date, of in old
    ]


def _convert_quantities(scratch: Scratch, table: StagedTable, column: Column, known: Known) -> None:
    connection, staged, value = scratch.connection, f"staging.{quoted(table.name)}", quoted(column.name)
    missing = f"staged.{value} IS NULL AND staged.product_id IS NOT NULL AND NOT staged.is_deleted"
    if not count(connection, f"SELECT count(*) FROM {staged} AS staged WHERE {missing}"):
        return
    wanted = f"SELECT DISTINCT product_id FROM {staged} AS staged WHERE {missing}"
    known.note(connection, FACTORS, wanted)
    known.note(connection, PRODUCTS, wanted)
    _gather(scratch, FACTORS, known)
    if not count(connection, "SELECT count(*) FROM reference"):
        return
    connection.execute("CREATE OR REPLACE TEMP TABLE factor AS FROM reference")
    _gather(scratch, PRODUCTS, known)
    # A product's own factor goes before the one of all products.
    connection.execute(
        f"""UPDATE {staged} AS staged SET {value} = TRY_CAST({_wide(quoted(str(column.converted_from)))} * factor AS {column.type})
            FROM (SELECT product.product_id, from_uom, arg_max(factor, factor.product_id IS NOT NULL) AS factor
                  FROM reference AS product JOIN factor ON to_uom = base_uom AND to_uom <> from_uom
                   AND coalesce(factor.product_id, product.product_id) = product.product_id
                  GROUP BY ALL) AS chosen
            WHERE {missing} AND staged.product_id = chosen.product_id AND staged.uom = chosen.from_uom"""
    )


def _wide(value: str) -> str:
    """A number of 18 digits that can be multiplied with another one."""
    return f"CAST({value} AS DECIMAL(38, 6))"


def _gather(scratch: Scratch, table: str, known: Known) -> None:
    """Fill the temp table `reference` with a table's rows: the batch's accepted ones, then the known ones of other keys."""
    connection, columns = scratch.connection, _COLUMNS[table]
    own = next((each for each in scratch.tables if each.name == table), None)
    with lent(connection, "known", known.rows(table)):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE reference AS SELECT {columns} FROM known")
    if own is None:
        return
    accepted = f"""staging.{quoted(table)} AS own WHERE NOT EXISTS (
        SELECT 1 FROM rejected.row AS r
        WHERE r.table_name = {literal(table)} AND r.file = own._file AND r.row_number = own._row)"""
    same = " AND ".join(
        f"reference.{quoted(name)} IS NOT DISTINCT FROM own.{quoted(name)}" for name in own.contract.key
    )
    connection.execute(
        f"""DELETE FROM reference WHERE EXISTS (SELECT 1 FROM {accepted} AND {same});
            INSERT INTO reference SELECT {columns} FROM {accepted} AND NOT is_deleted"""
    )
