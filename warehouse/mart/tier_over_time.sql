-- The latest revision of every period.
SELECT company_code, period, effective_tier, effective_rank, count(*)::INTEGER AS customers,
    sum(net_sales_12m) AS net_sales_12m, sum(contribution_12m) AS contribution_12m
FROM (
    SELECT * FROM customer_value_history
    QUALIFY row_number() OVER (PARTITION BY company_code, customer_id, period ORDER BY revision DESC) = 1
)
GROUP BY company_code, period, effective_tier, effective_rank
