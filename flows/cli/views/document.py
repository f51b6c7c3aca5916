"""The life of a document, shown to a person or as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from flows.console.output import echo, echo_json

if TYPE_CHECKING:
    from warehouse.store.document_life import DocumentLife


def show_document(life: DocumentLife, *, as_json: bool) -> None:
    """Its rows as they stand, what of it is or was in quarantine, and what batches said of it as a whole."""
    if as_json:
        echo_json(asdict(life))
        return
    for row in life.rows:
        state = f"gone, by {row.deleted_by} of batch" if row.deleted_by else "stands, by batch"
        echo(
            f"{row.table} {row.key} ({row.source}/{row.company}): {state} {row.batch_id} of {row.extracted_at}"
        )
        echo(f"  read from {row.file}, row {row.row}")
    for kept in life.quarantined:
        end = f"released by {kept.released_by}" if kept.released_by else "in quarantine"
        echo(f"{kept.table}, {kept.file}, row {kept.row} of batch {kept.batch_id}: {end}")
        echo(f"  {kept.reasons}")
    for said in life.said:
        what = (
            "delivered it whole" if said.what == "whole" else f"said that a key of it is gone ({said.what})"
        )
        echo(f"{said.table}: batch {said.batch_id} of {said.extracted_at} {what}")
