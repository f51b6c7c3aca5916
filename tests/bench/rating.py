"""What a rating costs, beside pure SQL and pandas: part of `make bench`, or `python -m tests.bench.rating CUSTOMERS`.

36 months of invoice lines and receivables lie in DuckDB, made from a formula. Measured, in CPU seconds of this process
(wall-clock time tells of the neighbours too): customer features (volume, steadiness, contribution with carrying cost, loyalty
with its parts, trend) by the transforms, by SQL, and by pandas; the three must agree. From the lines, which the transforms and
pandas add up into months and order days to keep; SQL does so too, or in one query that leaves out whatever no feature needs. And
from the months, where nothing is left to add up. Then the whole rating of a period: features, scores, credit watch, conduct, tiers.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb
import polars as pl

from flows.pipeline.rate import default_policy
from tests.bench.real_sets import table, write
from transforms.facts.customer_month import customer_months
from transforms.facts.lines import LINES as LINE_COLUMNS
from transforms.facts.model import Facts
from transforms.facts.order_day import order_days
from transforms.frames import schemas
from transforms.measures import measure_customers
from transforms.policy.model import parse_policy
from transforms.rating.period import rate_period
from warehouse.connection import CONFIG

if TYPE_CHECKING:
    import pandas as pd

CLOSED_THROUGH = date(2025, 6, 30)
REPEATS = 3
FEATURES = (
    "net_sales_12m",
    "steadiness",
    "contribution_12m",
    "active_month_ratio",
    "repurchase_timeliness",
    "loyalty",
)
TOLERANCE = 2e-6  # the transforms round ratios to 6 digits, once

# Three quarters of the months have one order or two, each billed, and paid 20 to 59 days later.
ORDERS = """
CREATE TABLE orders AS
SELECT lpad(c::VARCHAR, 8, '0') AS customer_id, DATE '2022-07-01' + to_months(m::INTEGER) AS month,
    (DATE '2022-07-01' + to_months(m::INTEGER))::DATE + (hash(c, m, n) % 28)::INTEGER AS order_on,
    ((25 + hash(n, m, c) % 25000) / 10)::DECIMAL(18, 4) AS line_amount, 4 * line_amount AS net_sales, 20 + hash(m, c, n) % 40 AS paid_after
FROM range({customers}) AS a(c), range(36) AS b(m), range(2) AS o(n)
WHERE hash(c, m) % 4 > 0 AND (n = 0 OR hash(m, c) % 2 = 0)
"""
LINES = """
CREATE TABLE invoice_lines AS
SELECT '1000' AS company_code, customer_id, 'D' || row_number() OVER () // 4 AS document_id, 'invoice' AS document_type,
    order_on AS invoice_date, 'P' || l AS product_id, line_amount::DECIMAL(18, 6) AS quantity, 'EA' AS uom, line_amount::DECIMAL(18, 6) AS base_quantity,
    line_amount AS net_amount_company, (line_amount * 3 / 4)::DECIMAL(18, 4) AS cost_amount_company, 'actual' AS cost_basis,
    NULL::DECIMAL(18, 4) AS freight_amount, NULL::DECIMAL(18, 4) AS rebate_amount, false AS is_cancelled,
    false AS is_intercompany, false AS is_free_goods, order_on AS available_on,
    NULL::DATE AS referenced_on, NULL::VARCHAR AS references_document_id
FROM orders, range(4) AS four(l) ORDER BY order_on
"""
TABLES = {
    "receivables": """SELECT '1000' AS company_code, customer_id, row_number() OVER ()::VARCHAR AS item_id,
        'invoice' AS item_type, order_on AS posting_date, order_on + 30 AS due_date, net_sales AS original_amount,
        net_sales AS original_amount_company, 'EUR' AS currency, 'EUR' AS company_currency,
        order_on + paid_after::INTEGER AS cleared_date, order_on AS available_on FROM orders""",
    "customers": """SELECT DISTINCT '1000' AS company_code, customer_id, customer_id AS name, 'active' AS status,
        DATE '2021-01-01' AS created_on, DATE '2021-01-01' AS available_on FROM orders""",
}

MONTHS = """
SELECT customer_id, date_trunc('month', invoice_date)::DATE AS month, sum(net_amount_company) AS net_sales,
    sum(cost_amount_company) AS cost, count(DISTINCT document_id) AS orders, sum(base_quantity) AS quantity
