"""Somebody who reads the published mart meanwhile, as a process: `python mart_reader.py held|reconnecting MART`.

Knows DuckDB and nothing of the project. Prints `ready` after its first read, then reads until its standard input ends,
and prints the generations it saw, in order, as JSON. What is not consistent within one read ends it with an error.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import duckdb

# Each selects what may not be there.
CONTRADICTIONS = {
    "the months of a customer add up to its lifetime": """
        SELECT company_code, customer_id, sum(net_sales), sum(contribution), sum(orders), count(*) FROM customer_month
        GROUP BY ALL EXCEPT
        SELECT company_code, customer_id, net_sales, contribution, orders, months FROM customer_lifetime""",
    "the current value is the latest revision of the latest period": """
        SELECT customer_id, period, revision, score, effective_tier FROM customer_value EXCEPT
        SELECT customer_id, period, revision, score, effective_tier FROM customer_value_history
        WHERE period = (SELECT max(period) FROM customer_value_history)
        QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY revision DESC) = 1""",
    "everybody rated in the latest period has a current value": """
        SELECT customer_id FROM customer_value_history
        WHERE period = (SELECT max(period) FROM customer_value_history) EXCEPT SELECT customer_id FROM customer_value""",
    "one day holds for the whole file": """
        SELECT as_of FROM credit_watch UNION SELECT as_of FROM next_action EXCEPT SELECT as_of FROM publication""",
    "nobody is rated beyond the file's day": """
        SELECT as_of FROM customer_value WHERE as_of > (SELECT as_of FROM publication)""",
    "a month's sales are of a customer that is listed": """
        SELECT customer_id FROM customer_month EXCEPT SELECT customer_id FROM customer""",
}


def read(connection: duckdb.DuckDBPyConnection) -> int:
    """The generation of what is seen."""
    [(generation,)] = connection.execute("SELECT generation FROM publication").fetchall()
    for claim, contradiction in CONTRADICTIONS.items():
        found = connection.execute(contradiction).fetchall()
        if found:
            raise AssertionError(f"generation {generation}: not so that {claim}: {found[:3]}")
    [(again,)] = connection.execute("SELECT generation FROM publication").fetchall()
    if again != generation:
        raise AssertionError(f"from generation {generation} to {again} within one read")
    return int(generation)


def main() -> None:
    way, mart = sys.argv[1:]
    over = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    # In one thread: two readers that keep all cores busy would only make the refreshes last longer.
    config = {"threads": 1}
    held = duckdb.connect(mart, read_only=True, config=config)
    seen = [read(held)]
    if way == "reconnecting":
        held.close()
    print("ready", flush=True)
    reads = 1
    while not over.is_set():
        if way == "reconnecting":
            with duckdb.connect(mart, read_only=True, config=config) as connection:
                generation = read(connection)
        else:
            generation = read(held)
        reads += 1
        if generation != seen[-1]:
            seen.append(generation)
        time.sleep(0.01 if way == "reconnecting" else 0.2)  # a file that is held does not change
    print(json.dumps({"reads": reads, "generations": seen}), flush=True)


if __name__ == "__main__":
    main()
