-- Grain: one sales cell of the last 24 complete months, with its place in the three dimensions: the line's own channel and
-- ship-to territory, else the master's; the stage the product is in today.
CREATE OR REPLACE TABLE oracle.placed_sale AS
SELECT cell.company_code, cell.customer_id, age < 12 AS this_year, net_sales, contribution,
    coalesce(cell.channel, master.channel, 'unknown') AS channel,
    coalesce(product.lifecycle_stage, 'unknown') AS lifecycle_stage,
    coalesce(cell.ship_to_territory, master.territory_id, 'unknown') AS territory
FROM oracle.sales_cell AS cell
JOIN oracle.complete_month AS complete ON complete.month = cell.month
LEFT JOIN seen.customers AS master ON master.company_code = cell.company_code AND master.customer_id = cell.customer_id
LEFT JOIN seen.products AS product ON product.company_code = cell.company_code AND product.product_id = cell.product_id;

-- Each sale in the five levels it belongs to.
CREATE OR REPLACE TABLE oracle.level_sale AS
WITH sale AS (SELECT *, channel AS own_channel, lifecycle_stage AS own_stage FROM oracle.placed_sale)
SELECT 'company' AS level, * REPLACE ('all' AS channel, 'all' AS lifecycle_stage, 'all' AS territory) FROM sale
UNION ALL
SELECT 'channel', * REPLACE ('all' AS lifecycle_stage, 'all' AS territory) FROM sale
UNION ALL
SELECT 'lifecycle_stage', * REPLACE ('all' AS channel, 'all' AS territory) FROM sale
UNION ALL
SELECT 'territory', * REPLACE ('all' AS channel, 'all' AS lifecycle_stage) FROM sale
UNION ALL
SELECT 'cell', * FROM sale;

-- Grain: one level, member of each dimension and customer.
CREATE OR REPLACE TABLE oracle.level_customer AS
SELECT company_code, level, channel, lifecycle_stage, territory, customer_id,
    coalesce(sum(net_sales) FILTER (this_year), 0) AS sales,
    coalesce(sum(net_sales) FILTER (NOT this_year), 0) AS sales_before
FROM oracle.level_sale
GROUP BY ALL;

-- Grain: one level and member of each dimension that was sold in within the 24 months: who left shows as a change to 0.
CREATE OR REPLACE TABLE oracle.customer_structure AS
WITH first_month AS (SELECT month AS first_day FROM oracle.complete_month WHERE age = 11),
ranked AS (
    SELECT *, greatest(sales, 0) AS bought,
        row_number() OVER (PARTITION BY company_code, level, channel, lifecycle_stage, territory ORDER BY sales DESC) AS place,
        (company_code, customer_id) IN (
            SELECT (company_code, customer_id) FROM oracle.customer, first_month WHERE first_order_on >= first_day) AS is_new
    FROM oracle.level_customer
),
concentrated AS (
    SELECT company_code, level, channel, lifecycle_stage, territory,
        count(*) FILTER (sales > 0) AS customers,
        count(*) FILTER (sales_before > 0) AS customers_before,
        count(*) FILTER (sales > 0 AND is_new) AS new_customers,
        sum(bought::DOUBLE * bought::DOUBLE) / nullif(sum(bought)::DOUBLE * sum(bought)::DOUBLE, 0) AS hhi,
        (sum(bought) FILTER (place <= 10))::DOUBLE / nullif(sum(bought), 0)::DOUBLE AS top10_share
    FROM ranked
    GROUP BY ALL
),
summed AS (
    SELECT company_code, level, channel, lifecycle_stage, territory,
        coalesce(sum(net_sales) FILTER (this_year), 0) AS sales,
        coalesce(sum(net_sales) FILTER (NOT this_year), 0) AS sales_before,
        sum(contribution) FILTER (this_year) AS contribution,
        sum(contribution) FILTER (NOT this_year) AS contribution_before,
        coalesce(sum(net_sales) FILTER (this_year AND own_channel = 'direct'), 0) AS direct,
        coalesce(sum(net_sales) FILTER (this_year AND own_channel = 'export'), 0) AS export,
        coalesce(sum(net_sales) FILTER (this_year AND own_stage = 'introduction'), 0) AS introduced
    FROM oracle.level_sale
    GROUP BY ALL
),
whole AS (SELECT company_code, sales AS company_sales FROM summed WHERE level = 'company')
SELECT company_code, date_trunc('month', getvariable('closed_through'))::DATE AS period, level, channel, lifecycle_stage, territory,
    sales AS net_sales_12m, contribution AS gross_contribution_12m, customers, new_customers, hhi, top10_share,
    CASE WHEN company_sales > 0 THEN sales::DOUBLE / company_sales::DOUBLE END AS share_of_sales,
    CASE WHEN sales > 0 THEN direct::DOUBLE / sales::DOUBLE END AS direct_share,
    CASE WHEN sales > 0 THEN export::DOUBLE / sales::DOUBLE END AS export_share,
    CASE WHEN sales > 0 THEN introduced::DOUBLE / sales::DOUBLE END AS new_product_share,
    CASE WHEN sales_before > 0 THEN (sales - sales_before)::DOUBLE / sales_before::DOUBLE END AS net_sales_change,
    contribution - contribution_before AS contribution_change,
    customers - customers_before AS customers_change
FROM summed
JOIN concentrated USING (company_code, level, channel, lifecycle_stage, territory)
JOIN whole USING (company_code);
