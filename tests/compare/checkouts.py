"""Two checkouts on the same input: which rows of the mart and which events differ.

    python -m tests.compare.checkouts BEFORE AFTER [--sets sample online_retail adventureworks] [--into FOLDER]

Each checkout is set up (`make install`) and driven by its own command line, so that nothing of one runs in the other.
Homes that are there already are used again. Tables are compared on the columns that both have, a row a key; columns
and tables that one of them lacks are listed, and so is every difference, by table and column. Ends with 1 if any.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb

REAL_DATA = Path(
    os.environ.get("VALUEMART_REAL_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data"
).absolute()
# Files, currency of the books, when they were taken, first and last month.
REAL_SETS = {
    "online_retail": (("online_retail_all.csv.zst",), "GBP", "2011-12-10T00:00:00Z", "2010-12", "2011-11"),
    "adventureworks": (
        ("Sales.csv", "Region.csv", "Reseller.csv", "Product.csv"),
        "USD",
        "2020-06-01T00:00:00Z",
        "2018-06",
        "2020-05",
    ),
}
SAMPLE = "sample"
# What says when and by which machine a row was written, not what it says.
OF_THE_RUN = {
    "loaded_at",
    "recorded_at",
    "published_at",
    "sha256",
    "fingerprint",
    "load_generation",
    "generation",
    "state",
}
# Tables that describe the mart itself: compared by name and meaning of columns in the lists above.
ABOUT = {"column_dictionary", "publication"}


def main() -> None:
    """Build what is not there yet, compare, print, and end with 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--sets", nargs="+", default=[SAMPLE, *REAL_SETS])
    parser.add_argument("--into", type=Path, default=Path("var/compare"))
    arguments = parser.parse_args()
    differences = 0
    for name in arguments.sets:
        before = build(arguments.before.resolve(), name, arguments.into.resolve() / "before")
        policy = before / "policy.toml"
        after = build(arguments.after.resolve(), name, arguments.into.resolve() / "after", policy)
        write(f"# {name}")
        differences += compare_marts(before, after) + compare_events(before, after)
    sys.exit(1 if differences else 0)


def build(checkout: Path, name: str, folder: Path, policy: Path | None = None) -> Path:
    """The home of a set in a folder, rated month by month with that checkout, unless it is there.

    Without a policy it calibrates one. The second checkout is given that of the first: the hash of a policy is part of an
    event's id, and another version may write the same policy with other keys.
    """
    home = folder / name
    if (home / "mart.duckdb").exists():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    setting = {
        "VALUEMART_HOME": str(home),
        "VALUEMART_SOURCES_PATH": str(checkout / "tests" / "real" / "sources"),
    }
    if policy is not None:
        setting["VALUEMART_POLICY"] = str(policy)
    if name == SAMPLE:
        run(checkout, setting, "demo")
        return home
    files, currency, taken, first, last = REAL_SETS[name]
    setting["VALUEMART_COMPANY_CURRENCY"] = currency
    paths = [str(REAL_DATA / name / file) for file in files]
    run(checkout, setting, "land", *paths, "--source", name, "--company", "real", "--extracted-at", taken)
    run(checkout, setting, "backfill", "--from", first, "--to", last)
    return home


def run(checkout: Path, setting: dict[str, str], *arguments: str) -> None:
    """One command of that checkout, which must not refuse anything."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VALUEMART_")}
    done = subprocess.run(
        [checkout / ".venv" / "bin" / "valuemart", *arguments],
        cwd=checkout,
        env=kept | setting,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(
            f"{checkout}: valuemart {' '.join(arguments)} ended with {done.returncode}\n{done.stderr[-2000:]}"
        )


def compare_marts(before: Path, after: Path) -> int:
    """The number of tables and columns in which the two published marts differ."""
    found = 0
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{before / 'mart.duckdb'}' AS before (READ_ONLY)")
        connection.execute(f"ATTACH '{after / 'mart.duckdb'}' AS after (READ_ONLY)")
        tables = {side: columns_of(connection, side) for side in ("before", "after")}
        for table in sorted(set(tables["before"]) | set(tables["after"])):
            if table in ABOUT:
                continue
            old, new = tables["before"].get(table), tables["after"].get(table)
            if old is None or new is None:
                write(f"  {table}: only {'after' if old is None else 'before'}")
                continue
            for column in [each for each in old if each not in new]:
                write(f"  {table}.{column}: only before")
            for column in [each for each in new if each not in old]:
                write(f"  {table}.{column}: only after")
            shared = [each for each in old if each in new and each not in OF_THE_RUN]
            found += compare_table(connection, table, shared)
    return found


def columns_of(connection: duckdb.DuckDBPyConnection, side: str) -> dict[str, list[str]]:
    """The columns of each table and view of a mart, in their order."""
    columns: dict[str, list[str]] = {}
    for table, column in connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = ? AND schema_name = 'main' "
        "AND NOT internal ORDER BY table_name, column_index",
        [side],
    ).fetchall():
        columns.setdefault(table, []).append(column)
    return columns


def compare_table(connection: duckdb.DuckDBPyConnection, table: str, columns: list[str]) -> int:
    """1 where the rows differ in the shared columns, which are then named one by one; 0 otherwise."""
    listed = ", ".join(f'"{column}"' for column in columns)
    counted = {}
    for side, other in (("before", "after"), ("after", "before")):
        counted[side] = connection.execute(
            f'SELECT count(*) FROM (SELECT {listed} FROM {side}.main."{table}" EXCEPT ALL '
            f'SELECT {listed} FROM {other}.main."{table}")'
        ).fetchall()[0][0]
    (rows,) = connection.execute(f'SELECT count(*) FROM before.main."{table}"').fetchall()[0]
    if not any(counted.values()):
        write(f"  {table}: {rows} rows equal in {len(columns)} columns")
        return 0
    differing = [column for column in columns if column_differs(connection, table, column)]
    write(
        f"  {table}: DIFFERS: {counted['before']} of {rows} rows only before, {counted['after']} only after; "
        f"columns whose values differ: {', '.join(differing) or 'none by itself'}"
    )
    return 1


def column_differs(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> bool:
    (differs,) = connection.execute(
        f'SELECT count(*) > 0 FROM (SELECT "{column}" FROM before.main."{table}" EXCEPT ALL '
        f'SELECT "{column}" FROM after.main."{table}")'
    ).fetchall()[0]
    return bool(differs)


def compare_events(before: Path, after: Path) -> int:
    """1 where ids, order for each customer, or payloads differ; 0 otherwise."""
    told = [events_of(home) for home in (before, after)]
    lost, new = sorted(set(told[0]) - set(told[1])), sorted(set(told[1]) - set(told[0]))
    changed = [each for each in told[0] if each in told[1] and told[0][each] != told[1][each]]
    write(
        f"  events: {len(told[0])} before, {len(told[1])} after; {len(lost)} ids only before, {len(new)} only after, "
        f"{len(changed)} with another payload"
    )
    for identity in changed[:3]:
        write(f"    {json.dumps(told[0][identity])[:600]}\n    {json.dumps(told[1][identity])[:600]}")
    return 1 if lost or new or changed else 0


def events_of(home: Path) -> dict[str, dict[str, object]]:
    """The events of a home's file sink by id, without the time of recording."""
    told = {}
    for file in sorted((home / "events").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            event.pop("recordedtime", None)
            told[event["id"]] = event
    return told


def write(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
