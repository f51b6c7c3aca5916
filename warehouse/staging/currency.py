"""Amounts in company currency and quantities in base units, for staged rows that were delivered without.

Which column is converted from which, and by which table, the contracts say. What converts comes from the batch itself,
as far as it was accepted, else from what was loaded before; so what converts must have landed by then.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import polars as pl

from expectations.contract import Column
from warehouse.connection import count, frame, literal, quoted
from warehouse.staging.scratch import Scratch
from warehouse.staging.tables import StagedTable

RATES, FACTORS, PRODUCTS = "fx_rates", "uom_conversions", "products"


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier batches brought, of one company."""

    connection: duckdb.DuckDBPyConnection
    company: str

    def rows(self, table: str, columns: str) -> pl.DataFrame:
        """The live rows of a canonical table."""
        return frame(
            self.connection,
            f"SELECT {columns} FROM erp.{quoted(table)} WHERE company_code = $company AND NOT is_deleted",
            {"company": self.company},
        )


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


def convert(scratch: Scratch, table: StagedTable, known: Known) -> None:
    """Fill what is to be converted in one staged table, before it is judged.

    An amount for which there is no rate becomes a problem of its row (`fx_rate_missing`, with currencies and day); a
    quantity for which there is no factor stays null, which is "in no common unit".
    """
    for column in table.contract.columns:
        if column.converted_by == RATES:
            _convert_amounts(scratch, table, column, known)
        elif column.converted_by == FACTORS:
            _convert_quantities(scratch, table, column, known)


def _convert_amounts(scratch: Scratch, table: StagedTable, column: Column, known: Known) -> None:
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
        return
    _gather(scratch, RATES, "from_currency, to_currency, rate_date, rate", known)
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE needed AS
            SELECT wanted.*, arg_max(rate, rate_date) AS rate
            FROM (SELECT DISTINCT currency, company_currency, {day} AS day FROM {staged} WHERE {missing}) AS wanted
            LEFT JOIN reference ON from_currency = currency AND to_currency = company_currency AND rate_date <= day
            GROUP BY ALL"""
    )
    converted = f"TRY_CAST({_wide(amount)} * needed.rate AS {column.type})"
    told = "needed.currency || '/' || needed.company_currency || ' ' || needed.day"
    connection.execute(
        f"""UPDATE {staged} SET {value} = {converted}, _problems = CASE
                WHEN needed.rate IS NULL THEN [{literal(column.name + ":fx_rate_missing:")} || {told}]
                WHEN {converted} IS NULL THEN [{literal(column.name + ":too_many_digits:")} || {told}] END
            FROM needed
            WHERE {missing} AND staged.currency = needed.currency AND staged.company_currency = needed.company_currency
              AND {day} = needed.day"""
    )


def _convert_quantities(scratch: Scratch, table: StagedTable, column: Column, known: Known) -> None:
    connection, staged, value = scratch.connection, f"staging.{quoted(table.name)}", quoted(column.name)
    missing = f"staged.{value} IS NULL AND staged.product_id IS NOT NULL AND NOT staged.is_deleted"
    if not count(connection, f"SELECT count(*) FROM {staged} AS staged WHERE {missing}"):
        return
    _gather(scratch, FACTORS, "product_id, from_uom, to_uom, factor", known)
    if not count(connection, "SELECT count(*) FROM reference"):
        return
    connection.execute("CREATE OR REPLACE TEMP TABLE factor AS FROM reference")
    _gather(scratch, PRODUCTS, "product_id, base_uom", known)
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


def _gather(scratch: Scratch, table: str, columns: str, known: Known) -> None:
    """Fill the temp table `reference` with a table's rows: the batch's accepted ones, then the known ones of other keys."""
    connection = scratch.connection
    own = next((each for each in scratch.tables if each.name == table), None)
    connection.register("known", known.rows(table, columns))
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE reference AS SELECT {columns} FROM known")
    finally:
        connection.unregister("known")
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
