-- Each change with the revision of the rating that shows it. Before and after are those of the moves that have both: a change is
-- never the difference of sums over different customers.
SELECT company_code, period, change.cause, from_tier, to_tier, direction, count(*)::INTEGER AS customers,
    sum(rating.net_sales_12m) AS net_sales_12m, sum(rating.contribution_12m) AS contribution_12m,
    count(net_sales_from + net_sales_to)::INTEGER AS customers_compared,
    sum(net_sales_from) FILTER (WHERE net_sales_to IS NOT NULL) AS net_sales_before,
    sum(net_sales_to) FILTER (WHERE net_sales_from IS NOT NULL) AS net_sales_after,
    sum(net_sales_to - net_sales_from)::DECIMAL(38,4) AS net_sales_difference,
    sum(contribution_from) FILTER (WHERE contribution_to IS NOT NULL) AS contribution_before,
    sum(contribution_to) FILTER (WHERE contribution_from IS NOT NULL) AS contribution_after,
    sum(contribution_to - contribution_from)::DECIMAL(38,4) AS contribution_difference,
    sum(change.quantity_effect_12m) AS quantity_effect_12m, sum(change.price_effect_12m) AS price_effect_12m
FROM tier_change AS change
JOIN customer_value_history AS rating USING (company_code, customer_id, period, revision)
GROUP BY company_code, period, change.cause, from_tier, to_tier, direction
