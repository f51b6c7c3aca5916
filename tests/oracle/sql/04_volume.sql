-- Grain: one customer of whom quantities are known for 80 % of what was invoiced, in both years.
-- Reading: a product not bought the year before has no price of then, so all it brings now is quantity; what is invoiced in
-- another unit, credits without goods and everything else that is no quantity at a price falls to the price. Goods that came back
-- are quantity that was not bought, worth what was credited for them.
CREATE OR REPLACE TABLE oracle.change_split AS
WITH booked AS (
    SELECT company_code, customer_id,
        coalesce(sum(net_sales) FILTER (age < 12), 0) AS net_now, coalesce(sum(net_sales) FILTER (age >= 12), 0) AS net_then,
        coalesce(sum(invoiced) FILTER (age < 12), 0) AS invoiced_now,
        coalesce(sum(invoiced) FILTER (age >= 12), 0) AS invoiced_then,
        coalesce(sum(returns - price_credits) FILTER (age < 12), 0) AS back_now,
        coalesce(sum(returns - price_credits) FILTER (age >= 12), 0) AS back_then
    FROM oracle.customer_month
    JOIN oracle.complete_month USING (month)
    GROUP BY ALL
),
product AS (
    SELECT company_code, customer_id, product_id,
        coalesce(sum(invoiced_quantity) FILTER (age < 12), 0) AS quantity_now,
        coalesce(sum(invoiced_quantity) FILTER (age >= 12), 0) AS quantity_then,
        coalesce(sum(invoiced_net_sales) FILTER (age < 12), 0) AS sold_now,
        coalesce(sum(invoiced_net_sales) FILTER (age >= 12), 0) AS sold_then
    FROM oracle.sales_cell
    JOIN oracle.complete_month USING (month)
    WHERE invoiced_quantity IS NOT NULL
    GROUP BY ALL
),
effect AS (
    SELECT company_code, customer_id, sum(sold_now) AS sold_now, sum(sold_then) AS sold_then,
        sum(CASE WHEN quantity_then > 0
                 THEN from_units4(half_even((units6(quantity_now) - units6(quantity_then)) * units4(sold_then), units6(quantity_then)))
                 ELSE sold_now END) AS effect
    FROM product
    GROUP BY ALL
),
kept AS (
    SELECT company_code, customer_id, net_now - net_then AS change, effect + back_now - back_then AS by_quantity,
        sold_then + back_then AS kept_then
    FROM booked
    JOIN effect USING (company_code, customer_id)
    WHERE sold_now > 0 AND sold_then > 0 AND sold_now * 5 >= invoiced_now * 4 AND sold_then * 5 >= invoiced_then * 4
)
SELECT company_code, customer_id,
    by_quantity::DECIMAL(38, 4) AS quantity_effect_12m,
    (change - by_quantity)::DECIMAL(38, 4) AS price_effect_12m,
    CASE WHEN kept_then > 0 THEN by_quantity::DOUBLE / kept_then::DOUBLE END AS quantity_change_12m,
    CASE WHEN change = 0 THEN NULL WHEN abs(by_quantity) * 10 <= kept_then THEN 'price' ELSE 'quantity' END AS sales_change_cause
FROM kept;

-- Grain: one rated customer. Who ordered once and not in the last year has sold for 0, which is a figure;
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
SELECT company_code, customer_id, net_sales_12m, quantity_12m, quantity_effect_12m, price_effect_12m, quantity_change_12m,
    sales_change_cause,
    CASE WHEN net_sales_12m IS NULL THEN 'no_orders' END AS volume_reason,
    CASE WHEN net_sales_12m IS NULL THEN NULL
         WHEN net_sales_12m <= 0 THEN 'C'
         WHEN 100 * down_to_here <= 80 * total THEN 'A'
         WHEN 100 * down_to_here <= 95 * total THEN 'B'
         ELSE 'C' END AS abc_class,
    -- The last 3 months against the same 3 a year before
    CASE WHEN last_year > 0 THEN (this_year - last_year)::DOUBLE / last_year::DOUBLE END AS sales_trend
FROM volume
LEFT JOIN ranked USING (company_code, customer_id)
LEFT JOIN quarter USING (company_code, customer_id)
LEFT JOIN oracle.change_split USING (company_code, customer_id);
