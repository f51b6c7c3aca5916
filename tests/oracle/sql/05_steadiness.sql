-- Grain: one month of a rated customer's history, up to 24 back, its sales floored at 0 (in ten-thousandths,
-- so that all sums are whole numbers).
CREATE OR REPLACE TABLE oracle.floored_month AS
SELECT customer.company_code, customer.customer_id, industry_code, channel, n, months_of_history, age, complete.month,
    units4(greatest(coalesce(sold.net_sales, 0), 0)) AS sales
FROM oracle.customer
JOIN oracle.complete_month AS complete ON complete.age < customer.months_of_history
LEFT JOIN oracle.customer_month AS sold
       ON sold.company_code = customer.company_code AND sold.customer_id = customer.customer_id AND sold.month = complete.month;

-- CV = σ/μ over the last n months, σ of the whole population: √(n·Σx² − (Σx)²) ÷ Σx.
CREATE OR REPLACE TABLE oracle.steadiness AS
WITH moment AS (
    SELECT company_code, customer_id, sum(sales) AS total, sum(sales * sales) AS squares
    FROM oracle.floored_month
    WHERE age < n
    GROUP BY ALL
),
variation AS (
    SELECT company_code, customer_id, n, total,
        CASE WHEN n >= getvariable('steadiness.min_months') AND total > 0
             THEN sqrt((n * squares - total * total)::DOUBLE / (total * total)::DOUBLE) END AS cv
    FROM oracle.customer
    LEFT JOIN moment USING (company_code, customer_id)
)
SELECT company_code, customer_id,
    CASE WHEN cv IS NOT NULL THEN least(greatest(1 - cv / sqrt(n - 1), 0), 1) END AS steadiness,
    CASE WHEN coalesce(n, 0) < getvariable('steadiness.min_months') THEN 'too_few_months'
         WHEN cv IS NULL THEN 'no_sales' END AS steadiness_reason,
    CASE WHEN six(cv) <= getvariable('steadiness.x_cv_max') THEN 'X'
         WHEN six(cv) <= getvariable('steadiness.y_cv_max') THEN 'Y'
         WHEN cv IS NOT NULL THEN 'Z' END AS xyz_class
FROM variation;

-- The seasonal variant. Reading: peers are the customers of one company, industry and channel, both known, with 24 months
-- of history; the index of a calendar month is its share of all the peers sold in those 24 months, times 12.
CREATE OR REPLACE TABLE oracle.steadiness_seasonal AS
WITH peer AS (
    SELECT * FROM oracle.floored_month
    WHERE months_of_history >= 24 AND industry_code IS NOT NULL AND channel IS NOT NULL
),
season AS (
    SELECT company_code, industry_code, channel, month(month) AS season, sum(sales) AS sold
    FROM peer
    GROUP BY ALL
),
year AS (SELECT company_code, industry_code, channel, sum(sold) AS sold_in_all FROM season GROUP BY ALL),
big_enough AS (
    SELECT company_code, industry_code, channel
    FROM peer
    GROUP BY ALL
    HAVING count(DISTINCT customer_id) >= getvariable('steadiness.seasonal_min_peers')
),
divided AS (
    SELECT company_code, customer_id, age,
        -- a month in which no peer bought has index 0, and the customer bought nothing either
        CASE WHEN sales = 0 THEN 0 ELSE sales::DOUBLE / (12 * sold::DOUBLE / sold_in_all::DOUBLE) END AS sales
    FROM peer
    JOIN big_enough USING (company_code, industry_code, channel)
    JOIN season USING (company_code, industry_code, channel)
    JOIN year USING (company_code, industry_code, channel)
    WHERE season.season = month(peer.month) AND age < 12
)
SELECT company_code, customer_id,
    CASE WHEN sum(sales) > 0 THEN least(greatest(1 - stddev_pop(sales) / avg(sales) / sqrt(11), 0), 1) END AS steadiness_seasonal
FROM oracle.customer
LEFT JOIN divided USING (company_code, customer_id)
GROUP BY ALL;
