-- Asked are the customers that buy anything; a product that nobody bought is there with none of them.
WITH product AS (
    SELECT company_code, product_id, name AS product_name, category AS product_category, lifecycle_stage, status_from AS stage_since
    FROM erp.products
    WHERE NOT is_deleted AND lifecycle_stage IN ('introduction', 'growth')
), launch AS (
    SELECT company_code, product_id, any_value(launched_in) AS launched_in
    FROM publishing.main.new_product_buyer
    GROUP BY company_code, product_id
), member AS (
    SELECT company_code, customer_id, period, net_sales_12m > 0 AND effective_rank > 0 AS buys_anything,
        unnest([
            {level: 'company', member: 'all'}, {level: 'channel', member: coalesce(customer.channel, 'unknown')},
            {level: 'salesperson', member: coalesce(customer.salesperson_id, 'unknown')}
        ], recursive := true)
    FROM publishing.main.customer_value JOIN publishing.main.customer USING (company_code, customer_id)
), size AS (
    SELECT company_code, level, member, any_value(period) AS period, count(*) FILTER (WHERE buys_anything) AS customers
    FROM member
    GROUP BY company_code, level, member
), bought AS (
    SELECT company_code, product_id, level, member, count(*) FILTER (WHERE buys_anything AND net_sales_12m > 0) AS customers_buying,
        sum(net_sales_12m) AS net_sales_12m
    FROM publishing.main.new_product_buyer JOIN member USING (company_code, customer_id)
    GROUP BY company_code, product_id, level, member
)
SELECT company_code, product_id, level, member, product_name, product_category, lifecycle_stage, stage_since, launched_in,
    date_diff('month', launched_in, period)::INTEGER AS months_since_launch, customers::INTEGER AS customers,
    coalesce(customers_buying, 0)::INTEGER AS customers_buying,
    CASE WHEN customers > 0 THEN round(coalesce(customers_buying, 0)::DOUBLE / customers::DOUBLE, 6) END AS adoption,
    coalesce(net_sales_12m, 0)::DECIMAL(38,4) AS net_sales_12m
FROM product
JOIN size USING (company_code)
LEFT JOIN bought USING (company_code, product_id, level, member)
LEFT JOIN launch USING (company_code, product_id)