FROM invoice_lines WHERE NOT is_cancelled AND NOT is_intercompany GROUP BY 1, 2
"""
DAYS = """
SELECT customer_id, invoice_date AS order_on, count(DISTINCT document_id) AS orders, sum(net_amount_company) AS net_sales
FROM invoice_lines WHERE document_type = 'invoice' AND NOT is_cancelled GROUP BY 1, 2
"""
FEATURES_OF = """
WITH month AS (
    SELECT customer_id, sum(net_sales) AS net, sum(cost) AS cost, sum(net_sales ^ 2) AS squares, count(*) AS active
    FROM {months} WHERE month BETWEEN DATE '2024-07-01' AND DATE '2025-06-30' GROUP BY 1),
trend AS (
    SELECT customer_id, sum(net_sales) FILTER (month >= DATE '2025-04-01') AS last_quarter,
        sum(net_sales) FILTER (month BETWEEN DATE '2024-04-01' AND DATE '2024-06-30') AS year_before
    FROM {months} WHERE month BETWEEN DATE '2024-04-01' AND DATE '2025-06-30' GROUP BY 1),
gap AS (
    SELECT customer_id, order_on, order_on - lag(order_on) OVER (PARTITION BY customer_id ORDER BY order_on) AS days
    FROM {days} WHERE order_on <= DATE '2025-06-30'),
rhythm AS (
    SELECT customer_id, min(order_on) AS first_on, max(order_on) AS last_on, median(days) AS gap FROM gap GROUP BY 1),
carrying AS (
    SELECT customer_id, sum(original_amount_company * greatest(0, least(cleared_date, DATE '2025-07-01')
        - greatest(posting_date, DATE '2024-07-01'))) * 0.08 / 365 AS carrying FROM receivables GROUP BY 1),
part AS (
    SELECT customer_id, net AS net_sales_12m, last_quarter / year_before - 1 AS sales_trend,
        1 - sqrt(greatest(0, 12 * squares - net ^ 2) / (net ^ 2 * 11)) AS steadiness,
        net - cost - carrying AS contribution_12m, active / 12 AS active_month_ratio,
        least(1, (DATE '2025-06-30' - created_on) / 365.25 / 5) AS tenure,
        greatest(0, least(1, (4 - (DATE '2025-06-30' - last_on) / gap) / 3)) AS repurchase_timeliness
    FROM customers JOIN month USING (customer_id) JOIN trend USING (customer_id) JOIN rhythm USING (customer_id)
    JOIN carrying USING (customer_id))
