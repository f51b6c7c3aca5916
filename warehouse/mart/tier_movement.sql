-- Each change with the revision of the rating that shows it.
SELECT company_code, period, change.cause, from_tier, to_tier, direction, count(*)::INTEGER AS customers,
    sum(rating.net_sales_12m) AS net_sales_12m, sum(rating.contribution_12m) AS contribution_12m
FROM tier_change AS change
JOIN customer_value_history AS rating USING (company_code, customer_id, period, revision)
GROUP BY company_code, period, change.cause, from_tier, to_tier, direction
