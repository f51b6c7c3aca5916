SELECT company_code, customer_id, value.name, value.territory_id, value.channel,
    CAST(row_number() OVER (PARTITION BY company_code ORDER BY headroom_12m DESC NULLS LAST, customer_id) AS INTEGER)
        AS place,
    headroom_12m, headroom_reason, potential_method, net_sales_12m, loyalty, sales_trend, watch_tier, watch_gap, action
FROM customer_value AS value
LEFT JOIN next_action USING (company_code, customer_id)
WHERE effective_tier = 'cultivate'
