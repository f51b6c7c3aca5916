-- The cells over all territories.
SELECT company_code, period, channel, lifecycle_stage, sum(net_sales_12m) AS net_sales_12m,
    sum(gross_contribution_12m) AS gross_contribution_12m,
    CAST(CASE WHEN sum(net_sales_12m) > 0 THEN round(sum(gross_contribution_12m)::DOUBLE / sum(net_sales_12m)::DOUBLE, 6) END
        AS DECIMAL(18,6))::DOUBLE AS gross_margin_12m
FROM customer_structure
WHERE level = 'cell'
GROUP BY company_code, period, channel, lifecycle_stage
