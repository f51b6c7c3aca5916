SELECT company_code, customer_id, period, revision, as_of, score, segment, effective_tier, effective_rank, net_sales_12m,
    contribution_12m, headroom_12m, effective_tier IN ('strategic', 'core') AS is_value_customer,
    coalesce(contribution_12m < 0, false) AS is_loss_making
FROM customer_value_by_month
