-- What counts as a sign was decided by the rating; here it is only gathered.
SELECT company_code, customer_id, name, effective_tier, net_sales_12m, contribution_12m, sales_trend, score,
    watch_tier, watch_gap, watch_deadline, cap_reason, overdue_share, credit_grade, credit_action,
    concat_ws(', ',
        CASE WHEN watch_direction = 'down' THEN 'expected to fall' END,
        CASE WHEN cap_reason IS NOT NULL THEN 'capped: ' || cap_reason END,
        CASE WHEN credit_action <> 'open' THEN 'credit: ' || credit_action END) AS signs
FROM customer_value
WHERE effective_tier IN ('strategic', 'core')
  AND (watch_direction = 'down' OR cap_reason IS NOT NULL OR credit_action <> 'open')
