-- Who is not rated on one side comes from nowhere or goes nowhere. An amount that is not assessed adds nothing, here as in
-- company_period, so that the changes of all rows sum to the change of the company. A prospect is no customer, but what it was
-- billed is in the company's sales: it stands in the row of who is not rated. Who is succeeded since stood there as its successor.
WITH latest AS (
    SELECT company_code, max(period) AS period FROM customer_period GROUP BY company_code
), rated AS (
    SELECT DISTINCT company_code, period FROM customer_period
), span AS (
    SELECT latest.company_code, 'period' AS span, latest.period, max(rated.period) AS period_before
    FROM latest JOIN rated USING (company_code)
    WHERE rated.period < latest.period
    GROUP BY ALL
    UNION ALL
    SELECT latest.company_code, 'year', latest.period, rated.period
    FROM latest JOIN rated USING (company_code)
    WHERE rated.period = (latest.period - INTERVAL 12 MONTHS)::DATE
), heir AS (
    SELECT company_code, customer_id, successor_id, share FROM customer_succession
    UNION ALL
    SELECT company_code, customer_id, customer_id, (1 - sum(share))::DECIMAL(9,6) FROM customer_succession
    GROUP BY company_code, customer_id HAVING sum(share) < 1
), one_side AS (
    SELECT span.company_code, span, span.period, period_before, customer_id, false AS is_before, effective_tier, effective_rank,
        net_sales_12m, contribution_12m
    FROM customer_period JOIN span ON span.company_code = customer_period.company_code AND span.period = customer_period.period
    UNION ALL
    SELECT span.company_code, span, span.period, period_before, coalesce(successor_id, customer_id), true, effective_tier,
        effective_rank, CASE WHEN share < 1 THEN net_sales_12m * share ELSE net_sales_12m END,
        CASE WHEN share < 1 THEN contribution_12m * share ELSE contribution_12m END
    FROM customer_period
    LEFT JOIN heir USING (company_code, customer_id)
    JOIN span ON span.company_code = customer_period.company_code AND span.period_before = customer_period.period
), customer_span AS (
    SELECT company_code, span, period, period_before, customer_id,
        arg_max(effective_tier, effective_rank) FILTER (WHERE is_before AND effective_rank > 0) AS from_tier,
        max(effective_rank) FILTER (WHERE is_before AND effective_rank > 0) AS from_rank,
        max(effective_tier) FILTER (WHERE NOT is_before AND effective_rank > 0) AS to_tier,
        max(effective_rank) FILTER (WHERE NOT is_before AND effective_rank > 0) AS to_rank,
        coalesce(sum(net_sales_12m) FILTER (WHERE is_before), 0) AS net_sales_before,
        coalesce(sum(net_sales_12m) FILTER (WHERE NOT is_before), 0) AS net_sales_after,
        coalesce(sum(contribution_12m) FILTER (WHERE is_before), 0) AS contribution_before,
        coalesce(sum(contribution_12m) FILTER (WHERE NOT is_before), 0) AS contribution_after
    FROM one_side
    GROUP BY company_code, span, period, period_before, customer_id
)
SELECT company_code, span, period, period_before, from_tier, from_rank, to_tier, to_rank,
    CASE WHEN from_tier IS NULL AND to_tier IS NULL THEN 'prospect' WHEN from_tier IS NULL THEN 'appears'
        WHEN to_tier IS NULL THEN 'disappears' WHEN from_tier = to_tier THEN 'stays' WHEN to_rank > from_rank THEN 'up'
        WHEN to_rank < from_rank THEN 'down' ELSE 'lateral' END AS direction,
    count(*)::INTEGER AS customers,
    sum(net_sales_before)::DECIMAL(38,4) AS net_sales_before, sum(net_sales_after)::DECIMAL(38,4) AS net_sales_after,
    (sum(net_sales_after) - sum(net_sales_before))::DECIMAL(38,4) AS net_sales_difference,
    sum(contribution_before)::DECIMAL(38,4) AS contribution_before,
    sum(contribution_after)::DECIMAL(38,4) AS contribution_after,
    (sum(contribution_after) - sum(contribution_before))::DECIMAL(38,4) AS contribution_difference
FROM customer_span
GROUP BY company_code, span, period, period_before, from_tier, from_rank, to_tier, to_rank
