-- The latest revision of every period: revisions are counted without gaps, so a row that has a next one is not it. By a left
-- join, as in customer_value_by_month: where a reader's `OVER ()` stands above a semi or anti join, DuckDB 1.5 fails now
-- and then.
SELECT history.company_code, history.customer_id, history.period, history.revision, as_of, score, segment,
    effective_tier, effective_rank, net_sales_12m, contribution_12m, headroom_12m, effective_tier IN ('strategic', 'core') AS is_value_customer,
    coalesce(contribution_12m < 0, false) AS is_loss_making
FROM customer_value_history AS history
LEFT JOIN (
    SELECT company_code, customer_id, period, revision - 1 AS revision FROM customer_value_history WHERE revision > 1
) AS superseded USING (company_code, customer_id, period, revision)
WHERE superseded.revision IS NULL
