-- DOMAIN 2.1. Grain: one rated customer. Who ordered once and not in the last year has sold for 0, which is a figure;
-- who never ordered has none, unless a note without an invoice is a sum all the same.
-- ABC: A while the customers down to this one bring no more than 80 % of Σ max(V, 0), B to 95 %. Reading: equal sales
-- are of equal class, by the share at the end of the tie; a customer's number decides nothing.
CREATE OR REPLACE TABLE oracle.volume AS
WITH year AS (
    SELECT company_code, customer_id, sum(net_sales) AS net_sales, sum(quantity) AS quantity
    FROM oracle.customer_month
    JOIN oracle.complete_month USING (month)
    WHERE age < 12
    GROUP BY ALL
),
volume AS (
    SELECT company_code, customer_id,
        (CASE WHEN first_order_on IS NULL THEN net_sales ELSE coalesce(net_sales, 0) END)::DECIMAL(38, 4) AS net_sales_12m,
        quantity::DECIMAL(38, 6) AS quantity_12m
    FROM oracle.customer
    LEFT JOIN year USING (company_code, customer_id)
),
ranked AS (
    SELECT company_code, customer_id,
        sum(greatest(net_sales_12m, 0)) OVER (PARTITION BY company_code ORDER BY net_sales_12m DESC) AS down_to_here,
        sum(greatest(net_sales_12m, 0)) OVER (PARTITION BY company_code) AS total
    FROM volume
    WHERE net_sales_12m IS NOT NULL
),
quarter AS (
    SELECT company_code, customer_id,
        coalesce(sum(net_sales) FILTER (age < 3), 0) AS this_year,
        coalesce(sum(net_sales) FILTER (age BETWEEN 12 AND 14), 0) AS last_year
    FROM oracle.customer_month
    JOIN oracle.complete_month USING (month)
    GROUP BY ALL
)
SELECT company_code, customer_id, net_sales_12m, quantity_12m,
    CASE WHEN net_sales_12m IS NULL THEN 'no_orders' END AS volume_reason,
    CASE WHEN net_sales_12m IS NULL THEN NULL
         WHEN net_sales_12m <= 0 THEN 'C'
         WHEN 100 * down_to_here <= 80 * total THEN 'A'
         WHEN 100 * down_to_here <= 95 * total THEN 'B'
         ELSE 'C' END AS abc_class,
    -- DOMAIN 2.7: the last 3 months against the same 3 a year before
    CASE WHEN last_year > 0 THEN (this_year - last_year)::DOUBLE / last_year::DOUBLE END AS sales_trend
FROM volume
LEFT JOIN ranked USING (company_code, customer_id)
LEFT JOIN quarter USING (company_code, customer_id);
