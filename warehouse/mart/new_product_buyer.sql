-- Launched is a product in its first month with net sales above 0; one that was sold in the first month of the books may be older.
WITH latest AS (
    SELECT company_code, max(period) AS period FROM rated.customer_value_history GROUP BY company_code
), begins AS (
    SELECT company_code, min(month) AS begins FROM rated.sales_cell GROUP BY company_code
), product AS (
    SELECT company_code, product_id, name AS product_name, category AS product_category, lifecycle_stage, status_from AS stage_since
    FROM erp.products
    WHERE NOT is_deleted AND lifecycle_stage IN ('introduction', 'growth')
), sold AS (
    SELECT company_code, product_id, coalesce(successor_id, customer_id) AS customer_id, month,
        sum(CASE WHEN share < 1 THEN (net_sales * share)::DECIMAL(38,4) ELSE net_sales END) AS net_sales
    FROM rated.sales_cell
    SEMI JOIN product USING (company_code, product_id)
    JOIN latest USING (company_code)
    LEFT JOIN rated.customer_succession USING (company_code, customer_id)
    WHERE month <= period
    GROUP BY company_code, product_id, coalesce(successor_id, customer_id), month
), launch AS (
    SELECT company_code, product_id, min(month) AS launched_in
    FROM sold JOIN begins USING (company_code)
    WHERE net_sales > 0
    GROUP BY company_code, product_id
    HAVING min(month) > any_value(begins)
), bought AS (
    SELECT company_code, product_id, customer_id, min(month) FILTER (WHERE net_sales > 0) AS first_bought_in,
        coalesce(sum(net_sales) FILTER (WHERE month > period - INTERVAL 12 MONTHS), 0)::DECIMAL(38,4) AS net_sales_12m,
        sum(net_sales)::DECIMAL(38,4) AS net_sales
    FROM sold JOIN latest USING (company_code)
    GROUP BY company_code, product_id, customer_id
    HAVING count(*) FILTER (WHERE net_sales > 0) > 0
)
SELECT company_code, product_id, customer_id, product_name, product_category, lifecycle_stage, stage_since, launched_in,
    coalesce(customer.name, customer_id) AS name, customer.channel, customer.salesperson_id, first_bought_in,
    date_diff('month', launched_in, first_bought_in)::INTEGER AS months_after_launch, net_sales_12m, net_sales
FROM bought
JOIN product USING (company_code, product_id)
LEFT JOIN launch USING (company_code, product_id)
LEFT JOIN publishing.main.customer USING (company_code, customer_id)