SELECT *, (45 * active_month_ratio + 20 * tenure + 10 * repurchase_timeliness) / 75 AS loyalty FROM part ORDER BY 1
"""

Result = TypeVar("Result")


def main(customers: int) -> None:
    """Measure and print; ends with 1 where the three do not agree."""
    pl.Config.set_engine_affinity("in-memory")
    connection = duckdb.connect(config=CONFIG)  # type: ignore[arg-type]
    connection.execute(ORDERS.format(customers=customers))
    connection.execute(LINES)
    for name, query in TABLES.items():
        connection.execute(f"CREATE TABLE {name} AS {query}")
    connection.execute("DROP TABLE orders")
    policy = parse_policy(default_policy())
    others = {name: _frame(connection, name) for name in TABLES}

    facts, summing = _least(lambda: _summed(connection, others))
    ours, measuring = _least(lambda: measure_customers(facts, policy, CLOSED_THROUGH).collect())
    from_lines = FEATURES_OF.format(months=f"({MONTHS})", days=f"({DAYS})")
    by_sql, of_sql = _least(lambda: pl.DataFrame(connection.sql(from_lines)))
    _, keeping = _least(
        lambda: connection.execute(
            f"CREATE OR REPLACE TABLE months AS {MONTHS}; CREATE OR REPLACE TABLE days AS {DAYS}"
        )
    )
    from_months = FEATURES_OF.format(months="months", days="days")
    _, of_sql_months = _least(lambda: pl.DataFrame(connection.sql(from_months)))
    cells, of_pandas = _least(lambda: _pandas_cells(connection), repeats=1)
    by_pandas, of_pandas_months = _least(lambda: _pandas(connection, *cells))
    _, rating = _least(lambda: _rating(facts, policy), repeats=1)

    lines, months = (
        connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0]
        for name in ("invoice_lines", "months")
    )
    seconds = summing + measuring
    table(
        f"features of {customers:,} customers, {lines:,} lines, {months:,} customer-months; CPU seconds",
        ("by", "from lines", "transforms take", "from months", "transforms take"),
        [
            ("transforms (polars, exact)", f"{seconds:.2f}", "", f"{measuring:.2f}", ""),
            *(
                (by, f"{whole:.2f}", f"{seconds / whole:.2f} x", f"{part:.2f}", f"{measuring / part:.2f} x")
                for by, whole, part in (
                    ("SQL (DuckDB), the cells kept", keeping + of_sql_months, of_sql_months),
                    ("SQL (DuckDB), one query", of_sql, of_sql_months),
                    ("pandas", of_pandas + of_pandas_months, of_pandas_months),
                )
            ),
        ],
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    write(
        f"\nwhole rating of one period {rating:.2f} s CPU; peak memory {peak:.2f} GB, the tables and pandas among it"
    )
    apart = {
        name: _apart(ours, other) for name, other in (("SQL", by_sql), ("pandas", pl.from_pandas(by_pandas)))
    }
    write(", ".join(f"largest difference to {name} {gap:.1e}" for name, gap in apart.items()))
    sys.exit(any(gap > TOLERANCE for gap in apart.values()))


def _summed(connection: duckdb.DuckDBPyConnection, others: dict[str, pl.LazyFrame]) -> Facts:
    """Cells from the lines, as a rating run sums them."""
    lines = pl.DataFrame(
        connection.sql(f"SELECT {', '.join(LINE_COLUMNS.names())} FROM invoice_lines")
    ).lazy()
    months, days = pl.collect_all(
        [
            customer_months(lines, None, None, CLOSED_THROUGH, ()),
            order_days(lines, None, None, CLOSED_THROUGH, ()),
        ],
        engine="streaming",
    )
    return Facts(customer_month=months.lazy(), order_day=days.lazy(), **others)


def _rating(facts: Facts, policy: Any) -> object:
    rated = rate_period(facts, policy, closed_through=CLOSED_THROUGH, as_of=CLOSED_THROUGH, previous=None)
    return pl.collect_all(
        [rated.values, rated.conduct, *([rated.credit] if rated.credit is not None else [])]
    )


def _frame(connection: duckdb.DuckDBPyConnection, name: str) -> pl.LazyFrame:
    """A table as a frame of its contract, what it does not have null."""
    schema: pl.Schema = getattr(schemas, name.upper())
    frame = pl.DataFrame(connection.sql(f"FROM {name}"))
    missing = [
        pl.lit(None, dtype).alias(column) for column, dtype in schema.items() if column not in frame.columns
    ]
    return frame.with_columns(missing).select(schema.names()).cast(schema).lazy()  # type: ignore[arg-type]


def _pandas_cells(connection: duckdb.DuckDBPyConnection) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Months and order days as a careful pandas user would sum them."""
    columns = "customer_id, document_id, document_type, invoice_date, net_amount_company, cost_amount_company, base_quantity"
    lines = connection.sql(f"SELECT {columns}, is_cancelled, is_intercompany FROM invoice_lines").df()
    lines = lines[~lines["is_cancelled"] & ~lines["is_intercompany"]]
    lines["month"] = lines["invoice_date"].dt.to_period("M").dt.to_timestamp()
    months = lines.groupby(["customer_id", "month"], as_index=False).agg(
        net_sales=("net_amount_company", "sum"),
        cost=("cost_amount_company", "sum"),
        orders=("document_id", "nunique"),
        quantity=("base_quantity", "sum"),
    )
    invoices = lines[lines["document_type"] == "invoice"]
    days = invoices.groupby(["customer_id", "invoice_date"], as_index=False).agg(
        orders=("document_id", "nunique"), net_sales=("net_amount_company", "sum")
    )
    return months, days


