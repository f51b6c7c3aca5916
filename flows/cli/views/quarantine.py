"""How quarantined rows are shown and written out."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from flows.console.output import echo, echo_json, place, plain, table, text

if TYPE_CHECKING:
    from flows.inbox.corrections import Release
    from flows.pipeline.dry_run import DryRun

Row = Mapping[str, Any]


def show_rules(found: Sequence[Row], *, as_json: bool) -> None:
    """Quarantined rows counted by the rule they broke."""
    if as_json:
        echo_json(found)
        return
    table(
        found,
        {
            "source": "source",
            "company_code": "company",
            "table_name": "table",
            "rule": "rule",
            "column_name": "column",
            "rows": "rows",
            "released": "released",
            "batches": "batches",
            "first": "first",
        },
    )


def show_examples(found: Sequence[Row], *, as_json: bool) -> None:
    """The first rows that broke each rule, with the text as it was delivered."""
    if as_json:
        echo_json([_parsed(rule) for rule in found])
        return
    if not found:
        echo("no such row is in quarantine")
    for rule in found:
        where = f"{rule['source']}/{rule['company_code']} {rule['table_name']}"
        batches = f" of {rule['batches']:,} batches" if rule["batches"] > 1 else ""
        echo(f"{where}: {_rule(rule)}: {rule['rows']:,} rows{batches}")
        for example in rule["examples"]:
            _say_example(example, f"{example['batch_id']} ")


def show_dry_run(tried: DryRun, *, as_json: bool) -> None:
    """What would become of files: their rows by table and fate, and the first rows that each rule keeps out."""
    outcome = tried.outcome
    if as_json:
        rules = [_parsed(rule) for rule in tried.rules]
        tables = [{**_fates(each), "excluded_by": each.excluded_by} for each in outcome.tables]
        echo_json(
            {
                "status": outcome.status,
                "rows": tried.rows,
                "quarantined": tried.quarantined,
                "tables": tables,
                "faults": outcome.faults,
                "warnings": outcome.warnings,
                "rules": rules,
            }
        )
        return
    if outcome.status == "refused":
        echo("the files would be refused")
    else:
        told = f"{tried.quarantined:,} of {tried.rows:,} rows would be quarantined"
        told = told if tried.quarantined else "no row quarantined" if tried.rows else "they hold no row"
        echo(f"the files would be loaded, and {told}")
    table([_fates(each) for each in outcome.tables], {name: name.replace("rows_in", "in") for name in _FATES})
    for each in outcome.tables:
        for name, rows in each.excluded_by.items():
            echo(f"  {each.name}: {rows:,} rows are left out by the rule {name}")
    for fault in outcome.faults:
        echo(f"refused: {fault}")
    for warning in outcome.warnings:
        echo(f"warning: {warning}")
    for rule in tried.rules:
        echo(f"quarantined: {rule['table_name']}: {_rule(rule)}: {rule['rows']:,} rows")
        for example in rule["examples"]:
            _say_example(example, "")


_FATES = ("table", "rows_in", "accepted", "quarantined", "waiting", "excluded", "refused")


def _fates(outcome: Any) -> Row:
    return {"table": outcome.name, **{name: getattr(outcome, name) for name in _FATES[1:]}}


def _rule(rule: Row) -> str:
    column = f" in {rule['column_name']}" if rule["column_name"] else ""
    return f"{rule['rule']}{column}"


def _say_example(example: Row, batch: str) -> None:
    value = f"{example['value']!r}: " if example["value"] is not None else ""
    echo(f"  {batch}{example['file']} row {example['row_number']}: {value}{example['message']}")
    if example["raw"]:
        echo(f"    {example['raw']}")


def _parsed(rule: Row) -> Row:
    examples = [
        {**each, "raw": json.loads(each["raw"]) if each["raw"] else None} for each in rule["examples"]
    ]
    return {**rule, "examples": examples}


def export_sheet(lines: Iterable[Sequence[str]], out: Path | None) -> None:
    """A sheet as CSV; in a file it begins with the mark by which a spreadsheet knows that it is UTF-8."""
    written = -1  # the header is no row
    with _stream(out, "utf-8-sig") as stream:
        writer = csv.writer(stream)
        for line in lines:
            writer.writerow(line)
            written += 1
    if out is not None:
        echo(f"{written:,} rows in {place(out)}: mend their cells, then `valuemart quarantine release {out}`")


def export_json(rows: Iterable[Row], out: Path | None) -> None:
    """Quarantined rows as one JSON object a line."""
    with _stream(out, "utf-8") as stream:
        for row in rows:
            parsed = {name: json.loads(row[name]) if row[name] else None for name in ("raw", "staged")}
            stream.write(json.dumps(plain({**row, **parsed}), ensure_ascii=False) + "\n")


@contextmanager
def _stream(out: Path | None, encoding: str) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    with out.open("w", encoding=encoding, newline="") as stream:
        yield stream


def show_release(done: Release, *, as_json: bool) -> None:
    """The corrections a mended sheet became, and which of its rows are in none."""
    if as_json:
        echo_json(done)
        return
    for landed in done.landed:
        echo(f"landed {place(landed.folder)}")
    said = {
        "released": done.released,
        "not changed, so still in quarantine": done.untouched,
        "released before": done.released_before,
    }
    echo(
        ", ".join(f"{text(rows)} rows {what}" for what, rows in said.items() if rows)
        or "the sheet has no rows"
    )
    if done.landed:
        echo("load them with `valuemart refresh`")
