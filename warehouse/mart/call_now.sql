-- Who slows down, declines or has lapsed was decided by the rating, with what is at stake, and so was that a move is expected; who
-- else buys less is a comparison of figures: no bar is set here, and what it rests on are the figures beside it. Of whom the rating says that it grows again, that fall is over. Who is blocked or inactive in the master is not called, nor who never was a customer.
WITH sign AS (
    SELECT year.*, value.sales_trend, value.quantity_effect_12m, value.price_effect_12m, value.sales_change_cause,
        value.last_order_on, value.usual_gap_days, date_diff('day', value.last_order_on, value.closed_through) AS days_silent,
        value.decline_since, value.decline_stake, value.decline_stake IS NOT NULL AS is_leaving,
        CASE WHEN value.decline_stake IS NOT NULL THEN value.decline_reason END AS decline_reason, value.watch_gap,
        value.watch_tier, value.watch_deadline, value.credit_action,
        CASE WHEN value.decline_stake IS NOT NULL THEN value.decline_state
            WHEN year.net_sales_12m <= 0 AND best_net_sales_12m > 0 THEN 'lost'
            WHEN net_sales_difference < 0 AND NOT coalesce(value.sales_trend >= 0, false) AND NOT coalesce(value.is_growing, false)
                THEN 'falling'
            WHEN value.watch_direction = 'down' THEN 'expected_to_fall' END AS sign
    FROM customer_year AS year JOIN customer_value AS value USING (company_code, customer_id)
    WHERE value.effective_rank > 0 AND coalesce(status, 'active') NOT IN ('blocked', 'inactive')
), staked AS (
    SELECT *, CASE WHEN is_leaving THEN decline_stake WHEN sign = 'expected_to_fall' THEN net_sales_12m
        ELSE best_net_sales_12m - coalesce(net_sales_12m, 0) END::DECIMAL(38,4) AS stake
    FROM sign WHERE sign IS NOT NULL
)
SELECT company_code, customer_id, staked.name, salesperson_id, territory_id, channel, effective_tier,
    CAST(row_number() OVER (PARTITION BY company_code ORDER BY stake DESC, customer_id) AS INTEGER) AS place, sign, decline_since, decline_reason, stake,
    net_sales_12m, net_sales_year_before, net_sales_difference, quantity_effect_12m, price_effect_12m, sales_change_cause,
    sales_trend, last_order_on, days_silent::INTEGER AS days_silent, usual_gap_days, watch_tier, watch_gap, watch_deadline,
    staked.credit_action, action, reason
FROM staked LEFT JOIN next_action USING (company_code, customer_id)
WHERE stake > 0