def _pandas(connection: duckdb.DuckDBPyConnection, months: pd.DataFrame, days: pd.DataFrame) -> pd.DataFrame:
    """The same features as a careful pandas user would write them: vectorised, one group-by a subject."""
    import pandas as pd

    end, first = pd.Timestamp("2025-06-30"), pd.Timestamp("2024-07-01")
    year = months[months["month"].between(first, end)]
    found = year.assign(squares=year["net_sales"] ** 2).groupby("customer_id").agg(
        net_sales_12m=("net_sales", "sum"), cost=("cost", "sum"), squares=("squares", "sum"), active=("month", "nunique")
    )  # fmt: skip
    quarter = months[months["month"] >= "2025-04-01"].groupby("customer_id")["net_sales"].sum()
    before = (
        months[months["month"].between("2024-04-01", "2024-06-30")].groupby("customer_id")["net_sales"].sum()
    )
    days = days.assign(gap=days.groupby("customer_id")["invoice_date"].diff().dt.days)
    rhythm = days.groupby("customer_id").agg(last_on=("invoice_date", "max"), gap=("gap", "median"))
    items = connection.sql("FROM receivables").df()[
        ["customer_id", "posting_date", "cleared_date", "original_amount_company"]
    ]
    open_days = (
        items["cleared_date"].clip(upper=pd.Timestamp("2025-07-01")) - items["posting_date"].clip(lower=first)
    ).dt.days
    owed = items.assign(
        carrying=items["original_amount_company"].astype(float) * open_days.clip(lower=0) * 0.08 / 365
    )
    created = connection.sql("FROM customers").df().set_index("customer_id")["created_on"]
    found = found.join(rhythm).join(owed.groupby("customer_id")["carrying"].sum()).join(created)
    total = found["net_sales_12m"]
    found["sales_trend"] = quarter / before - 1
    found["steadiness"] = 1 - ((12 * found["squares"] - total**2).clip(lower=0) / (total**2 * 11)) ** 0.5
    found["contribution_12m"] = total - found["cost"] - found["carrying"]
    found["active_month_ratio"] = found["active"] / 12
    tenure = ((end - found["created_on"]).dt.days / 365.25 / 5).clip(upper=1)
    found["repurchase_timeliness"] = ((4 - (end - found["last_on"]).dt.days / found["gap"]) / 3).clip(0, 1)
    found["loyalty"] = (
        45 * found["active_month_ratio"] + 20 * tenure + 10 * found["repurchase_timeliness"]
    ) / 75
    return found.reset_index()


def _apart(ours: pl.DataFrame, theirs: pl.DataFrame) -> float:
    """The largest difference of any feature, relative to its size where that is above 1."""
    both = ours.join(theirs, on="customer_id", how="inner", suffix="_theirs", validate="1:1")
    assert both.height == theirs.height
    gaps = [
        (pl.col(name).cast(pl.Float64) - pl.col(f"{name}_theirs").cast(pl.Float64)).abs()
        / pl.max_horizontal(pl.lit(1.0), pl.col(name).cast(pl.Float64).abs())
        for name in FEATURES
    ]
    return float(both.select(pl.max_horizontal(*(gap.max() for gap in gaps))).item())


def _least(work: Callable[[], Result], repeats: int = REPEATS) -> tuple[Result, float]:
    """What work gives, and the least CPU seconds it took."""
    best = float("inf")
    for _ in range(repeats):
        begin = time.process_time()
        result = work()
        best = min(best, time.process_time() - begin)
    return result, best


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
