-- Not who bought nothing in the year, nor in three months in which it bought a year before, nor who is blocked or inactive in the
-- master, or more likely gone than not: they are to be called, not cultivated.
SELECT company_code, customer_id, value.name, value.territory_id, value.channel, customer.salesperson_id,
    CAST(row_number() OVER (PARTITION BY company_code ORDER BY headroom_12m DESC NULLS LAST, net_sales_12m DESC, customer_id)
        AS INTEGER) AS place,
    headroom_12m, headroom_reason, potential_method, net_sales_12m, loyalty, sales_trend, last_order_on, watch_tier, watch_gap,
    credit_action, action
FROM customer_value AS value
JOIN customer USING (company_code, customer_id)
LEFT JOIN next_action USING (company_code, customer_id)
WHERE effective_tier = 'cultivate' AND net_sales_12m > 0 AND coalesce(customer.status, 'active') NOT IN ('blocked', 'inactive')
    AND coalesce(sales_trend > -1, true) AND coalesce(p_alive >= 0.5, true)
