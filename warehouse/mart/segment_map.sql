SELECT company_code, segment, count(*)::INTEGER AS customers, sum(net_sales_12m) AS net_sales_12m,
    sum(contribution_12m) AS contribution_12m, count(*) FILTER (WHERE is_loss_making)::INTEGER AS loss_making
FROM customer_value
WHERE segment NOT IN ('prospect', 'succeeded')
GROUP BY company_code, segment
