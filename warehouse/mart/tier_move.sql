SELECT company_code, customer_id, customer.name, customer.territory_id, period, revision, from_tier, from_rank, to_tier, to_rank,
    direction, change.cause, base_period, change.net_sales_from AS net_sales_before,
    coalesce(change.net_sales_to, rating.net_sales_12m) AS net_sales_after,
    (coalesce(change.net_sales_to, rating.net_sales_12m) - change.net_sales_from)::DECIMAL(38,4) AS net_sales_difference,
    change.contribution_from AS contribution_before,
    coalesce(change.contribution_to, rating.contribution_12m) AS contribution_after,
    (coalesce(change.contribution_to, rating.contribution_12m) - change.contribution_from)::DECIMAL(38,4) AS contribution_difference,
    change.quantity_effect_12m, change.price_effect_12m, score_from, score_to, reasons
FROM tier_change AS change
JOIN customer_value_history AS rating USING (company_code, customer_id, period, revision)
JOIN customer USING (company_code, customer_id)
