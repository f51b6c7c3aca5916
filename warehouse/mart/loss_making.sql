SELECT company_code, customer_id, name, effective_tier, net_sales_12m, contribution_12m, margin_12m, contribution_basis,
    action, reason
FROM customer_value
LEFT JOIN next_action USING (company_code, customer_id)
WHERE contribution_12m < 0
ORDER BY contribution_12m, company_code, customer_id
