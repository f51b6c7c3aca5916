"""Frame schemas from the contracts: `python -m expectations.codegen.frame_schemas` writes transforms/frames/schemas.py, `--check` compares."""

from __future__ import annotations

import sys
from typing import Final

from expectations.codegen.generated import PROJECT, write_or_check
from expectations.contract import Contract, contracts, frame_columns

SCHEMAS_PATH: Final = PROJECT / "transforms" / "frames" / "schemas.py"

_HEAD: Final = '''"""The shape of every frame that crosses the border of this room.

Generated from the contracts by `make docs`; do not edit. An extract's frame has company_code in front of the contract's
columns and available_on, the day from which a rating may see the row, behind them.
"""

from typing import Final

import polars as pl
'''
_PLAIN_TYPES: Final = {
    "VARCHAR": "pl.String()",
    "DATE": "pl.Date()",
    "TIMESTAMP": 'pl.Datetime("us")',
    "BOOLEAN": "pl.Boolean()",
    "INTEGER": "pl.Int32()",
    "BIGINT": "pl.Int64()",
    "VARCHAR[]": "pl.List(pl.String())",
}


def schemas_source() -> str:
    """The text of transforms/frames/schemas.py: one pl.Schema constant a table, named like the table in capitals.

    Every extract and every rated table has one: what a transform may read or give. Views of the mart have none: they are
    made in SQL of what is rated.
    """
    tables = [*contracts("extract"), *contracts("rated")]
    return "\n".join([_HEAD, _current(), *(_schema(contract) for contract in tables)])


def polars_type(duckdb_type: str) -> str:
    """The polars type, as source text, that holds a DuckDB type without loss."""
    if duckdb_type.startswith("DECIMAL("):
        precision, scale = duckdb_type.removeprefix("DECIMAL(").removesuffix(")").split(",")
        return f"pl.Decimal({precision}, {scale})"
    return _PLAIN_TYPES[duckdb_type]


def _current() -> str:
    names = ", ".join(f'"{contract.name}"' for contract in contracts("extract") if contract.is_current)
    return (
        "# Extracts of which a rating of any day reads all rows, as they are now.\n"
        f"READ_AS_THEY_ARE_NOW: Final = frozenset({{{names}}})\n"
    )


def _schema(contract: Contract) -> str:
    fields = "".join(f'        "{c.name}": {polars_type(c.type)},\n' for c in frame_columns(contract))
    return f"# {contract.grain}\n{contract.name.upper()}: Final = pl.Schema(\n    {{\n{fields}    }}\n)\n"


if __name__ == "__main__":
    sys.exit(write_or_check(SCHEMAS_PATH, schemas_source(), sys.argv[1:]))
