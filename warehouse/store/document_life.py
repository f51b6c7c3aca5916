"""The life of one document of an ERP: which batches brought its rows, what kept them out, and by what they went."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from expectations.contract import Contract, contracts
from warehouse.connection import literal, quoted


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row of the document as it stands: by which record it came, and which batch said the last word on it.

    `deleted_by` is null of a live row; of one that is gone, `batch_id` is the batch that it went by.
    """

    table: str
    company: str
    source: str
    key: str
    file: str
    row: int
    batch_id: str
    extracted_at: datetime
    deleted_by: str | None


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A record of the document in quarantine, with all its reasons; `released_by` is the correction that brought it again."""

    table: str
    company: str
    source: str
    batch_id: str
    file: str
    row: int
    reasons: str
    released_by: str | None


@dataclass(frozen=True, slots=True)
class Said:
    """What a batch said of the document as a whole, or of keys of it that were not here: `whole`, or the cause it is gone by."""

    table: str
    company: str
    source: str
    batch_id: str
    what: str
    extracted_at: datetime


@dataclass(frozen=True, slots=True)
class DocumentLife:
    """All that the warehouse knows of a document; nothing in it where nobody ever delivered one of that number."""

    document: str
    rows: list[StoredRow] = field(default_factory=list)
    quarantined: list[KeptRow] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)

    @property
    def is_unknown(self) -> bool:
        """Whether nothing is known of it."""
        return not (self.rows or self.quarantined or self.said)


def document_life(
    connection: duckdb.DuckDBPyConnection, document: str, company: str | None = None
) -> DocumentLife:
    """The life of a document by its number, or by the number of an item that it is; of one company, or of all."""
    life = DocumentLife(document)
    about = {"document": document, "company": company}
    for contract in contracts("extract"):
        numbers = _numbers(contract)
        if not numbers:
            continue
        is_of = " OR ".join(f"t.{quoted(name)} = $document" for name in [*numbers, "source_document"])
        key = " || ' / ' || ".join(
            f"coalesce(CAST(t.{quoted(name)} AS VARCHAR), '-')" for name in contract.key
        )
        rows = connection.execute(
            f"""SELECT {literal(contract.name)}, company_code, source_system, {key}, source_file, source_row, batch_id, recorded_at,
                       CASE WHEN is_deleted THEN coalesce(deleted_by, 'unknown') END
                FROM erp.{quoted(contract.name)} AS t
                WHERE ({is_of}) AND company_code = coalesce($company, company_code) ORDER BY ALL""",
            about,
        ).fetchall()
        life.rows.extend(StoredRow(*row) for row in rows)
        in_staged = " OR ".join(f"(staged->>{literal(name)}) = $document" for name in numbers)
        kept = connection.execute(
            f"""SELECT table_name, company_code, source, batch_id, file, row_number,
                       string_agg(DISTINCT coalesce(column_name || ': ', '') || message || ' [' || rule || ']', '; '), any_value(released_by)
                FROM quarantine."row" AS kept JOIN quarantine.reason USING (source, company_code, batch_id, table_name, file, row_number)
                WHERE table_name = {literal(contract.name)} AND ({in_staged}) AND company_code = coalesce($company, company_code)
                GROUP BY ALL ORDER BY ALL""",
            about,
        ).fetchall()
        life.quarantined.extend(KeptRow(*row) for row in kept)
    life.said.extend(
        Said(*row)
        for row in connection.execute(
            """SELECT table_name, company_code, source, batch_id, 'whole', recorded_at FROM ops.whole_document
               WHERE document = $document AND company_code = coalesce($company, company_code)
               UNION ALL
               SELECT table_name, company_code, source, batch_id, coalesce(deleted_by, 'tombstone'), recorded_at FROM ops.tombstone
               WHERE list_contains(CAST(key AS JSON)->>'$[*]', $document) AND company_code = coalesce($company, company_code)
               ORDER BY ALL""",
            about,
        ).fetchall()
    )
    return life


def _numbers(contract: Contract) -> list[str]:
    """The columns that name the document that a row is of, or the item that it is."""
    return [name for name in ("document_id", "item_id", "payment_id") if name in contract.column_names]
