-- Not a prospect that costs samples: it is no customer yet.
SELECT company_code, customer_id, value.name, effective_tier, customer.salesperson_id, value.territory_id,
    CAST(row_number() OVER (PARTITION BY company_code ORDER BY contribution_12m, customer_id) AS INTEGER) AS place,
    net_sales_12m, contribution_12m, margin_12m, loss_component, contribution_basis, action, reason
FROM customer_value AS value
JOIN customer USING (company_code, customer_id)
LEFT JOIN next_action USING (company_code, customer_id)
WHERE is_loss_making AND effective_tier <> 'prospect'
