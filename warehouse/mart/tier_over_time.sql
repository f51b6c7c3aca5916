-- The latest revision of every period: revisions are counted without gaps, so a row that has a next one is not it.
SELECT company_code, period, effective_tier, effective_rank, count(*)::INTEGER AS customers,
    sum(net_sales_12m) AS net_sales_12m, sum(contribution_12m) AS contribution_12m
FROM customer_value_history
ANTI JOIN (
    SELECT company_code, customer_id, period, revision - 1 AS revision FROM customer_value_history WHERE revision > 1
) AS superseded USING (company_code, customer_id, period, revision)
GROUP BY company_code, period, effective_tier, effective_rank
