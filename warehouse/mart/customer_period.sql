-- The latest revision of every period: revisions are counted without gaps, so a row that has a next one is not it.
SELECT company_code, customer_id, period, revision, as_of, score, segment, effective_tier, effective_rank, net_sales_12m,
    contribution_12m, headroom_12m, effective_tier IN ('strategic', 'core') AS is_value_customer,
    coalesce(contribution_12m < 0, false) AS is_loss_making
FROM customer_value_history
ANTI JOIN (
    SELECT company_code, customer_id, period, revision - 1 AS revision FROM customer_value_history WHERE revision > 1
) AS superseded USING (company_code, customer_id, period, revision)
