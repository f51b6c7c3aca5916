SELECT company_code, period, effective_tier, effective_rank, count(*)::INTEGER AS customers,
    sum(net_sales_12m) AS net_sales_12m, sum(contribution_12m) AS contribution_12m
FROM customer_period
WHERE effective_rank > 0
GROUP BY company_code, period, effective_tier, effective_rank
