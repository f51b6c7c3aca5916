-- What counts as a sign was decided by the rating; here it is only gathered. Whom a cap took out of the two highest tiers is in them without it.
SELECT company_code, customer_id, name, effective_tier, net_sales_12m, contribution_12m, sales_trend, score,
    watch_tier, watch_gap, watch_deadline, cap_reason, overdue_share, credit_grade, credit_action, signs
FROM (
    SELECT *, concat_ws(', ',
        CASE WHEN watch_direction = 'down' THEN 'expected to fall' END,
        CASE WHEN decline_state <> 'none' THEN decline_state END,
        CASE WHEN cap_tier IS NOT NULL THEN 'capped: ' || cap_reason END,
        CASE WHEN credit_action <> 'open' THEN 'credit: ' || credit_action END) AS signs
    FROM customer_value
    WHERE is_value_customer OR (cap_tier IS NOT NULL AND memory_tier IN ('strategic', 'core'))
)
WHERE signs <> ''
